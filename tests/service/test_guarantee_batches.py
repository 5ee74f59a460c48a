"""A guarantor books a month of loans by a file: every row says what the bank stated, or waits for it, or is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.core import outbox
from app.core.calendar import now, today
from app.core.database import session, transaction
from app.core.errors import ErrorCode
from app.core.models import CaseParty, Notice, Transition
from app.core.money import WAN
from app.core.permissions import OrgKind, Role
from app.loans.models import Loan
from app.pool import batch_service as batches
from app.pool import guarantee_service as guarantees
from app.pool import owner_service
from app.pool import service as pool
from app.pool.batch_models import PoolBatch
from app.pool.batch_rules import BatchReason
from app.pool.batch_states import BatchKind
from app.pool.check_service import check_pool
from app.pool.guarantee_models import Guarantee, GuaranteeState
from app.pool.models import Booking
from app.pool.owner_models import OwnerRole
from app.pool.owner_service import OwnerTerms
from app.pool.states import BookingState
from tests import cast
from tests.batch_cast import again, counts, csv_of, kept, row_of, sent
from tests.database import TestDatabase
from tests.pool_cast import rule_set, terms
from tests.service.test_guarantors import GUARANTEED, Guaranteed, why

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]
KIND = BatchKind.GUARANTEE
PLAIN = {
    "number": 10_000, "org_kind": "guarantor", "kind": "booking", "filename": "a.csv", "media_type": "text/csv", "size": 1,
    "channel": "upload", "state": "RECEIVED", "failure_params": {}, "submitted_on": today(), "prepared_at": now(),
}


@pytest.fixture
def city(database: TestDatabase) -> Guaranteed:
    return Guaranteed(budget=0)


def told(city: Guaranteed, loan: Loan, **changes: Any) -> dict[str, Any]:
    """A contract as the guarantor has it in its own books."""
    assert loan.principal_fen is not None
    return {
        "contract_no": f"保-{loan.number}", "note_no": loan.note_no, "bank": city.bank.name, "uscc": cast.uscc_of(city.firm),
        "principal": f"{loan.principal_fen / 100:.2f}", "drawn_on": loan.drawn_on, "signed_on": today(), "liability_share": "80",
        "reguarantor": "广东再担保", "reguarantee_share": "20.000", **changes,
    }


def taken_in(city: Guaranteed, rows: list[dict[str, Any]]) -> PoolBatch:
    """A file prepared by the guarantor's clerk, released by its reviewer, taken in."""
    batch = sent(city.clerk, csv_of(rows, KIND), kind=KIND)
    batches.release_batch(city.guarantor[Role.GUARANTOR_REVIEWER], batch.id)
    outbox.drain()
    return again(batch)


def newest(loan: Loan) -> tuple[Booking | None, Guarantee | None]:
    """What stands on a loan: its last booking, and its last contract."""
    with transaction(cast.SYSTEM, read_only=True):
        booking = session().scalar(select(Booking).where(Booking.loan_id == loan.id).order_by(Booking.version.desc()).limit(1))
        contract = session().scalar(select(Guarantee).where(Guarantee.loan_id == loan.id).order_by(Guarantee.stated_at.desc()))
        session().expunge_all()
    return booking, contract


