"""A bank tells of a month of loans by one file: taken by the rules of a single report, held against what the portal saw."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import Transition
from app.core.money import WAN
from app.loans import service as loans
from app.loans.models import ClassReport, Instalment, Loan, Repayment, Restructure
from app.loans.rules import FiveClass, watched
from app.loans.service import RepaymentReport
from app.loans.standing import added_interest, held, live_repayments
from app.loans.states import LoanState
from app.pool.batch_rules import BatchReason
from app.pool.batch_states import BatchKind, BatchState
from app.pool.reconcile_seen import seen_at
from app.pool.report_models import PoolReport
from tests import cast
from tests.batch_cast import counts, csv_of, kept, offline_row, report_row, sent, taken_in
from tests.database import ROOT, TestDatabase
from tests.pool_cast import City, terms

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]
REPORT = BatchKind.REPORT


@pytest.fixture
def city(database: TestDatabase) -> City:
    return City(budget=0)


def loan_of(loan_id: UUID) -> Loan:
    with transaction(cast.SYSTEM, read_only=True):
        found = session().get_one(Loan, loan_id)
        session().expunge_all()
    return found


def rows_in(*models: type[Any]) -> list[int]:
    with transaction(cast.SYSTEM, read_only=True):
        return [session().scalar(select(func.count()).select_from(model)) or 0 for model in models]


def test_each_row_of_a_month_is_taken_held_against_what_was_seen_or_refused(city: City) -> None:
    healthy, prepaid, wrong, late, doubtful, much = (city.drawn(days_ago=days) for days in (10, 20, 10, 70, 12, 14))
    bad = city.drawn(days_ago=130)
    rows = [
        report_row(healthy),
        report_row(prepaid, change="提前还款", paid="1000000", paid_on=today() - timedelta(days=5), balance=2_000_000),
        report_row(wrong, balance=2_900_000),
        report_row(late),
        report_row(bad, overdue_days=101, five_class="关注"),
        report_row(doubtful, five_class="可疑"),
        report_row(much, paid="9000000", balance=0),
        {**report_row(healthy), "note_no": "没有这张"},
        report_row(healthy, five_class="关注"),
        report_row(city.drawn(), change="重组展期"),
        report_row(city.drawn(), as_of=today() + timedelta(days=1)),
    ]
    tables = (Repayment, ClassReport, PoolReport, Transition)
    before = rows_in(*tables)
    file = csv_of(rows, REPORT)
    batch = sent(city.officer, file, kind=REPORT)
    assert (batch.state, batch.rows_total, counts(batch)) == (BatchState.READY, 11, (3, 0, 3, 5))
    assert rows_in(*tables[:3]) == before[:3], "nothing is recorded before the second person agrees"

    taken = taken_in(city, rows, REPORT)
    assert counts(taken) == (3, 0, 3, 5)
    reasons = {number: row.reason for number, row in kept(taken.id).items()}
    assert reasons == {
        3: BatchReason.BALANCE, 4: BatchReason.DAYS_FEWER, 5: BatchReason.CLASS_BETTER, 7: BatchReason.NOT_TAKEN,
        8: BatchReason.NOTE_UNKNOWN, 9: BatchReason.TWICE, 10: BatchReason.NEEDS, 11: BatchReason.REPORT_DAY,
    }
    assert kept(taken.id)[7].params["code"] == "repayment_too_large"
    assert loan_of(prepaid.id).principal_left_fen == 200 * WAN
    assert [loan_of(one.id).five_class for one in (healthy, late, bad, doubtful, much)] == [
        "NORMAL", "SPECIAL_MENTION", "SUBSTANDARD", "DOUBTFUL", "NORMAL",
    ], "worse than the floor by days is taken, better never"
    with transaction(cast.SYSTEM, read_only=True):
        (money,) = session().scalars(select(Repayment))
        assert (money.kind, money.reported_by, money.reference) == ("prepayment", city.officer.actor_id, f"月报 {today():%Y-%m}")
        (step,) = session().scalars(select(Transition).where(Transition.subject_id == doubtful.id, Transition.event == "reclass"))
        assert step.actor_id == city.approver.actor_id, "the step names who released the file"

    after = rows_in(*tables[:3])
    again = taken_in(city, rows, REPORT)
    assert (counts(again), rows_in(*tables[:3])) == ((0, 6, 0, 5), after), "the same file twice changes nothing"
    agreeing = taken_in(city, [report_row(wrong, balance=3_000_000), report_row(prepaid, paid="5", balance=2_000_000)], REPORT)
    assert (counts(agreeing), kept(agreeing.id)[2].reason) == ((1, 0, 0, 1), BatchReason.PAID_OTHERWISE)
    assert [kept(taken.id)[number].outcome for number in (3, 4)] == ["done", None], "a report that agrees ends the wait"
    with pytest.raises(DBAPIError), transaction(cast.SYSTEM):
        session().delete(session().scalars(select(PoolReport)).first())


def test_a_month_by_file_leaves_a_loan_as_single_reports_do(city: City) -> None:
    by_file, by_hand = (city.drawn(terms(120, method="EQUAL_PRINCIPAL"), days_ago=100) for _ in range(2))
    for loan in (by_file, by_hand):
        city.repay(loan, 5, days_ago=65)  # so that the file goes on from a schedule that is paid in part
    by_file = loan_of(by_file.id)
    paid_on = today() - timedelta(days=60)
    loans.report_repayment(city.officer, by_hand.id, RepaymentReport(paid_on, 11 * WAN, "normal", "流水"))
    loans.report_class(city.officer, by_hand.id, today() - timedelta(days=1), FiveClass.NORMAL, 12)
    row = report_row(by_file, as_of=today() - timedelta(days=1), paid="110000", paid_on=paid_on, overdue_days=12)
    assert taken_in(city, [row], REPORT).rows_refused == 0
    columns = ("state", "principal_repaid_fen", "interest_paid_fen", "overdue_days", "reported_class", "reported_overdue_days",
               "reported_on", "five_class", "classed_on", "next_check_at")
    one, other = loan_of(by_file.id), loan_of(by_hand.id)
    assert [getattr(one, name) for name in columns] == [getattr(other, name) for name in columns]
    with transaction(cast.SYSTEM, read_only=True):
        left = [[(row.due_on, row.principal_left_fen, row.interest_left_fen) for row in session().scalars(
            select(Instalment).where(Instalment.loan_id == loan.id).order_by(Instalment.no))] for loan in (by_file, by_hand)]
    assert left[0] == left[1]


def test_a_restructured_loan_is_put_off_and_watched_and_a_renewed_one_is_settled_by_its_new_note(city: City) -> None:
    overdue, begun, old = city.drawn(days_ago=130), city.drawn(terms(600), days_ago=70), city.drawn(days_ago=20)
    city.repay(begun, 1, days_ago=1)
    late = loan_of(overdue.id)
    assert late.due_on is not None and late.overdue_days > 90
    due_on = late.due_on + timedelta(days=120)
    put_off = {"change": "重组展期", "due_on": due_on, "five_class": "次级"}
    part = loan_of(begun.id)
    assert part.due_on is not None
    taken = taken_in(city, [
        report_row(overdue, **put_off),
        report_row(part, **{**put_off, "five_class": "关注", "due_on": part.due_on + timedelta(days=60)}),
    ], REPORT)
    assert counts(taken) == (2, 0, 0, 0), "one that paid a part of an instalment may be put off too"
    now = loan_of(overdue.id)
    assert (now.due_on, now.overdue_days, now.restructured_on) == (due_on, 0, today())
    assert now.five_class == "SUBSTANDARD", "it owes nothing today, but was bad, and is watched for a year"
    assert loan_of(begun.id).five_class == "SPECIAL_MENTION"
    with transaction(cast.SYSTEM, read_only=True):
        (told,) = session().scalars(select(Restructure).where(Restructure.loan_id == overdue.id))
        rows = session().scalars(select(Instalment).where(Instalment.loan_id == overdue.id).order_by(Instalment.no)).all()
        assert rows[0].first_due_on is not None and rows[0].first_interest_fen is not None
        assert (told.due_before, told.due_on, told.class_before) == (late.due_on, due_on, "SUBSTANDARD")
        assert told.interest_fen == rows[0].interest_fen - rows[0].first_interest_fen > 0, "120 days of 300 万 at 4 %"
        one = held(session().get_one(Loan, overdue.id))
        yesterday, this_day = (seen_at(one, [], day) for day in (today() - timedelta(days=1), today()))
        assert (yesterday.due_on, this_day.due_on) == (late.due_on, due_on)
        assert one.on(today() - timedelta(days=1)).overdue_days == late.overdue_days - 1, "yesterday stays what it was"
    with pytest.raises(DBAPIError), transaction(cast.SYSTEM):
        session().delete(session().scalars(select(Restructure)).first())
    better = taken_in(city, [report_row(now, **{**put_off, "five_class": "正常"})], REPORT)
    assert kept(better.id)[1].reason == BatchReason.CLASS_BETTER
    assert loan_of(overdue.id).five_class == "SUBSTANDARD"
    with pytest.raises(Refusal) as too_early:
        city.repay(now, 1, days_ago=1)
    assert too_early.value.code is ErrorCode.DATE_OUT_OF_RANGE, "money from before a restructure decided what was put off"

    renewed = {"change": "续贷", "new_note_no": "续-1", "balance": 0}
    early = taken_in(city, [report_row(old, **renewed, paid="3000000")], REPORT)
    assert kept(early.id)[1].reason == BatchReason.NEW_NOTE, "the new note comes first"
    new = offline_row(cast.uscc_of(city.firm), city.firm.name, note_no="续-1", renewed_from=old.note_no, use_of_funds="续贷")
    taken_in(city, [new])
    short = taken_in(city, [report_row(old, **renewed, paid="2000000")], REPORT)
    assert kept(short.id)[1].reason == BatchReason.NOT_SETTLED
    with transaction(cast.SYSTEM, read_only=True):
        first = session().scalars(select(Instalment).where(Instalment.loan_id == old.id).order_by(Instalment.no)).first()
        assert first is not None
        owed = 300 * WAN + first.interest_fen
    settled = taken_in(city, [report_row(old, **renewed, paid=f"{owed / 100:.2f}")], REPORT)
    assert counts(settled) == (1, 0, 0, 0)
    assert loan_of(old.id).state == LoanState.REPAID
    told_again = [report_row(old, **renewed, paid=f"{owed / 100:.2f}"), report_row(begun)]
    assert counts(taken_in(city, told_again, REPORT))[1] == 1


def test_a_wrong_repayment_from_before_a_restructure_is_put_right_and_its_day_s_money_still_comes(city: City) -> None:
    loan = city.drawn(days_ago=70)
    with transaction(cast.SYSTEM):  # it was put off before such things were recorded
        session().execute(text("update loan set restructured_on = :day where id = :id"),
                          {"day": today() - timedelta(days=30), "id": loan.id})
        (fill,) = (path.stem for path in (ROOT / "migrations" / "versions").glob("*_right_again.py"))
        session().execute(text(import_module(f"migrations.versions.{fill}").FILL))
    city.repay(loan, 1, days_ago=3)

    def interest(row: Instalment) -> int:
        return row.interest_fen - (row.interest_fen if row.first_interest_fen is None else row.first_interest_fen)

    def stands() -> tuple[list[tuple[Any, ...]], int, int]:
        """The schedule; what the restructure adds, as it is told and as the schedule has it."""
        with transaction(cast.SYSTEM, read_only=True):
            one = held(session().get_one(Loan, loan.id))
            rows = [(row.due_on, row.interest_fen, row.principal_left_fen, row.interest_left_fen) for row in one.rows]
            assert watched(one.put_offs, today()) is FiveClass.SUBSTANDARD, "put off for the second time within a year"
            return rows, added_interest(one)[-1], sum(interest(row) for row in one.rows)  # type: ignore[arg-type]

    def last() -> UUID:
        with transaction(cast.SYSTEM, read_only=True):
            return live_repayments(loan.id)[-1].id

    due_on = loan_of(loan.id).due_on
    assert due_on is not None
    put_off = report_row(loan, change="重组展期", due_on=due_on + timedelta(days=60), five_class="次级")
    assert counts(taken_in(city, [put_off], REPORT)) == (1, 0, 0, 0)
    before, told, added = stands()
    assert told == added > 0

    # The wrong sum is taken back and put right, once, on whichever day it came; nothing else from before may come.
    loans.reverse_repayment(city.officer, last(), "金额录错")
    city.repay(loan, 101, days_ago=4)
    _, told, added = stands()
    assert told == added, "the interest that a restructure adds follows the money that stands"
    with pytest.raises(Refusal) as more:
        city.repay(loan, 1, days_ago=3)
    assert more.value.params["low"] == more.value.params["high"] == today().isoformat()
    less, _, _ = stands()
    assert less != before
    loans.reverse_repayment(city.officer, last(), "又录错")
    city.repay(loan, 1, days_ago=3)
    assert stands() == (before, told_first := stands()[1], told_first)

    # What comes on the restructure's own day was there before it: an instalment that it pays is not put off.
    city.repay(loan, 2, days_ago=0)
    rows, told, added = stands()
    assert told == added and [row[0] for row in rows] < [row[0] for row in before]
    loans.reverse_repayment(city.officer, last(), "退汇")
    assert stands()[0] == before
