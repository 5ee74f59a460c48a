"""A synthetic city to train on: facts of every source, and whether the loan failed."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from scoring.city.frames import Floats, Ints
from scoring.city.stored import outcomes, stored_city, stored_invoices
from scoring.features.compute import compute
from scoring.features.registry import FEATURES, NAMES, SOURCES, fed_from
from scoring.invoice_folder import NAIVE
from scoring.model import Column
from scoring.synthetic import LAST_MONTH_END
from scoring.table import Table


def read(
    firms: int, months: int, seed: int, *, until: date = LAST_MONTH_END, invoices: bool = False
) -> tuple[dict[str, pl.DataFrame], Ints, Floats, date]:
    """Frames by source, firm numbers, outcome (1 defaulted, 0 repaid, NaN none yet) and the day the city is looked at.

    ``invoices``: with VAT invoices, for small cities (they are drawn firm by firm). Nothing in the frames is later than the day.
    Raises ValueError for an impossible city.
    """
    as_of = until + timedelta(days=25)
    frames, listed = stored_city(firms, months, seed, until=until, as_of=as_of)
    if invoices:
        frames["invoices"] = stored_invoices(firms, months, seed, until=until, as_of=as_of)
    return frames, listed["firm"].to_numpy().astype(np.int64, copy=False), outcomes(listed), as_of


def table(firms: int, months: int, seed: int, *, until: date = LAST_MONTH_END) -> Table:
    """The city as rows to train on, with every source; firms without an outcome yet have NaN. See ``read``."""
    frames, numbers, outcome, as_of = read(firms, months, seed, until=until, invoices=True)
    told = compute(frames, numbers, as_of)
    values = told.frame().select(NAMES)
    return Table(
        keys=tuple(map(str, numbers.tolist())),
        inputs=values.with_columns(pl.all().fill_nan(None)),
        columns=tuple(Column(feature.name, "numeric", feature.direction) for feature in FEATURES),
        bad=outcome,
        weight=np.ones(len(numbers)),
        group=np.arange(len(numbers), dtype=np.int64),
        period=np.zeros(len(numbers), dtype=np.int64),
        era=np.zeros(len(numbers), dtype=np.int64),
        thin=told.insufficient,
        partial=told.partial,
        naive=values[NAIVE].fill_nan(None).fill_null(-np.inf).to_numpy(),
        naive_name="mean monthly sales",
        sources={source: tuple(feature.name for feature in fed_from(source)) for source in SOURCES},
        about={"layout": "city", "set": "city", "as_of": as_of.isoformat(), "firms": firms, "months": months},
    )
