"""Pages of step 0: the firm asks, the bank answers, and what came of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.bridge import ask_queries, ask_service, queries
from app.bridge.ask_forms import AnswerForm, AskForm, StateForm
from app.bridge.ask_rules import ASK, ASK_EVENTS, REASONS, AskSource, AskState
from app.bridge.door import room
from app.bridge.models import RenewalAsk
from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text
from app.core.lifecycle import can_fire
from app.core.models import Paper
from app.core.pages import Wait
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.queries import organisation_names
from app.core.storage import PAPER_LIMIT, papers_of, take_in
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.views import paper_rows
from app.core.web import act, attempt, context, send_list
from app.loans.models import Loan
from app.market import policy

for _event, _text in ASK_EVENTS.items():
    pages.event_texts.add("renewal_ask", _event, _l(_text))
SOURCES = {AskSource.PORTAL: _l("在平台上申请"), AskSource.STATED: _l("企业填报"), AskSource.RULE: _l("按规定不适用")}


def state_chip(state: str) -> Any:
    """The state of an ask as a chip."""
    found = AskState(state)
    return chip(gettext(found.label), found.tone)


def reason_text(code: str | None) -> str:
    """A reason of the closed list; empty where none was given."""
    return gettext(REASONS[code]) if code in REASONS else ""


ASKS = Table(
    "renewal_asks",
    columns=[
        Column("firm_name", _l("企业"), RenewalAsk.firm_name, sub=lambda row: gettext("借据 %(note)s", note=row.note_no)),
        Column("bank", _l("银行"), hide_small=True),
        Column("due_fen", _l("到期本金"), RenewalAsk.due_fen, kind="money", hide_small=True),
        Column("due_on", _l("到期日"), RenewalAsk.due_on, kind="date"),
        Column("state", _l("答复"), sortable=False, render=lambda row: state_chip(row.state),
               sub=lambda row: reason_text(row.reason), export=lambda row: gettext(AskState(row.state).label)),
        Column("answer_by", _l("最晚答复"), RenewalAsk.answer_by, kind="datetime", hide_small=True),
        Column("answered_at", _l("答复时间"), RenewalAsk.answered_at, kind="datetime", hide_small=True),
        Column("source", _l("来源"), sortable=False, hide_small=True, render=lambda row: str(SOURCES[row.source])),
    ],
    filters=[
        Filter("q", _l("企业或借据"), kind="text", apply=lambda stmt, value: stmt.where(
            RenewalAsk.firm_name.icontains(value, autoescape=True) | RenewalAsk.note_no.icontains(value, autoescape=True))),
        Filter("state", _l("答复"), kind="choices",
               choices=fixed(lambda: [(one.value, gettext(one.label)) for one in AskState]),
               apply=lambda stmt, value: stmt.where(RenewalAsk.state.in_(value))),
        Filter("bank", _l("银行"), choices=lambda: queries.banks(), apply=lambda stmt, value: stmt.where(
            RenewalAsk.bank_org_id == UUID(value))),
    ],
    default_sort="-stored_at",
    row_url=lambda row: url_for("bridge.ask", ask_id=row.id),
    empty_title=_l("还没有无还本续贷申请"),
    empty_hint=_l("申请转贷之前，先问银行能否无还本续贷；银行同意就不需要转贷。"),
)  # fmt: skip


@room.page("/bridges/asks", Permission.BRIDGE_READ)
def asks() -> Any:
    """Every ask the visitor may see, and how banks answer."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_READ) as db:
        args = remembered(ASKS, request.args, session)
        if wants_export(request.args):
            return send_list(ASKS, ASKS.load_all(db, ask_queries.asks(), args, EXPORT_LIMIT), gettext("无还本续贷"), "asks.xlsx")
        counted = ctx.org_kind in (OrgKind.BANK, OrgKind.BRIDGE_CENTRE, OrgKind.BUREAU)
        return render_template("bridge/asks.html", page=ASKS.load(db, ask_queries.asks(), args),
                               banks=ask_queries.by_bank() if counted else [])


def _loan_of(ctx: Context) -> Loan | None:
    key = request.args.get("loan")
    if not key:
        return None
    try:
        loan = get_or_404(Loan, UUID(key))
    except ValueError:
        raise Refusal(ErrorCode.NOT_FOUND) from None
    if loan.firm_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    return loan


