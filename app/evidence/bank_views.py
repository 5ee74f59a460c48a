"""Pages of banks: the firms that consented, and one firm's evidence. Opening a firm's evidence is itself recorded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.context import Context
from app.core.database import get_or_404
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import context, send_list
from app.enterprises.models import Enterprise
from app.evidence import queries, service
from app.evidence.display import MODES, PURPOSES, item_name, monthly_chart
from app.evidence.door import room
from app.evidence.models import Consent
from app.evidence.rules import INVOICES, LOOK, Purpose
from app.identity.models import Organisation

FIRMS = Table(
    "consented-firms",
    columns=[
        Column("firm", _l("企业"), Organisation.name, sub=lambda row: gettext("合成数据") if row.synthetic else ""),
        Column("item", _l("资料"), sortable=False, render=item_name, export=item_name),
        Column("purpose", _l("用途"), sortable=False, render=lambda row: str(PURPOSES[row.purpose]),
               export=lambda row: str(PURPOSES[row.purpose]), hide_small=True),
        Column("given_at", _l("授权时间"), Consent.given_at, kind="datetime", hide_small=True),
        Column("valid_until", _l("有效至"), Consent.valid_until, kind="datetime"),
    ],
    filters=[
        Filter("q", _l("企业名称"), kind="text",
               apply=lambda stmt, value: stmt.where(Organisation.name.icontains(value, autoescape=True))),
    ],
    default_sort="valid_until",
    row_url=lambda row: url_for("evidence.firm", firm_id=row.firm_id),
    empty_title=_l("还没有企业授权贵行查看资料"),
    empty_hint=_l("企业在“我的授权”中选定贵行，或在提交融资需求时授权后，会出现在这里。"),
)


@room.page("/evidence/firms", Permission.EVIDENCE_LOOK)
def firms() -> Any:
    """Firms whose consent names the visitor's bank."""
    ctx = context()
    assert ctx.org_id is not None
    with reading(ctx, Permission.EVIDENCE_LOOK) as db:
        stmt, args = queries.consents_for_bank(ctx.org_id), remembered(FIRMS, request.args, session)
        if wants_export(request.args):
            rows = FIRMS.load_all(db, stmt, args, EXPORT_LIMIT)
            return send_list(FIRMS, rows, gettext("已授权企业"), "firms.xlsx")
        return render_template("evidence/firms.html", page=FIRMS.load(db, stmt, args))


@room.page("/evidence/firms/<uuid:firm_id>", Permission.EVIDENCE_LOOK)
def firm(firm_id: UUID) -> Any:
    """A firm's evidence as far as its consent goes, and plainly what it does not cover."""
    ctx = context()
    with reading(ctx, Permission.EVIDENCE_LOOK):
        found = get_or_404(Enterprise, firm_id)
        items = queries.catalogue()
        name = organisation_names({firm_id}).get(firm_id, "")
        consent = _consent(ctx, firm_id)
    summary = None
    if consent is not None:
        summary = service.look(ctx, firm_id, INVOICES, Purpose(consent.purpose), consent.case_id)
    return render_template(
        "evidence/firm.html", firm=found, name=name, items=items, consent=consent, summary=summary, modes=MODES,
        purposes=PURPOSES, item_name=item_name, top=LOOK.top_counterparties,
        chart=monthly_chart(summary.months) if summary is not None and summary.lines else None,
    )


def _consent(ctx: Context, firm_id: UUID) -> Consent | None:
    consent_id = queries.has_consent(firm_id, INVOICES, ctx.org_id)
    return get_or_404(Consent, consent_id) if consent_id is not None else None
