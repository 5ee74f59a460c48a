"""Words and tables of fairness, drift and comparison reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.charts import BarChart, LineChart, Series
from app.core.formats import NOTHING, count_text, is_english, rate_text
from app.core.pages import Text
from app.credit.report_rules import OTHERS
from app.enterprises.industries import SECTIONS
from app.enterprises.words import DISTRICT_NAMES, SIZES

DIMENSIONS: dict[str, Text] = {
    "district": _l("所在区"), "industry": _l("行业门类"), "size": _l("规模"), "age": _l("成立年限"),
    "first_time": _l("是否首次借款"),
}
_WORDS: dict[str, Text] = {
    OTHERS: _l("其他（合并的小组）"), "unknown": _l("不详"), "first": _l("首次借款（平台上没有放过款）"), "again": _l("有过放款"),
    "0-2": _l("不满 2 年"), "2-5": _l("2 至 5 年"), "5-10": _l("5 至 10 年"), "10-999": _l("10 年以上"),
}
BANDS: dict[str, tuple[Text, str]] = {
    "stable": (_l("稳定"), "good"), "watch": (_l("留意"), "wait"), "shifted": (_l("明显漂移"), "bad"),
    "too_few": (_l("企业太少，不下结论"), "plain"),
}
AGREEMENTS: dict[str, tuple[Text, str]] = {
    "as_expected": (_l("与预计相符"), "good"), "more_bad": (_l("坏的比预计多"), "bad"), "fewer_bad": (_l("坏的比预计少"), "wait"),
    "too_few": (_l("贷款太少，不下结论"), "plain"),
}


def group_name(by: str, name: str) -> str:
    """A group in the language of the page."""
    if name in _WORDS:
        return str(_WORDS[name])
    if by == "district":
        return str(DISTRICT_NAMES.get(name, name))
    if by == "size":
        return str(SIZES.get(name, name))
    section = next((one for one in SECTIONS if one.letter == name), None)
    if by == "industry" and section is not None:
        return section.name_en if is_english() else gettext(section.name_zh)
    return name


def percent(share: float | None, places: int = 0) -> str:
    """A share as per cent."""
    return NOTHING if share is None else rate_text(Decimal(str(round(share, 6))), places)


def short(version: str) -> str:
    """Enough of a version to tell two of them apart in the head of a column."""
    return version[:15]


def number(value: float | None, places: int = 0) -> str:
    """A figure with its decimals."""
    return NOTHING if value is None else f"{value:.{places}f}"


def signed(value: float | None) -> str:
    """A change with its sign."""
    return NOTHING if value is None else f"{value:+.1f}"


@dataclass(frozen=True)
class GroupRow:
    """A group as its table shows it."""

    name: str
    firms: str
    insufficient: str
    mean: str
    grades: list[str]
    approved: str
    ratio: str
    flagged: bool


@dataclass(frozen=True)
class GroupTable:
    """The groups of one dimension."""

    title: str
    grades: list[str]
    rows: list[GroupRow]


def group_tables(content: Mapping[str, Any]) -> list[GroupTable]:
    """All dimensions, in their order."""
    return [_group_table(by, content["tables"].get(by, [])) for by in DIMENSIONS]


def _group_table(by: str, rows: Sequence[Mapping[str, Any]]) -> GroupTable:
    grades = sorted({grade for row in rows for grade in row["grades"]})
    return GroupTable(str(DIMENSIONS[by]), grades, [
        GroupRow(
            group_name(by, row["name"]), count_text(row["firms"]), percent(row["insufficient"]), number(row["mean_score"]),
            [percent(row["grades"].get(grade, 0.0) if row["grades"] else None) for grade in grades],
            percent(row["approved"]), number(row["ratio"], 2), row["flagged"],
        )
        for row in rows
    ])


def summary_rows(content: Mapping[str, Any], most: int) -> tuple[list[str], list[tuple[str, ...]]]:
    """Head and rows of the groups in one table, for the card."""
    head = [
        gettext("分组"), gettext("企业"), gettext("数据不足"), gettext("平均分"), gettext("C 级及以上"),
        gettext("与其他企业之比"),
    ]
    rows: list[tuple[str, ...]] = [
        (f"{table.title}{gettext('：')}{row.name}", row.firms, row.insufficient, row.mean, row.approved, row.ratio)
        for table in group_tables(content) for row in table.rows
    ]
    return head, rows[:most]


def feature_label(name: str) -> str:
    """A feature in the language of the page."""
    from scoring.features.registry import PLACE, by_name

    if name not in PLACE:
        return name
    return (by_name(name).en if is_english() else by_name(name).zh).label


def month_chart(months: Sequence[Mapping[str, Any]]) -> LineChart | None:
    """PSI of the score by month."""
    if len(months) < 2:
        return None
    return LineChart(
        gettext("评分的漂移（PSI）"), [row["month"][2:7] for row in months],
        [Series(gettext("PSI"), [Decimal(str(round(row["psi"], 4))) for row in months])], places=3, axis=gettext("月份"),
    )


def spread_rows(content: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Distributions of the two scores and of the change, as rows of (what, before, after, change).

    What too few firms lie about is left out. Reports from before are told as they were computed.
    """
    names = {
        "mean": gettext("平均"), "p5": gettext("最低的 5% 以下"), "p25": gettext("四分之一以下"), "p50": gettext("中位数"),
        "p75": gettext("四分之三以下"), "p95": gettext("95% 以下"),
    }
    return [
        (label, [*(number(content[side][key], 1) for side in ("before", "after")), signed(content["change"][key])])
        for key, label in names.items() if content["before"][key] is not None
    ]


def move_chart(content: Mapping[str, Any]) -> BarChart | None:
    """How many firms move how far; ``None`` where every band holds too few to be told."""
    if not any(row["firms"] for row in content["moves"]):
        return None
    return BarChart(
        gettext("评分变动的企业数"), [_band(row) for row in content["moves"]],
        [Series(gettext("企业数"), [row["firms"] for row in content["moves"]])], unit=gettext("家"), axis=gettext("变动（分）"),
    )


def _band(row: Mapping[str, Any]) -> str:
    if row["low"] is None:
        return f"< {row['high']:g}"
    return f"≥ {row['low']:g}" if row["high"] is None else f"{row['low']:g} – {row['high']:g}"


def mover_rows(content: Mapping[str, Any], most: int = 10) -> list[tuple[str, str, str]]:
    """Groups whose scores move most."""
    rows = [
        (f"{DIMENSIONS[by]}{gettext('：')}{group_name(by, row['name'])}", row["firms"], row["mean"])
        for by, groups in content["groups"].items() for row in groups
    ]
    rows.sort(key=lambda row: -abs(row[2]))
    return [(name, count_text(firms), f"{mean:+.1f}") for name, firms, mean in rows[:most]]
