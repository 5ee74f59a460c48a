"""Pages of guarantors' contracts: the list, the bank's form, one contract with the guarantor's word and the booking."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, Select, cast, select
from sqlalchemy.orm import aliased

from app.core.calendar import today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.database import session as db_session
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text
from app.core.lifecycle import can_fire
from app.core.pages import Group, Wait, event_texts, home, menu
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.queries import organisation_names
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, say, send_list
from app.identity.models import Organisation
from app.loans.models import Loan
from app.loans.queries import awaits_firm
from app.pool import guarantee_service, queries
from app.pool.door import booking_chip, check_texts, room, steps
from app.pool.guarantee_forms import BookGuaranteedForm, GuaranteeForm
from app.pool.guarantee_models import GUARANTEE, GUARANTEE_TEXTS, STANDING, Guarantee, GuaranteeState
from app.pool.judging import LIVE, is_late
from app.pool.models import Booking
from app.pool.owner_forms import owner_choices, owner_lines
from app.pool.records import checks_of
from app.pool.rules import RuleSet, UseOfFunds
from app.pool.service import rule_set_on

P = Permission
menu.add(_l("担保合同"), "pool.guarantees", P.GUARANTEE_READ, 45, Group.POOL)
for _event, _words in GUARANTEE_TEXTS.items():
    event_texts.add(Guarantee.__tablename__, _event, _l(_words))
LENDER, GUARANTOR = aliased(Organisation, name="lender"), aliased(Organisation, name="guarantor")


def guarantee_chip(state: str) -> Any:
    """State of a contract."""
    return chip(gettext(GuaranteeState(state).label), GuaranteeState(state).tone)


PRINCIPAL = cast(Guarantee.facts["principal_fen"].astext, BigInteger)
"""What the loan was drawn at (分), as the guarantor was shown it."""


def guarantees_query() -> Select[*tuple[Any, ...]]:
    """Contracts with the names of bank and guarantor; the firm as it was stated."""
    return (
        select(
            Guarantee.id, Guarantee.state, Guarantee.contract_no, Guarantee.signed_on, Guarantee.liability_share,
            Guarantee.reguarantee_share, Guarantee.stated_at, Guarantee.facts["firm"].astext.label("firm_name"),
            PRINCIPAL.label("principal_fen"),
            Guarantee.facts["note_no"].astext.label("note_no"), LENDER.name.label("bank_name"),
            GUARANTOR.name.label("guarantor_name"),
        )
        .join(LENDER, LENDER.id == Guarantee.org_id).join(GUARANTOR, GUARANTOR.id == Guarantee.guarantor_id)
    )


GUARANTEES = Table(
    "guarantees",
    columns=[
        Column("contract_no", _l("担保合同"), Guarantee.contract_no, render=lambda row: row.firm_name,
               sub=lambda row: f"{row.contract_no} · {row.note_no}",
               export=lambda row: f"{row.contract_no} {row.firm_name} {row.note_no}"),
        Column("bank_name", _l("银行"), LENDER.name, hide_small=True),
        Column("guarantor_name", _l("担保机构"), GUARANTOR.name, hide_small=True),
        Column("principal_fen", _l("本金"), PRINCIPAL, kind="money"),
        Column("liability_share", _l("担保机构承担"), Guarantee.liability_share, kind="rate"),
        Column("reguarantee_share", _l("再担保"), Guarantee.reguarantee_share, kind="rate", hide_small=True),
        Column("signed_on", _l("签署日期"), Guarantee.signed_on, kind="date", hide_small=True),
        Column("state", _l("状态"), sortable=False, render=lambda row: guarantee_chip(row.state),
               export=lambda row: gettext(GuaranteeState(row.state).label)),
    ],
    filters=[
        Filter("state", _l("状态"), choices=fixed(lambda: [(one.value, gettext(one.label)) for one in GuaranteeState]),
               apply=lambda stmt, value: stmt.where(Guarantee.state == value)),
        Filter("q", _l("合同、借据或名称"), "text", apply=lambda stmt, value: stmt.where(
            Guarantee.contract_no.icontains(value, autoescape=True)
            | Guarantee.facts["note_no"].astext.icontains(value, autoescape=True)
            | Guarantee.facts["firm"].astext.icontains(value, autoescape=True)
            | GUARANTOR.name.icontains(value, autoescape=True))),
    ],
    default_sort="-signed_on",
    row_url=lambda row: url_for("pool.guarantee", contract_id=row.id),
    empty_title=_l("还没有担保合同"),
    empty_hint=_l("银行在已放款的贷款上登记担保合同，担保机构确认后办理政担入库。"),
)


@room.page("/guarantees", P.GUARANTEE_READ)
def guarantees() -> Any:
    """Contracts of the bank or of the guarantor, or all for the city."""
    ctx = context()
    with reading(ctx, P.GUARANTEE_READ) as db:
        args = remembered(GUARANTEES, request.args, session)
        if wants_export(request.args):
            rows = GUARANTEES.load_all(db, guarantees_query(), args, EXPORT_LIMIT)
            return send_list(GUARANTEES, rows, gettext("担保合同"), "guarantees.xlsx")
        open_loans = list(db.execute(queries.bookable_query().limit(20))) if ctx.can(P.GUARANTEE_STATE) else []
        return render_template(
            "pool/guarantees.html", page=GUARANTEES.load(db, guarantees_query(), args), open_loans=open_loans,
            may_send=ctx.can(P.GUARANTEE_BOOK) and ctx.can(P.BOOKING_SEND))


@room.page("/loans/<uuid:loan_id>/guarantee", P.GUARANTEE_STATE, methods=["GET", "POST"])
def state_guarantee(loan_id: UUID) -> Any:
    """The bank states a guarantor's contract on its drawn loan."""
    ctx, form = context(), GuaranteeForm()
    with reading(ctx, P.GUARANTEE_STATE):
        loan = get_or_404(Loan, loan_id)
        if awaits_firm(loan):
            flash(say(Refusal(ErrorCode.LOAN_UNRECOGNISED)), "warning")
            return redirect(url_for("loans.loan", loan_id=loan_id))
        firm = organisation_names({loan.firm_id}).get(loan.firm_id, "")
        form.guarantor.choices = [
            (str(row.id), row.name) for row in queries.partners() if row.kind == OrgKind.GUARANTOR.value]
        form.owner_id.choices = owner_choices(queries.owners_of(loan))
    if form.validate_on_submit():
        made = attempt(form, lambda: guarantee_service.state_guarantee(ctx, loan_id, form.terms(), form.evidence()))
        if made is not None:
            flash(gettext("已登记担保合同，等担保机构确认。"), "success")
            return redirect(url_for("pool.guarantee", contract_id=made.id))
    return render_template("pool/guarantee_form.html", form=form, loan=loan, firm=firm)


