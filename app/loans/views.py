"""Pages of loans: lists, the loan with its schedule, and the forms of the bank."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.calendar import today
from app.core.database import get_or_404
from app.core.formats import NOTHING, money_text
from app.core.lifecycle import can_fire
from app.core.models import Case
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.queries import organisation_names
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import Room, act, attempt, context, send_list
from app.loans import disclosing as disclosing
from app.loans import offline_service, queries, registers, service
from app.loans import warnings as warnings  # its handlers register on import
from app.loans.forms import REPAYMENT_KINDS, ClassForm, DrawdownForm, OfflineForm, RepaymentForm
from app.loans.models import Loan
from app.loans.rules import DEFAULT_RANGES, FiveClass, watched
from app.loans.standing import added_interest, held, live_repayments, owed_fen, restructures_of
from app.loans.states import LOAN, LoanState
from app.market import choice_service
from app.market.bid_words import CONDITION_KINDS
from app.market.product_words import PRODUCT_KINDS
from app.market.terms import RepaymentMethod

__all__ = ["registers", "room"]

room = Room("loans", __name__, template_folder="templates")

CLASS_TONES: dict[str, Any] = {
    "NORMAL": "good", "SPECIAL_MENTION": "wait", "SUBSTANDARD": "bad", "DOUBTFUL": "bad", "LOSS": "bad",
}


def state_chip(state: str) -> Any:
    """State of a loan."""
    return chip(gettext(LoanState(state).label), LoanState(state).tone)


def class_chip(value: str | None) -> Any:
    """Class of a loan, or a dash before drawdown."""
    return chip(gettext(FiveClass(value).label), CLASS_TONES[value]) if value else NOTHING


def _class_name(row: Any) -> str:
    return gettext(FiveClass(row.five_class).label) if row.five_class else ""


_COLUMNS = [
    Column("amount_fen", _l("约定金额"), Loan.amount_fen, kind="money", hide_small=True),
    Column("left_fen", _l("本金余额"), Loan.principal_fen - Loan.principal_repaid_fen, kind="money",
           render=lambda row: _left(row), export=lambda row: (row.principal_fen or 0) - row.principal_repaid_fen),
    Column("annual_rate", _l("年利率"), Loan.annual_rate, kind="rate", hide_small=True),
    Column("due_on", _l("到期日"), Loan.due_on, kind="date"),
    Column("five_class", _l("五级分类"), sortable=False, render=lambda row: class_chip(row.five_class), export=_class_name),
    Column("overdue_days", _l("逾期天数"), Loan.overdue_days, kind="count"),
    Column("state", _l("状态"), sortable=False, render=lambda row: state_chip(row.state),
           export=lambda row: gettext(LoanState(row.state).label)),
]


def _left(row: Any) -> str:
    return NOTHING if row.principal_fen is None else money_text(row.principal_fen - row.principal_repaid_fen)


_FILTERS = [
    Filter("state", _l("状态"), choices=fixed(lambda: [(one.value, gettext(one.label)) for one in LoanState]),
           apply=lambda stmt, value: stmt.where(Loan.state == value)),
    Filter("five_class", _l("五级分类"), "choices", choices=fixed(lambda: [(one.value, gettext(one.label)) for one in FiveClass]),
           apply=lambda stmt, value: stmt.where(Loan.five_class.in_(value))),
    Filter("overdue", _l("只看逾期"), "flag", apply=lambda stmt, value: stmt.where(Loan.overdue_days > 0)),
    Filter("q", _l("编号、借据或名称"), "text", apply=lambda stmt, value: stmt.where(
        Loan.number.icontains(value, autoescape=True) | Loan.note_no.icontains(value, autoescape=True)
        | queries.FIRM_NAME.icontains(value, autoescape=True) | queries.BANK.name.icontains(value, autoescape=True))),
]


def _table(name: str, first: Column, hint: Any) -> Table:
    return Table(
        name, columns=[first, *_COLUMNS], filters=_FILTERS, default_sort="-number",
        row_url=lambda row: url_for("loans.loan", loan_id=row.id), empty_title=_l("还没有贷款"), empty_hint=hint,
    )


LOANS = _table(
    "loans", Column("number", _l("贷款"), Loan.number, render=lambda row: row.firm_name, sub=lambda row: row.number,
                    export=lambda row: f"{row.number} {row.firm_name}"),
    _l("企业选定本行的报价后，贷款会出现在这里；线下谈成的贷款可以登记进来。"),
)
MY_LOANS = _table(
    "my_loans", Column("number", _l("贷款"), Loan.number, render=lambda row: row.bank_name, sub=lambda row: row.number,
                       export=lambda row: f"{row.number} {row.bank_name}"),
    _l("选定一家银行后，贷款和还款计划会出现在这里。"),
)


@room.page("/loans", Permission.LOAN_READ)
def loans() -> Any:
    """The loans of the visitor's organisation: a bank's, a firm's, or all for the city."""
    ctx = context()
    table = MY_LOANS if ctx.org_kind is OrgKind.ENTERPRISE else LOANS
    with reading(ctx, Permission.LOAN_READ) as db:
        args = remembered(table, request.args, session)
        if wants_export(request.args):
            rows = table.load_all(db, queries.loans_query(), args, EXPORT_LIMIT)
            return send_list(table, rows, gettext("贷款"), "loans.xlsx")
        page = table.load(db, queries.loans_query(), args)
        return render_template("loans/loans.html", page=page, can_register=ctx.can(Permission.LOAN_REPORT))


