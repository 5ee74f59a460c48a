"""Pages of bookings: the list, the form on a drawn loan, one booking with every check."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text, rate_text
from app.core.lifecycle import can_fire
from app.core.models import Case
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, say, send_list
from app.enterprises.models import Enterprise
from app.enterprises.rules import SIZE_NAMES, SizeClass
from app.loans.models import Loan
from app.loans.queries import awaits_firm
from app.loans.rules import FiveClass, is_bad
from app.pool import owner_service, queries, service
from app.pool.cockpit_filters import BOOKING_FILTERS
from app.pool.door import booking_chip, check_texts, room, steps
from app.pool.forms import BookingForm
from app.pool.judging import LIVE
from app.pool.models import Booking, StoredRuleSet
from app.pool.owner_forms import OwnerForm, owner_choices, owner_lines
from app.pool.records import checks_of
from app.pool.rules import Product, RuleSet, UseOfFunds, booking_deadline
from app.pool.states import BOOKING, BookingState

BOOKINGS = Table(
    "bookings",
    columns=[
        Column("number", _l("贷款"), Loan.number, render=lambda row: row.firm_name,
               sub=lambda row: f"{row.bank_name} · {row.number}",
               export=lambda row: f"{row.number} {row.firm_name} {row.bank_name}"),
        Column("note_no", _l("借据"), Booking.note_no, hide_small=True),
        Column("principal_fen", _l("本金"), Booking.principal_fen, kind="money"),
        Column("submitted_on", _l("提交日期"), Booking.submitted_on, kind="date", hide_small=True),
        Column("booked_on", _l("入库日期"), Booking.booked_on, kind="date"),
        Column("overdue_days", _l("贷款逾期天数"), Loan.overdue_days, kind="count", hide_small=True),
        Column("state", _l("状态"), sortable=False, render=lambda row: booking_chip(row.state),
               export=lambda row: gettext(BookingState(row.state).label)),
    ],
    filters=[
        Filter("state", _l("状态"), choices=fixed(lambda: [(one.value, gettext(one.label)) for one in BookingState]),
               apply=lambda stmt, value: stmt.where(Booking.state == value)),
        Filter("booked", _l("入库日期"), "dates", apply=lambda stmt, value: _between(stmt, value)),
        Filter("q", _l("借据、编号或名称"), "text", apply=lambda stmt, value: stmt.where(
            Booking.note_no.icontains(value, autoescape=True) | Loan.number.icontains(value, autoescape=True)
            | queries.FIRM.name.icontains(value, autoescape=True) | queries.BANK.name.icontains(value, autoescape=True))),
        *BOOKING_FILTERS,
    ],
    default_sort="-submitted_on",
    row_url=lambda row: url_for("pool.booking", booking_id=row.id),
    empty_title=_l("还没有入库贷款"),
    empty_hint=_l("贷款放款后在期限内提交，系统当场逐项检查，通过的立即入库。"),
)


def _between(stmt: Any, value: Any) -> Any:
    if value.low is not None:
        stmt = stmt.where(Booking.booked_on >= value.low)
    return stmt if value.high is None else stmt.where(Booking.booked_on <= value.high)


@room.page("/bookings", Permission.BOOKING_READ)
def bookings() -> Any:
    """Bookings of the bank, or all for the city; above them the bank's drawn loans that are not booked yet."""
    ctx = context()
    with reading(ctx, Permission.BOOKING_READ) as db:
        args = remembered(BOOKINGS, request.args, session)
        if wants_export(request.args):
            rows = BOOKINGS.load_all(db, queries.bookings_query(), args, EXPORT_LIMIT)
            return send_list(BOOKINGS, rows, gettext("入库"), "bookings.xlsx")
        open_loans = list(db.execute(queries.bookable_query().limit(20))) if ctx.can(Permission.BOOKING_SUBMIT) else []
        page = BOOKINGS.load(db, queries.bookings_query(), args)
        return render_template("pool/bookings.html", page=page, open_loans=open_loans,
                               may_send=ctx.can(Permission.BOOKING_FILES))


