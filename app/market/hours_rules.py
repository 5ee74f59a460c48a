"""Working time: which days are worked, between which hours, and what part of a limit is used up.

Working days are those of the State Council's notices (``core.calendar``); a day named in ``overrides`` (a typhoon day, a day
worked in lieu) beats them. Hours are the same on every working day, Beijing time [P].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from app.core.calendar import SHANGHAI, is_working_day

Span = tuple[time, time]

HOURS: tuple[Span, ...] = ((time(9, 0), time(12, 0)), (time(13, 30), time(18, 0)))
"""Seven and a half hours a day [P]."""


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """``spans``: hours of a working day in order, Beijing time. ``overrides``: day → whether it is worked."""

    spans: tuple[Span, ...] = HOURS
    overrides: Mapping[date, bool] = field(default_factory=dict)

    def is_working(self, day: date) -> bool:
        """Whether the day is worked."""
        known = self.overrides.get(day)
        return is_working_day(day) if known is None else known

    def add_days(self, day: date, n: int) -> date:
        """The ``n``-th working day after ``day``; ``day`` itself for 0."""
        while n:
            day += timedelta(days=1)
            n -= self.is_working(day)
        return day

    def end_of(self, day: date) -> datetime:
        """The close of business of a day, in UTC."""
        return _at(day, self.spans[-1][1])

    def due(self, start: datetime, working_days: int) -> datetime:
        """The close of the ``n``-th working day after the day of ``start`` (Beijing time), in UTC."""
        return self.end_of(self.add_days(start.astimezone(SHANGHAI).date(), working_days))

    def due_natural(self, start: datetime, days: int) -> datetime:
        """The close of business of the ``n``-th natural day after ``start``, in UTC."""
        return self.end_of(start.astimezone(SHANGHAI).date() + timedelta(days=days))

    def add_hours(self, start: datetime, hours: int) -> datetime:
        """The moment when so many working hours have passed since ``start``, in UTC."""
        return self._after(start, timedelta(hours=hours))

    def worked(self, start: datetime, end: datetime) -> timedelta:
        """Working time between two moments; none where ``end`` is not later."""
        total = timedelta()
        for begins, ends in self._spans_from(start):
            if begins >= end:
                return total
            total += min(ends, end) - max(begins, start)
        raise AssertionError("unreachable")

    def share(self, start: datetime, limit: datetime, at: datetime) -> int:
        """Whole per cent of the working time from ``start`` to ``limit`` that is used up at a moment; 100 from the limit on."""
        if at >= limit:
            return 100
        whole = self.worked(start, limit)
        return min(99, int(100 * self.worked(start, at) / whole)) if whole else 0

    def moment(self, start: datetime, limit: datetime, percent: int) -> datetime:
        """When so many per cent of the working time from ``start`` to ``limit`` are used up; never after the limit."""
        whole = self.worked(start, limit)
        return limit if percent >= 100 or not whole else min(limit, self._after(start, whole * percent / 100))

    def _after(self, start: datetime, left: timedelta) -> datetime:
        for begins, ends in self._spans_from(start):
            begins = max(begins, start)
            if ends - begins >= left:
                return begins + left
            left -= ends - begins
        raise AssertionError("unreachable")

    def _spans_from(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Working spans that end after ``start``, without end."""
        day = start.astimezone(SHANGHAI).date()
        while True:
            if self.is_working(day):
                for begins, ends in self.spans:
                    if _at(day, ends) > start:
                        yield _at(day, begins), _at(day, ends)
            day += timedelta(days=1)


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, SHANGHAI).astimezone(UTC)


def parse_spans(text: str) -> tuple[Span, ...]:
    """Hours as they are typed: ``9:00-12:00 13:30-18:00``. Raises ``ValueError`` unless they rise and do not meet."""
    spans = []
    for part in text.replace("，", " ").replace(",", " ").replace("–", "-").split():
        begins, _, ends = part.partition("-")
        spans.append((_clock(begins), _clock(ends)))
    moments = [moment for span in spans for moment in span]
    if not 1 <= len(spans) <= 4 or moments != sorted(set(moments)):
        raise ValueError(text)
    return tuple(spans)


def _clock(text: str) -> time:
    hour, _, minute = text.strip().partition(":")
    return time(int(hour), int(minute))


def spans_text(spans: tuple[Span, ...]) -> str:
    """Hours as they are read: ``9:00-12:00 13:30-18:00``."""
    return " ".join(f"{begins:%-H:%M}-{ends:%-H:%M}" for begins, ends in spans)
