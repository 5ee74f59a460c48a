"""Words, charts and tables of the quality of deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from flask import url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.charts import BarChart, LineChart, Series
from app.core.formats import NOTHING, count_text, money_text, rate_text
from app.core.pages import Text
from app.evidence.display import REASON_NAMES
from app.evidence.items import ITEMS, Kind
from app.evidence.models import Delivery
from app.evidence.quality_queries import Report, of_delivery
from app.evidence.quality_rules import ADVICE, MEASURES, RULES, Measure, Rule, Share, Verdict

VERDICTS: dict[str, tuple[Text, str]] = {
    Verdict.GOOD: (_l("良好"), "good"), Verdict.LOOK: (_l("需核对"), "wait"), Verdict.POOR: (_l("较差"), "bad"),
}
SEVERITIES: dict[str, tuple[Text, str]] = {"warn": (_l("提示"), "wait"), "bad": (_l("严重"), "bad")}
MILLI = 1000


def percent(share: Share | None) -> str:
    """A share as per cent; nothing where there is nothing to measure."""
    return rate_text(fraction(share), 1)


def fraction(share: Share | None) -> Decimal | None:
    """A share as a fraction."""
    return Decimal(share.part) / share.whole if share is not None and share.whole else None


def month_text(day: date | None) -> str:
    """A month as 2026-03."""
    return NOTHING if day is None else f"{day:%Y-%m}"


def value_text(item_code: str, field: str, value: int | None) -> str:
    """A value of a field in its unit, without the unit's name where the field's own name has it."""
    if value is None:
        return NOTHING
    if field in ("paid_on", "filed_on"):
        return gettext("早 %(days)s 天", days=value)
    kind = ITEMS[item_code].field(field).kind if field else Kind.COUNT
    if kind is Kind.MONEY:
        return money_text(value)
    if kind is Kind.QUANTITY:
        return f"{(Decimal(value) / MILLI).normalize():,f}"
    return count_text(value)


def seen_text(row: Any) -> str:
    """What came in."""
    if row.measure == Measure.LATENESS:
        return gettext("晚 %(days)s 天", days=count_text(row.seen))
    if row.measure == Measure.GAPS:
        return gettext("%(count)s 个月", count=count_text(row.seen))
    return value_text(row.item_code, row.field, row.seen)


def expected_text(row: Any) -> str:
    """What was to be expected, where that may be told."""
    low, high = row.expected_low, row.expected_high
    if low is None and high is None:
        return NOTHING
    if low == high:
        return value_text(row.item_code, row.field, high)
    above = value_text(row.item_code, row.field, high)
    return f"≤ {above}" if low is None else f"{value_text(row.item_code, row.field, low)} – {above}"


def field_text(row: Any) -> str:
    """Which column of the item a finding is about."""
    return gettext(ITEMS[row.item_code].field(row.field).label) if row.field else ""


def when_text(row: Any) -> str:
    """The month or day of a finding, or the first and last month of a gap."""
    if row.measure == Measure.GAPS and row.until != row.at:
        return f"{month_text(row.at)} – {month_text(row.until)}"
    item = ITEMS.get(row.item_code)
    if row.at is None or item is None or item.monthly or row.measure in (Measure.GAPS, Measure.COVERAGE):
        return month_text(row.at)
    return f"{row.at:%Y-%m-%d}"


def rule_text(rule: str) -> str:
    """Why a finding is one."""
    return gettext(RULES[Rule(rule)])


@dataclass(frozen=True)
class Line:
    """A measure as a page shows it."""

    name: str
    value: str
    detail: str = ""
    tone: str = "plain"


def lines(one: Report) -> list[Line]:
    """The measures of a report in their order; what could not be measured says so."""
    return [
        Line(gettext(MEASURES[measure]), _value(measure, one.shares.get(measure)), _detail(measure, one))
        for measure in Measure
    ]


def _value(measure: Measure, share: Share | None) -> str:
    if share is None or not share.whole:
        return gettext("不适用")
    if measure is Measure.SAME_FILE:
        return gettext("是") if share.part else gettext("否")
    return gettext("%(percent)s（%(part)s / %(whole)s）", percent=percent(share), part=count_text(share.part),
                   whole=count_text(share.whole))


def _detail(measure: Measure, one: Report) -> str:
    params = one.params.get(measure, {})
    comma = gettext("、")
    if measure is Measure.LATENESS and params.get("most", 0) > 0:
        most = count_text(params["most"])
        return gettext("约定 %(allowed)s 天内；最晚的晚了 %(most)s 天", allowed=params["allowed"], most=most)
    if measure is Measure.QUARANTINED:
        reasons = params.get("reasons", {}).items()
        return comma.join(f"{REASON_NAMES.get(reason, reason)} {count_text(n)}" for reason, n in reasons)
    if measure is Measure.IMPOSSIBLE:
        return comma.join(f"{rule_text(rule)} {count_text(n)}" for rule, n in params.get("rules", {}).items())
    if measure is Measure.SAME_FILE and "number" in params:
        return gettext("与第 %(number)s 批是同一份文件", number=params["number"])
    return ""


def advice(one: Report) -> str:
    """What to do."""
    return gettext(ADVICE[one.report.advice])


def sample_text(one: Report) -> str:
    """That only a sample was looked at, where it was."""
    sampled = max(one.report.one_in, one.report.known_one_in)
    if sampled == 1:
        return ""
    return gettext("数据量大，逐值检查抽取了 1/%(rows)s 的对象，覆盖率抽取了 1/%(known)s 的对象；比例按样本计算。",
                   rows=one.report.one_in, known=one.report.known_one_in)


def of_page(delivery: Delivery) -> dict[str, Any] | None:
    """What the page of a delivery shows of its quality; ``None`` while it is not measured."""
    one = of_delivery(delivery)
    if one is None:
        return None
    listed = url_for("evidence.quality_of", provider_id=delivery.provider_org_id, batch=delivery.number, f=1) + "#findings"
    return {
        "words": VERDICTS[one.report.verdict], "advice": advice(one), "lines": lines(one), "sample": sample_text(one),
        "to_check": one.report.to_check, "withdrawn": one.withdrawn, "url": listed,
    }


def trend(title: Text, reports: Sequence[Report]) -> LineChart:
    """Coverage, lateness and quarantine of an item, delivery by delivery, in per cent."""
    shown = [one for one in reports if not one.withdrawn]
    measures = (Measure.COVERAGE, Measure.LATENESS, Measure.QUARANTINED)
    return LineChart(
        title, [gettext("第 %(number)s 批", number=one.delivery.number) for one in shown],
        [Series(gettext(MEASURES[measure]), [_percent(one.shares.get(measure)) for one in shown]) for measure in measures],
        unit="%", places=1, axis=gettext("批次"),
    )


def strip_chart(title: Text, one: Report) -> BarChart:
    """Coverage month by month, in per cent."""
    return BarChart(title, [f"{month:%y-%m}" for month, _ in one.strip],
                    [Series(gettext("覆盖率"), [_percent(share) for _, share in one.strip])], unit="%", places=1,
                    axis=gettext("月份"))


def _percent(share: Share | None) -> Decimal | None:
    part = fraction(share)
    return None if part is None else part * 100
