"""Months compared with banks' own lists: differences are kept, owned, ended; banks that have not compared are reminded."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.ids import new_id
from app.core.lifecycle import begin_many, fire, role_of
from app.core.notices import notify
from app.core.outbox import handles, settle_each, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.loans.many import held_many
from app.loans.models import Loan
from app.loans.states import LoanState
from app.pool.batch_write import Sender
from app.pool.judging import LIVE
from app.pool.models import Booking
from app.pool.reconcile_models import Difference, ReconcileReminder, Reconciliation
from app.pool.reconcile_queries import reconcile_rules
from app.pool.reconcile_seen import Differing, Seen, owed_and_booked, reports_of, seen_at
from app.pool.reconcile_states import DIFFERENCE, DifferenceState, due_on, end_of, month_before, reminders_due

constraint("ck_pool_difference_two_people", ErrorCode.SAME_PERSON)
AT_ONCE = 5_000


_SETTLED = text("""
update pool_batch_row w set settled_at = :at, outcome = 'done'
from pool_batch b where b.id = w.batch_id and b.kind = 'reconcile' and w.org_id = :org and w.ending = 'waiting'
  and w.settled_at is null and not exists (select 1 from pool_difference d where d.org_id = w.org_id and d.batch_id = w.batch_id
    and d.row_no = w.row_no and d.state <> 'ENDED')
""")


@dataclass(frozen=True)
class Told:
    """What a released list told of a month: how many notes it names, how many agree, how many it lacks, each difference."""

    month: date
    notes: int
    agreeing: int
    absent: int
    differing: list[Differing]


# --- a month is compared -----------------------------------------------------------------------------------------------


def record_month(ctx: Context, sender: Sender, listed: Told) -> None:
    """Keeps what a released list told: the month, new differences, those that came back, and those that are gone."""
    assert sender.released_by is not None
    session().execute(insert(Reconciliation), [{
        "batch_id": sender.batch_id, "org_id": sender.org_id, "month": listed.month, "notes": listed.notes,
        "agreeing": listed.agreeing, "absent": listed.absent, "done_at": now(), "done_by": sender.released_by,
    }])
    known = {(one.note_no, one.kind): one for one in session().scalars(
        select(Difference).where(Difference.org_id == sender.org_id, Difference.month == listed.month).with_for_update())}
    told = {(one.note_no, one.kind.value) for one in listed.differing}
    fresh = [one for one in listed.differing if (one.note_no, one.kind.value) not in known]
    _open(ctx, sender, listed.month, fresh)
    for one in listed.differing:
        before = known.get((one.note_no, one.kind.value))
        if before is not None:
            _told_again(ctx, sender, before, one)
    for key, gone in known.items():
        if key not in told and gone.state != DifferenceState.ENDED:
            _correct(ctx, gone)
    _settle_rows(ctx, sender.org_id)


def _open(ctx: Context, sender: Sender, month: date, fresh: list[Differing]) -> None:
    """New differences set-wise: the rows and one step each."""
    rows = [{
        "id": new_id(), "org_id": sender.org_id, "month": month, "note_no": one.note_no, "kind": one.kind.value,
        "batch_id": sender.batch_id, "row_no": one.row_no, "loan_id": one.loan_id, "theirs": one.theirs, "ours": one.ours,
        "state": DifferenceState.OPEN.value, "owner_id": sender.prepared_by, "opened_on": today(), "looked_on": today(),
    } for one in fresh]
    for place in range(0, len(rows), AT_ONCE):
        piece = rows[place:place + AT_ONCE]
        session().execute(insert(Difference), piece)
        begin_many(DIFFERENCE, piece, "open", actor_id=sender.released_by, role=role_of(ctx))


def _told_again(ctx: Context, sender: Sender, before: Difference, told: Differing) -> None:
    """A difference comes again: one that was ended with the same two sides stays ended, any other is open."""
    same = (before.theirs, before.ours) == (told.theirs, told.ours)
    if before.state == DifferenceState.ENDED and (not same or before.ending == "CORRECTED"):
        before.ending = before.ended_by = before.ended_on = before.explained_by = before.explanation = None
        fire(ctx, DIFFERENCE, before, "reopen")
        before.opened_on = today()
    before.theirs, before.ours, before.loan_id = told.theirs, told.ours, told.loan_id
    before.batch_id, before.row_no = sender.batch_id, told.row_no


def _correct(ctx: Context, one: Difference) -> None:
    one.ending, one.ended_on = "CORRECTED", today()
    fire(ctx, DIFFERENCE, one, "correct")


def _settle_rows(ctx: Context, org_id: UUID) -> None:
    """Rows of a bank's lists wait no longer once every difference of their note has ended."""
    with elevated(ctx, "pool"):
        session().execute(_SETTLED, {"at": now(), "org": org_id})