@room.page("/loans/<uuid:loan_id>", Permission.LOAN_READ)
def loan(loan_id: UUID) -> Any:
    """One loan: where it stands, what was agreed and drawn, its schedule, repayments and class."""
    ctx = context()
    with reading(ctx, Permission.LOAN_READ) as db:
        found = get_or_404(Loan, loan_id)
        case = db.get(Case, found.case_id)
        names = organisation_names({found.firm_id, found.org_id})
        standing, restructures = live_repayments(found.id), restructures_of(found.id)
        one = held(found)
        added = added_interest(one)[-len(restructures):] if restructures else []
        return render_template(
            "loans/loan.html", loan=found, case=case, line=pages.build_line(ctx, case) if case else None,
            firm=names.get(found.firm_id) or found.stated_firm or "", bank=names.get(found.org_id, ""),
            rows=one.rows, restructures=list(zip(restructures, added, strict=True)),
            watched=watched(one.put_offs, today()),
            repayments=queries.repayments_of(found.id), last_id=standing[-1].id if standing else None,
            reports=queries.class_reports_of(found.id), state=state_chip(found.state), five=class_chip(found.five_class),
            conditions=choice_service.conditions_of(found.choice_id) if found.choice_id else [], condition_names=CONDITION_KINDS,
            kinds=REPAYMENT_KINDS, method=RepaymentMethod(found.method).label, ranges=DEFAULT_RANGES, classes=FiveClass,
            awaits=queries.awaits_firm(found), answers=queries.answers_of(found),
            may_answer=ctx.can(Permission.LOAN_RECOGNISE) and ctx.org_id == found.firm_id,
            product=PRODUCT_KINDS.get(found.product_kind, found.product_kind),
            can={event: can_fire(ctx, LOAN, found, event) for event in ("approve", "refuse", "draw")},
            can_report=ctx.can(Permission.LOAN_REPORT) and found.state == LoanState.DRAWN,
            can_reverse=ctx.can(Permission.LOAN_REPORT) and found.state in (LoanState.DRAWN, LoanState.REPAID),
        )


@room.page("/loans/<uuid:loan_id>/approve", Permission.LOAN_APPROVE, methods=["POST"])
def approve(loan_id: UUID) -> Any:
    """The approver keeps the promise."""
    return act(lambda: service.approve_loan(context(), loan_id), done=gettext("已批准，请客户经理放款后登记。"),
               to=url_for("loans.loan", loan_id=loan_id))


@room.page("/loans/<uuid:loan_id>/refuse", Permission.LOAN_APPROVE, methods=["POST"])
def refuse(loan_id: UUID) -> Any:
    """The approver does not lend, with a reason; for a promised loan on a condition of the bid."""
    number = request.form.get("condition_no", "")
    chosen = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else None
    return act(lambda: service.refuse_loan(context(), loan_id, request.form.get("reason", ""), chosen),
               done=gettext("已登记不予批准，企业会收到通知。"), to=url_for("loans.loan", loan_id=loan_id))


