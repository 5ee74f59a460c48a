"""Red flags of a claim: what an auditor is to look at, each with the facts behind it and every number a parameter of the rule
set. A flag refuses nothing.

Source: risk-compensation paper §3 (split loans), §5 (auditor view) [P].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.core.working import N_, Check, Params
from app.pool.rules import SplitLoan, split_flag
from app.pool.ruleset import RuleSet, UseOfFunds

FLAG_NAMES = {
    "LATE_BOOKING": N_("逾期后入库"), "EARLY_DEFAULT": N_("放款后很快逾期"), "SPLIT": N_("拆分贷款"), "RELATED": N_("关联借款人"),
    "RATE": N_("利率高于上限"), "DOUBLED_NOTE": N_("借据重复"), "REPAID_SINCE": N_("申请后又收回本金"), "USE": N_("资金用途"),
}
"""Every flag by code."""
_NOISE = re.compile(r"[^0-9A-Z\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class NoteOf:
    """A loan as its booking tells it, to find it a second time: where, under which numbers, when, how much (分)."""

    loan_number: str
    bank: str
    note_no: str
    contract_no: str
    drawn_on: date
    principal_fen: int


@dataclass(frozen=True, slots=True)
class RelatedLoan:
    """A claimed loan of another firm with the same legal representative."""

    firm: str
    loan_number: str
    drawn_on: date


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """Everything the flags look at. Money in 分, the rate a fraction a year."""

    drawn_on: date
    booked_on: date | None
    overdue_since: date | None
    annual_rate: Decimal
    use_of_funds: UseOfFunds
    repaid_since_fen: int
    own: NoteOf
    at_this_bank: Sequence[SplitLoan]
    other_notes: Sequence[NoteOf]
    related: Sequence[RelatedLoan]


def plain_number(number: str) -> str:
    """A note or contract number without spaces, marks and case: written differently it stays the same note."""
    return _NOISE.sub("", number.upper())


def red_flags(facts: FlagFacts, rules: RuleSet) -> list[Check]:
    """Every flag, raised (``passed`` false) or not, with the facts behind it."""
    return [
        _late_booking(facts), _early_default(facts, rules), _split(facts, rules), _related(facts, rules), _rate(facts, rules),
        _doubled(facts), _repaid(facts), _use(facts, rules),
    ]


def _late_booking(facts: FlagFacts) -> Check:
    since, booked = facts.overdue_since, facts.booked_on
    late = since is not None and booked is not None and booked > since
    params: Params = {"since": since or "—", "booked": booked or "—"}
    return Check("LATE_BOOKING", not late, N_("入库应早于逾期（逾期自 %(since)s，入库 %(booked)s）"), params)


def _early_default(facts: FlagFacts, rules: RuleSet) -> Check:
    since = facts.overdue_since
    gone = (since - facts.drawn_on).days if since is not None else None
    params: Params = {
        "days": rules.early_default_days, "drawn": facts.drawn_on, "since": since or "—", "gone": "—" if gone is None else gone,
    }
    message = N_("放款后 %(days)s 天内没有逾期（放款 %(drawn)s，逾期自 %(since)s，相隔 %(gone)s 天）")
    return Check("EARLY_DEFAULT", gone is None or gone >= rules.early_default_days, message, params)


def _split(facts: FlagFacts, rules: RuleSet) -> Check:
    found = split_flag(facts.at_this_bank, rules)
    if not found:
        return Check("SPLIT", True, N_("没有在 %(days)s 天内拆分贷款"), {"days": rules.split_window_days})
    worst = max(found, key=lambda one: one.threshold_fen)
    params: Params = {
        "days": rules.split_window_days, "loans": "、".join(worst.references), "total_fen": worst.total_fen,
        "edge_fen": worst.threshold_fen,
    }
    message = N_("%(days)s 天内的 %(loans)s 合计 %(total_fen)s 元，单笔都不超过 %(edge_fen)s 元一档")
    return Check("SPLIT", False, message, params)


def _related(facts: FlagFacts, rules: RuleSet) -> Check:
    days = rules.related_window_days
    found = [one for one in facts.related if abs((one.drawn_on - facts.drawn_on).days) <= days]
    if not found:
        return Check("RELATED", True, N_("没有同一法定代表人的其他企业在 %(days)s 天内借款并申请补偿"), {"days": days})
    named = "、".join(f"{one.firm} {one.loan_number}" for one in found)
    params: Params = {"days": days, "firms": named}
    return Check("RELATED", False, N_("同一法定代表人的其他企业在 %(days)s 天内也借款并申请补偿：%(firms)s"), params)


def _rate(facts: FlagFacts, rules: RuleSet) -> Check:
    if rules.max_annual_rate is None:
        return Check("RATE", True, N_("办法没有规定利率上限（本笔 %(annual_ratio)s）"), {"annual_ratio": facts.annual_rate})
    params: Params = {"annual_ratio": facts.annual_rate, "cap_ratio": rules.max_annual_rate}
    message = N_("年利率 %(annual_ratio)s，办法上限 %(cap_ratio)s")
    return Check("RATE", facts.annual_rate <= rules.max_annual_rate, message, params)


def _doubled(facts: FlagFacts) -> Check:
    same = [one for one in facts.other_notes if _same_note(one, facts.own)]
    if not same:
        return Check("DOUBLED_NOTE", True, N_("没有编号、合同或放款日与金额相同的另一笔入库"))
    named = "、".join(f"{one.bank} {one.loan_number}（{one.note_no}）" for one in same)
    return Check("DOUBLED_NOTE", False, N_("与另一笔入库的编号、合同或放款日与金额相同：%(loans)s"), {"loans": named})


def _same_note(one: NoteOf, own: NoteOf) -> bool:
    numbers = {plain_number(own.note_no), plain_number(own.contract_no)} - {""}
    if numbers & {plain_number(one.note_no), plain_number(one.contract_no)}:
        return True
    return (one.drawn_on, one.principal_fen) == (own.drawn_on, own.principal_fen)


def _repaid(facts: FlagFacts) -> Check:
    later = facts.repaid_since_fen
    return Check("REPAID_SINCE", later == 0, N_("申请后没有再收回本金（已再收回 %(later_fen)s 元）"), {"later_fen": later})


def _use(facts: FlagFacts, rules: RuleSet) -> Check:
    params: Params = {"use_label": facts.use_of_funds.label}
    return Check("USE", facts.use_of_funds not in rules.excluded_uses, N_("资金用途：%(use_label)s"), params)


def raised(flags: Iterable[Check]) -> list[Check]:
    """Those that are to be looked at."""
    return [one for one in flags if not one.passed]
