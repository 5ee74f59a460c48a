"""The gate: one function, one transaction, one permission, one audit event (design §3). No door is left unlocked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from app.core import audit, outbox
from app.core.calendar import now
from app.core.context import Context
from app.core.database import ask_as, running, session, transaction
from app.core.errors import ErrorCode, Refusal, refusal_of_constraint
from app.core.models import Idempotency
from app.core.permissions import Permission

P = ParamSpec("P")
R = TypeVar("R")

USE_CASES: dict[str, Permission] = {}
"""Every use case by ``module.function`` and the permission it asks for; tests hold it against the role table."""

_note: ContextVar[audit.Note | None] = ContextVar("note", default=None)

RETRIES = 3
_RETRYABLE = {"40001", "40P01"}


def about(
    subject: Any = None, *, case_id: UUID | None = None, seal_id: UUID | None = None,
    personal: dict[str, Any] | None = None, **facts: Any,
) -> None:
    """Says what the running use case is about: its subject, case, seal and facts (no personal data among the facts)."""
    note = _note.get()
    if note is None:
        raise RuntimeError("about() outside a use case")
    if subject is not None:
        note.subject_type, note.subject_id = subject.__tablename__, getattr(subject, "id", None)
        case_id = case_id or getattr(subject, "case_id", None)
        seal_id = seal_id or getattr(subject, "seal_id", None)
    note.case_id, note.seal_id = case_id or note.case_id, seal_id or note.seal_id
    note.facts.update(facts)
    if personal:
        note.personal = {**(note.personal or {}), **personal}


def use_case(
    permission: Permission, action: str, *, returns: type[Any] | None = None,
) -> Callable[[Callable[Concatenate[Context, P], R]], Callable[Concatenate[Context, P], R]]:
    """Declares a use case. ``action`` names the audit event; ``returns`` is the model to reload when a form comes twice.

    Raises ``Refusal`` (closed list); a named constraint becomes its refusal. A use case called inside another one joins
    its transaction and writes its own event.
    """

    def decorate(function: Callable[Concatenate[Context, P], R]) -> Callable[Concatenate[Context, P], R]:
        USE_CASES[f"{function.__module__}.{function.__name__}"] = permission

        def execute(ctx: Context, *args: P.args, **kwargs: P.kwargs) -> R:
            mark = _note.set(audit.Note())
            try:
                result = function(ctx, *args, **kwargs)
                note = _note.get()
                assert note is not None
                audit.write(ctx, action, note)
                session().flush()
                return result
            finally:
                _note.reset(mark)

        @wraps(function)
        def gate(ctx: Context, *args: P.args, **kwargs: P.kwargs) -> R:
            ctx.require(permission)
            outer = running()
            if outer is not None:
                if outer.read_only:
                    raise RuntimeError(f"{function.__name__} writes and was called while reading")
                return execute(ctx, *args, **kwargs)
            for attempt in range(RETRIES):
                try:
                    with transaction(ctx) as unit:
                        if ctx.token:
                            result = _once(ctx, action, returns, (args, kwargs), lambda: execute(ctx, *args, **kwargs))
                        else:
                            result = execute(ctx, *args, **kwargs)
                    outbox.hand_over(unit.outbox_ids)
                    return cast(R, result)
                except DBAPIError as error:
                    if _sqlstate(error) not in _RETRYABLE or attempt == RETRIES - 1:
                        raise _translated(error) from error
            raise AssertionError("unreachable")

        gate.hq_permission = permission  # type: ignore[attr-defined]
        gate.hq_action = action  # type: ignore[attr-defined]
        return cast(Callable[Concatenate[Context, P], R], gate)

    return decorate


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _translated(error: DBAPIError) -> Exception:
    diag = getattr(error.orig, "diag", None)
    refusal = refusal_of_constraint(getattr(diag, "constraint_name", None))
    if refusal is not None:
        return refusal
    if isinstance(error, IntegrityError):
        return Refusal(ErrorCode.CONSTRAINT)
    return error


def _once(ctx: Context, action: str, returns: type[Any] | None, call: tuple[Any, Any], execute: Callable[[], Any]) -> Any:
    """Runs a form once. The second arrival waits for the first, then gets its result, or is refused if it differs."""
    owner = str(ctx.actor_id or ctx.system)
    request = hashlib.sha256(repr(call).encode()).digest()
    key = {"owner": owner, "token": ctx.token, "action": action}
    fresh = session().scalar(
        insert(Idempotency).values(**key, request_digest=request, at=now()).on_conflict_do_nothing()
        .returning(Idempotency.token)
    )
    if fresh is None:
        earlier = session().get_one(Idempotency, tuple(key.values()))
        if bytes(earlier.request_digest) != request:
            raise Refusal(ErrorCode.IDEMPOTENCY)
        if returns is None or earlier.result_id is None:
            return None
        return session().get_one(returns, earlier.result_id)
    result = execute()
    result_id = getattr(result, "id", None)
    if result_id is not None:
        session().get_one(Idempotency, tuple(key.values())).result_id = result_id
    return result


@contextmanager
def reading(ctx: Context, permission: Permission) -> Iterator[Session]:
    """The same gate for reads: permission, identity, a read-only transaction. What the page needs is loaded inside."""
    ctx.require(permission)
    with transaction(ctx, read_only=True) as unit:
        yield unit.session
        unit.session.expunge_all()


def asking(ctx: Context, permission: Permission, query: str) -> Any:
    """The same gate for a page of a single statement: the first row of what it tells (see ``database.ask_as``)."""
    ctx.require(permission)
    return ask_as(ctx, query)
