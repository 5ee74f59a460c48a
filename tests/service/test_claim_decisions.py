"""A decision deducts with reasons, is published, objected to, answered, taken back or stands; its certificate says so."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ledger import Account
from app.core.money import WAN
from app.core.permissions import Permission
from app.core.sheets import NoFont
from app.core.use_case import reading
from app.pool import certificate, queries
from app.pool import decision_service as decisions
from app.pool import objection_service as objections
from app.pool import service as pool
from app.pool.decision_models import ClaimObjection, Decision, DeductionKind, ObjectionState, Publicity
from app.pool.decision_service import Deduction
from app.pool.models import Claim
from app.pool.objection_service import Grounds
from app.pool.states import ClaimState
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import City, cut, rule_set, terms

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]
ANYBODY = Context.anonymous()
GROUNDS = Grounds("黄埔区某企业", "020-12345678", "该企业在申请前已恢复经营。")


@pytest.fixture
def city(database: TestDatabase) -> City:
    made = City()
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-OPEN", stop_line=Decimal(1)))
    return made


def refused(call: object, *values: object) -> ErrorCode:
    with pytest.raises(Refusal) as found:
        call(*values)  # type: ignore[operator]
    return found.value.code


def claim_now(claim: Claim) -> Claim:
    with transaction(cast.SYSTEM, read_only=True):
        return session().get_one(Claim, claim.id)


def left() -> int:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalars(select(Account).where(Account.code == f"pool:budget:{today().year}")).one().available_fen


def on_the_list() -> list[Publicity]:
    with reading(ANYBODY, Permission.CLAIM_OBJECT):
        return queries.published(today())


def test_every_yuan_that_is_not_approved_is_deducted_with_a_reason_of_its_own(city: City) -> None:
    claim = city.at_decision(city.claimed(city.booked(terms(300))))
    for wrong in (
        [cut(120, "全部")], [cut(20, "  ")], [Deduction(DeductionKind.LOSS, 0, "零")], [cut(-5, "负数")],
    ):
        assert refused(decisions.approve_claim, city.leader, claim.id, wrong) is ErrorCode.DEDUCTIONS_WRONG
    parts = [cut(15, "抵押车辆估值偏低", DeductionKind.COLLATERAL), cut(5, "两笔催收无记录", DeductionKind.DUTY)]
    done = decisions.approve_claim(city.leader, claim.id, parts)
    assert (done.state, done.approved_fen) == (ClaimState.PARTLY_APPROVED, 100 * WAN)
    with transaction(cast.SYSTEM, read_only=True):
        made = session().get_one(Decision, done.decision_id)
    assert [(one["kind"], one["amount_fen"], one["reason"]) for one in made.deductions] == [
        ("COLLATERAL", 15 * WAN, "抵押车辆估值偏低"), ("DUTY", 5 * WAN, "两笔催收无记录")]
    assert made.computed_fen == made.approved_fen + sum(one["amount_fen"] for one in made.deductions) == 120 * WAN
    assert made.number == f"{today().year}-0001"

    # The database keeps it so: no other amount, no deduction without its reason, no decision changed.
    for sql, name in (
        ("update claim set approved_fen = 110 * 1000000 where id = :id", "fk_claim_decision_amount"),
        ("insert into claim_decision select gen_random_uuid(), claim_id, case_id, org_id, year, 99, verdict, computed_fen, "
         "approved_fen, deductions - 0, reason, decided_by, now() from claim_decision where claim_id = :id",
         "ck_claim_decision_adds_up"),
        ("insert into claim_decision select gen_random_uuid(), claim_id, case_id, org_id, year, 99, verdict, computed_fen, "
         "approved_fen, jsonb_set(deductions, '{0,reason}', '\"\"'), reason, decided_by, now() from claim_decision "
         "where claim_id = :id", "ck_claim_decision_adds_up"),
    ):
        with pytest.raises(IntegrityError) as broken, transaction(cast.SYSTEM):
            session().execute(text(sql), {"id": claim.id})
        assert broken.value.orig.diag.constraint_name == name  # type: ignore[union-attr]
    with pytest.raises(DBAPIError), transaction(cast.SYSTEM):
        session().execute(text("update claim_decision set reason = 'x' where claim_id = :id"), {"id": claim.id})


def test_a_refusal_is_a_decision_under_the_next_number(city: City) -> None:
    first = city.at_decision(city.claimed(city.booked(terms(300))))
    second = city.at_decision(city.claimed(city.booked(terms(100))))
    decisions.approve_claim(city.leader, first.id)
    decisions.refuse_claim(city.leader, second.id, "贷款用于购房")
    with transaction(cast.SYSTEM, read_only=True):
        made = session().get_one(Decision, claim_now(second).decision_id)
    assert (made.serial, made.verdict, made.approved_fen, made.reason) == (2, "REFUSED", 0, "贷款用于购房")


def test_anybody_reads_what_is_published_and_objects_and_nothing_is_paid_before_the_answer(city: City) -> None:
    claim = city.at_decision(city.claimed(city.booked(terms(300))))
    before = left()
    assert on_the_list() == []
    decisions.approve_claim(city.leader, claim.id)
    entry = on_the_list()[0]
    assert (entry.firm_name, entry.approved_fen, (entry.until_on - entry.from_on).days) == (city.firm.name, 120 * WAN, 7)
    with transaction(ANYBODY, read_only=True):
        for table in ("claim", "claim_decision", "claim_objection"):
            assert session().scalar(text(f"select count(*) from {table}")) == 0, table

    form = ANYBODY.with_token("form-1")
    code = objections.object_to(form, entry.id, GROUNDS)
    assert objections.object_to(form, entry.id, GROUNDS) == code, "a form sent twice is one objection"
    with transaction(cast.SYSTEM, read_only=True):
        objection = session().scalars(select(ClaimObjection)).one()
        assert session().scalar(text("select position(convert_to('12345678', 'UTF8') in contact) from claim_objection")) == 0
    for stranger in (city.officer, city.firm.people[next(iter(city.firm.people))]):
        with transaction(stranger, read_only=True):
            assert session().scalar(text("select count(*) from claim_objection")) == 0, "who objects is known to the city alone"

    with time_machine.travel(now() + timedelta(days=9), tick=False):
        assert decisions.settle_due(cast.SYSTEM) == 0, "an open objection stops the clock"
        assert refused(decisions.publicise, cast.SYSTEM, claim.id) is ErrorCode.OBJECTION_OPEN
        assert refused(decisions.pay_claim, city.cashier, claim.id, "凭证", today()) is ErrorCode.STATE_CHANGED
        with pytest.raises(IntegrityError) as broken, transaction(cast.SYSTEM):
            session().execute(text("update claim set state = 'PUBLICISED' where id = :id"), {"id": claim.id})
        assert broken.value.orig.diag.constraint_name == "ck_claim_objection_open"  # type: ignore[union-attr]
        assert refused(objections.object_to, ANYBODY, entry.id, GROUNDS) is ErrorCode.OBJECTION_CLOSED
        assert refused(objections.answer_objection, city.reviewer, objection.id, False, " ") is ErrorCode.REASON_NEEDED
        objections.answer_objection(city.reviewer, objection.id, False, "经核实仍停产。")
        assert refused(objections.answer_objection, city.reviewer, objection.id, True, "改口") is ErrorCode.OBJECTION_ANSWERED
        assert decisions.settle_due(cast.SYSTEM) == 1
        assert decisions.pay_claim(city.cashier, claim.id, "凭证-9", today()).state == ClaimState.PAID
        assert on_the_list() == [] and left() == before - 120 * WAN
    with reading(ANYBODY, Permission.CLAIM_OBJECT):
        told, about = objections.objection_by_code(ANYBODY, f" {code.upper()} ")
        assert (told.answer, told.state, about.number) == ("经核实仍停产。", ObjectionState.DISMISSED, entry.number)
        with pytest.raises(Refusal):
            objections.objection_by_code(ANYBODY, "0" * 20)


def test_an_objection_that_is_upheld_takes_the_decision_back_and_releases_the_money(city: City) -> None:
    claim = city.at_decision(city.claimed(city.booked(terms(300))))
    before = left()
    decisions.approve_claim(city.leader, claim.id)
    entry = on_the_list()[0]
    for number in range(2):
        objections.object_to(ANYBODY, entry.id, Grounds(f"第{number}人", "邮箱", "重复补偿"))
    with transaction(cast.SYSTEM, read_only=True):
        first, second = session().scalars(select(ClaimObjection).order_by(ClaimObjection.made_at))
    objections.answer_objection(city.reviewer, first.id, True, "确有其他补偿")
    again = claim_now(claim)
    assert (again.state, again.approved_fen, again.decision_id, again.decider_id) == (ClaimState.DECISION, None, None, None)
    assert left() == before and on_the_list() == []
    objections.answer_objection(city.reviewer, second.id, True, "同上")
    done = decisions.approve_claim(city.leader, claim.id, [cut(40, "已获其他补偿", DeductionKind.SCOPE)])
    assert (done.state, left()) == (ClaimState.PARTLY_APPROVED, before - 80 * WAN)
    assert [one.number for one in on_the_list()] == [f"{today().year}-0002"]
    with pytest.raises(IntegrityError) as broken, transaction(cast.SYSTEM):
        session().execute(text(
            "update claim_objection set state = 'OPEN', answer = null, answered_at = null where id = :id"), {"id": first.id})
    assert broken.value.orig.diag.constraint_name == "ck_claim_objection_frozen"  # type: ignore[union-attr]


def test_the_certificate_tells_amount_deductions_and_reasons(app: Flask, city: City) -> None:
    claim = city.at_decision(city.claimed(city.booked(terms(300))))
    decisions.approve_claim(city.leader, claim.id, [cut(20, "催收记录不全")])
    with app.test_request_context(), reading(city.officer, Permission.CLAIM_READ):
        found = session().get_one(Claim, claim.id)
        decision = session().get_one(Decision, found.decision_id)
        try:
            drawn = certificate.draw(found, decision)
        except NoFont:
            pytest.skip("this machine has no Chinese font to draw with")
        digest = certificate.digest_of(decision)
    assert drawn.startswith(b"%PDF") and len(drawn) > 10_000 and len(digest) == 64
