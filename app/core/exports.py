"""A list as an XLSX file: numbers as numbers, days as days, and no cell that would run as a formula."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from flask_babel import gettext
from markupsafe import Markup
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from app.core.calendar import SHANGHAI
from app.core.context import Context
from app.core.money import YUAN
from app.core.pages import Text
from app.core.permissions import Permission
from app.core.use_case import about, use_case

if TYPE_CHECKING:
    from app.core.tables import Column, Table

EXPORT_LIMIT = 10_000
"""Rows of one file. A longer list says so in its last row, and how to get the rest."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER_FORMATS = {
    "money": "#,##0.00",
    "rate": "0.00%",
    "date": "yyyy-mm-dd",
    "datetime": "yyyy-mm-dd hh:mm",
    "count": "#,##0",
}


def safe_text(text: str) -> str:
    """Text as a cell may hold it: no control characters, an apostrophe before what begins like a formula."""
    clean = ILLEGAL_CHARACTERS_RE.sub("", text)
    return "'" + clean if clean.startswith(_FORMULA_STARTS) else clean


def _cell_value(column: Column, row: Any) -> Any:
    """The value of a cell: money (分) as 元, moments as Shanghai time, everything unknown as safe text."""
    value = column.value(row)
    if value is None:
        return None
    if column.kind == "money" and isinstance(value, int):
        return Decimal(value) / YUAN
    if isinstance(value, datetime):
        return value.astimezone(SHANGHAI).replace(tzinfo=None) if value.tzinfo is not None else value
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    if isinstance(value, (int, Decimal, date)):
        return value
    if isinstance(value, Markup):
        return safe_text(value.striptags())
    return safe_text(str(value))


def export_xlsx(table: Table, rows: Sequence[Any], title: Text, limit: int = EXPORT_LIMIT) -> bytes:
    """The rows as an XLSX file, at most `limit` of them; where there are more, the last row says so."""
    return export_sheets([(table, rows, title)], limit)


def export_sheets(parts: Sequence[tuple[Table, Sequence[Any], Text]], limit: int = EXPORT_LIMIT) -> bytes:
    """Several lists as the sheets of one XLSX file."""
    book = Workbook(write_only=True)
    for table, rows, title in parts:
        _add_sheet(book, table, rows, title, limit)
    target = BytesIO()
    book.save(target)
    return target.getvalue()


def _add_sheet(book: Workbook, table: Table, rows: Sequence[Any], title: Text, limit: int) -> None:
    sheet = book.create_sheet(_sheet_name(str(title)))
    sheet.freeze_panes = "A2"
    for index, column in enumerate(table.columns, start=1):
        sheet.column_dimensions[get_column_letter(index)].width = 18 if column.right else 24
    sheet.append([_styled(sheet, _heading(column), None, bold=True) for column in table.columns])
    for row in rows[:limit]:
        sheet.append([_cell(sheet, column, row) for column in table.columns])
    if len(rows) > limit:
        note = gettext("只导出了前 %(limit)s 行。请用筛选缩小范围后再导出其余部分。", limit=f"{limit:,}")
        sheet.append([_styled(sheet, note, None, bold=True)])


def export_csv(table: Table, rows: Sequence[Any], limit: int = EXPORT_LIMIT) -> bytes:
    """The same rows as CSV in UTF-8 with a mark that spreadsheets look for; moments in Shanghai time, money in 元."""
    target = StringIO()
    writer = csv.writer(target)
    writer.writerow([_heading(column) for column in table.columns])
    writer.writerows([_plain_value(column, row) for column in table.columns] for row in rows[:limit])
    if len(rows) > limit:
        writer.writerow([gettext("只导出了前 %(limit)s 行。请用筛选缩小范围后再导出其余部分。", limit=f"{limit:,}")])
    return target.getvalue().encode("utf-8-sig")


def _plain_value(column: Column, row: Any) -> Any:
    value = _cell_value(column, row)
    return value.isoformat(" ", "minutes") if isinstance(value, datetime) else value


def _sheet_name(title: str) -> str:
    # Excel refuses these characters and names of more than 31.
    allowed = (letter for letter in title if letter.isprintable() and letter not in "[]:*?/\\'")
    return "".join(allowed)[:31] or "1"


def _cell(sheet: Any, column: Column, row: Any) -> Any:
    return _styled(sheet, _cell_value(column, row), _NUMBER_FORMATS.get(column.kind))


def _heading(column: Column) -> str:
    label = safe_text(str(column.label))
    return gettext("%(label)s（元）", label=label) if column.kind == "money" else label


def _styled(sheet: Any, value: Any, number_format: str | None, bold: bool = False) -> Any:
    cell = WriteOnlyCell(sheet, value=value)
    if bold:
        cell.font = Font(bold=True)
    if number_format is not None and value is not None:
        cell.number_format = number_format
    return cell


def wants_export(args: Mapping[str, str]) -> bool:
    """Whether the visit asks for the list as a file."""
    return args.get("format") == "xlsx"


@use_case(Permission.ACCOUNT_USE, "list.exported")
def record_export(ctx: Context, name: str, rows: int | None) -> None:
    """A list left the portal as a file: who took which, how many rows (compliance.md §6, exports are logged)."""
    about(list=name, rows=rows)
