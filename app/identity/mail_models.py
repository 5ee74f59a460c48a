"""Letters to people: who wishes them, and which were made."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class MailWish(Base):
    """How somebody wishes to hear of notices: ``way`` is each, digest or none. Up to ``told_until`` everything was told."""

    __tablename__ = "mail_wish"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    way: Mapped[str]
    told_until: Mapped[datetime]
    changed_at: Mapped[datetime]


class Mail(Identified, Base):
    """A letter: so many notices were unread at ``made_at``, the oldest since ``oldest_at``. ``sent_at``: given to the carrier."""

    __tablename__ = "mail"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    way: Mapped[str]
    day: Mapped[date]
    unread: Mapped[int]
    oldest_at: Mapped[datetime]
    made_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
