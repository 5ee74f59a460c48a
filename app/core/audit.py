"""Append-only audit events and their canonical form (design §4.9). The form is frozen: a new one gets a new number.

Form 1 is UTF-8 JSON with keys sorted by code point, no white space, no floats: integers as numbers, Decimals and UUIDs as
strings, instants as ``YYYY-MM-DDTHH:MM:SS.ffffffZ`` in UTC, dates as ISO, bytes as lower-case hex, absent values as null.
An event's digest is SHA-256(salt ‖ form).
"""

from __future__ import annotations

import hashlib
import json
import secrets as random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from app.core import secrets
from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.core.ids import new_id
from app.core.models import AuditEvent, AuditPersonal

FORM = 1


def plain(value: Any) -> Any:
    """A value as form 1 writes it. Raises ``TypeError`` on a float or anything unknown: a digest must not depend on luck."""
    if value is None or (isinstance(value, bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(inner) for inner in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical(value: Any) -> bytes:
    """Form 1 of a value."""
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def event_form(event: AuditEvent) -> bytes:
    """Canonical bytes of an event: what its digest proves."""
    return canonical({
        "form": event.form, "id": event.id, "at": event.at, "action": event.action, "actor_id": event.actor_id,
        "actor_kind": event.actor_kind, "org_id": event.org_id, "subject_type": event.subject_type,
        "subject_id": event.subject_id, "case_id": event.case_id, "seal_id": event.seal_id, "facts": event.facts,
        "personal_digest": event.personal_digest,
    })


def event_digest(event: AuditEvent) -> bytes:
    """SHA-256(salt ‖ form)."""
    return hashlib.sha256(bytes(event.salt) + event_form(event)).digest()


@dataclass
class Note:
    """What a use case says of itself; the gate turns it into the one event of the use case."""

    subject_type: str | None = None
    subject_id: UUID | None = None
    case_id: UUID | None = None
    seal_id: UUID | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    personal: dict[str, Any] | None = None


def write(ctx: Context, action: str, note: Note) -> AuditEvent:
    """Appends the event in the running transaction. Personal payload lies apart, encrypted, under its own salt."""
    personal_salt, payload, personal_digest = b"", b"", None
    if note.personal is not None:
        personal_salt, payload = random.token_bytes(16), canonical(note.personal)
        personal_digest = hashlib.sha256(personal_salt + payload).digest()
    event = AuditEvent(
        id=new_id(), form=FORM, at=now(), action=action, actor_id=ctx.actor_id, actor_kind=ctx.actor_kind,
        org_id=ctx.org_id, subject_type=note.subject_type, subject_id=note.subject_id, case_id=note.case_id,
        seal_id=note.seal_id, facts=plain(note.facts), personal_digest=personal_digest, salt=random.token_bytes(16),
        digest=b"",
    )
    event.digest = event_digest(event)
    session().add(event)
    if personal_digest is not None:
        session().flush()
        session().add(AuditPersonal(
            event_id=event.id, org_id=ctx.org_id, salt=personal_salt, payload=secrets.encrypt(payload.decode()),
        ))
    return event
