"""Statement files as banks export them: CSV in UTF-8 or GBK, or XLSX; checked before a cell is believed."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from pathlib import Path

from openpyxl import load_workbook

from app.core.errors import N_, ErrorCode, Refusal

LIMIT_BYTES = 5 * 1024 * 1024
UNPACKED_BYTES = 60 * 1024 * 1024
LIMIT_ROWS = 20_000
ALLOWED = "CSV / XLSX"


def lines_of(filename: str, content: bytes) -> list[list[str]]:
    """The cells of a file as text; a formula stays with its sign, so that its row is refused.

    Raises ``Refusal``: FILE_TYPE where name and bytes do not fit, FILE_TOO_LARGE, FILE_BROKEN, BATCH_ROWS.
    """
    if len(content) > LIMIT_BYTES:
        raise Refusal(ErrorCode.FILE_TOO_LARGE, field="file", limit="5 MB")
    ending, zipped = Path(filename).suffix.lower(), content.startswith(b"PK\x03\x04")
    if ending not in (".csv", ".xlsx") or (ending == ".xlsx") != zipped or (ending == ".csv" and b"\0" in content):
        raise Refusal(ErrorCode.FILE_TYPE, field="file", allowed=ALLOWED)
    found = list(islice(_xlsx(content) if zipped else _csv(content), LIMIT_ROWS + 1))
    if len(found) > LIMIT_ROWS:
        raise Refusal(ErrorCode.BATCH_ROWS, field="file", limit=LIMIT_ROWS)
    return found


def _broken(detail: str) -> Refusal:
    return Refusal(ErrorCode.FILE_BROKEN, field="file", detail=(detail,))


def _csv(content: bytes) -> Iterator[list[str]]:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        separator = "\t" if text[:4000].count("\t") > text[:4000].count(",") else ","
        try:
            yield from csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        except csv.Error as error:
            raise _broken(N_("表格读不出来")) from error
        return
    raise _broken(N_("文字编码既不是 UTF-8 也不是 GB18030"))


def _xlsx(content: bytes) -> Iterator[list[str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile as error:
        raise _broken(N_("不是完整的 XLSX 工作簿")) from error
    if sum(part.file_size for part in parts) > UNPACKED_BYTES:
        raise _broken(N_("工作簿解压后过大"))
    if any(part.filename.lower().endswith("vbaproject.bin") for part in parts):
        raise _broken(N_("工作簿含有宏"))
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=False)
        for row in book.worksheets[0].iter_rows(values_only=True):
            yield [_text(value) for value in row]
    except Exception as error:  # openpyxl lets errors of zipfile, its XML parser and its own come through
        raise _broken(N_("不是完整的 XLSX 工作簿")) from error


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else format(value, ".15g")
    return str(value)
