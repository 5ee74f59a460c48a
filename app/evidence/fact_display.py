"""How facts stand on a page: one list per item, words for codes, a chart month by month."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import Select

from app.core.charts import BarChart, Series
from app.core.filters import Range
from app.core.formats import NOTHING, count_text, money_series
from app.core.money import YUAN
from app.core.pages import Text
from app.core.tables import Column, Filter, Table
from app.evidence.display import SIDES, monthly_chart
from app.evidence.fact_queries import MEASURES, ItemFacts, Measure, at_column, columns_of
from app.evidence.items import ITEMS, Field, Item, Kind
from app.evidence.rules import INVOICES

WORDS: Mapping[str, Text] = {
    "metered": _l("正常抄表"), "estimated": _l("估抄"), "not_metered": _l("未装表"), "landlord": _l("房东或物业代收"),
    "open": _l("存续"), "revoked": _l("吊销"), "deregistered": _l("注销"), "moved": _l("迁出"), "suspended": _l("停业"),
    "representative": _l("法定代表人"), "address": _l("住所"), "capital": _l("注册资本"), "shareholder": _l("股东"),
    "scope": _l("经营范围"), "name": _l("名称"), "other": _l("其他"),
    "high_tech": _l("高新技术企业"), "specialised": _l("专精特新中小企业"), "little_giant": _l("专精特新小巨人"),
    "tech_sme": _l("科技型中小企业"), "innovative": _l("创新型中小企业"), "champion": _l("单项冠军"), "permit": _l("行政许可"),
    "warning": _l("警告"), "fine": _l("罚款"), "confiscation": _l("没收"), "suspension": _l("责令停产停业"),
    "revocation": _l("吊销许可"), "abnormal": _l("经营异常名录"),
    "plaintiff": _l("原告"), "defendant": _l("被告"), "debtor": _l("被执行人"), "creditor": _l("申请执行人"),
    "third_party": _l("第三人"), "judgment": _l("判决"), "enforcement": _l("执行"), "dishonest": _l("失信"),
    "bankruptcy": _l("破产"), "settlement": _l("调解"),
    "vat": _l("增值税"), "income": _l("企业所得税"), "personal": _l("个人所得税"), "surcharge": _l("附加税"),
    "stamp": _l("印花税"), "urban": _l("城市维护建设税"), "consumption": _l("消费税"), "business": _l("营业税"),
    "month": _l("按月"), "quarter": _l("按季"), "year": _l("按年"),
    "all": _l("合计"), "pension": _l("养老保险"), "medical": _l("医疗保险"), "injury": _l("工伤保险"),
    "unemployment": _l("失业保险"),
    "import": _l("进口"), "export": _l("出口"), "advanced": _l("高级认证"), "registered": _l("注册登记和备案"),
    "own": _l("本户"), "tenant": _l("租赁"), "shared": _l("合用"),
    "invention": _l("发明专利"), "utility_model": _l("实用新型"), "design": _l("外观设计"), "trademark": _l("商标"),
    "software": _l("软件著作权"), "copyright": _l("作品著作权"), "layout": _l("集成电路布图"), "variety": _l("植物新品种"),
}
"""Codes of closed lists (``items.Field.words``) as people read them; grades A–D stand for themselves."""

UNMETERED = ("not_metered", "landlord")
"""Months without a quantity, which is not zero: the word stands in its place."""


def word(code: str | None) -> str:
    """A code of a closed list in words."""
    return NOTHING if code is None else str(WORDS.get(code, code))


def quantity_text(milli: int | None) -> str:
    """Thousandths of a kWh or m³: whole, or with two decimals so that a column stands in line; three where there are three."""
    if milli is None:
        return NOTHING
    return f"{Decimal(milli) / 1000:,.{3 if milli % 10 else 2 if milli % 1000 else 0}f}"


def _quantity(key: str, row: Any) -> str:
    value = getattr(row, key)
    metering = getattr(row, "metering", None)
    return word(metering) if value is None and metering in UNMETERED else quantity_text(value)


def _quantity_out(key: str, row: Any) -> Decimal | str | None:
    value = getattr(row, key)
    if value is None:
        return word(row.metering) if getattr(row, "metering", None) in UNMETERED else None
    return Decimal(value) / 1000


def _word(key: str, row: Any) -> str:
    return word(getattr(row, key))


def _month(key: str, row: Any) -> str:
    value = getattr(row, key)
    return Markup('<span class="nowrap">{}</span>').format(f"{value:%Y-%m}") if value is not None else NOTHING


def _month_out(key: str, row: Any) -> str:
    value = getattr(row, key)
    return f"{value:%Y-%m}" if value is not None else NOTHING


def _day(key: str, row: Any) -> str:
    value = getattr(row, key)
    return Markup('<span class="nowrap">{}</span>').format(value.isoformat()) if value is not None else NOTHING


def _plain(key: str, row: Any) -> str:
    value = getattr(row, key)
    return NOTHING if value is None or value == "" else str(value)


def _flag(key: str, row: Any) -> str:
    value = getattr(row, key)
    return NOTHING if value is None else gettext("是") if value else gettext("否")


def _column(one: Field, first: bool, small: bool) -> Column:
    key = one.stored
    label: Text = _l(one.label)
    if one.kind is Kind.MONEY:
        return Column(key, label, kind="money", hide_small=not small)
    if one.kind is Kind.COUNT:
        return Column(key, label, kind="count", hide_small=not small)
    if one.kind is Kind.QUANTITY:
        return Column(key, label, align="right", render=partial(_quantity, key), export=partial(_quantity_out, key),
                      hide_small=not small)
    shown: Callable[[str, Any], str] = {
        Kind.WORD: _word, Kind.MONTH: _month, Kind.DAY: _day, Kind.FLAG: _flag,
    }.get(one.kind, _plain)
    exported = None if one.kind is Kind.DAY else partial(_month_out if one.kind is Kind.MONTH else shown, key)
    return Column(key, label, render=partial(shown, key), export=exported, hide_small=not (first or small))


SMALL_SCREEN = 4
"""Columns of an item that a phone still shows: when, what tells rows apart, then figures before words."""
_FIGURES = (Kind.MONEY, Kind.QUANTITY, Kind.COUNT)


def _columns(item: Item) -> list[Column]:
    fields = sorted(columns_of(item), key=lambda one: (one.code != item.at, one.code not in item.key))
    deciding = sorted(fields, key=lambda one: (
        one.code != item.at, one.code not in item.key, one.kind not in _FIGURES and not one.required))[:SMALL_SCREEN]
    return [_column(one, place == 0, one in deciding) for place, one in enumerate(fields)]


def _invoice_columns() -> list[Column]:
    return [
        Column("day", _l("开票日期"), render=partial(_day, "day")),
        Column("side", _l("进销方向"), render=lambda row: str(SIDES[row.side]), export=lambda row: str(SIDES[row.side])),
        Column("invoice_no", _l("发票号码")), Column("counterparty", _l("对方单位"), hide_small=True),
        Column("net_fen", _l("金额"), kind="money"), Column("tax_fen", _l("税额"), kind="money", hide_small=True),
        Column("gross_fen", _l("价税合计"), kind="money", hide_small=True),
        Column("void", _l("作废"), render=partial(_flag, "void"), export=partial(_flag, "void"), hide_small=True),
    ]


def _between(key: str, whole_years: bool, stmt: Select[*tuple[Any, ...]], value: Range) -> Select[*tuple[Any, ...]]:
    column = stmt.selected_columns[key]
    low, high = (bound.year if whole_years and bound else bound for bound in (value.low, value.high))
    if low is not None:
        stmt = stmt.where(column >= low)
    return stmt if high is None else stmt.where(column <= high)


def _list(code: str) -> Table:
    item = ITEMS.get(code)
    at = at_column(code)
    years = item is not None and item.field(item.at).kind is Kind.YEAR
    delivery = Column("delivery_no", _l("批次"), hide_small=True, align="right", render=lambda row: f"{row.delivery_no}")
    return Table(
        f"facts-{code}", [*(_columns(item) if item is not None else _invoice_columns()), delivery],
        filters=[Filter("at", _l("期间"), kind="dates", apply=partial(_between, at, years))], default_sort=f"-{at}",
        empty_title=_l("还没有收到这项资料"), empty_hint=_l("数据单位交来后会自动出现在这里，无需您操作。"),
    )


LISTS: Mapping[str, Table] = {code: _list(code) for code in (*ITEMS, INVOICES)}
"""The list of all rows of an item, by its code."""


row_actions: list[Callable[[str, Any], tuple[Text, str] | None]] = []
"""What a firm may do with a row of its own: (item, row) → (words, address), filled by the modules that offer it."""


def own_list(code: str) -> Table:
    """The list of an item on the firm's own page, with what the firm may do with a row."""
    def offered(row: Any) -> tuple[Text, str] | None:
        return next((found for one in row_actions if (found := one(code, row)) is not None), None)

    return replace(LISTS[code], row_action=offered) if row_actions else LISTS[code]


