"""Tables of the kernel: case, seal, transition, audit, outbox, idempotency, notice, paper."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Identified


class Case(Identified, Base):
    """业务: the thread from need to recovery. One number, one subject firm, a list of who may see it."""

    __tablename__ = "case_file"
    number: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    subject_org_id: Mapped[UUID]
    title: Mapped[str]
    opened_at: Mapped[datetime]


class CaseParty(Base):
    """An organisation that may see a case and its timeline."""

    __tablename__ = "case_party"
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case_file.id"), primary_key=True)
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    since: Mapped[datetime]


class Seal(Identified, Base):
    """A sealed envelope: rows that carry it are read by their own organisation alone until it is opened, once."""

    __tablename__ = "seal"
    opened_at: Mapped[datetime | None]


class Transition(Identified, Base):
    """One change of state: who, when, why. The timeline is drawn from these rows."""

    __tablename__ = "transition"
    subject_type: Mapped[str]
    subject_id: Mapped[UUID]
    case_id: Mapped[UUID | None]
    seal_id: Mapped[UUID | None] = mapped_column(ForeignKey("seal.id"))
    event: Mapped[str]
    source: Mapped[str]
    target: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_role: Mapped[str]
    org_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    shared: Mapped[bool]
    """Whether every party of the case sees it, or the acting organisation alone."""


class AuditEvent(Identified, Base):
    """Append-only record of a use case. ``digest`` = SHA-256 of salt ‖ canonical form (audit.py)."""

    __tablename__ = "audit_event"
    form: Mapped[int] = mapped_column(SmallInteger)
    at: Mapped[datetime]
    action: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_kind: Mapped[str]
    org_id: Mapped[UUID | None]
    subject_type: Mapped[str | None]
    subject_id: Mapped[UUID | None]
    case_id: Mapped[UUID | None]
    seal_id: Mapped[UUID | None] = mapped_column(ForeignKey("seal.id"))
    facts: Mapped[dict[str, Any]]
    personal_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class AuditPersonal(Base):
    """Personal payload of an event, apart, erasable while the event's proof stands."""

    __tablename__ = "audit_personal"
    event_id: Mapped[UUID] = mapped_column(ForeignKey("audit_event.id"), primary_key=True)
    org_id: Mapped[UUID | None]
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class Outbox(Identified, Base):
    """Work that leaves with the change that caused it: one row per (event, handler)."""

    __tablename__ = "outbox"
    topic: Mapped[str]
    handler: Mapped[str]
    payload: Mapped[dict[str, Any]]
    org_id: Mapped[UUID | None]
    seal_id: Mapped[UUID | None] = mapped_column(ForeignKey("seal.id"))
    state: Mapped[str]
    created_at: Mapped[datetime]
    lease_until: Mapped[datetime]
    attempts: Mapped[int]
    last_error: Mapped[str | None]
    done_at: Mapped[datetime | None]


class Idempotency(Base):
    """A form that was sent: the same token with the same content returns the first result."""

    __tablename__ = "idempotency"
    owner: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(LargeBinary)
    result_id: Mapped[UUID | None]
    at: Mapped[datetime]


class Notice(Identified, Base):
    """A message for an organisation, or for one of its people."""

    __tablename__ = "notice"
    org_id: Mapped[UUID]
    person_id: Mapped[UUID | None]
    message: Mapped[str]
    params: Mapped[dict[str, Any]]
    path: Mapped[str | None]
    case_id: Mapped[UUID | None]
    seal_id: Mapped[UUID | None] = mapped_column(ForeignKey("seal.id"))
    at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class Paper(Identified, Base):
    """A stored file: contract, note, proof. The bytes lie under their SHA-256."""

    __tablename__ = "paper"
    org_id: Mapped[UUID]
    case_id: Mapped[UUID | None]
    subject_type: Mapped[str]
    subject_id: Mapped[UUID]
    seal_id: Mapped[UUID | None] = mapped_column(ForeignKey("seal.id"))
    kind: Mapped[str]
    filename: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    stored_at: Mapped[datetime]
    stored_by: Mapped[UUID | None]
