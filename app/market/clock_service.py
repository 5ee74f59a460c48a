"""Clocks of steps that are no secret: begun and ended by topics, reminded of at 50, 80 and 100 per cent of the limit, once each.

``step.begun``: step, subject_type, subject_id, org_id, case_id, path, wd_from (since when; else now). ``step.ended``: step,
subject_id, kept (``False``: the step fell away), at (else now), org_id (else all who must act). What happened when is told by
the topic, so that a late worker makes nobody late.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text

from app.core.calendar import SHANGHAI, now
from app.core.context import Context
from app.core.database import session
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.notices import notify
from app.core.outbox import emit, handles, settle_each, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.market import policy, queries
from app.market.bars import bar
from app.market.bid_models import ChoiceCondition
from app.market.bid_words import USUAL_CONDITIONS
from app.market.clock_models import Clock
from app.market.level_rules import REMINDERS, Step, due, next_mark, passed
from app.market.models import Need


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(str(value).replace("Z", "+00:00")) if value else now()


@use_case(Permission.CLOCK_TICK, "clock.begin")
def begin(
    ctx: Context, step: Step, subject_type: str, subject_id: UUID, org_id: UUID, *, since: datetime, case_id: UUID | None = None,
    path: str | None = None, until: datetime | None = None,
) -> bool:
    """Starts a clock, once, up to the step's limit or to ``until``. ``False`` where it runs already or has ended since."""
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
    limit = until or limit
    target = min(target, limit)
    session().add(Clock(
        step=step.value, subject_type=subject_type, subject_id=subject_id, org_id=org_id, case_id=case_id, path=path,
        started_at=since, target_at=target, limit_at=limit, told=0, next_check_at=calendar.moment(since, limit, 50),
    ))  # fmt: skip
    session().flush()
    return True


def begin_sealed(
    step: Step, subject_type: str, subject_id: UUID, org_id: UUID, *, limit: datetime, seal_id: UUID | None, case_id: UUID | None,
    path: str,
) -> None:
    """Starts a clock that nobody but its organisation reads while a seal is closed; the database reminds (migration 0051).

    The caller speaks for the portal.
    """
    calendar, since = policy.calendar(), now()
    target = min(due(step, since, policy.levels(), calendar)[0], limit)
    session().execute(insert(Clock).values(
        id=new_id(), step=step.value, subject_type=subject_type, subject_id=subject_id, org_id=org_id, case_id=case_id, path=path,
        started_at=since, target_at=target, limit_at=limit, told=0, seal_id=seal_id,
        half_at=calendar.moment(since, limit, 50), most_at=calendar.moment(since, limit, 80),
    ))  # fmt: skip


def desk_begins(need: Need) -> None:
    """The desk has a submitted need to look at. Part of the running use case."""
    for desk in queries.desks():
        emit("step.begun", step=Step.DESK_CHECK, subject_type="need", subject_id=need.id, org_id=desk, case_id=None,
             path=f"/desk/needs/{need.id}", wd_from=need.submitted_at)  # fmt: skip


def desk_ends(need: Need) -> None:
    """The desk, or the hour, has looked."""
    emit("step.ended", step=Step.DESK_CHECK, subject_id=need.id, at=now())


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


@handles("need.reopened", "market.clock_choice_again")
def _reopened(ctx: Context, payload: dict[str, Any]) -> None:
    """The choice fell through: the firm's time runs again, up to the moment at which the need lapses."""
    need = session().get(Need, UUID(payload["need_id"]))
    if need is not None and need.state == "CLOSED" and need.choose_by is not None:
        begin(ctx, Step.CHOICE, "need", need.id, need.org_id, since=_moment(payload["since"]), case_id=need.case_id,
              path=f"/needs/{need.id}/offers", until=need.choose_by)  # fmt: skip


@handles("need.ended", "market.clock_need_ended")
def _need_ended(ctx: Context, payload: dict[str, Any]) -> None:
    """With the need every step about it falls away that still runs."""
    for step in (Step.DESK_CHECK, Step.CHOICE):
        end(ctx, step, UUID(payload["need_id"]), at=now(), kept=False)


@bar
def _report_late(ctx: Context) -> None:
    """A bank whose report of a drawdown is past its limit takes no new orders until it is done (paper §4).

    It is not held while a condition of its own bid is still to come about: then nothing can have been drawn.
    """
    waits = select(ChoiceCondition.choice_id).where(
        ChoiceCondition.choice_id == Clock.subject_id, ChoiceCondition.met_at.is_(None),
        ChoiceCondition.kind.not_in(list(USUAL_CONDITIONS)),
    )  # fmt: skip
    late = session().scalar(
        select(Clock.limit_at).where(
            Clock.org_id == ctx.org_id, Clock.step == Step.DRAWDOWN_REPORT.value, Clock.ended_at.is_(None),
            Clock.limit_at <= now(), ~waits.exists(),
        ).order_by(Clock.limit_at).limit(1)
    )  # fmt: skip
    if late is not None:
        raise Refusal(ErrorCode.BANK_HELD, day=f"{late.astimezone(SHANGHAI):%Y-%m-%d}")


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


@use_case(Permission.CLOCK_TICK, "clock.remind_questions")
def remind_questions(ctx: Context) -> int:
    """Reminds firms of questions that wait, under the seal. Returns how many clocks have come to a mark."""
    looked: int = session().execute(text("select hq_remind_questions()")).scalar_one()
    about(looked=looked)
    return looked


@timed("market.question_clocks")
def remind_due_questions(ctx: Context) -> int:
    """Reminds where the time of a question has come; whether there is any, the database alone knows."""
    return remind_questions(ctx)
