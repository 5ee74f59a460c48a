"""A synthetic Guangzhou: firms in eleven districts and what every source of the catalogue would deliver about them.

Nothing here describes a real firm: every name ends in （演示）. Firms come in blocks of ``BLOCK``; each block has its own
seeded streams (one per item), so firm number k is the same whatever the number of firms and whichever items are asked for.

The story, cause before effect (numbers: ``assumptions.CityAssumptions``, all proposals; ``docs/synthetic-city.md``):

1. A firm has an industry, a district, a size z and a stress s, both standard normal. z sets the level of sales and staff;
   s lowers growth and widens swings.
2. Distress begins for some, the likelier the higher s and the lower z, in one month out of the last thirty, at some depth.
3. Payments strain at once: utility bills, tax filings and contributions are late or stay unpaid. Three months later
   activity falls, and with it sales and power use. Six months after the onset the insured heads fall.
4. What is missing is not missing at random: small and stressed firms more often sit behind a landlord's bill, lack a
   housing fund and bind no account. Services use labour dispatch, which lowers insured heads without any distress.
5. The outcome is one draw: its log-odds rise with s, with depth and length of distress, with a landlord's bill and a
   lacking housing fund, and fall with z.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

import polars as pl

from scoring.city import block as drawing
from scoring.city import flows, registers, staff, taxes, utilities
from scoring.city.assumptions import CITY, CityAssumptions
from scoring.city.block import BLOCK, Block, draw_block
from scoring.city.codes import MOST_FIRMS
from scoring.city.window import Window
from scoring.synthetic import LAST_MONTH_END

__all__ = ["BLOCK", "CITY", "ITEMS", "CityAssumptions", "Window", "blocks", "city", "draw"]

ITEMS: Final[Mapping[str, Callable[[Block], pl.DataFrame]]] = MappingProxyType({
    "firms": drawing.firms,
    "truth": drawing.truth,
    "registration": registers.registration,
    "registration_changes": registers.registration_changes,
    "qualifications": registers.qualifications,
    "ip": registers.ip,
    "penalties": registers.penalties,
    "justice": registers.justice,
    "dishonesty": registers.dishonesty,
    "meter_links": utilities.meter_links,
    "electricity": utilities.electricity,
    "water": utilities.water,
    "gas": utilities.gas,
    "tax": taxes.tax,
    "tax_grades": taxes.tax_grades,
    "social_insurance": staff.social_insurance,
    "housing_fund": staff.housing_fund,
    "customs": flows.customs,
    "cash_flow": flows.cash_flow,
})  # fmt: skip
"""Items by the code of the portal's catalogue, and the two lists about the firms themselves.

``truth`` is for tests and documentation: it is never delivered.
"""


def city(
    firms: int,
    months: int,
    seed: int,
    *,
    until: date = LAST_MONTH_END,
    as_of: date | None = None,
    items: Collection[str] = tuple(ITEMS),
    assume: CityAssumptions = CITY,
) -> dict[str, pl.DataFrame]:
    """A whole city in memory: one frame per item (a million firms do not fit: see ``files``).

    ``until``: a day of the last month; ``as_of``: day of delivery, nothing later is seen (default 25 days after the last
    month). Money is in yuan with two decimals, quantities in kWh or m³. Raises ValueError for an impossible city.
    """
    parts = list(blocks(firms, months, seed, until=until, as_of=as_of, items=items, assume=assume))
    return {item: pl.concat([part[item] for part in parts]) for item in parts[0]}


def blocks(
    firms: int,
    months: int,
    seed: int,
    *,
    until: date = LAST_MONTH_END,
    as_of: date | None = None,
    items: Collection[str] = tuple(ITEMS),
    assume: CityAssumptions = CITY,
    first: int = 0,
) -> Iterator[dict[str, pl.DataFrame]]:
    """The same city, at most ``BLOCK`` firms at a time, from block number ``first`` on. Raises ValueError."""
    if unknown := set(items) - set(ITEMS):
        raise ValueError(f"unknown items: {', '.join(sorted(unknown))}; known are: {', '.join(ITEMS)}")
    if not 1 <= firms <= MOST_FIRMS:
        raise ValueError(f"a city has 1 to {MOST_FIRMS:,} firms")
    window = Window.ending(months, until, as_of)
    return (
        draw(draw_block(place, window, seed, assume), items, firms) for place in range(first, -(-firms // BLOCK))
    )  # fmt: skip


def draw(block: Block, items: Collection[str], firms: int) -> dict[str, pl.DataFrame]:
    """The items of a block in the order of ``ITEMS``, of the city's first ``firms`` firms only."""
    frames = {item: make(block) for item, make in ITEMS.items() if item in items}
    kept = firms - block.place * BLOCK
    if kept >= BLOCK:
        return frames
    return {item: _of_first(frame, block, kept) for item, frame in frames.items()}


def _of_first(frame: pl.DataFrame, block: Block, kept: int) -> pl.DataFrame:
    if "uscc" in frame.columns:
        return frame.filter(pl.col("uscc").is_in(block.firms.uscc[:kept].implode()))
    return frame.filter(utilities.firm_number(pl.col("account_no")) < block.place * BLOCK + kept)
