"""Working time: hours over weekends and holidays, days that are worked or not against the notice, parts of a limit."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.calendar import SHANGHAI
from app.market.hours_rules import WorkCalendar, parse_spans, spans_text

USUAL = WorkCalendar()


def at(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of 2026 in Beijing."""
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        (at(6, 1, 9), 2, at(6, 1, 11)),
        (at(6, 1, 11), 2, at(6, 1, 14, 30)),  # over lunch
        (at(6, 5, 17), 4, at(6, 8, 12)),  # Friday afternoon to Monday noon
        (at(6, 6, 3), 1, at(6, 8, 10)),  # begun on a Saturday
        (at(9, 30, 17), 4, at(10, 8, 12)),  # over National Day
    ],
)
def test_hours_pass_while_people_work(start: datetime, hours: int, end: datetime) -> None:
    assert USUAL.add_hours(start, hours) == end
    assert USUAL.worked(start, end) == timedelta(hours=hours)


def test_a_day_of_its_own_beats_the_notice() -> None:
    typhoon = WorkCalendar(overrides={date(2026, 6, 2): False, date(2026, 6, 6): True})
    assert typhoon.due(at(6, 1, 10), 1) == at(6, 3, 18) and USUAL.due(at(6, 1, 10), 1) == at(6, 2, 18)
    assert typhoon.due(at(6, 5, 10), 1) == at(6, 6, 18)  # a Saturday that is worked
    assert typhoon.add_hours(at(6, 1, 17), 4) == at(6, 3, 12)
    assert USUAL.due_natural(at(6, 1, 10), 30) == at(7, 1, 18)
    assert WorkCalendar(((time(8), time(12)),)).due(at(6, 1, 10), 1) == at(6, 2, 12)


def test_half_of_a_limit_is_half_of_its_working_time() -> None:
    start, limit = at(6, 5, 9), at(6, 8, 18)  # Friday morning to Monday evening: two days of work
    assert USUAL.share(start, limit, at(6, 5, 9)) == 0
    assert USUAL.share(start, limit, at(6, 7, 12)) == 50  # all of the weekend
    assert USUAL.share(start, limit, at(6, 8, 17, 59)) == 99 and USUAL.share(start, limit, at(6, 8, 18)) == 100
    assert USUAL.moment(start, limit, 50) == at(6, 5, 18)
    assert USUAL.moment(start, limit, 80) == at(6, 8, 15)  # 12 of 15 hours: 7.5 on Friday, 3 before lunch, 1.5 after it
    assert USUAL.moment(start, limit, 100) == limit
    assert USUAL.moment(at(6, 6, 9), at(6, 6, 18), 50) == at(6, 6, 18)  # no working time in between: at the limit itself


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 20)), st.integers(1, 60), st.integers(1, 99))
def test_moments_and_shares_agree(start: datetime, hours: int, percent: int) -> None:
    start = start.replace(tzinfo=SHANGHAI, microsecond=0)
    limit = USUAL.add_hours(start, hours)
    moment = USUAL.moment(start, limit, percent)
    assert start <= moment <= limit
    assert percent - 1 <= USUAL.share(start, limit, moment) <= percent


def test_hours_are_typed_as_they_are_read() -> None:
    assert spans_text(parse_spans("9:00-12:00, 13:30–18:00")) == "9:00-12:00 13:30-18:00"
    for wrong in ("", "9:00", "12:00-9:00", "9:00-12:00 11:00-18:00", "9-x", "25:00-26:00"):
        with pytest.raises(ValueError):
            parse_spans(wrong)
