"""A city streamed to Parquet: one file per item, or a folder of parts where the city is large.

Memory is bounded by the firms of one part per process, whatever the size of the city.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl

from scoring.city import BLOCK, ITEMS, blocks
from scoring.synthetic import LAST_MONTH_END

PART: Final = 10 * BLOCK
"""Firms per part file where nobody asks for another number. A city of at most so many is one file per item."""

LABEL_FILE: Final = "SYNTHETIC.txt"


@dataclass(frozen=True, slots=True)
class CityOrder:
    """Which city is written, and which of its items."""

    firms: int
    months: int
    seed: int
    until: date = LAST_MONTH_END
    as_of: date | None = None
    items: Collection[str] = tuple(ITEMS)
    part: int = PART
    """Firms per part file: a multiple of ``BLOCK``."""

    @property
    def parts(self) -> int:
        """Number of part files per item."""
        return -(-self.firms // self.part)


@dataclass(slots=True)
class Written:
    """Rows and bytes per item written so far."""

    rows: dict[str, int] = field(default_factory=dict)
    size: dict[str, int] = field(default_factory=dict)

    def add(self, other: Written) -> None:
        """Add what another part wrote."""
        for item, rows in other.rows.items():
            self.rows[item] = self.rows.get(item, 0) + rows
            self.size[item] = self.size.get(item, 0) + other.size[item]


def write_city(
    order: CityOrder, folder: Path, *, jobs: int = 1, progress: Callable[[int, Written], None] = lambda parts, written: None
) -> Written:
    """Write a city to ``folder``; ``progress`` hears after each part how many are done and what was written.

    Files of the same items left there by an earlier run are replaced. ``jobs``: processes. Raises ValueError for an
    impossible city and OSError when the disk refuses.
    """
    blocks(order.firms, order.months, order.seed, until=order.until, as_of=order.as_of, items=order.items)
    folder.mkdir(parents=True, exist_ok=True)
    for item in order.items:
        _make_room(folder, item, in_parts=order.parts > 1)
    (folder / LABEL_FILE).write_text(_label(order), encoding="utf-8")
    written = Written()
    for done, part in enumerate(_written_parts(order, folder, jobs), start=1):
        written.add(part)
        progress(done, written)
    return written


def _make_room(folder: Path, item: str, *, in_parts: bool) -> None:
    """Remove what an earlier run wrote of the item, and nothing else."""
    (folder / f"{item}.parquet").unlink(missing_ok=True)
    for part in (folder / item).glob("part-*.parquet"):
        part.unlink()
    if in_parts:
        (folder / item).mkdir(exist_ok=True)
    elif (folder / item).is_dir() and not any((folder / item).iterdir()):
        (folder / item).rmdir()


def _written_parts(order: CityOrder, folder: Path, jobs: int) -> Iterator[Written]:
    if min(jobs, order.parts) <= 1:
        for number in range(order.parts):
            yield _write_part(order, folder, number)
        return
    # Fresh processes: a fork of one that already runs polars' threads may hang.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(_write_part, order, folder, number) for number in range(order.parts)]
        for part in running:
            yield part.result()


def _write_part(order: CityOrder, folder: Path, number: int) -> Written:
    """Write part ``number`` (from 0) of every item."""
    per_part = order.part // BLOCK
    drawn = blocks(
        order.firms, order.months, order.seed, until=order.until, as_of=order.as_of, items=order.items, first=number * per_part
    )
    frames = list(islice(drawn, per_part))
    written = Written()
    for item in list(frames[0]):
        name = f"{item}/part-{number + 1:05d}.parquet" if order.parts > 1 else f"{item}.parquet"
        table = pl.concat([frame.pop(item) for frame in frames])
        table.write_parquet(folder / name, compression="zstd", compression_level=1)
        written.rows[item], written.size[item] = table.height, (folder / name).stat().st_size
    return written


def _label(order: CityOrder) -> str:
    return (
        "合成数据（演示），不描述任何真实企业。\n"
        "SYNTHETIC data: no firm described here exists.\n"
        f"python -m scoring synthesise --firms {order.firms} --months {order.months} --seed {order.seed}\n"
    )
