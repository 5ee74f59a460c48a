"""What the readers of each kind of file share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import polars as pl

from app.core.errors import ErrorCode, Refusal

HEADING_ROWS = 20
"""Offices write titles, units and dates above the heading, but not more than so many rows."""


def broken(detail: str) -> Refusal:
    """The refusal of a file that cannot be read; ``detail`` is a Chinese message id."""
    return Refusal(ErrorCode.FILE_BROKEN, field="file", detail=detail)


def frame_of(numbers: Sequence[int], misfits: Sequence[bool], columns: Mapping[str, Sequence[str | None]]) -> pl.DataFrame:
    """A batch of text cells."""
    return pl.DataFrame(
        {"row_no": numbers, "misfit": misfits, **columns},
        schema={"row_no": pl.Int64, "misfit": pl.Boolean, **dict.fromkeys(columns, pl.String)},
    )


def frames_of_cells(
    lines: Iterable[Sequence[str]], columns: Mapping[str, int], width: int, rows: int, first: int = 1,
) -> Iterator[pl.DataFrame]:
    """Rows of cells as frames. Rows without any content are left out, but they count."""
    numbered = ((number, cells) for number, cells in enumerate(lines, start=first) if any(cells))
    while chunk := list(islice(numbered, rows)):
        taken: dict[str, list[Any]] = {
            code: [(cells[place] or None) if place < len(cells) else None for _, cells in chunk]
            for code, place in columns.items()
        }
        yield frame_of([number for number, _ in chunk], [len(cells) != width for _, cells in chunk], taken)
