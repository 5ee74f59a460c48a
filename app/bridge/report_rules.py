"""Figures of the monthly report (transfer-loan paper §7 [P]). Pure: counts and sums in, ratios out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.core.money import EXACT, round_fen
from app.core.working import N_

FIGURES: dict[str, str] = {
    "applied": N_("申请"), "first": N_("首次使用"), "approved": N_("批准"), "paid": N_("放款"), "returned": N_("归还"),
    "settled": N_("结清"), "refused": N_("放款后未续贷"), "overdue": N_("逾期"),
}
"""Every figure that opens to its cases, by code."""
DIMENSIONS: dict[str, str] = {
    "all": N_("全部"), "bank": N_("按续贷银行"), "partner": N_("按资金方"), "district": N_("按区"),
}


def month_of(text: str, latest: date) -> date:
    """The first day of a typed month (YYYY-MM); of ``latest`` where it is none, or lies ahead."""
    try:
        found = date.fromisoformat(f"{text}-01")
    except ValueError:
        found = latest
    return min(found.replace(day=1), latest.replace(day=1))


def month_after(first: date) -> date:
    """The first day of the following month."""
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def months_back(first: date, count: int) -> list[date]:
    """First days of so many months, the newest first."""
    found = []
    for _ in range(count):
        found.append(first)
        first = date(first.year - (first.month == 1), (first.month - 2) % 12 + 1, 1)
    return found


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the report: a bank, a partner, a district, or all.

    Counts of what happened in the month; ``paid_fen`` went out, ``fee_fen`` (分) of what was settled; ``fen_days`` is the money
    of the settled ones times the days each part was out; ``market_rate`` a fraction a day.
    """

    by: str
    key: str
    name: str
    applied: int
    first: int
    approved: int
    paid: int
    paid_fen: int
    returned: int
    average_days: Decimal | None
    longest_days: int | None
    settled: int
    fee_fen: int
    fen_days: int
    refused: int
    overdue: int
    market_rate: Decimal

    @property
    def first_share(self) -> Decimal | None:
        """Share of the applications by firms that had never applied before."""
        return EXACT.divide(Decimal(self.first), Decimal(self.applied)) if self.applied else None

    @property
    def daily_rate(self) -> Decimal | None:
        """The fee per 分 and day; ``None`` where no money was out overnight."""
        return EXACT.divide(Decimal(self.fee_fen), Decimal(self.fen_days)) if self.fen_days else None

    @property
    def saving_fen(self) -> int:
        """What the settled ones would have cost at the market rate, less what they did cost (分)."""
        return round_fen(EXACT.multiply(Decimal(self.fen_days), self.market_rate)) - self.fee_fen
