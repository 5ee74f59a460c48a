"""Funds and what they offer. Money in 分."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class Fund(Identified, Base):
    """Money that a funder has committed to bridges. What is in it stands in the ledger under ``account_code``."""

    __tablename__ = "fund"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    name: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    terms: Mapped[dict[str, Any]]
    account_code: Mapped[str] = mapped_column(ForeignKey("ledger_account.code"), unique=True)
    opened_at: Mapped[datetime]
    opened_by: Mapped[UUID | None]


class BridgeQuote(Identified, Base):
    """A fund that is asked to bridge, and what it offers. One per bridge and fund; one picked per bridge."""

    __tablename__ = "bridge_quote"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    firm_id: Mapped[UUID]
    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.id"))
    org_id: Mapped[UUID]
    fund_name: Mapped[str]
    state: Mapped[str]
    amount_fen: Mapped[int | None]
    terms: Mapped[dict[str, Any] | None]
    valid_until: Mapped[date | None]
    invited_at: Mapped[datetime]
    offered_at: Mapped[datetime | None]
    offered_by: Mapped[UUID | None]
