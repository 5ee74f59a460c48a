"""Pages of bank statements: upload, what came in, every row with what it is, matching by hand, setting aside, undoing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField, FileRequired
from sqlalchemy import Select, and_, case, func, select
from wtforms import StringField
from wtforms.validators import Length, Optional

from app.bridge import statement_service as statements
from app.bridge.door import room
from app.bridge.forms import StepForm
from app.bridge.models import Bridge, BridgeHop
from app.bridge.statement_models import StatementDecision, StatementFile, StatementRow
from app.bridge.statement_rules import Layout
from app.bridge.states import HopAccount
from app.bridge.terms import working_of
from app.core.context import Context
from app.core.database import get_or_404
from app.core.database import session as db_session
from app.core.errors import ErrorCode, Refusal
from app.core.pages import Group, Wait, home, menu
from app.core.permissions import Permission
from app.core.pieces import chip
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, send_list
from app.identity.models import Person

P = Permission.STATEMENT_DESK
FILES_SHOWN = 8
STATES = {"OPEN": (_l("待对账"), "wait"), "MATCH": (_l("已对上"), "good"), "ASIDE": (_l("不属于转贷"), "plain")}

menu.add(_l("银行流水"), "bridge.statements", P, 57, Group.BRIDGE)


class StatementForm(StepForm):
    """A statement as the bank exports it."""

    file = FileField(_l("流水文件"), [FileRequired(_l("请选择文件。"))])
    own_account = StringField(_l("本方账号"), [Optional(), Length(max=60)],
                              description=_l("文件里有本方账号时不用填；工商银行的部分导出没有这一列。"))


def rows_query() -> Select[*tuple[Any, ...]]:
    """Rows with what was decided about each."""
    live = StatementDecision
    return (
        select(StatementRow.id, StatementRow.moved_at, StatementRow.incoming, StatementRow.amount_fen, StatementRow.own_shown,
               StatementRow.counter_shown, StatementRow.counter_name, StatementRow.notes, StatementRow.voucher_no,
               func.coalesce(live.kind, "OPEN").label("state"), live.how, Bridge.firm_name)
        .outerjoin(live, and_(live.row_id == StatementRow.id, live.undone_at.is_(None)))
        .outerjoin(BridgeHop, BridgeHop.id == live.hop_id).outerjoin(Bridge, Bridge.id == BridgeHop.bridge_id)
    )


def _signed(row: Any) -> int:
    return int(row.amount_fen if row.incoming else -row.amount_fen)


def state_chip(state: str) -> Any:
    """Where a row stands, as a chip."""
    text, tone = STATES[state]
    return chip(str(text), tone)  # type: ignore[arg-type]


ROWS = Table(
    "statement_rows",
    columns=[
        Column("moved_at", _l("时间"), StatementRow.moved_at, kind="datetime", sub=lambda row: row.own_shown),
        Column("amount_fen", _l("金额"), case((StatementRow.incoming, StatementRow.amount_fen), else_=-StatementRow.amount_fen),
               kind="money", export=_signed, sub=lambda row: gettext("转入") if row.incoming else gettext("转出")),
        Column("counter_name", _l("对方"), StatementRow.counter_name, hide_small=True, sub=lambda row: row.counter_shown),
        Column("notes", _l("摘要"), sortable=False, hide_small=True, sub=lambda row: row.voucher_no),
        Column("state", _l("对账"), sortable=False, render=lambda row: state_chip(row.state),
               export=lambda row: str(STATES[row.state][0]), sub=lambda row: row.firm_name or ""),
    ],
    filters=[
        Filter("q", _l("对方、摘要或凭证号"), kind="text", apply=lambda stmt, value: stmt.where(
            StatementRow.counter_name.icontains(value, autoescape=True) | StatementRow.notes.icontains(value, autoescape=True)
            | StatementRow.voucher_no.icontains(value, autoescape=True))),
        Filter("state", _l("对账"), choices=fixed(lambda: [(key, str(text)) for key, (text, _) in STATES.items()]),
               apply=lambda stmt, value: stmt.where(func.coalesce(StatementDecision.kind, "OPEN") == value)),
    ],
    default_sort="-moved_at",
    row_url=lambda row: url_for("bridge.statement_row", row_id=row.id),
    empty_title=_l("还没有银行流水"),
    empty_hint=_l("从企业网银导出托管账户的明细（工商银行或建设银行，CSV 或 XLSX），在上面上传。"),
)


def waits(ctx: Context) -> list[Wait]:
    """Rows that the rule could not place."""
    count = statements.open_count()
    if not count:
        return []
    return [Wait(gettext("核对银行流水"), gettext("%(count)s 行没有对上", count=count),
                 url_for("bridge.statements", f="1", state="OPEN"), order=25)]


home.add_waits(P, waits)


@room.page("/bridges/statements", P, methods=["GET", "POST"], endpoint="statements")
def statements_() -> Any:
    """Upload, the last files, every row."""
    ctx, form = context(), StatementForm()
    if form.validate_on_submit():
        data = form.file.data
        made = attempt(form, lambda: statements.take_in(ctx, data.filename or "", data.read(), form.own_account.data or ""))
        if made is not None:
            flash(gettext(
                "已收下 %(total)s 行：新的 %(fresh)s 行，以前收过 %(known)s 行，退回 %(refused)s 行。",
                total=made.rows_total, fresh=made.rows_new, known=made.rows_known, refused=len(made.refused),
            ), "success")
            return redirect(url_for("bridge.statements"))
    with reading(ctx, P) as db:
        args = remembered(ROWS, request.args, session)
        if wants_export(request.args):
            return send_list(ROWS, ROWS.load_all(db, rows_query(), args, EXPORT_LIMIT), gettext("银行流水"), "statements.xlsx")
        files = list(db.scalars(select(StatementFile).order_by(StatementFile.uploaded_at.desc()).limit(FILES_SHOWN)))
        return render_template(
            "bridge/statements.html", form=form, page=ROWS.load(db, rows_query(), args), files=files,
            layouts={one.value: gettext(one.label) for one in Layout}, open=statements.open_count(),
        )


@room.page("/bridges/statements/match", P, methods=["POST"])
def match_statements() -> Any:
    """Tries the rule again."""
    counts: list[int] = []
    return act(lambda: counts.append(statements.match_again(context())), done=gettext("已按规则重新核对。"),
               to=url_for("bridge.statements"))


@room.page("/bridges/statements/<uuid:row_id>", P)
def statement_row(row_id: UUID) -> Any:
    """One row: what the bank says, what it is, what it may be, and who decided what."""
    ctx = context()
    with reading(ctx, P) as db:
        row = get_or_404(StatementRow, row_id)
        decisions = list(db.scalars(
            select(StatementDecision).where(StatementDecision.row_id == row_id).order_by(StatementDecision.made_at)))
        live = next((one for one in decisions if one.undone_at is None), None)
        found = [] if live is not None else statements.choices_for(row)
        people = {one.made_by for one in decisions} | {one.undone_by for one in decisions if one.undone_by is not None}
        names = {one.id: one.name for one in db.execute(select(Person.id, Person.name).where(Person.id.in_(people)))}
        return render_template(
            "bridge/statement_row.html", row=row, live=live, decisions=decisions, names=names, hops=_hops(
                {one.hop_id for one in decisions if one.hop_id is not None} | {one.expected.key for one in found}),
            candidates=found, workings={one.id: working_of(one.working) for one in decisions},
            state=live.kind if live is not None else "OPEN", may_undo=live is not None and live.made_by != ctx.actor_id,
        )


def _hops(ids: set[Any]) -> dict[Any, tuple[BridgeHop, Bridge, str]]:
    """Hops by id with their bridge and way in words."""
    rows = db_session().execute(
        select(BridgeHop, Bridge).join(Bridge, Bridge.id == BridgeHop.bridge_id).where(BridgeHop.id.in_(ids)))
    return {
        hop.id: (hop, bridge, f"{gettext(HopAccount(hop.from_account).label)} → {gettext(HopAccount(hop.to_account).label)}")
        for hop, bridge in rows
    }


@room.page("/bridges/statements/<uuid:row_id>/<step>", P, methods=["POST"])
def decide_statement(row_id: UUID, step: str) -> Any:
    """Matching by hand, setting aside, taking a decision back."""
    ctx, reason = context(), request.form.get("reason", "")

    def chosen() -> statements.Choice:
        try:
            return statements.Choice(UUID(request.form.get("hop", "")), request.form.get("side", ""))
        except ValueError:
            raise Refusal(ErrorCode.NOT_FOUND) from None

    def decision() -> UUID:
        try:
            return UUID(request.form.get("decision", ""))
        except ValueError:
            raise Refusal(ErrorCode.NOT_FOUND) from None

    calls = {
        "match": (lambda: statements.match_by_hand(ctx, row_id, chosen(), reason), gettext("已对上。")),
        "aside": (lambda: statements.set_aside(ctx, row_id, reason), gettext("已登记为不属于转贷。")),
        "undo": (lambda: statements.undo(ctx, decision(), reason), gettext("已撤销，这一行重新待对账。")),
    }
    if step not in calls:
        raise Refusal(ErrorCode.NOT_FOUND)
    call, done = calls[step]
    return act(call, done=done, to=url_for("bridge.statement_row", row_id=row_id))
