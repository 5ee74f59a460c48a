"""Keys with which a provider's machines sign what they push, and the nonces they have spent."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified
from app.core.secrets import Encrypted


class ProviderKey(Identified, Base):
    """接口密钥: several may live at once, so that a new one is in place before the old one is revoked.

    The secret signs, so it must be known again: it is encrypted at rest, not hashed, and shown once.
    """

    __tablename__ = "provider_key"
    provider_org_id: Mapped[UUID]
    provider_kind: Mapped[str] = mapped_column(default="data_provider")
    key_id: Mapped[str] = mapped_column(unique=True)
    secret: Mapped[str] = mapped_column(Encrypted)
    label: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    last_used_at: Mapped[datetime | None]
    """To the minute."""
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[UUID | None]


class ProviderNonce(Base):
    """A request that was heard. Kept while its time stamp could still be accepted."""

    __tablename__ = "provider_nonce"
    key_id: Mapped[UUID] = mapped_column(ForeignKey("provider_key.id"), primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
