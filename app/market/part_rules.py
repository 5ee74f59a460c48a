"""Several banks together: what a part of a bid costs, which parts reach an amount, what they cost together.

Money is fen, rates are fractions per year. The portal proposes and adds up; the firm decides. All of it is a proposal [P].
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from itertools import combinations
from typing import Any
from uuid import UUID

from app.core.money import round_fen
from app.core.working import N_, Params, Problem
from app.market.costs import AllIn, all_in_rate
from app.market.irr import RATE_PLACES, solve
from app.market.offer_rules import OfferLimits, check_all_in
from app.market.schedules import ARITHMETIC, MONTHS, check_plan
from app.market.terms import Offer, PlanRow, RepaymentMethod

MOST_TRIED = 20
"""The cheapest bids among which a mix is looked for; beyond them none would be the cheapest but by its size."""
MOST_MIXED = 3
"""Banks of a mix that the portal proposes; the firm may take more."""


class PartFees(StrEnum):
    """What a part does to the charges of a bid."""

    SAME = "SAME"
    SCALED = "SCALED"


PART_FEES: dict[str, str] = {PartFees.SAME: N_("不变，按整笔收"), PartFees.SCALED: N_("按份额同比例减少")}


@dataclass(frozen=True, slots=True)
class PartTerms:
    """What a bank offers beside others: ``least_fen`` at least, and what that does to the charges."""

    least_fen: int
    fees: PartFees


@dataclass(frozen=True, slots=True)
class Candidate:
    """An opened bid as parts are made of it; ``parts`` is ``None`` where the bank lends the whole of it or nothing."""

    offer: Offer
    parts: PartTerms | None = None

    @property
    def least_fen(self) -> int:
        """The least that the bank lends."""
        return self.parts.least_fen if self.parts else self.offer.amount_fen

    def share(self, amount_fen: int) -> Share:
        """What an amount of this bid costs."""
        offer = self.offer if amount_fen == self.offer.amount_fen else part_offer(self.offer, amount_fen, self._fees)
        return Share(amount_fen, offer, all_in_rate(offer))

    @property
    def _fees(self) -> PartFees:
        return self.parts.fees if self.parts else PartFees.SAME


@dataclass(frozen=True, slots=True)
class Share:
    """A part with its own terms and costs."""

    amount_fen: int
    offer: Offer
    cost: AllIn


@dataclass(frozen=True, slots=True)
class Mix:
    """Parts taken together. ``weighted``: the all-in rates weighted by amount. ``joint``: the rate of all their money
    together, as if it were one loan; ``effective`` compounds its monthly rate."""

    amount_fen: int
    interest_fen: int
    fees_fen: int
    total_extra_fen: int
    weighted: Decimal
    joint: Decimal
    effective: Decimal


def part_offer(offer: Offer, amount_fen: int, fees: PartFees) -> Offer:
    """The offer for a part of its amount: charges as the bid says, planned repayments in proportion, to the fen."""
    if not 0 < amount_fen <= offer.amount_fen:
        raise ValueError("a part is more than nothing and no more than the whole")

    def scaled(fen: int) -> int:
        return round_fen(Decimal(fen) * amount_fen / offer.amount_fen)

    charges = offer.fees
    if fees is PartFees.SCALED:
        charges = tuple(replace(fee, amount_fen=max(1, scaled(fee.amount_fen))) for fee in offer.fees)
    return replace(offer, amount_fen=amount_fen, fees=charges, plan=part_plan(offer.plan, offer.amount_fen, amount_fen))


def part_plan(plan: Sequence[PlanRow], whole_fen: int, part_fen: int) -> tuple[PlanRow, ...]:
    """A plan for a part of the loan it adds up to, in proportion and to the fen; what comes to nothing is left out."""
    rows, repaid, before = [], 0, 0
    for row in plan:
        repaid += row.principal_fen
        now = round_fen(Decimal(repaid) * part_fen / whole_fen)
        rows.append(PlanRow(row.month, now - before))
        before = now
    return tuple(row for row in rows if row.principal_fen)


def check_part(
    offer: Offer, parts: PartTerms | None, facts: Mapping[str, Any], *, wanted: bool, limits: OfferLimits = OfferLimits(),
) -> list[Problem]:
    """What is wrong with the least part of a bid: ``wanted`` says whether the firm takes parts, ``facts`` are the product's."""
    if parts is None:
        return []
    lends = facts.get("part_min_fen")
    if not wanted:
        return [Problem("min_part", "PART_UNWANTED", N_("企业没有同意由几家银行联合，请按整笔报价。"))]
    if lends is None:
        return [Problem("min_part", "PART_PRODUCT", N_("所选产品不参加联合贷款，请换产品或按整笔报价。"))]
    if not lends <= parts.least_fen <= offer.amount_fen:
        params: Params = {"low_fen": lends, "high_fen": offer.amount_fen}
        message = N_("最低份额应在产品规定的 %(low_fen)s 元到报价金额 %(high_fen)s 元之间。")
        return [Problem("min_part", "PART_RANGE", message, params)]
    least = part_offer(offer, parts.least_fen, parts.fees)
    planned = offer.method is not RepaymentMethod.FREE or not check_plan(least.amount_fen, least.term_months, least.plan)
    if not planned or check_all_in(least, limits):
        message = N_("只放最低份额时，费用相对过高，综合年化成本超过平台上限；请提高最低份额或让费用同比例减少。")
        return [Problem("min_part", "PART_COST", message)]
    return []


