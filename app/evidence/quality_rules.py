"""What is measured of a delivery, against which numbers, and what is to be done: policy, no database.

Every number is a proposal [P] and a field of ``QualityRules``. Amounts in 分, quantities in thousandths of kWh or m³.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from app.evidence.items import ITEMS, N_, Item, Kind
from app.evidence.rules import INVOICES


class Measure(StrEnum):
    """What is measured. Of coverage the part is the good one, of all others the one to look at."""

    COVERAGE = "coverage"
    GAPS = "gaps"
    LATENESS = "lateness"
    JUMPS = "jumps"
    IDENTICAL = "identical"
    SUPERSEDING = "superseding"
    CONFLICTS = "conflicts"
    SAME_FILE = "same_file"
    IMPOSSIBLE = "impossible"
    QUARANTINED = "quarantined"


class Verdict(StrEnum):
    """A delivery in one word."""

    GOOD = "good"
    LOOK = "look"
    POOR = "poor"


class Rule(StrEnum):
    """Why a finding is one."""

    MISSING = "missing"
    GAP = "gap"
    LATE = "late"
    JUMP_UP = "jump_up"
    JUMP_DOWN = "jump_down"
    HEADS_OVER_REPORTED = "heads_over_reported"
    HEADS_OVER_STATED = "heads_over_stated"
    HEADS_OVER_INSURED = "heads_over_insured"
    OVER_CEILING = "over_ceiling"
    PAID_OVER_SALES = "paid_over_sales"
    PAID_BEFORE = "paid_before"
    CUT_BUT_USED = "cut_but_used"
    MIXED_CYCLES = "mixed_cycles"


LISTED = (Measure.COVERAGE, Measure.GAPS, Measure.LATENESS, Measure.JUMPS, Measure.IMPOSSIBLE)
"""Measures that name the values, months and subjects they found."""
TO_CHECK = (Measure.COVERAGE, Measure.GAPS, Measure.JUMPS, Measure.IMPOSSIBLE)
"""Of these the provider should look at each one; what came late is late."""


@dataclass(frozen=True, slots=True)
class Jump:
    """A field that is compared with the subject's own past; a difference under ``floor`` (stored unit) is no jump."""

    field: str
    floor: int
    falls: bool = True
    """Whether a fall counts too: one day without power is a holiday, one month is news."""


@dataclass(frozen=True, slots=True)
class QualityRules:
    """Parameters of the measures, all [P]."""

    listed: int = 500
    """Findings kept of one measure of one delivery, the worst first; how many there were is always told."""
    known_months: int = 12
    """A subject is known when it had a row within so many months."""
    gap_months: int = 24
    strip_months: int = 12
    sample_rows: int = 200_000
    """A delivery with more rows is checked for a sample of its subjects, and the page says so."""
    sample_known_rows: int = 1_000_000
    """The same for coverage, by the rows of the item that the provider ever delivered."""
    jump_factor: int = 10
    jump_months: int = 12
    jump_needs: int = 3
    """Fewer earlier values than this make no habit."""
    jumps: Mapping[str, Jump] = field(default_factory=lambda: MappingProxyType({
        "electricity": Jump("quantity", 500_000), "water": Jump("quantity", 50_000), "gas": Jump("quantity", 50_000),
        "electricity_daily": Jump("kwh", 50_000, falls=False), "social_insurance": Jump("heads", 20),
        "housing_fund": Jump("heads", 20), "tax": Jump("sales", 10_000_000),
    }))
    heads_factor: int = 20
    heads_difference: int = 50
    fund_factor: int = 3
    """Members of the housing fund against insured heads of the same month."""
    fund_difference: int = 20
    ceilings: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({
        "electricity": 10_000 * 744 * 1000, "electricity_daily": 10_000 * 24 * 1000,
        "water": 1_000_000_000, "gas": 2_000_000_000,
    }))
    """More than a small firm's connection can bring: 10 MW around the clock; a million m³ of water, two million of gas."""
    paid_floor_fen: int = 1_000_000
    cut_days: int = 20
    cut_share_percent: int = 90
    """Cut off for so many days and still so much of the usual use."""
    coverage_good_percent: int = 95
    coverage_poor_percent: int = 80
    look_percent: int = 1
    """From this share on of rows in quarantine or with a jump, a delivery is to be looked at; impossible values always are."""
    late_look_percent: int = 5
    late_poor_percent: int = 50
    quarantine_poor_percent: int = 10
    impossible_poor_percent: int = 5
    poor_from_rows: int = 20
    """One bad row of three is no share: a share makes a delivery poor only from so many rows on."""


