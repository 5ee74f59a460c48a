"""Step 0 on a real database: who may ask, who answers, what no answer means, and that no bridge begins before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.bridge import ask_queries, ask_service, service
from app.bridge.ask_rules import ASK, AskState, Borrower, Scope, scope_of
from app.bridge.models import RenewalAsk
from app.core import outbox
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import Notice
from app.core.money import WAN
from app.core.permissions import Permission, Role
from app.market import clock_service
from app.market.clock_models import Clock
from tests import bridge_cast as road
from tests import cast

pytestmark = pytest.mark.usefixtures("database")

MORNING = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
"""Monday, 10:00 in Guangzhou."""


def refused(call: object, *args: object) -> ErrorCode:
    with pytest.raises(Refusal) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value.code


def loan_of(who: road.People, note_no: str = "JJ-1", **facts: object) -> ask_service.OldLoan:
    typed = ask_service.OldLoan(None, who.old_bank.id, note_no, 300 * WAN, today() + timedelta(days=30))
    return replace(typed, **facts)


def seen(key: object) -> RenewalAsk:
    with transaction(cast.SYSTEM, read_only=True):
        return session().get_one(RenewalAsk, key)


def told(org_id: object) -> list[str]:
    with transaction(cast.SYSTEM, read_only=True):
        return list(session().scalars(select(Notice.message).where(Notice.org_id == org_id).order_by(Notice.at)))


@pytest.mark.parametrize(
    ("size", "sole", "working", "due", "scope"),
    [
        ("MICRO", False, False, date(2030, 1, 1), Scope.MAY_ASK),
        ("small", False, True, date(2030, 1, 1), Scope.MAY_ASK),
        ("LARGE", True, True, date(2026, 1, 1), Scope.MAY_ASK),
        ("MEDIUM", False, True, date(2027, 9, 30), Scope.MAY_ASK),
        ("MEDIUM", False, True, date(2027, 10, 1), Scope.OUTSIDE),
        ("MEDIUM", False, False, date(2026, 12, 1), Scope.OUTSIDE),
        ("LARGE", False, True, date(2026, 12, 1), Scope.TOO_LARGE),
    ],
)
def test_who_may_ask_is_what_the_notice_says(size: str, sole: bool, working: bool, due: date, scope: Scope) -> None:
    assert scope_of(Borrower(size, sole, working, due), date(2027, 9, 30)) is scope


def test_the_bank_answers_in_its_time_and_only_a_no_opens_the_road_to_a_bridge() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people(0)
        officer = who.old_bank[Role.BANK_OFFICER]
        asked = ask_service.ask(who.boss, loan_of(who), "下月有回款")
        assert refused(ask_service.ask, who.boss, loan_of(who)) is ErrorCode.ALREADY_DONE
        assert refused(service.apply, who.boss, asked.id, road.wish(who)) is ErrorCode.BRIDGE_ASK_OPEN
        rival = cast.bank("别的银行")[Role.BANK_OFFICER]
        assert refused(ask_service.answer, rival, asked.id, False, "POLICY") is ErrorCode.NOT_FOUND
        assert refused(ask_service.answer, officer, asked.id, False, "因为") is ErrorCode.REASON_NEEDED
        assert clock_service.remind_due(cast.SYSTEM) == 0
        outbox.drain()
        with transaction(cast.SYSTEM, read_only=True):
            running = session().scalars(select(Clock).where(Clock.subject_id == asked.id)).one()
        assert (running.org_id, running.limit_at) == (who.old_bank.id, seen(asked.id).answer_by)
        assert running.target_at < running.limit_at
        clock.shift(timedelta(days=1))
        ask_service.answer(officer, asked.id, False, "OTHER", "押品评估未完成")
        outbox.drain()
        with transaction(cast.SYSTEM, read_only=True):
            assert session().get_one(Clock, running.id).outcome == "KEPT"
        assert refused(ask_service.answer, officer, asked.id, True) is ErrorCode.STATE_CHANGED
        service.apply(who.boss, asked.id, road.wish(who))
        yes = ask_service.ask(who.boss, loan_of(who, "JJ-2"))
        ask_service.answer(officer, yes.id, True)
        assert refused(service.apply, who.boss, yes.id, road.wish(who)) is ErrorCode.BRIDGE_NOT_NEEDED
    assert any("同意借据" in message for message in told(who.firm.id))


def test_a_bank_that_lets_its_time_pass_is_counted_and_may_still_answer() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people(0)
        officer = who.old_bank[Role.BANK_OFFICER]
        silent, late, quick = (ask_service.ask(who.boss, loan_of(who, note)) for note in ("JJ-1", "JJ-2", "JJ-3"))
        back = ask_service.withdraw(who.boss, ask_service.ask(who.boss, loan_of(who, "JJ-4")).id)
        ask_service.answer(officer, quick.id, True)
        clock.shift(timedelta(days=2))
        assert ask_service.lapse_due(cast.SYSTEM) == 0
        clock.shift(timedelta(days=2))
        assert ask_service.lapse_due(cast.SYSTEM) == 2
        assert ask_service.lapse_due(cast.SYSTEM) == 0
        service.apply(who.boss, silent.id, road.wish(who))
        ask_service.answer(officer, late.id, False, "SECURITY")
        assert [seen(one.id).state for one in (silent, late, quick, back)] == ["UNANSWERED", "REFUSED", "GRANTED", "WITHDRAWN"]
        with transaction(who.clerk, read_only=True):
            (row,) = ask_queries.by_bank()
        assert (row.asked, row.granted, row.refused, row.in_time, row.unanswered, row.open) == (3, 1, 1, 1, 2, 0)
    assert sum("补答" in message for message in told(who.old_bank.id)) == 2


def test_what_the_rule_lets_out_is_answered_by_the_rule_and_a_large_firm_not_at_all() -> None:
    who = road.people(0)
    medium = replace(who, firm=cast.firm("中型企业", size_class="medium"))
    row = ask_service.ask(medium.boss, loan_of(medium, working_capital=False))
    assert (row.state, row.source, row.reason) == ("REFUSED", "RULE", "SCOPE")
    assert "无还本续贷" not in " ".join(told(who.old_bank.id))
    large = replace(who, firm=cast.firm("大型企业", size_class="large"))
    assert refused(ask_service.ask, large.boss, loan_of(large)) is ErrorCode.ASK_NOT_ELIGIBLE
    unproved = replace(who, firm=cast.firm("未核验", verified=False))
    assert refused(ask_service.ask, unproved.boss, loan_of(unproved)) is ErrorCode.NOT_VERIFIED
    for day in (today() - timedelta(days=1), today() + timedelta(days=366)):
        assert refused(ask_service.ask, who.boss, loan_of(who, due_on=day)) is ErrorCode.DATE_OUT_OF_RANGE
    stated = (who.boss, loan_of(who), False, today(), "POLICY")
    assert refused(ask_service.state_answer, *stated) is ErrorCode.ASK_BANK_ON_PORTAL


def test_the_database_leaves_each_hand_its_own_part_and_every_event_its_people() -> None:
    who = road.people(0)
    key = ask_service.ask(who.boss, loan_of(who)).id
    hands = {
        who.boss: "update renewal_ask set state = 'REFUSED', reason = 'POLICY', answered_at = now(), answered_by = :me",
        who.old_bank[Role.BANK_OFFICER]: "update renewal_ask set state = 'UNANSWERED', next_check_at = null, reason = null",
        cast.SYSTEM: "update renewal_ask set state = 'GRANTED', answered_at = now(), answered_by = :me, next_check_at = null",
    }
    for ctx, change in hands.items():
        with pytest.raises(DBAPIError, match="this hand may not change the ask"), transaction(ctx):
            session().execute(text(change), {"me": who.boss.actor_id})
    with pytest.raises(DBAPIError), transaction(who.boss):
        session().execute(text("update renewal_ask set note_no = 'other'"))
    ends = {"grant": Permission.BRIDGE_CONFIRM, "refuse": Permission.BRIDGE_CONFIRM, "lapse": Permission.BRIDGE_TICK,
            "withdraw": Permission.BRIDGE_APPLY}
    allowed = {(move.source, move.event): move.who for move in ASK.moves}
    for state in AskState:
        for event, permission in ends.items():
            may = state is AskState.ASKED or (state is AskState.UNANSWERED and event in ("grant", "refuse"))
            assert allowed.get((state, event)) == ((permission,) if may else None), (state, event)
    assert seen(key).state == "ASKED"