def check_mix(candidates: Mapping[UUID, Candidate], amounts: Mapping[UUID, int], open_fen: int, most: int) -> list[Problem]:
    """What forbids taking these amounts: each within what its bank offers, together exactly what is open; one bank alone may
    lend less. ``most``: how many banks at most [P]. Fields are ``amount-`` and the bid's id, or ``amounts``."""
    if not amounts:
        return [Problem("amounts", "PARTS_NONE", N_("请至少选一家银行，并填写金额。"))]
    problems = []
    for key, amount in amounts.items():
        low, high = candidates[key].least_fen, candidates[key].offer.amount_fen
        if not low <= amount <= high:
            params: Params = {"low_fen": low, "high_fen": high}
            message = N_("这家银行可以承担 %(low_fen)s 元到 %(high_fen)s 元。")
            if low == high:
                message = N_("这家银行只整笔放款 %(high_fen)s 元。")
            problems.append(Problem(f"amount-{key}", "PART_RANGE", message, params))
    if problems:
        return problems
    together = sum(amounts.values())
    params = {"sum_fen": together, "open_fen": open_fen}
    if together > open_fen:
        return [Problem("amounts", "PARTS_SUM", N_("合计 %(sum_fen)s 元，超过需要的 %(open_fen)s 元。"), params)]
    if len(amounts) > 1 and together < open_fen:
        return [Problem("amounts", "PARTS_SUM", N_("几家合计 %(sum_fen)s 元，应正好等于 %(open_fen)s 元。"), params)]
    if len(amounts) > most:
        return [Problem("amounts", "PARTS_MANY", N_("最多由 %(most)s 家银行联合。"), {"most": most})]
    return []


def mix(shares: Collection[Share]) -> Mix:
    """What parts cost together. Raises ``ValueError`` for none."""
    amount = sum(share.amount_fen for share in shares)
    flows = [0] * (max(share.offer.term_months for share in shares) + 1)
    for share in shares:
        for flow in share.cost.flows:
            flows[flow.month] += flow.amount_fen
    with localcontext(ARITHMETIC):
        monthly = solve(flows)
        weighted = sum((share.cost.nominal12 * share.amount_fen for share in shares), Decimal(0)) / amount
        return Mix(
            amount, sum(share.cost.interest_fen for share in shares), sum(share.cost.fees_fen for share in shares),
            sum(share.cost.total_extra_fen for share in shares), weighted.quantize(RATE_PLACES),
            (monthly * MONTHS).quantize(RATE_PLACES), ((1 + monthly) ** MONTHS - 1).quantize(RATE_PLACES),
        )  # fmt: skip


def cheapest(candidates: Mapping[UUID, Candidate], open_fen: int) -> dict[UUID, int]:
    """The parts that reach the amount at the lowest weighted all-in rate, of up to three banks; empty where none reach it.

    Found by the rates of the whole bids, and among the best five of those by the rates of the parts themselves.
    """
    rates = {key: all_in_rate(one.offer).nominal12 for key, one in candidates.items() if one.least_fen <= open_fen}
    tried = sorted(rates, key=lambda key: (rates[key], str(key)))[:MOST_TRIED]
    found = sorted(_mixes(candidates, tried, open_fen), key=lambda amounts: _estimate(amounts, rates))[:5]

    def exact(amounts: dict[UUID, int]) -> tuple[Decimal, int]:
        return mix([candidates[key].share(amount) for key, amount in amounts.items()]).weighted, len(amounts)

    return min(found, key=exact, default={})


def _estimate(amounts: Mapping[UUID, int], rates: Mapping[UUID, Decimal]) -> tuple[Decimal, int]:
    return sum((rates[key] * amount for key, amount in amounts.items()), Decimal(0)), len(amounts)


def _mixes(candidates: Mapping[UUID, Candidate], tried: Sequence[UUID], open_fen: int) -> Iterator[dict[UUID, int]]:
    """For every few of the bids, cheapest first, the amounts that fill them up in that order."""
    for count in range(1, MOST_MIXED + 1):
        for keys in combinations(tried, count):
            amounts = {key: candidates[key].least_fen for key in keys}
            rest = open_fen - sum(amounts.values())
            if rest < 0:
                continue
            for key in keys:
                more = min(rest, candidates[key].offer.amount_fen - amounts[key])
                amounts[key] += more
                rest -= more
            if not rest:
                yield amounts
