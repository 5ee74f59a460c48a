"""Publicity (公示) of an approved claim: what is put on the public list, and how it ends."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import func, select

from app.core.calendar import now, today
from app.core.database import get_or_404, session
from app.core.queries import organisation_names
from app.loans.models import Loan
from app.pool.decision_models import ClaimObjection, Decision, ObjectionState, Publicity
from app.pool.models import Claim, StoredRuleSet


def publish(claim: Claim, decision: Decision, until_on: date) -> Publicity:
    """Puts an approved claim on the public list until a day, that day included. Nothing else of it is public."""
    names = organisation_names({claim.firm_id, claim.org_id})
    made = Publicity(
        claim_id=claim.id, case_id=claim.case_id, org_id=claim.org_id, decision_id=decision.id, number=decision.number,
        firm_name=names[claim.firm_id], bank_name=names[claim.org_id], loan_number=get_or_404(Loan, claim.loan_id).number,
        document=get_or_404(StoredRuleSet, claim.rule_set_id).document, principal_fen=claim.principal_drawn_fen,
        net_principal_loss_fen=claim.net_principal_loss_fen, approved_fen=decision.approved_fen, from_on=today(),
        until_on=until_on, ended_at=None, outcome=None,
    )
    session().add(made)
    session().flush()
    return made


def end_publicity(claim: Claim, outcome: str) -> None:
    """Ends the running publicity of a claim, where there is one: ``PASSED`` or ``REOPENED``."""
    running = session().scalar(select(Publicity).where(Publicity.claim_id == claim.id, Publicity.ended_at.is_(None)))
    if running is not None:
        running.ended_at, running.outcome = now(), outcome


def open_objections(claim_id: UUID) -> int:
    """How many objections to a claim wait for their answer."""
    return session().scalar(select(func.count()).select_from(ClaimObjection).where(
        ClaimObjection.claim_id == claim_id, ClaimObjection.state == ObjectionState.OPEN.value)) or 0
