"""Which model scores: registered, decided on by two people, held by the database, so that every worker has the same one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select, text

from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, get_or_404, session, unit
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import begin, fire
from app.core.outbox import emit
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.credit import model_files
from app.credit.model_files import ModelFile, ModelUnusable
from app.credit.model_states import MODEL_LIFE, ModelState
from app.credit.model_training import TrainingFailed, train_model
from app.credit.models import CreditPolicy, ScoringModel
from app.credit.queries import active_model
from app.credit.rules import Visible

if TYPE_CHECKING:
    from app.core.settings import Settings

__all__ = ["ModelUnusable", "TrainingFailed", "train_model"]

UPLOAD_LIMIT = 16 * 1024 * 1024
"""Bytes of a model file that a person may upload (proposal); trained ones are well below a tenth of it."""
_LOCK = text("select pg_advisory_xact_lock(hashtextextended('scoring_model', 0))")
_FILE = text("select hq_model_file(:model)")


# --- into the register -----------------------------------------------------------------------------------------------------


@use_case(Permission.PROFILE_COMPUTE, "credit.register_model", returns=ScoringModel)
def register_model(ctx: Context, path: Path, note: str = "") -> ScoringModel:
    """Takes a model file into the register; one that is known changes nothing.

    Where none scores yet, the portal makes it score at once (first start) and every firm with a consent is scored; else it is a
    candidate on which two people decide. Raises ``ModelUnusable``.
    """
    session().execute(_LOCK)
    told, content = model_files.read(path), path.read_bytes()
    known = session().scalar(select(ScoringModel).where(ScoringModel.version == told.version))
    if known is not None:
        about(known, version=known.version, changed=False)
        return known
    first = active_model() is None
    model = add(ctx, told, content, origin="file", note=note, first_start=first)
    if first:
        emit("credit.model_changed", model_id=model.id)
    about(model, version=model.version, trained_on=model.trained_on, changed=True, first_start=first)
    return model


@use_case(Permission.MODEL_PROPOSE, "credit.upload_model", returns=ScoringModel)
def upload_model(ctx: Context, content: bytes, note: str) -> ScoringModel:
    """A person brings a model file; it becomes a candidate. Raises ``Refusal`` (MODEL_FILE, MODEL_KNOWN, FILE_TOO_LARGE)."""
    if len(content) > UPLOAD_LIMIT:
        raise Refusal(ErrorCode.FILE_TOO_LARGE, field="file", limit=f"{UPLOAD_LIMIT // 1024 ** 2} MB")
    try:
        told = model_files.read_bytes(content)
        if session().scalar(select(ScoringModel.id).where(ScoringModel.version == told.version)) is not None:
            raise Refusal(ErrorCode.MODEL_KNOWN, field="file")
        model_files.try_out(content)
    except ModelUnusable as error:
        raise Refusal(ErrorCode.MODEL_FILE, field="file", detail=(error.why,)) from error
    model = add(ctx, told, content, origin="uploaded", note=note)
    about(model, version=model.version, trained_on=model.trained_on, sha256=model.sha256.hex())
    return model


def add(
    ctx: Context, told: ModelFile, content: bytes, *, origin: str, note: str = "", first_start: bool = False,
    proposed_by: UUID | None = None,
) -> ScoringModel:
    """The row of a new model, a candidate unless it is the very first. For use cases of this room.

    ``proposed_by``: who asked for the training, where a worker brings the model.
    """
    model = ScoringModel(
        version=told.version, trained_on=told.trained_on, trained_at=told.trained_at, window_from=told.window_from,
        window_to=told.window_to, firms=told.firms, defaults=told.defaults, content=content,
        sha256=hashlib.sha256(content).digest(), metrics=told.metrics, bands=told.bands, registered_at=now(),
        state=(ModelState.ACTIVE if first_start else ModelState.CANDIDATE).value, origin=origin, note=note.strip() or None,
        first_start=first_start, proposed_by=proposed_by or ctx.actor_id, activated_at=now() if first_start else None,
    )
    session().add(model)
    begin(ctx, MODEL_LIFE, model, event="first_start" if first_start else "propose")
    return model


def ensure_model(ctx: Context, settings: Settings) -> ScoringModel:
    """The active model; without one the file at ``settings.model_path`` is registered, and where that is absent trained first.

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


