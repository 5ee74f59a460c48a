"""What several steps of a claim share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from app.core.calendar import add_working_days, end_of_working_day, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import fire
from app.core.notices import notify
from app.loans.models import Loan
from app.pool.models import Booking, Claim
from app.pool.states import BOOKING


def still_the_loss(claim: Claim) -> None:
    """Nothing is paid for principal that came back after the loss was computed (net principal loss, paper §5)."""
    repaid = session().scalar(
        select(Loan.principal_repaid_fen).join(Booking, Booking.loan_id == Loan.id).where(Booking.id == claim.booking_id)
    )
    if repaid != claim.principal_repaid_fen:
        raise Refusal(ErrorCode.CLAIM_OUTDATED)


def working_deadline(days: int) -> datetime:
    return end_of_working_day(add_working_days(today(), days))


def release(ctx: Context, claim: Claim) -> None:
    claim.next_check_at = claim.due_at = None
    with elevated(ctx, "pool") as acting:
        fire(acting, BOOKING, get_or_404(Booking, claim.booking_id, lock=True), "release")


def tell_bank(ctx: Context, claim: Claim, message: str) -> None:
    with elevated(ctx, "pool"):
        notify(claim.org_id, message, path=f"/claims/{claim.id}", case_id=claim.case_id)
