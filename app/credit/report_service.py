"""Reports about models, asked for on a page or by the calendar, computed by a worker from the profiles that stand."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import numpy as np
from sqlalchemy import select, text

from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.outbox import emit, handles, timed
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.credit import model_service, standing
from app.credit.model_files import ModelUnusable
from app.credit.models import ScoringModel
from app.credit.queries import active_model
from app.credit.register_models import ModelReport
from app.credit.report_rules import REPORT, age_band, compare_scores, group_table, told_share
from app.credit.standing import Floats, Profiles, Traits
from app.enterprises.industries import section_of

log = logging.getLogger(__name__)

GRADES = ("A", "B", "C", "D", "E")
DIMENSIONS = ("district", "industry", "size", "age", "first_time")


# --- asked for -------------------------------------------------------------------------------------------------------------


@use_case(Permission.MODEL_READ, "credit.ask_report", returns=ModelReport)
def ask_report(ctx: Context, kind: str, model_id: UUID, other_id: UUID | None = None) -> ModelReport:
    """Asks for a ``comparison`` of two models, or for ``fairness`` or ``drift`` of the one that scores.

    One that is being computed is not asked for twice. Raises ``NotFound``, ``Refusal``.
    """
    model = get_or_404(ScoringModel, model_id)
    if other_id is not None:
        get_or_404(ScoringModel, other_id)
    if kind not in ("comparison", "fairness", "drift") or (kind == "comparison") != (other_id is not None):
        raise Refusal(ErrorCode.INVALID)
    report = _ask(ctx, kind, model.id, other_id)
    about(report, kind=kind, model_id=model_id, other_id=other_id)
    return report


def _ask(ctx: Context, kind: str, model_id: UUID, other_id: UUID | None = None) -> ModelReport:
    waiting = session().scalar(select(ModelReport).where(
        ModelReport.kind == kind, ModelReport.model_id == model_id, ModelReport.other_id.is_not_distinct_from(other_id),
        ModelReport.state == "asked",
    ))
    if waiting is not None:
        return waiting
    report = ModelReport(
        kind=kind, model_id=model_id, other_id=other_id, state="asked", asked_at=now(), asked_by=ctx.actor_id, content={},
    )
    session().add(report)
    session().flush()
    emit("credit.report_asked", report_id=report.id)
    return report


@timed("credit.monthly_reports")
def monthly_reports(ctx: Context) -> int:
    """Fairness and drift of the model that scores, once a calendar month. Returns how many were asked for."""
    return ask_monthly(Context.of_system("ticker"))


@use_case(Permission.PROFILE_COMPUTE, "credit.monthly_reports")
def ask_monthly(ctx: Context) -> int:
    """Asks for the month's reports that nobody has asked for yet."""
    model = active_model()
    month = now().astimezone(SHANGHAI).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    asked = 0
    for kind in ("fairness", "drift") if model is not None else ():
        known = session().scalar(select(ModelReport.id).where(ModelReport.kind == kind, ModelReport.asked_at >= month).limit(1))
        if known is None and model is not None:
            _ask(ctx, kind, model.id)
            asked += 1
    about(asked=asked)
    return asked


# --- computed --------------------------------------------------------------------------------------------------------------


@handles("credit.report_asked", "credit.report", queue="long")
def _compute(ctx: Context, payload: dict[str, Any]) -> None:
    compute_report(ctx, UUID(payload["report_id"]))


@use_case(Permission.PROFILE_COMPUTE, "credit.compute_report", returns=ModelReport)
def compute_report(ctx: Context, report_id: UUID) -> ModelReport:
    """Computes a report from what stands at this moment. With too few firms it ends as failed and says so."""
    report = get_or_404(ModelReport, report_id, lock=True)
    if report.state == "asked":
        compute = {"comparison": _comparison, "fairness": _fairness, "drift": _drift}[report.kind]
        try:
            report.firms, report.content = compute(report)
            report.state = "done"
        except (ValueError, ModelUnusable) as error:
            log.info("report %s: %s", report.id, error)
            report.state, report.content = "failed", {"why": "unusable" if isinstance(error, ModelUnusable) else "too_few"}
        report.ended_at = now()
    about(report, kind=report.kind, state=report.state)
    return report


def _comparison(report: ModelReport) -> tuple[int, dict[str, Any]]:
    """Champion and challenger on the very snapshots that the profiles were made from."""
    assert report.other_id is not None
    profiles = standing.standing()
    profiles = profiles.take(profiles.scored)
    one, other = (_scored_by(model_id, profiles) for model_id in (report.model_id, report.other_id))
    known = standing.traits(profiles.firms)
    groups = {by: [_group_of(known[firm], by) for firm in profiles.firms] for by in DIMENSIONS}
    grades = [grade for grade in GRADES if grade in {*one[1].tolist(), *other[1].tolist()}]
    return len(profiles), compare_scores(one[0], other[0], one[1], other[1], grades, groups)


