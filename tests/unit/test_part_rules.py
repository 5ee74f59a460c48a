"""Parts of a bid cost what the bid says; parts that together reach an amount are added up to the fen; the cheapest is found."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from uuid import UUID

import pyxirr
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.money import WAN, YUAN
from app.market.costs import all_in_rate
from app.market.offer_rules import OfferLimits
from app.market.part_rules import Candidate, PartFees, PartTerms, cheapest, check_mix, check_part, mix, part_offer
from app.market.terms import Fee, FeeKind, Offer, Payee, PlanRow, RepaymentMethod

A, B, C = (UUID(int=number) for number in (1, 2, 3))
FEE = Fee(FeeKind.APPRAISAL, 2_000 * YUAN, Payee.APPRAISER)


def offer(wan: int, percent: str, *fees: Fee, method: RepaymentMethod = RepaymentMethod.INTEREST_ONLY) -> Offer:
    return Offer(wan * WAN, Decimal(percent) / 100, 12, method, fees)


def parts(wan: int, fees: PartFees = PartFees.SCALED) -> PartTerms:
    return PartTerms(wan * WAN, fees)


def test_a_part_of_a_bid_bears_its_charges_as_the_bid_says() -> None:
    whole = offer(300, "3.85", FEE)
    scaled, same = (part_offer(whole, 100 * WAN, fees) for fees in (PartFees.SCALED, PartFees.SAME))
    assert [one.fees[0].amount_fen for one in (scaled, same)] == [66_667, 200_000]
    assert round(all_in_rate(scaled).nominal12, 4) == round(all_in_rate(whole).nominal12, 4) == Decimal("0.0392")
    assert all_in_rate(same).nominal12 > Decimal("0.0405"), "the same charge weighs three times as much on a third"
    plan = (PlanRow(3, 100 * WAN), PlanRow(7, 100 * WAN), PlanRow(12, 100 * WAN))
    part = part_offer(Offer(300 * WAN, Decimal("0.04"), 12, RepaymentMethod.FREE, (), plan), 100 * WAN + 1, PartFees.SAME)
    assert sum(row.principal_fen for row in part.plan) == 100 * WAN + 1
    assert [row.month for row in part.plan] == [3, 7, 12]


def test_the_least_part_is_judged_by_firm_product_and_cap() -> None:
    whole = offer(300, "3.85", FEE)
    facts = {"part_min_fen": 50 * WAN}
    assert check_part(whole, None, {}, wanted=False) == []
    assert check_part(whole, parts(100), facts, wanted=True) == []
    codes = [
        [problem.code for problem in found] for found in (
            check_part(whole, parts(100), facts, wanted=False), check_part(whole, parts(100), {}, wanted=True),
            check_part(whole, parts(40), facts, wanted=True), check_part(whole, parts(301), facts, wanted=True),
        )
    ]
    assert codes == [["PART_UNWANTED"], ["PART_PRODUCT"], ["PART_RANGE"], ["PART_RANGE"]]
    heavy = offer(300, "3.85", Fee(FeeKind.GUARANTEE, 30 * WAN, Payee.GUARANTOR))
    dear = check_part(heavy, parts(50, PartFees.SAME), facts, wanted=True, limits=OfferLimits())
    assert [problem.code for problem in dear] == ["PART_COST"]
    assert check_part(heavy, parts(50), facts, wanted=True) == []


def test_two_hundred_and_a_hundred_reach_three_hundred_and_more_does_not_pass() -> None:
    found = {A: Candidate(offer(300, "3.85"), parts(50)), B: Candidate(offer(100, "3.45")), C: Candidate(offer(260, "3.60"))}

    def codes(**amounts: int) -> list[str]:
        keys = {"a": A, "b": B, "c": C}
        return [one.code for one in check_mix(found, {keys[k]: wan * WAN for k, wan in amounts.items()}, 300 * WAN, 2)]

    assert codes(a=200, b=100) == [] and codes(a=300) == []
    assert codes(b=100) == [], "one bank alone may lend less than was asked for"
    assert codes(c=260, a=50) == ["PARTS_SUM"], "260 and 50 are more than 300"
    assert codes(b=100, a=150) == ["PARTS_SUM"], "several reach the amount exactly"
    assert codes(b=50, a=250) == ["PART_RANGE"] and codes(a=40, c=260) == ["PART_RANGE"]
    assert codes() == ["PARTS_NONE"]
    assert [one.code for one in check_mix(found, {A: 100 * WAN, B: 100 * WAN, C: 260 * WAN}, 460 * WAN, 2)] == ["PARTS_MANY"]


def test_together_they_cost_the_sum_and_the_joint_rate_is_that_of_the_library() -> None:
    shares = [
        Candidate(offer(200, "3.85", FEE)).share(200 * WAN),
        Candidate(offer(100, "3.45", FEE, method=RepaymentMethod.EQUAL_INSTALMENT)).share(100 * WAN),
    ]
    together = mix(shares)
    assert together.amount_fen == 300 * WAN
    assert together.total_extra_fen == sum(share.cost.total_extra_fen for share in shares)
    assert together.interest_fen + together.fees_fen == together.total_extra_fen
    rates = [share.cost.nominal12 for share in shares]
    assert together.weighted == ((rates[0] * 200 + rates[1] * 100) / 300).quantize(Decimal("0.00000001"))
    flows = [sum(share.cost.flows[month].amount_fen for share in shares) for month in range(13)]
    monthly = pyxirr.irr([float(flow) for flow in flows])
    assert monthly is not None and abs(float(together.joint) - 12 * monthly) < 1e-8
    assert abs(float(together.effective) - ((1 + monthly) ** 12 - 1)) < 1e-8
    assert min(rates) < together.joint < max(rates)


def test_what_is_proposed_is_the_cheapest_of_what_is_possible() -> None:
    found = {
        A: Candidate(offer(300, "4.10"), parts(50)),
        B: Candidate(offer(200, "3.45"), parts(100)),
        C: Candidate(offer(150, "3.60")),
    }
    assert cheapest(found, 300 * WAN) == {B: 150 * WAN, C: 150 * WAN}, "C lends all or nothing, B the rest"
    assert cheapest({C: found[C]}, 300 * WAN) == {}
    fixed = Fee(FeeKind.GUARANTEE, 40_000 * YUAN, Payee.GUARANTOR)
    found[B] = Candidate(offer(200, "3.45", fixed), parts(50, PartFees.SAME))
    assert cheapest(found, 300 * WAN) == {A: 150 * WAN, C: 150 * WAN}, "a charge that stays weighs on the part"


OFFERED = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(300, 600))


@settings(max_examples=15, deadline=None)
@given(st.lists(OFFERED, min_size=1, max_size=3), st.integers(1, 8))
def test_no_mix_in_whole_tens_is_cheaper_than_the_proposal(offered: list[tuple[int, int, int]], tens: int) -> None:
    """By brute force over amounts in steps of 10 万元, charges apart; every proposal may be taken."""
    found = {
        UUID(int=number): Candidate(
            offer(10 * max(low, high), f"{rate / 100}"), parts(10 * min(low, high)) if low != high else None,
        )
        for number, (low, high, rate) in enumerate(offered, start=1)
    }
    proposed = cheapest(found, 10 * tens * WAN)
    best = None
    for amounts in product(range(7), repeat=len(found)):
        taken = {key: 10 * amount * WAN for key, amount in zip(found, amounts, strict=True) if amount}
        if sum(amounts) == tens and not check_mix(found, taken, 10 * tens * WAN, 3):
            cost = sum(amount * found[key].offer.annual_rate for key, amount in taken.items())
            best = cost if best is None else min(best, cost)
    if best is None:
        assert proposed == {}
    else:
        assert check_mix(found, proposed, 10 * tens * WAN, 3) == []
        assert sum(amount * found[key].offer.annual_rate for key, amount in proposed.items()) == best
