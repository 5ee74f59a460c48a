"""List tables without a database: what the address may say, what is remembered, and what goes into a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from werkzeug.datastructures import MultiDict

from app.core.exports import safe_text
from app.core.filters import REMEMBERED_LENGTH, REMEMBERED_TABLES, read_filter
from app.core.tables import Column, Filter, Page, Range, Table, export_xlsx, remembered

GRADES = [("A", "A 级"), ("B", "B 级"), ("C", "C 级")]
COLUMNS = [
    Column("name", "企业"),
    Column("amount_fen", "金额", kind="money"),
    Column("rate", "利率", kind="rate"),
    Column("due", "到期", kind="date"),
    Column("seen_at", "查看", kind="datetime"),
]
NEEDS = Table(
    "needs", COLUMNS,
    [
        Filter("q", "企业", "text"),
        Filter("grade", "等级", "choices", GRADES),
        Filter("amount", "金额", "money"),
    ],
    default_sort="-amount_fen",
)


@pytest.fixture(autouse=True)
def page() -> Iterator[None]:
    app = Flask(__name__)
    Babel(app, default_locale="zh_Hans_CN")
    with app.test_request_context():
        yield


def page_at(number: int, total: int, table: Table = NEEDS, **args: str) -> Page:
    states = [read_filter(spec, args) for spec in table.filters]
    return Page(table, [], total, number, 20, "amount_fen", "desc", states)


def row(**values: Any) -> SimpleNamespace:
    usual = {"name": "顺达电子", "amount_fen": 300_000_000, "rate": Decimal("0.0385")}
    return SimpleNamespace(**usual | {"due": None, "seen_at": None} | values)


def sheet_of(rows: list[Any], **options: Any) -> list[tuple[Any, ...]]:
    book = load_workbook(BytesIO(export_xlsx(NEEDS, rows, "需求", **options)))
    return list(book.worksheets[0].iter_rows(values_only=True))


def test_a_choice_that_is_not_offered_counts_as_nothing() -> None:
    state = read_filter(Filter("grade", "等级", "choice", GRADES), {"grade": "Z"})
    assert state.applied is None
    assert state.value == ""


def test_several_choices_are_read_and_named() -> None:
    ticked = MultiDict([("grade", grade) for grade in "AZCB"])
    state = read_filter(NEEDS.filters[1], ticked)
    assert state.applied == ("A", "C", "B")
    assert state.summary == "A 级、B 级 +1"


def test_an_amount_typed_in_wan_becomes_fen() -> None:
    assert read_filter(NEEDS.filters[2], {"amount_min": "50", "amount_max": "1,200.5"}).applied == Range(
        50_000_000, 1_200_500_000
    )


@given(st.text(max_size=40))
def test_nothing_typed_into_a_filter_raises(typed: str) -> None:
    others = (Filter("d", "日期", "dates"), Filter("n", "天数", "range"), Filter("x", "只看", "flag"))
    for spec in (*NEEDS.filters, *others):
        read_filter(spec, {spec.key: typed, f"{spec.key}_min": typed, f"{spec.key}_max": typed})


def test_what_was_typed_wrong_stays_in_the_field() -> None:
    state = read_filter(NEEDS.filters[2], {"amount_min": "五十"})
    assert state.applied is None
    assert state.low == "五十"


def test_the_pager_shows_the_ends_and_the_neighbours() -> None:
    assert page_at(1, 412).window == [1, 2, None, 21]
    assert page_at(10, 412).window == [1, None, 9, 10, 11, None, 21]
    assert page_at(1, 0).window == [1]
    assert (page_at(21, 412).first, page_at(21, 412).last) == (401, 412)


def test_a_second_click_on_a_column_turns_the_order_round() -> None:
    name, amount = COLUMNS[0], COLUMNS[1]
    shown = page_at(1, 412)
    assert "sort=amount_fen&dir=asc" in shown.sort_url(amount)
    assert "sort=name&dir=asc" in shown.sort_url(name)
    assert (shown.aria_sort(amount), shown.aria_sort(name)) == ("descending", "")


def test_every_link_of_a_list_keeps_its_filters() -> None:
    shown = page_at(2, 412, q="顺达", amount_min="50")
    for url in (shown.page_url(3), shown.sort_url(COLUMNS[0]), shown.export_url):
        assert "q=%E9%A1%BA%E8%BE%BE" in url
        assert "amount_min=50" in url


def test_a_list_comes_back_as_it_was_left_until_it_is_reset() -> None:
    cookie: dict[str, Any] = {}
    remembered(NEEDS, MultiDict([("f", "1"), ("grade", "A"), ("grade", "B"), ("sort", "name")]), cookie)
    again = remembered(NEEDS, MultiDict(), cookie)
    assert read_filter(NEEDS.filters[1], again).applied == ("A", "B")
    assert again["sort"] == "name"
    assert remembered(NEEDS, MultiDict([("reset", "1")]), cookie) == {}
    assert not remembered(NEEDS, MultiDict(), cookie)


def test_unticking_the_last_box_is_remembered_too() -> None:
    cookie: dict[str, Any] = {}
    remembered(NEEDS, MultiDict([("f", "1"), ("grade", "A")]), cookie)
    remembered(NEEDS, MultiDict([("f", "1")]), cookie)
    assert not remembered(NEEDS, MultiDict(), cookie)


def test_the_cookie_stays_small_however_many_lists_are_visited() -> None:
    cookie: dict[str, Any] = {}
    for number in range(REMEMBERED_TABLES + 5):
        remembered(Table(f"t{number}", COLUMNS, NEEDS.filters), {"q": "x"}, cookie)
    remembered(NEEDS, {"q": "很" * REMEMBERED_LENGTH}, cookie)
    assert len(cookie["lists"]) == REMEMBERED_TABLES
    assert "needs" not in cookie["lists"]


def test_money_in_a_file_is_a_number_of_yuan_and_times_are_shanghai_times() -> None:
    seen = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
    head, first = sheet_of([row(amount_fen=11_750_050, due=date(2027, 1, 4), seen_at=seen)])
    assert head == ("企业", "金额（元）", "利率", "到期", "查看")
    assert first[1:3] == (117500.5, 0.0385)
    assert first[3] == datetime(2027, 1, 4)
    assert first[4] == datetime(2026, 11, 23, 2, 30)


@pytest.mark.parametrize("name", ["=1+1", "+86", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_a_name_that_looks_like_a_formula_is_not_run(name: str) -> None:
    book = load_workbook(BytesIO(export_xlsx(NEEDS, [row(name=name)], "需求")))
    cell = book.worksheets[0]["A2"]
    assert cell.data_type == "s"
    assert str(cell.value).startswith("'")


@given(st.text(max_size=30))
def test_any_name_makes_a_file_that_opens(name: str) -> None:
    text = safe_text(name)
    assert not text.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    export_xlsx(NEEDS, [row(name=name)], name)


def test_a_list_longer_than_a_file_may_be_says_so_in_its_last_row() -> None:
    rows = sheet_of([row() for _ in range(4)], limit=3)
    assert len(rows) == 1 + 3 + 1
    assert rows[-1][0] == "只导出了前 3 行。请用筛选缩小范围后再导出其余部分。"
    assert len(sheet_of([row() for _ in range(3)], limit=3)) == 1 + 3
