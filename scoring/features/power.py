"""Electricity (catalogue §4, power): what every utility tells, and the level of use, its swings, gaps and metering."""

from __future__ import annotations

from typing import Final

from scoring.features import utilities
from scoring.features.declare import declare
from scoring.features.rows import Part, Reading
from scoring.features.spec import Unit

_SOURCE: Final = "electricity"

FEATURES: Final = (
    declare("power_use", _SOURCE, Unit.LOG_QUANTITY, 12, 0,
            ("月均用电量", "近12个月月均用电{value}千瓦时，对评分有利", "近12个月月均用电{value}千瓦时，对评分不利"),
            ("Average monthly power use", "Power use averages {value} kWh a month over 12 months, in the firm's favour",
             "Power use averages {value} kWh a month over 12 months, against the firm"), scale_free=False),
    *utilities.POWER_COMMON,
    declare("power_recent_trend", _SOURCE, Unit.FRACTION, 15, 1,
            ("近3个月用电变化", "近3个月用电量比上年同期变化{value}，走势平稳", "近3个月用电量比上年同期变化{value}，明显走低"),
            ("Power use of the last 3 months", "Power use of the last 3 months changed by {value} against a year before: steady",
             "Power use of the last 3 months changed by {value} against a year before: clearly lower"),
            group="power_trend", end_of_window=True),
    declare("power_volatility", _SOURCE, Unit.FRACTION, 12, -1,
            ("用电波动", "各月用电量平稳，逐月平均变动{value}", "各月用电量起伏大，逐月平均变动{value}"),
            ("Swings of power use", "Power use is steady: on average it changes by {value} from month to month",
             "Power use swings: on average it changes by {value} from month to month")),
    declare("power_overdue_days", _SOURCE, Unit.DAYS, 12, -1,
            ("电费平均逾期天数", "近12个月电费平均逾期{value}天，缴费及时", "近12个月电费平均逾期{value}天",
             "近12个月电费没有一天逾期"),
            ("Average days power bills are late", "Power bills of the last 12 months were {value} days late on average: prompt",
             "Power bills of the last 12 months were {value} days late on average",
             "No power bill of the last 12 months was a day late"), group="power_payment", changeable=True),
    declare("power_gaps", _SOURCE, Unit.MONTHS, 12, -1,
            ("用电记录缺月", "近12个月用电记录仅缺{value}个月", "近12个月用电记录缺{value}个月", "近12个月用电记录完整"),
            ("Months missing from the power record", "Only {value} of the last 12 months are missing from the power record",
             "{value} of the last 12 months are missing from the power record",
             "The power record of the last 12 months is complete"), changeable=True),
    declare("power_unmetered", _SOURCE, Unit.FRACTION, 12, 0,
            ("无独立电表的月份", "近12个月中{value}的月份由房东代收、合表或未装表，对评分有利",
             "近12个月中{value}的月份由房东代收、合表或未装表，用电无法核实",
             "近12个月都由本户电表计量，用电可以核实"),
            ("Months without a meter of its own",
             "In {value} of the months power ran through a landlord, a shared meter or no meter, in the firm's favour",
             "In {value} of the months power ran through a landlord, a shared meter or no meter: use cannot be verified",
             "All power of the last 12 months ran through the firm's own meter")),
    declare("power_estimated", _SOURCE, Unit.FRACTION, 12, 0,
            ("估抄电表的月份", "近12个月中{value}的用电为估抄，对评分有利", "近12个月中{value}的用电为估抄，读数不够准确",
             "近12个月用电都是实际抄表"),
            ("Estimated readings", "{value} of the readings of the last 12 months were estimated, in the firm's favour",
             "{value} of the readings of the last 12 months were estimated: less certain",
             "Every reading of the last 12 months was taken at the meter")),
)  # fmt: skip


def compute(reading: Reading) -> Part:
    """What is told about power alone."""
    return utilities.electricity(reading)
