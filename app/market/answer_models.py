"""Refusals of banks, their questions and the firm's answers. Who asked stands apart and is read by that bank alone."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class NeedRefusal(Identified, Base):
    """婉拒: a bank will not bid, with reasons of the closed list, on one ``version`` of the need. Sealed until closing."""

    __tablename__ = "need_refusal"
    need_id: Mapped[UUID]
    seal_id: Mapped[UUID]
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    version: Mapped[int]
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    text: Mapped[str]
    refused_at: Mapped[datetime]
    refused_by: Mapped[UUID | None]

    __table_args__ = (ForeignKeyConstraint(["need_id", "seal_id"], ["need.id", "need.seal_id"], name="fk_need_refusal_need_id"),)


class Question(Identified, Base):
    """提问: an answer or a paper that a bank asks for. The firm reads what, never who."""

    __tablename__ = "question"
    need_id: Mapped[UUID]
    seal_id: Mapped[UUID]
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    kind: Mapped[str]
    paper_kind: Mapped[str | None]
    text: Mapped[str]
    asked_on: Mapped[date]
    due_at: Mapped[datetime]
    state: Mapped[str]
    answer_id: Mapped[UUID | None]

    __table_args__ = (
        ForeignKeyConstraint(["need_id", "seal_id"], ["need.id", "need.seal_id"], name="fk_question_need_id"),
        ForeignKeyConstraint(["answer_id", "need_id"], ["answer.id", "answer.need_id"], name="fk_question_answer_id"),
    )


class QuestionAsker(Base):
    """Whose question it is: read by that bank alone, the portal itself not excepted."""

    __tablename__ = "question_asker"
    question_id: Mapped[UUID] = mapped_column(ForeignKey("question.id"), primary_key=True)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[UUID | None]
    at: Mapped[datetime]


class Answer(Identified, Base):
    """答复: given once, for every bank of the need or for those named (``AnswerBank``); whoever asked reads it too."""

    __tablename__ = "answer"
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    text: Mapped[str]
    audience: Mapped[str]
    answered_at: Mapped[datetime]
    answered_by: Mapped[UUID | None]


class AnswerBank(Base):
    """A bank that an answer is for."""

    __tablename__ = "answer_bank"
    answer_id: Mapped[UUID] = mapped_column(ForeignKey("answer.id"), primary_key=True)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
