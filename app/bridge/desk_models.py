"""Who of the transfer-loan centre looks after a bridge."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class BridgeKeeper(Identified, Base):
    """A person of the centre who has taken a bridge, or to whom it was given; one at a time, the earlier ones stay on record."""

    __tablename__ = "bridge_keeper"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    since: Mapped[datetime]
    given_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
