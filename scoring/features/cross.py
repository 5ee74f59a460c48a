"""Checks of one source against another: absent when either may not be read."""

from __future__ import annotations

from typing import Final

import numpy as np

from scoring.features.declare import declare
from scoring.features.flows import account
from scoring.features.invoice_books import SALES
from scoring.features.rows import Columns, Part, Reading
from scoring.features.series import growth, log_units, ratio, total, yearly_growth
from scoring.features.spec import Unit
from scoring.features.staff import contributions
from scoring.features.standing import open_enforcement
from scoring.features.tax import filings
from scoring.features.utilities import supply
from scoring.features.window import Floats, Window

FEATURES: Final = (
    declare("power_to_sales", "electricity", Unit.TIMES, 12, 0,
            ("每万元销售用电", "每万元申报销售用电{value}千瓦时，对评分有利", "每万元申报销售用电{value}千瓦时，对评分不利"),
            ("Power on sales", "{value} kWh are used on 10,000 yuan of declared sales, in the firm's favour",
             "{value} kWh are used on 10,000 yuan of declared sales, against the firm"), also=("tax",), scale_free=False),
    declare("sales_over_power", "tax", Unit.FRACTION, 24, 0,
            ("销售与用电走势差", "申报销售与用电的同比变化相差{value}，两者相符",
             "申报销售与用电的同比变化相差{value}，两者走势不一致"),
            ("Course of sales against power", "Growth of declared sales less that of power use is {value}: they agree",
             "Growth of declared sales less that of power use is {value}: they disagree"), also=("electricity",)),
    declare("water_over_power", "water", Unit.FRACTION, 24, 0,
            ("用水与用电走势差", "用水与用电的同比变化相差{value}，两者相符", "用水与用电的同比变化相差{value}，两者走势不一致"),
            ("Course of water against power", "Growth of water use less that of power use is {value}: they agree",
             "Growth of water use less that of power use is {value}: they disagree"), also=("electricity",)),
    declare("inflow_to_declared", "cash_flow", Unit.TIMES, 12, 0,
            ("资金流入与申报销售之比", "资金流入为申报销售额的{value}倍，两者相符",
             "资金流入为申报销售额的{value}倍，两者不太相符"),
            ("Inflow to declared sales", "Inflow is {value} times declared sales: they agree",
             "Inflow is {value} times declared sales: they fit poorly"), also=("tax",)),
    declare("inflow_to_invoiced", "cash_flow", Unit.TIMES, 12, 0,
            ("资金流入与开票销售之比", "资金流入为开票销售额的{value}倍，两者相符",
             "资金流入为开票销售额的{value}倍，两者不太相符"),
            ("Inflow to invoiced sales", "Inflow is {value} times invoiced sales: they agree",
             "Inflow is {value} times invoiced sales: they fit poorly"), also=("invoices",)),
    declare("invoiced_to_declared", "invoices", Unit.TIMES, 12, 0,
            ("开票与申报销售之比", "开票销售额为申报销售额的{value}倍，两者相符",
             "开票销售额为申报销售额的{value}倍，两者不太相符"),
            ("Invoiced to declared sales", "Invoiced sales are {value} times declared sales: they agree",
             "Invoiced sales are {value} times declared sales: they fit poorly"), also=("tax",)),
    declare("sales_per_head", "tax", Unit.LOG_YUAN, 12, 0,
            ("人均月销售额", "按参保和派遣人数计，人均月销售{value}，对评分有利",
             "按参保和派遣人数计，人均月销售{value}，对评分不利"),
            ("Sales per head", "Sales per insured or dispatched person are {value} a month, in the firm's favour",
             "Sales per insured or dispatched person are {value} a month, against the firm"),
            also=("social_insurance",), scale_free=False),
    declare("payroll_tax", "tax", Unit.FRACTION, 12, 0,
            ("个税与工资基数之比", "个人所得税为社保缴费基数的{value}，对评分有利",
             "个人所得税为社保缴费基数的{value}，与参保情况不太相符"),
            ("Payroll tax to contribution base", "Personal income tax is {value} of the contribution base, in the firm's favour",
             "Personal income tax is {value} of the contribution base: it fits the insured staff poorly"),
            also=("social_insurance",)),
    declare("insured_to_stated", "social_insurance", Unit.FRACTION, 12, 1,
            ("参保与年报用工之比", "参保和派遣人数为年报从业人数的{value}，用工参保较足",
             "参保和派遣人数仅为年报从业人数的{value}"),
            ("Insured to stated staff", "Insured and dispatched staff are {value} of the staff stated: well covered",
             "Insured and dispatched staff are only {value} of the staff stated"), also=("annual_reports",), changeable=True),
    declare("fund_to_insured", "housing_fund", Unit.FRACTION, 12, 1,
            ("公积金与社保人数之比", "{value}的参保人员缴存公积金，保障较足", "只有{value}的参保人员缴存公积金"),
            ("Housing fund to insured staff", "{value} of the insured have a housing fund: well covered",
             "Only {value} of the insured have a housing fund"), also=("social_insurance",), changeable=True),
    declare("enforcement_to_sales", "justice", Unit.TIMES, 12, -1,
            ("未履行执行与月销售之比", "未履行执行金额仅为{value}个月的申报销售额", "未履行执行金额相当于{value}个月的申报销售额",
             "没有未履行的执行金额"),
            ("Open enforcement to sales", "Open enforcement is only {value} months of declared sales",
             "Open enforcement is {value} months of declared sales", "No enforcement is open"),
            also=("tax",), group="enforcement", changeable=True),
    declare("late_everywhere", "electricity", Unit.FRACTION, 12, -1,
            ("各类缴费逾期比例", "近12个月电费、社保和纳税申报合计只有{value}逾期，履约守时",
             "近12个月电费、社保和纳税申报合计有{value}逾期",
             "近12个月电费、社保和纳税申报都没有逾期"),
            ("Share of all payments late", "Only {value} of power bills, contributions and tax filings were late in 12 months",
             "{value} of power bills, contributions and tax filings were late in 12 months",
             "No power bill, contribution or tax filing was late in 12 months"),
            also=("tax", "social_insurance"), changeable=True),
)  # fmt: skip


