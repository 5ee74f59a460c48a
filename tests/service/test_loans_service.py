"""A loan from the promise to the last repayment, on a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.core import outbox
from app.core.calendar import now, today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import refusal
from app.core.models import Notice, Transition
from app.core.money import WAN
from app.core.permissions import Permission, Role
from app.core.use_case import reading
from app.loans import service as loans
from app.loans.models import Instalment, Loan, Repayment
from app.loans.rules import FiveClass
from app.loans.service import Drawdown, RepaymentReport
from app.loans.states import LOAN, LoanState
from tests import cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.pool_cast import City, terms

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]


@pytest.fixture
def city(database: TestDatabase) -> City:
    return City(budget=0)


def loan_now(loan: Loan) -> Loan:
    with transaction(cast.SYSTEM, read_only=True):
        return session().get_one(Loan, loan.id)


def rows_of(loan: Loan) -> list[Instalment]:
    with transaction(cast.SYSTEM, read_only=True):
        return list(session().scalars(select(Instalment).where(Instalment.loan_id == loan.id).order_by(Instalment.no)))


def test_a_loan_goes_from_promise_to_drawdown_and_its_schedule_adds_up(city: City) -> None:
    loan = city.drawn(terms(300, 12, "EQUAL_INSTALMENT"))
    rows = rows_of(loan)
    assert loan.state == LoanState.DRAWN
    assert loan.number.endswith("/1")
    assert len(rows) == 12
    assert sum(row.principal_fen for row in rows) == 300 * WAN
    assert loan.due_on == rows[-1].due_on
    assert loan.five_class == FiveClass.NORMAL


def test_the_approver_may_not_promise_above_the_own_limit(database: TestDatabase) -> None:
    city = City(bank=cast.bank(limit_fen=100 * WAN), budget=0)
    loan = city.agreed(terms(300))
    with pytest.raises(Refusal) as refused:
        loans.approve_loan(city.approver, loan.id)
    assert refused.value.code is ErrorCode.APPROVAL_LIMIT


def test_a_broken_promise_is_kept_with_its_reason_and_the_firm_is_told(city: City) -> None:
    loan = city.agreed()
    with pytest.raises(Refusal) as refused:
        loans.refuse_loan(city.approver, loan.id, " ")
    assert refused.value.code is ErrorCode.REASON_NEEDED
    loans.refuse_loan(city.approver, loan.id, "授信政策调整")
    with reading(city.firm[Role.FIRM_CLERK], Permission.NOTICE_READ) as db:
        told = list(db.scalars(select(Notice).where(
            Notice.path == f"/loans/{loan.id}", Notice.message.contains("没有批准"))))
        steps = list(db.scalars(select(Transition).where(Transition.subject_id == loan.id, Transition.event == "refuse")))
    assert loan_now(loan).state == LoanState.REFUSED
    assert len(told) == 1
    assert steps[0].reason == "授信政策调整"


def test_a_bank_that_refuses_a_chosen_loan_gives_the_firm_its_need_back(city: City) -> None:
    from app.market import service as needs
    from app.market.models import Need
    from tests import market_cast

    choice = market_cast.chosen(city.firm, city.bank)
    outbox.drain()
    with reading(city.approver, Permission.LOAN_READ) as db:
        loan = db.scalars(select(Loan).where(Loan.choice_id == choice.id)).one()
    with pytest.raises(Refusal) as caught:
        loans.refuse_loan(city.approver, loan.id, "授信政策调整")
    assert caught.value.code is ErrorCode.CONDITION_UNKNOWN, "a promise is not taken back for a change of policy"
    loans.refuse_loan(city.approver, loan.id, "报表与税务申报不一致", condition_no=1)
    with reading(city.firm[Role.FIRM_CLERK], Permission.NEED_READ) as db:
        need = db.scalars(select(Need)).one()
    assert need.state == "LAPSED"
    assert needs.second_round(city.firm[Role.FIRM_CLERK], need.id).state == "DRAFT"


@pytest.mark.parametrize("principal", [0, -5, 301])
def test_more_than_agreed_or_nothing_cannot_be_drawn(city: City, principal: int) -> None:
    loan = city.agreed(terms(300))
    loans.approve_loan(city.approver, loan.id)
    with pytest.raises(Refusal) as refused:
        loans.report_drawdown(city.officer, loan.id, Drawdown(principal * WAN, today(), "合同", "借据"))
    assert (refused.value.code, refused.value.field) == (ErrorCode.AMOUNT_OUT_OF_RANGE, "principal")


def test_a_drawdown_of_tomorrow_is_refused(city: City) -> None:
    loan = city.agreed()
    loans.approve_loan(city.approver, loan.id)
    with pytest.raises(Refusal) as refused:
        loans.report_drawdown(city.officer, loan.id, Drawdown(WAN, today() + timedelta(days=1), "合同", "借据"))
    assert (refused.value.code, refused.value.field) == (ErrorCode.DATE_OUT_OF_RANGE, "drawn_on")


def test_one_note_of_a_bank_is_drawn_once(city: City) -> None:
    first = city.drawn()
    second = city.agreed()
    loans.approve_loan(city.approver, second.id)
    with pytest.raises(Refusal) as refused:
        loans.report_drawdown(city.officer, second.id, Drawdown(WAN, today(), "合同", first.note_no or ""))
    assert (refused.value.code, refused.value.field) == (ErrorCode.NOTE_TAKEN, "note_no")


def test_a_repayment_pays_interest_first_and_the_rest_is_principal(city: City) -> None:
    loan = city.drawn(terms(300, 12, "EQUAL_PRINCIPAL"), days_ago=40)
    rows = rows_of(loan)
    entry = loans.report_repayment(
        city.officer, loan.id,
        RepaymentReport(rows[0].due_on, rows[0].principal_fen + rows[0].interest_fen, "normal", "流水-1"),
    )
    assert (entry.interest_fen, entry.principal_fen) == (rows[0].interest_fen, rows[0].principal_fen)
    after = rows_of(loan)
    assert after[0].left_fen == 0
    assert loan_now(loan).principal_repaid_fen == rows[0].principal_fen
    assert loan_now(loan).overdue_days == 0


def test_more_than_is_owed_is_refused_with_the_amount_that_is_owed(city: City) -> None:
    loan = city.drawn(terms(300), days_ago=10)
    with pytest.raises(Refusal) as refused:
        loans.report_repayment(city.officer, loan.id, RepaymentReport(today(), 500 * WAN, "normal", "流水"))
    assert (refused.value.code, refused.value.field) == (ErrorCode.REPAYMENT_TOO_LARGE, "amount")
    assert refused.value.params["limit"] == "301 万元"


@pytest.mark.parametrize("amount", [0, -100])
def test_a_repayment_of_nothing_or_less_is_refused(city: City, amount: int) -> None:
    loan = city.drawn()
    with pytest.raises(Refusal) as refused:
        loans.report_repayment(city.officer, loan.id, RepaymentReport(today(), amount, "normal", "流水"))
    assert refused.value.code is ErrorCode.AMOUNT_OUT_OF_RANGE


def test_repayments_are_reported_in_order_and_taken_back_in_reverse(city: City) -> None:
    loan = city.drawn(terms(300), days_ago=30)
    city.repay(loan, 10, days_ago=20)
    city.repay(loan, 20, days_ago=10)
    with pytest.raises(Refusal) as refused:
        city.repay(loan, 5, days_ago=15)
    assert refused.value.code is ErrorCode.REPAYMENT_ORDER
    with transaction(cast.SYSTEM, read_only=True):
        first, second = session().scalars(
            select(Repayment).where(Repayment.loan_id == loan.id).order_by(Repayment.reported_at)
        )
    with pytest.raises(Refusal) as refused:
        loans.reverse_repayment(city.officer, first.id, "金额有误")
    assert refused.value.code is ErrorCode.REVERSAL_ORDER
    back = loans.reverse_repayment(city.officer, second.id, "金额有误")
    assert (back.amount_fen, back.reverses_id) == (-20 * WAN, second.id)
    assert loan_now(loan).principal_repaid_fen == 10 * WAN
    with pytest.raises(Refusal) as refused:
        loans.reverse_repayment(city.officer, second.id, "再来一次")
    assert refused.value.code is ErrorCode.ALREADY_DONE


def test_the_last_fen_settles_the_loan_and_a_reversal_opens_it_again(city: City) -> None:
    loan = city.drawn(terms(300), days_ago=10)
    entry = loans.pay_off(city.officer, loan.id, today(), "转贷归还")
    assert entry.principal_fen == 300 * WAN
    assert loan_now(loan).state == LoanState.REPAID
    assert loan_now(loan).next_check_at is None
    loans.reverse_repayment(city.officer, entry.id, "入错账户")
    assert loan_now(loan).state == LoanState.DRAWN
    assert loan_now(loan).principal_repaid_fen == 0


def test_a_renewed_loan_is_a_new_note_in_the_same_case_that_points_to_the_old_one(city: City) -> None:
    old = city.drawn()
    new = loans.open_renewal(city.officer, old.id, terms(280))
    assert (new.renewed_from_id, new.case_id, new.origin) == (old.id, old.case_id, "renewal")
    assert new.number == old.number.replace("/1", "/2")


@pytest.mark.parametrize(("days", "expected"), [
    (1, FiveClass.SPECIAL_MENTION), (90, FiveClass.SPECIAL_MENTION), (91, FiveClass.SUBSTANDARD),
    (271, FiveClass.DOUBTFUL), (361, FiveClass.LOSS),
])
def test_the_ticker_counts_days_overdue_and_derives_the_class(city: City, days: int, expected: FiveClass) -> None:
    loan = city.drawn(terms(300, 1))
    due = loan.due_on
    assert due is not None
    with time_machine.travel(now() + timedelta(days=(due - today()).days + days), tick=False):
        assert loans.recompute_due(cast.SYSTEM) == 1
        assert loans.recompute_due(cast.SYSTEM) == 0
    found = loan_now(loan)
    assert (found.overdue_days, found.five_class) == (days, expected)


def test_a_bank_may_class_a_loan_worse_than_its_days_and_never_better(city: City) -> None:
    loan = city.drawn(terms(300), days_ago=20)
    report = loans.report_class(city.officer, loan.id, today(), FiveClass.DOUBTFUL, 0)
    assert report.derived_class == FiveClass.DOUBTFUL
    report = loans.report_class(city.officer, loan.id, today(), FiveClass.NORMAL, 15)
    assert report.derived_class == FiveClass.SPECIAL_MENTION
    with pytest.raises(Refusal) as refused:
        loans.report_class(city.officer, loan.id, today(), FiveClass.NORMAL, 21)
    assert refused.value.code is ErrorCode.DAYS_OUT_OF_RANGE


def test_reported_arrears_grow_by_the_day_until_a_repayment_tells_otherwise(city: City) -> None:
    loan = city.drawn(terms(300), days_ago=20)
    loans.report_class(city.officer, loan.id, today(), FiveClass.NORMAL, 5)
    with time_machine.travel(now() + timedelta(days=3), tick=False):
        loans.recompute_due(cast.SYSTEM)
        assert loan_now(loan).overdue_days == 8
        city.repay(loan, 1)
        assert loan_now(loan).overdue_days == 0


def test_the_database_refuses_a_schedule_whose_principal_does_not_add_up(
    city: City, database: TestDatabase,
) -> None:
    loan = city.drawn(terms(300, 3, "EQUAL_PRINCIPAL"))
    with pytest.raises(IntegrityError) as broken, transaction(city.officer):
        session().execute(text("update instalment set principal_fen = principal_fen + 1 where loan_id = :id and no = 1"),
                          {"id": loan.id})
    assert broken.value.orig.diag.constraint_name == "ck_instalment_adds_up"  # type: ignore[union-attr]


def test_a_repayment_is_never_edited_or_deleted(city: City) -> None:
    loan = city.drawn(days_ago=5)
    city.repay(loan, 10)
    for statement in ("update repayment set amount_fen = 1", "delete from repayment"):
        with pytest.raises(Exception, match="permission denied"), transaction(city.officer):
            session().execute(text(statement))


def test_events_of_a_loan_are_told_once(city: City) -> None:
    seen: list[str] = []
    outbox.handles("loan.drawn", "test.loans")(lambda ctx, payload: seen.append(payload["loan_id"]))
    try:
        loan = city.drawn()
        outbox.drain()
        outbox.drain()
    finally:
        outbox._handlers.pop("test.loans")
    assert seen == [str(loan.id)]


ALLOWED = {
    ("AGREED", "approve"), ("AGREED", "refuse"), ("APPROVED", "draw"), ("APPROVED", "refuse"), ("AGREED", "lapse"),
    ("APPROVED", "lapse"), ("DRAWN", "reclass"), ("DRAWN", "settle"), ("REPAID", "reopen"),
}


@pytest.mark.parametrize("event", LOAN.events())
def test_every_state_of_a_loan_meets_every_event(city: City, event: str) -> None:
    banker, other = (city.approver, city.officer) if event in ("approve", "refuse") else (city.officer, city.approver)
    banker = SYSTEM if event == "lapse" else banker
    for state in LoanState:
        allowed = (state.value, event) in ALLOWED
        assert (refusal(banker, LOAN, Loan(state=state.value), event) is None) == allowed, state
        expected = ErrorCode.FORBIDDEN if allowed else ErrorCode.STATE_CHANGED
        assert refusal(other, LOAN, Loan(state=state.value), event) is expected, state


def test_whoever_registered_or_drew_a_loan_is_not_its_approver(city: City) -> None:
    both = replace(city.officer, permissions=city.officer.permissions | {Permission.LOAN_APPROVE}, approval_limit_fen=10**12)
    loan = city.agreed()
    with pytest.raises(Refusal) as refused:
        loans.approve_loan(both, loan.id)
    assert refused.value.code is ErrorCode.SAME_PERSON


def test_a_loan_is_seen_by_its_firm_its_bank_and_the_city_and_by_nobody_else(city: City) -> None:
    loan = city.drawn(days_ago=5)
    city.repay(loan, 10)
    strangers = [cast.bank("别家银行")[Role.BANK_OFFICER], cast.firm("别家企业")[Role.FIRM_CLERK],
                 cast.centre()[Role.CENTRE_CLERK]]
    for table in ("loan", "instalment", "repayment"):
        for person in (city.officer, city.firm[Role.FIRM_CLERK], city.auditor):
            with transaction(person, read_only=True):
                assert session().scalar(text(f"select count(*) from {table}")), (table, person.org_name)
        for person in strangers:
            with transaction(person, read_only=True):
                assert session().scalar(text(f"select count(*) from {table}")) == 0, (table, person.org_name)


def test_no_other_organisation_changes_a_loan(city: City) -> None:
    loan = city.drawn()
    for person in (city.firm[Role.FIRM_CLERK], city.auditor, cast.bank("别家银行")[Role.BANK_OFFICER]):
        with transaction(person):
            changed = session().execute(text("update loan set overdue_days = 99 where id = :id"), {"id": loan.id})
        assert changed.rowcount == 0  # type: ignore[attr-defined]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.integers(1, 80_000_000), st.just(None)), min_size=1, max_size=8))
def test_any_run_of_repayments_and_reversals_adds_up(city: City, amounts: list[int | None]) -> None:
    """``None`` takes the latest repayment back. Principal never falls below zero, and every sum agrees with the others."""
    loan = city.drawn(terms(100, 6, "EQUAL_INSTALMENT"), days_ago=100)
    standing: list[Repayment] = []
    for amount in amounts:
        try:
            if amount is None:
                if standing:
                    loans.reverse_repayment(city.officer, standing.pop().id, "冲正")
            else:
                report = RepaymentReport(today(), amount, "normal", "流水")
                standing.append(loans.report_repayment(city.officer, loan.id, report))
        except Refusal as refused:
            assert refused.code in (ErrorCode.REPAYMENT_TOO_LARGE, ErrorCode.STATE_CHANGED)
    found, rows = loan_now(loan), rows_of(loan)
    assert 0 <= found.principal_left_fen <= 100 * WAN
    assert found.principal_repaid_fen == sum(entry.principal_fen for entry in standing)
    assert found.interest_paid_fen == sum(entry.interest_fen for entry in standing)
    assert sum(row.principal_left_fen for row in rows) == found.principal_left_fen
    assert (found.state == LoanState.REPAID) == (sum(row.left_fen for row in rows) == 0)
