"""Pages of the month-end comparison: which bank compared which month, the differences, one difference with its buttons."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import end_of_working_day, today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import Refusal
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.formats import date_text, money_text
from app.core.lifecycle import can_fire
from app.core.pages import Group, Wait, event_texts, home, menu
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.queries import organisation_names
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import act, context, say, send_list
from app.loans.rules import FiveClass
from app.pool import queries, reconcile_queries, reconcile_service
from app.pool.door import room, steps
from app.pool.reconcile_models import Difference
from app.pool.reconcile_queries import BankMonth
from app.pool.reconcile_states import (
    DIFFERENCE,
    DIFFERENCE_TEXTS,
    ENDING_NAMES,
    DifferenceKind,
    DifferenceState,
    month_before,
)

menu.add(_l("月末对账"), "pool.reconciliations", Permission.BOOKING_READ, 43, Group.POOL)
for _event, _text in DIFFERENCE_TEXTS.items():
    event_texts.add(Difference.__tablename__, _event, _l(_text))


def side_text(kind: str, value: str | None) -> str:
    """One side of a difference in the words of a page."""
    if value is None:
        return gettext("没有")
    if kind == DifferenceKind.CLASS:
        return gettext(FiveClass(value).label)
    if kind == DifferenceKind.DUE_ON:
        return date_text(date.fromisoformat(value))
    return money_text(int(value))


def state_chip(row: Any) -> Any:
    """State of a difference; of an ended one how it ended."""
    state = DifferenceState(row.state)
    return chip(gettext(ENDING_NAMES[row.ending] if row.ending else state.label), state.tone)


def age_of(row: Any) -> int:
    """Days from the day a difference was found until it ended, or until today."""
    return ((row.ended_on or today()) - row.opened_on).days


def month_state(row: BankMonth) -> tuple[str, str]:
    """Where a bank's month stands: words and tone."""
    if row.done_at is None:
        return (gettext("逾期未对账"), "bad") if row.late else (gettext("待对账"), "wait")
    return (gettext("已对账，有差异"), "wait") if row.still_open else (gettext("已对账"), "good")


MONTHS = Table("pool_months", columns=[
    Column("bank_name", _l("银行")),
    Column("month", _l("月份"), export=lambda row: f"{row.month:%Y-%m}"),
    Column("state", _l("状态"), export=lambda row: month_state(row)[0]),
    Column("due", _l("应于"), kind="date"),
    Column("done_at", _l("对账时间"), kind="datetime"),
    Column("notes", _l("清单笔数"), kind="count"),
    Column("agreeing", _l("一致"), kind="count"),
    Column("absent", _l("清单缺少"), kind="count"),
    Column("still_open", _l("未了结的差异"), kind="count"),
])


def _month_choices() -> list[tuple[str, str]]:
    return [(f"{month:%Y-%m-%d}", f"{month:%Y-%m}") for month in reconcile_queries.months_shown()]


