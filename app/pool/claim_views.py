"""Pages of claims: the list by age, the form with the loss, one claim line by line, and its printable sheet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.formats import NOTHING, datetime_text, is_past
from app.core.lifecycle import can_fire, refusal
from app.core.models import Case
from app.core.pages import Paper as PaperRow
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.queries import organisation_names
from app.core.storage import papers_of
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled, say, send_list
from app.loans.models import Loan
from app.loans.rules import FiveClass
from app.pool import audit_queries, audit_service, decision_service, queries, recovery_service, top_up_service
from app.pool import claim_service as service
from app.pool.audit_models import Question, Scope
from app.pool.booking_views import snapshot_facts
from app.pool.budget_queries import waits_of
from app.pool.cockpit_filters import CLAIM_FILTERS
from app.pool.decision_models import DeductionKind
from app.pool.door import check_texts, claim_chip, room, steps
from app.pool.flag_queries import flags_of
from app.pool.flag_rules import FLAG_NAMES
from app.pool.forms import PAPER_NAMES, ApproveForm, ClaimForm, PaperForm, PayForm, RecoveryForm, ReturnForm
from app.pool.models import Booking, Claim, Recovery, StoredRuleSet
from app.pool.records import lines_of
from app.pool.rules import RuleSet, TierMethod
from app.pool.sheet import computation_sheet
from app.pool.states import CLAIM, OPEN_FOR_BUREAU, PAID_OUT, ClaimState

METHODS = {
    TierMethod.BRACKET.value: _l("按贷款金额分档，全部损失适用一个比例"), TierMethod.MARGINAL.value: _l("损失逐段累计计算"),
}

CLAIMS = Table(
    "claims",
    columns=[
        Column("number", _l("贷款"), Loan.number, render=lambda row: row.firm_name,
               sub=lambda row: f"{row.bank_name} · {row.number}",
               export=lambda row: f"{row.number} {row.firm_name} {row.bank_name}"),
        Column("net_principal_loss_fen", _l("净本金损失"), Claim.net_principal_loss_fen, kind="money", hide_small=True),
        Column("compensation_fen", _l("计算的补偿"), Claim.compensation_fen, kind="money"),
        Column("paid_fen", _l("已支付"), Claim.paid_fen, kind="money", hide_small=True),
        Column("submitted_on", _l("提交日期"), Claim.submitted_on, kind="date"),
        Column("due_at", _l("办理期限"), Claim.due_at, kind="datetime", render=lambda row: _due(row)),
        Column("state", _l("状态"), sortable=False, render=lambda row: claim_chip(row.state),
               export=lambda row: gettext(ClaimState(row.state).label)),
    ],
    filters=[
        Filter("state", _l("状态"), "choices", choices=fixed(lambda: [(one.value, gettext(one.label)) for one in ClaimState]),
               apply=lambda stmt, value: stmt.where(Claim.state.in_(value))),
        Filter("open", _l("只看在办"), "flag",
               apply=lambda stmt, value: stmt.where(Claim.state.in_([one.value for one in OPEN_FOR_BUREAU]))),
        Filter("loss", _l("净本金损失"), "money", unit=_l("万元"), apply=lambda stmt, value: _between(stmt, value)),
        Filter("q", _l("编号或名称"), "text", apply=lambda stmt, value: stmt.where(
            Loan.number.icontains(value, autoescape=True) | queries.FIRM.name.icontains(value, autoescape=True)
            | queries.BANK.name.icontains(value, autoescape=True))),
        *CLAIM_FILTERS,
    ],
    default_sort="due_at",
    row_url=lambda row: url_for("pool.claim", claim_id=row.id),
    empty_title=_l("还没有补偿申请"),
    empty_hint=_l("入库贷款成为不良后，银行从入库单发起补偿申请。"),
)


def _due(row: Any) -> Any:
    if row.due_at is None:
        return NOTHING
    return chip(datetime_text(row.due_at), "bad") if is_past(row.due_at) else datetime_text(row.due_at)


def _between(stmt: Any, value: Any) -> Any:
    if value.low is not None:
        stmt = stmt.where(Claim.net_principal_loss_fen >= value.low)
    return stmt if value.high is None else stmt.where(Claim.net_principal_loss_fen <= value.high)


@room.page("/claims", Permission.CLAIM_READ)
def claims() -> Any:
    """Claims of the bank, or all for the city, the most urgent first."""
    ctx = context()
    with reading(ctx, Permission.CLAIM_READ) as db:
        args = remembered(CLAIMS, request.args, session)
        if wants_export(request.args):
            rows = CLAIMS.load_all(db, queries.claims_query(), args, EXPORT_LIMIT)
            return send_list(CLAIMS, rows, gettext("补偿申请"), "claims.xlsx")
        return render_template("pool/claims.html", page=CLAIMS.load(db, queries.claims_query(), args))


def claim_page(claim_id: UUID, template: str, **forms: Any) -> Any:
    """A page about one claim: everything any of them shows, and its own forms."""
    ctx = context()
    with reading(ctx, Permission.CLAIM_READ) as db:
        found = get_or_404(Claim, claim_id)
        booking, loan = get_or_404(Booking, found.booking_id), get_or_404(Loan, found.loan_id)
        stored, case = get_or_404(StoredRuleSet, found.rule_set_id), db.get(Case, found.case_id)
        rules = RuleSet.from_json(stored.rules)
        names = organisation_names({found.firm_id, found.org_id})
        parts = {
            "preparer": found.preparer_id, "reviewer": found.reviewer_id, "auditor": found.auditor_id,
            "decider": found.decider_id, "cashier": found.cashier_id,
        }
        can_amend = ctx.can(Permission.CLAIM_PREPARE) and found.state in service.EDITABLE
        people = queries.people({one for one in parts.values() if one is not None})
        return render_template(
            template, claim=found, booking=booking, loan=loan, case=case, rules=rules, document=stored.document,
            line=pages.build_line(ctx, case) if case else None, firm=names.get(found.firm_id, ""),
            bank=names.get(found.org_id, ""), state=claim_chip(found.state), computed=computation_sheet(found, booking, stored),
            stop=lines_of(found.stop_line), method=METHODS[found.tier_method], entries=steps("claim", found.id),
            papers=_papers(found), snapshot=snapshot_facts(booking.snapshot), recoveries=queries.recoveries_of(found.id),
            five=gettext(FiveClass(found.five_class).label), paper_form=PaperForm(formdata=None),
            parts={key: (people.get(one) or gettext("已办")) if one else NOTHING for key, one in parts.items()},
            flags=check_texts(flags_of(ctx, found, rules)) if ctx.org_kind is OrgKind.BUREAU else [],
            can={event: can_fire(ctx, CLAIM, found, event) for event in CLAIM.events()},
            same_person=_same_person(ctx, found), can_amend=can_amend,
            can_recover=ctx.can(Permission.RECOVERY_REPORT) and found.state in (ClaimState.PAID, ClaimState.RECOVERING),
            can_confirm=ctx.can(Permission.CLAIM_PAY), decision=queries.decision_of(found),
            audit=audit_queries.audit_of(found), scope=Scope(found.audit_scope).label, questions=list(Question),
            flag_names=FLAG_NAMES, demanded=check_texts(service.papers_demanded(found, rules)) if can_amend else [],
            **_district(found, booking), publicity=queries.publicity_of(found.id), waits=waits_of(found.id),
            paid_out=found.state in PAID_OUT,
            objections=queries.objections_of(found.id), deduction_names={one.value: one.label for one in DeductionKind},
            answer_objections=ctx.can(Permission.CLAIM_CHECK) and found.decider_id != ctx.actor_id, **forms,
        )


def _district(claim: Claim, booking: Booking) -> dict[str, Any]:
    """What the firm's district adds, has paid, and is owed of the recoveries."""
    pool = top_up_service.district_of(booking)
    if pool is None:
        return {"district": None}
    worth, made = top_up_service.worth(claim, booking, pool), top_up_service.top_up_of(claim.id)
    return {
        "district": pool, "district_worth": worth, "district_paid": made, "district_lines": worth.lines,
        "district_due": top_up_service.district_share(claim, made) if made is not None else 0,
    }


