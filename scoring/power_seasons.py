"""Daily power use of firms: the grid, which firms are metered at all, and the seasons in it.

Three seasons are looked for: the Spring Festival, which moves with the moon (a calendar month would put its dip now into
January, now into February), the days of the week, and the summer. Each is told for the park and for each firm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Days = NDArray[np.datetime64]

NEW_YEARS: Final = (
    "2010-02-14 2011-02-03 2012-01-23 2013-02-10 2014-01-31 2015-02-19 2016-02-08 2017-01-28 2018-02-16 2019-02-05 2020-01-25 "
    "2021-02-12 2022-02-01 2023-01-22 2024-02-10 2025-01-29 2026-02-17 2027-02-06 2028-01-26 2029-02-13 2030-02-03 2031-01-23 "
    "2032-02-11 2033-01-31 2034-02-19 2035-02-08 2036-01-28 2037-02-15 2038-02-04 2039-01-24 2040-02-12"
)
"""First days of lunar years (正月初一)."""
_NEW_YEARS: Final[Days] = np.array(NEW_YEARS.split(), dtype="datetime64[D]")


@dataclass(frozen=True, slots=True)
class PowerParameters:
    """How daily power use is read. All numbers are proposals."""

    no_reading: int = 1
    """A day of so many kWh or fewer is a day without power, or without a reading."""
    least_days: int = 90
    """A firm that ran on fewer days is not judged."""
    never_days: int = 1
    """A firm that ran on so many days at most is not metered."""
    closed_share: float = 0.98
    """Closed = without power on this share of the last days."""
    closed_from: date = date(2016, 7, 1)
    """First of the last days that tell who is closed."""
    festival_before: int = 12
    festival_after: int = 17
    """Days before and after the lunar new year that belong to the festival."""
    dip_before: int = 3
    dip_after: int = 6
    """The days about the new year whose use is the depth of a firm's dip."""
    strong_dip: float = 0.5
    """A firm follows the festival when its dip is under this share of its usual use in every year seen."""
    strong_sunday: float = 0.8
    """A firm follows the week when Sundays are under this share of the other days."""
    strong_summer: float = 1.25
    """A firm follows the summer when July and August are over this share of April and May, in every year seen."""


POWER: Final = PowerParameters()


@dataclass(frozen=True, eq=False)
class PowerGrid:
    """Daily use: ``kwh[firm, day]``, 0 where nothing ran or nothing was read. Days follow one another without a hole."""

    firms: Ints
    days: Days
    kwh: Floats

    @property
    def running(self) -> Bools:
        """On which days a firm ran."""
        return self.kwh > 0.0

    def only(self, firms: Bools) -> PowerGrid:
        """The grid of some firms."""
        return PowerGrid(self.firms[firms], self.days, self.kwh[firms])


def read_power(path: Path, parameters: PowerParameters = POWER) -> PowerGrid:
    """A Parquet file (or the folder of ``daily_power.parquet``) with ``firm_id``, ``date``, ``kwh``.

    Days without a row count as days without power. Raises ValueError for an empty file or a day that comes twice.
    """
    rows = pl.read_parquet(path / "daily_power.parquet" if path.is_dir() else path)
    if rows.is_empty():
        raise ValueError(f"no days in {path}")
    if rows.select("firm_id", "date").is_duplicated().any():
        raise ValueError("a firm has two readings of one day")
    firms = np.unique(rows["firm_id"].to_numpy().astype(np.int64))
    dates = rows["date"].to_numpy().astype("datetime64[D]")
    first = dates.min()
    kwh = np.zeros((len(firms), int((dates.max() - first).astype(np.int64)) + 1))
    values = rows["kwh"].to_numpy().astype(np.float64)
    place = np.searchsorted(firms, rows["firm_id"].to_numpy())
    kwh[place, (dates - first).astype(np.int64)] = np.where(values > parameters.no_reading, values, 0.0)
    return PowerGrid(firms, first + np.arange(kwh.shape[1]), kwh)


@dataclass(frozen=True, eq=False)
class Standing:
    """Who is metered and who stopped. ``stop``: place of the first day of the stop, the number of days where there is none.

    ``closed``: without power on (nearly) every one of the last days; ``never``: closed and never ran, so not metered;
    ``judged``: ran on enough days; ``stopped``: closed and judged.
    """

    closed: Bools
    never: Bools
    judged: Bools
    stopped: Bools
    stop: Ints


def standing(grid: PowerGrid, parameters: PowerParameters = POWER) -> Standing:
    """Tells firms that stopped from firms that are not metered.

    The stop is the first day without power from which on ``closed_share`` of all days that follow are without power: single
    later readings (somebody clears the hall) do not move it.
    """
    run = grid.running
    last = run[:, grid.days >= np.datetime64(parameters.closed_from)]
    closed = (~last).mean(axis=1) >= parameters.closed_share if last.shape[1] else np.zeros(len(run), dtype=np.bool_)
    days = run.sum(axis=1)
    judged = days >= parameters.least_days
    width = run.shape[1]
    running_share = np.cumsum(run[:, ::-1], axis=1)[:, ::-1] / np.arange(width, 0, -1)
    over = ~run & (running_share <= 1.0 - parameters.closed_share + 1e-12)
    stopped = closed & judged
    stop = np.where(stopped & over.any(axis=1), over.argmax(axis=1), width)
    return Standing(closed, closed & (days <= parameters.never_days), judged, stopped, np.asarray(stop, dtype=np.int64))


