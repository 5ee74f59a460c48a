"""What signals are worth: precision and recall of each level against outcomes, and the synthetic city to try them on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.monitoring import wilson
from scoring.signals import SIGNAL, Kind, Level, SignalParameters, signals

_MONEY = ("bill", "arrears", "due", "paid", "sales", "base", "amount", "unpaid", "capital")


@dataclass(frozen=True, slots=True)
class Worth:
    """Of the firms signalled at this level or above: how many, how many went bad, and the Wilson interval of that share.

    ``recall``: the share of all bad firms among them; ``lift``: precision over the share of bad firms in all. ``kind`` ``None``:
    any kind. NaN where there is nothing to divide by.
    """

    kind: Kind | None
    level: Level
    signalled: int
    right: int
    precision: float
    precision_low: float
    precision_high: float
    recall: float
    lift: float


def worth(found: pl.DataFrame, firms: NDArray[np.int64], bad: NDArray[np.bool_]) -> list[Worth]:
    """Signals against outcomes of the firms whose outcome is known. ``bad``: one for each of ``firms``."""
    outcome = pl.DataFrame({"firm": firms, "bad": bad})
    known = found.join(outcome, on="firm")
    rate, all_bad = float(bad.mean()) if len(bad) else float("nan"), int(bad.sum())
    rows = []
    for kind in (None, *Kind):
        mine = known if kind is None else known.filter(pl.col("kind") == kind.value)
        for level in Level:
            told = mine.filter(pl.col("level") >= int(level)).unique("firm")
            n, right = told.height, int(told["bad"].sum())
            low, high = wilson(right, n)
            precision = right / n if n else float("nan")
            recall = right / all_bad if all_bad else float("nan")
            rows.append(Worth(kind, level, n, right, precision, low, high, recall, precision / rate if rate else float("nan")))
    return rows


def city_frames(city: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The items of a synthetic city as frames of the contract; a firm's number is its place in the list of firms."""
    numbers = city["firms"].select("uscc", firm=pl.int_range(pl.len(), dtype=pl.Int64))
    frames = {}
    for item, frame in city.items():
        if item in ("firms", "truth", "meter_links"):
            continue
        stored = _stored(frame)
        if "uscc" in stored.columns:
            frames[item] = stored.join(numbers, on="uscc").drop("uscc")
            continue
        links = city["meter_links"].join(numbers, on="uscc").drop("uscc")
        joined = stored.join(links, on="account_no").filter(
            pl.col("period").dt.month_end() >= pl.col("valid_from"),
            pl.col("valid_to").is_null() | (pl.col("period") <= pl.col("valid_to")),
        )
        frames[item] = joined.with_columns(meter=pl.col("account_no").str.slice(1).cast(pl.Int64)).drop(
            "account_no", "valid_from", "valid_to"
        )
    return frames


def _stored(frame: pl.DataFrame) -> pl.DataFrame:
    def whole(name: str, per_unit: int) -> pl.Expr:
        return (pl.col(name) * per_unit).round().cast(pl.Int64)

    made = {f"{name}_fen": whole(name, 100) for name in _MONEY if name in frame.columns}
    if "quantity" in frame.columns:
        made["quantity_milli"] = whole("quantity", 1000)
    if "period" in frame.columns:
        made["period"] = pl.concat_str("period", pl.lit("-01")).str.to_date()
    return frame.with_columns(**made).drop([name for name in (*_MONEY, "quantity") if name in frame.columns])


def check_city(
    firms: int, seed: int, months: int = 30, parameters: SignalParameters = SIGNAL, as_of: date | None = None
) -> tuple[list[Worth], list[Worth]]:
    """Signals about a synthetic city at its last day: against the firms' loan outcomes (where known), and against distress
    that began at least three months before."""
    from scoring.city import city as made
    from scoring.city.window import Window
    from scoring.synthetic import LAST_MONTH_END

    town = made(firms, months, seed)
    day = as_of or Window.ending(months, LAST_MONTH_END).as_of
    found = signals(city_frames(town), np.arange(firms), day, parameters)
    outcome = town["firms"]["defaulted"]
    known = outcome.is_not_null().to_numpy()
    numbers = np.arange(firms, dtype=np.int64)
    began = town["truth"]["stress_began"]
    limit = f"{day.year - (day.month <= 3)}-{(day.month - 4) % 12 + 1:02d}"
    distressed = (began <= limit).fill_null(False).to_numpy()
    return (
        worth(found, numbers[known], outcome.drop_nulls().to_numpy().astype(np.bool_)), worth(found, numbers, distressed),
    )
