"""Rows of a source laid out on the firms asked for, and months by firm as a grid.

polars reads the columns and compares the words; sums are bincounts over whole numbers (分, thousandths, days), which a double
holds exactly, so that neither the order of rows nor the firms beside it change a bit of what is told about a firm. That way
one firm costs tens of microseconds a source, where a grouped polars query costs a millisecond, and a million firms cost one
pass over their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from operator import or_
from typing import Final, TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.features.window import Bools, Clock, Floats, Ints, Window, months_of

Columns = dict[str, Floats]
_T = TypeVar("_T")
_S = TypeVar("_S", bound=np.generic)
_NAT: Final = np.iinfo(np.int64).min
_FEW: Final = 200
"""So many words are compared faster one by one: what a single firm has."""


@dataclass(frozen=True)
class Part:
    """What a module tells: values by feature name and months with data by source, each of the length of the firms."""

    values: Columns = field(default_factory=dict)
    coverage: dict[str, Ints] = field(default_factory=dict)

    def add(self, other: Part) -> None:
        """Take in what another part tells."""
        self.values.update(other.values)
        self.coverage.update(other.coverage)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one source. ``at``: place of each row's firm among the ``n`` firms asked for.

    ``picked``: which rows of the frame these are, None = all. Columns are picked as they are read: a frame is never copied.
    """

    frame: pl.DataFrame
    picked: Bools | None
    at: Ints
    n: int

    def _pick(self, values: NDArray[_S]) -> NDArray[_S]:
        return values if self.picked is None else values[self.picked]

    def number(self, name: str) -> Floats:
        """Amounts (分), quantities (thousandths) or counts; NaN where nothing was said."""
        return self._pick(self.frame.get_column(name).to_numpy()).astype(np.float64, copy=False)

    def flag(self, name: str) -> Bools:
        """A column of yes and no that is always said."""
        return self._pick(self.frame.get_column(name).to_numpy())

    def day(self, name: str) -> Floats:
        """Days since 1970-01-01; NaN where nothing was said."""
        column = self.frame.get_column(name)
        days = self._pick(column.to_numpy()).astype("datetime64[D]").view(np.int64)
        numbers = days.astype(np.float64)
        if column.null_count():
            numbers[days == _NAT] = np.nan
        return numbers

    def has(self, name: str, *words: str) -> Bools:
        """Which rows say one of the words."""
        column = self.frame.get_column(name)
        if len(column) <= _FEW:
            return self._pick(np.fromiter((word in words for word in column.to_list()), dtype=np.bool_, count=len(column)))
        # A comparison a word: ``is_in`` plans a query, which costs more than all of them on a chunk of any size.
        said = reduce(or_, (column == word for word in words))
        return self._pick(cast(Bools, (said.fill_null(False) if column.null_count() else said).to_numpy()))

    def count(self, mask: Bools) -> Floats:
        """How many rows of each firm the mask names."""
        return np.bincount(self.at[mask], minlength=self.n).astype(np.float64)

    def total(self, values: Floats, mask: Bools) -> Floats:
        """Sum by firm of the values the mask names (none of them NaN)."""
        return np.asarray(np.bincount(self.at[mask], weights=values[mask], minlength=self.n), dtype=np.float64)

    def latest(self, values: Floats, mask: Bools) -> Floats:
        """Largest value by firm that the mask names; NaN without any."""
        best = np.full(self.n, np.nan)
        np.fmax.at(best, self.at[mask], values[mask])
        return best


