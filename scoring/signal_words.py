"""What a signal is and how it is told: kinds, levels, facts, and their sentences in Chinese and English. Plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, Final


class Level(IntEnum):
    """黄, 橙, 红."""

    NOTICE = 1
    WARNING = 2
    ALARM = 3


class Kind(StrEnum):
    """What is signalled."""

    POWER_FALL = "power_fall"
    POWER_STOP = "power_stop"
    BILLS_UNPAID = "bills_unpaid"
    INSURANCE_UNPAID = "insurance_unpaid"
    HEADS_FALL = "heads_fall"
    TAX_ARREARS = "tax_arrears"
    FILINGS_LATE = "filings_late"
    COURT_CASE = "court_case"
    DISHONESTY = "dishonesty"
    NOT_OPEN = "not_open"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact behind a signal.

    ``field``: the catalogue's column, or what was counted. ``value`` and ``usual`` (what the firm was used to, or null) in stored
    units: 分, thousandths, persons, days.
    """

    item: str
    field: str
    period: date
    value: int
    usual: int | None


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal from one item, with its facts, the most telling first."""

    firm: int
    kind: Kind
    item: str
    level: Level
    facts: tuple[Fact, ...]


_TITLES: Final[Mapping[Kind, tuple[str, str]]] = MappingProxyType({
    Kind.POWER_FALL: ("用电量下降", "Power use has fallen"),
    Kind.POWER_STOP: ("用电近乎停止", "Power use has all but stopped"),
    Kind.BILLS_UNPAID: ("水电气费拖欠", "Utility bills unpaid or late"),
    Kind.INSURANCE_UNPAID: ("社会保险费欠缴或迟缴", "Social insurance unpaid or late"),
    Kind.HEADS_FALL: ("参保人数下降", "Fewer people insured"),
    Kind.TAX_ARREARS: ("欠缴税款", "Tax in arrears"),
    Kind.FILINGS_LATE: ("逾期申报", "Tax filed late or not at all"),
    Kind.COURT_CASE: ("新的涉诉或被执行案件", "New court case as defendant or debtor"),
    Kind.DISHONESTY: ("列入严重失信名单", "Entered on a list of serious dishonesty"),
    Kind.NOT_OPEN: ("登记状态异常", "Registered as not open"),
})  # fmt: skip
LEVELS: Final[Mapping[Level, tuple[str, str]]] = MappingProxyType({
    Level.NOTICE: ("黄色提示", "Yellow notice"), Level.WARNING: ("橙色预警", "Orange warning"),
    Level.ALARM: ("红色警报", "Red alarm"),
})  # fmt: skip
_SAID: Final[Mapping[str, tuple[str, str]]] = MappingProxyType({
    "quantity": ("用电 {value} 千瓦时，上年同期 {usual} 千瓦时", "{value} kWh used, {usual} kWh a year before"),
    "day_use": ("近四周日均用电 {value} 千瓦时，之前日均 {usual} 千瓦时（春节前后不计）",
                "{value} kWh a day in the last four weeks, {usual} before (Spring Festival left out)"),
    "month_use": ("当月用电 {value} 千瓦时，之前月均 {usual} 千瓦时（一、二月不计）",
                  "{value} kWh used, {usual} a month before (January and February left out)"),
    "overdue": ("账单逾期 {value} 天", "bill {value} days overdue"),
    "late_bills": ("近期 {value} 笔账单迟缴，之前同样时长 {usual} 笔", "{value} bills late lately, {usual} in as long before"),
    "cut_days": ("停供 {value} 天", "supply cut for {value} days"),
    "unpaid": ("应缴未缴 {value} 元", "CNY {value} due and not paid"),
    "late_months": ("近期 {value} 个月迟缴，之前同样时长 {usual} 个月", "{value} months late lately, {usual} in as long before"),
    "heads": ("参保 {value} 人，之前 {usual} 人", "{value} people insured, {usual} before"),
    "arrears": ("欠税 {value} 元", "CNY {value} of tax in arrears"),
    "late_filings": ("近一年 {value} 次逾期申报，上一年 {usual} 次", "{value} late filings in a year, {usual} the year before"),
    "not_filed": ("逾期 {value} 天未申报", "not filed, {value} days overdue"),
    "defendant": ("被告，标的 {value} 元", "defendant, CNY {value} at stake"),
    "debtor": ("被执行人，标的 {value} 元", "debtor under enforcement, CNY {value} at stake"),
    "listed": ("列入名单已 {value} 天", "listed for {value} days"),
    "suspended": ("停业", "business suspended"),
    "moved": ("迁出", "moved away"),
    "revoked": ("营业执照被吊销", "licence revoked"),
    "deregistered": ("已注销", "deregistered"),
})  # fmt: skip
_FEN: Final = ("unpaid", "arrears", "defendant", "debtor")
_POWER: Final = ("quantity", "day_use", "month_use")
_BY_MONTH: Final = (
    "quantity", "month_use", "late_bills", "cut_days", "unpaid", "late_months", "heads", "arrears", "late_filings",
)  # fmt: skip
_ITEM_NAMES: Final = {"electricity": ("电费", "Electricity"), "water": ("水费", "Water"), "gas": ("气费", "Gas")}


def title(kind: Kind, language: str) -> str:
    """What is signalled, in Chinese (``zh``) or English."""
    return _TITLES[kind][language != "zh"]


def level_name(level: Level, language: str) -> str:
    """The colour with its word."""
    return LEVELS[level][language != "zh"]


def sentence(fact: Fact, language: str) -> str:
    """The fact in one sentence: when, what, and what was usual."""
    english = language != "zh"
    value, usual = (_number(fact, number) for number in (fact.value, fact.usual))
    when = f"{fact.period:%Y-%m}" if fact.field in _BY_MONTH else f"{fact.period:%Y-%m-%d}"
    said = _SAID[fact.field][english].format(value=value, usual=usual)
    name = _ITEM_NAMES[fact.item][english] if fact.item in _ITEM_NAMES and fact.field not in _POWER else ""
    return f"{when}: {name + ', ' if name else ''}{said}" if english else f"{when} {name}{said}"


def _number(fact: Fact, number: int | None) -> str:
    if number is None:
        return "–"
    if fact.field in _FEN:
        return f"{number // 100:,}.{number % 100:02d}"
    return f"{round(number / 1000):,}" if fact.field in _POWER else f"{number:,}"


def facts_from(stored: Sequence[Mapping[str, Any]]) -> tuple[Fact, ...]:
    """Facts as they were stored (JSON, days as ISO text)."""
    return tuple(
        Fact(row["item"], row["field"], date.fromisoformat(row["period"]), row["value"], row["usual"]) for row in stored
    )
