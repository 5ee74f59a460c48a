"""The centre's day: every bridge that runs with its step, its deadline and who has it, in a fixed number of statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.bridge.desk_models import BridgeKeeper
from app.bridge.desk_service import DESK_ROLES
from app.bridge.models import Bridge
from app.bridge.rules import return_due_on
from app.bridge.states import OUT, OVER, BridgeState
from app.bridge.turns import Turn, due_at, turn_of
from app.core.calendar import end_of_working_day, now, today
from app.core.context import Context
from app.core.database import session
from app.core.permissions import Permission
from app.identity.models import Membership, Person

MOST = 1000
"""Running bridges that the desk draws [P]; more are named by their number."""
CENTRE_STEPS = (Permission.BRIDGE_DESK, Permission.BRIDGE_APPROVE, Permission.BRIDGE_PAY)


@dataclass(frozen=True)
class Task:
    """A running bridge with its step. ``late_hours``: whole hours past ``due``, 0 before it. ``keeper``: who has it, or empty."""

    bridge: Bridge
    turn: Turn
    due: datetime | None
    late_hours: int
    keeper_id: UUID | None
    keeper: str

    @property
    def centres(self) -> bool:
        """Whether the step is one of the centre's own."""
        return self.turn.permission in CENTRE_STEPS


@dataclass(frozen=True)
class Load:
    """What a person of the desk has: bridges, of them late."""

    person_id: UUID
    name: str
    tasks: int
    late: int


@dataclass(frozen=True)
class Desk:
    """The day of the centre, sorted by what is due first."""

    payouts: list[Task]
    returns: list[Task]
    late: list[Task]
    approvals: list[Task]
    steps: list[Task]
    loads: list[Load]
    free: int
    left_out: int


def hours_past(due: datetime | None, moment: datetime) -> int:
    """Whole hours after a deadline; 0 before it."""
    return max(0, int((moment - due).total_seconds() // 3600)) if due is not None else 0


def returns_on(bridge: Bridge) -> date | None:
    """The day by which the money that is out comes back, moved to a working day; ``None`` where nothing is out."""
    if bridge.state not in OUT or bridge.expected_return_on is None:
        return None
    return return_due_on(bridge.expected_return_on)


def tasks() -> list[Task]:
    """Every running bridge the viewer may see. One statement."""
    rows = session().execute(
        select(Bridge, BridgeKeeper.person_id, Person.name)
        .outerjoin(BridgeKeeper, (BridgeKeeper.bridge_id == Bridge.id) & BridgeKeeper.ended_at.is_(None))
        .outerjoin(Person, Person.id == BridgeKeeper.person_id)
        .where(Bridge.state.not_in(OVER)).order_by(Bridge.state_since).limit(MOST)
    ).all()
    found, moment = [], now()
    for bridge, keeper_id, name in rows:
        turn = turn_of(bridge)
        if turn is None:
            continue
        due = due_at(bridge, turn)
        back = returns_on(bridge)
        if back is not None and back < today():
            due = end_of_working_day(back)  # whatever the step is: the money is late
        found.append(Task(bridge, turn, due, hours_past(due, moment), keeper_id, name or ""))
    return sorted(found, key=lambda one: (one.due is None, one.due or moment))


def desk(ctx: Context, whose: str = "") -> Desk:
    """The centre's day. ``whose``: ``mine``, ``free`` or everybody's."""
    every = tasks()
    shown = [one for one in every if _wanted(ctx, one, whose)]
    day = today()
    late = [one for one in shown if (returns_on(one.bridge) or day) < day]
    total = session().scalar(select(func.count()).select_from(Bridge).where(Bridge.state.not_in(OVER))) or 0
    return Desk(
        payouts=[one for one in shown if one.bridge.state == BridgeState.SIGNED and one.bridge.old_due_on <= day],
        returns=[one for one in shown if returns_on(one.bridge) == day],
        late=late,
        approvals=[one for one in shown if one.turn.permission is Permission.BRIDGE_APPROVE],
        steps=[one for one in shown if one not in late],
        loads=_loads(ctx, every), free=sum(one.keeper_id is None for one in every), left_out=max(0, total - len(every)),
    )


def _wanted(ctx: Context, task: Task, whose: str) -> bool:
    if whose == "mine":
        return task.keeper_id == ctx.actor_id
    return task.keeper_id is None if whose == "free" else True


def colleagues(ctx: Context) -> list[Any]:
    """People of the centre's desk who may be given a bridge. One statement."""
    return list(session().execute(
        select(Person.id, Person.name).join(Membership, Membership.person_id == Person.id)
        .where(Person.org_id == ctx.org_id, Person.state == "active", Membership.role.in_(DESK_ROLES))
        .distinct().order_by(Person.name)
    ))


def _loads(ctx: Context, every: list[Task]) -> list[Load]:
    held: dict[UUID, list[Task]] = {}
    for one in every:
        if one.keeper_id is not None:
            held.setdefault(one.keeper_id, []).append(one)
    return [
        Load(row.id, row.name, len(held.get(row.id, [])), sum(one.late_hours > 0 for one in held.get(row.id, [])))
        for row in colleagues(ctx)
    ]


def payoffs(ctx: Context) -> list[Bridge]:
    """Bridges whose money is on the loan account of the viewer's bank and whose old note is not confirmed as paid off."""
    return list(session().scalars(
        select(Bridge).where(Bridge.old_bank_org_id == ctx.org_id, Bridge.old_repaid_on.is_(None),
                             Bridge.state.in_((BridgeState.FUNDED, BridgeState.OVERDUE)))
        .order_by(Bridge.paid_on, Bridge.id).limit(100)
    ))


def confirmed_today(ctx: Context) -> int:
    """How many old notes the bank has confirmed as paid off today."""
    return session().scalar(
        select(func.count()).select_from(Bridge).where(Bridge.old_bank_org_id == ctx.org_id, Bridge.old_repaid_on == today())
    ) or 0
