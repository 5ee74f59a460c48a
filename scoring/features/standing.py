"""Registers (catalogue §4, stability, courts and penalties, IP): age, changes, reports, certificates, penalties, cases, lists.

A register that was read and holds nothing about a firm says 0. What was repaired, removed or has expired drops out. Every day
after the one features are told for counts as not known yet: a repair of tomorrow does not help today.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scoring.features.declare import declare
from scoring.features.rows import Columns, Part, Reading, Rows
from scoring.features.series import log_units, ratio
from scoring.features.spec import Unit
from scoring.features.window import Bools, Floats

AGAINST: Final = ("defendant", "debtor")
HONOURS: Final = ("high_tech", "specialised", "little_giant", "tech_sme", "innovative", "champion")
"""Kinds of certificates that honour a firm; permits are what everybody in the trade needs."""
PATENTS: Final = ("invention", "utility_model", "design", "layout", "variety")

FEATURES: Final = (
    declare("years_open", "registration", Unit.YEARS, 0, 1,
            ("成立年限", "企业成立{value}年，经营时间较长", "企业成立{value}年，经营时间较短"),
            ("Years since founding", "The firm was founded {value} years ago: long established",
             "The firm was founded {value} years ago: rather young")),
    declare("not_open", "registration", Unit.FLAG, 0, -1,
            ("登记状态异常", "登记状态正常，企业在营", "登记状态异常（停业、吊销、注销或迁出）"),
            ("Not registered as open", "The firm is registered as open",
             "The firm is suspended, revoked, deregistered or moved away")),
    declare("representative_changes", "registration_changes", Unit.COUNT, 24, -1,
            ("法定代表人变更次数", "近24个月法定代表人仅变更{value}次", "近24个月法定代表人变更{value}次",
             "近24个月法定代表人没有变更"),
            ("Changes of the legal representative", "The legal representative changed only {value} times in 24 months",
             "The legal representative changed {value} times in 24 months",
             "The legal representative stayed the same for 24 months"),
            group="registration_changes"),
    declare("address_changes", "registration_changes", Unit.COUNT, 24, -1,
            ("住所变更次数", "近24个月住所仅变更{value}次", "近24个月住所变更{value}次", "近24个月住所没有变更"),
            ("Changes of address", "The address changed only {value} times in 24 months",
             "The address changed {value} times in 24 months", "The address stayed the same for 24 months"),
            group="registration_changes"),
    declare("reports_on_time", "annual_reports", Unit.FRACTION, 36, 1,
            ("年报按时公示比例", "近3年{value}的年报按时公示", "近3年只有{value}的年报按时公示"),
            ("Share of annual reports on time", "{value} of the annual reports of the last 3 years were published on time",
             "Only {value} of the annual reports of the last 3 years were published on time"), changeable=True),
    declare("honours", "qualifications", Unit.COUNT, 0, 1,
            ("有效资质荣誉", "持有{value}项有效的科技或专精特新类资质", "持有有效的科技或专精特新类资质{value}项"),
            ("Certificates in force", "The firm holds {value} certificates as a technical or specialised firm",
             "Certificates as a technical or specialised firm: {value}")),
    declare("patents", "ip", Unit.COUNT, 0, 1,
            ("有效专利", "持有{value}项有效专利，有技术积累", "持有有效专利{value}项"),
            ("Patents in force", "{value} patents are in force: technical substance", "Patents in force: {value}")),
    declare("penalties_open", "penalties", Unit.COUNT, 60, -1,
            ("未修复行政处罚", "仅有{value}项行政处罚尚未修复", "有{value}项行政处罚尚未修复", "没有未修复的行政处罚"),
            ("Penalties not repaired", "Only {value} penalties are not repaired yet", "{value} penalties are not repaired yet",
             "No penalty is open"), group="penalties", changeable=True),
    declare("penalties_amount", "penalties", Unit.LOG_YUAN, 60, -1,
            ("未修复处罚金额", "未修复行政处罚的罚没金额仅{value}", "未修复行政处罚的罚没金额{value}", "没有未修复的罚没金额"),
            ("Amount of penalties not repaired", "Penalties not repaired come to only {value}",
             "Penalties not repaired come to {value}", "No fine is open"), group="penalties", scale_free=False, changeable=True),
    declare("cases_against", "justice", Unit.COUNT, 24, -1,
            ("涉诉被告次数", "近24个月被诉或被执行仅{value}次", "近24个月被诉或被执行{value}次", "近24个月没有被诉或被执行"),
            ("Cases against the firm", "The firm was sued or enforced against only {value} times in 24 months",
             "The firm was sued or enforced against {value} times in 24 months",
             "The firm was neither sued nor enforced against in 24 months"), group="justice"),
    declare("case_days_since", "justice", Unit.DAYS, 60, 1,
            ("距最近一次涉诉天数", "最近一次被诉或被执行已过去{value}天", "最近一次被诉或被执行仅在{value}天前"),
            ("Days since the last case", "The last case against the firm was {value} days ago",
             "The last case against the firm was only {value} days ago"), group="justice"),
    declare("enforcement_open", "justice", Unit.LOG_YUAN, 0, -1,
            ("未履行执行金额", "未履行的执行金额仅{value}", "未履行的执行金额{value}", "没有未履行的执行案件"),
            ("Open enforcement", "Open enforcement comes to only {value}", "Open enforcement comes to {value}",
             "No enforcement is open"), group="enforcement", scale_free=False, changeable=True),
    declare("lists_open", "dishonesty", Unit.COUNT, 0, -1,
            ("在列失信名单", "仅在{value}个失信名单上", "在{value}个失信名单上尚未移出", "不在任何失信名单上"),
            ("Dishonesty lists", "The firm is on only {value} dishonesty lists", "The firm is on {value} dishonesty lists",
             "The firm is on no dishonesty list"), changeable=True),
)  # fmt: skip


_UNTOLD: Final = ("years_open", "not_open", "reports_on_time", "case_days_since")
"""What a register without a row about a firm leaves open; everything else is 0."""
_TOLD: Final = {
    source: tuple(one.name for one in FEATURES if one.source == source)
    for source in dict.fromkeys(one.source for one in FEATURES)
}


def compute(reading: Reading) -> Part:
    """All of them."""
    part = Part()
    nothing, unknown, all_months = np.zeros(reading.n), np.full(reading.n, np.nan), reading.window.look_back_months
    for source, tell in (
        ("registration", _registration), ("registration_changes", _changes), ("annual_reports", _reports),
        ("qualifications", _honours), ("ip", _patents), ("penalties", _penalties), ("justice", _justice),
        ("dishonesty", _lists),
    ):  # fmt: skip
        rows = reading.rows(source)
        if rows is None:
            continue
        if len(rows.at):
            values = tell(rows, reading)
        else:  # Most registers are silent about most firms, and one firm has to be told in an instant.
            values = {name: unknown if name in _UNTOLD else nothing for name in _TOLD[source]}
        part.values.update(values)
        # A register that says something of a firm, be it "none", covers the whole look-back window.
        said = ~np.isnan(values[_TOLD[source][0]])
        part.coverage[source] = said * all_months
    return part


def _registration(rows: Rows, reading: Reading) -> Columns:
    # One row per firm is in force; of several the latest founding counts, as the firm began again.
    founded = rows.day("established_on")
    days = rows.latest(founded, founded <= reading.clock.day)
    not_open = rows.has("status", "suspended", "revoked", "deregistered", "moved")
    known = rows.count(np.ones(len(rows.at), dtype=np.bool_)) > 0
    return {
        "years_open": (reading.clock.day - days) / 365.25,
        "not_open": np.where(known, rows.count(not_open) > 0, np.nan),
    }


def _changes(rows: Rows, reading: Reading) -> Columns:
    recent = _within(rows.day("changed_on"), reading, reading.window.look_back_months)
    return {
        "representative_changes": rows.count(recent & rows.has("kind", "representative")),
        "address_changes": rows.count(recent & rows.has("kind", "address")),
    }


def _reports(rows: Rows, reading: Reading) -> Columns:
    """Of the reports due in the last years, from the firm's first report on; one that is not there was not on time."""
    window, as_of = reading.window, reading.as_of
    last = as_of.year - (1 if (as_of.month, as_of.day) > window.report_due else 2)
    year, published = rows.number("report_year"), rows.day("published_on")
    month, day = window.report_due
    deadline = (year - 1970 + 1).astype(np.int64).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    on_time = published <= deadline.astype("datetime64[D]").astype(np.int64) + (day - 1)
    asked = (year > last - window.report_years) & (year <= last)
    first = -rows.latest(-year, published <= reading.clock.day)
    expected = np.clip(last - np.maximum(first, last - window.report_years + 1) + 1, 0, window.report_years)
    return {"reports_on_time": np.minimum(ratio(rows.count(asked & on_time), expected), 1.0)}


