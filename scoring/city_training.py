"""A synthetic city to train on: facts of every source, and whether the loan failed."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from scoring.city.frames import Floats, Ints
from scoring.city.stored import outcomes, stored_city, stored_invoices
from scoring.synthetic import LAST_MONTH_END


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
