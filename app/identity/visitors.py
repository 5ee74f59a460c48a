"""Who holds a cookie or a login name: the actor of a request, of a command, of a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import selectinload

from app.core import secrets
from app.core.calendar import now
from app.core.context import Context
from app.core.database import ask_alone, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import OrgKind, Role, permissions_of
from app.identity.models import Person, UserSession
from app.identity.rules import RULES

DOOR = Context.of_system("sign-in")
"""Looks up who somebody is before anybody is known."""
SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Visitor:
    """A signed-in person of this request."""

    context: Context
    session_id: UUID
    must_change_password: bool


class _Found(NamedTuple):
    """What ``hq_visitor`` tells of a session that was not ended."""

    session_id: UUID
    second_factor_at: datetime | None
    last_seen_at: datetime
    created_at: datetime
    person_id: UUID
    org_id: UUID
    name: str
    branch_id: UUID | None
    person_state: str
    password_changed_at: datetime | None
    kind: str
    org_name: str
    org_state: str
    roles: list[str]
    limit_fen: int | None


def visitor(token: str) -> Visitor | None:
    """Who holds this cookie; ``None`` when the session ended, rested too long, or still lacks its second factor."""
    at = now()
    found = ask_alone("select * from hq_visitor(%s)", (secrets.digest(token),))
    if found is None:
        return None
    row = _Found(*found)
    if (
        row.second_factor_at is None or row.person_state != "active" or row.org_state != "active"
        or at - row.last_seen_at > RULES.idle(OrgKind(row.kind)) or at - row.created_at > timedelta(hours=RULES.session_hours)
    ):
        return None
    if at - row.last_seen_at > SEEN_EVERY:
        _seen(row.session_id)
    changed = row.password_changed_at
    return Visitor(
        _context(row.person_id, row.org_id, row.kind, row.roles, row.name, row.org_name, row.branch_id, row.limit_fen),
        row.session_id, changed is None or at - changed > timedelta(days=RULES.password_days),
    )


def _seen(session_id: UUID) -> None:
    """Not a use case: that a page was opened is no business event."""
    with transaction(DOOR) as unit:
        unit.session.execute(update(UserSession).where(UserSession.id == session_id).values(last_seen_at=now()))


def context_of(person: Person) -> Context:
    """The actor that a person is. Organisation and memberships must be loaded."""
    limits = [m.approval_limit_fen for m in person.memberships if m.approval_limit_fen is not None]
    return _context(
        person.id, person.org_id, person.organisation.kind, [membership.role for membership in person.memberships], person.name,
        person.organisation.name, person.branch_id, max(limits, default=None),
    )


def _context(
    person_id: UUID, org_id: UUID, kind: str, roles: Iterable[str], name: str, org_name: str, branch_id: UUID | None,
    limit_fen: int | None,
) -> Context:
    held = frozenset(map(Role, roles))
    return Context(
        person_id, org_id, OrgKind(kind), held, permissions_of(held), person_name=name, org_name=org_name, branch_id=branch_id,
        approval_limit_fen=limit_fen,
    )


def context_for(login: str) -> Context:
    """The actor with a login name, for the command line and tests. Raises ``Refusal(NOT_FOUND)``."""
    with transaction(DOOR, read_only=True) as unit:
        person = unit.session.scalar(
            select(Person).where(Person.login == login.lower())
            .options(selectinload(Person.memberships), selectinload(Person.organisation))
        )
    if person is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    return context_of(person)
