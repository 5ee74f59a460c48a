"""The precheck: what the portal can see by itself, and what the clerk must have looked at (transfer-loan paper §1, §4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from app.bridge.rules import BridgeTerms, is_urgent
from app.core.working import N_, Check

SMALL_FIRMS = frozenset({"MEDIUM", "SMALL", "MICRO"})
"""SME by the 工信部 standard (paper §1, who may use it)."""

TICKS: dict[str, str] = {
    "NO_BAD_RECORD": N_("企业、法定代表人和实际控制人没有不良信用记录"),
    "NO_ENFORCEMENT": N_("没有未结的执行案件"),
    "NOTE_CHECKED": N_("已与原银行核对借据号、到期日和到期本金"),
    "PAPERS": N_("原借款合同、借据、营业执照、完税证明齐全"),
    "BUSINESS_USE": N_("旧贷款和新贷款都用于经营，不流入房地产"),
}
"""What a person checks, by code. All of them are needed (paper §1 exclusions, §4 papers; no drift into property [C4])."""


@dataclass(frozen=True, slots=True)
class PrecheckFacts:
    """What the portal knows. ``size_class`` by 300号, ``overdue_days`` of the old loan, 0 where it is not ours."""

    verified: bool
    size_class: str
    sole_trader: bool
    overdue_days: int
    asked_and_refused: bool
    applied_on: date
    due_on: date
    urgent: bool


def automatic_checks(facts: PrecheckFacts, terms: BridgeTerms) -> list[Check]:
    """Every automatic question with its answer, in the order of the page."""
    sme = facts.sole_trader or facts.size_class.upper() in SMALL_FIRMS
    late = is_urgent(facts.applied_on, facts.due_on, terms)
    return [
        Check("VERIFIED", facts.verified, N_("企业已通过执照与法定代表人核验")),
        Check("SIZE", sme, N_("属于中小微企业或个体工商户")),
        Check("NOT_OVERDUE", facts.overdue_days == 0, N_("旧贷款没有逾期（逾期 %(days)s 天）"), {"days": facts.overdue_days}),
        Check("ASKED", facts.asked_and_refused, N_("已先向银行申请无还本续贷，银行未同意")),
        Check("IN_TIME", not late or facts.urgent, N_("至少提前 %(days)s 个工作日申请，或已标为加急"),
              {"days": terms.application_lead_wd}),
    ]


def missing_ticks(ticked: Collection[str]) -> list[str]:
    """Codes of what the clerk has not ticked."""
    return [code for code in TICKS if code not in ticked]
