"""A bank compares its own list with the portal at the end of a month; each difference has an owner, an age and an ending."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.core import outbox
from app.core.calendar import add_working_days, today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import Notice
from app.core.permissions import Role
from app.loans.models import Loan
from app.pool import reconcile_service as reconcile
from app.pool import service as pool
from app.pool.batch_rules import BatchReason
from app.pool.batch_states import BatchKind
from app.pool.models import Booking
from app.pool.reconcile_models import Difference, Reconciliation
from app.pool.reconcile_queries import bank_months
from app.pool.reconcile_states import end_of, month_before
from tests import cast
from tests.batch_cast import counts, csv_of, kept, offline_row, report_row, sent, taken_in
from tests.database import TestDatabase
from tests.pool_cast import City, rule_set

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]
LIST = BatchKind.RECONCILE


@pytest.fixture
def city(database: TestDatabase) -> City:
    made = City(budget=0)
    pool.load_rule_set(cast.SYSTEM, rule_set("对账", booking_deadline_days=90))
    return made


def differences() -> dict[str, Difference]:
    with transaction(cast.SYSTEM, read_only=True):
        found = {one.kind: one for one in session().scalars(select(Difference))}
        session().expunge_all()
    return found


def listed(booking: Booking, **changes: object) -> dict[str, object]:
    """A booked loan as its bank lists it at the end of last month."""
    with transaction(cast.SYSTEM, read_only=True):
        due_on = session().execute(text("select due_on from loan where id = :id"), {"id": booking.loan_id}).scalar_one()
    row = {"note_no": booking.note_no, "month": f"{month_before(today()):%Y-%m}", "balance": booking.principal_fen // 100,
           "five_class": "正常", "due_on": due_on}
    return {**row, **changes}


def test_every_difference_has_an_owner_an_age_and_one_of_three_endings(city: City) -> None:
    month = month_before(today())
    last = end_of(month)
    days_ago = (today() - last).days + 3
    same, balance, five_class, due, absent = (city.booked(days_ago=days_ago) for _ in range(5))
    later = city.booked()
    rows = [
        listed(same), listed(balance, balance=1), listed(five_class, five_class="关注"),
        listed(due, due_on=last + timedelta(days=999)), listed(same, note_no="外面-1", balance=1_000_000),
        listed(same), listed(later, month=f"{month_before(month):%Y-%m}"), listed(later, month=f"{today():%Y-%m}"),
    ]
    batch = sent(city.officer, csv_of(rows, LIST), kind=LIST)
    assert (counts(batch), batch.notes_absent, differences()) == ((1, 0, 4, 3), 1, {})
    reasons = {number: row.reason for number, row in kept(batch.id).items()}
    assert reasons == {6: BatchReason.TWICE, 7: BatchReason.MONTH_OTHER, 8: BatchReason.MONTH_RUNS}

    taken = taken_in(city, rows, LIST)
    found = differences()
    assert {kind: one.note_no for kind, one in found.items()} == {
        "BALANCE": balance.note_no, "CLASS": five_class.note_no, "DUE_ON": due.note_no, "NOT_HERE": "外面-1",
        "NOT_THERE": absent.note_no,
    }
    assert {(one.owner_id, one.opened_on, one.state) for one in found.values()} == {(city.officer.actor_id, today(), "OPEN")}
    again = taken_in(city, rows, LIST)
    assert {one.id for one in differences().values()} == {one.id for one in found.values()}, "the same list opens nothing twice"

    taken_in(city, [report_row_of(five_class, last)], BatchKind.REPORT)
    taken_in(city, [offline_row(cast.uscc_of(city.firm), city.firm.name, last, note_no="外面-1")])
    assert {kind: one.ending for kind, one in differences().items() if one.ending} == {
        "CLASS": "CORRECTED", "NOT_HERE": "CORRECTED"}, "what was reported or booked since puts it right"

    key = found["BALANCE"].id
    both = replace(city.approver, permissions=city.officer.permissions | city.approver.permissions)
    reconcile.explain(both, key, "核心系统次日入账")
    with pytest.raises(Refusal) as refused:
        reconcile.agree(both, key)
    assert refused.value.code is ErrorCode.SAME_PERSON
    with pytest.raises(DBAPIError, match="ck_pool_difference_two_people"), transaction(cast.SYSTEM):
        session().execute(text("update pool_difference set state = 'ENDED', ending = 'EXPLAINED', ended_by = explained_by, "
                               "ended_on = current_date where id = :id"), {"id": key})
    reconcile.send_back(city.approver, key, "请附入账凭证号")
    reconcile.explain(city.officer, key, "次日入账，凭证 88 号")
    assert reconcile.agree(city.approver, key).ending == "EXPLAINED"
    with pytest.raises(Refusal):
        reconcile.dismiss(city.reviewer, found["DUE_ON"].id, " ")
    assert reconcile.dismiss(city.reviewer, found["DUE_ON"].id, "节假日顺延").ending == "DISMISSED"
    assert kept(again.id)[2].outcome == "done" and kept(taken.id)[2].outcome == "done", "their rows wait no longer"

    shorter = taken_in(city, [*rows[:2], rows[3], listed(absent)], LIST)
    assert (counts(shorter), shorter.notes_absent) == ((2, 0, 2, 0), 1)
    states = {kind: (one.state, one.ending, one.note_no) for kind, one in differences().items()}
    assert states["BALANCE"][1:] == ("EXPLAINED", balance.note_no), "what was explained stays explained while nothing changes"
    assert states["DUE_ON"][1] == "DISMISSED"
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(select(func.count()).select_from(Reconciliation)) == 3
    with transaction(cast.bank("对面银行")[Role.BANK_OFFICER], read_only=True):
        assert session().scalars(select(Difference)).all() == []


def report_row_of(booking: Booking, day: object) -> dict[str, object]:
    with transaction(cast.SYSTEM, read_only=True):
        loan = session().get_one(Loan, booking.loan_id)
        session().expunge_all()
    return report_row(loan, as_of=day, five_class="关注")


def test_the_bureau_sees_who_has_not_compared_and_the_bank_is_reminded_once_for_each_day_of_the_rule(city: City) -> None:
    booking = city.booked()
    month = today().replace(day=1)
    fifth = add_working_days(end_of(month), 5)
    row = listed(booking, month=f"{month:%Y-%m}")

    def reminded() -> int:
        with transaction(cast.SYSTEM, read_only=True):
            return session().scalar(select(func.count()).select_from(Notice).where(
                Notice.org_id == city.bank.id, Notice.message.contains("月末对账还没有做"))) or 0

    assert reconcile.remind(cast.SYSTEM) == 0, "nothing was booked in the month that ended last"
    for day, told in ((add_working_days(end_of(month), 4), 0), (fifth, 1), (fifth, 1), (add_working_days(end_of(month), 11), 2)):
        with time_machine.travel(datetime(day.year, day.month, day.day, 4, tzinfo=UTC), tick=False):
            reconcile.remind(cast.SYSTEM)
            assert reminded() == told, day
            with transaction(city.leader, read_only=True):
                (seen,) = bank_months(month)
                assert (seen.bank_name, seen.done_at, seen.late) == (city.bank.name, None, day > seen.due)
    later = add_working_days(end_of(month), 15)
    with time_machine.travel(datetime(later.year, later.month, later.day, 4, tzinfo=UTC), tick=False):
        assert counts(taken_in(city, [row], LIST)) == (1, 0, 0, 0)
        reconcile.remind(cast.SYSTEM)
        outbox.drain()
        assert reminded() == 2
        with transaction(city.leader, read_only=True):
            assert [(one.agreeing, one.absent, one.still_open) for one in bank_months(month)] == [(1, 0, 0)]
