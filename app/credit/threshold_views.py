"""The page of the thresholds of early warnings: what holds, what is proposed, and who changed what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, StringField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, Length

from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.ids import new_id
from app.core.lifecycle import can_fire
from app.core.pages import Text
from app.core.permissions import Permission
from app.core.queries import timeline_entries
from app.core.use_case import reading
from app.core.web import act, attempt, context
from app.credit import threshold_service, warning_queries
from app.credit.door import room
from app.credit.thresholds import NAMES, parsed, text_of
from app.credit.warning_models import WarningProposal
from app.credit.warning_states import PROPOSAL_LIFE, ProposalState
from scoring.signals import SignalParameters

P = Permission
pages.menu.add(_l("预警参数"), "credit.thresholds", P.WARNING_RULES, 47, pages.Group.LOANS)
for _event, _words in {
    "propose": _l("提出调整预警参数"), "confirm": _l("同意，参数生效"), "refuse": _l("不同意调整"), "withdraw": _l("撤回调整"),
}.items():
    pages.event_texts.add(WarningProposal.__tablename__, _event, _words)

STATES: dict[str, tuple[Text, str]] = {
    ProposalState.PROPOSED.value: (_l("待另一人决定"), "wait"), ProposalState.CONFIRMED.value: (_l("已生效"), "good"),
    ProposalState.REFUSED.value: (_l("未同意"), "bad"), ProposalState.WITHDRAWN.value: (_l("已撤回"), "plain"),
}
BUTTONS: dict[str, tuple[Text, Text, str]] = {
    "confirm": (_l("同意并生效"), _l("从下一次计算起按新参数判断，已经出现的信号也会按新参数重新判断。"), "primary"),
    "refuse": (_l("不同意"), _l("现行参数不变。"), "outline-danger"),
    "withdraw": (_l("撤回"), _l("现行参数不变。"), "quiet"),
}
DONE: dict[str, Text] = {
    "confirm": _l("新参数已生效。"), "refuse": _l("已记录不同意。"), "withdraw": _l("已撤回。"),
}


class ThresholdForm(FlaskForm):
    """One field a parameter, typed as it is read, and why. The fields are added below, by ``NAMES``."""

    reason = TextAreaField(
        _l("为什么调整"), [DataRequired(_l("请写明为什么调整。")), Length(max=1000, message=_l("请不要超过 1000 字。"))],
    )
    idempotency_token = HiddenField()

    def parameters(self) -> SignalParameters:
        """What was typed, of a form that is valid."""
        return SignalParameters(**{name: parsed(name, self[name].data or "") for name in NAMES})


def _readable(name: str) -> Any:
    def check(form: FlaskForm, field: StringField) -> None:
        try:
            parsed(name, field.data or "")
        except ValueError:
            shape = text_of(name, getattr(SignalParameters(), name))
            raise ValidationError(gettext("请按这样的样子填写：%(shape)s", shape=shape)) from None
    return check


for _name, _words in NAMES.items():
    setattr(ThresholdForm, _name, StringField(_words, [DataRequired(_l("请填写。")), _readable(_name)]))


@room.page("/warnings/thresholds", P.WARNING_RULES, methods=["GET", "POST"])
def thresholds() -> Any:
    """The thresholds that hold, a proposal that waits, and the history. Whoever may proposes others here."""
    ctx = context()
    with reading(ctx, P.WARNING_RULES):
        now = warning_queries.parameters_now()
    form = ThresholdForm(data={field.name: text_of(field.name, getattr(now, field.name)) for field in fields(now)})
    if ctx.can(P.WARNING_PROPOSE) and form.validate_on_submit():
        parameters = form.parameters()
        if attempt(form, lambda: threshold_service.propose(ctx, parameters, form.reason.data or "")) is not None:
            flash(gettext("已提出，请由另一个人决定。"), "success")
            return redirect(url_for("credit.thresholds"))
    form.idempotency_token.data = str(new_id())
    with reading(ctx, P.WARNING_RULES):
        proposals = warning_queries.proposals()
        steps = warning_queries.steps_of([row.id for row in proposals])
        waiting = next((row for row in proposals if row.state == ProposalState.PROPOSED), None)
        events = [event for event in BUTTONS if waiting is not None and can_fire(ctx, PROPOSAL_LIFE, waiting, event)]
        return render_template(
            "credit/warning_thresholds.html", form=form, waiting=waiting, states=STATES,
            proposals=[row for row in proposals if row is not waiting], changes=change_rows,
            may_propose=ctx.can(P.WARNING_PROPOSE), entries=lambda row: timeline_entries(steps[row.id]),
            held=[(words, text_of(name, getattr(now, name))) for name, words in NAMES.items()], names=NAMES,
            buttons=[(event, *BUTTONS[event]) for event in events], may_judge=ctx.can(P.WARNING_JUDGE),
        )


def change_rows(proposal: WarningProposal) -> list[tuple[str, ...]]:
    """What a proposal changes: name, before, after. A parameter that is no more stands under its own name."""
    return [
        (str(NAMES.get(name, name)), *(text_of(name, one) if name in NAMES else str(one) for one in pair))
        for name, pair in proposal.changes.items()
    ]


@room.page("/warnings/thresholds/<uuid:proposal_id>", P.WARNING_RULES, methods=["POST"])
def decide_thresholds(proposal_id: UUID) -> Any:
    """The other person's word, or the proposer's own withdrawal."""
    ctx, event = context(), request.form.get("event", "")
    return act(
        lambda: threshold_service.decide(ctx, proposal_id, event, request.form.get("reason", "")),
        done=str(DONE.get(event, "")), to=url_for("credit.thresholds"),
    )


def waits(ctx: Context) -> Iterable[pages.Wait]:
    """A proposal on which this very person may decide."""
    waiting = warning_queries.waiting_proposal()
    if waiting is not None and can_fire(ctx, PROPOSAL_LIFE, get_or_404(WarningProposal, waiting.id), "confirm"):
        yield pages.Wait(_l("决定预警参数的调整"), waiting.reason, url_for("credit.thresholds"), tone="wait", order=42)


pages.home.add_waits(P.WARNING_DECIDE, waits)
