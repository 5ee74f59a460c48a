"""Table of corrections of paid claims."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class Correction(Identified, Base):
    """What a paid claim is worth after all. ``change_fen`` (分), set on confirmation: above 0 a top-up, below 0 a claw-back.

    The claim itself stays as it was decided; the latest correction in force judges what comes back.
    """

    __tablename__ = "claim_correction"
    claim_id: Mapped[UUID]
    case_id: Mapped[UUID]
    org_id: Mapped[UUID]
    state: Mapped[str]
    reason: Mapped[str]
    facts: Mapped[dict[str, Any]]
    loss_fen: Mapped[int]
    worth_fen: Mapped[int]
    working: Mapped[list[Any]]
    change_fen: Mapped[int | None]
    proposed_by: Mapped[UUID]
    proposed_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    reservation_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_transfer.id"))
    voucher_no: Mapped[str | None] = mapped_column(unique=True)
    paid_on: Mapped[date | None]
    paid_by: Mapped[UUID | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["claim_id", "case_id", "org_id"], ["claim.id", "claim.case_id", "claim.org_id"],
            name="fk_claim_correction_claim_id",
        ),
    )
