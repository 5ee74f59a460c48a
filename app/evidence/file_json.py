"""JSON: a list of flat objects, ``{"rows": [...]}``, or one object a line, which is streamed. Numbers keep their digits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from app.core.errors import Refusal
from app.evidence.file_tools import broken, frame_of
from app.evidence.rules import DELIVERY, N_

if TYPE_CHECKING:
    from app.evidence.files import Heading, Reading

LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class JsonRows:
    """A JSON file. Objects may leave optional names away, so a batch has the columns of the heading and those it brings."""

    path: Path
    reading: Reading
    _known: dict[str, str | None] = field(default_factory=dict)

    def first_rows(self, limit: int) -> Iterator[list[str]]:
        """One heading: every name in the first objects."""
        names: dict[str, None] = {}
        for row in islice(_objects(self.path), limit):
            names |= dict.fromkeys(row if isinstance(row, dict) else ())
        yield list(names)

    def frames(self, heading: Heading, width: int, place: int, rows: int) -> Iterator[pl.DataFrame]:
        """Frames of text cells; what is no object is a misfit."""
        numbered = ((number, row) for number, row in enumerate(_objects(self.path), start=1) if row is not None)
        while chunk := list(islice(numbered, rows)):
            read = [self._row(row) for _, row in chunk]
            codes = set(heading.columns).union(*read)
            columns = {code: [row.get(code) for row in read] for code in self.reading.fields if code in codes}
            yield frame_of([number for number, _ in chunk], [not isinstance(row, dict) for _, row in chunk], columns)

    def _row(self, row: Any) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for name, value in row.items() if isinstance(row, dict) else ():
            if name not in self._known:
                self._known[name] = self.reading.code_of(name)
            code = self._known[name]
            if code is not None and found.get(code) is None:
                found[code] = _text(value)
        return found


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\0", "") or None


def _objects(path: Path) -> Iterator[Any]:
    """The objects of a file; ``None`` for a blank line. Raises ``Refusal(FILE_BROKEN)``."""
    with path.open("rb") as stream:
        first = stream.readline(LONGEST_LINE + 1).removeprefix(b"\xef\xbb\xbf")
        while first and not first.strip():
            first = stream.readline(LONGEST_LINE + 1)
        try:
            opening = _load(first) if first.lstrip().startswith(b"{") else None
        except Refusal:
            opening = None
        if not isinstance(opening, dict) or isinstance(opening.get("rows"), list):
            yield from _whole(path)
            return
        lines = iter(lambda: stream.readline(LONGEST_LINE + 1), b"")
        for line in chain((first,), lines):
            if len(line) > LONGEST_LINE:
                raise broken(N_("JSON 有一行过长"))
            yield _load(line) if line.strip() else None


def _whole(path: Path) -> list[Any]:
    if path.stat().st_size > DELIVERY.json_limit_bytes:
        raise broken(N_("JSON 过大，请改为每行一个对象"))
    found = _load(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    rows = found.get("rows", [found]) if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise broken(N_("不是完整的 JSON"))
    return [row if row is not None else "" for row in rows]


def _load(data: bytes) -> Any:
    """Numbers stay as they were written: an amount of money never becomes a float."""
    try:
        return json.loads(data, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise broken(N_("不是完整的 JSON")) from error