@dataclass(frozen=True, eq=False)
class MonthRows(Rows):
    """Rows by month of the look-back window. ``age``: complete months back, 0 = the last; ``months``: width of a grid."""

    age: Ints
    months: int

    @property
    def cell(self) -> Ints:
        """Place of each row in the flattened grid."""
        return self.at * self.months + self.age

    def grid(self, values: Floats, mask: Bools | None = None) -> Floats:
        """Sums by firm and month (shape firms × months, the last month first); NaN in a month without a value."""
        known = ~np.isnan(values) if mask is None else mask & ~np.isnan(values)
        return spread(self.cell[known], values[known], self.n, self.months)

    def most(self, values: Floats) -> Floats:
        """Largest value by firm and month; NaN in a month without one."""
        grid = np.full(self.n * self.months, np.nan)
        np.fmax.at(grid, self.cell, values)
        return grid.reshape(self.n, self.months)

    def seen(self, mask: Bools | None = None) -> Bools:
        """In which months there is a row (that the mask names)."""
        cell = self.cell if mask is None else self.cell[mask]
        return np.bincount(cell, minlength=self.n * self.months).reshape(self.n, self.months) > 0


def spread(cell: Ints, values: Floats, n: int, months: int) -> Floats:
    """Sums of the values by cell as a grid of n × months; NaN in a cell without a value."""
    grid = np.asarray(np.bincount(cell, weights=values, minlength=n * months), dtype=np.float64)
    grid[np.bincount(cell, minlength=n * months) == 0] = np.nan
    return grid.reshape(n, months)


class Reading:
    """The frames of one computation: which firms, as of when, and what several modules need of a source, made once."""

    def __init__(self, frames: Mapping[str, pl.DataFrame], firms: Ints, as_of: date, window: Window) -> None:
        """``firms``: distinct firm numbers in the order of the answer. Raises ValueError when one comes twice."""
        self.n = len(firms)
        self.clock = Clock.at(as_of)
        self.as_of = as_of
        self.window = window
        self.frames = frames
        self._order = np.argsort(firms, kind="stable")
        self._sorted = firms[self._order]
        if bool((np.diff(self._sorted) == 0).any()):
            raise ValueError("a firm is asked for twice")
        self._made: dict[str, object] = {}

    def once(self, key: str, make: Callable[[], _T]) -> _T:
        """What ``make`` gave the first time it was asked for under that key."""
        if key not in self._made:
            self._made[key] = make()
        return cast(_T, self._made[key])

    def rows(self, source: str) -> Rows | None:
        """Rows of the firms asked for; None where the source may not be read."""
        return self.once(f"rows of {source}", lambda: self._rows(source))

    def _rows(self, source: str) -> Rows | None:
        frame = self.frames.get(source)
        if frame is None:
            return None
        asked, place = self.places(frame.get_column("firm").to_numpy())
        return Rows(frame, None if asked.all() else asked, place, self.n)

    def places(self, firm: Ints) -> tuple[Bools, Ints]:
        """Which of these firm numbers are asked for, and the place of each of those."""
        if self.n == 0:
            return np.zeros(len(firm), dtype=np.bool_), np.empty(0, dtype=np.int64)
        near = np.minimum(np.searchsorted(self._sorted, firm), self.n - 1)
        asked = self._sorted[near] == firm
        return asked, self._order[near] if asked.all() else self._order[near[asked]]

    def by_month(self, source: str, column: str = "period") -> MonthRows | None:
        """Rows of the complete months of the look-back window; ``column`` says when."""
        return self.once(f"months of {source}", lambda: self._by_month(source, column))

    def _by_month(self, source: str, column: str) -> MonthRows | None:
        rows = self.rows(source)
        if rows is None:
            return None
        months = self.window.look_back_months
        age = self.clock.last_month - months_of(rows.frame.get_column(column).to_numpy())
        inside = (age >= 0) & (age < months)
        if rows.picked is None and inside.all():
            return MonthRows(rows.frame, None, rows.at, self.n, age, months)
        # Of the rows asked for those inside; of all rows those asked for and inside.
        at = rows.at[inside if rows.picked is None else inside[rows.picked]]
        picked = inside if rows.picked is None else inside & rows.picked
        return MonthRows(rows.frame, picked, at, self.n, age[picked], months)
