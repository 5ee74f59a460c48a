"""Pages where the platform's system administrator says which data provider delivers what."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Any
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app.core import pages
from app.core.database import get_or_404
from app.core.errors import NotFound
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.permissions import OrgKind, Permission
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import act, context, send_list
from app.evidence import provider_queries, provider_service, queries
from app.evidence.display import CATEGORIES, item_name
from app.evidence.door import room
from app.evidence.models import ProviderItem
from app.identity.models import Organisation

P = Permission
pages.menu.add(_l("数据单位"), "evidence.providers", P.ORGANISATION_CREATE, 21, pages.Group.DATA)

PROVIDERS = Table(
    "providers",
    columns=[
        Column("name", _l("数据单位"), Organisation.name),
        Column("n_items", _l("供哪些资料")),
        Column("deliveries", _l("批次"), kind="count"),
        Column("last_at", _l("最近一批"), kind="datetime"),
    ],
    filters=[
        Filter("q", _l("名称"), kind="text",
               apply=lambda stmt, value: stmt.where(Organisation.name.icontains(value, autoescape=True))),
        Filter("none", _l("还没有登记资料"), kind="flag", apply=lambda stmt, value: stmt.where(
            Organisation.id.not_in(select(ProviderItem.provider_org_id)))),
    ],
    default_sort="name",
    row_url=lambda row: url_for("evidence.provider", provider_id=row.id),
    empty_title=_l("还没有数据单位"),
    empty_hint=_l("先在“机构”中开通一家数据单位，再到这里登记它供哪些资料，它才能上传。"),
    empty_action=lambda: (_l("开通机构"), url_for("identity.new_organisation")),
)


def _table() -> Table:
    """The list with the names of items in the language of the page."""
    names = {item.code: item_name(item) for item in queries.catalogue()}

    def held(row: Any) -> str:
        return gettext("、").join(names[code] for code in row.codes or []) or gettext("还没有登记")

    first, items, *others = PROVIDERS.columns
    return replace(PROVIDERS, columns=[first, replace(items, render=held, export=held), *others])


@room.page("/evidence/providers", P.ORGANISATION_CREATE)
def providers() -> Any:
    """Data providers, what they deliver and when something came last."""
    ctx = context()
    with reading(ctx, P.ORGANISATION_CREATE) as db:
        table, args = _table(), remembered(PROVIDERS, request.args, session)
        if wants_export(request.args):
            rows = table.load_all(db, provider_queries.providers(), args, EXPORT_LIMIT)
            return send_list(table, rows, gettext("数据单位"), "providers.xlsx")
        return render_template("evidence/providers.html", page=table.load(db, provider_queries.providers(), args))


@room.page("/evidence/providers/<uuid:provider_id>", P.ORGANISATION_CREATE)
def provider(provider_id: UUID) -> Any:
    """What one provider delivers, item by item, to tick."""
    with reading(context(), P.ORGANISATION_CREATE):
        found = get_or_404(Organisation, provider_id)
        if found.kind != OrgKind.DATA_PROVIDER:
            raise NotFound
        items = queries.catalogue(active=True)
        return render_template(
            "evidence/provider.html", provider=found, delivered=provider_queries.delivered_by(provider_id), item_name=item_name,
            groups=[(CATEGORIES[number], list(group)) for number, group in groupby(items, key=lambda one: one.category_no)],
        )


@room.page("/evidence/providers/<uuid:provider_id>/items", P.ORGANISATION_CREATE, methods=["POST"])
def provider_items(provider_id: UUID) -> Any:
    """Saves the ticks: only what was changed on the page is changed, whatever another administrator did meanwhile."""
    ticked, before = request.form.getlist("items"), request.form.getlist("before")
    give, take = [code for code in ticked if code not in before], [code for code in before if code not in ticked]
    return act(lambda: provider_service.change_items(context(), provider_id, give, take), done=gettext("已保存。"),
               to=url_for("evidence.provider", provider_id=provider_id))
