"""A block of firms with everything its items are made from, and its random streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from scoring.city.assumptions import CityAssumptions
from scoring.city.course import Course, draw_course, yearly_revenue_fen
from scoring.city.firms import Firms, draw_firms
from scoring.city.frames import NEVER, Floats, Ints, chance, counts, days, fen, words, yuan
from scoring.city.sizes import SIZES, size_ranks
from scoring.city.trades import TRADES
from scoring.city.window import Window, month_names
from scoring.synthetic_city import DISTRICTS

BLOCK: Final = 2_000
"""Firms that share one set of random streams. Block b is the same whatever the number of firms asked for. Even, for pairs."""

_CODES: Final = [trade.industry.code for trade in TRADES]
_ASSET_FACTOR: Final = np.array([{"7010": 9.0, "7113": 3.0, "7020": 1.5}.get(code, 1.0) for code in _CODES], dtype=np.float64)
_TRAITS, _COURSE, _ASSETS, _OUTCOME = 101, 102, 103, 104
"""Numbers of streams; those of items start at 200."""


@dataclass(frozen=True)
class Block:
    """``BLOCK`` firms and their months."""

    place: int
    seed: int
    window: Window
    assume: CityAssumptions
    firms: Firms
    course: Course

    def rng(self, stream: int) -> np.random.Generator:
        """A random stream of this block alone."""
        return _stream(self.seed, self.place, stream)

    def distress(self) -> Floats:
        """Depth of distress at the end of the window, ramped over its first year; 0 without distress."""
        since = np.clip(self.window.months - 1 - self.firms.onset, 0, self.assume.distress_months)
        return np.asarray(self.firms.depth * since / self.assume.distress_months, dtype=np.float64)


def draw_block(place: int, window: Window, seed: int, assume: CityAssumptions) -> Block:
    """Block number ``place`` of the city of that seed."""
    numbers = np.arange(place * BLOCK, (place + 1) * BLOCK, dtype=np.int64)
    firms = draw_firms(_stream(seed, place, _TRAITS), numbers, window, assume)
    course = draw_course(_stream(seed, place, _COURSE), firms, window, assume)
    return Block(place, seed, window, assume, firms, course)


def _stream(seed: int, place: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, place, stream])


def firms(block: Block) -> pl.DataFrame:
    """The list of firms with the figures they state (revenue of the last twelve months)."""
    drawn = block.firms
    revenue = yearly_revenue_fen(block.course)
    factor = block.rng(_ASSETS).uniform(0.35, 1.1, len(drawn)) * _ASSET_FACTOR[drawn.trade]
    assets = np.maximum(1_000_000, fen(revenue * factor / 100) * 100)
    ranks = size_ranks(_CODES, drawn.trade, drawn.heads, revenue, assets)
    return pl.DataFrame({
        "uscc": drawn.uscc, "name": drawn.name, "district": words([name for name, _ in DISTRICTS], drawn.district),
        "industry_code": words(_CODES, drawn.trade), "headcount": counts(drawn.heads), "revenue": yuan(revenue),
        "assets": yuan(assets), "size_class": words(SIZES, ranks), "opened_on": days(drawn.opened_day),
        "defaulted": outcomes(block),
    })  # fmt: skip


def truth(block: Block) -> pl.DataFrame:
    """What no source knows about the firms: size z, stress s, depth, distress D at the end, and when it began."""
    drawn = block.firms
    began = drawn.onset < NEVER
    months = month_names(block.window.first + np.where(began, drawn.onset, 0))
    return pl.DataFrame({
        "uscc": drawn.uscc, "size": drawn.z, "stress": drawn.s, "depth": drawn.depth, "distress": block.distress(),
        "stress_began": months.zip_with(pl.Series(began), pl.Series([None], dtype=pl.String)), "defaulted": outcomes(block),
    })  # fmt: skip


def outcomes(block: Block) -> pl.Series:
    """1 defaulted, 0 repaid, null no outcome yet."""
    drawn, assume, rng = block.firms, block.assume, block.rng(_OUTCOME)
    odds = (
        assume.default + assume.default_size * drawn.z + assume.default_stress * drawn.s
        + assume.default_distress * block.distress()
        + assume.default_landlord * drawn.landlord + assume.default_no_fund * ~drawn.fund
    )  # fmt: skip
    defaulted = rng.random(len(drawn)) < chance(odds)
    old = drawn.opened_day <= block.window.end_day - assume.outcome_age_years * 365.25
    known = (rng.random(len(drawn)) < assume.outcome_known) & old
    return pl.Series(defaulted.astype(np.int8)).zip_with(pl.Series(known), pl.Series([None], dtype=pl.Int8))


def settled(rng: np.random.Generator, due_day: Ints, strain: Floats, stress: Floats, assume: CityAssumptions) -> Ints:
    """Day on which each amount due on ``due_day`` is paid: some days early, or late by chance, stress ``s`` and strain."""
    shape = strain.shape
    late = rng.random(shape) < np.minimum(0.95, assume.late * np.exp(assume.late_stress * stress) + assume.late_strain * strain)
    days_late = 1.0 + rng.standard_exponential(shape) * (assume.late_days + assume.late_days_strain * strain)
    days_early = rng.random(shape) * 10.0
    return np.asarray(due_day + np.where(late, days_late, -days_early).astype(np.int64), dtype=np.int64)
