"""Agreements with banks: two people sign, a loan drawn outside the validity is refused with the reason, the end is reminded."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import time_machine
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import Notice
from app.pool import partner_service as partners
from app.pool.models import Agreement
from app.pool.partner_service import AgreementTerms
from app.pool.records import checks_of
from app.pool.service import sentence
from app.pool.states import BookingState
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import City


def terms(number: str = "协议-7", first: date | None = None, last: date | None = None) -> AgreementTerms:
    return AgreementTerms(number, first or date(2025, 10, 1), last, "李行长", "王局长", date(2025, 9, 28))


def why(call: object) -> ErrorCode:
    with pytest.raises(Refusal) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def notices(org_id: object) -> list[str]:
    with transaction(cast.SYSTEM, read_only=True):
        rows = session().scalars(select(Notice).where(Notice.org_id == org_id).order_by(Notice.at)).all()
        return [row.message % row.params for row in rows if "协议" in row.message]


def test_an_agreement_counts_once_a_second_person_has_signed_it_off(database: TestDatabase) -> None:
    city = City(budget=0)
    city.bank = cast.bank("新合作银行")
    drafted = partners.draft_agreement(city.cashier, city.bank.id, terms())
    assert city.booked().state == BookingState.REJECTED  # a draft is no agreement

    # Whoever drafted it does not sign it, in the service and in the database.
    both = replace(city.cashier, permissions=city.cashier.permissions | city.leader.permissions)
    assert why(lambda: partners.decide_agreement(both, drafted.id, "confirm", "自己签")) is ErrorCode.SAME_PERSON
    with pytest.raises(DBAPIError, match="ck_pool_agreement_two_persons"), transaction(city.cashier):
        session().execute(text("update pool_agreement set state = 'CONFIRMED', decided_by = proposed_by, decided_at = now() "
                               "where id = :id"), {"id": drafted.id})

    signed = partners.decide_agreement(city.leader, drafted.id, "confirm", "条款一致")
    assert (signed.partner_signer, signed.city_signer, signed.mode) == ("李行长", "王局长", "BANK")
    assert city.booked().state == BookingState.BOOKED
    with pytest.raises(DBAPIError, match="is not rewritten"), transaction(city.leader):
        session().execute(text("update pool_agreement set valid_to = '2030-01-01' where id = :id"), {"id": drafted.id})

    # Nobody but a bank or a guarantor becomes a partner; a number is used once.
    assert why(lambda: partners.draft_agreement(city.cashier, cast.funder().id, terms())) is ErrorCode.NOT_FOUND
    assert why(lambda: partners.draft_agreement(city.cashier, city.bank.id, terms())) is ErrorCode.AGREEMENT_EXISTS
    late = terms("协议-8", date(2026, 1, 1), date(2025, 1, 1))
    assert why(lambda: partners.draft_agreement(city.cashier, city.bank.id, late)) is ErrorCode.DATE_OUT_OF_RANGE


def test_a_loan_drawn_outside_the_validity_is_refused_and_told_which_days_it_covers(database: TestDatabase) -> None:
    city = City(budget=0)
    city.bank = cast.bank("到期银行")
    last = today() - timedelta(days=5)
    city.sign(city.bank, "协议-3", last=last)
    assert city.booked(days_ago=5).state == BookingState.BOOKED
    refused = city.booked(days_ago=4)
    failed = [check for check in checks_of(refused.checks) if not check.passed]
    assert [check.code for check in failed] == ["AGREEMENT"]
    told = sentence(failed[0])
    assert "协议-3" in told and last.isoformat() in told

    # Ended before its time: what was drawn until the last day is booked, what comes after is not.
    city.bank = cast.bank("退出银行")
    running = city.sign(city.bank, "协议-4")
    early = today() - timedelta(days=1)
    assert why(lambda: partners.end_agreement(city.leader, running.id, early, "退出")) is ErrorCode.DATE_OUT_OF_RANGE
    partners.end_agreement(city.leader, running.id, today(), "该行退出合作")
    assert city.booked().state == BookingState.BOOKED
    with time_machine.travel(today() + timedelta(days=2), tick=True):
        assert city.booked().state == BookingState.REJECTED


def test_an_agreement_that_runs_out_is_reminded_of_until_the_next_one_is_signed(database: TestDatabase) -> None:
    city = City(budget=0)
    city.bank = cast.bank("续签银行")
    last = today() + timedelta(days=61)
    signed = city.sign(city.bank, "协议-5", last=last)
    assert partners.remind_expiring(cast.SYSTEM) == 0
    with time_machine.travel(last - timedelta(days=59), tick=True):
        assert partners.remind_expiring(cast.SYSTEM) == 1
        assert partners.remind_expiring(cast.SYSTEM) == 0  # once a reminder day
    assert sum(last.isoformat() in one for one in notices(city.bank.id)) == 1
    assert sum("续签银行" in one and last.isoformat() in one for one in notices(city.bureau.id)) == 1

    city.sign(city.bank, "协议-6", first=last + timedelta(days=1))
    with time_machine.travel(last - timedelta(days=29), tick=True):
        partners.remind_expiring(cast.SYSTEM)
    assert sum(last.isoformat() in one for one in notices(city.bank.id)) == 1
    with transaction(cast.SYSTEM, read_only=True):
        assert session().get_one(Agreement, signed.id).next_check_at is None
