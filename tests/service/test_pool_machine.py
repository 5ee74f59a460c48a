"""Whatever officers do in whatever order, with claims of banks and guarantors: money is conserved, limits hold, every
reservation ends, and the layers of a guaranteed loss add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import make_url, text

from app.core.calendar import today
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ledger import transfer
from app.core.money import WAN
from app.core.permissions import Role
from app.pool import audit_service as audits
from app.pool import claim_service as claims
from app.pool import decision_service as decisions
from app.pool import money
from app.pool import recovery_service as recoveries
from app.pool import service as pool
from app.pool.check_service import check_pool
from app.pool.decision_models import DeductionKind
from app.pool.decision_service import Deduction
from app.pool.guarantee_models import Guarantee
from app.pool.layers import share_recovery, split_loss
from app.pool.models import Booking
from app.pool.rules import Mode
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import rule_set, terms
from tests.service.test_guarantors import Guaranteed

pytestmark = pytest.mark.service

LOSS, LIABILITY, AGAIN = 300 * WAN, Decimal("0.8"), Decimal("0.2")
WORTH = {Mode.BANK: 120 * WAN, Mode.GUARANTEE: 60 * WAN}
BUDGET = {Mode.BANK: 250 * WAN, Mode.GUARANTEE: 125 * WAN}
"""Every claim loses 300万; a bank's is worth 120, a guarantor's 60. The year has money for two of three of each mode."""
EXAMPLES, STEPS, CLAIMS = 15, 14, 3
_COPIES = """
drop table if exists copy;
create temporary table copy as select n, gen_random_uuid() as loan, gen_random_uuid() as booking, gen_random_uuid() as claim,
  gen_random_uuid() as contract from generate_series(1, {count}) n;
insert into loan select (jsonb_populate_record(l, jsonb_build_object(
  'id', k.loan, 'number', l.number || '-' || k.n, 'note_no', l.note_no || '-' || k.n))).* from loan l, copy k
  where l.id = (select loan_id from claim where id = '{claim}');
insert into instalment select (jsonb_populate_record(i, jsonb_build_object('loan_id', k.loan))).* from instalment i, copy k
  where i.loan_id = (select loan_id from claim where id = '{claim}');
insert into guarantee_contract ({contract_columns}) select {contract_columns} from (select (jsonb_populate_record(g,
  jsonb_build_object('id', k.contract, 'loan_id', k.loan))).* from guarantee_contract g, copy k
  where g.loan_id = (select loan_id from claim where id = '{claim}')) copied;
insert into booking ({booking_columns}) select {booking_columns} from (select (jsonb_populate_record(b, jsonb_build_object(
  'id', k.booking, 'loan_id', k.loan, 'note_no', b.note_no || '-' || k.n) || case when b.contract_id is null then '{{}}'::jsonb
  else jsonb_build_object('contract_id', k.contract) end)).* from booking b, copy k
  where b.id = (select booking_id from claim where id = '{claim}')) copied;
insert into claim select (jsonb_populate_record(c, jsonb_build_object(
  'id', k.claim, 'loan_id', k.loan, 'booking_id', k.booking, 'audit_id', null))).* from claim c, copy k where c.id = '{claim}';
