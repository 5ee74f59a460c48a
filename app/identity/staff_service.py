"""Organisations and their people: created, invited, changed, reset, handed over. No mail server is assumed: a one-time
link is shown once to the administrator, who hands it over."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import selectinload

from app.core import secrets
from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal, constraint
from app.core.notices import notify
from app.core.permissions import TWO_FACTOR_KINDS, OrgKind, Permission, Role
from app.core.use_case import about, use_case
from app.core.working import N_
from app.identity.models import Branch, CaseKeeper, Membership, Organisation, Person, Ticket, UserSession
from app.identity.rules import (
    FIRST_ROLES,
    KEEPING_ROLES,
    RULES,
    administrators_separated,
    limits_fit,
    roles_fit,
)

constraint("uq_person_login", ErrorCode.LOGIN_TAKEN, "login")
constraint("uq_membership_one_administrator", ErrorCode.THREE_ADMINISTRATORS, "roles")
constraint("ck_ticket_two_people", ErrorCode.SAME_PERSON)
constraint("uq_branch_org_id_name", ErrorCode.NAME_TAKEN, "name")

Roles = dict[Role, int | None]
"""Roles with the approval limit (分) of those that approve by amount."""


@dataclass(frozen=True)
class Invitation:
    """A person who was invited, and the one-time token of their link: it is shown once and stored nowhere."""

    person: Person
    token: str = field(repr=False)


@use_case(Permission.ORGANISATION_CREATE, "organisation.created", returns=Organisation)
def create_organisation(ctx: Context, kind: OrgKind, name: str, uscc: str | None = None) -> Organisation:
    """A new organisation of staff. Raises ``Refusal(INVALID)`` for kinds that are not created by hand."""
    if kind not in FIRST_ROLES:
        raise Refusal(ErrorCode.INVALID, field="kind")
    organisation = Organisation(kind=kind.value, name=name.strip(), uscc=uscc or None, state="active", created_at=now())
    session().add(organisation)
    session().flush()
    about(organisation, kind=kind.value, name=organisation.name)
    return organisation


@use_case(Permission.ORGANISATION_CREATE, "organisation.first_administrator")
def invite_first_administrator(
    ctx: Context, *, org_id: UUID, login: str, name: str, roles: Roles, phone: str | None = None, email: str | None = None,
) -> Invitation:
    """The first person of an organisation that has nobody yet. Raises ``Refusal(ALREADY_DONE | INVALID)``."""
    organisation = get_or_404(Organisation, org_id, lock=True)
    if session().scalar(select(func.count()).select_from(Person).where(Person.org_id == org_id)):
        raise Refusal(ErrorCode.ALREADY_DONE)
    if not roles or not set(roles) <= set(FIRST_ROLES.get(OrgKind(organisation.kind), ())):
        raise Refusal(ErrorCode.INVALID, field="roles")
    with elevated(ctx, "first administrator") as system:
        invitation = invite(
            system, org_id=org_id, login=login, name=name, roles=roles, phone=phone, email=email,
        )
    about(organisation)
    return invitation


@use_case(Permission.ORGANISATION_CREATE, "organisation.opened")
def open_organisation(
    ctx: Context, *, kind: OrgKind, name: str, uscc: str | None, login: str, person: str, phone: str | None = None,
) -> Invitation:
    """An organisation together with its first administrator, or neither. Raises what the two raise."""
    organisation = create_organisation(ctx, kind, name, uscc)
    invitation = invite_first_administrator(
        ctx, org_id=organisation.id, login=login, name=person, roles=dict.fromkeys(FIRST_ROLES[kind]), phone=phone,
    )
    about(organisation)
    return invitation


@use_case(Permission.STAFF_INVITE, "staff.invited")
def invite(
    ctx: Context, *, org_id: UUID, login: str, name: str, roles: Roles, branch_id: UUID | None = None,
    phone: str | None = None, email: str | None = None,
) -> Invitation:
    """Invites a colleague of the actor's own organisation; the system may invite anywhere.

    Raises ``Refusal(NOT_FOUND | INVALID | AMOUNT_OUT_OF_RANGE | THREE_ADMINISTRATORS | LOGIN_TAKEN)``.
    """
    organisation = get_or_404(Organisation, org_id)
    if ctx.org_kind is not OrgKind.SYSTEM and org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    _check_roles(OrgKind(organisation.kind), roles)
    _check_branch(org_id, branch_id)
    login = login.strip().lower()
    with elevated(ctx, "login names"):  # a login name is taken whichever organisation took it
        if session().scalar(select(Person.id).where(Person.login == login)) is not None:
            raise Refusal(ErrorCode.LOGIN_TAKEN, field="login")
    person = Person(
        org_id=org_id, login=login, name=name.strip(), phone=phone or None, email=email or None, branch_id=branch_id,
        state="invited", created_at=now(), memberships=_memberships(organisation, roles),
    )
    session().add(person)
    session().flush()
    token = _issue(ctx, person, "invitation", RULES.invitation_hours)
    about(person, roles=_told(roles))
    return Invitation(person, token)


@use_case(Permission.STAFF_INVITE, "staff.invitation_reissued")
def reissue_invitation(ctx: Context, person_id: UUID) -> Invitation:
    """A fresh link for somebody who has not accepted yet; the earlier one stops working. Raises ``Refusal(STATE_CHANGED)``."""
    person = _colleague(ctx, person_id)
    if person.state != "invited":
        raise Refusal(ErrorCode.STATE_CHANGED)
    token = _issue(ctx, person, "invitation", RULES.invitation_hours)
    about(person)
    return Invitation(person, token)


@dataclass(frozen=True)
class Reset:
    """A one-time link for somebody who lost their way in. ``waits``: a second administrator has to confirm it first."""

    token: str = field(repr=False)
    waits: bool


@use_case(Permission.STAFF_INVITE, "staff.reset_issued")
def issue_reset(ctx: Context, person_id: UUID, *, both: bool = False) -> Reset:
    """A one-time link with which a colleague sets a new password; the person is told.

    Where the kind needs two factors the phone stays bound. ``both``, or a phone that was never bound, makes a link that
    works only after ``confirm_reset`` by a second person: else whoever issues it could walk in under another's name.
    Raises ``Refusal(STATE_CHANGED)`` for somebody who has not accepted or has left, ``SAME_PERSON`` for oneself.
    """
    person = _colleague(ctx, person_id)
    _not_oneself(ctx, person)
    if person.state != "active":
        raise Refusal(ErrorCode.STATE_CHANGED)
    waits = ctx.org_kind in TWO_FACTOR_KINDS and (both or person.totp_confirmed_at is None)
    token = _issue(ctx, person, "reset_both" if waits else "reset", RULES.reset_hours)
    notify(person.org_id, N_("管理员 %(name)s 为您签发了口令重置链接。如非您本人要求，请立即联系管理员。"),
           person_id=person.id, name=ctx.person_name or ctx.org_name)
    about(person, waits="yes" if waits else "no")
    return Reset(token, waits)


@use_case(Permission.RESET_CONFIRM, "staff.reset_confirmed", returns=Ticket)
def confirm_reset(ctx: Context, ticket_id: UUID) -> Ticket:
    """A second administrator of the organisation, or one of the platform, agrees that password and phone are both lost.

    Raises ``Refusal(SAME_PERSON)`` for who issued it and whom it is for, ``Refusal(STATE_CHANGED)`` once used or expired.
    """
    found = get_or_404(Ticket, ticket_id)
    if found.purpose != "reset_both":
        raise Refusal(ErrorCode.NOT_FOUND)
    if ctx.actor_id is None or ctx.actor_id in (found.created_by, found.person_id):
        raise Refusal(ErrorCode.SAME_PERSON)
    with elevated(ctx, "resets"):
        found = get_or_404(Ticket, ticket_id, lock=True)
        if found.used_at is not None or found.expires_at <= now():
            raise Refusal(ErrorCode.STATE_CHANGED)
        if found.confirmed_at is not None:
            raise Refusal(ErrorCode.ALREADY_DONE)
        found.confirmed_at, found.confirmed_by = now(), ctx.actor_id
        notify(found.org_id, N_("%(name)s 确认了您的口令与手机重置。如非您本人要求，请立即联系管理员。"),
               person_id=found.person_id, name=ctx.person_name or ctx.org_name)
    about(found, person_id=found.person_id)
    return found


def issue_reset_for(ctx: Context, person: Person) -> str:
    """The same link for somebody of another organisation whom a room has identified; the caller runs ``elevated``.

    Raises ``Refusal(STATE_CHANGED)`` for somebody who has not accepted or has left.
    """
    if person.state != "active":
        raise Refusal(ErrorCode.STATE_CHANGED)
    notify(person.org_id, N_("服务台核对证件后为您签发了口令重置链接。如非您本人要求，请立即联系服务台。"), person_id=person.id)
    return _issue(ctx, person, "reset", RULES.reset_hours)


@use_case(Permission.STAFF_INVITE, "staff.roles_changed", returns=Person)
def change_roles(ctx: Context, person_id: UUID, roles: Roles) -> Person:
    """What a colleague may do from now on; holds from their next page. Nobody changes their own roles.

    Raises ``Refusal(SAME_PERSON | INVALID | AMOUNT_OUT_OF_RANGE | THREE_ADMINISTRATORS | LAST_ADMINISTRATOR)``.
    """
    person = _colleague(ctx, person_id)
    _not_oneself(ctx, person)
    if person.state == "left":
        raise Refusal(ErrorCode.STATE_CHANGED)
    organisation = get_or_404(Organisation, person.org_id)
    _check_roles(OrgKind(organisation.kind), roles)
    before = {Role(row.role): row.approval_limit_fen for row in person.memberships}
    _keep_administrators(person, set(before) - set(roles))
    session().execute(delete(Membership).where(Membership.person_id == person.id))
    for membership in _memberships(organisation, roles):
        membership.person_id = person.id
        session().add(membership)
    session().flush()
    about(person, before=_told(before), after=_told(roles))
    return _colleague(ctx, person_id)


@use_case(Permission.STAFF_INVITE, "staff.branch_changed", returns=Person)
def change_branch(ctx: Context, person_id: UUID, branch_id: UUID | None) -> Person:
    """Where a colleague works. Raises ``Refusal(NOT_FOUND)`` for another organisation's branch."""
    person = _colleague(ctx, person_id)
    _check_branch(person.org_id, branch_id)
    person.branch_id = branch_id
    about(person)
    return person


