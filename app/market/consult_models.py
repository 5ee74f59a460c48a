"""Consultations, the banks that sit in them, and what each of them says."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class Consultation(Identified, Base):
    """会诊: a joint second look at a need that ended without an offer.

    ``card``: all that the banks read of the need, as the firm agreed to it; its name is in it only where the firm said so.
    """

    __tablename__ = "consultation"
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    state: Mapped[str]
    reason: Mapped[str]
    card: Mapped[dict[str, Any]]
    called_at: Mapped[datetime]
    called_by: Mapped[UUID | None]
    agree_by: Mapped[datetime]
    agreed_at: Mapped[datetime | None]
    agreed_by: Mapped[UUID | None]
    due_at: Mapped[datetime | None]
    reply: Mapped[str]
    advice: Mapped[list[str]] = mapped_column(ARRAY(Text))
    product_kinds: Mapped[list[str]] = mapped_column(ARRAY(Text))
    advice_text: Mapped[str]
    ended_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]


class ConsultationSeat(Base):
    """A bank that is asked to look."""

    __tablename__ = "consultation_seat"
    consultation_id: Mapped[UUID] = mapped_column(ForeignKey("consultation.id"), primary_key=True)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)


class Opinion(Base):
    """What a bank says. The firm reads it, after the advice, only where the bank agreed to be named."""

    __tablename__ = "consultation_opinion"
    consultation_id: Mapped[UUID] = mapped_column(ForeignKey("consultation.id"), primary_key=True)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    outcome: Mapped[str]
    conditions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    text: Mapped[str]
    named: Mapped[bool]
    said_at: Mapped[datetime]
    said_by: Mapped[UUID | None]
