"""Pages of an appeal: the firm files it beside the refusals of its need; bank, desk and bureau read it; the bank answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.lifecycle import can_fire
from app.core.pages import Tone, Wait
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.queries import organisation_names
from app.core.tables import Column, Filter, Table, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, context, send_list
from app.market import appeal_queries, appeal_service, consult_queries
from app.market.appeal_models import Appeal
from app.market.appeal_words import APPEAL, APPEAL_STATES, APPEAL_TONES, REMEDIES, AppealState
from app.market.display import card_title, kind_text, months_text, need_title
from app.market.door import room
from app.market.exposure_rules import Exposure
from app.market.forms import named
from app.market.models import Need
from app.market.need_cards import card_of

pages.menu.add(_l("申诉"), "market.appeals", Permission.APPEAL_READ, 42, pages.Group.FINANCING)
for _event, _text in {
    "file": _l("企业对婉拒提出申诉"), "drop": _l("企业撤回申诉"), "uphold": _l("银行维持婉拒"), "withdraw": _l("银行撤销婉拒"),
    "escalate": _l("申诉超时，报金融局"),
}.items():  # fmt: skip
    pages.event_texts.add(APPEAL.subject, _event, _text)

_WORDS = {"states": APPEAL_STATES, "tones": APPEAL_TONES, "remedies": REMEDIES}


def _listed(words: Sequence[str]) -> str:
    return gettext("、").join(gettext(word) for word in words) or "—"


def _title(row: Any) -> str:
    """The firm's name where the reader may know it, else its card."""
    card = card_of(row)
    own_bank = context().org_kind is OrgKind.BANK
    return card.name or (not own_bank and row.firm) or card_title(card)


def _chip(row: Any) -> Any:
    return chip(gettext(APPEAL_STATES[row.state]), cast(Tone, APPEAL_TONES[AppealState(row.state)]))


APPEALS = Table(
    "appeals",
    columns=[
        Column("title", _l("企业"), sortable=False, render=_title, export=_title, sub=lambda row: need_title(card_of(row))),
        Column("bank", _l("银行"), appeal_queries.Bank.name),
        Column("state", _l("状态"), Appeal.state, render=_chip, export=lambda row: gettext(APPEAL_STATES[row.state])),
        Column("at", _l("提出时间"), Appeal.at, kind="datetime", hide_small=True),
        Column("limit_at", _l("最晚答复"), Appeal.limit_at, kind="datetime", hide_small=True),
        Column("escalated_at", _l("报金融局"), Appeal.escalated_at, kind="datetime", hide_small=True),
    ],
    filters=[
        Filter("state", _l("状态"), kind="choice", choices=lambda: named(APPEAL_STATES),
               apply=lambda stmt, value: stmt.where(Appeal.state == value)),
    ],
    default_sort="-at",
    row_url=lambda row: url_for("market.appeal", appeal_id=row.id),
    empty_title=_l("没有申诉"),
    empty_hint=_l("企业可以对银行的婉拒申诉一次，由该行未经手的审批人答复；超过时限报金融局。"),
)  # fmt: skip


@room.page("/appeals", Permission.APPEAL_READ)
def appeals() -> Any:
    """A bank's appeals; everybody's for the desk; for the bureau those past their limit."""
    ctx, query = context(), appeal_queries.appeals_query()
    with reading(ctx, Permission.APPEAL_READ) as db:
        args = remembered(APPEALS, request.args, session)
        if wants_export(request.args):
            return send_list(APPEALS, APPEALS.load_all(db, query, args, 10_000), gettext("申诉"), "appeals.xlsx")
        return render_template("market/appeals.html", page=APPEALS.load(db, query, args), kind=ctx.org_kind)


