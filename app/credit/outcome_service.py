"""What was expected of a loan when it was drawn, told by the loans room, to be held against what became of it."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from app.core.context import Context
from app.core.database import session
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.credit.queries import current_profile
from app.credit.register_models import LoanExpectation
from app.credit.rules import ProfileState


@use_case(Permission.PROFILE_COMPUTE, "credit.expect")
def tell_drawn(ctx: Context, firm_id: UUID, loan_id: UUID, on: date) -> bool:
    """Keeps what the profile of the firm says while a loan is drawn; told once a loan. Returns whether there was a score."""
    profile = current_profile(firm_id)
    scored = profile is not None and profile.state == ProfileState.SCORED.value
    if profile is not None and scored:
        session().execute(insert(LoanExpectation).values(
            loan_id=loan_id, firm_id=firm_id, drawn_on=on, model_id=profile.model_id, grade=profile.grade,
            probability=profile.probability,
        ).on_conflict_do_nothing())
    about(loan_id=loan_id, scored=scored)
    return scored
