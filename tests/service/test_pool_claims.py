"""A loss is claimed, checked by five people and paid from a budget that cannot be overdrawn."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ledger import Account
from app.core.models import Transition
from app.core.money import WAN
from app.core.permissions import Role, permissions_of
from app.loans import service as loans
from app.loans.rules import FiveClass
from app.pool import audit_service as audits
from app.pool import claim_service as claims
from app.pool import decision_service as decisions
from app.pool import recovery_service as recoveries
from app.pool import service as pool
from app.pool.claim_service import LossParts
from app.pool.decision_models import DeductionKind
from app.pool.models import Booking, Claim, Recovery
from app.pool.rules import LossEvidence
from app.pool.ruleset import TierBasis
from app.pool.states import CLAIM, BookingState, ClaimState
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import EVIDENCE, City, ballast, cut, rule_set, terms

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]


@pytest.fixture
def city(database: TestDatabase) -> City:
    return City()


@pytest.fixture
def calm(city: City) -> City:
    """A city whose stop line never holds and whose publicity takes no day."""
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CALM", stop_line=Decimal(1), publicity_days=0))
    ballast(city)
    return city


def claim_now(claim: Claim) -> Claim:
    with transaction(cast.SYSTEM, read_only=True):
        return session().get_one(Claim, claim.id)


def balances(city: City) -> dict[str, int]:
    with transaction(cast.SYSTEM, read_only=True):
        accounts = session().scalars(select(Account))
        return {account.code.split(":")[1]: account.available_fen for account in accounts}


def paid(city: City, claim: Claim) -> Claim:
    city.at_decision(claim)
    decisions.approve_claim(city.leader, claim.id)
    return decisions.pay_claim(city.cashier, claim.id, f"凭证-{claim.id.hex[-8:]}", today())


# --- what is paid ----------------------------------------------------------------------------------------------------


def test_an_edition_may_take_its_bracket_from_all_that_the_borrower_owes_to_the_bank(city: City) -> None:
    by_sum = rule_set("GZ-SUM", tier_basis=TierBasis.BORROWER_AT_BANK, stop_line=Decimal(1), publicity_days=0)
    pool.load_rule_set(cast.SYSTEM, by_sum)
    city.booked(terms(300), days_ago=20)
    claim = city.claimed(city.booked(terms(210), days_ago=20))
    assert claim.compensation_fen == 63 * WAN, "510万 with this bank: 30 % of the 210万 lost; by its own sum it would be 84万"


def test_worked_example_one_pays_forty_per_cent_of_what_is_left(calm: City) -> None:
    booking = calm.booked(terms(300), days_ago=20)
    calm.repay(booking, 120, days_ago=5)
    claim = calm.claimed(booking)
    assert (claim.net_principal_loss_fen, claim.compensation_fen) == (180 * WAN, 72 * WAN)


def test_worked_example_two_pays_half_for_a_firm_on_a_key_list(calm: City) -> None:
    booking = calm.booked(terms(300), replace(EVIDENCE, on_key_list=True, key_list_version="2026-1"), days_ago=20)
    calm.repay(booking, 120, days_ago=5)
    assert calm.claimed(booking).compensation_fen == 90 * WAN


def test_worked_example_three_pays_thirty_five_per_cent_with_a_policy_tool(calm: City) -> None:
    booking = calm.booked(terms(800), replace(EVIDENCE, policy_tool="支小再贷款"), days_ago=20)
    calm.repay(booking, 500, days_ago=5)
    claim = calm.claimed(booking)
    assert claim.compensation_fen == 105 * WAN
    assert [row["code"] for row in claim.working] == ["LOSS", "BASE", "POLICY_TOOL", "RESULT", "PUBLIC_CEILING"]


def test_a_list_entry_made_after_booking_changes_nothing(calm: City) -> None:
    booking = calm.booked(terms(300))
    with transaction(cast.SYSTEM):
        session().execute(text("update enterprise set size_class = 'medium' where id = :id"), {"id": calm.firm.id})
    assert calm.claimed(booking).compensation_fen == 120 * WAN


def test_guarantor_and_collateral_lower_the_loss_and_public_money_is_capped(calm: City) -> None:
    booking = calm.booked(terms(300))
    claim = calm.claimed(booking, LossParts(guarantor_paid_fen=100 * WAN, collateral_fen=50 * WAN))
    assert claim.net_principal_loss_fen == 150 * WAN
    assert claim.compensation_fen == 60 * WAN
    claim = claims.amend_claim(calm.officer, claim.id, LossParts(100 * WAN, 50 * WAN, other_public_fen=90 * WAN))
    assert claim.compensation_fen == 10 * WAN


# --- who may and when --------------------------------------------------------------------------------------------------


def test_a_loan_that_is_not_bad_cannot_be_claimed(calm: City) -> None:
    booking = calm.booked(terms(300), days_ago=20)
    loans.report_class(calm.officer, booking.loan_id, today(), FiveClass.SPECIAL_MENTION, 19)
    with pytest.raises(Refusal) as refused:
        claims.prepare_claim(calm.officer, booking.id, LossParts())
    assert refused.value.code is ErrorCode.CLAIM_NOT_BAD


def test_a_booking_has_one_live_claim(calm: City) -> None:
    booking = calm.booked()
    claim = calm.claimed(booking)
    with pytest.raises(Refusal) as refused:
        claims.prepare_claim(calm.officer, booking.id, LossParts())
    assert refused.value.code is ErrorCode.CLAIM_EXISTS
    claims.withdraw_claim(calm.officer, claim.id, "重新核对")
    assert claims.prepare_claim(calm.officer, booking.id, LossParts()).state == ClaimState.DRAFT


def test_the_whole_road_moves_the_money_and_shrinks_the_budget(calm: City) -> None:
    before = balances(calm)["budget"]
    claim = calm.claimed(calm.booked(terms(300)))
    calm.at_decision(claim)
    decisions.approve_claim(calm.leader, claim.id)
    assert balances(calm)["budget"] == before - 120 * WAN
    assert balances(calm).get("paid", 0) == 0
    done = decisions.pay_claim(calm.cashier, claim.id, "凭证-1", today())
    assert (done.state, done.paid_fen) == (ClaimState.PAID, 120 * WAN)
    assert balances(calm)["budget"] == before - 120 * WAN
    assert balances(calm)["paid"] == 120 * WAN
    people = {done.preparer_id, done.reviewer_id, done.auditor_id, done.decider_id, done.cashier_id}
    assert len(people) == 5


def everything(ctx: Context) -> Context:
    """The same person with every role's permissions: only the second-person rule is left to stop them."""
    return replace(ctx, permissions=permissions_of(frozenset(Role)), approval_limit_fen=10**12)


