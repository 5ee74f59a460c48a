"""Collateral that moves with a transfer to another bank, and the guarantor that covers the gap. Money in 分."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Computed, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class BridgeCollateral(Identified, Base):
    """One registered security of the old loan on its way to the new bank.

    ``registration_no`` is that at the old bank. ``release_by`` and ``register_by`` are counted from the payout, empty before it.
    """

    __tablename__ = "bridge_collateral"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    kind: Mapped[str]
    what: Mapped[str]
    registration_no: Mapped[str]
    state: Mapped[str]
    entered_at: Mapped[datetime]
    entered_by: Mapped[UUID]
    release_by: Mapped[date | None]
    register_by: Mapped[date | None]
    released_on: Mapped[date | None]
    released_by: Mapped[UUID | None]
    release_reference: Mapped[str | None]
    new_registration_no: Mapped[str | None]
    registered_on: Mapped[date | None]
    registered_by: Mapped[UUID | None]


class BridgeGuarantee(Identified, Base):
    """A guarantor's word for the funder from the payout until the collateral is registered at the new bank.

    ``cover_fen`` is the most it stands for (分); ``answer_by`` when its clerk should have answered. Once it is called, the claim
    on the bridge stands against it.
    """

    __tablename__ = "bridge_guarantee"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    org_kind: Mapped[str] = mapped_column(Computed("'guarantor'", persisted=True))
    state: Mapped[str]
    cover_fen: Mapped[int]
    contract_no: Mapped[str | None]
    answer_by: Mapped[datetime]
    asked_at: Mapped[datetime]
    asked_by: Mapped[UUID]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    called_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None]
