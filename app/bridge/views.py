"""Pages of bridges: the list, the page of one, and the firm's steps. Others' steps are in ``step_views``, funds in
``fund_views``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.bridge import (
    account_views,
    agreement_views,
    ask_views,
    bill_service,
    bill_views,
    booking_queries,
    booking_views,
    collateral_views,
    desk_views,
    fund_registers,
    fund_views,
    letter_views,
    notes,
    queries,
    radar_views,
    registers,
    report_views,
    service,
    statement_views,
    step_views,
    trouble_service,
    trouble_views,
)
from app.bridge.bill_models import PaperKind
from app.bridge.display import kind_text, state_chip, state_text
from app.bridge.door import room
from app.bridge.forms import ApplyForm, SignForm
from app.bridge.fund_models import BridgeQuote
from app.bridge.models import Bridge, RenewalAsk
from app.bridge.rules import BridgeKind, is_urgent, late_until
from app.bridge.states import OUT, BridgeState
from app.bridge.terms import working_of
from app.core import pages
from app.core.calendar import today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.formats import count_text, date_text, money_parts, money_text
from app.core.models import Case
from app.core.permissions import OrgKind, Permission
from app.core.queries import organisation_names, timeline
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled, say, send_list
from app.loans.models import Loan

__all__ = [
    "account_views", "agreement_views", "ask_views", "bill_views", "booking_views", "collateral_views", "desk_views",
    "fund_registers", "fund_views", "letter_views", "radar_views", "registers", "report_views", "room", "statement_views",
    "step_views", "trouble_views",
]

BRIDGES = Table(
    "bridges",
    columns=[
        Column("firm_name", _l("企业"), Bridge.firm_name, sub=lambda row: gettext("借据 %(note)s", note=row.old_note_no)),
        Column("requested_fen", _l("金额"), Bridge.requested_fen, kind="money",
               render=lambda row: str(money_parts(row.amount_fen or row.requested_fen)),
               export=lambda row: row.amount_fen or row.requested_fen),
        Column("kind", _l("类别"), sortable=False, hide_small=True, render=lambda row: kind_text(row.kind),
               sub=lambda row: row.old_bank if row.old_bank == row.new_bank else f"{row.old_bank} → {row.new_bank}"),
        Column("old_due_on", _l("旧贷到期"), Bridge.old_due_on, kind="date"),
        Column("expected_return_on", _l("应还日"), Bridge.expected_return_on, kind="date"),
        Column("applied_at", _l("申请"), Bridge.applied_at, kind="datetime", hide_small=True),
        Column("fee_fen", _l("费用"), Bridge.fee_fen, kind="money", hide_small=True),
        Column("state", _l("状态"), sortable=False, render=lambda row: state_chip(row.state),
               export=lambda row: state_text(row.state)),
    ],
    filters=[
        Filter("q", _l("企业或借据"), kind="text", apply=lambda stmt, value: stmt.where(
            Bridge.firm_name.icontains(value, autoescape=True) | Bridge.old_note_no.icontains(value, autoescape=True))),
        Filter("state", _l("状态"), kind="choices",
               choices=fixed(lambda: [(one.value, gettext(one.label)) for one in BridgeState]),
               apply=lambda stmt, value: stmt.where(Bridge.state.in_(value))),
        Filter("kind", _l("类别"), choices=fixed(lambda: [(one.value, gettext(one.label)) for one in BridgeKind]),
               apply=lambda stmt, value: stmt.where(Bridge.kind == value)),
        Filter("due", _l("旧贷到期"), kind="dates", apply=lambda stmt, value: _between(stmt, Bridge.old_due_on, value)),
        Filter("back", _l("应还日"), kind="dates", apply=lambda stmt, value: _between(stmt, Bridge.expected_return_on, value)),
        Filter("late", _l("只看已过应还日"), kind="flag", apply=lambda stmt, value: stmt.where(
            Bridge.state.in_(OUT), Bridge.expected_return_on <= late_until(today()))),
    ],
    default_sort="-applied_at",
    row_url=lambda row: url_for("bridge.show", bridge_id=row.id),
    empty_title=_l("还没有转贷"),
    empty_hint=_l("贷款快到期、银行愿意续贷、但一时周转不开时，可以申请转贷：先由资金方垫付还旧贷，新贷款放款后归还。"),
)


def _between(stmt: Any, column: Any, limits: Any) -> Any:
    if limits.low is not None:
        stmt = stmt.where(column >= limits.low)
    return stmt if limits.high is None else stmt.where(column <= limits.high)


def board_figures(ctx: Context) -> list[pages.Figure]:
    """The centre's day in four figures."""
    day, iso, first = queries.board(), today().isoformat(), (late_until(today()) + timedelta(days=1)).isoformat()
    out = money_parts(day.out_fen)
    return [
        pages.Figure(_l("今天应放款"), count_text(day.payouts), tone="wait" if day.payouts else "plain",
                     url=url_for("bridge.bridges", f="1", state="SIGNED")),
        pages.Figure(_l("今天应归还"), count_text(day.returns), tone="wait" if day.returns else "plain",
                     url=url_for("bridge.bridges", f="1", back_min=first, back_max=iso)),
        pages.Figure(_l("已过应还日"), count_text(day.late), tone="bad" if day.late else "plain",
                     url=url_for("bridge.bridges", f="1", late="1")),
        pages.Figure(_l("在途资金"), out.before + out.number, out.unit, url=url_for("bridge.bridges", f="1", state=list(OUT))),
    ]


