"""What of a claim's money is out, what was asked back, and how something more is asked back."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from sqlalchemy import func, select

from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import session
from app.pool.correction_models import Correction
from app.pool.correction_states import CorrectionState
from app.pool.models import Claim, Recovery
from app.pool.recovery_rules import Position, reminder_day
from app.pool.service import rules_of

REMINDED_AT = time(9)
"""When reminders go out, in Shanghai [P]."""


def position_of(claim: Claim) -> Position:
    """The claim's money at this moment, under its latest correction in force."""
    recovered, cost, due = session().execute(
        select(func.sum(Recovery.recovered_fen), func.sum(Recovery.cost_fen), func.sum(Recovery.due_fen))
        .where(Recovery.claim_id == claim.id)
    ).one()
    more = session().scalar(select(func.sum(Correction.change_fen)).where(
        Correction.claim_id == claim.id, Correction.state == CorrectionState.PAID))
    found, first = corrected(claim), claim.paid_fen or 0
    worth, loss = (found.worth_fen, found.loss_fen) if found is not None else (first, claim.net_principal_loss_fen)
    return Position(first + int(more or 0), worth, loss, int(recovered or 0), int(cost or 0), int(due or 0))


def corrected(claim: Claim) -> Correction | None:
    """The latest correction in force: what is too much counts from the decision on, what is too little once it is paid."""
    return session().scalar(select(Correction).where(
        Correction.claim_id == claim.id,
        (Correction.state == CorrectionState.PAID)
        | (Correction.state == CorrectionState.CONFIRMED) & (Correction.change_fen <= 0),
    ).order_by(Correction.decided_at.desc()).limit(1))


def correction_is_open(claim: Claim) -> bool:
    """Whether a correction waits for its decision, or for the payment of what was too little."""
    return session().scalar(select(Correction.id).where(
        Correction.claim_id == claim.id,
        (Correction.state == CorrectionState.PROPOSED)
        | (Correction.state == CorrectionState.CONFIRMED) & (Correction.change_fen > 0),
    ).limit(1)) is not None


def record(
    ctx: Context, claim: Claim, kind: str, received_on: date, recovered_fen: int, cost_fen: int, due_fen: int, reference: str,
) -> Recovery:
    """A row of what came in or is asked back (分), with its deadline and its first reminder."""
    rules = rules_of(claim.rule_set_id)
    recovery = Recovery(
        claim_id=claim.id, case_id=claim.case_id, org_id=claim.org_id, kind=kind, received_on=received_on,
        recovered_fen=recovered_fen, cost_fen=cost_fen, due_fen=due_fen,
        due_on=received_on + timedelta(days=rules.recovery_return_days), reference=reference.strip(),
        reported_by=ctx.actor_id, reported_at=now(), reminders=0,
        next_reminder_at=_first_reminder(received_on, rules.recovery_reminder_days) if due_fen else None,
    )
    session().add(recovery)
    session().flush()
    return recovery


def ask_back(ctx: Context, claim: Claim, kind: str, due_fen: int, reference: str) -> Recovery:
    """Money of a payment that is due back from today on (分): ``kind`` is ``claw_back`` or ``correction``."""
    return record(ctx, claim, kind, today(), 0, 0, due_fen, reference)


def morning(day: date) -> datetime:
    """When a day's reminders go out."""
    return datetime.combine(day, REMINDED_AT, SHANGHAI)


def _first_reminder(received_on: date, days: tuple[int, ...]) -> datetime | None:
    """The next reminder; told so late that the last one has passed, the bank is reminded at once."""
    if not days:
        return None
    day = reminder_day(received_on, days, today())
    return now() if day is None else morning(day)
