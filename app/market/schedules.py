"""Repayment schedules of a loan: when interest and principal fall due, to the fen.

Conventions are proposals [P] of the working paper on peer platforms, §2. Rates are ``Decimal`` fractions per year, money is fen.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal, localcontext
from enum import StrEnum

from app.core.calendar import same_or_next_working_day
from app.core.money import round_fen, split
from app.core.working import N_, Problem
from app.market.terms import PlanRow, RepaymentMethod

MONTHS = 12
MOST_PLAN_ROWS = 60
"""Rows of a free schedule [P]."""
ARITHMETIC = Context(prec=40)


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


def share_of_year(start: date, end: date, day_count: DayCount) -> Decimal:
    """The length of a period in years by the day count; for 30/360 a month is 30 days and the 31st counts as the 30th."""
    by_month = 30 * (_month(end) - _month(start)) + min(end.day, 30) - min(start.day, 30)
    return _years(by_month, (end - start).days, day_count)


def _years(by_month: int, days: int, day_count: DayCount) -> Decimal:
    """A length in years, of its days by months of 30 and its calendar days."""
    if day_count is DayCount.THIRTY_360:
        return ARITHMETIC.divide(Decimal(by_month), Decimal(360))
    return ARITHMETIC.divide(Decimal(days), Decimal(360 if day_count is DayCount.ACT_360 else 365))


def schedule(
    principal_fen: int,
    annual_rate: Decimal,
    term_months: int,
    method: RepaymentMethod,
    start: date,
    conventions: Conventions = Conventions(),
    plan: Sequence[PlanRow] = (),
) -> list[Instalment]:
    """Repayment rows of a loan drawn on ``start``: principal adds up to the fen.

    Monthly methods have ``term_months`` rows, the last at maturity (start plus the term); a bullet has one.
    Equal instalments are equal but for the last. ``plan`` says when a FREE loan repays principal; its interest is paid every
    month. Raises ``ValueError`` for principal or term below one, a negative rate, or a plan that does not add up.
    """
    if principal_fen < 1 or term_months < 1 or annual_rate < 0:
        raise ValueError("a schedule needs principal, a term of one month at least, and no negative rate")
    dues, years = _periods(start, term_months, method, conventions)
    with localcontext(ARITHMETIC):
        factors = [annual_rate * year for year in years]
        if method is RepaymentMethod.FREE:
            principals = _planned(principal_fen, term_months, plan)
        else:
            principals = _principals(principal_fen, factors, method)
        rows = []
        balance = principal_fen
        for no, (due, factor, principal) in enumerate(zip(dues, factors, principals, strict=True), start=1):
            interest = round_fen(balance * factor)
            balance -= principal
            rows.append(Instalment(no, due, principal, interest, balance))
    return rows


def check_plan(amount_fen: int, term_months: int, plan: Sequence[PlanRow]) -> list[Problem]:
    """Everything that forbids a free schedule: months within the term that rise, amounts above zero that add up to the loan,
    the last one at maturity."""
    months = [row.month for row in plan]
    if not plan:
        return [Problem("plan", "PLAN_EMPTY", N_("请写明每次归还本金的月份和金额。"))]
    if len(plan) > MOST_PLAN_ROWS:
        return [Problem("plan", "PLAN_LONG", N_("还本计划最多 %(most)s 行。"), {"most": MOST_PLAN_ROWS})]
    if months != sorted(set(months)) or not all(1 <= month <= term_months for month in months):
        message = N_("还本月份应在 1 到 %(months)s 之间，从早到晚，每个月只写一行。")
        return [Problem("plan", "PLAN_MONTHS", message, {"months": term_months})]
    if any(row.principal_fen <= 0 for row in plan) or sum(row.principal_fen for row in plan) != amount_fen:
        message = N_("各次归还的本金应大于 0，合计等于贷款金额 %(amount_fen)s 元。")
        return [Problem("plan", "PLAN_SUM", message, {"amount_fen": amount_fen})]
    if max(months) != term_months:
        return [Problem("plan", "PLAN_END", N_("最后一次还本应在到期的第 %(months)s 个月。"), {"months": term_months})]
    return []


def _planned(principal_fen: int, term_months: int, plan: Sequence[PlanRow]) -> list[int]:
    problems = check_plan(principal_fen, term_months, plan)
    if problems:
        raise ValueError(f"no schedule: {problems[0].code}")
    parts = [0] * term_months
    for row in plan:
        parts[row.month - 1] = row.principal_fen
    return parts


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
        # A full month is 30 days whatever its length, so the 31st counts as the 30th.
        by_month = 30 * (next_month - month) + min(next_day, 30) - day
        years.append(_years(by_month, (due - before).days, conventions.day_count))
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
