"""Pages of what comes back: the list with the waterfall of the pool, one claim's waterfall, its corrections."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.calendar import today
from app.core.charts import Step, WaterfallChart, waterfall
from app.core.context import Context
from app.core.database import get_or_404
from app.core.formats import money_text
from app.core.lifecycle import can_fire
from app.core.money import WAN
from app.core.pages import Group, Text, Wait, event_texts, home, menu
from app.core.permissions import Permission
from app.core.pieces import chip
from app.core.queries import organisation_names
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled, send_list
from app.loans.models import Loan
from app.pool import correction_service as service
from app.pool import queries, recovery_queries
from app.pool.correction_forms import CorrectionForm
from app.pool.correction_models import Correction
from app.pool.correction_states import CORRECTION, CORRECTION_TEXTS, CorrectionState
from app.pool.door import claim_chip, room, steps
from app.pool.forms import PayForm
from app.pool.layers import share_recovery, split_loss
from app.pool.models import Booking, Claim, Recovery, StoredRuleSet
from app.pool.positions import position_of
from app.pool.records import lines_of
from app.pool.recovery_queries import Flow
from app.pool.states import PAID_OUT, ClaimState
from app.pool.top_up_service import top_up_of

P = Permission
KINDS: dict[str, Text] = {"recovery": _l("追偿回收"), "claw_back": _l("追回补偿"), "correction": _l("补偿更正")}
BUTTONS: dict[str, tuple[Text, Text, str]] = {
    "confirm": (_l("确认更正"), _l("多付的从今天起应返还，少付的预留后由出纳补付。"), "primary"),
    "refuse": (_l("不同意"), _l("补偿不变。"), "outline-danger"),
    "withdraw": (_l("撤回"), _l("补偿不变。"), "quiet"),
}
DONE: dict[str, Text] = {"confirm": _l("已确认更正。"), "refuse": _l("已记录不同意。"), "withdraw": _l("已撤回。")}
for _event, _text in CORRECTION_TEXTS.items():
    event_texts.add(Correction.__tablename__, _event, _l(_text))


def return_chip(row: Any) -> Any:
    """Where a return stands."""
    if row.returned_on is not None:
        return chip(gettext("已返还"), "good")
    if row.due_fen == 0:
        return chip(gettext("无需返还"), "plain")
    late = (today() - row.due_on).days
    return chip(gettext("逾期 %(days)s 天", days=late), "bad") if late > 0 else chip(gettext("待返还"), "wait")


RETURNS = Table(
    "returns",
    columns=[
        Column("number", _l("贷款"), Loan.number, render=lambda row: row.firm_name,
               sub=lambda row: f"{row.bank_name} · {row.number}",
               export=lambda row: f"{row.number} {row.firm_name} {row.bank_name}"),
        Column("kind", _l("事项"), sortable=False, render=lambda row: KINDS[row.kind], hide_small=True),
        Column("received_on", _l("到账日期"), Recovery.received_on, kind="date", hide_small=True),
        Column("recovered_fen", _l("收回"), Recovery.recovered_fen, kind="money", hide_small=True),
        Column("due_fen", _l("应返还"), Recovery.due_fen, kind="money"),
        Column("due_on", _l("期限"), Recovery.due_on, kind="date"),
        Column("reminders", _l("已催次数"), Recovery.reminders, kind="count", hide_small=True),
        Column("state", _l("状态"), sortable=False, render=return_chip, export=lambda row: _words(row)),
    ],
    filters=[
        Filter("state", _l("状态"), choices=lambda: [
            ("open", gettext("待返还")), ("late", gettext("已逾期")), ("done", gettext("已返还"))],
            apply=lambda stmt, value: stmt.where(*_STATES[value]())),
        Filter("kind", _l("事项"), choices=lambda: [(key, str(text)) for key, text in KINDS.items()],
               apply=lambda stmt, value: stmt.where(Recovery.kind == value)),
        Filter("q", _l("编号或名称"), "text", apply=lambda stmt, value: stmt.where(
            Loan.number.icontains(value, autoescape=True) | queries.FIRM.name.icontains(value, autoescape=True)
            | queries.BANK.name.icontains(value, autoescape=True))),
    ],
    default_sort="due_on",
    row_url=lambda row: url_for("pool.claim_recoveries", claim_id=row.claim_id),
    empty_title=_l("还没有追偿回收"),
    empty_hint=_l("补偿支付后，银行收回的款项登记在这里，应返还的部分由系统算出。"),
)
_STATES: dict[str, Any] = {
    "open": lambda: (Recovery.returned_on.is_(None), Recovery.due_fen > 0),
    "late": lambda: (Recovery.returned_on.is_(None), Recovery.due_fen > 0, Recovery.due_on < today()),
    "done": lambda: (Recovery.returned_on.is_not(None),),
}


def _words(row: Any) -> str:
    if row.returned_on is not None:
        return gettext("已返还")
    return gettext("无需返还") if row.due_fen == 0 else gettext("待返还")


def drawing(found: Flow) -> WaterfallChart:
    """From the loss to what the payees bear, in 万元."""
    def wan(fen: int) -> Decimal:
        return Decimal(fen) / WAN

    steps = [Step(gettext("净本金损失"), wan(found.loss_fen), total=True), Step(gettext("财政补偿"), wan(-found.paid_fen))]
    if found.topped_fen:
        steps.append(Step(gettext("补付"), wan(-found.topped_fen)))
    steps += [
        Step(gettext("追偿回收"), wan(-found.recovered_fen)), Step(gettext("追偿费用"), wan(found.cost_fen)),
        Step(gettext("已返还财政"), wan(found.returned_fen)), Step(gettext("应返未返"), wan(found.open_fen)),
        Step(gettext("合作方承担"), wan(found.borne_fen), total=True),
    ]
    return waterfall(gettext("损失由谁承担"), steps, unit=gettext("万元"), places=2)


@room.page("/recoveries", P.CLAIM_READ)
def recoveries() -> Any:
    """What came back and what is due, over all claims the visitor sees."""
    with reading(context(), P.CLAIM_READ) as db:
        args = remembered(RETURNS, request.args, session)
        if wants_export(request.args):
            rows = RETURNS.load_all(db, recovery_queries.returns_query(), args, EXPORT_LIMIT)
            return send_list(RETURNS, rows, gettext("追偿与返还"), "recoveries.xlsx")
        found = recovery_queries.flow()
        page = RETURNS.load(db, recovery_queries.returns_query(), args)
        return render_template("pool/recoveries.html", page=page, flow=found, chart=drawing(found) if found.claims else None)


def _layers(claim: Claim) -> list[tuple[str, int, int]]:
    """Of a guarantor's paid claim: the layers with what each bears of the loss and gets of what came back (分)."""
    terms = get_or_404(Booking, claim.booking_id).snapshot.get("guarantee")
    if terms is None or claim.paid_fen is None:
        return []
    found = position_of(claim)
    topped = top_up_of(claim.id)
    borne = split_loss(
        found.loss_fen, found.worth_fen, Decimal(terms["liability_share"]), Decimal(terms["reguarantee_share"])
    ).topped_up(topped.paid_fen if topped is not None else 0)
    back = share_recovery(borne, found.recovered_fen - found.cost_fen)
    return [
        (gettext("市级资金池"), borne.pool_fen, back.pool_fen),
        *([(gettext("区级叠加补偿"), borne.district_fen, back.district_fen)] if borne.district_fen else []),
        (gettext("担保机构"), borne.guarantor_fen, back.guarantor_fen),
        (terms["reguarantor"] or gettext("再担保"), borne.reguarantee_fen, back.reguarantee_fen),
        (gettext("银行"), borne.bank_fen, back.bank_fen), (gettext("合计"), borne.total_fen, back.total_fen),
    ]


