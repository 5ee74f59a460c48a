"""Text files of cells. Polars reads them where that is safe, chunk by chunk; the csv module reads what is irregular.

A chunk ends at a line's end outside of quotes. Polars reads it (some 5 million cells a second and core) and it stands where
every row has the cells of the heading: a longer row makes Polars refuse, and with shorter ones or blank lines the separators
no longer add up. Such a chunk is read again, slowly and exactly. Where a quote stands inside a cell the slow way is kept to
the end of the file, for only it knows where records end.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from app.evidence.file_tools import broken, frames_of_cells
from app.evidence.rules import N_

if TYPE_CHECKING:
    from app.evidence.files import Heading

LONGEST_CELL = 100_000
_HEAD = 256 * 1024
"""Bytes in which the heading is looked for."""
_PER_ROW = 100
_SMALLEST, _LARGEST = 64 * 1024, 32 * 1024 * 1024
_QUOTE, _LF, _CR = b'"'[0], b"\n"[0], b"\r"[0]
SEPARATORS = (",", "\t", ";")

csv.field_size_limit(LONGEST_CELL)


@dataclass(frozen=True)
class CsvRows:
    """A text file, read by one separator."""

    path: Path
    encoding: str
    separator: str

    @classmethod
    def separated(cls, path: Path) -> Iterator[CsvRows]:
        """The file read by each separator. Raises ``Refusal(FILE_BROKEN)`` for an unknown encoding."""
        encoding = _encoding(path)
        head = next(_chunks(path, encoding, _HEAD), b"")
        for separator in sorted(SEPARATORS, key=lambda one: -head.count(one.encode())):
            yield cls(path, encoding, separator)

    def first_rows(self, limit: int) -> Iterator[list[str]]:
        """The first rows, blank lines among them."""
        head = next(_chunks(self.path, self.encoding, _HEAD), b"")
        return islice(_cells(_texts([head]), self.separator), limit)

    def frames(self, heading: Heading, width: int, place: int, rows: int) -> Iterator[pl.DataFrame]:
        """Frames of text cells."""
        size = min(max(rows * _PER_ROW, _SMALLEST), _LARGEST)
        chunks = _chunks(self.path, self.encoding, size, self._length_to(place))
        separator, left, first = self.separator.encode(), b"", 1
        for chunk in chunks:
            whole, left = _cut(left + chunk)
            if len(left) > 2 * LONGEST_CELL:
                left, whole = whole + left, b""
                break
            frame = _regular(whole, separator, width) if whole else None
            if whole and frame is None:
                if _quoted(whole, separator) is None:
                    left = whole + left
                    break
                lines = list(_cells(_texts([whole]), self.separator))
                yield from frames_of_cells(lines, heading.columns, width, rows, first)
                first += len(lines)
            elif frame is not None:
                yield _numbered(frame, heading, first)
                first += frame.height
        rest = _cells(_texts([left], chunks), self.separator)
        yield from frames_of_cells(rest, heading.columns, width, rows, first)

    def _length_to(self, place: int) -> int:
        """Bytes up to the end of row ``place``."""
        passed = 0
        head = next(_chunks(self.path, self.encoding, _HEAD), b"")

        def counted() -> Iterator[str]:
            nonlocal passed
            for line in _texts([head]):
                passed += len(line.encode())
                yield line

        reader = _cells(counted(), self.separator)
        for _ in range(place + 1):
            next(reader, None)
        return passed


def _numbered(frame: pl.DataFrame, heading: Heading, first: int) -> pl.DataFrame:
    """Rows without any content are left out, but they count."""
    numbered = frame.with_columns((pl.int_range(pl.len(), dtype=pl.Int64) + first).alias("row_no"))
    if frame.to_series(0).null_count():
        numbered = numbered.filter(~pl.all_horizontal(pl.col(frame.columns).is_null()))
    return numbered.select(
        "row_no", pl.lit(False).alias("misfit"), *(pl.col(str(place)).alias(code) for code, place in heading.columns.items())
    )


def _regular(chunk: bytes, separator: bytes, width: int) -> pl.DataFrame | None:
    """A chunk as Polars reads it, or ``None`` where a row has more or fewer than ``width`` cells, or quotes are not plain."""
    quoted = _quoted(chunk, separator)
    if quoted is None or (b"\r" in chunk and chunk.count(b"\r") != chunk.count(b"\r\n")):
        return None
    names = separator.join(str(place).encode() for place in range(width)) + b"\n"
    try:
        frame = pl.read_csv(names + chunk, separator=separator.decode(), infer_schema=False)
    except pl.exceptions.PolarsError:
        return None
    if chunk.count(separator) - quoted != frame.height * (width - 1):
        return None
    # An empty cell in quotes is an empty cell.
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all())) if b'"' in chunk else frame


def _quoted(chunk: bytes, separator: bytes) -> int | None:
    """How many separators stand in quotes; ``None`` unless quotes open and close cells in turn, none doubled or inside."""
    if b'"' not in chunk:
        return 0
    data = np.frombuffer(b"\n" + chunk + b"\n", dtype=np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    before, after = data[quotes[::2] - 1], data[quotes[1::2] + 1]
    opened = (before == separator[0]) | (before == _LF)
    closed = (after == separator[0]) | (after == _LF) | (after == _CR)
    if len(quotes) % 2 or not opened.all() or not closed.all():
        return None
    return int(np.add.reduceat(data == separator[0], quotes, dtype=np.int32)[::2].sum())


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """Cuts at the last line's end that lies outside of quotes."""
    end = data.rfind(b"\n") + 1
    quotes = _quotes(data, 0, end)
    while end and quotes % 2:
        earlier = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= _quotes(data, earlier, end)
        end = earlier
    return data[:end], data[end:]


