"""Pages of partners: the list of agreements, one agreement with its steps, the draft, its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, select

from app.core.calendar import today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.formats import date_text
from app.core.lifecycle import can_fire
from app.core.pages import Group, Text, Tone, Wait, event_texts, home, menu
from app.core.permissions import Permission
from app.core.pieces import chip
from app.core.queries import KIND_NAMES
from app.core.tables import EXPORT_LIMIT, Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, attempt, context, filled, send_list
from app.identity.models import Organisation
from app.pool import partner_service, queries
from app.pool.door import room, steps
from app.pool.judging import RUNS_TO
from app.pool.models import Agreement
from app.pool.partner_forms import AgreementForm, EndForm
from app.pool.partner_states import AGREEMENT, AGREEMENT_TEXTS, PartnerState
from app.pool.rules import Mode

P = Permission
menu.add(_l("合作机构"), "pool.partners", P.PARTNER_READ, 60, Group.POOL)
for _event, _words in AGREEMENT_TEXTS.items():
    event_texts.add(Agreement.__tablename__, _event, _l(_words))
SOON = timedelta(days=60)
"""How long before its last day an agreement is shown as running out [P]."""
STANDINGS: dict[str, tuple[Text, Tone]] = {
    "draft": (_l("待另一人签署"), "wait"), "running": (_l("有效"), "good"), "soon": (_l("即将到期"), "wait"),
    "future": (_l("尚未生效"), "info"), "over": (_l("已到期"), "plain"), "ended": (_l("已终止"), "bad"),
    "refused": (_l("未签署"), "bad"), "withdrawn": (_l("已撤回"), "plain"),
}
BUTTONS: dict[str, tuple[Text, Text, str]] = {
    "confirm": (_l("签署"), _l("签署后从生效日起，该机构的贷款可以入库。"), "primary"),
    "refuse": (_l("不同意"), _l("协议不生效。"), "outline-danger"), "withdraw": (_l("撤回"), _l("草稿作废。"), "quiet"),
}
DONE: dict[str, Text] = {"confirm": _l("已签署。"), "refuse": _l("已记录不同意。"), "withdraw": _l("已撤回。")}


def standing(row: Any) -> str:
    """How an agreement stands today: a key of ``STANDINGS``."""
    by_state = {PartnerState.PROPOSED: "draft", PartnerState.REFUSED: "refused", PartnerState.WITHDRAWN: "withdrawn"}
    if row.state in by_state:
        return by_state[PartnerState(row.state)]
    last = min((day for day in (row.valid_to, row.ended_on) if day is not None), default=None)
    if last is not None and last < today():
        return "ended" if row.state == PartnerState.ENDED else "over"
    if row.valid_from > today():
        return "future"
    return "soon" if last is not None and last - today() <= SOON else "running"


def standing_chip(row: Any) -> Any:
    """How an agreement stands, as a chip."""
    text, tone = STANDINGS[standing(row)]
    return chip(str(text), tone)


def agreements_query() -> Select[*tuple[Any, ...]]:
    """Agreements with the names of the partners."""
    return select(
        Agreement.id, Agreement.mode, Agreement.document_no, Agreement.valid_from, Agreement.valid_to, Agreement.ended_on,
        Agreement.own_share, Agreement.partner_signer, Agreement.city_signer, Agreement.signed_on, Agreement.state,
        Organisation.name.label("partner_name"),
    ).join(Organisation, Organisation.id == Agreement.org_id)


def _stands(stmt: Any, key: str) -> Any:
    signed = Agreement.state.in_((PartnerState.CONFIRMED, PartnerState.ENDED))
    runs = signed & (Agreement.valid_from <= today()) & (RUNS_TO.is_(None) | (today() <= RUNS_TO))
    return stmt.where({
        "draft": Agreement.state == PartnerState.PROPOSED, "running": runs, "soon": runs & (today() + SOON >= RUNS_TO),
        "over": signed & (today() > RUNS_TO),
    }[key])


PARTNERS = Table(
    "partners",
    columns=[
        Column("partner_name", _l("合作机构"), Organisation.name, render=lambda row: row.partner_name,
               sub=lambda row: row.document_no, export=lambda row: row.partner_name),
        Column("document_no", _l("协议编号"), Agreement.document_no, hide_small=True),
        Column("mode", _l("模式"), Agreement.mode, render=lambda row: gettext(Mode(row.mode).label),
               export=lambda row: gettext(Mode(row.mode).label)),
        Column("valid_from", _l("生效日期"), Agreement.valid_from, kind="date"),
        Column("valid_to", _l("终止日期"), Agreement.valid_to, kind="date",
               render=lambda row: date_text(row.ended_on or row.valid_to) if row.ended_on or row.valid_to else gettext("未约定")),
        Column("own_share", _l("自担比例"), Agreement.own_share, kind="rate", hide_small=True),
        Column("partner_signer", _l("合作方签署人"), Agreement.partner_signer, hide_small=True),
        Column("city_signer", _l("市方签署人"), Agreement.city_signer, hide_small=True),
        Column("state", _l("状态"), sortable=False, render=standing_chip,
               export=lambda row: str(STANDINGS[standing(row)][0])),
    ],
    filters=[
        Filter("standing", _l("状态"), choices=fixed(lambda: [
            (key, str(STANDINGS[key][0])) for key in ("running", "soon", "over", "draft")]), apply=_stands),
        Filter("mode", _l("模式"), choices=fixed(lambda: [(one.value, gettext(one.label)) for one in Mode]),
               apply=lambda stmt, value: stmt.where(Agreement.mode == value)),
        Filter("q", _l("机构或协议编号"), "text", apply=lambda stmt, value: stmt.where(
            Organisation.name.icontains(value, autoescape=True) | Agreement.document_no.icontains(value, autoescape=True))),
    ],
    default_sort="partner_name",
    row_url=lambda row: url_for("pool.partner", agreement_id=row.id),
    empty_title=_l("还没有合作协议"),
    empty_hint=_l("协议签署后，有效期内放款的贷款可以入库。"),
)


@room.page("/pool/partners", P.PARTNER_READ)
def partners() -> Any:
    """Agreements: all for the city, a partner's own for the partner."""
    with reading(context(), P.PARTNER_READ) as db:
        args = remembered(PARTNERS, request.args, session)
        if wants_export(request.args):
            rows = PARTNERS.load_all(db, agreements_query(), args, EXPORT_LIMIT)
            return send_list(PARTNERS, rows, gettext("合作机构"), "partners.xlsx")
        return render_template("pool/partners.html", page=PARTNERS.load(db, agreements_query(), args))