@room.page("/appeals/<uuid:appeal_id>", Permission.APPEAL_READ)
def appeal(appeal_id: UUID) -> Any:
    """One appeal: what was asked, what the bank said, what the firm holds against it, the answer."""
    ctx = context()
    with reading(ctx, Permission.APPEAL_READ):
        found = get_or_404(Appeal, appeal_id)
        card = card_of(found)
        names = organisation_names({found.bank_id} | ({found.org_id} if ctx.org_kind is not OrgKind.BANK else set()))
        reasons, remark = appeal_queries.grounds(found)
        desk = ctx.can(Permission.CONSULT_CALL)
        need = get_or_404(Need, found.need_id) if desk else None
        return render_template(
            "market/appeal.html", found=found, card=card, card_title=card_title(card), title=need_title(card),
            firm=card.name or names.get(found.org_id) or card_title(card), bank=names.get(found.bank_id, ""), reasons=reasons,
            remark=remark, exposure=Exposure.read(card.exposure) if card.exposure else None, listed=_listed, kind_text=kind_text,
            months_text=months_text, w=_WORDS, need=need, consult=need is not None and consult_queries.may_be_called(need),
            may_answer=can_fire(ctx, APPEAL, found, "uphold"), same_person=ctx.actor_id == found.refused_by,
        )


@room.page("/appeals/<uuid:appeal_id>/answer", Permission.APPEAL_ANSWER, methods=["POST"])
def answer_appeal(appeal_id: UUID) -> Any:
    """The refusal stands, or the bank takes it back."""
    form = request.form
    return act(
        lambda: appeal_service.answer_appeal(
            context(), appeal_id, withdraw=form.get("withdraw") == "1", words=form.get("answer", "")
        ),
        done=gettext("已答复，企业会收到通知。"), to=url_for("market.appeal", appeal_id=appeal_id),
    )


# --- the firm ----------------------------------------------------------------------------------------------------------


@room.page("/needs/<uuid:need_id>/appeals", Permission.NEED_READ)
def need_appeals(need_id: UUID) -> Any:
    """The refusals of a need, and what became of the appeals against them."""
    ctx = context()
    with reading(ctx, Permission.NEED_READ):
        need = get_or_404(Need, need_id)
        return render_template(
            "market/need_appeals.html", need=need, title=need_title(need), rows=appeal_queries.refused(need), w=_WORDS,
            listed=_listed, may_file=ctx.can(Permission.APPEAL_FILE),
        )


@room.page("/needs/<uuid:need_id>/appeals/<uuid:refusal_id>", Permission.APPEAL_FILE, methods=["POST"])
def file_appeal(need_id: UUID, refusal_id: UUID) -> Any:
    """Appeals against one of them."""
    form = request.form
    return act(
        lambda: appeal_service.file_appeal(context(), refusal_id, form.get("text", ""), show_name="show_name" in form),
        done=gettext("申诉已提交，由该行未经手的审批人答复。"), to=url_for("market.need_appeals", need_id=need_id),
    )


@room.page("/needs/appeals/<uuid:appeal_id>/drop", Permission.APPEAL_FILE, methods=["POST"])
def drop_appeal(appeal_id: UUID) -> Any:
    """Takes it back."""
    with reading(context(), Permission.APPEAL_FILE):
        need_id = get_or_404(Appeal, appeal_id).need_id
    return act(
        lambda: appeal_service.drop_appeal(context(), appeal_id), done=gettext("申诉已撤回。"),
        to=url_for("market.need_appeals", need_id=need_id),
    )


# --- what waits --------------------------------------------------------------------------------------------------------


def bank_waits(ctx: Context) -> list[Wait]:
    """Appeals for an approver who did not refuse."""
    return [
        Wait(_l("答复企业的申诉"), card_of(one).name or need_title(card_of(one)), url_for("market.appeal", appeal_id=one.id),
             due=one.limit_at, tone="wait", order=15)
        for one in appeal_queries.to_answer(ctx)
    ]  # fmt: skip


def overdue_waits(ctx: Context) -> list[Wait]:
    """Desk and bureau: appeals that no bank answered in time."""
    if ctx.org_kind is OrgKind.BANK:
        return []
    return [
        Wait(_l("银行没有按时答复申诉"), need_title(card_of(one)), url_for("market.appeal", appeal_id=one.id), due=one.limit_at,
             tone="bad", order=15)
        for one in appeal_queries.overdue()
    ]  # fmt: skip


pages.home.add_waits(Permission.APPEAL_ANSWER, bank_waits)
pages.home.add_waits(Permission.APPEAL_READ, overdue_waits)
