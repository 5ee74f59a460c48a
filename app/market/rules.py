"""Policy of the market: what an offer may say, how long each step may take, and how a bank's queue is ranked.

Arithmetic of schedules and all-in rates is in ``costs``, the vocabulary in ``terms``; both are offered from
here too.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum

from app.core.money import WAN
from app.core.working import N_
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
from app.market.offer_rules import BANNED_ALWAYS, BANNED_FOR_SMALL, CLOSED_LIST, OfferLimits, check_offer
from app.market.terms import FEE_NAMES, Fee, FeeKind, FeeTime, Offer, Payee, RepaymentMethod

__all__ = [
    "BANNED_ALWAYS", "BANNED_FOR_SMALL", "CLOSED_LIST", "FEE_NAMES", "GRADE_RANK", "REASON_TEXTS",
    "REGULAR_MONTHS", "AllIn", "CashFlow", "Conventions", "DayCount", "Fee", "FeeKind", "FeeTime",
    "FirstPeriod", "FreeRate", "HolidayRule", "Instalment", "Match", "MatchReason", "MatchWeights",
    "NeedFacts", "Offer", "OfferLimits", "Payee", "ProductFacts", "RepaymentMethod", "ServiceLevels",
    "all_in_rate", "cash_flows", "check_offer", "fee_total_fen", "free_schedule_rate", "match_score",
    "schedule",
]  # fmt: skip

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


class MatchReason(StrEnum):
    """Why a need stands where it stands in a bank's queue. None tells more than a third of the ranking."""

    PROFILE_STRONG = "PROFILE_STRONG"
    PROFILE_MIDDLE = "PROFILE_MIDDLE"
    PROFILE_WEAK = "PROFILE_WEAK"
    PROFILE_ABSENT = "PROFILE_ABSENT"
    AMOUNT_FITS = "AMOUNT_FITS"
    AMOUNT_ABOVE = "AMOUNT_ABOVE"
    AMOUNT_BELOW = "AMOUNT_BELOW"
    TERM_FITS = "TERM_FITS"
    TERM_OUTSIDE = "TERM_OUTSIDE"
    INDUSTRY_FITS = "INDUSTRY_FITS"
    INDUSTRY_OUTSIDE = "INDUSTRY_OUTSIDE"
    DISTRICT_FITS = "DISTRICT_FITS"
    DISTRICT_OUTSIDE = "DISTRICT_OUTSIDE"
    CLOSES_SOON = "CLOSES_SOON"


REASON_TEXTS: dict[str, str] = {
    MatchReason.PROFILE_STRONG: N_("信用画像位于前三分之一"),
    MatchReason.PROFILE_MIDDLE: N_("信用画像位于中间三分之一"),
    MatchReason.PROFILE_WEAK: N_("信用画像位于后三分之一"),
    MatchReason.PROFILE_ABSENT: N_("暂无信用画像，按中性处理"),
    MatchReason.AMOUNT_FITS: N_("金额在产品范围内"),
    MatchReason.AMOUNT_ABOVE: N_("金额高于产品上限，可部分满足"),
    MatchReason.AMOUNT_BELOW: N_("金额低于产品下限"),
    MatchReason.TERM_FITS: N_("期限在产品范围内"),
    MatchReason.TERM_OUTSIDE: N_("期限不在产品范围内"),
    MatchReason.INDUSTRY_FITS: N_("行业符合产品投向"),
    MatchReason.INDUSTRY_OUTSIDE: N_("行业不在产品投向内"),
    MatchReason.DISTRICT_FITS: N_("区域在服务范围内"),
    MatchReason.DISTRICT_OUTSIDE: N_("区域不在服务范围内"),
    MatchReason.CLOSES_SOON: N_("即将截止，优先查看"),
}


@dataclass(frozen=True, slots=True)
class MatchWeights:
    """Points of each part, 100 in all [P]; ``soon_wd`` working days or fewer left count as closing soon."""

    profile: int = 45
    amount: int = 20
    term: int = 10
    industry: int = 10
    district: int = 5
    time: int = 10
    soon_wd: int = 1

    def __post_init__(self) -> None:
        if sum(getattr(self, f.name) for f in fields(self) if f.name != "soon_wd") != 100:
            raise ValueError("the weights of a match add up to 100")


