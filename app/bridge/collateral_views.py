"""Pages of collateral that moves with a transfer to another bank, and of the guarantor that covers the gap."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app.bridge import collateral_service as service
from app.bridge import guarantee_service as guarantees
from app.bridge import queries
from app.bridge.collateral_forms import AskForm, ConfirmForm, EnterForm, RegisterForm, ReleaseForm
from app.bridge.collateral_models import BridgeCollateral, BridgeGuarantee
from app.bridge.collateral_rules import (
    COLLATERAL_EVENTS,
    GUARANTEE_EVENTS,
    KINDS,
    CollateralState,
    GuaranteeState,
)
from app.bridge.door import room
from app.bridge.models import Bridge
from app.bridge.rules import BridgeKind
from app.core import pages
from app.core.calendar import end_of_working_day, now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.formats import money_text
from app.core.models import Transition
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.queries import organisation_names, timeline_entries
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled, say

for _subject, _texts in (("bridge_collateral", COLLATERAL_EVENTS), ("bridge_guarantee", GUARANTEE_EVENTS)):
    for _event, _text in _texts.items():
        pages.event_texts.add(_subject, _event, _l(_text))


def _chip(row: BridgeCollateral) -> Any:
    label = gettext(CollateralState(row.state).label)
    return chip(gettext("已过期限：%(state)s", state=label), "bad") if service.is_late(row) else chip(
        label, CollateralState(row.state).tone)


WORDS = SimpleNamespace(
    kind=lambda kind: gettext(KINDS[kind]), chip=_chip,
    cover=lambda state: chip(gettext(GuaranteeState(state).label), GuaranteeState(state).tone),
)


@room.app_context_processor
def words() -> dict[str, object]:
    """The words of collateral for templates."""
    return {"collateral_words": WORDS}


def _guarantors() -> list[tuple[str, str]]:
    return queries.organisations_of(OrgKind.GUARANTOR)


def of_bridge(ctx: Context, bridge: Bridge) -> dict[str, Any]:
    """What the page of a transfer to another bank shows of its collateral and its guarantor."""
    if bridge.kind != BridgeKind.CROSS_BANK:
        return {"collateral": [], "covers": [], "cross_bank": False}
    covers = guarantees.guarantees_of(bridge.id)
    return {
        "collateral": service.collateral_of(bridge.id), "covers": covers, "cross_bank": True,
        "cover_names": organisation_names({one.org_id for one in covers}),
    }


def _to(bridge_id: UUID) -> str:
    return url_for("bridge.collateral", bridge_id=bridge_id)


@room.page("/bridges/<uuid:bridge_id>/collateral", Permission.BRIDGE_READ, methods=["GET", "POST"])
def collateral(bridge_id: UUID) -> Any:
    """Every security with its step, whose it is and by when; the guarantor; the clerk's two forms."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_READ):
        bridge = get_or_404(Bridge, bridge_id)
        if bridge.kind != BridgeKind.CROSS_BANK:
            raise Refusal(ErrorCode.NOT_FOUND)
        clerk = ctx.can(Permission.BRIDGE_DESK)
        form = EnterForm() if clerk and service.may_enter(bridge) else None
        asks = AskForm(_guarantors(), data={"cover": bridge.amount_fen or bridge.requested_fen}) if clerk and guarantees.may_ask(
            bridge) else None
        if form is None or request.method == "GET":
            return _page(ctx, bridge, form, asks)
    if form.validate_on_submit() and attempt(form, lambda: service.enter(
            ctx, bridge_id, form.kind.data, form.what.data or "", form.registration_no.data or "")) is not None:
        flash(gettext("担保物已登记。"), "success")
        return redirect(_to(bridge_id))
    with reading(ctx, Permission.BRIDGE_READ):
        return _page(ctx, get_or_404(Bridge, bridge_id), form, asks)


