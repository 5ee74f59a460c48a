"""Pages of the quality of deliveries: a provider's own, and all providers side by side for the platform."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.context import Context
from app.core.errors import NotFound
from app.core.exports import EXPORT_LIMIT, wants_export
from app.core.permissions import OrgKind, Permission
from app.core.queries import organisation_names
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import context, send_list
from app.evidence import quality_display as display
from app.evidence import quality_queries as queries
from app.evidence import quality_registers, quality_service
from app.evidence.display import chip, item_name
from app.evidence.door import room
from app.evidence.models import Delivery
from app.evidence.quality_models import QualityFinding, QualityReport
from app.evidence.quality_rules import LISTED, MEASURES, Measure
from app.identity.models import Organisation

__all__ = ["quality_registers", "quality_service"]

FINDINGS = Table(
    "quality-findings",
    columns=[
        Column("subject_label", _l("企业或户号"), QualityFinding.subject_label, sub=item_name),
        Column("at", _l("月份或日期"), QualityFinding.at, render=display.when_text, export=display.when_text),
        Column("measure", _l("指标"), QualityFinding.measure, render=lambda row: gettext(MEASURES[Measure(row.measure)]),
               export=lambda row: gettext(MEASURES[Measure(row.measure)]), sub=lambda row: display.rule_text(row.rule)),
        Column("rule", _l("说明"), sortable=False, hide_small=True, render=display.field_text,
               export=lambda row: display.rule_text(row.rule)),
        Column("seen", _l("收到的值"), sortable=False, align="right", render=display.seen_text, export=display.seen_text),
        Column("expected", _l("预期"), sortable=False, align="right", render=display.expected_text, export=display.expected_text),
        Column("severity", _l("程度"), QualityFinding.severity, render=lambda row: chip(display.SEVERITIES[row.severity]),
               export=lambda row: str(display.SEVERITIES[row.severity][0])),
        Column("number", _l("批次"), Delivery.number, kind="count"),
    ],
    filters=[
        Filter("measure", _l("指标"), choices=[(one.value, _l(MEASURES[one])) for one in LISTED],
               apply=lambda stmt, value: stmt.where(QualityFinding.measure == value)),
        Filter("severity", _l("程度"), choices=[(key, words[0]) for key, words in display.SEVERITIES.items()],
               apply=lambda stmt, value: stmt.where(QualityFinding.severity == value)),
        Filter("batch", _l("批次"), kind="text",
               apply=lambda stmt, value: stmt.where(Delivery.number == (int(value) if _whole(value) else -1))),
        Filter("q", _l("企业或户号"), kind="text",
               apply=lambda stmt, value: stmt.where(QualityFinding.subject_label.icontains(value, autoescape=True))),
    ],
    default_sort="-number",
    row_url=lambda row: url_for("evidence.delivery", delivery_id=row.delivery_id),
    empty_title=_l("没有需要核对的值"),
    empty_hint=_l("每一批数据入库后都会检查覆盖率、缺月、迟交、突变和与其他事实的矛盾，有问题的会逐条列在这里。"),
)

PROVIDERS = Table(
    "quality-providers",
    columns=[
        Column("provider", _l("数据单位"), Organisation.name, sub=item_name),
        Column("verdict", _l("结论"), queries.VERDICT_ORDER, render=lambda row: chip(display.VERDICTS[row.verdict]),
               export=lambda row: str(display.VERDICTS[row.verdict][0])),
        Column("coverage", _l("覆盖率"), queries.share_of(Measure.COVERAGE), kind="rate"),
        Column("lateness", _l("迟交"), queries.share_of(Measure.LATENESS), kind="rate"),
        Column("quarantined", _l("待修复"), queries.share_of(Measure.QUARANTINED), kind="rate"),
        Column("impossible", _l("与其他事实矛盾"), queries.share_of(Measure.IMPOSSIBLE), kind="rate", hide_small=True),
        Column("to_check", _l("待核对"), QualityReport.to_check, kind="count"),
        Column("month", _l("最近月份"), QualityReport.month, hide_small=True, render=lambda row: display.month_text(row.month),
               export=lambda row: display.month_text(row.month)),
        Column("created_at", _l("收到"), Delivery.created_at, kind="datetime", hide_small=True),
    ],
    default_sort="verdict",
    row_url=lambda row: url_for("evidence.quality_of", provider_id=row.provider_org_id),
    empty_title=_l("还没有数据质量报告"),
    empty_hint=_l("数据单位交来的批次入库后，这里会并列显示各单位的覆盖率、迟交和待修复比例。"),
    empty_action=lambda: (_l("查看数据批次"), url_for("evidence.deliveries")),
)


def _whole(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 15


def _item_filter(items: list[Any]) -> Filter:
    return Filter("item", _l("数据项"), choices=[(item.code, item_name(item)) for item in items],
                  apply=lambda stmt, value: stmt.where(QualityReport.item_code == value))


@room.page("/deliveries/quality", Permission.DELIVERY_READ)
def quality() -> Any:
    """A provider's own deliveries; all providers side by side for the platform."""
    ctx = context()
    if ctx.org_kind is OrgKind.DATA_PROVIDER:
        assert ctx.org_id is not None
        return _provider_page(ctx, ctx.org_id)
    with reading(ctx, Permission.DELIVERY_READ) as db:
        providers, items = queries.choices()
        table = replace(PROVIDERS, filters=[
            Filter("provider", _l("数据单位"), choices=providers,
                   apply=lambda stmt, value: stmt.where(QualityReport.provider_org_id == UUID(value))),
            _item_filter(items),
        ])
        args = remembered(table, request.args, session)
        if wants_export(request.args):
            rows = table.load_all(db, queries.side_by_side(), args, EXPORT_LIMIT)
            return send_list(table, rows, gettext("数据质量"), "quality.xlsx")
        names = {item.code: item_name(item) for item in items}
        strips = [(names.get(code, code), name, one.strip) for code, found in queries.strips().items() for name, one in found]
        months = sorted({month for *_, strip in strips for month, _ in strip})[-12:]
        return render_template("evidence/quality_all.html", page=table.load(db, queries.side_by_side(), args), strips=strips,
                               months=months, percent=display.percent)


