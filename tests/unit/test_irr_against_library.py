"""All-in rates against an independent library (pyxirr), for every way of repayment, for dated flows, and for repaying early."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal

import pytest
import pyxirr
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.money import WAN, YUAN, split
from app.market.costs import all_in_rate, dated_rate, free_schedule_rate
from app.market.early_rules import early, early_table
from app.market.schedules import check_plan
from app.market.statement import statement
from app.market.terms import Fee, FeeKind, FeeTime, Offer, Payee, PlanRow, RepaymentMethod

CLOSE = 1e-7
FEES = st.builds(
    Fee, st.sampled_from([FeeKind.GUARANTEE, FeeKind.APPRAISAL]), st.integers(1, 2_000).map(lambda yuan: yuan * YUAN),
    st.just(Payee.GUARANTOR), st.sampled_from(list(FeeTime)), st.integers(1, 6),
)  # fmt: skip


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    """Offers of every kind, free plans among them."""
    fen, months = draw(st.integers(10, 3_000)) * WAN, draw(st.integers(2, 60))
    method = draw(st.sampled_from(list(RepaymentMethod)))
    plan: tuple[PlanRow, ...] = ()
    if method is RepaymentMethod.FREE:
        at = sorted({*draw(st.sets(st.integers(1, months), max_size=5)), months})
        plan = tuple(PlanRow(month, part) for month, part in zip(at, split(fen, len(at)), strict=True))
    rate = Decimal(draw(st.integers(1, 2400))) / 10_000
    return Offer(fen, rate, months, method, tuple(draw(st.lists(FEES, max_size=3))), plan)


@settings(max_examples=200)
@given(offers(), st.data())
def test_our_rates_are_those_of_the_library(offer: Offer, data: st.DataObject) -> None:
    found = all_in_rate(offer)
    monthly = pyxirr.irr([float(flow.amount_fen) for flow in found.flows])
    assert abs(12 * monthly - float(found.nominal12)) < CLOSE
    assert abs((1 + monthly) ** 12 - 1 - float(found.effective)) < CLOSE
    rows = statement(offer)
    assert [row.paid_fen for row in rows[1:]] == [-flow.amount_fen for flow in found.flows[1:]]
    assert sum(row.accrued_fen for row in rows) == found.interest_fen and rows[-1].balance_fen == 0
    after = early(offer, data.draw(st.integers(1, offer.term_months - 1)), Decimal("0.005"))
    monthly = pyxirr.irr([float(flow.amount_fen) for flow in after.flows])
    assert abs(12 * monthly - float(after.nominal12)) < CLOSE
    assert after.interest_fen + after.interest_saved_fen == found.interest_fen
    assert after.total_extra_fen == after.interest_fen + after.fees_fen + after.penalty_fen


@settings(max_examples=100)
@given(st.integers(10, 3_000), st.lists(st.tuples(st.integers(30, 400), st.integers(1, 100)), min_size=1, max_size=12))
def test_dated_flows_are_those_of_the_library(wan: int, steps: list[tuple[int, int]]) -> None:
    day, flows = date(2026, 3, 10), [(date(2026, 3, 10), wan * WAN)]
    part = wan * WAN // len(steps)
    for days, extra in steps:
        day += timedelta(days=days)
        flows.append((day, -part - part * extra // 1_000))
    ours = free_schedule_rate(flows)
    assert abs(pyxirr.xirr([at for at, _ in flows], [float(fen) for _, fen in flows]) - float(ours.effective)) < 1e-6


def interest_only(wan: int, rate: str, *fees: Fee) -> Offer:
    return Offer(wan * WAN, Decimal(rate), 12, RepaymentMethod.INTEREST_ONLY, fees)


def at_start(yuan: int) -> Fee:
    return Fee(FeeKind.APPRAISAL, yuan * YUAN, Payee.APPRAISER)


@pytest.mark.parametrize(("offer", "nominal", "effective", "extra_fen"), [
    (interest_only(300, "0.0385", at_start(2_000)), "0.03918", "0.03989", 11_750_000),
    (Offer(300 * WAN, Decimal("0.0345"), 12, RepaymentMethod.EQUAL_INSTALMENT, (at_start(18_000),)), "0.04572", "0.04669", None),
    (interest_only(260, "0.0395", at_start(23_400)), "0.04874", "0.04984", None),
    (interest_only(100, "0.0385", at_start(8_000), at_start(2_000)), "0.04877", "0.04987", 4_849_996),
])  # fmt: skip
def test_the_examples_of_the_paper(offer: Offer, nominal: str, effective: str, extra_fen: int | None) -> None:
    found = all_in_rate(offer)
    monthly = pyxirr.irr([float(flow.amount_fen) for flow in found.flows])
    assert f"{found.nominal12:.5f}" == f"{12 * monthly:.5f}" == nominal
    assert f"{found.effective:.5f}" == f"{(1 + monthly) ** 12 - 1:.5f}" == effective
    assert extra_fen is None or found.total_extra_fen == extra_fen


def test_repaying_early_saves_interest_and_makes_the_charge_dearer() -> None:
    offer = interest_only(300, "0.0385", at_start(2_000))
    half, quarter = early(offer, 6), early(offer, 3)
    assert (f"{half.nominal12:.5f}", f"{half.effective:.5f}", half.total_extra_fen) == ("0.03985", "0.04058", 59_750 * YUAN)
    assert (f"{quarter.nominal12:.5f}", f"{quarter.effective:.5f}") == ("0.04118", "0.04197")
    assert quarter.total_extra_fen == 30_875 * YUAN and quarter.unused_fees_fen == 1_500 * YUAN
    for one in (half, quarter):
        monthly = pyxirr.irr([float(flow.amount_fen) for flow in one.flows])
        assert (f"{one.nominal12:.6f}", f"{one.effective:.6f}") == (f"{12 * monthly:.6f}", f"{(1 + monthly) ** 12 - 1:.6f}")
    assert half.balance_fen == 300 * WAN and half.interest_saved_fen == 57_750 * YUAN
    assert early(offer, 6, Decimal("0.01")).penalty_fen == 3 * WAN
    table = early_table(offer)
    assert [row.month for row in table] == list(range(1, 12))
    assert [row.nominal12 for row in table] == sorted((row.nominal12 for row in table), reverse=True)
    assert len(early_table(Offer(100 * WAN, Decimal("0.04"), 120, RepaymentMethod.EQUAL_INSTALMENT))) <= 24
    for month in (0, 12):
        with pytest.raises(ValueError, match="before maturity"):
            early(offer, month)


@pytest.mark.parametrize(("plan", "code"), [
    ((), "PLAN_EMPTY"),
    ((PlanRow(6, 50 * WAN), PlanRow(6, 50 * WAN)), "PLAN_MONTHS"),
    ((PlanRow(13, 100 * WAN),), "PLAN_MONTHS"),
    ((PlanRow(12, 50 * WAN), PlanRow(6, 50 * WAN)), "PLAN_MONTHS"),
    ((PlanRow(6, 50 * WAN), PlanRow(12, 40 * WAN)), "PLAN_SUM"),
    ((PlanRow(11, 100 * WAN),), "PLAN_END"),
    (tuple(PlanRow(month, 1) for month in range(1, 62)), "PLAN_LONG"),
])  # fmt: skip
def test_a_free_plan_must_add_up(plan: tuple[PlanRow, ...], code: str) -> None:
    assert [problem.code for problem in check_plan(100 * WAN, 12, plan)] == [code]
    with pytest.raises(ValueError, match=code):
        all_in_rate(Offer(100 * WAN, Decimal("0.04"), 12, RepaymentMethod.FREE, (), plan))


def test_a_free_plan_pays_interest_on_what_is_left() -> None:
    plan = (PlanRow(6, 50 * WAN), PlanRow(12, 50 * WAN))
    found = all_in_rate(Offer(100 * WAN, Decimal("0.036"), 12, RepaymentMethod.FREE, (), plan))
    assert found.interest_fen == 6 * 3_000 * YUAN + 6 * 1_500 * YUAN and f"{found.nominal12:.5f}" == "0.03600"


def test_the_broker_of_the_paper_against_the_guarantee() -> None:
    """A broker at 8 % of principal, a bank at 5.5 % with a guarantee at 0.8 %, "saving 10.8万元": the paper tells no principal.

    10.8万元 over the 7.2 points between them is 150万元; that it was that is inferred, and so is the year."""
    principal = Decimal(108_000 * YUAN) / (Decimal("0.08") - Decimal("0.008"))
    assert principal == 150 * WAN
    guaranteed, brokered = (
        Offer(150 * WAN, Decimal("0.055"), 12, RepaymentMethod.INTEREST_ONLY, (Fee(kind, yuan * YUAN, payee),))
        for kind, yuan, payee in (
            (FeeKind.GUARANTEE, 12_000, Payee.GUARANTOR), (FeeKind.OTHER, 120_000, Payee.OTHER),
        )
    )  # fmt: skip
    costs = all_in_rate(guaranteed), all_in_rate(brokered)
    assert costs[1].total_extra_fen - costs[0].total_extra_fen == 108_000 * YUAN
    assert [f"{cost.simple:.3f}" for cost in costs] == ["0.063", "0.135"]
    for cost, told in zip(costs, ("0.06328", "0.14125"), strict=True):
        monthly = pyxirr.irr([float(flow.amount_fen) for flow in cost.flows])
        assert f"{cost.nominal12:.5f}" == f"{12 * monthly:.5f}" == told


@settings(max_examples=60)
@given(offers(), st.dates(date(2024, 1, 1), date(2030, 12, 31)))
def test_the_dated_rate_is_that_of_the_library(offer: Offer, drawn_on: date) -> None:
    """Σ CF/(1+r)^(days/365) over the days of the months, whatever the day of the drawdown; near the rate by whole months."""
    months = [drawn_on.year * 12 + drawn_on.month - 1 + flow.month for flow in all_in_rate(offer).flows]
    days = [date(at // 12, at % 12 + 1, min(drawn_on.day, monthrange(at // 12, at % 12 + 1)[1])) for at in months]
    found = dated_rate(offer, drawn_on)
    yearly = pyxirr.xirr(days, [float(flow.amount_fen) for flow in all_in_rate(offer).flows])
    assert abs(yearly - float(found.effective)) < 1e-6
    assert abs(12 * ((1 + yearly) ** (1 / 12) - 1) - float(found.nominal12)) < 1e-6