def compute(reading: Reading) -> Part:
    """All whose sources may be read."""
    values: Columns = {}
    for tell in (_power, _money, _staff, _enforcement, _late):
        values |= tell(reading)
    return Part(values)


def _power(reading: Reading) -> Columns:
    window, power, water, tax = reading.window, supply(reading, "electricity"), supply(reading, "water"), filings(reading)
    if power is None:
        return {}
    values: Columns = {}
    use_growth = yearly_growth(power.use, window)
    if tax is not None:
        # One thousandth of a kWh on one 分 is one thousand kWh on 10,000 yuan.
        on_sales = _pair(power.use, tax.sales, window) * 1_000.0
        values["power_to_sales"] = np.minimum(on_sales, window.most_kwh)
        values["sales_over_power"] = _same_months(tax.sales, power.use, window)
    if water is not None:
        values["water_over_power"] = yearly_growth(water.use, window) - use_growth
    return values


def _money(reading: Reading) -> Columns:
    window, cash, tax = reading.window, account(reading), filings(reading)
    invoiced = _invoiced(reading)
    inflow, declared = cash.inflow if cash is not None else None, tax.sales if tax is not None else None
    pairs = {
        "inflow_to_declared": (inflow, declared),
        "inflow_to_invoiced": (inflow, invoiced),
        "invoiced_to_declared": (invoiced, declared),
    }
    return {
        name: np.clip(_pair(part, whole, window), 0.0, window.most_ratio)
        for name, (part, whole) in pairs.items()
        if part is not None and whole is not None
    }


def _invoiced(reading: Reading) -> Floats | None:
    """Net invoiced sales by month (分): NaN before the first and after the last line of a firm, 0 in a silent month between."""
    rows = reading.by_month("invoices", "day")
    if rows is None:
        return None
    sale = (rows.number("side") == SALES) & ~rows.flag("void")
    grid = rows.grid(rows.number("net_fen"), sale)
    age = np.arange(grid.shape[1])
    told = ~np.isnan(grid)
    newest = np.where(told, age, grid.shape[1]).min(axis=1)
    oldest = np.where(told, age, -1).max(axis=1)
    return np.where(~told & (age > newest[:, None]) & (age < oldest[:, None]), 0.0, grid)


