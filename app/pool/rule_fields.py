"""The fields of a rule set in words: their names, the groups they stand in, and how a value is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from app.core.formats import count_text, date_text, money_text, rate_text
from app.core.pages import Text
from app.enterprises.rules import SIZE_NAMES, SizeClass
from app.pool.rule_sources import SOURCES
from app.pool.ruleset import RULE_2025, BudgetMode, DayKind, JudgeDate, RuleSet, Tier, TierBasis, TierMethod, YearEnd

NAMES: dict[str, Text] = {
    "code": _l("版本代号"), "title": _l("办法名称"), "document_no": _l("文号"), "valid_from": _l("施行日"),
    "valid_to": _l("失效日"),
    "judge_date": _l("按哪一天的办法判定"),
    "tiers": _l("分档和基本比例"), "tier_method": _l("分档算法"), "tier_basis": _l("分档依据"),
    "list_or_ip_uplift": _l("列入名录或知识产权质押，上浮"), "policy_tool_uplift": _l("使用货币政策工具，上浮"),
    "ratio_cap": _l("补偿比例上限"), "guarantee_ratio": _l("政担补偿比例"), "max_loan_fen": _l("单笔贷款上限（政银）"),
    "guarantee_max_loan_fen": _l("单笔贷款上限（政担）"),
    "budget_fen": _l("年度预算上限"), "guarantee_budget_fen": _l("其中政担"), "budget_mode": _l("预算不足时"),
    "year_end": _l("年度结账时的预留"),
    "stop_line": _l("熔断线（政银）"), "guarantee_stop_line": _l("熔断线（政担）"),
    "bank_public_share": _l("银行得到的财政性分担上限"), "guarantor_public_share": _l("担保机构得到的财政性分担上限"),
    "products": _l("可入库产品（政银）"), "guarantee_products": _l("可入库产品（政担）"),
    "sizes": _l("借款企业规模"),
    "key_list_sizes": _l("名录内还可以是"), "other_borrowers": _l("其他借款人"), "excluded_industries": _l("不予入库的行业代码"),
    "excluded_uses": _l("不予入库的用途"), "min_term_months": _l("最短期限（月）"), "max_term_months": _l("最长期限（月）"),
    "max_annual_rate": _l("年利率上限"), "borrower_cap_fen": _l("单户合计上限"),
    "booking_deadline_days": _l("入库期限（天）"), "booking_day_kind": _l("入库期限计算口径"),
    "left_bank_may_claim": _l("退出的银行仍可申请补偿"),
    "claim_after_expiry_days": _l("办法失效后还可申请的天数"), "loss_triggers": _l("索赔须有的证据"),
    "loss_overdue_days": _l("证据中的逾期天数"),
    "formal_check_wd": _l("形式审查（工作日）"), "returns_allowed": _l("最多退回几次"),
    "return_answer_wd": _l("补正期限（工作日）"),
    "audit_wd": _l("审核（工作日）"), "publicity_days": _l("公示（自然日）"),
    "recovery_return_days": _l("追偿款返还期限（自然日）"),
    "recovery_reminder_days": _l("返还提醒（收款后第几天）"), "split_window_days": _l("拆分贷款的观察天数"),
    "agreement_reminder_days": _l("合作协议到期提醒（到期前第几天）"),
    "early_default_days": _l("放款后多少天内逾期要提示"),
    "related_window_days": _l("关联借款人：放款相隔多少天内要提示"), "required_papers": _l("申请须有的材料（政银）"),
    "guarantee_papers": _l("申请须有的材料（政担）"),
    "sample_share": _l("抽样审核的比例"), "sample_flag_weight": _l("按风险抽样：每项提示加的权重"),
    "pace_days": _l("驾驶舱推算年底比率：按最近多少天的进度"), "batch_wait_days": _l("批量文件的行最多等待（自然日）"),
    "reconcile_due_wd": _l("月末对账期限（月末后工作日）"), "reconcile_reminder_wd": _l("月末对账提醒（月末后第几个工作日）"),
}
"""Every field of ``RuleSet``."""

GROUPS: tuple[tuple[Text, tuple[str, ...]], ...] = (
    (_l("文件"), ("code", "title", "document_no", "valid_from", "valid_to", "judge_date")),
    (_l("补偿比例"), (
        "tiers", "tier_method", "tier_basis", "list_or_ip_uplift", "policy_tool_uplift", "ratio_cap", "guarantee_ratio",
        "max_loan_fen", "guarantee_max_loan_fen",
    )),
    (_l("预算、熔断和分担"), (
        "budget_fen", "guarantee_budget_fen", "budget_mode", "year_end", "stop_line", "guarantee_stop_line",
        "bank_public_share", "guarantor_public_share",
    )),
    (_l("哪些贷款可以入库"), (
        "products", "guarantee_products", "sizes", "key_list_sizes", "other_borrowers", "excluded_industries", "excluded_uses",
        "min_term_months", "max_term_months", "max_annual_rate", "borrower_cap_fen", "booking_deadline_days",
        "booking_day_kind",
    )),
    (_l("索赔"), (
        "left_bank_may_claim", "claim_after_expiry_days", "loss_triggers", "loss_overdue_days", "required_papers",
        "guarantee_papers",
    )),
    (_l("办理期限和提示"), (
        "formal_check_wd", "returns_allowed", "return_answer_wd", "audit_wd", "publicity_days", "recovery_return_days",
        "recovery_reminder_days", "agreement_reminder_days", "split_window_days", "early_default_days", "related_window_days",
        "sample_share", "sample_flag_weight", "pace_days", "batch_wait_days", "reconcile_due_wd", "reconcile_reminder_wd",
    )),
)

WORDS: dict[StrEnum, Text] = {
    JudgeDate.DRAWDOWN: _l("放款日"), JudgeDate.BOOKING: _l("入库日"), JudgeDate.LOSS: _l("损失发生日"),
    TierMethod.BRACKET: _l("整笔按所在档次"), TierMethod.MARGINAL: _l("分段累进"),
    TierBasis.LOAN: _l("单笔贷款本金"), TierBasis.BORROWER_AT_BANK: _l("借款人在该行的合计"),
    BudgetMode.QUEUE: _l("按顺序等待"), BudgetMode.PRO_RATA: _l("按比例支付"),
    DayKind.NATURAL: _l("自然日"), DayKind.WORKING: _l("工作日"),
    YearEnd.CARRY: _l("连同资金结转下年"), YearEnd.RELEASE: _l("释放，申请排队等候"),
}
"""Names of choices that carry none themselves."""


def word(choice: StrEnum) -> str:
    """The name of a choice, in the language of the page."""
    if isinstance(choice, SizeClass):
        return gettext(SIZE_NAMES[choice])
    return str(WORDS[choice]) if choice in WORDS else gettext(choice.label)  # type: ignore[attr-defined]


def field_text(name: str, value: Any) -> str:
    """A value of a field of ``RuleSet``, as a page tells it."""
    if value is None:
        return gettext("不限")
    if isinstance(value, tuple):
        return gettext("、").join(field_text(name, one) for one in value) or gettext("没有")
    if name.endswith("_fen"):
        return money_text(value)
    return next((told(value) for kind, told in _TOLD if isinstance(value, kind)), str(value))


def _tier(tier: Tier) -> str:
    return gettext("不超过 %(amount)s：%(ratio)s", amount=money_text(tier.up_to_fen), ratio=rate_text(tier.ratio))


_TOLD: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (Tier, _tier), (bool, lambda value: gettext("是") if value else gettext("否")), (int, count_text), (Decimal, rate_text),
    (date, date_text), (StrEnum, word),
)


def differences(before: RuleSet, after: RuleSet) -> list[tuple[Text, str, str]]:
    """What differs between two editions: name, before, after, in the order of the form."""
    return [
        (NAMES[name], field_text(name, old), field_text(name, new))
        for _, names in GROUPS for name in names
        if (old := getattr(before, name)) != (new := getattr(after, name))
    ]


def sources_of(rules: RuleSet) -> dict[str, str]:
    """Where the numbers of an edition come from, in words: what it says as the text that was read says it. None for another
    document."""
    if rules.document_no != RULE_2025.document_no:
        return {}
    return {name: gettext(source) for name, source in SOURCES.items() if getattr(rules, name) == getattr(RULE_2025, name)}


def grouped(rules: RuleSet) -> list[tuple[Text, list[tuple[Text, str, str]]]]:
    """Every field of an edition by group: its own name in the code, name and value."""
    return [
        (title, [(name, str(NAMES[name]), field_text(name, getattr(rules, name))) for name in names]) for title, names in GROUPS
    ]
