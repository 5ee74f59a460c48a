"""A bank registers a loan agreed elsewhere: it learns nothing of a firm by typing public codes and names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import AuditEvent, Notice
from app.core.permissions import Role
from app.core.queries import organisation_names
from app.core.uscc import synthetic
from app.enterprises.models import Enterprise
from app.loans import offline_service, queries
from app.loans import service as loans
from app.loans.models import Loan
from app.loans.rules import OFFLINE_RULES, same_name
from app.pool import service as pool
from tests import bridge_cast as road
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import EVIDENCE, City, terms

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def city(database: TestDatabase) -> City:
    return City()


def tried(ctx: Context, uscc: str, name: str) -> Refusal:
    with pytest.raises(Refusal) as refused:
        offline_service.open_offline_loan(ctx, uscc, name, terms())
    return refused.value


def told(refusal: Refusal) -> tuple[Any, ...]:
    return refusal.code, refusal.field, refusal.sentence


def knows(ctx: Context, firm_id: UUID) -> bool:
    with transaction(ctx, read_only=True):
        return bool(session().scalar(text("select hq_knows_firm(:firm)"), {"firm": firm_id})
                    or session().get(Enterprise, firm_id) or organisation_names({firm_id}))


def count(model: type[Any], *where: Any) -> int:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalar(select(func.count()).select_from(model).where(*where)) or 0


def test_a_broken_code_is_told_as_such(city: City) -> None:
    assert told(tried(city.officer, "12345", "某公司"))[:2] == (ErrorCode.USCC_INVALID, "uscc")


def test_a_wrong_name_is_refused_in_the_very_words_of_an_unknown_code(city: City) -> None:
    unknown = tried(city.officer, synthetic("440106", 987654), city.firm.name)
    mismatch = tried(city.officer, cast.uscc_of(city.firm), "广州别家有限公司")
    assert told(unknown) == told(mismatch)
    assert unknown.code is ErrorCode.FIRM_UNKNOWN
    assert count(Loan) == count(Notice, Notice.org_id == city.firm.id) == 0


@pytest.mark.parametrize("written", ["广州岭南（精工）Co", "广州岭南(精工) co", " 广州 岭南（精工）ＣＯ "])
def test_width_brackets_spaces_and_case_make_no_other_name(written: str) -> None:
    assert same_name(written, "广州岭南（精工）CO")
    assert not same_name(written, "广州岭南（精工）")


def test_every_miss_stays_on_record_and_many_of_them_close_the_door_even_for_the_right_name(city: City) -> None:
    code = cast.uscc_of(city.firm)
    for number in range(OFFLINE_RULES.misses_per_person):
        tried(city.officer, synthetic("440106", 900000 + number), "猜测有限公司")
    assert count(AuditEvent, AuditEvent.action == "loan.firm_match", AuditEvent.actor_id == city.officer.actor_id,
                 AuditEvent.facts["matched"].astext == "no") == OFFLINE_RULES.misses_per_person
    assert tried(city.officer, code, city.firm.name).code is ErrorCode.TOO_MANY_TRIES
    assert tried(city.officer, code, "猜测有限公司").code is ErrorCode.TOO_MANY_TRIES
    with time_machine.travel(now() + timedelta(hours=OFFLINE_RULES.hours, minutes=1), tick=False):
        assert offline_service.open_offline_loan(city.officer, code, city.firm.name, terms()).origin == "offline"


def test_one_banks_misses_are_no_other_banks(city: City) -> None:
    for number in range(OFFLINE_RULES.misses_per_person):
        tried(city.officer, synthetic("440106", 900000 + number), "猜测有限公司")
    other = cast.bank("云山银行")[Role.BANK_OFFICER]
    assert offline_service.open_offline_loan(other, cast.uscc_of(city.firm), city.firm.name, terms()).org_id == other.org_id


def test_until_the_firm_recognises_the_loan_the_bank_knows_what_it_typed_and_no_more(city: City) -> None:
    loan = city.registered()
    assert loan.stated_firm == city.firm.name
    assert not knows(city.officer, city.firm.id)
    with transaction(city.officer, read_only=True):
        assert session().execute(queries.loans_query()).one().firm_name == city.firm.name
        assert queries.awaits_firm(session().get_one(Loan, loan.id))
    offline_service.recognise(city.firm[Role.FIRM_CLERK], loan.id)
    assert knows(city.officer, city.firm.id)
    assert not knows(cast.bank("云山银行")[Role.BANK_OFFICER], city.firm.id)


def test_no_loan_walks_into_the_pool_that_its_firm_has_not_recognised(city: City) -> None:
    loan = city.registered()
    loans.approve_loan(city.approver, loan.id)
    loans.report_drawdown(city.officer, loan.id, loans.Drawdown(loan.amount_fen, now().date(), "合同-1", "借据-1"))
    with pytest.raises(Refusal) as refused:
        pool.submit_booking(city.officer, loan.id, EVIDENCE)
    assert refused.value.code is ErrorCode.LOAN_UNRECOGNISED
    assert not knows(city.officer, city.firm.id)
    offline_service.recognise(city.firm[Role.FIRM_CLERK], loan.id)
    assert pool.submit_booking(city.officer, loan.id, EVIDENCE).state == "BOOKED"


def test_a_firm_that_disowns_a_loan_stays_unknown_tells_why_and_may_change_its_mind(city: City) -> None:
    loan, clerk = city.registered(), city.firm[Role.FIRM_CLERK]
    with pytest.raises(Refusal) as refused:
        offline_service.disown(clerk, loan.id, " ")
    assert refused.value.code is ErrorCode.REASON_NEEDED
    offline_service.disown(clerk, loan.id, "没有这笔贷款")
    assert not knows(city.officer, city.firm.id)
    assert count(Notice, Notice.org_id == city.bank.id, Notice.message.contains("提出异议")) == 1
    offline_service.recognise(clerk, loan.id)
    for again in (lambda: offline_service.recognise(clerk, loan.id), lambda: offline_service.disown(clerk, loan.id, "不")):
        with pytest.raises(Refusal) as refused:
            again()
        assert refused.value.code is ErrorCode.ALREADY_DONE


def test_only_the_firm_itself_recognises_in_the_database_too(city: City) -> None:
    loan = city.registered()
    other = cast.firm("广州别家有限公司")[Role.FIRM_CLERK]
    with pytest.raises(Refusal) as refused:
        offline_service.recognise(other, loan.id)
    assert refused.value.code is ErrorCode.NOT_FOUND
    for ctx in (city.officer, city.leader, other, cast.platform()[Role.DESK]):
        with pytest.raises(DBAPIError, match="row-level security"), transaction(ctx):
            session().execute(text(
                "insert into loan_recognition (id, case_id, firm_id, recognised, at) "
                "values (gen_random_uuid(), :case, :firm, true, now())"
            ), {"case": loan.case_id, "firm": city.firm.id})


def test_somebody_who_only_claims_to_be_the_firm_recognises_nothing(city: City) -> None:
    unproved = cast.firm("广州未核验有限公司", verified=False)
    loan = offline_service.open_offline_loan(city.officer, cast.uscc_of(unproved), unproved.name, terms())
    with pytest.raises(Refusal) as refused:
        offline_service.recognise(unproved[Role.FIRM_CLERK], loan.id)
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_who_asks_for_a_bridge_over_a_loan_calls_it_its_own() -> None:
    from tests.service.test_bridge_road import portal_loan

    who = road.people()
    loan = portal_loan(who)
    assert not knows(who.old_bank[Role.BANK_OFFICER], who.firm.id)
    from app.bridge import service as bridges

    bridges.apply(who.boss, road.ask(who, loan_id=loan.id), road.wish(who, old_due_fen=None, old_due_on=None))
    assert knows(who.old_bank[Role.BANK_OFFICER], who.firm.id)
