"""What pages read of asks for renewal without repayment; row-level security says whose."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, extract, func, or_, select

from app.bridge.ask_rules import AskSource, AskState
from app.bridge.models import Bridge, RenewalAsk
from app.bridge.notes import BridgeNote
from app.core.calendar import today
from app.core.context import Context
from app.core.database import session
from app.core.permissions import Permission
from app.identity.models import Organisation

LATE = and_(RenewalAsk.answered_at.is_not(None), RenewalAsk.answered_at > RenewalAsk.answer_by)


def asks() -> Select[*tuple[Any, ...]]:
    """Asks with the name of the bank, and the bridge that followed."""
    followed = (
        select(Bridge.id).join(BridgeNote, BridgeNote.bridge_id == Bridge.id).where(BridgeNote.ask_id == RenewalAsk.id)
        .order_by(Bridge.applied_at.desc()).limit(1)
        .correlate(RenewalAsk).scalar_subquery()
    )
    return (
        select(RenewalAsk.id, RenewalAsk.firm_id, RenewalAsk.firm_name, RenewalAsk.note_no, RenewalAsk.due_on, RenewalAsk.due_fen,
               RenewalAsk.state, RenewalAsk.source, RenewalAsk.reason, RenewalAsk.stored_at, RenewalAsk.answer_by,
               RenewalAsk.answered_at, RenewalAsk.bank_org_id, Organisation.name.label("bank"), LATE.label("late"),
               followed.label("bridge_id"))
        .join(Organisation, Organisation.id == RenewalAsk.bank_org_id)
    )


def by_bank() -> list[Any]:
    """Per bank: asked on the portal, answered yes and no, of them in time, left unanswered, hours to the answer.

    What the firm took back and what it stated for a bank outside counts for no bank's answers.
    """
    state = RenewalAsk.state

    def count(*clauses: Any) -> Any:
        return func.count(case((and_(*clauses), 1)))

    answered = state.in_((AskState.GRANTED, AskState.REFUSED))
    hours = extract("epoch", RenewalAsk.answered_at - RenewalAsk.stored_at) / 3600
    return list(session().execute(
        select(Organisation.id, Organisation.name, func.count().label("asked"),
               count(state == AskState.GRANTED).label("granted"), count(state == AskState.REFUSED).label("refused"),
               count(answered, ~LATE).label("in_time"),
               count(or_(state == AskState.UNANSWERED, LATE)).label("unanswered"),
               count(state == AskState.ASKED).label("open"),
               func.round(func.avg(hours).filter(answered), 1).label("hours"))
        .join(Organisation, Organisation.id == RenewalAsk.bank_org_id)
        .where(RenewalAsk.source == AskSource.PORTAL, state != AskState.WITHDRAWN)
        .group_by(Organisation.id, Organisation.name).order_by(func.count().desc(), Organisation.name)
    ))


def waiting(ctx: Context, limit: int = 20) -> list[RenewalAsk]:
    """Asks that wait for the viewer: the bank's answer, or the firm's next step after a no or no answer."""
    clauses = []
    if ctx.can(Permission.BRIDGE_CONFIRM):
        clauses.append(and_(RenewalAsk.bank_org_id == ctx.org_id, RenewalAsk.state == AskState.ASKED))
    if ctx.can(Permission.BRIDGE_APPLY):
        used = select(BridgeNote.id).where(BridgeNote.ask_id == RenewalAsk.id).exists()
        clauses.append(and_(RenewalAsk.firm_id == ctx.org_id, RenewalAsk.source == AskSource.PORTAL, ~used,
                            RenewalAsk.due_on >= today(),
                            RenewalAsk.state.in_((AskState.REFUSED, AskState.UNANSWERED))))
    if not clauses:
        return []
    return list(session().scalars(select(RenewalAsk).where(or_(*clauses)).order_by(RenewalAsk.answer_by).limit(limit)))


def bridge_of(ask_id: UUID) -> UUID | None:
    """The bridge that followed an ask."""
    return session().scalar(
        select(Bridge.id).join(BridgeNote, BridgeNote.bridge_id == Bridge.id).where(BridgeNote.ask_id == ask_id)
        .order_by(Bridge.applied_at.desc()).limit(1)
    )
