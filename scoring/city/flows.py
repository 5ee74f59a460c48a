"""What crosses the border and what crosses the bank account, by month."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from scoring.city.block import Block
from scoring.city.codes import padded
from scoring.city.frames import Bools, Floats, Ints, counts, fen, words, yuan

AEO: Final = ("registered", "advanced", "dishonest")
DIRECTIONS: Final = ("import", "export")
_DECLARATION_FEN: Final = 25_000_000.0
"""Typical value of one customs declaration."""


def customs(block: Block) -> pl.DataFrame:
    """Goods of trading firms; a month without a declaration is no row."""
    firms, rng = block.firms, block.rng(280)
    n = len(firms)
    trades = rng.random(n) < np.clip(firms.of_trade("abroad") * np.exp(0.4 * firms.z), 0.0, 0.9)
    aeo = np.where(rng.random(n) < 0.04 * np.exp(firms.z), 1, np.where(rng.random(n) < 0.004 * np.exp(firms.s), 2, 0))
    buys = rng.random(n) < 0.35
    share = rng.uniform(0.1, 0.7, n)
    exporting = trades & (~buys | (rng.random(n) < 0.5))
    return pl.concat([
        _declared(block, rng, direction, np.flatnonzero(mask), share * factor, aeo)
        for direction, mask, factor in ((0, trades & buys, 0.5), (1, exporting, 1.0))
    ])  # fmt: skip


def _declared(
    block: Block, rng: np.random.Generator, direction: int, firm: Ints, share: Floats, aeo: Ints
) -> pl.DataFrame:
    planned = block.course.sales_fen[firm] * share[firm][:, None]
    declarations = rng.poisson(np.sqrt(planned / _DECLARATION_FEN))
    value = fen(planned * rng.gamma(3.0, 1 / 3.0, planned.shape))
    rows: Bools = (declarations > 0) & (value > 0)
    who, when = np.nonzero(rows)
    return pl.DataFrame({
        "uscc": block.firms.uscc.gather(firm[who]), "direction": words(DIRECTIONS, np.full(len(who), direction)),
        "period": block.window.names.gather(when), "value": yuan(value[rows]), "declarations": counts(declarations[rows]),
        "aeo": words(AEO, aeo[firm[who]]),
    })  # fmt: skip


def cash_flow(block: Block) -> pl.DataFrame:
    """The account a firm bound: inflow follows sales, and falls behind them under strain; the balance never turns negative."""
    window, rng = block.window, block.rng(290)
    firm = np.flatnonzero(block.firms.bound)
    sales, strain = block.course.sales_fen[firm].astype(np.float64), block.course.strain[firm]
    shape = sales.shape
    inflow = fen(sales * 1.06 * (1.0 - 0.15 * strain) * np.exp(0.12 * rng.standard_normal(shape)))
    wanted = fen(sales * (1.02 + 0.04 * strain) * np.exp(0.12 * rng.standard_normal(shape)))
    typical = block.firms.monthly_yuan[firm] * 100.0
    outflow, balance = _run(fen(typical * rng.uniform(0.1, 1.2, len(firm))), fen(typical * 3.0), inflow, wanted)
    people = rng.poisson(np.clip(6.0 * np.sqrt(sales / 1e7), 0.0, 400.0)) + 1
    rows = block.course.active[firm]
    who, when = np.nonzero(rows)
    tail = padded(rng.integers(0, 10_000, len(firm)), 4)
    return pl.DataFrame({
        "uscc": block.firms.uscc.gather(firm[who]), "account_tail": tail.gather(who), "period": window.names.gather(when),
        "inflow": yuan(inflow[rows]), "outflow": yuan(outflow[rows]), "counterparties": counts(people[rows]),
        "balance": yuan(balance[rows]),
    })  # fmt: skip


def _run(opening: Ints, most: Ints, inflow: Ints, wanted: Ints) -> tuple[Ints, Ints]:
    """Outflow and closing balance of each month (分): what is there is spent at most, what is above ``most`` is taken out."""
    outflow, balance = np.empty_like(inflow), np.empty_like(inflow)
    held = opening
    for month in range(inflow.shape[1]):
        there = held + inflow[:, month]
        outflow[:, month] = np.minimum(there, np.maximum(wanted[:, month], there - most))
        held = balance[:, month] = there - outflow[:, month]
    return outflow, balance
