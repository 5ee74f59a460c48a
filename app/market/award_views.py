"""Pages of a decision and of the promise after it: the firm's award, the bank's choices, the desk's objections."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.database import get_or_404
from app.core.lifecycle import can_fire
from app.core.pages import Group, menu
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.use_case import reading
from app.core.web import act, context
from app.market import award_queries, award_service, choice_service, next_best, policy
from app.market.bid_lifecycles import CHOICE
from app.market.bid_models import Choice, Objection
from app.market.bid_words import (
    AWARD_STATES,
    CHOICE_STATES,
    OBJECTION_REASONS,
    OBJECTION_STATES,
    OUTCOMES,
    USUAL_CONDITIONS,
    AwardState,
    ObjectionReason,
)
from app.market.display import need_title
from app.market.door import room
from app.market.models import Need

menu.add(_l("被选定的报价"), "market.choices", Permission.BID_READ, 25, Group.FINANCING)
menu.add(_l("选定异议"), "market.objections", Permission.AWARD_JUDGE, 40, Group.FINANCING)
_WORDS = {
    "award_states": AWARD_STATES, "choice_states": CHOICE_STATES, "outcomes": OUTCOMES, "reasons": OBJECTION_REASONS,
    "objection_states": OBJECTION_STATES, "usual": USUAL_CONDITIONS,
}  # fmt: skip


@room.page("/needs/<uuid:need_id>/award", Permission.NEED_READ)
def award(need_id: UUID) -> Any:
    """The firm's decision: until when it stands still, what is objected, what the bank has to do by when."""
    ctx = context()
    with reading(ctx, Permission.NEED_READ):
        need = get_or_404(Need, need_id)
        rows = award_queries.awards_of(need_id)
        names = organisation_names({row.choice.bank_org_id for row in rows} | {o.org_id for row in rows for o in row.objections})
        may_undo = ctx.can(Permission.CHOICE_MAKE)
        return render_template(
            "market/award.html", need=need, rows=rows, names=names, title=need_title(need), w=_WORDS,
            open_fen=next_best.open_fen(need),
            drawn_fen=sum(row.award.amount_fen for row in rows if row.award.state == AwardState.DONE),
            undoable=lambda one: may_undo and award_service.undoable(one, need),
        )


@room.page("/awards/<uuid:award_id>/undo", Permission.CHOICE_MAKE, methods=["POST"])
def undo_award(award_id: UUID) -> Any:
    """The firm thinks again."""
    with reading(context(), Permission.CHOICE_MAKE):
        need_id = award_queries.need_of(award_id)
    return act(lambda: award_service.undo_award(context(), award_id, request.form.get("reason", "")),
               done=gettext("选定已取消，请重新选定。"), to=url_for("market.offers", need_id=need_id))


@room.page("/queue/<uuid:need_id>/object", Permission.AWARD_OBJECT, methods=["POST"])
def object_to(need_id: UUID) -> Any:
    """A bank that was not chosen objects."""
    known = request.form.get("kind", "")
    kind = ObjectionReason(known) if known in set(ObjectionReason) else ObjectionReason.OTHER
    with reading(context(), Permission.AWARD_OBJECT):
        bid_id = award_queries.own_opened_bid(context(), need_id)
    return act(lambda: award_service.object_to(context(), need_id, kind, request.form.get("reason", "")),
               done=gettext("异议已提交，服务台答复前选定不生效。"), to=url_for("market.bid", bid_id=bid_id))


@room.page("/choices", Permission.BID_READ)
def choices() -> Any:
    """The bank's promises, those to keep first. The database tells the firms' names once a choice is final."""
    ctx = context()
    with reading(ctx, Permission.BID_READ):
        rows = award_queries.choices_of_bank(ctx)
        return render_template("market/choices.html", rows=rows, names=organisation_names({row.org_id for row in rows}), w=_WORDS,
                               counted=award_queries.promises_counted(ctx))


@room.page("/choices/<uuid:choice_id>", Permission.BID_READ)
def choice(choice_id: UUID) -> Any:
    """One promise: its stage, its conditions, what is to be done."""
    ctx = context()
    with reading(ctx, Permission.BID_READ):
        found = get_or_404(Choice, choice_id)
        return render_template(
            "market/choice.html", choice=found, conditions=choice_service.conditions_of(choice_id),
            refusal=award_queries.refusal_of(choice_id), firm=organisation_names({found.org_id}).get(found.org_id), w=_WORDS,
            levels=policy.levels(),
            can={event: can_fire(ctx, CHOICE, found, event) for event in ("sign", "meet")},
        )


@room.page("/choices/<uuid:choice_id>/sign", Permission.CONDITION_MEET, methods=["POST"])
def sign_choice(choice_id: UUID) -> Any:
    """The contract is signed."""
    return act(lambda: choice_service.sign(context(), choice_id, request.form.get("contract_no", "")),
               done=gettext("已登记签约。"), to=url_for("market.choice", choice_id=choice_id))


@room.page("/choices/<uuid:choice_id>/meet/<int:no>", Permission.CONDITION_MEET, methods=["POST"])
def meet_condition(choice_id: UUID, no: int) -> Any:
    """A condition has come about."""
    return act(lambda: choice_service.meet(context(), choice_id, no, request.form.get("note", "")),
               done=gettext("已登记条件成立。"), to=url_for("market.choice", choice_id=choice_id))


@room.page("/desk/objections", Permission.AWARD_JUDGE)
def objections() -> Any:
    """Objections, the open ones first."""
    with reading(context(), Permission.AWARD_JUDGE):
        rows = award_queries.objections()
        names = organisation_names({row.objection.org_id for row in rows} | {row.need.org_id for row in rows})
        return render_template("market/objections.html", rows=rows, names=names, w=_WORDS, need_title=need_title)


@room.page("/desk/objections/<uuid:objection_id>", Permission.AWARD_JUDGE, methods=["POST"])
def judge(objection_id: UUID) -> Any:
    """The desk's answer."""
    with reading(context(), Permission.AWARD_JUDGE):
        get_or_404(Objection, objection_id)
    uphold = request.form.get("uphold") == "1"
    return act(
        lambda: award_service.judge(context(), objection_id, uphold=uphold, answer=request.form.get("reason", ""),
                                    excluded=uphold and request.form.get("excluded") == "1"),
        done=gettext("已答复，双方都会收到通知。"), to=url_for("market.objections"))
