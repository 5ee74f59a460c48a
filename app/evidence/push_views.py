"""The push as machines meet it: a signed request in, JSON out. No cookie, no session; the signature is the door."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from uuid import UUID

from flask import Response, current_app, g, jsonify, request, url_for
from flask_babel import gettext
from limits import parse
from sqlalchemy import select
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, TooManyRequests

from app.core.calendar import SHANGHAI
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Permission
from app.core.storage import take_in
from app.core.use_case import reading
from app.core.web import PUBLIC, SIGNED, Room, say
from app.evidence import push_service
from app.evidence.display import failure_text, reason_text
from app.evidence.door import room
from app.evidence.models import Delivery, Quarantine
from app.evidence.push_body import JSON, NDJSON, checked
from app.evidence.push_description import STATUS, description
from app.evidence.push_rules import (
    ANY_SHAPE,
    NONCE_SHAPE,
    PUSH,
    REPEAT_SHAPE,
    SIGNATURE_SHAPE,
    TIMESTAMP_SHAPE,
    Signed,
)
from app.evidence.push_service import Caller

api = Room("api", __name__, url_prefix="/api/v1")
log = logging.getLogger(__name__)

Body = IO[bytes]
_HEADERS = (
    ("X-Huiqiao-Key", ANY_SHAPE), ("X-Huiqiao-Timestamp", TIMESTAMP_SHAPE), ("X-Huiqiao-Nonce", NONCE_SHAPE),
    ("X-Huiqiao-Signature", SIGNATURE_SHAPE),
)


def signed(view: Callable[..., Any]) -> Callable[..., Any]:
    """Hands the view who signed the request, and its body. Nothing of the body is kept before the signature fits."""

    @wraps(view)
    def door(*args: Any, **kwargs: Any) -> Any:
        claim = _claim()
        push_service.check_clock(claim.timestamp)
        with _body() as (body, digest):
            caller = push_service.admit(replace(claim, body_sha256=digest))
            _count(caller)
            return view(caller, body, *args, **kwargs)

    return door


def _claim() -> Signed:
    for name, shape in _HEADERS:
        if shape.fullmatch(request.headers.get(name, "")) is None:
            raise Refusal(ErrorCode.PUSH_UNSIGNED, header=name)
    key_id, timestamp, nonce, signature = (request.headers.get(name, "") for name, _ in _HEADERS)
    path, query = request.script_root + request.path, request.query_string.decode("latin-1")
    return Signed(key_id, timestamp, nonce, signature, request.method, f"{path}?{query}" if query else path)


@contextmanager
def _body() -> Iterator[tuple[Body, str]]:
    request.max_content_length = PUSH.body_limit_bytes
    hasher, size = hashlib.sha256(), 0
    with SpooledTemporaryFile(max_size=PUSH.memory_bytes) as kept:
        while chunk := request.stream.read(PUSH.memory_bytes):
            size += len(chunk)
            if size > PUSH.body_limit_bytes:
                raise RequestEntityTooLarge
            hasher.update(chunk)
            kept.write(chunk)
        kept.seek(0)
        yield kept, hasher.hexdigest()


def _count(caller: Caller) -> None:
    limiter = current_app.extensions["hq_limiter"]
    if limiter.enabled and not limiter.limiter.hit(parse(PUSH.per_key), "push", caller.used.key_id):
        raise TooManyRequests


@api.page("/deliveries/<item_code>", SIGNED, methods=["POST"])
@signed
def push(caller: Caller, body: Body, item_code: str) -> Any:
    """Rows of one item become a delivery, which is read in the background."""
    media_type, repeat_key = media_type_sent(), repeat_key_sent()
    push_service.check_item(caller, item_code)
    source = checked(body, media_type)
    stored = take_in(body, limit=PUSH.body_limit_bytes, limit_text=PUSH.body_limit_text)
    pushed = push_service.receive_push(caller, item_code, stored, source, repeat_key)
    status_url = url_for("evidence.api.pushed", delivery_id=pushed.delivery.id)
    answer = {
        "id": str(pushed.delivery.id), "number": pushed.delivery.number, "state": pushed.delivery.state, "status_url": status_url,
    }
    return answer, 200 if pushed.repeated else 202, {"Location": status_url}


def media_type_sent() -> str:
    """The type of the body. Raises ``Refusal(PUSH_TYPE)`` for others than JSON, and for what is compressed."""
    if request.mimetype not in (JSON, NDJSON) or request.headers.get("Content-Encoding", "identity") != "identity":
        raise Refusal(ErrorCode.PUSH_TYPE)
    return request.mimetype


def repeat_key_sent() -> str | None:
    """The Idempotency-Key, where one was sent."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and REPEAT_SHAPE.fullmatch(key) is None:
        raise Refusal(ErrorCode.PUSH_UNSIGNED, header="Idempotency-Key")
    return key


