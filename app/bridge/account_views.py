"""Pages of the closed loop: the whitelisted accounts of a bridge, entered and confirmed; corrections of what was recorded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from wtforms import StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from app.bridge import account_service as accounts
from app.bridge import correction_service as corrections
from app.bridge.account_models import CORRECTION_TEXTS, HopCorrection
from app.bridge.door import room
from app.bridge.forms import FILL_VOUCHER, StepForm
from app.bridge.models import Bridge
from app.bridge.states import HopAccount
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.formats import mask_id
from app.core.pages import event_texts
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import act, attempt, context

for _event, _text in CORRECTION_TEXTS.items():
    event_texts.add("hop_correction", _event, _l(_text))


class AccountsForm(StepForm):
    """The three accounts as the clerk enters them."""

    funder_holder = StringField(_l("资金方账户户名"), [Optional(), Length(max=120)])
    funder_bank = StringField(_l("资金方账户开户行"), [Optional(), Length(max=120)])
    funder_number = StringField(_l("资金方账户账号"), [Optional(), Length(max=60)])
    custody_holder = StringField(_l("托管账户户名"), [Optional(), Length(max=120)])
    custody_bank = StringField(_l("托管账户开户行"), [Optional(), Length(max=120)])
    custody_number = StringField(_l("托管账户账号"), [Optional(), Length(max=60)])
    repayment_holder = StringField(_l("贷款还款账户户名"), [Optional(), Length(max=120)])
    repayment_bank = StringField(_l("贷款还款账户开户行"), [Optional(), Length(max=120)])
    repayment_number = StringField(_l("贷款还款账户账号"), [Optional(), Length(max=60)])


class NumbersForm(StepForm):
    """The three numbers, typed again by somebody else."""

    funder_number = StringField(_l("资金方账户账号"), [Optional(), Length(max=60)])
    custody_number = StringField(_l("托管账户账号"), [Optional(), Length(max=60)])
    repayment_number = StringField(_l("贷款还款账户账号"), [Optional(), Length(max=60)])


class CorrectionForm(StepForm):
    """What is taken back, and why."""

    voucher_first = StringField(_l("第一笔反向划转的凭证号"), [InputRequired(FILL_VOUCHER), Length(max=80)])
    voucher_second = StringField(_l("第二笔反向划转的凭证号"), [InputRequired(FILL_VOUCHER), Length(max=80)])
    reason = TextAreaField(_l("更正的理由"), [InputRequired(_l("请写明理由。")), Length(max=1000)])


def may_enter_accounts(ctx: Context, bridge: Bridge) -> bool:
    """Whether the viewer enters accounts of the bridge now."""
    return ctx.can(Permission.BRIDGE_DESK) and accounts.may_enter(bridge) and not accounts.complete(bridge)


def loop_facts(ctx: Context, bridge: Bridge) -> dict[str, Any]:
    """What the page of a bridge shows of its loop: accounts with masked numbers, the correction that waits, buttons."""
    found = accounts.live_accounts(bridge)
    waiting = corrections.open_correction(bridge.id)
    return {
        "accounts": [(kind, found[kind], mask_id(found[kind].number)) for kind in HopAccount if kind in found],
        "correction": waiting,
        "enter": may_enter_accounts(ctx, bridge),
        "confirm": ctx.can(Permission.BRIDGE_APPROVE) and any(row.state == "ENTERED" for row in found.values()),
        "correct": ctx.can(Permission.BRIDGE_PAY) and waiting is None and corrections.last_act(bridge) is not None,
        "decide": ctx.can(Permission.BRIDGE_APPROVE) and waiting is not None,
        "withdraw": waiting is not None and waiting.proposed_by == ctx.actor_id,
    }


def _to(bridge_id: UUID) -> str:
    return url_for("bridge.show", bridge_id=bridge_id)


@room.page("/bridges/<uuid:bridge_id>/accounts", Permission.BRIDGE_DESK, methods=["GET", "POST"])
def enter_accounts(bridge_id: UUID) -> Any:
    """The clerk enters the accounts of a bridge."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_DESK):
        bridge = get_or_404(Bridge, bridge_id)
        allowed, kinds = accounts.may_enter(bridge), accounts.wanted(bridge)
        earlier = {kind: accounts.earlier_account(bridge, kind) for kind in kinds}
        form = AccountsForm(data={"repayment_holder": bridge.firm_name})
        for kind in set(accounts.TYPED) - set(kinds):
            for part in ("holder", "bank", "number"):
                delattr(form, f"{kind.value.lower()}_{part}")
        known = {kind.value.lower(): f"{row.holder} · {row.bank_name} · {mask_id(row.number)}"
                 for kind, row in earlier.items() if row is not None}
    if not allowed:
        flash(gettext("现在不能录入账户：预审通过后录入还款账户，选定资金方后录入全部账户，签约后不再更改。"), "danger")
        return redirect(_to(bridge_id))

    def typed(kind: HopAccount) -> accounts.Entry:
        name = kind.value.lower()
        return accounts.Entry(*(getattr(form, f"{name}_{part}").data or "" for part in ("holder", "bank", "number")))

    if form.validate_on_submit() and attempt(form, lambda: accounts.enter_accounts(
            ctx, bridge_id, {kind: typed(kind) for kind in kinds})) is not None:
        flash(gettext("账户已录入，请另一人核对。"), "success")
        return redirect(_to(bridge_id))
    return render_template("bridge/accounts.html", form=form, bridge=bridge, known=known, kinds=kinds)


