"""Read models of staff, organisations, sessions and the audit log. The caller's transaction carries the identity."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased, selectinload

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.core.errors import ErrorCode, Refusal
from app.core.models import AuditEvent
from app.identity.models import Branch, CaseKeeper, Membership, Organisation, Person, RecoveryCode, Ticket, UserSession


def staff_query(ctx: Context) -> Select[*tuple[Any, ...]]:
    """People of the actor's own organisation, with roles, limit (分) and when they were last seen."""
    roles = (
        select(func.string_agg(Membership.role, ",")).where(Membership.person_id == Person.id).scalar_subquery()
    )
    limit = select(func.max(Membership.approval_limit_fen)).where(Membership.person_id == Person.id).scalar_subquery()
    seen = select(func.max(UserSession.last_seen_at)).where(UserSession.person_id == Person.id).scalar_subquery()
    return (
        select(
            Person.id, Person.name, Person.login, Person.state, Branch.name.label("branch"), roles.label("roles"),
            limit.label("limit_fen"), seen.label("seen_at"),
        )
        .outerjoin(Branch, Branch.id == Person.branch_id)
        .where(Person.org_id == ctx.org_id)
    )


def colleague(ctx: Context, person_id: UUID) -> Person:
    """Somebody of the actor's own organisation with roles and branch. Raises ``Refusal(NOT_FOUND)``."""
    person = session().scalar(
        select(Person).where(Person.id == person_id, Person.org_id == ctx.org_id)
        .options(selectinload(Person.memberships), selectinload(Person.branch), selectinload(Person.organisation))
    )
    if person is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    return person


def open_sessions(person_id: UUID) -> list[UserSession]:
    """Where a person is signed in, the latest first."""
    return list(session().scalars(
        select(UserSession).where(UserSession.person_id == person_id, UserSession.ended_at.is_(None))
        .order_by(UserSession.last_seen_at.desc()).limit(20)
    ))


def kept_cases(person_id: UUID) -> int:
    """How many cases a person looks after."""
    return session().scalar(select(func.count()).select_from(CaseKeeper).where(CaseKeeper.person_id == person_id)) or 0


def successors(ctx: Context, person_id: UUID) -> list[tuple[str, str]]:
    """Active colleagues who can take over, as choices."""
    rows = session().execute(
        select(Person.id, Person.name, Person.login)
        .where(Person.org_id == ctx.org_id, Person.state == "active", Person.id != person_id).order_by(Person.name)
    )
    return [(str(row.id), f"{row.name} · {row.login}") for row in rows]


def branches(ctx: Context) -> list[Branch]:
    """Branches of the actor's own organisation by name."""
    return list(session().scalars(select(Branch).where(Branch.org_id == ctx.org_id).order_by(Branch.name)))


def own_branch(ctx: Context, branch_id: UUID) -> Branch:
    """A branch of the actor's own organisation. Raises ``Refusal(NOT_FOUND)``."""
    found = session().get(Branch, branch_id)
    if found is None or found.org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    return found


def branches_query(ctx: Context) -> Select[*tuple[Any, ...]]:
    """The same as a list, with how many people work there."""
    people = (
        select(func.count()).select_from(Person).where(Person.branch_id == Branch.id, Person.state != "left")
        .scalar_subquery()
    )
    return select(Branch.id, Branch.name, people.label("people")).where(Branch.org_id == ctx.org_id)


def organisations_query() -> Select[*tuple[Any, ...]]:
    """All organisations the actor may see, with how many active people they have."""
    people = (
        select(func.count()).select_from(Person).where(Person.org_id == Organisation.id, Person.state == "active")
        .scalar_subquery()
    )
    return select(
        Organisation.id, Organisation.name, Organisation.kind, Organisation.uscc, Organisation.created_at,
        people.label("people"),
    )


def people_count(org_id: UUID, *states: str) -> int:
    """How many people of an organisation are in one of the states."""
    return session().scalar(
        select(func.count()).select_from(Person).where(Person.org_id == org_id, Person.state.in_(states))
    ) or 0


def recovery_codes_left(ctx: Context) -> int:
    """How many of the actor's recovery codes are unused."""
    return session().scalar(
        select(func.count()).select_from(RecoveryCode)
        .where(RecoveryCode.person_id == ctx.actor_id, RecoveryCode.used_at.is_(None))
    ) or 0


def locked_count(org_id: UUID) -> int:
    """How many accounts of an organisation are locked now."""
    return session().scalar(
        select(func.count()).select_from(Person).where(Person.org_id == org_id, Person.locked_until > now())
    ) or 0


def audit_query() -> Select[*tuple[Any, ...]]:
    """Audit events the actor may see; what lies under a seal is left out by row-level security."""
    return (
        select(
            AuditEvent.id, AuditEvent.at, AuditEvent.action, AuditEvent.actor_kind, Person.name.label("person"),
            Organisation.name.label("organisation"), AuditEvent.subject_type, AuditEvent.subject_id, AuditEvent.facts,
        )
        .outerjoin(Person, Person.id == AuditEvent.actor_id)
        .outerjoin(Organisation, Organisation.id == AuditEvent.org_id)
    )


def waiting_resets(ctx: Context) -> list[Any]:
    """Resets of password and phone that wait for a second person's word: of one's own colleagues; the platform sees all."""
    issuer = aliased(Person)
    return list(session().execute(
        select(Ticket.id, Ticket.created_at, Ticket.expires_at, Ticket.created_by, Ticket.person_id, Person.name, Person.login,
               Organisation.name.label("organisation"), issuer.name.label("issuer"))
        .join(Person, Person.id == Ticket.person_id).join(Organisation, Organisation.id == Ticket.org_id)
        .outerjoin(issuer, issuer.id == Ticket.created_by)
        .where(Ticket.purpose == "reset_both", Ticket.used_at.is_(None), Ticket.confirmed_at.is_(None),
               Ticket.expires_at > now(), Ticket.created_by.is_distinct_from(ctx.actor_id), Ticket.person_id != ctx.actor_id)
        .order_by(Ticket.created_at).limit(100)
    ))