@room.page("/guarantees/<uuid:contract_id>", P.GUARANTEE_READ)
def guarantee(contract_id: UUID) -> Any:
    """One contract: the loan, the shares, the guarantor's word, the bookings made under it."""
    return _page(contract_id, BookGuaranteedForm(formdata=None))


def _page(contract_id: UUID, form: BookGuaranteedForm) -> Any:
    ctx = context()
    with reading(ctx, P.GUARANTEE_READ):
        found = get_or_404(Guarantee, contract_id)
        booking = db_session().scalar(
            select(Booking).where(Booking.contract_id == found.id).order_by(Booking.version.desc()).limit(1))
        stored = rule_set_on(today())
        rules = RuleSet.from_json(stored.rules) if stored else None
        mine = ctx.can(P.GUARANTEE_BOOK) and found.guarantor_id == ctx.org_id
        drawn_on, due_on = (date.fromisoformat(found.facts[day]) for day in ("drawn_on", "due_on"))
        return render_template(
            "pool/guarantee.html", contract=found, state=guarantee_chip(found.state), form=form, booking=booking,
            booking_state=booking_chip(booking.state) if booking else None,
            checks=check_texts(checks_of(booking.checks)) if booking else [],
            shares=shares_of(found, rules), borrower=owner_lines(found.facts.get("owner")),
            use=gettext(UseOfFunds(found.evidence["use_of_funds"]).label),
            entries=steps("guarantee_contract", found.id), rate=Decimal(found.facts["annual_rate"]),
            can_book=mine and found.state in STANDING
            and (booking is None or booking.state not in LIVE),
            late=rules is not None and is_late(rules, drawn_on, today()), drawn_on=drawn_on, due_on=due_on,
            can={event: can_fire(ctx, GUARANTEE, found, event) for event in GUARANTEE.events()},
        )


