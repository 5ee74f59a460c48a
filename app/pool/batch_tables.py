"""Lists of the file pages: files, rows that wait or were refused, and the workbook in which a clerk mends refused rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, func, select

from app.core.context import Context
from app.core.errors import MESSAGES, ErrorCode
from app.core.formats import money_text
from app.core.permissions import Permission
from app.core.pieces import chip
from app.core.tables import Column, Filter, Table
from app.core.web import context
from app.core.working import shown
from app.evidence.display import REASON_NAMES
from app.evidence.rules import ROW_REASONS, RowReason
from app.identity.models import Person
from app.pool.batch_items import ITEMS, labels_of
from app.pool.batch_models import PoolBatch, PoolBatchRow
from app.pool.batch_rules import NAMES, SENTENCES, BatchReason
from app.pool.batch_states import SENDER, BatchKind, BatchState
from app.pool.reconcile_states import DifferenceKind
from app.pool.records import checks_of

HELD_LENGTH = 160
"""Characters of a row that its line in a list shows."""
OUTCOMES = {"done": _l("已办成"), "known": _l("已有"), "refused": _l("未通过"), "lapsed": _l("已不再等待")}


def kinds_of(ctx: Context) -> list[BatchKind]:
    """Files that the visitor's organisation sends."""
    return [kind for kind in ITEMS if SENDER[kind] is ctx.org_kind]


def batch_chip(state: str) -> Any:
    """State of a file."""
    return chip(gettext(BatchState(state).label), BatchState(state).tone)


def reason_name(reason: str) -> str:
    """A reason in a word or two."""
    return gettext(NAMES[reason]) if reason in NAMES else str(REASON_NAMES[RowReason(reason)])


def reason_text(row: PoolBatchRow, kind: str) -> str:
    """Why a row waits or was refused, in plain words; of checks each one that failed."""
    if row.reason == BatchReason.CHECKS:
        return "；".join(gettext(one.message, **shown(one.params, gettext)) for one in checks_of(row.params["checks"]))
    if row.reason == BatchReason.NOT_TAKEN:
        return gettext(MESSAGES[ErrorCode(row.params["code"])], **row.params["params"])
    if row.reason == BatchReason.LISTED_OTHERWISE:
        return "；".join(gettext(DifferenceKind(way).label) for way in row.params["ways"])
    params = {"value": "", **row.params}
    if "field" in params:
        params["field"] = gettext(labels_of(kind).get(params["field"], params["field"]))
    for name in list(params):
        if name.endswith("_label"):
            params[name] = gettext(params[name])
        elif name.endswith("_fen"):
            params[name.removesuffix("_fen")] = money_text(params[name])
    if "problem" in params:
        params["problem"] = gettext(params["problem"], **params.pop("details", {}))
    sentence = SENTENCES.get(row.reason) or ROW_REASONS[RowReason(row.reason)]
    return gettext(sentence, **params)


def batches_query() -> Select[*tuple[Any, ...]]:
    """Files of the visitor's organisation, with who prepared them."""
    return select(
        PoolBatch.id, PoolBatch.number, PoolBatch.kind, PoolBatch.filename, PoolBatch.state, PoolBatch.rows_total,
        PoolBatch.rows_done, PoolBatch.rows_waiting, PoolBatch.rows_refused, PoolBatch.amount_fen, PoolBatch.prepared_at,
        func.coalesce(Person.name, "").label("preparer"),
    ).outerjoin(Person, Person.id == PoolBatch.prepared_by)


