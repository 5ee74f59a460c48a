"""The business day is Shanghai's, and working days follow the holiday notices while there are any."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import time_machine
from hypothesis import given
from hypothesis import strategies as st

from app.core.calendar import (
    add_working_days,
    end_of_working_day,
    is_provisional,
    is_working_day,
    next_working_day,
    now,
    same_or_next_working_day,
    today,
    working_days_between,
)

DAYS = st.dates(date(2020, 1, 1), date(2032, 12, 31))


def test_the_business_day_begins_at_midnight_in_shanghai() -> None:
    with time_machine.travel(datetime(2026, 11, 21, 16, 0, tzinfo=UTC), tick=False):
        assert now() == datetime(2026, 11, 21, 16, 0, tzinfo=UTC)
        assert today() == date(2026, 11, 22)
    with time_machine.travel(datetime(2026, 11, 21, 15, 59, tzinfo=UTC), tick=False):
        assert today() == date(2026, 11, 21)


def test_national_day_is_a_holiday_and_a_sunday_worked_in_lieu_is_not() -> None:
    assert not is_working_day(date(2025, 10, 1))
    assert is_working_day(date(2025, 9, 28))
    assert not is_provisional(date(2025, 10, 1))


def test_one_working_day_after_the_eve_of_national_day_comes_after_the_holiday() -> None:
    assert next_working_day(date(2025, 9, 30)) == date(2025, 10, 9)
    assert same_or_next_working_day(date(2025, 10, 1)) == date(2025, 10, 9)
    assert same_or_next_working_day(date(2025, 9, 30)) == date(2025, 9, 30)


def test_a_year_without_a_holiday_notice_is_provisional_and_goes_monday_to_friday() -> None:
    assert is_provisional(date(2031, 10, 1))
    assert is_working_day(date(2031, 10, 1))
    assert not is_working_day(date(2031, 10, 4))
    assert next_working_day(date(2031, 10, 3)) == date(2031, 10, 6)


def test_a_working_day_ends_at_six_in_the_evening_in_shanghai() -> None:
    assert end_of_working_day(date(2026, 11, 23)) == datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@given(DAYS, st.integers(-30, 30))
def test_counting_working_days_undoes_adding_them(day: date, n: int) -> None:
    assert working_days_between(day, add_working_days(day, n)) == n


@given(DAYS, st.integers(1, 30))
def test_a_deadline_in_working_days_falls_on_a_working_day(day: date, n: int) -> None:
    deadline = add_working_days(day, n)
    assert is_working_day(deadline)
    assert deadline >= day + timedelta(days=n)
