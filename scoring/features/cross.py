"""Checks of one source against another: absent when either may not be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from scoring.features import invoices
from scoring.features.declare import declare
from scoring.features.flows import account
from scoring.features.invoice_books import SALES
from scoring.features.rows import Columns, Part, Reading
from scoring.features.series import known, log_units, mean, ratio, total
from scoring.features.spec import Unit
from scoring.features.staff import FUND, INSURANCE, contributions
from scoring.features.standing import open_enforcement
from scoring.features.tax import filings
from scoring.features.utilities import supply, use
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
    for tell in (_ratios, _courses, _staff, _enforcement, _late):
        values |= tell(reading)
    return Part(values)


def _ratios(reading: Reading) -> Columns:
    window, cash, tax, staff = reading.window, account(reading), filings(reading), contributions(reading)
    inflow, declared = cash.inflow if cash is not None else None, tax.sales if tax is not None else None
    insured, funded = (staff.heads_of(source) if staff is not None else None for source in (INSURANCE, FUND))
    invoiced = _invoiced(reading)
    told = _pairs({
        "power_to_sales": (use(reading, "electricity"), declared),
        "inflow_to_declared": (inflow, declared),
        "inflow_to_invoiced": (inflow, invoiced),
        "invoiced_to_declared": (invoiced, declared),
        "sales_per_head": (declared, staff.working if staff is not None and insured is not None else None),
        "fund_to_insured": (funded, insured),
    }, window)
    # One thousandth of a kWh on one 分 is one thousand kWh on 10,000 yuan.
    cut: dict[str, Callable[[Floats], Floats]] = {
        "power_to_sales": lambda share: np.minimum(share * 1_000.0, window.most_kwh),
        "sales_per_head": lambda share: log_units(share, 100.0),
        "fund_to_insured": lambda share: np.minimum(share, 1.0),
    }
    for name, share in told.items():
        told[name] = cut[name](share) if name in cut else np.minimum(np.maximum(share, 0.0), window.most_ratio)
    return told


def _courses(reading: Reading) -> Columns:
    power, water, tax = use(reading, "electricity"), use(reading, "water"), filings(reading)
    if power is not None and tax is not None:
        # Over the months known of both.
        sales, use_then = np.where(np.isnan(tax.sales + power), np.nan, np.array([tax.sales, power]))
        reading.trends.apart("sales_over_power", sales, use_then)
    if power is not None and water is not None:
        reading.trends.apart("water_over_power", water, power)
    return {}


def _invoiced(reading: Reading) -> Floats | None:
    """Net invoiced sales by month (分): NaN before the first and after the last line of a firm, 0 in a silent month between."""
    books = invoices.books(reading)
    if books is None:
        return None
    months = reading.window.look_back_months
    told = books.told[SALES::2, :months]
    age = np.arange(months)
    newest = np.where(told, age, months).min(axis=1)
    oldest = np.where(told, age, -1).max(axis=1)
    return np.where((age >= newest[:, None]) & (age <= oldest[:, None]), books.monthly[SALES::2, :months], np.nan)


def _staff(reading: Reading) -> Columns:
    window, found, tax = reading.window, contributions(reading), filings(reading)
    if found is None or INSURANCE not in found.rows.sources:
        return {}
    values: Columns = {}
    year = slice(None, window.recent_months)
    if tax is not None:
        personal = tax.rows.has("tax_kind", "personal") & tax.rows.recent
        share = ratio(tax.rows.total(tax.due, personal), total(found.base[found.rows.of(INSURANCE), year]))
        share = np.minimum(np.maximum(share, 0.0), 1.0)
        values["payroll_tax"] = np.where(tax.rows.count(personal) > 0, share, np.nan)
    stated = _stated(reading)
    if stated is not None:
        values["insured_to_stated"] = np.minimum(ratio(mean(found.working[:, year]), stated), 1.0)
    return values


def _stated(reading: Reading) -> Floats | None:
    """Staff of the latest report published by the day; NaN without one, None where reports may not be read."""
    rows = reading.rows("annual_reports")
    if rows is None:
        return None
    year, staff = rows.number("report_year"), rows.number("n_employees")
    out = ~np.isnan(staff) & ~(rows.day("published_on") > reading.clock.day) & (year < reading.as_of.year)
    latest = rows.latest(year, out)
    return rows.latest(staff, out & (year == latest[rows.at]))


def _enforcement(reading: Reading) -> Columns:
    owed, tax = open_enforcement(reading), filings(reading)
    if owed is None or tax is None:
        return {}
    if not owed.any():
        return {"enforcement_to_sales": np.zeros(reading.n)}
    year = tax.sales[:, : reading.window.recent_months]
    months = known(year)
    # With nothing owed the share is 0 whatever the sales; debts without any sales weigh the most.
    share = np.minimum(ratio(owed, ratio(total(year), months)), reading.window.most_months)
    share = np.where(np.isnan(share) & (months > 0), reading.window.most_months, share)
    return {"enforcement_to_sales": np.where(owed > 0, share, 0.0)}


def _late(reading: Reading) -> Columns:
    """Late payments of three sources over all their payments of the last year: where one is silent the others speak."""
    power, tax, insured = supply(reading), filings(reading), contributions(reading)
    if power is None or tax is None or insured is None:
        return {}
    if "electricity" not in power.rows.sources or INSURANCE not in insured.rows.sources:
        return {}
    of_power, of_insurance = power.rows.of("electricity"), insured.rows.of(INSURANCE)
    judged = power.payments.judged[of_power] + tax.payments.judged + insured.payments.judged[of_insurance]
    late = power.payments.late[of_power] + tax.payments.late + insured.payments.late[of_insurance]
    return {"late_everywhere": np.where(judged < reading.window.least_bills, np.nan, ratio(late, judged))}


def _pairs(asked: Mapping[str, tuple[Floats | None, Floats | None]], window: Window) -> Columns:
    """Sum of one over the sum of the other in the months of the last year in which both are known; NaN with too few.

    What lacks one of the two is left out.
    """
    year = slice(None, window.recent_months)
    pairs = {
        name: (one[:, year], other[:, year])
        for name, (one, other) in asked.items() if one is not None and other is not None
    }
    if not pairs:
        return {}
    both = np.array(list(pairs.values()))
    unknown = np.isnan(both[:, 0] + both[:, 1])
    sums = np.add.reduce(np.where(unknown[:, None], 0.0, both), axis=-1)
    few = np.add.reduce(unknown, axis=-1) > unknown.shape[-1] - window.least_bills
    return dict(zip(pairs, np.where(few, np.nan, ratio(sums[:, 0], sums[:, 1])), strict=True))
