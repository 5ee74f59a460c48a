"""Transfer loans (转贷): days, fees, limits and urgency, by the working paper on the transfer-loan centre
§2–§4.

Guangzhou's own cost targets: 0.066 % a day at the same bank, 0.6 % once across banks [C4][C6]; other limits
are defaults of comparable funds [P]. Money is fen, rates are ``Decimal`` fractions, days are natural days
unless named working days.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from app.core.calendar import add_working_days, same_or_next_working_day, working_days_between
from app.core.money import EXACT, WAN, floor_share, round_fen
from app.core.working import N_, Params, Problem, WorkingLine

DAYS_OF_YEAR = 365


class BridgeKind(StrEnum):
    """Whether the new loan comes from the bank of the old one."""

    SAME_BANK = "SAME_BANK"
    CROSS_BANK = "CROSS_BANK"

    @property
    def label(self) -> str:
        """Chinese name."""
        return N_("原行转贷") if self is BridgeKind.SAME_BANK else N_("跨行转贷")


class FeeMethod(StrEnum):
    """How a partner charges: by day at one rate, by day at steps, or once."""

    DAILY = "DAILY"
    STEPS = "STEPS"
    ONE_OFF = "ONE_OFF"


@dataclass(frozen=True, slots=True)
class FeeStep:
    """Days up to and including ``to_day`` (None: all later days) cost ``daily_rate`` each."""

    to_day: int | None
    daily_rate: Decimal


@dataclass(frozen=True, slots=True)
class BridgeTerms:
    """Terms of a partner's product, inside the ceilings the bureau sets [P unless marked].

    ``daily_rate`` and ``one_off_rate`` are fractions of the principal; ``…_cap`` are the ceilings [C4][C6].
    """

    kind: BridgeKind = BridgeKind.SAME_BANK
    fee_method: FeeMethod = FeeMethod.DAILY
    daily_rate: Decimal = Decimal("0.00066")
    one_off_rate: Decimal = Decimal("0.006")
    steps: tuple[FeeStep, ...] = ()
    daily_rate_cap: Decimal = Decimal("0.00066")
    one_off_rate_cap: Decimal = Decimal("0.006")
    max_share: Decimal = Decimal("0.95")
    cap_fen: int = 1000 * WAN
    max_days: int = 10
    overdue_grace_wd: int = 1
    application_lead_wd: int = 10


SAME_BANK = BridgeTerms()
"""Default terms of a renewal at the same bank: 10 days at most, charged by the day."""

CROSS_BANK = BridgeTerms(kind=BridgeKind.CROSS_BANK, fee_method=FeeMethod.ONE_OFF, max_days=45)
"""Default terms of a transfer to another bank: 45 days at most, charged once."""


def terms_for(kind: BridgeKind) -> BridgeTerms:
    """Default terms of a kind of bridge."""
    return SAME_BANK if kind is BridgeKind.SAME_BANK else CROSS_BANK


def check_terms(terms: BridgeTerms) -> list[Problem]:
    """What in a partner's terms breaks the bureau's ceilings or makes no sense; empty when nothing does."""
    problems = []
    rates = (
        [step.daily_rate for step in terms.steps]
        if terms.fee_method is FeeMethod.STEPS
        else [terms.daily_rate]
    )
    cap = terms.daily_rate_cap
    if terms.fee_method is FeeMethod.ONE_OFF:
        rates, cap = [terms.one_off_rate], terms.one_off_rate_cap
    if any(not 0 <= rate <= cap for rate in rates):
        message = N_("费率不得为负，也不得高于上限 %(cap_ratio)s。")
        problems.append(Problem("fee", "RATE_ABOVE_CAP", message, {"cap_ratio": cap}))
    ends = [step.to_day for step in terms.steps]
    closed = [end for end in ends[:-1] if end is not None]
    ordered = len(closed) == len(ends[:-1]) and closed == sorted(set(closed)) and ends[-1:] == [None]
    if terms.fee_method is FeeMethod.STEPS and not ordered:
        problems.append(Problem("steps", "STEPS_OPEN", N_("分段费率应按天数递增，最后一段不设天数。")))
    if not 0 < terms.max_share <= 1 or terms.cap_fen <= 0 or terms.max_days < 1:
        problems.append(Problem("limits", "LIMITS", N_("比例、金额上限和最长天数应大于 0，比例不超过全额。")))
    return problems


def days_used(paid_on: date, returned_on: date) -> int:
    """Chargeable days: the day of payout counts, the day of return does not, the same day is 0.

    Raises ``ValueError`` when the money returns before it was paid out.
    """
    if returned_on < paid_on:
        raise ValueError("a bridge returns on the day of payout or later")
    return (returned_on - paid_on).days


@dataclass(frozen=True, slots=True)
class Fee:
    """The whole charge of a bridge in fen, with its working. Nothing else may be charged."""

    amount_fen: int
    working: tuple[WorkingLine, ...]


def fee(principal_fen: int, days: int, terms: BridgeTerms = SAME_BANK) -> Fee:
    """The fee of a bridge used for some chargeable days (transfer-loan paper §3 [P]); 0 days cost nothing.

    Rounded half-up to a fen once. Raises ``ValueError`` for negative principal or days.
    """
    if principal_fen < 0 or days < 0:
        raise ValueError("neither principal nor days are negative")
    if days == 0:
        return Fee(0, (WorkingLine("SAME_DAY", N_("放款当日归还，按 0 天计，不收费"), {}, 0),))
    if terms.fee_method is FeeMethod.ONE_OFF:
        return _fee_of([WorkingLine(*_one_off(principal_fen, terms))], principal_fen, terms.one_off_rate)
    lines, rate = [], Decimal(0)
    steps = terms.steps if terms.fee_method is FeeMethod.STEPS else (FeeStep(None, terms.daily_rate),)
    done = 0
    for step in steps:
        part = (days if step.to_day is None else min(days, step.to_day)) - done
        if part <= 0:
            break
        params: Params = {"principal_fen": principal_fen, "days": part, "daily_ratio": step.daily_rate}
        lines.append(WorkingLine("DAYS", N_("%(principal_fen)s 元 × %(daily_ratio)s × %(days)s 天"), params))
        rate += step.daily_rate * part
        done += part
    return _fee_of(lines, principal_fen, rate)


def _one_off(principal_fen: int, terms: BridgeTerms) -> tuple[str, str, Params]:
    params: Params = {"principal_fen": principal_fen, "once_ratio": terms.one_off_rate}
    return "ONE_OFF", N_("%(principal_fen)s 元 × %(once_ratio)s，一次性"), params


def _fee_of(lines: list[WorkingLine], principal_fen: int, rate: Decimal) -> Fee:
    amount = round_fen(EXACT.multiply(Decimal(principal_fen), rate))
    return Fee(amount, (*lines, WorkingLine("TOTAL", N_("费用合计，不另收其他费用"), {}, amount, rate)))


@dataclass(frozen=True, slots=True)
class Preview:
    """What a borrower sees before signing, in this order: the total in fen, the most it can become within the
    allowed days, what each day after them costs, and last the yearly view (a simple fraction per year)."""

    days: int
    total_fen: int
    max_days: int
    cap_fen: int
    late_daily_fen: int
    last_day: date
    overdue_from: date
    annualised: Decimal
    working: tuple[WorkingLine, ...]
    principal_fen: int

    @property
    def return_on(self) -> date:
        """The day on which the money is expected back."""
        return self.last_day + timedelta(days=self.days - self.max_days)


def preview(principal_fen: int, paid_on: date, return_on: date, terms: BridgeTerms = SAME_BANK) -> Preview:
    """The fee preview that must stand before any signature (transfer-loan paper §3).

    Raises ``ValueError`` when the return comes before the payout.
    """
    days = days_used(paid_on, return_on)
    total = fee(principal_fen, days, terms)
    cap = fee(principal_fen, terms.max_days, terms)
    late = fee(principal_fen, terms.max_days + 1, terms).amount_fen - cap.amount_fen
    last_day = paid_on + timedelta(days=terms.max_days)
    late_params: Params = {"max_days": terms.max_days, "late_fen": late, "last": last_day}
    working = (
        *total.working,
        WorkingLine("CAP", N_("最长 %(max_days)s 天（至 %(last)s），费用最多"), late_params, cap.amount_fen),
        WorkingLine(
            "AFTER", N_("超过 %(max_days)s 天后每天 %(late_fen)s 元，并通知银行和转贷中心"), late_params, late
        ),
    )
    annualised = Decimal(0)
    if days and principal_fen:
        simple = EXACT.divide(Decimal(total.amount_fen * DAYS_OF_YEAR), Decimal(principal_fen * days))
        annualised = simple.quantize(Decimal("0.000001"))
    return Preview(
        days, total.amount_fen, terms.max_days, cap.amount_fen, late, last_day,
        overdue_from(return_on, terms), annualised, working, principal_fen,
    )  # fmt: skip


def bridge_limits(
    old_due_fen: int, own_money_fen: int, promised_fen: int, terms: BridgeTerms = SAME_BANK
) -> tuple[WorkingLine, ...]:
    """The three limits of a bridge as lines, each with its amount in fen; the smallest decides."""
    gap: Params = {"due_fen": old_due_fen, "own_fen": own_money_fen}
    promise: Params = {"promised_fen": promised_fen, "share_ratio": terms.max_share}
    return (
        WorkingLine("GAP", N_("到期本金 %(due_fen)s 元 − 自有资金 %(own_fen)s 元"), gap,
                    old_due_fen - own_money_fen),
        WorkingLine("PROMISE", N_("承诺续贷 %(promised_fen)s 元 × %(share_ratio)s"), promise,
                    floor_share(promised_fen, terms.max_share)),
        WorkingLine("CAP", N_("单笔上限"), {}, terms.cap_fen),
    )  # fmt: skip


def max_bridge(
    old_due_fen: int, own_money_fen: int, promised_fen: int, terms: BridgeTerms = SAME_BANK
) -> int:
    """The largest bridge in fen: ``min(old principal due − own money, share × promised, cap)``, never below 0
    (transfer-loan paper §4 [P]). Raises ``ValueError`` for a negative amount.
    """
    if min(old_due_fen, own_money_fen, promised_fen) < 0:
        raise ValueError("no amount of a bridge is negative")
    lines = bridge_limits(old_due_fen, own_money_fen, promised_fen, terms)
    return max(0, min(line.amount_fen for line in lines if line.amount_fen is not None))


def is_urgent(applied_on: date, due_on: date, terms: BridgeTerms = SAME_BANK) -> bool:
    """True when fewer than the lead of working days lie between application and due date (paper §4, step 1
    [P])."""
    return working_days_between(applied_on, due_on) < terms.application_lead_wd


def moved_to(day: date) -> date | None:
    """The working day on which banks move what falls on a day without business; ``None`` where they work on the day itself.

    Interest and fees run on by natural days meanwhile (transfer-loan paper §3 [P], §5).
    """
    working = same_or_next_working_day(day)
    return None if working == day else working


def return_due_on(expected_return: date) -> date:
    """The last day on which the money is in time for every page: the expected return, or the first working day after it."""
    return same_or_next_working_day(expected_return)


def late_until(today: date) -> date:
    """The latest expected return that is late today: ``return_due_on(day) < today`` holds for it and every day before it."""
    return add_working_days(today, -1)


def overdue_from(expected_return: date, terms: BridgeTerms = SAME_BANK) -> date:
    """The day on which a bridge that has not come back becomes OVERDUE: one working day after the expected return, or after
    the first day on which banks move money again where that is a holiday."""
    return add_working_days(return_due_on(expected_return), terms.overdue_grace_wd)


def is_overdue(expected_return: date, today: date, terms: BridgeTerms = SAME_BANK) -> bool:
    """True from ``overdue_from`` on."""
    return today >= overdue_from(expected_return, terms)


def latest_return(paid_on: date, terms: BridgeTerms = SAME_BANK) -> date:
    """The last day on which a bridge paid out on a day may return within its allowed days."""
    return paid_on + timedelta(days=terms.max_days)


def step_terms(steps: tuple[FeeStep, ...], base: BridgeTerms = SAME_BANK) -> BridgeTerms:
    """Terms of a partner that charges by steps (as 东海县: 0.02 % a day for days 1–5, 0.04 % after)."""
    return replace(base, fee_method=FeeMethod.STEPS, steps=steps)
