"""Files of loans of banks and guarantors: the batch with what became of its rows, and the rows that wait or were refused."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class PoolBatch(Identified, Base):
    """One file or push. ``amount_fen``: the principal of all rows that could be read.

    ``largest_fen``: the largest principal among them, for which the releaser's limit is asked.
    ``month`` and ``notes_absent`` are those of a month-end list: loans booked and owed that it does not name.
    Counts before the release say what would become of each row, those after it what did; both add up to ``rows_total``.
    """

    __tablename__ = "pool_batch"
    number: Mapped[int] = mapped_column(unique=True)
    org_id: Mapped[UUID]
    org_kind: Mapped[str]
    kind: Mapped[str]
    filename: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[bytes]
    channel: Mapped[str]
    state: Mapped[str]
    phase: Mapped[str | None]
    progress_rows: Mapped[int] = mapped_column(default=0)
    rows_total: Mapped[int | None]
    rows_done: Mapped[int | None]
    rows_known: Mapped[int | None]
    rows_waiting: Mapped[int | None]
    rows_refused: Mapped[int | None]
    amount_fen: Mapped[int | None]
    largest_fen: Mapped[int | None]
    month: Mapped[date | None]
    notes_absent: Mapped[int | None]
    failure: Mapped[str | None]
    failure_params: Mapped[dict[str, Any]]
    submitted_on: Mapped[date]
    prepared_at: Mapped[datetime]
    prepared_by: Mapped[UUID | None]
    branch_id: Mapped[UUID | None]
    released_at: Mapped[datetime | None]
    released_by: Mapped[UUID | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class PoolBatchRow(Base):
    """A row that was refused or waits, as it came, with its reason. ``outcome``: what became of one that waited."""

    __tablename__ = "pool_batch_row"
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("pool_batch.id"), primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    ending: Mapped[str]
    reason: Mapped[str]
    params: Mapped[dict[str, Any]]
    raw: Mapped[dict[str, Any]]
    note_no: Mapped[str | None]
    loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loan.id"))
    settled_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
