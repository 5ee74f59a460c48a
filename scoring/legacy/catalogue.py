"""The list of features: source, meaning, unit, expected direction and the sentences shown as reasons.

Directions follow the credit-data catalogue §4 ("invoices" and "tax" rows, proposals): +1 = more is better for
the firm, -1 = more is worse, 0 = not known beforehand (shown, not trained on by default). A feature marked
``end_of_window`` looks at the last days of the record. It is computed and shown, but no model is trained on
it: the date of default is unknown in the training set, so the end of the record may already carry the
consequence of the default.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

import numpy as np

INVOICES: Final = "invoices"
"""Source category: VAT invoices (catalogue §2, row 6)."""

Direction = Literal[-1, 0, 1]
Language = Literal["zh", "en"]


class Side(Enum):
    """Which half of the invoices a feature is fed from."""

    SALES = "sales"
    PURCHASES = "purchases"


class Unit(Enum):
    """How a value is stored, and so how it is shown."""

    LOG_YUAN = "log10(1 + yuan)"
    FRACTION = "fraction"
    TIMES = "times"
    MONTHS = "months"
    DAYS = "days"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Sentences:
    """One language: ``good`` is said when the feature raises the score, ``bad`` when it lowers it."""

    label: str
    good: str
    bad: str


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about a firm; ``{value}`` in the sentences is the formatted value."""

    name: str
    sides: tuple[Side, ...]
    unit: Unit
    direction: Direction
    zh: Sentences
    en: Sentences
    source: str = INVOICES
    end_of_window: bool = False

    def show(self, value: float, language: Language) -> str:
        """The value in words people use: 万元, percent, months. A missing value gives 无数据 / "no data"."""
        if np.isnan(value):
            return "无数据" if language == "zh" else "no data"
        if self.unit is Unit.LOG_YUAN:
            yuan = 10.0**value - 1.0
            return f"{yuan / 10_000:,.2f}万元" if language == "zh" else f"CNY {yuan:,.0f}"
        if self.unit is Unit.FRACTION:
            return f"{value * 100:.1f}%"
        if self.unit is Unit.TIMES:
            return f"{value:.2f}"
        return f"{value:,.0f}"


_SALES: Final = (Side.SALES,)
_PURCHASES: Final = (Side.PURCHASES,)
_BOTH: Final = (Side.SALES, Side.PURCHASES)

