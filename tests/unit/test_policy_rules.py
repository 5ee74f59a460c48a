"""Numbers of the market as people type them, and what cannot be."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from app.core.money import WAN
from app.market.audience_rules import next_banks, weights
from app.market.policy_rules import GROUPS, NAMES, Policy, apply, changed, fields_of, parameter, parsed, sound, text_of


def test_what_is_read_is_what_is_typed() -> None:
    assert sound(Policy()) is None
    assert {code for group in GROUPS for code in fields_of(group)} == set(NAMES)
    for code in NAMES:
        value = parameter(Policy(), code)
        assert apply(Policy(), {code: parsed(code, text_of(code, value))}) == Policy(), code
    assert text_of("need.max_amount_fen", 3_000 * WAN) == "3000" and parsed("need.max_amount_fen", "12.5") == 125_000_00
    assert text_of("offer.max_annual_rate", Decimal("0.24")) == "24" and parsed("offer.max_annual_rate", "15.4%") == "0.154"
    for code, wrong in (("levels.choice_limit_wd", "2.5"), ("levels.choice_limit_wd", "soon"), ("need.min_term_months", "nan")):
        with pytest.raises(ValueError):
            parsed(code, wrong)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"levels.choice_limit_wd": 0}, "levels.choice_limit_wd"),
        ({"levels.choice_target_wd": 11}, "levels.choice_target_wd"),
        ({"levels.targeted_banks_max": 6}, "levels.targeted_banks_max"),
        ({"offer.max_annual_rate": "1.2"}, "offer.max_annual_rate"),
        ({"offer.max_all_in_rate": "0.2"}, "offer.max_annual_rate"),
        ({"need.max_amount_fen": 1}, "need.min_amount_fen"),
        ({"levels.choice_target_wd": 6, "levels.choice_limit_wd": 12}, None),
    ],
)
def test_a_number_that_cannot_be_is_named(changes: dict[str, object], wrong: str | None) -> None:
    assert sound(apply(Policy(), changes)) == wrong


def test_only_what_differs_is_kept() -> None:
    after = apply(Policy(), {"levels.choice_limit_wd": 12, "offer.max_annual_rate": "0.24", "hours": "8:30-12:00 14:00-17:30",
                             "day.2026-09-24": False, "gone.long_ago": 3})
    assert changed(Policy(), after) == {
        "levels.choice_limit_wd": [10, 12], "hours": ["9:00-12:00 13:30-18:00", "8:30-12:00 14:00-17:30"],
        "day.2026-09-24": [None, False],
    }
    assert not after.calendar.is_working(date(2026, 9, 24)) and after.calendar.is_working(date(2026, 9, 23))
    assert changed(after, apply(after, {"day.2026-09-24": None})) == {"day.2026-09-24": [False, None]}


def test_turns_follow_past_answers() -> None:
    good, slow, never, new = (UUID(int=number) for number in range(1, 5))
    weight = weights([good, slow, never, new], {good: Decimal("0.9"), slow: Decimal("0.3"), never: Decimal(0)}, Decimal("0.10"))
    assert weight == {good: Decimal("0.9"), slow: Decimal("0.3"), never: Decimal("0.10"), new: Decimal("0.4")}
    asked: Counter[UUID] = Counter()
    for _ in range(170):
        asked.update(next_banks(weight, asked, 1))
    assert asked == {good: 90, slow: 30, never: 10, new: 40}  # as their answer rates are, nobody left out
    assert next_banks(weight, asked, 9) == next_banks(dict(reversed(weight.items())), asked, 9)
    assert len(next_banks(weight, asked, 9)) == 4
    assert weights([good, new], {}, Decimal("0.1")) == {good: 1, new: 1} and next_banks({}, {}, 3) == []
