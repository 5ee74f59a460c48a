"""Organisations, branches, people, roles, sessions, one-time tickets."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.database import Base, Identified
from app.core.secrets import Encrypted


class Organisation(Identified, Base):
    """An organisation of one of the kinds of ``OrgKind``."""

    __tablename__ = "organisation"
    kind: Mapped[str]
    name: Mapped[str]
    uscc: Mapped[str | None] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime]


class Branch(Identified, Base):
    """A branch (支行, 网点) of an organisation."""

    __tablename__ = "branch"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    name: Mapped[str]


class Person(Identified, Base):
    """A person of one organisation. ``state``: invited, active, left. Phone and e-mail are encrypted at rest."""

    __tablename__ = "person"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    phone: Mapped[str | None] = mapped_column(Encrypted)
    email: Mapped[str | None] = mapped_column(Encrypted)
    branch_id: Mapped[UUID | None] = mapped_column(ForeignKey("branch.id"))
    state: Mapped[str]
    password_hash: Mapped[str | None]
    password_changed_at: Mapped[datetime | None]
    totp_secret: Mapped[str | None] = mapped_column(Encrypted)
    totp_confirmed_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None]
    failed_count: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    left_at: Mapped[datetime | None]

    organisation: Mapped[Organisation] = relationship(lazy="raise")
    branch: Mapped[Branch | None] = relationship(lazy="raise")
    memberships: Mapped[list[Membership]] = relationship(lazy="raise", back_populates="person")


class Membership(Base):
    """A role of a person; ``approval_limit_fen`` (分) the largest amount they may approve in that role."""

    __tablename__ = "membership"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    org_kind: Mapped[str]
    approval_limit_fen: Mapped[int | None]

    person: Mapped[Person] = relationship(lazy="raise", back_populates="memberships")


class PasswordHistory(Identified, Base):
    """Hashes of earlier passwords: the last few may not return."""

    __tablename__ = "password_history"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    org_id: Mapped[UUID]
    password_hash: Mapped[str]
    at: Mapped[datetime]


class UserSession(Identified, Base):
    """A sign-in. The cookie holds a random token, this row its digest; ending the row ends the session at once."""

    __tablename__ = "user_session"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    org_id: Mapped[UUID]
    token_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    device: Mapped[str]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    second_factor_at: Mapped[datetime | None]
    second_factor_failures: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[datetime | None]


class Ticket(Identified, Base):
    """A one-time link: ``invitation``, ``reset`` (the password alone where a second factor is needed), or ``reset_both``,
    which works once a second administrator has confirmed it. Only the digest is stored."""

    __tablename__ = "ticket"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    org_id: Mapped[UUID]
    purpose: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    confirmed_by: Mapped[UUID | None]


class RecoveryCode(Identified, Base):
    """A one-time code for someone who lost password or phone. Only the digest is stored."""

    __tablename__ = "recovery_code"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    org_id: Mapped[UUID]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class CaseKeeper(Base):
    """Who in an organisation looks after a case. A leaver's cases are handed to a colleague."""

    __tablename__ = "case_keeper"
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"), primary_key=True)
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    since: Mapped[datetime]
