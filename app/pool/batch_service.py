"""Files of loans of banks and guarantors: received, judged in the background, released by a second person, taken in whole or not.

The file itself is what is released: its bytes stay in the store under their hash and are read again when it is taken in, so that
nobody changes between the two hands what the second one agreed to.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import polars as pl
from sqlalchemy import delete, func, select, text, update

from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import get_or_404, session, transaction
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import begin, ensure, fire
from app.core.notices import notify
from app.core.outbox import emit, handles
from app.core.permissions import Permission
from app.core.storage import Stored, path_of
from app.core.use_case import about, use_case
from app.evidence import cells
from app.evidence.copying import copy_in
from app.evidence.file_tools import broken
from app.evidence.files import media_type_of, open_file, reading_of
from app.evidence.push_rules import KeyUsed
from app.evidence.rows import typed
from app.pool.batch_booking import Ending, Judge, raw_rows
from app.pool.batch_guarantee import GuaranteeTaker
from app.pool.batch_items import AMOUNTS, ITEMS, ROW_LIMIT
from app.pool.batch_models import PoolBatch, PoolBatchRow
from app.pool.batch_reconcile import ReconcileTaker
from app.pool.batch_report import ReportTaker
from app.pool.batch_states import BATCH, SENDER, BatchKind, BatchState
from app.pool.batch_write import Sender
from app.pool.ruleset import Mode

constraint("ck_pool_batch_two_people", ErrorCode.SAME_PERSON)
constraint("ck_pool_batch_frozen", ErrorCode.STATE_CHANGED)



class Taker(Protocol):
    """Takes the rows of one file, piece by piece, and keeps what it must know of the pieces before."""

    def take(self, rows: pl.DataFrame, raw: pl.DataFrame, *, released: bool) -> list[Ending]:
        """Endings of the sound rows of a piece; with ``released`` what they say is written."""

    def finish(self, *, released: bool) -> tuple[date, int] | None:
        """What is to be done after the last row; of a month-end list its month, and how many notes it lacks."""


TAKERS: dict[BatchKind, Callable[[Context, Sender], Taker]] = {
    BatchKind.BOOKING: Judge, BatchKind.REPORT: ReportTaker,
    BatchKind.RECONCILE: ReconcileTaker, BatchKind.GUARANTEE: GuaranteeTaker,
}
PIECE = 10_000
"""Rows judged and written at once."""
TELL_SECONDS = 0.5
_KEPT = """
create temp table if not exists kept_rows (row_no bigint, ending text, reason text, params text, raw text, note_no text,
  loan_id text) on commit drop
