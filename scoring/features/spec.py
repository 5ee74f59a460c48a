"""What a feature is: source, meaning, unit, window, expected direction, and the sentences shown when it speaks.

Directions follow the credit-data catalogue §4 (proposals): +1 = more is better for the firm, -1 = more is worse, 0 = not
known beforehand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Direction = Literal[-1, 0, 1]
Language = Literal["zh", "en"]


class Unit(Enum):
    """How a value is stored, and so how it is shown."""

    LOG_YUAN = "log10(1 + yuan)"
    LOG_QUANTITY = "log10(1 + kWh or m³)"
    FRACTION = "fraction"
    TIMES = "times"
    MONTHS = "months"
    DAYS = "days"
    COUNT = "count"
    YEARS = "years"
    GRADE = "grade"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Sentences:
    """One language. ``good`` is said when the feature raises the score, ``bad`` when it lowers it (``{value}``: the value).

    ``missing`` is said when nothing is known; ``zero``, where there is one, instead of ``good`` when the value is exactly 0
    ("no arrears" reads better than "arrears of 0.00 months").
    """

    label: str
    good: str
    bad: str
    missing: str
    zero: str = ""


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about a firm.

    ``source``: the code of the catalogue item it is fed from (``invoices``, ``electricity``, …); a cross-check names every item
    it needs in ``also`` and is absent when one of them may not be read. ``window``: complete months it looks back, 0 = as it
    stands. ``group``: features of one group tell one fact and give one reason together. ``scale_free``: it does not change when
    all amounts are multiplied or every line is doubled. ``changeable``: the firm can really move it, in its good direction,
    within a year (pay on time, file on time, insure the staff); what-if searches over these alone. ``end_of_window``: it looks
    at the last days of the record, which may already carry the consequence of a default whose date is unknown.
    """

    name: str
    source: str
    unit: Unit
    window: int
    direction: Direction
    group: str
    zh: Sentences
    en: Sentences
    also: tuple[str, ...] = ()
    scale_free: bool = True
    changeable: bool = False
    end_of_window: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """Every item it is fed from."""
        return (self.source, *self.also)

    def show(self, value: float, language: Language) -> str:
        """The value in words people use: 万元, percent, months. A missing value gives 无数据 / "no data"."""
        if math.isnan(value):
            return "无数据" if language == "zh" else "no data"
        if self.unit is Unit.LOG_YUAN:
            yuan = 10.0**value - 1.0
            return f"{yuan / 10_000:,.2f}万元" if language == "zh" else f"CNY {yuan:,.0f}"
        if self.unit is Unit.LOG_QUANTITY:
            return f"{10.0**value - 1.0:,.0f}"
        if self.unit is Unit.FRACTION:
            return f"{value * 100:.1f}%"
        if self.unit is Unit.TIMES:
            return f"{value:.2f}"
        if self.unit is Unit.YEARS:
            return f"{value:.1f}"
        if self.unit is Unit.FLAG:
            return ("是" if value else "否") if language == "zh" else ("yes" if value else "no")
        if self.unit is Unit.GRADE:
            return "DCMBA"[min(4, max(0, round(value)))]
        return f"{value:,.0f}"

    def say(self, value: float, raises: bool, language: Language) -> str:
        """The sentence of a reason: what is known and whether it ``raises`` the score."""
        words = self.zh if language == "zh" else self.en
        if math.isnan(value):
            return words.missing
        if raises and value == 0.0 and words.zero:
            return words.zero
        return (words.good if raises else words.bad).format(value=self.show(value, language))
