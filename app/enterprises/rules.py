"""Size class of a firm by 中小企业划型标准规定 (工信部联企业〔2011〕300号).

The rule in one line: rank each listed measure micro 0, small 1, medium 2, large 3; the firm's size is the
lowest rank (statistics note 国统字〔2017〕213号). A limit is inclusive (“以上”). What is missing is never
guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.core.money import WAN
from app.core.working import N_
from app.enterprises.industries import INDUSTRIES, SECTIONS, Industry, Section, section_of

__all__ = [
    "INDUSTRIES", "NOT_COVERED", "RULE_VERSION", "SECTIONS", "SIZE_NAMES", "SIZE_TABLE", "DataSource",
    "EntityForm", "Industry", "Limits", "Measure", "MeasureRow", "Section", "SizeClass", "SizeGroup",
    "SizeReason", "SizeResult", "entity_form", "industry_is_valid", "section_of", "size_class",
    "size_group",
]  # fmt: skip

RULE_VERSION = "工信部联企业〔2011〕300号"
"""The document behind the table; stored with each result."""


class SizeClass(StrEnum):
    """Size of an enterprise. UNKNOWN when a measure is missing or the table does not cover the industry."""

    LARGE = "LARGE"
    MEDIUM = "MEDIUM"
    SMALL = "SMALL"
    MICRO = "MICRO"
    UNKNOWN = "UNKNOWN"


SIZE_NAMES: dict[SizeClass, str] = {
    SizeClass.LARGE: N_("大型企业"),
    SizeClass.MEDIUM: N_("中型企业"),
    SizeClass.SMALL: N_("小型企业"),
    SizeClass.MICRO: N_("微型企业"),
    SizeClass.UNKNOWN: N_("规模未定"),
}

BY_RANK = (SizeClass.MICRO, SizeClass.SMALL, SizeClass.MEDIUM, SizeClass.LARGE)


class EntityForm(StrEnum):
    """Legal form, read from position 2 of the USCC. A sole trader has no size class of its own: it stands
    beside micro firms, and rules that mean both must name both."""

    ENTERPRISE = "ENTERPRISE"
    SOLE_TRADER = "SOLE_TRADER"
    COOPERATIVE = "COOPERATIVE"
    OTHER = "OTHER"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _FORM_NAMES[self]


_FORM_NAMES = {
    EntityForm.ENTERPRISE: N_("企业"),
    EntityForm.SOLE_TRADER: N_("个体工商户"),
    EntityForm.COOPERATIVE: N_("农民专业合作社"),
    EntityForm.OTHER: N_("其他组织"),
}
_FORMS = {"1": EntityForm.ENTERPRISE, "2": EntityForm.SOLE_TRADER, "3": EntityForm.COOPERATIVE}


class DataSource(StrEnum):
    """Where the input figures come from."""

    TAX_REPORT = "TAX_REPORT"
    ANNUAL_REPORT = "ANNUAL_REPORT"
    SELF_STATED = "SELF_STATED"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _SOURCE_NAMES[self]


_SOURCE_NAMES = {
    DataSource.TAX_REPORT: N_("纳税申报"),
    DataSource.ANNUAL_REPORT: N_("年度报告"),
    DataSource.SELF_STATED: N_("企业自报"),
}


class Measure(StrEnum):
    """What the table measures: persons, or money in fen."""

    HEADCOUNT = "HEADCOUNT"
    REVENUE = "REVENUE"
    ASSETS = "ASSETS"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _MEASURE_NAMES[self]


_MEASURE_NAMES = {
    Measure.HEADCOUNT: N_("从业人员"),
    Measure.REVENUE: N_("营业收入"),
    Measure.ASSETS: N_("资产总额"),
}


class SizeGroup(StrEnum):
    """The sixteen rows of the table; the value is the row's Chinese name."""

    AGRICULTURE = N_("农林牧渔业")
    INDUSTRY = N_("工业")
    CONSTRUCTION = N_("建筑业")
    WHOLESALE = N_("批发业")
    RETAIL = N_("零售业")
    TRANSPORT = N_("交通运输业")
    STORAGE = N_("仓储业")
    POST = N_("邮政业")
    ACCOMMODATION = N_("住宿业")
    CATERING = N_("餐饮业")
    INFORMATION = N_("信息传输业")
    SOFTWARE = N_("软件和信息技术服务业")
    PROPERTY_DEVELOPMENT = N_("房地产开发经营")
    PROPERTY_MANAGEMENT = N_("物业管理")
    BUSINESS_SERVICES = N_("租赁和商务服务业")
    OTHER = N_("其他未列明行业")