def test_each_row_of_a_guarantor_s_file_ends_in_one_way(city: Guaranteed) -> None:
    good, late, excused, cheap, dear, unknown = (city.drawn(days_ago=days) for days in (0, 40, 40, 1, 2, 3))
    for loan in (good, late, excused, dear):
        city.stated(loan)
    city.stated(cheap, again="0.4")  # leaves the guarantor 20 %, its agreement says 30
    rows = [
        told(city, good), told(city, late), told(city, excused, late_reason="补录"),
        told(city, cheap, reguarantee_share="40"), told(city, dear, liability_share="70"), told(city, unknown),
        told(city, good), told(city, good, note_no="借据-x", uscc="91440101MA5XXXXX00"), told(city, good, bank=None),
    ]
    batch = sent(city.clerk, csv_of(rows, KIND), kind=KIND)
    assert (batch.rows_total, counts(batch)) == (9, (1, 0, 2, 6)) and newest(good)[0] is None, "told before the release"
    assert why(batches.release_batch, replace(
        city.guarantor[Role.GUARANTOR_REVIEWER], actor_id=city.clerk.actor_id), batch.id) is ErrorCode.SAME_PERSON
    batches.release_batch(city.guarantor[Role.GUARANTOR_REVIEWER], batch.id)
    outbox.drain()
    batch = again(batch)
    assert (counts(batch), batch.amount_fen) == ((1, 0, 2, 6), 8 * 300 * WAN)
    found = kept(batch.id)
    assert {number: row.reason for number, row in found.items()} == {
        2: BatchReason.LATE, 3: BatchReason.WAITS_BUREAU, 4: BatchReason.CHECKS, 5: BatchReason.DIFFERS,
        6: BatchReason.WAITS_BANK, 7: BatchReason.TWICE, 8: BatchReason.USCC, 9: "missing_field",
    }
    assert found[5].params == {"field": "liability_share", "value": "70.00%", "ours": "80.00%"}
    assert [check["code"] for check in found[4].params["checks"]] == ["GUARANTEE_SHARES"]

    # Booked as the guarantor's own, the contract confirmed by who released, its case and its bank told.
    booked, contract = newest(good)
    assert booked is not None and contract is not None
    reviewer = city.guarantor[Role.GUARANTOR_REVIEWER].actor_id
    assert (booked.state, booked.mode, booked.payee_id, booked.org_id, booked.submitted_by) == (
        BookingState.BOOKED, "GUARANTEE", city.guarantor.id, city.bank.id, city.clerk.actor_id)
    assert (contract.state, contract.decided_by, contract.batch_id) == (GuaranteeState.CONFIRMED, reviewer, batch.id)
    assert newest(dear)[1].state == newest(late)[1].state == GuaranteeState.STATED  # type: ignore[union-attr]
    with transaction(cast.SYSTEM, read_only=True):
        assert set(session().scalars(select(CaseParty.org_id).where(CaseParty.case_id == booked.case_id))) >= {
            city.guarantor.id, city.bureau.id}
        assert session().scalar(select(func.count()).select_from(Transition).where(
            Transition.subject_id == contract.id, Transition.event == "confirm", Transition.actor_id == reviewer)) == 1
        assert session().scalar(select(func.count()).select_from(Notice).where(
            Notice.org_id == city.bank.id, Notice.message.contains("按文件为"), Notice.params["count"].astext == "1")) == 1
        assert check_pool().found == 0
    waiting = newest(excused)[0]
    assert waiting is not None and pool.accept_late(city.leader, waiting.id, "属实").state == BookingState.BOOKED

    # The same file again books nothing twice; the mended row is booked; what waits for the bank is known.
    second = taken_in(city, rows)
    assert counts(second) == (0, 3, 0, 6)
    assert counts(taken_in(city, [told(city, dear), told(city, unknown)])) == (1, 1, 0, 0)

    # The bank states the missing contract: the row books it as of the day the file came, nothing is sent again.
    city.stated(unknown)
    outbox.drain()
    settled, contract = newest(unknown)
    assert settled is not None and contract is not None
    assert (settled.state, settled.batch_id, kept(batch.id)[6].outcome) == (BookingState.BOOKED, batch.id, "done")
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(select(func.count()).select_from(Notice).where(Notice.message.contains("已确认一份"))) == 1
    with pytest.raises(DBAPIError, match="file of a guarantee"), transaction(cast.SYSTEM):
        session().execute(text("update guarantee_contract set batch_id = null where id = :id"), {"id": contract.id})
    with pytest.raises(DBAPIError, match="file of a guarantee"), transaction(cast.SYSTEM):
        session().execute(text("update guarantee_contract set batch_id = :batch where state = 'STATED'"), {"batch": batch.id})


def test_a_cap_counts_what_the_same_file_booked_at_the_bank_for_the_firm_and_its_owner(city: Guaranteed) -> None:
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CAPPED", borrower_cap_fen=500 * WAN))
    person = OwnerTerms("林秀英", "11010519491231002X", OwnerRole.SHAREHOLDER, Decimal("0.6"), "章程")

    def owned(amount: int) -> Loan:
        loan = city.drawn(terms(amount))
        owner = owner_service.register_owner(city.officer, loan.id, person)
        shares = Decimal("0.8"), "广东再担保", Decimal("0.2")
        guarantees.state_guarantee(
            city.officer, loan.id, guarantees.GuaranteeTerms(city.guarantor.id, f"保-{loan.number}", today(), *shares),
            replace(GUARANTEED, owner_id=str(owner.id)))
        return loan

    waiting = city.drawn(terms(201))
    rows = [told(city, owned(300)), told(city, waiting)]
    city.firm, first = cast.firm("广州第二家小厂有限公司"), city.firm
    batch = taken_in(city, [*rows, told(city, owned(201))])
    assert counts(batch) == (1, 0, 1, 1), "300 of the person's first firm and 201 of the second are beyond 500"
    assert [check["code"] for check in kept(batch.id)[3].params["checks"]] == ["BORROWER_TOTAL"]
    city.firm = first
    city.stated(waiting)
    outbox.drain()
    row = kept(batch.id)[2]
    assert (row.outcome, row.params["checks"][0]["code"]) == ("refused", "BORROWER_TOTAL"), "what came later, too"


