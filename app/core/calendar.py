"""The business day in Shanghai, and working days by the State Council's holiday notices.

The holiday data (``chinesecalendar``) ends with the last published year. Beyond it a date is *provisional*:
Monday to Friday count as working days until the notice is out, and ``is_provisional`` tells pages to say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta, timezone

from chinese_calendar.constants import holidays, workdays  # type: ignore[import-untyped, unused-ignore]

# A fixed offset needs no time-zone database on the machine. China has kept UTC+8 without summer time since
# 1992.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

WORK_ENDS = time(18, 0)
"""Close of a working day in Shanghai; deadlines counted in working days fall here."""

_FIRST_YEAR = min(holidays).year
_LAST_YEAR = max(holidays).year


_EARLIER: ContextVar[timedelta] = ContextVar("earlier", default=timedelta())


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC) - _EARLIER.get()


@contextmanager
def earlier(by: timedelta) -> Iterator[None]:
    """Within, it is so much earlier. For the demo city alone, whose bridges began weeks before the portal's first start."""
    token = _EARLIER.set(by)
    try:
        yield
    finally:
        _EARLIER.reset(token)


def today() -> date:
    """The business day: the date in Shanghai, whatever the server's clock zone."""
    return now().astimezone(SHANGHAI).date()


def is_provisional(day: date) -> bool:
    """True when the holiday notice of that year is not in our data."""
    return not _FIRST_YEAR <= day.year <= _LAST_YEAR


def is_working_day(day: date) -> bool:
    """True on a working day: weekends worked in lieu count, holidays do not; provisional years go Monday to
    Friday."""
    if is_provisional(day):
        return day.weekday() < 5
    return day in workdays or (day.weekday() < 5 and day not in holidays)


def add_working_days(day: date, n: int) -> date:
    """The ``n``-th working day after ``day`` (before it for a negative ``n``); ``day`` itself for 0."""
    step = timedelta(days=1 if n > 0 else -1)
    left = abs(n)
    while left:
        day += step
        left -= is_working_day(day)
    return day


def working_days_between(start: date, end: date) -> int:
    """Working days after ``start`` up to and including ``end``; negative when ``end`` is earlier.

    So ``working_days_between(d, add_working_days(d, n)) == n``. Going back, the days from ``end`` up to the
    day before ``start`` are counted, which keeps the same equation for a negative ``n``.
    """
    if end < start:
        return -sum(is_working_day(end + timedelta(days=k)) for k in range((start - end).days))
    return sum(is_working_day(start + timedelta(days=k)) for k in range(1, (end - start).days + 1))


def next_working_day(day: date) -> date:
    """The first working day strictly after ``day``."""
    return add_working_days(day, 1)


def same_or_next_working_day(day: date) -> date:
    """``day`` if it is a working day, else the first one after it (a due date that falls on a holiday)."""
    return day if is_working_day(day) else next_working_day(day)


def close_after(moment: datetime, working_days: int) -> datetime:
    """The close of the working day by which something is to be done, counted from the working day of a moment."""
    begun = same_or_next_working_day(moment.astimezone(SHANGHAI).date())
    return end_of_working_day(add_working_days(begun, working_days))


def end_of_working_day(day: date) -> datetime:
    """18:00 in Shanghai on that day, as an aware UTC moment."""
    return datetime.combine(day, WORK_ENDS, SHANGHAI).astimezone(UTC)
