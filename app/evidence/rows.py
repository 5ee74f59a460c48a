"""Checking rows of the catalogue's items, a batch at a time: what is sound becomes typed columns, the rest gets its reason.

Each row gets the first reason that applies, in the order of the checks below. Money is kept in 分, quantities in thousandths,
months as their first day, words as their codes. A month that is not metered, or billed by the landlord, has no quantity:
that is not zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from app.core import uscc
from app.core.calendar import today
from app.evidence import cells
from app.evidence.items import Field, Item, Kind, Subject
from app.evidence.rules import DELIVERY, DeliveryRules, RowReason

FIRMS = pl.DataFrame(schema={"key": pl.String, "firm_no": pl.Int64})
_PLACES = {Kind.MONEY: 2, Kind.QUANTITY: 3, Kind.COUNT: 0, Kind.YEAR: 0}
_UNREAD = {
    Kind.MONEY: RowReason.BAD_NUMBER, Kind.QUANTITY: RowReason.BAD_QUANTITY, Kind.COUNT: RowReason.BAD_COUNT,
    Kind.YEAR: RowReason.BAD_COUNT, Kind.DAY: RowReason.BAD_DATE, Kind.MONTH: RowReason.BAD_MONTH,
    Kind.WORD: RowReason.UNKNOWN_WORD, Kind.FLAG: RowReason.UNKNOWN_WORD,
}
_UNMETERED = ("not_metered", "landlord")
_SPANS = (("valid_from", "valid_to"), ("period_start", "period_end"))
_QUARANTINED = {"row_no": pl.Int64, "raw": pl.String, "reason": pl.String, "params": pl.String}


def subject_keys(batch: pl.DataFrame, item: Item) -> pl.Series:
    """The distinct meters (户号) or firms (social credit codes, codes of a source) that a batch is about."""
    return _keys(batch, subject_field(item).code)


def firm_keys(batch: pl.DataFrame, item: Item) -> pl.Series:
    """The distinct firms that a batch names beside its subject (``meter_links``); empty for other items."""
    other = _other_firm(item)
    return _keys(batch, other.code) if other is not None else pl.Series(dtype=pl.String)


def _keys(batch: pl.DataFrame, code: str) -> pl.Series:
    if code not in batch.columns:
        return pl.Series(dtype=pl.String)
    return cells.key(batch[code].unique()).drop_nulls().unique()


def subject_field(item: Item) -> Field:
    """The field that names the firm or the meter."""
    return item.field("account_no" if item.subject is Subject.METER else "uscc")


def _other_firm(item: Item) -> Field | None:
    subject = subject_field(item)
    return next((field for field in item.fields if field.kind is Kind.FIRM and field is not subject), None)


@dataclass
class _Read:
    """A field as read: its values, which cells hold something, and which were filled but mean nothing."""

    field: Field
    value: pl.Series
    filled: pl.Series

    @property
    def unread(self) -> pl.Series | None:
        if self.value.null_count() == self.value.len() - self.filled.sum():  # whatever is null was empty
            return None
        return self.filled & self.value.is_null()


Check = tuple[RowReason, str, pl.Series | None]
"""A reason, the field it is about, and the rows that fail; ``None`` where a look at the whole column shows that none does."""


def check(
    batch: pl.DataFrame, item: Item, subjects: pl.DataFrame, firms: pl.DataFrame = FIRMS, rules: DeliveryRules = DELIVERY,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Splits a batch into sound rows and quarantined ones (``row_no``, ``raw``, ``reason``, ``params``).

    ``subjects``: ``key`` (as ``subject_keys`` spells it), ``subject_no``; ``firms``: ``key``, ``firm_no``, for the firms
    that ``firm_keys`` names. Sound rows have ``row_no``, ``item.subject_column`` and ``field.stored`` of every other field.
    A name of a firm that has no number is told apart: a wrong social credit code with its explanation, or a firm unknown here.
    """
    subject = subject_field(item)
    reads = {field.code: _read(batch, field) for field in item.fields}
    numbers = {subject.code: _numbered(reads[subject.code].value, subjects, "subject_no")}
    other = _other_firm(item)
    if other is not None:
        numbers[other.code] = _numbered(reads[other.code].value, firms, "firm_no")
    fails = [
        (reason, code, mask) for reason, code, mask in _checks(batch, item, reads, numbers, rules)
        if mask is not None and mask.any()
    ]
    sound = pl.DataFrame(
        [batch["row_no"], numbers[subject.code].alias(item.subject_column)]
        + [numbers.get(field.code, reads[field.code].value).alias(field.stored) for field in item.fields if field is not subject]
    )
    if not fails:
        return sound, pl.DataFrame(schema=_QUARANTINED)
    first = _first(fails)
    return sound.filter(first.is_null()), _quarantined(batch, item, first, fails)


