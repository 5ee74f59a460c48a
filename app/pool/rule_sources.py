"""Where each number of the edition of 2025 comes from, as pages tell it, by field of ``RuleSet``.

C confirmed in a text that was read, U unconfirmed, P proposed by the project (risk-compensation paper).
"""

from __future__ import annotations

from app.core.working import N_

SOURCES: dict[str, str] = {
    "valid_from": N_("穗金管规字〔2025〕1号末条：自 2025-10-01 起施行，有效期三年 [C1]"),
    "valid_to": N_("穗金管规字〔2025〕1号末条：自 2025-10-01 起施行，有效期三年 [C1]"),
    "judge_date": N_("穗金管规字〔2025〕1号：未读到这一条；按入库日为平台建议 [P]"),
    "tiers": N_("穗金管规字〔2025〕1号，2025-09-27 条文摘要：不超过 500/1500/3000 万元分别为 40/30/20 个百分点 [C4]"),
    "tier_method": N_("穗金管规字〔2025〕1号：未读到这一条；摘要说按贷款金额分档，整笔按档为平台建议 [P]"),
    "tier_basis": N_("穗金管规字〔2025〕1号：未读到这一条；按单笔放款金额为平台建议 [P]"),
    "list_or_ip_uplift": N_(
        "穗金管规字〔2025〕1号，2025-09-27 条文摘要：列入名录或知识产权质押的上浮 15 个百分点，只加一次 [C4]"
    ),
    "policy_tool_uplift": N_("穗金管规字〔2025〕1号，2025-09-27 条文摘要：使用货币政策工具的上浮 5 个百分点 [C4]"),
    "ratio_cap": N_("穗金管规字〔2025〕1号，2025-09-27 条文摘要：最高百分之五十 [C4]"),
    "guarantee_ratio": N_("穗金管规字〔2025〕1号，2025-09-27 条文摘要：原则上百分之二十 [C4]"),
    "max_loan_fen": N_("穗金管规字〔2025〕1号，2025-09-27 条文摘要：分档到 3000 万元为止 [C4]；超过的不补偿为平台建议 [P]"),
    "guarantee_max_loan_fen": N_("穗金管规字〔2025〕1号：未读到这一条 [U]"),
    "budget_fen": N_("穗金管规字〔2025〕1号政策解读：每年不超过 15 亿元 [C2][C4]"),
    "guarantee_budget_fen": N_("穗金管规字〔2025〕1号政策解读：其中政担不超过 5000 万元 [C2][C4]"),
    "budget_mode": N_("穗金管规字〔2025〕1号：未读到这一条；按顺序等待为平台建议 [P]"),
    "year_end": N_("穗金管规字〔2025〕1号：未读到这一条；结转下年为平台建议 [P]"),
    "stop_line": N_("穗金管规字〔2025〕1号，2025-09-27 条文摘要：超过当年入库本金百分之三的暂缓支付 [C4]"),
    "guarantee_stop_line": N_("穗金管规字〔2025〕1号，2025-09-27 条文摘要：年度代偿率超过百分之三的暂缓 [C4]"),
    "products": N_("穗金管规字〔2025〕1号政策解读 [C2]"),
    "guarantee_products": N_("穗金管规字〔2025〕1号政策解读 [C2]"),
    "sizes": N_("穗金管规字〔2025〕1号政策解读：小型、微型企业 [C2]"),
    "key_list_sizes": N_("穗金管规字〔2025〕1号政策解读：名录内的中型企业 [C2]"),
    "other_borrowers": N_("穗金管规字〔2025〕1号政策解读：个体工商户和小微企业主 [C2]"),
    "excluded_industries": N_("穗金管规字〔2025〕1号：未读到这一条；金融业另有规模标准（GB/T 4754 J 门类）[P]"),
    "excluded_uses": N_("穗金管规字〔2025〕1号：未读到这一条；不得用于购房和证券投资 [P]"),
    "booking_day_kind": N_("穗金管规字〔2025〕1号：未读到这一条；自然日为平台建议 [P]"),
    "booking_deadline_days": N_("穗金管规字〔2025〕1号：未读到这一条；放款后 30 个自然日为平台建议 [P]"),
    "left_bank_may_claim": N_("穗金管规字〔2025〕1号：未读到这一条 [U]"),
    "loss_triggers": N_("穗金管规字〔2025〕1号：不良贷款本金实际损失 [C1]；其他证据待确认 [U]"),
    "loss_overdue_days": N_("商业银行金融资产风险分类办法（2023 年第 1 号）：逾期超过 90 天 [U]"),
    "required_papers": N_("材料清单为平台建议 [P]"),
    "guarantee_papers": N_("材料清单为平台建议 [P]"),
    "bank_public_share": N_("每个收款方的上限为平台建议 [P]"),
    "guarantor_public_share": N_("每个收款方的上限为平台建议 [P]"),
    "formal_check_wd": N_("办理流程为平台建议 [P]"),
    "returns_allowed": N_("办理流程为平台建议 [P]"),
    "return_answer_wd": N_("办理流程为平台建议 [P]"),
    "audit_wd": N_("办理流程为平台建议 [P]"),
    "publicity_days": N_("办理流程为平台建议 [P]"),
    "recovery_return_days": N_("惯例，待确认 [U]；30 天为平台建议 [P]"),
    "recovery_reminder_days": N_("平台建议 [P]"),
    "agreement_reminder_days": N_("平台建议 [P]"),
    "split_window_days": N_("平台建议 [P]"),
    "early_default_days": N_("平台建议 [P]"),
    "related_window_days": N_("平台建议 [P]"),
    "sample_share": N_("抽样或全面审核、抽多少均为平台建议 [P]"),
    "sample_flag_weight": N_("平台建议 [P]"),
    "pace_days": N_("平台建议 [P]"),
    "batch_wait_days": N_("平台建议 [P]"),
    "reconcile_due_wd": N_("平台建议 [P]"),
    "reconcile_reminder_wd": N_("平台建议 [P]"),
}
