"""The booking board, and the clerk's seat on a fund with the clash before it is made."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.bridge import booking_queries, ceilings, hold_service, holding
from app.bridge.display import kind_text, seat_chip
from app.bridge.door import room
from app.bridge.fund_forms import HoldForm
from app.bridge.fund_models import Fund, FundHold
from app.bridge.fund_states import LIVE, HoldState
from app.bridge.models import Bridge
from app.bridge.rules import BridgeKind
from app.bridge.states import BridgeState
from app.core.calendar import is_working_day, today
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.formats import date_text
from app.core.pages import Group, menu
from app.core.permissions import Permission
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled, say, send_list

menu.add(_l("占用看板"), "bridge.booking_board", Permission.FUND_READ, 56, Group.BRIDGE)

BOOKINGS = Table(
    "bookings",
    columns=[
        Column("firm_name", _l("企业"), Bridge.firm_name, sub=lambda row: gettext("借据 %(note)s", note=row.old_note_no)),
        Column("fund", _l("资金"), Fund.name, sub=lambda row: row.funder),
        Column("bank", _l("续贷银行"), sortable=False, sub=lambda row: kind_text(row.kind)),
        Column("amount_fen", _l("金额"), FundHold.amount_fen, kind="money"),
        Column("starts_on", _l("起始日"), FundHold.starts_on, kind="date"),
        Column("ends_on", _l("到（归还日不计）"), FundHold.ends_on, kind="date"),
        Column("state", _l("状态"), sortable=False, render=lambda row: seat_chip(row.state),
               export=lambda row: gettext(HoldState(row.state).label)),
        Column("expires_at", _l("未签约则释放"), FundHold.expires_at, kind="datetime",
               render=lambda row: Column("expires_at", "", kind="datetime").show(row) if row.state == HoldState.HELD else "—"),
    ],
    filters=[
        Filter("fund", _l("资金"), choices=booking_queries.fund_choices,
               apply=lambda stmt, value: stmt.where(FundHold.fund_id == value)),
        Filter("kind", _l("用于"), choices=fixed(lambda: [(kind.value, gettext(kind.label)) for kind in BridgeKind]),
               apply=lambda stmt, value: stmt.where(FundHold.kind == value)),
        Filter("days", _l("看多少天"), choices=[("wide", _l("长视图"))]),
        Filter("state", _l("占用"), choices=fixed(lambda: [(state.value, gettext(state.label)) for state in HoldState]),
               apply=lambda stmt, value: stmt.where(FundHold.state == value)),
        Filter("q", _l("企业或借据"), kind="text", apply=lambda stmt, value: stmt.where(
            Bridge.firm_name.icontains(value, autoescape=True) | Bridge.old_note_no.icontains(value, autoescape=True))),
    ],
    default_sort="starts_on",
    row_url=lambda row: url_for("bridge.show", bridge_id=row.bridge_id),
    empty_title=_l("没有占用"),
    empty_hint=_l("企业选定资金方后，转贷中心在转贷页面上占用资金；到期未签约的自动释放。"),
)


@room.page("/funds/board", Permission.FUND_READ)
def booking_board() -> Any:
    """Funds by days, what is free, and every seat; as a list on a phone."""
    ctx = context()
    with reading(ctx, Permission.FUND_READ) as db:
        args = remembered(BOOKINGS, request.args, session)
        wanted = booking_queries.bookings()
        if not args.get("state"):
            wanted = wanted.where(FundHold.state.in_(LIVE))
        if wants_export(request.args):
            rows = BOOKINGS.load_all(db, wanted, args, EXPORT_LIMIT)
            return send_list(BOOKINGS, rows, gettext("资金占用"), "bookings.xlsx")
        count = ceilings.current().wide_days if args.get("days") == "wide" else booking_queries.SHORT_DAYS
        first = _day(request.args.get("from")) or today()
        days = booking_queries.days_from(first, count)
        kind = args.get("kind") or None
        return render_template(
            "bridge/booking_board.html", page=BOOKINGS.load(db, wanted, args), days=days, shown=len(days),
            rows=booking_queries.board(days, _id(args.get("fund")), kind), earlier=max(today(), first - timedelta(days=count)),
            later=first + timedelta(days=count), first=first, is_working=is_working_day,
        )


def _day(typed: str | None) -> date | None:
    """A day of the board: from today on, at most a year ahead."""
    try:
        found = date.fromisoformat(typed or "")
    except ValueError:
        return None
    return min(max(found, today()), today() + timedelta(days=hold_service.AHEAD_DAYS))


def _id(typed: str | None) -> UUID | None:
    try:
        return UUID(typed) if typed else None
    except ValueError:
        return None


@room.page("/bridges/<uuid:bridge_id>/hold", Permission.BRIDGE_DESK, methods=["GET", "POST"])
def hold(bridge_id: UUID) -> Any:
    """A seat for a bridge: the page tells where it would clash before it is taken."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_DESK) as db:
        bridge = get_or_404(Bridge, bridge_id)
        if bridge.state != BridgeState.PARTNER_OFFERED or bridge.fund_id is None:
            flash(say(Refusal(ErrorCode.STATE_CHANGED)), "danger")
            return redirect(url_for("bridge.show", bridge_id=bridge_id))
        own = booking_queries.seat_shown(bridge_id)
        fund = db.get(Fund, bridge.fund_id)
        start = own.starts_on if own is not None else holding.usual_start(bridge)
        length = (own.ends_on - own.starts_on).days if own is not None else bridge.planned_days
        form = HoldForm(data={"starts_on": _day(request.args.get("starts_on")) or start, "days": length})
    if form.validate_on_submit() and "check" not in request.form and attempt(
        form, lambda: hold_service.hold(ctx, bridge_id, filled(form.starts_on.data), filled(form.days.data))) is not None:
        flash(gettext("资金已暂时占用，到期未签约自动释放。"), "success")
        return redirect(url_for("bridge.show", bridge_id=bridge_id))
    with reading(ctx, Permission.BRIDGE_DESK):
        looked = None
        if form.starts_on.data is not None and form.days.data is not None and not form.days.errors:
            looked = booking_queries.look(bridge, form.starts_on.data, form.days.data)
        return render_template("bridge/hold.html", form=form, bridge=bridge, fund=fund, look=looked, own=own,
                               say=lambda clash: say(holding.refused(clash, looked.seat)) if looked else "", date_text=date_text)


@room.page("/bridges/<uuid:bridge_id>/let-go", Permission.BRIDGE_DESK, methods=["POST"])
def let_go(bridge_id: UUID) -> Any:
    """Gives a tentative seat back."""
    return act(lambda: hold_service.let_go(context(), bridge_id), done=gettext("占用已释放。"),
               to=url_for("bridge.show", bridge_id=bridge_id))
