"""Everything held about a firm, for the firm itself: 个人信息保护法 art. 45 (read and copy), as JSON or as a workbook.

Sections are a registry: later rooms add theirs when they are imported. Each yields its rows one by one, so that a firm with a
million invoices needs no more memory than one with ten.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any
from uuid import UUID

from flask_babel import gettext
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from app.core.audit import plain
from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import get_or_404
from app.core.errors import ErrorCode, Refusal
from app.core.exports import safe_text
from app.core.money import YUAN
from app.core.notices import notify
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.evidence.disclosure_words import COLUMNS
from app.evidence.rules import N_

Rows = Iterable[Mapping[str, Any]]
Provider = Callable[[Context, UUID], Rows]
Labels = Callable[[str], str]

SHEET_LIMIT = 100_000
"""Rows of one sheet; a longer section says so in its last row, and that the JSON file is complete."""
FORM = 1
FORMATS = ("json", "xlsx")


@dataclass(frozen=True, slots=True)
class Section:
    """One part of what is held. ``title`` and what ``label`` says of a column are Chinese, translated where they are shown."""

    name: str
    title: str
    rows: Provider
    label: Labels
    order: int


_sections: dict[str, Section] = {}


def add(name: str, title: str, rows: Provider, *, labels: Mapping[str, str] | Labels | None = None, order: int = 50) -> None:
    """Lets ``rows(ctx, firm_id)`` tell what a room holds about a firm. It runs under the firm's own identity.

    Rows are mappings of plain values with the same columns; ``…_fen`` are 分 (元 in the workbook), ``…_milli`` thousandths.
    """
    words = {**COLUMNS, **labels} if isinstance(labels, Mapping) else COLUMNS
    named: Labels = labels if callable(labels) else (lambda column: str(words.get(column, column)))
    _sections[name] = Section(name, title, rows, named, order)


def sections() -> list[Section]:
    """All sections in their order."""
    return sorted(_sections.values(), key=lambda section: section.order)


@dataclass(frozen=True)
class Disclosure:
    """A file to be sent, open at its beginning; ``counts``: rows by section."""

    file: IO[bytes]
    filename: str
    media_type: str
    counts: dict[str, int]


@use_case(Permission.EVIDENCE_READ, "evidence.disclose")
def disclose(ctx: Context, form: str) -> Disclosure:
    """Everything held about the actor's own firm. The export is on record and the firm is told.

    ``form``: json (complete) or xlsx (a sheet a section). Raises ``Refusal(NOT_VERIFIED)``: a social credit code is public, so
    nobody gets anything before the desk knows who they are.
    """
    firm = get_or_404(Enterprise, ctx.org_id)
    if firm.state != "verified":
        raise Refusal(ErrorCode.NOT_VERIFIED)
    if form not in FORMATS:
        raise Refusal(ErrorCode.INVALID)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed when it has been sent
    try:
        counts = _as_json(ctx, firm, file) if form == "json" else _as_workbook(ctx, firm.id, file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    about(firm, form=form, rows=counts)
    notify(firm.id, N_("%(who)s 导出了平台持有的贵单位全部资料（%(form)s）。如非贵单位所为，请立即更换口令并联系服务台。"),
           who=ctx.person_name, form=form.upper(), path="/my-data/export")
    media = "application/json" if form == "json" else "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return Disclosure(file, f"huiqiao-{firm.uscc}-{today().isoformat()}.{form}", media, counts)


def _as_json(ctx: Context, firm: Enterprise, file: IO[bytes]) -> dict[str, int]:
    head = {"form": FORM, "uscc": firm.uscc, "name": ctx.org_name, "at": now(),
            "units": "_fen: 0.01 CNY; _milli: 0.001 kWh or m3"}
    counts: dict[str, int] = {}
    file.write(b'{"about":' + _json(head) + b',\n"sections":{')
    for index, section in enumerate(sections()):
        file.write((b",\n" if index else b"\n") + _json(section.name) + b":[")
        counts[section.name] = 0
        for row in section.rows(ctx, firm.id):
            file.write((b",\n" if counts[section.name] else b"\n") + _json(dict(row)))
            counts[section.name] += 1
        file.write(b"]")
    file.write(b"},\n" + b'"counts":' + _json(counts) + b"}\n")
    return counts


def _json(value: Any) -> bytes:
    # Numbers of a profile's working are floats; everything that JSON does not know is written as audit events write it.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=plain).encode()


def _as_workbook(ctx: Context, firm_id: UUID, file: IO[bytes]) -> dict[str, int]:
    book = Workbook(write_only=True)
    counts = {section.name: _sheet(book, section, section.rows(ctx, firm_id)) for section in sections()}
    book.save(file)
    return counts


def _sheet(book: Any, section: Section, rows: Rows) -> int:
    sheet = book.create_sheet(gettext(section.title)[:31])
    sheet.freeze_panes = "A2"
    written = seen = 0
    for row in rows:
        if seen == 0:
            sheet.append([_bold(sheet, _heading(section, column)) for column in row])
        seen += 1
        if written < SHEET_LIMIT:
            sheet.append([_cell(column, value) for column, value in row.items()])
            written += 1
    if seen == 0:
        sheet.append([_bold(sheet, gettext("平台没有持有这一类资料。"))])
    elif seen > written:
        note = gettext("这里只列出前 %(limit)s 行，共 %(count)s 行；完整内容请导出 JSON 文件。", limit=f"{written:,}",
                       count=f"{seen:,}")
        sheet.append([_bold(sheet, note)])
    return seen


def _heading(section: Section, column: str) -> str:
    label = gettext(section.label(column))
    return gettext("%(label)s（元）", label=label) if column.endswith("_fen") else label


def _bold(sheet: Any, words: str) -> Any:
    cell = WriteOnlyCell(sheet, value=safe_text(words))
    cell.font = Font(bold=True)
    return cell


def _cell(column: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    if column.endswith("_fen") and isinstance(value, int):
        return Decimal(value) / YUAN
    if column.endswith("_milli") and isinstance(value, int):
        return Decimal(value) / 1000
    if isinstance(value, datetime):
        return value.astimezone(SHANGHAI).replace(tzinfo=None)
    if isinstance(value, int | float | Decimal | date):
        # Excel keeps fifteen digits of a number; a longer one would be another number.
        return value if not isinstance(value, int) or abs(value) < 10**15 else str(value)
    if isinstance(value, dict | list):
        return safe_text(_json(value).decode())[:32_000]
    return safe_text(str(value))[:32_000]


def chunks(disclosure: Disclosure, size: int = 64 * 1024) -> Iterator[bytes]:
    """The bytes of the file, which is closed and gone at the end."""
    with disclosure.file as file:
        while chunk := file.read(size):
            yield chunk
