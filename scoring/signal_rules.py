"""The rules behind ``signals``, one function each: rows in (``firm``, the item's stored columns), facts with a level out.

A rule returns ``firm, level, item, field, period, value, usual``; a firm may have several facts of different levels. Whole
numbers in stored units (分, thousandths), days as dates. Every number is a parameter and a proposal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from scoring.power_signal import stopping

Frames = Mapping[str, pl.DataFrame]
_COLUMNS: Final = ("firm", "level", "item", "field", "period", "value", "usual")


@dataclass(frozen=True, slots=True)
class SignalParameters:
    """Thresholds as (notice, warning, alarm). All numbers are proposals."""

    facts: int = 6
    """Facts kept with a signal."""
    power_months: int = 3
    power_falls: tuple[float, float, float] = (0.25, 0.40, 0.60)
    """Share by which the use of the last months is below the same months a year before. January and February are only compared
    together, since the Spring Festival lies in either."""
    power_least_milli: int = 300_000
    """A firm that used less than this in those months a year before is not judged."""
    power_stops: tuple[float, float, float] = (0.60, 0.80, 0.95)
    """Share by which the use of the last four weeks (or month) is below the firm's own time before."""
    power_stop_least_milli: int = 300_000
    """A firm that used less than this a month is not judged."""
    bill_days: int = 183
    bill_overdue_days: tuple[int, int, int] = (15, 30, 60)
    bills_late: tuple[int, int, int] = (2, 4, 6)
    """Late bills of one utility in ``bill_days``, where they were fewer before."""
    late_days: int = 5
    """Paid later than this many days after the due day is late."""
    insurance_day: int = 20
    """Day of their month by which contributions are due; unconfirmed."""
    insurance_days: int = 183
    insurance_unpaid: tuple[int, int, int] = (1, 2, 3)
    insurance_late: tuple[int, int, int] = (2, 4, 6)
    heads_falls: tuple[float, float, float] = (0.20, 0.35, 0.50)
    heads_back: int = 6
    heads_least: int = 3
    """A fall by fewer people is no signal."""
    tax_overdue_days: tuple[int, int, int] = (10, 60, 180)
    tax_least_fen: int = 100_00
    filings_late: tuple[int, int, int] = (2, 4, 6)
    not_filed_days: tuple[int, int, int] = (15, 45, 90)
    filing_late_days: int = 5
    case_days: int = 180
    """A case is new for so many days after it was filed."""
    dishonesty_days: int = 365
    judged_days: int = 365
    """An outcome within so many days makes a signal right."""


SIGNAL: Final = SignalParameters()


def _level(measure: pl.Expr, limits: tuple[float, float, float]) -> pl.Expr:
    """0 where it is under the first limit, up to 3 from the last on; null counts as 0."""
    return sum((measure.fill_null(-1) >= limit).cast(pl.Int8) for limit in limits).cast(pl.Int8)  # type: ignore[union-attr]


def _facts(rows: pl.LazyFrame, item: str | None, field: str | None) -> pl.DataFrame:
    """The rows with a level, in the columns of a rule's answer."""
    named = {name: pl.lit(word) for name, word in (("item", item), ("field", field)) if word is not None}
    told = rows.filter(pl.col("level") > 0).with_columns(**named).select(
        pl.col("firm").cast(pl.Int64), pl.col("level").cast(pl.Int8), "item", "field", pl.col("period").cast(pl.Date),
        pl.col("value").cast(pl.Int64), pl.col("usual").cast(pl.Int64),
    )
    return told.collect()


def _spans(as_of: date, days: int) -> tuple[date, date]:
    """The days after which the last ``days`` days begin, and as many before them: equal spans, so that counts compare."""
    return as_of - timedelta(days=days), as_of - timedelta(days=2 * days)


def months_before(day: date, months: int) -> date:
    """First day of the month so many months before."""
    index = day.year * 12 + day.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def last_complete(as_of: date) -> date:
    """First day of the last month that is over at the end of that day."""
    return months_before(as_of + timedelta(days=1), 1)