def test_one_person_cannot_take_two_of_the_five_parts(calm: City) -> None:
    officer, approver = everything(calm.officer), everything(calm.approver)
    auditor, leader = everything(calm.auditor), everything(calm.leader)
    claim = calm.claimed(calm.booked())

    def refused(call: object) -> None:
        with pytest.raises(Refusal) as found:
            call()  # type: ignore[operator]
        assert found.value.code is ErrorCode.SAME_PERSON

    refused(lambda: claims.submit_claim(officer, claim.id))
    claims.submit_claim(calm.approver, claim.id)
    claims.accept_claim(calm.reviewer, claim.id)
    for person in (officer, approver):
        refused(lambda person=person: audits.audit_claim(person, claim.id, "意见"))
    audits.audit_claim(calm.auditor, claim.id, "意见")
    for person in (officer, approver, auditor):
        refused(lambda person=person: decisions.approve_claim(person, claim.id))
    decisions.approve_claim(calm.leader, claim.id)
    for person in (officer, approver, auditor, leader):
        refused(lambda person=person: decisions.pay_claim(person, claim.id, "凭证", today()))
    assert decisions.pay_claim(calm.cashier, claim.id, "凭证", today()).state == ClaimState.PAID


def test_the_database_itself_keeps_the_five_people_apart(calm: City) -> None:
    claim = paid(calm, calm.claimed(calm.booked()))
    parts = ("preparer_id", "reviewer_id", "auditor_id", "decider_id", "cashier_id")
    for one in parts:
        for other in parts:
            if one == other:
                continue
            with pytest.raises(IntegrityError) as broken, transaction(cast.SYSTEM):
                session().execute(text(f"update claim set {one} = {other} where id = :id"), {"id": claim.id})
            assert broken.value.orig.diag.constraint_name == "ck_claim_five_people"  # type: ignore[union-attr]


# --- stop line and budget -------------------------------------------------------------------------------------------


