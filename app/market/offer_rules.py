"""What an offer may say: bans, caps, sums. Arithmetic of all-in rates is in ``costs``, the vocabulary in ``terms``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.core.working import N_, Params, Problem
from app.enterprises.rules import SizeClass
from app.market.bid_words import TIE_KINDS, USUAL_CONDITIONS, ConditionKind, TieKind
from app.market.costs import all_in_rate
from app.market.schedules import check_plan
from app.market.terms import Fee, FeeKind, FeeTime, Offer, RepaymentMethod

BANNED_FOR_SMALL = frozenset({FeeKind.COMMITMENT, FeeKind.FUND_MANAGEMENT})
"""两禁: no commitment and no fund-management fee on loans to small and micro firms (compliance paper §4
[U])."""

BANNED_ALWAYS = frozenset({FeeKind.ENTRUSTED_PAYMENT})
"""No charge for entrusted payment from anybody (银保监发〔2020〕18号 [C8])."""

CLOSED_LIST: tuple[FeeKind, ...] = tuple(k for k in FeeKind if k not in BANNED_FOR_SMALL | BANNED_ALWAYS)
"""Kinds a form may offer for any borrower."""


@dataclass(frozen=True, slots=True)
class OfferLimits:
    """What an offer must stay within [P]: rates are fractions per year, terms months. ``max_parts``: banks that lend together."""

    max_annual_rate: Decimal = Decimal("0.24")
    max_all_in_rate: Decimal = Decimal("0.36")
    max_term_months: int = 120
    max_parts: int = 5


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
    if offer.method is RepaymentMethod.FREE and not problems:
        problems.extend(check_plan(offer.amount_fen, offer.term_months, offer.plan))
    for fee in offer.fees:
        problems.extend(_check_fee(fee, offer, size))
    return problems or check_all_in(offer, limits)


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


def check_all_in(offer: Offer, limits: OfferLimits) -> list[Problem]:
    """Charges can be absurd together when none is so alone: they eat the loan up, or the all-in rate is above its cap."""
    if sum(f.amount_fen for f in offer.fees if f.at is FeeTime.START) >= offer.amount_fen:
        return [Problem("fees", "FEES_EAT_LOAN", N_("放款时收取的费用合计不低于贷款金额，请核对。"))]
    rate = all_in_rate(offer).nominal12
    if rate <= limits.max_all_in_rate:
        return []
    message = N_("综合年化成本 %(all_in_ratio)s 超过平台上限 %(cap_ratio)s，请核对利率和费用。")
    params = {"all_in_ratio": rate, "cap_ratio": limits.max_all_in_rate}
    return [Problem("fees", "ALL_IN_ABOVE_CAP", message, params)]


# --- the product, what is tied to the loan, what it depends on ------------------------------------------------------------

BANNED_TIES = frozenset({TieKind.DEPOSIT, TieKind.CARD, TieKind.WEALTH})
"""Never a condition of a loan: no loan for a deposit, no tied sale (七不准 [U]; 银保监发〔2020〕18号 [C8]). A pledge or margin
that secures the loan is ``MARGIN``."""

NAMED_TIES = frozenset({TieKind.MARGIN, TieKind.OTHER})
"""Kinds that say too little without a word of what is meant."""

TEXT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Tie:
    """A product or service sold or asked for with the loan. ``required``: without it there is no loan."""

    kind: TieKind
    required: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something of the closed list on which a binding bid depends, with a word of what is meant."""

    kind: ConditionKind
    text: str = ""


def all_conditions(chosen: Sequence[Condition]) -> tuple[Condition, ...]:
    """The bank's conditions once each, with the two that every bid has at the end."""
    ticked = {one.kind: one for one in chosen}
    usual = {kind: ticked.pop(kind, Condition(kind)) for kind in USUAL_CONDITIONS}
    return (*ticked.values(), *usual.values())


def check_against_product(offer: Offer, facts: Mapping[str, Any]) -> list[Problem]:
    """Where an offer leaves the version of the product that it names, each at its field.

    ``facts`` as a product version keeps them: 分, months; ``repayments`` and the range of rates (fractions as text) only
    where the product has them.
    """
    problems = []
    params: Params
    if not facts["min_amount_fen"] <= offer.amount_fen <= facts["max_amount_fen"]:
        params = {"low_fen": facts["min_amount_fen"], "high_fen": facts["max_amount_fen"]}
        message = N_("所选产品的金额在 %(low_fen)s 元到 %(high_fen)s 元之间，请换产品或改金额。")
        problems.append(Problem("amount", "PRODUCT_RANGE", message, params))
    if not facts["min_term_months"] <= offer.term_months <= facts["max_term_months"]:
        params = {"low": facts["min_term_months"], "high": facts["max_term_months"]}
        message = N_("所选产品的期限在 %(low)s 到 %(high)s 个月之间，请换产品或改期限。")
        problems.append(Problem("term_months", "PRODUCT_RANGE", message, params))
    if facts.get("repayments") and offer.method.value not in facts["repayments"]:
        message = N_("所选产品没有“%(method_label)s”这种还款方式，请换产品或还款方式。")
        problems.append(Problem("method", "PRODUCT_RANGE", message, {"method_label": offer.method.label}))
    low, high = (Decimal(facts[key]) if facts.get(key) else None for key in ("min_rate", "max_rate"))
    if (low is not None and offer.annual_rate < low) or (high is not None and offer.annual_rate > high):
        params = {"low_ratio": low or Decimal(0), "high_ratio": high or Decimal(1)}
        message = N_("所选产品的年利率在 %(low_ratio)s 到 %(high_ratio)s 之间，请核对。")
        problems.append(Problem("annual_rate", "PRODUCT_RANGE", message, params))
    return problems


def check_ties(ties: Sequence[Tie] | None) -> list[Problem]:
    """What is wrong with the declared ties; ``None`` (nothing declared yet) is asked about when the bid is handed on."""
    problems = []
    for tie in ties or ():
        params: Params = {"tie_label": TIE_KINDS[tie.kind]}
        if tie.required and tie.kind in BANNED_TIES:
            message = N_("不得把“%(tie_label)s”作为贷款的条件，请删除或改为非必须。")
            problems.append(Problem("ties", "TIE_BANNED", message, params))
        if tie.kind in NAMED_TIES and not tie.text.strip():
            problems.append(Problem("ties", "TIE_WITHOUT_NAME", N_("“%(tie_label)s”须写明是什么。"), params))
        if len(tie.text) > TEXT_LENGTH:
            problems.append(Problem("ties", "TIE_LONG", N_("“%(tie_label)s”的说明最多写 200 字。"), params))
    return problems


def check_conditions(conditions: Sequence[Condition]) -> list[Problem]:
    """What is wrong with the words beside the conditions."""
    if any(len(one.text) > TEXT_LENGTH for one in conditions):
        return [Problem("demands", "CONDITION_LONG", N_("每项条件的说明最多写 200 字。"))]
    return []
