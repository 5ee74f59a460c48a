"""Lists of the delivery pages: deliveries, rows that wait, and the workbook in which a clerk mends them and sends them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.permissions import Permission
from app.core.tables import Column, Filter, Table
from app.core.web import context
from app.evidence import queries
from app.evidence.display import DELIVERY_STATES, REASON_NAMES, SIDES, chip, item_name, labels_of, reason_text
from app.evidence.invoice_rows import AMOUNTS
from app.evidence.items import ITEMS, Kind
from app.evidence.models import Delivery, Quarantine
from app.evidence.rules import INVOICES

_NUMBERS = (Kind.MONEY, Kind.QUANTITY, Kind.COUNT)


def _batch(row: Any) -> str:
    if row.item_code == INVOICES:
        return gettext("第 %(number)s 批 · %(side)s", number=row.number, side=SIDES[row.side])
    return gettext("第 %(number)s 批", number=row.number)


DELIVERIES = Table(
    "deliveries",
    columns=[
        Column("filename", _l("文件"), Delivery.filename, sub=_batch),
        Column("item", _l("资料"), Delivery.item_code, render=item_name, export=item_name),
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
        Filter("item", _l("资料"), choices=lambda: [(item.code, item_name(item)) for item in queries.delivered_items()],
               apply=lambda stmt, value: stmt.where(Delivery.item_code == value)),
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
    empty_hint=_l("上传第一份文件后，这里会逐批显示入库的行数和待修复的行。"),
    empty_action=lambda: (_l("上传文件"), url_for("evidence.upload")) if context().can(Permission.DELIVERY_UPLOAD) else None,
)
OWN_DELIVERIES = replace(DELIVERIES, columns=[column for column in DELIVERIES.columns if column.key != "provider"])
"""The same for a provider, which need not read its own name in every row."""


@cache
def quarantine_table(item_code: str) -> Table:
    """Rows of a delivery of an item that wait, with what they held."""
    labels = labels_of(item_code)

    def held(row: Quarantine) -> str:
        return " · ".join(f"{gettext(label)} {row.raw[code]}" for code, label in labels.items() if row.raw.get(code))[:160]

    def reason(row: Quarantine) -> str:
        return reason_text(row.reason, row.params, item_code)

    return Table(
        "quarantine",
        columns=[
            Column("row_no", _l("行号"), Quarantine.row_no, kind="count"),
            Column("reason", _l("原因"), sortable=False, render=reason, sub=held),
        ],
        filters=[
            Filter("reason", _l("原因"), choices=list(REASON_NAMES.items()),
                   apply=lambda stmt, value: stmt.where(Quarantine.reason == value)),
        ],
        default_sort="row_no",
    )


@cache
def mending_table(item_code: str) -> Table:
    """The same rows as a workbook. Its headings stay Chinese, so that it can be sent again as it is."""
    numbers = set(AMOUNTS) if item_code == INVOICES else {f.code for f in ITEMS[item_code].fields if f.kind in _NUMBERS}
    return Table("mending", columns=[
        *(Column(code, label, export=_raw_value(code, code in numbers)) for code, label in labels_of(item_code).items()),
        Column("row_no", "行号", kind="count"),
        Column("reason", "原因", export=lambda row: reason_text(row.reason, row.params, item_code)),
    ])


def _raw_value(code: str, number: bool) -> Callable[[Quarantine], Any]:
    """The cell as it came; numbers as numbers, so that a minus sign is no formula and the mended file can be sent again."""

    def value(row: Quarantine) -> Any:
        raw = row.raw.get(code)
        if not number or raw is None:
            return raw
        try:
            read = Decimal(raw)
        except InvalidOperation:
            return raw
        # A workbook holds fifteen digits; a longer number is kept as the text that came.
        return read if read.is_finite() and len(read.as_tuple().digits) <= 15 else raw

    return value
