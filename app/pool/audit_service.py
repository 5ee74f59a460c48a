"""Use cases of the audit of claims (risk-compensation paper §5)."""

from __future__ import annotations

from uuid import UUID

from app.core.context import Context
from app.core.database import get_or_404
from app.core.lifecycle import fire
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.pool.claim_steps import working_deadline
from app.pool.models import Claim
from app.pool.service import rules_of
from app.pool.states import CLAIM, ClaimState


@use_case(Permission.CLAIM_AUDIT, "claim.suspend", returns=Claim)
def suspend_claim(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """The auditor holds a claim, with the reason."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "suspend", reason=reason)
    claim.held_from, claim.due_at = ClaimState.AUDIT.value, None
    about(claim)
    return claim


@use_case(Permission.CLAIM_AUDIT, "claim.audit", returns=Claim)
def audit_claim(ctx: Context, claim_id: UUID, opinion: str) -> Claim:
    """The auditor gives an opinion; the claim waits for the decision."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "audit", reason=opinion)
    claim.due_at = None
    about(claim, compensation_fen=claim.compensation_fen)
    return claim


@use_case(Permission.CLAIM_DECIDE, "claim.reaudit", returns=Claim)
def send_back_to_audit(ctx: Context, claim_id: UUID, reason: str) -> Claim:
    """The decider asks for another audit."""
    claim = get_or_404(Claim, claim_id, lock=True)
    fire(ctx, CLAIM, claim, "reaudit", reason=reason)
    claim.auditor_id, claim.due_at = None, working_deadline(rules_of(claim.rule_set_id).audit_wd)
    about(claim)
    return claim


