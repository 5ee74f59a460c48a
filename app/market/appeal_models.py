"""What a firm holds against a bank's refusal."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class Appeal(Identified, Base):
    """申诉 against one refusal: of a need (``refusal_id``), or of a chosen bid on one of its conditions (``choice_id``).

    ``card``: all that the bank reads of the need. ``bank_id`` and ``refused_by`` are written by the database (migration 0061).
    ``remedy`` (``appeal_words.Remedy``) tells what a withdrawn refusal led to; ``escalated_at`` since when the bureau reads it.
    """

    __tablename__ = "appeal"
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    bank_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    refusal_id: Mapped[UUID | None] = mapped_column(ForeignKey("need_refusal.id"))
    choice_id: Mapped[UUID | None] = mapped_column(ForeignKey("choice_refusal.choice_id"))
    refused_by: Mapped[UUID | None]
    card: Mapped[dict[str, Any]]
    text: Mapped[str]
    state: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[UUID | None]
    target_at: Mapped[datetime]
    limit_at: Mapped[datetime]
    next_check_at: Mapped[datetime | None]
    escalated_at: Mapped[datetime | None]
    answer: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    remedy: Mapped[str | None]
    ended_at: Mapped[datetime | None]
