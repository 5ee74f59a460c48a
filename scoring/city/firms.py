"""What each firm of a block is: trade, place, size, stress, and what is missing about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from scoring.city.assumptions import CityAssumptions
from scoring.city.codes import FIRST_SERIAL, credit_codes, trade_names
from scoring.city.frames import NEVER, Bools, Floats, Ints, chance, words
from scoring.city.trades import PREMISES, REGIONS, TRADES, WEIGHTS, column, district_shares
from scoring.city.window import Window
from scoring.synthetic_city import DISTRICTS, SYNTHETIC_SUFFIX

COMPANY, SOLE, COOPERATIVE = 0, 1, 2
"""Legal forms; the entity digit of the code is one more."""

_DISTRICT_SHARES: Final = district_shares()
_NAMES: Final = [name for name, _ in DISTRICTS]
_REGION: Final = np.array([int(REGIONS[name]) for name in _NAMES], dtype=np.int64)
_FIELD: Final = np.array([trade.premises == "field" for trade in TRADES], dtype=np.bool_)
_FACTORY: Final = np.array([trade.premises == "factory" for trade in TRADES], dtype=np.bool_)


@dataclass(frozen=True)
class Firms:
    """The firms of a block as columns of equal length.

    ``trade``, ``district``: places in ``TRADES`` and ``DISTRICTS``. ``opened_day``: days since 1970-01-01. Months
    (``opened``, ``onset``, ``moved``) are places in the window, below 0 before it, ``NEVER`` for what does not happen.
    """

    number: Ints
    uscc: pl.Series
    name: pl.Series
    trade: Ints
    district: Ints
    form: Ints
    z: Floats
    s: Floats
    depth: Floats
    onset: Ints
    opened_day: Ints
    opened: Ints
    moved: Ints
    monthly_yuan: Floats
    """Expected sales of a month before growth, season and distress."""
    heads: Ints
    """Staff as the firm states it."""
    tenant: Bools
    landlord: Bools
    flat_rate: Bools
    guest: Bools
    """Shares the meters of the firm before it."""
    insured: Bools
    fund: Bools
    bound: Bools

    def __len__(self) -> int:
        return len(self.number)

    @property
    def host(self) -> Bools:
        """Has the firm after it on its meters."""
        return np.append(self.guest[1:], False)

    @property
    def alone(self) -> Bools:
        """Shares its meters with nobody."""
        return ~self.guest & ~self.host

    def of_trade(self, name: str) -> Floats:
        """A number of each firm's trade."""
        return column(name)[self.trade]


def draw_firms(rng: np.random.Generator, numbers: Ints, window: Window, assume: CityAssumptions) -> Firms:
    """The firms with these numbers (a whole block, even in length)."""
    n = len(numbers)
    z, s = rng.standard_normal(n), rng.standard_normal(n)
    trade = np.searchsorted(WEIGHTS, rng.random(n), side="right")
    district = (rng.random(n)[:, None] >= _DISTRICT_SHARES[trade]).sum(axis=1)
    form = _forms(rng, trade, z, assume)
    age = assume.youngest_years + rng.exponential(assume.age_years, n).clip(max=40.0)
    opened_day = (window.end_day - np.rint(age * 365.25)).astype(np.int64)
    opened = opened_day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) - window.first
    onset, depth = _distress(rng, z, s, opened, window, assume)
    monthly = column("monthly_yuan")[trade] * np.exp(assume.level_spread * z + assume.level_shift)
    heads = 12 * monthly / column("revenue_a_head")[trade] * rng.uniform(1.0, 2.6, n)
    tenant = rng.random(n) < column("tenant")[trade]
    guest = _guests(rng, n, assume)
    alone = ~guest & ~np.append(guest[1:], False)
    landlord = (
        (rng.random(n) < chance(assume.landlord + assume.landlord_size * z + assume.landlord_stress * s)) & tenant & alone
    )
    flat_rate = (rng.random(n) < assume.not_metered) & tenant & alone & ~landlord
    moved = np.where(rng.random(n) < assume.moved, window.months - rng.integers(0, assume.onset_months, n), NEVER)
    moved[(moved <= np.maximum(opened + 1, 0)) | (moved >= window.months) | ~alone] = NEVER
    insured = rng.random(n) < chance(
        assume.insured + assume.insured_size * z + assume.insured_stress * s + assume.insured_sole * (form == SOLE)
    )
    fund = (rng.random(n) < chance(assume.fund + assume.fund_size * z + assume.fund_stress * s)) & insured & (form == COMPANY)
    bound = rng.random(n) < chance(assume.bound + assume.bound_size * z + assume.bound_stress * s)
    return Firms(
        numbers, credit_codes(numbers + FIRST_SERIAL, _REGION[district], form + 1), _firm_names(numbers, trade, district, form),
        trade, district, form, z, s, depth, onset, opened_day, opened, moved, monthly,
        np.maximum(1, np.rint(heads)).astype(np.int64), tenant, landlord, flat_rate, guest, insured, fund, bound,
    )  # fmt: skip


def _forms(rng: np.random.Generator, trade: Ints, z: Floats, assume: CityAssumptions) -> Ints:
    """Companies, sole traders (rather small), and co-operatives among the growers."""
    share = np.clip(column("sole")[trade], 1e-9, 1 - 1e-9)
    sole = rng.random(len(trade)) < chance(np.log(share / (1 - share)) + assume.sole_size * z)
    together = (rng.random(len(trade)) < 0.35) & _FIELD[trade]
    return np.where(together, COOPERATIVE, np.where(sole, SOLE, COMPANY))


def _distress(
    rng: np.random.Generator, z: Floats, s: Floats, opened: Ints, window: Window, assume: CityAssumptions
) -> tuple[Ints, Floats]:
    """Month of onset and depth (1 is typical). Onset is counted back from the end, so that it does not depend on the window."""
    n = len(z)
    begins = rng.random(n) < chance(assume.onset + assume.onset_size * z + assume.onset_stress * s)
    onset = window.months - 1 - rng.integers(0, assume.onset_months, n)
    onset[~begins | (onset < opened + assume.grace_months)] = NEVER
    return onset, np.exp(assume.depth_stress * s + assume.depth_spread * rng.standard_normal(n))


def _guests(rng: np.random.Generator, n: int, assume: CityAssumptions) -> Bools:
    """The second of a pair of neighbours, where the pair shares its meters."""
    guest = np.zeros(n, dtype=np.bool_)
    guest[1::2] = rng.random(n // 2) < assume.shared_meter
    return guest


def _firm_names(numbers: Ints, trade: Ints, district: Ints, form: Ints) -> pl.Series:
    """Names nobody could take for a firm that exists: each ends in （演示）."""
    place = words([name.removesuffix("区") for name in _NAMES], district)
    trade_word = words([trade.industry.word for trade in TRADES], trade)
    makes = (form == SOLE) & _FACTORY[trade]
    ending = words(["有限公司", "经营部", "加工厂", "专业合作社"], np.where(form == COOPERATIVE, 3, form + makes))
    return ("广州" + place + trade_names(numbers) + trade_word + ending + SYNTHETIC_SUFFIX).alias("name")


def has_gas(rng: np.random.Generator, firms: Firms) -> Bools:
    """Which firms have a gas meter of their own."""
    share = np.array([PREMISES[trade.premises].gas for trade in TRADES])
    return np.asarray((rng.random(len(firms)) < share[firms.trade]) & firms.alone, dtype=np.bool_)
