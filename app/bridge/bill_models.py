"""Papers of a bridge whose data are frozen when they are issued: the agreement, the bill, the invoice, the receipt."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue, ForeignKey, LargeBinary, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.core.errors import N_


class PaperKind(StrEnum):
    """Kinds of papers. A cancellation takes a bill back; its number stays."""

    AGREEMENT = "AGREEMENT"
    BILL = "BILL"
    CANCELLATION = "CANCELLATION"
    INVOICE = "INVOICE"
    RECEIPT = "RECEIPT"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return {
            "AGREEMENT": N_("转贷三方协议"), "BILL": N_("转贷费用账单"), "CANCELLATION": N_("账单作废单"),
            "INVOICE": N_("转贷费用结算单"), "RECEIPT": N_("转贷费用收据"),
        }[self.value]

    @property
    def letters(self) -> str:
        """How its numbers begin."""
        return {"AGREEMENT": "XY", "BILL": "ZD", "CANCELLATION": "ZF", "INVOICE": "JS", "RECEIPT": "SJ"}[self.value]


class BridgePaper(Identified, Base):
    """A paper: ``data`` as they stood, ``digest`` the SHA-256 of their canonical form. Never changed.

    ``org_id`` is the funder that issues it. The database gives ``year`` and ``serial``: each funder's numbers of a kind and
    year have no gaps.
    """

    __tablename__ = "bridge_paper"
    bridge_id: Mapped[UUID] = mapped_column(ForeignKey("bridge.id"))
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"))
    kind: Mapped[str]
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    bank_org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    year: Mapped[int] = mapped_column(server_default=FetchedValue())
    serial: Mapped[int] = mapped_column(server_default=FetchedValue())
    total_fen: Mapped[int | None]
    data: Mapped[dict[str, Any]]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    voucher_no: Mapped[str | None]
    cancels_id: Mapped[UUID | None] = mapped_column(ForeignKey("bridge_paper.id"))
    issued_at: Mapped[datetime]
    issued_by: Mapped[UUID | None]

    @property
    def number(self) -> str:
        """ZD2026-0007."""
        return f"{PaperKind(self.kind).letters}{self.year}-{self.serial:04d}"


class StoredBillLine(Identified, Base):
    """A line of a bill. The database computes its exact amount and refuses a kind or a rate outside the fee list."""

    __tablename__ = "bridge_bill_line"
    paper_id: Mapped[UUID] = mapped_column(ForeignKey("bridge_paper.id"))
    part: Mapped[int]
    hop_id: Mapped[UUID] = mapped_column(ForeignKey("bridge_hop.id"))
    fee_kind: Mapped[str]
    principal_fen: Mapped[int]
    days: Mapped[int]
    rate: Mapped[Decimal]
    exact_fen: Mapped[Decimal | None] = mapped_column(Numeric, server_default=FetchedValue())


class FeeListEntry(Base):
    """The fee list: what may be charged and up to which fraction of the principal. Read by the database's own checks."""

    __tablename__ = "bridge_fee_kind"
    code: Mapped[str] = mapped_column(primary_key=True)
    ceiling: Mapped[Decimal]
    basis: Mapped[str]