@use_case(Permission.STAFF_INVITE, "staff.sessions_ended", returns=Person)
def end_sessions(ctx: Context, person_id: UUID) -> Person:
    """Signs a colleague out everywhere, at once."""
    person = _colleague(ctx, person_id)
    about(person, count=_end_sessions(person.id))
    return person


@use_case(Permission.STAFF_INVITE, "staff.left", returns=Person)
def leave(ctx: Context, person_id: UUID, successor_id: UUID | None, reason: str) -> Person:
    """Somebody left: signed out at once, their cases handed over, their links void. Their name stays in the records.

    Raises ``Refusal(SAME_PERSON | LAST_ADMINISTRATOR | CASES_OPEN | REASON_NEEDED | STATE_CHANGED | INVALID)``.
    """
    person = _colleague(ctx, person_id)
    if person.state == "left":
        raise Refusal(ErrorCode.STATE_CHANGED)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    _keep_administrators(person, {Role(row.role) for row in person.memberships})
    _not_oneself(ctx, person)
    handed = _hand_over(person, successor_id)
    _end_sessions(person.id)
    _void_tickets(person.id)
    person.state, person.left_at = "left", now()
    session().flush()
    about(person, successor=successor_id, cases=handed, personal={"reason": reason.strip()})
    return person


def _hand_over(person: Person, successor_id: UUID | None) -> int:
    kept = select(CaseKeeper.case_id).where(CaseKeeper.person_id == person.id, CaseKeeper.org_id == person.org_id)
    count = session().scalar(select(func.count()).select_from(kept.subquery())) or 0
    if successor_id is not None:
        successor = session().get(Person, successor_id)
        if successor is None or successor.org_id != person.org_id:
            raise Refusal(ErrorCode.NOT_FOUND)
        if successor.state != "active" or successor.id == person.id:
            raise Refusal(ErrorCode.INVALID, field="successor")
        session().execute(
            update(CaseKeeper).where(CaseKeeper.person_id == person.id, CaseKeeper.org_id == person.org_id)
            .values(person_id=successor.id, since=now())
        )
        if count:
            notify(person.org_id, N_("%(name)s 的 %(count)s 笔业务已交给您。"), person_id=successor.id, path="/cases",
                   name=person.name, count=count)
    elif count:
        raise Refusal(ErrorCode.CASES_OPEN, field="successor", count=count)
    return count


