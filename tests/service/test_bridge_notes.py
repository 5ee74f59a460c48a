"""One bridge over two notes of a firm at a bank: both stand on it alone, both are confirmed as paid off before it goes on."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.bridge import ask_service, bank_service, correction_service, notes, service
from app.bridge.notes import BridgeNote
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role
from tests import bridge_cast as road
from tests import cast
from tests.database import TestDatabase
from tests.seal_tools import owner_sql

pytestmark = pytest.mark.usefixtures("database")


def refused(call: object, *args: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value


def asked(who: road.People, number: str, amount_fen: int, days: int) -> UUID:
    """The bank was asked about a note and wants it paid off first."""
    note = ask_service.OldLoan(None, who.old_bank.id, number, amount_fen, today() + timedelta(days=days))
    row = ask_service.ask(who.boss, note)
    return ask_service.answer(who.old_bank[Role.BANK_OFFICER], row.id, False, "MUST_REPAY").id


def of(bridge_id: UUID) -> list[BridgeNote]:
    with transaction(cast.SYSTEM, read_only=True):
        return notes.notes_of(bridge_id)


def test_one_bridge_pays_off_two_notes_of_the_same_bank() -> None:
    who = road.people()
    officer = who.old_bank[Role.BANK_OFFICER]
    first, second, third = asked(who, "JJ-1", 200 * WAN, 40), asked(who, "JJ-2", 120 * WAN, 30), asked(who, "JJ-3", 50 * WAN, 50)
    sums = {"old_due_fen": 200 * WAN, "old_due_on": today() + timedelta(days=40), "requested_fen": 320 * WAN}
    assert refused(service.apply, who.boss, first, road.wish(who, **sums)).code is ErrorCode.BRIDGE_OVER_LIMIT, "one note alone"
    over = road.wish(who, **{**sums, "requested_fen": 321 * WAN}, more_asks=(second,))
    assert refused(service.apply, who.boss, first, over).code is ErrorCode.BRIDGE_OVER_LIMIT, "above both together"
    three = road.wish(who, **sums, more_asks=(second, third))
    assert (refused(service.apply, who.boss, first, three).field) == "more_notes", "two at most"
    key = service.apply(who.boss, first, road.wish(who, **sums, more_asks=(second,))).id
    made = road.seen(key)
    assert (made.old_note_no, made.old_due_fen, made.old_due_on) == ("JJ-1", 320 * WAN, today() + timedelta(days=30))
    alone = road.wish(who, old_due_fen=120 * WAN, requested_fen=100 * WAN)
    assert refused(service.apply, who.boss, second, alone).code is ErrorCode.BRIDGE_EXISTS, "a note stands on one bridge"
    road.walk(who, "FUNDED", bridge_id=key)
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(text("select old_note_no from commitment")) == "JJ-1、JJ-2", "the letter names both"
        payout = session().scalars(text("select id from bridge_hop order by no limit 1")).one()
    one, two = of(key)
    said = refused(bank_service.confirm_repaid, officer, key, today(), "JQ-1")
    assert (said.code, said.field) == (ErrorCode.INVALID, "note"), "which one?"
    assert bank_service.confirm_repaid(officer, key, today(), "JQ-2", None, two.id).state == "FUNDED"
    assert refused(bank_service.confirm_repaid, officer, key, today(), "JQ-2", None, two.id).code is ErrorCode.ALREADY_DONE
    assert road.seen(key).old_repaid_on is None
    forged = "update bridge set state = 'OLD_REPAID', old_repaid_on = paid_on"
    with pytest.raises(DBAPIError, match="disagree"), transaction(cast.SYSTEM):
        session().execute(text(forged))
    back = (who.clerk, key, payout, "K-1", "K-2", "登错了")
    assert refused(correction_service.propose_correction, *back).code is ErrorCode.STATE_CHANGED, "something followed the payout"
    done = bank_service.confirm_repaid(officer, key, today(), "JQ-1", None, one.id)
    assert (done.state, done.old_repaid_on) == ("OLD_REPAID", today())
    road.walk(who, "SETTLED", bridge_id=key)
    assert road.receivable(key) == 0 and not any(note.live for note in of(key))
    with transaction(cast.SYSTEM, read_only=True):
        bills = session().scalars(text("select data->>'old_note_no' from bridge_paper")).all()
    assert set(bills) == {"JJ-1、JJ-2"}, "and so do agreement, bill, fee statement and receipt"


def test_a_note_of_another_bank_or_firm_and_one_that_was_renewed_do_not_join_a_bridge() -> None:
    who = road.people(cross=True)
    first = asked(who, "JJ-1", 200 * WAN, 40)
    other = road.People(cast.firm("别的企业"), who.old_bank, who.new_bank, who.centre, who.funder, who.fund_id)
    due = today() + timedelta(days=30)
    elsewhere = ask_service.ask(who.boss, ask_service.OldLoan(None, who.new_bank.id, "JJ-2", 10 * WAN, due))
    ask_service.answer(who.new_bank[Role.BANK_OFFICER], elsewhere.id, False, "MUST_REPAY")
    renewed = ask_service.ask(who.boss, ask_service.OldLoan(None, who.old_bank.id, "JJ-3", 10 * WAN, due))
    ask_service.answer(who.old_bank[Role.BANK_OFFICER], renewed.id, True, None)
    for foreign in (elsewhere.id, renewed.id, asked(other, "JJ-4", 10 * WAN, 30), first):
        said = refused(service.apply, who.boss, first, road.wish(who, old_due_fen=200 * WAN, requested_fen=100 * WAN,
                                                                 more_asks=(foreign,)))
        assert (said.code, said.field) == (ErrorCode.INVALID, "more_notes")
    key = service.apply(who.boss, first, road.wish(who, old_due_fen=200 * WAN, requested_fen=100 * WAN)).id
    with pytest.raises(DBAPIError, match="which was asked"), transaction(cast.SYSTEM):
        session().execute(text(
            "insert into bridge_note (id, bridge_id, firm_id, no, bank_org_id, note_no, ask_id, due_fen, due_on, live) "
            "select gen_random_uuid(), :key, firm_id, 2, bank_org_id, note_no, id, 1, current_date, true from renewal_ask "
            "where note_no = 'JJ-3'"), {"key": key})


def test_bridges_from_before_keep_the_note_they_have(database: TestDatabase) -> None:
    who = road.people()
    over, runs, waits = road.walk(who, "SETTLED"), road.walk(who, "OLD_REPAID"), road.walk(who, "FUNDED")
    # A reference of a length that was never bounded, none at all, and one without a payoff.
    copy = import_module("migrations.versions.0085_bridge_notes").COPY
    owner_sql(database, "alter table bridge disable trigger user; alter table bridge_note disable trigger user; "
              "delete from bridge_note; update bridge set old_repaid_reference = case state "
              "when 'SETTLED' then repeat('长', 300) "
              "when 'FUNDED' then '没有结清' end; " + copy
              + "alter table bridge enable trigger user; alter table bridge_note enable trigger user")
    found = {key: of(key) for key in (over, runs, waits)}
    assert {len(rows) for rows in found.values()} == {1}
    told = {key: (rows[0].live, rows[0].repaid_on, rows[0].repaid_reference) for key, rows in found.items()}
    assert told == {over: (False, today(), "长" * 200), runs: (True, today(), None), waits: (True, None, None)}
    bridge, note = road.seen(waits), found[waits][0]
    assert (note.note_no, note.due_fen, note.due_on, note.ask_id) == (
        bridge.old_note_no, bridge.old_due_fen, bridge.old_due_on, bridge.ask_id)
    road.walk(who, "SETTLED", bridge_id=waits)
    assert not of(waits)[0].live
