"""Tables of the budget: money in, years closed, claims that wait for money."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class _Proposed(Identified):
    """What one person proposes and another one decides."""

    state: Mapped[str]
    reason: Mapped[str]
    proposed_by: Mapped[UUID]
    proposed_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]


class Funding(_Proposed, Base):
    """Money for a year's budget (分), ``guarantee_fen`` of it set aside for guarantors."""

    __tablename__ = "budget_funding"
    year: Mapped[int]
    amount_fen: Mapped[int]
    guarantee_fen: Mapped[int]
    document_no: Mapped[str]


class Closing(_Proposed, Base):
    """The closing of a budget year. ``result``: what was carried, released and given back, with the trial balance."""

    __tablename__ = "budget_closing"
    year: Mapped[int]
    year_end: Mapped[str]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class WaitKind(StrEnum):
    """What waits for money: a whole claim, or what a part payment left."""

    CLAIM = "claim"
    REST = "rest"


class WaitState(StrEnum):
    """Where a place in the line stands. A whole claim that got its money stays COVERED: its payment is the claim's own."""

    WAITING = "WAITING"
    COVERED = "COVERED"
    PAID = "PAID"
    RELEASED = "RELEASED"


class Wait(Identified, Base):
    """An approved claim that waits for money, whole (``claim``) or with what a part payment left (``rest``), in 分.

    ``since`` is the order: that of decision. A rest keeps the place of its claim.
    """

    __tablename__ = "claim_wait"
    claim_id: Mapped[UUID]
    case_id: Mapped[UUID]
    org_id: Mapped[UUID]
    mode: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    amount_fen: Mapped[int]
    since: Mapped[datetime]
    covered_fen: Mapped[int | None]
    covered_at: Mapped[datetime | None]
    reservation_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_transfer.id"))
    voucher_no: Mapped[str | None] = mapped_column(unique=True)
    paid_on: Mapped[date | None]
    paid_by: Mapped[UUID | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["claim_id", "case_id", "org_id"], ["claim.id", "claim.case_id", "claim.org_id"], name="fk_claim_wait_claim_id",
        ),
    )