@use_case(Permission.BRANCH_EDIT, "branch.created", returns=Branch)
def create_branch(ctx: Context, name: str) -> Branch:
    """A branch of the actor's own organisation. Raises ``Refusal(NAME_TAKEN)``."""
    assert ctx.org_id is not None
    branch = Branch(org_id=ctx.org_id, name=name.strip())
    session().add(branch)
    session().flush()
    about(branch, name=branch.name)
    return branch


@use_case(Permission.BRANCH_EDIT, "branch.renamed", returns=Branch)
def rename_branch(ctx: Context, branch_id: UUID, name: str) -> Branch:
    """Raises ``Refusal(NOT_FOUND | NAME_TAKEN)``."""
    branch = get_or_404(Branch, branch_id, lock=True)
    if branch.org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    about(branch, before=branch.name, after=name.strip())
    branch.name = name.strip()
    return branch


def _colleague(ctx: Context, person_id: UUID) -> Person:
    """Somebody of the actor's own organisation, locked. The platform sees other people; they are not found here."""
    person = session().scalar(
        select(Person).where(Person.id == person_id, Person.org_id == ctx.org_id)
        .options(selectinload(Person.memberships)).with_for_update(of=Person).execution_options(populate_existing=True)
    )
    if person is None:
        raise Refusal(ErrorCode.NOT_FOUND)
    return person


