"""Electricity, water and gas: use, payment discipline, gaps, and what is not metered.

A landlord's bill, a flat rate without a meter and a meter shared with a neighbour say nothing about how much the firm uses:
their months are unknown, never zero (credit-data catalogue §3). Bills of a landlord or of a shared meter are not the firm's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.features.declare import declare
from scoring.features.rows import Columns, MonthRows, Part, Reading
from scoring.features.series import (
    days_late,
    gaps,
    log_units,
    mean,
    ratio,
    recent_growth,
    volatility,
    yearly_growth,
    zero_months,
)
from scoring.features.spec import Feature, Unit
from scoring.features.window import Bools, Clock, Floats, Ints, Window

PREFIX: Final = {"electricity": "power", "water": "water", "gas": "gas"}
"""Source → how its features are called."""


def _common(source: str, zh: str, en: str) -> tuple[Feature, ...]:
    """What is told about each utility. ``zh``: 电, 水, 气."""
    name = PREFIX[source]
    return (
        declare(f"{name}_trend", source, Unit.FRACTION, 24, 1,
                (f"用{zh}量同比变化", f"近12个月用{zh}量同比变化{{value}}，经营稳定向好",
                 f"近12个月用{zh}量同比变化{{value}}，用{zh}走低"),
                (f"Yearly change in {en} use", f"{en.capitalize()} use changed by {{value}} year on year: steady or growing",
                 f"{en.capitalize()} use changed by {{value}} year on year: it is falling"), group=f"{name}_trend"),
        declare(f"{name}_zero_months", source, Unit.MONTHS, 12, -1,
                (f"零用{zh}月数", f"近12个月中只有{{value}}个月没有用{zh}", f"近12个月中有{{value}}个月完全没有用{zh}",
                 f"近12个月每个月都有用{zh}，经营没有停顿"),
                (f"Months without {en} use", f"No {en} was used in only {{value}} of the last 12 months",
                 f"No {en} was used in {{value}} of the last 12 months", f"{en.capitalize()} was used in every month")),
        declare(f"{name}_late_share", source, Unit.FRACTION, 12, -1,
                (f"{zh}费逾期比例", f"近12个月的{zh}费账单只有{{value}}逾期，缴费守时",
                 f"近12个月的{zh}费账单中有{{value}}逾期缴纳",
                 f"近12个月按时缴纳{zh}费，没有逾期"),
                (f"Share of {en} bills paid late", f"Only {{value}} of the {en} bills of the last 12 months were late",
                 f"{{value}} of the {en} bills of the last 12 months were late",
                 f"All {en} bills of the last 12 months were paid on time"), group=f"{name}_payment", changeable=True),
        declare(f"{name}_arrears", source, Unit.TIMES, 24, -1,
                (f"{zh}费欠费", f"{zh}费欠费仅相当于{{value}}个月的账单", f"{zh}费欠费相当于{{value}}个月的账单",
                 f"目前没有拖欠{zh}费"),
                (f"{en.capitalize()} arrears", f"{en.capitalize()} arrears are only {{value}} months of bills",
                 f"{en.capitalize()} arrears are {{value}} months of bills", f"No {en} bill is in arrears"),
                group=f"{name}_payment", changeable=True),
        declare(f"{name}_cut_days", source, Unit.DAYS, 12, -1,
                (f"停{zh}天数", f"近12个月被停{zh}仅{{value}}天", f"近12个月被停{zh}{{value}}天",
                 f"近12个月没有被停{zh}"),
                (f"Days cut off from {en}", f"{en.capitalize()} was cut off on only {{value}} days of the last 12 months",
                 f"{en.capitalize()} was cut off on {{value}} days of the last 12 months",
                 f"{en.capitalize()} was never cut off in the last 12 months"), group=f"{name}_payment", changeable=True),
    )  # fmt: skip


POWER_COMMON: Final = _common("electricity", "电", "electricity")
FEATURES: Final = (*_common("water", "水", "water"), *_common("gas", "气", "gas"))


@dataclass(frozen=True, eq=False)
class Supply:
    """A utility by firm. ``use``: thousandths of a unit by month, NaN where not metered. Masks are by row."""

    rows: MonthRows
    use: Floats
    seen: Bools
    """Months with a row of any kind."""
    told: Bools
    """Months with a reading or a bill of the firm's own."""
    unmetered: Bools
    own: Bools
    late: Floats
    """Days by which each own bill was late, NaN where that cannot be said."""


