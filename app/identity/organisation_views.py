"""Pages of the platform's system administrator: every organisation, and how a new one comes in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core import pages
from app.core.context import Context
from app.core.database import elevated, get_or_404
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.outbox import dead_rows
from app.core.pages import Figure
from app.core.permissions import OrgKind, Permission
from app.core.queries import KIND_NAMES
from app.core.tables import Column, Filter, Table, remembered
from app.core.uscc import normalise
from app.core.use_case import reading
from app.core.web import attempt, context, send_list
from app.identity import queries, staff_service
from app.identity.forms import FirstPersonForm, OrganisationForm
from app.identity.models import Organisation
from app.identity.rules import FIRST_ROLES, RULES
from app.identity.staff_views import link_page
from app.identity.views import room

P = Permission
pages.menu.add(_l("机构"), "identity.organisations", P.ORGANISATION_READ, 84, pages.Group.HOUSE)

ORGANISATIONS = Table(
    "organisations",
    columns=[
        Column("name", _l("机构"), Organisation.name, sub=lambda row: row.uscc or ""),
        Column("kind", _l("类别"), Organisation.kind, render=lambda row: gettext(KIND_NAMES[row.kind]),
               export=lambda row: gettext(KIND_NAMES[row.kind])),
        Column("people", _l("在职人员"), kind="count"),
        Column("created_at", _l("加入"), Organisation.created_at, kind="datetime"),
    ],
    filters=[
        Filter("q", _l("名称或代码"), kind="text",
               apply=lambda stmt, value: stmt.where(Organisation.name.icontains(value, autoescape=True) |
                                                   Organisation.uscc.icontains(value, autoescape=True))),
        Filter("kind", _l("类别"), choices=[(kind, _l(name)) for kind, name in KIND_NAMES.items() if kind != "system"],
               apply=lambda stmt, value: stmt.where(Organisation.kind == value)),
    ],
    default_sort="-created_at",
    row_url=lambda row: url_for("identity.organisation", org_id=row.id),
    empty_title=_l("还没有机构"),
)


@room.page("/organisations", P.ORGANISATION_READ)
def organisations() -> Any:
    """Every organisation of every kind."""
    ctx = context()
    args = remembered(ORGANISATIONS, request.args, session)
    with reading(ctx, P.ORGANISATION_READ) as db:
        if not wants_export(request.args):
            page = ORGANISATIONS.load(db, queries.organisations_query(), args)
            return render_template("identity/organisations.html", page=page, may_create=ctx.can(P.ORGANISATION_CREATE))
        rows = ORGANISATIONS.load_all(db, queries.organisations_query(), args, EXPORT_LIMIT)
    return send_list(ORGANISATIONS, rows, gettext("机构"), "organisations.xlsx")


@room.page("/organisations/new", P.ORGANISATION_CREATE, methods=["GET", "POST"])
def new_organisation() -> Any:
    """An organisation together with the administrator who invites everybody else."""
    form = OrganisationForm()
    if form.validate_on_submit():
        invitation = attempt(form, lambda: staff_service.open_organisation(
            context(), kind=OrgKind(form.kind.data), name=form.name.data or "", uscc=normalise(form.uscc.data or "") or None,
            login=form.login.data or "", person=form.person.data or "", phone=form.phone.data or None,
        ))
        if not form.errors:
            return link_page(invitation, url_for("identity.organisations"))
    return render_template("identity/organisation_new.html", form=form, hours=RULES.invitation_hours)


@room.page("/organisations/<uuid:org_id>", P.ORGANISATION_READ)
def organisation(org_id: UUID) -> Any:
    """One organisation; where nobody works there yet, its first administrator is invited here."""
    return _organisation_page(context(), org_id, FirstPersonForm())


def _organisation_page(ctx: Context, org_id: UUID, form: FirstPersonForm, status: int = 200) -> Any:
    with reading(ctx, P.ORGANISATION_READ):
        found = get_or_404(Organisation, org_id)
        people = {state: queries.people_count(org_id, state) for state in ("active", "invited", "left")}
        empty = not any(people.values()) and found.kind in FIRST_ROLES and ctx.can(P.ORGANISATION_CREATE)
        return render_template(
            "identity/organisation.html", organisation=found, people=people, form=form if empty else None,
            kind=gettext(KIND_NAMES[found.kind]),
        ), status


@room.page("/organisations/<uuid:org_id>/first", P.ORGANISATION_CREATE, methods=["POST"])
def first_administrator(org_id: UUID) -> Any:
    """Invites the first administrator of an organisation that has nobody."""
    ctx = context()
    with reading(ctx, P.ORGANISATION_READ):
        kind = OrgKind(get_or_404(Organisation, org_id).kind)
    form = FirstPersonForm()
    if form.validate_on_submit():
        invitation = attempt(form, lambda: staff_service.invite_first_administrator(
            ctx, org_id=org_id, login=form.login.data or "", name=form.person.data or "",
            roles=dict.fromkeys(FIRST_ROLES.get(kind, ())), phone=form.phone.data or None,
        ))
        if not form.errors:
            return link_page(invitation, url_for("identity.organisation", org_id=org_id))
    return _organisation_page(ctx, org_id, form, 422)


def _figures(ctx: Context) -> list[Figure]:
    with elevated(ctx, "operations"):
        dead = dead_rows()
    return [Figure(_l("办不成的后台任务"), str(dead), _l("件"), tone="bad" if dead else "plain")]


pages.home.add_figures(P.ORGANISATION_CREATE, _figures)
