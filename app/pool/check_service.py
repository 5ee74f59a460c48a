"""The nightly check: every claim computed anew, every balance added up anew, every loan's place in the pool looked at again.

What the database refuses cannot have happened; this finds what no constraint can say: a computation that differs, money and
papers that tell two stories, a row changed behind the portal's back. It only reads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import session
from app.core.outbox import emit, handles, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.pool.check_models import PoolCheck
from app.pool.models import StoredRuleSet
from app.pool.records import snapshot_facts
from app.pool.recovery_rules import Position
from app.pool.rules import RuleSet, net_principal_loss, payable

NIGHT = time(1, 30)
"""When the night's check begins, in Shanghai [P]."""
CHUNK = 5_000
"""Claims held in memory at a time."""
MOST_TOLD = 200
"""Findings kept with their particulars; all are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not add up. ``code``: ``check_views.WORDS``; amounts in 分 or states as text."""

    code: str
    subject: str
    expected: str
    found: str
    claim_id: str | None = None


@dataclass(slots=True)
class Outcome:
    """What was looked at, and what did not add up."""

    bookings: int = 0
    claims: int = 0
    transfers: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Counts a finding, and keeps it while there is room."""
        self.found += 1
        if len(self.findings) < MOST_TOLD:
            self.findings.append(finding)


_BALANCES = text("""
    with moved as (
      select debit_account_id as id, kind, amount_fen, pending_id, true as debit from ledger_transfer
      union all select credit_account_id, kind, amount_fen, pending_id, false from ledger_transfer),
    sums as (
      select m.id,
        coalesce(sum(m.amount_fen) filter (where m.debit and m.kind in ('single', 'post')), 0)::bigint as debits,
        coalesce(sum(m.amount_fen) filter (where not m.debit and m.kind in ('single', 'post')), 0)::bigint as credits
      from moved m group by m.id),
    held as (
      select t.debit_account_id as id, sum(t.amount_fen)::bigint as fen from ledger_transfer t
      where t.kind = 'pending' and not exists (select 1 from ledger_transfer e where e.pending_id = t.id) group by 1)
    select a.code, a.debits_posted_fen, a.credits_posted_fen, a.debits_pending_fen, coalesce(s.debits, 0) as debits,
           coalesce(s.credits, 0) as credits, coalesce(h.fen, 0) as held
    from ledger_account a left join sums s on s.id = a.id left join held h on h.id = a.id
    where a.debits_posted_fen <> coalesce(s.debits, 0) or a.credits_posted_fen <> coalesce(s.credits, 0)
       or a.debits_pending_fen <> coalesce(h.fen, 0)
    order by a.code
""")
_TRIAL = text(
    "select coalesce(sum(debits_posted_fen), 0)::bigint, coalesce(sum(credits_posted_fen), 0)::bigint from ledger_account")
_PLACES = text("""
    with claimed as (select distinct booking_id from claim where state not in ('REFUSED', 'LAPSED', 'WITHDRAWN'))
    select b.note_no, b.state, b.principal_fen, (b.snapshot ->> 'principal_fen')::bigint as noted_fen,
           c.booking_id is not null as live
    from booking b left join claimed c on c.booking_id = b.id
    where (b.state in ('BOOKED', 'CLAIMED') and (b.state = 'CLAIMED') <> (c.booking_id is not null))
       or b.principal_fen <> (b.snapshot ->> 'principal_fen')::bigint
    order by b.id limit :most
""")
_CLAIMS = text("""
    select c.id, l.number, c.state, c.principal_drawn_fen, c.principal_repaid_fen, c.guarantor_paid_fen, c.collateral_fen,
           c.other_public_fen, c.paid_out_fen, c.net_principal_loss_fen, c.compensation_fen, c.basis_fen, c.approved_fen,
           c.paid_fen, c.rule_set_id, b.mode, b.product, b.snapshot, t.amount_fen as held_fen, p.kind as ended,
           p.amount_fen as ended_fen,
           coalesce(r.recovered, 0) as recovered, coalesce(r.cost, 0) as cost, coalesce(r.due, 0) as due,
           coalesce(r.clawed, false) as clawed, coalesce(w.waiting, 0) as waiting,
           coalesce(w.held, 0) as rest_held, coalesce(w.rests, 0) as rests, coalesce(k.topped, 0) as topped, k.worth_fen as worth,
           k.loss_fen as worth_loss
    from claim c join booking b on b.id = c.booking_id join loan l on l.id = c.loan_id
    left join ledger_transfer t on t.id = c.reservation_id
    left join ledger_transfer p on p.pending_id = c.reservation_id
    left join lateral (
      select sum(recovered_fen)::bigint as recovered, sum(cost_fen)::bigint as cost, sum(due_fen)::bigint as due,
             bool_or(kind = 'claw_back') as clawed
      from recovery where claim_id = c.id and c.paid_fen is not null) r on true
    left join lateral (
      select sum(change_fen) filter (where state = 'PAID')::bigint as topped,
             (array_agg(worth_fen order by decided_at desc) filter (where state = 'PAID' or change_fen <= 0))[1] as worth_fen,
             (array_agg(loss_fen order by decided_at desc) filter (where state = 'PAID' or change_fen <= 0))[1] as loss_fen
      from claim_correction where claim_id = c.id and state in ('CONFIRMED', 'PAID') and c.paid_fen is not null) k on true
    left join lateral (
      select sum(amount_fen) filter (where state = 'WAITING')::bigint as waiting,
             sum(covered_fen) filter (where kind = 'rest' and state in ('COVERED', 'PAID'))::bigint as held,
             sum(covered_fen) filter (where state = 'PAID')::bigint as rests
      from claim_wait where claim_id = c.id) w on true
    where c.id > :after order by c.id limit :chunk
