"""A transfer to another bank: its collateral moves, a guarantor covers the gap, and it owes what is overdue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID, uuid4

import pytest
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.bridge import (
    bank_service,
    collateral_service,
    correction_service,
    guarantee_service,
    money_service,
    trouble_service,
)
from app.bridge.claim_service import open_claim
from app.bridge.collateral_models import BridgeCollateral, BridgeGuarantee
from app.bridge.collateral_rules import COLLATERAL, GUARANTEE, CollateralState, GuaranteeState
from app.bridge.hops import acts_of
from app.bridge.rules import CROSS_BANK
from app.bridge.states import OUT
from app.bridge.trouble_models import BridgeClaim, BridgeTrouble
from app.core.calendar import today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import refusal
from app.core.money import WAN
from app.core.permissions import OrgKind, Role, permissions_of
from tests import bridge_cast as road
from tests import cast
from tests.cast import Cast

FRIDAY = datetime(2026, 9, 4, 2, 0, tzinfo=UTC)
"""10:00 in Guangzhou."""
DAY = timedelta(days=1)


@dataclass
class Move:
    """A bridge between two banks with one security, and the guarantor that was asked."""

    who: road.People
    key: UUID
    guarantor: Cast
    thing: UUID
    guarantee: UUID

    @property
    def old(self) -> Context:
        return self.who.old_bank[Role.BANK_OFFICER]

    @property
    def new(self) -> Context:
        return self.who.new_bank[Role.BANK_OFFICER]


def begin(who: road.People, guarantor: Cast, to: str = "SIGNED", *, confirmed: bool = True) -> Move:
    key = road.walk(who, to)
    thing = collateral_service.enter(who.clerk, key, "REAL_ESTATE", "天河区某路 1 号", f"粤（2024）{uuid4().hex[:8]}")
    asked = guarantee_service.ask(who.clerk, key, guarantor.id, 300 * WAN)
    if confirmed:
        guarantee_service.confirm(guarantor[Role.GUARANTOR_CLERK], asked.id, "BZ-2026-1")
    return Move(who, key, guarantor, thing.id, asked.id)


def people() -> tuple[road.People, Cast]:
    return road.people(terms=CROSS_BANK, cross=True), cast.organisation(OrgKind.GUARANTOR, "穗安融资担保公司")


def refused(call: Callable[..., object], *args: object) -> ErrorCode:
    with pytest.raises(Refusal) as caught:
        call(*args)
    return caught.value.code


def cover(key: UUID) -> str:
    with transaction(cast.SYSTEM, read_only=True):
        return guarantee_service.guarantees_of(key)[0].state


def claim(key: UUID) -> BridgeClaim | None:
    with transaction(cast.SYSTEM, read_only=True):
        return open_claim(key)


def troubles(key: UUID) -> dict[str, BridgeTrouble]:
    with transaction(cast.SYSTEM, read_only=True):
        return {row.kind: row for row in session().scalars(select(BridgeTrouble).where(BridgeTrouble.bridge_id == key))}


@pytest.mark.usefixtures("database")
def test_no_money_goes_out_over_moving_collateral_until_a_guarantor_stands_for_it() -> None:
    who, guarantor = people()
    other, clerk = cast.organisation(OrgKind.GUARANTOR, "别的担保公司"), guarantor[Role.GUARANTOR_CLERK]
    key = road.walk(who, "SIGNED")
    thing = collateral_service.enter(who.clerk, key, "EQUIPMENT", "数控机床", "DY-1")
    assert refused(collateral_service.enter, who.clerk, key, "OTHER", "又一台", "DY-1") is ErrorCode.COLLATERAL_EXISTS
    collateral_service.withdraw(who.clerk, collateral_service.enter(who.clerk, key, "OTHER", "错登", "DY-2").id, "登错了")
    assert refused(road.pay, who, key) is ErrorCode.BRIDGE_UNCOVERED
    assert refused(guarantee_service.ask, who.clerk, key, guarantor.id, 299 * WAN) is ErrorCode.AMOUNT_OUT_OF_RANGE
    assert refused(guarantee_service.ask, who.clerk, key, who.old_bank.id, 300 * WAN) is ErrorCode.NOT_FOUND
    first = guarantee_service.ask(who.clerk, key, other.id, 300 * WAN)
    assert refused(guarantee_service.ask, who.clerk, key, guarantor.id, 300 * WAN) is ErrorCode.STATE_CHANGED
    assert refused(road.pay, who, key) is ErrorCode.BRIDGE_UNCOVERED, "asked is not confirmed"
    guarantee_service.refuse(other[Role.GUARANTOR_CLERK], first.id, "行业限额已满")
    second = guarantee_service.ask(who.clerk, key, guarantor.id, 320 * WAN)
    assert refused(guarantee_service.confirm, other[Role.GUARANTOR_CLERK], second.id, "BZ-9") is ErrorCode.NOT_FOUND
    assert guarantee_service.confirm(clerk, second.id, "BZ-1").state == "CONFIRMED"
    paid = road.pay(who, key)
    assert refused(guarantee_service.withdraw, who.clerk, second.id, "换一家") is ErrorCode.STATE_CHANGED
    assert refused(collateral_service.enter, who.clerk, key, "OTHER", "太晚", "DY-3") is ErrorCode.STATE_CHANGED
    with transaction(cast.SYSTEM, read_only=True):
        row = session().get_one(BridgeCollateral, thing.id)
    assert paid.paid_on is not None
    assert (row.release_by, row.register_by) == (paid.paid_on + 30 * DAY, paid.paid_on + 45 * DAY)
    for ctx, count in ((clerk, 1), (cast.organisation(OrgKind.GUARANTOR, "局外担保")[Role.GUARANTOR_CLERK], 0)):
        with transaction(ctx, read_only=True):
            for table in ("bridge", "bridge_hop", "bridge_guarantee where state = 'CONFIRMED'",
                          "bridge_collateral where state = 'AT_OLD'"):
                found = session().scalar(text(f"select count(*) from {table}"))
                assert (found > 0) == bool(count), table
            assert session().scalar(text("select count(*) from commitment")) == 0, "what the bank promised is not its business"
            steps = set(session().scalars(text("select event from transition where subject_type = 'bridge'")))
            assert ("fund" in steps) == bool(count), "who covers the gap follows the bridge"
    rival = who.new_bank[Role.BANK_OFFICER]
    with pytest.raises(DBAPIError, match="released by the old bank"), transaction(rival):
        session().execute(text("update bridge_collateral set state = 'RELEASED', released_on = current_date, released_by = :me, "
                               "release_reference = 'X' where state = 'AT_OLD'"), {"me": rival.actor_id})


@pytest.mark.usefixtures("database")
def test_each_bank_moves_the_collateral_by_its_day_or_everybody_hears_of_it() -> None:
    who, guarantor = people()
    with time_machine.travel(FRIDAY, tick=False) as clock:
        move = begin(who, guarantor)
        road.pay(who, move.key)
        assert refused(collateral_service.release, move.old, move.thing, today(), "ZX-1") is ErrorCode.STATE_CHANGED
        road.walk(who, "NEW_DRAWN", bridge_id=move.key)
        assert refused(collateral_service.release, move.new, move.thing, today(), "ZX-1") is ErrorCode.FORBIDDEN
        clock.shift(30 * DAY)
        assert trouble_service.find_troubles(cast.SYSTEM) == 0, "the last day is still a day"
        clock.shift(DAY)
        assert (trouble_service.find_troubles(cast.SYSTEM), trouble_service.find_troubles(cast.SYSTEM)) == (1, 0)
        late = troubles(move.key)["COLLATERAL_RELEASE"]
        assert (late.owner_org_id, late.state) == (who.old_bank.id, "OPEN") and late.due_at > late.opened_at
        assert trouble_service.answer(move.old, late.id, "产权中心排队").state == "OPEN", "words do not release a mortgage"
        road.give_back(who, move.key, 300 * WAN)
        assert troubles(move.key)["COLLATERAL_RELEASE"].state == "OPEN", "the money is back, the security is not"
        collateral_service.release(move.old, move.thing, today(), "ZX-1")
        assert troubles(move.key)["COLLATERAL_RELEASE"].outcome == "MOVED"
        money_service.settle(who.clerk, move.key, "FEE-1")
        clock.shift(20 * DAY)
        assert trouble_service.find_troubles(cast.SYSTEM) == 1
        assert troubles(move.key)["COLLATERAL_REGISTER"].owner_org_id == who.new_bank.id
        early = today() - 30 * DAY
        assert refused(collateral_service.register, move.new, move.thing, early, "DY-9") is ErrorCode.DATE_OUT_OF_RANGE
        collateral_service.register(move.new, move.thing, today(), "DY-9")
    assert {row.outcome for row in troubles(move.key).values()} == {"MOVED"}
    assert cover(move.key) == "ENDED"


@pytest.mark.usefixtures("database")
def test_an_overdue_bridge_is_claimed_from_its_guarantor_until_the_money_is_back() -> None:
    who, guarantor = people()
    with time_machine.travel(FRIDAY, tick=False) as clock:
        move = begin(who, guarantor)
        road.walk(who, "OLD_REPAID", bridge_id=move.key)
        bank_service.refuse_renewal(move.new, move.key, "抵押物被查封")
        before = claim(move.key)
        assert before is not None and before.debtor_org_id == who.firm.id
        clock.shift(7 * DAY)
        assert money_service.mark_due(cast.SYSTEM) == 1
        passed = claim(move.key)
        assert passed is not None and (passed.debtor_org_id, passed.passed_from_id) == (guarantor.id, before.id)
        assert (passed.creditor_org_id, passed.opened_fen, cover(move.key)) == (who.funder.id, 300 * WAN, "CALLED")
        with transaction(cast.SYSTEM, read_only=True):
            assert session().get_one(BridgeClaim, before.id).outcome == "PASSED"
        called = troubles(move.key)["GUARANTEE_CALLED"]
        assert (called.owner_org_id, called.amount_fen) == (guarantor.id, 300 * WAN)
        told = trouble_service.answer(guarantor[Role.GUARANTOR_CLERK], called.id, "三个工作日内代偿")
        assert told.state == "OPEN", "words do not pay"
        for forged in (f"update bridge_claim set debtor_org_id = '{who.firm.id}' where closed_at is null",
                       "update bridge_guarantee set state = 'ENDED', ended_at = now() where state = 'CALLED'"):
            with pytest.raises(DBAPIError, match="somebody else"), transaction(cast.SYSTEM):
                session().execute(text(forged))
        road.give_back(who, move.key, 300 * WAN)
        assert claim(move.key) is None
        with transaction(cast.SYSTEM, read_only=True):
            wrong = acts_of(move.key)[-1].first.id
        row = correction_service.propose_correction(who.clerk, move.key, wrong, "K-1", "K-2", "没有到账")
        correction_service.decide_correction(who.reviewer, row.id, True, "核对无误")
        again = claim(move.key)
        assert road.seen(move.key).state == "OVERDUE" and again is not None and again.debtor_org_id == guarantor.id
        road.give_back(who, move.key, 300 * WAN)
        money_service.settle(who.clerk, move.key, "FEE-1")
    assert (claim(move.key), cover(move.key), road.receivable(move.key)) == (None, "ENDED", 0)
    assert troubles(move.key)["GUARANTEE_CALLED"].state == "CLOSED"


# --- the tables --------------------------------------------------------------------------------------------------------

OFFICER, GUARANTOR, CENTRE, PORTAL = Role.BANK_OFFICER, Role.GUARANTOR_CLERK, Role.CENTRE_CLERK, Role.SYSTEM
MATRIX = {
    COLLATERAL: {
        "AT_OLD": {"release": ("RELEASED", OFFICER), "withdraw": ("WITHDRAWN", CENTRE)},
        "RELEASED": {"register": ("REGISTERED", OFFICER)}, "REGISTERED": {}, "WITHDRAWN": {},
    },
    GUARANTEE: {
        "ASKED": {"confirm": ("CONFIRMED", GUARANTOR), "refuse": ("REFUSED", GUARANTOR), "withdraw": ("WITHDRAWN", CENTRE),
                  "end": ("ENDED", PORTAL)},
        "CONFIRMED": {"withdraw": ("WITHDRAWN", CENTRE), "call": ("CALLED", PORTAL), "end": ("ENDED", PORTAL)},
        "CALLED": {"end": ("ENDED", PORTAL)}, "REFUSED": {}, "WITHDRAWN": {}, "ENDED": {},
    },
}


def test_every_state_of_collateral_and_guarantee_meets_every_event_and_every_role() -> None:
    for lifecycle, model, states in (
            (COLLATERAL, BridgeCollateral, CollateralState), (GUARANTEE, BridgeGuarantee, GuaranteeState)):
        assert set(MATRIX[lifecycle]) == {state.value for state in states}
        for state, event, role in product(states, lifecycle.events(), Role):
            actor = Context(None, None, None, frozenset({role}), permissions_of(frozenset({role})))
            target, who = MATRIX[lifecycle][state.value].get(event, ("", None))
            assert (refusal(actor, lifecycle, model(state=state.value), event) is None) == (role is who), (state, event, role)
            found = lifecycle.find(state, event)
            assert (found.target.value if found else "") == target


class Transfer(RuleBasedStateMachine):
    """One transfer to another bank under any order of payment, refusal, delay, release, registration, return and correction."""

    who: road.People
    guarantor: Cast
    clock: time_machine.Traveller

    def __init__(self) -> None:
        super().__init__()
        self.move = begin(self.who, self.guarantor)
        self.key = self.move.key

    def state(self) -> str:
        return road.seen(self.key).state

    def tried(self, call: Callable[..., object], *args: object) -> None:
        try:
            call(*args)
        except Refusal as error:
            assert error.code is not ErrorCode.CONSTRAINT, call

    @rule(event=st.sampled_from(["FUNDED", "OLD_REPAID", "NEW_DRAWN"]))
    def goes_on(self, event: str) -> None:
        self.tried(road.STEPS[event], self.who, self.key)

    @rule()
    def bank_refuses(self) -> None:
        self.tried(bank_service.refuse_renewal, self.move.new, self.key, "不续")

    @rule(days=st.sampled_from([2, 7, 40]))
    def time_passes(self, days: int) -> None:
        self.clock.shift(days * DAY)
        money_service.mark_due(cast.SYSTEM)
        trouble_service.find_troubles(cast.SYSTEM)

    @rule()
    def security_moves(self) -> None:
        self.tried(collateral_service.release, self.move.old, self.move.thing, today(), "ZX")
        self.tried(collateral_service.register, self.move.new, self.move.thing, today(), "DY")

    @rule(part=st.booleans())
    def money_comes_back(self, part: bool) -> None:
        left = road.seen(self.key).outstanding_fen
        self.tried(road.give_back, self.who, self.key, left // 2 if part else left)

    @rule()
    def was_recorded_wrongly(self) -> None:
        with transaction(cast.SYSTEM, read_only=True):
            acts = acts_of(self.key)
        if acts:
            self.tried(self._take_back, acts[-1].first.id)

    def _take_back(self, hop_id: UUID) -> None:
        row = correction_service.propose_correction(self.who.clerk, self.key, hop_id, uuid4().hex, uuid4().hex, "错")
        correction_service.decide_correction(self.who.reviewer, row.id, True, "对")

    @rule()
    def is_settled(self) -> None:
        self.tried(money_service.settle, self.who.clerk, self.key, uuid4().hex)

    @invariant()
    def ends_in_zero_or_in_a_named_claim_against_who_stands_for_it(self) -> None:
        bridge, stands, word = road.seen(self.key), claim(self.key), cover(self.key)
        assert road.receivable(self.key) == bridge.outstanding_fen
        if bridge.state in ("OVERDUE", "RENEWAL_REFUSED") and bridge.outstanding_fen:
            assert stands is not None
        if bridge.state not in OUT:
            assert stands is None
        if stands is not None:
            assert stands.debtor_org_id == (self.guarantor.id if word == "CALLED" else self.who.firm.id)
        assert not (bridge.state == "OVERDUE" and bridge.outstanding_fen and word == "CONFIRMED")


@pytest.mark.usefixtures("database")
def test_any_order_of_events_ends_in_zero_or_in_a_claim_against_who_stands_for_it() -> None:
    with time_machine.travel(FRIDAY, tick=False) as clock:
        Transfer.who, Transfer.guarantor = people()
        Transfer.clock = clock
        run_state_machine_as_test(Transfer, settings=settings(
            max_examples=6, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)))
