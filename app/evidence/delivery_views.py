"""Pages of data providers: their deliveries, the upload, one delivery with its progress and what waits to be mended."""

from __future__ import annotations

import csv
import io
from contextlib import closing
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from flask import Response, current_app, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from openpyxl import Workbook

from app.core.database import get_or_404
from app.core.errors import NotFound, Refusal
from app.core.exports import EXPORT_LIMIT, export_xlsx, wants_export
from app.core.lifecycle import can_fire
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.storage import take_in
from app.core.tables import Column, Filter, Table, remembered
from app.core.use_case import reading
from app.core.web import act, attempt, context, send_list, send_xlsx
from app.evidence import quality_display, queries, service
from app.evidence.display import DELIVERY_STATES, REASON_NAMES, SIDES, chip, failure_text, reason_text
from app.evidence.door import room
from app.evidence.forms import UploadForm
from app.evidence.invoice_rows import AMOUNTS
from app.evidence.models import Delivery, Quarantine
from app.evidence.rules import FIELDS, INVOICES, TEMPLATE_HEADINGS, DeliveryState
from app.evidence.states import DELIVERY_LIFE

DELIVERIES = Table(
    "deliveries",
    columns=[
        Column("filename", _l("文件"), Delivery.filename,
               sub=lambda row: gettext("第 %(number)s 批 · %(side)s", number=row.number, side=SIDES[row.side])),
        Column("created_at", _l("收到"), Delivery.created_at, kind="datetime"),
        Column("state", _l("状态"), Delivery.state, render=lambda row: chip(DELIVERY_STATES[row.state]),
               export=lambda row: str(DELIVERY_STATES[row.state][0])),
        Column("rows_total", _l("行数"), Delivery.rows_total, kind="count"),
        Column("rows_taken", _l("新入库"), Delivery.rows_taken, kind="count", hide_small=True),
        Column("rows_identical", _l("已有"), Delivery.rows_identical, kind="count", hide_small=True),
        Column("rows_superseding", _l("更新"), Delivery.rows_superseding, kind="count", hide_small=True),
        Column("rows_quarantined", _l("待修复"), Delivery.rows_quarantined, kind="count"),
        Column("provider", _l("数据单位"), sortable=False, hide_small=True),
    ],
    filters=[
        Filter("state", _l("状态"), choices=[(key, words[0]) for key, words in DELIVERY_STATES.items()],
               apply=lambda stmt, value: stmt.where(Delivery.state == value)),
        Filter("waiting", _l("有待修复的行"), kind="flag",
               apply=lambda stmt, value: stmt.where(Delivery.rows_quarantined > 0)),
        Filter("q", _l("文件名"), kind="text",
               apply=lambda stmt, value: stmt.where(Delivery.filename.icontains(value, autoescape=True))),
    ],
    default_sort="-created_at",
    row_url=lambda row: url_for("evidence.delivery", delivery_id=row.id),
    empty_title=_l("还没有数据批次"),
    empty_hint=_l("上传第一份发票文件后，这里会逐批显示入库的行数和待修复的行。"),
    empty_action=lambda: (_l("上传文件"), url_for("evidence.upload")) if context().can(Permission.DELIVERY_UPLOAD) else None,
)


def _raw_text(row: Quarantine) -> str:
    return " · ".join(f"{gettext(field.label)} {row.raw[field.code]}" for field in FIELDS if row.raw.get(field.code))[:160]


QUARANTINE = Table(
    "quarantine",
    columns=[
        Column("row_no", _l("行号"), Quarantine.row_no, kind="count"),
        Column("reason", _l("原因"), sortable=False, render=lambda row: reason_text(row.reason, row.params), sub=_raw_text),
    ],
    filters=[
        Filter("reason", _l("原因"), choices=list(REASON_NAMES.items()),
               apply=lambda stmt, value: stmt.where(Quarantine.reason == value)),
    ],
    default_sort="row_no",
)


def _raw_value(code: str) -> Any:
    """The cell as it came; amounts as numbers, so that a minus sign is no formula and the mended file can be sent again."""

    def value(row: Quarantine) -> Any:
        raw = row.raw.get(code)
        if code not in AMOUNTS or raw is None:
            return raw
        try:
            number = Decimal(raw)
        except InvalidOperation:
            return raw
        return number if number.is_finite() else raw

    return value


MENDING = Table("mending", columns=[
    *(Column(field.code, _l(field.label), export=_raw_value(field.code)) for field in FIELDS),
    Column("row_no", _l("行号"), kind="count"),
    Column("reason", _l("原因"), export=lambda row: reason_text(row.reason, row.params)),
])