"""


@dataclass
class World:
    """What all examples share: the city, and claims that wait for a decision, a few for each example."""

    city: Guaranteed
    waiting: dict[Mode, Iterator[UUID]]


WORLD: list[World] = []


@dataclass
class Case:
    """A claim as it must be, in 分."""

    id: UUID
    mode: Mode
    state: str = "DECISION"
    approved: int = 0
    paid: int = 0
    recovered: int = 0
    cost: int = 0
    returned: int = 0
    due: list[tuple[UUID, int]] = field(default_factory=list)

    @property
    def worth(self) -> int:
        """What it is worth before any deduction."""
        return WORTH[self.mode]

    @property
    def owed(self) -> int:
        """What was made due back so far."""
        return self.returned + sum(amount for _, amount in self.due)


def accounts() -> dict[str, Any]:
    with transaction(cast.SYSTEM, read_only=True):
        rows = session().execute(text(
            "select code, credits_posted_fen - debits_posted_fen as balance, debits_pending_fen as held from ledger_account"))
        return {row.code: row for row in rows}


class Officers(RuleBasedStateMachine):
    """Approve, take back, refuse, pay, recover, confirm, claw back: any of them on any claim, at any time."""

    @initialize(modes=st.lists(st.sampled_from(Mode), min_size=CLAIMS, max_size=CLAIMS))
    def a_year_begins(self, modes: list[Mode]) -> None:
        self.city, year = WORLD[0].city, today().year
        self.budget = {Mode.BANK: f"pool:budget:{year}", Mode.GUARANTEE: f"pool:guarantee:{year}"}
        self.payee = {Mode.BANK: f"pool:paid:{self.city.bank.id}", Mode.GUARANTEE: f"pool:paid:{self.city.guarantor.id}"}
        self.cases = [Case(next(WORLD[0].waiting[mode]), mode) for mode in modes]
        self.number = 0
        with transaction(cast.SYSTEM):
            for mode, open_budget in ((Mode.BANK, money.budget), (Mode.GUARANTEE, money.guarantee_budget)):
                over = open_budget(year).available_fen - BUDGET[mode]
                ways = (open_budget(year), money.treasury()) if over > 0 else (money.treasury(), open_budget(year))
                if over:
                    transfer(*ways, abs(over), reference=f"test:{mode}:{self.cases[0].id}")
        self.before = accounts()

    def does(self, case: Case, allowed: bool, call: Any) -> Any:
        """Runs a step; where the claim does not stand there the portal must refuse it."""
        if allowed:
            return call()
        with pytest.raises(Refusal) as refused:
            call()
        assert refused.value.code is ErrorCode.STATE_CHANGED
        return None

    @rule(which=st.integers(0, CLAIMS - 1), less=st.integers(0, 119))
    def approve(self, which: int, less: int) -> None:
        case = self.cases[which]
        amount = case.worth - min(less * WAN, case.worth - 1)

        def call() -> None:
            part = Deduction(DeductionKind.EVIDENCE, case.worth - amount, "核减")
            decisions.approve_claim(self.city.leader, case.id, [part] if less else [])

        if case.state == "DECISION" and amount > self.left(case.mode):
            with pytest.raises(Refusal) as refused:
                call()
            assert refused.value.code is ErrorCode.BUDGET_EXHAUSTED
            return
        self.does(case, case.state == "DECISION", call)
        if case.state == "DECISION":
            case.state, case.approved = "PUBLICISED", amount

    @rule(which=st.integers(0, CLAIMS - 1))
    def take_back(self, which: int) -> None:
        case = self.cases[which]
        allowed = case.state == "PUBLICISED"
        self.does(case, allowed, lambda: decisions.reopen_decision(self.city.leader, case.id, "重新研究"))
        if allowed:
            case.state, case.approved = "DECISION", 0

    @rule(which=st.integers(0, CLAIMS - 1))
    def refuse(self, which: int) -> None:
        case = self.cases[which]
        allowed = case.state == "DECISION"
        self.does(case, allowed, lambda: decisions.refuse_claim(self.city.leader, case.id, "不实"))
        if allowed:
            case.state = "REFUSED"

    @rule(which=st.integers(0, CLAIMS - 1))
    def pay(self, which: int) -> None:
        case, allowed = self.cases[which], self.cases[which].state == "PUBLICISED"
        self.does(case, allowed, lambda: decisions.pay_claim(self.city.cashier, case.id, f"付-{case.id}", today()))
        if allowed:
            case.state, case.paid = "PAID", case.approved

    @rule(which=st.integers(0, CLAIMS - 1), came=st.integers(1, 400 * WAN), part=st.integers(0, 100))
    def recover(self, which: int, came: int, part: int) -> None:
        case, spent = self.cases[which], came * part // 100
        allowed = case.state in ("PAID", "RECOVERING")
        reporter = self.city.officer if case.mode is Mode.BANK else self.city.clerk
        made = self.does(case, allowed, lambda: recoveries.report_recovery(
            reporter, case.id, today(), came, spent, "执行款"))
        if allowed:
            case.state, case.recovered, case.cost = "RECOVERING", case.recovered + came, case.cost + spent
            share = min(case.paid, max(0, case.recovered - case.cost) * case.paid // LOSS)
            assert made.due_fen == max(0, share - case.owed)
            if made.due_fen:
                case.due.append((made.id, made.due_fen))
            if case.mode is Mode.GUARANTEE:
                borne, net = split_loss(LOSS, case.paid, LIABILITY, AGAIN), case.recovered - case.cost
                back = share_recovery(borne, net)
                assert borne.total_fen == LOSS and back.total_fen == min(net, LOSS) and back.pool_fen == share

    @rule(which=st.integers(0, CLAIMS - 1))
    def confirm(self, which: int) -> None:
        case = self.cases[which]
        if case.due:
            recovery, amount = case.due.pop(0)
            self.number += 1
            recoveries.confirm_return(self.city.cashier, recovery, f"回-{case.id}-{self.number}", today())
            case.returned += amount

    @rule(which=st.integers(0, CLAIMS - 1))
    def claw_back(self, which: int) -> None:
        case = self.cases[which]
        allowed = case.state in ("PAID", "RECOVERING")
        self.does(case, allowed, lambda: recoveries.claw_back(self.city.leader, case.id, "材料不实"))
        if allowed:
            case.state = "CLAWED_BACK"
            with transaction(cast.SYSTEM, read_only=True):
                rows = session().execute(text(
                    "select id, due_fen from recovery where claim_id = :id and kind = 'claw_back'"), {"id": case.id})
                case.due += [(row.id, row.due_fen) for row in rows]
            assert case.owed == case.paid, "all of it is due back, no more"

    def of(self, mode: Mode) -> list[Case]:
        """Claims of one mode: each has its own money."""
        return [case for case in self.cases if case.mode is mode]

    def left(self, mode: Mode) -> int:
        """What the year must still have for a mode."""
        held = sum(case.approved for case in self.of(mode) if case.state == "PUBLICISED")
        return BUDGET[mode] - held - sum(case.paid - case.returned for case in self.of(mode))

    @invariant()
    def money_is_conserved_and_limits_hold(self) -> None:
        if not hasattr(self, "cases"):
            return
        now = accounts()
        for mode in Mode:
            held = sum(case.approved for case in self.of(mode) if case.state == "PUBLICISED")
            budget, payee = now[self.budget[mode]], self.payee[mode]
            assert budget.held == held and budget.balance - held == self.left(mode) >= 0
            paid = sum(rows[payee].balance * sign for rows, sign in ((now, 1), (self.before, -1)) if payee in rows)
            assert paid == sum(case.paid - case.returned for case in self.of(mode)) >= 0
        assert sum(row.balance for row in now.values()) == 0, "what one account has another one gave"
        assert all(case.owed <= case.paid <= case.worth for case in self.cases)

    def teardown(self) -> None:
        """Every reservation ends: what is still held is taken back, and then nothing is pending anywhere."""
        for case in getattr(self, "cases", ()):
            if case.state == "PUBLICISED":
                decisions.reopen_decision(self.city.leader, case.id, "年末")
        with transaction(cast.SYSTEM, read_only=True):
            assert session().scalar(text("select sum(debits_pending_fen) from ledger_account")) == 0
            assert session().scalar(text(
                "select count(*) from ledger_transfer p where kind = 'pending' and (select count(*) from ledger_transfer e "
                "where e.pending_id = p.id) <> 1")) == 0, "each reservation ended exactly once"


def test_money_is_conserved_limits_hold_and_every_reservation_ends(database: TestDatabase) -> None:
    city = Guaranteed()
    calm = rule_set("GZ-CALM", stop_line=Decimal(1), guarantee_stop_line=Decimal(1), publicity_days=0, guarantee_papers=())
    pool.load_rule_set(cast.SYSTEM, calm)
    booking = city.guaranteed(terms(300))
    city.gone_bad(booking)
    guaranteed = city.paid_out(booking, 240)
    claims.submit_claim(city.guarantor[Role.GUARANTOR_REVIEWER], guaranteed.id)
    claims.accept_claim(city.reviewer, guaranteed.id)
    audits.audit_claim(city.auditor, guaranteed.id, "代偿属实")
    patterns = {Mode.BANK: city.at_decision(city.claimed(city.booked(terms(300)))).id, Mode.GUARANTEE: guaranteed.id}
    plain = make_url(database.owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as owner:
        # Hypothesis may run an example more than once; spare claims cost nothing.
        columns, waiting = {
            f"{name}_columns": ", ".join(column.name for column in model.__table__.columns if column.computed is None)
            for name, model in (("booking", Booking), ("contract", Guarantee))
        }, {}
        for mode, claim_id in patterns.items():
            owner.execute(_COPIES.format(claim=claim_id, count=EXAMPLES * CLAIMS * 20, **columns))
            waiting[mode] = iter([row[0] for row in owner.execute("select claim from copy order by n")])
        # Each example begins with the same little money, which no closing and no funding of a real year would arrange.
        owner.execute("alter table ledger_transfer disable trigger ledger_transfer_budget")
    WORLD[:] = [World(city, waiting)]
    run_state_machine_as_test(Officers, settings=settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None, print_blob=True,
        suppress_health_check=list(HealthCheck)))
    with transaction(cast.SYSTEM, read_only=True):
        found = check_pool()
    assert found.findings == [] and found.claims > EXAMPLES, "the nightly check agrees"
