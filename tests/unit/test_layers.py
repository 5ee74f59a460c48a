"""政担: a guaranteed loss is borne by four, what comes back is theirs in the same shares, and not a fen is lost between them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import WAN, largest_remainder
from app.pool.layers import Layers, share_recovery, split_loss
from app.pool.rules import RULE_2025, Mode, RatioFacts, compensation, payable
from app.pool.top_up_rules import guaranteed_top_up

STANDARD = RatioFacts(Mode.GUARANTEE, 500 * WAN, liability=Decimal("0.80"), reguarantee=Decimal("0.20"))
"""The standard case: the guarantor answers for 80 %, 20 % of the principal are re-guaranteed (paper §3, stacking)."""
SHARES = st.decimals(Decimal("0.000001"), Decimal(1), places=6)


def lines(facts: RatioFacts, loss: int, paid_out: int, other: int = 0) -> dict[str, int | None]:
    return {line.code: line.amount_fen for line in payable(facts, loss, 0, other, RULE_2025, paid_out).lines}


def test_example_7_the_guarantor_paid_out_and_260_wan_are_unpaid_so_the_city_pays_52() -> None:
    found = lines(STANDARD, 260 * WAN, 208 * WAN)
    assert found["PUBLIC_CEILING"] == 52 * WAN
    assert [found[f"LAYER_{name}"] for name in ("POOL", "GUARANTOR", "REGUARANTEE", "BANK", "SUM")] == [
        52 * WAN, 104 * WAN, 52 * WAN, 52 * WAN, 260 * WAN]  # 20, 40, 20, 20 %


def test_the_ratio_is_the_mode_s_own_and_takes_no_uplift() -> None:
    listed = RatioFacts(Mode.GUARANTEE, 500 * WAN, on_key_list=True, policy_tool=True, liability=Decimal(1))
    assert payable(listed, 100 * WAN, 0, 0, RULE_2025, 100 * WAN).amount_fen == 20 * WAN


def test_a_guarantor_is_paid_no_more_than_it_paid_out_itself_and_bears_what_is_cut() -> None:
    # It has paid out 60 so far of the 80 it answers for, 20 of that are re-guaranteed, a district gave 30: 10 are left.
    found = lines(STANDARD, 100 * WAN, 60 * WAN, 30 * WAN)
    assert found["PUBLIC_CEILING"] == found["LAYER_POOL"] == 10 * WAN
    assert found["LAYER_GUARANTOR"] == 50 * WAN and found["LAYER_SUM"] == 100 * WAN


def test_what_comes_back_goes_to_the_four_in_the_shares_they_bore() -> None:
    borne = split_loss(260 * WAN, 52 * WAN, Decimal("0.8"), Decimal("0.2"))
    assert share_recovery(borne, 100 * WAN) == Layers(20 * WAN, 40 * WAN, 20 * WAN, 20 * WAN)
    assert share_recovery(borne, 300 * WAN) == borne  # more than the loss is not shared
    assert share_recovery(borne, -1).total_fen == 0


def test_a_district_relieves_the_guarantor_within_what_it_paid_out() -> None:
    borne = split_loss(260 * WAN, 52 * WAN, Decimal("0.8"), Decimal("0.2"))
    found = guaranteed_top_up(260 * WAN, 208 * WAN, borne, 0, Decimal("0.10"), RULE_2025)
    assert {line.code: line.amount_fen for line in found.lines if line.code.startswith("LAYER_")} == {
        "LAYER_POOL": 52 * WAN, "LAYER_DISTRICT": 26 * WAN, "LAYER_GUARANTOR": 78 * WAN, "LAYER_REGUARANTEE": 52 * WAN,
        "LAYER_BANK": 52 * WAN, "LAYER_SUM": 260 * WAN}
    # Half of the loss would be 130; of the 208 that it paid out 52 are re-guaranteed and 52 the city's: 104 are left.
    most = guaranteed_top_up(260 * WAN, 208 * WAN, borne, 0, Decimal("0.50"), RULE_2025)
    assert (most.computed_fen, most.allowed_fen, most.kept_loss_fen) == (130 * WAN, 104 * WAN, 0)
    assert guaranteed_top_up(260 * WAN, 150 * WAN, borne, 6 * WAN, Decimal("0.50"), RULE_2025).allowed_fen == 40 * WAN
    back = share_recovery(borne.topped_up(26 * WAN), 90 * WAN)
    assert back == Layers(18 * WAN, 27 * WAN, 18 * WAN, 18 * WAN, 9 * WAN)


def test_spare_fen_go_to_the_largest_remainders() -> None:
    assert largest_remainder(100, [Fraction(100, 3)] * 3) == [34, 33, 33]
    assert largest_remainder(10, [Fraction(1, 4), Fraction(37, 4), Fraction(1, 2)]) == [0, 9, 1]
    with pytest.raises(ValueError, match="do not fit"):
        largest_remainder(10, [Fraction(3), Fraction(3)])
    with pytest.raises(ValueError, match="do not fit"):
        split_loss(100, 30, Decimal("0.4"), Decimal("0.2"))  # pool and re-guarantor would take more than the guarantor owes


@given(st.integers(0, 10**13), SHARES, SHARES, st.integers(0, 10**13), SHARES, st.integers(0, 10**13))
def test_the_layers_add_up_to_the_fen_and_none_is_a_fen_from_its_share(
    loss: int, liability: Decimal, again: Decimal, net: int, district: Decimal, other: int,
) -> None:
    again = min(again, max(Decimal(0), liability - RULE_2025.guarantee_ratio))
    if liability - again < RULE_2025.guarantee_ratio:
        return
    pool = compensation(RatioFacts(Mode.GUARANTEE, loss), loss, RULE_2025).amount_fen
    borne = split_loss(loss, pool, liability, again)
    assert borne.total_fen == loss and min(borne.pool_fen, borne.guarantor_fen, borne.reguarantee_fen, borne.bank_fen) >= 0
    assert abs(borne.bank_fen - loss * (1 - liability)) < 1 and abs(borne.reguarantee_fen - loss * again) < 1
    assert abs(borne.guarantor_fen + pool - loss * (liability - again)) < 1
    # A district's part comes out of the guarantor's and leaves the others as they are; what is cut stays with the guarantor.
    paid_out = loss - borne.bank_fen
    found = guaranteed_top_up(loss, paid_out, borne, other, district, RULE_2025)
    after = borne.topped_up(found.allowed_fen)
    assert after.total_fen == loss and after.guarantor_fen == found.kept_loss_fen >= 0
    assert (after.pool_fen, after.reguarantee_fen, after.bank_fen) == (pool, borne.reguarantee_fen, borne.bank_fen)
    assert after.district_fen == found.allowed_fen <= found.computed_fen == loss * Fraction(district) // 1
    assert pool + after.district_fen + borne.reguarantee_fen + min(other, borne.guarantor_fen) <= paid_out
    shared = share_recovery(after, net)
    assert shared.total_fen == min(net, loss) and shared.district_fen <= after.district_fen
    back = share_recovery(borne, net)
    assert back.total_fen == min(net, loss)
    assert back.pool_fen <= pool and back.guarantor_fen <= borne.guarantor_fen + 1