# --- a difference ends -------------------------------------------------------------------------------------------------


@use_case(Permission.BOOKING_SUBMIT, "difference.explain", returns=Difference)
def explain(ctx: Context, difference_id: UUID, reason: str) -> Difference:
    """One person of the bank says why the two differ. Raises ``Refusal(REASON_NEEDED)``."""
    one = get_or_404(Difference, difference_id, lock=True)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    one.explanation, one.explained_by = reason.strip(), ctx.actor_id
    fire(ctx, DIFFERENCE, one, "explain", reason=reason)
    about(one)
    return one


@use_case(Permission.BOOKING_RELEASE, "difference.agree", returns=Difference)
def agree(ctx: Context, difference_id: UUID) -> Difference:
    """A second person of the bank agrees, and the difference ends. Raises ``Refusal(SAME_PERSON)``."""
    one = get_or_404(Difference, difference_id, lock=True)
    one.ending, one.ended_on = "EXPLAINED", today()
    fire(ctx, DIFFERENCE, one, "agree")
    _settle_rows(ctx, one.org_id)
    about(one)
    return one


@use_case(Permission.BOOKING_RELEASE, "difference.return", returns=Difference)
def send_back(ctx: Context, difference_id: UUID, reason: str) -> Difference:
    """The second person does not agree; the difference is open again."""
    one = get_or_404(Difference, difference_id, lock=True)
    one.explanation = one.explained_by = None
    fire(ctx, DIFFERENCE, one, "return", reason=reason)
    about(one)
    return one


@use_case(Permission.CLAIM_CHECK, "difference.dismiss", returns=Difference)
def dismiss(ctx: Context, difference_id: UUID, reason: str) -> Difference:
    """The bureau ends a difference that does not matter, with its reason; the bank is told."""
    one = get_or_404(Difference, difference_id, lock=True)
    one.ending, one.ended_on = "DISMISSED", today()
    fire(ctx, DIFFERENCE, one, "dismiss", reason=reason)
    _settle_rows(ctx, one.org_id)
    with elevated(ctx, "pool"):
        notify(one.org_id, N_("对账差异 %(note)s 已由金融局认定不处理：%(reason)s"), note=one.note_no, reason=reason.strip(),
               path=f"/pool/reconciliations/differences/{one.id}")
    about(one)
    return one


@use_case(Permission.BOOKING_SUBMIT, "difference.own", returns=Difference)
def own(ctx: Context, difference_id: UUID) -> Difference:
    """An officer takes a difference over."""
    one = get_or_404(Difference, difference_id, lock=True)
    if one.state == DifferenceState.ENDED:
        raise Refusal(ErrorCode.STATE_CHANGED)
    one.owner_id = ctx.actor_id
    about(one)
    return one


@use_case(Permission.CLAIM_TICK, "difference.look")
def look_again(ctx: Context, org_id: UUID) -> int:
    """Ends the differences of a bank that reports and bookings have put right since; returns how many."""
    by_month: dict[date, list[Difference]] = defaultdict(list)
    for one in session().scalars(select(Difference).where(
        Difference.org_id == org_id, Difference.state != DifferenceState.ENDED).order_by(Difference.id).with_for_update()):
        by_month[one.month].append(one)
    ended = 0
    for month, differences in by_month.items():
        notes = {one.note_no for one in differences}
        ids = list(session().scalars(select(Loan.id).where(
            Loan.org_id == org_id, Loan.note_no.in_(notes), Loan.state.in_((LoanState.DRAWN, LoanState.REPAID)))))
        held, reports = held_many(ids, lock=False), reports_of(ids)
        seen = {one.loan.note_no: seen_at(one, reports.get(key, []), end_of(month)) for key, one in held.items()}
        owed = {note for note, _, _ in owed_and_booked(org_id, end_of(month))}
        for one in differences:
            one.looked_on = today()
            if _put_right(one, seen.get(one.note_no), one.note_no in owed):
                _correct(ctx, one)
                ended += 1
    if ended:
        _settle_rows(ctx, org_id)
    about(org_id=org_id, ended=ended)
    return ended


