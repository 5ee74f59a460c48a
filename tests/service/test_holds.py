"""Seats on funds: agreements, quotas of every day, holds that run out, two clerks at once. On a real database."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.bridge import (
    booking_queries,
    ceiling_service,
    deed_service,
    fund_service,
    hold_service,
    holding,
    money_service,
    quota_service,
    service,
)
from app.bridge.ceilings import Ceilings, current
from app.bridge.fund_models import BridgeCeiling, FundHold
from app.bridge.fund_states import AGREEMENT, HOLD, LIVE, AgreementState, HoldState
from app.bridge.models import Bridge
from app.bridge.quota_rules import Quota
from app.bridge.rules import CROSS_BANK, SAME_BANK, BridgeKind
from app.core import outbox
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role, permissions_of
from tests import bridge_cast as road
from tests import cast

pytestmark = pytest.mark.usefixtures("database")

MORNING = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
"""Monday, 10:00 in Guangzhou."""
DAY = timedelta(days=1)


def refused(call: Callable[..., object], *args: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*args)
    return caught.value


def holds(*states: HoldState) -> list[FundHold]:
    with transaction(cast.SYSTEM, read_only=True):
        return list(session().scalars(select(FundHold).where(FundHold.state.in_(states or tuple(HoldState)))
                                      .order_by(FundHold.made_at)))


def quota(who: road.People, limit: int | None, scope: str = "DAY", bank: UUID | None = None, kind: str | None = None) -> None:
    quota_service.set_quotas(who.reviewer, who.fund_id, {(scope, bank, kind): limit})


def looked(key: UUID, start: date, days: int = 5) -> booking_queries.Look:
    with transaction(cast.SYSTEM, read_only=True):
        return booking_queries.look(session().get_one(Bridge, key), start, days)


# --- the seat's life ---------------------------------------------------------------------------------------------------


def test_a_seat_is_held_confirmed_paid_and_given_back_with_its_bridge() -> None:
    with time_machine.travel(MORNING, tick=False):
        who = road.people()
        key = road.walk(who, "PICKED")
        due = today() + 30 * DAY
        made = hold_service.hold(who.clerk, key, due, 5)
        assert (made.starts_on, made.ends_on, made.state) == (due, due + 5 * DAY, "HELD")
        assert road.available(who.fund_id) == 1700 * WAN
        moved = hold_service.hold(who.clerk, key, due + DAY, 4)
        assert {one.id: one.state for one in holds()} == {made.id: "RELEASED", moved.id: "HELD"}
        assert road.available(who.fund_id) == 1700 * WAN
        road.walk(who, "APPROVED", bridge_id=key)
        assert [one.id for one in holds(HoldState.HELD)] == [moved.id], "the approval takes the clerk's seat"
        road.walk(who, "SIGNED", bridge_id=key)
        assert [one.id for one in holds(HoldState.CONFIRMED)] == [moved.id]
        road.walk(who, "FUNDED", bridge_id=key)
        out = holds(HoldState.OUT)[0]
        assert (out.starts_on, out.ends_on) == (today(), today() + 5 * DAY), "money is out from the day on which it was paid"
        road.walk(who, "NEW_DRAWN", bridge_id=key)
        road.give_back(who, key, 100 * WAN)
        assert holds(HoldState.OUT)[0].back_fen == 100 * WAN
        road.walk(who, "SETTLED", bridge_id=key)
        assert sorted(one.state for one in holds()) == ["RELEASED", "RETURNED"]
        assert road.available(who.fund_id) == 2000 * WAN


def test_a_seat_that_nobody_signs_for_runs_out_and_everybody_is_told() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people()
        other = cast.funder("羊城典当")
        second = dataclasses.replace(who, funder=other, fund_id=road.fund(who.centre, other, 900 * WAN, name="二号"))
        key = road.walk(who, "PICKED")
        road.offer(second, key, 300 * WAN, Decimal("0.0005"))
        road.walk(who, "APPROVED", bridge_id=key)
        # Across midnight, to the second: one second before its time it stands, at its time it is gone.
        clock.shift(timedelta(hours=current().hold_hours, seconds=-1))
        assert outbox.run_due_checks()["bridge.holds"] == 0
        clock.shift(timedelta(seconds=1))
        assert refused(road.sign, who, key).code is ErrorCode.HOLD_EXPIRED
        assert outbox.run_due_checks()["bridge.holds"] == 1
        assert outbox.run_due_checks()["bridge.holds"] == 0
        assert ([one.state for one in holds()], road.seen(key).state) == (["EXPIRED"], "PARTNER_OFFERED")
        assert road.available(who.fund_id) == 2000 * WAN
        with transaction(cast.SYSTEM, read_only=True):
            told = set(session().scalars(text("select org_id from notice where message like '%到期未签约%'")))
        assert told == {who.firm.id, who.funder.id, who.centre.id}
        # The other quote stands again, and the bridge may go on with another funder to its good end.
        service.pick(who.boss, key, road.quote_of(second, key))
        hold_service.approve(who.reviewer, key)
        road.walk(who, "SETTLED", bridge_id=key)
        assert (road.available(who.fund_id), road.available(second.fund_id)) == (2000 * WAN, 900 * WAN)


def test_a_seat_goes_when_its_bridge_is_not_approved_or_picks_another_fund() -> None:
    who = road.people()
    other = cast.funder("羊城典当")
    second = dataclasses.replace(who, funder=other, fund_id=road.fund(who.centre, other, 900 * WAN, name="二号"))
    key = road.walk(who, "PICKED")
    hold_service.hold(who.clerk, key, today() + 30 * DAY, 5)
    road.offer(second, key, 300 * WAN, Decimal("0.0005"))
    service.pick(who.boss, key, road.quote_of(second, key))
    assert (holds(*LIVE), road.available(who.fund_id)) == ([], 2000 * WAN)
    hold_service.hold(who.clerk, key, today() + 30 * DAY, 5)
    assert road.available(second.fund_id) == 600 * WAN
    service.reject_at_approval(who.reviewer, key, "材料不符")
    assert (holds(*LIVE), road.available(second.fund_id)) == ([], 900 * WAN)
    assert refused(hold_service.hold, who.clerk, key, today() + 30 * DAY, 5).code is ErrorCode.STATE_CHANGED


# --- agreements --------------------------------------------------------------------------------------------------------


def test_without_an_agreement_nobody_quotes_and_outside_of_it_nothing_is_held() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people()
        road.agreement(who.centre, who.funder, today(), today() + 60 * DAY, "XY-2")
        with transaction(cast.SYSTEM, read_only=True):
            first = session().scalars(text("select id from fund_agreement where number = 'XY-1'")).one()
        deed_service.decide(who.reviewer, first, "end", "改签")
        key = road.walk(who, "PICKED")
        said = refused(hold_service.hold, who.clerk, key, today() + 58 * DAY, 5)
        assert (said.code, said.params["kind"]) == (ErrorCode.FUND_UNAGREED, ("原行转贷",))
        look = looked(key, today() + 58 * DAY)
        assert [clash.quota for clash in look.clashes] == [Quota.AGREEMENT] and look.nearest is None
        hold_service.hold(who.clerk, key, today() + 55 * DAY, 5)
        road.walk(who, "APPROVED", bridge_id=key)
        # Called to mind once, then over: the seat cannot be confirmed any more, and nobody is invited.
        assert outbox.run_due_checks()["bridge.agreements"] == 0
        with transaction(cast.SYSTEM, read_only=True):
            second = session().scalars(text("select id from fund_agreement where number = 'XY-2'")).one()
        deed_service.decide(who.reviewer, second, "end", "对方违约")
        assert refused(road.sign, who, key).code is ErrorCode.FUND_UNAGREED
        road.agreement(who.centre, who.funder, today(), today() + 40 * DAY, "XY-3")
        clock.shift(timedelta(days=10))
        assert [outbox.run_due_checks()["bridge.agreements"] for _ in range(2)] == [1, 0]
        clock.shift(timedelta(days=31))
        assert [outbox.run_due_checks()["bridge.agreements"] for _ in range(2)] == [1, 0]
        again = road.walk(who, "BANK_COMMITTED")
        with transaction(cast.SYSTEM, read_only=True):
            assert session().scalar(text("select count(*) from bridge_quote where bridge_id = :id"), {"id": again}) == 0
            said_all = list(session().scalars(text("select message from notice where org_id = :id"), {"id": who.funder.id}))
        assert sum("将于" in one for one in said_all) == 1 and sum("已于" in one for one in said_all) == 1


def test_an_agreement_is_signed_by_another_person_and_stays_as_it_was_signed() -> None:
    centre, funder = cast.centre(), cast.funder()
    both = frozenset({Role.CENTRE_CLERK, Role.CENTRE_REVIEWER})
    alone = dataclasses.replace(centre[Role.CENTRE_REVIEWER], roles=both, permissions=permissions_of(both))
    deed = deed_service.Deed("XY-9", tuple(BridgeKind), today(), today() + 90 * DAY, "甲", "乙")
    made = deed_service.draft(alone, funder.id, deed, "遴选")
    assert refused(deed_service.decide, alone, made.id, "confirm", "同意").code is ErrorCode.SAME_PERSON
    with pytest.raises(DBAPIError), transaction(alone):
        session().execute(text("update fund_agreement set state = 'CONFIRMED', decided_by = hq_actor(), decided_at = now()"))
    assert refused(deed_service.draft, alone, funder.id, deed, "遴选").code is ErrorCode.DOCUMENT_TAKEN
    deed_service.withdraw(alone, made.id, "写错了")
    again = deed_service.draft(centre[Role.CENTRE_CLERK], funder.id, deed, "遴选")
    assert deed_service.decide(alone, again.id, "confirm", "同意").state == "CONFIRMED"
    with pytest.raises(DBAPIError), transaction(cast.SYSTEM):
        session().execute(text("update fund_agreement set valid_to = valid_to + 1 where state = 'CONFIRMED'"))


# --- the bureau's ceiling ----------------------------------------------------------------------------------------------


def test_two_people_of_the_bureau_set_the_ceiling_and_it_holds_for_every_product_and_quote() -> None:
    bureau, who = cast.bureau(), road.people()
    auditor, leader = bureau[Role.BUREAU_AUDITOR], bureau[Role.BUREAU_LEADER]
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(text("select hq_charge_allowed('{\"fee_method\": \"DAILY\", \"daily_rate\": \"0.00066\"}')"))
        assert not session().scalar(text("select hq_charge_allowed('{\"fee_method\": \"DAILY\", \"daily_rate\": \"0.000661\"}')"))
    lower = dataclasses.replace(Ceilings(), daily_rate=Decimal("0.0005"), hold_hours=24)
    made = ceiling_service.propose(auditor, lower, "降低企业成本")
    assert refused(ceiling_service.propose, auditor, lower, "再提").code is ErrorCode.EDITION_WAITING
    assert current() == Ceilings()
    both = frozenset({Role.BUREAU_AUDITOR, Role.BUREAU_LEADER})
    alone = dataclasses.replace(auditor, roles=both, permissions=permissions_of(both))
    assert refused(ceiling_service.decide, alone, made.id, "confirm", "同意").code is ErrorCode.SAME_PERSON
    ceiling_service.decide(leader, made.id, "confirm", "同意")
    assert current() == lower
    # A product from before is not sold any more at its old rate, and no new one is opened above.
    key = road.walk(who, "BANK_COMMITTED")
    assert refused(road.offer, who, key).code is ErrorCode.INVALID
    assert refused(fund_service.open_product, who.reviewer, who.fund_id, "贵", SAME_BANK).code is ErrorCode.INVALID
    cheap = fund_service.open_product(who.reviewer, who.fund_id, "惠",
                                      dataclasses.replace(SAME_BANK, daily_rate=Decimal("0.0004")))
    quoted = fund_service.Offer(300 * WAN, today() + 9 * DAY, None, cheap.id)
    fund_service.offer(who.funder[Role.FUNDER_CLERK], road.quote_of(who, key), quoted)
    with pytest.raises(DBAPIError, match="ceiling"), transaction(who.funder[Role.FUNDER_CLERK]):
        session().execute(text("update bridge_quote set terms = jsonb_set(terms, '{daily_rate}', '\"0.0006\"')"))
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalars(select(BridgeCeiling)).one().state == "CONFIRMED"


# --- quotas ------------------------------------------------------------------------------------------------------------


def test_each_quota_says_which_day_and_by_how_much_and_the_database_says_the_same() -> None:
    with time_machine.travel(MORNING, tick=False):
        who = road.people(5000 * WAN)
        due = today() + 30 * DAY
        quota(who, 500 * WAN)
        first, second = (road.walk(who, "PICKED") for _ in range(2))
        hold_service.hold(who.clerk, first, due, 5)
        said = refused(hold_service.hold, who.clerk, second, due + 3 * DAY, 5)
        assert (said.code, said.params) == (ErrorCode.QUOTA_EXCEEDED, {
            "day": (due + 3 * DAY).isoformat(), "quota": ("每日额度",), "limit": "500 万元",
            "used": "300 万元", "over": "100 万元"})
        assert looked(second, due + 3 * DAY).nearest == due + 5 * DAY, "the day of return is free again"
        hold_service.hold(who.clerk, second, due + 5 * DAY, 5)
        for wrong in ("starts_on = starts_on - 1", "ends_on = ends_on + 400", "amount_fen = 1", "state = 'EXPIRED'",
                      "state = 'OUT'"):
            with pytest.raises(DBAPIError), transaction(who.clerk):
                session().execute(text(f"update fund_hold set {wrong} where bridge_id = :id"), {"id": second})
        hold_service.let_go(who.clerk, second)
        quota(who, None)
        for scope, bank, kind in (("BANK", None, None), ("BANK", who.new_bank.id, None), ("KIND", None, "SAME_BANK")):
            quota(who, 500 * WAN, scope, bank, kind)
            assert refused(hold_service.hold, who.clerk, second, due, 5).code is ErrorCode.QUOTA_EXCEEDED
            quota(who, None, scope, bank, kind)
        quota(who, 299 * WAN, "DEAL")
        assert refused(hold_service.hold, who.clerk, second, due, 5).code is ErrorCode.BRIDGE_OVER_LIMIT
        quota(who, None, "DEAL")
        quota_service.set_days(who.reviewer, who.fund_id, quota_service.Stretch(due, due + DAY, closed=True, note="假期"))
        assert refused(hold_service.hold, who.clerk, second, due, 5).code is ErrorCode.FUND_CLOSED
        with transaction(cast.SYSTEM, read_only=True):
            assert holding.usual_start(session().get_one(Bridge, second)) == due + 2 * DAY, "after the holiday"
        quota_service.set_days(who.reviewer, who.fund_id, quota_service.Stretch(due + 3 * DAY, due + 3 * DAY, 400 * WAN))
        assert refused(hold_service.hold, who.clerk, second, due - DAY, 5).params["limit"] == "400 万元"
        hold_service.hold(who.clerk, second, due - DAY, 4)


def test_a_fund_lends_to_both_kinds_by_its_products() -> None:
    who = road.people(cross=True)
    fund_service.open_product(who.reviewer, who.fund_id, "跨行", CROSS_BANK)
    key = road.walk(who, "APPROVED")
    assert (road.seen(key).terms or {})["kind"] == "CROSS_BANK"
    assert holds(HoldState.HELD)[0].kind == "CROSS_BANK"


def test_money_that_is_late_stays_taken_and_a_payout_on_another_day_is_judged_anew() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people(5000 * WAN)
        quota(who, 500 * WAN)
        out, waits = road.walk(who, "FUNDED"), road.walk(who, "PICKED")
        clock.shift(timedelta(days=5))
        assert refused(hold_service.hold, who.clerk, waits, today(), 5).code is ErrorCode.QUOTA_EXCEEDED
        hold_service.hold(who.clerk, waits, today() + DAY, 5)
        road.walk(who, "SIGNED", bridge_id=waits)
        assert refused(road.pay, who, waits).code is ErrorCode.QUOTA_EXCEEDED, "today the quota is still taken"
        road.give_back(who, out, 300 * WAN)
        assert road.pay(who, waits).state == "FUNDED"


def test_of_two_clerks_who_take_the_last_seat_at_the_same_instant_one_gets_it() -> None:
    who = road.people(5000 * WAN)
    quota(who, 500 * WAN)
    keys = [road.walk(who, "PICKED") for _ in range(2)]
    start, gate, said = today() + 30 * DAY, threading.Barrier(2), []

    def take(key: UUID) -> None:
        gate.wait()
        try:
            said.append(hold_service.hold(who.clerk, key, start, 5).state)
        except Refusal as error:
            said.append(error.code.value)

    threads = [threading.Thread(target=take, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["HELD", "quota_exceeded"]
    assert len(holds(*LIVE)) == 1


# --- any order of events -----------------------------------------------------------------------------------------------

LIMIT = 700 * WAN
STEPS = st.lists(st.tuples(st.sampled_from(["hold", "approve", "sign", "cancel_seat", "expire", "pay", "return", "days"]),
                           st.integers(0, 3), st.integers(0, 12), st.integers(1, 10)), min_size=4, max_size=14)


def test_in_any_order_of_events_no_day_is_over_its_quota_and_every_hold_ends() -> None:
    frozen = time_machine.travel(MORNING, tick=False)
    with frozen as clock:
        who = road.people(5000 * WAN)
        quota(who, LIMIT)

        @settings(max_examples=12, suppress_health_check=list(HealthCheck))
        @given(STEPS)
        def story(steps: list[tuple[str, int, int, int]]) -> None:
            keys = [road.walk(who, "PICKED") for _ in range(4)]
            for what, which, offset, days in steps:
                try:
                    play(who, clock, what, keys[which], offset, days)
                except Refusal as error:
                    assert error.code is not ErrorCode.CONSTRAINT and error.code is not ErrorCode.HOLD_REFUSED, what
                nothing_is_over_booked(who)
            finish(who, keys)
            assert holds(*LIVE) == []
            assert road.available(who.fund_id) == 5000 * WAN

        story()


def play(who: road.People, clock: time_machine.Traveller, what: str, key: UUID, offset: int, days: int) -> None:
    if what == "hold":
        hold_service.hold(who.clerk, key, today() + offset * DAY, days)
    elif what == "approve":
        hold_service.approve(who.reviewer, key)
    elif what == "sign":
        road.sign(who, key)
    elif what == "cancel_seat":
        hold_service.let_go(who.clerk, key)
    elif what == "expire":
        clock.shift(timedelta(hours=73))
        outbox.run_due_checks()
    elif what == "pay":
        road.pay(who, key)
    elif what == "return":
        left = road.seen(key).outstanding_fen
        road.give_back(who, key, left if offset % 2 else max(1, left // 2))
    else:
        clock.shift(timedelta(days=days))


def nothing_is_over_booked(who: road.People) -> None:
    """Counted from the rows alone: each day's live seats, late money until today."""
    live = holds(*LIVE)
    for number in range(60):
        day = today() + number * DAY
        taken = sum(one.amount_fen - one.back_fen for one in live if one.starts_on <= day and day < (
            max(one.ends_on, today() + DAY) if one.state == "OUT" else one.ends_on))
        assert taken <= LIMIT or any(one.state == "OUT" and one.ends_on <= day for one in live), day
    reserved = sum(one.amount_fen for one in live if one.state in ("HELD", "CONFIRMED"))
    out = sum(one.amount_fen - one.back_fen for one in live if one.state == "OUT")
    assert road.available(who.fund_id) == 5000 * WAN - reserved - out


