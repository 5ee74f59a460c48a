"""Pages of a consultation: the desk calls and advises, banks say what they think, the firm agrees and reads the advice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.formats import datetime_text, money_text
from app.core.lifecycle import can_fire
from app.core.pages import Tone, Wait
from app.core.permissions import OrgKind, Permission
from app.core.pieces import chip
from app.core.queries import organisation_names
from app.core.tables import Column, Filter, Table, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, context, send_list
from app.market import consult_queries, consult_service
from app.market.answer_words import REFUSALS
from app.market.consult_models import Consultation
from app.market.consult_service import CONSULTATION, Words
from app.market.consult_words import ADVICES, CONDITIONS, CONSULT_STATES, CONSULT_TONES, OUTCOMES, ConsultState
from app.market.display import card_title, kind_text, months_text, need_title
from app.market.door import room
from app.market.exposure_rules import Exposure
from app.market.fields import ids_of
from app.market.forms import named
from app.market.models import Need
from app.market.need_cards import card_of
from app.market.product_words import PRODUCT_KINDS

pages.menu.add(_l("会诊"), "market.desk_consultations", Permission.CONSULT_CALL, 41, pages.Group.FINANCING)
pages.menu.add(_l("会诊"), "market.consultations", Permission.CONSULT_SIT, 27, pages.Group.FINANCING)
for _event, _text in {
    "call": _l("服务台提议会诊"), "agree": _l("企业同意会诊"), "decline": _l("企业不同意会诊"), "cancel": _l("取消会诊"),
    "advise": _l("会诊给出建议"), "expire": _l("会诊逾期结束"),
}.items():  # fmt: skip
    pages.event_texts.add(CONSULTATION.subject, _event, _text)

_WORDS = {
    "states": CONSULT_STATES, "tones": CONSULT_TONES, "outcomes": OUTCOMES, "conditions": CONDITIONS, "refusals": REFUSALS,
    "advices": ADVICES, "kinds": PRODUCT_KINDS,
}  # fmt: skip


def _title(row: Any) -> str:
    card = card_of(row)
    return card.name or card_title(card)


def _chip(row: Any) -> Any:
    return chip(gettext(CONSULT_STATES[row.state]), cast(Tone, CONSULT_TONES[ConsultState(row.state)]))


def _table(name: str, endpoint: str, title: Any, hint: Any) -> Table:
    return Table(
        name,
        columns=[
            Column("title", _l("企业"), sortable=False, render=title, export=title, sub=lambda row: need_title(card_of(row))),
            Column("state", _l("状态"), Consultation.state, render=_chip, export=lambda row: gettext(CONSULT_STATES[row.state])),
            Column("said", _l("意见"), sortable=False, render=lambda row: f"{row.said} / {row.asked}",
                   export=lambda row: f"{row.said} / {row.asked}", hide_small=True),
            Column("called_at", _l("提议"), Consultation.called_at, kind="datetime", hide_small=True),
            Column("until", _l("最晚"), sortable=False, render=lambda row: datetime_text(row.until)),
        ],
        filters=[
            Filter("state", _l("状态"), kind="choice", choices=lambda: named(CONSULT_STATES),
                   apply=lambda stmt, value: stmt.where(Consultation.state == value)),
        ],
        default_sort="-called_at",
        row_url=lambda row: url_for(endpoint, consultation_id=row.id),
        empty_title=_l("没有会诊"),
        empty_hint=hint,
    )  # fmt: skip


DESK = _table("desk_consultations", "market.desk_consultation", lambda row: row.firm,
              _l("没有收到报价的需求，可以在“需求核对”里打开，请几家银行会诊。"))  # fmt: skip
OWN = _table("consultations", "market.consultation", _title, _l("服务台请本行会诊时，会列在这里。"))


def _list(table: Table, permission: Permission) -> Any:
    ctx, query = context(), consult_queries.consultations_query()
    with reading(ctx, permission) as db:
        args = remembered(table, request.args, session)
        if wants_export(request.args):
            return send_list(table, table.load_all(db, query, args, 10_000), gettext("会诊"), "consultations.xlsx")
        return render_template("market/consultations.html", page=table.load(db, query, args), desk=table is DESK)


# --- the desk ----------------------------------------------------------------------------------------------------------


@room.page("/desk/consultations", Permission.CONSULT_CALL)
def desk_consultations() -> Any:
    """Consultations, the newest first."""
    return _list(DESK, Permission.CONSULT_CALL)


@room.page("/desk/needs/<uuid:need_id>/consult", Permission.CONSULT_CALL, methods=["POST"])
def call_consultation(need_id: UUID) -> Any:
    """Asks the firm whether these banks may look again."""
    banks = ids_of(request.form.getlist("banks"))
    return act(
        lambda: consult_service.call(context(), need_id, banks, request.form.get("reason", "")),
        done=gettext("已提议会诊；企业同意后银行才会看到。"), to=url_for("market.desk_need", need_id=need_id),
    )


@room.page("/desk/consultations/<uuid:consultation_id>", Permission.CONSULT_CALL)
def desk_consultation(consultation_id: UUID) -> Any:
    """One consultation: what each bank says, and the advice."""
    ctx = context()
    with reading(ctx, Permission.CONSULT_CALL):
        found = get_or_404(Consultation, consultation_id)
        return render_template(
            "market/desk_consultation.html", found=found, firm=organisation_names({found.org_id}).get(found.org_id, ""),
            **_shown(found), can={event: can_fire(ctx, CONSULTATION, found, event) for event in ("advise", "cancel")},
        )


@room.page("/desk/consultations/<uuid:consultation_id>/advise", Permission.CONSULT_CALL, methods=["POST"])
def advise(consultation_id: UUID) -> Any:
    """Ends it with advice."""
    form = request.form
    return act(
        lambda: consult_service.advise(
            context(), consultation_id, form.getlist("advice"), form.get("text", ""), form.getlist("kinds")
        ),
        done=gettext("已把建议告诉企业。"), to=url_for("market.desk_consultation", consultation_id=consultation_id),
    )


@room.page("/desk/consultations/<uuid:consultation_id>/cancel", Permission.CONSULT_CALL, methods=["POST"])
def cancel_consultation(consultation_id: UUID) -> Any:
    """Calls it off."""
    return act(
        lambda: consult_service.cancel(context(), consultation_id, request.form.get("reason", "")),
        done=gettext("会诊已取消。"), to=url_for("market.desk_consultation", consultation_id=consultation_id),
    )


# --- banks -------------------------------------------------------------------------------------------------------------


@room.page("/consultations", Permission.CONSULT_SIT)
def consultations() -> Any:
    """Consultations the bank was asked to."""
    return _list(OWN, Permission.CONSULT_SIT)


@room.page("/consultations/<uuid:consultation_id>", Permission.CONSULT_SIT)
def consultation(consultation_id: UUID) -> Any:
    """What the firm agreed to show; the bank says what it thinks, and then reads what the others said."""
    ctx = context()
    with reading(ctx, Permission.CONSULT_SIT):
        found = get_or_404(Consultation, consultation_id)
        shown = _shown(found)
        own = next((row.Opinion for row in shown["opinions"] if row.Opinion.org_id == ctx.org_id), None)
        sits = found.state == ConsultState.SITTING
        return render_template("market/consultation.html", found=found, own=own, sits=sits, **shown)


@room.page("/consultations/<uuid:consultation_id>/say", Permission.CONSULT_SIT, methods=["POST"])
def say(consultation_id: UUID) -> Any:
    """The bank says what it thinks."""
    form = request.form
    words = Words(
        form.get("outcome", ""), tuple(form.getlist("conditions")), tuple(form.getlist("reasons")), form.get("text", ""),
        "named" in form,
    )
    return act(
        lambda: consult_service.say(context(), consultation_id, words), done=gettext("已记下本行的意见。"),
        to=url_for("market.consultation", consultation_id=consultation_id),
    )


def _shown(found: Consultation) -> dict[str, Any]:
    card = card_of(found)
    return {
        "card": card, "card_title": card_title(card), "title": need_title(card), "kind_text": kind_text,
        "months_text": months_text, "exposure": Exposure.read(card.exposure) if card.exposure else None,
        "banks": consult_queries.banks_of(found.id), "opinions": consult_queries.opinions(found.id), "w": _WORDS,
    }


# --- the firm ----------------------------------------------------------------------------------------------------------


@room.page("/needs/<uuid:need_id>/consultation", Permission.CONSULT_AGREE)
def need_consultation(need_id: UUID) -> Any:
    """What the desk proposes, what banks ask, what the desk advises."""
    ctx = context()
    with reading(ctx, Permission.CONSULT_AGREE):
        need = get_or_404(Need, need_id)
        rows = [
            SimpleNamespace(
                one=one, **_shown(one), asked=consult_queries.asked_of_firm(ctx, one),
                may_agree=can_fire(ctx, CONSULTATION, one, "agree"),
            )
            for one in consult_queries.of_need(need_id)
        ]
        return render_template("market/need_consultation.html", need=need, rows=rows, w=_WORDS, need_name=need_title(need),
                               again=ctx.can(Permission.NEED_DRAFT))  # fmt: skip


def _firm_button(name: str, call: Any, done: Any) -> None:
    def view(consultation_id: UUID) -> Any:
        ctx = context()
        with reading(ctx, Permission.CONSULT_AGREE):
            need_id = get_or_404(Consultation, consultation_id).need_id
        to = url_for("market.need_consultation", need_id=need_id)
        return act(lambda: call(ctx, consultation_id), done=str(done), to=to)

    room.page(
        f"/needs/consultations/<uuid:consultation_id>/{name}", Permission.CONSULT_AGREE, methods=["POST"],
        endpoint=f"{name}_consultation",
    )(view)


_firm_button("agree", lambda ctx, found: consult_service.agree(ctx, found, show_name="show_name" in request.form),
             _l("已同意，银行现在可以看到需求卡片。"))  # fmt: skip
_firm_button("decline", consult_service.decline, _l("已谢绝会诊，银行不会知道。"))
_firm_button("reply", lambda ctx, found: consult_service.reply(ctx, found, request.form.get("text", "")),
             _l("说明已发给会诊的银行。"))  # fmt: skip


# --- what waits --------------------------------------------------------------------------------------------------------


def desk_waits(ctx: Context) -> list[Wait]:
    """Consultations that need the desk's advice."""
    return [
        Wait(_l("会诊等待结论"), need_title(card_of(one)), url_for("market.desk_consultation", consultation_id=one.id),
             due=one.due_at, tone="wait", order=25)
        for one in consult_queries.waiting(ConsultState.SITTING)
    ]  # fmt: skip


def bank_waits(ctx: Context) -> list[Wait]:
    """Consultations in which the bank has said nothing yet."""
    return [
        Wait(_l("请说明会诊意见"), f"{_title(one)} · {money_text(one.card['amount_fen'])}",
             url_for("market.consultation", consultation_id=one.id), due=one.due_at, tone="wait", order=25)
        for one in consult_queries.unsaid(ctx)
    ]  # fmt: skip


def firm_waits(ctx: Context) -> list[Wait]:
    """Consultations that the firm has to agree to."""
    assert ctx.org_kind is OrgKind.ENTERPRISE
    return [
        Wait(_l("服务台建议会诊，请决定是否同意"), need_title(card_of(one)),
             url_for("market.need_consultation", need_id=one.need_id), due=one.agree_by, tone="wait", order=11)
        for one in consult_queries.waiting(ConsultState.PROPOSED)
    ]  # fmt: skip


pages.home.add_waits(Permission.CONSULT_CALL, desk_waits)
pages.home.add_waits(Permission.CONSULT_SIT, bank_waits)
pages.home.add_waits(Permission.CONSULT_AGREE, firm_waits)
