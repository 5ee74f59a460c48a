"""What pages read of samples and audits. Row-level security has already limited it to the city."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.core.database import session
from app.core.errors import ErrorCode
from app.loans.models import Loan
from app.pool.audit_models import Audit, AuditSample, SampleEntry, Scope
from app.pool.models import Claim
from app.pool.queries import BANK, FIRM
from app.pool.states import ClaimState

HIDDEN = ErrorCode.NOT_FOUND
"""What a bank is told of samples."""


def samples(limit: int = 50) -> list[AuditSample]:
    """Draws, the latest first."""
    return list(session().scalars(select(AuditSample).order_by(AuditSample.drawn_at.desc()).limit(limit)))


def waiting_count() -> int:
    """How many claims in audit no draw has chosen yet."""
    return session().scalar(select(func.count()).select_from(Claim).where(
        Claim.state == ClaimState.AUDIT.value, Claim.audit_scope == Scope.DESK.value)) or 0


def entries(sample_id: UUID) -> list[Any]:
    """Everybody in the list of a draw with loan, firm, bank and amount, in the order of the draw."""
    return list(session().execute(
        select(SampleEntry, Loan.number, FIRM.name.label("firm_name"), BANK.name.label("bank_name"), Claim.compensation_fen)
        .join(Claim, Claim.id == SampleEntry.claim_id).join(Loan, Loan.id == Claim.loan_id)
        .join(FIRM, FIRM.id == Claim.firm_id).join(BANK, BANK.id == Claim.org_id)
        .where(SampleEntry.sample_id == sample_id).order_by(SampleEntry.key, SampleEntry.claim_id)
    ))


def audit_of(claim: Claim) -> Audit | None:
    """The audit a claim stands on."""
    return None if claim.audit_id is None else session().get(Audit, claim.audit_id)
