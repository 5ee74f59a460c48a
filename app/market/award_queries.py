"""What pages read of awards, promises and objections. Row-level security has already limited it to what the actor may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.market.bid_models import Award, Bid, Choice, ChoiceCondition, ChoiceRefusal, Objection
from app.market.bid_words import USUAL_CONDITIONS, BidState, ChoiceState, ObjectionState, Outcome
from app.market.choice_service import conditions_of
from app.market.models import Need


@dataclass(frozen=True)
class AwardRow:
    """A decision with the promise it led to and what was held against it."""

    award: Award
    choice: Choice
    conditions: list[ChoiceCondition]
    refusal: ChoiceRefusal | None
    objections: list[Objection]


def awards_of(need_id: UUID) -> list[AwardRow]:
    """The decisions on a need, the newest first; those that stand beside each other are parts."""
    found = session().execute(
        select(Award, Choice).join(Choice, Choice.award_id == Award.id).where(Award.need_id == need_id)
        .order_by(Award.made_at.desc())
    )
    return [
        AwardRow(award, choice, conditions_of(choice.id), refusal_of(choice.id), _objections_of(award.id))
        for award, choice in found.all()
    ]


def _objections_of(award_id: UUID) -> list[Objection]:
    return list(session().scalars(select(Objection).where(Objection.award_id == award_id).order_by(Objection.at)))


def need_of(award_id: UUID) -> UUID:
    """The need of an award. Raises ``Refusal(NOT_FOUND)``."""
    return get_or_404(Award, award_id).need_id


def refusal_of(choice_id: UUID) -> ChoiceRefusal | None:
    """On what the bank refused, if it did."""
    return session().get(ChoiceRefusal, choice_id)


def choices_of_bank(ctx: Context) -> list[Choice]:
    """The bank's promises that stand or were kept or broken, those to keep first."""
    ended = Choice.state.in_([ChoiceState.KEPT.value, ChoiceState.CANCELLED.value])
    stmt = select(Choice).where(Choice.bank_org_id == ctx.org_id).order_by(ended, Choice.decide_by, Choice.made_at.desc())
    return list(session().scalars(stmt.limit(500)))


def promises_counted(ctx: Context) -> dict[str, int]:
    """How many of the bank's promises were kept, excused on a condition, and broken."""
    rows = session().execute(
        select(Choice.outcome, func.count()).where(Choice.bank_org_id == ctx.org_id, Choice.outcome.is_not(None))
        .group_by(Choice.outcome)
    )
    counted = {row[0]: int(row[1]) for row in rows}
    return {outcome.value: counted.get(outcome.value, 0) for outcome in Outcome}


def open_conditions(ctx: Context, limit: int = 20) -> Sequence[Any]:
    """Conditions of the bank's approved promises that have not come about: choice, amount, when the promise ends, kind."""
    stmt = (
        select(Choice.id, Choice.amount_fen, Choice.next_check_at, ChoiceCondition.kind)
        .join(ChoiceCondition, ChoiceCondition.choice_id == Choice.id)
        .where(Choice.bank_org_id == ctx.org_id, Choice.state.in_([ChoiceState.APPROVED.value, ChoiceState.SIGNED.value]),
               ChoiceCondition.met_at.is_(None), ChoiceCondition.kind.not_in([kind.value for kind in USUAL_CONDITIONS]))
        .order_by(Choice.next_check_at, Choice.id, ChoiceCondition.no).limit(limit)
    )
    return session().execute(stmt).all()


def own_opened_bid(ctx: Context, need_id: UUID) -> UUID:
    """The bank's bid that lies before the firm. Raises ``Refusal(NOT_FOUND)``."""
    found = session().scalar(select(Bid.id).where(Bid.need_id == need_id, Bid.org_id == ctx.org_id, Bid.opened_at.is_not(None)))
    if found is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    return found


def may_object_until(bid: Bid) -> datetime | None:
    """Until when the bank of an opened bid may object to the choice of another; ``None`` where nothing stands still."""
    if bid.state != BidState.OPENED:
        return None
    return session().scalar(text("select max(until) from hq_standstill(:need)"), {"need": bid.need_id})


def own_objections(ctx: Context, need_id: UUID) -> list[Objection]:
    """The bank's own objections on a need, the newest first: one to each decision that stood still."""
    stmt = select(Objection).where(Objection.need_id == need_id, Objection.org_id == ctx.org_id)
    return list(session().scalars(stmt.order_by(Objection.at.desc(), Objection.award_id)))


def choice_of_bid(bid_id: UUID) -> Choice | None:
    """The promise that a chosen bid became."""
    return session().scalars(select(Choice).where(Choice.bid_id == bid_id).order_by(Choice.made_at.desc()).limit(1)).first()


@dataclass(frozen=True)
class ObjectionRow:
    """An objection with its need and what was chosen."""

    objection: Objection
    need: Need
    choice: Choice


def objections(limit: int = 200) -> list[ObjectionRow]:
    """Objections for the desk, the open ones first."""
    rows: Any = session().execute(
        select(Objection, Need, Choice).join(Need, Need.id == Objection.need_id)
        .join(Choice, Choice.award_id == Objection.award_id)
        .order_by(Objection.state != ObjectionState.OPEN.value, Objection.at.desc()).limit(limit)
    )
    return [ObjectionRow(*row) for row in rows.all()]
