"""Opening delivered files: CSV (UTF-8 with or without BOM, GB18030), XLSX, Parquet and JSON, in batches of bounded memory.

The type is told by the first bytes, never by the name alone. Offices write titles, units and blank lines above the heading, so
it is looked for in the first rows. Every batch is a frame with the columns ``row_no`` (from 1 below the heading; blank lines
count, so that a row number leads to its line), ``misfit`` (the row has more or fewer cells than the heading) and the file's
own columns under field codes: text for CSV, XLSX and JSON, as typed for Parquet. Unknown columns are left aside.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import polars as pl

from app.core.errors import ErrorCode, Refusal
from app.evidence import rules
from app.evidence.file_csv import CsvRows
from app.evidence.file_json import JsonRows
from app.evidence.file_tools import HEADING_ROWS, broken
from app.evidence.file_xlsx import XlsxRows
from app.evidence.items import Item
from app.evidence.rules import DELIVERY, N_

ALLOWED = "CSV、XLSX、Parquet、JSON"
PARQUET, XLSX, CSV, JSON = (
    "application/vnd.apache.parquet", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/csv",
    "application/json",
)
_ENDINGS = {".csv": CSV, ".txt": CSV, ".json": JSON, ".ndjson": JSON, ".jsonl": JSON}
_TEXT = b"\t\n\r"
_UNIT = re.compile(r"[(\[][^()\[\]]*[)\]]$")


def media_type_of(head: bytes, filename: str) -> str:
    """The type by the first bytes. Raises ``Refusal(FILE_TYPE)`` where they fit none, or the name says another."""
    suffix = Path(filename).suffix.lower()
    if head.startswith(b"PAR1") and suffix == ".parquet":
        return PARQUET
    if head.startswith(b"PK\x03\x04") and suffix == ".xlsx":
        return XLSX
    if suffix in _ENDINGS and head and all(byte >= 32 or byte in _TEXT for byte in head):
        kind = _ENDINGS[suffix]
        if kind == CSV or head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{"):
            return kind
    raise Refusal(ErrorCode.FILE_TYPE, field="file", allowed=ALLOWED)


@dataclass(frozen=True)
class Heading:
    """Which column of a file holds which field."""

    columns: dict[str, int]
    """Field code → place of its column."""
    missing: tuple[str, ...]
    """Codes and labels of required columns that the file lacks."""


@dataclass(frozen=True)
class Reading:
    """What is looked for in a file. ``fields``: code → headings; ``required``: of each group of codes one must be there."""

    fields: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, str]
    required: tuple[tuple[str, ...], ...]

    @cached_property
    def spelled(self) -> dict[str, str]:
        """Heading as spelled → field code; where two fields share a heading, it is the first one's."""
        found: dict[str, str] = {}
        for code, headings in self.fields.items():
            for heading in headings:
                found.setdefault(_plain(heading), code)
        return found

    def code_of(self, name: str) -> str | None:
        """The field that a heading means. A unit in brackets may follow: 金额（元）."""
        plain = _plain(name)
        return self.spelled.get(plain) or self.spelled.get(_UNIT.sub("", plain))

    def heading(self, names: Iterable[str]) -> Heading:
        """Finds the fields among the names of columns; of two columns for one field the first is taken."""
        columns: dict[str, int] = {}
        for place, name in enumerate(names):
            code = self.code_of(name)
            if code is not None:
                columns.setdefault(code, place)
        missing = tuple(f"{group[0]}（{self.labels[group[0]]}）" for group in self.required
                        if not any(code in columns for code in group))
        return Heading(columns, missing)


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).strip("\ufeff").split()).lstrip("*").lower()


def reading_of_invoices(side: int | None) -> Reading:
    """VAT invoices. A firm is named by its social credit code or a code of the source; ``side`` given: no column need say it."""
    required = [(field.code,) for field in rules.FIELDS if field.required]
    return Reading(
        {field.code: field.headings for field in rules.FIELDS}, rules.FIELD_LABELS,
        (("uscc", "firm_id"), *required, *((("side",),) if side is None else ())),
    )


