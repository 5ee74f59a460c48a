"""Policy of a financing need: what it must say before it is published, and how long each step of it may last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core.money import WAN
from app.core.working import N_, Problem
from app.market.hours_rules import WorkCalendar
from app.market.rules import ServiceLevels
from app.market.words import Distribution

LEVELS = ServiceLevels()
"""The service levels in force (peer-platforms paper §4 [P])."""


@dataclass(frozen=True, slots=True)
class NeedLimits:
    """What a need may ask for [P]: 分 and months. The ceiling is far above the pool's, since not every loan is booked.

    A draft lies ``draft_days`` natural days, a returned need ``returned_wd`` working days.
    """

    min_amount_fen: int = 1 * WAN
    max_amount_fen: int = 3_000 * WAN
    min_term_months: int = 1
    max_term_months: int = 120
    purpose_text_length: int = 500
    draft_days: int = 90
    returned_wd: int = 10


LIMITS = NeedLimits()
CORRECTIONS = 1
"""How often a published need may be corrected [P]; the database counts too (migration 0042)."""


@dataclass(frozen=True, slots=True)
class NeedTerms:
    """What a firm has filled in so far; an empty answer is ``None``. Amount in 分, term in months."""

    amount_fen: int | None
    term_months: int | None
    purpose_kind: str | None
    purpose_text: str
    product_kind: str | None
    repayment: str | None
    distribution: str | None
    invited: int


def check_need(terms: NeedTerms, limits: NeedLimits = LIMITS, levels: ServiceLevels = LEVELS) -> list[Problem]:
    """Everything that is missing or impossible, each at its field; an empty list means the need may be published."""
    problems = [*_check_amount(terms.amount_fen, limits), *_check_term(terms.term_months, limits)]
    if terms.purpose_kind is None:
        problems.append(Problem("purpose_kind", "PURPOSE_MISSING", N_("请选择资金用途。")))
    if terms.product_kind is None:
        problems.append(Problem("product_kind", "KIND_MISSING", N_("请选择担保方式。")))
    if terms.repayment is None:
        problems.append(Problem("repayment", "METHOD_MISSING", N_("请选择希望的还款方式。")))
    if terms.distribution is None:
        problems.append(Problem("distribution", "AUDIENCE_MISSING", N_("请选择发给哪些银行。")))
    elif terms.distribution == Distribution.TARGETED and not 1 <= terms.invited <= levels.targeted_banks_max:
        message = N_("定向需求请指定 1 到 %(most)s 家银行。")
        problems.append(Problem("invited", "INVITED_COUNT", message, {"most": levels.targeted_banks_max}))
    return problems


def _check_amount(amount_fen: int | None, limits: NeedLimits) -> list[Problem]:
    if amount_fen is not None and limits.min_amount_fen <= amount_fen <= limits.max_amount_fen:
        return []
    params = {"low": limits.min_amount_fen // WAN, "high": limits.max_amount_fen // WAN}
    return [Problem("amount", "AMOUNT", N_("金额应在 %(low)s 万元到 %(high)s 万元之间。"), params)]


def _check_term(term_months: int | None, limits: NeedLimits) -> list[Problem]:
    if term_months is not None and limits.min_term_months <= term_months <= limits.max_term_months:
        return []
    params = {"low": limits.min_term_months, "high": limits.max_term_months}
    return [Problem("term_months", "TERM", N_("期限应在 %(low)s 到 %(high)s 个月之间。"), params)]


CALENDAR = WorkCalendar()
"""Working days of the notices alone, without a day that was changed."""



def check_due_at(submitted: datetime, levels: ServiceLevels = LEVELS, calendar: WorkCalendar = CALENDAR) -> datetime:
    """When a need that the desk has not looked at is released by itself: the close of the next working day [P]."""
    return calendar.due(submitted, levels.desk_check_limit_wd)


def returned_until(returned: datetime, limits: NeedLimits = LIMITS, calendar: WorkCalendar = CALENDAR) -> datetime:
    """When a returned need lapses: the close of the tenth working day [P]."""
    return calendar.due(returned, limits.returned_wd)


def draft_until(touched: datetime, limits: NeedLimits = LIMITS) -> datetime:
    """When a draft that nobody touches any more lapses: after ninety days [P]."""
    return touched + timedelta(days=limits.draft_days)


def bids_close_at(
    published: datetime, levels: ServiceLevels = LEVELS, calendar: WorkCalendar = CALENDAR, *, way: str | None = None,
    list_days: int = 30,
) -> datetime:
    """When bidding closes: at the close of the third working day after publishing [P].

    An assigned need takes the longest window at once, so that the next banks have time; a need for a list ``list_days``.
    """
    if way == Distribution.LIST:
        return calendar.due_natural(published, list_days)
    return calendar.due(published, levels.bidding_limit_wd if way == Distribution.ASSIGNED else levels.bidding_target_wd)


def bids_close_at_latest(
    published: datetime, levels: ServiceLevels = LEVELS, calendar: WorkCalendar = CALENDAR
) -> datetime:
    """When bidding closes after the firm has extended it, once: the fifth working day [P]."""
    return calendar.due(published, levels.bidding_limit_wd)


def choice_asked_by(closed: datetime, levels: ServiceLevels = LEVELS, calendar: WorkCalendar = CALENDAR) -> datetime:
    """By when the firm is asked to choose: the fifth working day after closing [P]."""
    return calendar.due(closed, levels.choice_target_wd)


def choice_ends_at(closed: datetime, levels: ServiceLevels = LEVELS, calendar: WorkCalendar = CALENDAR) -> datetime:
    """When bids expire unchosen: the tenth working day after closing [P]."""
    return calendar.due(closed, levels.choice_limit_wd)
