"""Tables behind the synthetic firms: districts of Guangzhou, an industry mix, seasons, parts of names.

Weights and levels are proposals chosen to look like a city of small firms; they are not statistics. Industry
codes are four-digit classes of GB/T 4754-2017, VAT rates are the general ones of 2026 (13 %, 9 %, 6 %) and
the reduced 1 % levy of small taxpayers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SYNTHETIC_SUFFIX: Final = "（演示）"
"""Ends every synthetic name, so that nobody takes it for a firm that exists."""


@dataclass(frozen=True, slots=True)
class Industry:
    """``monthly_yuan``: typical monthly sales; ``revenue_a_head``: yearly sales in yuan per person."""

    code: str
    word: str
    weight: float
    monthly_yuan: float
    purchase_share: float
    vat_per_mille: int
    revenue_a_head: float
    season: str


DISTRICTS: Final[tuple[tuple[str, float], ...]] = (
    ("越秀区", 7),
    ("海珠区", 10),
    ("荔湾区", 8),
    ("天河区", 16),
    ("白云区", 17),
    ("黄埔区", 11),
    ("番禺区", 12),
    ("花都区", 7),
    ("南沙区", 5),
    ("从化区", 2),
    ("增城区", 5),
)

INDUSTRIES: Final[tuple[Industry, ...]] = (
    Industry("3982", "电子", 8, 520_000, 0.72, 130, 520_000, "factory"),
    Industry("1819", "服装", 8, 380_000, 0.66, 130, 330_000, "garment"),
    Industry("2682", "化妆品", 6, 450_000, 0.58, 130, 480_000, "factory"),
    Industry("3670", "汽车配件", 6, 620_000, 0.74, 130, 560_000, "factory"),
    Industry("2110", "家具", 4, 340_000, 0.65, 130, 360_000, "factory"),
    Industry("2927", "塑料制品", 5, 360_000, 0.70, 130, 450_000, "factory"),
    Industry("1411", "食品", 4, 280_000, 0.60, 130, 340_000, "festival"),
    Industry("5132", "服饰贸易", 8, 600_000, 0.84, 130, 1_500_000, "garment"),
    Industry("5165", "建材贸易", 7, 700_000, 0.86, 130, 1_800_000, "building"),
    Industry("5123", "果蔬贸易", 3, 480_000, 0.85, 90, 1_200_000, "festival"),
    Industry("5292", "电子商务", 6, 420_000, 0.75, 130, 900_000, "festival"),
    Industry("5211", "百货", 4, 110_000, 0.72, 10, 420_000, "festival"),
    Industry("5011", "装饰工程", 7, 430_000, 0.62, 90, 500_000, "building"),
    Industry("5431", "物流", 6, 350_000, 0.55, 90, 420_000, "factory"),
    Industry("6210", "餐饮管理", 4, 90_000, 0.45, 10, 180_000, "festival"),
    Industry("6513", "软件科技", 7, 320_000, 0.30, 60, 400_000, "project"),
    Industry("7259", "广告", 4, 170_000, 0.48, 60, 380_000, "project"),
    Industry("0141", "农业", 3, 130_000, 0.50, 90, 220_000, "festival"),
)


def _season(*months: float) -> NDArray[np.float64]:
    """Twelve factors, January first, brought to an average of 1."""
    factors = np.array(months, dtype=np.float64)
    return np.asarray(factors / factors.mean(), dtype=np.float64)


SEASONS: Final[dict[str, NDArray[np.float64]]] = {
    "factory": _season(0.9, 0.55, 1.0, 1.0, 1.0, 1.05, 0.95, 1.0, 1.1, 1.0, 1.15, 1.25),
    "garment": _season(1.0, 0.5, 1.05, 1.1, 0.95, 0.8, 0.8, 1.05, 1.2, 1.15, 1.2, 1.15),
    "festival": _season(1.35, 0.85, 0.85, 0.9, 1.0, 0.95, 0.95, 1.0, 1.2, 1.05, 1.05, 1.2),
    "building": _season(0.8, 0.4, 0.95, 1.05, 1.1, 1.0, 0.95, 1.0, 1.05, 1.1, 1.2, 1.4),
    "project": _season(0.7, 0.55, 0.9, 0.9, 0.95, 1.15, 0.9, 0.95, 1.1, 0.95, 1.2, 1.7),
}

TRADE_NAMES: Final[tuple[str, ...]] = tuple(
    first + second
    for first in (
        "顺",
        "恒",
        "瑞",
        "嘉",
        "宏",
        "泰",
        "锦",
        "润",
        "盛",
        "信",
        "德",
        "华",
        "联",
        "丰",
        "鼎",
        "悦",
    )
    for second in ("达", "昌", "通", "源", "和", "诚", "兴", "利", "远", "隆")
)
