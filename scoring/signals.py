"""Graded signals about firms after lending (贷后预警): plain rules over the facts of the catalogue, for all firms at once.

Each rule gives a firm at most one signal an item: its kind, its level (黄 notice, 橙 warning, 红 alarm) and the facts behind it,
all of that one item, so that whoever may not read the item is not told the signal. Facts
after ``as_of`` are not read: a bill paid later is open, a court case filed later is not there. An item that is absent from the
frames may not be read, and its rules are silent. A signal tells a person where to look; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scoring.signal_rules import (
    SIGNAL,
    SignalParameters,
    court_cases,
    dishonesty,
    falling_heads,
    late_filings,
    power_fall,
    power_stop,
    suspended,
    tax_arrears,
    unpaid_bills,
    unpaid_insurance,
)
from scoring.signal_words import Fact, Kind, Level, Signal

__all__ = ["ITEMS", "SIGNAL", "Fact", "Kind", "Level", "Signal", "SignalParameters", "as_signals", "signals"]


_Rule = Callable[[Mapping[str, pl.DataFrame], date, SignalParameters], pl.DataFrame | None]
_RULES: Final[Mapping[Kind, tuple[tuple[str, ...], _Rule]]] = MappingProxyType({
    Kind.POWER_FALL: (("electricity",), power_fall),
    Kind.POWER_STOP: (("electricity_daily", "electricity"), power_stop),
    Kind.BILLS_UNPAID: (("electricity", "water", "gas"), unpaid_bills),
    Kind.INSURANCE_UNPAID: (("social_insurance",), unpaid_insurance),
    Kind.HEADS_FALL: (("social_insurance",), falling_heads),
    Kind.TAX_ARREARS: (("tax",), tax_arrears),
    Kind.FILINGS_LATE: (("tax",), late_filings),
    Kind.COURT_CASE: (("justice",), court_cases),
    Kind.DISHONESTY: (("dishonesty",), dishonesty),
    Kind.NOT_OPEN: (("registration",), suspended),
})  # fmt: skip

ITEMS: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType({kind: items for kind, (items, _) in _RULES.items()})
"""The items each kind reads."""
TOGETHER: Final = frozenset({Kind.POWER_STOP})
"""Kinds that tell one thing whichever of their items says it: the items are to be given in one call, else it is told twice."""


def signals(
    frames: Mapping[str, pl.DataFrame], firms: Sequence[int] | NDArray[np.int64], as_of: date,
    parameters: SignalParameters = SIGNAL, kinds: Collection[Kind] = tuple(Kind),
) -> pl.DataFrame:
    """The signals about the firms at the end of ``as_of``: ``firm, kind, item, level, facts`` by firm, kind and item.

    Of the ``kinds`` alone.
    ``facts``: list of structs ``item, field, period, value, usual`` (see ``Fact``). Frames hold the contract's columns.
    """
    wanted = pl.DataFrame({"firm": np.asarray(firms, dtype=np.int64)})
    found = []
    for place, (kind, (items, rule)) in enumerate(_RULES.items()):
        if kind not in kinds:
            continue
        readable = {item: frames[item].join(wanted, on="firm", how="semi") for item in items if item in frames}
        told = rule(readable, as_of, parameters) if readable else None
        if told is not None and not told.is_empty():
            found.append(_gathered(told, parameters.facts).with_columns(kind=pl.lit(kind.value), place=pl.lit(place)))
    if not found:
        return pl.DataFrame(schema=_SCHEMA)
    return pl.concat(found).sort("firm", "place", "item").select(*_SCHEMA)


_FACT: Final = pl.Struct({"item": pl.String, "field": pl.String, "period": pl.Date, "value": pl.Int64, "usual": pl.Int64})
_SCHEMA: Final = {"firm": pl.Int64(), "kind": pl.String(), "item": pl.String(), "level": pl.Int8(), "facts": pl.List(_FACT)}


def _gathered(told: pl.DataFrame, most: int) -> pl.DataFrame:
    """One row a firm and item: the highest level, and the facts, those of the highest level and the latest first."""
    return (
        told.sort(["firm", "level", "period", "item", "field", "value"], descending=[False, True, True, False, False, True])
        .group_by("firm", "item", maintain_order=True)
        .agg(
            pl.col("level").max().cast(pl.Int8),
            facts=pl.struct(
                "item", "field", "period", pl.col("value").cast(pl.Int64), pl.col("usual").cast(pl.Int64)
            ).head(most),
        )
    )  # fmt: skip


def as_signals(found: pl.DataFrame) -> list[Signal]:
    """The rows of ``signals`` as objects."""
    return [
        Signal(row["firm"], Kind(row["kind"]), row["item"], Level(row["level"]), tuple(Fact(**fact) for fact in row["facts"]))
        for row in found.iter_rows(named=True)
    ]
