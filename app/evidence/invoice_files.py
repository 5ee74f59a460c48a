"""Reading invoice files: CSV (UTF-8 with or without BOM, GB18030), XLSX and Parquet, in batches of bounded memory.

The type is told by the first bytes, never by the name alone. Every batch is a frame with the columns ``row_no`` (from 1
below the header), ``misfit`` (the row has more or fewer cells than the header) and the file's own columns under field codes.
"""

from __future__ import annotations

import codecs
import csv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import polars as pl
from openpyxl import load_workbook

from app.core.errors import ErrorCode, Refusal
from app.evidence.rules import DELIVERY, N_, Heading, read_heading

ALLOWED = "CSV、XLSX、Parquet"
PARQUET, XLSX, CSV = (
    "application/vnd.apache.parquet", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/csv",
)
_TEXT = b"\t\n\r"
LONGEST_CELL = 100_000

csv.field_size_limit(LONGEST_CELL)


def broken(detail: str) -> Refusal:
    """The refusal of a file that cannot be read; ``detail`` is a Chinese message id."""
    return Refusal(ErrorCode.FILE_BROKEN, field="file", detail=detail)


def media_type_of(head: bytes, filename: str) -> str:
    """The type by the first bytes. Raises ``Refusal(FILE_TYPE)`` where they fit none, or the name says another."""
    suffix = Path(filename).suffix.lower()
    if head.startswith(b"PAR1") and suffix == ".parquet":
        return PARQUET
    if head.startswith(b"PK\x03\x04") and suffix == ".xlsx":
        return XLSX
    if suffix in (".csv", ".txt") and head and all(byte >= 32 or byte in _TEXT for byte in head):
        return CSV
    raise Refusal(ErrorCode.FILE_TYPE, field="file", allowed=ALLOWED)


@dataclass(frozen=True)
class InvoiceFile:
    """An opened file with a heading that fits."""

    path: Path
    media_type: str
    heading: Heading
    names: tuple[str, ...]
    encoding: str = "utf-8-sig"

    def batches(self, rows: int = DELIVERY.batch_rows) -> Iterator[pl.DataFrame]:
        """Frames of at most ``rows`` rows. Raises ``Refusal(FILE_BROKEN)`` where the file breaks off."""
        if self.media_type == PARQUET:
            yield from self._parquet(rows)
        else:
            yield from self._cells(rows)

    def _parquet(self, rows: int) -> Iterator[pl.DataFrame]:
        taken = {name: code for code, name in self.heading.columns.items()}
        first = 1
        try:
            for frame in pl.scan_parquet(self.path).select(list(taken)).collect_batches(chunk_size=rows, maintain_order=True):
                numbered = frame.rename(taken).with_columns(
                    (pl.int_range(pl.len(), dtype=pl.Int64) + first).alias("row_no"), pl.lit(False).alias("misfit"),
                )
                first += frame.height
                yield numbered
        except (pl.exceptions.PolarsError, OSError) as error:
            raise broken(N_("Parquet 文件已损坏")) from error

    def _cells(self, rows: int) -> Iterator[pl.DataFrame]:
        """Rows of cells. Empty lines are no rows, but they count, so that a row number leads to its line."""
        width, places = len(self.names), {code: self.names.index(name) for code, name in self.heading.columns.items()}
        numbered = ((number, cells) for number, cells in enumerate(self._lines(), start=1) if any(cells))
        while chunk := list(islice(numbered, rows)):
            columns: dict[str, list[Any]] = {code: [] for code in places}
            for _, cells in chunk:
                for code, place in places.items():
                    columns[code].append(cells[place] if place < len(cells) else None)
            yield pl.DataFrame(
                {
                    "row_no": [number for number, _ in chunk],
                    "misfit": [len(cells) != width for _, cells in chunk], **columns,
                },
                schema={"row_no": pl.Int64, "misfit": pl.Boolean, **dict.fromkeys(places, pl.String)},
            )

    def _lines(self) -> Iterator[list[str]]:
        lines = _csv_lines(self.path, self.encoding) if self.media_type == CSV else _xlsx_lines(self.path)
        next(lines, None)
        return lines


def open_file(path: Path, media_type: str, side: int | None) -> InvoiceFile:
    """Opens a file and reads its heading.

    Raises ``Refusal(FILE_HEADER)`` naming the missing columns, ``Refusal(FILE_BROKEN)`` where it cannot be read.
    """
    encoding = _encoding(path) if media_type == CSV else ""
    if media_type == PARQUET:
        try:
            names = tuple(pl.scan_parquet(path).collect_schema().names())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise broken(N_("Parquet 文件已损坏")) from error
    else:
        lines = _csv_lines(path, encoding) if media_type == CSV else _xlsx_lines(path)
        names = tuple(next(lines, []))
    heading = read_heading(names, side)
    if heading.missing:
        raise Refusal(ErrorCode.FILE_HEADER, field="file", missing="、".join(heading.missing))
    return InvoiceFile(path, media_type, heading, names, encoding)


def _encoding(path: Path) -> str:
    """UTF-8 where the whole file is UTF-8, else GB18030, else a refusal."""
    for encoding in ("utf-8-sig", "gb18030"):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with path.open("rb") as stream:
                while chunk := stream.read(1 << 20):
                    decoder.decode(chunk)
                decoder.decode(b"", True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise broken(N_("文字编码既不是 UTF-8 也不是 GB18030"))


def _csv_lines(path: Path, encoding: str) -> Iterator[list[str]]:
    with path.open(encoding=encoding, newline="") as stream:
        sample = stream.readline()
        stream.seek(0)
        delimiter = max(",\t;", key=sample.count) if sample else ","
        try:
            yield from csv.reader(stream, delimiter=delimiter)
        except csv.Error as error:
            raise broken(N_("有一格内容过长，可能是引号没有成对")) from error


def _xlsx_lines(path: Path) -> Iterator[list[str]]:
    with path.open("rb") as stream:
        yield from _sheet_lines(path, stream)


def _sheet_lines(path: Path, stream: IO[bytes]) -> Iterator[list[str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            held = sum(entry.file_size for entry in parts if not entry.filename.startswith("xl/worksheets/"))
            whole = sum(entry.file_size for entry in parts)
            if whole > DELIVERY.unpacked_limit_bytes or held > DELIVERY.shared_limit_bytes:
                raise broken(N_("工作簿解压后过大"))
        # A stored file has no ending, which openpyxl would insist on; an open stream it takes as it is.
        book = load_workbook(stream, read_only=True, data_only=True)
    except Refusal:
        raise
    except Exception as error:  # openpyxl lets errors of zipfile, its XML parser and its own come through
        raise broken(N_("不是完整的 XLSX 工作簿")) from error
    try:
        sheet = book.worksheets[0]
        width = 0
        for cells in sheet.iter_rows(values_only=True):
            texts = [_cell_text(cell) for cell in cells]
            if not width:
                while texts and not texts[-1]:
                    texts.pop()
                width = len(texts)
            # Spreadsheets pad rows with empty cells, or leave them away at the end.
            texts += [""] * (width - len(texts))
            while len(texts) > width and not texts[-1]:
                texts.pop()
            yield texts
    except (KeyError, ValueError, zipfile.BadZipFile, IndexError) as error:
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
    return str(cell)
