"""Which model scores: registered once, held by the database, so that every worker machine scores with the same one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, update

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.core.outbox import emit
from app.core.paths import ReadableError
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.credit.models import CreditPolicy, ScoringModel
from app.credit.queries import active_model
from app.credit.rules import Visible

if TYPE_CHECKING:
    from app.core.settings import Settings
    from scoring.model import Model

ROOT = Path(__file__).resolve().parents[2]


class ModelUnusable(ReadableError):
    """The model file is missing, damaged, altered, or made for other features; the message says which."""


class TrainingFailed(ReadableError):
    """The trainer ended with an error; the message is its own sentence."""


@use_case(Permission.PROFILE_COMPUTE, "credit.register_model", returns=ScoringModel)
def register_model(ctx: Context, path: Path) -> ScoringModel:
    """Takes a model file into the database and makes it the one that scores; a file that is known changes
    nothing.

    Every firm with a consent is then scored again. Raises ``ModelUnusable``.
    """
    from scoring.errors import ModelError
    from scoring.model import Model

    try:
        model = Model.load(path)
    except ModelError as error:
        raise ModelUnusable(f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    content = path.read_bytes()
    known = session().scalar(select(ScoringModel).where(ScoringModel.version == model.version))
    if known is not None and known.active:
        about(known, version=known.version, changed=False)
        return known
    session().execute(update(ScoringModel).where(ScoringModel.active).values(active=False))
    if known is None:
        known = ScoringModel(
            version=model.version, trained_on="synthetic" if model.about.get("set") == "city" else "real",
            trained_at=model.trained_at, window_from=date.fromisoformat(model.about["as_of"]),
            window_to=date.fromisoformat(model.about["as_of"]), firms=model.about["rows"], defaults=model.about["defaults"],
            content=content, sha256=hashlib.sha256(content).digest(), metrics=dict(model.metrics),
            bands={"A": str(model.bands.a), "B": str(model.bands.b), "C": str(model.bands.c), "D": str(model.bands.d)},
            registered_at=now(), active=True,
        )
        session().add(known)
    else:
        known.active = True
    session().flush()
    emit("credit.model_changed", model_id=known.id)
    about(known, version=known.version, trained_on=known.trained_on, changed=True)
    return known


def _parsed(content: bytes) -> Model:
    """The model of a stored file, checked as when it was registered."""
    from scoring.model import Model

    with tempfile.NamedTemporaryFile(prefix="huiqiao-model-", suffix=".json") as file:
        file.write(content)
        file.flush()
        return Model.load(Path(file.name))


_loaded: dict[UUID, Model] = {}


def active_scorer() -> tuple[ScoringModel, Model] | None:
    """The model that scores now, ready to use and kept in memory; ``None`` where none was registered. Imports no LightGBM."""
    row = active_model()
    if row is None:
        return None
    if row.id not in _loaded:
        content = session().scalars(select(ScoringModel.content).where(ScoringModel.id == row.id)).one()
        _loaded.clear()
        _loaded[row.id] = _parsed(bytes(content))
    return row, _loaded[row.id]


def ensure_model(ctx: Context, settings: Settings) -> ScoringModel:
    """The active model; without one the file at ``settings.model_path`` is registered, and where that is
    absent trained first.

    Called outside a transaction: training takes seconds and runs in a process of its own (design §4.13).
    Raises ``TrainingFailed`` and what ``register_model`` raises.
    """
    with reading(ctx, Permission.PROFILE_COMPUTE):
        active = active_model()
    if active is not None:
        return active
    if not settings.model_path.is_file():
        train_model(settings, settings.model_path)
    return register_model(ctx, settings.model_path)


def train_model(settings: Settings, out: Path, *, repeats: int | None = None) -> str:
    """Trains in a process of its own and writes the model file ``out``. Returns what the trainer printed.

    The labelled real firms are used where ``settings.real_data`` holds them, else synthetic firms. ``repeats``: rounds of
    cross-validation, the trainer's own number where ``None``. Raises ``TrainingFailed``.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HUIQIAO_REAL_DATA": str(settings.real_data)}
    rounds = [] if repeats is None else ["--repeats", str(repeats)]
    out.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "scoring", "train", "--city", "1500", "--out", str(out), *rounds],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise TrainingFailed(f"The scoring model could not be trained: {last[0] if last else 'no reason was given'}.")
    return done.stdout


@use_case(Permission.PROFILE_COMPUTE, "credit.set_visible")
def set_visible(ctx: Context, visible: Visible) -> None:
    """Turns the switch ``score_visible_to_bank`` from now on (compliance.md §1). Earlier settings are kept."""
    policy = CreditPolicy(valid_from=now(), visible=visible.value)
    session().add(policy)
    session().flush()
    about(policy, visible=visible.value)
