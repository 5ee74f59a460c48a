"""Table of the nightly checks."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class PoolCheck(Identified, Base):
    """One night's check of the pool. ``told``: check_service.Outcome as JSON, absent until a worker has looked, written once."""

    __tablename__ = "pool_check"
    day: Mapped[date] = mapped_column(unique=True)
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    told: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    found: Mapped[int | None]