@dataclass(frozen=True, slots=True)
class Limits:
    """Lower limits of one measure for small, medium and large: persons, or fen."""

    measure: Measure
    small: int
    medium: int
    large: int

    def rank(self, value: int) -> int:
        """0 micro, 1 small, 2 medium, 3 large; a value equal to a limit belongs to the higher class."""
        return (value >= self.small) + (value >= self.medium) + (value >= self.large)


def _people(small: int, medium: int, large: int) -> Limits:
    return Limits(Measure.HEADCOUNT, small, medium, large)


def _revenue(small: int, medium: int, large: int) -> Limits:
    return Limits(Measure.REVENUE, small * WAN, medium * WAN, large * WAN)


def _assets(small: int, medium: int, large: int) -> Limits:
    return Limits(Measure.ASSETS, small * WAN, medium * WAN, large * WAN)


# 300号 §4, items 1–16. Money in 万元 as printed; order of columns: small, medium, large.
SIZE_TABLE: dict[SizeGroup, tuple[Limits, ...]] = {
    SizeGroup.AGRICULTURE: (_revenue(50, 500, 20_000),),
    SizeGroup.INDUSTRY: (_people(20, 300, 1000), _revenue(300, 2000, 40_000)),
    SizeGroup.CONSTRUCTION: (_revenue(300, 6000, 80_000), _assets(300, 5000, 80_000)),
    SizeGroup.WHOLESALE: (_people(5, 20, 200), _revenue(1000, 5000, 40_000)),
    SizeGroup.RETAIL: (_people(10, 50, 300), _revenue(100, 500, 20_000)),
    SizeGroup.TRANSPORT: (_people(20, 300, 1000), _revenue(200, 3000, 30_000)),
    SizeGroup.STORAGE: (_people(20, 100, 200), _revenue(100, 1000, 30_000)),
    SizeGroup.POST: (_people(20, 300, 1000), _revenue(100, 2000, 30_000)),
    SizeGroup.ACCOMMODATION: (_people(10, 100, 300), _revenue(100, 2000, 10_000)),
    SizeGroup.CATERING: (_people(10, 100, 300), _revenue(100, 2000, 10_000)),
    SizeGroup.INFORMATION: (_people(10, 100, 2000), _revenue(100, 1000, 100_000)),
    SizeGroup.SOFTWARE: (_people(10, 100, 300), _revenue(50, 1000, 10_000)),
    SizeGroup.PROPERTY_DEVELOPMENT: (_revenue(100, 1000, 200_000), _assets(2000, 5000, 10_000)),
    SizeGroup.PROPERTY_MANAGEMENT: (_people(100, 300, 1000), _revenue(500, 1000, 5000)),
    SizeGroup.BUSINESS_SERVICES: (_people(10, 100, 300), _assets(100, 8000, 120_000)),
    SizeGroup.OTHER: (_people(10, 100, 300),),
}

# First and last division of GB/T 4754-2017, and the row of the table. Divisions of NOT_COVERED and 70 are
# absent.
_GROUP_OF_DIVISION: tuple[tuple[int, int, SizeGroup], ...] = (
    (1, 5, SizeGroup.AGRICULTURE),
    (6, 46, SizeGroup.INDUSTRY),
    (47, 50, SizeGroup.CONSTRUCTION),
    (51, 51, SizeGroup.WHOLESALE),
    (52, 52, SizeGroup.RETAIL),
    (54, 58, SizeGroup.TRANSPORT),
    (59, 59, SizeGroup.STORAGE),
    (60, 60, SizeGroup.POST),
    (61, 61, SizeGroup.ACCOMMODATION),
    (62, 62, SizeGroup.CATERING),
    (63, 64, SizeGroup.INFORMATION),
    (65, 65, SizeGroup.SOFTWARE),
    (71, 72, SizeGroup.BUSINESS_SERVICES),
    (73, 83, SizeGroup.OTHER),
    (85, 90, SizeGroup.OTHER),
)

# Finer codes that leave their division's row; the longest matching prefix wins.
_GROUP_OF_PREFIX: dict[str, SizeGroup] = {
    "591": SizeGroup.TRANSPORT,
    "701": SizeGroup.PROPERTY_DEVELOPMENT,
    "702": SizeGroup.PROPERTY_MANAGEMENT,
    "703": SizeGroup.OTHER,
    "704": SizeGroup.OTHER,
    "709": SizeGroup.OTHER,
}