def test_a_claim_above_the_stop_line_is_held_and_a_leader_lifts_it_with_a_reason(city: City) -> None:
    for _ in range(3):
        ballast(city, 3000)
    first = city.claimed(city.booked(terms(270)))
    assert claims.submit_claim(city.approver, first.id).state == ClaimState.SUBMITTED
    second = city.claimed(city.booked(terms(30)))
    held = claims.submit_claim(city.approver, second.id)
    assert held.state == ClaimState.HELD
    assert held.stop_line[0]["params"]["total_fen"] == 300 * WAN
    with pytest.raises(Refusal) as refused:
        decisions.lift_hold(city.leader, held.id, "")
    assert refused.value.code is ErrorCode.REASON_NEEDED
    assert decisions.lift_hold(city.leader, held.id, "已约谈整改").state == ClaimState.SUBMITTED
    claims.accept_claim(city.reviewer, held.id)
    audits.audit_claim(city.auditor, held.id, "无误")
    assert decisions.approve_claim(city.leader, held.id).state == ClaimState.APPROVED


def test_ending_the_auditors_own_hold_does_not_let_a_claim_past_the_stop_line(city: City) -> None:
    for _ in range(3):
        ballast(city, 3000)
    claim = city.claimed(city.booked(terms(270)))
    claims.submit_claim(city.approver, claim.id)
    claims.accept_claim(city.reviewer, claim.id)
    audits.suspend_claim(city.auditor, claim.id, "合同存疑")
    assert decisions.lift_hold(city.leader, claim.id, "已补合同").state == ClaimState.AUDIT
    withdrawn = ballast(city, 3000)
    pool.withdraw_booking(city.officer, withdrawn.id, "误报")
    other = city.claimed(city.booked(terms(10)))
    assert claims.submit_claim(city.approver, other.id).state == ClaimState.HELD
    audits.audit_claim(city.auditor, claim.id, "无误")
    assert decisions.approve_claim(city.leader, claim.id).state == ClaimState.HELD


def test_a_hold_lifted_for_one_loss_is_no_leave_for_a_larger_one(city: City) -> None:
    for _ in range(3):
        ballast(city, 3000)
    claim = city.claimed(city.booked(terms(400)), LossParts(collateral_fen=100 * WAN))
    assert claims.submit_claim(city.approver, claim.id).state == ClaimState.HELD
    decisions.lift_hold(city.leader, claim.id, "已约谈整改")
    claims.return_claim(city.reviewer, claim.id, "抵债金额不实")
    claims.amend_claim(city.officer, claim.id, LossParts())
    assert claims.submit_claim(city.approver, claim.id).state == ClaimState.HELD


def test_exactly_on_the_stop_line_is_not_above_it(city: City) -> None:
    for _ in range(3):
        ballast(city, 3000)
    booking = city.booked(terms(1000), days_ago=20)
    city.repay(booking, 700, days_ago=3)
    assert claims.submit_claim(city.approver, city.claimed(booking).id).state == ClaimState.SUBMITTED


def test_the_stop_line_is_tested_again_at_approval_and_new_bookings_raise_the_base(city: City) -> None:
    for _ in range(3):
        ballast(city, 3000)
    booking = city.booked(terms(270))
    claim = city.at_decision(city.claimed(booking))
    withdrawn = ballast(city, 3000)
    pool.withdraw_booking(city.officer, withdrawn.id, "误报")
    first = city.claimed(city.booked(terms(10)))
    assert claims.submit_claim(city.approver, first.id).state == ClaimState.HELD
    assert decisions.approve_claim(city.leader, claim.id).state == ClaimState.HELD
    assert decisions.lift_hold(city.leader, claim.id, "已核实").state == ClaimState.DECISION
    ballast(city, 3000)
    assert decisions.approve_claim(city.leader, claim.id).state == ClaimState.APPROVED


