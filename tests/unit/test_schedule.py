"""Repayment schedules: the principal adds up to the fen, whatever the method, day count or calendar."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.calendar import is_working_day
from app.core.money import WAN, YUAN
from app.market.rules import (
    REGULAR_MONTHS,
    Conventions,
    DayCount,
    FirstPeriod,
    HolidayRule,
    RepaymentMethod,
    schedule,
)

FIXED = [method for method in RepaymentMethod if method is not RepaymentMethod.FREE]
PRINCIPALS = st.integers(1000 * YUAN, 3000 * WAN)
RATES = st.integers(0, 2400).map(lambda bp: Decimal(bp) / 10000)
STARTS = st.dates(date(2024, 1, 1), date(2029, 12, 31))
CONVENTIONS = st.builds(
    Conventions,
    day_count=st.sampled_from(DayCount),
    interest_day=st.none() | st.integers(1, 28),
    holiday=st.sampled_from(HolidayRule),
    first_period=st.sampled_from(FirstPeriod),
)


@settings(max_examples=150)
@given(PRINCIPALS, RATES, st.integers(1, 60), st.sampled_from(FIXED), STARTS, CONVENTIONS)
def test_principal_adds_up_and_the_number_of_rows_is_the_term(
    principal: int, rate: Decimal, months: int, method: RepaymentMethod, start: date, conventions: Conventions
) -> None:
    rows = schedule(principal, rate, months, method, start, conventions)
    assert sum(row.principal_fen for row in rows) == principal
    assert len(rows) == (1 if method is RepaymentMethod.BULLET else months)
    assert [row.no for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1].balance_fen == 0
    assert all(row.principal_fen >= 0 and row.interest_fen >= 0 for row in rows)
    dues = [row.due for row in rows]
    assert dues[0] > start
    assert dues == sorted(dues)


@settings(max_examples=100)
@given(PRINCIPALS, RATES, st.integers(2, 60), STARTS)
def test_equal_instalments_are_equal_but_for_the_last(
    principal: int, rate: Decimal, months: int, start: date
) -> None:
    totals = [
        row.total_fen for row in schedule(principal, rate, months, RepaymentMethod.EQUAL_INSTALMENT, start)
    ]
    assert len(set(totals[:-1])) == 1
    assert abs(totals[-1] - totals[0]) <= 2 * months


def test_a_regular_annuity_is_the_one_of_the_textbook() -> None:
    rows = schedule(
        300 * WAN, Decimal("0.0345"), 12, RepaymentMethod.EQUAL_INSTALMENT, date(2026, 1, 15), REGULAR_MONTHS
    )
    assert rows[0].interest_fen == 8625 * YUAN
    monthly = Fraction(345, 10_000 * 12)
    growth = (1 + monthly) ** 12
    assert rows[0].total_fen == round(300 * WAN * monthly * growth / (growth - 1))
    assert rows[0].due == date(2026, 2, 15)


def test_interest_only_pays_a_twelfth_each_month_and_the_principal_at_the_end() -> None:
    rows = schedule(
        300 * WAN, Decimal("0.0385"), 12, RepaymentMethod.INTEREST_ONLY, date(2026, 1, 31), REGULAR_MONTHS
    )
    assert {row.interest_fen for row in rows} == {9625 * YUAN}
    assert [row.principal_fen for row in rows] == [0] * 11 + [300 * WAN]
    assert rows[0].due == date(2026, 2, 28)
    assert rows[1].due == date(2026, 3, 31)


def test_equal_principal_pays_falling_interest() -> None:
    rows = schedule(
        120 * WAN, Decimal("0.06"), 12, RepaymentMethod.EQUAL_PRINCIPAL, date(2026, 1, 15), REGULAR_MONTHS
    )
    assert {row.principal_fen for row in rows} == {10 * WAN}
    assert [row.interest_fen for row in rows] == [k * 500 * YUAN for k in range(12, 0, -1)]


def test_a_bullet_pays_everything_at_maturity() -> None:
    (row,) = schedule(100 * WAN, Decimal("0.04"), 6, RepaymentMethod.BULLET, date(2026, 8, 31))
    assert (row.due, row.principal_fen, row.interest_fen) == (date(2027, 2, 28), 100 * WAN, 2 * WAN)


def test_interest_is_due_on_the_21st_and_the_first_broken_period_is_charged_by_its_days() -> None:
    rows = schedule(360 * WAN, Decimal("0.04"), 12, RepaymentMethod.INTEREST_ONLY, date(2026, 3, 5))
    assert [row.due.day for row in rows[:-1]] == [21] * 11
    assert rows[0].due == date(2026, 3, 21)
    assert rows[0].interest_fen == 16 * 400 * YUAN
    assert rows[-1].due == date(2027, 3, 5)
    assert sum(row.interest_fen for row in rows) == 360 * 400 * YUAN


def test_a_long_first_period_skips_the_first_interest_day() -> None:
    conventions = Conventions(first_period=FirstPeriod.LONG)
    rows = schedule(
        360 * WAN, Decimal("0.04"), 12, RepaymentMethod.INTEREST_ONLY, date(2026, 3, 5), conventions
    )
    assert rows[0].due == date(2026, 4, 21)
    assert rows[0].interest_fen == 46 * 400 * YUAN
    assert sum(row.interest_fen for row in rows) == 360 * 400 * YUAN


@pytest.mark.parametrize(
    ("count", "days", "base"), [(DayCount.ACT_360, 365, 360), (DayCount.ACT_365, 365, 365)]
)
def test_actual_days_are_divided_by_the_base(count: DayCount, days: int, base: int) -> None:
    (row,) = schedule(
        365 * 360 * WAN,
        Decimal("0.01"),
        12,
        RepaymentMethod.BULLET,
        date(2026, 1, 1),
        Conventions(day_count=count),
    )
    assert row.interest_fen * base == 365 * 360 * WAN * days // 100


def test_a_due_date_on_a_holiday_moves_to_the_next_working_day_where_the_product_says_so() -> None:
    conventions = Conventions(interest_day=None, holiday=HolidayRule.FOLLOWING)
    rows = schedule(
        100 * WAN, Decimal("0.04"), 12, RepaymentMethod.INTEREST_ONLY, date(2025, 1, 1), conventions
    )
    assert all(is_working_day(row.due) for row in rows)
    assert rows[8].due == date(2025, 10, 9)


@pytest.mark.parametrize(("principal", "rate", "months"), [(0, "0.04", 12), (1, "-0.01", 12), (1, "0.04", 0)])
def test_a_schedule_of_nothing_is_refused(principal: int, rate: str, months: int) -> None:
    with pytest.raises(ValueError):
        schedule(principal, Decimal(rate), months, RepaymentMethod.BULLET, date(2026, 1, 1))


def test_an_interest_day_that_some_months_lack_is_refused() -> None:
    with pytest.raises(ValueError):
        Conventions(interest_day=31)
