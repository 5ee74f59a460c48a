"""Rows to train on or to score, whatever layout they came in: keys, inputs, outcomes, weights, and what they are told by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.errors import DataError
from scoring.model import Column
from scoring.scale import Float64

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """``inputs``: one row per key; numbers as Float64, categories as String. ``columns``: what may be read, with directions.

    ``bad``: 1 = defaulted, 0 = not, NaN = not known. ``weight``: rows of the population this row stands for. ``group``: rows of
    one group (a borrower) never stand on both sides of a split. ``period``: 0 before the cut in time, 1 after it, -1 neither;
    all 0 where there is no time. ``by``: names of groups to report by. ``naive``: the rule to beat, higher = better firm.
    ``era``: in training rows are told against their own era alone, so that good and bad years teach nothing; all 0 = one era.
    ``when``: the moment of each row, in an order that sorts, where the set tells one.
    ``sources``: source → the columns it feeds; empty where rows come from one source alone.
    ``thin``: too little is known for a score; ``partial``: some source may not be read. ``about``: where it came from.
    """

    keys: tuple[str, ...]
    inputs: pl.DataFrame
    columns: tuple[Column, ...]
    bad: Float64
    weight: Float64
    group: Ints
    period: Ints
    era: Ints
    thin: Bools
    partial: Bools
    naive: Float64 | None = None
    naive_name: str = ""
    by: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    when: NDArray[np.str_] | None = None
    base_rate: float | None = None
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Ints | Bools) -> Table:
        """Some rows, given by number (a number may come twice) or by a mask."""
        at = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return replace(
            self,
            keys=tuple(self.keys[row] for row in at),
            inputs=self.inputs[at],
            bad=self.bad[at],
            weight=self.weight[at],
            group=self.group[at],
            period=self.period[at],
            era=self.era[at],
            thin=self.thin[at],
            partial=self.partial[at],
            naive=None if self.naive is None else self.naive[at],
            by={name: words[at] for name, words in self.by.items()},
            when=None if self.when is None else self.when[at],
        )

    @property
    def labelled(self) -> bool:
        """Whether any outcome is known."""
        return bool(np.isfinite(self.bad).any())

    def known(self) -> Table:
        """The rows whose outcome is known and of which enough is known for a score. Raises DataError when there is none."""
        kept = np.isfinite(self.bad) & ~self.thin
        if not kept.any():
            raise DataError("no row has both an outcome and enough data for a score")
        return self.take(kept)

    def in_period(self, period: int) -> Table:
        """The rows before (0) or after (1) the cut in time. Raises DataError when there is none."""
        kept = self.period == period
        if not kept.any():
            raise DataError(f"no row lies {'after' if period else 'before'} the cut in time; the description may name none")
        return self.take(kept)

    def only(self, names: Sequence[str]) -> Table:
        """The same rows with some of the columns."""
        wanted = set(names)
        return replace(self, columns=tuple(column for column in self.columns if column.name in wanted))
