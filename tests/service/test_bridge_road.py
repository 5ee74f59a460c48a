"""A bridge from the application to the fee, on a real database: limits, fees, four eyes, bad paths."""

from __future__ import annotations

import dataclasses
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
import time_machine
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.bridge import bank_service, fund_service, hold_service, money_service, service
from app.bridge.checks import TICKS
from app.bridge.fund_models import BridgeQuote
from app.bridge.models import Bridge, BridgeHop, Commitment
from app.bridge.rules import CROSS_BANK, SAME_BANK, BridgeKind, FeeStep, step_terms
from app.bridge.states import LIFECYCLE, BridgeState
from app.core import ledger, outbox
from app.core.calendar import add_working_days, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import refusal
from app.core.money import WAN, YUAN
from app.core.permissions import Permission, Role, permissions_of
from app.loans import offline_service
from app.loans import service as loans
from app.loans.models import Loan
from tests import bridge_cast as road
from tests import cast

pytestmark = pytest.mark.usefixtures("database")

MORNING = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
"""Monday, 10:00 in Guangzhou."""


def refused(call: object, *args: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value


# --- fees ----------------------------------------------------------------------------------------------------------------

DONGHAI = step_terms((FeeStep(5, Decimal("0.0002")), FeeStep(None, Decimal("0.0004"))))


@pytest.mark.parametrize(
    ("terms", "wan", "days", "fee_yuan"),
    [
        pytest.param(SAME_BANK, 300, 5, 9_900, id="Guangzhou, same bank"),
        pytest.param(CROSS_BANK, 500, 40, 30_000, id="Guangzhou, across banks"),
        pytest.param(DONGHAI, 1000, 8, 22_000, id="step fee"),
        pytest.param(SAME_BANK, 300, 0, 0, id="returned on the day of payout"),
    ],
)
def test_a_bridge_costs_what_the_worked_example_says(terms, wan: int, days: int, fee_yuan: int) -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people(terms=terms, cross=terms.kind is BridgeKind.CROSS_BANK)
        key = road.walk(who, "PRECHECKED", requested_fen=wan * WAN, old_due_fen=wan * WAN, planned_days=max(days, 1))
        approver = who.new_bank[Role.BANK_APPROVER]
        bank_service.commit(approver, key, road.promise(promised_fen=2000 * WAN))
        road.walk(who, "OLD_REPAID", bridge_id=key)
        clock.shift(timedelta(days=days))
        road.drawn(who, key, 2000 * WAN)
        road.walk(who, "SETTLED", bridge_id=key)
    found = road.seen(key)
    assert (found.state, found.fee_fen) == ("SETTLED", fee_yuan * YUAN)
    assert road.receivable(key) == 0
    assert road.available(who.fund_id) == 2000 * WAN
    with transaction(cast.SYSTEM, read_only=True):
        assert ledger.account(f"fund-fee:{who.fund_id}").balance_fen == fee_yuan * YUAN


def test_money_that_comes_back_in_parts_is_charged_for_the_days_of_each_part() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people()
        key = road.walk(who, "NEW_DRAWN")
        clock.shift(timedelta(days=2))
        assert road.give_back(who, key, 100 * WAN).state == "NEW_DRAWN"
        assert (road.seen(key).outstanding_fen, road.receivable(key)) == (200 * WAN, 200 * WAN)
        clock.shift(timedelta(days=3))
        assert road.give_back(who, key, 200 * WAN).state == "BRIDGE_RETURNED"
        road.walk(who, "SETTLED", bridge_id=key)
    # 100万 × 0.066% × 2 + 200万 × 0.066% × 5
    assert road.seen(key).fee_fen == (1_320 + 6_600) * YUAN


def test_every_fen_moves_on_the_three_accounts_alone() -> None:
    who = road.people()
    key = road.walk(who, "SETTLED")
    with transaction(cast.SYSTEM, read_only=True):
        hops = list(session().scalars(select(BridgeHop).where(BridgeHop.bridge_id == key).order_by(BridgeHop.no)))
    assert [(hop.from_account, hop.to_account) for hop in hops] == [
        ("FUNDER", "CUSTODY"), ("CUSTODY", "REPAYMENT"), ("REPAYMENT", "CUSTODY"), ("CUSTODY", "FUNDER"),
    ]
    assert {hop.amount_fen for hop in hops} == {300 * WAN}
    for change in ("update bridge_hop set amount_fen = 1", "delete from bridge_hop",
                   "insert into bridge_hop select gen_random_uuid(), bridge_id, 9, 'FUNDER', 'REPAYMENT', 1, on_day, 'x', "
                   "at, null from bridge_hop limit 1"):
        with pytest.raises(DBAPIError), transaction(cast.SYSTEM):
            session().execute(text(change))


def test_a_voucher_that_was_recorded_counts_once() -> None:
    who = road.people()
    key = road.walk(who, "NEW_DRAWN")
    once = money_service.Return(100 * WAN, today(), "I-1", "R-1")
    money_service.record_return(who.clerk, key, once)
    assert refused(money_service.record_return, who.clerk, key, once).code is ErrorCode.VOUCHER_TAKEN
    assert road.seen(key).outstanding_fen == 200 * WAN


# --- what may not begin ------------------------------------------------------------------------------------------------


def test_a_bridge_begins_only_after_the_bank_said_no_to_renewal_without_repayment() -> None:
    who = road.people()
    granted = road.ask(who, granted=True)
    assert refused(service.apply, who.boss, granted, road.wish(who)).code is ErrorCode.BRIDGE_NOT_NEEDED


def test_one_note_has_one_bridge_until_it_is_over() -> None:
    who = road.people()
    key = road.walk(who, "APPLIED", note_no="JJ-1")
    again = road.ask(who, "JJ-1")
    twice = refused(service.apply, who.boss, again, road.wish(who))
    assert (twice.code, twice.field) == (ErrorCode.BRIDGE_EXISTS, "note_no")
    service.cancel(who.boss, key, "不需要了")
    assert service.apply(who.boss, again, road.wish(who)).state == "APPLIED"


@pytest.mark.parametrize(
    ("facts", "code", "field"),
    [
        ({"requested_fen": 301 * WAN}, ErrorCode.BRIDGE_OVER_LIMIT, "requested"),
        ({"own_money_fen": 100 * WAN}, ErrorCode.BRIDGE_OVER_LIMIT, "requested"),
        ({"requested_fen": 0}, ErrorCode.AMOUNT_OUT_OF_RANGE, "requested"),
        ({"requested_fen": -1}, ErrorCode.AMOUNT_OUT_OF_RANGE, "requested"),
        ({"own_money_fen": -1}, ErrorCode.AMOUNT_OUT_OF_RANGE, "own_money"),
        ({"old_due_fen": 0}, ErrorCode.AMOUNT_OUT_OF_RANGE, "old_due"),
        ({"old_due_fen": 3000 * WAN, "requested_fen": 1001 * WAN}, ErrorCode.BRIDGE_OVER_LIMIT, "requested"),
        ({"planned_days": 11}, ErrorCode.DAYS_OUT_OF_RANGE, "planned_days"),
        ({"old_due_on": today() - timedelta(days=1)}, ErrorCode.DATE_OUT_OF_RANGE, "old_due_on"),
        ({"old_due_on": today() + timedelta(days=3)}, ErrorCode.BRIDGE_URGENT, "urgent"),
    ],
)
def test_an_application_that_makes_no_sense_is_refused_at_its_field(facts, code: ErrorCode, field: str) -> None:
    who = road.people(0)
    said = refused(service.apply, who.boss, road.ask(who), road.wish(who, **facts))
    assert (said.code, said.field) == (code, field)
    assert said.sentence


def test_an_unverified_firm_waits_for_the_desk() -> None:
    who = dataclasses.replace(road.people(0), firm=cast.firm("新来的公司"))
    asked = road.ask(who)
    with transaction(cast.SYSTEM):
        session().execute(text("update enterprise set state = 'unverified', verified_at = null where id = :id"),
                          {"id": who.firm.id})
    assert refused(service.apply, who.boss, asked, road.wish(who)).code is ErrorCode.NOT_VERIFIED


def test_the_clerk_lets_nothing_through_that_fails_a_check_or_lacks_a_tick() -> None:
    who = dataclasses.replace(road.people(0), firm=cast.firm("长大了的公司"))
    key = road.walk(who, "APPLIED")
    with transaction(cast.SYSTEM):
        session().execute(text("update enterprise set size_class = 'large' where id = :id"), {"id": who.firm.id})
    assert refused(service.precheck, who.clerk, key, tuple(TICKS)).code is ErrorCode.BRIDGE_CHECKS
    small = road.people(0)
    key = road.walk(small, "APPLIED")
    assert refused(service.precheck, small.clerk, key, tuple(TICKS)[:-1]).field == "ticks"
    assert refused(service.reject, small.clerk, key, " ").code is ErrorCode.REASON_NEEDED
    assert service.reject(small.clerk, key, "材料不全").state == "REJECTED"


# --- the promise and the quote -----------------------------------------------------------------------------------------


def test_no_quote_is_larger_than_the_smallest_of_the_three_limits() -> None:
    who = road.people()
    key = road.walk(who, "PRECHECKED")
    bank_service.commit(who.new_bank[Role.BANK_APPROVER], key, road.promise(promised_fen=200 * WAN))
    said = refused(road.offer, who, key, 191 * WAN)
    assert (said.code, said.params["limit"]) == (ErrorCode.BRIDGE_OVER_LIMIT, "190 万元")
    assert road.offer(who, key, 190 * WAN)


def test_a_fund_offers_no_more_than_it_has_and_no_rate_above_the_ceiling() -> None:
    who = road.people(100 * WAN)
    key = road.walk(who, "BANK_COMMITTED")
    assert refused(road.offer, who, key, 101 * WAN).code is ErrorCode.FUND_EXHAUSTED
    assert refused(road.offer, who, key, 100 * WAN, Decimal("0.00067")).field == "rate"
    assert road.offer(who, key, 100 * WAN, Decimal("0.0005"))
    assert refused(fund_service.open_fund, who.reviewer, who.funder.id, "贵",
                   dataclasses.replace(SAME_BANK, daily_rate=Decimal("0.002"))).code is ErrorCode.INVALID


def test_an_approver_promises_no_more_than_they_may_approve() -> None:
    who = road.people(0)
    key = road.walk(who, "PRECHECKED")
    approver = dataclasses.replace(who.new_bank[Role.BANK_APPROVER], approval_limit_fen=399 * WAN)
    assert refused(bank_service.commit, approver, key, road.promise()).code is ErrorCode.APPROVAL_LIMIT


def test_a_promise_is_signed_again_but_never_to_the_firms_harm() -> None:
    who = road.people()
    key = road.walk(who, "APPROVED")
    approver = who.new_bank[Role.BANK_APPROVER]
    for worse in ({"promised_fen": 399 * WAN}, {"rate_low": Decimal("0.04"), "rate_high": Decimal("0.04")}):
        assert refused(bank_service.commit, approver, key, road.promise(**worse)).code is ErrorCode.COMMITMENT_WORSE
    bank_service.commit(approver, key, road.promise(valid_until=today() + timedelta(days=90)))
    with transaction(cast.SYSTEM, read_only=True):
        states = [row.state for row in session().scalars(
            select(Commitment).where(Commitment.bridge_id == key).order_by(Commitment.signed_at))]
        account = session().scalar(text("select receiving_account from commitment limit 1"))
    assert states == ["REPLACED", "LIVE"]
    assert b"4400888899990000" not in bytes(account)
    assert road.seen(key).state == "APPROVED"


def test_nothing_is_paid_on_a_promise_that_has_run_out() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people()
        key = road.walk(who, "SIGNED")
        clock.shift(timedelta(days=61))
        assert refused(road.pay, who, key).code is ErrorCode.COMMITMENT_EXPIRED
        bank_service.commit(who.new_bank[Role.BANK_APPROVER], key, road.promise())
        assert road.pay(who, key).state == "FUNDED"


def test_the_firm_may_change_its_pick_until_the_approval_and_then_the_others_lapse() -> None:
    who = road.people()
    other = cast.funder("羊城典当")
    second = dataclasses.replace(who, funder=other, fund_id=road.fund(who.centre, other, 900 * WAN, name="二号"))
    key = road.walk(who, "PICKED")
    road.offer(second, key, 300 * WAN, Decimal("0.0005"))
    service.pick(who.boss, key, road.quote_of(second, key))
    assert road.seen(key).funder_org_id == other.id
    hold_service.approve(who.reviewer, key)
    with transaction(cast.SYSTEM, read_only=True):
        states = {row.fund_id: row.state for row in session().scalars(select(BridgeQuote))}
    assert states == {who.fund_id: "LAPSED", second.fund_id: "PICKED"}
    assert (road.available(who.fund_id), road.available(second.fund_id)) == (2000 * WAN, 600 * WAN)


# --- approval, payout, four eyes ---------------------------------------------------------------------------------------


def test_of_two_approvals_at_once_for_the_last_money_one_succeeds() -> None:
    who = road.people(500 * WAN)
    keys = [road.walk(who, "PICKED") for _ in range(2)]
    gate = threading.Barrier(2)
    said: list[str] = []

    def approve(key) -> None:
        gate.wait()
        try:
            said.append(hold_service.approve(who.reviewer, key).state)
        except Refusal as error:
            said.append(error.code.value)

    threads = [threading.Thread(target=approve, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["APPROVED", "fund_exhausted"]
    assert road.available(who.fund_id) == 200 * WAN
    assert sorted(road.seen(key).state for key in keys) == ["APPROVED", "PARTNER_OFFERED"]


def test_clerk_reviewer_and_payer_are_not_one_person() -> None:
    who = road.people()
    key = road.walk(who, "PICKED")
    both = frozenset({Role.CENTRE_CLERK, Role.CENTRE_REVIEWER})
    clerk = dataclasses.replace(who.clerk, roles=both, permissions=permissions_of(both), approval_limit_fen=10**12)
    assert refused(hold_service.approve, clerk, key).code is ErrorCode.SAME_PERSON
    road.walk(who, "SIGNED", bridge_id=key)
    reviewer = dataclasses.replace(who.reviewer, roles=both, permissions=permissions_of(both))
    assert refused(money_service.pay_out, reviewer, key, money_service.Payout(0, "a", "b")).code is ErrorCode.SAME_PERSON
    with pytest.raises(DBAPIError), transaction(cast.SYSTEM):
        session().execute(text("update bridge set reviewer_id = clerk_id"))


def test_the_bridge_is_paid_only_after_the_firms_own_money_has_arrived() -> None:
    who = road.people()
    key = road.walk(who, "SIGNED", own_money_fen=50 * WAN, requested_fen=200 * WAN)
    said = refused(money_service.pay_out, who.clerk, key, money_service.Payout(60 * WAN, "a", "b"))
    assert (said.code, said.params["gap"]) == (ErrorCode.BRIDGE_OWN_MONEY, "40 万元")
    assert money_service.pay_out(who.clerk, key, money_service.Payout(100 * WAN, "a", "b")).state == "FUNDED"


def test_nobody_signs_another_fee_than_the_one_that_was_shown() -> None:
    who = road.people()
    key = road.walk(who, "APPROVED")
    assert refused(service.sign, who.boss, key, "XY-1", 1).code is ErrorCode.IDEMPOTENCY
    assert road.sign(who, key).state == "SIGNED"


@pytest.mark.parametrize("stop", ["APPROVED", "SIGNED"])
@pytest.mark.parametrize("who_ends", ["firm", "centre", "bank"])
def test_what_was_reserved_is_given_back_when_a_bridge_ends_before_the_payout(stop: str, who_ends: str) -> None:
    who = road.people()
    key = road.walk(who, stop)
    assert road.available(who.fund_id) == 1700 * WAN
    if who_ends == "firm":
        service.cancel(who.boss, key, "已筹到资金")
    elif who_ends == "centre":
        service.cancel_by_centre(who.clerk, key, "企业联系不上")
    else:
        bank_service.decline(who.new_bank[Role.BANK_APPROVER], key, "授信未获批")
    assert road.seen(key).state == ("DECLINED" if who_ends == "bank" else "CANCELLED")
    assert road.available(who.fund_id) == 2000 * WAN


# --- bad paths after the payout ----------------------------------------------------------------------------------------


def test_a_late_bridge_becomes_overdue_one_working_day_after_banks_could_have_returned_it() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people()
        bureau = cast.bureau()
        key = road.walk(who, "OLD_REPAID")
        expected = today() + timedelta(days=5)  # a Saturday
        assert road.seen(key).expected_return_on == expected
        clock.move_to(datetime.combine(expected, datetime.min.time(), UTC) + timedelta(hours=10))
        assert outbox.run_due_checks()["bridge.overdue"] == 0
        monday = add_working_days(expected, 1)
        clock.move_to(datetime.combine(monday, datetime.min.time(), UTC))
        assert outbox.run_due_checks()["bridge.overdue"] == 0, "the first day on which banks move money"
        clock.move_to(datetime.combine(add_working_days(monday, 1), datetime.min.time(), UTC))
        assert outbox.run_due_checks()["bridge.overdue"] == 1
        assert outbox.run_due_checks()["bridge.overdue"] == 0
        found = road.seen(key)
        assert (found.state, found.overdue_on) == ("OVERDUE", today())
        with transaction(cast.SYSTEM, read_only=True):
            told = set(session().scalars(text("select org_id from notice where message like '%逾期%'")))
        assert told == {who.firm.id, who.new_bank.id, who.funder.id, who.centre.id, bureau.id}
        # It may still come to a good end.
        assert road.drawn(who, key).state == "OVERDUE"
        assert road.give_back(who, key, 300 * WAN).state == "BRIDGE_RETURNED"
        road.walk(who, "SETTLED", bridge_id=key)
        assert road.seen(key).fee_fen == 300 * WAN * 66 * (today() - found.paid_on).days // 100_000


def test_a_bank_that_does_not_renew_says_why_and_the_claim_goes_on() -> None:
    who = road.people()
    bureau = cast.bureau()
    key = road.walk(who, "OLD_REPAID")
    officer = who.new_bank[Role.BANK_OFFICER]
    assert refused(bank_service.refuse_renewal, officer, key, "").code is ErrorCode.REASON_NEEDED
    assert bank_service.refuse_renewal(officer, key, "法院冻结").state == "RENEWAL_REFUSED"
    with transaction(bureau[Role.BUREAU_AUDITOR], read_only=True):
        assert session().scalar(text("select count(*) from notice where message like '%%未续贷%%'")) == 1
    assert refused(road.drawn, who, key).code is ErrorCode.STATE_CHANGED
    assert road.give_back(who, key, 100 * WAN).state == "RENEWAL_REFUSED"
    assert road.receivable(key) == 200 * WAN


def test_a_new_loan_below_the_promise_leaves_the_bridge_open_for_the_gap() -> None:
    who = road.people()
    key = road.walk(who, "OLD_REPAID")
    assert road.drawn(who, key, 250 * WAN).state == "SHORT_DRAWN"
    assert road.give_back(who, key, 250 * WAN).state == "SHORT_DRAWN"
    assert refused(money_service.settle, who.clerk, key, "F").code is ErrorCode.STATE_CHANGED
    said = refused(road.give_back, who, key, 51 * WAN)
    assert (said.code, said.params["limit"]) == (ErrorCode.REPAYMENT_TOO_LARGE, "50 万元")
    assert road.give_back(who, key, 50 * WAN).state == "BRIDGE_RETURNED"


def test_a_bridge_cannot_be_settled_in_the_database_while_money_is_out() -> None:
    who = road.people()
    key = road.walk(who, "NEW_DRAWN")
    with pytest.raises(DBAPIError, match="receivable"), transaction(cast.SYSTEM):
        session().execute(text("update bridge set state = 'SETTLED', returned_fen = amount_fen, fee_fen = 0, "
                               "settled_on = current_date where id = :id"), {"id": key})


# --- the loan of the portal --------------------------------------------------------------------------------------------


def portal_loan(who: road.People) -> Loan:
    """A loan of 300 万元 that the bank registered, drawn eleven months ago for twelve."""
    officer, approver = who.old_bank[Role.BANK_OFFICER], who.old_bank[Role.BANK_APPROVER]
    terms = loans.LoanTerms(300 * WAN, Decimal("0.04"), 12, "INTEREST_ONLY", "credit", "working_capital")
    loan = offline_service.open_offline_loan(officer, cast.uscc_of(who.firm), who.firm.name, terms)
    loans.approve_loan(approver, loan.id)
    day = today() - timedelta(days=335)
    mark = loan.id.hex[-6:]
    loans.report_drawdown(officer, loan.id, loans.Drawdown(300 * WAN, day, f"HT-{mark}", f"JJ-{mark}"))
    with transaction(cast.SYSTEM, read_only=True):
        due = session().scalar(text("select sum(interest_fen) from instalment where loan_id = :id and due_on <= :day"),
                               {"id": loan.id, "day": today()})
    loans.report_repayment(officer, loan.id, loans.RepaymentReport(today(), int(due), "normal", "付息"))
    with transaction(cast.SYSTEM, read_only=True):
        return session().get_one(Loan, loan.id)


def test_a_loan_of_the_portal_is_paid_off_by_the_bridge_and_renewed_in_the_same_case() -> None:
    with time_machine.travel(MORNING, tick=False):
        who = road.people()
        old = portal_loan(who)
        key = service.apply(who.boss, road.ask(who, loan_id=old.id), road.wish(who, old_due_fen=None, old_due_on=None)).id
        assert road.seen(key).case_id == old.case_id
        assert (road.seen(key).old_due_fen, road.seen(key).old_due_on) == (300 * WAN, old.due_on)
        road.walk(who, "OLD_REPAID", bridge_id=key)
        found = road.seen(key)
        with transaction(cast.SYSTEM, read_only=True):
            paid, renewed = session().get_one(Loan, old.id), session().get_one(Loan, found.new_loan_id)
        assert (paid.state, paid.principal_left_fen) == ("REPAID", 0)
        assert (renewed.case_id, renewed.origin, renewed.renewed_from_id, renewed.state) == (
            old.case_id, "renewal", old.id, "AGREED")
        assert refused(road.drawn, who, key).code is ErrorCode.BRIDGE_RENEWAL_PENDING
        loans.approve_loan(who.new_bank[Role.BANK_APPROVER], renewed.id)
        note = bank_service.NewNote("JJ-NEW", 400 * WAN, today(), "HT-NEW")
        assert bank_service.confirm_drawn(who.new_bank[Role.BANK_OFFICER], key, note).state == "NEW_DRAWN"
        with transaction(cast.SYSTEM, read_only=True):
            assert session().get_one(Loan, renewed.id).state == "DRAWN"
        outbox.drain()
        road.walk(who, "SETTLED", bridge_id=key)


def test_a_renewal_that_the_bank_draws_in_the_loans_room_moves_the_bridge_by_itself() -> None:
    with time_machine.travel(MORNING, tick=False):
        who = road.people()
        old = portal_loan(who)
        key = service.apply(who.boss, road.ask(who, loan_id=old.id), road.wish(who, old_due_fen=None, old_due_on=None)).id
        road.walk(who, "OLD_REPAID", bridge_id=key)
        renewed = road.seen(key).new_loan_id
        loans.approve_loan(who.new_bank[Role.BANK_APPROVER], renewed)
        loans.report_drawdown(who.new_bank[Role.BANK_OFFICER], renewed, loans.Drawdown(400 * WAN, today(), "HT-N", "JJ-N"))
        outbox.drain()
    found = road.seen(key)
    assert (found.state, found.new_note_no, found.new_amount_fen) == ("NEW_DRAWN", "JJ-N", 400 * WAN)


def test_a_promise_of_a_range_is_settled_within_it_when_the_old_loan_is_paid_off() -> None:
    with time_machine.travel(MORNING, tick=False):
        who = road.people()
        old = portal_loan(who)
        key = service.apply(who.boss, road.ask(who, loan_id=old.id), road.wish(who, old_due_fen=None, old_due_on=None)).id
        road.walk(who, "PRECHECKED", bridge_id=key)
        bank_service.commit(who.new_bank[Role.BANK_APPROVER], key, road.promise(rate_low=Decimal("0.035")))
        road.walk(who, "FUNDED", bridge_id=key)
        officer = who.old_bank[Role.BANK_OFFICER]
        for wrong in (None, Decimal("0.034"), Decimal("0.0391")):
            said = refused(bank_service.confirm_repaid, officer, key, today(), "JQ", wrong)
            assert (said.code, said.field) == (ErrorCode.INVALID, "final_rate")
        bank_service.confirm_repaid(officer, key, today(), "JQ", Decimal("0.036"))
    assert road.seen(key).new_rate == Decimal("0.036")


# --- the table ---------------------------------------------------------------------------------------------------------

ALLOWED: dict[str, dict[str, set[Role]]] = {
    "APPLIED": {"precheck": {Role.CENTRE_CLERK}, "reject": {Role.CENTRE_CLERK}},
    "PRECHECKED": {"commit": {Role.BANK_APPROVER}, "decline": {Role.BANK_APPROVER}},
    "BANK_COMMITTED": {"commit": {Role.BANK_APPROVER}, "decline": {Role.BANK_APPROVER}, "offer": {Role.FUNDER_CLERK}},
    "PARTNER_OFFERED": {
        "commit": {Role.BANK_APPROVER}, "decline": {Role.BANK_APPROVER}, "offer": {Role.FUNDER_CLERK},
        "pick": {Role.FIRM_CLERK, Role.FIRM_REPRESENTATIVE}, "approve": {Role.CENTRE_REVIEWER},
        "reject": {Role.CENTRE_REVIEWER},
    },
    "APPROVED": {
        "commit": {Role.BANK_APPROVER}, "decline": {Role.BANK_APPROVER}, "sign": {Role.FIRM_CLERK, Role.FIRM_REPRESENTATIVE},
        "hold_expired": {Role.SYSTEM},
    },
    "SIGNED": {"commit": {Role.BANK_APPROVER}, "decline": {Role.BANK_APPROVER}, "fund": {Role.CENTRE_CLERK}},
    "FUNDED": {"unpay": {Role.CENTRE_REVIEWER}, "note_repaid": {Role.BANK_OFFICER}, "old_repaid": {Role.BANK_OFFICER},
               "refuse_renewal": {Role.BANK_OFFICER}},
    "OLD_REPAID": {
        "new_drawn": {Role.BANK_OFFICER, Role.SYSTEM}, "short_drawn": {Role.BANK_OFFICER, Role.SYSTEM},
        "refuse_renewal": {Role.BANK_OFFICER},
    },
    "NEW_DRAWN": {}, "SHORT_DRAWN": {}, "RENEWAL_REFUSED": {},
    "OVERDUE": {
        "note_repaid": {Role.BANK_OFFICER}, "old_repaid": {Role.BANK_OFFICER}, "new_drawn": {Role.BANK_OFFICER, Role.SYSTEM},
        "short_drawn": {Role.BANK_OFFICER, Role.SYSTEM}, "refuse_renewal": {Role.BANK_OFFICER},
    },
    "BRIDGE_RETURNED": {"settle": {Role.CENTRE_CLERK}},
    "SETTLED": {}, "REJECTED": {}, "DECLINED": {}, "CANCELLED": {},
}
for early in ("APPLIED", "PRECHECKED", "BANK_COMMITTED", "PARTNER_OFFERED", "APPROVED", "SIGNED"):
    ALLOWED[early]["cancel"] = {Role.FIRM_CLERK, Role.FIRM_REPRESENTATIVE, Role.CENTRE_CLERK}
for out in ("FUNDED", "OLD_REPAID", "NEW_DRAWN", "SHORT_DRAWN", "RENEWAL_REFUSED", "OVERDUE"):
    ALLOWED[out] |= {"return_part": {Role.CENTRE_CLERK}, "returned": {Role.CENTRE_CLERK}, "correct": {Role.CENTRE_REVIEWER}}
    ALLOWED["BRIDGE_RETURNED"][f"reopen_{out.lower()}"] = {Role.CENTRE_REVIEWER}
    if out != "OVERDUE":
        ALLOWED[out]["overdue"] = {Role.SYSTEM}


@pytest.mark.parametrize("state", [state.value for state in BridgeState])
def test_every_state_meets_every_event_and_every_role(state: str) -> None:
    subject = Bridge(state=state)
    for event, role in product(LIFECYCLE.events(), Role):
        actor = Context(None, None, None, frozenset({role}), permissions_of(frozenset({role})))
        may = role in ALLOWED[state].get(event, set())
        assert (refusal(actor, LIFECYCLE, subject, event) is None) == may, (state, event, role)


def test_every_permission_of_the_table_is_held_by_somebody() -> None:
    held = frozenset().union(*(permissions_of(frozenset({role})) for role in Role))
    assert {permission for move in LIFECYCLE.moves for permission in move.who} <= held
    assert Permission.BRIDGE_READ in held
