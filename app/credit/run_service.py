"""Scoring many firms: a run is cut into chunks, each an outbox row, so that a killed worker repeats one chunk, not the city."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text

from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, session
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.outbox import emit, handles
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.credit.queries import active_model, among, consenting_firms
from app.credit.rules import PARAMETERS, Parameters, chunks
from app.credit.run_models import ScoringChunk, ScoringRun
from app.credit.service import compute_profiles
from app.enterprises.models import Enterprise


class Cause(StrEnum):
    """Why many firms are scored."""

    ASKED = "asked"
    MODEL = "model"
    DELIVERY = "delivery"
    TAKE_BACK = "take_back"


_LOCK = text("select pg_advisory_xact_lock(hashtextextended('scoring_run', 0))")
_STRANDED = text("""
    select c.no from scoring_chunk c where c.run_id = :run and c.done_at is null and not exists (
      select 1 from outbox o where o.handler = 'credit.compute_chunk' and o.state = 'pending'
        and o.payload ->> 'run_id' = cast(c.run_id as text) and (o.payload ->> 'no')::bigint = c.no)
    order by c.no
""")


@use_case(Permission.SCORING_RUN, "credit.score_everybody", returns=ScoringRun)
def score_everybody(ctx: Context) -> ScoringRun:
    """Every firm whose consent is in force is scored again. While such a run is on its way it goes on, and no second one begins.

    Chunks that gave up (their row in the outbox is dead) are tried again. Raises ``Refusal`` (NO_MODEL, NOBODY_CONSENTS).
    """
    with elevated(ctx, "credit.run"):
        session().execute(_LOCK)
        if active_model() is None:
            raise Refusal(ErrorCode.NO_MODEL)
        open_chunk = select(ScoringChunk.no).where(ScoringChunk.run_id == ScoringRun.id, ScoringChunk.done_at.is_(None))
        run = session().scalar(
            select(ScoringRun).where(ScoringRun.cause == Cause.ASKED.value, open_chunk.exists()).order_by(ScoringRun.asked_at)
        )
        begun = run is None
        if run is not None:
            for number in session().scalars(_STRANDED, {"run": run.id}):
                emit("credit.chunk", run_id=run.id, no=number)
        else:
            run = begin(Cause.ASKED, consenting_firms(), asked_by=ctx.actor_id)
    if run is None:
        raise Refusal(ErrorCode.NOBODY_CONSENTS)
    about(run, firms=run.firms, begun=begun)
    return run


def begin(
    cause: Cause, firm_ids: Sequence[UUID], *, asked_by: UUID | None = None, parameters: Parameters = PARAMETERS,
) -> ScoringRun | None:
    """A run of these firms, inside the portal's own transaction; ``None`` where there are none."""
    if not firm_ids:
        return None
    run = ScoringRun(id=new_id(), cause=cause.value, asked_at=now(), asked_by=asked_by, firms=len(firm_ids))
    session().add(run)
    session().flush()
    parts = cut(firm_ids, parameters.chunk)
    session().execute(
        insert(ScoringChunk), [{"run_id": run.id, "no": number, "firm_ids": part} for number, part in enumerate(parts, start=1)]
    )
    for number in range(1, len(parts) + 1):
        emit("credit.chunk", run_id=run.id, no=number)
    return run


def cut(firm_ids: Sequence[UUID], size: int) -> list[list[UUID]]:
    """The firms in chunks of at most ``size`` that two workers can score at once (``rules.chunks``)."""
    asked = select(Enterprise.firm_no, Enterprise.id).where(among(Enterprise.id, firm_ids)).order_by(Enterprise.firm_no)
    return chunks(((row.firm_no, row.id) for row in session().execute(asked)), size)


@use_case(Permission.PROFILE_COMPUTE, "credit.score_chunk")
def score_chunk(ctx: Context, run_id: UUID, number: int) -> None:
    """Scores one chunk, once: what is done stays done, and what was interrupted left nothing behind."""
    chunk = session().get_one(ScoringChunk, (run_id, number), with_for_update=True)
    if chunk.done_at is None:
        started = now()
        chunk.scored = compute_profiles(ctx, chunk.firm_ids)
        chunk.started_at, chunk.done_at = started, now()
    about(run_id=run_id, no=number, scored=chunk.scored)


@handles("credit.chunk", "credit.compute_chunk", queue="long")
def _chunk(ctx: Context, payload: dict[str, Any]) -> None:
    if "firm_ids" in payload:  # left in the outbox by a portal that knew no runs
        compute_profiles(ctx, [UUID(firm_id) for firm_id in payload["firm_ids"]])
    else:
        score_chunk(ctx, UUID(payload["run_id"]), payload["no"])


@handles("delivery.taken_in", "credit.after_delivery")
def _after_delivery(ctx: Context, payload: dict[str, Any]) -> None:
    _touched(Cause.DELIVERY, payload)


@handles("delivery.taken_back", "credit.after_take_back")
def _after_take_back(ctx: Context, payload: dict[str, Any]) -> None:
    """A provider withdrew a delivery: the firms it told about are scored from what is left."""
    _touched(Cause.TAKE_BACK, payload)


def _touched(cause: Cause, payload: dict[str, Any]) -> None:
    consenting = set(consenting_firms())
    begin(cause, [firm_id for firm_id in map(UUID, payload["firm_ids"]) if firm_id in consenting])


@handles("credit.model_changed", "credit.after_model", queue="long")
def _after_model(ctx: Context, payload: dict[str, Any]) -> None:
    """Another model scores from now on: every firm with a consent is scored again."""
    begin(Cause.MODEL, consenting_firms())
