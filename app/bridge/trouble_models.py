"""Troubles of a bridge, and the claim that stands while its money does not come back. Money in 分."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, column_property, mapped_column

from app.bridge.models import Bridge
from app.bridge.trouble_rules import ClaimState
from app.core.calendar import now
from app.core.database import Base, Identified


class BridgeTrouble(Identified, Base):
    """Something that went wrong with a bridge: who must act and by when. One open trouble of a kind at a time.

    ``owner_org_id`` must act; ``warned_at`` is when the bureau was told that the deadline passed, once.
    """

    __tablename__ = "bridge_trouble"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    kind: Mapped[str]
    state: Mapped[str]
    owner_org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    owner_role: Mapped[str]
    opened_at: Mapped[datetime]
    opened_by: Mapped[UUID | None]
    opened_org_id: Mapped[UUID | None]
    due_at: Mapped[datetime]
    amount_fen: Mapped[int | None]
    note: Mapped[str]
    answer: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    warned_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None]
    outcome: Mapped[str | None]
    reason: Mapped[str | None]


class BridgeClaim(Identified, Base):
    """The creditor's claim on the firm, or on the guarantor to whom it passed. What is still owed is the bridge's receivable;
    ``opened_fen`` is what it was when the claim was named (分); ``passed_from_id`` the claim in whose place it stands."""

    __tablename__ = "bridge_claim"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    case_id: Mapped[UUID] = column_property(
        select(Bridge.case_id).where(Bridge.id == bridge_id).correlate_except(Bridge).scalar_subquery(), deferred=True)
    creditor_org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    debtor_org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    cause: Mapped[str]
    opened_fen: Mapped[int]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    passed_from_id: Mapped[UUID | None] = mapped_column(ForeignKey("bridge_claim.id"))

    @property
    def state(self) -> str:
        """OPEN until it is closed; closing it through its lifecycle sets the moment."""
        return ClaimState.OPEN.value if self.closed_at is None else ClaimState.CLOSED.value

    @state.setter
    def state(self, state: str) -> None:
        self.closed_at = now() if state == ClaimState.CLOSED else None
