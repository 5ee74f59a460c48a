"""Facts in force of many firms as polars frames, item by item: what scoring reads of a city.

Every column travels as a whole number in one binary array a statement, which numpy reads as it lies: per row that costs both
sides together a third less than COPY, whose every row is a message of its own. Free text does not travel: no feature reads any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.core.database import session
from app.evidence.items import ITEMS, Kind, Subject
from app.evidence.rules import INVOICES
from app.evidence.shapes import SHAPES

Ints = NDArray[np.int64]

FIRMS_AT_ONCE: Final = 2_000
"""Firms of one statement. PostgreSQL makes no value above 1 GB: ten million rows of the widest item."""
_UNSAID: Final = np.iinfo(np.int64).min
"""Travels where nothing was said. Read as a day of numpy it is "not a time" already."""
_ELEMENT: Final = np.dtype([("length", ">i4"), ("value", ">i8")])
_HEADER: Final = 28
"""Bytes before the elements of an array of two dimensions: three words, then length and lower bound of each dimension."""
_DAYS: Final = (Kind.DAY, Kind.MONTH)


@dataclass(frozen=True, slots=True)
class _Column:
    """``name`` in the frame; ``value``: what PostgreSQL computes for it; ``words``: what the numbers stand for."""

    name: str
    kind: Kind
    value: str
    optional: bool = True
    words: tuple[str, ...] = ()
    dtype: Any = pl.Int64

    @property
    def sent(self) -> str:
        """The column as a bigint that is never null."""
        number = f"({self.value})::bigint"
        return f"coalesce({number}, {_UNSAID})" if self.optional else number

    def series(self, values: Ints) -> pl.Series:
        """The column of the frame."""
        if self.kind in _DAYS:
            return pl.Series(self.name, values.view("datetime64[D]"), dtype=pl.Date)
        if self.words:
            at = pl.Series(np.where(values == _UNSAID, len(self.words), values))
            return pl.Series(self.name, [*self.words, None], dtype=pl.String).gather(at)
        said = pl.Series(self.name, values)
        unsaid = values == _UNSAID if self.optional else None
        if unsaid is not None and unsaid.any():
            said = said.zip_with(pl.Series(~unsaid), pl.Series([None], dtype=pl.Int64))
        return said.cast(self.dtype)


_DELIVERY: Final = _Column("delivery_no", Kind.COUNT, "f.delivery_no", False)


def frames_of(firm_nos: Sequence[int], items: Iterable[str], since: date) -> dict[str, pl.DataFrame]:
    """Facts in force of the firms by item: ``firm`` (the firm number), the stored columns but free text, and ``delivery_no``.

    Under whatever identity is set: what may not be read is absent. ``since`` bounds what is told month by month, day by day or
    line by line; registers and years come whole, since an old entry still speaks today. Amounts 分, quantities thousandths, days
    and months pl.Date, words their codes (null for one the catalogue does not know), null where nothing was said. Rows of meters
    have ``meter`` and ``basis`` and are told for each firm in whose term they lie. The rows are in no order. Invoices have
    ``side`` (0 purchase, 1 sale), ``void`` and ``counterparty`` as a number that is the same for the same name. Raises
    ``KeyError`` for an unknown item.
    """
    raw: Any = session().connection().connection.driver_connection
    asked = [int(number) for number in firm_nos]
    slices = [asked[low : low + FIRMS_AT_ONCE] for low in range(0, max(len(asked), 1), FIRMS_AT_ONCE)]
    codes = list(items)
    found: dict[str, list[pl.DataFrame]] = {code: [] for code in codes}
    # The database works on the next answer while this one is taken apart.
    with raw.pipeline():
        sent = [(code, _ask(raw, code, firms, since)) for code in codes for firms in slices]
        for code, answer in sent:
            found[code].append(_frame(code, answer.fetchone()[0]))
    return {code: frames[0] if len(frames) == 1 else pl.concat(frames) for code, frames in found.items()}


def _ask(raw: Any, code: str, firms: list[int], since: date) -> Any:
    # Planned anew each time: how many firms are asked for decides how the table is read.
    asked = "{" + ",".join(map(str, firms)) + "}"  # as text: psycopg writes a list number by number
    return raw.execute(_statement(code), {"firms": asked, "since": since}, prepare=False, binary=True)


def _frame(code: str, found: bytes | None) -> pl.DataFrame:
    columns = _columns(code)
    cells = np.frombuffer(found, _ELEMENT, offset=_HEADER)["value"] if found else np.empty(0, ">i8")
    rows = cells.reshape(-1, len(columns))
    return pl.DataFrame([column.series(rows[:, at].astype(np.int64)) for at, column in enumerate(columns)])


@cache
def _columns(code: str) -> tuple[_Column, ...]:
    if code == INVOICES:
        return (
            _Column("firm", Kind.FIRM, "f.firm_no", False), _Column("side", Kind.COUNT, "f.side", False, dtype=pl.Int8),
            _Column("day", Kind.DAY, _since_1970("f.day"), False),
            _Column("counterparty", Kind.COUNT, "hashtextextended(f.counterparty, 0)", False),
            *(_Column(name, Kind.MONEY, f"f.{name}", False) for name in ("net_fen", "tax_fen", "gross_fen")),
            _Column("void", Kind.FLAG, "f.void::int", False, dtype=pl.Boolean), _DELIVERY,
        )
    if code == "meter_links":
        raise KeyError("meter_links lie in the rows of their meters")
    item, table = ITEMS[code], SHAPES[code].table
    if item.subject is Subject.FIRM:
        columns = [_Column("firm", Kind.FIRM, "f.firm_no", False)]
    else:
        basis = ITEMS["meter_links"].field("basis").words
        columns = [_Column("firm", Kind.FIRM, "l.firm_no", False), _Column("meter", Kind.COUNT, "f.meter_no", False),
                   _word("basis", "l.basis", basis.values())]
    for one in item.fields:
        name, place = one.stored, f"f.{one.stored}"
        if one.kind in (Kind.TEXT, Kind.FIRM):
            continue
        if one.kind is Kind.WORD:
            columns.append(_word(name, place, one.words.values()))
        elif one.kind is Kind.FLAG:
            columns.append(_Column(name, one.kind, f"{place}::int", dtype=pl.Boolean))
        else:
            value = _since_1970(place) if one.kind in _DAYS else place
            columns.append(_Column(name, one.kind, value, bool(table.c[name].nullable)))
    return (*columns, _DELIVERY)


def _word(name: str, place: str, codes: Iterable[str]) -> _Column:
    """A column of a closed list, sent as the place in the list."""
    words = tuple(dict.fromkeys(codes))
    cases = " ".join(f"when '{word}' then {number}" for number, word in enumerate(words))
    return _Column(name, Kind.WORD, f"case {place} {cases} end", True, words)


def _since_1970(place: str) -> str:
    return f"{place} - date '1970-01-01'"


@cache
def _statement(code: str) -> str:
    shape = SHAPES[code]
    sent = ", ".join(column.sent for column in _columns(code))
    told = f"select array_send(array_agg(array[{sent}])) from"
    bounds = f"f.current and f.{shape.at} >= %(since)s" if _told_by_time(code) else "f.current"
    if shape.subject is Subject.FIRM:
        return f"{told} {shape.name} f where f.firm_no = any (%(firms)s::bigint[]) and {bounds}"
    return (
        f"{told} meter_link l join {shape.name} f on f.meter_no = l.meter_no and f.{shape.at} >= l.valid_from "
        f"and (l.valid_to is null or f.{shape.at} <= l.valid_to) "
        f"where l.firm_no = any (%(firms)s::bigint[]) and l.current and {bounds}"
    )


def _told_by_time(code: str) -> bool:
    """Whether an item tells what happened in its time and nothing beyond."""
    return code == INVOICES or ITEMS[code].monthly or ITEMS[code].lines or ITEMS[code].filled_by_copy