def days_from_new_year(days: Days) -> Ints:
    """Days since the nearest lunar new year, negative before it. Raises ValueError outside 2010–2040."""
    if len(days) and not (np.datetime64("2010-01-01") <= days.min() and days.max() <= np.datetime64("2040-12-31")):
        raise ValueError("lunar new years are known from 2010 to 2040")
    offsets: Ints = (days[:, None] - _NEW_YEARS[None, :]).astype(np.int64)
    return np.asarray(offsets[np.arange(len(days)), np.abs(offsets).argmin(axis=1)], dtype=np.int64)


def in_festival(days: Days, parameters: PowerParameters = POWER) -> Bools:
    """Which days belong to the Spring Festival."""
    offset = days_from_new_year(days)
    return np.asarray((offset >= -parameters.festival_before) & (offset <= parameters.festival_after), dtype=np.bool_)


def weekdays(days: Days) -> Ints:
    """Monday 0 … Sunday 6."""
    return np.asarray((days.astype(np.int64) + 3) % 7, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Seasons:
    """Use relative to a firm's usual day. Rows are firms; ``festival`` and ``summer`` have one column a year, NaN = not seen.

    ``festival``: use about the new year; ``sunday``: Sundays against other days; ``summer``: July and August against April and
    May. ``profile``: the park's median by days from the new year (years × offsets −30…30); ``week``: the park's median by day
    of the week outside the festival. ``follows_*``: firms with a strong pattern.
    """

    years: tuple[int, ...]
    festival: Floats
    sunday: Floats
    summer: Floats
    profile: Floats
    week: Floats
    follows_festival: Bools
    follows_week: Bools
    follows_summer: Bools

    def repeatability(self) -> float:
        """Rank correlation of the firms' festival dips in the first two years; NaN with one year."""
        both = np.isfinite(self.festival[:, :2]).all(axis=1) if self.festival.shape[1] > 1 else np.zeros(0, dtype=np.bool_)
        if both.sum() < 3:
            return float("nan")
        first, second = (np.argsort(np.argsort(self.festival[both, year], kind="stable"), kind="stable") for year in (0, 1))
        return float(np.corrcoef(first, second)[0, 1])


PROFILE: Final = 30
"""Days each side of the new year that the park's profile shows."""


def seasons(grid: PowerGrid, parameters: PowerParameters = POWER) -> Seasons:
    """Finds the seasons of firms that are judged (give only those)."""
    days, kwh = grid.days, grid.kwh
    usual = _usual(kwh)
    relative = kwh / np.where(usual > 0, usual, np.nan)[:, None]
    offset, year = days_from_new_year(days), days.astype("datetime64[Y]").astype(np.int64) + 1970
    month = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    years = tuple(int(one) for one in np.unique(year))
    dip = (offset >= -parameters.dip_before) & (offset <= parameters.dip_after)
    ordinary = ~in_festival(days, parameters)
    around, spring, heat = ordinary & (np.abs(offset) <= 60), np.isin(month, (4, 5)), np.isin(month, (7, 8))
    festival = np.stack([_ratio(relative, dip & (year == one), around & (year == one)) for one in years], axis=1)
    summer = np.stack([_ratio(relative, heat & (year == one), spring & (year == one)) for one in years], axis=1)
    weekday = weekdays(days)
    sunday = _ratio(relative, ordinary & (weekday == 6), ordinary & (weekday < 6))
    profile = np.full((len(years), 2 * PROFILE + 1), np.nan)
    for row, one in enumerate(years):
        inside = np.flatnonzero((year == one) & (np.abs(offset) <= PROFILE))
        profile[row, offset[inside] + PROFILE] = np.nanmedian(relative[:, inside], axis=0)
    week = np.array([np.nanmedian(_mean(relative, ordinary & (weekday == one))) for one in range(7)])
    return Seasons(
        years, festival, sunday, summer, profile, week,
        _always(festival < parameters.strong_dip, festival), sunday < parameters.strong_sunday,
        _always(summer > parameters.strong_summer, summer),
    )


def _usual(kwh: Floats) -> Floats:
    """Median of the days a firm ran; NaN where it never did."""
    ordered = np.sort(kwh, axis=1)
    zeros, width = (kwh <= 0).sum(axis=1), kwh.shape[1]
    middle = np.minimum(zeros + (width - zeros) // 2, width - 1)
    return np.asarray(np.where(zeros < width, ordered[np.arange(len(kwh)), middle], np.nan), dtype=np.float64)


def _mean(values: Floats, days: Bools) -> Floats:
    return np.asarray(values[:, days].mean(axis=1) if days.any() else np.full(len(values), np.nan), dtype=np.float64)


def _ratio(values: Floats, part: Bools, rest: Bools) -> Floats:
    """Mean of some days over the mean of others; NaN where the others are idle."""
    above, below = _mean(values, part), _mean(values, rest)
    found = np.full(len(values), np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found


def _always(hit: Bools, values: Floats) -> Bools:
    """Firms for which it holds in each year seen, and some year was seen."""
    seen = np.isfinite(values)
    return np.asarray((hit | ~seen).all(axis=1) & seen.any(axis=1), dtype=np.bool_)
