"""Sign-in, sessions, second factor, own password. Runs as the portal itself until it is known who is there."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final
from uuid import UUID

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import selectinload

from app.core import secrets
from app.core.calendar import now
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import Case
from app.core.permissions import TWO_FACTOR_KINDS, OrgKind, Permission
from app.core.use_case import about, use_case
from app.identity.models import CaseKeeper, PasswordHistory, Person, RecoveryCode, Ticket, UserSession
from app.identity.rules import RULES, password_is_strong
from app.identity.visitors import DOOR


@dataclass(frozen=True)
class SignIn:
    """What came of a sign-in. ``token`` goes into the cookie; ``refusal`` is generic, so nobody learns which part failed."""

    token: str | None = None
    needs_code: bool = False
    refusal: Refusal | None = None


STRONG: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""argon2id, 19 MiB, t=2, p=1 (OWASP)."""
_hasher = [STRONG]


def hasher() -> PasswordHasher:
    """What hashes passwords: ``STRONG`` unless ``configure_hasher`` says otherwise."""
    return _hasher[0]


def configure_hasher(hasher: PasswordHasher) -> None:
    """Another one: tests sign thousands of people in, and the slowness is for thieves."""
    _hasher[:] = [hasher]
    _nobody_hash.cache_clear()


@cache
def _nobody_hash() -> str:
    return hasher().hash(random.token_hex(16))


def _verify(password_hash: str | None, password: str) -> bool:
    """Takes the same time whether or not the person exists."""
    try:
        return hasher().verify(password_hash or _nobody_hash(), password) and password_hash is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


def sign_in(login: str, password: str, device: str) -> SignIn:
    """First factor. Five failures lock for fifteen minutes (compliance.md §6). Never raises: a failure must be counted."""
    return _sign_in(DOOR, login.strip().lower(), password, device[:200])


