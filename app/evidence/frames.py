"""Facts in force of many firms as polars frames, item by item: what scoring reads of a city.

One statement answers with a value for each item: its rows as whole numbers of eight bytes, end to end, which numpy reads as
they lie. What is narrow (firm, days, words, flags) shares numbers, since each number sent costs the database as much as finding
its row. Together that is half of what COPY costs both sides, whose every row is a message of its own. Free text does not travel:
no feature reads any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from hashlib import sha256
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from app.core.database import session
from app.evidence.items import ITEMS, Kind, Subject
from app.evidence.rules import INVOICES
from app.evidence.shapes import SHAPES

Ints = NDArray[np.int64]

FIRMS_AT_ONCE: Final = 2_000
"""Firms of one statement. PostgreSQL makes no value above 1 GB: fifteen million rows of the widest item."""
_UNSAID: Final = np.iinfo(np.int64).min
"""Where nothing was said. Read as a day of numpy it is "not a time" already."""
_WIDTH: Final = 63
"""Bits of a number that several columns share: it stays positive."""
_DAYS: Final = (Kind.DAY, Kind.MONTH)
_DAY_BITS: Final = 22
"""Days from the year 1 to the year 9999."""
_YEAR_ONE: Final = (date.min - date(1970, 1, 1)).days
_NUMBER_BITS: Final = 31
"""Firms and deliveries are numbered from 1; two billion of each take centuries."""


@dataclass(frozen=True, slots=True)
class _Column:
    """``name`` in the frame; ``value``: what PostgreSQL computes for it; ``words``: what the numbers stand for.

    ``bits``: the value is from 0 to 2 to the power of this, less one; 0 = it may be any whole number. Where nothing was said all
    of them are set, or it is the smallest number there is.
    """

    name: str
    kind: Kind
    value: str
    optional: bool = True
    words: tuple[str, ...] = ()
    dtype: Any = pl.Int64
    bits: int = 0

    @property
    def sent(self) -> str:
        """The column as a bigint that is never null."""
        number = f"({self.value})::bigint"
        return f"coalesce({number}, {(1 << self.bits) - 1 if self.bits else _UNSAID})" if self.optional else number

    def series(self, cell: Ints, shift: int) -> pl.Series:
        """The column of the frame, from the numbers in which it lies from bit ``shift`` on."""
        values, unsaid = cell, None
        if self.bits:
            values = (cell >> shift) & ((1 << self.bits) - 1)
        if self.words:  # what is not said lies beyond the last word
            return pl.Series(self.name, [*self.words, None], dtype=pl.String).gather(np.minimum(values, len(self.words)))
        if self.optional:
            unsaid = values == ((1 << self.bits) - 1 if self.bits else _UNSAID)
        if self.kind in _DAYS:
            days = values + _YEAR_ONE
            if unsaid is not None:
                days[unsaid] = _UNSAID
            return pl.Series(self.name, days.view("datetime64[D]"), dtype=pl.Date)
        said = pl.Series(self.name, values)
        if unsaid is not None and unsaid.any():
            said = said.zip_with(pl.Series(~unsaid), pl.Series([None], dtype=pl.Int64))
        return said.cast(self.dtype)


_FIRM: Final = _Column("firm", Kind.FIRM, "f.firm_no", False, bits=_NUMBER_BITS)
_DELIVERY: Final = _Column("delivery_no", Kind.COUNT, "f.delivery_no", False, bits=_NUMBER_BITS)


@dataclass(frozen=True, slots=True)
class Answers:
    """What the database answered: by item, the rows of some of the firms as they came."""

    parts: Mapping[str, Sequence[bytes | None]]

    def frames(self) -> dict[str, pl.DataFrame]:
        """The rows as ``frames_of`` tells them. No database is asked."""
        return {
            code: _frame(code, found[0]) if len(found) == 1 else pl.concat([_frame(code, one) for one in found])
            for code, found in self.parts.items()
        }


def answers_of(firm_nos: Sequence[int], items: Iterable[str], since: date) -> Answers:
    """What ``frames_of`` tells, not yet taken apart: a thread that only waits for the database leaves that to another one."""
    asked, codes = [int(number) for number in firm_nos], tuple(items)
    found: dict[str, list[bytes | None]] = {code: [] for code in codes}
    for low in range(0, max(len(asked), 1), FIRMS_AT_ONCE) if codes else ():
        for code, answer in zip(codes, _ask(codes, asked[low : low + FIRMS_AT_ONCE], since), strict=True):
            found[code].append(answer)
    return Answers(found)


def frames_of(firm_nos: Sequence[int], items: Iterable[str], since: date) -> dict[str, pl.DataFrame]:
    """Facts in force of the firms by item: ``firm`` (the firm number), the stored columns but free text, and ``delivery_no``.

    Under whatever identity is set: what may not be read is absent. ``since`` bounds what is told month by month, day by day or
    line by line; registers and years come whole, since an old entry still speaks today. Amounts 分, quantities thousandths, days
    and months pl.Date, words their codes (null for one the catalogue does not know), null where nothing was said. Rows of meters
    have ``meter`` and ``basis`` and are told for each firm in whose term they lie. The rows are in no order. Invoices have
    ``side`` (0 purchase, 1 sale), ``void`` and ``counterparty`` as a number that is the same for the same name. Raises
    ``KeyError`` for an unknown item.
    """
    return answers_of(firm_nos, items, since).frames()


_MOST_PREPARED: Final = 16
"""Statements that a connection keeps: one for each set of items that firms have opened."""
_BEGIN: Final = b"""
select (select array_agg(name::text order by prepare_time) from pg_prepared_statements where name like 'facts/%'),
  set_config('plan_cache_mode', 'force_generic_plan', true)