def compared_months(last: date, months: int) -> list[date]:
    """The last ``months`` months, with January and February together or not at all."""
    if last.month == 1:
        last = months_before(last, 1)
    span = [months_before(last, back) for back in range(months - 1, -1, -1)]
    return [months_before(span[0], 1), *span] if span[0].month == 2 else span


def power_fall(frames: Frames, as_of: date, parameters: SignalParameters) -> pl.DataFrame | None:
    """Use of the last months that were delivered against the same months a year before.

    A month counts when it was metered in both years; landlords' and flat-rate months are no zero. A shared meter tells nothing
    about one firm.
    """
    rows = frames["electricity"].filter(pl.col("period") <= last_complete(as_of), pl.col("quantity_milli").is_not_null())
    if "basis" in rows.columns:
        rows = rows.filter(pl.col("basis").ne_missing("shared"))
    latest = rows["period"].max()
    if not isinstance(latest, date):
        return None
    span = compared_months(latest, parameters.power_months)
    by_month = rows.lazy().group_by("firm", "period").agg(pl.col("quantity_milli").sum())
    before = by_month.select("firm", period=pl.col("period").dt.offset_by("1y"), old="quantity_milli")
    pairs = by_month.filter(pl.col("period").is_in(span)).join(before, on=["firm", "period"])
    whole = pairs.group_by("firm").agg(
        value=pl.col("quantity_milli").sum(), usual=pl.col("old").sum(), period=pl.col("period").max(), pairs=pl.len(),
        # Half of a pair of January and February would bring the festival in again.
        spring=pl.col("period").dt.month().is_in([1, 2]).sum(),
    )
    judged = whole.filter(
        pl.col("pairs") >= parameters.power_months - 1, pl.col("spring") != 1, pl.col("usual") >= parameters.power_least_milli
    )
    fall = 1.0 - pl.col("value") / pl.col("usual")
    return _facts(judged.with_columns(level=_level(fall, parameters.power_falls)), "electricity", "quantity")


def power_stop(frames: Frames, as_of: date, parameters: SignalParameters) -> pl.DataFrame | None:
    """Use that has all but ceased, by days where they are delivered, else by months; see ``power_signal``."""
    told = stopping(frames, as_of, parameters.power_stop_least_milli)
    if told.is_empty():
        return None
    fall = 1.0 - pl.col("value") / pl.col("usual")
    return _facts(told.lazy().with_columns(level=_level(fall, parameters.power_stops)), None, None)


def _open_bill(as_of: date) -> pl.Expr:
    """A bill not paid by that day: paid later, or with arrears and never paid."""
    owed = (pl.col("arrears_fen") > 0).fill_null(False)
    return (pl.col("paid_on") > as_of).fill_null(False) | (pl.col("paid_on").is_null() & owed)


def unpaid_bills(frames: Frames, as_of: date, parameters: SignalParameters) -> pl.DataFrame | None:
    """Bills of power, water and gas open beyond their due day, supply that was cut, and more late bills than before."""
    since, before = _spans(as_of, parameters.bill_days)
    found, late_rows = [], []
    for item, frame in frames.items():
        due = frame.lazy().filter(pl.col("due_on") <= as_of, pl.col("due_on") > before).with_columns(
            overdue=(pl.lit(as_of) - pl.col("due_on")).dt.total_days(), open=_open_bill(as_of), item=pl.lit(item),
        )
        recent = due.filter(pl.col("due_on") > since)
        found.append(_facts(recent.filter("open").select(
            "firm", level=_level(pl.col("overdue"), parameters.bill_overdue_days), period="due_on", value="overdue", usual=None,
        ), item, "overdue"))
        # A cut after as_of cannot be told from one before it, so only months that are over count while the bill is open.
        cut = recent.filter("open", pl.col("cut_days") > 0, pl.col("overdue") >= parameters.bill_overdue_days[2])
        found.append(_facts(cut.select("firm", "period", level=pl.lit(3), value="cut_days", usual=None), item, "cut_days"))
        late = (pl.min_horizontal("paid_on", pl.lit(as_of)) - pl.col("due_on")).dt.total_days() > parameters.late_days
        known = pl.col("paid_on").is_not_null() | pl.col("open")
        late_rows.append(due.filter(known & late).select("firm", "item", "due_on", "period"))
    counted = pl.concat(late_rows).group_by("firm", "item").agg(
        value=(pl.col("due_on") > since).sum(), usual=(pl.col("due_on") <= since).sum(), period=pl.col("period").max(),
    )
    more = counted.filter(pl.col("value").cast(pl.Int64) > pl.col("usual").cast(pl.Int64) + 1)
    found.append(_facts(more.with_columns(level=_level(pl.col("value"), parameters.bills_late)), None, "late_bills"))
    return pl.concat(found)