pages.home.add_figures(Permission.BRIDGE_DESK, board_figures)


@room.page("/bridges", Permission.BRIDGE_READ)
def bridges() -> Any:
    """Every bridge the visitor may see; the centre's board above it."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_READ) as db:
        args = remembered(BRIDGES, request.args, session)
        if wants_export(request.args):
            rows = BRIDGES.load_all(db, queries.bridges(), args, EXPORT_LIMIT)
            return send_list(BRIDGES, rows, gettext("转贷"), "bridges.xlsx")
        return render_template(
            "bridge/bridges.html", page=BRIDGES.load(db, queries.bridges(), args),
            figures=board_figures(ctx) if ctx.org_kind in (OrgKind.BRIDGE_CENTRE, OrgKind.BUREAU) else [],
            loans=queries.maturing(ctx) if ctx.can(Permission.BRIDGE_APPLY) else [],
        )


# --- the firm begins ---------------------------------------------------------------------------------------------------


@room.page("/bridges/apply/<uuid:ask_id>", Permission.BRIDGE_APPLY, methods=["GET", "POST"])
def apply(ask_id: UUID) -> Any:
    """The application."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_APPLY):
        ask = get_or_404(RenewalAsk, ask_id)
        loan = get_or_404(Loan, ask.old_loan_id) if ask.old_loan_id is not None else None
        due_on = loan.due_on if loan is not None else ask.due_on
        more = [(str(one.id), f"{one.note_no} · {money_text(one.due_fen or 0)} · {date_text(one.due_on)}")
                for one in notes.other_asks(ask)]
        form = ApplyForm(queries.banks(), fixed=loan is not None, more=more, data={
            "new_bank": str(ask.bank_org_id), "own_money": 0, "planned_days": 5,
            "requested": loan.principal_left_fen if loan is not None else ask.due_fen, "old_due": ask.due_fen,
            "old_due_on": ask.due_on, "urgent": due_on is not None and is_urgent(today(), due_on),
        })
        bank = organisation_names({ask.bank_org_id}).get(ask.bank_org_id, "")
        word = letter_views.word_of(ask.bank_org_id)
    if form.validate_on_submit():
        wish = service.Application(
            new_bank_id=UUID(form.new_bank.data), own_money_fen=filled(form.own_money.data),
            requested_fen=filled(form.requested.data),
            planned_days=form.planned_days.data, urgent=form.urgent.data,
            old_due_fen=None if loan is not None else form.old_due.data,
            old_due_on=None if loan is not None else form.old_due_on.data,
            more_asks=tuple(UUID(key) for key in form.more_notes.data or ()) if "more_notes" in form else (),
        )
        made = attempt(form, lambda: trouble_service.apply(ctx, ask_id, wish))
        if made is not None:
            flash(gettext("转贷申请已提交，转贷中心会在一个工作日内预审。"), "success")
            return redirect(url_for("bridge.show", bridge_id=made.id))
    return render_template("bridge/apply.html", form=form, ask=ask, loan=loan, bank=bank, word=word)


