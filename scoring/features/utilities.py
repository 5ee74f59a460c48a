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
    volatility,
    zero_months,
)
from scoring.features.spec import Feature, Unit
from scoring.features.window import Bools, Floats, Window

PREFIX: Final = {"electricity": "power", "water": "water", "gas": "gas"}
"""Source → how its features are called."""
_METERING: Final = ("landlord", "not_metered", "estimated")
_LANDLORD, _NOT_METERED, _ESTIMATED = 0.0, 1.0, 2.0


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


@dataclass(slots=True, eq=False)
class Payments:
    """By firm: payments of the last year that can be judged, how many of them were late, and their days of lateness."""

    judged: Floats
    late: Floats
    days: Floats

    def told(self, window: Window) -> tuple[Floats, Floats]:
        """Share of them that were late and their average days of lateness; NaN with too few."""
        share, days = np.array([self.late, self.days]) / np.where(self.judged < window.least_bills, np.nan, self.judged)
        return share, days


@dataclass(slots=True, eq=False)
class Supply:
    """The utilities by firm, stacked. ``use`` and ``bills``: thousandths of a unit and 分 by month, NaN where not metered and
    where there is no bill of the firm's own; ``owed``: 分 overdue on the day. Masks are by row.
    """

    rows: MonthRows
    use: Floats
    bills: Floats
    owed: Floats
    own: Bools
    unmetered: Bools
    estimated: Bools
    payments: Payments


def supply(reading: Reading) -> Supply | None:
    """The rows of all utilities that may be read, read once; None where none may."""
    return reading.once("utilities", lambda: _read(reading))


def use(reading: Reading, source: str) -> Floats | None:
    """Use of one utility by firm and month; None where it may not be read."""
    found = supply(reading)
    return found.use[found.rows.of(source)] if found is not None and source in found.rows.sources else None


def _read(reading: Reading) -> Supply | None:
    rows = reading.by_month(*PREFIX)
    if rows is None:
        return None
    today = reading.clock.day
    bill, stated, due, paid = rows.number("bill_fen"), rows.number("arrears_fen"), rows.day("due_on"), rows.day("paid_on")
    metering = rows.word("metering", _METERING)
    foreign = (metering == _LANDLORD) | rows.has("basis", "shared")
    unmetered = foreign | (metering == _NOT_METERED)
    own = ~(foreign | np.isnan(bill))
    late = days_late(due, paid, today, stated > 0)
    late[~own] = np.nan
    # A bill paid after the day was open on it, whatever the delivery says by now.
    owed = np.where(paid > today, bill, np.where(np.isnan(paid), stated, 0.0))
    use, bills = rows.grids(
        np.where(unmetered, np.nan, rows.number("quantity_milli")), np.where(own, bill, np.nan)
    )
    return Supply(rows, use, bills, rows.total(owed, own & (owed > 0) & ~(due >= today)), own, unmetered,
                  metering == _ESTIMATED, payments(rows, late, reading.window))


def compute(reading: Reading) -> Part:
    """What is told about each utility."""
    found = supply(reading)
    if found is None:
        return Part()
    window = reading.window
    reading.trends.yearly(found.use, *(f"{PREFIX[source]}_trend" for source in found.rows.sources))
    late_share, _ = found.payments.told(window)
    columns = {
        "zero_months": zero_months(found.use, window),
        "late_share": late_share,
        "arrears": np.minimum(ratio(found.owed, mean(found.bills[:, : window.recent_months])), window.most_months),
        "cut_days": _cut_days(found),
    }
    # A month with a reading or with a bill of the firm's own.
    told = np.add.reduce(~np.isnan(found.use) | ~np.isnan(found.bills), axis=1)
    part = Part()
    for source in found.rows.sources:
        firms = found.rows.of(source)
        part.values.update({f"{PREFIX[source]}_{what}": column[firms] for what, column in columns.items()})
        part.coverage[source] = told[firms]
    return part


def electricity(reading: Reading) -> Part:
    """What is told about power beside that: level, swings, gaps and how it is metered."""
    found = supply(reading)
    if found is None or "electricity" not in found.rows.sources:
        return Part()
    window, rows = reading.window, found.rows
    firms = rows.of("electricity")
    power = found.use[firms]
    reading.trends.recent(power, "power_recent_trend")
    by_metering = np.array([rows.count(rows.recent & kind) for kind in (found.unmetered, found.estimated)])
    unmetered, estimated = ratio(by_metering, rows.count(rows.recent))
    values: Columns = {
        "power_use": log_units(mean(power[:, : window.recent_months]), 1000.0),
        "power_volatility": volatility(power, window),
        "power_overdue_days": found.payments.told(window)[1][firms],
        "power_gaps": gaps(rows.seen()[firms], window),
        "power_unmetered": unmetered[firms],
        "power_estimated": estimated[firms],
    }
    return Part(values)


def payments(rows: MonthRows, late: Floats, window: Window) -> Payments:
    """Of the last year. ``late``: days by which each row was late, NaN where that cannot be said."""
    judged = rows.recent & ~np.isnan(late)
    return Payments(rows.count(judged), rows.count(judged & (late > 0)),
                    rows.total(np.minimum(late, window.most_late_days), judged))


def _cut_days(found: Supply) -> Floats:
    rows = found.rows
    days = rows.number("cut_days")
    told = found.own & ~np.isnan(days) & rows.recent
    return np.where(rows.count(told) > 0, rows.total(days, told), np.nan)