def _honours(rows: Rows, reading: Reading) -> Columns:
    valid = _in_force(rows, reading, "valid_from", "valid_to", "revoked_on")
    return {"honours": rows.count(valid & rows.has("kind", *HONOURS))}


def _patents(rows: Rows, reading: Reading) -> Columns:
    valid = _in_force(rows, reading, "granted_on", "expires_on", "ended_on")
    return {"patents": rows.count(valid & rows.has("kind", *PATENTS))}


def _penalties(rows: Rows, reading: Reading) -> Columns:
    recent = _within(rows.day("decided_on"), reading, reading.window.register_months)
    standing = recent & ~(rows.day("repaired_on") <= reading.clock.day)
    amount = rows.total(np.nan_to_num(rows.number("amount_fen")), standing)
    return {"penalties_open": rows.count(standing), "penalties_amount": log_units(amount, 100.0)}


def _justice(rows: Rows, reading: Reading) -> Columns:
    filed = rows.day("filed_on")
    against = rows.has("role", *AGAINST)
    last = rows.latest(filed, against & _within(filed, reading, reading.window.register_months))
    owed = open_enforcement(reading)
    return {
        "cases_against": rows.count(against & _within(filed, reading, reading.window.look_back_months)),
        "case_days_since": reading.clock.day - last,
        "enforcement_open": log_units(np.zeros(reading.n) if owed is None else owed, 100.0),
    }


