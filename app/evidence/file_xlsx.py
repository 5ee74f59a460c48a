"""Workbooks as offices send them: sheets of cells, streamed; an archive that would unpack too large is refused."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from openpyxl import load_workbook

from app.core.errors import Refusal
from app.evidence.file_tools import broken, frames_of_cells
from app.evidence.rules import DELIVERY, N_

if TYPE_CHECKING:
    from app.evidence.files import Heading


_FORMULA_STARTS = ("=", "+", "-", "@")


@dataclass(frozen=True)
class XlsxRows:
    """One sheet of a workbook."""

    path: Path
    sheet: int

    @classmethod
    def sheets(cls, path: Path) -> Iterator[XlsxRows]:
        """Every sheet, in the order of the workbook. Raises ``Refusal(FILE_BROKEN)``."""
        for place in range(_count(path)):
            yield cls(path, place)

    def first_rows(self, limit: int) -> Iterator[list[str]]:
        """The first rows without the empty cells at their ends."""
        for cells in islice(_lines(self.path, self.sheet), limit):
            yield _cut(cells, 0)

    def frames(self, heading: Heading, width: int, place: int, rows: int) -> Iterator[pl.DataFrame]:
        """Frames of text cells. Spreadsheets pad rows with empty cells, or leave them away at the end."""
        lines = islice(_lines(self.path, self.sheet), place + 1, None)
        fitted = (_cut(cells + [""] * (width - len(cells)), width) for cells in lines)
        return frames_of_cells(fitted, heading.columns, width, rows)


def _cut(cells: list[str], width: int) -> list[str]:
    while len(cells) > width and not cells[-1]:
        cells.pop()
    return cells


def _count(path: Path) -> int:
    _measure(path)
    with path.open("rb") as stream:
        book = _book(stream)
        try:
            return len(book.worksheets)
        finally:
            book.close()


def _measure(path: Path) -> None:
    """Refuses what would fill the memory: sheets are streamed, everything else (above all the table of texts) is held."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise broken(N_("不是完整的 XLSX 工作簿")) from error
    held = sum(entry.file_size for entry in parts if not entry.filename.startswith("xl/worksheets/"))
    if sum(entry.file_size for entry in parts) > DELIVERY.unpacked_limit_bytes or held > DELIVERY.shared_limit_bytes:
        raise broken(N_("工作簿解压后过大"))


def _book(stream: Any) -> Any:
    # A stored file has no ending, which openpyxl would insist on; an open stream it takes as it is.
    try:
        return load_workbook(stream, read_only=True, data_only=True)
    except Exception as error:  # openpyxl lets errors of zipfile, its XML parser and its own come through
        raise broken(N_("不是完整的 XLSX 工作簿")) from error


def _lines(path: Path, sheet: int) -> Iterator[list[str]]:
    with path.open("rb") as stream:
        book = _book(stream)
        try:
            for cells in book.worksheets[sheet].iter_rows(values_only=True):
                yield [_cell_text(cell) for cell in cells]
        except Refusal:
            raise
        except (KeyError, ValueError, SyntaxError, zipfile.BadZipFile, IndexError) as error:
            raise broken(N_("不是完整的 XLSX 工作簿")) from error
        finally:
            book.close()


def _cell_text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if (cell.hour, cell.minute, cell.second) == (0, 0, 0) else cell.isoformat(" ")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        # A workbook holds amounts as binary floats: the shortest text that reads back as the same number is what was typed.
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else format(cell, ".15g")
    text = str(cell)
    # The mark by which a text is kept from being read as a formula, as our own exports set it.
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULA_STARTS else text