DIFFERENCES = Table(
    "pool_differences",
    columns=[
        Column("note_no", _l("借据"), Difference.note_no, sub=lambda row: row.bank_name),
        Column("month", _l("月份"), Difference.month, render=lambda row: f"{row.month:%Y-%m}",
               export=lambda row: f"{row.month:%Y-%m}"),
        Column("kind", _l("差异"), Difference.kind, render=lambda row: gettext(DifferenceKind(row.kind).label),
               export=lambda row: gettext(DifferenceKind(row.kind).label)),
        Column("theirs", _l("银行清单"), sortable=False, align="right", render=lambda row: side_text(row.kind, row.theirs),
               export=lambda row: side_text(row.kind, row.theirs)),
        Column("ours", _l("平台"), sortable=False, align="right", render=lambda row: side_text(row.kind, row.ours),
               export=lambda row: side_text(row.kind, row.ours)),
        Column("owner_name", _l("负责人"), sortable=False, hide_small=True),
        Column("age", _l("天数"), Difference.opened_on, kind="count", render=lambda row: str(age_of(row)), export=age_of),
        Column("state", _l("状态"), Difference.state, render=state_chip,
               export=lambda row: gettext(ENDING_NAMES[row.ending] if row.ending else DifferenceState(row.state).label)),
    ],
    filters=[
        Filter("month", _l("月份"), choices=_month_choices,
               apply=lambda stmt, value: stmt.where(Difference.month == date.fromisoformat(value))),
        Filter("kind", _l("差异"), choices=lambda: [(one.value, gettext(one.label)) for one in DifferenceKind],
               apply=lambda stmt, value: stmt.where(Difference.kind == value)),
        Filter("state", _l("状态"), choices=lambda: [(one.value, gettext(one.label)) for one in DifferenceState],
               apply=lambda stmt, value: stmt.where(Difference.state == value)),
        Filter("q", _l("借据"), "text", apply=lambda stmt, value: stmt.where(
            Difference.note_no.icontains(value, autoescape=True))),
    ],
    default_sort="age",
    row_url=lambda row: url_for("pool.difference", difference_id=row.id),
    empty_title=_l("没有差异"),
    empty_hint=_l("银行上传月末清单后，与平台不同的借据列在这里。"),
)


@room.page("/pool/reconciliations", Permission.BOOKING_READ)
def reconciliations() -> Any:
    """Each month of the visitor's bank, or every bank's month for the bureau."""
    ctx = context()
    with reading(ctx, Permission.BOOKING_READ):
        city = ctx.org_kind is OrgKind.BUREAU
        month = _month_asked() if city else None
        rows = reconcile_queries.bank_months(month)
        if wants_export(request.args):
            return send_list(MONTHS, rows[:EXPORT_LIMIT], gettext("月末对账"), "reconciliations.xlsx")
        return render_template(
            "pool/reconciliations.html", rows=rows, city=city, month=month, months=_month_choices(), state=month_state,
            may_send=ctx.can(Permission.BOOKING_SUBMIT), still_open=reconcile_queries.open_count(),
        )


def _month_asked() -> date:
    asked = request.args.get("month", "")
    return next((month for month in reconcile_queries.months_shown() if f"{month:%Y-%m-%d}" == asked), month_before(today()))


@room.page("/pool/reconciliations/differences", Permission.BOOKING_READ)
def differences() -> Any:
    """Notes on which a bank's list and the portal differ."""
    with reading(context(), Permission.BOOKING_READ) as db:
        args, query = remembered(DIFFERENCES, request.args, session), reconcile_queries.differences_query()
        if wants_export(request.args):
            rows = DIFFERENCES.load_all(db, query, args, EXPORT_LIMIT)
            return send_list(DIFFERENCES, rows, gettext("对账差异"), "differences.xlsx")
        return render_template("pool/differences.html", page=DIFFERENCES.load(db, query, args),
                               may_look=context().can(Permission.BOOKING_SUBMIT))


@room.page("/pool/reconciliations/differences/<uuid:difference_id>", Permission.BOOKING_READ)
def difference(difference_id: UUID) -> Any:
    """One difference: both sides, whose it is, how old, and what may be done."""
    ctx = context()
    with reading(ctx, Permission.BOOKING_READ):
        one = get_or_404(Difference, difference_id)
        names = queries.people({key for key in (one.owner_id, one.explained_by, one.ended_by) if key is not None})
        return render_template(
            "pool/difference.html", one=one, kind=gettext(DifferenceKind(one.kind).label), chip=state_chip(one), age=age_of(one),
            theirs=side_text(one.kind, one.theirs), ours=side_text(one.kind, one.ours), names=names,
            bank=organisation_names({one.org_id}).get(one.org_id, ""), entries=steps("pool_difference", one.id),
            may_own=ctx.can(Permission.BOOKING_SUBMIT) and one.state != DifferenceState.ENDED and one.owner_id != ctx.actor_id,
            can={event: can_fire(ctx, DIFFERENCE, one, event) for event in ("explain", "agree", "return", "dismiss")},
        )


