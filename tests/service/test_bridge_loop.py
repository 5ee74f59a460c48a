"""The closed loop: accounts on two people's word, hops between them alone, corrections that change nothing, books that agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.bridge import account_service, bank_service, correction_service, hold_service, money_service, service
from app.bridge.hops import acts_of, returns_of
from app.bridge.states import OUT, HopAccount
from app.core.calendar import SHANGHAI, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN, YUAN
from app.core.permissions import Role
from tests import bridge_cast as road
from tests import cast
from tests.database import TestDatabase
from tests.seal_tools import owner_sql

pytestmark = pytest.mark.usefixtures("database")

MORNING = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
HOP = """insert into bridge_hop (id, bridge_id, no, from_account, to_account, amount_fen, on_day, voucher_no, at, actor_id,
  from_account_id, to_account_id, moved_at)
  select gen_random_uuid(), :bridge, 90 + random() * 1000, cast(:source as text), cast(:target as text), :fen,
    (now() at time zone 'Asia/Shanghai')::date, gen_random_uuid()::text, now(), null,
    (select id from bridge_account where bridge_id = :of and kind = :source),
    (select id from bridge_account where bridge_id = :of and kind = :target), now()"""


def refused(call: Any, *args: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*args)
    return caught.value


def sql(ctx: Context, statement: str, **values: Any) -> Any:
    with transaction(ctx):
        return session().execute(text(statement), values)


def test_accounts_count_once_two_people_have_typed_them_and_only_as_ciphertext() -> None:
    who = road.people()
    key = road.walk(who, "APPROVED")
    shown = road.seen(key)
    assert refused(service.sign, who.boss, key, "XY-1", 990_000).code is ErrorCode.ACCOUNTS_MISSING
    entries = {kind: account_service.Entry("户名", "支行", number) for kind, number in road.NUMBERS.items()}
    alike = {**entries, HopAccount.CUSTODY: entries[HopAccount.FUNDER]}
    assert refused(account_service.enter_accounts, who.clerk, key, alike).code is ErrorCode.ACCOUNTS_ALIKE
    short = {**entries, HopAccount.REPAYMENT: account_service.Entry("户名", "支行", "12")}
    said = refused(account_service.enter_accounts, who.clerk, key, short)
    assert (said.code, said.field) == (ErrorCode.INVALID, "repayment_number")
    account_service.enter_accounts(who.clerk, key, entries)
    wrong = {**road.NUMBERS, HopAccount.CUSTODY: "4400555566667778"}
    said = refused(account_service.confirm_accounts, who.reviewer, key, wrong)
    assert (said.code, said.field) == (ErrorCode.ACCOUNT_DIFFERS, "custody_number")
    for forged in ("confirmed_by = :me", "confirmed_by = entered_by"):
        with pytest.raises(DBAPIError, match=r"confirmed once, by another person|two_people"):
            sql(who.clerk, f"update bridge_account set state = 'CONFIRMED', {forged}, confirmed_at = now()",
                me=who.clerk.actor_id)
    assert refused(service.sign, who.boss, key, "XY-1", 990_000).code is ErrorCode.ACCOUNTS_MISSING
    account_service.confirm_accounts(who.reviewer, key, road.NUMBERS)
    with transaction(cast.SYSTEM, read_only=True):
        rows = list(session().execute(text("select kind, number, digest from bridge_account where bridge_id = :id "
                                           "and state = 'CONFIRMED'"), {"id": key}))
        log = "".join(session().execute(text("select facts::text from audit_event")).scalars())
    assert {row.kind for row in rows} == {"FUNDER", "CUSTODY", "REPAYMENT", "RENEWAL"}
    plain = ["4400111122223333", "4400555566667777", "4400888899990000"]
    assert not any(number.encode() in bytes(row.number) or len(row.digest) != 32 for row in rows for number in plain)
    assert not any(number in log for number in plain)
    road.sign(who, key)
    assert refused(account_service.enter_accounts, who.clerk, key, entries).code is ErrorCode.STATE_CHANGED
    with pytest.raises(DBAPIError, match="stands from the signature on"):
        sql(who.clerk, "update bridge_account set state = 'REPLACED' where kind = 'CUSTODY'")
    assert shown.fund_id is not None
    second = road.walk(who, "APPROVED")
    kept = account_service.Entry("", "", "")
    account_service.enter_accounts(who.clerk, second, {**entries, HopAccount.FUNDER: kept, HopAccount.CUSTODY: kept})
    account_service.confirm_accounts(who.reviewer, second, road.NUMBERS)


def test_the_database_lets_money_move_on_the_loop_alone() -> None:
    who = road.people()
    key, other = road.walk(who, "OLD_REPAID"), road.walk(who, "SIGNED")
    never = "foreign key|ck_bridge_hop|confirmed accounts|more than it got|disagree"
    for source, target, of, fen in (
        ("FUNDER", "REPAYMENT", key, 1), ("REPAYMENT", "FUNDER", key, 1), ("CUSTODY", "RENEWAL", key, 1),  # no such hop
        ("REPAYMENT", "CUSTODY", other, 1),  # the account of another bridge
        ("CUSTODY", "FUNDER", key, 1),  # custody holds nothing
        ("REPAYMENT", "CUSTODY", key, 300 * WAN + 1), ("FUNDER", "CUSTODY", key, 1),  # more than is out, more than was lent
        ("REPAYMENT", "CUSTODY", key, 1),  # and what hops say without the ledger is refused at the end of the transaction
    ):
        with pytest.raises(DBAPIError, match=never):
            sql(who.clerk, HOP, bridge=key, source=source, target=target, of=of, fen=fen)
    with pytest.raises(DBAPIError, match="day and time"):
        sql(who.clerk, f"{HOP} + interval '2 days'", bridge=key, source="REPAYMENT", target="CUSTODY", of=key, fen=1)
    taken = money_service.Payout(0, f"O-{key.hex}", "anything")
    assert refused(money_service.pay_out, who.clerk, other, taken).code is ErrorCode.VOUCHER_TAKEN, "one voucher, one movement"


def correct(who: road.People, key: UUID) -> None:
    with transaction(cast.SYSTEM, read_only=True):
        last = acts_of(key)[-1].first.id
    row = correction_service.propose_correction(who.clerk, key, last, uuid4().hex, uuid4().hex, "凭证登记错了")
    correction_service.decide_correction(who.reviewer, row.id, True, "核对无误")


def test_a_correction_is_a_counter_hop_of_two_people_and_the_fee_follows_what_stands() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people()
        key = road.walk(who, "FUNDED")
        correct(who, key)  # the payout was never made that day
        waits = road.seen(key)
        assert (waits.state, waits.paid_on, road.receivable(key)) == ("SIGNED", None, 0)
        assert road.available(who.fund_id) == 1700 * WAN, "reserved as before"
        clock.shift(timedelta(days=1))
        yesterday = datetime(2026, 11, 23, 9, 30, tzinfo=SHANGHAI)
        late = money_service.Payout(0, "O-2", "C-2", datetime(2026, 11, 22, 9, 0, tzinfo=SHANGHAI))
        assert refused(money_service.pay_out, who.clerk, key, late).field == "out_at", "not before the signature"
        money_service.pay_out(who.clerk, key, money_service.Payout(0, "O-2", "C-2", yesterday, yesterday + timedelta(hours=1)))
        road.walk(who, "NEW_DRAWN", bridge_id=key)
        clock.shift(timedelta(days=2))
        road.give_back(who, key, 300 * WAN)
        wrong = road.seen(key)
        assert wrong.state == "BRIDGE_RETURNED"
        with transaction(cast.SYSTEM, read_only=True):
            first = acts_of(key)[-1].first.id
        row = correction_service.propose_correction(who.clerk, key, first, "K-1", "K-2", "金额登记错了")
        assert refused(correction_service.propose_correction, who.clerk, key, first, "K-3", "K-4", "再来").code is (
            ErrorCode.HOP_CORRECTION_OPEN)
        assert refused(money_service.settle, who.clerk, key, "FEE").code is ErrorCode.STATE_CHANGED, "not while it waits"
        correction_service.decide_correction(who.reviewer, row.id, True, "核对无误")
        open_again = road.seen(key)
        assert (open_again.state, open_again.outstanding_fen, open_again.returned_on) == ("NEW_DRAWN", 300 * WAN, None)
        assert road.receivable(key) == 300 * WAN and open_again.next_check_at is not None
        back = money_service.Return(300 * WAN, today(), "I-9", "R-9", HopAccount.RENEWAL)
        money_service.record_return(who.clerk, key, back)
        with transaction(cast.SYSTEM, read_only=True):
            assert [(part.amount_fen, part.on_day) for part in returns_of(road.seen(key))] == [(300 * WAN, today())]
            hops = list(session().execute(text("select no from bridge_hop where bridge_id = :id"), {"id": key}).scalars())
        assert len(hops) == 12, "two of each: payout, counter, payout, return, counter, return"
        assert money_service.settle(who.clerk, key, "FEE-9").fee_fen == 5_940 * YUAN, "three days of 0.066 % on 300 万元"
    for forged in ("corrects_id = null", "amount_fen = 1"):
        with pytest.raises(DBAPIError, match=r"permission denied|append-only"):
            sql(who.clerk, f"update bridge_hop set {forged}")


class Loop(RuleBasedStateMachine):
    """One bridge under any order of payouts, part returns, early returns, corrections and settlements."""

    who: road.People

    def __init__(self) -> None:
        super().__init__()
        self.key = road.walk(self.who, "FUNDED")
        self.out, self.acts = 300 * WAN, [300 * WAN]

    def state(self) -> str:
        return road.seen(self.key).state

    @rule()
    def pay(self) -> None:
        if self.state() == "SIGNED":
            found = road.seen(self.key)
            vouchers = uuid4().hex, uuid4().hex
            money_service.pay_out(self.who.clerk, self.key, money_service.Payout(found.old_due_fen, *vouchers))
            self.out, self.acts = 300 * WAN, [300 * WAN]

    @rule()
    def goes_on(self) -> None:
        if self.state() in ("FUNDED", "OLD_REPAID"):
            road.walk(self.who, {"FUNDED": "OLD_REPAID", "OLD_REPAID": "NEW_DRAWN"}[self.state()], bridge_id=self.key)

    @rule(share=st.integers(1, 5), renewed=st.booleans())
    def give_back(self, share: int, renewed: bool) -> None:
        source = HopAccount.RENEWAL if renewed else HopAccount.REPAYMENT
        amount = self.out * share // 4 + (1 if share == 1 else 0)
        back = money_service.Return(amount, today(), uuid4().hex, uuid4().hex, source)
        try:
            money_service.record_return(self.who.clerk, self.key, back)
        except Refusal as error:
            assert error.code in (ErrorCode.REPAYMENT_TOO_LARGE, ErrorCode.STATE_CHANGED, ErrorCode.AMOUNT_OUT_OF_RANGE)
            assert amount > self.out or self.out == 0
            return
        assert 0 < amount <= self.out
        self.out -= amount
        self.acts.append(amount)

    @rule()
    def take_back(self) -> None:
        state = self.state()
        if state in (*OUT, "BRIDGE_RETURNED") and (len(self.acts) > 1 or state == "FUNDED"):
            correct(self.who, self.key)
            amount = self.acts.pop()
            self.out = self.out + amount if self.acts else 0

    @rule()
    def settle(self) -> None:
        if self.state() == "BRIDGE_RETURNED":
            money_service.settle(self.who.clerk, self.key, uuid4().hex)
            assert self.out == 0

    @invariant()
    def hops_ledger_and_bridge_agree(self) -> None:
        found = road.seen(self.key)
        with transaction(cast.SYSTEM, read_only=True):
            net = session().execute(text("select * from hq_bridge_out(:id)"), {"id": self.key}).one()
            sums = session().execute(text(
                "select sum(debits_posted_fen) as debits, sum(credits_posted_fen) as credits, "
                "min(case when bounded then credits_posted_fen - debits_posted_fen - debits_pending_fen end) as least "
                "from ledger_account")).one()
        assert net.custody == 0 and net.outside == found.outstanding_fen == self.out == road.receivable(self.key) >= 0
        assert net.beyond == self.out, "what is out lies beyond the custody account"
        assert sums.debits == sums.credits and sums.least >= 0, "the trial balance holds"
        # Zero, or a claim that has its name: the state says against whom it is open.
        assert (self.out > 0) == (found.state in OUT)


def test_every_bridge_ends_in_zero_or_in_a_named_open_claim() -> None:
    Loop.who = road.people(900_000 * WAN)
    run_state_machine_as_test(Loop, settings=settings(
        max_examples=5, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck), database=None,
    ))



# --- where the renewal money arrives -----------------------------------------------------------------------------------


def test_the_renewal_money_arrives_on_an_account_of_the_loop_or_nothing_is_signed() -> None:
    who, elsewhere = road.people(), road.promise(receiving_account="6222020200112233445")
    approver = who.new_bank[Role.BANK_APPROVER]
    early, late = road.walk(who, "PRECHECKED"), road.walk(who, "PRECHECKED")
    # The centre knows the loan's account from the old contract: the letter is measured by it when it is given.
    own = {HopAccount.REPAYMENT: account_service.Entry(who.firm.name, "示例银行", road.NUMBERS[HopAccount.REPAYMENT])}
    account_service.enter_accounts(who.clerk, early, own)
    account_service.confirm_accounts(who.reviewer, early, road.NUMBERS)
    said = refused(bank_service.commit, approver, early, elsewhere)
    assert (said.code, said.field) == (ErrorCode.RECEIVING_OUTSIDE, "receiving_account")
    assert road.walk(who, "SIGNED", bridge_id=early) == early, "the account of the loan is taken over and confirmed again"
    # Where nothing was entered yet, the accounts are measured by the letter, and the bank signs again.
    bank_service.commit(approver, late, elsewhere)
    road.walk(who, "PICKED", bridge_id=late)
    assert refused(road.accounts, who, late).code is ErrorCode.RECEIVING_OUTSIDE
    bank_service.commit(approver, late, road.promise(receiving_account="4400 8888 9999 0000"))
    road.accounts(who, late)
    # A wrong account that the letter names as well is put right by the clerk first, and by the bank after it.
    other = {**road.NUMBERS, HopAccount.REPAYMENT: "4400888899991111"}
    account_service.enter_accounts(who.clerk, late, {
        kind: account_service.Entry("示例户名", "示例银行", number) for kind, number in other.items()})
    account_service.confirm_accounts(who.reviewer, late, other)
    hold_service.approve(who.reviewer, late)
    assert refused(service.sign, who.boss, late, "XY-2", 990_000).code is ErrorCode.ACCOUNTS_MISSING
    bank_service.commit(approver, late, road.promise(receiving_account="4400888899991111"))
    account_service.enter_accounts(who.clerk, late, {
        kind: account_service.Entry("示例户名", "示例银行", number) for kind, number in other.items()})
    account_service.confirm_accounts(who.reviewer, late, other)
    road.walk(who, "SETTLED", bridge_id=late)


def test_the_database_lets_no_renewal_money_arrive_outside_the_loop(database: TestDatabase) -> None:
    who = road.people()
    key = road.walk(who, "NEW_DRAWN")
    for ctx, table, only, changes in (
        (who.new_bank[Role.BANK_APPROVER], "commitment", "true", "'state', 'LIVE'"),
        (who.clerk, "bridge_account", "kind = 'RENEWAL'", "'state', 'ENTERED', 'confirmed_by', null, 'confirmed_at', null"),
    ):
        column = {"commitment": "receiving_digest", "bridge_account": "digest"}[table]
        with pytest.raises(DBAPIError, match="leave the loop"), transaction(ctx):
            session().execute(text(f"update {table} set state = 'REPLACED' where {only}"))
            session().execute(text(
                f"insert into {table} select (jsonb_populate_record(old, jsonb_build_object('id', gen_random_uuid(), "
                f"'entered_by', cast(:me as text), '{column}', "
                f"'\\x' || repeat('ab', 32), {changes}))).* from {table} old where {only}",
            ), {"me": str(ctx.actor_id)})
    # A bridge from before this rule: its renewal account is none of the three, and what comes from there is refused.
    owner_sql(database, "alter table bridge_account disable trigger bridge_account_hands; "
              "update bridge_account set digest = decode(repeat('ab', 32), 'hex') where kind = 'RENEWAL'; "
              "alter table bridge_account enable trigger bridge_account_hands")
    with pytest.raises(DBAPIError, match="between the confirmed accounts"):
        sql(who.clerk, HOP, bridge=key, source="RENEWAL", target="CUSTODY", of=key, fen=1)
    back = money_service.Return(1, today(), "I-1", "R-1", HopAccount.RENEWAL)
    said = refused(money_service.record_return, who.clerk, key, back)
    assert (said.code, said.field) == (ErrorCode.RECEIVING_OUTSIDE, "source")
    # Money that was out when the rule came is recorded all the same; nobody says so of an account afterwards.
    with pytest.raises(DBAPIError, match="leave the loop"):
        sql(who.clerk, "update bridge_account set before_loop = true where kind = 'RENEWAL'")
    owner_sql(database, "alter table bridge_account disable trigger user; "
              "update bridge_account set digest = decode(repeat('ab', 32), 'hex') where kind = 'REPAYMENT'; "
              "update bridge_account set before_loop = true, digest = (select receiving_digest from commitment "
              "where state = 'LIVE') where kind = 'RENEWAL'; "
              "alter table bridge_account enable trigger user")
    assert money_service.record_return(who.clerk, key, back).returned_fen == 1