"""


# --- a file comes ------------------------------------------------------------------------------------------------------


@use_case(Permission.BOOKING_SEND, "batch.receive", returns=PoolBatch)
def receive_batch(ctx: Context, kind: BatchKind, stored: Stored, filename: str) -> PoolBatch:
    """A bank's or guarantor's own upload; it is judged in the background.

    Raises ``Refusal``: FILE_TYPE, FILE_HEADER naming the missing columns, FILE_BROKEN, FORBIDDEN for who does not send this kind.
    """
    return _receive(ctx, kind, stored, filename, "upload")


@use_case(Permission.BOOKING_PUSH, "batch.push", returns=PoolBatch)
def receive_pushed(ctx: Context, kind: BatchKind, sha256: bytes, used: KeyUsed) -> PoolBatch:
    """Rows that a bank's or guarantor's machine pushed; a person of it releases them. ``sha256`` names bytes in storage."""
    path = path_of(sha256)
    with path.open("rb") as body:
        stored = Stored(sha256, path.stat().st_size, path, body.read(16))
    name = f"push-{used.label}-{now().astimezone(SHANGHAI):%Y%m%d-%H%M%S}.json".replace("/", "_").replace("\\", "_")
    about(key=used.key_id)
    return _receive(ctx, kind, stored, name, "push")


def _receive(ctx: Context, kind: BatchKind, stored: Stored, filename: str, channel: str) -> PoolBatch:
    if ctx.org_kind is not SENDER[kind] or ctx.org_id is None:
        raise Refusal(ErrorCode.FORBIDDEN)
    name = Path(filename).name[:200]
    media_type = media_type_of(stored.head, name)
    open_file(stored.path, media_type, reading_of(ITEMS[kind]))  # a wrong heading is told at once, not in the background
    batch = PoolBatch(
        number=session().execute(text("select nextval('pool_batch_number_seq')")).scalar_one(), org_id=ctx.org_id,
        org_kind=ctx.org_kind.value, kind=kind.value, filename=name, media_type=media_type, size=stored.size,
        sha256=stored.sha256, channel=channel, state=BatchState.RECEIVED.value, failure_params={}, submitted_on=today(),
        prepared_at=now(), prepared_by=ctx.actor_id, branch_id=ctx.branch_id,
    )
    session().add(batch)
    begin(ctx, BATCH, batch, event="receive")
    about(batch, sha256=stored.sha256, size=stored.size, kind=kind.value)
    emit("pool.batch", batch_id=batch.id)
    return batch


@use_case(Permission.BOOKING_RELEASE, "batch.release", returns=PoolBatch)
def release_batch(ctx: Context, batch_id: UUID) -> PoolBatch:
    """The second person agrees; the file is taken in.

    Raises ``Refusal(SAME_PERSON)``, ``Refusal(STATE_CHANGED)``, and ``Refusal(APPROVAL_LIMIT)`` where a loan of a booking file is
    larger than the person may approve: a loan that the portal does not know is approved by the release.
    """
    batch = get_or_404(PoolBatch, batch_id, lock=True)
    ensure(ctx, BATCH, batch, "release")
    largest = batch.largest_fen if batch.largest_fen is not None else batch.amount_fen or 0
    if batch.kind == BatchKind.BOOKING and (ctx.approval_limit_fen is None or largest > ctx.approval_limit_fen):
        raise Refusal(ErrorCode.APPROVAL_LIMIT, limit=money_text(ctx.approval_limit_fen or 0))
    batch.released_at = now()  # flushed with state and person, which the database holds together
    fire(ctx, BATCH, batch, "release")
    about(batch, sha256=bytes(batch.sha256), rows=batch.rows_total, amount_fen=batch.amount_fen)
    emit("pool.batch", batch_id=batch.id)
    return batch


@use_case(Permission.BOOKING_RELEASE, "batch.refuse", returns=PoolBatch)
def refuse_batch(ctx: Context, batch_id: UUID, reason: str) -> PoolBatch:
    """The second person does not agree; nothing of the file is taken in."""
    batch = get_or_404(PoolBatch, batch_id, lock=True)
    fire(ctx, BATCH, batch, "refuse", reason=reason)
    notify(batch.org_id, N_("文件 %(name)s 复核未同意：%(reason)s"), person_id=batch.prepared_by, path=_page(batch),
           name=batch.filename, reason=reason.strip())
    about(batch)
    return batch


@use_case(Permission.BOOKING_SEND, "batch.withdraw", returns=PoolBatch)
def withdraw_batch(ctx: Context, batch_id: UUID, reason: str) -> PoolBatch:
    """Takes a file back before it is released."""
    batch = get_or_404(PoolBatch, batch_id, lock=True)
    batch.failure = None
    fire(ctx, BATCH, batch, "withdraw", reason=reason)
    about(batch)
    return batch


@use_case(Permission.BOOKING_SEND, "batch.retry", returns=PoolBatch)
def retry_batch(ctx: Context, batch_id: UUID) -> PoolBatch:
    """Reads a failed file again; it is released again too."""
    batch = get_or_404(PoolBatch, batch_id, lock=True)
    batch.failure, batch.failure_params, batch.finished_at = None, {}, None
    batch.released_by = batch.released_at = None
    fire(ctx, BATCH, batch, "retry")
    about(batch)
    emit("pool.batch", batch_id=batch.id)
    return batch


def _page(batch: PoolBatch) -> str:
    return f"/pool/batches/{batch.id}"


# --- in the background -------------------------------------------------------------------------------------------------


@dataclass
class Counts:
    """Endings of a file so far; ``amount_fen`` the principal, or the balance, of the rows that could be read."""

    done: int = 0
    known: int = 0
    waiting: int = 0
    refused: int = 0
    amount_fen: int = 0
    largest_fen: int = 0
    listed: tuple[date, int] | None = None

    @property
    def total(self) -> int:
        return self.done + self.known + self.waiting + self.refused

    def add(self, endings: list[Ending]) -> None:
        for one in endings:
            setattr(self, one.ending, getattr(self, one.ending) + 1)


Told = Callable[[str, int], None]


@handles("pool.batch", "pool.batch_work", queue="long")
def _on_batch(ctx: Context, payload: dict[str, Any]) -> None:
    work_on(ctx, UUID(payload["batch_id"]))


@use_case(Permission.CLAIM_TICK, "batch.work", returns=PoolBatch)
def work_on(ctx: Context, batch_id: UUID, told: Told | None = None) -> PoolBatch:
    """Judges a file that was received, or takes in one that was released: whole, in this one transaction.

    Running it again changes nothing. A file that cannot be read ends FAILED with its reason.
    """
    batch = get_or_404(PoolBatch, batch_id)
    if not session().scalar(text("select pg_try_advisory_xact_lock(hashtext('pool.batch'), (:n % 2147483647)::int)"),
                            {"n": batch.number}):
        raise RuntimeError(f"batch {batch.number} is being read")  # the outbox tries again
    state = BatchState(batch.state)
    about(batch, state=batch.state)
    if state not in (BatchState.RECEIVED, BatchState.RELEASED):
        return batch
    with transaction(ctx):  # beside the large one, so that a page shows where the reading stands
        session().execute(update(PoolBatch).where(PoolBatch.id == batch_id).values(
            started_at=now(), phase="storing" if state is BatchState.RELEASED else "reading", progress_rows=0,
        ))
    try:
        with session().begin_nested():
            counts = _take_in(ctx, batch, state is BatchState.RELEASED, _progress(ctx, batch.id, told))
    except Refusal as refusal:
        return _fail(ctx, batch_id, refusal)
    return _finish(ctx, batch_id, counts)


def _progress(ctx: Context, batch_id: UUID, told: Told | None) -> Callable[[int], None]:
    last = time.monotonic()

    def tell(rows: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_SECONDS:
            last = time.monotonic()
            with transaction(ctx):
                session().execute(update(PoolBatch).where(PoolBatch.id == batch_id).values(progress_rows=rows))
        if told is not None:
            told("rows", rows)

    return tell


def sender_of(batch: PoolBatch) -> Sender:
    """Whose file it is, as its rows are judged and written."""
    mode = Mode.GUARANTEE if batch.kind == BatchKind.GUARANTEE else Mode.BANK
    return Sender(batch.id, batch.org_id, batch.prepared_by, batch.released_by, batch.branch_id, batch.submitted_on, mode)


def _take_in(ctx: Context, batch: PoolBatch, released: bool, told: Callable[[int], None]) -> Counts:
    path = path_of(bytes(batch.sha256))
    if not path.exists() or path.stat().st_size != batch.size:
        raise broken(N_("存储中的文件不完整"))
    item = ITEMS[BatchKind(batch.kind)]
    session().execute(delete(PoolBatchRow).where(PoolBatchRow.batch_id == batch.id))
    counts, kind = Counts(), BatchKind(batch.kind)
    taker = TAKERS[kind](ctx, sender_of(batch))
    for piece in open_file(path, batch.media_type, reading_of(item)).batches(PIECE):
        if counts.total + piece.height > ROW_LIMIT:
            raise Refusal(ErrorCode.BATCH_ROWS, field="file", limit=ROW_LIMIT)
        sound, troubled = typed(piece, item)
        endings = taker.take(sound, piece, released=released)
        _keep(batch, piece, endings, troubled, waiting=released)
        counts.add(endings)
        counts.refused += troubled.height
        counts.amount_fen += int(sound[AMOUNTS[kind]].sum())
        counts.largest_fen = max(counts.largest_fen, int(sound[AMOUNTS[kind]].max() or 0))  # type: ignore[arg-type]
        told(counts.total)
    counts.listed = taker.finish(released=released)
    return counts


def _keep(batch: PoolBatch, raw: pl.DataFrame, endings: list[Ending], troubled: pl.DataFrame, *, waiting: bool) -> None:
    """Keeps the rows that were refused, and once the file is released those that wait, each as it came with its reason."""
    kept = {one.row_no: one for one in endings if one.ending == "refused" or (waiting and one.ending == "waiting")}
    raws = raw_rows(raw, kept) if kept else {}
    rows = [
        (one.row_no, one.ending, str(one.reason), cells.as_json(one.params), cells.as_json(raws[one.row_no]), one.note_no,
         str(one.loan_id) if one.loan_id else None)
        for one in kept.values()
    ] + [(row_no, "refused", reason, params, cells_, None, None) for row_no, cells_, reason, params in troubled.iter_rows()]
    if not rows:
        return
    session().execute(text(_KEPT))
    session().execute(text("truncate kept_rows"))
    copy_in("kept_rows", pl.DataFrame(rows, orient="row", schema={
        "row_no": pl.Int64, "ending": pl.String, "reason": pl.String, "params": pl.String, "raw": pl.String,
        "note_no": pl.String, "loan_id": pl.String,
    }))
    session().execute(text(
        "insert into pool_batch_row (batch_id, org_id, row_no, ending, reason, params, raw, note_no, loan_id) "
        "select :batch, :org, row_no, ending, reason, params::jsonb, raw::jsonb, note_no, loan_id::uuid from kept_rows"
    ), {"batch": batch.id, "org": batch.org_id})


def _fail(ctx: Context, batch_id: UUID, refusal: Refusal) -> PoolBatch:
    batch = get_or_404(PoolBatch, batch_id, lock=True)
    batch.failure, batch.failure_params = refusal.code.value, {key: str(value) for key, value in refusal.params.items()}
    batch.finished_at, batch.phase = now(), None
    fire(ctx, BATCH, batch, "fail")
    about(batch, result="failed", code=refusal.code.value)
    notify(batch.org_id, N_("文件 %(name)s 没有读成，请查看原因后重试。"), name=batch.filename, path=_page(batch))
    return batch


def _finish(ctx: Context, batch_id: UUID, counts: Counts) -> PoolBatch:
    batch = get_or_404(PoolBatch, batch_id, lock=True)
    released = batch.state == BatchState.RELEASED
    batch.rows_total, batch.rows_done, batch.rows_known = counts.total, counts.done, counts.known
    batch.rows_waiting, batch.rows_refused, batch.amount_fen = counts.waiting, counts.refused, counts.amount_fen
    batch.largest_fen = counts.largest_fen
    if counts.listed is not None:
        batch.month, batch.notes_absent = counts.listed
    batch.progress_rows, batch.phase = counts.total, None
    batch.finished_at = now() if released else None
    fire(ctx, BATCH, batch, "finish" if released else "present")
    about(batch, sha256=bytes(batch.sha256), rows=counts.total, done=counts.done, known=counts.known, waiting=counts.waiting,
          refused=counts.refused, amount_fen=counts.amount_fen)
    message = N_("文件 %(name)s 已办完：办成 %(done)s 行，待修改 %(refused)s 行。") if released else \
        N_("文件 %(name)s 已检查完，等待复核：可办成 %(done)s 行，待修改 %(refused)s 行。")
    notify(batch.org_id, message, path=_page(batch), name=batch.filename, done=counts.done, refused=counts.refused)
    if released and counts.waiting and batch.kind == BatchKind.BOOKING:
        emit("pool.batch_offline", batch_id=batch.id)
    if released and batch.kind != BatchKind.RECONCILE:
        emit("pool.batch_done", org_id=batch.org_id)
    return batch


# --- rows that wait ----------------------------------------------------------------------------------------------------


@use_case(Permission.BOOKING_FILES, "batch.export_refused")
def export_refused(ctx: Context, batch_id: UUID, limit: int) -> list[PoolBatchRow]:
    """At most ``limit`` + 1 refused rows for a download; the export is recorded."""
    batch = get_or_404(PoolBatch, batch_id)
    rows = list(session().scalars(
        select(PoolBatchRow).where(PoolBatchRow.batch_id == batch.id, PoolBatchRow.ending == "refused")
        .order_by(PoolBatchRow.row_no).limit(limit + 1)
    ))
    about(batch, rows=len(rows))
    return rows


def ready_batches(limit: int = 10) -> list[PoolBatch]:
    """Files that wait for the second person, the oldest first."""
    return list(session().scalars(
        select(PoolBatch).where(PoolBatch.state == BatchState.READY).order_by(PoolBatch.prepared_at).limit(limit)))


def waiting_count(batch_id: UUID) -> int:
    """Rows of a file that still wait."""
    return session().scalar(
        select(func.count()).select_from(PoolBatchRow).where(
            PoolBatchRow.batch_id == batch_id, PoolBatchRow.ending == "waiting", PoolBatchRow.settled_at.is_(None))
    ) or 0