@room.page("/pool/partners/new", P.POOL_PROPOSE, methods=["GET", "POST"])
def new_partner() -> Any:
    """Drafts an agreement for a second person to sign off."""
    ctx, form = context(), AgreementForm()
    with reading(ctx, P.POOL_PROPOSE):
        form.partner.choices = [
            (str(row.id), f"{row.name}（{gettext(KIND_NAMES[row.kind])}）") for row in queries.partners()]
    if form.validate_on_submit():
        made = attempt(form, lambda: partner_service.draft_agreement(ctx, UUID(form.partner.data), form.terms()))
        if made is not None:
            flash(gettext("已起草合作协议，请另一人签署。"), "success")
            return redirect(url_for("pool.partner", agreement_id=made.id))
    return render_template("pool/partner_form.html", form=form)


@room.page("/pool/partners/<uuid:agreement_id>", P.PARTNER_READ)
def partner(agreement_id: UUID) -> Any:
    """One agreement: what was agreed, who signed, its steps."""
    return _page(agreement_id, EndForm(formdata=None))


def _page(agreement_id: UUID, form: EndForm) -> Any:
    ctx = context()
    with reading(ctx, P.PARTNER_READ):
        found = get_or_404(Agreement, agreement_id)
        people = queries.people({one for one in (found.proposed_by, found.decided_by, found.ended_by) if one is not None})
        return render_template(
            "pool/partner.html", agreement=found, partner=get_or_404(Organisation, found.org_id).name, people=people,
            state=standing_chip(found), mode=gettext(Mode(found.mode).label), entries=steps("pool_agreement", found.id),
            events=[event for event in BUTTONS if can_fire(ctx, AGREEMENT, found, event)], buttons=BUTTONS, form=form,
            can_end=can_fire(ctx, AGREEMENT, found, "end") and standing(found) in ("running", "soon", "future"),
        )


@room.page("/pool/partners/<uuid:agreement_id>/<any(confirm, refuse):event>", P.POOL_FUND, methods=["POST"])
def judge_partner(agreement_id: UUID, event: str) -> Any:
    """A second person's word on an agreement."""
    return _decided(agreement_id, event)


@room.page("/pool/partners/<uuid:agreement_id>/withdraw", P.POOL_PROPOSE, methods=["POST"])
def withdraw_partner(agreement_id: UUID) -> Any:
    """Takes one's own draft back."""
    return _decided(agreement_id, "withdraw")


def _decided(agreement_id: UUID, event: str) -> Any:
    reason = request.form.get("reason", "")
    return act(lambda: partner_service.decide_agreement(context(), agreement_id, event, reason), done=str(DONE[event]),
               to=url_for("pool.partner", agreement_id=agreement_id))


@room.page("/pool/partners/<uuid:agreement_id>/end", P.POOL_FUND, methods=["POST"])
def end_partner(agreement_id: UUID) -> Any:
    """Ends an agreement before its time."""
    ctx, form = context(), EndForm()
    if form.validate_on_submit():
        done = attempt(form, lambda: partner_service.end_agreement(
            ctx, agreement_id, filled(form.last_day.data), form.reason.data or ""))
        if done is not None:
            flash(gettext("已登记提前终止，合作方会收到通知。"), "success")
            return redirect(url_for("pool.partner", agreement_id=agreement_id))
    return _page(agreement_id, form)


def leader_waits(ctx: Context) -> list[Wait]:
    """Agreements that wait for a second person."""
    drafts = queries.draft_agreements()
    return [
        Wait(_l("签署合作协议"), f"{row.partner_name} · {row.document_no}", url_for("pool.partner", agreement_id=row.id),
             tone="wait", order=28) for row in drafts
    ]


home.add_waits(P.POOL_FUND, leader_waits)
