"""Charts drawn on the server: what stands in the drawing, and what never may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from flask import Flask
from flask_babel import Babel

from app.core.charts import HEIGHT, WIDTH, BarChart, LineChart, Series

MONTHS = [f"{month}月" for month in range(1, 13)]


@pytest.fixture(autouse=True)
def page() -> Iterator[None]:
    app = Flask(__name__)
    Babel(app, default_locale="zh_Hans_CN")
    with app.test_request_context():
        yield


def drawing(chart: BarChart | LineChart) -> ElementTree.Element:
    return ElementTree.fromstring(str(chart.svg()))


def test_a_drawing_holds_no_style_and_no_script_so_that_the_content_policy_can_forbid_both() -> None:
    svg = str(BarChart("销项", MONTHS, [Series("销项", range(12))], "万元").svg())
    assert "<style" not in svg
    assert "<script" not in svg
    assert not re.search(r"\s(style|on\w+)=", svg)


def test_a_name_typed_by_a_firm_cannot_become_markup() -> None:
    chart = BarChart("<script>alert(1)</script>", ["<b>"], [Series("x", [1])])
    assert "<script>" not in str(chart.svg())
    assert drawing(chart).findtext("title") == "<script>alert(1)</script>"


def test_a_drawing_says_its_title_and_its_range_to_those_who_cannot_see_it() -> None:
    svg = drawing(BarChart("每月销项", ["1月", "2月"], [Series("销项", [12, 34])]))
    assert svg.findtext("title") == "每月销项"
    assert svg.findtext("desc") == "共 2 项，最小 12，最大 34"
    assert {svg[0].attrib["id"], svg[1].attrib["id"]} == set(svg.attrib["aria-labelledby"].split())


def test_two_charts_on_one_page_do_not_share_their_ids() -> None:
    first, second = (drawing(BarChart("a", ["1"], [Series("x", [1])])) for _ in range(2))
    assert first.attrib["aria-labelledby"] != second.attrib["aria-labelledby"]


def test_bars_are_as_high_as_their_values() -> None:
    chart = BarChart("x", ["a", "b", "c"], [Series("x", [10, 20, 40])])
    heights = [Decimal(bar.attrib["height"]) for bar in drawing(chart).iter("rect")]
    assert abs(heights[1] - heights[0] * 2) <= Decimal("0.2")
    assert abs(heights[2] - heights[0] * 4) <= Decimal("0.4")


def test_a_loss_hangs_below_the_zero_line() -> None:
    gain, loss = drawing(BarChart("x", ["a", "b"], [Series("x", [10, -10])])).iter("rect")
    gain_foot = Decimal(gain.attrib["y"]) + Decimal(gain.attrib["height"])
    assert abs(gain_foot - Decimal(loss.attrib["y"])) <= Decimal("0.1")


@pytest.mark.parametrize(
    "values", [[0, 0], [5, 5], [-3, -3], [Decimal("0.001"), 10**12], [None, None], [None, 7]]
)
def test_whatever_the_values_everything_stays_inside_the_frame(values: list[Decimal | int | None]) -> None:
    for kind in (BarChart, LineChart):
        svg = drawing(kind("x", ["a", "b"], [Series("x", values)]))
        for bar in svg.iter("rect"):
            assert Decimal(bar.attrib["y"]) >= 0
            assert Decimal(bar.attrib["y"]) + Decimal(bar.attrib["height"]) <= HEIGHT
            assert Decimal(bar.attrib["x"]) + Decimal(bar.attrib["width"]) <= WIDTH
        for dot in svg.iter("circle"):
            assert 0 <= Decimal(dot.attrib["cy"]) <= HEIGHT


def test_a_month_without_a_value_leaves_a_gap_in_the_line() -> None:
    svg = drawing(LineChart("x", ["a", "b", "c", "d"], [Series("x", [1, None, 3, 4])]))
    run = next(path for path in svg.iter("path") if "chart-run" in path.attrib["class"])
    assert run.attrib["d"].count("M") == 2
    assert len(list(svg.iter("circle"))) == 3


def test_the_numbers_stand_beside_the_drawing() -> None:
    sales, purchases = Series("销项", [1234, None]), Series("进项", [Decimal("2.345"), 0])
    chart = BarChart("x", ["1月", "2月"], [sales, purchases], places=2)
    assert chart.headers() == ["项目", "销项", "进项"]
    assert chart.rows() == [["1月", "1,234.00", "2.35"], ["2月", "—", "0.00"]]


def test_a_series_that_does_not_fit_the_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="one value per label"):
        BarChart("x", ["a", "b"], [Series("x", [1])])
