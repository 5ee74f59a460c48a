"""Pages of the rule's editions: what is in force and where each number comes from, a proposed one and what it would change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.calendar import today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.lifecycle import can_fire
from app.core.pages import Text
from app.core.permissions import Permission
from app.core.queries import timeline_entries
from app.core.use_case import reading
from app.core.web import act, attempt, context
from app.pool import queries, rule_service, service
from app.pool.door import room
from app.pool.models import StoredRuleSet
from app.pool.rule_fields import GROUPS, differences, grouped, sources_of
from app.pool.rule_forms import RuleForm, unit_of
from app.pool.rule_models import RuleProposal
from app.pool.rule_states import RULE_PROPOSAL, ProposalState
from app.pool.rules import RuleSet

P = Permission
for _event, _words in {
    "propose": _l("提出一版办法参数"), "confirm": _l("同意，成为正式一版"), "refuse": _l("不同意这版参数"),
    "withdraw": _l("撤回这版参数"),
}.items():
    pages.event_texts.add(RuleProposal.__tablename__, _event, _words)

STATES: dict[str, tuple[Text, str]] = {
    ProposalState.PROPOSED.value: (_l("待另一人决定"), "wait"), ProposalState.CONFIRMED.value: (_l("已成为正式一版"), "good"),
    ProposalState.REFUSED.value: (_l("未同意"), "bad"), ProposalState.WITHDRAWN.value: (_l("已撤回"), "plain"),
}
BUTTONS: dict[str, tuple[Text, Text, str]] = {
    "confirm": (_l("同意"), _l("从施行日起，新入库的贷款按这一版判定；已入库的贷款不受影响。"), "primary"),
    "refuse": (_l("不同意"), _l("现行办法不变。"), "outline-danger"),
    "withdraw": (_l("撤回"), _l("现行办法不变。"), "quiet"),
}
DONE: dict[str, Text] = {
    "confirm": _l("已成为正式一版。"), "refuse": _l("已记录不同意。"), "withdraw": _l("已撤回。"),
}
CHECKS: dict[str, Text] = {
    "SIZE": _l("借款人规模"), "PLACE": _l("注册地或经营地"), "PRODUCT": _l("产品类别"), "AMOUNT": _l("贷款金额"),
    "USE_OF_FUNDS": _l("资金用途"), "INDUSTRY": _l("行业"), "TERM": _l("期限"), "RATE": _l("利率"), "DEADLINE": _l("入库期限"),
    "BORROWER_TOTAL": _l("单户合计"),
}


@room.page("/pool/rules", P.BOOKING_READ)
def rules() -> Any:
    """The edition in force with the source of each number, every edition, and proposals for those who may see them."""
    ctx = context()
    with reading(ctx, P.BOOKING_READ):
        stored = service.rule_set_on(today())
        found = RuleSet.from_json(stored.rules) if stored else None
        return render_template(
            "pool/rules.html", stored=stored, editions=queries.rule_sets(), states=STATES,
            proposals=queries.rule_proposals() if ctx.can(P.POOL_READ) else [],
            groups=grouped(found) if found else [], sources=sources_of(found) if found else {},
        )


@room.page("/pool/rules/<uuid:edition_id>", P.BOOKING_READ)
def edition(edition_id: UUID) -> Any:
    """One edition, whole."""
    with reading(context(), P.BOOKING_READ):
        stored = get_or_404(StoredRuleSet, edition_id)
        found = RuleSet.from_json(stored.rules)
        return render_template("pool/edition.html", stored=stored, groups=grouped(found), sources=sources_of(found))


@room.page("/pool/rules/<uuid:edition_id>/next", P.RULES_PROPOSE, methods=["GET", "POST"])
def propose_edition(edition_id: UUID) -> Any:
    """A new edition made from another one. It can be tried on last year's loans before it is proposed."""
    ctx = context()
    with reading(ctx, P.RULES_PROPOSE):
        base = get_or_404(StoredRuleSet, edition_id)
    form = RuleForm(RuleSet.from_json(base.rules))
    tried: dict[str, Any] = {}
    if form.validate_on_submit():
        drafted = form.rules()
        if request.form.get("event") == "try":
            with reading(ctx, P.RULES_PROPOSE):
                tried = _told(RuleSet.from_json(base.rules), drafted)
        else:
            made = attempt(form, lambda: rule_service.propose_rules(ctx, edition_id, drafted, form.reason.data or ""))
            if made is not None:
                flash(gettext("已提出，请由另一个人决定。"), "success")
                return redirect(url_for("pool.rule_proposal", proposal_id=made.id))
    return render_template("pool/rule_form.html", form=form, base=base, unit_of=unit_of, groups=form_groups(form), **tried)


def form_groups(form: RuleForm) -> list[tuple[Text, list[Any]]]:
    """The fields of the form by group."""
    return [(title, [field for name in names for field in form.fields_of(name)]) for title, names in GROUPS]


def _told(base: RuleSet, drafted: RuleSet) -> dict[str, Any]:
    """What differs, and what last year would have been under the other edition."""
    return {"changes": differences(base, drafted), "preview": rule_service.preview(drafted), "checks": CHECKS}


@room.page("/pool/rules/proposals/<uuid:proposal_id>", P.POOL_READ)
def rule_proposal(proposal_id: UUID) -> Any:
    """A proposed edition: why, what differs, last year under it, and the other person's word."""
    ctx = context()
    with reading(ctx, P.POOL_READ):
        proposal = get_or_404(RuleProposal, proposal_id)
        base = queries.edition(proposal.base_code)
        steps = queries.steps_of(RuleProposal.__tablename__, proposal.id)
        drafted = RuleSet.from_json(proposal.rules)
        return render_template(
            "pool/rule_proposal.html", proposal=proposal, base=base, drafted=drafted, state=STATES[proposal.state],
            proposer=queries.people({proposal.proposed_by})[proposal.proposed_by], entries=timeline_entries(steps),
            buttons=[(event, *BUTTONS[event]) for event in BUTTONS if can_fire(ctx, RULE_PROPOSAL, proposal, event)],
            **_told(RuleSet.from_json(base.rules), drafted),
        )


@room.page("/pool/rules/proposals/<uuid:proposal_id>", P.POOL_READ, methods=["POST"])
def decide_edition(proposal_id: UUID) -> Any:
    """The other person's word, or the proposer's own withdrawal."""
    ctx, event = context(), request.form.get("event", "")
    return act(
        lambda: rule_service.decide_rules(ctx, proposal_id, event, request.form.get("reason", "")),
        done=str(DONE.get(event, "")), to=url_for("pool.rule_proposal", proposal_id=proposal_id),
    )


def waits(ctx: Context) -> Iterable[pages.Wait]:
    """A proposed edition on which this very person may decide."""
    found = queries.waiting_edition()
    if found is not None and can_fire(ctx, RULE_PROPOSAL, found, "confirm"):
        yield pages.Wait(
            _l("决定新的一版办法参数"), f"{found.rules['code']} · {found.reason}",
            url_for("pool.rule_proposal", proposal_id=found.id), tone="wait", order=28,
        )


pages.home.add_waits(P.RULES_DECIDE, waits)
