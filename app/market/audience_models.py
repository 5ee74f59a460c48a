"""Batches of needs that the platform sends to banks, and what banks did."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class NeedBatch(Identified, Base):
    """清单: needs sent to several banks at once; ``limit_days`` natural days for their offers."""

    __tablename__ = "need_batch"
    name: Mapped[str]
    kind: Mapped[str]
    limit_days: Mapped[int]
    made_at: Mapped[datetime]
    made_by: Mapped[UUID | None]


class BatchNeed(Base):
    """A need of a batch; it is in one only."""

    __tablename__ = "batch_need"
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("need_batch.id"), primary_key=True)
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.id"), primary_key=True, unique=True)


class BatchBank(Base):
    """A bank of a batch."""

    __tablename__ = "batch_bank"
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("need_batch.id"), primary_key=True)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)


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