def test_two_approvals_at_once_with_money_for_one_make_one_success(database: TestDatabase) -> None:
    city = City(budget=150)
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CALM", stop_line=Decimal(1), publicity_days=0))
    waiting = [city.at_decision(city.claimed(city.booked(terms(300)))) for _ in range(2)]
    start, found = threading.Barrier(2), []

    def approve(claim: Claim) -> None:
        start.wait()
        try:
            decisions.approve_claim(city.leader, claim.id)
            found.append("approved")
        except Refusal as refused:
            found.append(refused.code.value)

    threads = [threading.Thread(target=approve, args=(claim,)) for claim in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["approved", "budget_exhausted"]
    assert sorted(claim_now(claim).state for claim in waiting) == ["DECISION", "PUBLICISED"]
    assert balances(city)["budget"] == 30 * WAN


def test_two_cashiers_at_once_pay_once(calm: City) -> None:
    claim = calm.at_decision(calm.claimed(calm.booked()))
    decisions.approve_claim(calm.leader, claim.id)
    start, found = threading.Barrier(2), []

    def pay(number: int) -> None:
        start.wait()
        try:
            decisions.pay_claim(calm.cashier, claim.id, f"凭证-{number}", today())
            found.append("paid")
        except Refusal as refused:
            found.append(refused.code.value)

    threads = [threading.Thread(target=pay, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["paid", "state_changed"]
    assert balances(calm)["paid"] == 120 * WAN


def test_an_approval_taken_back_releases_the_money(calm: City) -> None:
    before = balances(calm)["budget"]
    claim = calm.at_decision(calm.claimed(calm.booked()))
    decisions.approve_claim(calm.leader, claim.id)
    decisions.reopen_decision(calm.leader, claim.id, "公示期收到异议")
    assert balances(calm)["budget"] == before
    assert decisions.approve_claim(calm.leader, claim.id, [cut(20, "扣除争议部分")]).approved_fen == 100 * WAN
    assert balances(calm)["budget"] == before - 100 * WAN


# --- time --------------------------------------------------------------------------------------------------------------


def test_publicity_lasts_seven_days_and_nothing_is_paid_before(city: City) -> None:
    ballast(city), ballast(city), ballast(city), ballast(city)
    claim = city.at_decision(city.claimed(city.booked(terms(300))))
    decisions.approve_claim(city.leader, claim.id)
    with pytest.raises(Refusal) as refused:
        decisions.pay_claim(city.cashier, claim.id, "凭证", today())
    assert refused.value.code is ErrorCode.STATE_CHANGED
    with time_machine.travel(now() + timedelta(days=6), tick=False):
        assert decisions.settle_due(cast.SYSTEM) == 0
    with time_machine.travel(now() + timedelta(days=9), tick=False):
        assert decisions.settle_due(cast.SYSTEM) == 1
        assert decisions.settle_due(cast.SYSTEM) == 0
        assert decisions.pay_claim(city.cashier, claim.id, "凭证", today()).state == ClaimState.PAID


def test_a_claim_returns_twice_at_most_and_lapses_when_nobody_mends_it(calm: City) -> None:
    claim = calm.claimed(calm.booked())
    claims.submit_claim(calm.approver, claim.id)
    for _ in range(2):
        claims.return_claim(calm.reviewer, claim.id, "缺催收记录")
        claims.submit_claim(calm.approver, claim.id)
    with pytest.raises(Refusal) as refused:
        claims.return_claim(calm.reviewer, claim.id, "还缺")
    assert refused.value.code is ErrorCode.RETURNS_USED_UP
    other = calm.claimed(calm.booked())
    claims.submit_claim(calm.approver, other.id)
    claims.return_claim(calm.reviewer, other.id, "缺材料")
    with time_machine.travel(now() + timedelta(days=40), tick=False):
        assert decisions.settle_due(cast.SYSTEM) == 1
    assert claim_now(other).state == ClaimState.LAPSED
    with transaction(cast.SYSTEM, read_only=True):
        assert session().get_one(Booking, other.booking_id).state == BookingState.BOOKED


def test_a_rule_set_may_demand_papers_before_a_claim_is_sent(city: City) -> None:
    from io import BytesIO

    demanded = (LossEvidence.NPL_CLASS, LossEvidence.LAWSUIT)
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-STRICT", loss_triggers=demanded))
    claim = city.claimed(city.booked())
    with pytest.raises(Refusal) as refused:
        claims.submit_claim(city.approver, claim.id)
    assert refused.value.code is ErrorCode.PAPERS_MISSING
    assert "法院" in refused.value.sentence
    claims.add_paper(city.officer, claim.id, "LAWSUIT", "受理通知书.pdf", BytesIO(b"%PDF-1.4 test"))
    assert claims.submit_claim(city.approver, claim.id).submitted_on == today()
    with pytest.raises(Refusal) as refused:
        claims.add_paper(city.officer, claim.id, "OTHER", "后补.pdf", BytesIO(b"%PDF-1.4 test"))
    assert refused.value.code is ErrorCode.STATE_CHANGED


# --- after payment -----------------------------------------------------------------------------------------------------


def test_what_is_recovered_later_comes_back_in_proportion_whatever_the_order(calm: City) -> None:
    claim = paid(calm, calm.claimed(calm.booked(terms(300))))
    first = recoveries.report_recovery(calm.officer, claim.id, today(), 60 * WAN, 10 * WAN, "执行款")
    second = recoveries.report_recovery(calm.officer, claim.id, today(), 40 * WAN, 0, "执行款二")
    assert (first.due_fen, second.due_fen) == (20 * WAN, 16 * WAN)
    before = balances(calm)["budget"]
    recoveries.confirm_return(calm.cashier, first.id, "收款-1", today())
    assert balances(calm)["budget"] == before + 20 * WAN
    with pytest.raises(Refusal) as refused:
        recoveries.confirm_return(calm.cashier, first.id, "收款-2", today())
    assert refused.value.code is ErrorCode.RECOVERY_SETTLED
    with pytest.raises(Refusal) as refused:
        recoveries.close_claim(calm.reviewer, claim.id, "追偿终结")
    assert refused.value.code is ErrorCode.RETURN_OPEN
    recoveries.confirm_return(calm.cashier, second.id, "收款-3", today())
    assert recoveries.close_claim(calm.reviewer, claim.id, "追偿终结").state == ClaimState.CLOSED


def test_never_more_comes_back_than_was_paid(calm: City) -> None:
    claim = paid(calm, calm.claimed(calm.booked(terms(300))))
    due = [
        recoveries.report_recovery(calm.officer, claim.id, today(), 250 * WAN, 0, f"第{n}笔").due_fen for n in range(3)
    ]
    assert sum(due) == 120 * WAN


def test_a_payment_taken_back_is_due_whole(calm: City) -> None:
    claim = paid(calm, calm.claimed(calm.booked(terms(300))))
    recoveries.report_recovery(calm.officer, claim.id, today(), 100 * WAN, 0, "执行款")
    recoveries.claw_back(calm.leader, claim.id, "申请材料不实")
    with transaction(cast.SYSTEM, read_only=True):
        due = list(session().scalars(select(Recovery.due_fen).where(Recovery.claim_id == claim.id)))
    assert sum(due) == 120 * WAN
    assert claim_now(claim).state == ClaimState.CLAWED_BACK


# --- who sees it -------------------------------------------------------------------------------------------------------


def test_a_claim_and_its_steps_are_between_the_bank_and_the_city(calm: City) -> None:
    claim = paid(calm, calm.claimed(calm.booked()))
    stranger = cast.bank("别家银行")[Role.BANK_OFFICER]
    for person, sees in ((calm.officer, True), (calm.auditor, True), (calm.firm[Role.FIRM_CLERK], False), (stranger, False)):
        with transaction(person, read_only=True):
            count = session().scalar(text("select count(*) from claim where id = :id"), {"id": claim.id})
            steps = set(session().scalars(select(Transition.event).where(Transition.subject_id == claim.id)))
        assert bool(count) is sees, person.org_name
        assert steps == ({"create", "submit", "accept", "audit", "approve", "publicise", "pay"} if sees else set())


def test_no_bank_changes_another_banks_claim(calm: City) -> None:
    claim = calm.claimed(calm.booked())
    stranger = cast.bank("别家银行")
    with pytest.raises(Refusal) as refused:
        claims.submit_claim(stranger[Role.BANK_APPROVER], claim.id)
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_an_end_is_an_end() -> None:
    ends = {ClaimState.LAPSED, ClaimState.WITHDRAWN, ClaimState.REFUSED, ClaimState.CLOSED, ClaimState.CLAWED_BACK}
    assert {state for state in ClaimState if not any(move.source is state for move in CLAIM.moves)} == ends


def test_principal_that_came_back_since_is_never_compensated_in_full(calm: City) -> None:
    booking = calm.booked()
    calm.gone_bad(booking)
    claim = claims.prepare_claim(calm.officer, booking.id, LossParts(statement="催收无果"))
    calm.repay(booking, 20)
    with pytest.raises(Refusal) as refused:
        claims.submit_claim(calm.approver, claim.id)
    assert refused.value.code is ErrorCode.CLAIM_OUTDATED
    claims.amend_claim(calm.officer, claim.id, LossParts(statement="催收无果"))
    calm.at_decision(claim)
    calm.repay(booking, 10)
    with pytest.raises(Refusal) as refused:
        decisions.approve_claim(calm.leader, claim.id)
    assert refused.value.code is ErrorCode.CLAIM_OUTDATED
    smaller = decisions.approve_claim(calm.leader, claim.id, [cut(12, "核减收回的本金", DeductionKind.REPAID)])
    assert smaller.approved_fen == 100 * WAN
