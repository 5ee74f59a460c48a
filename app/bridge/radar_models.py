"""The maturity radar: the firm's word that the centre may look, what was told, what banks intend."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class RadarShare(Identified, Base):
    """The firm lets the transfer-loan centre see its loans that fall due; at most one word of a firm holds."""

    __tablename__ = "radar_share"
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    agreed_at: Mapped[datetime]
    agreed_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None]


class RadarMark(Base):
    """A loan was told of so many days before its maturity."""

    __tablename__ = "radar_mark"
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loan.id"), primary_key=True)
    days: Mapped[int] = mapped_column(primary_key=True)
    told_at: Mapped[datetime]


class RenewalIntent(Identified, Base):
    """What a bank intends with a loan that falls due. Asked by the portal, the firm or the centre; no promise."""

    __tablename__ = "renewal_intent"
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loan.id"), unique=True)
    firm_id: Mapped[UUID] = mapped_column(ForeignKey("enterprise.id"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    asked_at: Mapped[datetime]
    asked_by: Mapped[UUID | None]
    asker_org_id: Mapped[UUID | None]
    intent: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="")
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