def _page(ctx: Context, bridge: Bridge, form: EnterForm | None, asks: AskForm | None) -> Any:
    names = organisation_names({bridge.old_bank_org_id, bridge.new_bank_org_id})
    steps = session().scalars(select(Transition).where(
        Transition.case_id == bridge.case_id, Transition.subject_type.in_(("bridge_collateral", "bridge_guarantee")))
        .order_by(Transition.at.desc(), Transition.id.desc()).limit(50))
    return render_template(
        "bridge/collateral.html", bridge=bridge, form=form, asks=asks, old_bank=names.get(bridge.old_bank_org_id, ""),
        new_bank=names.get(bridge.new_bank_org_id, ""), clerk=ctx.can(Permission.BRIDGE_DESK) and bridge.paid_on is None,
        releases=ctx.can(Permission.BRIDGE_CONFIRM) and ctx.org_id == bridge.old_bank_org_id and bridge.old_repaid_on is not None,
        registers=ctx.can(Permission.BRIDGE_CONFIRM) and ctx.org_id == bridge.new_bank_org_id,
        guarantor=ctx.can(Permission.BRIDGE_GUARANTEE), entries=timeline_entries(list(steps)), **of_bridge(ctx, bridge),
    )


@room.page("/bridges/collateral/<uuid:collateral_id>/withdraw", Permission.BRIDGE_DESK, methods=["POST"])
def withdraw_collateral(collateral_id: UUID) -> Any:
    """The clerk takes back what was entered wrongly."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_DESK):
        bridge_id = get_or_404(BridgeCollateral, collateral_id).bridge_id
    return act(lambda: service.withdraw(ctx, collateral_id, request.form.get("reason", "")), done=gettext("已撤销。"),
               to=_to(bridge_id))


def _moved(collateral_id: UUID, event: str, form: Any, call: Any, done: str) -> Any:
    """A bank's step with one security: its form, and the facts beside it."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_CONFIRM):
        row = get_or_404(BridgeCollateral, collateral_id)
        bridge = get_or_404(Bridge, row.bridge_id)
        wanted = {"release": (CollateralState.AT_OLD, bridge.old_bank_org_id),
                  "register": (CollateralState.RELEASED, bridge.new_bank_org_id)}[event]
    if (row.state, ctx.org_id) != wanted or bridge.old_repaid_on is None:
        flash(say(Refusal(ErrorCode.STATE_CHANGED)), "danger")
        return redirect(_to(bridge.id))
    if form.validate_on_submit() and attempt(form, lambda: call(ctx)) is not None:
        flash(done, "success")
        return redirect(_to(bridge.id))
    return render_template(f"bridge/collateral_{event}.html", form=form, bridge=bridge, row=row)


@room.page("/bridges/collateral/<uuid:collateral_id>/release", Permission.BRIDGE_CONFIRM, methods=["GET", "POST"])
def release_collateral(collateral_id: UUID) -> Any:
    """The old bank has released a security."""
    form = ReleaseForm()
    return _moved(collateral_id, "release", form, lambda ctx: service.release(
        ctx, collateral_id, filled(form.released_on.data), form.release_reference.data or ""),
        gettext("已登记解除，续贷银行会收到通知。"))


@room.page("/bridges/collateral/<uuid:collateral_id>/register", Permission.BRIDGE_CONFIRM, methods=["GET", "POST"])
def register_collateral(collateral_id: UUID) -> Any:
    """The new bank has registered a security."""
    form = RegisterForm()
    return _moved(collateral_id, "register", form, lambda ctx: service.register(
        ctx, collateral_id, filled(form.registered_on.data), form.new_registration_no.data or ""), gettext("新登记已办妥。"))


@room.page("/bridges/<uuid:bridge_id>/guarantor", Permission.BRIDGE_DESK, methods=["POST"])
def ask_guarantor(bridge_id: UUID) -> Any:
    """The clerk asks a guarantor."""
    ctx = context()
    with reading(ctx, Permission.BRIDGE_DESK):
        bridge, asks = get_or_404(Bridge, bridge_id), AskForm(_guarantors())
        form = EnterForm(formdata=None) if service.may_enter(bridge) else None
    if asks.validate_on_submit() and attempt(asks, lambda: guarantees.ask(
            ctx, bridge_id, UUID(asks.guarantor.data), filled(asks.cover.data))) is not None:
        flash(gettext("已请担保机构确认。"), "success")
        return redirect(_to(bridge_id))
    with reading(ctx, Permission.BRIDGE_READ):
        return _page(ctx, get_or_404(Bridge, bridge_id), form, asks)


