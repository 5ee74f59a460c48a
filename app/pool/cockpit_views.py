"""The bureau's cockpit of a year: money, claims by state and age, banks against the stop line, what the money supported.

Every figure opens to the list behind it; the whole page leaves as one workbook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import g, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from app.core.calendar import today
from app.core.charts import LineChart, Series
from app.core.exports import export_sheets
from app.core.formats import NOTHING, money_parts, rate_text
from app.core.pages import Figure, Text
from app.core.permissions import Permission
from app.core.pieces import chip
from app.core.tables import Column, Table, wants_export
from app.core.use_case import reading
from app.core.web import context, send_xlsx
from app.enterprises.rules import SIZE_NAMES, SizeClass
from app.enterprises.words import DISTRICT_NAMES
from app.pool import budget_queries, recovery_queries, service
from app.pool import cockpit_queries as queries
from app.pool.budget_queries import YearMoney
from app.pool.cockpit_filters import AGES, age_name
from app.pool.cockpit_queries import BankYear, Slice, StateAges
from app.pool.door import room, year_asked
from app.pool.rules import RULE_2025, Mode, Product, RuleSet
from app.pool.states import OPEN_FOR_BUREAU

SHOWN_BANKS = 3
"""Banks drawn over the year; the table has all."""


@dataclass(frozen=True)
class MoneyRow:
    """A budget in the table."""

    name: str
    money: YearMoney

    def __getattr__(self, name: str) -> Any:
        return getattr(self.money, name)


MONEY_WORDS: tuple[tuple[str, Text], ...] = (
    ("appropriated_fen", _l("财政拨入")), ("carried_in_fen", _l("上年结转")), ("returned_fen", _l("追偿返还")),
    ("paid_fen", _l("已支付")), ("reserved_fen", _l("已预留未支付")), ("waiting_fen", _l("已同意、等候资金")),
    ("left_fen", _l("可用余额")),
)
MONEY = Table("cockpit-money", columns=[
    Column("name", _l("模式"), sortable=False),
    *(Column(key, label, sortable=False, kind="money") for key, label in MONEY_WORDS),
], row_url=lambda row: url_for("pool.ledger", year=row.year))


def _rate(key: str, label: Text) -> Column:
    return Column(key, label, sortable=False, align="right",
                  render=lambda row: NOTHING if getattr(row, key) is None else rate_text(getattr(row, key)))


def _aged(key: str) -> Column:
    def cell(row: StateAges) -> str | Markup:
        number = row.by_age[key]
        if not number:
            return "0"
        url = url_for("pool.claims", f="1", state=row.state.value, age=key)
        return Markup('<a href="{}">{}</a>').format(url, number)

    return Column(f"age_{key}", _LazyAge(key), sortable=False, align="right", render=cell, export=lambda row: row.by_age[key])


class _LazyAge:
    """The words of an age in the language of the page."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __str__(self) -> str:
        return age_name(self.key)

    def __html__(self) -> str:
        return str(Markup.escape(str(self)))


CLAIMS = Table("cockpit-claims", columns=[
    Column("state", _l("状态"), sortable=False, render=lambda row: chip(gettext(row.state.label), row.state.tone),
           export=lambda row: gettext(row.state.label)),
    Column("count", _l("件数"), sortable=False, kind="count"),
    Column("compensation_fen", _l("计算的补偿"), sortable=False, kind="money"),
    *(_aged(key) for key, _, _ in AGES),
], row_url=lambda row: url_for("pool.claims", f="1", state=row.state.value),
    empty_title=_l("还没有提交的补偿申请"))

BANKS = Table("cockpit-banks", columns=[
    Column("name", _l("银行"), sortable=False),
    Column("booked_fen", _l("本年入库本金"), sortable=False, kind="money"),
    Column("lost_fen", _l("本年申报损失"), sortable=False, kind="money"),
    _rate("ratio", _l("损失率")), _rate("projected", _l("年末预计")),
    Column("line", _l("熔断线"), sortable=False, render=lambda row: _against(row), export=lambda row: _against(row).striptags()),
], row_url=lambda row: url_for("pool.claims", f="1", q=row.name), empty_title=_l("今年还没有入库贷款。"))


def _against(row: BankYear) -> Markup:
    line = g.stop_line
    if line is None:
        return Markup(NOTHING)
    if row.lost_fen > line * row.booked_fen:
        return chip(gettext("已超过 %(line)s", line=rate_text(line)), "bad")
    if row.projected is not None and row.projected > line:
        return chip(gettext("年末将超过 %(line)s", line=rate_text(line)), "wait")
    return chip(gettext("未超过 %(line)s", line=rate_text(line)), "good")


