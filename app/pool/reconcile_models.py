"""Months that banks compared with their own files, and what differed."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class Reconciliation(Base):
    """A month of a bank, compared by one released file. ``absent``: booked loans with a balance that the file does not name."""

    __tablename__ = "pool_reconciliation"
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("pool_batch.id"), primary_key=True)
    org_id: Mapped[UUID]
    month: Mapped[date]
    notes: Mapped[int]
    agreeing: Mapped[int]
    absent: Mapped[int]
    done_at: Mapped[datetime]
    done_by: Mapped[UUID]


class Difference(Identified, Base):
    """A note on which list and portal differ in one way at the end of a month.

    ``theirs`` and ``ours`` hold 分, a class or a day as text; ``looked_on`` is the day on which both were last compared.
    """

    __tablename__ = "pool_difference"
    org_id: Mapped[UUID]
    month: Mapped[date]
    note_no: Mapped[str]
    kind: Mapped[str]
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("pool_batch.id"))
    row_no: Mapped[int | None]
    loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loan.id"))
    theirs: Mapped[str | None]
    ours: Mapped[str | None]
    state: Mapped[str]
    owner_id: Mapped[UUID | None]
    opened_on: Mapped[date]
    looked_on: Mapped[date]
    explained_by: Mapped[UUID | None]
    explanation: Mapped[str | None]
    ending: Mapped[str | None]
    ended_by: Mapped[UUID | None]
    ended_on: Mapped[date | None]


class ReconcileReminder(Base):
    """A reminder that went out, so that it goes out once."""

    __tablename__ = "pool_reconcile_reminder"
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    working_days: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