def finish(who: road.People, keys: list[UUID]) -> None:
    for key in keys:
        bridge = road.seen(key)
        if bridge.state in ("PARTNER_OFFERED", "APPROVED", "SIGNED"):
            service.cancel(who.boss, key, "不办了")
        elif bridge.outstanding_fen:
            road.give_back(who, key, bridge.outstanding_fen)
        if road.seen(key).state == "BRIDGE_RETURNED":
            money_service.settle(who.clerk, key, "F")


# --- the tables --------------------------------------------------------------------------------------------------------


def test_every_state_of_a_hold_and_of_an_agreement_meets_every_event() -> None:
    assert {(move.source.value, move.event, move.target.value) for move in HOLD.moves} == {
        ("HELD", "confirm", "CONFIRMED"), ("HELD", "release", "RELEASED"), ("HELD", "expire", "EXPIRED"),
        ("CONFIRMED", "release", "RELEASED"), ("CONFIRMED", "pay", "OUT"), ("OUT", "return", "RETURNED"),
        ("OUT", "unpay", "CONFIRMED"), ("RETURNED", "reopen", "OUT"),
    }
    assert {(move.source.value, move.event, move.target.value) for move in AGREEMENT.moves} == {
        ("PROPOSED", "confirm", "CONFIRMED"), ("PROPOSED", "refuse", "REFUSED"), ("PROPOSED", "withdraw", "WITHDRAWN"),
        ("CONFIRMED", "end", "ENDED"), ("CONFIRMED", "expire", "EXPIRED"),
    }
    assert set(HoldState) - {move.source for move in HOLD.moves} == {HoldState.RELEASED, HoldState.EXPIRED}
    assert set(AgreementState) - {move.source for move in AGREEMENT.moves} == {
        AgreementState.REFUSED, AgreementState.WITHDRAWN, AgreementState.ENDED, AgreementState.EXPIRED}
    assert holding.LIVE == LIVE
