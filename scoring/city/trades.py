"""The city's industry mix: what each industry sells, employs, consumes, and how often it trades abroad or certifies.

Codes are four-digit classes of GB/T 4754-2017. Weights, levels and shares are proposals chosen to look like Guangzhou.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.synthetic_city import DISTRICTS, INDUSTRIES, Industry


@dataclass(frozen=True, slots=True)
class Premises:
    """What a kind of premises consumes. ``*_a_10k``: per 10,000 yuan of sales; ``*_a_head``: per person and month.

    kWh for electricity, m³ for water and gas. ``gas``: share with a gas meter. ``tenant``: share that rents.
    ``centre``: weight of the four central districts against the outer ones.
    """

    kwh_a_10k: float
    kwh_a_head: float
    water_a_head: float
    gas: float
    gas_a_10k: float
    tenant: float
    centre: float


PREMISES: Final[dict[str, Premises]] = {
    "factory": Premises(330, 40, 3.0, 0.2, 16, 0.6, 0.25),
    "shop": Premises(60, 50, 1.5, 0.02, 2, 0.8, 1.2),
    "kitchen": Premises(260, 60, 12.0, 0.85, 90, 0.8, 1.2),
    "hotel": Premises(450, 80, 30.0, 0.5, 40, 0.5, 1.3),
    "office": Premises(25, 70, 1.2, 0.0, 0, 0.75, 1.9),
    "site": Premises(40, 30, 3.0, 0.0, 0, 0.6, 0.9),
    "yard": Premises(50, 40, 2.0, 0.02, 4, 0.6, 0.4),
    "field": Premises(150, 20, 40.0, 0.0, 0, 0.2, 0.05),
}
CENTRE: Final = ("越秀区", "海珠区", "荔湾区", "天河区")


@dataclass(frozen=True, slots=True)
class Trade:
    """An industry and how it lives. Shares of firms: ``abroad`` import or export, ``sole`` sole traders, ``dispatch`` use
    labour dispatch. ``tech``: multiplies the rates of certificates and patents."""

    industry: Industry
    premises: str
    abroad: float = 0.02
    tech: float = 0.2
    sole: float = 0.1
    dispatch: float = 0.05


_FIRST: Final[dict[str, Trade]] = {
    industry.code: Trade(industry, *rest)
    for industry, rest in zip(
        INDUSTRIES,
        (
            ("factory", 0.3, 2.0, 0.02, 0.15), ("factory", 0.25, 0.3, 0.1, 0.1), ("factory", 0.15, 1.0, 0.02, 0.1),
            ("factory", 0.15, 1.5, 0.01, 0.15), ("factory", 0.2, 0.4, 0.08, 0.08), ("factory", 0.15, 0.7, 0.03, 0.1),
            ("factory", 0.05, 0.4, 0.1, 0.08), ("shop", 0.25, 0.1, 0.25, 0.02), ("shop", 0.08, 0.1, 0.2, 0.02),
            ("shop", 0.04, 0.1, 0.3, 0.02), ("office", 0.15, 0.4, 0.15, 0.03), ("shop", 0.0, 0.05, 0.6, 0.01),
            ("site", 0.0, 0.3, 0.05, 0.12), ("yard", 0.03, 0.2, 0.15, 0.15), ("kitchen", 0.0, 0.05, 0.5, 0.12),
            ("office", 0.04, 2.5, 0.01, 0.08), ("office", 0.01, 0.3, 0.08, 0.06), ("field", 0.02, 0.2, 0.2, 0.02),
        ),
        strict=True,
    )
}  # fmt: skip

_MORE: Final[tuple[Trade, ...]] = (
    Trade(Industry("1922", "皮具", 4, 330_000, 0.66, 130, 340_000, "garment"), "factory", 0.25, 0.3, 0.12, 0.06),
    Trade(Industry("2319", "印刷包装", 3, 300_000, 0.64, 130, 400_000, "factory"), "factory", 0.05, 0.5, 0.06, 0.06),
    Trade(Industry("2438", "珠宝首饰", 3, 520_000, 0.75, 130, 600_000, "festival"), "factory", 0.2, 0.3, 0.1, 0.03),
    Trade(Industry("3311", "金属制品", 3, 420_000, 0.7, 130, 480_000, "building"), "factory", 0.1, 0.7, 0.05, 0.1),
    Trade(Industry("3525", "精密模具", 2, 360_000, 0.6, 130, 420_000, "factory"), "factory", 0.12, 1.6, 0.03, 0.08),
    Trade(Industry("3872", "照明灯具", 3, 380_000, 0.68, 130, 450_000, "factory"), "factory", 0.3, 1.0, 0.05, 0.08),
    Trade(Industry("3584", "医疗器械", 2, 460_000, 0.52, 130, 560_000, "factory"), "factory", 0.15, 2.6, 0.0, 0.05),
    Trade(Industry("3491", "智能装备", 2, 560_000, 0.62, 130, 620_000, "project"), "factory", 0.12, 3.0, 0.0, 0.06),
    Trade(Industry("4910", "机电安装", 3, 380_000, 0.6, 90, 460_000, "building"), "site", 0.0, 0.4, 0.04, 0.12),
    Trade(Industry("4710", "建筑工程", 2, 1_600_000, 0.72, 90, 620_000, "building"), "site", 0.0, 0.3, 0.0, 0.25),
    Trade(Industry("5179", "机电贸易", 5, 620_000, 0.84, 130, 1_700_000, "factory"), "shop", 0.2, 0.2, 0.15, 0.02),
    Trade(Industry("5151", "医药贸易", 2, 1_100_000, 0.88, 130, 1_900_000, "factory"), "shop", 0.05, 0.3, 0.02, 0.03),
    Trade(Industry("5251", "大药房", 2, 130_000, 0.72, 10, 420_000, "factory"), "shop", 0.0, 0.05, 0.4, 0.02),
    Trade(Industry("5821", "货运代理", 3, 520_000, 0.85, 60, 900_000, "factory"), "office", 0.1, 0.2, 0.03, 0.05),
    Trade(Industry("5920", "仓储", 1.5, 280_000, 0.5, 60, 420_000, "factory"), "yard", 0.03, 0.3, 0.03, 0.2),
    Trade(Industry("6020", "快递", 1.5, 300_000, 0.6, 60, 260_000, "festival"), "yard", 0.0, 0.2, 0.1, 0.35),
    Trade(Industry("6110", "酒店", 1.2, 420_000, 0.4, 60, 260_000, "festival"), "hotel", 0.0, 0.05, 0.08, 0.2),
    Trade(Industry("6429", "网络科技", 3, 300_000, 0.4, 60, 480_000, "project"), "office", 0.02, 2.0, 0.02, 0.06),
    Trade(Industry("6531", "系统集成", 3, 420_000, 0.5, 60, 520_000, "project"), "office", 0.03, 2.6, 0.01, 0.06),
    Trade(Industry("7010", "房地产开发", 0.3, 6_000_000, 0.7, 90, 2_500_000, "building"), "office", 0.0, 0.0, 0.0, 0.05),
    Trade(Industry("7020", "物业管理", 2, 260_000, 0.35, 60, 130_000, "factory"), "office", 0.0, 0.1, 0.01, 0.4),
    Trade(Industry("7113", "设备租赁", 1.5, 220_000, 0.5, 130, 620_000, "building"), "yard", 0.01, 0.2, 0.1, 0.06),
    Trade(Industry("7263", "人力资源", 1.5, 700_000, 0.2, 60, 180_000, "factory"), "office", 0.0, 0.2, 0.0, 0.6),
    Trade(Industry("7291", "旅行社", 1.2, 320_000, 0.8, 60, 620_000, "festival"), "office", 0.02, 0.1, 0.01, 0.04),
    Trade(Industry("7452", "检测技术", 1.5, 260_000, 0.35, 60, 360_000, "project"), "office", 0.01, 2.4, 0.0, 0.04),
    Trade(Industry("7820", "环境卫生", 1, 300_000, 0.35, 60, 110_000, "factory"), "yard", 0.0, 0.2, 0.02, 0.5),
    Trade(Industry("8040", "美容美发", 3, 60_000, 0.35, 10, 150_000, "festival"), "shop", 0.0, 0.02, 0.7, 0.05),
    Trade(Industry("8111", "汽车维修", 3, 110_000, 0.55, 130, 260_000, "factory"), "yard", 0.0, 0.05, 0.45, 0.03),
    Trade(Industry("8391", "职业培训", 1.5, 130_000, 0.3, 60, 240_000, "project"), "office", 0.0, 0.2, 0.02, 0.05),
)

TRADES: Final[tuple[Trade, ...]] = (*_FIRST.values(), *_MORE)
WEIGHTS: Final = np.cumsum([trade.industry.weight for trade in TRADES]) / sum(trade.industry.weight for trade in TRADES)
"""Cumulated shares of the industries."""

REGIONS: Final = {
    "荔湾区": "440103", "越秀区": "440104", "海珠区": "440105", "天河区": "440106", "白云区": "440111", "黄埔区": "440112",
    "番禺区": "440113", "花都区": "440114", "南沙区": "440115", "从化区": "440117", "增城区": "440118",
}  # fmt: skip
"""District → region code of GB/T 2260."""


def column(name: str) -> NDArray[np.float64]:
    """A number of every trade, of its industry or of its premises, in the order of ``TRADES``."""
    rows = [(trade, trade.industry, PREMISES[trade.premises]) for trade in TRADES]
    place = next(place for place, owner in enumerate(rows[0]) if hasattr(owner, name))
    return np.array([getattr(owners[place], name) for owners in rows], dtype=np.float64)


def district_shares() -> NDArray[np.float64]:
    """Cumulated shares of the districts, one row per trade: offices crowd the centre, factories and fields lie outside."""
    rows = []
    for trade in TRADES:
        centre = PREMISES[trade.premises].centre
        weights = np.array([weight * (centre if name in CENTRE else 1.0) for name, weight in DISTRICTS])
        rows.append(np.cumsum(weights) / weights.sum())
    return np.array(rows, dtype=np.float64)