@room.page("/deliveries", Permission.DELIVERY_READ)
def deliveries() -> Any:
    """Deliveries of the visitor's organisation; the platform sees all."""
    ctx = context()
    with reading(ctx, Permission.DELIVERY_READ) as db:
        args = remembered(DELIVERIES, request.args, session)
        if wants_export(request.args):
            rows = DELIVERIES.load_all(db, queries.deliveries(), args, EXPORT_LIMIT)
            return send_list(DELIVERIES, rows, gettext("数据批次"), "deliveries.xlsx")
        page = DELIVERIES.load(db, queries.deliveries(), args)
        return render_template("evidence/deliveries.html", page=page, may_upload=ctx.can(Permission.DELIVERY_UPLOAD))


@room.page("/deliveries/new", Permission.DELIVERY_UPLOAD, methods=["GET", "POST"])
def upload() -> Any:
    """Type, heading and size are checked at once; the rows are read in the background."""
    form = UploadForm()
    if form.validate_on_submit():
        found = attempt(form, lambda: _in_words(lambda: _receive(form)))
        if found is not None:
            return redirect(url_for("evidence.delivery", delivery_id=found.id))
    return render_template("evidence/upload.html", form=form, limit=_limit_text(), fields=FIELDS)


def _receive(form: UploadForm) -> Delivery:
    data, side = form.file.data, form.side.data
    with closing(data):
        stored = take_in(data.stream, limit=int(current_app.config["UPLOAD_LIMIT"]), limit_text=_limit_text())
    return service.receive_delivery(context(), INVOICES, stored, data.filename or "", side=int(side) if side else None)


def _in_words(call: Any) -> Any:
    """Runs a call; the detail of a broken file is itself a sentence to be translated."""
    try:
        return call()
    except Refusal as refusal:
        if "detail" in refusal.params:
            refusal.params["detail"] = gettext(refusal.params["detail"])
        raise


def _limit_text() -> str:
    return f"{int(current_app.config['UPLOAD_LIMIT']) // (1024 * 1024)} MB"


@room.page("/deliveries/template.<kind>", Permission.DELIVERY_READ)
def template(kind: str) -> Any:
    """An empty file with the right heading, as CSV or XLSX."""
    headings = list(TEMPLATE_HEADINGS)
    if kind == "csv":
        out = io.StringIO()
        csv.writer(out).writerow(headings)
        # The byte order mark makes spreadsheets read the headings as UTF-8.
        return Response("\ufeff" + out.getvalue(), mimetype="text/csv",
                        headers={"Content-Disposition": "attachment; filename=invoices.csv"})
    if kind == "xlsx":
        book, data = Workbook(), io.BytesIO()
        book.worksheets[0].append(headings)
        book.save(data)
        return send_xlsx(data.getvalue(), "invoices.xlsx")
    raise NotFound


@room.page("/deliveries/<uuid:delivery_id>", Permission.DELIVERY_READ)
def delivery(delivery_id: UUID) -> Any:
    """One delivery: where the reading stands, counts that add up, and every row that waits."""
    ctx = context()
    if wants_export(request.args):
        rows = service.export_quarantine(ctx, delivery_id, EXPORT_LIMIT)
        return send_xlsx(export_xlsx(MENDING, rows, gettext("待修复")), "quarantine.xlsx")
    with reading(ctx, Permission.DELIVERY_READ) as db:
        found = get_or_404(Delivery, delivery_id)
        waiting = queries.reasons(found.id) if found.rows_quarantined else []
        return render_template(
            "evidence/delivery.html", delivery=found, words=DELIVERY_STATES[found.state], side=SIDES[found.side],
            provider=organisation_names({found.provider_org_id}).get(found.provider_org_id, ""),
            running=found.state in (DeliveryState.RECEIVED, DeliveryState.READING), failure=failure_text(found),
            may_retry=can_fire(ctx, DELIVERY_LIFE, found, "retry"),
            reasons=[(REASON_NAMES[reason], count) for reason, count in waiting],
            page=QUARANTINE.load(db, queries.quarantine(found.id), request.args) if waiting else None,
            quality=quality_display.of_page(found),
        )


@room.page("/deliveries/<uuid:delivery_id>/retry", Permission.DELIVERY_UPLOAD, methods=["POST"])
def retry(delivery_id: UUID) -> Any:
    """Reads a failed delivery again."""
    return act(lambda: service.retry_delivery(context(), delivery_id), done=gettext("已重新排队读取。"),
               to=url_for("evidence.delivery", delivery_id=delivery_id))
