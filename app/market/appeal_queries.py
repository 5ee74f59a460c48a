"""What pages read of appeals; row-level security decides who reads what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.identity.models import Organisation
from app.market import answer_queries, policy
from app.market.answer_words import REFUSALS
from app.market.appeal_models import Appeal
from app.market.appeal_rules import appeal_until
from app.market.appeal_words import AppealState
from app.market.bid_models import BidCondition, Choice, ChoiceRefusal
from app.market.bid_words import CONDITION_KINDS
from app.market.models import Need

Bank = aliased(Organisation, name="bank")
Firm = aliased(Organisation, name="firm")


def appeals_query() -> Any:
    """Appeals the actor may see, with their bank, and with their firm where the actor may know it."""
    return (
        select(
            Appeal.id, Appeal.state, Appeal.card, Appeal.choice_id, Appeal.at, Appeal.target_at, Appeal.limit_at,
            Appeal.escalated_at, Bank.name.label("bank"), Firm.name.label("firm"),
        )
        .join(Bank, Bank.id == Appeal.bank_id).outerjoin(Firm, Firm.id == Appeal.org_id)
    )  # fmt: skip


@dataclass(frozen=True)
class Refused:
    """A refusal as its firm reads it, and the appeal against it. ``reasons`` are message ids.

    ``id``: the refusal's, or the choice's where the bank had been chosen.
    """

    id: UUID
    bank: str
    chosen: bool
    reasons: tuple[str, ...]
    text: str
    until: datetime
    appeal: Appeal | None

    @property
    def may_appeal(self) -> bool:
        """Whether the firm may still appeal."""
        return self.appeal is None and now() <= self.until


def refused(need: Need) -> list[Refused]:
    """For its firm: every refusal of a need, those after the choice first."""
    filed = {one.refusal_id or one.choice_id: one for one in session().scalars(select(Appeal).where(Appeal.need_id == need.id))}
    levels = policy.levels()
    late = session().execute(
        select(ChoiceRefusal, Organisation.name, BidCondition.kind)
        .join(Choice, Choice.id == ChoiceRefusal.choice_id).join(Organisation, Organisation.id == Choice.bank_org_id)
        .join(BidCondition, (BidCondition.bid_id == ChoiceRefusal.bid_id) & (BidCondition.no == ChoiceRefusal.condition_no))
        .where(Choice.need_id == need.id).order_by(ChoiceRefusal.at.desc())
    ).all()
    found = [
        Refused(row.ChoiceRefusal.choice_id, row.name, True, (CONDITION_KINDS[row.kind],), row.ChoiceRefusal.text,
                appeal_until(row.ChoiceRefusal.at, levels), filed.get(row.ChoiceRefusal.choice_id))
        for row in late
    ]  # fmt: skip
    if need.closed_at is None:
        return found
    until = appeal_until(need.closed_at, levels)
    return found + [
        Refused(row.id, row.name, False, tuple(REFUSALS[code][0] for code in row.reasons), row.text, until, filed.get(row.id))
        for row in answer_queries.refusals(need.id)
    ]


def grounds(appeal: Appeal) -> tuple[tuple[str, ...], str]:
    """What the bank had said, as message ids, and its remark; empty for whoever may not read it."""
    if appeal.choice_id is not None:
        row = session().execute(
            select(BidCondition.kind, ChoiceRefusal.text)
            .join(BidCondition, (BidCondition.bid_id == ChoiceRefusal.bid_id) & (BidCondition.no == ChoiceRefusal.condition_no))
            .where(ChoiceRefusal.choice_id == appeal.choice_id)
        ).first()
        return ((CONDITION_KINDS[row.kind],), row.text) if row else ((), "")
    for one in answer_queries.refusals(appeal.need_id):
        if one.id == appeal.refusal_id:
            return tuple(REFUSALS[code][0] for code in one.reasons), one.text
    return (), ""


def to_answer(ctx: Context) -> list[Appeal]:
    """Open appeals that the person may answer, those due first first."""
    return list(session().scalars(
        select(Appeal).where(Appeal.bank_id == ctx.org_id, Appeal.state == AppealState.OPEN.value,
                             Appeal.refused_by.is_distinct_from(ctx.actor_id)).order_by(Appeal.limit_at).limit(10)
    ))  # fmt: skip


def overdue() -> list[Appeal]:
    """For desk and bureau: open appeals past their limit, the oldest first."""
    return list(session().scalars(
        select(Appeal).where(Appeal.state == AppealState.OPEN.value, Appeal.limit_at <= now()).order_by(Appeal.limit_at).limit(10)
    ))
