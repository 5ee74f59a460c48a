"""Arrays become columns: yuan, days, months, words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NEVER: Final = 10**6
"""A day or month that never comes."""


def yuan(fen: Ints, known: Bools | None = None) -> pl.Series:
    """Whole 分 as yuan (the double nearest to the two decimals); null where not known."""
    return _scaled(fen, 100.0, known)


def thousandths(milli: Ints, known: Bools | None = None) -> pl.Series:
    """Thousandths of a unit as a number of at most three decimals; null where not known."""
    return _scaled(milli, 1000.0, known)


def _scaled(whole: Ints, unit: float, known: Bools | None) -> pl.Series:
    values = whole / unit
    if known is not None:
        values[~known] = np.nan
    return pl.Series(values, nan_to_null=known is not None)


def days(values: NDArray[np.int32] | Ints | Floats, known: Bools | None = None) -> pl.Series:
    """Days since 1970-01-01 as dates; null where not known."""
    as_days = values.astype(np.int64).astype("datetime64[D]")
    if known is not None:
        as_days[~known] = np.datetime64("NaT")
    return pl.Series(as_days)


def counts(values: Ints, known: Bools | None = None) -> pl.Series:
    """Whole numbers; null where not known."""
    series = pl.Series(values.astype(np.int32))
    return series if known is None else series.zip_with(pl.Series(known), pl.Series([None], dtype=pl.Int32))


def words(choices: Sequence[str | None], which: Ints) -> pl.Series:
    """One of ``choices`` for each number."""
    return pl.Series(list(choices), dtype=pl.String).gather(which)


def fen(values: NDArray[np.floating[Any]]) -> Ints:
    """Amounts rounded to whole 分."""
    return np.asarray(np.rint(values), dtype=np.int64)


def chance(log_odds: Floats) -> Floats:
    """Probability of log-odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)), dtype=np.float64)