@room.page("/deliveries/quality/<uuid:provider_id>", Permission.DELIVERY_READ)
def quality_of(provider_id: UUID) -> Any:
    """One provider's deliveries, for itself and for the platform."""
    ctx = context()
    if ctx.org_kind is OrgKind.DATA_PROVIDER and ctx.org_id != provider_id:
        raise NotFound
    return _provider_page(ctx, provider_id)


def _provider_page(ctx: Context, provider_id: UUID) -> Any:
    with reading(ctx, Permission.DELIVERY_READ) as db:
        names = organisation_names({provider_id})
        if not names:
            raise NotFound
        reports = queries.of_provider(provider_id)
        items = [item for item in queries.choices()[1] if item.code in reports]
        table = replace(FINDINGS, filters=[
            Filter("item", _l("数据项"), choices=[(item.code, item_name(item)) for item in items],
                   apply=lambda stmt, value: stmt.where(QualityFinding.item_code == value)), *FINDINGS.filters])
        args = remembered(table, request.args, session)
        if wants_export(request.args):
            rows = table.load_all(db, queries.findings(provider_id), args, EXPORT_LIMIT)
            return send_list(table, rows, gettext("数据质量"), "quality.xlsx")
        return render_template(
            "evidence/quality.html", provider=names[provider_id], own=ctx.org_id == provider_id, display=display,
            items=[(item_name(item), reports[item.code]) for item in items],
            page=table.load(db, queries.findings(provider_id), args), may_upload=ctx.can(Permission.DELIVERY_UPLOAD),
        )
