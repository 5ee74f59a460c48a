"""What banks did, and how they stand by it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class BankRecord(Identified, Base):
    """A fact about a bank and a need, written after opening. ``minutes`` of working time to its first answer; 分."""

    __tablename__ = "bank_record"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"))
    kind: Mapped[str]
    at: Mapped[datetime]
    minutes: Mapped[int | None]
    amount_fen: Mapped[int | None]
    all_in_rate: Mapped[Decimal | None]


class BankStanding(Base):
    """How a bank stood on a day, over the days before. Counts and rates of too few cases are ``None``."""

    __tablename__ = "bank_standing"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    as_of: Mapped[date] = mapped_column(primary_key=True)
    window_days: Mapped[int]
    invited: Mapped[int | None]
    answer_rate: Mapped[Decimal | None]
    offer_rate: Mapped[Decimal | None]
    answers: Mapped[int | None]
    median_minutes: Mapped[int | None]
    bids: Mapped[int | None]
    all_in_median: Mapped[Decimal | None]
    all_in_weighted: Mapped[Decimal | None]
    promises: Mapped[int | None]
    kept_rate: Mapped[Decimal | None]