QUALITY = QualityRules()

STEADY = frozenset({
    "electricity", "water", "gas", "electricity_daily", "social_insurance", "housing_fund", "tax", "cash_flow",
})
"""Items of which a subject has something every month, so that a missing month means something. Customs and penalties do not."""
UNTIMED = frozenset({"meter_links", "qualifications", "ip", "registration"})
"""Items that tell how things stand, or since when: a right granted years ago is not late."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the measures need to know of an item's table; names of columns come from the item table, never from people."""

    item: str
    table: str
    subject: str
    at: str
    """SQL of the first day the row tells about."""
    end: str
    """SQL of the first day after what it tells about."""
    months: str
    """SQL of how many months the row covers."""
    series: tuple[str, ...]
    """Key columns beside subject and time: values are compared within one of them."""
    late_days: int
    value: str = ""
    """Column compared with the past."""


def shape_of(item_code: str) -> Shape:
    """The shape of an item's table. Raises ``KeyError`` for an item that is not taken in."""
    if item_code == INVOICES:
        end = "(date_trunc('month', {f}.day) + interval '1 month')::date"
        return Shape(INVOICES, "invoice_line", "firm_no", "{f}.day", end, "1", (), 45)
    item = ITEMS[item_code]
    at, end, months = _times(item)
    jump = QUALITY.jumps.get(item_code)
    series = tuple(item.field(code).stored for code in item.key if code != item.at and not item.lines)
    if item_code == "tax":  # a quarter is compared with quarters
        series = (*series, "cycle")
    value = item.field(jump.field).stored if jump else ""
    return Shape(item_code, item.table, item.subject_column, at, end, months, series, item.late_days, value)


def _times(item: Item) -> tuple[str, str, str]:
    column = f"{{f}}.{item.field(item.at).stored}"
    kind = item.field(item.at).kind
    if kind is Kind.YEAR:
        return f"make_date({column}::int, 1, 1)", f"make_date({column}::int + 1, 1, 1)", "12"
    if item.code == "tax":  # a quarterly filer has one row a quarter, on its first month
        months = "case {f}.cycle when 'quarter' then 3 when 'year' then 12 else 1 end"
        return column, f"({column} + make_interval(months => {months}))::date", months
    if kind is Kind.MONTH:
        return column, f"({column} + interval '1 month')::date", "1"
    return column, f"({column} + 1)", "1"


@dataclass(frozen=True, slots=True)
class Share:
    """Part of a whole, and what more is to be said of it."""

    part: int
    whole: int

    def at_least(self, percent: int) -> bool:
        """Whether the part is at least so many per cent of the whole."""
        return self.whole > 0 and self.part * 100 >= percent * self.whole


def judge(found: Mapping[Measure, Share], rules: QualityRules = QUALITY) -> tuple[Verdict, Measure | None]:
    """The verdict, and the measure that decided it (``None`` where all is well)."""
    nothing = Share(0, 0)

    def of(measure: Measure) -> Share:
        return found.get(measure, nothing)

    coverage = of(Measure.COVERAGE)
    poor = (
        (Measure.IMPOSSIBLE, _poor(of(Measure.IMPOSSIBLE), rules.impossible_poor_percent, rules)),
        (Measure.QUARANTINED, _poor(of(Measure.QUARANTINED), rules.quarantine_poor_percent, rules)),
        (Measure.COVERAGE, coverage.whole >= rules.poor_from_rows and not coverage.at_least(rules.coverage_poor_percent)),
        (Measure.LATENESS, _poor(of(Measure.LATENESS), rules.late_poor_percent, rules)),
    )
    look = (
        (Measure.IMPOSSIBLE, of(Measure.IMPOSSIBLE).part > 0),
        (Measure.QUARANTINED, of(Measure.QUARANTINED).part > 0 and of(Measure.QUARANTINED).at_least(rules.look_percent)),
        (Measure.CONFLICTS, of(Measure.CONFLICTS).part > 0),
        (Measure.SAME_FILE, of(Measure.SAME_FILE).part > 0),
        (Measure.COVERAGE, coverage.whole > 0 and not coverage.at_least(rules.coverage_good_percent)),
        (Measure.GAPS, of(Measure.GAPS).part > 0 and of(Measure.GAPS).at_least(rules.look_percent)),
        (Measure.JUMPS, of(Measure.JUMPS).part > 0 and of(Measure.JUMPS).at_least(rules.look_percent)),
        (Measure.LATENESS, of(Measure.LATENESS).part > 0 and of(Measure.LATENESS).at_least(rules.late_look_percent)),
    )
    for verdict, tests in ((Verdict.POOR, poor), (Verdict.LOOK, look)):
        for measure, failed in tests:
            if failed:
                return verdict, measure
    return Verdict.GOOD, None


