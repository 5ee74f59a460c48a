"""Pages of the desk: needs that wait for a look, and one of them with what the five tests say."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404
from app.core.lifecycle import can_fire
from app.core.pages import Wait
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.tables import Column, Filter, Table, fixed, remembered, wants_export
from app.core.use_case import reading
from app.core.web import act, context, send_list
from app.core.working import shown
from app.enterprises.models import Enterprise
from app.market import consult_queries, policy, queries, screening_service
from app.market.consult_words import CONSULT_STATES, CONSULT_TONES
from app.market.display import kind_text, months_text, need_chip, need_title
from app.market.door import room
from app.market.exposure_rules import Exposure
from app.market.lifecycles import NEED
from app.market.models import Need
from app.market.screening_rules import ScreenFacts, hints
from app.market.screening_words import RETURN_REASONS
from app.market.words import NEED_STATES, NeedState

pages.menu.add(_l("需求核对"), "market.desk_needs", Permission.NEED_SCREEN, 15, pages.Group.FINANCING)

NEEDS = Table(
    "desk_needs",
    columns=[
        Column("name", _l("企业"), sortable=False),
        Column("title", _l("需求"), sortable=False, render=need_title, export=need_title),
        Column("amount_fen", _l("金额"), Need.amount_fen, kind="money"),
        Column("submitted_at", _l("提交"), Need.submitted_at, kind="datetime", hide_small=True),
        Column("check_due_at", _l("核对时限"), Need.check_due_at, kind="datetime"),
        Column(
            "state", _l("状态"), sortable=False, render=lambda row: need_chip(row.state),
            export=lambda row: gettext(NEED_STATES[row.state]),
            sub=lambda row: gettext("自动放行") if row.release_kind == "auto" else "",
        ),
    ],
    filters=[
        Filter(
            "state",
            _l("状态"),
            choices=fixed(lambda: [(key, gettext(text)) for key, text in NEED_STATES.items() if key != NeedState.DRAFT]),
            apply=lambda stmt, value: stmt.where(Need.state == value),
        )
    ],
    default_sort="-submitted_at",
    row_url=lambda row: url_for("market.desk_need", need_id=row.id),
    row_action=lambda row: (
        (gettext("核对"), url_for("market.desk_need", need_id=row.id)) if row.state == NeedState.CHECKING else None
    ),
    empty_title=_l("没有提交的需求"),
    empty_hint=_l("企业提交融资需求后先到这里，核对后银行才能看到。"),
)


@room.page("/desk/needs", Permission.NEED_SCREEN)
def desk_needs() -> Any:
    """Needs that were submitted; those to be looked at are one filter away and on the desk's home."""
    ctx = context()
    args = remembered(NEEDS, request.args, session)
    with reading(ctx, Permission.NEED_SCREEN) as db:
        if not wants_export(request.args):
            return render_template("market/desk_needs.html", page=NEEDS.load(db, queries.desk_needs_query(), args))
        rows = NEEDS.load_all(db, queries.desk_needs_query(), args, 10_000)
    return send_list(NEEDS, rows, gettext("需求核对"), "needs.xlsx")


@room.page("/desk/needs/<uuid:need_id>", Permission.NEED_SCREEN)
def desk_need(need_id: UUID) -> Any:
    """One need with the hints of the five tests; the desk lets it through or gives it back."""
    ctx = context()
    with reading(ctx, Permission.NEED_SCREEN):
        need = get_or_404(Need, need_id)
        firm = get_or_404(Enterprise, need.org_id)
        exposure = Exposure.read(need.exposure) if need.exposure else Exposure(this_fen=need.amount_fen or 0)
        facts = ScreenFacts(
            firm.state == "verified", bool(firm.district), need.amount_fen or 0, need.purpose_text, firm.revenue_fen,
            exposure.total_fen, queries.twins(need),
        )
        tests = [(gettext(hint.test), hint.fine, gettext(hint.message, **shown(hint.params, gettext))) for hint in hints(facts)]
        return render_template(
            "market/desk_need.html", need=need, firm=firm, name=organisation_names({firm.id}).get(firm.id, ""),
            exposure=exposure, tests=tests, title=need_title(need), kind_text=kind_text, months_text=months_text,
            invited=queries.invited(need_id) if need.distribution == "targeted" else [], reasons=RETURN_REASONS,
            returned=[RETURN_REASONS[code] for code in need.returned_reasons],
            may=can_fire(ctx, NEED, need, "release"), closes_at=policy.bids_close_at(now(), need.distribution),
            banks=queries.banks() if consult_queries.may_be_called(need) else [], consultations=consult_queries.of_need(need_id),
            levels=policy.levels(), consult_states=CONSULT_STATES, consult_tones=CONSULT_TONES,
        )


@room.page("/desk/needs/<uuid:need_id>/release", Permission.NEED_SCREEN, methods=["POST"])
def release_need(need_id: UUID) -> Any:
    """Lets banks see it."""
    return act(
        lambda: screening_service.release_need(context(), need_id), done=gettext("已放行，银行现在可以报价。"),
        to=url_for("market.desk_needs"),
    )


@room.page("/desk/needs/<uuid:need_id>/return", Permission.NEED_SCREEN, methods=["POST"])
def return_need(need_id: UUID) -> Any:
    """Gives it back with reasons."""
    reasons, note = request.form.getlist("reasons"), request.form.get("note", "")
    return act(
        lambda: screening_service.return_need(context(), need_id, tuple(reasons), note), done=gettext("已退回，企业会看到原因。"),
        to=url_for("market.desk_need", need_id=need_id),
    )


def desk_waits(ctx: Context) -> list[Wait]:
    """Needs that wait for a look, those due first first."""
    return [
        Wait(
            _l("核对融资需求"), f"{name} · {need_title(need)}", url_for("market.desk_need", need_id=need.id),
            due=need.check_due_at, tone="wait", order=15,
        )
        for need, name in queries.needs_to_check()
    ]


pages.home.add_waits(Permission.NEED_SCREEN, desk_waits)
