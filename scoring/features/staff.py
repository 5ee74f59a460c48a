"""Social insurance and housing fund (catalogue §4). Labour dispatch lowers insured heads: few heads are not bad by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.features.declare import declare
from scoring.features.rows import Columns, MonthRows, Part, Reading
from scoring.features.series import days_late, gaps, known, log_units, mean, ratio, total
from scoring.features.spec import Unit
from scoring.features.utilities import Payments, payments
from scoring.features.window import Floats, Window

FEATURES: Final = (
    declare("insured_heads", "social_insurance", Unit.COUNT, 3, 1,
            ("参保人数", "近3个月平均参保{value}人，用工有规模", "近3个月平均参保{value}人，用工规模偏小"),
            ("Insured staff", "{value} persons were insured on average over 3 months: solid staff",
             "{value} persons were insured on average over 3 months: a small staff"), scale_free=False),
    declare("insured_trend", "social_insurance", Unit.FRACTION, 15, 1,
            ("参保人数变化", "近3个月参保人数比上年同期变化{value}，队伍稳定", "近3个月参保人数比上年同期变化{value}，人员减少"),
            ("Change in insured staff", "Insured staff changed by {value} against a year before: a stable team",
             "Insured staff changed by {value} against a year before: it is shrinking"), changeable=True, end_of_window=True),
    declare("insurance_unpaid", "social_insurance", Unit.MONTHS, 12, -1,
            ("社保欠缴月数", "近12个月中只有{value}个月社保未缴清", "近12个月中有{value}个月社保未缴清", "近12个月社保全部缴清"),
            ("Months of unpaid insurance", "Contributions of only {value} of the last 12 months are unpaid",
             "Contributions of {value} of the last 12 months are unpaid", "All contributions of the last 12 months are paid"),
            group="insurance_payment", changeable=True),
    declare("insurance_late_share", "social_insurance", Unit.FRACTION, 12, -1,
            ("社保逾期比例", "近12个月社保只有{value}的月份逾期，缴费守时", "近12个月社保有{value}的月份逾期缴纳",
             "近12个月社保都按时缴纳"),
            ("Share of contributions paid late", "Contributions were late in only {value} of the last 12 months",
             "Contributions were late in {value} of the last 12 months", "All contributions of the last 12 months were on time"),
            group="insurance_payment", changeable=True),
    declare("insurance_late_days", "social_insurance", Unit.DAYS, 12, -1,
            ("社保平均逾期天数", "近12个月社保平均逾期{value}天，缴费及时", "近12个月社保平均逾期{value}天",
             "近12个月社保没有一天逾期"),
            ("Average days contributions are late", "Contributions of the last 12 months were {value} days late on average",
             "Contributions of the last 12 months were {value} days late on average",
             "No contribution of the last 12 months was a day late"), group="insurance_payment", changeable=True),
    declare("insurance_gaps", "social_insurance", Unit.MONTHS, 12, -1,
            ("社保断缴月数", "近12个月社保记录仅缺{value}个月", "近12个月社保记录缺{value}个月", "近12个月社保没有断缴"),
            ("Months missing from the insurance record", "Only {value} of the last 12 months lack social insurance",
             "{value} of the last 12 months lack social insurance", "Social insurance runs without a gap"), changeable=True),
    declare("dispatched_share", "social_insurance", Unit.FRACTION, 12, 0,
            ("劳务派遣占比", "劳务派遣人员占用工的{value}，对评分有利", "劳务派遣人员占用工的{value}，对评分不利"),
            ("Share of dispatched workers", "{value} of the workers are dispatched, in the firm's favour",
             "{value} of the workers are dispatched, against the firm")),
    declare("base_per_head", "social_insurance", Unit.LOG_YUAN, 12, 0,
            ("人均缴费基数", "人均社保缴费基数{value}，对评分有利", "人均社保缴费基数{value}，对评分不利"),
            ("Contribution base per person", "The contribution base is {value} a person and month, in the firm's favour",
             "The contribution base is {value} a person and month, against the firm"), scale_free=False),
    declare("fund_unpaid", "housing_fund", Unit.MONTHS, 12, -1,
            ("公积金欠缴月数", "近12个月中只有{value}个月公积金未缴清", "近12个月中有{value}个月公积金未缴清",
             "近12个月公积金全部缴清"),
            ("Months of unpaid housing fund", "The housing fund of only {value} of the last 12 months is unpaid",
             "The housing fund of {value} of the last 12 months is unpaid", "The housing fund of the last 12 months is all paid"),
            group="fund_payment", changeable=True),
    declare("fund_late_share", "housing_fund", Unit.FRACTION, 12, -1,
            ("公积金逾期比例", "近12个月公积金只有{value}的月份逾期，缴存守时", "近12个月公积金有{value}的月份逾期缴存",
             "近12个月公积金都按时缴存"),
            ("Share of fund payments made late", "The housing fund was late in only {value} of the last 12 months",
             "The housing fund was late in {value} of the last 12 months", "The housing fund was always paid on time"),
            group="fund_payment", changeable=True),
)  # fmt: skip


INSURANCE: Final = "social_insurance"
FUND: Final = "housing_fund"


@dataclass(slots=True, eq=False)
class Contributions:
    """Both contributions by firm, stacked. ``heads``, ``base`` (分) and ``dispatched``: the most any kind of insurance says, by
    month. ``open_months``: months of the last year open on the day.
    """

    rows: MonthRows
    heads: Floats
    base: Floats
    dispatched: Floats
    payments: Payments
    open_months: Floats

    def heads_of(self, source: str) -> Floats | None:
        """Heads of one of the two; None where it may not be read."""
        return self.heads[self.rows.of(source)] if source in self.rows.sources else None

    @property
    def working(self) -> Floats:
        """The insured and those dispatched to the firm, by month."""
        firms = self.rows.of(INSURANCE)
        sent = self.dispatched[firms]
        return self.heads[firms] + np.where(np.isnan(sent), 0.0, sent)


def contributions(reading: Reading) -> Contributions | None:
    """Rows of social insurance and the housing fund, read once; None where neither may be read."""
    return reading.once("contributions", lambda: _read(reading))


def _read(reading: Reading) -> Contributions | None:
    rows = reading.by_month(INSURANCE, FUND)
    if rows is None:
        return None
    window, today = reading.window, reading.clock.day
    due_on = rows.day("period") + (window.contribution_due_day - 1)
    paid_on = rows.day("paid_on")
    short = rows.number("paid_fen") < rows.number("due_fen")
    late = days_late(due_on, paid_on, today, short)
    still_open = (due_on < today) & (short | (paid_on > today)) & rows.recent
    months = np.add.reduce(rows.seen(still_open), axis=1, dtype=np.float64)
    heads, base, dispatched = rows.most(
        rows.number("heads"), rows.number("base_fen"), rows.number("dispatched", only=INSURANCE)
    )
    return Contributions(rows, heads, base, dispatched, payments(rows, late, window), months)


def compute(reading: Reading) -> Part:
    """Both."""
    found = contributions(reading)
    if found is None:
        return Part()
    window, part = reading.window, Part()
    months, (share, days) = known(found.heads), found.payments.told(window)
    unpaid = np.where(months > 0, found.open_months, np.nan)
    if INSURANCE in found.rows.sources:
        firms = found.rows.of(INSURANCE)
        reading.trends.recent(found.heads[firms], "insured_trend")
        part.values.update(_insured(found, firms, window))
        part.values["insurance_unpaid"] = unpaid[firms]
        part.values["insurance_late_share"] = share[firms]
        part.values["insurance_late_days"] = days[firms]
        part.coverage[INSURANCE] = months[firms]
    if FUND in found.rows.sources:
        firms = found.rows.of(FUND)
        part.values["fund_unpaid"], part.values["fund_late_share"] = unpaid[firms], share[firms]
        part.coverage[FUND] = months[firms]
    return part


def _insured(found: Contributions, firms: slice, window: Window) -> Columns:
    heads = found.heads[firms]
    year, base, dispatched = (grid[..., : window.recent_months] for grid in (heads, found.base[firms], found.dispatched[firms]))
    sent = total(np.where(np.isnan(year), np.nan, dispatched))
    return {
        "insured_heads": mean(heads[:, : window.trend_months]),
        "insurance_gaps": gaps(~np.isnan(heads), window),
        "dispatched_share": np.where(known(dispatched) > 0, ratio(sent, sent + total(year)), np.nan),
        "base_per_head": log_units(ratio(total(base), total(np.where(np.isnan(base), np.nan, year))), 100.0),
    }
