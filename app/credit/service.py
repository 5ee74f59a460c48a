"""Credit profiles: computed from what a firm has consented to, kept with their history, looked at under the switch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.outbox import emit, handles
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.credit import model_service
from app.credit.models import CreditHorizon, CreditProfile, ScoringModel
from app.credit.queries import consenting_firms, consents_of_portal, current_profile, deliveries_of
from app.credit.rules import PARAMETERS, Parameters, ProfileState, known_until
from app.enterprises.models import Enterprise
from app.evidence import queries as evidence
from app.evidence.models import Delivery, InvoiceLine
from app.evidence.rules import DeliveryState

if TYPE_CHECKING:
    from scoring.legacy.features import FeatureVector
    from scoring.legacy.model import Model

log = logging.getLogger(__name__)

EPOCH = date(1970, 1, 1)
_LOCK = text("select pg_advisory_xact_lock(hashtextextended('credit_profile:' || cast(:firm as text), 0))")


@dataclass(slots=True)
class _Draft:
    """What a new profile will say. Empty without consent: then nothing about the firm is kept."""

    state: ProfileState
    as_of: date | None = None
    score: int | None = None
    probability: Decimal | None = None
    grade: str | None = None
    partial: bool = False
    months_covered: int = 0
    coverage: dict[str, Any] = field(default_factory=dict)
    reasons: list[Any] = field(default_factory=list)
    features: dict[str, Any] = field(default_factory=dict)
    model_id: UUID | None = None
    consent_ids: list[str] = field(default_factory=list)

    def says_what_stands(self, profile: CreditProfile | None) -> bool:
        """Whether the profile that stands says the same already."""
        return profile is not None and all(
            getattr(profile, name) == value for name, value in self.columns().items() if name != "reasons"
        )

    def columns(self) -> dict[str, Any]:
        """The columns of the row."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "state"} | {"state": self.state.value}


@use_case(Permission.PROFILE_COMPUTE, "credit.compute", returns=CreditProfile)
def compute_profile(ctx: Context, firm_id: UUID) -> CreditProfile | None:
    """Computes the firm's profile anew from what its consent covers at this moment.

    Without a consent to the portal the profile that stands from now on says ``no_consent`` and carries no
    score (credit-data-catalogue §3); less than half a year of data says ``insufficient`` (§4). The same input
    leaves the profile that stands as it is. Returns ``None`` where consent is given and no model is
    registered yet. Raises ``NotFound``.
    """
    firm = get_or_404(Enterprise, firm_id)
    profile = _compute(firm, model_service.active_scorer())
    if profile is not None:
        about(profile, state=profile.state, model_id=profile.model_id)
    else:
        about(firm, state="no_model")
    return profile


@use_case(Permission.PROFILE_COMPUTE, "credit.compute_many")
def compute_profiles(ctx: Context, firm_ids: Sequence[UUID]) -> int:
    """Computes the profiles of several firms in one transaction. Returns how many firms have a score afterwards."""
    firms = session().scalars(select(Enterprise).where(Enterprise.id.in_(firm_ids)).order_by(Enterprise.id)).all()
    scorer = model_service.active_scorer()
    profiles = [_compute(firm, scorer) for firm in firms]
    scored = sum(1 for profile in profiles if profile is not None and profile.state == ProfileState.SCORED.value)
    about(firms=len(firms), scored=scored)
    return scored


def _compute(firm: Enterprise, scorer: tuple[ScoringModel, Model] | None) -> CreditProfile | None:
    # Two jobs for one firm come one after the other; the second one reads the consent after the first has
    # ended.
    session().execute(_LOCK, {"firm": str(firm.id)})
    standing = current_profile(firm.id)
    draft = _draft(firm, scorer)
    if draft is None:
        log.warning("firm %s gave consent, and no scoring model is registered", firm.id)
        return None
    if draft.says_what_stands(standing):
        return standing
    if standing is not None:
        standing.current = False
        session().flush()
    profile = CreditProfile(firm_id=firm.id, at=now(), current=True, **draft.columns())
    session().add(profile)
    session().flush()
    emit("profile.computed", firm_id=firm.id, profile_id=profile.id)
    return profile


