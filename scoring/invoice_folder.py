"""The layout *invoices*: ``firms_*.csv``, ``invoices_in_*.parquet``, ``invoices_out_*.parquet``; labels in firms or ``labels_*``.

Several parts (labelled, unlabelled, later ones) may lie in one folder; they are read as one.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from scoring.errors import DataError
from scoring.features.compute import compute
from scoring.features.invoice_list import FEATURES
from scoring.model import Column
from scoring.table import Table

GAP_MONTHS: Final = 0
"""Firms are looked at so many months before the record's last complete month. Where the day of default is not known, the last
days may carry what followed it: features that look at them (``end_of_window``) are never read; a gap is the stricter way."""
NAIVE: Final = "sales_monthly"
"""Size alone ranks well; a model has to be compared with it."""

_LINES: Final = {
    "invoice_date": pl.Date,
    "counterparty_id": pl.String,
    "amount_net": pl.Float64,
    "tax_amount": pl.Float64,
    "amount_gross": pl.Float64,
    "status": pl.String,
}


def is_invoice_folder(folder: Path) -> bool:
    """Whether the folder holds firms and invoices."""
    return all(any(folder.glob(pattern)) for pattern in ("firms_*.csv", "invoices_in_*.parquet", "invoices_out_*.parquet"))


def read_invoices(
    folder: Path, as_of: date | None = None, *, gap_months: int = GAP_MONTHS, scale_free: bool = False, training: bool = False
) -> Table:
    """The firms of the folder with their invoice features at the end of ``as_of`` (default: ``gap_months`` before the record's
    last complete month). ``scale_free``: without features that change when all amounts are multiplied or every line is doubled.
    Features of the last days are left out. ``training``: only the firms whose outcome is known. Raises DataError.
    """
    firms = _firms(folder)
    if training:
        firms = firms.filter(pl.col("bad").is_not_nan())
        if firms.is_empty():
            raise DataError(f"{folder} names no outcome (column default in firms_*.csv or labels_*)")
    lines = pl.concat([_lines(folder, "in", 0), _lines(folder, "out", 1)]).join(firms.select("firm_id", "firm"), on="firm_id")
    day = as_of or _months_before(_last_month_end(lines), gap_months)
    told = compute({"invoices": lines.drop("firm_id")}, firms["firm"].to_numpy(), day)
    values = told.frame().select(feature.name for feature in FEATURES)
    read = [feature for feature in FEATURES if (feature.scale_free or not scale_free) and not feature.end_of_window]
    n = firms.height
    return Table(
        keys=tuple(firms["firm_id"].to_list()),
        inputs=values.with_columns(pl.all().fill_nan(None)),
        columns=tuple(Column(feature.name, "numeric", feature.direction) for feature in read),
        bad=firms["bad"].to_numpy().astype(np.float64),
        weight=np.ones(n),
        group=np.arange(n, dtype=np.int64),
        period=np.zeros(n, dtype=np.int64),
        era=np.zeros(n, dtype=np.int64),
        thin=told.insufficient,
        partial=np.zeros(n, dtype=np.bool_),
        naive=values[NAIVE].fill_nan(None).fill_null(-np.inf).to_numpy(),
        naive_name="mean monthly sales",
        about={"layout": "invoices", "set": folder.resolve().name, "as_of": day.isoformat(), "scale_free": scale_free},
    )


def _firms(folder: Path) -> pl.DataFrame:
    """``firm_id, firm, bad`` (NaN = outcome not known), in the order of the keys. A firm in two parts counts once."""
    if not is_invoice_folder(folder):
        raise DataError(f"{folder} lacks firms_*.csv, invoices_in_*.parquet or invoices_out_*.parquet")
    parts = [_outcomes(path) for path in sorted(folder.glob("firms_*.csv"))]
    labels = [_outcomes(path) for path in sorted(folder.glob("labels_*")) if path.suffix in (".csv", ".parquet")]
    listed = pl.concat(parts).group_by("firm_id").agg(pl.col("bad").drop_nulls().first()).sort("firm_id")
    if labels:
        told = pl.concat(labels).group_by("firm_id").agg(pl.col("bad").drop_nulls().first().alias("told"))
        listed = listed.join(told, on="firm_id", how="left", maintain_order="left")
        listed = listed.with_columns(pl.coalesce("told", "bad").alias("bad"))
    if not listed["bad"].drop_nulls().is_in([0.0, 1.0]).all():
        raise DataError(f"an outcome in {folder} is neither 0 nor 1")
    firm = pl.int_range(pl.len(), dtype=pl.Int64).alias("firm")
    return listed.select("firm_id", firm, pl.col("bad").fill_null(float("nan")))


def _outcomes(path: Path) -> pl.DataFrame:
    """Nothing but key and outcome is read of these files: a bank's ``rating`` gives the outcome away."""
    frame = pl.read_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.read_parquet(path)
    if "firm_id" not in frame.columns:
        raise DataError(f"{path} lacks the column firm_id")
    bad = pl.col("default").cast(pl.Float64, strict=False) if "default" in frame.columns else pl.lit(None, dtype=pl.Float64)
    return frame.select(pl.col("firm_id").cast(pl.String), bad.alias("bad"))


def _lines(folder: Path, side: str, code: int) -> pl.DataFrame:
    """The invoice lines of one side as the portal holds them: whole 分, and numbers for parties."""
    parts = []
    for path in sorted(folder.glob(f"invoices_{side}_*.parquet")):
        frame = pl.read_parquet(path)
        absent = [name for name in ("firm_id", *_LINES) if name not in frame.columns]
        if absent:
            raise DataError(f"{path} lacks {', '.join(absent)}")
        parts.append(frame.select(pl.col("firm_id").cast(pl.String), *(pl.col(name).cast(kind) for name, kind in _LINES.items())))
    # The files hold float yuan; the nearest whole 分 is the amount that was printed on the invoice.
    fen = [
        (pl.col(column) * 100).round(0).cast(pl.Int64).alias(target)
        for column, target in (("amount_net", "net_fen"), ("tax_amount", "tax_fen"), ("amount_gross", "gross_fen"))
    ]
    return pl.concat(parts).select(
        "firm_id",
        pl.lit(code, dtype=pl.Int8).alias("side"),
        pl.col("invoice_date").alias("day"),
        pl.col("counterparty_id").rank("dense").cast(pl.Int64).alias("counterparty"),
        *fen,
        (pl.col("status") == "void").alias("void"),
    )


def _last_month_end(lines: pl.DataFrame) -> date:
    """End of the last complete month of the record; a handful of mistyped late dates does not move it."""
    if lines.is_empty():
        raise DataError("the folder holds no invoice of its firms")
    last = lines["day"].cast(pl.Int32).quantile(0.9995, "nearest")
    after = date(1970, 1, 1) + timedelta(days=int(last or 0) + 1)
    return after.replace(day=1) - timedelta(days=1)


def _months_before(day: date, months: int) -> date:
    month = day.year * 12 + day.month - months
    return date(month // 12, month % 12 + 1, 1) - timedelta(days=1)
