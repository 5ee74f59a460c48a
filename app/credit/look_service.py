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
from app.credit.queries import Place, current_profile, firm_name, model_of, place_of, visible_now
from app.credit.rules import PARAMETERS, ProfileState, Shown, Visible, shown_to_bank
from app.enterprises.models import Enterprise
from app.evidence import service as evidence
from app.evidence.consent_queries import grounds, name_case
from app.evidence.queries import InvoiceSummary
from app.evidence.rules import Purpose
from scoring.features.registry import FEATURES, by_name


@dataclass(frozen=True, slots=True)
class ShownReason:
    """One reason as a bank reads it. ``points``: of the score, only where the score itself is shown."""

    feature: str
    value: float | None
    up: bool
    points: int | None


@dataclass(frozen=True, slots=True)
class BankProfile:
    """A profile as a bank may see it: what consent or the switch hides is not in here at all, so no page can show it.

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
    profile = current_profile(firm_id)
    if profile is None or profile.state == ProfileState.NO_CONSENT.value:
        raise NotFound
    visible = visible_now()
    about(profile, case_id=case_id, visible=visible.value)
    name_case(case_id)
    readable = frozenset(grounds(firm_id, ctx.org_id, case_id))
    return as_shown(profile, visible, place_of(firm_id), firm_name(firm_id), readable)


def as_shown(
    profile: CreditProfile, visible: Visible, place: Place | None, name: str, readable: frozenset[str],
) -> BankProfile:
    """The profile cut down to what consent lets the bank read (``readable``: catalogue items) and to a setting of the switch."""
    shown = shown_to_bank(visible)
    model = model_of(profile)
    told = [row for row in profile.reasons if sources_of(row["feature"]) <= readable]
    return BankProfile(
        firm_id=profile.firm_id, firm_name=name, state=ProfileState(profile.state), at=profile.at,
        as_of=profile.as_of, partial=profile.partial, months_covered=profile.months_covered,
        coverage={source: months for source, months in profile.coverage.items() if source in readable},
        closed_sources=len(profile.coverage.keys() - readable), visible=visible, shown=shown,
        place=place if shown.rank else None,
        grade=profile.grade if shown.grade else None,
        score=profile.score if shown.score else None,
        reasons=tuple(
            ShownReason(row["feature"], row["value"], row["points"] > 0, row["points"] if shown.strength else None)
            for row in told
        ),
        untold=len(profile.reasons) - len(told),
        model_version=model.version if model else None,
        synthetic_model=model is not None and model.trained_on == "synthetic",
    )


def sources_of(name: str) -> frozenset[str]:
    """Every source that the reason of this feature may rest on: of all features of its group, since their points are told as one.

    A feature that is computed no more rests on what nobody can read.
    """
    try:
        group = by_name(name).group
    except KeyError:
        return frozenset({name})
    return frozenset(source for feature in FEATURES if feature.group == group for source in feature.sources)
