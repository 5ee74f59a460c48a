"""Owner-borrowers (小微企业主): a natural person linked to the small firm that they own or control, and borrow for."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.core.errors import N_
from app.core.secrets import Encrypted


class OwnerRole(StrEnum):
    """How a person holds a firm."""

    SHAREHOLDER = "SHAREHOLDER"
    CONTROLLER = "CONTROLLER"
    OPERATOR = "OPERATOR"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return _NAMES[self]


_NAMES = {
    OwnerRole.SHAREHOLDER: N_("股东"), OwnerRole.CONTROLLER: N_("实际控制人"), OwnerRole.OPERATOR: N_("个体经营者"),
}


class FirmOwner(Identified, Base):
    """A person behind a firm, as a bank has proved it. ``share``: a fraction of the firm. Name and identity number are
    encrypted at rest; ``id_digest`` finds the same person under another firm. Never changed."""

    __tablename__ = "firm_owner"
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    name: Mapped[str] = mapped_column(Encrypted)
    id_no: Mapped[str] = mapped_column(Encrypted)
    id_digest: Mapped[bytes] = mapped_column(LargeBinary)
    role: Mapped[str]
    share: Mapped[Decimal | None]
    proof: Mapped[str]
    registered_by: Mapped[UUID | None]
    registered_at: Mapped[datetime]

    @property
    def masked_name(self) -> str:
        """The name as screens show it: the first character alone."""
        return self.name[:1] + "*" * max(1, len(self.name) - 1)