"""
"""Planned once: by index is right for one firm and for hundreds, and to plan all this takes as long as to read sixty firms."""
_END: Final = b"set local plan_cache_mode to default"


def _ask(codes: tuple[str, ...], firms: Sequence[int], since: date) -> list[bytes | None]:
    """One value for each item. libpq waits for all of them at once and without Python's lock: a thread that had to take the lock
    for each piece of the answer would keep the database waiting while others compute.
    """
    raw: Any = session().connection().connection.driver_connection
    link, name = raw.pgconn, _name(codes)
    # The server is asked what it has prepared: psycopg, after a rollback, tells it to forget all.
    prepared = (_sound(link.exec_(_BEGIN)).get_value(0, 0) or b"").strip(b"{}").split(b",")
    if name not in prepared:
        if len(prepared) >= _MOST_PREPARED:
            _sound(link.exec_(b'deallocate "' + prepared[0] + b'"'))
        _sound(link.prepare(name, _statement(codes).encode()))
    listed = "{" + ",".join(map(str, firms)) + "}"
    answer = _sound(link.exec_prepared(name, [listed.encode(), since.isoformat().encode()], result_format=1))
    _sound(link.exec_(_END))
    return [answer.get_value(0, place) for place in range(len(codes))]


@cache
def _name(codes: tuple[str, ...]) -> bytes:
    return b"facts/" + sha256(" ".join(codes).encode()).hexdigest()[:32].encode()


def _sound(answer: Any) -> Any:
    """The answer. Raises what psycopg raises where the database refused."""
    if answer.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        raise error_from_result(answer)
    return answer


def _frame(code: str, found: bytes | None) -> pl.DataFrame:
    numbers, places = _packed(code)
    rows = np.frombuffer(found or b"", ">i8").reshape(-1, len(numbers))
    cells = [rows[:, at].astype(np.int64) for at in range(len(numbers))]
    return pl.DataFrame([
        column.series(cells[at], shift) for column, (at, shift) in zip(_columns(code), places, strict=True)
    ])


@cache
def _packed(code: str) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """The numbers that travel for a row, and of each column in which of them and from which bit on it lies."""
    numbers: list[list[str]] = []
    free: list[int] = []
    places = []
    for column in _columns(code):
        bits = column.bits or _WIDTH
        at = next((at for at, room in enumerate(free) if room >= bits), len(free)) if column.bits else len(free)
        if at == len(free):
            numbers.append([])
            free.append(_WIDTH)
        shift = _WIDTH - free[at]
        free[at] -= bits
        numbers[at].append(f"{column.sent} << {shift}" if shift else column.sent)
        places.append((at, shift))
    return tuple(" | ".join(f"({part})" for part in parts) for parts in numbers), tuple(places)


@cache
def _columns(code: str) -> tuple[_Column, ...]:
    if code == INVOICES:
        return (
            _FIRM, _Column("side", Kind.COUNT, "f.side", False, dtype=pl.Int8, bits=1), _day("day", "f.day", False),
            _Column("counterparty", Kind.COUNT, "hashtextextended(f.counterparty, 0)", False),
            *(_Column(name, Kind.MONEY, f"f.{name}", False) for name in ("net_fen", "tax_fen", "gross_fen")),
            _Column("void", Kind.FLAG, "f.void::int", False, dtype=pl.Boolean, bits=1), _DELIVERY,
        )
    if code == "meter_links":
        raise KeyError("meter_links lie in the rows of their meters")
    item, table = ITEMS[code], SHAPES[code].table
    if item.subject is Subject.FIRM:
        columns = [_FIRM]
    else:
        basis = ITEMS["meter_links"].field("basis").words
        columns = [replace(_FIRM, value="l.firm_no"), _Column("meter", Kind.COUNT, "f.meter_no", False),
                   _word("basis", "l.basis", basis.values())]
    for one in item.fields:
        if one.kind in (Kind.TEXT, Kind.FIRM):
            continue
        name, place, optional = one.stored, f"f.{one.stored}", bool(table.c[one.stored].nullable)
        if one.kind is Kind.WORD:
            columns.append(_word(name, place, one.words.values()))
        elif one.kind is Kind.FLAG:
            columns.append(_Column(name, one.kind, f"{place}::int", dtype=pl.Boolean, bits=2))
        elif one.kind in _DAYS:
            columns.append(_day(name, place, optional))
        else:
            columns.append(_Column(name, one.kind, place, optional))
    return (*columns, _DELIVERY)


def _word(name: str, place: str, codes: Iterable[str]) -> _Column:
    """A column of a closed list, sent as the place in the list."""
    words = tuple(dict.fromkeys(codes))
    cases = " ".join(f"when '{word}' then {number}" for number, word in enumerate(words))
    return _Column(name, Kind.WORD, f"case {place} {cases} end", True, words, bits=len(words).bit_length())


def _day(name: str, place: str, optional: bool) -> _Column:
    return _Column(name, Kind.DAY, f"{place} - date '{date.min}'", optional, bits=_DAY_BITS)


@cache
def _statement(codes: tuple[str, ...]) -> str:
    """One statement for all items: $1 the firms, $2 the first day."""
    return "select " + ", ".join(f"({_gathered(code)})" for code in codes) + ", $1::bigint[] is null, $2::date is null"


def _gathered(code: str) -> str:
    shape = SHAPES[code]
    sent = " || ".join(f"int8send({number})" for number in _packed(code)[0])
    told = f"select string_agg({sent}, '') from"
    bounds = f"f.current and f.{shape.at} >= $2" if _told_by_time(code) else "f.current"
    if shape.subject is Subject.FIRM:
        return f"{told} {shape.name} f where f.firm_no = any ($1) and {bounds}"
    return (
        f"{told} meter_link l join {shape.name} f on f.meter_no = l.meter_no and f.{shape.at} >= l.valid_from "
        f"and (l.valid_to is null or f.{shape.at} <= l.valid_to) "
        f"where l.firm_no = any ($1) and l.current and {bounds}"
    )


def _told_by_time(code: str) -> bool:
    """Whether an item tells what happened in its time and nothing beyond."""
    return code == INVOICES or ITEMS[code].monthly or ITEMS[code].lines or ITEMS[code].filled_by_copy
