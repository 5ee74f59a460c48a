"""Pages of data providers: their deliveries, the upload, one delivery with its progress and what waits to be mended."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from uuid import UUID

from flask import Response, redirect, render_template, request, session, url_for
from flask_babel import gettext

from app.core.database import get_or_404
from app.core.errors import NotFound, Refusal
from app.core.exports import EXPORT_LIMIT, export_xlsx, wants_export
from app.core.lifecycle import can_fire
from app.core.permissions import OrgKind, Permission
from app.core.queries import organisation_names
from app.core.storage import take_in
from app.core.tables import remembered
from app.core.use_case import reading
from app.core.web import act, attempt, context, send_list, send_xlsx, upload_limit, upload_limit_text
from app.evidence import quality_display, queries, service
from app.evidence.delivery_progress import progress_of
from app.evidence.delivery_tables import DELIVERIES, OWN_DELIVERIES, mending_table, quarantine_table
from app.evidence.delivery_templates import columns_of, csv_template, xlsx_template
from app.evidence.display import CHANNELS, DELIVERY_STATES, REASON_NAMES, SIDES, failure_text, item_name
from app.evidence.door import room
from app.evidence.forms import UploadForm
from app.evidence.models import DataItem, Delivery
from app.evidence.rules import INVOICES, DeliveryState
from app.evidence.states import DELIVERY_LIFE


@room.page("/deliveries", Permission.DELIVERY_READ)
def deliveries() -> Any:
    """Deliveries of the visitor's organisation; the platform sees all."""
    ctx = context()
    own = ctx.org_kind is OrgKind.DATA_PROVIDER
    table = OWN_DELIVERIES if own else DELIVERIES
    with reading(ctx, Permission.DELIVERY_READ) as db:
        args = remembered(table, request.args, session)
        if wants_export(request.args):
            rows = table.load_all(db, queries.deliveries(), args, EXPORT_LIMIT)
            return send_list(table, rows, gettext("数据批次"), "deliveries.xlsx")
        nothing = own and not queries.items_of(ctx.org_id)
        return render_template("evidence/deliveries.html", page=table.load(db, queries.deliveries(), args),
                               nothing_to_deliver=nothing, may_upload=ctx.can(Permission.DELIVERY_UPLOAD) and not nothing)


@room.page("/deliveries/new", Permission.DELIVERY_UPLOAD, methods=["GET", "POST"])
def upload() -> Any:
    """Type, heading and size are checked at once; the rows are read in the background."""
    form = UploadForm()
    with reading(context(), Permission.DELIVERY_UPLOAD):
        items = {item.code: item_name(item) for item in queries.items_of(context().org_id)}
    form.offer(items)
    if form.validate_on_submit():
        found = attempt(form, lambda: _in_words(lambda: _receive(form)))
        if found is not None:
            return redirect(url_for("evidence.delivery", delivery_id=found.id))
    return render_template(
        "evidence/upload.html", form=form, limit=upload_limit_text(), items=items, invoices=INVOICES in items,
        columns={code: columns_of(code) for code in items},
    )


def _receive(form: UploadForm) -> Delivery:
    data, item = form.file.data, form.item.data
    side = int(form.side.data) if form.side.data and item == INVOICES else None
    with closing(data):
        stored = take_in(data.stream, limit=upload_limit(), limit_text=upload_limit_text())
    return service.receive_delivery(context(), item, stored, data.filename or "", side=side)


def _in_words(call: Any) -> Any:
    """Runs a call; the detail of a broken file is itself a sentence to be translated."""
    try:
        return call()
    except Refusal as refusal:
        if "detail" in refusal.params:
            refusal.params["detail"] = gettext(refusal.params["detail"])
        raise


@room.page("/deliveries/template/<item>.<kind>", Permission.DELIVERY_READ)
def template(item: str, kind: str) -> Any:
    """An empty file with the right heading, as CSV or XLSX."""
    try:
        if kind == "csv":
            return Response(csv_template(item), mimetype="text/csv",
                            headers={"Content-Disposition": f"attachment; filename={item}.csv"})
        if kind == "xlsx":
            return send_xlsx(xlsx_template(item), f"{item}.xlsx")
    except KeyError:
        pass
    raise NotFound


@room.page("/deliveries/<uuid:delivery_id>", Permission.DELIVERY_READ)
def delivery(delivery_id: UUID) -> Any:
    """One delivery: where the reading stands, counts that add up, and every row that waits."""
    ctx = context()
    if wants_export(request.args):
        with reading(ctx, Permission.DELIVERY_READ):
            item_code = get_or_404(Delivery, delivery_id).item_code
        rows = service.export_quarantine(ctx, delivery_id, EXPORT_LIMIT)
        return send_xlsx(export_xlsx(mending_table(item_code), rows, gettext("待修复")), "quarantine.xlsx")
    with reading(ctx, Permission.DELIVERY_READ) as db:
        found = get_or_404(Delivery, delivery_id)
        waiting = queries.reasons(found.id) if found.rows_quarantined else []
        running = found.state in (DeliveryState.RECEIVED, DeliveryState.READING)
        return render_template(
            "evidence/delivery.html", delivery=found, words=DELIVERY_STATES[found.state], channel=CHANNELS[found.channel],
            item=item_name(db.get_one(DataItem, found.item_code)), invoices=found.item_code == INVOICES,
            side=SIDES[found.side],
            provider=organisation_names({found.provider_org_id}).get(found.provider_org_id, ""),
            running=running, progress=progress_of(found) if running else None, failure=failure_text(found),
            may_retry=can_fire(ctx, DELIVERY_LIFE, found, "retry"),
            may_withdraw=can_fire(ctx, DELIVERY_LIFE, found, "withdraw"), quality=quality_display.of_page(found),
            reasons=[(REASON_NAMES[reason], count) for reason, count in waiting],
            page=quarantine_table(found.item_code).load(db, queries.quarantine(found.id), request.args) if waiting else None,
        )


@room.page("/deliveries/<uuid:delivery_id>/retry", Permission.DELIVERY_UPLOAD, methods=["POST"])
def retry(delivery_id: UUID) -> Any:
    """Reads a failed delivery again."""
    return act(lambda: service.retry_delivery(context(), delivery_id), done=gettext("已重新排队读取。"),
               to=url_for("evidence.delivery", delivery_id=delivery_id))


@room.page("/deliveries/<uuid:delivery_id>/withdraw", Permission.DELIVERY_UPLOAD, methods=["POST"])
def withdraw(delivery_id: UUID) -> Any:
    """Takes a delivery back as a whole, with a reason."""
    return act(lambda: service.withdraw_delivery(context(), delivery_id, request.form.get("reason", "")),
               done=gettext("已撤回，这一批带来的数据不再使用。"), to=url_for("evidence.delivery", delivery_id=delivery_id))
