"""Table of stress tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class StressRun(Identified, Base):
    """A stress test of the loans booked at the moment it was computed. ``assumed``: stress_rules.Assumptions; ``budget_fen`` 分.

    ``other_id``/``other_method``: the edition and reading of the brackets it is compared with. ``told``: stress_service.result,
    absent until a worker has computed it, written once.
    """

    __tablename__ = "stress_run"
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    asked_at: Mapped[datetime]
    rule_set_id: Mapped[UUID] = mapped_column(ForeignKey("rule_set.id"))
    other_id: Mapped[UUID | None] = mapped_column(ForeignKey("rule_set.id"))
    other_method: Mapped[str | None]
    years: Mapped[int]
    seed: Mapped[int]
    budget_fen: Mapped[int]
    assumed: Mapped[dict[str, Any]]
    told: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    done_at: Mapped[datetime | None]
