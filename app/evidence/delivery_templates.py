"""Empty files for providers: the heading as CSV or XLSX, the workbook with a second sheet that explains each column."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from app.core.uscc import synthetic
from app.evidence import rules
from app.evidence.items import ITEMS, Field, Kind, Subject
from app.evidence.rows import allowed_words
from app.evidence.rules import DELIVERY, INVOICES, N_

_FORMATS = {
    Kind.MONEY: N_("元，最多两位小数"), Kind.QUANTITY: N_("数，最多三位小数"), Kind.COUNT: N_("整数"), Kind.YEAR: N_("四位年份"),
    Kind.DAY: N_("日期：年-月-日"), Kind.MONTH: N_("月份：年-月"), Kind.TEXT: N_("文字，最多 %(length)s 字"),
    Kind.WORD: N_("下列用词之一"), Kind.FLAG: N_("下列用词之一"), Kind.FIRM: N_("18 位统一社会信用代码"),
}
_EXAMPLES = {
    Kind.MONEY: "1234.50", Kind.QUANTITY: "860.5", Kind.COUNT: "12", Kind.YEAR: "2025", Kind.DAY: "2026-01-05",
    Kind.MONTH: "2026-01", Kind.FIRM: synthetic("440106", 1),
}
_INVOICES = {
    "uscc": (Kind.FIRM, ""), "side": (Kind.WORD, "进项"), "invoice_no": (Kind.TEXT, "25442000000012345678"),
    "invoice_date": (Kind.DAY, ""), "counterparty_id": (Kind.TEXT, ""), "amount_net": (Kind.MONEY, "1000.00"),
    "tax_amount": (Kind.MONEY, "130.00"), "amount_gross": (Kind.MONEY, "1130.00"), "status": (Kind.WORD, "有效"),
}


@dataclass(frozen=True)
class Explained:
    """A column of a template: its heading in Chinese, and what is said about it in the language of the page."""

    label: str
    required: str
    format: str
    words: str
    example: str


def columns_of(item_code: str) -> list[Explained]:
    """The columns of an item's file, in their order. Raises ``KeyError`` for an item that is not taken in."""
    if item_code == INVOICES:
        return [_invoice_column(field) for field in rules.FIELDS if field.code in _INVOICES]
    item = ITEMS[item_code]
    metered = item.subject is Subject.METER and any(field.code == "metering" for field in item.fields)
    return [_column(field, metered) for field in item.fields]


def columns_for(fields: Sequence[Field]) -> list[Explained]:
    """The columns of a file that is no delivery, in their order."""
    return [_column(field, False) for field in fields]


def _column(field: Field, metered: bool) -> Explained:
    length = (field.high if field.kind is Kind.TEXT else None) or DELIVERY.longest_key
    words = allowed_words(field) if field.kind in (Kind.WORD, Kind.FLAG) else []
    required = gettext("必填") if field.required else gettext("可空")
    if metered and field.code == "quantity":
        required = gettext("已计量的月份必填")
    example = "0301234567" if field.code == "account_no" else _EXAMPLES.get(field.kind, words[0] if words else "")
    return Explained(field.label, required, gettext(_FORMATS[field.kind], length=length), "、".join(words), example)


def _invoice_column(field: rules.Field) -> Explained:
    kind, example = _INVOICES[field.code]
    words = {"side": "进项、销项", "status": "有效、作废"}.get(field.code, "")
    required = gettext("必填")
    if field.code == "side":
        required = gettext("文件名或上传时已写明的可空")
    return Explained(field.label, required, gettext(_FORMATS[kind], length=DELIVERY.longest_text), words,
                     example or _EXAMPLES.get(kind, ""))


def csv_template(item_code: str) -> str:
    """The heading of an item's file. Its byte order mark makes spreadsheets read it as UTF-8."""
    return csv_of(columns_of(item_code))


def csv_of(columns: Sequence[Explained]) -> str:
    """A heading as CSV."""
    out = io.StringIO()
    csv.writer(out).writerow([column.label for column in columns])
    return "\ufeff" + out.getvalue()


def xlsx_template(item_code: str) -> bytes:
    """The workbook of an item."""
    return xlsx_of(columns_of(item_code))


def xlsx_of(columns: Sequence[Explained]) -> bytes:
    """A sheet to fill, and a sheet that explains its columns."""
    book = Workbook()
    sheet, notes = book.worksheets[0], book.create_sheet(gettext("说明"))
    sheet.title, sheet.freeze_panes = gettext("数据"), "A2"
    sheet.append([column.label for column in columns])
    notes.append([gettext("列"), gettext("是否必填"), gettext("格式"), gettext("可用的词"), gettext("例子")])
    for column in columns:
        notes.append([column.label, column.required, column.format, column.words, column.example])
    for page, widths in ((sheet, [20] * len(columns)), (notes, [26, 22, 26, 60, 24])):
        for place, width in enumerate(widths, start=1):
            page.column_dimensions[get_column_letter(place)].width = width
        for cell in page[1]:
            cell.font = Font(bold=True)
    for row in notes.iter_rows(min_row=2):
        for cell in row:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
