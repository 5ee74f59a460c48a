"""What months by firm (firms × months, the last month first, NaN = not known) say: level, growth, swings, gaps; and lateness."""

from __future__ import annotations

import numpy as np

from scoring.features.window import Bools, Floats, Ints, Window


def ratio(part: Floats, whole: Floats | Ints) -> Floats:
    """part ÷ whole; NaN where the whole is not positive."""
    share = np.empty(part.shape)
    share.fill(np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def total(grid: Floats) -> Floats:
    """Sum by firm of what is known; 0 where nothing is."""
    return np.asarray(np.where(np.isnan(grid), 0.0, grid).sum(axis=1), dtype=np.float64)


def known(grid: Floats) -> Floats:
    """Months by firm in which something is known."""
    return np.asarray((~np.isnan(grid)).sum(axis=1), dtype=np.float64)


def mean(grid: Floats) -> Floats:
    """Average by firm of the months that are known; NaN without any."""
    there = ~np.isnan(grid)
    return ratio(np.where(there, grid, 0.0).sum(axis=1), there.sum(axis=1))


def log_units(values: Floats, per_unit: float) -> Floats:
    """log10(1 + units) of whole parts (100 分 a yuan, 1000 thousandths a kWh); below 0 counts as 0."""
    return np.log10(1.0 + np.maximum(values, 0.0) / per_unit)


def growth(grid: Floats, window: Window, months: int, least: int) -> Floats:
    """The last ``months`` months against the same months a year before, from -1 to ``most_growth``: seasons fall out.

    Only months known in both years are compared; NaN with fewer than ``least`` of them or nothing to compare with.
    """
    year = window.recent_months
    now, before = grid[:, :months], grid[:, year : year + months]
    both = ~np.isnan(now) & ~np.isnan(before)
    base = np.where(both, before, 0.0).sum(axis=1)
    change = ratio(np.where(both, now, 0.0).sum(axis=1), base) - 1.0
    change[both.sum(axis=1) < least] = np.nan
    return np.clip(change, -1.0, window.most_growth)


def yearly_growth(grid: Floats, window: Window) -> Floats:
    """The last year against the one before it."""
    return growth(grid, window, window.recent_months, window.least_pairs)


def recent_growth(grid: Floats, window: Window) -> Floats:
    """The last few months against the same months a year before."""
    return growth(grid, window, window.trend_months, window.trend_months - 1)


def volatility(grid: Floats, window: Window) -> Floats:
    """Average change from one month to the next as a share of the average month of the last year."""
    year = grid[:, : window.recent_months]
    change = np.abs(year[:, 1:] - year[:, :-1])
    swings = ratio(mean(change), mean(year))
    swings[known(change) < window.least_bills] = np.nan
    return np.minimum(swings, window.most_volatility)


def zero_months(grid: Floats, window: Window) -> Floats:
    """Months of the last year that are known to be 0; NaN where no month is known."""
    year = grid[:, : window.recent_months]
    zeros: Floats = (year == 0.0).sum(axis=1).astype(np.float64)
    zeros[known(year) == 0] = np.nan
    return zeros


def gaps(seen: Bools, window: Window) -> Floats:
    """Months of the last year without a row, since the first row and without those still on their way; NaN without any row."""
    age = np.arange(seen.shape[1])
    oldest = np.where(seen, age, -1).max(axis=1)
    expected = (age >= window.arrival_months) & (age < window.recent_months) & (age < oldest[:, None])
    missing: Floats = (expected & ~seen).sum(axis=1).astype(np.float64)
    missing[oldest < 0] = np.nan
    return missing


def days_late(due: Floats, paid: Floats, today: int, open_if_unpaid: Bools) -> Floats:
    """Days by which each payment was late, or is by today where it is open; NaN where that cannot be said.

    What is not due yet and not paid says nothing; nor does a payment without a day that is not known to be open.
    ``due``, ``paid``: days since 1970-01-01, NaN = not said. A payment after today is open today.
    """
    unpaid = ~(paid <= today)
    late = np.maximum(np.where(unpaid, float(today), paid) - due, 0.0)
    late[unpaid & ((due >= today) | ~(open_if_unpaid | (paid > today)))] = np.nan
    return late
