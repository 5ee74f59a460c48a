"""District pools and what they paid on top of the city (叠加补偿). Money in 分."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.pool.ruleset import Mode


class DistrictPool(Identified, Base):
    """A district's own rule: the share (a fraction) of the net principal loss it adds in 政银 (``ratio``) and in 政担
    (``guarantee_ratio``), while it is in force; none where it adds nothing. Never changed."""

    __tablename__ = "district_pool"
    district: Mapped[str]
    name: Mapped[str]
    document_no: Mapped[str]
    ratio: Mapped[Decimal | None]
    guarantee_ratio: Mapped[Decimal | None]
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    registered_by: Mapped[UUID | None]
    registered_at: Mapped[datetime]

    def ratio_of(self, mode: str) -> Decimal | None:
        """What the district adds in a mode."""
        return self.guarantee_ratio if mode == Mode.GUARANTEE else self.ratio


class TopUp(Identified, Base):
    """What a district paid on a claim, under its own voucher; ``working`` the lines that led there."""

    __tablename__ = "top_up"
    claim_id: Mapped[UUID] = mapped_column(unique=True)
    case_id: Mapped[UUID]
    org_id: Mapped[UUID]
    pool_id: Mapped[UUID] = mapped_column(ForeignKey("district_pool.id"))
    computed_fen: Mapped[int]
    paid_fen: Mapped[int]
    working: Mapped[list[Any]]
    voucher_no: Mapped[str]
    paid_on: Mapped[date]
    recorded_by: Mapped[UUID | None]
    recorded_at: Mapped[datetime]
