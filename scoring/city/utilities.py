"""Electricity, water and gas by meter and month, and which meter belongs to which firm.

A landlord's or flat-rate month carries no quantity: that is not zero. Arrears are what is unpaid on the day of delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from scoring.city.block import Block, settled
from scoring.city.codes import padded
from scoring.city.firms import has_gas
from scoring.city.frames import NEVER, Bools, Floats, Ints, counts, days, fen, thousandths, words, yuan
from scoring.city.window import first_days

METERING: Final = ("metered", "estimated", "not_metered", "landlord")
_METERED, _ESTIMATED, _NOT_METERED, _LANDLORD = range(4)
BASES: Final = ("own", "tenant", "shared")

_COOLING: Final = np.array([0.75, 0.7, 0.75, 0.85, 1.05, 1.25, 1.4, 1.4, 1.25, 1.05, 0.8, 0.75])
"""Power for rooms by month of the year: summers in Guangzhou are hot."""


@dataclass(frozen=True)
class Utility:
    """``fen_a_unit``: price (分 per kWh or m³). ``due_day``: day of the next month by which the bill is due.

    ``step``: thousandths of a unit that a reading shows.
    """

    number: int
    fen_a_unit: float
    due_day: int
    step: int


UTILITIES: Final = {
    "electricity": Utility(1, 78.0, 15, 10),
    "water": Utility(2, 446.0, 20, 1000),
    "gas": Utility(3, 436.0, 18, 1000),
}


@dataclass(frozen=True)
class Meters:
    """Meters of a block: owner (place in the block), share of the owner's use, first and last month (places in the window)."""

    account: pl.Series
    owner: Ints
    share: Floats
    first: Ints
    after: Ints
    """First month in which it no longer counts."""


def electricity(block: Block) -> pl.DataFrame:
    """kWh and bills by month."""
    return _months(block, "electricity", 210)


def water(block: Block) -> pl.DataFrame:
    """m³ and bills by month."""
    return _months(block, "water", 220)


def gas(block: Block) -> pl.DataFrame:
    """m³ and bills by month, for the firms that have gas."""
    return _months(block, "gas", 230)


def meter_links(block: Block) -> pl.DataFrame:
    """Which meter belongs to which firm, from when to when, on which footing."""
    return pl.concat([_links(block, meters(block, name)) for name in UTILITIES])


def meters(block: Block, name: str) -> Meters:
    """The meters of a utility: the first of each firm, second ones (electricity), and those after a move."""
    firms, utility = block.firms, UTILITIES[name]
    rng = block.rng(200 + utility.number)
    served = has_gas(rng, firms) if name == "gas" else ~firms.guest
    second = (rng.random(len(firms)) < block.assume.second_meter) & firms.alone & ~firms.landlord & ~firms.flat_rate
    second &= served if name == "electricity" else np.zeros(len(firms), dtype=np.bool_)
    main, extra = np.flatnonzero(served), np.flatnonzero(second)
    after = np.flatnonzero(served & (firms.moved < NEVER))
    slot = np.repeat([0, 1, 2], [len(main), len(extra), len(after)])
    owner = np.concatenate([main, extra, after])
    order = np.lexsort((slot, owner))
    owner, slot = owner[order], slot[order]
    return Meters(
        account=padded(firms.number[owner] * 4 + slot, 10, f"0{utility.number}").alias("account_no"),
        owner=owner,
        share=np.where(slot == 1, 0.35, np.where(second[owner], 0.65, 1.0)),
        first=np.where(slot == 2, firms.moved[owner], -NEVER),
        after=np.where(slot == 0, firms.moved[owner], NEVER),
    )


def _use(block: Block, name: str, rng: np.random.Generator) -> Floats:
    """Units that each firm uses in each month: premises and production, both falling with its activity."""
    firms, course = block.firms, block.course
    heads = firms.heads[:, None] * np.sqrt(course.trend)
    sales = firms.monthly_yuan[:, None] / 10_000.0 * course.trend * np.sqrt(course.season)
    noise = np.exp(0.07 * rng.standard_normal(sales.shape))
    if name == "electricity":
        rooms = firms.of_trade("kwh_a_head")[:, None] * heads * _COOLING[block.window.calendar] * course.output
        use = rooms + firms.of_trade("kwh_a_10k")[:, None] * sales
    elif name == "water":
        use = firms.of_trade("water_a_head")[:, None] * heads
    else:
        use = firms.of_trade("gas_a_10k")[:, None] * sales + 4.0
    return np.asarray(use * noise * course.active, dtype=np.float64)


