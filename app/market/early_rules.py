"""What if the firm repays early: the same offer, ended after some months. Money is fen, rates are fractions per year.

What was agreed up to then is paid as agreed, and at the end of that month the rest of the principal with any penalty. Charges
at the start are not given back; charges that come again and again stop; a charge at the end is paid then.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

from app.core.money import round_fen
from app.market.costs import CashFlow, all_in_rate, fee_months
from app.market.irr import RATE_PLACES, solve
from app.market.schedules import ARITHMETIC, MONTHS
from app.market.statement import StatementRow, statement
from app.market.terms import FeeTime, Offer

MOST_ROWS = 24
"""Rows of the table of a long loan."""


@dataclass(frozen=True, slots=True)
class Early:
    """An offer ended after ``month``. ``balance_fen`` is repaid then, with ``penalty_fen``; savings are against the full term.
    ``unused_fees_fen``: the share, by time, of charges at the start that are paid for months not used and not given back."""

    month: int
    balance_fen: int
    penalty_fen: int
    interest_fen: int
    interest_saved_fen: int
    fees_fen: int
    fees_saved_fen: int
    unused_fees_fen: int
    total_extra_fen: int
    nominal12: Decimal
    effective: Decimal
    flows: tuple[CashFlow, ...]


def early(offer: Offer, after_month: int, penalty: Decimal | int = 0) -> Early:
    """The offer repaid at the end of a month before maturity. ``penalty``: fen, or a ``Decimal`` share of what is repaid early.

    Raises ``ValueError`` for a month outside the term or a negative penalty.
    """
    if not 1 <= after_month < offer.term_months or penalty < 0:
        raise ValueError("an early repayment comes after the first month and before maturity, at no negative penalty")
    rows = statement(offer)
    return _ended(offer, rows, all_in_rate(offer).interest_fen, after_month, penalty)


def _ended(offer: Offer, rows: tuple[StatementRow, ...], full_interest: int, month: int, penalty: Decimal | int) -> Early:
    kept = rows[: month + 1]
    balance = kept[-1].balance_fen
    accrued = sum(row.accrued_fen for row in kept) - sum(row.interest_fen for row in kept)
    charged = round_fen(balance * penalty) if isinstance(penalty, Decimal) else penalty
    flows = [offer.amount_fen, *([0] * month)]
    fees = 0
    for fee in offer.fees:
        months = (month,) if fee.at is FeeTime.END else [at for at in fee_months(fee, offer.term_months) if at <= month]
        for at in months:
            flows[at] -= fee.amount_fen
            fees += fee.amount_fen
    for row in kept[1:]:
        flows[row.month] -= row.principal_fen + row.interest_fen
    flows[month] -= balance + accrued + charged
    interest = sum(row.accrued_fen for row in kept)
    all_fees = sum(fee.amount_fen * len(fee_months(fee, offer.term_months)) for fee in offer.fees)
    at_start = sum(fee.amount_fen for fee in offer.fees if fee.at is FeeTime.START)
    with localcontext(ARITHMETIC):
        monthly = solve(flows)
        nominal12 = (monthly * MONTHS).quantize(RATE_PLACES)
        effective = ((1 + monthly) ** MONTHS - 1).quantize(RATE_PLACES)
        unused = round_fen(Decimal(at_start) * (offer.term_months - month) / offer.term_months)
    return Early(
        month, balance, charged, interest, full_interest - interest, fees, all_fees - fees, unused, -sum(flows), nominal12,
        effective, tuple(CashFlow(at, amount) for at, amount in enumerate(flows)),
    )  # fmt: skip


def early_table(offer: Offer, penalty: Decimal | int = 0) -> list[Early]:
    """The offer ended after each month, or of a long loan after evenly spread ones."""
    step = -(-(offer.term_months - 1) // MOST_ROWS) if offer.term_months > 1 else 1
    rows, interest = statement(offer), all_in_rate(offer).interest_fen
    return [_ended(offer, rows, interest, month, penalty) for month in range(step, offer.term_months, step)]
