"""Policy of the market: what an offer may say, how long each step may take, and how a bank's queue is ranked.

Arithmetic of schedules and all-in rates is in ``costs``, the vocabulary in ``terms``; both are offered from
here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from app.core.working import N_, Params, Problem
from app.enterprises.rules import SizeClass
from app.market.costs import (
    REGULAR_MONTHS,
    AllIn,
    CashFlow,
    Conventions,
    DayCount,
    FirstPeriod,
    FreeRate,
    HolidayRule,
    Instalment,
    all_in_rate,
    cash_flows,
    fee_total_fen,
    free_schedule_rate,
    schedule,
)
from app.market.match_rules import (
    GRADE_RANK,
    REASON_TEXTS,
    Match,
    MatchReason,
    MatchWeights,
    NeedFacts,
    ProductFacts,
    match_score,
)
from app.market.terms import FEE_NAMES, Fee, FeeKind, FeeTime, Offer, Payee, RepaymentMethod

__all__ = [
    "BANNED_ALWAYS", "BANNED_FOR_SMALL", "CLOSED_LIST", "FEE_NAMES", "GRADE_RANK", "REASON_TEXTS",
    "REGULAR_MONTHS", "AllIn", "CashFlow", "Conventions", "DayCount", "Fee", "FeeKind", "FeeTime",
    "FirstPeriod", "FreeRate", "HolidayRule", "Instalment", "Match", "MatchReason", "MatchWeights",
    "NeedFacts", "Offer", "OfferLimits", "Payee", "ProductFacts", "RepaymentMethod", "ServiceLevels",
    "all_in_rate", "cash_flows", "check_offer", "fee_total_fen", "free_schedule_rate", "match_score",
    "schedule",
]  # fmt: skip

BANNED_FOR_SMALL = frozenset({FeeKind.COMMITMENT, FeeKind.FUND_MANAGEMENT})
"""两禁: no commitment and no fund-management fee on loans to small and micro firms (compliance paper §4
[U])."""

BANNED_ALWAYS = frozenset({FeeKind.ENTRUSTED_PAYMENT})
"""No charge for entrusted payment from anybody (银保监发〔2020〕18号 [C8])."""

CLOSED_LIST: tuple[FeeKind, ...] = tuple(k for k in FeeKind if k not in BANNED_FOR_SMALL | BANNED_ALWAYS)
"""Kinds a form may offer for any borrower."""


@dataclass(frozen=True, slots=True)
class OfferLimits:
    """What an offer must stay within [P]: rates are fractions per year, terms months."""

    max_annual_rate: Decimal = Decimal("0.24")
    max_all_in_rate: Decimal = Decimal("0.36")
    max_term_months: int = 120


def check_offer(
    offer: Offer,
    need_amount_fen: int,
    need_term: int,
    size: SizeClass,
    limits: OfferLimits = OfferLimits(),
) -> list[Problem]:
    """Everything that forbids submitting an offer, each with its field; an empty list means it may go.

    ``need_term`` in months, kept for the message only: a bank may propose another term. Small/micro bans hold
    for every borrower not known to be medium or large. Source: compliance paper §4; limits [P].
    """
    problems = [
        *_check_amount(offer.amount_fen, need_amount_fen),
        *_check_rate(offer.annual_rate, limits),
        *_check_term(offer.term_months, need_term, limits),
    ]
    for fee in offer.fees:
        problems.extend(_check_fee(fee, offer, size))
    return problems or _check_all_in(offer, limits)


def _check_amount(amount_fen: int, need_amount_fen: int) -> list[Problem]:
    if amount_fen <= 0:
        return [Problem("amount", "AMOUNT_NOT_POSITIVE", N_("报价金额应大于 0。"))]
    if amount_fen > need_amount_fen:
        params = {"amount_fen": amount_fen, "need_fen": need_amount_fen}
        message = N_("报价金额 %(amount_fen)s 元超过需求金额 %(need_fen)s 元，请调低。")
        return [Problem("amount", "AMOUNT_ABOVE_NEED", message, params)]
    return []


def _check_rate(rate: Decimal, limits: OfferLimits) -> list[Problem]:
    if not rate.is_finite() or rate <= 0:
        return [Problem("annual_rate", "RATE_NOT_POSITIVE", N_("年利率应大于 0。"))]
    if rate > limits.max_annual_rate:
        params = {"rate_ratio": rate, "cap_ratio": limits.max_annual_rate}
        message = N_("年利率 %(rate_ratio)s 超过平台上限 %(cap_ratio)s，请核对小数点。")
        return [Problem("annual_rate", "RATE_ABOVE_CAP", message, params)]
    return []


def _check_term(term_months: int, need_term: int, limits: OfferLimits) -> list[Problem]:
    if 1 <= term_months <= limits.max_term_months:
        return []
    params = {"months": term_months, "max_months": limits.max_term_months, "need_months": need_term}
    message = N_("期限 %(months)s 个月不在 1 到 %(max_months)s 个月之间（需求为 %(need_months)s 个月）。")
    return [Problem("term_months", "TERM_OUT_OF_RANGE", message, params)]


def _check_fee(fee: Fee, offer: Offer, size: SizeClass) -> list[Problem]:
    params: Params = {"fee_label": fee.kind.label, "amount_fen": fee.amount_fen}
    problems = []
    small = size not in (SizeClass.MEDIUM, SizeClass.LARGE)
    if fee.kind in BANNED_ALWAYS or (small and fee.kind in BANNED_FOR_SMALL):
        message = N_("不得向小微企业收取“%(fee_label)s”，请删除这一项。")
        if fee.kind in BANNED_ALWAYS:
            message = N_("不得收取“%(fee_label)s”，请删除这一项。")
        problems.append(Problem("fees", "FEE_BANNED", message, params))
    if fee.amount_fen <= 0:
        problems.append(Problem("fees", "FEE_NOT_POSITIVE", N_("“%(fee_label)s”的金额应大于 0。"), params))
    elif fee.amount_fen >= offer.amount_fen > 0:
        problems.append(
            Problem(
                "fees", "FEE_ABSURD", N_("“%(fee_label)s” %(amount_fen)s 元不低于贷款金额，请核对。"), params
            )
        )
    if fee.kind is FeeKind.OTHER and not fee.text.strip():
        problems.append(Problem("fees", "FEE_WITHOUT_NAME", N_("“其他费用”须写明名目。"), params))
    if fee.at is FeeTime.PERIODIC and not 1 <= fee.every_months <= max(1, offer.term_months):
        problems.append(
            Problem("fees", "FEE_PERIOD", N_("“%(fee_label)s”的收取间隔应在 1 个月到贷款期限之间。"), params)
        )
    return problems


def _check_all_in(offer: Offer, limits: OfferLimits) -> list[Problem]:
    """Charges can be absurd together when none is so alone."""
    if sum(f.amount_fen for f in offer.fees if f.at is FeeTime.START) >= offer.amount_fen:
        return [Problem("fees", "FEES_EAT_LOAN", N_("放款时收取的费用合计不低于贷款金额，请核对。"))]
    rate = all_in_rate(offer).nominal12
    if rate <= limits.max_all_in_rate:
        return []
    message = N_("综合年化成本 %(all_in_ratio)s 超过平台上限 %(cap_ratio)s，请核对利率和费用。")
    params = {"all_in_ratio": rate, "cap_ratio": limits.max_all_in_rate}
    return [Problem("fees", "ALL_IN_ABOVE_CAP", message, params)]


@dataclass(frozen=True, slots=True)
class ServiceLevels:
    """Time targets and hard limits of the market (peer-platforms paper §4 [P]).

    ``…_wd`` are working days, ``…_days`` natural days, ``…_hours`` working hours, ``…_percent`` of the hard
    limit.
    """

    desk_check_target_hours: int = 4
    desk_check_limit_wd: int = 1
    first_answer_target_wd: int = 1
    first_answer_limit_wd: int = 3
    reminder_percents: tuple[int, ...] = (50, 80, 100)
    bidding_target_wd: int = 3
    bidding_limit_wd: int = 5
    bidding_extensions: int = 1
    choice_target_wd: int = 5
    choice_limit_wd: int = 10
    standstill_wd: int = 1
    decision_target_wd: int = 5
    credit_loan_decision_target_wd: int = 3
    decision_limit_days: int = 30
    drawdown_report_target_wd: int = 2
    drawdown_report_limit_wd: int = 5
    complaint_answer_target_wd: int = 2
    complaint_answer_limit_wd: int = 15
    targeted_banks_max: int = 5