# --- what people decide ----------------------------------------------------------------------------------------------------


JUDGED = ("approve", "refuse", "restore")
"""Events of the second person; the others either of the two may bring about."""


def decide(ctx: Context, model_id: UUID, event: str, reason: str) -> ScoringModel:
    """Approves, activates, refuses, asks back (``recall``), restores or drops a model, with a reason.

    A model that begins to score retires the one before it in the same transaction, and every firm with a consent is scored
    again. Raises ``Refusal`` (FORBIDDEN, SAME_PERSON, STATE_CHANGED, REASON_NEEDED).
    """
    return (judge_model if event in JUDGED else move_model)(ctx, model_id, event, reason)


@use_case(Permission.MODEL_APPROVE, "credit.judge_model", returns=ScoringModel)
def judge_model(ctx: Context, model_id: UUID, event: str, reason: str) -> ScoringModel:
    """What only those who approve models may do."""
    return _move(ctx, model_id, event, reason)


@use_case(Permission.MODEL_READ, "credit.move_model", returns=ScoringModel)
def move_model(ctx: Context, model_id: UUID, event: str, reason: str) -> ScoringModel:
    """What those who bring and those who approve models may do."""
    return _move(ctx, model_id, event, reason)


def _move(ctx: Context, model_id: UUID, event: str, reason: str) -> ScoringModel:
    if event == "retire":  # happens to the one whose place is taken, never by itself
        raise Refusal(ErrorCode.STATE_CHANGED)
    session().execute(_LOCK)
    model = get_or_404(ScoringModel, model_id, lock=True)
    move = MODEL_LIFE.find(model.state, event)
    begins = move is not None and move.target is ModelState.ACTIVE
    if begins:
        _check_usable(model)
    before = active_model() if begins else None
    if before is not None:  # the database lets one model score at a time; where the move is refused, this is undone
        fire(ctx, MODEL_LIFE, before, "retire")
    if begins:
        model.activated_at = now()
    if event in ("recall", "drop"):
        model.restored_by = None
    fire(ctx, MODEL_LIFE, model, event, reason=reason)
    if begins:
        emit("credit.model_changed", model_id=model.id)
    about(model, event=event, version=model.version, before=before.version if before else "")
    return model


def _check_usable(model: ScoringModel) -> None:
    """A model of an earlier format stays in the register for what it said, and scores no more. Raises ``Refusal(MODEL_FILE)``."""
    try:
        scorer_of(model.id)
    except ModelUnusable as error:
        raise Refusal(ErrorCode.MODEL_FILE, detail=(error.why,)) from error


# --- the model at work -----------------------------------------------------------------------------------------------------

_loaded: dict[UUID, Any] = {}


def active_scorer() -> tuple[ScoringModel, Any] | None:
    """The model that scores now, ready to use and kept in memory; ``None`` where none was registered. Imports no LightGBM."""
    row = active_model()
    if row is None:
        return None
    if row.id not in _loaded:
        _loaded.clear()
        _loaded[row.id] = scorer_of(row.id)
    return row, _loaded[row.id]


def scorer_of(model_id: UUID) -> Any:
    """A registered model, ready to use; read under the portal's own identity, as nobody else may. Raises ``ModelUnusable``."""
    with elevated(unit().context, "credit.model_file"):
        content = session().execute(_FILE, {"model": model_id}).scalar_one()
    return model_files.read_bytes(bytes(content)).model


@use_case(Permission.PROFILE_COMPUTE, "credit.set_visible")
def set_visible(ctx: Context, visible: Visible) -> None:
    """Turns the switch ``score_visible_to_bank`` from now on (compliance.md §1). Earlier settings are kept."""
    policy = CreditPolicy(valid_from=now(), visible=visible.value)
    session().add(policy)
    session().flush()
    about(policy, visible=visible.value)
