"""Facts in force of many firms as frames, one statement an item: what scoring reads of a chunk of firms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from io import BytesIO
from typing import Any

import polars as pl

from app.core.database import session
from app.evidence.items import ITEMS, Item, Kind, Subject
from app.evidence.rules import INVOICES

_TYPES: dict[Kind, Any] = {
    Kind.MONEY: pl.Int64, Kind.QUANTITY: pl.Int64, Kind.COUNT: pl.Int64, Kind.YEAR: pl.Int64, Kind.DAY: pl.Date,
    Kind.MONTH: pl.Date, Kind.WORD: pl.String, Kind.FLAG: pl.Boolean,
}
"""Kinds that travel; free text is read by no feature."""
_INVOICES = {
    "firm": pl.Int64, "side": pl.Int8, "day": pl.Date, "counterparty": pl.Int64, "net_fen": pl.Int64, "tax_fen": pl.Int64,
    "gross_fen": pl.Int64, "void": pl.Boolean, "delivery_no": pl.Int64,
}
_INVOICE_LINES = """
select firm_no, side, day, hashtextextended(counterparty, 0), net_fen, tax_fen, gross_fen, void::int, delivery_no
from invoice_line where current and firm_no = any({firms}) and day >= {since}
"""


def frames_of(firm_nos: Sequence[int], items: Iterable[str], since: date) -> dict[str, pl.DataFrame]:
    """Facts in force of the firms from ``since`` on: item → rows with ``firm``, the item's stored columns and ``delivery_no``.

    Under whatever identity is set: what may not be read is empty. Amounts are 分, quantities thousandths, months their first
    day. Meters come with ``meter`` and ``basis``, only for the time in which they were the firm's. Counterparties of invoices
    are codes that are equal where the names are. The rows are in no order.
    """
    return {code: _frame(code, firm_nos, since) for code in items}


def _frame(code: str, firm_nos: Sequence[int], since: date) -> pl.DataFrame:
    statement, schema = (_INVOICE_LINES, _INVOICES) if code == INVOICES else _statement(code)
    raw: Any = session().connection().connection.driver_connection
    firms = "'{" + ",".join(str(int(number)) for number in firm_nos) + "}'::bigint[]"
    wanted = statement.format(firms=firms, since=f"date '{since.isoformat()}'")
    told = BytesIO()
    with raw.cursor() as cursor, cursor.copy(f"copy ({wanted}) to stdout (format csv)") as copy:
        for part in copy:
            told.write(part)
    if not told.tell():
        return pl.DataFrame(schema=schema)
    # polars reads yes and no as words only: they travel as 1 and 0
    read = {name: pl.Int8 if kind == pl.Boolean else kind for name, kind in schema.items()}
    frame = pl.read_csv(told.getvalue(), has_header=False, schema=read)
    return frame.with_columns(pl.col(name).cast(pl.Boolean) for name, kind in schema.items() if kind == pl.Boolean)


@cache
def _statement(code: str) -> tuple[str, dict[str, Any]]:
    """The statement of an item with gaps for firms and day, and the frame it gives."""
    item = ITEMS[code]
    told = {one.stored: one.kind for one in item.fields if one.kind in _TYPES}
    columns = ", ".join(f"f.{name}::int" if kind is Kind.FLAG else f"f.{name}" for name, kind in told.items())
    schema = {name: _TYPES[kind] for name, kind in told.items()} | {"delivery_no": pl.Int64}
    if item.subject is Subject.FIRM:
        return (
            f"select f.firm_no, {columns}, f.delivery_no from {item.table} f "
            f"where f.current and f.firm_no = any({{firms}}) and {_since(item)}"
        ), {"firm": pl.Int64, **schema}
    at = f"f.{item.field(item.at).stored}"
    return (
        f"select l.firm_no, f.meter_no, l.basis, {columns}, f.delivery_no from meter_link l join {item.table} f "
        f"on f.meter_no = l.meter_no and f.current and {at} >= l.valid_from and (l.valid_to is null or {at} <= l.valid_to) "
        f"where l.current and l.firm_no = any({{firms}}) and {_since(item)}"
    ), {"firm": pl.Int64, "meter": pl.Int64, "basis": pl.String, **schema}


def _since(item: Item) -> str:
    at = item.field(item.at)
    return f"f.{at.stored} >= extract(year from {{since}})" if at.kind is Kind.YEAR else f"f.{at.stored} >= {{since}}"
