"""What months (last axis, the last month first, NaN = not known) say: level, growth, swings, gaps; and lateness.

The other axes are firms, or several grids of the same firms at once.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from scoring.features.window import Bools, Floats, Ints, Window


def ratio(part: Floats | Ints, whole: Floats | Ints) -> Floats:
    """part ÷ whole; NaN where the whole is not positive."""
    return part / np.where(whole > 0, whole, np.nan)


def total(grid: Floats) -> Floats:
    """Sum of what is known; 0 where nothing is."""
    return cast(Floats, np.add.reduce(np.where(np.isnan(grid), 0.0, grid), axis=-1))


def known(grid: Floats) -> Ints:
    """Months in which something is known."""
    return cast(Ints, grid.shape[-1] - np.add.reduce(np.isnan(grid), axis=-1))


def mean(grid: Floats) -> Floats:
    """Average of the months that are known; NaN without any."""
    unknown = np.isnan(grid)
    return ratio(np.add.reduce(np.where(unknown, 0.0, grid), axis=-1), grid.shape[-1] - np.add.reduce(unknown, axis=-1))


def log_units(values: Floats, per_unit: float) -> Floats:
    """log10(1 + units) of whole parts (100 分 a yuan, 1000 thousandths a kWh); below 0 counts as 0."""
    return np.log10(1.0 + np.maximum(values, 0.0) / per_unit)


def growth(grid: Floats, window: Window, months: int, least: int) -> Floats:
    """The last ``months`` months against the same months a year before, from -1 to ``most_growth``: seasons fall out.

    Only months known in both years are compared; NaN with fewer than ``least`` of them or nothing to compare with.
    """
    year = window.recent_months
    now, before = grid[..., :months], grid[..., year : year + months]
    one_unknown = np.isnan(now + before)
    few = np.add.reduce(one_unknown, axis=-1) > one_unknown.shape[-1] - least
    base = np.where(few, np.nan, np.add.reduce(np.where(one_unknown, 0.0, before), axis=-1))
    change = ratio(np.add.reduce(np.where(one_unknown, 0.0, now), axis=-1), base) - 1.0
    return np.minimum(np.maximum(change, -1.0), window.most_growth)


def yearly_growth(grid: Floats, window: Window) -> Floats:
    """The last year against the one before it."""
    return growth(grid, window, window.recent_months, window.least_pairs)


def recent_growth(grid: Floats, window: Window) -> Floats:
    """The last few months against the same months a year before."""
    return growth(grid, window, window.trend_months, window.trend_months - 1)


def volatility(grid: Floats, window: Window) -> Floats:
    """Average change from one month to the next as a share of the average month of the last year."""
    year = grid[..., : window.recent_months]
    change = np.abs(year[..., 1:] - year[..., :-1])
    swings = np.where(known(change) < window.least_bills, np.nan, ratio(mean(change), mean(year)))
    return np.minimum(swings, window.most_volatility)


def zero_months(grid: Floats, window: Window) -> Floats:
    """Months of the last year that are known to be 0; NaN where no month is known."""
    year = grid[..., : window.recent_months]
    return np.where(np.isnan(year).all(axis=-1), np.nan, np.add.reduce(year == 0.0, axis=-1))


def gaps(seen: Bools, window: Window) -> Floats:
    """Months of the last year without a row, since the first row and without those still on their way; NaN without any row."""
    age = np.arange(seen.shape[1])
    oldest = np.where(seen, age, -1).max(axis=1)
    expected = (age >= window.arrival_months) & (age < window.recent_months) & (age < oldest[:, None])
    return np.where(oldest < 0, np.nan, np.add.reduce(expected & ~seen, axis=1))


def days_late(due: Floats, paid: Floats, today: int, open_if_unpaid: Bools) -> Floats:
    """Days by which each payment was late, or is by today where it is open; NaN where that cannot be said.

    What is not due yet and not paid says nothing; nor does a payment without a day that is not known to be open.
    ``due``, ``paid``: days since 1970-01-01, NaN = not said. A payment after today is open today.
    """
    unpaid = ~(paid <= today)
    late = np.maximum(np.where(unpaid, float(today), paid) - due, 0.0)
    late[unpaid & ((due >= today) | ~(open_if_unpaid | (paid > today)))] = np.nan
    return late