def _scored_by(model_id: UUID, profiles: Profiles) -> tuple[Floats, Any]:
    """Points (unrounded, unclipped) and grades. A feature that a snapshot leaves out is absent."""
    model = model_service.scorer_of(model_id)
    place = {name: at for at, name in enumerate(profiles.names)}
    rows = np.full((len(profiles), len(model.names)), np.nan)
    for at, name in enumerate(model.names):
        if name in place:
            rows[:, at] = profiles.values[:, place[name]]
    scores = model.score(rows)
    return scores.points, scores.grade


def _fairness(report: ModelReport) -> tuple[int, dict[str, Any]]:
    profiles = standing.standing()
    known = standing.traits(profiles.firms)
    tables = {
        by: group_table([_group_of(known[firm], by) for firm in profiles.firms], profiles.score, profiles.grade, profiles.scored)
        for by in DIMENSIONS
    }
    if not any(tables.values()):
        raise ValueError("too few firms")
    return len(profiles), {"tables": tables, "approved": list(REPORT.approved), "fair_ratio": REPORT.fair_ratio}


def _group_of(traits: Traits, by: str) -> str:
    if by == "industry":
        section = section_of(traits.industry) if traits.industry else None
        return section.letter if section else "unknown"
    if by == "age":
        return age_band(traits.founded, today())
    if by == "first_time":
        return "first" if traits.first_time else "again"
    return str(getattr(traits, by))


def _drift(report: ModelReport) -> tuple[int, dict[str, Any]]:
    """PSI of score and features against how the city stood when the model began; then month by month; then outcomes."""
    from scoring.monitoring import MONITORING, drift, drift_over_time, drifts

    model = get_or_404(ScoringModel, report.model_id)
    assert model.activated_at is not None
    reference = standing.first_of_model(model.id, model.activated_at + timedelta(days=REPORT.reference_days))
    reference, lately = reference.take(reference.scored), standing.standing()
    lately = lately.take(lately.scored)
    if min(len(reference), len(lately)) < REPORT.least:
        raise ValueError("too few firms")
    names = sorted({*reference.names} & {*lately.names})
    told = drifts(names, _only(reference, names), _only(lately, names))
    history = standing.of_model(model.id)
    history = history.take(history.scored)
    months = [
        asdict(point) | {"month": point.month.isoformat()}
        for point in drift_over_time(reference.score, history.score, history.at)
        if point.firms >= REPORT.least
    ]
    score = drift("score", reference.score, lately.score)
    return len(lately), cast("dict[str, Any]", {
        "reference": {"firms": len(reference), "from": model.activated_at.date().isoformat(), "days": REPORT.reference_days},
        "score": _plain(score, len(reference), len(lately)),
        "features": [_plain(one, len(reference), len(lately)) for one in told], "months": months, "least": MONITORING.least,
        "outcomes": _outcomes(model.id),
    })


def _only(profiles: Profiles, names: Sequence[str]) -> Floats:
    place = {name: at for at, name in enumerate(profiles.names)}
    return profiles.values[:, [place[name] for name in names]]


def _plain(one: Any, then: int, now: int) -> dict[str, Any]:
    """Without bins: a bin may hold one firm. ``then``, ``now``: how many firms the shares are of."""
    return {
        "name": one.name, "psi": round(one.psi, 3), "band": one.band.value,
        "missing_reference": told_share(one.missing_reference, then), "missing_now": told_share(one.missing_now, now),
    }


_OUTCOMES = text("""
    select e.grade, e.probability, coalesce(o.bad and o.told_on <= e.drawn_on + cast(:days as int), false) as bad,
           e.drawn_on <= cast(:ripe as date) as ripe
    from loan_expectation e left join loan_outcome o on o.loan_id = e.loan_id
    where e.model_id = :model
""")


def _outcomes(model_id: UUID) -> dict[str, Any]:
    """Observed against expected, of loans drawn long enough ago: of younger ones only the bad ends would be known."""
    from scoring.monitoring import MONITORING, outcomes_by_grade

    ripe = today() - timedelta(days=REPORT.outcome_days)
    found = session().execute(_OUTCOMES, {"model": model_id, "days": REPORT.outcome_days, "ripe": ripe}).all()
    old = [row for row in found if row.ripe]
    rows = outcomes_by_grade(
        [row.grade for row in old], np.array([float(row.probability) for row in old]),
        np.array([row.bad for row in old], dtype=np.bool_),
        replace(MONITORING, least_loans=max(MONITORING.least_loans, REPORT.least)),
    )
    return {
        "loans": len(found), "ripe": len(old), "days": REPORT.outcome_days,
        "grades": [
            {name: None if value != value else value for name, value in asdict(row).items()} | {"agreement": row.agreement.value}
            for row in rows if row.loans >= REPORT.least
        ],
    }