@room.page("/bookings/<uuid:booking_id>", Permission.BOOKING_READ)
def booking(booking_id: UUID) -> Any:
    """One booking: every check with its answer, the snapshot that a claim will be judged by, its steps."""
    ctx = context()
    with reading(ctx, Permission.BOOKING_READ) as db:
        found = get_or_404(Booking, booking_id)
        loan, case = get_or_404(Loan, found.loan_id), db.get(Case, found.case_id)
        names = organisation_names({one for one in (found.firm_id, found.org_id, found.guarantor_id) if one is not None})
        bad = loan.five_class is not None and is_bad(FiveClass(loan.five_class))
        return render_template(
            "pool/booking.html", booking=found, loan=loan, case=case, line=pages.build_line(ctx, case) if case else None,
            firm=names.get(found.firm_id, ""), bank=names.get(found.org_id, ""), state=booking_chip(found.state),
            checks=check_texts(checks_of(found.checks)), facts=snapshot_facts(found.snapshot), entries=steps("booking", found.id),
            document=get_or_404(StoredRuleSet, found.rule_set_id).document, claim=queries.claim_of_booking(found.id),
            can={event: can_fire(ctx, BOOKING, found, event) for event in ("withdraw", "refuse_late")
                 if event == "refuse_late" or found.guarantor_id is None},
            can_claim=_claimable(ctx, found, loan, bad),
            guarantor=names.get(found.guarantor_id, "") if found.guarantor_id else "",
            can_correct=found.guarantor_id is None and found.state in (BookingState.BOOKED, BookingState.REJECTED)
            and ctx.can(Permission.BOOKING_SUBMIT),
        )


def _claimable(ctx: Context, booking: Booking, loan: Loan, bad: bool) -> bool:
    """A bank claims a bad loan, a guarantor one that is overdue: each what is booked for it."""
    lost = bad or (booking.guarantor_id is not None and loan.overdue_days > 0)
    return (lost and booking.state == BookingState.BOOKED and booking.payee_id == ctx.org_id
            and ctx.can(Permission.CLAIM_PREPARE))


def snapshot_facts(data: dict[str, Any]) -> list[tuple[str, str]]:
    """A snapshot as label and value, in the order of the booking form (risk-compensation paper §4)."""
    yes, no = gettext("是"), gettext("否")
    size = gettext(SIZE_NAMES[SizeClass(data["size_class"])])
    return [
        (gettext("统一社会信用代码"), data["uscc"]), (gettext("规模"), size), (gettext("行业代码"), data["industry_code"]),
        (gettext("注册地区"), data["district"]), (gettext("在广州市实际经营"), yes if data["operates_in_city"] else no),
        (gettext("产品类别"), gettext(Product(data["product"]).label)),
        (gettext("资金用途"), gettext(UseOfFunds(data["use_of_funds"]).label)),
        (gettext("放款金额"), money_text(data["principal_fen"])), (gettext("年利率"), rate_text(Decimal(data["annual_rate"]))),
        (gettext("期限"), gettext("%(count)s 个月", count=data["term_months"])), (gettext("放款日期"), data["drawn_on"]),
        (gettext("到期日"), data["due_on"]), (gettext("合同编号"), data["contract_no"]), (gettext("借据编号"), data["note_no"]),
        (gettext("重点支持名录"), data["key_list_version"] if data["on_key_list"] else no),
        (gettext("知识产权登记证号"), data["ip_certificate_no"]), (gettext("应收账款登记号"), data["receivable_no"]),
        (gettext("货币政策工具"), data["policy_tool"]), (gettext("保险或担保分担"), data["shared_by"]),
        *owner_lines(data.get("owner")), *_guarantee_facts(data.get("guarantee")),
        (gettext("首贷"), yes if data["first_loan"] else no), (gettext("已查严重失信名单"), yes if data["not_dishonest"] else no),
    ]


def _guarantee_facts(terms: dict[str, Any] | None) -> list[tuple[str, str]]:
    """A guarantor's contract, where there is one."""
    if terms is None:
        return []
    again = Decimal(terms["reguarantee_share"])
    return [
        (gettext("担保机构"), terms["guarantor"]), (gettext("担保合同编号"), terms["contract_no"]),
        (gettext("担保机构承担的本金比例"), rate_text(Decimal(terms["liability_share"]))),
        (gettext("再担保"), f"{terms['reguarantor']} {rate_text(again)}" if again else gettext("没有")),
    ]


