"""A bank books a month of loans by a file: every row ends booked, known, waiting or refused, and nobody is told of a firm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.core import outbox
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import CaseParty, Notice, Transition
from app.core.money import WAN
from app.core.permissions import Role
from app.core.queries import organisation_names
from app.core.uscc import synthetic
from app.enterprises.models import Enterprise
from app.loans import offline_service
from app.loans.models import Loan
from app.pool import batch_service as batches
from app.pool import service as pool
from app.pool.batch_lapse import end_waits
from app.pool.batch_models import PoolBatch
from app.pool.batch_rules import BatchReason
from app.pool.batch_states import BatchState
from app.pool.models import Booking
from app.pool.states import BookingState
from tests import cast
from tests.batch_cast import again, counts, csv_of, kept, offline_row, row_of, sent, taken_in
from tests.database import TestDatabase
from tests.pool_cast import EVIDENCE, City, terms

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]


@pytest.fixture
def city(database: TestDatabase) -> City:
    return City(budget=0)


def booking_of(loan: Loan) -> Booking | None:
    with transaction(cast.SYSTEM, read_only=True):
        found = session().scalar(select(Booking).where(Booking.loan_id == loan.id).order_by(Booking.version.desc()).limit(1))
        session().expunge_all()
    return found


def count(model: type[Any], *where: Any) -> int:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalar(select(func.count()).select_from(model).where(*where)) or 0


def test_each_row_of_a_file_ends_in_one_way_and_the_ways_add_up(city: City) -> None:
    """One file with every ending, judged before the release, taken in after it, sent again, and a mended row booked."""
    good, late, excused, dishonest, differs = (city.drawn(days_ago=days) for days in (0, 40, 40, 1, 2))
    rows = [
        row_of(city, good, on_key_list="是", key_list_version="2026 年第 1 批"),
        row_of(city, late),
        row_of(city, excused, late_reason="系统切换"),
        row_of(city, dishonest, not_dishonest="否"),
        row_of(city, differs, principal="1.00"),
        row_of(city, good, on_key_list="否"),
        {**row_of(city, good), "note_no": "借据-x", "product": "房贷"},
        {**row_of(city, good), "note_no": None},
    ]
    file = csv_of(rows)
    batch = sent(city.officer, file)
    assert batch.state == BatchState.READY
    assert (batch.rows_total, counts(batch)) == (8, (1, 0, 1, 6)), "what would become of each row is told before the release"
    assert batch.amount_fen == 5 * 300_000_000 + 100, "the principal of the six rows that could be read"
    assert booking_of(good) is None

    batches.release_batch(city.approver, batch.id)
    outbox.drain()
    batch = again(batch)
    assert (batch.state, counts(batch)) == (BatchState.DONE, (1, 0, 1, 6))
    reasons = {number: row.reason for number, row in kept(batch.id).items()}
    assert reasons == {
        2: BatchReason.LATE, 3: BatchReason.WAITS_BUREAU, 4: BatchReason.CHECKS, 5: BatchReason.DIFFERS, 6: BatchReason.TWICE,
        7: "unknown_word", 8: "missing_field",
    }
    assert [check["code"] for check in kept(batch.id)[4].params["checks"]] == ["NOT_DISHONEST"]

    booked = booking_of(good)
    assert booked is not None and booked.state == BookingState.BOOKED and booked.batch_id == batch.id
    assert (booked.submitted_by, booked.snapshot["key_list_version"]) == (city.officer.actor_id, "2026 年第 1 批")
    assert count(Transition, Transition.subject_id == booked.id, Transition.event == "book",
                 Transition.actor_id == city.approver.actor_id) == 1
    assert count(CaseParty, CaseParty.case_id == booked.case_id, CaseParty.org_id == city.bureau.id) == 1
    waiting = booking_of(excused)
    assert waiting is not None and waiting.state == BookingState.SUBMITTED
    assert pool.accept_late(city.leader, waiting.id, "情况属实").state == BookingState.BOOKED

    second = taken_in(city, rows)
    assert counts(second) == (0, 2, 0, 6), "the same file twice books nothing twice"
    assert count(Booking) == 2
    mended = taken_in(city, [row_of(city, late, late_reason="借据补录"), row_of(city, dishonest)])
    assert counts(mended) == (1, 0, 1, 0)


def test_a_batch_judges_a_loan_as_a_single_booking_does(city: City) -> None:
    by_hand = city.booked(replace_terms(), replace(EVIDENCE, on_key_list=True, key_list_version="名录", first_loan=True))
    loan = city.drawn(replace_terms())
    taken_in(city, [row_of(city, loan, on_key_list="是", key_list_version="名录", first_loan="是")])
    by_file = booking_of(loan)
    assert by_file is not None
    own = {"loan_number", "contract_no", "note_no"}
    assert {key: value for key, value in by_file.snapshot.items() if key not in own} == \
        {key: value for key, value in by_hand.snapshot.items() if key not in own}
    assert by_file.checks == by_hand.checks
    for column in ("rule_set_id", "judged_on", "booked_on", "submitted_on", "submitted_by", "mode", "product"):
        assert getattr(by_file, column) == getattr(by_hand, column)


def replace_terms() -> Any:
    return terms(150)


def test_a_correction_by_file_is_a_new_version_with_its_reason(city: City) -> None:
    loan = city.drawn()
    taken_in(city, [row_of(city, loan)])
    refused = taken_in(city, [row_of(city, loan, ip_certificate_no="专利-1")])
    assert kept(refused.id)[1].reason == BatchReason.BOOKED_OTHERWISE
    corrected = taken_in(city, [row_of(city, loan, ip_certificate_no="专利-1", correction="漏填登记证号")])
    assert counts(corrected) == (1, 0, 0, 0)
    newest = booking_of(loan)
    assert newest is not None and (newest.version, newest.snapshot["ip_certificate_no"]) == (2, "专利-1")
    with transaction(cast.SYSTEM, read_only=True):
        first = session().get_one(Booking, newest.replaces_id)
        assert first.state == BookingState.WITHDRAWN
        assert session().scalar(select(Transition.reason).where(
            Transition.subject_id == first.id, Transition.event == "withdraw")) == "漏填登记证号"


def test_two_people_of_the_bank_stand_behind_a_file(city: City) -> None:
    loan = city.drawn()
    batch = sent(city.officer, csv_of([row_of(city, loan)]))
    both = replace(city.officer, permissions=city.officer.permissions | city.approver.permissions)
    with pytest.raises(Refusal) as refused:
        batches.release_batch(both, batch.id)
    assert refused.value.code is ErrorCode.SAME_PERSON
    with pytest.raises(Refusal) as refused:
        batches.release_batch(replace(city.approver, approval_limit_fen=299 * WAN), batch.id)
    assert refused.value.code is ErrorCode.APPROVAL_LIMIT, "who releases answers for the largest loan of the file"
    with pytest.raises(DBAPIError, match="ck_pool_batch_two_people"), transaction(cast.SYSTEM):
        session().execute(text("update pool_batch set released_by = prepared_by, released_at = now()"))
    with pytest.raises(DBAPIError, match="ck_pool_batch_second"), transaction(cast.SYSTEM):
        session().execute(text("update pool_batch set state = 'DONE', finished_at = now()"))
    with pytest.raises(Refusal):
        batches.release_batch(cast.bank("对面银行")[Role.BANK_APPROVER], batch.id)
    refused_batch = batches.refuse_batch(city.approver, batch.id, "金额与台账不符")
    assert refused_batch.state == BatchState.REFUSED
    assert booking_of(loan) is None
    with pytest.raises(DBAPIError, match="ck_pool_batch_adds_up"), transaction(cast.SYSTEM):
        session().execute(text("update pool_batch set state = 'READY', rows_done = rows_done + 1"))


def test_a_loan_the_portal_does_not_know_makes_firm_case_and_loan_and_tells_the_bank_nothing(city: City) -> None:
    """Known firm, wrong name, firm nobody has heard of: the bank reads the same of all three until a firm speaks."""
    other = cast.firm("广州另名实业有限公司")
    unheard = synthetic("440111", 77)
    rows = [
        offline_row(cast.uscc_of(city.firm), city.firm.name), offline_row(cast.uscc_of(other), "随便写的名字"),
        offline_row(unheard, "广州新来者有限公司"), offline_row("91440101MA5XXXXX00", "信用代码写错"),
    ]
    batch = taken_in(city, rows)
    assert counts(batch) == (0, 0, 3, 1)
    waiting = [row for row in kept(batch.id).values() if row.ending == "waiting"]
    assert {(row.reason, row.loan_id is not None) for row in waiting} == {(BatchReason.WAITS_FIRM, True)}
    firm_ids = {city.firm.id, other.id}
    with transaction(cast.SYSTEM, read_only=True):
        made = session().scalar(select(Enterprise).where(Enterprise.uscc == unheard))
        assert made is not None and made.state == "known"
        firm_ids.add(made.id)
        loans = session().scalars(select(Loan).where(Loan.id.in_([row.loan_id for row in waiting]))).all()
        assert {loan.state for loan in loans} == {"DRAWN"}
        assert {loan.opened_by for loan in loans} == {city.officer.actor_id}
        assert {loan.approved_by for loan in loans} == {city.approver.actor_id}
    assert count(Booking) == 0
    for person in (city.officer, city.approver):
        with transaction(person, read_only=True):
            assert organisation_names(firm_ids) == {}
            assert session().scalars(select(Enterprise)).all() == []
    assert count(Notice, Notice.org_id == city.bank.id, Notice.message.contains("请在放款后")) == 0

    loan = next(loan for loan in loans if loan.firm_id == city.firm.id)
    offline_service.recognise(city.firm[Role.FIRM_CLERK], loan.id)
    outbox.drain()
    booked = booking_of(loan)
    assert booked is not None and booked.state == BookingState.BOOKED and booked.batch_id == batch.id
    assert kept(batch.id)[1].outcome == "done"
    assert counts(taken_in(city, rows)) == (0, 3, 0, 1), "rows that wait or are booked are known when they come again"


def test_a_file_is_its_banks_alone(city: City) -> None:
    batch = sent(city.officer, csv_of([row_of(city, city.drawn())]))
    strangers: list[Context] = [cast.bank("对面银行")[Role.BANK_OFFICER], city.leader, city.firm[Role.FIRM_CLERK]]
    for stranger in strangers:
        with transaction(stranger, read_only=True):
            assert session().scalars(select(PoolBatch)).all() == []
    assert again(batch).submitted_on == today()


def test_a_renewal_points_to_the_note_it_renews_and_stays_in_its_case(city: City) -> None:
    old = city.drawn(days_ago=20)
    row = offline_row(cast.uscc_of(city.firm), city.firm.name, renewed_from=old.note_no, use_of_funds="续贷")
    stray = offline_row(cast.uscc_of(city.firm), city.firm.name, renewed_from="没有这张")
    batch = taken_in(city, [row, stray])
    assert kept(batch.id)[2].reason == BatchReason.RENEWAL_UNKNOWN
    with transaction(cast.SYSTEM, read_only=True):
        new = session().scalar(select(Loan).where(Loan.note_no == row["note_no"]))
        assert new is not None and (new.renewed_from_id, new.case_id, new.origin) == (old.id, old.case_id, "renewal")
        booked = session().scalar(select(Booking).where(Booking.loan_id == new.id))
        assert booked is not None and booked.state == BookingState.BOOKED, "its case is known to be the firm's"
        assert booked.snapshot["renewed_from_id"] == str(old.id)


def test_a_late_row_waits_for_the_bureau_as_of_the_day_the_file_came(city: City) -> None:
    rows = [offline_row(cast.uscc_of(city.firm), city.firm.name, today() - timedelta(days=31), late_reason="")]
    batch = taken_in(city, rows)
    loan_id = kept(batch.id)[1].loan_id
    assert loan_id is not None
    offline_service.recognise(city.firm[Role.FIRM_CLERK], loan_id)
    outbox.drain()
    row = kept(batch.id)[1]
    assert (row.outcome, row.reason) == ("refused", BatchReason.LATE)
    assert count(Notice, Notice.org_id == city.bank.id, Notice.message.contains("没有通过入库检查")) == 1


def test_a_row_waits_for_the_days_of_the_rule_and_then_no_longer(city: City) -> None:
    excused = city.drawn(days_ago=40)
    batch = taken_in(city, [
        offline_row(cast.uscc_of(city.firm), city.firm.name), row_of(city, excused, late_reason="系统切换")])
    booking = booking_of(excused)
    assert booking is not None
    pool.accept_late(city.leader, booking.id, "情况属实")
    for days, outcome, told in ((89, None, 0), (91, "lapsed", 1), (92, "lapsed", 1)):
        with time_machine.travel(now() + timedelta(days=days), tick=False):
            end_waits(cast.SYSTEM)
        assert [kept(batch.id)[number].outcome for number in (1, 2)] == [outcome, "done"]
        assert count(Notice, Notice.org_id == city.bank.id, Notice.message.contains("已不再等待")) == told
    loan_id = kept(batch.id)[1].loan_id
    assert loan_id is not None
    offline_service.recognise(city.firm[Role.FIRM_CLERK], loan_id)
    outbox.drain()
    assert count(Booking, Booking.loan_id == loan_id) == 0, "a row that lapsed books nothing any more"
