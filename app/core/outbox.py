"""Work leaves through a table, in the transaction of the change that caused it (design §4.3). Losing Redis loses nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update

from app.core import audit
from app.core.calendar import now
from app.core.context import Context
from app.core.database import session, transaction, unit
from app.core.ids import new_id
from app.core.models import Outbox

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 8
Handler = Callable[[Context, dict[str, Any]], None]
Check = Callable[[Context], int]
Enqueue = Callable[[UUID, str], None]


@dataclass(frozen=True)
class _Entry:
    topic: str
    name: str
    queue: str
    run: Handler


_handlers: dict[str, _Entry] = {}
_checks: dict[str, Check] = {}
_enqueue: list[Enqueue] = []


def handles(topic: str, name: str, *, queue: str = "default") -> Callable[[Handler], Handler]:
    """Registers a handler of a topic. It runs as the system, in one transaction with the end of its outbox row."""

    def register(run: Handler) -> Handler:
        _handlers[name] = _Entry(topic, name, queue, run)
        return run

    return register


def timed(name: str) -> Callable[[Check], Check]:
    """Registers a timed check: the ticker calls it; it finds what is due and returns how many it settled."""

    def register(check: Check) -> Check:
        _checks[name] = check
        return check

    return register


def settle_each(ids: Iterable[UUID], settle: Callable[[UUID], int], what: str) -> int:
    """Settles what is due, each in its own transaction, and returns how many were. One that fails is logged (``what`` says what
    it is), holds up no other, and is due again at the next tick.
    """
    settled = 0
    for one in ids:
        try:
            settled += settle(one)
        except Exception:
            log.exception("%s %s could not be settled", what, one)
    return settled


def queues() -> set[str]:
    """Names of the queues that handlers use."""
    return {entry.queue for entry in _handlers.values()} | {"default"}


def configure_queue(enqueue: Enqueue | None) -> None:
    """Sets how a row is handed to a worker; ``None`` leaves all rows to the ticker."""
    _enqueue[:] = [enqueue] if enqueue else []


def emit(topic: str, *, seal_id: UUID | None = None, **payload: Any) -> None:
    """Stores one row for every handler of ``topic`` in the running transaction."""
    current = unit()
    for entry in [entry for entry in _handlers.values() if entry.topic == topic]:
        row = Outbox(
            id=new_id(), topic=topic, handler=entry.name, payload=audit.plain(payload), org_id=current.context.org_id,
            seal_id=seal_id, state="pending", created_at=now(), lease_until=now() + LEASE, attempts=0,
        )
        current.session.add(row)
        if seal_id is None:
            current.outbox_ids.append(row.id)


def hand_over(ids: list[UUID]) -> None:
    """Hands committed rows to the queue. A queue that is away is no error: the ticker comes by."""
    if not _enqueue or not ids:
        return
    with transaction(Context.of_system("outbox"), read_only=True) as current:
        rows = current.session.execute(select(Outbox.id, Outbox.handler).where(Outbox.id.in_(ids))).all()
    for row in rows:
        try:
            _enqueue[0](row.id, _handlers[row.handler].queue)
        except Exception as error:
            log.warning("outbox row %s stays for the ticker: %s", row.id, type(error).__name__)
            return


def deliver(row_id: UUID) -> bool:
    """Runs one row's handler, once. ``False`` where it is done already, or another worker holds it.

    A handler that fails leaves its error on the row, with a lease that grows by attempt, and raises no further.
    """
    ctx = Context.of_system("worker")
    try:
        with transaction(ctx) as current:
            row = current.session.scalar(
                select(Outbox).where(Outbox.id == row_id, Outbox.state == "pending").with_for_update(skip_locked=True)
            )
            if row is None:
                return False
            row.state, row.done_at = "done", now()
            row.attempts += 1
            current.session.flush()
            _handlers[row.handler].run(ctx, row.payload)
        hand_over(current.outbox_ids)
        return True
    except Exception as error:
        log.exception("outbox row %s failed", row_id)
        _fail(row_id, f"{type(error).__name__}: {error}"[:500])
        return False


def _fail(row_id: UUID, message: str) -> None:
    with transaction(Context.of_system("worker")) as current:
        row = current.session.get(Outbox, row_id, with_for_update=True)
        if row is None or row.state != "pending":
            return
        row.attempts += 1
        row.last_error = message
        row.lease_until = now() + LEASE * 2 ** min(row.attempts, 8)
        if row.attempts >= MAX_ATTEMPTS:
            row.state = "dead"


def requeue_expired(limit: int = 500) -> int:
    """Enqueues again what outlived its lease (a killed worker, a lost Redis, a seal that opened). Returns how many."""
    with transaction(Context.of_system("ticker")) as current:
        ids = list(current.session.scalars(
            select(Outbox.id).where(Outbox.state == "pending", Outbox.lease_until < now())
            .order_by(Outbox.lease_until).limit(limit).with_for_update(skip_locked=True)
        ))
        if ids:
            current.session.execute(update(Outbox).where(Outbox.id.in_(ids)).values(lease_until=now() + LEASE))
    hand_over(ids)
    return len(ids)


def run_due_checks() -> dict[str, int]:
    """Runs every timed check once; one that fails does not hold up the others. Returns what each settled."""
    settled: dict[str, int] = {}
    for name, check in _checks.items():
        try:
            settled[name] = check(Context.of_system("ticker"))
        except Exception:
            log.exception("timed check %s failed", name)
    return settled


def drain(limit: int = 1000) -> int:
    """Delivers pending rows in this process until none is left: for commands and tests. Returns how many ran."""
    ran = 0
    while ran < limit:
        with transaction(Context.of_system("worker"), read_only=True):
            ids = list(session().scalars(
                select(Outbox.id).where(Outbox.state == "pending", Outbox.attempts == 0).order_by(Outbox.created_at)
            ))
        if not ids:
            return ran
        ran += sum(deliver(row_id) for row_id in ids)
    return ran


def dead_rows() -> int:
    """How many rows gave up: shown to the system administrator."""
    return session().scalar(text("select count(*) from outbox where state = 'dead'")) or 0