def _button(difference_id: UUID, call: Any, done: str) -> Any:
    return act(call, done=done, to=url_for("pool.difference", difference_id=difference_id))


@room.page("/pool/reconciliations/differences/<uuid:difference_id>/explain", Permission.BOOKING_SUBMIT, methods=["POST"])
def difference_explain(difference_id: UUID) -> Any:
    """The bank says why."""
    return _button(difference_id, lambda: reconcile_service.explain(context(), difference_id, request.form.get("reason", "")),
                   gettext("已登记说明，等待本行复核。"))


@room.page("/pool/reconciliations/differences/<uuid:difference_id>/agree", Permission.BOOKING_RELEASE, methods=["POST"])
def difference_agree(difference_id: UUID) -> Any:
    """The second person agrees."""
    return _button(difference_id, lambda: reconcile_service.agree(context(), difference_id), gettext("已同意说明，差异了结。"))


@room.page("/pool/reconciliations/differences/<uuid:difference_id>/return", Permission.BOOKING_RELEASE, methods=["POST"])
def difference_return(difference_id: UUID) -> Any:
    """The second person does not agree."""
    return _button(difference_id, lambda: reconcile_service.send_back(context(), difference_id, request.form.get("reason", "")),
                   gettext("已退回，请重新处理。"))


@room.page("/pool/reconciliations/differences/<uuid:difference_id>/dismiss", Permission.CLAIM_CHECK, methods=["POST"])
def difference_dismiss(difference_id: UUID) -> Any:
    """The bureau ends it."""
    return _button(difference_id, lambda: reconcile_service.dismiss(context(), difference_id, request.form.get("reason", "")),
                   gettext("已认定不处理。"))


@room.page("/pool/reconciliations/differences/<uuid:difference_id>/own", Permission.BOOKING_SUBMIT, methods=["POST"])
def difference_own(difference_id: UUID) -> Any:
    """An officer takes it over."""
    return _button(difference_id, lambda: reconcile_service.own(context(), difference_id), gettext("这项差异现在由您负责。"))


@room.page("/pool/reconciliations/differences/look", Permission.BOOKING_SUBMIT, methods=["POST"])
def differences_look() -> Any:
    """Compares the bank's open differences again."""
    try:
        ended = reconcile_service.look_now(context())
        flash(gettext("已重新核对，%(n)s 项已更正一致。", n=ended), "success")
    except Refusal as refusal:
        flash(say(refusal), "danger")
    return redirect(url_for("pool.differences"))


def officer_waits(ctx: Context) -> list[Wait]:
    """The last month, where it has not been compared, and open differences."""
    if ctx.org_kind is not OrgKind.BANK:
        return []
    waits = [
        Wait(_l("做 %(month)s 的月末对账", month=f"{row.month:%Y-%m}"), gettext("上传本行的贷款清单，与平台逐笔核对"),
             url_for("pool.reconciliations"), due=end_of_working_day(row.due), tone="bad" if row.late else "wait", order=60)
        for row in reconcile_queries.bank_months(month_before(today())) if row.done_at is None
    ]
    still_open = reconcile_queries.open_count()
    if still_open:
        waits.append(Wait(_l("处理对账差异"), gettext("%(n)s 项未了结", n=still_open),
                          url_for("pool.differences", f="1", state="OPEN"), tone="wait", order=61))
    return waits


def reviewer_waits(ctx: Context) -> list[Wait]:
    """Explanations that wait for the second person of the bank."""
    return [
        Wait(_l("复核对账差异的说明"), f"{one.note_no} · {gettext(DifferenceKind(one.kind).label)}",
             url_for("pool.difference", difference_id=one.id), tone="wait", order=19)
        for one in reconcile_queries.explained()
    ]


home.add_waits(Permission.BOOKING_SUBMIT, officer_waits)
home.add_waits(Permission.BOOKING_RELEASE, reviewer_waits)
