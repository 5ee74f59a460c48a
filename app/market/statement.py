"""The months of an offer as the cost sheet prints them: principal, interest, charges, what is left. Money is fen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from app.core.money import round_fen
from app.market.costs import fee_months
from app.market.schedules import MONTHS, REGULAR_MONTHS, schedule
from app.market.terms import Offer, RepaymentMethod


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One month, 0 being the drawdown. ``interest_fen`` is paid then; ``accrued_fen`` ran up in that month (they differ where
    interest is paid at the end alone)."""

    month: int
    principal_fen: int
    interest_fen: int
    accrued_fen: int
    fees_fen: int
    balance_fen: int

    @property
    def paid_fen(self) -> int:
        """All that is paid in that month."""
        return self.principal_fen + self.interest_fen + self.fees_fen


def statement(offer: Offer) -> tuple[StatementRow, ...]:
    """Every month of an offer from drawdown to maturity, by whole months: the basis of the all-in rate."""
    fees = [0] * (offer.term_months + 1)
    for fee in offer.fees:
        for month in fee_months(fee, offer.term_months):
            fees[month] += fee.amount_fen
    dues = schedule(
        offer.amount_fen, offer.annual_rate, offer.term_months, offer.method, date(2001, 1, 1), REGULAR_MONTHS, offer.plan
    )
    rows = [StatementRow(0, 0, 0, 0, fees[0], offer.amount_fen)]
    if offer.method is not RepaymentMethod.BULLET:
        rows += [
            StatementRow(due.no, due.principal_fen, due.interest_fen, due.interest_fen, fees[due.no], due.balance_fen)
            for due in dues
        ]
        return tuple(rows)
    before = 0
    for month in range(1, offer.term_months + 1):
        last = month == offer.term_months
        run_up = dues[0].interest_fen if last else round_fen(offer.amount_fen * offer.annual_rate * month / MONTHS)
        rows.append(StatementRow(
            month, offer.amount_fen if last else 0, dues[0].interest_fen if last else 0, run_up - before, fees[month],
            0 if last else offer.amount_fen,
        ))  # fmt: skip
        before = run_up
    return tuple(rows)