BATCHES = Table(
    "pool_batches",
    columns=[
        Column("filename", _l("文件"), PoolBatch.filename, sub=lambda row: " · ".join((
            gettext(BatchKind(row.kind).label), gettext("第 %(number)s 批", number=row.number)))),
        Column("prepared_at", _l("收到"), PoolBatch.prepared_at, kind="datetime"),
        Column("state", _l("状态"), PoolBatch.state, render=lambda row: batch_chip(row.state),
               export=lambda row: gettext(BatchState(row.state).label)),
        Column("rows_total", _l("行数"), PoolBatch.rows_total, kind="count"),
        Column("rows_done", _l("办成"), PoolBatch.rows_done, kind="count", hide_small=True),
        Column("rows_waiting", _l("等待"), PoolBatch.rows_waiting, kind="count", hide_small=True),
        Column("rows_refused", _l("待修改"), PoolBatch.rows_refused, kind="count"),
        Column("preparer", _l("经办人"), sortable=False, hide_small=True),
    ],
    filters=[
        Filter("kind", _l("种类"), choices=lambda: [(one.value, gettext(one.label)) for one in kinds_of(context())],
               apply=lambda stmt, value: stmt.where(PoolBatch.kind == value)),
        Filter("state", _l("状态"), choices=lambda: [(one.value, gettext(one.label)) for one in BatchState],
               apply=lambda stmt, value: stmt.where(PoolBatch.state == value)),
        Filter("q", _l("文件名"), "text", apply=lambda stmt, value: stmt.where(
            PoolBatch.filename.icontains(value, autoescape=True))),
    ],
    default_sort="-prepared_at",
    row_url=lambda row: url_for("pool.batch", batch_id=row.id),
    empty_title=_l("还没有批量文件"),
    empty_hint=_l("把多笔贷款写进一份文件上传，平台逐行检查，复核人同意后一次办完。"),
    empty_action=lambda: (_l("上传文件"), url_for("pool.batch_new")) if context().can(Permission.BOOKING_SEND) else None,
)


@cache
def rows_table(kind: str, ending: str) -> Table:
    """Rows of a file that wait, or were refused, with what they held."""
    labels = labels_of(kind)

    def held(row: PoolBatchRow) -> str:
        told = " · ".join(f"{gettext(label)} {row.raw[code]}" for code, label in labels.items() if row.raw.get(code))
        return told if len(told) <= HELD_LENGTH else told[:HELD_LENGTH].rstrip(" ·") + "…"

    def standing(row: PoolBatchRow) -> str:
        text = reason_text(row, kind)
        return f"{OUTCOMES[row.outcome]} · {text}" if row.outcome == "refused" else str(OUTCOMES[row.outcome]) \
            if row.outcome else text

    return Table(
        f"pool_batch_{ending}",
        columns=[
            Column("row_no", _l("行号"), PoolBatchRow.row_no, kind="count"),
            Column("reason", _l("原因") if ending == "refused" else _l("等什么"), sortable=False, render=standing, sub=held),
        ],
        filters=[
            Filter("reason", _l("原因"), choices=lambda: [(one, reason_name(one)) for one in (*NAMES, *REASON_NAMES)],
                   apply=lambda stmt, value: stmt.where(PoolBatchRow.reason == value)),
        ],
        default_sort="row_no",
        row_url=(lambda row: url_for("loans.loan", loan_id=row.loan_id) if row.loan_id else None)
        if ending == "waiting" else None,
    )


@cache
def mending_table(kind: str) -> Table:
    """Refused rows as a workbook. Its headings stay Chinese, so that it can be mended and sent again as it is."""
    return Table("pool_mending", columns=[
        *(Column(code, label, export=_cell(code)) for code, label in labels_of(kind).items()),
        Column("row_no", "行号", kind="count"),
        Column("why", "原因", export=lambda row: reason_text(row, kind)),
    ])


def _cell(code: str) -> Callable[[PoolBatchRow], Any]:
    return lambda row: row.raw.get(code)


def rows_query(batch_id: Any, ending: str) -> Select[*tuple[Any, ...]]:
    """Rows of a file with one ending."""
    return select(
        PoolBatchRow.row_no, PoolBatchRow.reason, PoolBatchRow.params, PoolBatchRow.raw, PoolBatchRow.loan_id,
        PoolBatchRow.outcome,
    ).where(PoolBatchRow.batch_id == batch_id, PoolBatchRow.ending == ending)


def reasons_query(batch_id: Any, ending: str) -> Select[*tuple[Any, ...]]:
    """Reasons with their counts, the most frequent first."""
    return select(PoolBatchRow.reason, func.count()).where(
        PoolBatchRow.batch_id == batch_id, PoolBatchRow.ending == ending,
    ).group_by(PoolBatchRow.reason).order_by(func.count().desc(), PoolBatchRow.reason)
