"""Pages of troubles: the list, one trouble with what to do next, and the report of one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from markupsafe import Markup
from wtforms import RadioField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from app.bridge import trouble_queries as queries
from app.bridge import trouble_service as service
from app.bridge.claim_service import open_claim
from app.bridge.door import room
from app.bridge.models import Bridge
from app.bridge.trouble_models import BridgeTrouble
from app.bridge.trouble_rules import (
    CLAIM_EVENTS,
    KINDS,
    REPORTERS,
    TROUBLE_EVENTS,
    Outcome,
    TroubleKind,
    TroubleState,
    hours_late,
)
from app.core import pages
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text
from app.core.permissions import Permission
from app.core.pieces import chip
from app.core.queries import organisation_names, reason_text, timeline_entries
from app.core.storage import papers_of
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.views import paper_rows
from app.core.web import act, attempt, context, say, send_list
from app.identity.forms import offers
from app.market.fields import MoneyField, TokenField

for _subject, _texts in (("bridge_trouble", TROUBLE_EVENTS), ("bridge_claim", CLAIM_EVENTS)):
    for _event, _text in _texts.items():
        pages.event_texts.add(_subject, _event, _l(_text))


def state_text(row: Any) -> str:
    """Where a trouble stands; past its deadline, by how many hours."""
    if row.state == TroubleState.OPEN and row.due_at < now():
        return gettext("已超期 %(hours)s 小时", hours=hours_late(row.due_at, now()))
    return gettext(TroubleState(row.state).label)


def state_chip(row: Any) -> Markup:
    """The same as a chip, red past the deadline."""
    late = row.state == TroubleState.OPEN and row.due_at < now()
    return chip(state_text(row), "bad" if late else TroubleState(row.state).tone)


WORDS = SimpleNamespace(
    kind=lambda kind: gettext(TroubleKind(kind).label), owner=lambda kind: KINDS[TroubleKind(kind)].owner, chip=state_chip,
    outcome=lambda outcome: gettext(Outcome(outcome).label),
)


@room.app_context_processor
def words() -> dict[str, object]:
    """The words of troubles for templates."""
    return {"trouble_words": WORDS}


TROUBLES = Table(
    "troubles",
    columns=[
        Column("kind", _l("异常事项"), BridgeTrouble.kind, render=lambda row: WORDS.kind(row.kind),
               export=lambda row: WORDS.kind(row.kind)),
        Column("firm_name", _l("企业"), Bridge.firm_name, sub=lambda row: gettext("借据 %(note)s", note=row.old_note_no)),
        Column("owner", _l("责任方"), sortable=False),
        Column("amount_fen", _l("涉及金额"), BridgeTrouble.amount_fen, kind="money", hide_small=True),
        Column("opened_at", _l("发生时间"), BridgeTrouble.opened_at, kind="datetime", hide_small=True),
        Column("due_at", _l("处理期限"), BridgeTrouble.due_at, kind="datetime"),
        Column("state", _l("状态"), sortable=False, render=state_chip, export=state_text),
    ],
    filters=[
        Filter("q", _l("企业或借据"), kind="text", apply=lambda stmt, value: stmt.where(
            Bridge.firm_name.icontains(value, autoescape=True) | Bridge.old_note_no.icontains(value, autoescape=True))),
        Filter("kind", _l("异常事项"), kind="choices",
               choices=fixed(lambda: [(one.value, gettext(one.label)) for one in TroubleKind]),
               apply=lambda stmt, value: stmt.where(BridgeTrouble.kind.in_(value))),
        Filter("state", _l("状态"), kind="choices",
               choices=fixed(lambda: [(one.value, gettext(one.label)) for one in TroubleState]),
               apply=lambda stmt, value: stmt.where(BridgeTrouble.state.in_(value))),
        Filter("late", _l("只看已超期"), kind="flag", apply=lambda stmt, value: stmt.where(
            BridgeTrouble.state == TroubleState.OPEN.value, BridgeTrouble.due_at < now())),
    ],
    default_sort="-opened_at",
    row_url=lambda row: url_for("bridge.trouble", trouble_id=row.id),
    empty_title=_l("没有异常事项"),
    empty_hint=_l("放款后未续贷、不足额、冻结、迟付、逾期、承诺到期或担保物迟办时，会自动出现在这里。"),
)


@room.page("/bridges/troubles", Permission.BRIDGE_READ)
def troubles() -> Any:
    """Every trouble the visitor may see; the newest first."""
    with reading(context(), Permission.BRIDGE_READ) as db:
        args = remembered(TROUBLES, request.args, session)
        if wants_export(request.args):
            rows = TROUBLES.load_all(db, queries.troubles(), args, EXPORT_LIMIT)
            return send_list(TROUBLES, rows, gettext("转贷异常事项"), "troubles.xlsx")
        return render_template("bridge/troubles.html", page=TROUBLES.load(db, queries.troubles(), args))


class LiftForm(FlaskForm):
    """The court's paper that lifts a freeze."""

    reason = TextAreaField(_l("说明"), [InputRequired(_l("请写明理由。")), Length(max=1000)])
    file = FileField(_l("解除文书"), [FileRequired(_l("请选择文件。"))])
    idempotency_token = TokenField()


