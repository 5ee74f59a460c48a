"""What crosses the border, and the bank account the firm bound (catalogue §4, cash flow)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.features.declare import declare
from scoring.features.rows import Columns, Part, Reading
from scoring.features.series import known, log_units, mean, ratio, total, volatility
from scoring.features.spec import Unit
from scoring.features.window import Floats, Window

FEATURES: Final = (
    declare("customs_value", "customs", Unit.LOG_YUAN, 12, 0,
            ("月均进出口额", "近12个月月均进出口{value}，对评分有利", "近12个月月均进出口{value}，对评分不利"),
            ("Average monthly imports and exports", "Imports and exports average {value} a month, in the firm's favour",
             "Imports and exports average {value} a month, against the firm"), scale_free=False),
    declare("customs_growth", "customs", Unit.FRACTION, 24, 1,
            ("进出口额同比变化", "近12个月进出口额同比变化{value}，走势向好", "近12个月进出口额同比变化{value}，走势偏弱"),
            ("Yearly change in imports and exports", "Imports and exports changed by {value} year on year: a good course",
             "Imports and exports changed by {value} year on year: a weak course")),
    declare("customs_distrusted", "customs", Unit.FLAG, 12, -1,
            ("海关失信", "海关信用等级不是失信", "海关信用等级为失信"),
            ("Dishonest by customs", "Customs does not hold the firm for dishonest", "Customs holds the firm for dishonest")),
    declare("cash_inflow", "cash_flow", Unit.LOG_YUAN, 12, 1,
            ("月均资金流入", "近12个月月均流入{value}，资金往来有规模", "近12个月月均流入{value}，资金往来偏少"),
            ("Average monthly inflow", "Inflow averages {value} a month over 12 months: solid scale",
             "Inflow averages {value} a month over 12 months: small scale"), scale_free=False),
    declare("cash_inflow_growth", "cash_flow", Unit.FRACTION, 24, 1,
            ("资金流入同比变化", "近12个月资金流入同比变化{value}，走势向好", "近12个月资金流入同比变化{value}，走势偏弱"),
            ("Yearly change of inflow", "Inflow changed by {value} year on year: a good course",
             "Inflow changed by {value} year on year: a weak course")),
    declare("cash_recent_trend", "cash_flow", Unit.FRACTION, 15, 1,
            ("近3个月资金流入变化", "近3个月资金流入比上年同期变化{value}，走势平稳",
             "近3个月资金流入比上年同期变化{value}，明显走低"),
            ("Inflow of the last 3 months", "Inflow of the last 3 months changed by {value} against a year before: steady",
             "Inflow of the last 3 months changed by {value} against a year before: clearly lower"),
            group="cash_inflow_growth", end_of_window=True),
    declare("cash_negative_months", "cash_flow", Unit.MONTHS, 12, -1,
            ("净流出月数", "近12个月中只有{value}个月支出大于收入", "近12个月中有{value}个月支出大于收入",
             "近12个月每个月收入都不低于支出"),
            ("Months of net outflow", "More went out than came in in only {value} of the last 12 months",
             "More went out than came in in {value} of the last 12 months", "No month saw more go out than come in")),
    declare("cash_counterparties", "cash_flow", Unit.COUNT, 12, 1,
            ("每月往来户数", "每月平均与{value}户有资金往来，往来面较宽", "每月平均只与{value}户有资金往来，往来面较窄"),
            ("Counterparties a month", "Money moves with {value} counterparties a month: a broad base",
             "Money moves with only {value} counterparties a month: a narrow base")),
    declare("cash_balance", "cash_flow", Unit.TIMES, 12, 1,
            ("账户余额", "近3个月月末余额可支撑{value}个月的支出，周转有余地", "近3个月月末余额只够{value}个月的支出，周转偏紧"),
            ("Account balance", "The balance of the last 3 months covers {value} months of outflow: room to move",
             "The balance of the last 3 months covers only {value} months of outflow: tight")),
    declare("cash_swings", "cash_flow", Unit.FRACTION, 12, -1,
            ("资金流入波动", "各月资金流入平稳，逐月平均变动{value}", "各月资金流入起伏大，逐月平均变动{value}"),
            ("Swings of inflow", "Inflow is steady: on average it changes by {value} from month to month",
             "Inflow swings: on average it changes by {value} from month to month")),
)  # fmt: skip


@dataclass(slots=True, eq=False)
class Account:
    """All accounts of a firm together, by month: in and out and what is left (分), and how many it dealt with."""

    inflow: Floats
    outflow: Floats
    balance: Floats
    counterparties: Floats


def account(reading: Reading) -> Account | None:
    """The cash flow, read once; None where it may not be read."""
    return reading.once("cash_flow", lambda: _read(reading))


def _read(reading: Reading) -> Account | None:
    rows = reading.by_month("cash_flow")
    if rows is None:
        return None
    return Account(*rows.grids(*map(rows.number, ("inflow_fen", "outflow_fen", "balance_fen", "counterparties"))))


def compute(reading: Reading) -> Part:
    """Both."""
    part = _customs(reading)
    found = account(reading)
    if found is not None:
        reading.trends.yearly(found.inflow, "cash_inflow_growth")
        reading.trends.recent(found.inflow, "cash_recent_trend")
        part.add(Part(_cash(found, reading.window), {"cash_flow": known(found.inflow)}))
    return part


def _cash(found: Account, window: Window) -> Columns:
    year = slice(None, window.recent_months)
    lately = np.array([grid[:, year] for grid in (found.inflow, found.outflow, found.counterparties)])
    inflow, outflow, counterparties = mean(lately)
    negative = np.add.reduce(found.outflow[:, year] > found.inflow[:, year], axis=1)
    months = ratio(mean(found.balance[:, : window.trend_months]), outflow)
    return {
        "cash_inflow": log_units(inflow, 100.0),
        "cash_negative_months": np.where(np.isnan(inflow), np.nan, negative),
        "cash_counterparties": counterparties,
        "cash_balance": np.minimum(np.maximum(months, -window.most_months), window.most_months),
        "cash_swings": volatility(found.inflow, window),
    }


def _customs(reading: Reading) -> Part:
    """A month without a declaration is no row: for a firm with any row in the window it is a month of 0."""
    rows = reading.by_month("customs")
    if rows is None or not len(rows.at):
        return Part()
    window = reading.window
    [grid] = rows.grids(rows.number("value_fen"))
    months = known(grid)
    recent, before = grid[:, : window.recent_months], grid[:, window.recent_months : 2 * window.recent_months]
    change = ratio(total(recent), total(before)) - 1.0
    change[known(before) < window.least_bills] = np.nan
    distrusted = rows.count(rows.has("aeo", "dishonest") & rows.recent) > 0
    trades = months > 0
    values = {
        "customs_value": np.where(trades, log_units(total(recent) / window.recent_months, 100.0), np.nan),
        "customs_growth": np.clip(change, -1.0, window.most_growth),
        "customs_distrusted": np.where(trades, distrusted, np.nan),
    }
    return Part(values, {"customs": months})
