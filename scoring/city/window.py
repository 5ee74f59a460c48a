"""The months a city is seen in, and the day it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.city.frames import Ints


@dataclass(frozen=True)
class Window:
    """``months`` calendar months, the last being that of ``until``. What happens after ``as_of`` is not seen yet."""

    months: int
    until: date
    as_of: date

    @staticmethod
    def ending(months: int, until: date, as_of: date | None = None) -> Window:
        """``as_of`` defaults to 25 days after the last month, when its bills are due. Raises ValueError when it is earlier."""
        last = (until.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        seen = as_of or last + timedelta(days=25)
        if months < 1 or seen <= last:
            raise ValueError("months must be at least 1, and the city is looked at after its last month")
        return Window(months, last, seen)

    @cached_property
    def first(self) -> int:
        """First month, counted from January 1970."""
        return (self.until.year - 1970) * 12 + self.until.month - self.months

    @cached_property
    def end_day(self) -> int:
        """Last day of the last month, counted from 1970-01-01."""
        return (self.until - date(1970, 1, 1)).days

    @cached_property
    def seen_day(self) -> int:
        """``as_of``, counted from 1970-01-01."""
        return (self.as_of - date(1970, 1, 1)).days

    @cached_property
    def calendar(self) -> Ints:
        """Month of the year of each month, January 0."""
        return (self.first + np.arange(self.months)) % 12

    @cached_property
    def starts(self) -> Ints:
        """First day of each month and of the one after the last (one longer than ``months``)."""
        return first_days(self.first + np.arange(self.months + 1))

    @cached_property
    def names(self) -> pl.Series:
        """``2026-01`` for each month."""
        return month_names(self.first + np.arange(self.months))

    @cached_property
    def quarters(self) -> Ints:
        """Place of the first month of each calendar quarter that lies wholly in the window."""
        places = np.flatnonzero(self.calendar % 3 == 0)
        return np.asarray(places[places + 2 < self.months], dtype=np.int64)


def first_days(months: Ints) -> Ints:
    """First day of each month counted from January 1970, in days since 1970-01-01."""
    return np.asarray(months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64), dtype=np.int64)


def month_names(months: Ints) -> pl.Series:
    """``2026-01`` for each month counted from January 1970."""
    named: NDArray[np.str_] = np.datetime_as_string(months.astype("datetime64[M]"))
    return pl.Series(named, dtype=pl.String)