def _not_oneself(ctx: Context, person: Person) -> None:
    if person.id == ctx.actor_id:
        raise Refusal(ErrorCode.SAME_PERSON)


def _check_roles(kind: OrgKind, roles: Roles) -> None:
    if not administrators_separated(frozenset(roles)):
        raise Refusal(ErrorCode.THREE_ADMINISTRATORS, field="roles")
    if not roles_fit(kind, frozenset(roles)):
        raise Refusal(ErrorCode.INVALID, field="roles")
    if not limits_fit(roles):
        raise Refusal(ErrorCode.INVALID, field="limit")


def _check_branch(org_id: UUID, branch_id: UUID | None) -> None:
    if branch_id is not None and get_or_404(Branch, branch_id).org_id != org_id:
        raise Refusal(ErrorCode.NOT_FOUND)


def _keep_administrators(person: Person, losing: set[Role]) -> None:
    """Refuses what would leave a keeping role with nobody. The organisation is locked, so that two cannot go at once."""
    for role in sorted(losing & KEEPING_ROLES):
        get_or_404(Organisation, person.org_id, lock=True)
        others = session().scalar(
            select(func.count()).select_from(Membership).join(Person, Person.id == Membership.person_id)
            .where(Membership.org_id == person.org_id, Membership.role == role.value, Person.state == "active",
                   Person.id != person.id)
        )
        if not others and person.state == "active":
            raise Refusal(ErrorCode.LAST_ADMINISTRATOR)


def _memberships(organisation: Organisation, roles: Roles) -> list[Membership]:
    return [
        Membership(role=role.value, org_id=organisation.id, org_kind=organisation.kind, approval_limit_fen=limit)
        for role, limit in sorted(roles.items())
    ]


def _told(roles: Roles) -> str:
    """Roles as one fact of the audit event, limits in 分."""
    return ", ".join(role.value if limit is None else f"{role.value}({limit})" for role, limit in sorted(roles.items()))


def _issue(ctx: Context, person: Person, purpose: str, hours: int) -> str:
    _void_tickets(person.id)
    token = random.token_urlsafe(32)
    session().add(Ticket(
        person_id=person.id, org_id=person.org_id, purpose=purpose, digest=secrets.digest(token), created_at=now(),
        created_by=ctx.actor_id, expires_at=now() + timedelta(hours=hours), used_at=None,
    ))
    session().flush()
    return token


def _void_tickets(person_id: UUID) -> None:
    session().execute(
        update(Ticket).where(Ticket.person_id == person_id, Ticket.used_at.is_(None)).values(used_at=now())
    )


def _end_sessions(person_id: UUID) -> int:
    ended = session().execute(
        update(UserSession).where(UserSession.person_id == person_id, UserSession.ended_at.is_(None)).values(ended_at=now())
        .returning(UserSession.id)
    )
    return len(ended.all())
