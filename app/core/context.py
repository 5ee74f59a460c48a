"""Who acts: the person (or the system), the organisation, and what they may do. Immutable, made once a request."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import UUID

from app.core.errors import ErrorCode, Refusal
from app.core.permissions import ANONYMOUS_PERMISSIONS, OrgKind, Permission, Role, permissions_of


@dataclass(frozen=True, slots=True)
class Context:
    """The actor of a use case.

    ``token`` is the idempotency token of the form that was sent; ``approval_limit_fen`` (分) the largest amount the
    person may approve, ``None`` without a limit of their own (then nothing may be approved by amount).
    """

    actor_id: UUID | None
    org_id: UUID | None
    org_kind: OrgKind | None
    roles: frozenset[Role]
    permissions: frozenset[Permission]
    person_name: str = ""
    org_name: str = ""
    branch_id: UUID | None = None
    approval_limit_fen: int | None = None
    system: str | None = None
    token: str | None = None
    request_id: str = field(default="")

    def can(self, permission: Permission) -> bool:
        """Whether the actor holds the permission."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raises ``Refusal(FORBIDDEN)`` where the actor lacks the permission."""
        if permission not in self.permissions:
            raise Refusal(ErrorCode.FORBIDDEN)

    def with_token(self, token: str | None) -> Context:
        """The same actor, answering for one form."""
        return replace(self, token=token)

    @property
    def actor_kind(self) -> str:
        """``person`` or ``system``."""
        return "person" if self.actor_id is not None else "system"

    @classmethod
    def of_system(cls, name: str) -> Context:
        """The portal itself: ``worker``, ``ticker``, ``cli``, ``sign-in``."""
        roles = frozenset({Role.SYSTEM})
        return cls(None, None, OrgKind.SYSTEM, roles, permissions_of(roles), system=name, org_name="系统")

    @classmethod
    def anonymous(cls) -> Context:
        """Nobody signed in yet: may sign in and sign up, and sees no row."""
        return cls(None, None, None, frozenset(), ANONYMOUS_PERMISSIONS, system="anonymous")
