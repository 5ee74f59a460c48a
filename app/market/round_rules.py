"""What a matching round goes by: which products a need may go to, in which order it would rather have them, how many seats.

Pure; every number is a parameter [P]. A firm has named no order of its own, so the round takes the one that costs it least: the
whole amount before a part, then the lower rate a product states, then a draw of lots that the round's seed repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b
from uuid import UUID

from app.core.working import N_
from app.market.words import ANY


@dataclass(frozen=True, slots=True)
class RoundRules:
    """``quota``: share of a product's seats kept for first-time borrowers, rounded down; ``longest``: products a need lists at
    most [P]."""

    quota: Decimal = Decimal("0.2")
    longest: int = 30

    def __post_init__(self) -> None:
        if not 0 <= self.quota <= 1 or self.longest < 1:
            raise ValueError("a share lies between 0 and 1, a list has a place")

    def reserved(self, seats: int) -> int:
        """Seats of a product for first-time borrowers."""
        return int(seats * self.quota)


class Obstacle(StrEnum):
    """Why a need cannot go to a product."""

    HIDDEN = "HIDDEN"
    AMOUNT = "AMOUNT"
    TERM = "TERM"
    KIND = "KIND"
    REPAYMENT = "REPAYMENT"
    INDUSTRY = "INDUSTRY"
    DISTRICT = "DISTRICT"
    SIZE = "SIZE"
    RULE = "RULE"


OBSTACLES: dict[str, str] = {
    Obstacle.HIDDEN: N_("需求没有发给该银行"),
    Obstacle.AMOUNT: N_("金额不在产品范围内"),
    Obstacle.TERM: N_("期限不在产品范围内"),
    Obstacle.KIND: N_("担保方式与产品不同"),
    Obstacle.REPAYMENT: N_("产品没有希望的还款方式"),
    Obstacle.INDUSTRY: N_("行业不在产品投向内"),
    Obstacle.DISTRICT: N_("区域不在服务范围内"),
    Obstacle.SIZE: N_("企业规模不在产品范围内"),
    Obstacle.RULE: N_("不符合银行自己设定的条件"),
}


@dataclass(frozen=True, slots=True)
class Entrant:
    """A need as the round reads it: amount in 分, term in months."""

    amount_fen: int
    term_months: int
    product_kind: str
    repayment: str
    industry_code: str
    district: str
    size_class: str


@dataclass(frozen=True, slots=True)
class Offered:
    """A product as the round reads it: 分, months, a yearly rate (the middle of what it states). Empty lists mean any.

    ``parts``: whether it lends a part of an amount above its largest.
    """

    kind: str
    min_amount_fen: int
    max_amount_fen: int
    min_term_months: int
    max_term_months: int
    repayments: frozenset[str]
    industries: tuple[str, ...]
    districts: frozenset[str]
    sizes: frozenset[str]
    rate: Decimal | None
    parts: bool

    def asked(self, entrant: Entrant) -> int:
        """分 that the need would have from it."""
        return min(entrant.amount_fen, self.max_amount_fen)


def obstacle(entrant: Entrant, offered: Offered) -> Obstacle | None:
    """What keeps the need from the product; ``None`` where nothing does. What is not known of a firm keeps it from nothing."""
    above = entrant.amount_fen > offered.max_amount_fen and not offered.parts
    if above or entrant.amount_fen < offered.min_amount_fen:
        return Obstacle.AMOUNT
    if not offered.min_term_months <= entrant.term_months <= offered.max_term_months:
        return Obstacle.TERM
    if entrant.product_kind not in (ANY, offered.kind):
        return Obstacle.KIND
    if entrant.repayment != ANY and entrant.repayment not in offered.repayments:
        return Obstacle.REPAYMENT
    if offered.industries and entrant.industry_code and not entrant.industry_code.startswith(offered.industries):
        return Obstacle.INDUSTRY
    if offered.districts and entrant.district and entrant.district not in offered.districts:
        return Obstacle.DISTRICT
    if offered.sizes and entrant.size_class not in ("", "unknown") and entrant.size_class not in offered.sizes:
        return Obstacle.SIZE
    return None


NO_RATE = Decimal(9)
"""A product that states no rate comes after all that do."""
Preference = tuple[bool, int, Decimal, int]


def preference(entrant: Entrant, offered: Offered, seed: str, need: UUID, product: UUID) -> Preference:
    """Sorts products for a need, the best first: nothing missing of the amount, then the most of it, the rate, the lot."""
    missing = entrant.amount_fen - offered.asked(entrant)
    lot = int.from_bytes(blake2b(f"{seed}|{need}|{product}".encode(), digest_size=7).digest())
    return missing > 0, missing, NO_RATE if offered.rate is None else offered.rate, lot
