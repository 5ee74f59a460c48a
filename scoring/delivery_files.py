"""Synthetic firms written in the form of a delivery: the columns of the real invoice files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from scoring.synthetic import IN, OUT, SyntheticFirm

FIRMS_FILE: Final = "firms_synthetic.csv"
INVOICE_FILES: Final = {IN: "invoices_in_synthetic.parquet", OUT: "invoices_out_synthetic.parquet"}


def firm_key(number: int) -> str:
    """Key of the ``number``-th firm (from 1) in the files."""
    return f"S{number:04d}"


def firm_keys(count: int) -> list[str]:
    """Keys of the first ``count`` firms."""
    return [firm_key(number) for number in range(1, count + 1)]


def write_firms(firms: Sequence[SyntheticFirm], folder: Path, keys: Sequence[str] | None = None) -> int:
    """Write the firm list and both invoice files; returns the number of invoice lines. Raises OSError.

    ``keys`` name the firms in the files; without them they are S0001, S0002, ….

    Invoice amounts are float yuan as in the real files (exact to the 分); money in the firm list is whole 分.
    """
    firm_table(firms, keys).write_csv(folder / FIRMS_FILE)
    for side, name in INVOICE_FILES.items():
        invoice_table(firms, side, keys).write_parquet(folder / name)
    return sum(len(firm.lines) for firm in firms)


def firm_table(firms: Sequence[SyntheticFirm], keys: Sequence[str] | None = None) -> pl.DataFrame:
    """One row per firm; ``default`` is empty where there is no outcome yet."""
    return pl.DataFrame(
        {
            "firm_id": keys or firm_keys(len(firms)),
            "firm_name": [firm.name for firm in firms],
            "industry_code": [firm.industry_code for firm in firms],
            "district": [firm.district for firm in firms],
            "headcount": [firm.headcount for firm in firms],
            "revenue_fen": [firm.revenue_fen for firm in firms],
            "assets_fen": [firm.assets_fen for firm in firms],
            "default": [None if firm.defaulted is None else int(firm.defaulted) for firm in firms],
        },
        schema_overrides={"default": pl.Int8},
    )


def invoice_table(firms: Sequence[SyntheticFirm], side: int, keys: Sequence[str] | None = None) -> pl.DataFrame:
    """All lines of one side, in the columns and types of the real invoice files."""
    frames = []
    for key, firm in zip(keys or firm_keys(len(firms)), firms, strict=True):
        lines, rows = firm.lines, np.flatnonzero(firm.lines.side == side)
        frames.append(
            pl.DataFrame(
                {
                    "firm_id": [key] * len(rows),
                    "invoice_no": [lines.invoice_no[row] for row in rows],
                    "invoice_date": pl.Series(lines.day[rows], dtype=pl.Int32).cast(pl.Date),
                    "counterparty_id": [lines.counterparty_id[row] for row in rows],
                    "amount_net": lines.net_fen[rows] / 100,
                    "tax_amount": lines.tax_fen[rows] / 100,
                    "amount_gross": lines.gross_fen[rows] / 100,
                    "status": ["void" if void else "valid" for void in lines.void[rows]],
                },
                schema_overrides={
                    "firm_id": pl.String,
                    "invoice_no": pl.String,
                    "counterparty_id": pl.String,
                    "status": pl.String,
                },
            )
        )
    return pl.concat(frames)
