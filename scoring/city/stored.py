"""A city's deliveries as the portal holds them: firm numbers for codes, 分 for yuan, thousandths for kWh, days for months."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from scoring.city import BLOCK, CITY, ITEMS, CityAssumptions, blocks
from scoring.city.frames import Floats
from scoring.city.invoices import firms_with_invoices
from scoring.synthetic import LAST_MONTH_END, InvoiceLines

UTILITIES: Final = ("electricity", "water", "gas")
FACTS: Final = tuple(item for item in ITEMS if item not in ("firms", "truth", "meter_links"))
"""Items whose rows are facts about a firm."""

_MONEY: Final = ("bill", "arrears", "sales", "due", "paid", "base", "value", "inflow", "outflow", "balance", "amount", "unpaid",
                 "capital")  # fmt: skip

_UNSAID: Final = {"qualifications": ("revoked_on",), "ip": ("ended_on",)}
"""Days that no delivery of the city names."""


def stored_blocks(
    firms: int,
    months: int,
    seed: int,
    *,
    until: date = LAST_MONTH_END,
    as_of: date | None = None,
    items: Collection[str] = FACTS,
    assume: CityAssumptions = CITY,
) -> Iterator[tuple[dict[str, pl.DataFrame], pl.DataFrame]]:
    """At most ``BLOCK`` firms at a time: rows by item with ``firm`` and the stored columns, and the list of the firms.

    Firm numbers are 1, 2, 3, … in the order of the city; the list has ``firm`` beside the columns of ``city(…)["firms"]``.
    Arguments as in ``city``. Raises ValueError for an impossible city.
    """
    wanted = [*items, "firms", *(["meter_links"] if set(items) & set(UTILITIES) else [])]
    for place, part in enumerate(blocks(firms, months, seed, until=until, as_of=as_of, items=wanted, assume=assume)):
        listed = part["firms"].with_row_index("firm", offset=place * BLOCK + 1).with_columns(pl.col("firm").cast(pl.Int64))
        numbers = listed.select("uscc", "firm")
        links = _links(part["meter_links"], numbers) if "meter_links" in part else None
        yield {item: _stored(item, part[item], numbers, links) for item in items}, listed


def stored_city(
    firms: int,
    months: int,
    seed: int,
    *,
    until: date = LAST_MONTH_END,
    as_of: date | None = None,
    items: Collection[str] = FACTS,
    assume: CityAssumptions = CITY,
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """A whole city in memory; see ``stored_blocks``."""
    parts = list(stored_blocks(firms, months, seed, until=until, as_of=as_of, items=items, assume=assume))
    return {item: pl.concat([part[item] for part, _ in parts]) for item in items}, pl.concat([listed for _, listed in parts])


def stored_invoices(
    firms: int, months: int, seed: int, *, until: date = LAST_MONTH_END, as_of: date | None = None, assume: CityAssumptions = CITY
) -> pl.DataFrame:
    """VAT invoice lines of a small city's firms with the same numbers. Raises ValueError for too many firms."""
    drawn = firms_with_invoices(firms, months, seed, until=until, as_of=as_of, assume=assume)
    return pl.concat([_lines(number, firm.lines) for number, firm in enumerate(drawn, start=1)])


def outcomes(listed: pl.DataFrame) -> Floats:
    """1 defaulted, 0 repaid, NaN no outcome yet."""
    return listed["defaulted"].cast(pl.Float64).to_numpy()


def _links(links: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    return links.join(numbers, on="uscc").select("account_no", "firm", "basis", "valid_from", "valid_to")


def _stored(item: str, frame: pl.DataFrame, numbers: pl.DataFrame, links: pl.DataFrame | None) -> pl.DataFrame:
    in_units = frame.with_columns(
        *(_whole(name, f"{name}_fen", 100) for name in frame.columns if name in _MONEY),
        *(_whole(name, f"{name}_milli", 1000) for name in frame.columns if name == "quantity"),
        *(pl.lit(None, dtype=pl.Date).alias(name) for name in _UNSAID.get(item, ())),
        *((pl.col(name) + "-01").str.to_date().alias(name) for name in frame.columns if name == "period"),
    ).drop(name for name in frame.columns if name in (*_MONEY, "quantity"))
    if links is None or item not in UTILITIES:
        return in_units.join(numbers, on="uscc", maintain_order="left").drop("uscc").select("firm", pl.exclude("firm"))
    mine = in_units.join(links, on="account_no", maintain_order="left").filter(
        pl.col("period") >= pl.col("valid_from"),
        pl.col("valid_to").is_null() | (pl.col("period") <= pl.col("valid_to")),
    )
    return mine.select(
        "firm", pl.col("account_no").cast(pl.Int64).alias("meter"), "basis",
        pl.exclude("firm", "account_no", "basis", "valid_from", "valid_to"),
    )


def _whole(name: str, stored: str, unit: int) -> pl.Expr:
    return (pl.col(name) * unit).round().cast(pl.Int64).alias(stored)


def _lines(firm: int, lines: InvoiceLines) -> pl.DataFrame:
    return pl.DataFrame({
        "firm": np.full(len(lines), firm, dtype=np.int64), "side": lines.side, "day": lines.day.astype("datetime64[D]"),
        "counterparty": lines.parties(), "net_fen": lines.net_fen, "tax_fen": lines.tax_fen,
        "gross_fen": lines.gross_fen, "void": lines.void,
    })  # fmt: skip