""")


def check_pool() -> Outcome:
    """Looks at everything, in this transaction's view of the portal; the caller has the portal's own identity.

    Time grows with the rows, memory with ``CHUNK``.
    """
    outcome = Outcome()
    db = session()
    outcome.bookings = db.scalar(text("select count(*) from booking")) or 0
    outcome.transfers = db.scalar(text("select count(*) from ledger_transfer")) or 0
    for row in db.execute(_BALANCES):
        outcome.add(Finding(
            "BALANCE", row.code, f"{row.debits}/{row.credits}/{row.held}",
            f"{row.debits_posted_fen}/{row.credits_posted_fen}/{row.debits_pending_fen}",
        ))
    debits, credits = db.execute(_TRIAL).one()
    if debits != credits:
        outcome.add(Finding("TRIAL_BALANCE", "", str(debits), str(credits)))
    for row in db.execute(_PLACES, {"most": MOST_TOLD * 10}):
        if row.principal_fen != row.noted_fen:
            outcome.add(Finding("BOOKING_PRINCIPAL", row.note_no, str(row.noted_fen), str(row.principal_fen)))
        else:
            outcome.add(Finding("BOOKING_STATE", row.note_no, "CLAIMED" if row.live else "BOOKED", row.state))
    editions = {one.id: RuleSet.from_json(one.rules) for one in db.scalars(select(StoredRuleSet))}
    for row in _claims():
        outcome.claims += 1
        for code, expected, found in _differences(row, editions[row.rule_set_id]):
            outcome.add(Finding(code, row.number, str(expected), str(found), str(row.id)))
    return outcome


def _claims() -> Iterator[Row[Any]]:
    """Every claim by id, a chunk at a time."""
    after = UUID(int=0)
    while rows := session().execute(_CLAIMS, {"after": after, "chunk": CHUNK}).all():
        yield from rows
        after = rows[-1].id


def _differences(row: Row[Any], rules: RuleSet) -> Iterator[tuple[str, Any, Any]]:
    """What of a claim does not follow from its own facts: code, what follows, what stands there."""
    loss = net_principal_loss(row.principal_drawn_fen, row.principal_repaid_fen, row.guarantor_paid_fen, row.collateral_fen)
    if loss != row.net_principal_loss_fen:
        yield "LOSS", loss, row.net_principal_loss_fen
    facts = snapshot_facts(row.mode, row.product, row.snapshot, row.basis_fen)
    worth = payable(facts, loss, row.guarantor_paid_fen, row.other_public_fen, rules, row.paid_out_fen).amount_fen
    if worth != row.compensation_fen:
        yield "COMPENSATION", worth, row.compensation_fen
    held = (row.held_fen or 0) + row.waiting + row.rest_held  # reserved, in the line, or a rest that got money later
    if row.approved_fen is not None and row.state != "CLAWED_BACK" and held != row.approved_fen:
        yield "RESERVED", row.approved_fen, held
    if row.paid_fen is not None and (row.ended != "post" or row.ended_fen + row.rests != row.paid_fen):
        yield "PAID", row.paid_fen, row.ended_fen
    if row.paid_fen is None and row.ended == "post":
        yield "PAID", "—", row.ended_fen
    if row.paid_fen is not None:
        paid = row.paid_fen + row.topped
        held = Position(paid, row.paid_fen, loss) if row.worth is None else Position(paid, row.worth, row.worth_loss)
        held = dataclasses.replace(held, recovered_fen=row.recovered, cost_fen=row.cost)
        owed = paid if row.clawed else held.owed_fen
        # Costs told later may leave more returned than is owed now; that is set off against the next recovery.
        if row.due < owed or row.due > paid:
            yield "RETURNED", owed, row.due


@timed("pool.check")
def ask_nightly(ctx: Context) -> int:
    """Asks for the night's check once its hour has come."""
    if datetime.now(SHANGHAI).time() < NIGHT:
        return 0
    with reading(ctx, Permission.CLAIM_TICK) as db:
        if db.scalar(select(PoolCheck.id).where(PoolCheck.day == today())) is not None:
            return 0
    ask_check(Context.of_system("ticker"))
    return 1


@use_case(Permission.CLAIM_TICK, "pool.check_ask", returns=PoolCheck)
def ask_check(ctx: Context) -> PoolCheck:
    """A check of today, once a day: one that was asked for stands."""
    check = session().scalar(select(PoolCheck).where(PoolCheck.day == today()))
    if check is None:
        check = PoolCheck(day=today(), asked_at=now(), done_at=None, told=None, found=None)
        session().add(check)
        session().flush()
        emit("pool.check", check_id=check.id)
    about(check, day=check.day)
    return check


@handles("pool.check", "pool.run_check", queue="long")
def _run(ctx: Context, payload: dict[str, Any]) -> None:
    run_check(ctx, UUID(payload["check_id"]))


@use_case(Permission.CLAIM_TICK, "pool.check", returns=PoolCheck)
def run_check(ctx: Context, check_id: UUID) -> PoolCheck:
    """Looks, and writes down what was found; one that is done stays as it is."""
    check = session().get_one(PoolCheck, check_id, with_for_update=True)
    if check.done_at is None:
        outcome = check_pool()
        check.told, check.found, check.done_at = dataclasses.asdict(outcome), outcome.found, now()
    about(check, day=check.day, found=check.found)
    return check