def unpaid_insurance(frames: Frames, as_of: date, parameters: SignalParameters) -> pl.DataFrame | None:
    """Months of contributions not paid in full by that day, and more months paid late than before."""
    since, before = _spans(as_of, parameters.insurance_days)
    rows = frames["social_insurance"].lazy().filter(pl.col("due_fen") > 0).with_columns(
        due_on=pl.col("period").dt.offset_by(f"{parameters.insurance_day - 1}d"),
    ).filter(pl.col("due_on").dt.offset_by(f"{parameters.late_days}d") < as_of, pl.col("due_on") > before)
    known = pl.col("paid_fen").is_not_null()
    later = (pl.col("paid_on") > as_of).fill_null(False)
    owed = pl.when(later).then(pl.col("due_fen")).otherwise(pl.col("due_fen") - pl.col("paid_fen"))
    late_by = (pl.min_horizontal(pl.col("paid_on"), pl.lit(as_of)) - pl.col("due_on")).dt.total_days()
    months = rows.filter(known).group_by("firm", "period", "due_on").agg(
        owed=owed.sum(), late=(late_by > parameters.late_days).any(),
    )
    recent = months.filter(pl.col("due_on") > since, pl.col("owed") > 0)
    unpaid = recent.with_columns(n=pl.len().over("firm")).select(
        "firm", "period", level=_level(pl.col("n"), parameters.insurance_unpaid), value="owed", usual=None,
    )
    counted = months.filter(pl.col("late").fill_null(False) | (pl.col("owed") > 0)).group_by("firm").agg(
        value=(pl.col("due_on") > since).sum(), usual=(pl.col("due_on") <= since).sum(), period=pl.col("period").max(),
    ).filter(pl.col("value").cast(pl.Int64) > pl.col("usual").cast(pl.Int64) + 1)
    late = counted.with_columns(level=_level(pl.col("value"), parameters.insurance_late))
    return pl.concat([
        _facts(unpaid, "social_insurance", "unpaid"), _facts(late, "social_insurance", "late_months"),
    ])  # fmt: skip


def falling_heads(frames: Frames, as_of: date, parameters: SignalParameters) -> pl.DataFrame | None:
    """Insured and dispatched people of the last month against half a year before. Dispatch is no fall: both are added."""
    people = pl.col("heads") + (pl.col("dispatched").fill_null(0) if "dispatched" in frames["social_insurance"].columns else 0)
    by_month = frames["social_insurance"].lazy().filter(pl.col("period") <= last_complete(as_of)).group_by("firm", "period").agg(
        heads=people.max()
    )
    latest = by_month.group_by("firm").agg(pl.col("period").max(), value=pl.col("heads").sort_by("period").last()).filter(
        pl.col("period") >= months_before(last_complete(as_of), 2)
    )
    old = by_month.select("firm", period=pl.col("period").dt.offset_by(f"{parameters.heads_back}mo"), usual="heads")
    fallen = latest.join(old, on=["firm", "period"]).filter(pl.col("usual") - pl.col("value") >= parameters.heads_least)
    fall = 1.0 - pl.col("value") / pl.col("usual")
    return _facts(fallen.with_columns(level=_level(fall, parameters.heads_falls)), "social_insurance", "heads")