def test_a_guaranteed_loan_booked_by_file_is_the_one_booked_by_hand(city: Guaranteed) -> None:
    """Owner-borrower and all: snapshot, checks and contract are word for word those of the single booking."""
    def stated(loan: Loan) -> Guarantee:
        person = OwnerTerms("林秀英", "11010519491231002X", OwnerRole.SHAREHOLDER, Decimal("0.6"), "章程")
        owners.append(owner_service.register_owner(city.officer, loan.id, person) if not owners else owners[0])
        shares = Decimal("0.8"), "广东再担保", Decimal("0.2")
        return guarantees.state_guarantee(
            city.officer, loan.id, guarantees.GuaranteeTerms(city.guarantor.id, f"保-{loan.number}", today(), *shares),
            replace(GUARANTEED, owner_id=str(owners[0].id)))

    owners: list[Any] = []
    first, second = city.drawn(terms(150)), city.drawn(terms(150))
    by_hand = guarantees.book_guaranteed(city.clerk, stated(first).id)
    stated(second)
    taken_in(city, [told(city, second)])
    by_file = newest(second)[0]
    assert by_file is not None and by_hand.snapshot["owner"] == {"name": "林**", "role": "SHAREHOLDER", "share": "0.6"}

    def plain(booking: Booking) -> dict[str, Any]:
        own = {"loan_number", "contract_no", "note_no"}
        kept_ = {key: value for key, value in booking.snapshot.items() if key not in own}
        return {**kept_, "guarantee": {**kept_["guarantee"], "contract_no": ""}}

    assert plain(by_file) == plain(by_hand) and by_file.checks == by_hand.checks
    for column in ("state", "rule_set_id", "judged_on", "booked_on", "submitted_on", "submitted_by", "mode", "product",
                   "owner_id", "guarantor_id"):
        assert getattr(by_file, column) == getattr(by_hand, column), column


def test_a_file_books_only_what_its_sender_may(city: Guaranteed) -> None:
    loan = city.drawn()
    contract = city.stated(loan)
    rows = [told(city, loan)]

    # Nobody sends another's kind; another guarantor's file does not see the contract, and is told nothing of it.
    assert why(sent, city.officer, csv_of(rows, KIND), "a.csv", KIND) is ErrorCode.FORBIDDEN
    assert why(sent, city.clerk, csv_of([row_of(city, loan)]), "a.csv", BatchKind.BOOKING) is ErrorCode.FORBIDDEN
    stranger = cast.organisation(OrgKind.GUARANTOR, "另一家担保公司")
    theirs = sent(stranger[Role.GUARANTOR_CLERK], csv_of(rows, KIND), kind=KIND)
    assert counts(theirs) == (0, 0, 1, 0)
    with pytest.raises(DBAPIError, match="ck_pool_batch_sender"), transaction(cast.SYSTEM):
        session().add(PoolBatch(**PLAIN, org_id=city.guarantor.id, sha256=theirs.sha256))
    # A file that nobody released confirms no contract.
    with pytest.raises(DBAPIError, match="confirmed by its guarantor"), transaction(cast.SYSTEM):
        session().execute(text("update guarantee_contract set state = 'CONFIRMED', decided_at = now(), batch_id = :batch"),
                          {"batch": theirs.id})
    with pytest.raises(DBAPIError, match=r"fk_guarantee_contract_batch_id|confirmed by its guarantor"), transaction(city.clerk):
        session().execute(text("update guarantee_contract set state = 'CONFIRMED', decided_at = now(), batch_id = :batch"),
                          {"batch": theirs.id})

    # The bank's own file leaves a loan alone that a guarantor stands for, confirmed or not.
    own = sent(city.officer, csv_of([row_of(city, loan)]))
    assert kept(own.id)[1].reason == BatchReason.GUARANTEED
    guarantees.refuse_guarantee(city.clerk, contract.id, "编号不符")
    assert counts(sent(city.officer, csv_of([row_of(city, loan)]))) == (1, 0, 0, 0)

    # What the bank states otherwise than the file says is not booked, and the guarantor is told.
    waiting = taken_in(city, [told(city, loan, signed_on=today() - timedelta(days=1))])
    assert counts(waiting) == (0, 0, 1, 0)
    city.stated(loan)
    outbox.drain()
    row = kept(waiting.id)[1]
    assert (row.outcome, row.reason, row.params["field"]) == ("refused", BatchReason.DIFFERS, "signed_on")
    assert newest(loan)[0] is None
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(select(func.count()).select_from(Notice).where(
            Notice.org_id == city.guarantor.id, Notice.message.contains("没有按文件入库"))) == 1