def _claim_page(claim_id: UUID, template: str, **more: Any) -> Any:
    ctx = context()
    with reading(ctx, P.CLAIM_READ):
        claim = get_or_404(Claim, claim_id)
        names, loan = organisation_names({claim.firm_id, claim.org_id}), get_or_404(Loan, claim.loan_id)
        found, rows = recovery_queries.flow(claim_id), recovery_queries.corrections_of(claim_id)
        return render_template(
            template, claim=claim, loan=loan, firm=names.get(claim.firm_id, ""), bank=names.get(claim.org_id, ""),
            state=claim_chip(claim.state), flow=found, chart=drawing(found) if claim.paid_fen else None, kinds=KINDS,
            recoveries=queries.recoveries_of(claim_id), return_chip=return_chip,
            position=position_of(claim) if claim.paid_fen else None, layers=_layers(claim),
            document=get_or_404(StoredRuleSet, claim.rule_set_id).document, corrections=[
                (row.Correction, row.proposer, CorrectionState(row.Correction.state), lines_of(row.Correction.working),
                 steps("claim_correction", row.Correction.id),
                 [event for event in (*BUTTONS, "pay") if can_fire(ctx, CORRECTION, row.Correction, event)])
                for row in rows
            ],
            buttons=BUTTONS, can_confirm=ctx.can(P.CLAIM_PAY),
            can_recover=ctx.can(P.RECOVERY_REPORT) and claim.state in (ClaimState.PAID, ClaimState.RECOVERING),
            can_correct=ctx.can(P.CLAIM_AUDIT) and claim.state in PAID_OUT and not any(
                row.Correction.state == CorrectionState.PROPOSED
                or (row.Correction.state == CorrectionState.CONFIRMED and (row.Correction.change_fen or 0) > 0) for row in rows),
            **more,
        )


