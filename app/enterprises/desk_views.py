"""Pages of the desk: every firm, and the decision on licence and representative."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import Refusal
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.lifecycle import can_fire
from app.core.pages import Figure, Wait
from app.core.permissions import Permission
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.views import paper_rows
from app.core.web import act, context, say, send_list
from app.enterprises import queries, service, words
from app.enterprises.licence import REGISTRY
from app.enterprises.models import Enterprise
from app.enterprises.states import LIFECYCLE, EnterpriseState
from app.enterprises.views import room, size_facts
from app.identity.models import Organisation
from app.identity.rules import RULES
from app.identity.staff_views import show_link

P = Permission
pages.menu.add(_l("企业核验"), "enterprises.firms", P.ENTERPRISE_DESK, 20, pages.Group.HOUSE)


def _state(row: Any) -> str:
    return str(words.STATES[row.state])


def _state_note(row: Any) -> str:
    notes = [gettext("已传执照")] if row.has_licence and row.state == EnterpriseState.UNVERIFIED else []
    return " · ".join([*notes, *([gettext("合成代码")] if row.synthetic else [])])


FIRMS = Table(
    "firms",
    columns=[
        Column("name", _l("企业"), Organisation.name, sub=lambda row: row.uscc),
        Column("state", _l("状态"), Enterprise.state, render=_state, export=_state, sub=_state_note),
        Column("district", _l("区"), Enterprise.district, render=lambda row: words.district_name(row.district),
               export=lambda row: words.district_name(row.district)),
        Column("industry_code", _l("行业"), Enterprise.industry_code, render=lambda row: words.industry_name(row.industry_code),
               export=lambda row: words.industry_name(row.industry_code), hide_small=True),
        Column("size_class", _l("规模"), Enterprise.size_class, render=lambda row: str(words.SIZES[row.size_class]),
               export=lambda row: str(words.SIZES[row.size_class])),
        Column("created_at", _l("进入平台"), Enterprise.created_at, kind="datetime"),
    ],
    filters=[
        Filter("q", _l("名称或代码"), kind="text",
               apply=lambda stmt, value: stmt.where(Organisation.name.icontains(value, autoescape=True) |
                                                   Enterprise.uscc.icontains(value, autoescape=True))),
        Filter("state", _l("状态"), choices=list(words.STATES.items()),
               apply=lambda stmt, value: stmt.where(Enterprise.state == value)),
        Filter("district", _l("区"), choices=list(words.DISTRICT_NAMES.items()),
               apply=lambda stmt, value: stmt.where(Enterprise.district == value)),
        Filter("size", _l("规模"), choices=list(words.SIZES.items()),
               apply=lambda stmt, value: stmt.where(Enterprise.size_class == value)),
        Filter("licence", _l("已传执照"), kind="flag",
               apply=lambda stmt, value: stmt.where(Enterprise.licence_sha256.is_not(None))),
    ],
    default_sort="-created_at",
    row_url=lambda row: url_for("enterprises.firm", firm_id=row.id),
    row_action=lambda row: (
        (_l("核验"), url_for("enterprises.firm", firm_id=row.id))
        if row.state == EnterpriseState.UNVERIFIED and row.has_licence else None
    ),
    empty_title=_l("还没有企业"),
    empty_hint=_l("企业注册或数据批次到达后，会出现在这里。"),
)


@room.page("/firms", P.ENTERPRISE_DESK)
def firms() -> Any:
    """Every firm on the portal."""
    ctx = context()
    args = remembered(FIRMS, request.args, session)
    with reading(ctx, P.ENTERPRISE_DESK) as db:
        if not wants_export(request.args):
            page = FIRMS.load(db, queries.firms_query(), args)
            return render_template("enterprises/firms.html", page=page)
        rows = FIRMS.load_all(db, queries.firms_query(), args, EXPORT_LIMIT)
    return send_list(FIRMS, rows, gettext("企业"), "firms.xlsx")


@room.page("/firms/<uuid:firm_id>", P.ENTERPRISE_DESK)
def firm(firm_id: UUID) -> Any:
    """One firm with its licence, what a registry says about it, and the decision."""
    ctx = context()
    with reading(ctx, P.ENTERPRISE_DESK):
        found = get_or_404(Enterprise, firm_id)
        name = queries.firm_name(firm_id)
        return render_template(
            "enterprises/firm.html", firm=found, name=name, words=words, papers=paper_rows(queries.licences(firm_id)),
            answer=REGISTRY.check(found.uscc, name, found.representative_name or ""),
            contact=queries.representative_login(firm_id), entries=queries.steps(ctx, firm_id),
            can={event: can_fire(ctx, LIFECYCLE, found, event) for event in ("verify", "refuse", "release")},
            **size_facts(found),
        )


@room.page("/firms/<uuid:firm_id>/decision", P.ENTERPRISE_VERIFY, methods=["POST"])
def decide(firm_id: UUID) -> Any:
    """Verified, or refused with a reason that the firm reads."""
    decision = request.form.get("decision", "")
    done = gettext("已核验通过，企业已收到消息。") if decision == "verify" else gettext("已退回，企业会看到理由。")
    return act(lambda: service.verify(context(), firm_id, decision, request.form.get("reason", "")), done=done,
               to=url_for("enterprises.firm", firm_id=firm_id))


@room.page("/firms/<uuid:firm_id>/release", P.ENTERPRISE_VERIFY, methods=["POST"])
def release(firm_id: UUID) -> Any:
    """Gives a wrongly claimed code back."""
    return act(lambda: service.release(context(), firm_id, request.form.get("reason", "")),
               done=gettext("原账号已停用，企业可以重新注册。"), to=url_for("enterprises.firm", firm_id=firm_id))


@room.page("/firms/<uuid:firm_id>/reset", P.ENTERPRISE_VERIFY, methods=["POST"])
def reset(firm_id: UUID) -> Any:
    """A representative who lost everything stands at the desk: a link, shown this once; a form that comes twice gives a
    fresh one."""
    back = url_for("enterprises.firm", firm_id=firm_id)
    try:
        issued = service.reset_representative(context().with_token(None), firm_id, request.form.get("reason", ""))
    except Refusal as refusal:
        flash(say(refusal), "danger")
        return redirect(back)
    return show_link(issued.name, issued.token, RULES.reset_hours, back, reset=True)


def _figures(ctx: Context) -> list[Figure]:
    waiting = queries.waiting_count()
    return [
        Figure(_l("等待核验的企业"), str(waiting), _l("家"), tone="wait" if waiting else "plain",
               url=url_for("enterprises.firms", f=1, state="unverified", licence=1)),
        Figure(_l("已核验的企业"), str(queries.count_in(EnterpriseState.VERIFIED)), _l("家"),
               url=url_for("enterprises.firms", f=1, state="verified")),
    ]


def _waits(ctx: Context) -> list[Wait]:
    return [
        Wait(gettext("核验 %(name)s 的执照", name=row.name), row.uscc, url_for("enterprises.firm", firm_id=row.id), tone="wait",
             order=20)
        for row in queries.waiting_firms()
    ]


pages.home.add_figures(P.ENTERPRISE_DESK, _figures)
pages.home.add_waits(P.ENTERPRISE_DESK, _waits)