def _same_person(ctx: Any, claim: Claim) -> bool:
    """Whether the visitor has the right for the next step but took an earlier part."""
    return any(refusal(ctx, CLAIM, claim, event) is ErrorCode.SAME_PERSON for event in CLAIM.events())


def _papers(claim: Claim) -> list[PaperRow]:
    return [
        PaperRow(paper.filename, url_for("core.paper", paper_id=paper.id), paper.size, paper.stored_at,
                 note=gettext(PAPER_NAMES.get(paper.kind, paper.kind)))
        for paper in papers_of(claim)
    ]


@room.page("/claims/<uuid:claim_id>", Permission.CLAIM_READ)
def claim(claim_id: UUID) -> Any:
    """One claim: the compensation line by line, booking and claim side by side, papers, steps."""
    return claim_page(claim_id, "pool/claim.html")


@room.page("/claims/<uuid:claim_id>/sheet", Permission.CLAIM_READ)
def sheet(claim_id: UUID) -> Any:
    """The printable claim sheet."""
    return claim_page(claim_id, "pool/sheet.html")


@room.page("/bookings/<uuid:booking_id>/claim", Permission.CLAIM_PREPARE, methods=["GET", "POST"])
def prepare(booking_id: UUID) -> Any:
    """The officer prepares a claim on a booked loan; the sheet below the form moves with it."""
    ctx, form = context(), ClaimForm()
    if not _only_tried() and form.validate_on_submit():
        made = attempt(form, lambda: service.prepare_claim(ctx, booking_id, form.parts()))
        if made is not None:
            flash(gettext("已算出补偿金额，请上传材料，再请本行复核人提交。"), "success")
            return redirect(url_for("pool.claim", claim_id=made.id))
    with reading(ctx, Permission.CLAIM_PREPARE):
        booking = get_or_404(Booking, booking_id)
        return _form_page(form, booking, url_for("pool.booking", booking_id=booking_id))


