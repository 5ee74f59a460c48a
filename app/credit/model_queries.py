"""What pages read of the model register. Whoever is signed in sees models; the city and the platform see the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text

from app.core.database import session
from app.core.models import Transition
from app.credit.model_states import ModelState
from app.credit.models import ScoringModel
from app.credit.register_models import ModelReport, ModelTraining


def models_query() -> Select[Any, Any, Any, Any, Any, Any, Any, Any, Any, Any]:
    """The register as a list."""
    m = ScoringModel
    return select(
        m.id, m.version, m.state, m.origin, m.trained_on, m.firms, m.metrics, m.registered_at, m.activated_at, m.first_start,
    )


def steps_of(model_id: UUID) -> list[Transition]:
    """Who did what with a model, newest first."""
    return list(session().scalars(
        select(Transition).where(Transition.subject_type == ScoringModel.__tablename__, Transition.subject_id == model_id)
        .order_by(Transition.at.desc(), Transition.id.desc())
    ))


def trainings(limit: int = 5) -> list[ModelTraining]:
    """The latest trainings, newest first."""
    return list(session().scalars(select(ModelTraining).order_by(ModelTraining.asked_at.desc()).limit(limit)))


TRAINING_LOCK = "hashtextextended('model_training:' || cast({} as text), 0)"
"""The advisory lock that a worker holds while it trains: it ends with the worker, however that ends."""
_RUNNING = text(f"""
    select t.id from model_training t
    where t.state = 'asked' and exists (
      select 1 from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
      where l.locktype = 'advisory' and l.granted and l.objsubid = 1
        and (l.classid::bigint << 32) | l.objid::bigint = {TRAINING_LOCK.format("t.id")})
""")


def running_trainings() -> set[UUID]:
    """Trainings that a worker is at, of those asked for; the others wait for one."""
    return set(session().scalars(_RUNNING))


def others_than(model_id: UUID) -> list[ScoringModel]:
    """Models that one may be compared with, the one that scores first."""
    rows = session().scalars(
        select(ScoringModel).where(ScoringModel.id != model_id, ScoringModel.state != ModelState.REFUSED.value)
        .order_by(ScoringModel.registered_at.desc())
    ).all()
    return sorted(rows, key=lambda row: not row.active)


def waiting_for_approval() -> Sequence[ScoringModel]:
    """Models on which a second person has to decide."""
    states = (ModelState.CANDIDATE.value, ModelState.APPROVED.value, ModelState.RECALLED.value)
    waiting = select(ScoringModel).where(ScoringModel.state.in_(states))
    return session().scalars(waiting.order_by(ScoringModel.registered_at)).all()


def ever_scored(model: ScoringModel) -> bool:
    """Whether profiles may name the model: then those who read profiles may read its card."""
    return model.activated_at is not None


def report_of(kind: str, model_id: UUID | None = None, other_id: UUID | None = None) -> ModelReport | None:
    """The latest report of a kind, of a model where one is named."""
    wanted = select(ModelReport).where(ModelReport.kind == kind)
    if model_id is not None:
        wanted = wanted.where(ModelReport.model_id == model_id)
    if other_id is not None:
        wanted = wanted.where(ModelReport.other_id == other_id)
    return session().scalar(wanted.order_by(ModelReport.asked_at.desc(), ModelReport.id.desc()).limit(1))


def done_report(kind: str, model_id: UUID) -> ModelReport | None:
    """The latest finished report of a kind about a model."""
    return session().scalar(
        select(ModelReport).where(ModelReport.kind == kind, ModelReport.model_id == model_id, ModelReport.state == "done")
        .order_by(ModelReport.ended_at.desc()).limit(1)
    )
