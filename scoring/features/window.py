"""How far features look back, where they are cut off, and how time is counted. All numbers are proposals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Window:
    """Complete calendar months unless said otherwise (credit-data catalogue §3 and §4, proposals)."""

    recent_months: int = 12
    look_back_months: int = 24
    trend_months: int = 3
    arrival_months: int = 1
    """The last so many months may still be on their way: their absence is no gap."""
    least_bills: int = 3
    """A share of bills, filings or months is told from so many on."""
    least_pairs: int = 6
    """Growth is told when so many months are known in both years; ``trend_months - 1`` for the recent trend."""
    contribution_due_day: int = 20
    """Day of their month by which contributions are due; unconfirmed."""
    report_due: tuple[int, int] = (6, 30)
    """Month and day of the next year by which an annual report is published (企业信息公示暂行条例 第八条)."""
    report_years: int = 3
    grade_years: int = 3
    """A tax grade is read so many years after the year it is about."""
    register_months: int = 60
    """Penalties decided earlier than this are not read, repaired or not."""
    thin_months: int = 6
    """A source by month speaks from so many months on."""
    least_sources: int = 1
    """With fewer sources by month that speak, the answer is "insufficient", not a low score."""
    most_growth: float = 3.0
    most_volatility: float = 2.0
    most_late_days: float = 90.0
    most_months: float = 12.0
    """Arrears and balances, in months of bills or of outflow, are cut here."""
    most_ratio: float = 10.0
    """Ratios between two sources are cut here."""
    most_kwh: float = 10_000.0
    """kWh on 10,000 yuan of sales are cut here."""


WINDOW: Final = Window()


@dataclass(frozen=True, slots=True)
class Clock:
    """The day features are told for: nothing later is read.

    ``day``: days since 1970-01-01. ``last_month``: the last complete month, counted from January 1970.
    """

    day: int
    last_month: int

    @staticmethod
    def at(as_of: date) -> Clock:
        """At the end of that day: the month counts when the day is its last."""
        after = as_of + timedelta(days=1)
        return Clock((as_of - _EPOCH).days, (after.year - 1970) * 12 + after.month - 2)

    def months_ago(self, months: int) -> int:
        """The day so many average months before (days since 1970-01-01)."""
        return self.day - round(months * 30.4375)


def months_of(days: NDArray[np.datetime64]) -> Ints:
    """Calendar months, counted from January 1970."""
    return np.asarray(days.astype("datetime64[M]").astype(np.int64), dtype=np.int64)