def _draft(firm: Enterprise, scorer: tuple[ScoringModel, Model] | None) -> _Draft | None:
    """What the profile shall say; ``None`` where there is consent and no model."""
    from scoring.legacy.features import InvoiceArrays, compute

    consents = consents_of_portal(firm.id)
    if not consents:
        return _Draft(ProfileState.NO_CONSENT)
    if scorer is None:
        return None
    known = _known_until(firm.firm_no)
    as_of = known or today()
    lines = InvoiceArrays(**evidence.invoice_columns(firm.firm_no)) if known else None
    vector = compute(lines, (as_of - EPOCH).days)
    draft = _Draft(
        ProfileState.INSUFFICIENT if vector.insufficient else ProfileState.SCORED, as_of=as_of,
        partial=vector.partial, months_covered=vector.months_covered, coverage=vector.coverage,
        features=vector.as_dict(), consent_ids=[str(consent_id) for consent_id in consents],
    )
    if not vector.insufficient:
        _score(draft, vector, *scorer)
    return draft


def _known_until(firm_no: int) -> date | None:
    """The last day the deliveries that carry this firm tell about; ``None`` where nothing was delivered.

    Not the clock and not the firm's own last line: months that nobody delivered yet are no months without
    sales, and a firm that stopped selling while the delivery went on has stopped.
    """
    numbers = deliveries_of(firm_no)
    if not numbers:
        return None
    counted = {row.delivery_no: row.known_until for row in session().scalars(
        select(CreditHorizon).where(CreditHorizon.delivery_no.in_(numbers))
    )}
    missing = [number for number in numbers if number not in counted]
    if missing:
        found = session().execute(
            select(InvoiceLine.delivery_no, func.max(InvoiceLine.day), Delivery.state)
            .join(Delivery, Delivery.number == InvoiceLine.delivery_no)
            .where(InvoiceLine.delivery_no.in_(missing)).group_by(InvoiceLine.delivery_no, Delivery.state)
        ).all()
        counted |= {number: known_until(day) for number, day, _ in found}
        # A delivery that is still being read may yet bring later days; the others are counted once.
        ended = [
            {"delivery_no": number, "known_until": known_until(day)} for number, day, state in found
            if state == DeliveryState.TAKEN_IN.value
        ]
        if ended:
            session().execute(insert(CreditHorizon).values(ended).on_conflict_do_nothing())
    return max(counted.values())


def _score(draft: _Draft, vector: FeatureVector, row: ScoringModel, model: Model) -> None:
    """Adds score, grade, probability and reasons by the registered model. Imports LightGBM: workers and commands only."""
    from scoring.legacy.explain import reasons

    scores = model.score(vector.values)
    draft.model_id = row.id
    draft.score, draft.grade = int(scores.score[0]), str(scores.grade[0])
    draft.probability = Decimal(repr(float(scores.prob[0]))).quantize(Decimal("0.000001"))
    draft.reasons = [
        {
            "feature": reason.feature, "direction": reason.direction, "zh": reason.zh, "en": reason.en,
            "contribution": f"{reason.contribution:.6f}",
            "value": None if reason.value is None else f"{reason.value:.6f}",
        }
        for reason in reasons(model, vector.values)
    ]


@handles("consent.changed", "credit.after_consent")
def after_consent(ctx: Context, payload: dict[str, Any]) -> None:
    """A firm gave or took back a consent: its profile is computed anew, or ends."""
    compute_profile(ctx, UUID(payload["firm_id"]))


@handles("delivery.taken_in", "credit.after_delivery")
def after_delivery(ctx: Context, payload: dict[str, Any]) -> None:
    """New data about firms came in: those with a consent are scored, a chunk to an outbox row."""
    firms = [UUID(firm_id) for firm_id in payload["firm_ids"]]
    consenting = set(consenting_firms())
    emit_chunks([firm_id for firm_id in firms if firm_id in consenting])


@handles("delivery.taken_back", "credit.after_take_back")
def after_take_back(ctx: Context, payload: dict[str, Any]) -> None:
    """A provider withdrew a delivery: the firms it told about are scored from what is left."""
    after_delivery(ctx, payload)


@handles("credit.model_changed", "credit.after_model", queue="long")
def after_model(ctx: Context, payload: dict[str, Any]) -> None:
    """Another model scores from now on: every firm with a consent is scored again."""
    emit_chunks(consenting_firms())


@handles("credit.chunk", "credit.compute_chunk", queue="long")
def compute_chunk(ctx: Context, payload: dict[str, Any]) -> None:
    """One chunk of firms."""
    compute_profiles(ctx, [UUID(firm_id) for firm_id in payload["firm_ids"]])


def emit_chunks(firm_ids: Sequence[UUID], parameters: Parameters = PARAMETERS) -> None:
    """Leaves one outbox row per chunk of firms, so that a killed worker repeats one chunk and not the city."""
    for start in range(0, len(firm_ids), parameters.chunk):
        emit("credit.chunk", firm_ids=[str(firm_id) for firm_id in firm_ids[start:start + parameters.chunk]])
