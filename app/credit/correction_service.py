"""The score follows a repair: at once through the outbox, and by the day set for it in any case (credit-data-catalogue §5)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session, transaction
from app.core.notices import notify
from app.core.outbox import handles, settle_each, timed
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.core.working import N_
from app.credit.service import compute_profile
from app.evidence import correction_service as corrections
from app.evidence.dispute_queries import due_firms, platforms
from app.identity.models import Organisation


@handles("evidence.corrected", "credit.after_correction")
def after_correction(ctx: Context, payload: dict[str, Any]) -> None:
    """Something about a firm was corrected or repaired: its profile is computed anew."""
    recompute(ctx, UUID(payload["firm_id"]))


@use_case(Permission.PROFILE_COMPUTE, "credit.recompute")
def recompute(ctx: Context, firm_id: UUID, late: bool = False) -> int:
    """Computes the profile with every correction that has come, and settles them. Returns how many it settled.

    ``late``: the outbox did not come by in time and the day is here; then the platform is told.
    """
    # Held before the computation reads: one that comes in meanwhile is computed by its own turn.
    waiting = corrections.unsettled(firm_id)
    if waiting:
        compute_profile(ctx, firm_id)
        corrections.settle(ctx, firm_id, waiting)
    about(firm_id=firm_id, corrections=len(waiting), late=late)
    if waiting and late:
        firm = session().get_one(Organisation, firm_id).name
        for org_id in platforms():
            notify(org_id, N_("%(firm)s 的资料更正后没有及时重算信用画像，已在期限内补算，请检查后台任务。"), firm=firm)
    return len(waiting)


@timed("credit.corrections_due")
def corrections_due(ctx: Context) -> int:
    """Computes what is due today and nobody computed yet, firm by firm: one that fails holds up no other."""
    with transaction(Context.of_system("ticker"), read_only=True):
        firms = due_firms(now())
    return settle_each(firms, lambda firm_id: recompute(ctx, firm_id, late=True), "corrected profile of firm")