class ReportForm(FlaskForm):
    """What happened, in the reporter's words."""

    kind = RadioField(_l("发生了什么"), [InputRequired(_l("请选择一项。"))])
    amount = MoneyField(_l("冻结金额"), [Optional()], unit=100, description=_l("只在账户被冻结时填写。"))
    note = TextAreaField(_l("说明"), [InputRequired(_l("请写明情况。")), Length(max=1000)],
                         description=_l("例如法院和文书号、由谁告知、什么时候。"))
    idempotency_token = TokenField()


def of_bridge(ctx: Context, bridge: Bridge) -> dict[str, Any]:
    """What the page of a bridge shows of its troubles."""
    claim = open_claim(bridge.id)
    names = organisation_names({claim.creditor_org_id, claim.debtor_org_id}) if claim else {}
    return {
        "troubles": queries.of_bridge(bridge.id), "claim": claim, "reportable": service.may_report(ctx, bridge),
        "claim_creditor": names.get(claim.creditor_org_id, "") if claim else "",
        "claim_debtor": (names.get(claim.debtor_org_id) or bridge.firm_name) if claim else "",
    }


def _step(row: BridgeTrouble, mine: bool) -> pages.NextStep:
    told = KINDS[TroubleKind(row.kind)]
    if row.kind == TroubleKind.RENEWAL_REFUSED and row.state == TroubleState.ANSWERED:  # now the money has to come back
        told = KINDS[TroubleKind.OVERDUE]
        return pages.NextStep(gettext(told.owner), gettext(told.todo), mine=False)
    late = row.state == TroubleState.OPEN and row.due_at < now()
    otherwise = gettext("已超期，金融局已收到通知。") if row.warned_at else gettext("过期未处理，通知金融局。")
    return pages.NextStep(
        gettext("轮到您了") if mine else gettext(told.owner), gettext(told.todo), by=row.due_at,
        otherwise=otherwise if late or row.state == TroubleState.OPEN else "", mine=mine,
    )


def _may_lift(ctx: Context, row: BridgeTrouble) -> bool:
    return (row.kind == TroubleKind.COURT_FREEZE and row.state == TroubleState.OPEN and ctx.can(Permission.BRIDGE_ANSWER)
            and ctx.org_kind in REPORTERS[TroubleKind.COURT_FREEZE])


def _page(ctx: Context, trouble_id: UUID, form: LiftForm | None = None) -> Any:
    with reading(ctx, Permission.BRIDGE_READ):
        row = get_or_404(BridgeTrouble, trouble_id)
        bridge = get_or_404(Bridge, row.bridge_id)
        mine, owner = service.can_answer(ctx, row), organisation_names({row.owner_org_id}).get(row.owner_org_id, "")
        return render_template(
            "bridge/trouble.html", row=row, note=reason_text(row.note), bridge=bridge, mine=mine, owner=owner,
            left=bridge.outstanding_fen,
            step=_step(row, mine), entries=timeline_entries(queries.history(row)), papers=paper_rows(papers_of(row)),
            form=(form or LiftForm()) if _may_lift(ctx, row) else None, **of_bridge(ctx, bridge),
        )


