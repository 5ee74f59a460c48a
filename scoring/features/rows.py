"""Rows of the sources laid out on the firms asked for, and months by firm as a grid.

polars holds the columns and the words; sums are bincounts over whole numbers (分, thousandths, days), which a double holds
exactly, so that neither the order of rows nor the firms beside it change a bit of what is told about a firm. For one firm the
number of steps is what costs, not the rows: all sources find their firms and months in one pass, and sources of one kind
(the utilities, the two contributions) are read as one stack, the firms of the second source after those of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.features.series import recent_growth, yearly_growth
from scoring.features.window import Bools, Clock, Floats, Ints, Window, months_of

Columns = dict[str, Floats]
_T = TypeVar("_T")
_S = TypeVar("_S", bound=np.generic)
_NAT: Final = np.iinfo(np.int64).min
_NOBODY: Final = np.iinfo(np.int64).max
"""Stands after the last firm asked for."""
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


@dataclass(slots=True, eq=False)
class Rows:
    """Rows of some sources. ``at``: place of each row's firm among ``n``: the firms asked for, once for each source.

    ``frames``: those that hold any row, in the order of the sources. ``picked``: which of their rows these are, None = all.
    Columns are picked as they are read: a frame is never copied.
    """

    sources: tuple[str, ...]
    frames: Mapping[str, pl.DataFrame]
    picked: Bools | None
    at: Ints
    n: int

    def _column(self, parts: Sequence[NDArray[_S]], dtype: type[_S]) -> NDArray[_S]:
        whole = _joined(parts, dtype)
        return whole if self.picked is None else whole[self.picked]

    def number(self, name: str, only: str = "") -> Floats:
        """Amounts (分), quantities (thousandths) or counts; NaN where nothing was said. ``only``: the one source that says it."""
        return self._column([
            np.full(frame.height, np.nan) if only and source != only else frame.get_column(name).to_numpy()
            for source, frame in self.frames.items()
        ], np.float64).astype(np.float64, copy=False)

    def day(self, name: str) -> Floats:
        """Days since 1970-01-01; NaN where nothing was said."""
        columns = [frame.get_column(name) for frame in self.frames.values()]
        parts = [column.to_numpy().astype("datetime64[D]", copy=False).view(np.int64) for column in columns]
        days = self._column(parts, np.int64)
        numbers = days.astype(np.float64)
        if any(column.null_count() for column in columns):
            numbers[days == _NAT] = np.nan
        return numbers

    def has(self, name: str, *words: str) -> Bools:
        """Which rows say one of the words."""
        return self.word(name, words) >= 0.0

    def word(self, name: str, words: Sequence[str]) -> Floats:
        """Which of the words each row says, by its place among them; NaN where it says another or none."""
        parts = []
        for frame in self.frames.values():
            column = frame.get_column(name)
            if len(column) <= _FEW:
                place = {word: float(place) for place, word in enumerate(words)}
                parts.append(np.array([place.get(said, np.nan) for said in column.to_list()], dtype=np.float64))
                continue
            # A comparison a word: a join or ``is_in`` plans a query, which costs more than all of them on a chunk of any size.
            told = np.full(len(column), np.nan)
            for number, word in enumerate(words):
                told[(column == word).fill_null(False).to_numpy()] = number
            parts.append(told)
        return self._column(parts, np.float64)

    def count(self, mask: Bools) -> Floats:
        """How many rows of each firm the mask names."""
        return cast(Floats, np.bincount(self.at, weights=mask, minlength=self.n))

    def total(self, values: Floats, mask: Bools) -> Floats:
        """Sum by firm of the values the mask names (none of them NaN)."""
        return cast(Floats, np.bincount(self.at, weights=np.where(mask, values, 0.0), minlength=self.n))

    def latest(self, values: Floats, mask: Bools) -> Floats:
        """Largest value by firm that the mask names; NaN without any."""
        best = np.full(self.n, np.nan)
        np.fmax.at(best, self.at[mask], values[mask])
        return best

    def of(self, source: str) -> slice:
        """Where the firms of a source lie among the ``n``."""
        firms = self.n // len(self.sources)
        place = self.sources.index(source)
        return slice(place * firms, (place + 1) * firms)


@dataclass(slots=True, eq=False)
class MonthRows(Rows):
    """Rows by month of the look-back window. ``age``: complete months back, 0 = the last; ``months``: width of a grid.

    ``cell``: place of each row in the flattened grid; ``recent``: the rows of the last year.
    """

    age: Ints
    months: int
    cell: Ints
    recent: Bools

    def grids(self, *values: Floats) -> Floats:
        """Sums by firm and month of each (shape values × firms × months, the last month first).

        NaN in a month without a value; NaN among the values says nothing.
        """
        told = np.array(values)
        cells = self.n * self.months
        cell = self.cell + np.arange(len(values))[:, None] * cells
        known = ~np.isnan(told)
        grid = _sums(cell.reshape(-1), np.where(known, told, 0.0).reshape(-1), known.reshape(-1), len(values) * cells)
        return grid.reshape(len(values), self.n, self.months)

    def most(self, *values: Floats) -> Floats:
        """Largest value by firm and month of each (shape values × firms × months); NaN in a month without one."""
        grid = np.full((len(values), self.n * self.months), np.nan)
        for row, told in zip(grid, values, strict=True):
            np.fmax.at(row, self.cell, told)
        return grid.reshape(len(values), self.n, self.months)

    def seen(self, mask: Bools | None = None) -> Bools:
        """In which months there is a row (that the mask names)."""
        cell = self.cell if mask is None else self.cell[mask]
        return np.bincount(cell, minlength=self.n * self.months).reshape(self.n, self.months) > 0


def spread(cell: Ints, values: Floats, n: int, months: int) -> Floats:
    """Sums of the values by cell as a grid of n × months; NaN in a cell without a value."""
    return _sums(cell, values, None, n * months).reshape(n, months)


def _sums(cell: Ints, values: Floats, told: Bools | None, cells: int) -> Floats:
    sums = np.bincount(cell, weights=values, minlength=cells)
    return np.where(np.bincount(cell, weights=told, minlength=cells) > 0, sums, np.nan)


class Trends:
    """Changes from year to year that several modules ask for, worked out together: one firm pays for a step once, not once a
    source.
    """

    def __init__(self, n: int, window: Window) -> None:
        self._n = n
        self._window = window
        self._asked: dict[Callable[[Floats, Window], Floats], tuple[list[str], list[Floats]]] = {
            yearly_growth: ([], []), recent_growth: ([], []),
        }
        self._apart: dict[str, tuple[str, str]] = {}

    def yearly(self, grid: Floats, *names: str) -> None:
        """The last year against the one before it. ``names``: of each block of ``n`` rows of the grid."""
        self._ask(yearly_growth, grid, names)

    def recent(self, grid: Floats, *names: str) -> None:
        """The last few months against the same months a year before."""
        self._ask(recent_growth, grid, names)

    def apart(self, name: str, one: Floats, other: Floats) -> None:
        """By how much one grid's yearly change is above the other's."""
        self._apart[name] = (f"{name}+", f"{name}-")
        self.yearly(one, f"{name}+")
        self.yearly(other, f"{name}-")

    def _ask(self, change: Callable[[Floats, Window], Floats], grid: Floats, names: Sequence[str]) -> None:
        asked, grids = self._asked[change]
        asked.extend(names)
        grids.append(grid)

    def told(self) -> Columns:
        """All that was asked for."""
        found: Columns = {}
        for change, (names, grids) in self._asked.items():
            if names:
                changes = change(_joined(grids, np.float64), self._window).reshape(len(names), self._n)
                found.update(zip(names, changes, strict=True))
        for name, (one, other) in self._apart.items():
            found[name] = found.pop(one) - found.pop(other)
        return found


class Reading:
    """The frames of one computation: which firms, as of when, and what several modules need of a source, made once."""

    def __init__(
        self, frames: Mapping[str, pl.DataFrame], firms: Ints, as_of: date, window: Window,
        sources: Sequence[str], by_period: Sequence[str],
    ) -> None:  # fmt: skip
        """``firms``: distinct firm numbers in the order of the answer; ``by_period``: which of the sources tell by month.

        Raises ValueError when a firm comes twice.
        """
        self.n = len(firms)
        self.clock = Clock.at(as_of)
        self.as_of = as_of
        self.window = window
        self.trends = Trends(self.n, window)
        self.frames = {source: frames[source] for source in sources if source in frames}
        self._made: dict[str, object] = {}
        order = np.argsort(firms, kind="stable")
        ranked = firms[order]
        if self.n > 1 and bool((ranked[1:] == ranked[:-1]).any()):
            raise ValueError("a firm is asked for twice")
        column = {source: frame.get_column("firm").to_numpy() for source, frame in self.frames.items()}
        self._lie = _spans(column)
        firm = _joined(list(column.values()), np.int64)
        near = np.searchsorted(ranked, firm)
        self._place = np.append(order, 0)[near]
        self._asked = np.append(ranked, _NOBODY)[near] == firm
        self._all_asked = bool(self._asked.all())
        column = {source: self.frames[source].get_column("period").to_numpy() for source in by_period if source in self.frames}
        self._told = _spans(column)
        self._age = self.clock.last_month - months_of(_joined(list(column.values()), np.dtype("datetime64[D]")))
        self._inside = self._age.view(np.uint64) < window.look_back_months
        self._all_inside = bool(self._inside.all())

    def once(self, key: str, make: Callable[[], _T]) -> _T:
        """What ``make`` gave the first time it was asked for under that key."""
        if key not in self._made:
            self._made[key] = make()
        return cast(_T, self._made[key])

    def rows(self, source: str) -> Rows | None:
        """Rows of the firms asked for; None where the source may not be read."""
        if source not in self.frames:
            return None
        place = self._place[self._lie[source]]
        asked = None if self._all_asked else self._asked[self._lie[source]]
        return Rows((source,), {source: self.frames[source]}, asked, place if asked is None else place[asked], self.n)

    def by_month(self, *sources: str) -> MonthRows | None:
        """Rows of the complete months of the look-back window, of those of the sources that may be read; None without any."""
        held = tuple(source for source in sources if source in self._told)
        if not held:
            return None
        full = {source: number * self.n for number, source in enumerate(held) if self.frames[source].height}
        at = _joined([self._place[self._lie[source]] + first for source, first in full.items()], np.int64)
        age = _joined([self._age[self._told[source]] for source in full], np.int64)
        picked = None
        if not (self._all_asked and self._all_inside):
            picked = _joined([self._asked[self._lie[one]] & self._inside[self._told[one]] for one in full], np.bool_)
            at, age = at[picked], age[picked]
        months = self.window.look_back_months
        return MonthRows(held, {source: self.frames[source] for source in full}, picked, at, self.n * len(held), age, months,
                         at * months + age, age < self.window.recent_months)


def _spans(columns: Mapping[str, NDArray[np.generic]]) -> dict[str, slice]:
    """Where the rows of each source lie when they follow each other."""
    spans, end = {}, 0
    for source, column in columns.items():
        spans[source] = slice(end, end + len(column))
        end += len(column)
    return spans


def _joined(parts: Sequence[NDArray[_S]], dtype: type[_S] | np.dtype[_S]) -> NDArray[_S]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
