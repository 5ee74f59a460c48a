"""States are data: (from, event, to, who may, needs a reason, second person). One fire(), one can_fire() (design §4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Update, insert, select

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.models import Transition
from app.core.permissions import Permission


@dataclass(frozen=True)
class Move:
    """One row of a lifecycle.

    ``who`` are the permissions of which one is enough. ``stamp`` names the column that takes the actor's id, ``at`` the one that
    takes the moment unless it is set already. The person of ``other_than`` must be somebody else, that of ``own`` alone may. A
    ``shared`` move is told to every party of the case, a ``sealed`` one only once the seal of the subject, where it has one, is
    open. One that is not ``told`` stays out of the case's timeline, where another subject's step says the same.
    """

    source: StrEnum
    event: str
    target: StrEnum
    who: tuple[Permission, ...]
    needs_reason: bool = False
    stamp: str | None = None
    other_than: tuple[str, ...] = ()
    own: str | None = None
    shared: bool = True
    sealed: bool = True
    at: str | None = None
    told: bool = True


@dataclass(frozen=True)
class Lifecycle:
    """The table of one aggregate. ``subject`` is the table name of the aggregate."""

    subject: str
    states: type[StrEnum]
    moves: tuple[Move, ...]

    def find(self, state: str, event: str) -> Move | None:
        """The move of an event in a state."""
        for move in self.moves:
            if move.source.value == state and move.event == event:
                return move
        return None

    def events(self) -> list[str]:
        """All events, in the order of the table."""
        return list(dict.fromkeys(move.event for move in self.moves))


def second_word(
    states: type[StrEnum], *, propose: Permission, decide: Permission, by: str = "proposed_by", stamp: str = "decided_by",
    at: str = "decided_at",
) -> tuple[Move, ...]:
    """The life of what one person proposes and another one decides: confirmed, refused, or taken back by who proposed it.

    ``states`` names PROPOSED, CONFIRMED, REFUSED and WITHDRAWN; ``by`` and ``stamp`` are the columns of the two people, ``at``
    that of the second one's moment.
    """
    begun = states["PROPOSED"]
    judged = tuple(
        Move(begun, event, states[target], (decide,), needs_reason=True, stamp=stamp, at=at, other_than=(by,), shared=False)
        for event, target in (("confirm", "CONFIRMED"), ("refuse", "REFUSED"))
    )
    back = Move(begun, "withdraw", states["WITHDRAWN"], (propose,), needs_reason=True, stamp=stamp, at=at, own=by, shared=False)
    return (*judged, back)


def refusal(ctx: Context, lifecycle: Lifecycle, subject: Any, event: str) -> ErrorCode | None:
    """Why the actor may not fire the event now; ``None`` where they may."""
    move = lifecycle.find(subject.state, event)
    if move is None:
        return ErrorCode.STATE_CHANGED
    if not any(ctx.can(permission) for permission in move.who):
        return ErrorCode.FORBIDDEN
    if move.own is not None and getattr(subject, move.own) != ctx.actor_id:
        return ErrorCode.FORBIDDEN
    others = {getattr(subject, column) for column in move.other_than} - {None}
    if ctx.actor_id is not None and ctx.actor_id in others:
        return ErrorCode.SAME_PERSON
    return None


def ensure(ctx: Context, lifecycle: Lifecycle, subject: Any, event: str) -> None:
    """Asks before the work what ``fire`` asks after it. Raises ``Refusal``."""
    code = refusal(ctx, lifecycle, subject, event)
    if code is not None:
        raise Refusal(code)


def can_fire(ctx: Context, lifecycle: Lifecycle, subject: Any, event: str) -> bool:
    """Whether a page shows the button."""
    return refusal(ctx, lifecycle, subject, event) is None


def fire(ctx: Context, lifecycle: Lifecycle, subject: Any, event: str, *, reason: str | None = None) -> Transition:
    """Moves ``subject.state``, stamps the person and the moment, and leaves the transition row. Raises ``Refusal``.

    The caller has locked the subject (``get_or_404(…, lock=True)``), so that two people at once make one move.
    """
    row = move(ctx, lifecycle, subject, event, reason=reason)
    session().flush()
    session().add(row)
    session().flush()
    return row


def move(ctx: Context, lifecycle: Lifecycle, subject: Any, event: str, *, reason: str | None = None) -> Transition:
    """``fire`` without a word to the database: the caller stores the subject first, then the row that comes back."""
    ensure(ctx, lifecycle, subject, event)
    found = lifecycle.find(subject.state, event)
    assert found is not None
    if found.needs_reason and not (reason or "").strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    source, subject.state = subject.state, found.target.value
    if found.stamp:
        setattr(subject, found.stamp, ctx.actor_id)
    if found.at and getattr(subject, found.at) is None:
        setattr(subject, found.at, now())
    target, told = found.target.value, found.told
    return _row(ctx, lifecycle.subject, subject, event, source, target, reason, found.shared, found.sealed, told)


def begin(
    ctx: Context, lifecycle: Lifecycle, subject: Any, *, event: str = "create", shared: bool = False, reason: str | None = None,
) -> Transition:
    """Leaves the first transition of a new aggregate (from nothing into its first state)."""
    session().flush()  # the new object gets its id here
    row = _row(ctx, lifecycle.subject, subject, event, "", subject.state, reason, shared)
    session().add(row)
    session().flush()
    return row


def _row(
    ctx: Context, subject_type: str, subject: Any, event: str, source: str, target: str, reason: str | None, shared: bool,
    sealed: bool = True, told: bool = True,
) -> Transition:
    under = {
        "case_id": getattr(subject, "case_id", None) if told else None,
        "seal_id": getattr(subject, "seal_id", None) if sealed else None,
    }
    return Transition(**_step(
        subject_type, subject.id, event, source, target, (ctx.actor_id, role_of(ctx), ctx.org_id), shared, under, reason,
    ))


def _step(
    subject_type: str, subject_id: UUID, event: str, source: str, target: str, by: tuple[UUID | None, str, UUID | None],
    shared: bool, under: Mapping[str, Any], reason: str | None = None,
) -> dict[str, Any]:
    """The columns of a transition. ``by``: person, role, organisation; ``under``: what has case_id and seal_id, or neither."""
    actor_id, role, org_id = by
    return {
        "id": new_id(), "subject_type": subject_type, "subject_id": subject_id, "case_id": under.get("case_id"),
        "seal_id": under.get("seal_id"), "event": event, "source": source, "target": target, "at": now(), "actor_id": actor_id,
        "actor_role": role, "org_id": org_id, "reason": (reason or "").strip() or None, "shared": shared,
    }


def role_of(ctx: Context) -> str:
    """The role that the timeline names: the first of the actor's roles, or the system's door."""
    if ctx.actor_id is None or not ctx.roles:
        return "system"
    return sorted(role.value for role in ctx.roles)[0]


def fire_many(
    ctx: Context, lifecycle: Lifecycle, model: Any, ids: Sequence[UUID] | Iterable[UUID], event: str, update: Update, *,
    reason: str | None = None,
) -> int:
    """Set-wise: ``update`` moves the rows named by ``ids`` in one statement, one transition row an object. Returns count.

    ``update`` must set ``state`` and restrict itself to states in which the event is allowed.
    """
    moves = [move for move in lifecycle.moves if move.event == event]
    if not any(ctx.can(permission) for move in moves for permission in move.who):
        raise Refusal(ErrorCode.FORBIDDEN)
    chosen = list(ids)
    under = [getattr(model, column) for column in ("case_id", "seal_id") if hasattr(model, column)]
    locked = session().execute(select(model.id, model.state, *under).where(model.id.in_(chosen)).with_for_update()).all()
    before = {row.id: row for row in locked}
    allowed = {move.source.value: move for move in moves}
    moving = [key for key, row in before.items() if row.state in allowed]
    if not moving:
        return 0
    session().execute(update.where(model.id.in_(moving)), execution_options={"synchronize_session": False})
    by = (ctx.actor_id, role_of(ctx), ctx.org_id)
    steps = [(before[key], allowed[before[key].state]) for key in moving]
    session().execute(insert(Transition), [
        _step(lifecycle.subject, row.id, event, row.state, move.target.value, by, move.shared, row._asdict(), reason)
        for row, move in steps
    ])
    return len(moving)


def begin_many(
    lifecycle: Lifecycle, rows: Sequence[Mapping[str, Any]], event: str, *, actor_id: UUID | None = None, role: str = "system",
) -> None:
    """Set-wise ``begin``: the first transition of each object that was just inserted, told to nobody but its organisation.

    ``rows`` are the values that were inserted: ``id``, ``state``, ``org_id`` (what has none is an organisation itself), and
    ``case_id`` and ``seal_id`` where the objects have them. ``actor_id`` and ``role``: who brought them in.
    """
    if rows:
        session().execute(insert(Transition), [
            _step(
                lifecycle.subject, row["id"], event, "", row["state"], (actor_id, role, row.get("org_id", row["id"])),
                shared=False, under=row,
            )
            for row in rows
        ])


def states_check(column: str, states: type[StrEnum]) -> str:
    """SQL of the CHECK that keeps a state column inside its enum."""
    values = ", ".join(f"'{state.value}'" for state in states)
    return f"{column} in ({values})"