@use_case(Permission.SIGN_IN, "identity.sign_in")
def _sign_in(ctx: Context, login: str, password: str, device: str) -> SignIn:
    person = session().scalar(
        select(Person).where(Person.login == login).options(selectinload(Person.organisation)).with_for_update(of=Person)
    )
    at = now()
    if person is not None and person.locked_until is not None and person.locked_until > at:
        minutes = int((person.locked_until - at).total_seconds() // 60) + 1
        about(person, result="locked")
        return SignIn(refusal=Refusal(ErrorCode.LOCKED, minutes=minutes))
    good = _verify(person.password_hash if person else None, password)
    if person is None or not good or person.state != "active" or person.organisation.state != "active":
        if person is not None:
            _count_failure(person, at)
        about(person, result="refused")
        return SignIn(refusal=Refusal(ErrorCode.BAD_LOGIN))
    assert person.password_hash is not None
    if hasher().check_needs_rehash(person.password_hash):
        person.password_hash = hasher().hash(password)
    staff = OrgKind(person.organisation.kind) in TWO_FACTOR_KINDS
    if staff:  # one session for staff
        session().execute(
            update(UserSession).where(UserSession.person_id == person.id, UserSession.ended_at.is_(None)).values(ended_at=at)
        )
    token = random.token_urlsafe(32)
    needs_code = staff or person.totp_confirmed_at is not None
    if not needs_code:  # else a thief of the password could begin anew after every five codes
        person.failed_count, person.locked_until = 0, None
    session().add(UserSession(
        person_id=person.id, org_id=person.org_id, token_digest=secrets.digest(token), device=device, created_at=at,
        last_seen_at=at, second_factor_at=None if needs_code else at, ended_at=None,
    ))
    about(person, result="code_asked" if needs_code else "signed_in")
    return SignIn(token=token, needs_code=needs_code)


def _count_failure(person: Person, at: datetime) -> None:
    person.failed_count += 1
    if person.failed_count >= RULES.failures:
        person.failed_count = 0
        person.locked_until = at + timedelta(minutes=RULES.lock_minutes)


def _session_of(token: str, *, lock: bool = False) -> UserSession | None:
    query = select(UserSession).where(UserSession.token_digest == secrets.digest(token), UserSession.ended_at.is_(None))
    return session().scalar(query.with_for_update() if lock else query)


def verify_code(token: str, code: str) -> bool:
    """Second factor: a time-based code (RFC 6238), each step once; five wrong codes end the session."""
    return _verify_code(DOOR, token, code.strip().replace(" ", ""))


@use_case(Permission.SIGN_IN, "identity.second_factor")
def _verify_code(ctx: Context, token: str, code: str) -> bool:
    found = _session_of(token, lock=True)
    if found is None:
        about(result="no session")
        return False
    person = session().get_one(Person, found.person_id, with_for_update=True)
    locked = person.locked_until is not None and person.locked_until > now()
    step = None if locked else matching_step(person, code)
    if step is None:
        found.second_factor_failures += 1
        if found.second_factor_failures >= RULES.failures:
            found.ended_at = now()
            _count_failure(person, now())
        about(person, result="refused")
        return False
    person.totp_last_step = step
    person.failed_count, person.locked_until = 0, None
    person.totp_confirmed_at = person.totp_confirmed_at or now()
    found.second_factor_at = now()
    about(person, result="signed_in")
    return True


def matching_step(person: Person, code: str) -> int | None:
    """The 30-second step a code belongs to, if it is right and was not used before."""
    if person.totp_secret is None or not code.isdigit():
        return None
    totp = pyotp.TOTP(person.totp_secret)
    current = int(now().timestamp()) // 30
    for step in range(current - RULES.totp_window, current + RULES.totp_window + 1):
        if step > (person.totp_last_step or 0) and random.compare_digest(totp.at(step * 30), code):
            return step
    return None


@use_case(Permission.SIGN_IN, "identity.second_factor_skipped")
def skip_code(ctx: Context, token: str) -> bool:
    """Demo mode only (the caller checks it): signs in without the second factor, and says so in the audit log."""
    found = _session_of(token, lock=True)
    if found is None:
        return False
    found.second_factor_at = now()
    person = session().get_one(Person, found.person_id, with_for_update=True)
    person.failed_count = 0
    about(person, demo=True)
    return True


@use_case(Permission.SIGN_IN, "identity.totp_enrol")
def enrolment_secret(ctx: Context, token: str) -> tuple[str, str] | None:
    """Login name and secret of somebody who must enrol a second factor; ``None`` where one is confirmed already."""
    found = _session_of(token)
    if found is None:
        return None
    person = session().get_one(Person, found.person_id, with_for_update=True)
    if person.totp_confirmed_at is not None:
        return None
    if person.totp_secret is None:
        person.totp_secret = pyotp.random_base32()
    about(person)
    return person.login, person.totp_secret


@use_case(Permission.ACCOUNT_USE, "identity.sign_out")
def sign_out(ctx: Context, session_id: UUID) -> None:
    """Ends one of the actor's own sessions, at once."""
    found = session().get(UserSession, session_id)
    if found is None or found.person_id != ctx.actor_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    found.ended_at = found.ended_at or now()
    about(found)


def set_password(person: Person, password: str) -> None:
    """Checks strength and history, then stores. Raises ``Refusal(PASSWORD_WEAK | PASSWORD_REUSED)``."""
    if not password_is_strong(password, person.login):
        raise Refusal(ErrorCode.PASSWORD_WEAK, field="password", length=RULES.password_length)
    earlier = list(session().scalars(
        select(PasswordHistory).where(PasswordHistory.person_id == person.id)
        .order_by(PasswordHistory.at.desc(), PasswordHistory.id.desc())
    ))
    if any(_verify(row.password_hash, password) for row in earlier[:RULES.password_history]):
        raise Refusal(ErrorCode.PASSWORD_REUSED, field="password", count=RULES.password_history)
    for row in earlier[RULES.password_history - 1:]:
        session().delete(row)
    person.password_hash = hasher().hash(password)
    person.password_changed_at = now()
    person.failed_count, person.locked_until = 0, None
    session().add(PasswordHistory(
        person_id=person.id, org_id=person.org_id, password_hash=person.password_hash, at=now(),
    ))
    session().flush()


@use_case(Permission.ACCOUNT_USE, "identity.password_changed")
def change_password(ctx: Context, current: str, password: str, keep_session: UUID) -> None:
    """The actor's own password; every other session of theirs ends."""
    person = session().get_one(Person, ctx.actor_id, with_for_update=True)
    if not _verify(person.password_hash, current):
        raise Refusal(ErrorCode.BAD_LOGIN, field="current")
    set_password(person, password)
    _end_sessions(person.id, keep_session)
    about(person)


def _end_sessions(person_id: UUID, keep: UUID | None = None) -> None:
    query = update(UserSession).where(UserSession.person_id == person_id, UserSession.ended_at.is_(None))
    if keep is not None:
        query = query.where(UserSession.id != keep)
    session().execute(query.values(ended_at=now()))


@use_case(Permission.ACCOUNT_USE, "identity.recovery_codes")
def new_recovery_codes(ctx: Context) -> list[str]:
    """Fresh one-time codes, shown once; earlier ones stop working."""
    assert ctx.actor_id is not None and ctx.org_id is not None
    session().execute(delete(RecoveryCode).where(RecoveryCode.person_id == ctx.actor_id))
    codes = [f"{random.token_hex(3)}-{random.token_hex(3)}" for _ in range(RULES.recovery_codes)]
    session().add_all(
        RecoveryCode(
            person_id=ctx.actor_id, org_id=ctx.org_id, digest=secrets.digest(f"{ctx.actor_id}:{code}"), created_at=now(),
            used_at=None,
        )
        for code in codes
    )
    about(session().get_one(Person, ctx.actor_id), count=len(codes))
    return codes


def recover(login: str, code: str, password: str) -> bool:
    """Self-service with a recovery code: new password, second factor to be enrolled anew. Generic failure, counted."""
    return _recover(DOOR, login.strip().lower(), code.strip().lower(), password)


@use_case(Permission.SIGN_IN, "identity.recovered")
def _recover(ctx: Context, login: str, code: str, password: str) -> bool:
    person = session().scalar(select(Person).where(Person.login == login, Person.state == "active").with_for_update())
    if person is None or (person.locked_until is not None and person.locked_until > now()):
        about(result="refused")
        return False
    found = session().scalar(select(RecoveryCode).where(
        RecoveryCode.person_id == person.id, RecoveryCode.digest == secrets.digest(f"{person.id}:{code}"),
        RecoveryCode.used_at.is_(None),
    ))
    if found is None:
        _count_failure(person, now())
        about(person, result="refused")
        return False
    set_password(person, password)
    found.used_at = now()
    person.totp_secret = person.totp_confirmed_at = person.totp_last_step = None
    _end_sessions(person.id)
    about(person, result="recovered")
    return True


def person_of_ticket(token: str) -> Person | None:
    """Who a one-time link belongs to; ``None`` where it is unknown, used or expired."""
    with transaction(DOOR, read_only=True):
        found = _ticket(token)
        return None if found is None else session().get(Person, found.person_id)


def _ticket(token: str) -> Ticket | None:
    return session().scalar(select(Ticket).where(
        Ticket.digest == secrets.digest(token), Ticket.used_at.is_(None), Ticket.expires_at > now(),
        or_(Ticket.purpose != "reset_both", Ticket.confirmed_at.is_not(None)),
    ))


def redeem_ticket(token: str, password: str) -> Person:
    """Invitation accepted or password reset: sets the password. Raises ``Refusal(INVITATION_INVALID | PASSWORD_WEAK)``.

    Where the second factor is not optional a reset leaves it, unless two administrators agreed to its loss: who holds the
    link alone is not let in.
    """
    return _redeem(DOOR, token, password)


@use_case(Permission.SIGN_IN, "identity.ticket_redeemed")
def _redeem(ctx: Context, token: str, password: str) -> Person:
    found = _ticket(token)
    if found is None:
        raise Refusal(ErrorCode.INVITATION_INVALID)
    person = session().scalars(
        select(Person).where(Person.id == found.person_id).options(selectinload(Person.organisation)).with_for_update(of=Person)
    ).one()
    if person.state == "left":
        raise Refusal(ErrorCode.INVITATION_INVALID)
    set_password(person, password)
    person.state = "active"
    if found.purpose != "invitation":
        if found.purpose == "reset_both" or OrgKind(person.organisation.kind) not in TWO_FACTOR_KINDS:
            person.totp_secret = person.totp_confirmed_at = person.totp_last_step = None
        _end_sessions(person.id)
    found.used_at = now()
    about(person, purpose=found.purpose)
    return person


def keep_case(ctx: Context, case: Case) -> None:
    """Makes the actor the keeper of a case in their organisation, where nobody is yet."""
    if ctx.actor_id is None or ctx.org_id is None or session().get(CaseKeeper, (case.id, ctx.org_id)) is not None:
        return
    session().add(CaseKeeper(case_id=case.id, org_id=ctx.org_id, person_id=ctx.actor_id, since=now()))
    session().flush()
