"""Tables of scoring runs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class ScoringRun(Identified, Base):
    """Many firms to be scored. ``cause``: run_service.Cause. How far it is, its chunks say."""

    __tablename__ = "scoring_run"
    cause: Mapped[str]
    asked_at: Mapped[datetime]
    asked_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    firms: Mapped[int]


class ScoringChunk(Base):
    """Firms of a run that are scored in one transaction. ``scored``: how many of them have a score afterwards."""

    __tablename__ = "scoring_chunk"
    run_id: Mapped[UUID] = mapped_column(ForeignKey("scoring_run.id"), primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True)
    firm_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    started_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    scored: Mapped[int | None]