FEATURES: Final[tuple[Feature, ...]] = (
    Feature(
        "sales_monthly",
        _SALES,
        Unit.LOG_YUAN,
        1,
        Sentences(
            "月均销售额",
            "近12个月月均开票销售额{value}，经营规模有支撑",
            "近12个月月均开票销售额{value}，经营规模偏小",
        ),
        Sentences(
            "Average monthly sales",
            "Invoiced sales average {value} a month over 12 months: solid scale",
            "Invoiced sales average {value} a month over 12 months: small scale",
        ),
    ),
    Feature(
        "sales_growth",
        _SALES,
        Unit.FRACTION,
        0,
        Sentences(
            "销售额同比变化",
            "近12个月销售额同比变化{value}，走势有利",
            "近12个月销售额同比变化{value}，走势不利",
        ),
        Sentences(
            "Sales growth year on year",
            "Sales changed by {value} year on year, in the firm's favour",
            "Sales changed by {value} year on year, against the firm",
        ),
    ),
    Feature(
        "sales_volatility",
        _SALES,
        Unit.TIMES,
        -1,
        Sentences("销售波动系数", "各月销售平稳，波动系数{value}", "各月销售起伏较大，波动系数{value}"),
        Sentences(
            "Sales volatility",
            "Monthly sales are steady (coefficient of variation {value})",
            "Monthly sales swing widely (coefficient of variation {value})",
        ),
    ),
    Feature(
        "sales_active_months",
        _SALES,
        Unit.MONTHS,
        1,
        Sentences(
            "有销售的月数",
            "近12个月中有{value}个月开出销售发票，经营连续",
            "近12个月中仅{value}个月开出销售发票",
        ),
        Sentences(
            "Months with sales",
            "Sales were invoiced in {value} of the last 12 months",
            "Sales were invoiced in only {value} of the last 12 months",
        ),
    ),
    Feature(
        "sales_longest_gap",
        _SALES,
        Unit.MONTHS,
        -1,
        Sentences(
            "最长停销月数",
            "近24个月内销售中断最长{value}个月，基本不断档",
            "近24个月内销售曾连续中断{value}个月",
        ),
        Sentences(
            "Longest gap in sales",
            "The longest gap in sales over 24 months is {value} months",
            "Sales stopped for {value} months in a row within 24 months",
        ),
    ),
    Feature(
        "sales_history_months",
        _SALES,
        Unit.MONTHS,
        1,
        Sentences("销售记录长度", "销售记录已有{value}个月，历史较长", "销售记录只有{value}个月，历史较短"),
        Sentences(
            "Length of sales record",
            "The sales record goes back {value} months",
            "The sales record goes back only {value} months",
        ),
    ),
    Feature(
        "sales_red_ratio",
        _SALES,
        Unit.FRACTION,
        -1,
        Sentences("销售红字比例", "销售红字发票占{value}，退货冲销少", "销售红字发票占{value}，退货冲销偏多"),
        Sentences(
            "Red-letter share of sales",
            "Red-letter sales invoices are {value} of sales: few returns",
            "Red-letter sales invoices are {value} of sales: many returns",
        ),
    ),
    Feature(
        "sales_void_ratio",
        _SALES,
        Unit.FRACTION,
        -1,
        Sentences("销售作废比例", "销售发票作废占{value}，开票规范", "销售发票作废占{value}，作废偏多"),
        Sentences(
            "Void share of sales invoices",
            "{value} of sales invoice lines were voided: orderly invoicing",
            "{value} of sales invoice lines were voided: many cancelled",
        ),
    ),
    Feature(
        "sales_ticket",
        _SALES,
        Unit.LOG_YUAN,
        0,
        Sentences("单笔销售额", "平均每行销售发票{value}，对评分有利", "平均每行销售发票{value}，对评分不利"),
        Sentences(
            "Average sales line",
            "An average sales line of {value} speaks for the firm",
            "An average sales line of {value} speaks against the firm",
        ),
    ),
    Feature(
        "buyer_count",
        _SALES,
        Unit.COUNT,
        1,
        Sentences("客户数", "近12个月有{value}家客户，客户面较宽", "近12个月只有{value}家客户，客户面较窄"),
        Sentences(
            "Number of buyers",
            "{value} buyers over 12 months: a broad base",
            "Only {value} buyers over 12 months: a narrow base",
        ),
    ),
    Feature(
        "buyer_top5_share",
        _SALES,
        Unit.FRACTION,
        -1,
        Sentences(
            "前五大客户占比", "前五大客户占销售额{value}，客户分散", "前五大客户占销售额{value}，客户集中"
        ),
        Sentences(
            "Share of the five largest buyers",
            "The five largest buyers take {value} of sales: well spread",
            "The five largest buyers take {value} of sales: concentrated",
        ),
    ),
    Feature(
        "buyer_repeat_share",
        _SALES,
        Unit.FRACTION,
        1,
        Sentences(
            "老客户占比", "{value}的销售额来自上一年的老客户，客户稳定", "仅{value}的销售额来自上一年的老客户"
        ),
        Sentences(
            "Share of returning buyers",
            "{value} of sales go to buyers of the year before: loyal buyers",
            "Only {value} of sales go to buyers of the year before",
        ),
    ),
    Feature(
        "tax_sales_ratio",
        _SALES,
        Unit.FRACTION,
        0,
        Sentences("销项税率", "销项税额占销售额{value}，对评分有利", "销项税额占销售额{value}，对评分不利"),
        Sentences(
            "Output VAT to sales",
            "Output VAT is {value} of sales, in the firm's favour",
            "Output VAT is {value} of sales, against the firm",
        ),
    ),
    Feature(
        "purchase_monthly",
        _PURCHASES,
        Unit.LOG_YUAN,
        0,
        Sentences(
            "月均采购额", "近12个月月均采购额{value}，对评分有利", "近12个月月均采购额{value}，对评分不利"
        ),
        Sentences(
            "Average monthly purchases",
            "Purchases average {value} a month over 12 months, in the firm's favour",
            "Purchases average {value} a month over 12 months, against the firm",
        ),
    ),
    Feature(
        "purchase_active_months",
        _PURCHASES,
        Unit.MONTHS,
        1,
        Sentences("有采购的月数", "近12个月中有{value}个月有采购，经营连续", "近12个月中仅{value}个月有采购"),
        Sentences(
            "Months with purchases",
            "Purchases were invoiced in {value} of the last 12 months",
            "Purchases were invoiced in only {value} of the last 12 months",
        ),
    ),
    Feature(
        "purchase_red_ratio",
        _PURCHASES,
        Unit.FRACTION,
        -1,
        Sentences("采购红字比例", "采购红字发票占{value}，采购稳定", "采购红字发票占{value}，采购退货偏多"),
        Sentences(
            "Red-letter share of purchases",
            "Red-letter purchase invoices are {value} of purchases: steady buying",
            "Red-letter purchase invoices are {value} of purchases: many returns",
        ),
    ),
    Feature(
        "supplier_count",
        _PURCHASES,
        Unit.COUNT,
        1,
        Sentences("供应商数", "近12个月有{value}家供应商，货源较宽", "近12个月只有{value}家供应商，货源较窄"),
        Sentences(
            "Number of suppliers",
            "{value} suppliers over 12 months: a broad base",
            "Only {value} suppliers over 12 months: a narrow base",
        ),
    ),
    Feature(
        "supplier_top5_share",
        _PURCHASES,
        Unit.FRACTION,
        -1,
        Sentences(
            "前五大供应商占比",
            "前五大供应商占采购额{value}，货源分散",
            "前五大供应商占采购额{value}，货源集中",
        ),
        Sentences(
            "Share of the five largest suppliers",
            "The five largest suppliers make {value} of purchases: well spread",
            "The five largest suppliers make {value} of purchases: concentrated",
        ),
    ),
    Feature(
        "purchase_sales_ratio",
        _BOTH,
        Unit.TIMES,
        0,
        Sentences(
            "采购与销售之比", "采购额为销售额的{value}倍，进销匹配", "采购额为销售额的{value}倍，进销匹配度低"
        ),
        Sentences(
            "Purchases to sales",
            "Purchases are {value} times sales: they fit each other",
            "Purchases are {value} times sales: they fit poorly",
        ),
    ),
    Feature(
        "net_vat_ratio",
        _BOTH,
        Unit.FRACTION,
        0,
        Sentences(
            "增值税净额占比",
            "销项减进项税额占销售额{value}，对评分有利",
            "销项减进项税额占销售额{value}，对评分不利",
        ),
        Sentences(
            "Net VAT to sales",
            "Output less input VAT is {value} of sales, in the firm's favour",
            "Output less input VAT is {value} of sales, against the firm",
        ),
    ),
    Feature(
        "days_since_sale",
        _SALES,
        Unit.DAYS,
        -1,
        Sentences("距上次销售天数", "距上一笔销售{value}天，经营活跃", "距上一笔销售已有{value}天"),
        Sentences(
            "Days since the last sale",
            "The last sale was {value} days ago: active",
            "The last sale was already {value} days ago",
        ),
        end_of_window=True,
    ),
    Feature(
        "sales_recent_trend",
        _SALES,
        Unit.FRACTION,
        1,
        Sentences(
            "近3个月销售变化",
            "近3个月月均销售额较此前变化{value}，走势有利",
            "近3个月月均销售额较此前变化{value}，走势不利",
        ),
        Sentences(
            "Sales of the last 3 months",
            "Sales of the last 3 months changed by {value} against the months before, in the firm's favour",
            "Sales of the last 3 months changed by {value} against the months before, against the firm",
        ),
        end_of_window=True,
    ),
)

NAMES: Final[tuple[str, ...]] = tuple(feature.name for feature in FEATURES)
SOURCES: Final[tuple[str, ...]] = tuple(dict.fromkeys(feature.source for feature in FEATURES))
TRAINABLE: Final[tuple[str, ...]] = tuple(
    feature.name for feature in FEATURES if feature.direction != 0 and not feature.end_of_window
)
"""What a model reads unless told otherwise. With 86 labelled firms a feature of unknown direction adds more
noise than knowledge, and its reason could not be put into a sentence that a firm can act on."""
