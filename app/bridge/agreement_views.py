"""Pages of agreements with funders and of the bureau's ceilings: each on two people's word."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.bridge import agreement_queries, ceiling_service, ceilings, deed_service, queries
from app.bridge.door import room
from app.bridge.fund_forms import AgreementForm, CeilingForm
from app.bridge.fund_states import AGREEMENT, CEILING, CeilingState
from app.bridge.rules import BridgeKind
from app.core.lifecycle import can_fire
from app.core.pages import Text
from app.core.permissions import Permission as P
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled

BUTTONS: dict[str, tuple[Text, Text, str]] = {
    "confirm": (_l("签署"), _l("签署后在有效期内可以报价和占用。"), "primary"),
    "refuse": (_l("不签署"), _l("协议不生效。"), "outline-danger"), "withdraw": (_l("撤回"), _l("协议不生效。"), "quiet"),
    "end": (_l("提前终止"), _l("在途的转贷照常归还；不再接受新的报价和占用。"), "outline-danger"),
}
CEILING_BUTTONS: dict[str, tuple[Text, Text, str]] = {
    "confirm": (_l("同意并生效"), _l("新产品和新报价按新上限；已签的协议不变。"), "primary"),
    "refuse": (_l("不同意"), _l("现行上限不变。"), "outline-danger"), "withdraw": (_l("撤回"), _l("现行上限不变。"), "quiet"),
}
DONE: dict[str, Text] = {
    "confirm": _l("已确认。"), "refuse": _l("已记录不同意。"), "withdraw": _l("已撤回。"), "end": _l("协议已终止。"),
}


@room.page("/funds/agreements", P.FUND_READ)
def agreements() -> Any:
    """Every agreement that the visitor may see, drafts first."""
    ctx = context()
    with reading(ctx, P.FUND_READ) as db:
        rows = db.execute(agreement_queries.agreements()).all()
        return render_template(
            "bridge/agreements.html", may_draft=ctx.can(P.FUND_DRAFT), buttons=BUTTONS,
            rows=[(row, *agreement_queries.worth(row[0].state, row[0].valid_from, row[0].valid_to),
                   [event for event in BUTTONS if can_fire(ctx, AGREEMENT, row[0], event)]) for row in rows],
        )


@room.page("/funds/agreements/new", P.FUND_DRAFT, methods=["GET", "POST"])
def new_agreement() -> Any:
    """Drafts an agreement."""
    ctx = context()
    with reading(ctx, P.FUND_DRAFT):
        form = AgreementForm(queries.funders())
    if form.validate_on_submit():
        deed = deed_service.Deed(
            form.number.data or "", [BridgeKind(kind) for kind in form.kinds.data or ()], filled(form.valid_from.data),
            filled(form.valid_to.data), form.funder_signer.data or "", form.centre_signer.data or "",
        )
        done = attempt(form, lambda: deed_service.draft(ctx, UUID(form.funder.data), deed, form.reason.data or ""))
        if done is not None:
            flash(gettext("协议已起草，请另一人签署。"), "success")
            return redirect(url_for("bridge.agreements"))
    return render_template("bridge/agreement_form.html", form=form)


@room.page("/funds/agreements/<uuid:agreement_id>/<any(confirm, refuse, end):event>", P.FUND_EDIT, methods=["POST"])
def judge_agreement(agreement_id: UUID, event: str) -> Any:
    """A second person's word on a draft, or an end before its last day."""
    return act(lambda: deed_service.decide(context(), agreement_id, event, request.form.get("reason", "")),
               done=str(DONE[event]), to=url_for("bridge.agreements"))


@room.page("/funds/agreements/<uuid:agreement_id>/withdraw", P.FUND_DRAFT, methods=["POST"])
def withdraw_agreement(agreement_id: UUID) -> Any:
    """Takes one's own draft back."""
    return act(lambda: deed_service.withdraw(context(), agreement_id, request.form.get("reason", "")),
               done=str(DONE["withdraw"]), to=url_for("bridge.agreements"))


@room.page("/funds/ceiling", P.BRIDGE_READ, methods=["GET", "POST"])
def ceiling() -> Any:
    """The bureau's numbers in force for everybody; whoever may proposes others here."""
    ctx = context()
    with reading(ctx, P.BRIDGE_READ):
        held = ceilings.current()
    form = CeilingForm(obj=held)
    if ctx.can(P.RULES_PROPOSE) and form.validate_on_submit() and attempt(
        form, lambda: ceiling_service.propose(ctx, form.numbers(), form.reason.data or "")) is not None:
        flash(gettext("已提出，请由另一人决定。"), "success")
        return redirect(url_for("bridge.ceiling"))
    with reading(ctx, P.BRIDGE_READ):
        rows = ceiling_service.history()
        return render_template(
            "bridge/ceiling.html", form=form, held=held, may_propose=ctx.can(P.RULES_PROPOSE), buttons=CEILING_BUTTONS,
            rows=[(row, CeilingState(row.state), [event for event in CEILING_BUTTONS if can_fire(ctx, CEILING, row, event)])
                  for row in rows],
        )


@room.page("/funds/ceiling/<uuid:ceiling_id>/<any(confirm, refuse):event>", P.RULES_DECIDE, methods=["POST"])
def judge_ceiling(ceiling_id: UUID, event: str) -> Any:
    """A second person's word on the bureau's numbers."""
    return act(lambda: ceiling_service.decide(context(), ceiling_id, event, request.form.get("reason", "")),
               done=str(DONE[event]), to=url_for("bridge.ceiling"))


@room.page("/funds/ceiling/<uuid:ceiling_id>/withdraw", P.RULES_PROPOSE, methods=["POST"])
def withdraw_ceiling(ceiling_id: UUID) -> Any:
    """Takes one's own change back."""
    return act(lambda: ceiling_service.withdraw(context(), ceiling_id, request.form.get("reason", "")),
               done=str(DONE["withdraw"]), to=url_for("bridge.ceiling"))
