"""Steps that run against a limit."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class Clock(Identified, Base):
    """A step (``level_rules.Step``) that an organisation must take: target, hard limit, and which mark was told (0/50/80/100).

    ``half_at`` and ``most_at``: its marks where it is sealed, since then the database reminds and not the ticker."""

    __tablename__ = "clock"
    step: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[UUID]
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("case_file.id"))
    path: Mapped[str | None]
    started_at: Mapped[datetime]
    target_at: Mapped[datetime]
    limit_at: Mapped[datetime]
    told: Mapped[int]
    seal_id: Mapped[UUID | None] = mapped_column(ForeignKey("seal.id"))
    half_at: Mapped[datetime | None]
    most_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