@room.page("/loans/<uuid:loan_id>/recognise", Permission.LOAN_RECOGNISE, methods=["POST"])
def recognise(loan_id: UUID) -> Any:
    """The firm says that the loan is its own."""
    return act(lambda: offline_service.recognise(context(), loan_id), done=gettext("已确认，银行会收到通知。"),
               to=url_for("loans.loan", loan_id=loan_id))


@room.page("/loans/<uuid:loan_id>/disown", Permission.LOAN_RECOGNISE, methods=["POST"])
def disown(loan_id: UUID) -> Any:
    """The firm says that the loan is not its own."""
    return act(lambda: offline_service.disown(context(), loan_id, request.form.get("reason", "")),
               done=gettext("异议已登记，银行会收到通知；银行看不到贵企业的资料。"), to=url_for("loans.loan", loan_id=loan_id))


def _form_page(loan_id: UUID, form: Any, template: str, call: Any, done: str) -> Any:
    """A form about one loan: shown, or sent and then back to the loan."""
    ctx = context()
    if form.validate_on_submit() and attempt(form, call) is not None:
        flash(done, "success")
        return redirect(url_for("loans.loan", loan_id=loan_id))
    with reading(ctx, Permission.LOAN_REPORT):
        found = get_or_404(Loan, loan_id)
        names = organisation_names({found.firm_id})
        owed = owed_fen(found, today()) if found.state == LoanState.DRAWN else None
        firm = names.get(found.firm_id) or found.stated_firm or ""
        return render_template(template, loan=found, firm=firm, form=form, owed=owed)


@room.page("/loans/<uuid:loan_id>/drawdown", Permission.LOAN_REPORT, methods=["GET", "POST"])
def drawdown(loan_id: UUID) -> Any:
    """The officer reports that the money has left."""
    ctx = context()
    with reading(ctx, Permission.LOAN_REPORT):
        amount = get_or_404(Loan, loan_id).amount_fen
    form = DrawdownForm(data=None if request.method == "POST" else {"principal": amount, "drawn_on": today()})
    return _form_page(loan_id, form, "loans/drawdown.html", lambda: service.report_drawdown(ctx, loan_id, form.drawdown()),
                      gettext("已登记放款，还款计划已生成。"))


@room.page("/loans/<uuid:loan_id>/repayment", Permission.LOAN_REPORT, methods=["GET", "POST"])
def repayment(loan_id: UUID) -> Any:
    """The officer reports a repayment."""
    ctx, form = context(), RepaymentForm()
    return _form_page(loan_id, form, "loans/repayment.html", lambda: service.report_repayment(ctx, loan_id, form.report()),
                      gettext("已登记还款。"))


@room.page("/loans/<uuid:loan_id>/class", Permission.LOAN_REPORT, methods=["GET", "POST"])
def report_class(loan_id: UUID) -> Any:
    """The officer reports class and days overdue."""
    ctx, form = context(), ClassForm()
    return _form_page(
        loan_id, form, "loans/class.html",
        lambda: service.report_class(
            ctx, loan_id, form.reported_on.data, FiveClass(form.reported_class.data), form.overdue_days.data,
        ),
        gettext("已登记分类。"),
    )


@room.page("/repayments/<uuid:repayment_id>/reverse", Permission.LOAN_REPORT, methods=["POST"])
def reverse(repayment_id: UUID) -> Any:
    """The officer takes the latest repayment back."""
    loan_id = request.form.get("loan_id", type=UUID)
    back = url_for("loans.loan", loan_id=loan_id) if loan_id else url_for("loans.loans")
    return act(lambda: service.reverse_repayment(context(), repayment_id, request.form.get("reason", "")),
               done=gettext("已冲正这笔还款。"), to=back)


@room.page("/loans/new", Permission.LOAN_REPORT, methods=["GET", "POST"])
def register() -> Any:
    """The officer registers a loan agreed outside the portal."""
    ctx, form = context(), OfflineForm()
    if form.validate_on_submit():
        made = attempt(form, lambda: offline_service.open_offline_loan(
            ctx, form.uscc.data or "", form.name.data or "", form.terms()))
        if made is not None:
            return redirect(url_for("loans.loan", loan_id=made.id))
    return render_template("loans/offline.html", form=form)
