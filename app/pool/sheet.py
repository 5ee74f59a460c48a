"""The computation sheet of a claim: every input with where it comes from, every step with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.formats import money_text, rate_text, yuan_text
from app.core.pages import Text
from app.core.working import WorkingLine, shown
from app.loans.rules import FiveClass
from app.pool.models import Booking, Claim, StoredRuleSet
from app.pool.records import lines_of
from app.pool.rule_fields import NAMES, sources_of
from app.pool.ruleset import Mode, Product, RuleSet

RESTS_ON = {
    "LOSS": "loss_triggers", "BASE": "tiers", "LIST_OR_IP": "list_or_ip_uplift", "POLICY_TOOL": "policy_tool_uplift",
    "CAP": "ratio_cap", "GUARANTEE_RATIO": "guarantee_ratio", "NOT_COMPENSABLE": "max_loan_fen", "RESULT": "tier_method",
    "SLICE": "tier_method", "PUBLIC_CEILING": "bank_public_share", "STOP_LINE": "stop_line", "VERDICT": "stop_line",
}
"""The parameter of the rule set on which each step of the computation rests."""
_GUARANTEE = {
    "NOT_COMPENSABLE": "guarantee_max_loan_fen", "PUBLIC_CEILING": "guarantor_public_share", "STOP_LINE": "guarantee_stop_line",
    "VERDICT": "guarantee_stop_line", "RESULT": "guarantee_ratio", "LAYER_POOL": "guarantee_ratio",
}
_MARKS: tuple[tuple[str, Text], ...] = (
    ("[C", _l("公布的文本或摘要")), ("[U]", _l("条文未核实")), ("[P]", _l("平台建议值，待市里确定")),
)


@dataclass(frozen=True)
class Input:
    """A fact that went into the computation: its name, value and origin."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True)
class Step:
    """A step: the sentence, its result, and the parameter it rests on with how sure that is."""

    text: str
    result: str
    basis: str


@dataclass(frozen=True)
class ComputationSheet:
    """All of it, as a page shows it."""

    inputs: list[Input]
    steps: list[Step]
    document: str
    code: str


def basis_of(code: str, rules: RuleSet, mode: str) -> str:
    """What a step rests on: the parameter, and whether the text that was read says so."""
    if code.startswith("LAYER_") and code != "LAYER_POOL":
        return "" if code in ("LAYER_SUM", "LAYER_DISTRICT") else gettext("依据：担保合同约定的比例")
    name = (_GUARANTEE.get(code) if mode == Mode.GUARANTEE else None) or RESTS_ON.get(code)
    if name is None:
        return ""
    source = sources_of(rules).get(name)
    if source is None:
        return gettext("依据：%(field)s（%(code)s 版参数）", field=NAMES[name], code=rules.code)
    mark = next((text for sign, text in _MARKS if sign in source), "")
    return gettext("依据：%(field)s（%(mark)s）", field=NAMES[name], mark=mark)


def computation_sheet(claim: Claim, booking: Booking, stored: StoredRuleSet) -> ComputationSheet:
    """The sheet of a claim, stored or only tried."""
    rules = RuleSet.from_json(stored.rules)
    steps = [_step(line, rules, booking.mode) for line in lines_of(claim.working)]
    return ComputationSheet(_inputs(claim, booking), steps, stored.document, stored.code)


def _step(line: WorkingLine, rules: RuleSet, mode: str) -> Step:
    result = "" if line.amount_fen is None else yuan_text(line.amount_fen)
    if not result and line.ratio is not None:
        result = rate_text(line.ratio)
    return Step(gettext(line.message, **shown(line.params, gettext)), result, basis_of(line.code, rules, mode))


def _inputs(claim: Claim, booking: Booking) -> list[Input]:
    snapshot: dict[str, Any] = booking.snapshot
    booked = gettext("入库快照（第 %(version)s 版）", version=booking.version)
    guaranteed = booking.snapshot.get("guarantee")
    ledger, said = gettext("贷款台账"), gettext("担保机构申报") if guaranteed else gettext("银行申报")
    listed = snapshot["key_list_version"] if snapshot["on_key_list"] else gettext("没有")
    rows = [
        (gettext("放款本金"), money_text(claim.principal_drawn_fen), booked),
        (gettext("已归还本金"), money_text(claim.principal_repaid_fen), ledger),
        *_payout(claim, guaranteed, said, booked),
        (gettext("抵质押物处置已收回的本金"), money_text(claim.collateral_fen), said),
        (gettext("其他财政性补偿"), money_text(claim.other_public_fen), said),
        (gettext("五级分类"), gettext(FiveClass(claim.five_class).label), ledger),
        (gettext("逾期天数"), str(claim.overdue_days), ledger),
        (gettext("产品类别"), gettext(Product(booking.product).label), booked),
        (gettext("重点支持名录"), listed, booked),
        (gettext("知识产权登记证号"), snapshot["ip_certificate_no"] or gettext("没有"), booked),
        (gettext("使用的货币政策工具"), snapshot["policy_tool"] or gettext("没有"), booked),
        (gettext("决定比例的金额"), money_text(claim.basis_fen), booked),
    ]
    return [Input(*row) for row in rows]


def _payout(claim: Claim, terms: dict[str, Any] | None, said: str, booked: str) -> list[tuple[str, str, str]]:
    """What a guarantor has paid, or what somebody else paid to the bank."""
    if terms is None or claim.paid_out_fen is None:
        return [(gettext("担保或保险已赔付的本金"), money_text(claim.guarantor_paid_fen), said)]
    return [
        (gettext("已代偿的本金"), money_text(claim.paid_out_fen), said),
        (gettext("代偿日期"), claim.paid_out_on.isoformat() if claim.paid_out_on else "", said),
        (gettext("担保合同编号"), terms["contract_no"], booked),
        (gettext("担保机构承担的本金比例"), rate_text(Decimal(terms["liability_share"])), booked),
        (gettext("再担保分担的本金比例"), rate_text(Decimal(terms["reguarantee_share"])), booked),
    ]