def supply(reading: Reading, source: str) -> Supply | None:
    """The rows of a utility, read once; None where it may not be read."""
    return reading.once(source, lambda: _read(reading, source))


def _read(reading: Reading, source: str) -> Supply | None:
    rows = reading.by_month(source)
    if rows is None:
        return None
    quantity, bill = rows.number("quantity_milli"), rows.number("bill_fen")
    foreign = rows.has("metering", "landlord") | rows.has("basis", "shared")
    unmetered = foreign | rows.has("metering", "not_metered")
    own = ~foreign & ~np.isnan(bill)
    late = days_late(rows.day("due_on"), rows.day("paid_on"), reading.clock.day, rows.number("arrears_fen") > 0)
    late[~own] = np.nan
    use = rows.grid(quantity, ~unmetered)
    return Supply(rows, use, rows.seen(), ~np.isnan(use) | rows.seen(own), unmetered, own, late)


def compute(reading: Reading) -> Part:
    """Water and gas."""
    part = Part()
    for source in ("water", "gas"):
        part.add(common(reading, source))
    return part


def common(reading: Reading, source: str) -> Part:
    """What is told about each utility."""
    found = supply(reading, source)
    if found is None:
        return Part()
    window, name = reading.window, PREFIX[source]
    late_share, _ = payment(found.rows, found.rows.age, found.late, window)
    values = {
        "trend": yearly_growth(found.use, window),
        "zero_months": zero_months(found.use, window),
        "late_share": late_share,
        "arrears": _arrears(found, reading.clock, window),
        "cut_days": _cut_days(found, window),
    }
    coverage = found.told.sum(axis=1).astype(np.int64)
    return Part({f"{name}_{what}": column for what, column in values.items()}, {source: coverage})


def electricity(reading: Reading) -> Part:
    """What is told about power beside that: level, swings, gaps and how it is metered."""
    found = supply(reading, "electricity")
    if found is None:
        return Part()
    window, rows = reading.window, found.rows
    recent = rows.age < window.recent_months
    months = rows.count(recent)
    values: Columns = {
        "power_use": log_units(mean(found.use[:, : window.recent_months]), 1000.0),
        "power_recent_trend": recent_growth(found.use, window),
        "power_volatility": volatility(found.use, window),
        "power_overdue_days": payment(rows, rows.age, found.late, window)[1],
        "power_gaps": gaps(found.seen, window),
        "power_unmetered": ratio(rows.count(recent & found.unmetered), months),
        "power_estimated": ratio(rows.count(recent & rows.has("metering", "estimated")), months),
    }
    return Part(values)


def payment(rows: MonthRows, age: Ints, late: Floats, window: Window) -> tuple[Floats, Floats]:
    """Share of the last year's payments that were late, and their average days of lateness; NaN with too few payments."""
    judged = (age < window.recent_months) & ~np.isnan(late)
    n = rows.count(judged)
    share = ratio(rows.count(judged & (late > 0)), n)
    days = ratio(rows.total(np.minimum(late, window.most_late_days), judged), n)
    few = n < window.least_bills
    share[few] = np.nan
    days[few] = np.nan
    return share, days


def _arrears(found: Supply, clock: Clock, window: Window) -> Floats:
    """What is overdue as of the day, in average monthly bills of the last year."""
    rows = found.rows
    bill, stated = rows.number("bill_fen"), rows.number("arrears_fen")
    due, paid = rows.day("due_on"), rows.day("paid_on")
    # A bill paid after the day was open on it, whatever the delivery says by now.
    owed = np.where(paid > clock.day, bill, np.where(np.isnan(paid), stated, 0.0))
    owing = found.own & (owed > 0) & ~(due >= clock.day)
    year = rows.grid(bill, found.own)[:, : window.recent_months]
    months = ratio(rows.total(owed, owing), mean(year))
    return np.minimum(months, window.most_months)


def _cut_days(found: Supply, window: Window) -> Floats:
    rows = found.rows
    days = rows.number("cut_days")
    told = found.own & ~np.isnan(days) & (rows.age < window.recent_months)
    total = rows.total(days, told)
    total[rows.count(told) == 0] = np.nan
    return total