def _only_tried() -> bool:
    """Whether the form only asks what it would give."""
    return request.method == "POST" and "preview" in request.form


def _form_page(form: ClaimForm, booking: Booking, back: str) -> str:
    tried, trouble = None, ""
    read = [field.validate(form) for field in (form.guarantor_paid, form.collateral, form.other_public, form.paid_out)]
    if all(read):
        try:
            tried = service.preview(booking, form.parts())
        except Refusal as refused:
            trouble = say(refused)
    stored = get_or_404(StoredRuleSet, booking.rule_set_id)
    return render_template(
        "pool/claim_form.html", form=form, booking=booking, loan=get_or_404(Loan, booking.loan_id), back=back, tried=tried,
        trouble=trouble, firm=organisation_names({booking.firm_id}).get(booking.firm_id, ""),
        computed=computation_sheet(tried, booking, stored) if tried else None,
        method=METHODS[tried.tier_method] if tried else "",
    )


@room.page("/claims/<uuid:claim_id>/amend", Permission.CLAIM_PREPARE, methods=["GET", "POST"])
def amend(claim_id: UUID) -> Any:
    """The officer changes a draft or returned claim."""
    ctx = context()
    with reading(ctx, Permission.CLAIM_PREPARE):
        found = get_or_404(Claim, claim_id)
        booking = get_or_404(Booking, found.booking_id)
    form = ClaimForm(data=None if request.method == "POST" else {
        "guarantor_paid": found.guarantor_paid_fen, "collateral": found.collateral_fen,
        "other_public": found.other_public_fen, "statement": found.statement, "paid_out": found.paid_out_fen,
        "paid_out_on": found.paid_out_on,
    })
    back = url_for("pool.claim", claim_id=claim_id)
    asked = not _only_tried() and form.validate_on_submit()
    if asked and attempt(form, lambda: service.amend_claim(ctx, claim_id, form.parts())) is not None:
        flash(gettext("已重新计算。"), "success")
        return redirect(back)
    with reading(ctx, Permission.CLAIM_PREPARE):
        return _form_page(form, booking, back)


