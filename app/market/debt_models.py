"""What a firm says that it owes outside the portal."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class DeclaredDebt(Identified, Base):
    """已有贷款: what is still owed (分) to a lender on a day, as the firm says. Never rewritten: ended, and declared anew."""

    __tablename__ = "declared_debt"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    lender: Mapped[str]
    amount_fen: Mapped[int]
    annual_rate: Mapped[Decimal | None]
    due_on: Mapped[date | None]
    secured: Mapped[bool]
    as_of: Mapped[date]
    declared_at: Mapped[datetime]
    declared_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
