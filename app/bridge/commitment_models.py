"""What a commitment letter leaves open, and whether it was kept."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class CommitmentCondition(Identified, Base):
    """A condition that was still open when the letter was signed; ``met_on``: since when it is no more."""

    __tablename__ = "commitment_condition"
    commitment_id: Mapped[UUID] = mapped_column(ForeignKey("commitment.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str]
    met_on: Mapped[date | None]
    met_by: Mapped[UUID | None]


class CommitmentOutcome(Identified, Base):
    """Whether the promise for a bridge was kept. ``breaches`` and ``excuse`` are codes of ``commitment_rules``."""

    __tablename__ = "commitment_outcome"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"), unique=True)
    commitment_id: Mapped[UUID] = mapped_column(ForeignKey("commitment.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    outcome: Mapped[str]
    breaches: Mapped[list[Any]]
    excuse: Mapped[str | None]
    after_payout: Mapped[bool]
    judged_on: Mapped[date]
    judged_at: Mapped[datetime]
