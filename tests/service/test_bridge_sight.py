"""Who sees a bridge, in SQL, as the portal's login role with each organisation's identity; and the fund's book as a walk."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text

from app.bridge import fund_service, hold_service, service
from app.bridge.models import Bridge
from app.core import ledger
from app.core.calendar import now
from app.core.cases import join_case
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import OrgKind, Role
from tests import bridge_cast as road
from tests import cast

pytestmark = pytest.mark.usefixtures("database")

TABLES = ("renewal_ask", "fund", "bridge", "commitment", "bridge_quote", "bridge_hop")


def counts(ctx: Context) -> dict[str, int]:
    """How many rows of each table an identity reads."""
    with transaction(ctx, read_only=True):
        return {table: session().scalar(text(f"select count(*) from {table}")) or 0 for table in TABLES}


def sees(ctx: Context) -> set[str]:
    return {table for table, count in counts(ctx).items() if count}


def test_five_organisations_see_their_bridge_and_nobody_else_does() -> None:
    who = road.people(cross=True, terms=road_cross())
    key = road.walk(who, "FUNDED")
    everything = set(TABLES)
    assert sees(who.boss) == everything - {"fund"}
    assert sees(who.old_bank[Role.BANK_OFFICER]) == {"renewal_ask", "bridge", "bridge_hop"}
    assert sees(who.new_bank[Role.BANK_OFFICER]) == {"bridge", "commitment", "bridge_hop"}
    assert sees(who.funder[Role.FUNDER_CLERK]) == {"fund", "bridge", "commitment", "bridge_quote", "bridge_hop"}
    assert sees(who.clerk) == everything
    assert sees(cast.bureau()[Role.BUREAU_AUDITOR]) == everything
    others = [
        cast.firm("别的企业")[Role.FIRM_CLERK], cast.bank("别的银行")[Role.BANK_OFFICER],
        cast.funder("别的资金方")[Role.FUNDER_CLERK], cast.provider()[Role.PROVIDER_CLERK],
        cast.platform()[Role.SYSTEM_ADMIN], Context.anonymous(),
    ]
    for stranger in others:
        assert sees(stranger) == set(), stranger.org_name
    stranger = dataclasses.replace(others[0], permissions=who.boss.permissions)
    with pytest.raises(Refusal) as refused:
        service.cancel(stranger, key, "与我无关")
    assert refused.value.code is ErrorCode.NOT_FOUND


def road_cross():
    """Terms of a fund for transfers to another bank."""
    from app.bridge.rules import CROSS_BANK

    return CROSS_BANK


def test_a_funder_sees_a_bridge_from_its_invitation_until_another_one_is_approved() -> None:
    who = road.people()
    other = cast.funder("羊城典当")
    road.fund(who.centre, other, 900 * WAN, name="二号")
    key = road.walk(who, "PRECHECKED")
    assert "bridge" not in sees(other[Role.FUNDER_CLERK])
    road.walk(who, "PICKED", bridge_id=key)
    assert {"bridge", "commitment"} <= sees(other[Role.FUNDER_CLERK])
    assert counts(other[Role.FUNDER_CLERK])["bridge_quote"] == 1
    hold_service.approve(who.reviewer, key)
    assert sees(other[Role.FUNDER_CLERK]) == {"fund", "bridge_quote"}


def test_a_stranger_cannot_write_into_a_bridge_even_with_sql() -> None:
    who = road.people()
    key = road.walk(who, "SIGNED")
    stranger = cast.bank("别的银行")[Role.BANK_OFFICER]
    with transaction(stranger):
        for statement in ("update bridge set amount_fen = 1", "update commitment set promised_fen = 1",
                          "update bridge_quote set amount_fen = 1", "update fund set state = 'CLOSED'"):
            assert session().execute(text(statement)).rowcount == 0
    assert road.seen(key).amount_fen == 300 * WAN


def steps(ctx: Context, case_id: UUID) -> list[str]:
    """The timeline of a case as an identity reads it."""
    with transaction(ctx, read_only=True):
        return list(session().scalars(text("select event from transition where case_id = :id order by at, id"), {"id": case_id}))


def test_the_parties_share_one_timeline_and_the_holds_are_between_firm_funder_and_city() -> None:
    who = road.people()
    key = road.walk(who, "SETTLED")
    case_id = road.seen(key).case_id
    told = ["apply", "precheck", "commit", "offer", "pick", "hold", "approve", "sign", "fund", "old_repaid", "new_drawn",
            "returned", "settle"]
    for ctx in (who.boss, who.funder[Role.FUNDER_CLERK], who.clerk, cast.bureau()[Role.BUREAU_AUDITOR]):
        assert steps(ctx, case_id) == told, ctx.org_name
    assert steps(who.new_bank[Role.BANK_OFFICER], case_id) == [event for event in told if event != "hold"]
    backer = cast.organisation(OrgKind.GUARANTOR, "只担保旧贷款的公司")
    with transaction(cast.SYSTEM):
        join_case(case_id, backer.id)
    assert steps(backer[Role.GUARANTOR_CLERK], case_id) == [], "a guarantor of the firm's loan is no party of its bridge"


def test_a_funder_whose_seat_ran_out_reads_nothing_of_the_one_that_follows() -> None:
    who = road.people()
    other = cast.funder("羊城典当")
    fund_id = road.fund(who.centre, other, 900 * WAN, name="二号")
    key = road.walk(who, "PICKED")
    second = dataclasses.replace(who, funder=other, fund_id=fund_id)
    road.offer(second, key)
    hold_service.approve(who.reviewer, key)
    case_id = road.seen(key).case_id
    first = who.funder[Role.FUNDER_CLERK]
    assert steps(first, case_id)[-3:] == ["pick", "hold", "approve"], "whose money it is does not read who else offered"
    with time_machine.travel(now() + timedelta(days=4), tick=True):
        hold_service.expire_due(cast.SYSTEM)
        service.pick(who.boss, key, road.quote_of(second, key))
        hold_service.approve(who.reviewer, key)
    assert steps(first, case_id) == ["offer", "hold", "expire"], "its own word and its own seat"
    assert steps(other[Role.FUNDER_CLERK], case_id)[-3:] == ["pick", "hold", "approve"]


def test_every_use_case_leaves_one_event_and_the_account_number_stays_out_of_the_log() -> None:
    who = road.people()
    road.walk(who, "SETTLED")
    with transaction(cast.SYSTEM, read_only=True):
        found = "select action, facts::text as facts from audit_event where action ~ '^(bridge|ask)[.]'"
        rows = list(session().execute(text(found)))
    assert len(rows) == 14
    assert not any("4400888899990000" in row.facts for row in rows)


class FundBook(RuleBasedStateMachine):
    """Money of one fund under any order of events: free = in − out of the fund − reserved − paid out + returned."""

    bridges = Bundle("bridges")

    @initialize()
    def open(self) -> None:
        self.who = road.people(0)
        self.put_in = self.taken = 0
        self.model: dict[UUID, tuple[str, int, int]] = {}
        self.serial = 0

    @rule(wan=st.integers(1, 900))
    def top_up(self, wan: int) -> None:
        self.serial += 1
        fund_service.top_up(self.who.reviewer, self.who.fund_id, wan * WAN, f"T{self.serial}")
        self.put_in += wan * WAN

    @rule(wan=st.integers(1, 900))
    def withdraw(self, wan: int) -> None:
        self.serial += 1
        enough = self.free() >= wan * WAN
        try:
            fund_service.withdraw(self.who.reviewer, self.who.fund_id, wan * WAN, f"W{self.serial}")
        except Refusal as error:
            assert error.code is ErrorCode.FUND_EXHAUSTED and not enough
            return
        assert enough
        self.taken += wan * WAN

    @rule(target=bridges, wan=st.integers(1, 300))
    def book(self, wan: int) -> UUID:
        key = road.walk(self.who, "BANK_COMMITTED", requested_fen=wan * WAN)
        self.model[key] = ("asked", wan * WAN, 0)
        return key

    @rule(key=bridges)
    def reserve(self, key: UUID) -> None:
        stage, amount, _ = self.model[key]
        if stage != "asked":
            return
        try:
            road.walk(self.who, "APPROVED", bridge_id=key)
        except Refusal as error:
            assert error.code is ErrorCode.FUND_EXHAUSTED and self.free() < amount
            return
        self.model[key] = ("reserved", amount, 0)

    @rule(key=bridges)
    def cancel(self, key: UUID) -> None:
        stage, amount, _ = self.model[key]
        if stage in ("asked", "reserved"):
            service.cancel(self.who.boss, key, "不需要了")
            self.model[key] = ("over", amount, 0)

    @rule(key=bridges)
    def pay(self, key: UUID) -> None:
        stage, amount, _ = self.model[key]
        if stage == "reserved":
            road.walk(self.who, "FUNDED", bridge_id=key)
            self.model[key] = ("out", amount, 0)

    @rule(key=bridges, share=st.integers(1, 4))
    def give_back(self, key: UUID, share: int) -> None:
        stage, amount, back = self.model[key]
        if stage == "out":
            part = max(1, (amount - back) * share // 4)
            road.give_back(self.who, key, part)
            self.model[key] = ("out", amount, back + part)
            if back + part == amount:
                road.walk(self.who, "SETTLED", bridge_id=key)
                self.model[key] = ("over", amount, amount)
                assert road.receivable(key) == 0

    def free(self) -> int:
        held = sum(amount for stage, amount, _ in self.model.values() if stage == "reserved")
        out = sum(amount - back for stage, amount, back in self.model.values() if stage == "out")
        return self.put_in - self.taken - held - out

    @invariant()
    def the_book_agrees(self) -> None:
        if not hasattr(self, "who"):
            return
        assert road.available(self.who.fund_id) == self.free() >= 0
        with transaction(cast.SYSTEM, read_only=True):
            out = session().execute(text(
                "select coalesce(sum(credits_posted_fen - debits_posted_fen), 0) as posted from ledger_account "
                "where code like 'bridge:%' and id in (select credit_account_id from ledger_transfer where kind = 'pending' "
                "and debit_account_id = (select id from ledger_account where code = :code))"
            ), {"code": f"fund:{self.who.fund_id}"}).scalar_one()
        assert out == sum(amount - back for stage, amount, back in self.model.values() if stage == "out")


def test_the_book_of_a_fund_holds_under_any_order_of_events() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(FundBook, settings=settings(
        max_examples=4, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck), database=None,
    ))


def test_the_models_hold_no_second_truth_of_what_is_out() -> None:
    who = road.people()
    key = road.walk(who, "NEW_DRAWN")
    road.give_back(who, key, 120 * WAN)
    with transaction(cast.SYSTEM, read_only=True):
        found = session().get_one(Bridge, key)
        assert found.outstanding_fen == ledger.account(f"bridge:{key}").balance_fen == 180 * WAN
