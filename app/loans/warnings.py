"""What loans tell the credit room: whom an early warning concerns, that a loan was drawn, and what became of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.outbox import handles
from app.credit import outcome_service, warning_queries, warning_service
from app.loans import queries
from app.loans.models import Loan
from app.loans.rules import FiveClass, is_bad
from app.loans.states import LoanState


def banks_of(firm_id: UUID) -> dict[UUID, UUID]:
    """Banks with a running loan to the firm, each with the case of the newest one.

    A loan that a bank registered and the firm has not recognised as its own concerns nobody yet.
    """
    running = session().scalars(
        select(Loan).where(Loan.firm_id == firm_id, Loan.state == LoanState.DRAWN.value).order_by(Loan.opened_at, Loan.id)
    )
    return {loan.org_id: loan.case_id for loan in running if not queries.awaits_firm(loan)}


@handles("warning.raised", "loans.concerned")
def _concerned(ctx: Context, payload: dict[str, Any]) -> None:
    banks = banks_of(UUID(payload["firm_id"]))
    if banks:
        warning_service.concern(ctx, UUID(payload["warning_id"]), banks, worse=payload["worse"])


@handles("loan.drawn", "loans.warn_lender")
def _drawn(ctx: Context, payload: dict[str, Any]) -> None:
    """What the profile says now is kept for later judgement; a bank that has just lent is told of what stands already."""
    loan = get_or_404(Loan, UUID(payload["loan_id"]))
    if loan.drawn_on is not None and not queries.awaits_firm(loan):
        outcome_service.tell_drawn(ctx, loan.firm_id, loan.id, loan.drawn_on)
    banks = {org: case for org, case in banks_of(loan.firm_id).items() if org == loan.org_id}
    for warning_id in warning_queries.open_warnings_of(loan.firm_id) if banks else []:
        warning_service.concern(ctx, warning_id, banks)


@handles("loan.class_changed", "loans.tell_bad")
def _classed(ctx: Context, payload: dict[str, Any]) -> None:
    loan = get_or_404(Loan, UUID(payload["loan_id"]))
    if loan.five_class is not None and is_bad(FiveClass(loan.five_class)):
        warning_service.tell_outcome(ctx, loan.firm_id, loan.id, True)


@handles("loan.repaid", "loans.tell_repaid")
def _repaid(ctx: Context, payload: dict[str, Any]) -> None:
    loan = get_or_404(Loan, UUID(payload["loan_id"]))
    if loan.state != LoanState.REPAID:
        return
    warning_service.tell_outcome(ctx, loan.firm_id, loan.id, False)
    if loan.org_id not in banks_of(loan.firm_id):
        warning_service.end_concern(ctx, loan.firm_id, loan.org_id)
