"""The commitment letter on a real database: whole, sealed, told of before it ends, and kept, broken or excused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.bridge import bank_service, commitment_queries, commitment_service, money_service
from app.bridge.commitment_models import CommitmentCondition, CommitmentOutcome
from app.bridge.commitment_rules import Deed, Word, judge, notice_day
from app.bridge.models import Commitment
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role
from tests import bridge_cast as road
from tests import cast

pytestmark = pytest.mark.usefixtures("database")

MORNING = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
"""Monday, 10:00 in Guangzhou."""
DAY = date(2026, 12, 10)
WORD = Word(400 * WAN, DAY, Decimal("0.039"))


def refused(call: object, *args: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value


def letter(bridge_id: UUID) -> Commitment:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalars(
            select(Commitment).where(Commitment.bridge_id == bridge_id).order_by(Commitment.signed_at.desc()).limit(1)
        ).one()


def outcome(bridge_id: UUID) -> tuple[str, list[str], str | None] | None:
    with transaction(cast.SYSTEM, read_only=True):
        row = session().scalar(select(CommitmentOutcome).where(CommitmentOutcome.bridge_id == bridge_id))
        return (row.outcome, row.breaches, row.excuse) if row is not None else None


@pytest.mark.parametrize(
    ("deed", "excuse", "verdict"),
    [
        (Deed(DAY, 400 * WAN, DAY, Decimal("0.039")), None, ("KEPT", (), None)),
        (Deed(DAY, 500 * WAN, DAY, None), None, ("KEPT", (), None)),
        (Deed(DAY, 400 * WAN - 1, DAY), None, ("BROKEN", ("LESS",), None)),
        (Deed(DAY, 400 * WAN, DAY + timedelta(days=1)), None, ("BROKEN", ("LATER",), None)),
        (Deed(DAY, 400 * WAN, DAY, Decimal("0.0391")), None, ("BROKEN", ("DEARER",), None)),
        (Deed(DAY, 1, DAY + timedelta(days=9), Decimal(1)), "PAPERS", ("EXCUSED", ("LESS", "LATER", "DEARER"), "PAPERS")),
        (Deed(DAY + timedelta(days=5), refused=True), None, ("BROKEN", ("NOT_AT_ALL",), None)),
        (Deed(DAY, refused=True), "COLLATERAL", ("EXCUSED", ("NOT_AT_ALL",), "COLLATERAL")),
        (Deed(DAY + timedelta(days=1)), None, ("BROKEN", ("LATER",), None)),
    ],
)
def test_a_word_is_kept_or_the_ways_it_was_not_are_named(deed: Deed, excuse: str | None, verdict: tuple[object, ...]) -> None:
    found = judge(WORD, deed, excuse)
    assert (found.outcome, found.breaches, found.excuse) == verdict
    assert notice_day(date(2026, 12, 12), 3) == date(2026, 12, 8)  # a Saturday: three working days before the Friday


def test_a_letter_is_whole_and_its_seal_tells_a_change() -> None:
    who = road.people()
    approver = who.new_bank[Role.BANK_APPROVER]
    key = road.walk(who, "PRECHECKED")
    early = today() + timedelta(days=29)  # the old note falls due a day later
    for facts in ({"branch": " "}, {"latest_drawdown_on": early}, {"valid_until": early}, {"open_kinds": ("MOOD",)}):
        assert refused(bank_service.commit, approver, key, road.promise(**facts)).field in facts
    bank_service.commit(approver, key, road.promise(open_kinds=("COLLATERAL", "PAPERS"), conditions="登记后放款"))
    found = letter(key)
    assert (found.old_note_no, found.old_due_fen, found.borrower_uscc) == (
        road.seen(key).old_note_no, 300 * WAN, cast.uscc_of(who.firm))
    with transaction(cast.SYSTEM, read_only=True):
        held = session().get_one(Commitment, found.id)
        conditions = commitment_service.conditions_of(found.id)
        assert commitment_service.seal_holds(held, conditions)
        held.promised_fen += 1
        assert not commitment_service.seal_holds(held, conditions)
        held.promised_fen -= 1
        assert not commitment_service.seal_holds(held, conditions[:1])
    with pytest.raises(DBAPIError, match="signed letter"), transaction(cast.SYSTEM):
        session().execute(text("update commitment set promised_fen = 1"))


def test_a_letter_that_runs_out_is_told_of_before_and_signed_again_not_to_the_firms_harm() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people()
        approver = who.new_bank[Role.BANK_APPROVER]
        key = road.walk(who, "PRECHECKED", old_due_on=today() + timedelta(days=20))
        until = today() + timedelta(days=21)
        bank_service.commit(approver, key, road.promise(valid_until=until))
        assert commitment_service.check_due(cast.SYSTEM) == 0
        clock.shift(timedelta(days=17))
        assert [commitment_service.check_due(cast.SYSTEM) for _ in range(2)] == [1, 0]
        assert letter(key).noticed_at is not None and letter(key).state == "LIVE"
        clock.shift(timedelta(days=5))
        assert [commitment_service.check_due(cast.SYSTEM) for _ in range(2)] == [1, 0]
        assert (letter(key).state, outcome(key)) == ("EXPIRED", None)
        assert refused(road.offer, who, key).code is ErrorCode.COMMITMENT_EXPIRED
        worse = road.promise(promised_fen=399 * WAN)
        assert refused(bank_service.commit, approver, key, worse).code is ErrorCode.COMMITMENT_WORSE
        bank_service.commit(approver, key, road.promise())
        road.walk(who, "APPROVED", bridge_id=key)
        assert letter(key).state == "LIVE"


def test_what_is_drawn_short_late_or_not_at_all_is_broken_unless_a_named_condition_is_open() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people(fund_fen=5000 * WAN)
        officer, approver = who.new_bank[Role.BANK_OFFICER], who.new_bank[Role.BANK_APPROVER]

        def repaid(**facts: object) -> UUID:
            key = road.walk(who, "PRECHECKED")
            bank_service.commit(approver, key, road.promise(**facts))
            return road.walk(who, "OLD_REPAID", bridge_id=key)

        kept, short, late = repaid(), repaid(open_kinds=("COLLATERAL",)), repaid(latest_drawdown_on=today() + timedelta(days=30))
        excused, taken_back = repaid(open_kinds=("PAPERS", "RECORD")), road.walk(who, "APPROVED")
        road.drawn(who, kept)
        with transaction(cast.SYSTEM, read_only=True):
            condition = session().scalars(
                select(CommitmentCondition.id).where(CommitmentCondition.commitment_id == letter(short).id)
            ).one()
        commitment_service.meet(officer, condition)
        note = bank_service.NewNote("NEW-2", 300 * WAN, today(), rate=Decimal("0.05"), excuse="COLLATERAL")
        assert refused(bank_service.confirm_drawn, officer, short, note).field == "excuse"
        bank_service.confirm_drawn(officer, short, bank_service.NewNote("NEW-2", 300 * WAN, today(), rate=Decimal("0.05")))
        bank_service.refuse_renewal(officer, excused, "材料没有补齐", "PAPERS")
        bank_service.decline(approver, taken_back, "总行收紧")
        clock.shift(timedelta(days=31))
        money_service.mark_due(cast.SYSTEM)
        commitment_service.check_due(cast.SYSTEM)
        assert outcome(late) == ("BROKEN", ["LATER"], None)
        road.drawn(who, late, 200 * WAN)
        assert [outcome(key) for key in (kept, short, late, excused, taken_back)] == [
            ("KEPT", [], None), ("BROKEN", ["LESS", "DEARER"], None), ("BROKEN", ["LESS", "LATER"], None),
            ("EXCUSED", ["NOT_AT_ALL"], "PAPERS"), ("BROKEN", ["NOT_AT_ALL"], None),
        ]
        stranger = cast.firm("别的企业")[Role.FIRM_CLERK]
        with transaction(stranger, read_only=True):
            counted = commitment_queries.kept_by({who.new_bank.id})[who.new_bank.id]
            assert (counted.kept, counted.total, counted.excused) == (1, 5, 1)
            assert session().execute(commitment_queries.outcomes()).all() == []