def tax_arrears(frames: Frames, as_of: date, parameters: SignalParameters) -> pl.DataFrame | None:
    """Tax of a period in arrears, the longer overdue the worse."""
    owed = frames["tax"].lazy().filter(
        pl.col("arrears_fen") >= parameters.tax_least_fen, pl.col("due_on") <= as_of
    ).group_by("firm", "period").agg(pl.col("arrears_fen").sum(), pl.col("due_on").min())
    overdue = (pl.lit(as_of) - pl.col("due_on")).dt.total_days()
    return _facts(owed.select(
        "firm", "period", level=_level(overdue, parameters.tax_overdue_days), value="arrears_fen", usual=None,
    ), "tax", "arrears")  # fmt: skip


def late_filings(frames: Frames, as_of: date, parameters: SignalParameters) -> pl.DataFrame | None:
    """Filings that are missing beyond their deadline, and more late ones in a year than in the year before."""
    since, before = _spans(as_of, 365)
    due = frames["tax"].lazy().filter(pl.col("due_on") <= as_of, pl.col("due_on") > before).with_columns(
        days=(pl.min_horizontal("filed_on", pl.lit(as_of)) - pl.col("due_on")).dt.total_days(),
        missing=pl.col("filed_on").is_null() | (pl.col("filed_on") > as_of),
    )
    missing = due.filter("missing").group_by("firm", period="due_on").agg(value=pl.col("days").max()).with_columns(
        level=_level(pl.col("value"), parameters.not_filed_days), usual=None,
    )
    late = due.filter(pl.col("days") > parameters.filing_late_days).group_by("firm").agg(
        value=(pl.col("due_on") > since).sum(), usual=(pl.col("due_on") <= since).sum(), period=pl.col("period").max(),
    ).filter(pl.col("value").cast(pl.Int64) > pl.col("usual").cast(pl.Int64) + 1)
    counted = late.with_columns(level=_level(pl.col("value"), parameters.filings_late))
    return pl.concat([_facts(missing, "tax", "not_filed"), _facts(counted, "tax", "late_filings")])


def court_cases(frames: Frames, as_of: date, parameters: SignalParameters) -> pl.DataFrame | None:
    """New cases as defendant (notice) or debtor under enforcement (warning); bankruptcy or dishonesty of the debtor (alarm).

    A case that is closed with nothing unpaid is no signal.
    """
    still = (pl.col("closed_on").is_null() | (pl.col("closed_on") > as_of)) | (pl.col("unpaid_fen") > 0).fill_null(False)
    new = frames["justice"].lazy().filter(
        pl.col("role").is_in(["defendant", "debtor"]), still,
        pl.col("filed_on").is_between(as_of - timedelta(days=parameters.case_days), as_of),
    )
    worst, debtor = pl.col("kind").is_in(["bankruptcy", "dishonest"]), pl.col("role") == "debtor"
    level = pl.when(worst).then(3).when(debtor).then(2).otherwise(1)
    return _facts(new.select(
        "firm", level=level, field="role", period="filed_on", value=pl.col("amount_fen").fill_null(0), usual=None,
    ), "justice", None)  # fmt: skip


def dishonesty(frames: Frames, as_of: date, parameters: SignalParameters) -> pl.DataFrame | None:
    """A new entry that still stands."""
    listed = frames["dishonesty"].lazy().filter(
        pl.col("listed_on").is_between(as_of - timedelta(days=parameters.dishonesty_days), as_of),
        pl.col("removed_on").is_null() | (pl.col("removed_on") > as_of),
    )
    return _facts(listed.select(
        "firm", level=pl.lit(3), period="listed_on", value=(pl.lit(as_of) - pl.col("listed_on")).dt.total_days(), usual=None,
    ), "dishonesty", "listed")  # fmt: skip


def suspended(frames: Frames, as_of: date, parameters: SignalParameters) -> pl.DataFrame | None:
    """The status of the latest registration told by that day: moved away, suspended, revoked, deregistered."""
    latest = frames["registration"].lazy().filter(pl.col("as_of") <= as_of).sort("as_of").group_by("firm").last()
    level = pl.col("status").replace_strict(
        {"moved": 1, "suspended": 2, "revoked": 3, "deregistered": 3}, default=0, return_dtype=pl.Int8
    )
    return _facts(latest.select("firm", level=level, field="status", period="as_of", value=pl.lit(0), usual=None),
                  "registration", None)  # fmt: skip