@room.page("/bridges/<uuid:bridge_id>/accounts/confirm", Permission.BRIDGE_APPROVE, methods=["GET", "POST"])
def confirm_accounts(bridge_id: UUID) -> Any:
    """Another person types the numbers again, without seeing them."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_APPROVE):
        bridge = get_or_404(Bridge, bridge_id)
        waiting = {kind: row for kind, row in accounts.live_accounts(bridge).items() if row.state == "ENTERED"}
    if not waiting:
        flash(gettext("没有等待核对的账户。"), "danger")
        return redirect(_to(bridge_id))
    form = NumbersForm()
    for kind in accounts.TYPED:
        if kind not in waiting:
            delattr(form, f"{kind.value.lower()}_number")
    kinds = [kind for kind in accounts.TYPED if kind in waiting]
    if form.validate_on_submit() and attempt(form, lambda: accounts.confirm_accounts(ctx, bridge_id, {
            kind: getattr(form, f"{kind.value.lower()}_number").data or "" for kind in kinds})) is not None:
        flash(gettext("账户已核对，资金只在这些账户之间划转。"), "success")
        return redirect(_to(bridge_id))
    return render_template("bridge/accounts_confirm.html", form=form, bridge=bridge, waiting=waiting, kinds=kinds)


@room.page("/bridges/<uuid:bridge_id>/correct", Permission.BRIDGE_PAY, methods=["GET", "POST"])
def correct(bridge_id: UUID) -> Any:
    """The clerk proposes to take back what was recorded last."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_PAY):
        bridge = get_or_404(Bridge, bridge_id)
        last = corrections.last_act(bridge)
    if last is None:
        flash(gettext("现在没有可以更正的划转。"), "danger")
        return redirect(_to(bridge_id))
    form = CorrectionForm()
    if form.validate_on_submit() and attempt(form, lambda: corrections.propose_correction(
            ctx, bridge_id, last.first.id, form.voucher_first.data, form.voucher_second.data, form.reason.data)) is not None:
        flash(gettext("更正已提出，请另一人确认。"), "success")
        return redirect(_to(bridge_id))
    return render_template("bridge/correct.html", form=form, bridge=bridge, act=last)


@room.page("/bridges/corrections/<uuid:correction_id>/<step>", Permission.BRIDGE_READ, methods=["POST"])
def decide_correction(correction_id: UUID, step: str) -> Any:
    """The second word on a correction, or its withdrawal."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_READ):
        bridge_id = get_or_404(HopCorrection, correction_id).bridge_id
    reason = request.form.get("reason", "")
    calls = {
        "confirm": (lambda: corrections.decide_correction(ctx, correction_id, True, reason), gettext("已更正，反向划转已登记。")),
        "refuse": (lambda: corrections.decide_correction(ctx, correction_id, False, reason), gettext("没有更正，原登记不变。")),
        "withdraw": (lambda: corrections.withdraw_correction(ctx, correction_id, reason), gettext("更正已撤回，原登记不变。")),
    }
    if step not in calls:
        raise Refusal(ErrorCode.NOT_FOUND)
    call, done = calls[step]
    return act(call, done=done, to=_to(bridge_id))
