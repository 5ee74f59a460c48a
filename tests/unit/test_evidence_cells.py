"""Cells as offices write them are read as what they mean, and what is not clean is left."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import cells


def one(read, text, *more):
    return read(pl.Series([text], dtype=pl.String), *more)[0]


@pytest.mark.parametrize(("text", "fen"), [
    ("1234.5", 123450), ("1,234.50", 123450), ("1,234.50元", 123450), ("￥1234.5", 123450), ("¥ 1,234.50", 123450),
    ("(1,234.50)", -123450), ("（1234.50）", -123450), ("-1234.50", -123450), ("－5", -500), ("１２３４．５０", 123450),
    ("1.2万", 1200000), ("1.2万元", 1200000), ("0.00", 0), (".5", 50), ("5.", 500), ("+5", 500), (" 12 ", 1200),
    ("1.500", 150), ("12人民币", 1200),
    # Not clean: what it means is for the office to say.
    ("1.234", None), ("1.234567", None), ("1,5", None), ("12,34.00", None), ("1e3", None), ("12 34x", None), ("1OO", None),
    ("1.2.3", None), ("1.23456万", 1234560), ("1.2345678万", None), ("99999999999999999999", None), ("--5", None), ("nan", None),
    ("inf", None), ("(5", None), ("1_000", None), ("5%", None),
])
def test_money_is_read_to_the_fen_or_not_at_all(text, fen):
    assert one(cells.number, text, 2) == fen


@pytest.mark.parametrize(("text", "milli"), [
    ("12.345", 12345), ("12.3456", None), ("1,234千瓦时", 1234000), ("5度", 5000), ("7 m³", 7000), ("8kWh", 8000), ("-3", -3000),
    ("1.2万千瓦时", 12000000),
])
def test_a_quantity_has_three_decimals_and_may_carry_its_unit(text, milli):
    assert one(cells.number, text, 3) == milli


@pytest.mark.parametrize("text", [
    "2026-01-05", "2026/1/5", "2026.1.5", "20260105", "2026年1月5日", "２０２６年１月５日", "2026-01-05 00:00:00",
    "2026/01/05 8:30", "2026-01-05T08:30:00", "2026-01-05T08:30:00.123+08:00", " 2026-1-5 ", "2026 年 1 月 5 日",
])
def test_a_day_is_read_however_it_is_written(text):
    assert one(cells.day, text) == date(2026, 1, 5)


@pytest.mark.parametrize("text", ["2026-02-30", "5/1/2026", "26-1-5", "2026-13-01", "2026", "昨天", "2026-1"])
def test_what_is_no_day_is_none(text):
    assert one(cells.day, text) is None


@pytest.mark.parametrize("text", ["202601", "2026-01", "2026/1", "2026.1", "2026年1月", "2026年01月份", "2026-01-31", "20260115",
                                  "２０２６年１月"])
def test_a_month_is_its_first_day(text):
    assert one(cells.month, text) == date(2026, 1, 1)


@pytest.mark.parametrize("text", ["2026", "202613", "1月", "2026-00", "2026年"])
def test_what_is_no_month_is_none(text):
    assert one(cells.month, text) is None


@pytest.mark.parametrize(("text", "said"), [
    ("是", True), ("否", False), ("1", True), ("0", False), ("true", True), ("FALSE", False), ("Y", True),
    ("n", False), ("也许", None),
])
def test_a_flag_is_yes_or_no(text, said):
    assert one(cells.flag, text) is said


@pytest.mark.parametrize("text", ["", " ", "　", "-", "－", "—", "——", "/", "无", "N/A", "NULL"])
def test_a_cell_that_says_there_is_nothing_is_empty(text):
    column = pl.Series([text, "5"])
    assert cells.filled(column, cells.number(column, 2)).to_list() == [False, True]
    assert one(cells.folded, text) is None


def test_names_of_firms_and_meters_have_one_spelling():
    written = pl.Series(["９１４４0101ma5c4q0gx9", " 91440101 MA5C4Q0GX9 ", "e1", "００１２"])
    assert cells.key(written).to_list() == ["91440101MA5C4Q0GX9", "91440101MA5C4Q0GX9", "e1", "0012"]


def test_typed_columns_are_read_as_they_are():
    assert cells.number(pl.Series([1.1, 0.07, 1e13, float("nan"), None, 1.005]), 2).to_list() == [110, 7, None, None, None, None]
    assert cells.number(pl.Series([5, -3, None]), 2).to_list() == [500, -300, None]
    assert cells.day(pl.Series([date(2026, 1, 5)])).to_list() == [date(2026, 1, 5)]
    assert cells.month(pl.Series([202601])).to_list() == [date(2026, 1, 1)]
    assert cells.flag(pl.Series([True, None])).to_list() == [True, None]


SHAPES = ("{:.2f}", "{:,.2f}", "￥{:,.2f}", "{:.2f}元", " {:.2f} ", "{:.4f}")


@given(st.lists(st.tuples(st.integers(-10**15, 10**15), st.sampled_from(SHAPES)), min_size=1, max_size=20))
def test_any_money_written_by_us_reads_back_to_the_same_fen(written):
    from decimal import Decimal

    texts = [shape.format(Decimal(fen) / 100) for fen, shape in written]
    assert cells.number(pl.Series(texts), 2).to_list() == [fen for fen, _ in written]