def _quotes(data: bytes, start: int, end: int) -> int:
    # Where quotes are many, bytes.count goes from one to the next and takes ten times as long.
    return int(np.count_nonzero(np.frombuffer(data, np.uint8, end - start, start) == _QUOTE)) if end > start else 0


def _encoding(path: Path) -> str:
    """UTF-8 where the whole file is UTF-8, else GB18030, else a refusal."""
    for encoding in ("utf-8", "gb18030"):
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


def _chunks(path: Path, encoding: str, size: int, skip: int = 0) -> Iterator[bytes]:
    """The file as UTF-8 without byte order mark and NUL; lines that end in CR alone get LF. ``skip``: bytes left out."""
    decoder = codecs.getincrementaldecoder(encoding)()
    first, bare = True, False
    with path.open("rb") as stream:
        while raw := stream.read(size):
            chunk = raw if encoding == "utf-8" else decoder.decode(raw).encode()
            if first:
                chunk, first = chunk.removeprefix(codecs.BOM_UTF8), False
                bare = b"\n" not in chunk and b"\r" in chunk
            if bare:
                chunk = chunk.replace(b"\r", b"\n")
            chunk = chunk.replace(b"\0", b"") if b"\0" in chunk else chunk
            passed = min(skip, len(chunk))
            skip -= passed
            yield chunk[passed:]


def _texts(*parts: Iterable[bytes]) -> Iterator[str]:
    """Lines of text of chunks that may end anywhere."""
    decoder, left = codecs.getincrementaldecoder("utf-8")("replace"), ""
    for part in parts:
        for chunk in part:
            lines = io.StringIO(left + decoder.decode(chunk), newline="").readlines()
            # A chunk may end between CR and LF: its last line waits for the next one.
            left = lines.pop() if lines else ""
            yield from lines
    if left:
        yield left


def _cells(lines: Iterator[str], separator: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=separator)
    except csv.Error as error:
        raise broken(N_("有一格内容过长，可能是引号没有成对")) from error
