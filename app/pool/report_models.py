"""Rows of banks' monthly reports as they were taken. Append-only; amounts in 分."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class PoolReport(Base):
    """What a bank said of a loan at the end of a day. ``paid_fen``: principal and interest that came in since the last report."""

    __tablename__ = "pool_report"
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("pool_batch.id"), primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loan.id"))
    as_of: Mapped[date]
    balance_fen: Mapped[int]
    five_class: Mapped[str]
    overdue_days: Mapped[int]
    paid_fen: Mapped[int]
    paid_on: Mapped[date]
    change: Mapped[str | None]
    due_on: Mapped[date | None]
    new_note_no: Mapped[str | None]
    reported_at: Mapped[datetime]
