"""Pages of the firm: what is held about it, item by item, and who looked.

Consents: consent_views, providers: delivery_views, banks: bank_views.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import NotFound
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.permissions import Permission
from app.core.queries import ROLE_NAMES
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import context, send_list
from app.enterprises.models import Enterprise
from app.evidence import (
    bank_views,
    consent_queries,
    consent_views,
    delivery_views,
    disclosure_views,
    dispute_queries,
    dispute_views,
    fact_queries,
    facts,
    provider_views,
    push_key_views,
    push_views,
    quality_views,
    queries,
    registers,
    retention_service,
)
from app.evidence.display import (
    CATEGORIES,
    MODES,
    PURPOSES,
    RESULTS,
    chip,
    ground_text,
    item_name,
    monthly_chart,
    purpose_text,
    reference,
)
from app.evidence.dispute_display import mark, marked
from app.evidence.door import room
from app.evidence.fact_display import LISTS, behind_text, chart_of, own_list, sentences_of, span_text
from app.evidence.models import DataItem, EvidenceLook
from app.evidence.rules import Purpose
from app.identity.models import Organisation

__all__ = [
    "bank_views", "consent_views", "delivery_views", "disclosure_views", "dispute_views", "facts", "provider_views",
    "push_key_views", "push_views", "quality_views", "registers", "retention_service", "room",
]


LOOKS = Table(
    "looks",
    columns=[
        Column("bank", _l("谁"), sortable=False),
        Column("role", _l("角色"), sortable=False, render=lambda row: gettext(ROLE_NAMES.get(row.actor_role, row.actor_role)),
               export=lambda row: gettext(ROLE_NAMES.get(row.actor_role, row.actor_role))),
        Column("at", _l("什么时候"), EvidenceLook.at, kind="datetime"),
        Column("item", _l("哪项资料"), sortable=False, render=item_name, export=item_name),
        Column("purpose", _l("用途"), sortable=False, render=purpose_text, export=purpose_text),
        Column("basis", _l("依据"), sortable=False, render=ground_text, export=ground_text),
        Column("result", _l("结果"), sortable=False, render=lambda row: chip(RESULTS[row.result]),
               export=lambda row: str(RESULTS[row.result][0])),
    ],
    filters=[
        Filter("result", _l("结果"), choices=[(key, words[0]) for key, words in RESULTS.items()],
               apply=lambda stmt, value: stmt.where(EvidenceLook.result == value)),
        Filter("purpose", _l("用途"), choices=[(key.value, PURPOSES[key]) for key in Purpose],
               apply=lambda stmt, value: stmt.where(EvidenceLook.purpose == value)),
        Filter("bank", _l("谁"), kind="text",
               apply=lambda stmt, value: stmt.where(Organisation.name.icontains(value, autoescape=True))),
    ],
    default_sort="-at",
    row_url=lambda row: url_for("evidence.consents", _anchor=reference(row.consent_id)) if row.consent_id else None,
    empty_title=_l("还没有人看过您的资料"),
    empty_hint=_l("银行每一次查看（包括被拒绝的）都会记在这里：谁、什么时候、看了什么、为了什么、依据哪一份授权。"),
)


@room.page("/my-data", Permission.EVIDENCE_READ)
def my_data() -> Any:
    """What the portal holds about the firm, item by item."""
    ctx = context()
    with reading(ctx, Permission.EVIDENCE_READ):
        firm = get_or_404(Enterprise, ctx.org_id)
        verified = firm.state == "verified"
        held = fact_queries.held(firm.firm_no) if verified else {}
        summary = queries.invoice_summary(firm.firm_no) if "invoices" in held else None
        return render_template(
            "evidence/my_data.html", firm=firm, verified=verified, items=queries.catalogue(), held=held, summary=summary,
            modes=MODES, chart=monthly_chart(summary.months) if summary and summary.lines else None, item_name=item_name,
            categories=CATEGORIES, behind_text=behind_text, span_text=span_text,
            marks={code: mark(found) for code, found in dispute_queries.open_disputes(firm.id).items()} if verified else {},
        )


@room.page("/my-data/<item>", Permission.EVIDENCE_READ)
def my_item(item: str) -> Any:
    """All rows of one item of the firm, with where they came from."""
    ctx = context()
    if item not in LISTS:
        raise NotFound
    with reading(ctx, Permission.EVIDENCE_READ) as db:
        firm = get_or_404(Enterprise, ctx.org_id)
        disputes = dispute_queries.open_disputes(firm.id).get(item, [])
        table = marked(own_list(item), item, disputes)
        described = db.get_one(DataItem, item)
        stmt, args = fact_queries.facts_query(firm.firm_no, item), remembered(table, request.args, session)
        if wants_export(request.args):
            rows = table.load_all(db, stmt, args, EXPORT_LIMIT)
            return send_list(table, rows, item_name(described), f"{item}.xlsx")
        shown = fact_queries.item_facts(firm.firm_no, item)
        return render_template(
            "evidence/my_item.html", item=described, shown=shown, name=item_name(described), page=table.load(db, stmt, args),
            chart=chart_of(shown, item_name(described)), sentences=sentences_of(shown), span_text=span_text,
            mark=mark(disputes), may_dispute=ctx.can(Permission.DISPUTE_FILE) and firm.state == "verified",
        )


@room.page("/my-data/looks", Permission.CONSENT_READ)
def looks() -> Any:
    """Who looked at the firm's evidence."""
    ctx = context()
    with reading(ctx, Permission.CONSENT_READ) as db:
        stmt, args = consent_queries.looks_at_firm(_own(ctx)), remembered(LOOKS, request.args, session)
        if wants_export(request.args):
            rows = LOOKS.load_all(db, stmt, args, EXPORT_LIMIT)
            return send_list(LOOKS, rows, gettext("谁看过我的资料"), "looks.xlsx")
        return render_template("evidence/looks.html", page=LOOKS.load(db, stmt, args))


def _own(ctx: Context) -> UUID:
    assert ctx.org_id is not None
    return ctx.org_id