@room.page("/claims/<uuid:claim_id>/papers", Permission.CLAIM_PREPARE, methods=["POST"])
def add_paper(claim_id: UUID) -> Any:
    """The officer adds a paper."""
    form = PaperForm()
    if not form.validate_on_submit():
        flash(" ".join(str(error) for errors in form.errors.values() for error in errors), "danger")
        return redirect(url_for("pool.claim", claim_id=claim_id))
    file = form.file.data
    return act(
        lambda: service.add_paper(context().with_token(None), claim_id, form.kind.data, file.filename or "", file.stream),
        done=gettext("已上传。"), to=url_for("pool.claim", claim_id=claim_id),
    )


def _back(claim_id: UUID) -> str:
    return url_for("pool.claim", claim_id=claim_id)


def _held_or(call: Any, done: str, claim_id: UUID) -> Any:
    """Runs a step that the stop line may turn into a hold, and says which it was."""
    try:
        found = call()
    except Refusal as refused:
        if refused.code is ErrorCode.NOT_FOUND:
            raise
        flash(say(refused), "danger")
    else:
        held = found is not None and found.state == ClaimState.HELD
        flash(say(Refusal(ErrorCode.PAYMENT_HELD)) if held else done, "warning" if held else "success")
    return redirect(_back(claim_id))


@room.page("/claims/<uuid:claim_id>/submit", Permission.CLAIM_REVIEW, methods=["POST"])
def submit(claim_id: UUID) -> Any:
    """The bank's second person sends the claim."""
    return _held_or(lambda: service.submit_claim(context(), claim_id), gettext("已提交金融局。"), claim_id)


@room.page("/claims/<uuid:claim_id>/withdraw", Permission.CLAIM_PREPARE, methods=["POST"])
def withdraw_claim(claim_id: UUID) -> Any:
    """The bank takes a claim back."""
    return act(lambda: service.withdraw_claim(context(), claim_id, request.form.get("reason", "")),
               done=gettext("已撤回补偿申请。"), to=_back(claim_id))


@room.page("/claims/<uuid:claim_id>/accept", Permission.CLAIM_CHECK, methods=["POST"])
def accept(claim_id: UUID) -> Any:
    """Formal check passed."""
    return act(lambda: service.accept_claim(context(), claim_id), done=gettext("形式审查通过，已转审核。"), to=_back(claim_id))


@room.page("/claims/<uuid:claim_id>/return", Permission.CLAIM_CHECK, methods=["POST"])
def send_back(claim_id: UUID) -> Any:
    """Back to the bank for papers."""
    return act(lambda: service.return_claim(context(), claim_id, request.form.get("reason", "")),
               done=gettext("已退回银行补正。"), to=_back(claim_id))


AUDITS: dict[str, tuple[Callable[..., Claim], Any]] = {
    "audit": (audit_service.audit_claim, _l("已完成审核，等待审定。")), "suspend": (audit_service.suspend_claim, _l("已暂缓。")),
}
DECISIONS = {
    "refuse": (decision_service.refuse_claim, _l("已登记不予补偿。")), "lift": (decision_service.lift_hold, _l("已解除暂缓。")),
    "reaudit": (audit_service.send_back_to_audit, _l("已退回重新审核。")),
    "reopen": (decision_service.reopen_decision, _l("已撤销审定，预留资金已释放。")),
    "claw-back": (recovery_service.claw_back, _l("已登记追回，银行会收到通知。")),
}


@room.page("/claims/<uuid:claim_id>/<any(audit, suspend):step>", Permission.CLAIM_AUDIT, methods=["POST"])
def audit(claim_id: UUID, step: str) -> Any:
    """The auditor's opinion, or a hold."""
    call, done = AUDITS[step]
    return act(lambda: call(context(), claim_id, request.form.get("reason", "")), done=str(done), to=_back(claim_id))