@room.page("/bridges/troubles/<uuid:trouble_id>", Permission.BRIDGE_READ)
def trouble(trouble_id: UUID) -> Any:
    """One trouble: what happened, whose turn it is and by when, the claim, every step so far."""
    return _page(context(), trouble_id)


def _to(trouble_id: UUID) -> str:
    return url_for("bridge.trouble", trouble_id=trouble_id)


@room.page("/bridges/troubles/<uuid:trouble_id>/answer", Permission.BRIDGE_ANSWER, methods=["POST"])
def answer_trouble(trouble_id: UUID) -> Any:
    """The owner answers."""
    return act(lambda: service.answer(context(), trouble_id, request.form.get("reason", "")),
               done=gettext("答复已登记，各方会看到。"), to=_to(trouble_id))


@room.page("/bridges/troubles/<uuid:trouble_id>/deny", Permission.BRIDGE_ANSWER, methods=["POST"])
def deny_trouble(trouble_id: UUID) -> Any:
    """The bank renews after all."""
    return act(lambda: service.deny(context(), trouble_id, request.form.get("reason", "")), done=gettext("已登记：仍将续贷。"),
               to=_to(trouble_id))


@room.page("/bridges/troubles/<uuid:trouble_id>/lift", Permission.BRIDGE_ANSWER, methods=["POST"])
def lift_trouble(trouble_id: UUID) -> Any:
    """A freeze is lifted by its paper."""
    ctx, form = context(), LiftForm()
    if form.validate_on_submit():
        upload = form.file.data
        done = attempt(form, lambda: service.lift(ctx, trouble_id, form.reason.data or "", upload.filename, upload.stream))
        if done is not None:
            flash(gettext("冻结解除已登记。"), "success")
            return redirect(_to(trouble_id))
    return _page(ctx, trouble_id, form)


@room.page("/bridges/<uuid:bridge_id>/report", Permission.BRIDGE_ANSWER, methods=["GET", "POST"])
def report(bridge_id: UUID) -> Any:
    """A party reports what happened between payout and drawdown."""
    ctx, form = context(), ReportForm()
    with reading(ctx, Permission.BRIDGE_READ):
        bridge = get_or_404(Bridge, bridge_id)
        kinds = service.may_report(ctx, bridge)
    if not kinds:
        flash(say(Refusal(ErrorCode.STATE_CHANGED)), "danger")
        return redirect(url_for("bridge.show", bridge_id=bridge_id))
    form.kind.choices = offers([(one.value, gettext(one.label)) for one in kinds])
    if len(kinds) == 1:
        form.kind.data = form.kind.data or kinds[0].value
    if TroubleKind.COURT_FREEZE not in kinds:
        del form.amount
    if form.validate_on_submit():
        amount = form.amount.data if form.amount is not None else None
        made = attempt(form, lambda: service.report(ctx, bridge_id, TroubleKind(form.kind.data), form.note.data or "", amount))
        if made is not None:
            flash(gettext("已报告，责任方会收到通知。"), "success")
            return redirect(_to(made.id))
    return render_template("bridge/trouble_report.html", form=form, bridge=bridge)


def waits(ctx: Context) -> list[pages.Wait]:
    """Troubles that the viewer's organisation must answer for."""
    return [
        pages.Wait(
            gettext("转贷异常：%(kind)s", kind=WORDS.kind(row.kind)),
            row.firm_name + (f" · {money_text(row.amount_fen)}" if row.amount_fen else ""),
            url_for("bridge.trouble", trouble_id=row.id), due=row.due_at, tone="bad", order=4,
        )
        for row in queries.owned(ctx)
    ]


pages.home.add_waits(Permission.BRIDGE_ANSWER, waits)
