"""Facts in words: the name of a column, a value as people write it, what a row is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from app.core.formats import is_english
from app.core.money import YUAN
from app.evidence.items import ITEMS, Field, Kind
from app.evidence.models import DataItem
from app.evidence.rules import INVOICES, N_
from app.evidence.shapes import SHAPES

_INVOICE_COLUMNS = {
    "side": N_("进销方向"), "invoice_no": N_("发票号码"), "day": N_("开票日期"), "counterparty": N_("对方单位"),
    "net_fen": N_("金额"), "tax_fen": N_("税额"), "gross_fen": N_("价税合计"), "void": N_("作废"),
}
_COMMON = {
    "version": N_("版本"), "current": N_("现行版本"), "delivery_no": N_("数据批次编号"), "firm_no": N_("企业编号"),
    "meter_no": N_("户号编号"), "content": N_("内容编号"), "k": N_("序号"),
}
_SIDES = {0: N_("进项"), 1: N_("销项")}
_IN_LABEL = {INVOICES: ("side", "invoice_no", "day"), "tax_ledger": ("period_start", "tax_category"), "registration": ("as_of",)}
"""Columns that tell a row apart for people where its key does not."""


def _fields(item_code: str) -> dict[str, Field]:
    item = ITEMS.get(item_code)
    return {one.stored: one for one in item.fields} if item is not None else {}


def column_label(item_code: str, column: str) -> str:
    """The Chinese name of a column, to be translated where it is shown."""
    if item_code == INVOICES and column in _INVOICE_COLUMNS:
        return _INVOICE_COLUMNS[column]
    found = _fields(item_code).get(column)
    return found.label if found is not None and found.kind is not Kind.FIRM else _COMMON.get(column, column)


def value_text(item_code: str, column: str, value: Any) -> str:
    """A stored value as people write it: 分 as 元, thousandths as units, months without a day, codes as their word.

    ``value`` may be as it lies in the database or as form 1 of it (dates as text).
    """
    if value is None:
        return ""
    if item_code == INVOICES and column == "side":
        return _SIDES[int(value)]
    if isinstance(value, bool):
        return N_("是") if value else N_("否")
    if column.endswith("_fen"):
        return f"{Decimal(value) / YUAN:,.2f}"
    if column.endswith("_milli"):
        return f"{(Decimal(value) / 1000).normalize():,f}"
    found = _fields(item_code).get(column)
    text = value.isoformat() if isinstance(value, date) else str(value)
    if found is not None and found.kind is Kind.MONTH:
        return text[:7]
    if found is not None and found.kind is Kind.WORD:
        return next((word for word, code in found.words.items() if code == text), text)
    return text


def label_of(item: DataItem, row: Mapping[str, Any] | None) -> str:
    """What a dispute is about, in Chinese words: the item, and what tells the row apart."""
    if row is None:
        return item.name_zh
    columns = _IN_LABEL.get(item.code) or SHAPES[item.code].key
    if row.get("account_no"):
        columns = ("account_no", *columns)
    return " · ".join([item.name_zh, *(value_text(item.code, column, row[column]) for column in columns if column != "firm_no")])


def shown_pairs(item_code: str, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A kept fact as (name of the column, value) in the order of its item, without what only the database needs."""
    hidden = {"version", "current", "delivery_no", "firm_no", "meter_no", "content", "k"}
    order = {column: place for place, column in enumerate([*_fields(item_code), *_INVOICE_COLUMNS])}
    kept = sorted((column for column in shown if column not in hidden and shown[column] is not None),
                  key=lambda column: order.get(column, len(order)))
    return [(column_label(item_code, column), _with_unit(column, value_text(item_code, column, shown[column])))
            for column in kept]


def _with_unit(column: str, text: str) -> str:
    if not column.endswith("_fen"):
        return text
    return f"¥{text}" if is_english() else f"{text} 元"
