"""The stop line (熔断线) of a bank over its year: counted, and tested for a claim (risk-compensation paper §3)."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import today
from app.core.context import Context
from app.core.database import elevated, session
from app.core.errors import N_
from app.core.lifecycle import fire
from app.pool.models import Booking, Claim
from app.pool.records import line_rows
from app.pool.rules import Mode, RuleSet, StopLine, stop_line
from app.pool.states import CLAIM, NOT_COUNTED, BookingState


def stop_line_of(
    payee_id: UUID, year: int, rules: RuleSet, *, new_fen: int = 0, but: UUID | None = None, mode: Mode = Mode.BANK,
) -> StopLine:
    """The stop line of a payee in a calendar year: losses claimed over principal booked, with ``new_fen`` (分) added."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    booked = session().scalar(select(func.sum(Booking.principal_fen)).where(
        Booking.payee_id == payee_id, Booking.state.in_((BookingState.BOOKED, BookingState.CLAIMED)),
        Booking.booked_on.between(first, last),
    )) or 0
    claimed = session().scalar(select(func.sum(Claim.net_principal_loss_fen)).where(
        Claim.org_id == payee_id, Claim.state.not_in(NOT_COUNTED), Claim.submitted_on.between(first, last),
        *(() if but is None else (Claim.id != but,)),
    )) or 0
    return stop_line(int(booked), int(claimed), new_fen, rules, mode)


def hold_if_above(ctx: Context, claim: Claim, rules: RuleSet) -> bool:
    """Tests the stop line for a claim, holding it where it is above. A hold once lifted is not set again."""
    # One bank's claims are tested one after the other, so that two at once cannot both stay below.
    session().execute(text("select pg_advisory_xact_lock(hashtext('stop-line'), hashtext(:bank))"), {"bank": str(claim.org_id)})
    year = (claim.submitted_on or today()).year
    tested = stop_line_of(claim.org_id, year, rules, new_fen=claim.net_principal_loss_fen, but=claim.id, mode=Mode(claim.mode))
    claim.stop_line = line_rows(tested.working)
    if not tested.held or claim.lifted_by is not None:
        return False
    claim.held_from, claim.due_at = claim.state, None
    with elevated(ctx, "pool") as acting:
        fire(acting, CLAIM, claim, "hold", reason=N_("本年损失高于熔断线"))
    return True