def series_of(measure: Measure, values: list[int | None]) -> tuple[Series, str]:
    """One line of a chart with its unit; what is unknown stays a gap."""
    name = gettext(measure.label)
    if measure.kind is Kind.MONEY:
        known, unit = money_series([value or 0 for value in values])
        return Series(name, [shown if value is not None else None for shown, value in zip(known, values, strict=True)]), unit
    scale = 1000 if measure.kind is Kind.QUANTITY else 1
    return Series(name, [Decimal(value) / scale if value is not None else None for value in values]), ""


def chart_of(shown: ItemFacts, title: str) -> BarChart | None:
    """The chart of an item, where it has one and there are at least two months with a figure to draw."""
    if shown.invoices is not None:
        return monthly_chart(shown.invoices.months) if shown.invoices.lines else None
    if shown.monthly is None or max(sum(value is not None for value in row) for row in shown.monthly.series) < 2:
        return None
    drawn = [series_of(one, values) for one, values in zip(MEASURES[shown.item], shown.monthly.series, strict=True)]
    return BarChart(
        gettext("%(item)s，按月", item=title), [f"{month:%y-%m}" for month in shown.monthly.months],
        [series for series, _ in drawn], unit=drawn[0][1], places=2 if drawn[0][1] else 0,
        axis=gettext("月份"),
    )


