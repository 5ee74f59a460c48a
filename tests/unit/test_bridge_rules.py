"""Transfer loans: what a bridge costs, how large it may be, and when it is late."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bridge.rules import (
    CROSS_BANK,
    SAME_BANK,
    BridgeKind,
    BridgeTerms,
    FeeStep,
    bridge_limits,
    check_terms,
    days_used,
    fee,
    is_overdue,
    is_urgent,
    latest_return,
    max_bridge,
    moved_to,
    overdue_from,
    preview,
    step_terms,
    terms_for,
)
from app.core.calendar import add_working_days
from app.core.money import WAN, YUAN

DONGHAI = step_terms((FeeStep(5, Decimal("0.0002")), FeeStep(None, Decimal("0.0004"))))
PAID = date(2026, 11, 2)


@pytest.mark.parametrize(
    ("wan", "days", "terms", "yuan"),
    [
        pytest.param(300, 5, SAME_BANK, 9_900, id="Guangzhou, same bank"),
        pytest.param(500, 40, CROSS_BANK, 30_000, id="Guangzhou, across banks"),
        pytest.param(1000, 8, DONGHAI, 22_000, id="step fee"),
    ],
)
def test_worked_examples_of_the_fee(wan: int, days: int, terms: BridgeTerms, yuan: int) -> None:
    found = fee(wan * WAN, days, terms)
    assert found.amount_fen == yuan * YUAN
    assert found.working[-1].amount_fen == found.amount_fen
    assert all(line.message % line.shown for line in found.working)


def test_the_market_rate_would_have_cost_three_to_five_times_as_much() -> None:
    market = dataclasses.replace(SAME_BANK, daily_rate=Decimal("0.002"))
    assert fee(300 * WAN, 5, market).amount_fen == 30_000 * YUAN
    assert [problem.code for problem in check_terms(market)] == ["RATE_ABOVE_CAP"]


def test_the_day_of_payout_counts_and_the_day_of_return_does_not() -> None:
    assert days_used(PAID, PAID + timedelta(days=5)) == 5
    assert days_used(PAID, PAID + timedelta(days=1)) == 1


@pytest.mark.parametrize("terms", [SAME_BANK, CROSS_BANK, DONGHAI])
def test_a_return_on_the_day_of_payout_is_no_day_and_costs_nothing(terms: BridgeTerms) -> None:
    assert days_used(PAID, PAID) == 0
    assert fee(300 * WAN, 0, terms).amount_fen == 0


def test_a_bridge_cannot_return_before_it_was_paid_out() -> None:
    with pytest.raises(ValueError):
        days_used(PAID, PAID - timedelta(days=1))
    with pytest.raises(ValueError):
        fee(-1, 5)


def test_the_preview_shows_total_cap_what_comes_after_and_the_yearly_view() -> None:
    found = preview(300 * WAN, PAID, PAID + timedelta(days=5))
    assert (found.days, found.total_fen) == (5, 9_900 * YUAN)
    assert (found.max_days, found.cap_fen, found.late_daily_fen) == (10, 19_800 * YUAN, 1_980 * YUAN)
    assert found.last_day == latest_return(PAID) == date(2026, 11, 12)
    assert found.annualised == Decimal("0.2409")
    assert all(line.message % line.shown for line in found.working)


def test_a_transfer_across_banks_costs_nothing_more_after_its_days() -> None:
    found = preview(500 * WAN, PAID, PAID + timedelta(days=30), CROSS_BANK)
    assert (found.total_fen, found.cap_fen, found.late_daily_fen) == (30_000 * YUAN, 30_000 * YUAN, 0)
    assert terms_for(BridgeKind.CROSS_BANK).max_days == 45


@given(st.integers(0, 1000 * WAN), st.integers(0, 60), st.sampled_from([SAME_BANK, CROSS_BANK, DONGHAI]))
def test_a_longer_bridge_never_costs_less(principal: int, days: int, terms: BridgeTerms) -> None:
    assert fee(principal, days, terms).amount_fen <= fee(principal, days + 1, terms).amount_fen


@pytest.mark.parametrize(
    ("due", "own", "promised", "limit"),
    [
        pytest.param(300, 50, 300, 250, id="the gap decides"),
        pytest.param(300, 0, 300, 285, id="95 % of the promise decides"),
        pytest.param(2000, 0, 2000, 1000, id="the cap decides"),
        pytest.param(300, 400, 300, 0, id="own money is enough"),
        pytest.param(300, 0, 0, 0, id="nothing promised"),
    ],
)
def test_a_bridge_is_limited_by_gap_promise_and_cap(due: int, own: int, promised: int, limit: int) -> None:
    assert max_bridge(due * WAN, own * WAN, promised * WAN) == limit * WAN


@given(st.integers(0, 3000 * WAN), st.integers(0, 3000 * WAN), st.integers(0, 3000 * WAN))
def test_no_bridge_exceeds_any_of_its_limits(due: int, own: int, promised: int) -> None:
    bridge = max_bridge(due, own, promised)
    assert 0 <= bridge <= max(0, due - own)
    assert bridge * 100 <= promised * 95
    assert bridge <= 1000 * WAN
    assert bridge in {0, *(line.amount_fen for line in bridge_limits(due, own, promised))}


def test_an_application_with_fewer_than_ten_working_days_left_is_urgent() -> None:
    due = add_working_days(PAID, 10)
    assert not is_urgent(PAID, due)
    assert is_urgent(PAID, due - timedelta(days=1))
    assert is_urgent(due, PAID)


def test_a_bridge_is_overdue_one_working_day_after_its_expected_return() -> None:
    friday = date(2026, 11, 6)
    assert overdue_from(friday) == date(2026, 11, 9)
    assert not is_overdue(friday, date(2026, 11, 8))
    assert is_overdue(friday, date(2026, 11, 9))


def test_default_terms_keep_within_the_ceilings() -> None:
    assert check_terms(SAME_BANK) == check_terms(CROSS_BANK) == check_terms(DONGHAI) == []


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (step_terms((FeeStep(5, Decimal("0.0002")),)), "STEPS_OPEN"),
        (step_terms(()), "STEPS_OPEN"),
        (step_terms((FeeStep(5, Decimal("0.01")), FeeStep(None, Decimal("0")))), "RATE_ABOVE_CAP"),
        (dataclasses.replace(CROSS_BANK, one_off_rate=Decimal("0.03")), "RATE_ABOVE_CAP"),
        (dataclasses.replace(SAME_BANK, max_share=Decimal("1.2")), "LIMITS"),
        (dataclasses.replace(SAME_BANK, max_days=0), "LIMITS"),
    ],
)
def test_terms_outside_the_ceilings_are_refused(terms: BridgeTerms, code: str) -> None:
    assert [problem.code for problem in check_terms(terms)] == [code]


def test_over_a_public_holiday_the_fee_counts_natural_days_and_lateness_waits_for_the_banks() -> None:
    """National Day of 2026: banks work again on 8 October. Paid on 29 September, expected back on the 2nd."""
    seen = preview(300 * WAN, date(2026, 9, 29), date(2026, 10, 2))
    assert (seen.days, seen.total_fen, seen.return_on) == (3, 5_940 * YUAN, date(2026, 10, 2))
    assert moved_to(seen.return_on) == date(2026, 10, 8)
    assert seen.overdue_from == date(2026, 10, 9), "the first day on which banks pay is in time"
    assert fee(300 * WAN, days_used(date(2026, 9, 29), date(2026, 10, 8))).amount_fen == 17_820 * YUAN
    assert moved_to(date(2026, 9, 29)) is None