def _poor(share: Share, percent: int, rules: QualityRules) -> bool:
    return share.whole >= rules.poor_from_rows and share.at_least(percent)


def one_in(rows: int, limit: int) -> int:
    """Of so many subjects one is looked at, so that about ``limit`` of ``rows`` are; 1 = all."""
    return max(1, -(-rows // limit))


ADVICE: Mapping[str, str] = MappingProxyType({
    "": N_("没有需要处理的问题。"),
    Measure.COVERAGE: N_("最近一个月缺少一部分以前有数据的对象：请核对导出范围，把缺的补交。"),
    Measure.GAPS: N_("有对象中间缺月：请补交缺的月份；确实没有发生的，不必补零。"),
    Measure.LATENESS: N_("有数据晚于约定的时间：请按约定日期交下一批。"),
    Measure.JUMPS: N_("有数值与该对象平时相差十倍以上：请核对单位和小数点，确属实情的不必改。"),
    Measure.CONFLICTS: N_("同一对象同一时间有几行不同的内容：请只留正确的一行再交。"),
    Measure.SAME_FILE: N_("这份文件以前交过：请核对是否选错了文件。"),
    Measure.IMPOSSIBLE: N_("有数值与其他事实矛盾：数据已经入库，只有贵单位能判断，请逐条核对；有误的以更正行再交。"),
    Measure.QUARANTINED: N_("有行未能入库：请下载待修复的行，改正后作为新文件再交。"),
})
"""What to do, by the measure that decided."""

MEASURES: Mapping[str, str] = MappingProxyType({
    Measure.COVERAGE: N_("覆盖率"), Measure.GAPS: N_("缺月"), Measure.LATENESS: N_("迟交"), Measure.JUMPS: N_("突变"),
    Measure.IDENTICAL: N_("重复（已有）"), Measure.SUPERSEDING: N_("更新原记录"), Measure.CONFLICTS: N_("文件内相互矛盾"),
    Measure.SAME_FILE: N_("同一文件再次提交"), Measure.IMPOSSIBLE: N_("与其他事实矛盾"), Measure.QUARANTINED: N_("待修复"),
})
RULES: Mapping[str, str] = MappingProxyType({
    Rule.MISSING: N_("以前有数据，这个月没有"), Rule.GAP: N_("中间缺月"), Rule.LATE: N_("晚于约定的天数"),
    Rule.JUMP_UP: N_("远高于平时的中位数"), Rule.JUMP_DOWN: N_("远低于平时的中位数"),
    Rule.HEADS_OVER_REPORTED: N_("人数远多于年报公示的从业人数"), Rule.HEADS_OVER_STATED: N_("人数远多于企业登记的人数"),
    Rule.HEADS_OVER_INSURED: N_("缴存人数远多于同月参保人数"), Rule.OVER_CEILING: N_("超过接入能力的上限"),
    Rule.PAID_OVER_SALES: N_("已缴税额大于申报销售额"), Rule.PAID_BEFORE: N_("付款或申报早于所属月份"),
    Rule.CUT_BUT_USED: N_("停供多日，用量却与平时一样"), Rule.MIXED_CYCLES: N_("按季申报的税种又有按月的行"),
})