def open_enforcement(reading: Reading) -> Floats | None:
    """What the firm still owes by enforcement (分): the unpaid part, or the amount where the court does not say it.

    None where cases may not be read.
    """
    return reading.once("enforcement", lambda: _open_enforcement(reading))


def _open_enforcement(reading: Reading) -> Floats | None:
    rows = reading.rows("justice")
    if rows is None or not len(rows.at):
        return None if rows is None else np.zeros(reading.n)
    filed, closed = rows.day("filed_on"), rows.day("closed_on")
    unpaid, amount = rows.number("unpaid_fen"), rows.number("amount_fen")
    owed = np.nan_to_num(np.where(np.isnan(unpaid) | (closed > reading.clock.day), amount, unpaid))
    standing = rows.has("role", "debtor") & (filed <= reading.clock.day) & ~(closed <= reading.clock.day)
    return rows.total(owed, standing)


def _lists(rows: Rows, reading: Reading) -> Columns:
    standing = (rows.day("listed_on") <= reading.clock.day) & ~(rows.day("removed_on") <= reading.clock.day)
    return {"lists_open": rows.count(standing)}


def _within(days: Floats, reading: Reading, months: int) -> Bools:
    """Days of the last ``months`` months up to the day."""
    return np.asarray((days <= reading.clock.day) & (days > reading.clock.months_ago(months)), dtype=np.bool_)


def _in_force(rows: Rows, reading: Reading, start: str, end: str, ended: str) -> Bools:
    today = reading.clock.day
    over = (rows.day(end) < today) | (rows.day(ended) <= today)
    return np.asarray((rows.day(start) <= today) & ~over, dtype=np.bool_)