def sentences_of(shown: ItemFacts) -> list[str]:
    """What the figures say besides the chart: late payment, arrears, months nobody metered, months not delivered yet."""
    said = []
    if shown.paid is not None and shown.paid.counted:
        counted, late = count_text(shown.paid.counted), count_text(shown.paid.late)
        said.append(gettext("%(counted)s 期应缴，其中 %(late)s 期迟缴或未缴。", counted=counted, late=late) if shown.paid.late
                    else gettext("%(counted)s 期应缴，都没有迟缴。", counted=counted))
    if shown.paid is not None and shown.paid.arrears_fen:
        said.append(gettext("记录在案的欠费合计 %(amount)s 元。", amount=f"{Decimal(shown.paid.arrears_fen) / YUAN:,.2f}"))
    for code, months in shown.unmetered.items():
        said.append(gettext("%(months)s 个月%(why)s，没有用量（不是零）。", months=count_text(months), why=word(code)))
    if shown.held is not None and shown.held.behind:
        said.append(behind_text(shown.held.behind))
    return said


def behind_text(months: int) -> str:
    """That months are overdue."""
    return gettext("最近 %(months)s 个月还没有送来。", months=count_text(months))


def span_text(first: date, latest: date) -> str:
    """From when to when, by month; one month once."""
    return f"{first:%Y-%m} – {latest:%Y-%m}" if (first.year, first.month) != (latest.year, latest.month) else f"{first:%Y-%m}"
