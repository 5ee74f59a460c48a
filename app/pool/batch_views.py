"""Pages of files of banks and guarantors: the list, the upload with its templates, one file with its progress and endings."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Response, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from sqlalchemy.orm import Session
from wtforms import RadioField
from wtforms.validators import InputRequired

from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import MESSAGES, ErrorCode, NotFound, Refusal
from app.core.exports import EXPORT_LIMIT, export_xlsx, wants_export
from app.core.lifecycle import can_fire
from app.core.pages import Group, Wait, home, menu
from app.core.permissions import Permission
from app.core.storage import take_in
from app.core.tables import remembered
from app.core.use_case import reading
from app.core.web import act, attempt, context, send_list, send_xlsx, upload_limit, upload_limit_text
from app.evidence.delivery_templates import columns_for, csv_of, xlsx_of
from app.market.fields import TokenField
from app.pool import batch_lapse, batch_offline, batch_service, batch_stated
from app.pool.batch_items import ITEMS, ROW_LIMIT
from app.pool.batch_models import PoolBatch
from app.pool.batch_states import BATCH, COUNTED, RUNNING, BatchKind, BatchState
from app.pool.batch_tables import (
    BATCHES,
    batch_chip,
    batches_query,
    kinds_of,
    mending_table,
    reason_name,
    reasons_query,
    rows_query,
    rows_table,
)
from app.pool.door import room, steps

__all__ = ["batch_lapse", "batch_offline", "batch_stated"]
"""Their handlers and checks are registered with these pages."""

menu.add(_l("批量文件"), "pool.batches", Permission.BOOKING_FILES, 42, Group.POOL)


@dataclass(frozen=True)
class Words:
    """What the endings of a kind of file are called on its page, and what ends a wait."""

    done: Any
    waiting: Any
    why: Any


WORDS = {
    BatchKind.BOOKING: Words(_l("入库"), _l("等待企业确认或金融局决定"), _l("企业确认后自动检查并入库，无需重报。")),
    BatchKind.REPORT: Words(_l("登记"), _l("登记，但与平台看到的不同"),
                            _l("这些行已经登记；以后的月报与平台一致时，等待自动结束。")),
    BatchKind.GUARANTEE: Words(_l("入库"), _l("等待银行登记或金融局决定"),
                               _l("银行登记相同的担保合同后自动检查并入库，无需重报。")),
    BatchKind.RECONCILE: Words(_l("一致"), _l("不同"), _l("每一项不同都列在“对账差异”里，逐项了结。")),
}


class BatchForm(FlaskForm):
    """A file of one kind."""

    kind = RadioField(_l("是哪一种文件"), [InputRequired(_l("请选择文件种类。"))])
    file = FileField(_l("文件"), [FileRequired(_l("请选择文件。"))])
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        kinds = kinds_of(context())
        self.kind.choices = [(one.value, gettext(one.label)) for one in kinds]
        asked = kinds[0].value if len(kinds) == 1 else request.args.get("kind")
        if request.method == "GET" and asked in {one.value for one in kinds}:
            self.kind.data = asked


@room.page("/pool/batches", Permission.BOOKING_FILES)
def batches() -> Any:
    """Files of the visitor's organisation."""
    ctx = context()
    with reading(ctx, Permission.BOOKING_FILES) as db:
        args = remembered(BATCHES, request.args, session)
        if wants_export(request.args):
            rows = BATCHES.load_all(db, batches_query(), args, EXPORT_LIMIT)
            return send_list(BATCHES, rows, gettext("批量文件"), "batches.xlsx")
        return render_template("pool/batches.html", page=BATCHES.load(db, batches_query(), args),
                               may_send=ctx.can(Permission.BOOKING_SEND))


@room.page("/pool/batches/new", Permission.BOOKING_SEND, methods=["GET", "POST"])
def batch_new() -> Any:
    """Type, heading and size are checked at once; the rows are judged in the background."""
    form = BatchForm()
    if form.validate_on_submit():
        made = attempt(form, lambda: _receive(form))
        if made is not None:
            return redirect(url_for("pool.batch", batch_id=made.id))
    return render_template(
        "pool/batch_new.html", form=form, limit=upload_limit_text(), rows=ROW_LIMIT,
        kinds=[(kind.value, gettext(kind.label), columns_for(ITEMS[kind].fields)) for kind in kinds_of(context())],
    )


def _receive(form: BatchForm) -> PoolBatch:
    data = form.file.data
    with closing(data):
        stored = take_in(data.stream, limit=upload_limit(), limit_text=upload_limit_text())
    try:
        return batch_service.receive_batch(context(), BatchKind(form.kind.data), stored, data.filename or "")
    except Refusal as refusal:
        if "detail" in refusal.params:  # itself a sentence
            refusal.params["detail"] = gettext(refusal.params["detail"])
        raise


