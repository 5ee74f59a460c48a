"""Table of proposed editions of the rule."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class RuleProposal(Identified, Base):
    """An edition of the rule that somebody proposes (``ruleset.RuleSet`` as JSON), made from the edition ``base_code``.

    ``state``: rule_states.ProposalState; at most one waits at a time.
    """

    __tablename__ = "rule_proposal"
    base_code: Mapped[str]
    rules: Mapped[dict[str, Any]]
    reason: Mapped[str]
    state: Mapped[str]
    proposed_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    proposed_at: Mapped[datetime]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