def _slices(name: str, label: Text, words: Any, key: str) -> Table:
    return Table(f"cockpit-{name}", columns=[
        Column("key", label, sortable=False, render=lambda row: words(row.key), export=lambda row: words(row.key)),
        Column("loans", _l("入库笔数"), sortable=False, kind="count"),
        Column("firms", _l("借款人"), sortable=False, kind="count"),
        Column("principal_fen", _l("入库本金"), sortable=False, kind="money"),
        Column("loss_fen", _l("申报损失"), sortable=False, kind="money"), _rate("ratio", _l("损失率")),
    ], row_url=lambda row: _booked(g.cockpit_year, **{key: row.key}), empty_title=_l("今年还没有入库贷款。"))


def _booked(year: int, **more: Any) -> str:
    return url_for("pool.bookings", f="1", live="1", booked_min=f"{year}-01-01", booked_max=f"{year}-12-31", **more)


def _product(key: str) -> str:
    return gettext(Product(key).label)


def _district(key: str) -> str:
    return str(DISTRICT_NAMES.get(key, key or NOTHING))


def _size(key: str) -> str:
    return gettext(SIZE_NAMES[SizeClass(key)]) if key else NOTHING


def _first(key: str) -> str:
    return gettext("首贷") if key == "true" else gettext("非首贷")


PARTS: tuple[tuple[str, Text, Table], ...] = (
    ("product", _l("按产品"), _slices("products", _l("产品类别"), _product, "product")),
    ("district", _l("按区"), _slices("districts", _l("区"), _district, "district")),
    ("size", _l("按规模"), _slices("sizes", _l("规模"), _size, "size")),
    ("first", _l("首贷户"), _slices("first", _l("首贷"), _first, "first")),
    ("mode", _l("按模式"), _slices("modes", _l("模式"), lambda key: gettext(Mode(key).label), "mode")),
)


def course(banks: list[BankYear], year: int, line: Decimal | None) -> LineChart | None:
    """The ratios of the highest banks month by month, with the stop line, in per cent."""
    months = queries.months_so_far(year)
    shown = [one for one in banks if one.ratio is not None][:SHOWN_BANKS]
    if not months or not shown:
        return None
    series = [Series(one.name, [None if value is None else value * 100 for value in one.course(months)]) for one in shown]
    if line is not None:
        series.append(Series(gettext("熔断线"), [line * 100] * months))
    return LineChart(gettext("损失率与熔断线"), queries.month_names(months), series, unit="%", places=2, axis=gettext("月份"))


def _figures(money: dict[Mode, YearMoney], whole: Slice | None, ages: list[StateAges], year: int) -> list[Figure]:
    left = money_parts(sum(one.left_fen for one in money.values()))
    spent = sum(one.paid_fen + one.reserved_fen - one.returned_fen for one in money.values())
    leverage = NOTHING if whole is None or spent <= 0 else f"{Decimal(whole.principal_fen) / spent:,.1f}"
    loans = money_parts(whole.principal_fen if whole else 0)
    at_city = sum(one.count for one in ages if one.state in OPEN_FOR_BUREAU)
    return [
        Figure(_l("预算余额"), left.before + left.number, left.unit, url=url_for("pool.ledger", year=year)),
        Figure(_l("在办的补偿申请"), str(at_city), tone="wait" if at_city else "plain",
               url=url_for("pool.claims", f="1", open="1")),
        Figure(_l("本年支持的贷款"), loans.before + loans.number, loans.unit, url=_booked(year)),
        Figure(_l("每元财政资金支持的贷款"), leverage, gettext("元")),
    ]


@room.page("/pool/cockpit", Permission.POOL_READ)
def cockpit() -> Any:
    """A year at a glance. Seven statements, whatever the number of cases."""
    year = year_asked()
    with reading(context(), Permission.POOL_READ):
        stored = service.rule_set_on(today())
        rules = RuleSet.from_json(stored.rules) if stored else None
        line, pace = (rules.stop_line, rules.pace_days) if rules else (None, RULE_2025.pace_days)
        g.stop_line, g.cockpit_year = line, year
        money, ages, banks = budget_queries.year_moneys(year), queries.claims_by_state(), queries.bank_years(year, pace)
        slices, flow, bad = queries.slices(year), recovery_queries.flow(), queries.bad_unclaimed()
        rows = [MoneyRow(gettext(mode.label), one) for mode, one in money.items()]
        if wants_export(request.args):
            parts: list[tuple[Table, Sequence[Any], str]] = [
                (MONEY, rows, gettext("预算")), (CLAIMS, ages, gettext("补偿申请")), (BANKS, banks, gettext("各银行")),
                *((table, slices[by], str(title)) for by, title, table in PARTS),
            ]
            g.exported = ("cockpit", sum(len(part) for _, part, _ in parts))
            return send_xlsx(export_sheets(parts), f"pool-{year}.xlsx")
        whole = next(iter(slices["all"]), None)
        return render_template(
            "pool/cockpit.html", year=year, figures=_figures(money, whole, ages, year), money=MONEY.page_of(rows),
            claims=CLAIMS.page_of(ages), banks=BANKS.page_of(banks), chart=course(banks, year, line), flow=flow, bad=bad,
            parts=[(title, table.page_of(slices[by])) for by, title, table in PARTS], days=pace,
        )