NOT_COVERED: frozenset[str] = frozenset(
    {"53", "66", "67", "68", "69", "84", "91", "92", "93", "94", "95", "96", "97"}
)
"""Divisions without a row: rail, finance (own standard), health, and what is not an enterprise."""


class SizeReason(StrEnum):
    """Why a size is UNKNOWN."""

    NOT_AN_INDUSTRY = "NOT_AN_INDUSTRY"
    NOT_COVERED = "NOT_COVERED"
    CODE_TOO_SHORT = "CODE_TOO_SHORT"
    MEASURE_MISSING = "MEASURE_MISSING"

    @property
    def message(self) -> str:
        """Chinese sentence for the page."""
        return _REASONS[self]


_REASONS = {
    SizeReason.NOT_AN_INDUSTRY: N_("行业代码不在《国民经济行业分类》中，请重新选择。"),
    SizeReason.NOT_COVERED: N_("划型标准不含这一行业，无法判定规模。"),
    SizeReason.CODE_TOO_SHORT: N_("房地产业请选到小类：开发经营与物业管理的标准不同。"),
    SizeReason.MEASURE_MISSING: N_("缺少划型所需的指标，补齐后才能判定规模。"),
}


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One line of the working: the value found, its limits, and the rank (None when the value is missing)."""

    measure: Measure
    value: int | None
    limits: Limits
    rank: int | None

    @property
    def size(self) -> SizeClass:
        """The class this measure alone would give."""
        return SizeClass.UNKNOWN if self.rank is None else BY_RANK[self.rank]


@dataclass(frozen=True, slots=True)
class SizeResult:
    """A size with all that was used to find it; store it whole."""

    size: SizeClass
    group: SizeGroup | None
    working: tuple[MeasureRow, ...]
    reason: SizeReason | None
    industry_code: str
    year: int
    source: DataSource
    rule_version: str = RULE_VERSION


def industry_is_valid(code: str) -> bool:
    """True for two to four digits whose first two are a division of GB/T 4754-2017."""
    return section_of(code) is not None


def size_group(code: str) -> SizeGroup | None:
    """The row of the table for an industry code, or None when there is none or the code does not decide
    it."""
    if not industry_is_valid(code) or code[:2] in NOT_COVERED:
        return None
    if (fine := _GROUP_OF_PREFIX.get(code[:3])) is not None:
        return fine
    division = int(code[:2])
    return next((group for first, last, group in _GROUP_OF_DIVISION if first <= division <= last), None)


def entity_form(uscc: str) -> EntityForm:
    """Legal form by positions 1 and 2 of a valid USCC (registry 9, market regulation)."""
    return _FORMS.get(uscc[1], EntityForm.OTHER) if uscc[:1] == "9" else EntityForm.OTHER


def size_class(
    industry_code: str,
    headcount: int | None,
    revenue_fen: int | None,
    assets_fen: int | None,
    year: int,
    source: DataSource,
) -> SizeResult:
    """Size of a firm from persons, revenue of the last full year and assets at its end (fen).

    Source: 300号 §4 with 国统字〔2017〕213号. Measures the industry's row does not list may be None; a listed
    one that is None gives UNKNOWN. Raises ``ValueError`` for a negative measure.
    """
    values = {Measure.HEADCOUNT: headcount, Measure.REVENUE: revenue_fen, Measure.ASSETS: assets_fen}
    if any(value is not None and value < 0 for value in values.values()):
        raise ValueError("headcount, revenue and assets are never negative")
    group = size_group(industry_code)
    if group is None:
        return SizeResult(
            SizeClass.UNKNOWN, None, (), _why_no_group(industry_code), industry_code, year, source
        )
    rows = tuple(_row(limits, values[limits.measure]) for limits in SIZE_TABLE[group])
    ranks = [row.rank for row in rows if row.rank is not None]
    if len(ranks) < len(rows):
        return SizeResult(
            SizeClass.UNKNOWN, group, rows, SizeReason.MEASURE_MISSING, industry_code, year, source
        )
    return SizeResult(BY_RANK[min(ranks)], group, rows, None, industry_code, year, source)


def _row(limits: Limits, value: int | None) -> MeasureRow:
    return MeasureRow(limits.measure, value, limits, None if value is None else limits.rank(value))


def _why_no_group(code: str) -> SizeReason:
    if not industry_is_valid(code):
        return SizeReason.NOT_AN_INDUSTRY
    return SizeReason.NOT_COVERED if code[:2] in NOT_COVERED else SizeReason.CODE_TOO_SHORT
