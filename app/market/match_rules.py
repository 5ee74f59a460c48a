"""How a bank's queue is ranked: fit of a need with a product, expected loss against price, time left. Pure; weights [P]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum

from app.core.money import WAN
from app.core.working import N_


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
    PRICE_COVERS = "PRICE_COVERS"
    PRICE_THIN = "PRICE_THIN"
    PRICE_SHORT = "PRICE_SHORT"


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
    MatchReason.PRICE_COVERS: N_("产品利率足以覆盖资金成本和预期损失"),
    MatchReason.PRICE_THIN: N_("扣除资金成本和预期损失后，利润很薄"),
    MatchReason.PRICE_SHORT: N_("产品利率不足以覆盖资金成本和预期损失"),
}


@dataclass(frozen=True, slots=True)
class MatchWeights:
    """Points of each part, 100 in all [P]; ``soon_wd`` working days or fewer left count as closing soon."""

    profile: int = 30
    price: int = 15
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


_GRADE_PD = {"A": Decimal("0.005"), "B": Decimal("0.01"), "C": Decimal("0.02"), "D": Decimal("0.04"), "E": Decimal("0.09")}


@dataclass(frozen=True, slots=True)
class PriceRules:
    """Expected loss against price [P]: fractions a year. ``thirds``: chance of default of the first, middle and last third;
    from bands alone, never from a firm's own probability, since the switch does not show that to a bank."""

    funding: Decimal = Decimal("0.02")
    loss_given_default: Decimal = Decimal("0.45")
    thirds: tuple[Decimal, Decimal, Decimal] = (Decimal("0.008"), Decimal("0.02"), Decimal("0.05"))
    grades: Mapping[str, Decimal] = field(default_factory=lambda: _GRADE_PD)
    covers: Decimal = Decimal("0.005")
    """What must be left for a price to cover; above zero it is thin."""


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
    rate: Decimal | None = None
    """The middle of the product's rates, a fraction per year, where it states them."""


PARTS = ("profile", "price", "amount", "term", "industry", "district", "time")


@dataclass(frozen=True, slots=True)
class Match:
    """Points from 0 to 100, the codes of the reasons (``REASON_TEXTS``), strongest part first, the points of each of ``PARTS``,
    and what the price leaves after funding and expected loss (a fraction per year, ``None`` where it cannot be told)."""

    score: int
    reasons: tuple[str, ...]
    points: tuple[int, ...] = ()
    margin: Decimal | None = None


def margin(need: NeedFacts, rate: Decimal | None, price: PriceRules = PriceRules()) -> Decimal | None:
    """What a rate leaves after funding and expected loss; ``None`` without a rate or without a band of the firm."""
    if rate is None:
        return None
    if need.rank is not None:
        third = 0 if need.rank * 3 >= 2 else 1 if need.rank * 3 >= 1 else 2
        default = price.thirds[third]
    elif need.grade in price.grades:
        default = price.grades[need.grade or ""]
    else:
        return None
    return rate - price.funding - default * price.loss_given_default


def match_score(
    need: NeedFacts, product: ProductFacts, weights: MatchWeights = MatchWeights(), price: PriceRules = PriceRules()
) -> Match:
    """Where a need stands in the queue of a bank with this product [P].

    Each part gives all, a share or none of its points; the profile gives points in proportion to the rank. It
    orders a list and hides nothing: a need with 0 points is still shown. Same input, same result.
    """
    left = margin(need, product.rate, price)
    parts = (
        _profile_part(need),
        _price_part(left, price),
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
    points = (weights.profile, weights.price, weights.amount, weights.term, weights.industry, weights.district, weights.time)
    got = tuple(int(part * point) for (part, _), point in zip(parts, points, strict=True))
    return Match(sum(got), tuple(reason for _, reason in parts if reason is not None), got, left)


Part = tuple[Decimal, str | None]


def _range_part(fits: bool, reason: MatchReason, otherwise: MatchReason | None) -> Part:
    return (Decimal(1), reason) if fits else (Decimal(0), otherwise)


def _price_part(left: Decimal | None, price: PriceRules) -> Part:
    if left is None:
        return Decimal("0.5"), None
    if left >= price.covers:
        return Decimal(1), MatchReason.PRICE_COVERS
    return (Decimal("0.5"), MatchReason.PRICE_THIN) if left >= 0 else (Decimal(0), MatchReason.PRICE_SHORT)


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
