"""Rules of sign-in and passwords (compliance.md §6: GB/T 22239-2019 level 3; the numbers are settings of the project)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.core.permissions import ADMINISTRATORS, ROLE_PERMISSIONS, ROLES_OF_KIND, OrgKind, Permission, Role


@dataclass(frozen=True)
class SignInRules:
    """All numbers [P] of compliance.md §6; minutes, days, characters as the names say."""

    password_length: int = 10
    password_kinds: int = 3
    password_history: int = 5
    password_days: int = 90
    failures: int = 5
    lock_minutes: int = 15
    idle_minutes_staff: int = 15
    idle_minutes_firm: int = 30
    session_hours: int = 12
    invitation_hours: int = 72
    reset_hours: int = 24
    recovery_codes: int = 8
    totp_window: int = 1
    """Steps of 30 seconds before and after now in which a code is taken."""

    def idle(self, kind: OrgKind) -> timedelta:
        """How long a session may rest."""
        firm = kind is OrgKind.ENTERPRISE
        return timedelta(minutes=self.idle_minutes_firm if firm else self.idle_minutes_staff)


RULES = SignInRules()

COMMON = frozenset({
    "password", "passw0rd", "qwerty", "abc123", "123456", "111111", "admin", "letmein", "welcome", "iloveyou", "huiqiao",
    "woaini", "5201314", "qazwsx", "1q2w3e4r", "zaq12wsx", "88888888", "000000", "guangzhou", "p@ssword", "p@ssw0rd",
})
"""Beginnings and middles of the passwords that leak most."""


def password_is_strong(password: str, login: str, rules: SignInRules = RULES) -> bool:
    """Long enough, of enough kinds of characters, not built around a common word or the login name."""
    kinds = [
        any(c.islower() for c in password), any(c.isupper() for c in password), any(c.isdigit() for c in password),
        any(not c.isalnum() for c in password),
    ]
    lowered = password.lower()
    return (
        rules.password_length <= len(password) <= 200
        and sum(kinds) >= rules.password_kinds
        and len(set(password)) >= rules.password_length // 2
        and not any(word in lowered for word in COMMON)
        and login.lower() not in lowered
    )


APPROVAL_ROLES = frozenset({Role.BANK_APPROVER, Role.CENTRE_REVIEWER, Role.BUREAU_LEADER})
"""Roles that approve by amount: each of their people has a limit of their own."""

KEEPING_ROLES = frozenset(
    {role for role, held in ROLE_PERMISSIONS.items() if Permission.STAFF_INVITE in held} | set(ADMINISTRATORS)
) - {Role.SYSTEM}
"""Roles without which an organisation would be locked out of its own administration."""

FIRST_ROLES: dict[OrgKind, tuple[Role, ...]] = {
    kind: tuple(role for role in roles if Permission.STAFF_INVITE in ROLE_PERMISSIONS[role])
    for kind, roles in ROLES_OF_KIND.items() if kind not in (OrgKind.SYSTEM, OrgKind.ENTERPRISE)
}
"""What the first person of a new organisation may be: whoever invites the others. Enterprises sign up by themselves."""


def administrators_separated(roles: frozenset[Role]) -> bool:
    """三员分立 (compliance.md §6): nobody is two of system, security and audit administrator."""
    return sum(role in ADMINISTRATORS for role in roles) <= 1


def roles_fit(kind: OrgKind, roles: frozenset[Role]) -> bool:
    """Whether there is a role at all, and each of them belongs to the kind of organisation."""
    return bool(roles) and roles <= frozenset(ROLES_OF_KIND[kind])


def limits_fit(roles: dict[Role, int | None]) -> bool:
    """Every approving role has a positive limit (分), and no other role has one."""
    return all(
        (limit is not None and limit > 0) if role in APPROVAL_ROLES else limit is None for role, limit in roles.items()
    )
