"""VAT invoices of a small city's firms, line by line, out of the same sales as everything else about them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

import numpy as np

from scoring.city.assumptions import CITY, CityAssumptions
from scoring.city.block import BLOCK, Block, draw_block, firms
from scoring.city.trades import TRADES
from scoring.city.window import Window
from scoring.synthetic import LAST_MONTH_END, Plan, SyntheticFirm, draw_lines

MOST_INVOICED: Final = BLOCK
"""Invoices are drawn firm by firm, which is slow: no more firms than this."""

_LINES: Final = 400
"""Number of the random streams of invoices; the firm's number follows."""


def firms_with_invoices(
    count: int,
    months: int,
    seed: int,
    *,
    until: date = LAST_MONTH_END,
    as_of: date | None = None,
    assume: CityAssumptions = CITY,
) -> list[SyntheticFirm]:
    """The firms of ``city(count, …)["firms"]`` in its order, with their invoice lines. Raises ValueError for too many."""
    if not 1 <= count <= MOST_INVOICED:
        raise ValueError(f"invoices are made for 1 to {MOST_INVOICED:,} firms")
    block = draw_block(0, Window.ending(months, until, as_of), seed, assume)
    return list(_invoiced(block, count))


def _invoiced(block: Block, count: int) -> Iterator[SyntheticFirm]:
    starts = block.window.starts[:-1].astype(np.int32)
    stress = block.firms.s + block.distress()
    for number, row in enumerate(firms(block).head(count).iter_rows(named=True)):
        industry = TRADES[int(block.firms.trade[number])].industry
        sales = block.course.sales_fen[number].astype(np.float64)
        plan = Plan(number, industry, float(block.firms.z[number]), float(stress[number]), sales)
        yield SyntheticFirm(
            name=row["name"],
            industry_code=row["industry_code"],
            district=row["district"],
            headcount=row["headcount"],
            revenue_fen=round(row["revenue"] * 100),
            assets_fen=round(row["assets"] * 100),
            lines=draw_lines(np.random.default_rng([block.seed, number, _LINES]), plan, starts),
            defaulted=None if row["defaulted"] is None else bool(row["defaulted"]),
        )
