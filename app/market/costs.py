"""What a loan costs: cash flows, and the all-in yearly rate of the cost sheet (贷款明白纸).

Conventions are proposals [P] of the working paper on peer platforms, §2; the official method of the cost list
(明示综合融资成本) is not published. Rates are ``Decimal`` fractions per year, money is fen. Schedules are in ``schedules``,
the solver in ``irr``; their names are offered from here too.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext

from app.core.money import EXACT
from app.core.working import N_, WorkingLine
from app.market.irr import RATE_PLACES, FreeRate, free_schedule_rate, solve
from app.market.schedules import (
    ARITHMETIC,
    MONTHS,
    REGULAR_MONTHS,
    Conventions,
    DayCount,
    FirstPeriod,
    HolidayRule,
    Instalment,
    schedule,
)
from app.market.terms import Fee, FeeTime, Offer, RepaymentMethod

__all__ = [
    "REGULAR_MONTHS", "AllIn", "CashFlow", "Conventions", "DayCount", "FirstPeriod", "FreeRate", "HolidayRule", "Instalment",
    "all_in_rate", "cash_flows", "dated_rate", "fee_months", "fee_total_fen", "free_schedule_rate", "schedule",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CashFlow:
    """Money of the borrower at the end of a month (0 is the drawdown): received positive, paid negative, in
    fen."""

    month: int
    amount_fen: int


def cash_flows(offer: Offer) -> tuple[CashFlow, ...]:
    """All money between the borrower and everybody else, month by month, by whole months from the
    drawdown."""
    flows = [0] * (offer.term_months + 1)
    flows[0] = offer.amount_fen
    rows = schedule(
        offer.amount_fen, offer.annual_rate, offer.term_months, offer.method, date(2001, 1, 1), REGULAR_MONTHS, offer.plan
    )
    for row in rows:
        flows[offer.term_months if offer.method is RepaymentMethod.BULLET else row.no] -= row.total_fen
    for fee in offer.fees:
        for month in fee_months(fee, offer.term_months):
            flows[month] -= fee.amount_fen
    return tuple(CashFlow(month, amount) for month, amount in enumerate(flows))


def fee_months(fee: Fee, term_months: int) -> Sequence[int]:
    """The months (0 is the drawdown) in which a charge is paid. Raises ``ValueError`` for a period below one month."""
    if fee.at is FeeTime.START:
        return (0,)
    if fee.at is FeeTime.END:
        return (term_months,)
    if fee.every_months < 1:
        raise ValueError("a periodic charge comes every month at most")
    return range(fee.every_months, term_months + 1, fee.every_months)


def fee_total_fen(fee: Fee, term_months: int) -> int:
    """What one charge adds up to over the term, in fen."""
    return fee.amount_fen * len(fee_months(fee, term_months))


REFERENCE = date(2001, 1, 1)
"""The drawdown of a dated rate before there is one: a year of 365 days."""


def dated_rate(offer: Offer, drawn_on: date = REFERENCE) -> FreeRate:
    """The rate of the flows on their days, r with Σ CF/(1+r)^(days/365) = 0 (peer-platforms paper §2): each month's money on the
    day of the drawdown in that month. A few hundredths of a point from the rate by whole months, by which offers are compared."""
    first = drawn_on.year * MONTHS + drawn_on.month - 1
    flows = []
    for flow in cash_flows(offer):
        year, month = divmod(first + flow.month, MONTHS)
        flows.append((date(year, month + 1, min(drawn_on.day, monthrange(year, month + 1)[1])), flow.amount_fen))
    return free_schedule_rate(flows)


@dataclass(frozen=True, slots=True)
class AllIn:
    """The cost of an offer. Rates are fractions per year: ``nominal12`` is 12 × the monthly rate at which all
    flows balance (the portal ranks by it), ``effective`` compounds that monthly rate, ``simple`` is the
    headline rate plus charges over amount and years. ``total_extra_fen`` is everything paid above the
    principal."""

    nominal12: Decimal
    effective: Decimal
    simple: Decimal
    interest_fen: int
    fees_fen: int
    total_extra_fen: int
    flows: tuple[CashFlow, ...]
    working: tuple[WorkingLine, ...]


def all_in_rate(offer: Offer) -> AllIn:
    """All-in yearly rate of an offer, with its working (peer-platforms paper §2 [P]).

    Raises ``ValueError`` when charges at the start eat the loan up, since no rate then exists.
    """
    flows = cash_flows(offer)
    fees_fen = sum(fee_total_fen(fee, offer.term_months) for fee in offer.fees)
    extra_fen = -sum(flow.amount_fen for flow in flows)
    with localcontext(ARITHMETIC):
        monthly = solve([flow.amount_fen for flow in flows])
        years = Decimal(offer.term_months) / MONTHS
        nominal12 = (monthly * MONTHS).quantize(RATE_PLACES)
        effective = ((1 + monthly) ** MONTHS - 1).quantize(RATE_PLACES)
        simple = (offer.annual_rate + fees_fen / (offer.amount_fen * years)).quantize(RATE_PLACES)
    working = _all_in_working(offer, extra_fen - fees_fen, nominal12, effective, simple)
    return AllIn(nominal12, effective, simple, extra_fen - fees_fen, fees_fen, extra_fen, flows, working)


def _all_in_working(
    offer: Offer, interest_fen: int, nominal12: Decimal, effective: Decimal, simple: Decimal
) -> tuple[WorkingLine, ...]:
    """The lines of the cost sheet: interest, each charge with its yearly share, and the three rates."""
    lines = [
        WorkingLine("INTEREST", N_("利息（年利率 %(annual_ratio)s）"), {"annual_ratio": offer.annual_rate},
                    interest_fen, offer.annual_rate)
    ]  # fmt: skip
    for fee in offer.fees:
        total = fee_total_fen(fee, offer.term_months)
        per_year = EXACT.divide(Decimal(total * MONTHS), Decimal(offer.amount_fen * offer.term_months))
        lines.append(
            WorkingLine(
                f"FEE_{fee.kind}", fee.kind.label, {"text": fee.text}, total, per_year.quantize(RATE_PLACES)
            )
        )
    return (
        *lines,
        WorkingLine("SIMPLE", N_("简单相加：年利率加各项费用按年分摊"), {}, None, simple),
        WorkingLine("NOMINAL", N_("综合年化成本：使全部收支现值相等的月利率 × 12"), {}, None, nominal12),
        WorkingLine("EFFECTIVE", N_("实际年利率：按月复利"), {}, None, effective),
    )
