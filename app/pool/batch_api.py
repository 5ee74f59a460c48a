"""Files of loans as machines of banks and guarantors push them: a signed request in, JSON out; a person releases what came."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import lazy_gettext
from sqlalchemy import select

from app.core.calendar import now
from app.core.database import get_or_404
from app.core.errors import ErrorCode, NotFound, Refusal
from app.core.permissions import Permission
from app.core.storage import take_in
from app.core.use_case import reading
from app.core.web import SIGNED
from app.evidence.push_body import checked
from app.evidence.push_description import Described, described
from app.evidence.push_key_views import push_addresses
from app.evidence.push_rules import PUSH
from app.evidence.push_service import Caller
from app.evidence.push_views import Body, api, media_type_sent, repeat_key_sent, row_after, signed, time_text
from app.pool import batch_service
from app.pool.batch_items import ITEMS
from app.pool.batch_models import PoolBatch, PoolBatchRow
from app.pool.batch_states import SENDER, BatchKind, BatchState
from app.pool.batch_tables import OUTCOMES, reason_text
from app.pool.batch_views import failure_text


def _address(kind: BatchKind) -> Any:
    return lambda: url_for("evidence.api.push_batch", kind=kind.value)


for _kind in ITEMS:
    push_addresses.append((SENDER[_kind], lazy_gettext(_kind.label), _address(_kind)))
described.extend(
    Described("/pool/batches", kind.value, item, tuple(BatchState), ("total", "done", "known", "waiting", "refused"))
    for kind, item in ITEMS.items()
)


@api.page("/pool/batches/<kind>", SIGNED, methods=["POST"])
@signed
def push_batch(caller: Caller, body: Body, kind: str) -> Any:
    """Rows of loans become a file, which is judged in the background and waits for a person to release it."""
    caller.context.require(Permission.BOOKING_PUSH)
    if kind not in {one.value for one in ITEMS}:
        raise NotFound
    media_type, repeat_key, began = media_type_sent(), repeat_key_sent(), now()
    checked(body, media_type)
    stored = take_in(body, limit=PUSH.body_limit_bytes, limit_text=PUSH.body_limit_text)
    try:
        batch = batch_service.receive_pushed(caller.context.with_token(repeat_key), BatchKind(kind), stored.sha256, caller.used)
    except Refusal as refusal:
        if refusal.code is ErrorCode.IDEMPOTENCY:
            raise Refusal(ErrorCode.PUSH_REPEAT) from refusal
        raise
    status_url = url_for("evidence.api.pushed_batch", batch_id=batch.id)
    answer = {"id": str(batch.id), "number": batch.number, "state": batch.state, "status_url": status_url}
    return answer, 200 if batch.prepared_at < began else 202, {"Location": status_url}


@api.page("/pool/batches/<uuid:batch_id>", SIGNED)
@signed
def pushed_batch(caller: Caller, body: Body, batch_id: UUID) -> Any:
    """Where a file of the sender stands, pushed or uploaded, and what becomes of its rows."""
    with reading(caller.context, Permission.BOOKING_PUSH):
        found = get_or_404(PoolBatch, batch_id)
        return {
            "id": str(found.id), "number": found.number, "kind": found.kind, "filename": found.filename, "state": found.state,
            "received_at": time_text(found.prepared_at), "released_at": time_text(found.released_at),
            "finished_at": time_text(found.finished_at),
            "counts": {
                "total": found.rows_total, "done": found.rows_done, "known": found.rows_known, "waiting": found.rows_waiting,
                "refused": found.rows_refused,
            },
            "failure": {"code": found.failure, "message": failure_text(found)} if found.failure else None,
            "rows_url": url_for("evidence.api.pushed_batch_rows", batch_id=found.id),
        }


@api.page("/pool/batches/<uuid:batch_id>/rows", SIGNED)
@signed
def pushed_batch_rows(caller: Caller, body: Body, batch_id: UUID) -> Any:
    """Rows that were refused or wait, with the reason, page by page (``?after=`` the last row number seen)."""
    with reading(caller.context, Permission.BOOKING_PUSH) as db:
        found = get_or_404(PoolBatch, batch_id)
        rows = list(db.scalars(
            select(PoolBatchRow).where(PoolBatchRow.batch_id == found.id, PoolBatchRow.row_no > row_after())
            .order_by(PoolBatchRow.row_no).limit(PUSH.quarantine_page + 1)
        ))
        page = rows[:PUSH.quarantine_page]
        return {
            "rows": [
                {"row_no": row.row_no, "ending": row.outcome or row.ending, "reason": row.reason,
                 "row": row.raw,
                 "message": reason_text(row, found.kind) if row.outcome in (None, "refused") else str(OUTCOMES[row.outcome])}
                for row in page
            ],
            "next_url": url_for("evidence.api.pushed_batch_rows", batch_id=found.id, after=page[-1].row_no)
            if len(rows) > len(page) else None,
        }
