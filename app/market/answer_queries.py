"""What pages read of refusals, questions and answers; row-level security decides who reads what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from app.core.context import Context
from app.core.database import session
from app.core.models import Paper
from app.identity.models import Organisation
from app.market.answer_models import Answer, AnswerBank, NeedRefusal, Question, QuestionAsker
from app.market.answer_words import QuestionState
from app.market.appeal_models import Appeal
from app.market.models import Need


def refusals(need_id: UUID) -> Sequence[Any]:
    """Refusals of a need, banks named, and where an appeal stands: a bank its own, the firm all of them after closing."""
    return session().execute(
        select(
            NeedRefusal.id, NeedRefusal.org_id, NeedRefusal.reasons, NeedRefusal.text, NeedRefusal.refused_at,
            NeedRefusal.version, Organisation.name, Appeal.state.label("appeal"),
        )
        .join(Organisation, Organisation.id == NeedRefusal.org_id)
        .outerjoin(Appeal, Appeal.refusal_id == NeedRefusal.id)
        .where(NeedRefusal.need_id == need_id).order_by(Organisation.name, NeedRefusal.version)
    ).all()


def own_refusal(ctx: Context, need_id: UUID) -> NeedRefusal | None:
    """The bank's own refusal of a need as it stands; what it refused before a correction is none."""
    return session().scalar(
        select(NeedRefusal).join(Need, (Need.id == NeedRefusal.need_id) & (Need.version == NeedRefusal.version))
        .where(NeedRefusal.need_id == need_id, NeedRefusal.org_id == ctx.org_id)
    )


def questions(need_id: UUID) -> list[Question]:
    """Questions of a need that the actor may see, open ones first; equal papers stand together."""
    return list(session().scalars(
        select(Question).where(Question.need_id == need_id, Question.state != QuestionState.DROPPED.value)
        .order_by(Question.state != QuestionState.ASKED.value, Question.paper_kind, Question.asked_on, Question.id)
    ))


def open_questions() -> Sequence[Any]:
    """Needs of the firm with questions that wait, each with the earliest deadline."""
    rows = session().execute(
        select(Question.need_id, Question.due_at).where(Question.state == QuestionState.ASKED.value).order_by(Question.due_at)
    )
    first: dict[UUID, Any] = {}
    for row in rows:
        first.setdefault(row.need_id, row)
    return list(first.values())


def answers(need_id: UUID) -> list[Answer]:
    """Answers about a need that the actor may see, the newest first."""
    return list(session().scalars(select(Answer).where(Answer.need_id == need_id).order_by(Answer.answered_at.desc())))


def named_banks(answer_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Names of the banks that answers were given to, for the firm."""
    found: dict[UUID, list[str]] = {}
    for row in session().execute(
        select(AnswerBank.answer_id, Organisation.name).join(Organisation, Organisation.id == AnswerBank.org_id)
        .where(AnswerBank.answer_id.in_(answer_ids)).order_by(Organisation.name)
    ):
        found.setdefault(row.answer_id, []).append(row.name)
    return found


def papers(answer_ids: Sequence[UUID]) -> dict[UUID, list[Paper]]:
    """Papers handed in with answers."""
    found: dict[UUID, list[Paper]] = {}
    for paper in session().scalars(
        select(Paper).where(Paper.subject_type == Answer.__tablename__, Paper.subject_id.in_(answer_ids))
        .order_by(Paper.stored_at)
    ):
        found.setdefault(paper.subject_id, []).append(paper)
    return found


def read_by_bank(ctx: Context) -> Sequence[Any]:
    """What the bank asked and what was answered to it by name, with the needs, the newest first."""
    asked = select(QuestionAsker.question_id).where(QuestionAsker.org_id == ctx.org_id)
    named = select(AnswerBank.answer_id).where(AnswerBank.org_id == ctx.org_id)
    return session().execute(
        select(Question, Need, Answer.text.label("answer")).join(Need, Need.id == Question.need_id, isouter=True)
        .outerjoin(Answer, Answer.id == Question.answer_id)
        .where(or_(Question.id.in_(asked), Question.answer_id.in_(named)))
        .order_by(Question.asked_on.desc(), Question.id).limit(100)
    ).all()
