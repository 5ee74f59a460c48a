"""From the facts of each source to the matrix a model reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.features import invoice_list, invoices
from scoring.features.registry import COMPUTED, MONTHLY, NAMES, PLACE, SOURCES, fed_from
from scoring.features.rows import Part, Reading
from scoring.features.window import WINDOW, Bools, Floats, Ints, Window

__all__ = ["WINDOW", "Frames", "Matrix", "Window", "compute"]

Frames = Mapping[str, pl.DataFrame]
"""Item code of the catalogue → its rows with ``firm`` and the stored columns (分, thousandths, days; null = not said)."""

_BY_PERIOD: Final = tuple(source for source in MONTHLY if source != invoice_list.INVOICES)
_INVOICED: Final = len(invoice_list.FEATURES)
"""So many columns come from invoices, the first ones."""
_COLUMN: Final = {source: column for column, source in enumerate(SOURCES)}
_MONTHLY: Final = [_COLUMN[source] for source in MONTHLY]


@dataclass(frozen=True, eq=False)
class Matrix:
    """Features of firms as of one day.

    ``values``: float64[firms, features] in the order of ``registry.FEATURES``, NaN = absent. ``coverage``: int16[firms, sources]
    months of the look-back window with data, in the order of ``registry.SOURCES``; a register that was read covers all of them.
    ``insufficient``: too little is known for a score. ``partial``: some source may not be read.
    """

    firms: Ints
    values: Floats
    coverage: NDArray[np.int16]
    insufficient: Bools
    partial: Bools

    def frame(self) -> pl.DataFrame:
        """The values as a frame with ``firm``: the feature snapshot."""
        columns = {name: self.values[:, place] for name, place in PLACE.items()}
        return pl.DataFrame({"firm": self.firms, **columns})


def compute(
    frames: Frames, firms: Ints, as_of: date, window: Window = WINDOW, closed: Mapping[str, Bools] | None = None
) -> Matrix:
    """Features of the firms as they were known at the end of ``as_of``, in the order of ``firms``.

    ``frames``: a source that is absent may not be read for anybody; rows of other firms are passed over. ``closed``: source →
    which of the firms did not consent to it, with the same effect on these alone. Of a firm nothing but its own rows is read,
    so that callers may cut a million firms into chunks as they like. Raises ValueError when a firm comes twice.
    """
    firms = np.asarray(firms, dtype=np.int64)
    reading = Reading(frames, firms, as_of, window, SOURCES, _BY_PERIOD)
    coverage = np.zeros((len(firms), len(SOURCES)), dtype=np.int16)
    part = Part()
    for _, make in COMPUTED:
        part.add(make(reading))
    part.values.update(reading.trends.told())
    invoiced = invoices.told(reading)
    unknown = np.full(len(firms), np.nan)
    values = np.empty((len(firms), len(NAMES)))
    by_name = [part.values.get(name, unknown) for name in NAMES[_INVOICED:]]
    values[:, _INVOICED:] = np.array(by_name).T
    values[:, :_INVOICED] = np.nan if invoiced is None else invoiced[0]
    if invoiced is not None:
        part.coverage[invoice_list.INVOICES] = invoiced[1]
    for source, months in part.coverage.items():
        coverage[:, _COLUMN[source]] = months
    absent = np.zeros(len(firms), dtype=np.bool_)
    for source, who in (closed or {}).items():
        fed = np.array([PLACE[feature.name] for feature in fed_from(source)], dtype=np.int64)
        values[np.ix_(np.flatnonzero(who), fed)] = np.nan
        coverage[who, _COLUMN[source]] = 0
        absent |= who
    if any(source not in frames for source in SOURCES):
        absent[:] = True
    return Matrix(firms, values, coverage, _insufficient(coverage, window), absent)


def _insufficient(coverage: NDArray[np.int16], window: Window) -> Bools:
    """Whether too few sources by month have enough months."""
    monthly = coverage[:, _MONTHLY]
    return np.asarray(np.add.reduce(monthly >= window.thin_months, axis=1) < window.least_sources, dtype=np.bool_)


