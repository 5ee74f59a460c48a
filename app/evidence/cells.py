"""Reading cells a column at a time: money, quantities, days, months, words, as offices write them.

What most files hold is read by one vectorised cast a column; the cells that it leaves are tidied and read again. Every reader
answers a series that is null where a cell is empty or cannot be read; ``filled`` tells the two apart.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import polars as pl

EMPTY = ("-", "--", "—", "——", "–", "/", "无", "null", "none", "n/a", "#n/a", "\\n")
"""What people write into a cell that has nothing to hold (compared after NFKC, in small letters)."""
_LONGEST_EMPTY = 6
"""Bytes of the longest of them."""
FLAGS = {
    "是": True, "有": True, "1": True, "true": True, "t": True, "y": True, "yes": True, "√": True,
    "否": False, "0": False, "2": False, "false": False, "f": False, "n": False, "no": False, "×": False,
}
_SPACE = " \t\r\n\u3000\u00a0\ufeff"
_PLACES = 10
"""Decimals told apart: beyond them lies the noise of binary floats."""
_LARGEST_FLOAT = 1e11
"""Up to here a binary float still tells thousandths apart."""
_UNITS = r"(?:元整?|千瓦时|千瓦小时|kw·?h|度|立方米?|m3|方|吨|人|户|天|日|单|份|个|年)$"
_NUMBER = r"^[+-]?(?:\d{1,18}|\d{1,3}(?:,\d{3})+)(?:\.\d*)?$|^[+-]?\.\d+$"


def stripped(column: pl.Series) -> pl.Series:
    """Text without the spaces around it; null where nothing is left."""
    text = column if column.dtype == pl.String else column.cast(pl.String, strict=False)
    text = text.str.strip_chars(_SPACE)
    return text.set(text == "", None) if (text == "").any() else text


def folded(column: pl.Series) -> pl.Series:
    """Stripped, full-width letters and digits made half-width (NFKC); null where it says that there is nothing."""
    text = stripped(column)
    if (text.str.len_bytes() != text.str.len_chars()).any():
        text = text.str.normalize("NFKC").str.strip_chars()
    short = (text.str.len_bytes() <= _LONGEST_EMPTY).arg_true()
    if not short.len():
        return text
    few = text.gather(short)
    few = few.set((few.str.to_lowercase().is_in(EMPTY) | (few == "")).fill_null(False), None)
    return text.scatter(short, few)


def key(column: pl.Series) -> pl.Series:
    """The name of a firm or meter in its one spelling; the 18 characters of a social credit code in capitals."""
    text = folded(column)
    if text.str.contains(" ", literal=True).any():
        text = text.str.replace_all(" ", "", literal=True)
    codes = (text.str.len_bytes() == 18).arg_true()
    return text.scatter(codes, text.gather(codes).str.to_uppercase()) if codes.len() else text


def filled(column: pl.Series, value: pl.Series) -> pl.Series:
    """Which cells hold something, read or not."""
    answer = value.is_not_null()
    if value.null_count():
        unread = (~answer & column.is_not_null()).arg_true()
        if unread.len():
            answer = answer.scatter(unread, folded(column.gather(unread)).is_not_null())
    return answer


def number(column: pl.Series, places: int) -> pl.Series:
    """Whole units of ``places`` decimals: 分 of yuan for two. A number with more decimals cannot be read."""
    if column.dtype.is_float():
        scaled = column * 10**places
        exact = column.is_finite() & (column.abs() < _LARGEST_FLOAT) & ((scaled - scaled.round()).abs() < 0.01)
        return scaled.round().zip_with(exact.fill_null(False), pl.Series([None], dtype=pl.Float64)).cast(pl.Int64, strict=False)
    if column.dtype != pl.String:
        return _whole(column.cast(pl.Decimal(38, _PLACES), strict=False), places)
    value = _whole(column.cast(pl.Decimal(38, _PLACES), strict=False), places)
    # The cast reads exponents too, which nobody types: such a cell goes the strict way.
    powers = column.str.contains_any(["e", "E"])
    if value.null_count() == column.null_count() and not powers.any():
        return value
    left = ((value.is_null() & column.is_not_null()) | powers).fill_null(False).arg_true()
    return value.scatter(left, _tidied(column.gather(left), places)) if left.len() else value


def _whole(value: pl.Series, places: int) -> pl.Series:
    cut = value.cast(pl.Decimal(38, places), strict=False)
    units = cut.to_physical().cast(pl.Int64, strict=False)
    exact = (cut == value).fill_null(True)
    return units if exact.all() else units.set(~exact, None)


def _tidied(column: pl.Series, places: int) -> pl.Series:
    """Thousands in commas, signs of currency, units, 万, amounts in brackets as bookkeepers write what is below zero."""
    text = (
        column.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[\s￥¥]|人民币|rmb|cny", "")
        .str.replace("−", "-", literal=True).str.replace(r"^\((.*)\)$", "-$1").str.replace(_UNITS, "")
    )
    many = text.str.ends_with("万").fill_null(False)
    text = text.str.strip_suffix("万")
    sound = text.str.contains(_NUMBER).fill_null(False)
    value = text.str.replace_all(",", "", literal=True).cast(pl.Decimal(38, _PLACES), strict=False)
    value = value.set(~sound, None) if not sound.all() else value
    plain = _whole(value, places)
    if not many.any():
        return plain
    return plain.zip_with(~many, _whole((value * 10_000).cast(pl.Decimal(38, _PLACES), strict=False), places))


def day(column: pl.Series) -> pl.Series:
    """2026-01-05, 2026/1/5, 2026.1.5, 20260105, 2026年1月5日, with or without a time."""
    return _dated(column, _day_text)


def month(column: pl.Series) -> pl.Series:
    """202601, 2026-01, 2026/1, 2026年1月 or any day of the month: its first day."""
    return _dated(column, _month_text).dt.truncate("1mo")


def _dated(column: pl.Series, tidy: Callable[[pl.Series], pl.Series]) -> pl.Series:
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        return column.cast(pl.Date)
    text = column if column.dtype == pl.String else column.cast(pl.String, strict=False)
    return by_distinct(text, lambda cells: _read_first(cells, tidy))


def _read_first(cells: pl.Series, tidy: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Days as most offices write them in one go; only the other cells are tidied first."""
    value = _parsed(cells)
    if value.null_count() == cells.null_count():
        return value
    left = (value.is_null() & cells.is_not_null()).arg_true()
    return value.scatter(left, _parsed(tidy(cells.gather(left))))


