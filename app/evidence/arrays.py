"""One firm's facts of several items as columns, in one round trip: what scoring reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.database import session
from app.evidence.items import ITEMS, Kind, Subject

_DAY = "- date '1970-01-01'"
_DAYS = (Kind.DAY, Kind.MONTH)


def firm_arrays(firm_no: int, items: Iterable[str], since: date) -> dict[str, dict[str, NDArray[Any]]]:
    """Facts in force of one firm from ``since`` on: item → column → values, in order of time.

    Under whatever identity is set: what may not be read is empty. Days and months are int64 days since 1970-01-01, amounts
    int64 分, quantities int64 thousandths, both masked where nothing was said (``numpy.ma``); words are texts. Meters appear
    as ``meter_no``, only for the time in which they were the firm's; ``basis`` says whether they are shared.
    """
    raw: Any = session().connection().connection.driver_connection
    codes = tuple(items)
    row = iter(raw.execute(_statement(codes), {"firm": firm_no, "since": since}, prepare=True, binary=True).fetchone())
    return {code: {name: _array(kind, next(row) or ()) for name, kind in _names(code)} for code in codes}


def _array(kind: Kind, values: Sequence[Any]) -> NDArray[Any]:
    if kind in (Kind.TEXT, Kind.WORD):
        return np.array(["" if value is None else value for value in values], dtype=np.str_)
    if None not in values:
        return np.array(values, dtype=np.int64)
    return np.ma.array([value or 0 for value in values], mask=[value is None for value in values], dtype=np.int64)


@cache
def _names(code: str) -> tuple[tuple[str, Kind], ...]:
    """Columns in the order of the statement, with their kinds."""
    item = ITEMS[code]
    own = tuple((one.stored, one.kind) for one in item.fields if one.stored not in ("firm_no", "account_no"))
    return own if item.subject is Subject.FIRM else (("meter_no", Kind.COUNT), ("basis", Kind.WORD), *own)


@cache
def _statement(codes: tuple[str, ...]) -> str:
    """One statement for all items: each gives one row of arrays, so that no plan, no answer and no row is paid for twice."""
    columns = ", ".join(f"i{place}.*" for place in range(len(codes)))
    return f"select {columns} from " + ", ".join(f"({_gathered(code)}) i{place}" for place, code in enumerate(codes))


def _gathered(code: str) -> str:
    arrays = ", ".join(f"array_agg({name} order by at)" for name, _ in _names(code))
    return f"select {arrays} from ({_facts(code)}) f"


def _facts(code: str) -> str:
    item, at = ITEMS[code], ITEMS[code].field(ITEMS[code].at)
    columns = ", ".join(
        "l.basis" if name == "basis" and item.subject is Subject.METER
        else f"(f.{name} {_DAY}) as {name}" if kind in _DAYS
        else f"f.{name}::int as {name}" if kind is Kind.FLAG
        else f"f.{name}"
        for name, kind in _names(code)
    )
    at_column = f"f.{at.stored}"
    since = f"{at_column} >= %(since)s" if at.kind in _DAYS else f"{at_column} >= extract(year from %(since)s::date)"
    if item.subject is Subject.FIRM:
        return f"select {columns}, {at_column} as at from {item.table} f where f.firm_no = %(firm)s and f.current and {since}"
    return (
        f"select {columns}, {at_column} as at from meter_link l join {item.table} f on f.meter_no = l.meter_no and f.current "
        f"and {at_column} >= l.valid_from and (l.valid_to is null or {at_column} <= l.valid_to) "
        f"where l.firm_no = %(firm)s and l.current and {since}"
    )
