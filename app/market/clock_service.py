"""Clocks of steps that are no secret: begun and ended by topics, reminded of at 50, 80 and 100 per cent of the limit, once each.

``step.begun``: step, subject_type, subject_id, org_id, case_id, path, wd_from (since when; else now). ``step.ended``: step,
subject_id, kept (``False``: the step fell away), at (else now), org_id (else all who must act). What happened when is told by
the topic, so that a late worker makes nobody late.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import SHANGHAI, now
from app.core.context import Context
from app.core.database import session
from app.core.notices import notify
from app.core.outbox import handles, settle_each, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.market import policy
from app.market.clock_models import Clock
from app.market.level_rules import REMINDERS, Step, due, next_mark, passed
from app.market.models import Need


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(str(value).replace("Z", "+00:00")) if value else now()


@use_case(Permission.CLOCK_TICK, "clock.begin")
def begin(
    ctx: Context, step: Step, subject_type: str, subject_id: UUID, org_id: UUID, *, since: datetime, case_id: UUID | None = None,
    path: str | None = None,
) -> bool:
    """Starts a clock, once. ``False`` where it runs already, or where the step has ended since."""
    about(subject_id=str(subject_id), step=step.value)
    known = session().scalar(
        select(Clock.id).where(
            Clock.step == step.value, Clock.subject_id == subject_id, Clock.org_id == org_id,
            Clock.ended_at.is_(None) | (Clock.ended_at >= since),
        ).limit(1)
    )  # fmt: skip
    if known is not None:
        return False
    calendar = policy.calendar()
    target, limit = due(step, since, policy.levels(), calendar)
    session().add(Clock(
        step=step.value, subject_type=subject_type, subject_id=subject_id, org_id=org_id, case_id=case_id, path=path,
        started_at=since, target_at=target, limit_at=limit, told=0, next_check_at=calendar.moment(since, limit, 50),
    ))  # fmt: skip
    session().flush()
    return True


@use_case(Permission.CLOCK_TICK, "clock.end")
def end(
    ctx: Context, step: Step, subject_id: UUID, *, at: datetime, kept: bool = True, org_id: UUID | None = None
) -> int:
    """Ends the clocks of a step, all or those of one organisation; in time, late, or fallen away (``kept`` false).

    Returns how many ran.
    """
    running = select(Clock).where(Clock.step == step.value, Clock.subject_id == subject_id, Clock.ended_at.is_(None))
    if org_id is not None:
        running = running.where(Clock.org_id == org_id)
    clocks = session().scalars(running.with_for_update()).all()
    for clock in clocks:
        clock.ended_at, clock.next_check_at = at, None
        clock.outcome = "CANCELLED" if not kept else "KEPT" if at <= clock.limit_at else "LATE"
    about(subject_id=str(subject_id), step=step.value, clocks=len(clocks))
    return len(clocks)


@handles("step.begun", "market.clock_begin")
def _begun(ctx: Context, payload: dict[str, Any]) -> None:
    begin(
        ctx, Step(payload["step"]), payload["subject_type"], UUID(payload["subject_id"]), UUID(payload["org_id"]),
        since=_moment(payload.get("wd_from")), path=payload.get("path"),
        case_id=UUID(payload["case_id"]) if payload.get("case_id") else None,
    )  # fmt: skip


@handles("step.ended", "market.clock_end")
def _ended(ctx: Context, payload: dict[str, Any]) -> None:
    end(
        ctx, Step(payload["step"]), UUID(payload["subject_id"]), at=_moment(payload.get("at")), kept=payload.get("kept", True),
        org_id=UUID(payload["org_id"]) if payload.get("org_id") else None,
    )  # fmt: skip


@handles("need.closed", "market.clock_choice")
def _closed(ctx: Context, payload: dict[str, Any]) -> None:
    """With bids to choose from, the firm's time begins."""
    need = session().get(Need, UUID(payload["need_id"]))
    if need is not None and need.state == "CLOSED" and need.closed_at is not None:
        begin(ctx, Step.CHOICE, "need", need.id, need.org_id, since=need.closed_at, case_id=need.case_id,
              path=f"/needs/{need.id}/offers")  # fmt: skip


@handles("promise.broken", "market.clock_broken")
def _broken(ctx: Context, payload: dict[str, Any]) -> None:
    _fell(ctx, payload)


@handles("promise.excused", "market.clock_excused")
def _excused(ctx: Context, payload: dict[str, Any]) -> None:
    _fell(ctx, payload)


def _fell(ctx: Context, payload: dict[str, Any]) -> None:
    """A promise that fell ends the steps of its loan."""
    for step in (Step.DECISION, Step.DRAWDOWN_REPORT):
        end(ctx, step, UUID(payload["choice_id"]), at=now())


@use_case(Permission.CLOCK_TICK, "clock.remind")
def remind(ctx: Context, clock_id: UUID) -> bool:
    """Tells whoever must act that a mark has passed, once; marks that passed together are told as the last of them."""
    running = select(Clock).where(Clock.id == clock_id, Clock.ended_at.is_(None))
    clock = session().scalar(running.with_for_update(skip_locked=True))
    if clock is None:
        about(told=0)
        return False
    calendar, at = policy.calendar(), now()
    mark = passed(calendar.share(clock.started_at, clock.limit_at, at))
    due_mark = next_mark(clock.told)
    if due_mark is not None and mark < due_mark and clock.next_check_at is not None and clock.next_check_at <= at:
        mark = due_mark  # the moment has come, whatever the rounding of the share says
    told = mark > clock.told
    if told:
        clock.told = mark
        notify(
            clock.org_id, REMINDERS[clock.step], path=clock.path, case_id=clock.case_id, percent=mark,
            limit=f"{clock.limit_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}",
        )  # fmt: skip
    following = next_mark(clock.told)
    clock.next_check_at = None if following is None else calendar.moment(clock.started_at, clock.limit_at, following)
    about(clock, told=clock.told, step=clock.step)
    return told


@timed("market.clocks")
def remind_due(ctx: Context) -> int:
    """Every clock with a mark that has come, each in its own transaction. Returns how many reminders went out."""
    with reading(ctx, Permission.CLOCK_TICK) as db:
        found = list(db.scalars(select(Clock.id).where(Clock.next_check_at <= now()).order_by(Clock.next_check_at).limit(200)))
    return settle_each(found, lambda clock_id: remind(ctx, clock_id), "clock")
