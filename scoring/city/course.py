"""How the months of each firm go: sales, activity, staff, and the strain on its payments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.city.assumptions import CityAssumptions
from scoring.city.firms import Firms
from scoring.city.frames import Bools, Floats, Ints, fen
from scoring.city.trades import TRADES
from scoring.city.window import Window
from scoring.synthetic_city import SEASONS

_SEASON: Final = np.array([SEASONS[trade.industry.season] for trade in TRADES], dtype=np.float64)


@dataclass(frozen=True)
class Course:
    """Columns of shape (firms, months)."""

    active: Bools
    """The firm has opened: from the month after its first day on there are rows."""
    sales_fen: Ints
    """Sales without tax (分)."""
    trend: Floats
    """Level of the firm against its own middle, without season and noise, with distress."""
    season: Floats
    output: Floats
    """1, falling from ``output_lag`` months after the onset of distress."""
    heads: Ints
    """Persons who work there."""
    strain: Floats
    """Strain on payments, 0 to 1, from the onset of distress."""


def draw_course(rng: np.random.Generator, firms: Firms, window: Window, assume: CityAssumptions) -> Course:
    """The months of the firms of a block."""
    n, months = len(firms), np.arange(window.months)
    active = months > firms.opened[:, None]
    since = months - firms.onset[:, None]
    depth = firms.depth[:, None]
    strain = np.clip(assume.strain_depth * depth * np.clip((since + 1) / assume.strain_months, 0.0, 1.0), 0.0, 1.0)
    output = _falling(since - assume.output_lag, depth, assume.output_fall, assume.output_floor)
    staff = _falling(since - assume.heads_lag, depth, assume.heads_fall, assume.heads_floor)
    growth = assume.growth + assume.growth_stress * firms.s + assume.growth_spread * rng.standard_normal(n)
    drift = np.exp(growth[:, None] * (months - window.months + 1) / 12.0)
    season = _SEASON[firms.trade][:, window.calendar]
    swing = assume.swing * np.exp(assume.swing_stress * firms.s)[:, None]
    noise = np.exp(swing * rng.standard_normal((n, window.months)) - swing**2 / 2)
    idle = np.minimum(0.5, assume.idle_months * np.exp(assume.idle_stress * firms.s + assume.idle_size * firms.z))
    selling = active & (rng.random((n, window.months)) >= idle[:, None])
    trend = drift * output
    sales = fen(firms.monthly_yuan[:, None] * 100.0 * trend * season * noise * selling)
    heads = np.maximum(1, np.rint(firms.heads[:, None] * np.sqrt(drift) * staff)).astype(np.int64)
    return Course(active, sales, trend, season, output, heads, strain)


def _falling(since: Ints, depth: Floats, fall: float, floor: float) -> Floats:
    """1, and from ``since`` = 0 on less by ``fall`` x depth each month, down to the floor."""
    return np.maximum(floor, np.exp(-fall * depth * np.clip(since + 1, 0, None)))


def yearly_revenue_fen(course: Course) -> Ints:
    """Sales (分) of the last twelve months, scaled up where the firm or the record is younger."""
    last = slice(-min(12, course.sales_fen.shape[1]), None)
    open_months = np.maximum(1, course.active[:, last].sum(axis=1))
    return np.asarray(course.sales_fen[:, last].sum(axis=1) * 12 // open_months, dtype=np.int64)
