"""Numbers of the market that two people changed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.core.lifecycle import Lifecycle, second_word
from app.core.permissions import Permission as P


class PolicyState(StrEnum):
    """Where a change stands."""

    PROPOSED = "PROPOSED"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"


class MarketPolicy(Identified, Base):
    """A change of numbers: code → [value before, value after] (``policy_rules``). Confirmed ones hold from ``valid_from`` on."""

    __tablename__ = "market_policy"
    changes: Mapped[dict[str, Any]]
    reason: Mapped[str]
    valid_from: Mapped[datetime]
    state: Mapped[str]
    set_at: Mapped[datetime]
    set_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))


POLICY = Lifecycle(
    MarketPolicy.__tablename__, PolicyState,
    second_word(PolicyState, propose=P.POLICY_PROPOSE, decide=P.POLICY_APPROVE, by="set_by", stamp="approved_by"),
)  # fmt: skip
