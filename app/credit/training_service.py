"""A training asked for on the page: a worker runs it, and its model enters the register as a candidate."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.outbox import emit, handles
from app.core.permissions import Permission
from app.core.settings import Settings, load_settings
from app.core.use_case import about, use_case
from app.credit import model_files, model_service
from app.credit.model_files import ModelUnusable
from app.credit.model_queries import TRAINING_LOCK
from app.credit.model_training import CITY_FIRMS, REPEATS, TrainingData, TrainingFailed, train_on
from app.credit.models import ScoringModel
from app.credit.register_models import ModelTraining

_LOCK = text(f"select pg_advisory_xact_lock({TRAINING_LOCK.format(':id')})")
KEPT_OUTPUT = 8000
"""Characters of the trainer's words that are kept."""


@use_case(Permission.MODEL_PROPOSE, "credit.ask_training", returns=ModelTraining)
def ask_training(ctx: Context, data: TrainingData, note: str) -> ModelTraining:
    """Asks for a training; one runs at a time. Raises ``Refusal`` (TRAINING_OPEN)."""
    assert ctx.actor_id is not None
    training = ModelTraining(data=data.value, state="asked", note=note.strip(), asked_at=now(), asked_by=ctx.actor_id)
    session().add(training)
    session().flush()
    emit("credit.training_asked", training_id=training.id)
    about(training, data=data.value)
    return training


@handles("credit.training_asked", "credit.train", queue="long")
def _train(ctx: Context, payload: dict[str, Any]) -> None:
    run_training(ctx, UUID(payload["training_id"]), load_settings())


@use_case(Permission.PROFILE_COMPUTE, "credit.train_model", returns=ModelTraining)
def run_training(
    ctx: Context, training_id: UUID, settings: Settings, *, repeats: int = REPEATS, city_firms: int = CITY_FIRMS,
    more: Sequence[str] = (),
) -> ModelTraining:
    """Trains as asked, see ``train_on``. The candidate counts as proposed by whoever asked, who therefore may not approve it."""
    training = get_or_404(ModelTraining, training_id, lock=True)
    if training.state != "asked":
        about(training, state=training.state)
        return training
    session().execute(_LOCK, {"id": str(training.id)})
    with tempfile.TemporaryDirectory(prefix="huiqiao-train-") as folder:
        out = Path(folder) / "model.json"
        try:
            said = train_on(TrainingData(training.data), settings, out, repeats=repeats, city_firms=city_firms, more=more)
            training.output = said[-KEPT_OUTPUT:]
            told, content = model_files.read(out), out.read_bytes()
        except (TrainingFailed, ModelUnusable) as error:
            training.state, training.output = "failed", str(error)[-KEPT_OUTPUT:]
        else:
            known = session().scalar(select(ScoringModel).where(ScoringModel.version == told.version))
            model = known or model_service.add(
                ctx, told, content, origin="trained", note=training.note, proposed_by=training.asked_by,
            )
            training.state, training.model_id = "done", model.id
    training.ended_at = now()
    about(training, state=training.state, model_id=training.model_id)
    return training
