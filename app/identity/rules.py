"""Rules of sign-in and passwords (compliance.md §6: GB/T 22239-2019 level 3; the numbers are settings of the project)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.core.permissions import OrgKind


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