def _staff(reading: Reading) -> Columns:
    window, insured, tax = reading.window, contributions(reading, "social_insurance"), filings(reading)
    if insured is None:
        return {}
    values: Columns = {}
    year = slice(None, window.recent_months)
    sent = insured.rows.most(insured.rows.number("dispatched"))
    heads = insured.heads + np.nan_to_num(sent)
    if tax is not None:
        values["sales_per_head"] = log_units(_pair(tax.sales, heads, window), 100.0)
        personal = tax.rows.has("tax_kind", "personal") & (tax.rows.age < window.recent_months)
        share = ratio(tax.rows.total(tax.due, personal), total(insured.base[:, year]))
        values["payroll_tax"] = np.clip(np.where(tax.rows.count(personal) > 0, share, np.nan), 0.0, 1.0)
    fund = contributions(reading, "housing_fund")
    if fund is not None:
        values["fund_to_insured"] = np.minimum(_pair(fund.heads, insured.heads, window), 1.0)
    reports = reading.rows("annual_reports")
    if reports is not None:
        stated = _stated(reading)
        middle = ratio(total(heads[:, year]), (~np.isnan(heads[:, year])).sum(axis=1).astype(np.float64))
        values["insured_to_stated"] = np.minimum(ratio(middle, stated), 1.0)
    return values


def _stated(reading: Reading) -> Floats:
    """Staff of the latest report published by the day; NaN without one."""
    rows = reading.rows("annual_reports")
    assert rows is not None
    year, staff = rows.number("report_year"), rows.number("n_employees")
    out = ~np.isnan(staff) & ~(rows.day("published_on") > reading.clock.day) & (year < reading.as_of.year)
    latest = rows.latest(year, out)
    return rows.latest(staff, out & (year == latest[rows.at]))


def _enforcement(reading: Reading) -> Columns:
    rows, tax = reading.rows("justice"), filings(reading)
    if rows is None or tax is None:
        return {}
    owed = open_enforcement(rows, reading)
    year = tax.sales[:, : reading.window.recent_months]
    months = (~np.isnan(year)).sum(axis=1).astype(np.float64)
    # With nothing owed the share is 0 whatever the sales; debts without any sales weigh the most.
    share = np.minimum(ratio(owed, ratio(total(year), months)), reading.window.most_months)
    share = np.where(np.isnan(share) & (months > 0), reading.window.most_months, share)
    return {"enforcement_to_sales": np.where(owed > 0, share, 0.0)}


def _late(reading: Reading) -> Columns:
    """Late payments of three sources over all their payments of the last year: where one is silent the others speak."""
    power, tax, insured = supply(reading, "electricity"), filings(reading), contributions(reading, "social_insurance")
    if power is None or tax is None or insured is None:
        return {}
    judged, late = np.zeros(reading.n), np.zeros(reading.n)
    for rows, days in ((power.rows, power.late), (tax.rows, tax.late), (insured.rows, insured.late)):
        mask = (rows.age < reading.window.recent_months) & ~np.isnan(days)
        judged += rows.count(mask)
        late += rows.count(mask & (days > 0))
    share = ratio(late, judged)
    share[judged < reading.window.least_bills] = np.nan
    return {"late_everywhere": share}


def _pair(part: Floats, whole: Floats, window: Window) -> Floats:
    """Sum of one over the sum of the other in the months of the last year in which both are known; NaN with too few."""
    one, other = part[:, : window.recent_months], whole[:, : window.recent_months]
    both = ~np.isnan(one) & ~np.isnan(other)
    share = ratio(np.where(both, one, 0.0).sum(axis=1), np.where(both, other, 0.0).sum(axis=1))
    share[both.sum(axis=1) < window.least_bills] = np.nan
    return share


def _same_months(one: Floats, other: Floats, window: Window) -> Floats:
    """Yearly growth of one less that of the other, over the months known of both."""
    known = ~np.isnan(one) & ~np.isnan(other)
    of_one, of_other = (
        growth(np.where(known, grid, np.nan), window, window.recent_months, window.least_pairs) for grid in (one, other)
    )
    return of_one - of_other