def _months(block: Block, name: str, stream: int) -> pl.DataFrame:
    firms, window, utility, rng = block.firms, block.window, UTILITIES[name], block.rng(stream)
    all_meters = meters(block, name)
    owner, months = all_meters.owner, np.arange(window.months)
    use = _use(block, name, rng)
    use[:-1] += use[1:] * firms.guest[1:, None]
    running = block.course.active | (np.append(block.course.active[1:], block.course.active[:1], axis=0) & firms.host[:, None])
    rows = running[owner] & (months >= all_meters.first[:, None]) & (months < all_meters.after[:, None])
    metering = np.where(rng.random(rows.shape) < block.assume.estimated, _ESTIMATED, _METERED)
    metering[firms.flat_rate[owner]] = _NOT_METERED
    metering[firms.landlord[owner]] = _LANDLORD
    units = (use[owner] * all_meters.share[:, None])[rows]
    milli = np.rint(units * (1000 / utility.step)).astype(np.int64) * utility.step
    bill = fen(milli / 1000 * utility.fen_a_unit)
    # A flat rate is the same amount each month, in whole tens of yuan.
    flat = fen(use.mean(axis=1) * utility.fen_a_unit / 1000 + 1)[owner] * 1000
    meter, month = np.nonzero(rows)
    metering = metering[rows]
    bill = np.where(metering == _NOT_METERED, flat[meter], bill)
    due = first_days(window.first + months + 1)[month] + utility.due_day - 1
    paid = settled(rng, due, block.course.strain[owner][rows], firms.s[owner][meter], block.assume)
    return _bills(block, all_meters.account.gather(meter), month, milli, bill, due, paid, metering)


def _bills(
    block: Block, account: pl.Series, month: Ints, milli: Ints, bill: Ints, due: Ints, paid: Ints, metering: Ints
) -> pl.DataFrame:
    seen = block.window.seen_day
    billed: Bools = metering != _LANDLORD
    overdue = (np.minimum(paid, seen) - due).clip(min=0)
    cut = np.clip((overdue - block.assume.cut_after_days) // 2, 0, 28) * (metering != _NOT_METERED)
    return pl.DataFrame({
        "account_no": account, "period": block.window.names.gather(month),
        "quantity": thousandths(milli, metering <= _ESTIMATED), "bill": yuan(bill, billed), "due_on": days(due, billed),
        "paid_on": days(paid, billed & (paid <= seen)), "arrears": yuan(bill * ((paid > seen) & (due < seen)), billed),
        "metering": words(METERING, metering), "cut_days": counts(cut, billed),
    })  # fmt: skip


def _links(block: Block, all_meters: Meters) -> pl.DataFrame:
    firms, window = block.firms, block.window
    owner = all_meters.owner
    at = np.arange(len(owner))
    # A guest stands on the meter of its host, with a link of its own; only first meters are shared.
    shared = np.flatnonzero(firms.host[owner] & np.append(True, owner[1:] != owner[:-1]))
    meter = np.concatenate([at, shared])
    firm = np.concatenate([owner, owner[shared] + 1])
    opening = firms.opened_day[firm]
    began = np.where(all_meters.first[meter] > -NEVER, _month_day(block, all_meters.first[meter]), opening)
    ends = all_meters.after[meter] < NEVER
    ended = _month_day(block, np.where(ends, all_meters.after[meter], window.months)) - 1
    basis = np.where((firms.host | firms.guest)[firm], 2, firms.tenant[firm].astype(np.int64))
    return pl.DataFrame({
        "account_no": all_meters.account.gather(meter), "uscc": firms.uscc.gather(firm), "valid_from": days(began),
        "valid_to": days(ended, ends), "basis": words(BASES, basis),
    })  # fmt: skip


def _month_day(block: Block, month: Ints) -> Ints:
    """First day of a month of the window; months before it count back."""
    return first_days(block.window.first + np.where(np.abs(month) < NEVER, month, 0))


def firm_number(account: pl.Expr) -> pl.Expr:
    """Number of the firm to which an account was first given."""
    return account.str.slice(2).cast(pl.Int64) // 4