@room.page("/bridges/guarantees/<uuid:guarantee_id>", Permission.BRIDGE_GUARANTEE, methods=["GET", "POST"])
def guarantee(guarantee_id: UUID) -> Any:
    """The guarantor's clerk reads what is asked and confirms it, or says no."""
    ctx, form = context(), ConfirmForm()
    with reading(ctx, Permission.BRIDGE_GUARANTEE):
        row = get_or_404(BridgeGuarantee, guarantee_id)
        bridge, things = get_or_404(Bridge, row.bridge_id), service.collateral_of(row.bridge_id)
    if row.state != GuaranteeState.ASKED:
        return redirect(_to(bridge.id))
    if form.validate_on_submit() and attempt(form, lambda: guarantees.confirm(
            ctx, guarantee_id, form.contract_no.data or "")) is not None:
        flash(gettext("担保已确认，转贷中心会收到通知。"), "success")
        return redirect(_to(bridge.id))
    return render_template("bridge/guarantee.html", form=form, bridge=bridge, row=row, things=things)


@room.page("/bridges/guarantees/<uuid:guarantee_id>/<any(refuse, withdraw):step>", Permission.BRIDGE_READ, methods=["POST"])
def end_guarantee(guarantee_id: UUID, step: str) -> Any:
    """The guarantor says no, or the clerk takes the request back."""
    ctx, reason = context(), request.form.get("reason", "")
    with reading(ctx, Permission.BRIDGE_READ):
        bridge_id = get_or_404(BridgeGuarantee, guarantee_id).bridge_id
    call, done = {"refuse": (guarantees.refuse, gettext("已登记不承保，转贷中心会看到理由。")),
                  "withdraw": (guarantees.withdraw, gettext("已撤回担保请求。"))}[step]
    return act(lambda: call(ctx, guarantee_id, reason), done=done, to=_to(bridge_id))


# --- homes -------------------------------------------------------------------------------------------------------------


def waits_of_banks(ctx: Context) -> list[pages.Wait]:
    """Securities that the viewer's bank must release or register."""
    rows = session().execute(
        select(BridgeCollateral, Bridge).join(Bridge, Bridge.id == BridgeCollateral.bridge_id).where(
            ((BridgeCollateral.state == CollateralState.AT_OLD.value) & (Bridge.old_bank_org_id == ctx.org_id)
             & Bridge.old_repaid_on.is_not(None))
            | ((BridgeCollateral.state == CollateralState.RELEASED.value) & (Bridge.new_bank_org_id == ctx.org_id)))
        .order_by(BridgeCollateral.release_by).limit(20)
    ).all()
    found = []
    for row, bridge in rows:
        leaves = row.state == CollateralState.AT_OLD
        due = service.due_of(row)
        found.append(pages.Wait(
            gettext("跨行转贷：解除担保物登记") if leaves else gettext("跨行转贷：办理担保物新登记"),
            f"{bridge.firm_name} · {row.registration_no}",
            url_for("bridge.release_collateral" if leaves else "bridge.register_collateral", collateral_id=row.id),
            due=end_of_working_day(due) if due is not None else None, tone="bad" if service.is_late(row) else "wait", order=15,
        ))
    return found


def waits_of_guarantors(ctx: Context) -> list[pages.Wait]:
    """Requests that the viewer's guarantor has not answered."""
    rows = session().execute(
        select(BridgeGuarantee, Bridge.firm_name).join(Bridge, Bridge.id == BridgeGuarantee.bridge_id)
        .where(BridgeGuarantee.org_id == ctx.org_id, BridgeGuarantee.state == GuaranteeState.ASKED.value)
        .order_by(BridgeGuarantee.answer_by).limit(20)
    ).all()
    return [
        pages.Wait(gettext("跨行转贷：确认担保"), f"{firm} · {money_text(row.cover_fen)}",
                   url_for("bridge.guarantee", guarantee_id=row.id), due=row.answer_by,
                   tone="bad" if row.answer_by < now() else "wait", order=10)
        for row, firm in rows
    ]


pages.home.add_waits(Permission.BRIDGE_CONFIRM, waits_of_banks)
pages.home.add_waits(Permission.BRIDGE_GUARANTEE, waits_of_guarantors)