def _put_right(one: Difference, seen: Seen | None, owed: bool) -> bool:
    if one.kind == "NOT_THERE":
        return not owed
    if seen is None:
        return False
    if one.kind == "NOT_HERE":
        return one.theirs == str(seen.balance_fen)
    due = seen.due_on.isoformat() if seen.due_on is not None else None
    ours = {"BALANCE": str(seen.balance_fen), "CLASS": seen.five_class, "DUE_ON": due}[one.kind]
    one.ours = ours
    return one.theirs == ours


@handles("pool.batch_done", "pool.look_again", queue="long")
def _on_batch_done(ctx: Context, payload: dict[str, Any]) -> None:
    look_again(ctx, UUID(payload["org_id"]))


@use_case(Permission.BOOKING_SUBMIT, "difference.look_now")
def look_now(ctx: Context) -> int:
    """The bank asks to have its open differences compared again with what it has reported since."""
    assert ctx.org_id is not None
    about(org_id=ctx.org_id)
    with elevated(ctx, "pool") as acting:
        return look_again(acting, ctx.org_id)


@timed("pool.differences")
def look_daily(ctx: Context) -> int:
    """Compares every open difference once a day."""
    with reading(ctx, Permission.CLAIM_TICK) as db:
        banks = list(db.scalars(select(Difference.org_id).where(
            Difference.state != DifferenceState.ENDED, Difference.looked_on < today()).distinct()))
    return settle_each(banks, lambda bank: look_again(ctx, bank), "differences of bank")


# --- who has not compared ----------------------------------------------------------------------------------------------


def missing(month: date) -> list[UUID]:
    """Banks with loans booked by the end of a month that have not compared it."""
    done = select(Reconciliation.batch_id).where(Reconciliation.org_id == Booking.org_id, Reconciliation.month == month)
    return list(session().scalars(
        select(Booking.org_id).where(
            Booking.state.in_(LIVE), Booking.mode == "BANK", Booking.booked_on <= end_of(month), ~done.exists(),
        ).distinct()
    ))


@timed("pool.reconcile")
def remind(ctx: Context) -> int:
    """Reminds each bank that has not compared the last month, on the working days of the rule, once for each."""
    month = month_before(today())
    with reading(ctx, Permission.CLAIM_TICK) as db:
        due = reminders_due(month, today(), reconcile_rules())
        if not due:
            return 0
        sent = set(db.scalars(select(ReconcileReminder.org_id).where(
            ReconcileReminder.month == month, ReconcileReminder.working_days == due[-1])))
        banks = [bank for bank in missing(month) if bank not in sent]
    return settle_each(banks, lambda bank: remind_bank(ctx, bank, month, due[-1]), "reminder to reconcile")


@use_case(Permission.CLAIM_TICK, "reconciliation.remind")
def remind_bank(ctx: Context, org_id: UUID, month: date, working_days: int) -> int:
    """Reminds one bank of one month; 0 where that was done."""
    fresh = session().scalar(upsert(ReconcileReminder).values(
        org_id=org_id, month=month, working_days=working_days, at=now(),
    ).on_conflict_do_nothing().returning(ReconcileReminder.org_id)) is not None
    if fresh:
        notify(org_id, N_("%(month)s 的月末对账还没有做，请在 %(due)s 前上传本行的贷款清单。"), path="/pool/reconciliations",
               month=f"{month:%Y-%m}", due=due_on(month, reconcile_rules()).isoformat())
    about(org_id=org_id, working_days=working_days)
    return int(fresh)
