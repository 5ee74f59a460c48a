"""The states of a firm on the portal, and what moves it: known → unverified → verified, or refused and again."""

from __future__ import annotations

from enum import StrEnum

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission
from app.enterprises.models import Enterprise


class EnterpriseState(StrEnum):
    """Where a firm stands."""

    KNOWN = "known"
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    REFUSED = "refused"


S = EnterpriseState
P = Permission

LIFECYCLE = Lifecycle(Enterprise.__tablename__, EnterpriseState, (
    Move(S.KNOWN, "claim", S.UNVERIFIED, (P.ENTERPRISE_SIGN_UP,)),
    Move(S.UNVERIFIED, "verify", S.VERIFIED, (P.ENTERPRISE_VERIFY,), stamp="verified_by"),
    Move(S.UNVERIFIED, "refuse", S.REFUSED, (P.ENTERPRISE_VERIFY,), needs_reason=True),
    Move(S.REFUSED, "reapply", S.UNVERIFIED, (P.ENTERPRISE_EDIT,)),
    # A code claimed by somebody who is not the firm goes back, so that the firm itself can sign up.
    Move(S.REFUSED, "release", S.KNOWN, (P.ENTERPRISE_VERIFY,), needs_reason=True),
))