# --- one bridge --------------------------------------------------------------------------------------------------------


@room.page("/bridges/<uuid:bridge_id>", Permission.BRIDGE_READ)
def show(bridge_id: UUID) -> Any:
    """One bridge: the line, whose turn it is, facts, what it costs, quotes, promise, every hop."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_READ) as db:
        bridge = get_or_404(Bridge, bridge_id)
        case = db.get(Case, bridge.case_id)
        queries.hide_rivals_terms(ctx, bridge)
        found = queries.page_of(bridge)
        line = pages.build_line(ctx, case) if case is not None else registers.own_line(ctx, bridge)
        return render_template(
            "bridge/show.html", bridge=bridge, page=found, case=case, line=line, can=queries.actions(ctx, bridge),
            preview=queries.fee_preview(bridge), notes=notes.notes_of(bridge.id),
            limits=queries.limit_lines(bridge, found.promise),
            previews={quote.id: queries.fee_preview(bridge, quote) for quote in found.quotes},
            fee=working_of(bridge.fee_working) if bridge.fee_working else [], mine=ctx.org_id,
            entries=timeline(ctx, bridge.case_id)[:8], left=bridge.outstanding_fen,
            is_firm=ctx.org_kind is OrgKind.ENTERPRISE, letter=letter_views.letter_of(ctx, found.promise),
            loop_facts=account_views.loop_facts(ctx, bridge),
            seat=booking_queries.seat_shown(bridge.id) if bridge.fund_id else None,
            may_hold=ctx.can(Permission.BRIDGE_DESK) and bridge.state == BridgeState.PARTNER_OFFERED,
            papers=[(one, gettext(PaperKind(one.kind).label)) for one in bill_service.papers_of(bridge.id)],
            **trouble_views.of_bridge(ctx, bridge), **collateral_views.of_bridge(ctx, bridge),
        )


def _to(bridge_id: UUID) -> str:
    return url_for("bridge.show", bridge_id=bridge_id)


@room.page("/bridges/<uuid:bridge_id>/pick/<uuid:quote_id>", Permission.BRIDGE_APPLY, methods=["POST"])
def pick(bridge_id: UUID, quote_id: UUID) -> Any:
    """The firm takes a quote."""
    return act(lambda: service.pick(context(), bridge_id, quote_id), done=gettext("已选定资金方，等转贷中心审批。"),
               to=_to(bridge_id))


@room.page("/bridges/<uuid:bridge_id>/sign", Permission.BRIDGE_APPLY, methods=["GET", "POST"])
def sign(bridge_id: UUID) -> Any:
    """The fee preview, and the signature under it."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_APPLY):
        bridge = get_or_404(Bridge, bridge_id)
        quote = get_or_404(BridgeQuote, bridge.quote_id) if bridge.quote_id is not None else None
        preview = queries.fee_preview(bridge)
        allowed = "sign" in queries.actions(ctx, bridge)
    if not allowed or preview is None:
        flash(say(Refusal(ErrorCode.STATE_CHANGED)), "danger")
        return redirect(_to(bridge_id))
    form = SignForm(data={"seen_fee": str(preview.total_fen)})
    if form.validate_on_submit():
        seen = int(form.seen_fee.data) if (form.seen_fee.data or "").isdigit() else -1
        if attempt(form, lambda: service.sign(ctx, bridge_id, form.agreement_no.data, seen)) is not None:
            flash(gettext("三方协议已登记，等转贷中心放款。"), "success")
            return redirect(_to(bridge_id))
    return render_template("bridge/sign.html", form=form, bridge=bridge, preview=preview, quote=quote,
                           paid_on=preview.last_day - timedelta(days=preview.max_days))


@room.page("/bridges/<uuid:bridge_id>/cancel", Permission.BRIDGE_APPLY, methods=["POST"])
def cancel(bridge_id: UUID) -> Any:
    """The firm withdraws."""
    return act(lambda: service.cancel(context(), bridge_id, request.form.get("reason", "")),
               done=gettext("转贷已取消，预留的资金已释放。"), to=_to(bridge_id))
