"""What a loan costs: repayment schedules, cash flows, and the all-in yearly rate of the cost sheet
(贷款明白纸).

Conventions are proposals [P] of the working paper on peer platforms, §2; the official method of the cost list
(明示综合融资成本) is not published. Rates are ``Decimal`` fractions per year, money is fen.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal, localcontext
from enum import StrEnum

from app.core.calendar import same_or_next_working_day
from app.core.money import EXACT, round_fen, split
from app.core.working import N_, WorkingLine
from app.market.terms import Fee, FeeTime, Offer, RepaymentMethod

MONTHS = 12
_STEPS = 110  # halvings of a bracket at most 2**20 wide: far below the eighth decimal that is shown
_RATE_PLACES = Decimal("0.00000001")
_ARITHMETIC = Context(prec=40)


class DayCount(StrEnum):
    """How days between two due dates are counted and divided by a year."""

    THIRTY_360 = "30/360"
    ACT_360 = "ACT/360"
    ACT_365 = "ACT/365"


class HolidayRule(StrEnum):
    """What a due date on a holiday does."""

    NONE = "NONE"
    FOLLOWING = "FOLLOWING"


class FirstPeriod(StrEnum):
    """Whether the first interest day after drawdown is used (SHORT) or the one in the next month (LONG)."""

    SHORT = "SHORT"
    LONG = "LONG"


@dataclass(frozen=True, slots=True)
class Conventions:
    """Conventions of a product [P]. ``interest_day`` None means each month on the day of the drawdown."""

    day_count: DayCount = DayCount.THIRTY_360
    interest_day: int | None = 21
    holiday: HolidayRule = HolidayRule.NONE
    first_period: FirstPeriod = FirstPeriod.SHORT

    def __post_init__(self) -> None:
        if self.interest_day is not None and not 1 <= self.interest_day <= 28:
            raise ValueError("an interest day must exist in every month")


REGULAR_MONTHS = Conventions(interest_day=None)
"""Whole months from the drawdown: the basis of the all-in rate, which must not depend on the day of
signing."""


@dataclass(frozen=True, slots=True)
class Instalment:
    """One row of a schedule; ``balance_fen`` is the principal left after it."""

    no: int
    due: date
    principal_fen: int
    interest_fen: int
    balance_fen: int

    @property
    def total_fen(self) -> int:
        """Principal and interest together, in fen."""
        return self.principal_fen + self.interest_fen


def schedule(
    principal_fen: int,
    annual_rate: Decimal,
    term_months: int,
    method: RepaymentMethod,
    start: date,
    conventions: Conventions = Conventions(),
) -> list[Instalment]:
    """Repayment rows of a loan drawn on ``start``: principal adds up to the fen.

    Monthly methods have ``term_months`` rows, the last at maturity (start plus the term); a bullet has one.
    Equal instalments are equal but for the last. Raises ``ValueError`` for principal or term below one or a
    negative rate.
    """
    if principal_fen < 1 or term_months < 1 or annual_rate < 0:
        raise ValueError("a schedule needs principal, a term of one month at least, and no negative rate")
    dues, years = _periods(start, term_months, method, conventions)
    with localcontext(_ARITHMETIC):
        factors = [annual_rate * year for year in years]
        principals = _principals(principal_fen, factors, method)
        rows = []
        balance = principal_fen
        for no, (due, factor, principal) in enumerate(zip(dues, factors, principals, strict=True), start=1):
            interest = round_fen(balance * factor)
            balance -= principal
            rows.append(Instalment(no, due, principal, interest, balance))
    return rows


def _principals(principal_fen: int, factors: Sequence[Decimal], method: RepaymentMethod) -> list[int]:
    """Principal of each row, in fen; ``factors`` are the interest per unit of balance of each period."""
    count = len(factors)
    if method is RepaymentMethod.EQUAL_PRINCIPAL:
        return split(principal_fen, count)
    if method is not RepaymentMethod.EQUAL_INSTALMENT:
        return [0] * (count - 1) + [principal_fen]
    instalment = _level_instalment(principal_fen, factors)
    balance = principal_fen
    parts = []
    for factor in factors[:-1]:
        # A long first period may cost more than one instalment: debt never grows, the last row takes the
        # rest.
        part = min(balance, max(0, instalment - round_fen(balance * factor)))
        balance -= part
        parts.append(part)
    return [*parts, balance]


def _level_instalment(principal_fen: int, factors: Sequence[Decimal]) -> int:
    """The one amount that, paid at the end of each period, is worth the principal today."""
    discount, worth = Decimal(1), Decimal(0)
    for factor in factors:
        discount /= 1 + factor
        worth += discount
    return round_fen(principal_fen / worth)


def _periods(
    start: date, term_months: int, method: RepaymentMethod, conventions: Conventions
) -> tuple[list[date], list[Decimal]]:
    """Due dates, and the length of each period in years by the day count."""
    anchors = _anchors(start, term_months, method, conventions)
    dues = [_day(months, day) for months, day in anchors]
    if conventions.holiday is HolidayRule.FOLLOWING:
        dues = [same_or_next_working_day(due) for due in dues]
    years = []
    month, day, before = _month(start), min(start.day, 30), start
    for (next_month, next_day), due in zip(anchors, dues, strict=True):
        if conventions.day_count is DayCount.THIRTY_360:
            # By month: a full month is 30 days whatever its length, so the 31st counts as the 30th.
            days, base = 30 * (next_month - month) + min(next_day, 30) - day, 360
        else:
            days = (due - before).days
            base = 360 if conventions.day_count is DayCount.ACT_360 else 365
        years.append(_ARITHMETIC.divide(Decimal(days), Decimal(base)))
        month, day, before = next_month, min(next_day, 30), due
    return dues, years


def _anchors(
    start: date, term_months: int, method: RepaymentMethod, conventions: Conventions
) -> list[tuple[int, int]]:
    """(month number, nominal day) of each due date, before clamping to the month's end and to working
    days."""
    first = _month(start)
    maturity = (first + term_months, start.day)
    if method is RepaymentMethod.BULLET:
        return [maturity]
    day = conventions.interest_day or start.day
    same_month = conventions.first_period is FirstPeriod.SHORT and start.day < day
    offset = 0 if same_month else 1
    return [(first + offset + k, day) for k in range(term_months - 1)] + [maturity]


def _month(day: date) -> int:
    return day.year * MONTHS + day.month - 1


def _day(months: int, day: int) -> date:
    year, month = divmod(months, MONTHS)
    return date(year, month + 1, min(day, monthrange(year, month + 1)[1]))


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
        offer.amount_fen, offer.annual_rate, offer.term_months, offer.method, date(2001, 1, 1), REGULAR_MONTHS
    )
    for row in rows:
        flows[offer.term_months if offer.method is RepaymentMethod.BULLET else row.no] -= row.total_fen
    for fee in offer.fees:
        for month in _fee_months(fee, offer.term_months):
            flows[month] -= fee.amount_fen
    return tuple(CashFlow(month, amount) for month, amount in enumerate(flows))


def _fee_months(fee: Fee, term_months: int) -> Sequence[int]:
    if fee.at is FeeTime.START:
        return (0,)
    if fee.at is FeeTime.END:
        return (term_months,)
    if fee.every_months < 1:
        raise ValueError("a periodic charge comes every month at most")
    return range(fee.every_months, term_months + 1, fee.every_months)


def fee_total_fen(fee: Fee, term_months: int) -> int:
    """What one charge adds up to over the term, in fen."""
    return fee.amount_fen * len(_fee_months(fee, term_months))


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
    with localcontext(_ARITHMETIC):
        monthly = _solve([flow.amount_fen for flow in flows])
        years = Decimal(offer.term_months) / MONTHS
        nominal12 = (monthly * MONTHS).quantize(_RATE_PLACES)
        effective = ((1 + monthly) ** MONTHS - 1).quantize(_RATE_PLACES)
        simple = (offer.annual_rate + fees_fen / (offer.amount_fen * years)).quantize(_RATE_PLACES)
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
                f"FEE_{fee.kind}", fee.kind.label, {"text": fee.text}, total, per_year.quantize(_RATE_PLACES)
            )
        )
    return (
        *lines,
        WorkingLine("SIMPLE", N_("简单相加：年利率加各项费用按年分摊"), {}, None, simple),
        WorkingLine("NOMINAL", N_("综合年化成本：使全部收支现值相等的月利率 × 12"), {}, None, nominal12),
        WorkingLine("EFFECTIVE", N_("实际年利率：按月复利"), {}, None, effective),
    )


@dataclass(frozen=True, slots=True)
class FreeRate:
    """All-in rate of flows on free dates: ``effective`` solves Σ CF/(1+r)^(days/365) = 0, ``nominal12`` is
    12·((1+r)^(1/12) − 1); fractions per year."""

    nominal12: Decimal
    effective: Decimal


def free_schedule_rate(flows: Sequence[tuple[date, int]]) -> FreeRate:
    """All-in rate of dated flows in fen (received positive, paid negative), the first one received.

    Raises ``ValueError`` when nothing is received first or nothing is paid back, since no rate then exists.
    """
    if not flows:
        raise ValueError("no flows, no rate")
    ordered = sorted(flows, key=lambda flow: flow[0])
    begin, days = ordered[0][0], (ordered[-1][0] - ordered[0][0]).days
    daily = [0] * (days + 1)
    for day, amount in ordered:
        daily[(day - begin).days] += amount
    with localcontext(_ARITHMETIC):
        effective = (1 + _solve(daily)) ** 365 - 1
        monthly = (1 + effective) ** (Decimal(1) / MONTHS) - 1
        return FreeRate((monthly * MONTHS).quantize(_RATE_PLACES), effective.quantize(_RATE_PLACES))


def _solve(flows: Sequence[int]) -> Decimal:
    """The rate per period at which the flows of a borrower are worth nothing today, by halving a bracket.

    Flows are received first and paid later, so worth rises with the rate and crosses zero once. Call it
    inside a context of enough digits. Raises ``ValueError`` when there is no such rate above −100 %.
    """
    if flows[0] <= 0 or any(amount > 0 for amount in flows[1:]) or not any(flows[1:]):
        raise ValueError("a rate needs money received first and paid back later")
    paid = {period: amount for period, amount in enumerate(flows) if amount < 0}
    low, high = Decimal("-0.5"), Decimal(1)
    while _worth(flows[0], paid, low) > 0:
        low = (low - 1) / 2
        if low < Decimal("-0.999999"):
            raise ValueError("almost nothing is paid back: no rate")
    while _worth(flows[0], paid, high) < 0:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _worth(flows[0], paid, middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _worth(received: int, paid: dict[int, int], rate: Decimal) -> Decimal:
    """Worth today of what is received now and paid later, at a rate per period."""
    factor = 1 / (1 + rate)
    worth, discount, at = Decimal(received), Decimal(1), 0
    for period, amount in paid.items():
        discount *= factor ** (period - at)
        at = period
        worth += amount * discount
    return worth
