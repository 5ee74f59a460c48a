"""A drawn loan enters the pool, or is refused with every check shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from app.core import outbox
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import refusal
from app.core.models import Notice, Transition
from app.core.permissions import Role
from app.pool import service as pool
from app.pool.models import Booking, StoredRuleSet
from app.pool.rules import RULE_2025, RuleSet
from app.pool.states import BOOKING, BookingState
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import EVIDENCE, City, rule_set, terms

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]


@pytest.fixture
def city(database: TestDatabase) -> City:
    return City(budget=0)


def failed(booking: Booking) -> set[str]:
    return {row["code"] for row in booking.checks if not row["passed"]}


def test_a_fresh_portal_holds_the_rule_of_2025_as_a_row(city: City) -> None:
    with transaction(cast.SYSTEM, read_only=True):
        stored = session().scalar(select(StoredRuleSet).where(StoredRuleSet.code == RULE_2025.code))
    assert stored is not None
    assert RuleSet.from_json(stored.rules) == RULE_2025


def test_a_drawn_loan_that_passes_every_check_is_booked_at_once(city: City) -> None:
    booking = city.booked()
    assert booking.state == BookingState.BOOKED
    assert booking.booked_on == today()
    assert failed(booking) == set()
    assert len(booking.checks) >= 12
    assert booking.snapshot["size_class"] == "SMALL"
    with transaction(city.officer, read_only=True):
        events = list(session().scalars(
            select(Transition.event).where(Transition.subject_id == booking.id).order_by(Transition.at)
        ))
    assert events == ["create", "submit", "check", "book"]


@pytest.mark.parametrize(("changes", "code"), [
    ({"use_of_funds": "SECURITIES"}, "USE_OF_FUNDS"),
    ({"product": "OTHER"}, "PRODUCT"),
    ({"not_dishonest": False}, "NOT_DISHONEST"),
])
def test_a_loan_the_rule_does_not_cover_is_rejected_with_the_check_that_failed(
    city: City, changes: dict[str, Any], code: str,
) -> None:
    booking = city.booked(evidence=replace(EVIDENCE, **changes))
    assert booking.state == BookingState.REJECTED
    assert failed(booking) == {code}


@pytest.mark.parametrize(("facts", "code"), [
    ({"size_class": "medium"}, "SIZE"), ({"district": "440604"}, "PLACE"), ({"industry_code": "66"}, "INDUSTRY"),
])
def test_the_borrower_is_judged_by_what_the_portal_knows(database: TestDatabase, facts: dict[str, Any], code: str) -> None:
    city = City(firm=cast.firm(**facts), budget=0)
    assert failed(city.booked()) == {code}


def test_a_medium_firm_on_a_key_list_and_a_firm_that_works_in_the_city_are_let_in(database: TestDatabase) -> None:
    medium = City(firm=cast.firm("中型企业", size_class="medium"), budget=0)
    assert medium.booked(evidence=replace(EVIDENCE, on_key_list=True)).state == BookingState.BOOKED
    outside = City(firm=cast.firm("外地企业", district="440604"), bank=cast.bank("乙银行"), budget=0)
    assert outside.booked(evidence=replace(EVIDENCE, operates_in_city=True)).state == BookingState.BOOKED


@pytest.mark.parametrize(("amount", "state"), [(3000, BookingState.BOOKED), (3200, BookingState.REJECTED)])
def test_the_largest_amount_is_three_thousand_wan(database: TestDatabase, amount: int, state: BookingState) -> None:
    city = City(bank=cast.bank(limit_fen=10**12), budget=0)
    assert city.booked(terms(amount)).state == state


def test_a_loan_drawn_outside_the_agreement_is_rejected(database: TestDatabase) -> None:
    city = City(budget=0)
    other = cast.bank("无协议银行")
    city.bank = other
    assert failed(city.booked()) == {"AGREEMENT"}


def test_a_loan_is_booked_once_and_a_rejected_one_may_be_booked_again(city: City) -> None:
    booking = city.booked(evidence=replace(EVIDENCE, product="OTHER"))
    again = pool.submit_booking(city.officer, booking.loan_id, EVIDENCE)
    assert (again.version, again.state) == (2, BookingState.BOOKED)
    with pytest.raises(Refusal) as refused:
        pool.submit_booking(city.officer, booking.loan_id, EVIDENCE)
    assert refused.value.code is ErrorCode.BOOKING_EXISTS


def test_a_correction_is_a_new_version_and_the_old_one_stays_as_it_was(city: City) -> None:
    old = city.booked()
    new = pool.correct_booking(city.officer, old.id, replace(EVIDENCE, policy_tool="支小再贷款"), "补录政策工具")
    with transaction(city.officer, read_only=True):
        kept = session().get_one(Booking, old.id)
    assert kept.state == BookingState.WITHDRAWN
    assert kept.snapshot["policy_tool"] == ""
    assert (new.version, new.replaces_id, new.state) == (2, old.id, BookingState.BOOKED)


def test_a_booking_is_never_overwritten(city: City) -> None:
    booking = city.booked()
    with pytest.raises(Exception, match="not edited"), transaction(city.officer):
        session().execute(text("update booking set principal_fen = principal_fen - 1 where id = :id"), {"id": booking.id})


def test_a_late_loan_needs_a_reason_and_the_bureau(city: City) -> None:
    loan = city.drawn(days_ago=31)
    with pytest.raises(Refusal) as refused:
        pool.submit_booking(city.officer, loan.id, EVIDENCE)
    assert (refused.value.code, refused.value.field) == (ErrorCode.BOOKING_LATE, "late_reason")
    late = pool.submit_booking(city.officer, loan.id, replace(EVIDENCE, late_reason="系统切换"))
    assert late.state == BookingState.SUBMITTED
    with pytest.raises(Refusal) as refused:
        pool.accept_late(city.officer, late.id, "同意")
    assert refused.value.code is ErrorCode.FORBIDDEN
    assert pool.accept_late(city.leader, late.id, "情况属实").state == BookingState.BOOKED


def test_a_loan_drawn_thirty_days_ago_is_in_time(city: City) -> None:
    assert city.booked(days_ago=30).state == BookingState.BOOKED


def test_the_bank_is_reminded_to_book_and_told_when_a_booked_loan_goes_bad(city: City) -> None:
    booking = city.booked()
    outbox.drain()
    city.gone_bad(booking)
    outbox.drain()
    with transaction(city.officer, read_only=True):
        paths = list(session().scalars(select(Notice.path).where(Notice.org_id == city.bank.id).order_by(Notice.at)))
    assert f"/loans/{booking.loan_id}/booking" in paths
    assert f"/bookings/{booking.id}" in paths


def test_the_firm_sees_its_loan_in_the_pool_and_another_bank_does_not(city: City) -> None:
    city.booked()
    for person, count in (
        (city.firm[Role.FIRM_CLERK], 1), (city.officer, 1), (city.auditor, 1),
        (cast.bank("别家银行")[Role.BANK_OFFICER], 0), (cast.firm("别家企业")[Role.FIRM_CLERK], 0),
        (cast.centre()[Role.CENTRE_CLERK], 0),
    ):
        with transaction(person, read_only=True):
            assert session().scalar(text("select count(*) from booking")) == count, person.org_name


def test_a_rule_set_of_the_city_replaces_the_earlier_one_and_a_booking_keeps_its_own(city: City) -> None:
    before = city.booked()
    newer = pool.load_rule_set(cast.SYSTEM, rule_set("GZ-2025-T", publicity_days=0))
    after = city.booked()
    assert before.rule_set_id != newer.id
    assert after.rule_set_id == newer.id
    with pytest.raises(Refusal) as refused:
        pool.load_rule_set(cast.SYSTEM, rule_set("GZ-2025-T"))
    assert refused.value.code is ErrorCode.EDITION_EXISTS


ALLOWED = {
    ("DRAFT", "submit"), ("SUBMITTED", "check"), ("SUBMITTED", "refuse_late"), ("AUTO_CHECKED", "book"),
    ("AUTO_CHECKED", "reject"), ("BOOKED", "claim"), ("CLAIMED", "release"), ("BOOKED", "withdraw"),
    ("SUBMITTED", "withdraw"),
}


@pytest.mark.parametrize("event", BOOKING.events())
def test_every_state_of_a_booking_meets_every_event(city: City, event: str) -> None:
    people = {"submit": city.officer, "withdraw": city.officer, "refuse_late": city.leader}
    for state in BookingState:
        code = refusal(people.get(event, cast.SYSTEM), BOOKING, Booking(state=state.value), event)
        assert (code is None) == ((state.value, event) in ALLOWED), state
        assert refusal(city.approver, BOOKING, Booking(state=state.value), event) is not None


def test_an_agreement_of_a_later_day_does_not_cover_an_earlier_drawdown(database: TestDatabase) -> None:
    city = City(budget=0)
    late = cast.bank("新合作银行")
    city.sign(late, "协议-9", today() - timedelta(days=3))
    city.bank = late
    assert city.booked(days_ago=3).state == BookingState.BOOKED
    assert failed(city.booked(days_ago=4)) == {"AGREEMENT"}
    assert date(2025, 10, 1) < today()