def typed(batch: pl.DataFrame, item: Item, rules: DeliveryRules = DELIVERY) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Splits a batch of a file whose rows are no facts of a firm (loans of a bank) into sound rows and troubled ones.

    The same cells, checks and reasons as ``check``, but nobody is looked up: a code stays the text that it is, in one
    spelling. Sound rows have ``row_no`` and ``field.stored`` of every field.
    """
    reads = {field.code: _read(batch, field) for field in item.fields}
    fails = [(reason, code, mask) for reason, code, mask in _checks(batch, item, reads, {}, rules)
             if mask is not None and mask.any()]
    sound = pl.DataFrame([batch["row_no"]] + [reads[field.code].value.alias(field.stored) for field in item.fields])
    if not fails:
        return sound, pl.DataFrame(schema=_QUARANTINED)
    first = _first(fails)
    return sound.filter(first.is_null()), _quarantined(batch, item, first, fails)


def _first(fails: list[tuple[RowReason, str, pl.Series]]) -> pl.Series:
    """Which of the checks a row fails first; null for a sound row."""
    return pl.select(pl.coalesce(pl.when(mask).then(pl.lit(place)) for place, (_, _, mask) in enumerate(fails))).to_series()


def _read(batch: pl.DataFrame, field: Field) -> _Read:
    if field.code not in batch.columns:
        value = pl.repeat(None, batch.height, dtype=_KINDS[field.kind], eager=True)
        return _Read(field, value, value.is_not_null())
    column = batch[field.code]
    value = _value(column, field)
    return _Read(field, value, cells.filled(column, value))


_KINDS: Mapping[Kind, Any] = {
    **dict.fromkeys(_PLACES, pl.Int64), Kind.DAY: pl.Date, Kind.MONTH: pl.Date, Kind.TEXT: pl.String, Kind.WORD: pl.String,
    Kind.FLAG: pl.Boolean, Kind.FIRM: pl.String,
}


def _value(column: pl.Series, field: Field) -> pl.Series:
    match field.kind:
        case Kind.MONEY | Kind.QUANTITY | Kind.COUNT | Kind.YEAR:
            return cells.number(column, _PLACES[field.kind])
        case Kind.DAY:
            return cells.day(column)
        case Kind.MONTH:
            return cells.month(column)
        case Kind.WORD:
            return cells.word(column, field.words)
        case Kind.FLAG:
            return cells.flag(column)
        case Kind.FIRM:
            return cells.key(column)
        case Kind.TEXT:
            return cells.key(column) if field.code == "account_no" else _text(column, field)


def _text(column: pl.Series, field: Field) -> pl.Series:
    """Numbers of papers in one spelling, so that a paper is one paper; other text as it was typed."""
    if field.required and not field.verbatim:
        return cells.folded(column)
    text = cells.stripped(column)
    nothing = cells.folded(text).is_null() & text.is_not_null()
    return text.set(nothing, None) if nothing.any() else text


def _numbered(keys: pl.Series, table: pl.DataFrame, column: str) -> pl.Series:
    known = table.select(pl.col("key").cast(pl.String), pl.col(column).cast(pl.Int64)).unique("key")
    return keys.alias("key").to_frame().join(known, on="key", how="left", maintain_order="left")[column]


def _checks(
    batch: pl.DataFrame, item: Item, reads: dict[str, _Read], numbers: dict[str, pl.Series], rules: DeliveryRules,
) -> Iterator[Check]:
    """The checks in their order: reason, field, and which rows fail."""
    yield RowReason.FIELD_COUNT, "", batch["misfit"]
    for code, read in reads.items():
        if read.field.required:
            yield RowReason.MISSING_FIELD, code, None if read.filled.all() else ~read.filled
    for code, read in reads.items():
        if code in numbers:
            yield RowReason.TOO_LONG, code, _above(read.value.str.len_chars(), rules.longest_key)
            known = numbers[code]
            yield RowReason.UNKNOWN_FIRM, code, read.filled & known.is_null() if known.null_count() else None
        elif read.field.kind in _UNREAD:
            yield _UNREAD[read.field.kind], code, read.unread
    for read in reads.values():
        yield from _possible(read, rules)
    for start, end in _SPANS:
        if start in reads and end in reads:
            yield RowReason.IMPOSSIBLE, end, (reads[end].value < reads[start].value).fill_null(False)
    if "metering" in reads:
        yield from _metered(reads["quantity"], reads["metering"])


def _possible(read: _Read, rules: DeliveryRules) -> Iterator[Check]:
    """What cannot be: a reading below zero, a month to come, more text than the column holds."""
    field, value = read.field, read.value
    if field.kind in _PLACES:
        if field.low is not None:
            yield RowReason.IMPOSSIBLE, field.code, _below(value, field.low)
        if field.high is not None:
            yield RowReason.IMPOSSIBLE, field.code, _above(value, field.high)
    elif field.kind in (Kind.DAY, Kind.MONTH):
        yield RowReason.IMPOSSIBLE, field.code, _below(value, earliest_day(field, rules))
        if field.code not in rules.days_to_come:
            yield RowReason.IMPOSSIBLE, field.code, _above(value, today() + timedelta(days=rules.days_ahead))
    elif field.kind is Kind.TEXT and field.high is not None:
        yield RowReason.TOO_LONG, field.code, _above(value.str.len_chars(), field.high)


def _below(value: pl.Series, least: Any) -> pl.Series | None:
    smallest: Any = value.min()
    return None if smallest is None or smallest >= least else (value < least).fill_null(False)


def _above(value: pl.Series, most: Any) -> pl.Series | None:
    largest: Any = value.max()
    return None if largest is None or largest <= most else (value > most).fill_null(False)


def _metered(quantity: _Read, metering: _Read) -> Iterator[Check]:
    """A quantity makes a month metered; without either the row says nothing. Unmetered months keep no quantity, not even 0."""
    unmetered = metering.value.is_in(_UNMETERED).fill_null(False)
    silent = quantity.value.is_null() & ~unmetered if quantity.value.null_count() else None
    yield RowReason.MISSING_FIELD, "quantity", silent
    if unmetered.any():
        yield RowReason.IMPOSSIBLE, "quantity", unmetered & (quantity.value != 0).fill_null(False)
        quantity.value = quantity.value.set(unmetered, None)
    if metering.value.null_count():
        metering.value = metering.value.fill_null("metered")


def _quarantined(
    batch: pl.DataFrame, item: Item, first: pl.Series, fails: list[tuple[RowReason, str, pl.Series]],
) -> pl.DataFrame:
    troubled = batch.with_columns(first.alias("first")).filter(first.is_not_null())
    names = [name for name in batch.columns if name not in ("row_no", "misfit")]
    entries = []
    for row in troubled.iter_rows(named=True):
        reason, code, _ = fails[row["first"]]
        raw = {name: cells.shown(row[name]) for name in names}
        reason, params = _explained(item, reason, code, raw.get(code) or "")
        entries.append((row["row_no"], cells.as_json(raw), reason.value, cells.as_json(params)))
    return pl.DataFrame(entries, schema=_QUARANTINED, orient="row")


def _explained(item: Item, reason: RowReason, code: str, value: str) -> tuple[RowReason, dict[str, Any]]:
    """The reason with what its sentence needs."""
    if not code:
        return reason, {}
    if reason is RowReason.MISSING_FIELD:
        return reason, {"field": code}
    params: dict[str, Any] = {"field": code, "value": value[:60]}
    if reason is RowReason.UNKNOWN_WORD:
        params["words"] = "、".join(allowed_words(item.field(code)))
    if reason is RowReason.UNKNOWN_FIRM:
        problem = uscc.validate(value)
        if problem is not None:
            return RowReason.BAD_USCC, {**params, "problem": problem.message, "details": problem.shown}
    return reason, params


def allowed_words(field: Field) -> list[str]:
    """The words of a closed list as offices write them, one for each meaning."""
    if field.kind is Kind.FLAG:
        return ["是", "否"]
    seen: dict[str, str] = {}
    for spelling, code in field.words.items():
        seen.setdefault(code, spelling)
    return list(seen.values())


def earliest_day(field: Field, rules: DeliveryRules = DELIVERY) -> date:
    """The first day that a field may hold."""
    return rules.founded_since if field.code in rules.days_long_past else rules.facts_since
