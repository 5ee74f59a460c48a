"""Thresholds of early warnings as people read and write them: names, units, what may be changed to what."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from flask_babel import lazy_gettext as _l

from app.core.pages import Text
from scoring.signals import SIGNAL, SignalParameters

NAMES: dict[str, Text] = {
    "power_falls": _l("用电量同比下降（黄 / 橙 / 红）"), "power_months": _l("用电量比较的月数"),
    "power_stops": _l("近四周（或当月）用电比企业自己之前下降（黄 / 橙 / 红）"),
    "power_stop_least_milli": _l("之前月用电低于此数不判断停用（千瓦时）"),
    "power_least_milli": _l("上年同期用电低于此数不判断（千瓦时）"),
    "bill_overdue_days": _l("水电气账单逾期天数（黄 / 橙 / 红）"), "bills_late": _l("一种水电气账单迟缴笔数（黄 / 橙 / 红）"),
    "bill_days": _l("账单回看天数"), "late_days": _l("晚于到期日多少天算迟缴"),
    "insurance_unpaid": _l("社会保险费欠缴月数（黄 / 橙 / 红）"), "insurance_late": _l("社会保险费迟缴月数（黄 / 橙 / 红）"),
    "insurance_day": _l("社会保险费当月到期日"), "insurance_days": _l("社会保险费回看天数"),
    "heads_falls": _l("参保人数下降（黄 / 橙 / 红）"), "heads_back": _l("参保人数与几个月前比较"),
    "heads_least": _l("参保人数至少减少多少人"),
    "tax_overdue_days": _l("欠税天数（黄 / 橙 / 红）"), "tax_least_fen": _l("低于此数的欠税不计（元）"),
    "not_filed_days": _l("逾期未申报天数（黄 / 橙 / 红）"), "filings_late": _l("一年逾期申报次数（黄 / 橙 / 红）"),
    "filing_late_days": _l("晚于申报期限多少天算逾期"), "case_days": _l("立案后多少天内算新案件"),
    "dishonesty_days": _l("列入名单后多少天内算新"), "judged_days": _l("出现后多少天内变为不良，算预警正确"),
    "facts": _l("每项信号最多列出几条依据"),
}
assert set(NAMES) == {field.name for field in fields(SignalParameters)}

PER_UNIT = {"power_least_milli": 1000, "power_stop_least_milli": 1000, "tax_least_fen": 100}
"""Stored units in what a page shows."""
Value = Any
"""A whole number, or three of them (or three shares) that rise."""


def is_share(name: str) -> bool:
    """Whether the parameter is told as per cent."""
    default = getattr(SIGNAL, name)
    return isinstance(default, tuple) and isinstance(default[0], float)


def text_of(name: str, value: Value) -> str:
    """As it is read and typed: 25% / 40% / 60%, 15 / 30 / 60, 300."""
    values = value if isinstance(value, tuple | list) else (value,)
    if is_share(name):
        return " / ".join(f"{Decimal(str(one)) * 100:f}".rstrip("0").rstrip(".") + "%" for one in values)
    return " / ".join(f"{Decimal(one) / PER_UNIT.get(name, 1):,f}" for one in values)


def parsed(name: str, text: str) -> Value:
    """What was typed, in stored units. Raises ValueError."""
    default = getattr(SIGNAL, name)
    try:
        numbers = [Decimal(part.replace("%", "").replace("％", "").replace(",", "").strip()) for part in text.split("/")]
    except InvalidOperation:
        raise ValueError(name) from None
    if len(numbers) != (len(default) if isinstance(default, tuple) else 1) or not all(one.is_finite() for one in numbers):
        raise ValueError(name)
    if is_share(name):
        return tuple(float(one / 100) for one in numbers)
    stored = [one * PER_UNIT.get(name, 1) for one in numbers]
    if any(one != one.to_integral_value() for one in stored):
        raise ValueError(name)
    whole = tuple(int(one) for one in stored)
    return whole if isinstance(default, tuple) else whole[0]


def sound(parameters: SignalParameters) -> str | None:
    """The first parameter that cannot be: shares lie above 0 and up to 1, numbers are positive, three of them rise."""
    for field in fields(SignalParameters):
        value = getattr(parameters, field.name)
        values = value if isinstance(value, tuple) else (value,)
        most = 1 if is_share(field.name) else 10**9
        rising = all(low < high for low, high in pairwise(values))
        if not (rising and all(0 < one <= most for one in values)) or (field.name == "insurance_day" and value > 28):
            return field.name
    return None


def changed(before: SignalParameters, after: SignalParameters) -> dict[str, list[Value]]:
    """What differs, as it is kept: name → [before, after]."""
    pairs = {field.name: (getattr(before, field.name), getattr(after, field.name)) for field in fields(SignalParameters)}
    return {name: [_plain(one) for one in pair] for name, pair in pairs.items() if pair[0] != pair[1]}


def _plain(value: Value) -> Value:
    return list(value) if isinstance(value, tuple) else value
