"""Who of a bank works on which need. Sealed: before closing nobody else learns that the bank looks at it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class NeedClaim(Identified, Base):
    """认领: an officer takes up a need, until it is answered, released, handed over, late or closed. A row has one step."""

    __tablename__ = "need_claim"
    need_id: Mapped[UUID]
    seal_id: Mapped[UUID]
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    claimed_at: Mapped[datetime]
    due_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]

    __table_args__ = (ForeignKeyConstraint(["need_id", "seal_id"], ["need.id", "need.seal_id"], name="fk_need_claim_need_id"),)