GRADE_RANK: dict[str, Decimal] = {
    "A": Decimal("0.9"),
    "B": Decimal("0.7"),
    "C": Decimal("0.5"),
    "D": Decimal("0.3"),
    "E": Decimal("0.1"),
}
"""Where a grade stands among firms when no exact rank is known (0 worst, 1 best) [P]."""


@dataclass(frozen=True, slots=True)
class NeedFacts:
    """What ranking may look at. ``rank`` is the share of profiled firms this firm equals or beats (0–1), from
    its consented profile; without one, ``grade`` stands in; without both the profile part is neutral."""

    amount_fen: int
    term_months: int
    industry_code: str
    district: str
    working_days_left: int
    rank: Decimal | None = None
    grade: str | None = None


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """What a bank's product takes: fen, months, prefixes of industry codes, district codes (empty means
    any)."""

    min_amount_fen: int = 0
    max_amount_fen: int = 3000 * WAN
    min_term_months: int = 1
    max_term_months: int = 36
    industries: frozenset[str] = frozenset()
    districts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Match:
    """Points from 0 to 100 and the codes of the reasons (``REASON_TEXTS``), strongest part first."""

    score: int
    reasons: tuple[str, ...]


def match_score(need: NeedFacts, product: ProductFacts, weights: MatchWeights = MatchWeights()) -> Match:
    """Where a need stands in the queue of a bank with this product [P].

    Each part gives all, a share or none of its points; the profile gives points in proportion to the rank. It
    orders a list and hides nothing: a need with 0 points is still shown. Same input, same result.
    """
    parts = (
        _profile_part(need),
        _amount_part(need.amount_fen, product),
        _range_part(
            product.min_term_months <= need.term_months <= product.max_term_months,
            MatchReason.TERM_FITS, MatchReason.TERM_OUTSIDE,
        ),
        _range_part(
            not product.industries or need.industry_code.startswith(tuple(product.industries)),
            MatchReason.INDUSTRY_FITS, MatchReason.INDUSTRY_OUTSIDE,
        ),
        _range_part(
            not product.districts or need.district in product.districts,
            MatchReason.DISTRICT_FITS, MatchReason.DISTRICT_OUTSIDE,
        ),
        _range_part(need.working_days_left <= weights.soon_wd, MatchReason.CLOSES_SOON, None),
    )  # fmt: skip
    points = (weights.profile, weights.amount, weights.term, weights.industry, weights.district, weights.time)
    score = sum(int(part * point) for (part, _), point in zip(parts, points, strict=True))
    return Match(score, tuple(reason for _, reason in parts if reason is not None))


Part = tuple[Decimal, str | None]


def _range_part(fits: bool, reason: MatchReason, otherwise: MatchReason | None) -> Part:
    return (Decimal(1), reason) if fits else (Decimal(0), otherwise)


def _profile_part(need: NeedFacts) -> Part:
    rank = need.rank if need.rank is not None else GRADE_RANK.get(need.grade or "")
    if rank is None:
        return Decimal("0.5"), MatchReason.PROFILE_ABSENT
    rank = min(Decimal(1), max(Decimal(0), rank))
    if rank * 3 >= 2:
        return rank, MatchReason.PROFILE_STRONG
    return rank, MatchReason.PROFILE_MIDDLE if rank * 3 >= 1 else MatchReason.PROFILE_WEAK


def _amount_part(amount_fen: int, product: ProductFacts) -> Part:
    if amount_fen < product.min_amount_fen:
        return Decimal(0), MatchReason.AMOUNT_BELOW
    if amount_fen > product.max_amount_fen:
        # Several banks may fill one need together, so a product that covers a part keeps that share of the
        # points.
        return Decimal(product.max_amount_fen) / amount_fen, MatchReason.AMOUNT_ABOVE
    return Decimal(1), MatchReason.AMOUNT_FITS