def _parsed(text: pl.Series) -> pl.Series:
    value = text.str.to_date("%Y-%m-%d", strict=False)
    # A year of two digits says too little.
    short = (text.str.find("-", literal=True) != 4).fill_null(False)
    return value.set(short, None) if short.any() else value


def _day_text(cells: pl.Series) -> pl.Series:
    return (
        cells.str.normalize("NFKC").str.replace_all(r"\s+", " ").str.strip_chars(_SPACE)
        .str.replace(r"[ T]\d{1,2}:\d{1,2}(:\d{1,2}(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$", "").str.replace_all(" ", "", literal=True)
        .str.replace(r"^(\d{4})(\d{2})(\d{2})$", "$1-$2-$3")
        .str.replace(r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?$", "$1-$2-$3")
    )


def _month_text(cells: pl.Series) -> pl.Series:
    text = _day_text(cells).str.replace(r"^(\d{4})(\d{2})$", "$1-$2-01")
    return text.str.replace(r"^(\d{4})[-/.年](\d{1,2})月?(份)?$", "$1-$2-01")


def word(column: pl.Series, words: Mapping[str, Any], kind: Any = pl.String) -> pl.Series:
    """One of a closed list, whatever its case."""
    spelled = {unicodedata.normalize("NFKC", spelling).lower(): code for spelling, code in words.items()}  # as cells are folded
    return by_distinct(
        column if column.dtype == pl.String else column.cast(pl.String, strict=False),
        lambda cells: folded(cells).str.to_lowercase().replace_strict(spelled, default=None, return_dtype=kind),
    )


def flag(column: pl.Series) -> pl.Series:
    """是 or 否; registers also write 1 and 2 (a workbook or Parquet file as 1.0 and 2.0)."""
    if column.dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        column = whole.cast(pl.String).set((whole != column).fill_null(False), "?")
    return column if column.dtype == pl.Boolean else word(column, FLAGS, pl.Boolean)


def by_distinct(column: pl.Series, read: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Reads each distinct cell once where they repeat, as months and words do."""
    distinct = column.unique()
    if distinct.len() * 4 > column.len():
        return read(column)
    return column.replace_strict(distinct, read(distinct), default=None)


def shown(value: Any) -> str | None:
    """A cell as it is kept with a row in quarantine."""
    if value is None:
        return None
    if isinstance(value, float):
        return format(value, ".15g")
    return value.isoformat() if isinstance(value, date) else str(value)[:1000]


def as_json(value: Mapping[str, Any]) -> str:
    """JSON for PostgreSQL, whose jsonb holds no NUL."""
    return json.dumps(value, ensure_ascii=False).replace("\\u0000", "")