def reading_of(item: Item) -> Reading:
    """An item of the catalogue."""
    return Reading(
        {field.code: field.headings for field in item.fields}, {field.code: field.label for field in item.fields},
        tuple((field.code,) for field in item.fields if field.required),
    )


class Rows(Protocol):
    """A kind of file, opened: its first rows, then frames of its rows below a heading."""

    def first_rows(self, limit: int) -> Iterator[Sequence[str]]:
        """The first rows, to look for a heading in."""

    def frames(self, heading: Heading, width: int, place: int, rows: int) -> Iterator[pl.DataFrame]:
        """The rows below row ``place`` (from 0), which has ``width`` cells."""


@dataclass(frozen=True)
class DeliveryFile:
    """An opened file with a heading that fits."""

    path: Path
    media_type: str
    heading: Heading
    rows: Rows
    width: int
    place: int

    def batches(self, rows: int = DELIVERY.batch_rows) -> Iterator[pl.DataFrame]:
        """Frames of at most ``rows`` rows. Raises ``Refusal(FILE_BROKEN)`` where the file breaks off."""
        for frame in self.rows.frames(self.heading, self.width, self.place, rows):
            yield from frame.iter_slices(rows) if frame.height > rows else (frame,)


def open_file(path: Path, media_type: str, reading: Reading) -> DeliveryFile:
    """Opens a file and finds its heading: the first row with every required column.

    Raises ``Refusal(FILE_HEADER)`` naming the columns that the best row lacks, ``Refusal(FILE_BROKEN)`` where it cannot be read.
    """
    best: Heading | None = None
    for rows in _candidates(path, media_type, reading):
        for place, names in enumerate(rows.first_rows(HEADING_ROWS)):
            heading = reading.heading(names)
            if not heading.missing:
                return DeliveryFile(path, media_type, heading, rows, len(names), place)
            if best is None or len(heading.missing) < len(best.missing):
                best = heading
    missing = (best or reading.heading(())).missing
    raise Refusal(ErrorCode.FILE_HEADER, field="file", missing="、".join(missing))


def _candidates(path: Path, media_type: str, reading: Reading) -> Iterator[Rows]:
    """Ways to read a file: by each separator, each sheet. The first whose heading fits is taken."""
    if media_type == PARQUET:
        yield ParquetRows(path)
    elif media_type == XLSX:
        yield from XlsxRows.sheets(path)
    elif media_type == JSON:
        yield JsonRows(path, reading)
    else:
        yield from CsvRows.separated(path)


@dataclass(frozen=True)
class ParquetRows:
    """A Parquet file: its columns have names and types."""

    path: Path

    def first_rows(self, limit: int) -> Iterator[Sequence[str]]:
        """Its names of columns, the only row that may be a heading."""
        yield self._names()

    def _names(self) -> list[str]:
        try:
            return pl.scan_parquet(self.path).collect_schema().names()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise broken(N_("Parquet 文件已损坏")) from error

    def frames(self, heading: Heading, width: int, place: int, rows: int) -> Iterator[pl.DataFrame]:
        """Frames in the order of the file."""
        names, first = self._names(), 1
        taken = {names[column]: code for code, column in heading.columns.items()}
        try:
            for frame in pl.scan_parquet(self.path).select(list(taken)).collect_batches(chunk_size=rows, maintain_order=True):
                yield frame.rename(taken).with_columns(
                    (pl.int_range(pl.len(), dtype=pl.Int64) + first).alias("row_no"), pl.lit(False).alias("misfit"),
                    pl.selectors.by_dtype(pl.String).str.replace_all("\0", "", literal=True),
                )
                first += frame.height
        except (pl.exceptions.PolarsError, OSError) as error:
            raise broken(N_("Parquet 文件已损坏")) from error
