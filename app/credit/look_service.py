"""A bank looks at a firm's profile: recorded, under a consent that names it, and cut down to what the switch shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import NotFound, Refusal
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.credit.models import CreditProfile
from app.credit.queries import Place, firm_name, model_by_id, place_of, shown_profile
from app.credit.rules import PARAMETERS, ProfileState, Shown, Visible, shown_to_bank
from app.enterprises.models import Enterprise
from app.evidence import service as evidence
from app.evidence.consent_queries import name_case
from app.evidence.queries import InvoiceSummary
from app.evidence.rules import Purpose


@dataclass(frozen=True, slots=True)
class ShownReason:
    """One reason as a bank reads it. ``points``: of the score, only where the score itself is shown."""

    feature: str
    value: float | None
    up: bool
    points: int | None


@dataclass(frozen=True, slots=True)
class BankProfile:
    """A profile as a bank may see it: what consent or the switch hides never left the database (``hq_profile_shown``).

    ``coverage``: of the sources that the bank may read; ``closed_sources``: how many others spoke. ``untold``: reasons that rest
    on a source the bank may not read.
    """

    firm_id: UUID
    firm_name: str
    state: ProfileState
    at: datetime
    as_of: date | None
    partial: bool
    months_covered: int
    coverage: dict[str, int]
    closed_sources: int
    visible: Visible
    shown: Shown
    place: Place | None
    grade: str | None
    score: int | None
    reasons: tuple[ShownReason, ...]
    untold: int
    model_version: str | None
    synthetic_model: bool


def bank_profile(ctx: Context, firm_id: UUID, case_id: UUID | None = None) -> tuple[BankProfile, InvoiceSummary]:
    """The profile and the invoice summary of a firm whose consent names the actor's bank. Every look is
    written down.

    Call it outside a transaction: a refused look stays on record too. Raises ``Refusal(CONSENT_MISSING)`` where the bank
    knows the firm from a case and no consent is in force, ``NotFound`` where it does not know the firm, or there is no
    profile yet.
    """
    ctx.require(Permission.PROFILE_LOOK)
    purpose = Purpose.PRE_APPROVAL if case_id is None else Purpose.CASE
    try:
        summary = evidence.look(ctx, firm_id, PARAMETERS.item, purpose, case_id)
    except Refusal:
        with reading(ctx, Permission.PROFILE_LOOK):
            get_or_404(Enterprise, firm_id)
        raise
    return _bank_profile(ctx, firm_id, case_id), summary


@use_case(Permission.PROFILE_LOOK, "credit.look")
def _bank_profile(ctx: Context, firm_id: UUID, case_id: UUID | None) -> BankProfile:
    name_case(case_id)
    told = shown_profile(firm_id)
    if told is None:
        raise NotFound
    about(CreditProfile(id=told.id), case_id=case_id, visible=told.visible)
    visible, model = Visible(told.visible), model_by_id(told.model_id)
    return BankProfile(
        firm_id=told.firm_id, firm_name=firm_name(firm_id), state=ProfileState(told.state), at=told.at, as_of=told.as_of,
        partial=told.partial, months_covered=told.months_covered, coverage=told.coverage, closed_sources=told.closed_sources,
        visible=visible, shown=shown_to_bank(visible), place=place_of(firm_id), grade=told.grade, score=told.score,
        reasons=tuple(ShownReason(row["feature"], row["value"], row["up"], row["points"]) for row in told.reasons),
        untold=told.untold, model_version=model.version if model else None,
        synthetic_model=model is not None and model.trained_on == "synthetic",
    )
