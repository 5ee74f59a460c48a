"""What pages read of consultations; row-level security decides who reads what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.core.context import Context
from app.core.database import elevated, session
from app.identity.models import Organisation
from app.market.consult_models import Consultation, ConsultationSeat, Opinion
from app.market.consult_words import ConsultState, Outcome
from app.market.models import Bid, Need
from app.market.words import NeedState


def consultations_query() -> Any:
    """Consultations the actor may see, with how many banks were asked and how many of them the actor has read.

    ``firm``: its name, where the actor may know it.
    """
    asked = select(func.count()).where(ConsultationSeat.consultation_id == Consultation.id).scalar_subquery()
    said = select(func.count()).where(Opinion.consultation_id == Consultation.id).scalar_subquery()
    return select(
        Consultation.id, Consultation.state, Consultation.card, Consultation.called_at, Consultation.ended_at,
        func.coalesce(Consultation.due_at, Consultation.agree_by).label("until"), asked.label("asked"), said.label("said"),
        Organisation.name.label("firm"),
    ).outerjoin(Organisation, Organisation.id == Consultation.org_id)  # fmt: skip


def of_need(need_id: UUID) -> list[Consultation]:
    """Consultations of a need, the newest first."""
    return list(session().scalars(
        select(Consultation).where(Consultation.need_id == need_id).order_by(Consultation.called_at.desc())
    ))


def banks_of(consultation_id: UUID) -> list[tuple[UUID, str]]:
    """The banks that are asked, by name."""
    return [(row.id, row.name) for row in session().execute(
        select(Organisation.id, Organisation.name).join(ConsultationSeat, ConsultationSeat.org_id == Organisation.id)
        .where(ConsultationSeat.consultation_id == consultation_id).order_by(Organisation.name)
    )]  # fmt: skip


def opinions(consultation_id: UUID) -> Sequence[Any]:
    """What banks said, with their names, as far as the actor may read it."""
    return session().execute(
        select(Opinion, Organisation.name).join(Organisation, Organisation.id == Opinion.org_id)
        .where(Opinion.consultation_id == consultation_id).order_by(Organisation.name)
    ).all()


def asked_of_firm(ctx: Context, found: Consultation) -> list[str]:
    """For its firm, while the banks sit: what they want to know, in an order that tells nothing of whose it is."""
    if found.org_id != ctx.org_id or found.state != ConsultState.SITTING:
        return []
    with elevated(ctx, "consultation.asked"):
        return sorted(session().scalars(
            select(Opinion.text).where(Opinion.consultation_id == found.id, Opinion.outcome == Outcome.ASKS.value)
        ))


def may_be_called(need: Need) -> bool:
    """Whether the desk may call a consultation: the need ended without an offer, none is under way."""
    if need.state != NeedState.LAPSED or need.closed_at is None:
        return False
    if session().scalar(select(Bid.id).where(Bid.need_id == need.id, Bid.opened_at.is_not(None)).limit(1)) is not None:
        return False
    live = (ConsultState.PROPOSED, ConsultState.SITTING, ConsultState.ADVISED)
    return not any(one.state in live for one in of_need(need.id))


def waiting(*states: ConsultState) -> list[Consultation]:
    """Consultations in these states, those due first first."""
    return list(session().scalars(
        select(Consultation).where(Consultation.state.in_([state.value for state in states]))
        .order_by(func.coalesce(Consultation.due_at, Consultation.agree_by)).limit(10)
    ))


def unsaid(ctx: Context) -> list[Consultation]:
    """For a bank: consultations that sit and in which it has said nothing yet."""
    own = select(Opinion.org_id).where(Opinion.consultation_id == Consultation.id, Opinion.org_id == ctx.org_id)
    return list(session().scalars(
        select(Consultation).where(Consultation.state == ConsultState.SITTING.value, ~own.exists())
        .order_by(Consultation.due_at).limit(10)
    ))