@room.page("/claims/<uuid:claim_id>/recoveries", P.CLAIM_READ)
def claim_recoveries(claim_id: UUID) -> Any:
    """One claim after payment: its waterfall, every receipt and return, every correction with its trail."""
    return _claim_page(claim_id, "pool/claim_recoveries.html")


@room.page("/claims/<uuid:claim_id>/correct", P.CLAIM_AUDIT, methods=["GET", "POST"])
def correct_claim(claim_id: UUID) -> Any:
    """The auditor proposes what a paid claim is worth after all."""
    ctx = context()
    with reading(ctx, P.CLAIM_AUDIT):
        claim = get_or_404(Claim, claim_id)
        booking = get_or_404(Booking, claim.booking_id)
        loss = position_of(claim).loss_fen
    data = booking.snapshot
    form = CorrectionForm(data=None if request.method == "POST" else {
        "loss": loss, "on_key_list": data["on_key_list"],
        "ip_pledge": booking.product == "IP_PLEDGE" or bool(data["ip_certificate_no"]), "policy_tool": bool(data["policy_tool"]),
        "other_public": claim.other_public_fen,
    })
    if form.validate_on_submit():
        made = attempt(form, lambda: service.propose_correction(ctx, claim_id, form.facts(), form.reason.data or ""))
        if made is not None:
            flash(gettext("已提出更正，请另一人确认。"), "success")
            return redirect(url_for("pool.claim_recoveries", claim_id=claim_id))
    return _claim_page(claim_id, "pool/correct.html", form=form)


@room.page("/corrections/<uuid:correction_id>/<any(confirm, refuse):event>", P.CLAIM_DECIDE, methods=["POST"])
def judge_correction(correction_id: UUID, event: str) -> Any:
    """A leader's word on a correction."""
    return _decided(correction_id, event)


@room.page("/corrections/<uuid:correction_id>/withdraw", P.CLAIM_AUDIT, methods=["POST"])
def withdraw_correction(correction_id: UUID) -> Any:
    """The auditor takes a correction back."""
    return _decided(correction_id, "withdraw")


def _decided(correction_id: UUID, event: str) -> Any:
    with reading(context(), P.CLAIM_READ):
        back = url_for("pool.claim_recoveries", claim_id=get_or_404(Correction, correction_id).claim_id)
    reason = request.form.get("reason", "")
    return act(
        lambda: service.decide_correction(context(), correction_id, event, reason), done=str(DONE[event]), to=back)


@room.page("/corrections/<uuid:correction_id>/pay", P.CLAIM_PAY, methods=["GET", "POST"])
def pay_top_up(correction_id: UUID) -> Any:
    """The cashier pays a top-up."""
    ctx, form = context(), PayForm()
    with reading(ctx, P.CLAIM_PAY):
        found = get_or_404(Correction, correction_id)
    if form.validate_on_submit():
        paid = attempt(form, lambda: service.pay_top_up(
            ctx, correction_id, form.voucher_no.data or "", filled(form.paid_on.data)))
        if paid is not None:
            flash(gettext("已补付。"), "success")
            return redirect(url_for("pool.claim_recoveries", claim_id=found.claim_id))
    return _claim_page(found.claim_id, "pool/top_up.html", form=form, amount_fen=found.change_fen)


def _waits(text: Text, state: CorrectionState, order: int) -> list[Wait]:
    return [
        Wait(text, f"{row.bank_name} · {money_text(row.worth_fen if row.change_fen is None else row.change_fen)}",
             url_for("pool.claim_recoveries", claim_id=row.claim_id), tone="wait", order=order)
        for row in recovery_queries.corrections_in(state)
    ]


def leader_waits(ctx: Context) -> list[Wait]:
    """Corrections that wait for a leader, and returns that are late."""
    late = [
        Wait(_l("返还已逾期"), f"{row.bank_name} · {row.firm_name} · {money_text(row.due_fen)}",
             url_for("pool.claim_recoveries", claim_id=row.claim_id), tone="bad", order=32)
        for row in recovery_queries.late_returns()
    ]
    return _waits(_l("确认补偿更正"), CorrectionState.PROPOSED, 22) + late


def cashier_waits(ctx: Context) -> list[Wait]:
    """Top-ups to pay."""
    return _waits(_l("支付补付"), CorrectionState.CONFIRMED, 12)


menu.add(_l("追偿"), "pool.recoveries", P.CLAIM_READ, 55, Group.POOL)
home.add_waits(P.CLAIM_DECIDE, leader_waits)
home.add_waits(P.CLAIM_PAY, cashier_waits)
