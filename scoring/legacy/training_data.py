"""Training sets: the real labelled firms of a data folder, or synthetic ones where that folder is absent.

The bank's own ``rating`` column is never read into a feature or a label: it all but gives the outcome away
and a new applicant does not have it (README of the data set, caveats).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.legacy.features import IN, OUT, WINDOW, FeatureVector, InvoiceArrays, Window, compute
from scoring.synthetic import LAST_MONTH_END, synthesise

REAL_SUBFOLDER: Final = "cumcm2020c"
REAL_AS_OF: Final = date(2019, 6, 30)
"""Features of the real set are taken at mid-2019 (its invoices run to 2020-02-21): the date of default is
unknown, and the last months may carry what happened after it (README of the data set, caveats)."""

TrainedOn = Literal["real", "synthetic"]

_COLUMNS: Final = (
    "firm_id",
    "invoice_date",
    "counterparty_id",
    "amount_net",
    "tax_amount",
    "amount_gross",
    "status",
)
_FILES: Final = ("firms_labelled.csv", "invoices_in_labelled.parquet", "invoices_out_labelled.parquet")


class DataError(ValueError):
    """The data folder is incomplete or a file lacks a column; the message says which."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFirm:
    """One firm with its invoice lines and its outcome (True = defaulted)."""

    firm_id: str
    invoices: InvoiceArrays
    defaulted: bool


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """``X``: one row per firm in FEATURES order; ``y``: 1 = defaulted. Thin files are counted apart."""

    firm_ids: tuple[str, ...]
    X: NDArray[np.float64]
    y: NDArray[np.int8]
    trained_on: TrainedOn
    window_from: date
    window_to: date
    left_out: int


def is_real_folder(folder: Path | None) -> bool:
    """Whether the folder holds the real labelled set (the firm list is enough to say so)."""
    return folder is not None and (folder / _FILES[0]).is_file()


def load(
    folder: Path | None, *, as_of: date | None = None, seed: int = 20260101, window: Window = WINDOW
) -> TrainingSet:
    """The real labelled firms of ``folder``, or synthetic firms (``trained_on`` says which) when it is
    absent.

    Raises DataError when the folder is there but incomplete.
    """
    if folder is not None and is_real_folder(folder):
        return as_training_set(read_real(folder), as_of or REAL_AS_OF, "real", window)
    return as_training_set(read_synthetic(seed), as_of or LAST_MONTH_END, "synthetic", window)


def read_real(folder: Path) -> list[LabelledFirm]:
    """The labelled firms in the order of their keys. Amounts become whole 分. Raises DataError."""
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}")
    firms = pl.read_csv(folder / _FILES[0], columns=["firm_id", "default"]).sort("firm_id")
    lines = pl.concat([_read_lines(folder / _FILES[1], IN), _read_lines(folder / _FILES[2], OUT)])
    by_firm = {str(key[0]): part for key, part in lines.partition_by("firm_id", as_dict=True).items()}
    nothing = lines.clear()
    return [
        LabelledFirm(firm_id, _arrays(by_firm.get(firm_id, nothing)), bool(default))
        for firm_id, default in firms.iter_rows()
    ]


def read_synthetic(seed: int, firms: int = 400, months: int = 24) -> list[LabelledFirm]:
    """Synthetic firms whose outcome is known."""
    return [
        LabelledFirm(f"S{number:04d}", firm.lines.arrays(), firm.defaulted)
        for number, firm in enumerate(synthesise(firms, months, seed), start=1)
        if firm.defaulted is not None
    ]


def as_training_set(
    firms: Sequence[LabelledFirm], as_of: date, trained_on: TrainedOn, window: Window = WINDOW
) -> TrainingSet:
    """Features of every firm at one day. Raises DataError when no firm has enough data."""
    as_of_day = (as_of - date(1970, 1, 1)).days
    vectors: list[FeatureVector] = [compute(firm.invoices, as_of_day, window) for firm in firms]
    kept = [(firm, vector) for firm, vector in zip(firms, vectors, strict=True) if not vector.insufficient]
    if not kept:
        raise DataError(f"no firm has {window.thin_file_months} months of invoices before {as_of}")
    following = as_of + timedelta(days=1)
    first_month = following.year * 12 + following.month - 1 - window.look_back_months
    return TrainingSet(
        firm_ids=tuple(firm.firm_id for firm, _ in kept),
        X=np.vstack([vector.values for _, vector in kept]),
        y=np.array([firm.defaulted for firm, _ in kept], dtype=np.int8),
        trained_on=trained_on,
        window_from=date(first_month // 12, first_month % 12 + 1, 1),
        window_to=as_of,
        left_out=len(firms) - len(kept),
    )


def _read_lines(path: Path, side: int) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path, columns=list(_COLUMNS))
    except pl.exceptions.ColumnNotFoundError as error:
        raise DataError(f"{path} lacks a column: {error}") from error
    # The file holds float yuan; the nearest whole 分 is the amount that was printed on the invoice.
    fen = [
        (pl.col(column) * 100).round(0).cast(pl.Int64).alias(target)
        for column, target in (("amount_net", "net"), ("tax_amount", "tax"), ("amount_gross", "gross"))
    ]
    return frame.select(
        "firm_id",
        pl.lit(side, dtype=pl.Int8).alias("side"),
        pl.col("invoice_date").cast(pl.Date).cast(pl.Int32).alias("day"),
        pl.col("counterparty_id").rank("dense").cast(pl.Int64).alias("counterparty"),
        *fen,
        (pl.col("status") == "void").alias("void"),
    )


def _arrays(lines: pl.DataFrame) -> InvoiceArrays:
    return InvoiceArrays(
        *(lines[name].to_numpy() for name in ("side", "day", "counterparty", "net", "tax", "gross", "void"))
    )
