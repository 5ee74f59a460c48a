"""Steps of the centre, the banks and the funders: each a form over one use case, or a button with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext

from app.bridge import bank_service, fund_service, hold_service, money_service, notes, queries, service
from app.bridge.checks import automatic_checks
from app.bridge.display import charge_text
from app.bridge.door import room
from app.bridge.forms import (
    CommitForm,
    DrawnForm,
    OfferForm,
    PayForm,
    PrecheckForm,
    RepaidForm,
    ReturnForm,
    SettleForm,
    in_shanghai,
)
from app.bridge.fund_models import BridgeQuote, Fund
from app.bridge.hops import returns_of
from app.bridge.letter_views import open_kinds
from app.bridge.models import Bridge
from app.bridge.rules import BridgeKind, FeeMethod, terms_for
from app.bridge.states import HopAccount
from app.bridge.terms import fee_of_returns, terms_of
from app.core import ledger
from app.core.calendar import add_working_days, today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text
from app.core.permissions import Permission
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled, say


def _to(bridge_id: UUID) -> str:
    return url_for("bridge.show", bridge_id=bridge_id)


def _reason() -> str:
    return request.form.get("reason", "")


def _excuse() -> str | None:
    return request.form.get("excuse") or None


Load = Callable[[Context, Bridge], tuple[Any, dict[str, Any]]]


def step(
    bridge_id: UUID, permission: Permission, name: str, load: Load, call: Callable[[Context, Any], Any], done: str,
) -> Any:
    """One step: ``load`` makes form and facts inside the read; ``call`` runs the use case; then back to the bridge."""
    ctx = context()
    with reading(ctx, permission):
        bridge = get_or_404(Bridge, bridge_id)
        if name not in queries.actions(ctx, bridge):
            flash(say(Refusal(ErrorCode.STATE_CHANGED)), "danger")
            return redirect(_to(bridge_id))
        form, facts = load(ctx, bridge)
        facts["notes"] = notes.notes_of(bridge.id)
    if form.validate_on_submit() and attempt(form, lambda: call(ctx, form)) is not None:
        flash(done, "success")
        return redirect(_to(bridge_id))
    return render_template(f"bridge/step_{name}.html", form=form, bridge=bridge, **facts)


# --- the centre --------------------------------------------------------------------------------------------------------


@room.page("/bridges/<uuid:bridge_id>/precheck", Permission.BRIDGE_DESK, methods=["GET", "POST"])
def precheck(bridge_id: UUID) -> Any:
    """Automatic checks, and what the clerk ticks."""

    def load(ctx: Context, bridge: Bridge) -> tuple[Any, dict[str, Any]]:
        checks = automatic_checks(service.precheck_facts(bridge), terms_for(BridgeKind(bridge.kind)))
        return PrecheckForm(), {"checks": checks, "passed": all(check.passed for check in checks)}

    return step(bridge_id, Permission.BRIDGE_DESK, "precheck", load,
                lambda ctx, form: service.precheck(ctx, bridge_id, tuple(form.ticks.data or ())),
                gettext("预审通过，已请银行出具续贷承诺。"))


@room.page("/bridges/<uuid:bridge_id>/reject", Permission.BRIDGE_DESK, methods=["POST"])
def reject(bridge_id: UUID) -> Any:
    """The clerk refuses."""
    return act(lambda: service.reject(context(), bridge_id, _reason()), done=gettext("已退回，企业会看到理由。"),
               to=_to(bridge_id))


@room.page("/bridges/<uuid:bridge_id>/refuse", Permission.BRIDGE_APPROVE, methods=["POST"])
def refuse(bridge_id: UUID) -> Any:
    """The reviewer does not approve."""
    return act(lambda: service.reject_at_approval(context(), bridge_id, _reason()), done=gettext("未批准，企业会看到理由。"),
               to=_to(bridge_id))


@room.page("/bridges/<uuid:bridge_id>/stop", Permission.BRIDGE_DESK, methods=["POST"])
def stop(bridge_id: UUID) -> Any:
    """The centre ends a bridge before the payout."""
    return act(lambda: service.cancel_by_centre(context(), bridge_id, _reason()),
               done=gettext("转贷已取消，预留的资金已释放。"), to=_to(bridge_id))


@room.page("/bridges/<uuid:bridge_id>/invite", Permission.BRIDGE_DESK, methods=["POST"])
def invite(bridge_id: UUID) -> Any:
    """Funds opened since the promise are asked, too."""
    return act(lambda: fund_service.invite(context(), bridge_id), done=gettext("已邀请所有开放的同类资金报价。"),
               to=_to(bridge_id))


@room.page("/bridges/<uuid:bridge_id>/approve", Permission.BRIDGE_APPROVE, methods=["POST"])
def approve(bridge_id: UUID) -> Any:
    """The reviewer approves; the money is reserved."""
    return act(lambda: hold_service.approve(context(), bridge_id), done=gettext("已批准，资金已预留，等企业签约。"),
               to=_to(bridge_id))


@room.page("/bridges/<uuid:bridge_id>/pay", Permission.BRIDGE_PAY, methods=["GET", "POST"])
def pay(bridge_id: UUID) -> Any:
    """The payout over the custody account."""

    def load(ctx: Context, bridge: Bridge) -> tuple[Any, dict[str, Any]]:
        own = bridge.old_due_fen - (bridge.amount_fen or 0)
        return PayForm(data={"own_money_seen": own if own == 0 else None}), {"own_fen": own}

    return step(bridge_id, Permission.BRIDGE_PAY, "pay", load, lambda ctx, form: money_service.pay_out(
        ctx, bridge_id, money_service.Payout(form.own_money_seen.data, form.voucher_out.data, form.voucher_on.data,
                                             in_shanghai(form.out_at.data), in_shanghai(form.on_at.data))),
        gettext("放款已登记，请原银行确认旧贷款结清。"))


@room.page("/bridges/<uuid:bridge_id>/return", Permission.BRIDGE_PAY, methods=["GET", "POST"])
def returned(bridge_id: UUID) -> Any:
    """Money that came back, whole or in part."""

    def load(ctx: Context, bridge: Bridge) -> tuple[Any, dict[str, Any]]:
        known = {"amount": bridge.outstanding_fen, "on_day": today(),
                 "source": "RENEWAL" if bridge.new_drawn_on is not None else "REPAYMENT"}
        return ReturnForm(data=known), {"left": bridge.outstanding_fen}

    return step(bridge_id, Permission.BRIDGE_PAY, "returned", load, lambda ctx, form: money_service.record_return(
        ctx, bridge_id, money_service.Return(
            form.amount.data, form.on_day.data, form.voucher_in.data, form.voucher_out.data,
            HopAccount(form.source.data or "REPAYMENT"), form.in_at.data, in_shanghai(form.out_at.data))),
        gettext("归还已登记。"))


@room.page("/bridges/<uuid:bridge_id>/settle", Permission.BRIDGE_PAY, methods=["GET", "POST"])
def settle(bridge_id: UUID) -> Any:
    """The fee, and the end."""

    def load(ctx: Context, bridge: Bridge) -> tuple[Any, dict[str, Any]]:
        assert bridge.paid_on is not None and bridge.terms is not None
        return SettleForm(), {"fee": fee_of_returns(returns_of(bridge), bridge.paid_on, terms_of(bridge.terms))}

    return step(bridge_id, Permission.BRIDGE_PAY, "settle", load,
                lambda ctx, form: money_service.settle(ctx, bridge_id, form.fee_voucher_no.data or ""),
                gettext("转贷已结清。"))


def payoff_form(bridge: Bridge) -> RepaidForm:
    """The form of a payoff: which note, where two wait; the rate, where the last one opens the renewal of a ranged promise."""
    waiting, promise = notes.unpaid(notes.notes_of(bridge.id)), service.live_commitment(bridge)
    ranged = (len(waiting) < 2 and bridge.old_loan_id is not None and bridge.kind == BridgeKind.SAME_BANK
              and promise is not None and promise.rate_low != promise.rate_high)
    return RepaidForm(with_rate=ranged, notes=[(str(one.id), f"{one.note_no} · {money_text(one.due_fen)}") for one in waiting])


def note_of(form: RepaidForm) -> UUID | None:
    """The chosen note, where there was a choice."""
    return UUID(form.note.data) if "note" in form else None


# --- banks -------------------------------------------------------------------------------------------------------------


@room.page("/bridges/<uuid:bridge_id>/commit", Permission.BRIDGE_COMMIT, methods=["GET", "POST"])
def commit(bridge_id: UUID) -> Any:
    """The promise to renew."""

    def load(ctx: Context, bridge: Bridge) -> tuple[Any, dict[str, Any]]:
        earlier = service.last_word(bridge)
        last = max(add_working_days(bridge.old_due_on, 5), today() + timedelta(days=14))
        values: dict[str, Any] = {"promised": bridge.old_due_fen, "latest_drawdown_on": last, "valid_until": last}
        if earlier is not None:
            values |= {"promised": earlier.promised_fen, "rate_low": earlier.rate_low, "rate_high": earlier.rate_high,
                       "term_months": earlier.term_months, "method": earlier.method, "conditions": earlier.conditions,
                       "receiving_account": earlier.receiving_account, "branch": earlier.branch,
                       "open_kinds": open_kinds(earlier)}
        return CommitForm(data=values), {"earlier": earlier, "limit": ctx.approval_limit_fen}

    def call(ctx: Context, form: CommitForm) -> Any:
        low = filled(form.rate_low.data)
        high = form.rate_high.data if form.rate_high.data is not None else low
        return bank_service.commit(ctx, bridge_id, bank_service.Promise(
            filled(form.promised.data), low, high, form.term_months.data, form.method.data,
            form.latest_drawdown_on.data, form.valid_until.data, form.receiving_account.data, form.branch.data or "",
            form.conditions.data or "", tuple(form.open_kinds.data or ()),
        ))

    return step(bridge_id, Permission.BRIDGE_COMMIT, "commit", load, call, gettext("续贷承诺已出具，资金方可以报价了。"))


@room.page("/bridges/<uuid:bridge_id>/decline", Permission.BRIDGE_COMMIT, methods=["POST"])
def decline(bridge_id: UUID) -> Any:
    """The bank does not promise, with a reason."""
    return act(lambda: bank_service.decline(context(), bridge_id, _reason(), _excuse()),
               done=gettext("已登记不承诺续贷，企业会看到理由。"), to=_to(bridge_id))


@room.page("/bridges/<uuid:bridge_id>/repaid", Permission.BRIDGE_CONFIRM, methods=["GET", "POST"])
def repaid(bridge_id: UUID) -> Any:
    """The old note is paid off."""

    def load(ctx: Context, bridge: Bridge) -> tuple[Any, dict[str, Any]]:
        return payoff_form(bridge), {}

    def call(ctx: Context, form: RepaidForm) -> Any:
        rate = form.final_rate.data if "final_rate" in form else None
        return bank_service.confirm_repaid(ctx, bridge_id, form.repaid_on.data, form.reference.data, rate, note_of(form))

    return step(bridge_id, Permission.BRIDGE_CONFIRM, "repaid", load, call, gettext("旧贷款已确认结清。"))


@room.page("/bridges/<uuid:bridge_id>/drawn", Permission.BRIDGE_CONFIRM, methods=["GET", "POST"])
def drawn(bridge_id: UUID) -> Any:
    """The new note is drawn."""

    def load(ctx: Context, bridge: Bridge) -> tuple[Any, dict[str, Any]]:
        promise, ours = service.live_commitment(bridge), bridge.new_loan_id is not None
        amount = promise.promised_fen if promise else None
        form = DrawnForm(open_kinds(promise), ours=ours, data={"amount": amount, "drawn_on": today()})
        return form, {"promise": promise, "ours": ours}

    def call(ctx: Context, form: DrawnForm) -> Any:
        return bank_service.confirm_drawn(ctx, bridge_id, bank_service.NewNote(
            form.note_no.data, filled(form.amount.data), form.drawn_on.data, form.contract_no.data,
            form.due_on.data if "due_on" in form else None, form.rate.data if "rate" in form else None,
            form.excuse.data or None if "excuse" in form else None,
        ))

    return step(bridge_id, Permission.BRIDGE_CONFIRM, "drawn", load, call, gettext("新贷款放款已登记，等资金归还。"))


@room.page("/bridges/<uuid:bridge_id>/refuse-renewal", Permission.BRIDGE_CONFIRM, methods=["POST"])
def refuse_renewal(bridge_id: UUID) -> Any:
    """The bank does not renew after the payout, with a reason."""
    return act(lambda: bank_service.refuse_renewal(context(), bridge_id, _reason(), _excuse()),
               done=gettext("已登记未续贷，金融局和各方会看到理由。"), to=_to(bridge_id))


# --- funders -----------------------------------------------------------------------------------------------------------


@room.page("/bridges/<uuid:bridge_id>/quotes/<uuid:quote_id>", Permission.BRIDGE_OFFER, methods=["GET", "POST"])
def offer(bridge_id: UUID, quote_id: UUID) -> Any:
    """A fund's quote."""

    def load(ctx: Context, bridge: Bridge) -> tuple[Any, dict[str, Any]]:
        quote = get_or_404(BridgeQuote, quote_id)
        if quote.org_id != ctx.org_id or quote.bridge_id != bridge.id:
            raise Refusal(ErrorCode.NOT_FOUND)
        fund = get_or_404(Fund, quote.fund_id)
        products = fund_service.products_of(fund.id, bridge.kind)
        account = ledger.account(fund.account_code)
        most = max((fund_service.quote_limit(bridge, terms_of(one.terms)) for one in products), default=0)
        limit = min(most, max(account.available_fen, 0))
        form = OfferForm(
            [(str(one.id), f"{one.name} · {charge_text(one.terms)}") for one in products],
            data={"amount": quote.amount_fen or limit or None, "product": str(quote.product_id or ""),
                  "valid_until": quote.valid_until or today() + timedelta(days=7)},
        )
        if all(terms_of(one.terms).fee_method is FeeMethod.STEPS for one in products):
            del form.rate
        return form, {"quote": quote, "fund": fund, "account": account, "limit": limit,
                      "promise": service.live_commitment(bridge)}

    def call(ctx: Context, form: OfferForm) -> Any:
        rate = form.rate.data if "rate" in form else None
        return fund_service.offer(ctx, quote_id, fund_service.Offer(
            filled(form.amount.data), form.valid_until.data, rate, UUID(form.product.data)))

    return step(bridge_id, Permission.BRIDGE_OFFER, "offer", load, call, gettext("报价已提交，等企业选定。"))


@room.page("/bridges/<uuid:bridge_id>/quotes/<uuid:quote_id>/pass", Permission.BRIDGE_OFFER, methods=["POST"])
def pass_by(bridge_id: UUID, quote_id: UUID) -> Any:
    """The funder does not want this bridge."""
    return act(lambda: fund_service.decline_to_quote(context(), quote_id), done=gettext("已登记不报价。"),
               to=url_for("bridge.bridges"))
