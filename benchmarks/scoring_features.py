"""The invoice features of the 388 firms of the real set, by ``scoring.features.invoices``, against vectorised pandas.

Both start from the same lines in memory, in the frame each works on, and their values are compared. Best of several runs in turn.
Without the data folder, as many synthetic lines of as many firms are drawn.
"""

from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import features_pandas
from benchmarks.measure import Result
from scoring.features import invoices

RUNS = 5
TARGET = 5.0
AS_OF = date(2020, 1, 31)
SET = Path(os.environ.get("HUIQIAO_DATA", "../shared/data")) / "cumcm2020c"


def real_lines(folder: Path) -> pl.DataFrame:
    """All lines of the labelled and unlabelled firms, as the portal holds them."""
    parts = []
    for side, code in (("in", 0), ("out", 1)):
        for path in sorted(folder.glob(f"invoices_{side}_*.parquet")):
            fen = [(pl.col(name) * 100).round(0).cast(pl.Int64).alias(stored) for name, stored in (
                ("amount_net", "net_fen"), ("tax_amount", "tax_fen"), ("amount_gross", "gross_fen"))]
            parts.append(pl.read_parquet(path).select(
                "firm_id", pl.lit(code, dtype=pl.Int8).alias("side"), pl.col("invoice_date").alias("day"), "counterparty_id",
                *fen, (pl.col("status") == "void").alias("void"),
            ))
    lines = pl.concat(parts)
    return lines.select(
        pl.col("firm_id").rank("dense").cast(pl.Int64).alias("firm"), "side", "day",
        pl.col("counterparty_id").rank("dense").cast(pl.Int64).alias("counterparty"), "net_fen", "tax_fen", "gross_fen", "void",
    )


def drawn_lines(n: int, firms: int, seed: int = 20261125) -> pl.DataFrame:
    """Synthetic lines, for machines without the data."""
    rng = np.random.default_rng(seed)
    net = np.round(np.exp(rng.normal(13.0, 2.0, n))).astype(np.int64) * np.where(rng.random(n) < 0.03, -1, 1)
    tax = np.round(net * rng.choice([0.0, 0.03, 0.06, 0.13], n)).astype(np.int64)
    first = np.datetime64("2016-10-01")
    return pl.DataFrame({
        "firm": np.sort(rng.integers(1, firms + 1, n)), "side": rng.integers(0, 2, n).astype(np.int8),
        "day": first + rng.integers(0, 1230, n).astype("timedelta64[D]"), "counterparty": rng.integers(0, 300, n) ** 2,
        "net_fen": net, "tax_fen": tax, "gross_fen": net + tax, "void": rng.random(n) < 0.04,
    })


def run() -> list[Result]:
    """Seconds for all features of all firms."""
    real = SET.is_dir()
    lines = real_lines(SET) if real else drawn_lines(1_000_000, 388)
    frame = features_pandas.as_pandas(lines)
    mine, theirs = [], []
    for _ in range(RUNS):
        started = time.perf_counter()
        ours = invoices.compute(lines, AS_OF)
        between = time.perf_counter()
        floor = features_pandas.compute(frame, AS_OF)
        mine.append(between - started)
        theirs.append(time.perf_counter() - between)
    left, right = ours.drop("firm").to_numpy(), floor.to_numpy(dtype=np.float64)
    assert np.allclose(left, right, rtol=1e-9, atol=1e-9, equal_nan=True), "pandas tells other values"
    print(f"{'cumcm2020c' if real else 'synthetic'}: {len(lines):,} lines of {len(ours)} firms, {left.shape[1]} features; "
          f"median ours {np.median(mine):.3f} s, pandas {np.median(theirs):.3f} s", flush=True)
    return [Result("scoring.features", f"{min(mine):.3f}s", f"{min(theirs):.3f}s", min(theirs) / min(mine), TARGET)]