@room.page("/loans/<uuid:loan_id>/booking", Permission.BOOKING_SUBMIT, methods=["GET", "POST"])
def book(loan_id: UUID) -> Any:
    """The officer books a drawn loan: its facts stand, the evidence is added."""
    ctx = context()
    with reading(ctx, Permission.BOOKING_SUBMIT):
        loan = get_or_404(Loan, loan_id)
        if awaits_firm(loan):
            flash(say(Refusal(ErrorCode.LOAN_UNRECOGNISED)), "warning")
            return redirect(url_for("loans.loan", loan_id=loan_id))
        firm = get_or_404(Enterprise, loan.firm_id)
        live = queries.booking_of_loan(loan_id)
        stored = service.rule_set_on(loan.drawn_on) if loan.drawn_on else None
        name = organisation_names({loan.firm_id}).get(loan.firm_id, "")
        owners = queries.owners_of(loan)
    if live is not None and live.state in LIVE and request.method == "GET":
        return redirect(url_for("pool.booking", booking_id=live.id))
    form = BookingForm(data=None if request.method == "POST" else _prefilled(loan) | {"owner_id": request.args.get("owner", "")})
    form.owner_id.choices = owner_choices(owners)
    if form.validate_on_submit():
        made = attempt(form, lambda: service.submit_booking(ctx, loan_id, form.evidence()))
        if made is not None:
            return redirect(url_for("pool.booking", booking_id=made.id))
    last = booking_deadline(RuleSet.from_json(stored.rules), loan.drawn_on) if stored and loan.drawn_on else None
    size = gettext(SIZE_NAMES[SizeClass(firm.size_class.upper())])
    return render_template("pool/book.html", form=form, loan=loan, firm=name, size=size, last=last, correcting=None)


@room.page("/loans/<uuid:loan_id>/owner", Permission.BOOKING_SUBMIT, methods=["GET", "POST"])
def register_owner(loan_id: UUID) -> Any:
    """The officer links the person who borrowed to the firm they borrowed for."""
    ctx, form = context(), OwnerForm()
    with reading(ctx, Permission.BOOKING_SUBMIT):
        loan = get_or_404(Loan, loan_id)
        name = organisation_names({loan.firm_id}).get(loan.firm_id, "")
    if form.validate_on_submit():
        made = attempt(form, lambda: owner_service.register_owner(ctx, loan_id, form.terms()))
        if made is not None:
            flash(gettext("已登记企业主。"), "success")
            return redirect(url_for("pool.book", loan_id=loan_id, owner=made.id))
    return render_template("pool/owner.html", form=form, loan=loan, firm=name)


def _prefilled(loan: Loan) -> dict[str, Any]:
    known = {one.value for one in Product}
    return {"product": loan.product_kind if loan.product_kind in known else Product.OTHER.value}


@room.page("/bookings/<uuid:booking_id>/correct", Permission.BOOKING_SUBMIT, methods=["GET", "POST"])
def correct(booking_id: UUID) -> Any:
    """The officer corrects a booking by a new version."""
    ctx = context()
    with reading(ctx, Permission.BOOKING_SUBMIT):
        old = get_or_404(Booking, booking_id)
        loan, firm = get_or_404(Loan, old.loan_id), get_or_404(Enterprise, old.firm_id)
        name, owners = organisation_names({old.firm_id}).get(old.firm_id, ""), queries.owners_of(loan)
    if old.state == BookingState.REJECTED:
        return redirect(url_for("pool.book", loan_id=old.loan_id))
    form = BookingForm(data=None if request.method == "POST" else old.snapshot | {"owner_id": str(old.owner_id or "")})
    form.owner_id.choices = owner_choices(owners)
    if form.validate_on_submit():
        made = attempt(form, lambda: service.correct_booking(ctx, booking_id, form.evidence(), form.reason.data or ""))
        if made is not None:
            return redirect(url_for("pool.booking", booking_id=made.id))
    size = gettext(SIZE_NAMES[SizeClass(firm.size_class.upper())])
    return render_template("pool/book.html", form=form, loan=loan, firm=name, size=size, last=None, correcting=old)


def _button(booking_id: UUID, call: Any, done: str) -> Any:
    reason = request.form.get("reason", "")
    return act(lambda: call(context(), booking_id, reason), done=done, to=url_for("pool.booking", booking_id=booking_id))


@room.page("/bookings/<uuid:booking_id>/withdraw", Permission.BOOKING_SUBMIT, methods=["POST"])
def withdraw(booking_id: UUID) -> Any:
    """The bank takes a loan out of the pool."""
    return _button(booking_id, service.withdraw_booking, gettext("已撤出入库。"))


@room.page("/bookings/<uuid:booking_id>/accept-late", Permission.CLAIM_DECIDE, methods=["POST"])
def accept_late(booking_id: UUID) -> Any:
    """The bureau lets a late booking in."""
    return _button(booking_id, service.accept_late, gettext("已同意补报，自动检查已完成。"))


@room.page("/bookings/<uuid:booking_id>/refuse-late", Permission.CLAIM_DECIDE, methods=["POST"])
def refuse_late(booking_id: UUID) -> Any:
    """The bureau keeps a late booking out."""
    return _button(booking_id, service.refuse_late, gettext("已登记不同意补报。"))
