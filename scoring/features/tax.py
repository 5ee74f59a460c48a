"""Tax filings and the tax office's grade (catalogue §3–§5). Small taxpayers file by quarter: that is spread over its months.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.features.declare import declare
from scoring.features.rows import Columns, MonthRows, Part, Reading, spread
from scoring.features.series import days_late, known, log_units, mean, ratio, total, zero_months
from scoring.features.spec import Unit
from scoring.features.utilities import Payments, payments
from scoring.features.window import Bools, Floats, Ints, Window

GRADES: Final = "DCMBA"
"""Tax credit grades from worst to best; a firm without one is not in scope yet: absent, not bad."""

_SPANS: Final = {"quarter": 3, "year": 12}

FEATURES: Final = (
    declare("tax_sales", "tax", Unit.LOG_YUAN, 12, 1,
            ("月均申报销售额", "近12个月月均申报销售额{value}，经营规模有支撑", "近12个月月均申报销售额{value}，经营规模偏小"),
            ("Average monthly declared sales", "Declared sales average {value} a month over 12 months: solid scale",
             "Declared sales average {value} a month over 12 months: small scale"), scale_free=False),
    declare("tax_sales_growth", "tax", Unit.FRACTION, 24, 1,
            ("申报销售额同比变化", "近12个月申报销售额同比变化{value}，走势向好", "近12个月申报销售额同比变化{value}，走势偏弱"),
            ("Yearly change in declared sales", "Declared sales changed by {value} year on year: a good course",
             "Declared sales changed by {value} year on year: a weak course")),
    declare("tax_sales_swing", "tax", Unit.FRACTION, 24, -1,
            ("申报销售额季度波动", "各季度申报销售额平稳，波动{value}", "各季度申报销售额起伏较大，波动{value}"),
            ("Swings of quarterly declared sales", "Declared sales are steady from quarter to quarter (variation {value})",
             "Declared sales swing from quarter to quarter (variation {value})")),
    declare("tax_on_time", "tax", Unit.FRACTION, 12, 1,
            ("按时申报比例", "近12个月{value}的纳税申报按期完成，申报守时", "近12个月只有{value}的纳税申报按期完成"),
            ("Share of filings on time", "{value} of the tax filings of the last 12 months were on time: punctual",
             "Only {value} of the tax filings of the last 12 months were on time"), group="tax_filing", changeable=True),
    declare("tax_unfiled", "tax", Unit.COUNT, 24, -1,
            ("逾期未申报笔数", "仅有{value}笔纳税申报逾期未报", "有{value}笔纳税申报逾期未报", "没有逾期未报的纳税申报"),
            ("Overdue filings", "Only {value} tax filings are overdue", "{value} tax filings are overdue and not filed",
             "No tax filing is overdue"), group="tax_filing", changeable=True),
    declare("tax_nil_months", "tax", Unit.MONTHS, 12, -1,
            ("零申报月数", "近12个月中只有{value}个月零申报", "近12个月中有{value}个月零申报", "近12个月没有零申报"),
            ("Months with nil filings", "Sales were declared as nil in only {value} of the last 12 months",
             "Sales were declared as nil in {value} of the last 12 months", "No month was declared as nil")),
    declare("tax_arrears", "tax", Unit.FRACTION, 24, -1,
            ("欠税占应纳税额", "欠税仅占近24个月应纳税额的{value}", "欠税占近24个月应纳税额的{value}", "没有欠税"),
            ("Tax arrears to tax due", "Tax arrears are only {value} of the tax due over 24 months",
             "Tax arrears are {value} of the tax due over 24 months", "No tax is in arrears"), changeable=True),
    declare("tax_to_sales", "tax", Unit.FRACTION, 12, 0,
            ("税负率", "近12个月应纳税额占销售额{value}，对评分有利", "近12个月应纳税额占销售额{value}，对评分不利"),
            ("Tax due to sales", "Tax due is {value} of sales over 12 months, in the firm's favour",
             "Tax due is {value} of sales over 12 months, against the firm")),
    declare("tax_grade", "tax_grades", Unit.GRADE, 0, 1,
            ("纳税信用级别", "最近一次纳税信用级别为{value}级，纳税信用良好", "最近一次纳税信用级别为{value}级，有提升空间"),
            ("Tax credit grade", "The latest tax credit grade is {value}: good standing",
             "The latest tax credit grade is {value}: it can be raised")),
    declare("tax_grade_fell", "tax_grades", Unit.FLAG, 0, -1,
            ("纳税信用级别下降", "最近一次纳税信用级别没有下降", "最近一次纳税信用级别比上一次下降"),
            ("Fall of the tax credit grade", "The latest tax credit grade did not fall",
             "The latest tax credit grade is lower than the one before"), group="tax_grade"),
)  # fmt: skip


@dataclass(slots=True, eq=False)
class Filings:
    """``sales``: VAT sales (分) by month, NaN where none were declared by the day. Masks and arrays are by filing."""

    rows: MonthRows
    sales: Floats
    due: Floats
    """Tax due (分), 0 where not said or not filed yet."""
    told: Bools
    """Whose figures were known by the day."""
    unfiled: Bools
    """Due by the day and not filed by it."""
    payments: Payments
    """How late they were filed."""


def filings(reading: Reading) -> Filings | None:
    """The filings, read once; None where they may not be read."""
    return reading.once("tax", lambda: _read(reading))


def _read(reading: Reading) -> Filings | None:
    rows = reading.by_month("tax")
    if rows is None:
        return None
    # A filing of a later day has told nothing yet. Without a day of filing what it says is taken as told, and it is open.
    filed_on, sales = rows.day("filed_on"), rows.number("sales_fen")
    told = ~(filed_on > reading.clock.day)
    vat = told & rows.has("tax_kind", "vat") & ~np.isnan(sales)
    due = rows.number("due_fen")
    due = np.where(told & ~np.isnan(due), due, 0.0)
    late = days_late(rows.day("due_on"), filed_on, reading.clock.day, np.isnan(filed_on))
    unfiled = ~(np.isnan(late) | (filed_on <= reading.clock.day))
    spread_out = _spread(rows, vat, sales, reading.clock.last_month)
    return Filings(rows, spread_out, due, told, unfiled, payments(rows, late, reading.window))


def _spread(rows: MonthRows, which: Bools, sales: Floats, last_month: int) -> Floats:
    """Sales by month; those of a calendar quarter or year evenly over its months, to the 分 (the rest to its first months).

    The months are those of the quarter or year that holds the period, whichever of its months an office names it by.
    """
    cells: list[Ints] = []
    parts: list[Floats] = []
    cycle = rows.word("cycle", tuple(_SPANS))
    for number, span in enumerate(_SPANS.values()):
        mine = which & (cycle == number)
        if not mine.any():
            continue
        month = last_month - rows.age[mine]
        first = month // span * span
        share, rest = np.divmod(sales[mine], span)
        for place in range(span):
            age = last_month - (first + place)
            inside = (age >= 0) & (age < rows.months)
            cells.append((rows.at[mine] * rows.months + age)[inside])
            parts.append((share + (place < rest))[inside])
    monthly = which & np.isnan(cycle)
    cells.append(rows.cell[monthly])
    parts.append(sales[monthly])
    return spread(np.concatenate(cells), np.concatenate(parts), rows.n, rows.months)


def compute(reading: Reading) -> Part:
    """All of them."""
    part = Part()
    found = filings(reading)
    if found is not None:
        part.add(_of_filings(found, reading))
    part.add(_grade(reading))
    return part


def _of_filings(found: Filings, reading: Reading) -> Part:
    rows, window = found.rows, reading.window
    year = found.sales[:, : window.recent_months]
    filed = rows.count(rows.age >= 0) > 0
    due = rows.total(found.due, rows.recent)
    reading.trends.yearly(found.sales, "tax_sales_growth")
    values: Columns = {
        "tax_sales": log_units(mean(year), 100.0),
        "tax_sales_swing": _swing(found.sales, reading.clock.last_month, window),
        "tax_on_time": 1.0 - found.payments.told(window)[0],
        "tax_unfiled": np.where(filed, rows.count(found.unfiled), np.nan),
        "tax_nil_months": zero_months(found.sales, window),
        "tax_arrears": np.where(filed, _arrears(found), np.nan),
        "tax_to_sales": np.minimum(np.maximum(ratio(due, total(year)), -1.0), 1.0),
    }
    return Part(values, {"tax": known(found.sales)})


def _arrears(found: Filings) -> Floats:
    """Arrears on the tax due over the look-back window, at most 1; 0 without arrears."""
    rows = found.rows
    stated = rows.number("arrears_fen")
    owed = rows.total(stated, found.told & ~np.isnan(stated))
    due = np.bincount(rows.at, weights=found.due, minlength=rows.n)
    share = np.minimum(ratio(owed, np.maximum(due, owed)), 1.0)
    return np.where(owed > 0, share, 0.0)


def _swing(sales: Floats, last_month: int, window: Window) -> Floats:
    """Coefficient of variation of the whole calendar quarters, alike for those who file by month and by quarter."""
    newest = (last_month + 1) % 3
    quarters = (sales.shape[1] - newest) // 3
    by_quarter = sales[:, newest : newest + 3 * quarters].reshape(len(sales), quarters, 3)
    # Month by month, so that a quarter adds up in the same order whatever the number of firms.
    sums = by_quarter[:, :, 0] + by_quarter[:, :, 1] + by_quarter[:, :, 2]
    middle = mean(sums)
    spread_out = np.sqrt(mean((sums - middle[:, None]) ** 2))
    swing = ratio(spread_out, middle)
    swing[known(sums) < window.least_bills] = np.nan
    return np.minimum(swing, window.most_volatility)


def _grade(reading: Reading) -> Part:
    """The latest grade published by the day, and whether it is lower than that of the year before."""
    rows = reading.rows("tax_grades")
    if rows is None:
        return Part()
    year, published = rows.number("year"), rows.day("published_on")
    # Where the office does not say when, a grade is out by the end of the next year.
    out = np.where(np.isnan(published), year < reading.as_of.year - 1, published <= reading.clock.day)
    points = rows.word("grade", GRADES)
    read = out & ~np.isnan(points) & (year >= reading.as_of.year - reading.window.grade_years)
    # Year and grade in one number: the largest is the latest.
    latest = rows.latest(year * 10 + points, read)
    last_year = latest // 10
    before = rows.latest(points, read & (year == last_year[rows.at] - 1))
    fell = np.where(np.isnan(before), np.nan, latest % 10 < before).astype(np.float64)
    months = np.minimum(rows.count(read) * 12, reading.window.look_back_months).astype(np.int64)
    return Part({"tax_grade": latest % 10, "tax_grade_fell": fell}, {"tax_grades": months})