def shares_of(contract: Guarantee, rules: RuleSet | None) -> list[tuple[str, Decimal]]:
    """Who bears how much of a loss under a contract, by the edition in force, as fractions that add up to one."""
    pool_share = rules.guarantee_ratio if rules is not None else Decimal(0)
    return [
        (gettext("市级资金池"), pool_share),
        (gettext("担保机构自担"), contract.liability_share - contract.reguarantee_share - pool_share),
        (contract.reguarantor or gettext("再担保"), contract.reguarantee_share), (gettext("银行"), 1 - contract.liability_share),
    ]


@room.page("/guarantees/<uuid:contract_id>/book", P.GUARANTEE_BOOK, methods=["POST"])
def book_guaranteed(contract_id: UUID) -> Any:
    """The guarantor confirms and books."""
    ctx, form = context(), BookGuaranteedForm()
    if form.validate_on_submit():
        made = attempt(form, lambda: guarantee_service.book_guaranteed(ctx, contract_id, form.late_reason.data or ""))
        if made is not None:
            return redirect(url_for("pool.booking", booking_id=made.id))
    return _page(contract_id, form)


@room.page("/guarantees/<uuid:contract_id>/<any(refuse, release):event>", P.GUARANTEE_BOOK, methods=["POST"])
def refuse_guarantee(contract_id: UUID, event: str) -> Any:
    """The guarantor says no, or takes a confirmed loan out of the pool."""
    call = {"refuse": guarantee_service.refuse_guarantee, "release": guarantee_service.release_guarantee}[event]
    done = {"refuse": gettext("已记录不确认。"), "release": gettext("已撤出入库。")}[event]
    return _button(contract_id, call, done)


@room.page("/guarantees/<uuid:contract_id>/withdraw", P.GUARANTEE_STATE, methods=["POST"])
def withdraw_guarantee(contract_id: UUID) -> Any:
    """The bank takes a contract back."""
    return _button(contract_id, guarantee_service.withdraw_guarantee, gettext("已撤回担保合同。"))


def _button(contract_id: UUID, call: Any, done: str) -> Any:
    reason = request.form.get("reason", "")
    return act(lambda: call(context(), contract_id, reason), done=done, to=url_for("pool.guarantee", contract_id=contract_id))


def guarantor_waits(ctx: Context) -> list[Wait]:
    """Contracts to confirm, and booked loans that are overdue."""
    stated = db_session().execute(
        guarantees_query().where(Guarantee.state == GuaranteeState.STATED).order_by(Guarantee.stated_at).limit(10))
    waits = [
        Wait(_l("确认担保合同并办理入库"), f"{row.bank_name} · {row.firm_name} · {money_text(row.principal_fen)}",
             url_for("pool.guarantee", contract_id=row.id), tone="wait", order=30) for row in stated
    ]
    return waits + [
        Wait(_l("担保贷款已逾期，代偿后可以申请补偿"), f"{row.firm_name} · {row.number}",
             url_for("pool.booking", booking_id=row.id), tone="wait", order=35) for row in queries.overdue_guaranteed()
    ]


home.add_waits(P.GUARANTEE_BOOK, guarantor_waits)
