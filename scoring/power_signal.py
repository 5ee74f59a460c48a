"""The signal of a firm whose power use is about to stop: the last weeks (or month) against the firm's own time before.

Daily use is compared outside the Spring Festival, monthly use outside January and February. On the firms of a park over 20 months
(``tianchi_power``), 27 of which stopped after 90 days or more, looked at week by week and month by month:

    fall of at least   daily: warned 30 days ahead, false alarms per 100 firm-years   monthly: the same
    60 %               22 %, 25                                                       19 %, 21
    80 %               19 %, 12                                                       15 %, 11

Most of these firms stopped abruptly, so a stop is usually told when it is there, not before. Months say nearly as much as days,
only later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from scoring.power_seasons import in_festival


@dataclass(frozen=True, slots=True)
class _Step:
    """One kind of reading: the item, its column of time, how many make "now" and "before", and the fewest of "before"."""

    item: str
    time: str
    now: int
    before: int
    least: int
    fresh: int
    """A firm whose last reading is so many days old is not judged: nothing read is not nothing used. Readings come by the month,
    and those about the new year are left out."""


_DAYS = _Step("electricity_daily", "day", 28, 300, 56, 75)
_MONTHS = _Step("electricity", "period", 1, 6, 4, 150)


def stopping(frames: Mapping[str, pl.DataFrame], as_of: date, least_milli: int) -> pl.DataFrame:
    """Rows ``firm, item, field, period, value, usual``: mean use a day or a month now and before, in thousandths of a kWh.

    ``least_milli``: a firm that used less in a month (a thirtieth of it a day) before is not judged. Days come first: a firm told
    by days is not told by months again. A shared meter tells nothing about one firm.
    """
    told = [_told(frames[step.item], as_of, step, least_milli) for step in (_DAYS, _MONTHS) if step.item in frames]
    return pl.concat(told).unique("firm", keep="first", maintain_order=True) if told else pl.DataFrame()


def _told(rows: pl.DataFrame, as_of: date, step: _Step, least_milli: int) -> pl.DataFrame:
    own = rows.filter(pl.col(step.time) <= as_of, pl.col("quantity_milli").is_not_null())
    if "basis" in own.columns:
        own = own.filter(pl.col("basis").ne_missing("shared"))
    used = own.group_by("firm", step.time).agg(pl.col("quantity_milli").sum()).sort("firm", step.time)
    monthly = step is _MONTHS
    if monthly:
        used = used.filter(~pl.col("period").dt.month().is_in([1, 2]), pl.col("period").dt.month_end() <= as_of)
    elif not used.is_empty():
        used = used.filter(~pl.Series(in_festival(used[step.time].to_numpy().astype("datetime64[D]"))))
    back = pl.col(step.time).rank("ordinal", descending=True).over("firm")
    now, before = back <= step.now, back.is_between(step.now + 1, step.now + step.before)
    use = pl.col("quantity_milli")
    found = used.with_columns(now=now, before=before).group_by("firm", maintain_order=True).agg(
        value=use.filter("now").mean(), usual=use.filter("before").mean(), held=pl.col("before").sum(),
        period=pl.col(step.time).max(),
    )
    stale = pl.col("period") < as_of - timedelta(days=step.fresh)
    return found.filter(
        pl.col("held") >= step.least, ~stale, pl.col("usual") >= (least_milli if monthly else least_milli / 30),
    ).select(
        "firm", "period", item=pl.lit(step.item), field=pl.lit("month_use" if monthly else "day_use"),
        value=pl.col("value").round().cast(pl.Int64), usual=pl.col("usual").round().cast(pl.Int64),
    )  # fmt: skip