@room.page(
    "/claims/<uuid:claim_id>/<any(refuse, lift, reaudit, reopen, 'claw-back'):step>", Permission.CLAIM_DECIDE, methods=["POST"],
)
def decide(claim_id: UUID, step: str) -> Any:
    """What the decider does with a reason."""
    call, done = DECISIONS[step]
    return act(lambda: call(context(), claim_id, request.form.get("reason", "")), done=str(done), to=_back(claim_id))


@room.page("/claims/<uuid:claim_id>/approve", Permission.CLAIM_DECIDE, methods=["GET", "POST"])
def approve(claim_id: UUID) -> Any:
    """The decider approves the computed amount, or less by deductions with their reasons."""
    ctx = context()
    with reading(ctx, Permission.CLAIM_DECIDE):
        get_or_404(Claim, claim_id)
    form = ApproveForm()
    if form.validate_on_submit():
        done = attempt(form, lambda: decision_service.approve_claim(
            ctx, claim_id, form.listed(), form.reason.data or "", may_wait=bool(form.may_wait.data)))
        if done is not None:
            told = gettext("已同意补偿，资金已预留。") if done.reservation_id else gettext("已同意补偿，正在排队等候资金。")
            return _held_or(lambda: done, told, claim_id)
    return claim_page(claim_id, "pool/approve.html", form=form)


@room.page("/claims/<uuid:claim_id>/pay", Permission.CLAIM_PAY, methods=["GET", "POST"])
def pay(claim_id: UUID) -> Any:
    """The cashier pays."""
    ctx, form = context(), PayForm()
    if form.validate_on_submit():
        paid = attempt(form, lambda: decision_service.pay_claim(ctx, claim_id, form.voucher_no.data or "", form.paid_on.data))
        if paid is not None:
            flash(gettext("已支付，预算已扣减。"), "success")
            return redirect(_back(claim_id))
    return claim_page(claim_id, "pool/pay.html", form=form)


@room.page("/claims/<uuid:claim_id>/recovery", Permission.RECOVERY_REPORT, methods=["GET", "POST"])
def recovery(claim_id: UUID) -> Any:
    """The officer reports what was recovered."""
    ctx, form = context(), RecoveryForm()
    if form.validate_on_submit():
        made = attempt(form, lambda: recovery_service.report_recovery(
            ctx, claim_id, form.received_on.data, filled(form.recovered.data), form.cost.data or 0, form.reference.data or "",
        ))
        if made is not None:
            flash(gettext("已登记回收，应返还金额已算出。"), "success")
            return redirect(url_for("pool.claim_recoveries", claim_id=claim_id))
    return claim_page(claim_id, "pool/recovery.html", form=form)


@room.page("/recoveries/<uuid:recovery_id>/confirm", Permission.CLAIM_PAY, methods=["GET", "POST"])
def confirm(recovery_id: UUID) -> Any:
    """The cashier confirms that money came back."""
    ctx, form = context(), ReturnForm()
    with reading(ctx, Permission.CLAIM_PAY):
        found = get_or_404(Recovery, recovery_id)
    if form.validate_on_submit():
        done = attempt(form, lambda: recovery_service.confirm_return(
            ctx, recovery_id, form.voucher_no.data or "", form.returned_on.data))
        if done is not None:
            flash(gettext("已确认返还，预算已增加。"), "success")
            return redirect(url_for("pool.claim_recoveries", claim_id=found.claim_id))
    return claim_page(found.claim_id, "pool/confirm.html", form=form, recovery=found)


@room.page("/claims/<uuid:claim_id>/close", Permission.CLAIM_CHECK, methods=["POST"])
def close(claim_id: UUID) -> Any:
    """The pursuit has ended."""
    return act(lambda: recovery_service.close_claim(context(), claim_id, request.form.get("reason", "")),
               done=gettext("已结案。"), to=_back(claim_id))
