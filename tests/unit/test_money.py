"""Money is whole fen: nothing is lost, nothing is invented."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import (
    WAN,
    YUAN,
    fen_from_yuan,
    floor_fen,
    floor_share,
    round_fen,
    share,
    split,
    yuan_text,
)


@pytest.mark.parametrize(
    ("typed", "fen"),
    [
        ("1,234.50", 123450),
        ("0.01", 1),
        (" 3000000 ", 300 * WAN),
        ("１２３．４５", 12345),
        ("￥１，２３４", 123400),
        ("500元", 50000),
        ("-12.3", -1230),
        ("1.500", 150),
        (Decimal("19.99"), 1999),
    ],
)
def test_an_amount_is_read_as_people_type_it(typed: str | Decimal, fen: int) -> None:
    assert fen_from_yuan(typed) == fen


@pytest.mark.parametrize(
    "typed",
    ["", "abc", "1.234", "1,23", "12,34,567", "1e5", "--1", ".5", "1.", "NaN", "9" * 30, Decimal("Infinity")],
)
def test_what_is_not_an_amount_of_money_is_refused(typed: str | Decimal) -> None:
    with pytest.raises(ValueError):
        fen_from_yuan(typed)


@pytest.mark.parametrize(
    ("value", "fen"), [("0.5", 1), ("1.5", 2), ("2.4999", 2), ("-0.5", -1), ("-1.4", -1)]
)
def test_half_a_fen_is_rounded_away_from_zero(value: str, fen: int) -> None:
    assert round_fen(Decimal(value)) == fen


def test_a_rule_that_rounds_down_never_gives_the_spare_fen_away() -> None:
    assert floor_fen(Decimal("99.999")) == 99
    assert floor_share(999, Decimal("0.5")) == 499
    assert share(999, Decimal("0.5")) == 500


def test_a_share_of_a_huge_amount_is_exact() -> None:
    assert share(9_223_372_036_854_775_806, Decimal("0.5")) == 4_611_686_018_427_387_903


@given(st.integers(-(10**15), 10**15), st.integers(1, 400))
def test_parts_of_a_split_add_up_and_differ_by_one_fen_at_most(amount: int, n: int) -> None:
    parts = split(amount, n)
    assert len(parts) == n
    assert sum(parts) == amount
    assert max(parts) - min(parts) <= 1


def test_money_cannot_be_split_into_no_parts() -> None:
    with pytest.raises(ValueError):
        split(100, 0)


@given(st.integers(-(10**17), 10**17))
def test_an_amount_shown_in_yuan_can_be_typed_in_again(amount: int) -> None:
    assert fen_from_yuan(yuan_text(amount)) == amount


def test_ten_thousand_yuan_are_a_million_fen() -> None:
    assert fen_from_yuan("10000") == WAN == 10_000 * YUAN
