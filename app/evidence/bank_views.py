"""Pages of banks: the firms that consented, a firm's evidence item by item, the bank's own log of looks.

Opening a firm's evidence is itself a use case, since each item that is shown is a look on record.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.database import get_or_404
from app.core.errors import NotFound
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.permissions import Permission
from app.core.queries import ROLE_NAMES, organisation_names
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import context, send_list
from app.enterprises.models import Enterprise
from app.evidence import consent_queries, dispute_queries, fact_queries, look_service, queries
from app.evidence.display import (
    BASES,
    CATEGORIES,
    PURPOSES,
    RESULTS,
    chip,
    ground_text,
    item_name,
    purpose_text,
    reference,
)
from app.evidence.dispute_display import mark, marked
from app.evidence.door import room
from app.evidence.fact_display import LISTS, chart_of, sentences_of, span_text
from app.evidence.models import DataItem, EvidenceLook
from app.evidence.rules import INVOICES, LINKS, LOOK, Purpose
from app.identity.models import Organisation

FIRMS = Table(
    "consented-firms",
    columns=[
        Column("firm", _l("企业"), Organisation.name, sub=lambda row: gettext("合成数据") if row.synthetic else ""),
        Column("item", _l("资料"), sortable=False, render=item_name, export=item_name),
        Column("purpose", _l("用途"), sortable=False, render=purpose_text, export=purpose_text),
        Column("given_at", _l("授权时间"), kind="datetime", hide_small=True),
        Column("valid_until", _l("最早到期"), kind="datetime"),
    ],
    filters=[
        Filter("q", _l("企业名称"), kind="text",
               apply=lambda stmt, value: stmt.where(Organisation.name.icontains(value, autoescape=True))),
    ],
    default_sort="valid_until",
    row_url=lambda row: url_for("evidence.firm", firm_id=row.firm_id, case=row.case_id),
    empty_title=_l("还没有企业授权贵行查看资料"),
    empty_hint=_l("企业在“我的授权”中选定贵行，或在提交融资需求时授权后，会出现在这里。"),
)

OWN_LOOKS = Table(
    "own-looks",
    columns=[
        Column("firm", _l("企业"), sortable=False, render=lambda row: row.firm or gettext("名称不再可见")),
        Column("at", _l("什么时候"), EvidenceLook.at, kind="datetime"),
        Column("person", _l("谁"), sortable=False, sub=lambda row: gettext(ROLE_NAMES.get(row.actor_role, row.actor_role))),
        Column("item", _l("哪项资料"), sortable=False, render=item_name, export=item_name),
        Column("purpose", _l("用途"), sortable=False, render=purpose_text, export=purpose_text),
        Column("basis", _l("依据"), sortable=False, render=ground_text, export=ground_text),
        Column("result", _l("结果"), sortable=False, render=lambda row: chip(RESULTS[row.result]),
               export=lambda row: str(RESULTS[row.result][0])),
    ],
    filters=[
        Filter("result", _l("结果"), choices=[(key, words[0]) for key, words in RESULTS.items()],
               apply=lambda stmt, value: stmt.where(EvidenceLook.result == value)),
        Filter("q", _l("企业名称"), kind="text",
               apply=lambda stmt, value: stmt.where(Organisation.name.icontains(value, autoescape=True))),
    ],
    default_sort="-at",
    empty_title=_l("本行还没有查看过企业资料"),
    empty_hint=_l("打开“已授权企业”中的企业后，每一项查看都会记在这里，供本行内部检查。"),
)


@room.page("/evidence/firms", Permission.EVIDENCE_LOOK)
def firms() -> Any:
    """Firms whose consent names the visitor's bank."""
    ctx = context()
    assert ctx.org_id is not None
    with reading(ctx, Permission.EVIDENCE_LOOK) as db:
        stmt, args = consent_queries.consents_for_bank(ctx.org_id), remembered(FIRMS, request.args, session)
        if wants_export(request.args):
            rows = FIRMS.load_all(db, stmt, args, EXPORT_LIMIT)
            return send_list(FIRMS, rows, gettext("已授权企业"), "firms.xlsx")
        return render_template("evidence/firms.html", page=FIRMS.load(db, stmt, args))


