"""Files of bank statements, their rows, and what was decided about each row."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class StatementFile(Identified, Base):
    """A file that was taken in once. Its bytes are not kept: they hold account numbers; ``refused`` says what was left out."""

    __tablename__ = "statement_file"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    layout: Mapped[str]
    filename: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    rows_total: Mapped[int]
    rows_new: Mapped[int]
    rows_known: Mapped[int]
    refused: Mapped[list[Any]]
    uploaded_at: Mapped[datetime]
    uploaded_by: Mapped[UUID]


class StatementRow(Identified, Base):
    """A movement as the bank tells it. Accounts stand as keyed digests, and masked for people. Never changed."""

    __tablename__ = "statement_row"
    file_id: Mapped[UUID] = mapped_column(ForeignKey("statement_file.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    line: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    own_digest: Mapped[bytes] = mapped_column(LargeBinary)
    own_shown: Mapped[str]
    counter_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    counter_shown: Mapped[str]
    counter_name: Mapped[str]
    incoming: Mapped[bool]
    amount_fen: Mapped[int]
    balance_fen: Mapped[int | None]
    moved_at: Mapped[datetime]
    voucher_no: Mapped[str]
    serial_no: Mapped[str]
    notes: Mapped[str]


class StatementDecision(Identified, Base):
    """What a row is: a side of a hop, or nothing of ours. By the rule or by hand; taken back by another person only."""

    __tablename__ = "statement_decision"
    row_id: Mapped[UUID] = mapped_column(ForeignKey("statement_row.id"))
    kind: Mapped[str]
    hop_id: Mapped[UUID | None] = mapped_column(ForeignKey("bridge_hop.id"))
    side: Mapped[str | None]
    how: Mapped[str]
    reason: Mapped[str]
    working: Mapped[list[Any]]
    made_at: Mapped[datetime]
    made_by: Mapped[UUID]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[UUID | None]
    undone_reason: Mapped[str | None]