@api.page("/deliveries/<uuid:delivery_id>", SIGNED)
@signed
def pushed(caller: Caller, body: Body, delivery_id: UUID) -> Any:
    """Where a delivery of the provider stands, pushed or uploaded, and what became of its rows."""
    with reading(caller.context, Permission.DELIVERY_PUSH):
        found = get_or_404(Delivery, delivery_id)
        return {
            "id": str(found.id), "number": found.number, "item": found.item_code, "filename": found.filename,
            "source": found.source_label, "state": found.state,
            "received_at": time_text(found.created_at), "finished_at": time_text(found.finished_at),
            "counts": {
                "total": found.rows_total, "taken": found.rows_taken, "identical": found.rows_identical,
                "superseding": found.rows_superseding, "quarantined": found.rows_quarantined, "waiting": found.rows_waiting,
            },
            "failure": {"code": found.failure, "message": failure_text(found)} if found.failure else None,
            "quarantine_url": url_for("evidence.api.pushed_quarantine", delivery_id=found.id),
        }


def time_text(at: Any) -> str | None:
    """A moment as an answer tells it."""
    return at.astimezone(SHANGHAI).isoformat(timespec="seconds") if at is not None else None


@api.page("/deliveries/<uuid:delivery_id>/quarantine", SIGNED)
@signed
def pushed_quarantine(caller: Caller, body: Body, delivery_id: UUID) -> Any:
    """Rows that wait to be mended, with the reason, page by page (``?after=`` the last row number seen)."""
    after = row_after()
    with reading(caller.context, Permission.DELIVERY_PUSH) as db:
        found = get_or_404(Delivery, delivery_id)
        rows = list(db.scalars(
            select(Quarantine).where(Quarantine.delivery_id == found.id, Quarantine.row_no > after)
            .order_by(Quarantine.row_no).limit(PUSH.quarantine_page + 1)
        ))
        shown = rows[:PUSH.quarantine_page]
        return {
            "rows": [
                {
                    "row_no": row.row_no, "reason": row.reason, "row": row.raw,
                    "message": reason_text(row.reason, row.params, found.item_code),
                }
                for row in shown
            ],
            "next_url": url_for("evidence.api.pushed_quarantine", delivery_id=found.id, after=shown[-1].row_no)
            if len(rows) > len(shown) else None,
        }


def row_after() -> int:
    """The row number behind which a page of rows begins; 0 for what is no number."""
    after = request.args.get("after", "0")
    return int(after) if after.isascii() and after.isdigit() and len(after) <= 12 else 0


@api.page("/openapi.json", PUBLIC)
def openapi() -> Any:
    """What the push looks like, for machines and for those who build them."""
    return jsonify(description())


@api.errorhandler(Refusal)
def refused(refusal: Refusal) -> Any:
    """One error, in one form."""
    if refusal.code in (ErrorCode.PUSH_SIGNATURE, ErrorCode.PUSH_REPLAYED):
        log.warning("push refused: %s from %s", refusal.code.value, request.remote_addr)
    return _error(refusal.code.value, say(refusal), STATUS.get(refusal.code, 422))


@api.errorhandler(HTTPException)
def http_error(error: HTTPException) -> Any:
    """Too large and too often are sentences of ours; the rest is told by its status."""
    if isinstance(error, RequestEntityTooLarge):
        return refused(Refusal(ErrorCode.PUSH_TOO_LARGE, limit=PUSH.body_limit_text))
    if isinstance(error, TooManyRequests):
        answer = refused(Refusal(ErrorCode.PUSH_TOO_OFTEN, seconds=PUSH.retry_after_seconds))
        answer.headers["Retry-After"] = str(PUSH.retry_after_seconds)
        return answer
    return _error("bad_request", gettext("请求有误，请返回重试。"), error.code or 500)


@api.errorhandler(Exception)
def broken(error: Exception) -> Any:
    """Nothing of the inside is told."""
    log.exception("push %s failed", g.get("request_id"))
    if current_app.testing:
        raise error
    number = g.get("request_id", "")
    return _error("internal", gettext("系统出了问题，请稍后重试，或把编号 %(number)s 告诉服务台。", number=number), 500)


def _error(code: str, message: str, status: int) -> Response:
    answer = jsonify({"error": {"code": code, "message": message}})
    answer.status_code = status
    return answer


@api.after_request
def _language_of(response: Response) -> Response:
    response.vary.add("Accept-Language")
    return response


room.register_blueprint(api)