@room.page("/evidence/looks", Permission.EVIDENCE_LOOK)
def own_looks() -> Any:
    """What the visitor's bank looked at."""
    ctx = context()
    assert ctx.org_id is not None
    with reading(ctx, Permission.EVIDENCE_LOOK) as db:
        stmt, args = consent_queries.looks_of_bank(ctx.org_id), remembered(OWN_LOOKS, request.args, session)
        if wants_export(request.args):
            rows = OWN_LOOKS.load_all(db, stmt, args, EXPORT_LIMIT)
            return send_list(OWN_LOOKS, rows, gettext("我行查看记录"), "own-looks.xlsx")
        return render_template("evidence/own_looks.html", page=OWN_LOOKS.load(db, stmt, args))


@room.page("/evidence/firms/<uuid:firm_id>", Permission.EVIDENCE_LOOK)
def firm(firm_id: UUID) -> Any:
    """A firm's evidence as far as its consent goes, and plainly what it does not cover."""
    ctx = context()
    case_id = request.args.get("case", type=UUID)
    with reading(ctx, Permission.EVIDENCE_LOOK):
        found = get_or_404(Enterprise, firm_id)
        items = [item for item in queries.catalogue() if item.code != LINKS]
        name = organisation_names({firm_id}).get(firm_id, "")
        grounds = consent_queries.grounds(firm_id, ctx.org_id, case_id)
        consents = consent_queries.consents_by_id([one.consent_id for one in grounds.values() if one.consent_id])
        consent_queries.name_case(case_id)
        open_to = [code for code, one in grounds.items() if one.consent_id is not None]
        public = fact_queries.held(found.firm_no, [code for code in grounds if code not in open_to])
        disputes = dispute_queries.open_disputes(firm_id)
    # What is public and empty is no look; what the firm consented to is one, even where nothing came yet.
    asked = [code for code in grounds if code in open_to or code in public]
    seen = look_service.look_at(ctx, firm_id, asked, _purpose(case_id), case_id) if asked else {}
    return render_template(
        "evidence/firm.html", firm=found, name=name, items=items, grounds=grounds, consents=consents, seen=seen, case=case_id,
        purpose=PURPOSES[_purpose(case_id)], item_name=item_name, top=LOOK.top_counterparties, categories=CATEGORIES,
        bases=BASES, reference=reference, span_text=span_text, sentences_of=sentences_of,
        lists={code: marked(LISTS[code], code, disputes.get(code, [])) for code in seen},
        marks={code: mark(one) for code, one in disputes.items() if code in seen},
        charts={item.code: chart_of(seen[item.code], item_name(item)) for item in items if item.code in seen},
    )


@room.page("/evidence/firms/<uuid:firm_id>/<item>", Permission.EVIDENCE_LOOK)
def firm_item(firm_id: UUID, item: str) -> Any:
    """All rows of one item of a firm; each opening is a look, also one that is refused. Invoices stay a summary."""
    ctx = context()
    case_id = request.args.get("case", type=UUID)
    if item not in LISTS or item in (INVOICES, LINKS):
        raise NotFound
    with reading(ctx, Permission.EVIDENCE_LOOK) as db:
        found = get_or_404(Enterprise, firm_id)
        described, name = db.get_one(DataItem, item), organisation_names({firm_id}).get(firm_id, "")
    shown = look_service.look_at(ctx, firm_id, [item], _purpose(case_id), case_id)[item]
    with reading(ctx, Permission.EVIDENCE_LOOK) as db:
        consent_queries.name_case(case_id)
        disputes = dispute_queries.open_disputes(firm_id).get(item, [])
        table = marked(LISTS[item], item, disputes)
        stmt, args = fact_queries.facts_query(found.firm_no, item), remembered(table, request.args, session)
        if wants_export(request.args):
            rows = table.load_all(db, stmt, args, EXPORT_LIMIT)
            return send_list(table, rows, f"{name} {item_name(described)}", f"{item}.xlsx")
        return render_template(
            "evidence/firm_item.html", item=described, name=name, firm_id=firm_id, case=case_id, shown=shown,
            page=table.load(db, stmt, args), chart=chart_of(shown, item_name(described)), sentences=sentences_of(shown),
            item_name=item_name, span_text=span_text, mark=mark(disputes),
        )


def _purpose(case_id: UUID | None) -> Purpose:
    return Purpose.PRE_APPROVAL if case_id is None else Purpose.CASE