@room.page("/bridges/start", Permission.BRIDGE_APPLY, methods=["GET", "POST"])
def start() -> Any:
    """Step 0: the firm asks its bank for renewal without repayment, in one form; from a loan of the portal in one click."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_APPLY):
        loan = _loan_of(ctx)
        here, outside = banks_by_door(ctx)
        until = policy.transfer().medium_until
        if loan is not None and str(loan.org_id) in dict(outside):
            return redirect(url_for("bridge.state_answer", loan=loan.id))
        form = AskForm(here, fixed=loan is not None)
        bank = organisation_names({loan.org_id}).get(loan.org_id, "") if loan is not None else ""
    if form.validate_on_submit():
        made = attempt(form, lambda: ask_service.ask(ctx, form.old_loan(loan.id if loan else None), form.note.data or ""))
        if made is not None and made.state == AskState.ASKED:
            flash(gettext("已向银行申请无还本续贷，请等银行答复。"), "success")
        if made is not None:
            return redirect(url_for("bridge.ask", ask_id=made.id))
    return render_template("bridge/start.html", form=form, loan=loan, bank=bank, outside=outside, until=until)


@room.page("/bridges/start/outside", Permission.BRIDGE_APPLY, methods=["GET", "POST"], endpoint="state_answer")
def state_answer() -> Any:
    """For a bank that does not work on the portal: the firm states its answer, with the paper."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_APPLY):
        loan = _loan_of(ctx)
        _, outside = banks_by_door(ctx)
        form = StateForm(outside, fixed=loan is not None)
        bank = organisation_names({loan.org_id}).get(loan.org_id, "") if loan is not None else ""
    if form.validate_on_submit():
        made = attempt(form, lambda: _state(ctx, form, loan.id if loan else None))
        if made is not None:
            return redirect(url_for("bridge.ask", ask_id=made.id))
    return render_template("bridge/start_outside.html", form=form, loan=loan, bank=bank, outside=outside)


def _state(ctx: Context, form: StateForm, loan_id: UUID | None) -> RenewalAsk:
    upload = form.file.data
    paper = None
    if upload and upload.filename:
        paper = take_in(upload.stream, limit=PAPER_LIMIT, limit_text="20 MB"), upload.filename
    return ask_service.state_answer(
        ctx, form.old_loan(loan_id), form.granted.data == "yes", form.asked_on.data, form.reason.data or None,
        form.note.data or "", paper,
    )


def banks_by_door(ctx: Context) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Banks that answer on the portal, and those that do not, as choices."""
    every = queries.banks()
    here = ask_service.works_here(ctx, {UUID(key) for key, _ in every})
    return [one for one in every if UUID(one[0]) in here], [one for one in every if UUID(one[0]) not in here]


@room.page("/bridges/asks/<uuid:ask_id>", Permission.BRIDGE_READ, methods=["GET", "POST"])
def ask(ask_id: UUID) -> Any:
    """One ask: what was asked, the answer, and the road from here; the bank answers on it."""
    ctx = context()
    form = AnswerForm()
    if ctx.can(Permission.BRIDGE_CONFIRM) and form.validate_on_submit():
        done = attempt(form, lambda: ask_service.answer(
            ctx, ask_id, form.granted.data == "yes", form.reason.data or None, form.note.data or "",
        ))  # fmt: skip
        if done is not None:
            flash(gettext("答复已发给企业。"), "success")
            return redirect(url_for("bridge.ask", ask_id=ask_id))
    with reading(ctx, Permission.BRIDGE_READ):
        row = get_or_404(RenewalAsk, ask_id)
        held: list[Paper] = papers_of(row)
        return render_template(
            "bridge/ask.html", ask=row, form=form, bank=organisation_names({row.bank_org_id}).get(row.bank_org_id, ""),
            may_answer=row.bank_org_id == ctx.org_id and can_fire(ctx, ASK, row, "grant"),
            may_withdraw=row.firm_id == ctx.org_id and can_fire(ctx, ASK, row, "withdraw"),
            mine=row.firm_id == ctx.org_id, bridge_id=ask_queries.bridge_of(row.id), chip=state_chip(row.state),
            reason=reason_text(row.reason), source=SOURCES[AskSource(row.source)], papers=paper_rows(held),
        )


@room.page("/bridges/asks/<uuid:ask_id>/withdraw", Permission.BRIDGE_APPLY, methods=["POST"])
def withdraw_ask(ask_id: UUID) -> Any:
    """The firm takes its ask back."""
    return act(lambda: ask_service.withdraw(context(), ask_id), done=gettext("已撤回申请。"),
               to=url_for("bridge.ask", ask_id=ask_id))


def waits(ctx: Context) -> list[Wait]:
    """Asks that wait for the bank's answer, and answers that wait for the firm."""
    found = []
    for row in ask_queries.waiting(ctx):
        due = row.answer_by if row.state == AskState.ASKED else None
        words = _l("答复无还本续贷申请") if row.state == AskState.ASKED else _l("银行未同意无还本续贷，可以申请转贷")
        found.append(Wait(words, f"{row.firm_name} · {gettext('借据 %(note)s', note=row.note_no)} · {money_text(row.due_fen)}",
                          url_for("bridge.ask", ask_id=row.id), due=due, tone="wait", order=15))
    return found


pages.home.add_waits(Permission.BRIDGE_READ, waits)