@room.page("/pool/batches/template/<kind>.<ending>", Permission.BOOKING_FILES)
def batch_template(kind: str, ending: str) -> Any:
    """An empty file with the right heading, as CSV or XLSX."""
    if kind not in {one.value for one in ITEMS} or ending not in ("csv", "xlsx"):
        raise NotFound
    columns = columns_for(ITEMS[BatchKind(kind)].fields)
    if ending == "xlsx":
        return send_xlsx(xlsx_of(columns), f"{kind}.xlsx")
    return Response(csv_of(columns), mimetype="text/csv", headers={"Content-Disposition": f"attachment; filename={kind}.csv"})


@room.page("/pool/batches/<uuid:batch_id>", Permission.BOOKING_FILES)
def batch(batch_id: UUID) -> Any:
    """One file: where it stands, the way of each row, what must be mended, what waits for whom."""
    ctx = context()
    if wants_export(request.args):
        with reading(ctx, Permission.BOOKING_FILES):
            kind = get_or_404(PoolBatch, batch_id).kind
        rows = batch_service.export_refused(ctx, batch_id, EXPORT_LIMIT)
        return send_xlsx(export_xlsx(mending_table(kind), rows, gettext("待修改的行")), "refused.xlsx")
    with reading(ctx, Permission.BOOKING_FILES) as db:
        found = get_or_404(PoolBatch, batch_id)
        counted = found.state in COUNTED
        refused = counted and bool(found.rows_refused)
        waiting = found.state == BatchState.DONE and bool(found.rows_waiting)
        return render_template(
            "pool/batch.html", batch=found, words=WORDS[BatchKind(found.kind)],
            kind=gettext(BatchKind(found.kind).label), chip=batch_chip(found.state),
            running=found.state in RUNNING, counted=counted, done=found.state == BatchState.DONE, failure=failure_text(found),
            entries=steps("pool_batch", found.id), may_mend=ctx.can(Permission.BOOKING_SEND),
            can={event: can_fire(ctx, BATCH, found, event) for event in ("release", "refuse", "withdraw", "retry")},
            reasons=[(reason_name(reason), count) for reason, count in db.execute(reasons_query(found.id, "refused"))],
            refused=_rows(db, found, "refused", request.args) if refused else None,
            waiting=_rows(db, found, "waiting", {}) if waiting else None,
            still=batch_service.waiting_count(found.id) if waiting else 0,
        )


def _rows(db: Session, batch: PoolBatch, ending: str, args: Any) -> Any:
    return rows_table(batch.kind, ending).load(db, rows_query(batch.id, ending), args)


def failure_text(batch: PoolBatch) -> str:
    """Why a file could not be read, in plain words."""
    if batch.failure is None:
        return ""
    params = dict(batch.failure_params)
    if "detail" in params:
        params["detail"] = gettext(params["detail"])
    return gettext(MESSAGES[ErrorCode(batch.failure)], **params)


def _button(batch_id: UUID, call: Any, done: str) -> Any:
    reason = request.form.get("reason", "")
    return act(lambda: call(context(), batch_id, reason), done=done, to=url_for("pool.batch", batch_id=batch_id))


@room.page("/pool/batches/<uuid:batch_id>/release", Permission.BOOKING_RELEASE, methods=["POST"])
def batch_release(batch_id: UUID) -> Any:
    """The second person agrees."""
    return act(lambda: batch_service.release_batch(context(), batch_id), done=gettext("已同意，正在办理。"),
               to=url_for("pool.batch", batch_id=batch_id))


@room.page("/pool/batches/<uuid:batch_id>/refuse", Permission.BOOKING_RELEASE, methods=["POST"])
def batch_refuse(batch_id: UUID) -> Any:
    """The second person does not agree."""
    return _button(batch_id, batch_service.refuse_batch, gettext("已登记复核未同意。"))


@room.page("/pool/batches/<uuid:batch_id>/withdraw", Permission.BOOKING_SEND, methods=["POST"])
def batch_withdraw(batch_id: UUID) -> Any:
    """The sender takes a file back before it is released."""
    return _button(batch_id, batch_service.withdraw_batch, gettext("文件已撤回。"))


@room.page("/pool/batches/<uuid:batch_id>/retry", Permission.BOOKING_SEND, methods=["POST"])
def batch_retry(batch_id: UUID) -> Any:
    """Reads a failed file again."""
    return act(lambda: batch_service.retry_batch(context(), batch_id), done=gettext("已重新排队读取。"),
               to=url_for("pool.batch", batch_id=batch_id))


def release_waits(ctx: Context) -> list[Wait]:
    """Files that wait for the second person."""
    return [
        Wait(_l("复核批量文件"), gettext("%(name)s · %(count)s 行", name=row.filename, count=row.rows_total),
             url_for("pool.batch", batch_id=row.id), tone="wait", order=18)
        for row in batch_service.ready_batches()
    ]


home.add_waits(Permission.BOOKING_RELEASE, release_waits)
