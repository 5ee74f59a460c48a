"""What the pool pays, when it holds a payment, and what comes back: 广州市信贷风险补偿机制管理办法 as
functions.

The numbers live in a ``RuleSet`` (``ruleset``), the checks of a booking in ``eligibility``; both are offered
from here too. Money is fen, ratios are ``Decimal`` fractions; compensation is rounded down once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from app.core.money import EXACT, floor_fen, floor_share
from app.core.working import N_, Check, Params, WorkingLine
from app.pool.budget import BudgetResult, budget_left, pro_rata, queue, within_budget
from app.pool.eligibility import LoanFacts, booking_deadline, eligibility, first_in_time, is_eligible, judging_date
from app.pool.layers import Layers, layer_lines, share_recovery, split_loss
from app.pool.ruleset import (
    RULE_2025,
    BorrowerKind,
    BudgetMode,
    DayKind,
    JudgeDate,
    LossEvidence,
    Mode,
    Product,
    RuleSet,
    Tier,
    TierBasis,
    TierMethod,
    UseOfFunds,
    YearEnd,
)

__all__ = [
    "RULE_2025", "BorrowerKind", "BudgetMode", "BudgetResult", "Ceiling", "Check", "Compensation", "DayKind",
    "JudgeDate", "Layers", "LoanFacts", "LossEvidence", "LossFacts", "Mode", "Product", "Ratio", "RatioFacts",
    "RuleSet", "SplitFlag", "SplitLoan", "StopLine", "Tier", "TierBasis", "TierMethod", "UseOfFunds", "WorkingLine",
    "YearEnd", "booking_deadline", "budget_left", "claim_in_time", "compensation", "eligibility", "first_in_time",
    "is_eligible", "judging_date", "loss_proved", "net_principal_loss", "payable", "pro_rata", "public_share_ceiling",
    "queue", "ratio", "returned_due", "returned_total", "rule_set_for", "share_recovery", "split_flag", "split_loss",
    "stop_line", "within_budget",
]  # fmt: skip


def rule_set_for(rule_sets: Iterable[RuleSet], day: date) -> RuleSet | None:
    """The rule set in force on a day (the newest, should two overlap), or None."""
    return max((r for r in rule_sets if r.in_force(day)), key=lambda r: r.valid_from, default=None)


@dataclass(frozen=True, slots=True)
class RatioFacts:
    """What the ratio looks at, from the snapshot at drawdown. ``basis_fen`` is the amount that chooses the
    bracket: the loan's principal at drawdown, or the borrower's sum at that bank (``tier_basis``). ``liability`` and
    ``reguarantee`` are the shares (fractions) of a guarantor's contract: what it answers for, and what is re-guaranteed of it."""

    mode: Mode
    basis_fen: int
    on_key_list: bool = False
    ip_pledge: bool = False
    policy_tool: bool = False
    liability: Decimal | None = None
    reguarantee: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A compensation ratio (fraction) with its working; 0 when the loan is not compensable."""

    value: Decimal
    working: tuple[WorkingLine, ...]


def ratio(facts: RatioFacts, rules: RuleSet) -> Ratio:
    """The ratio of a loan under the bracket reading (risk-compensation paper §3 [C4]).

    ``min(cap, base(tier) + 0.15·(key list or IP pledge) + 0.05·policy tool)``; the list and the pledge count
    once. 政担 takes its single ratio. Above the largest amount nothing is compensable [P].
    """
    limit = rules.max_loan_fen if facts.mode is Mode.BANK else rules.guarantee_max_loan_fen
    if limit is not None and facts.basis_fen > limit:
        return Ratio(Decimal(0), (_too_large(facts.basis_fen, limit),))
    if facts.mode is Mode.GUARANTEE:
        line = WorkingLine("GUARANTEE_RATIO", N_("政担模式补偿比例"), {}, None, rules.guarantee_ratio)
        return Ratio(rules.guarantee_ratio, (line,))
    tier = next((t for t in rules.tiers if facts.basis_fen <= t.up_to_fen), None)
    if tier is None:
        return Ratio(Decimal(0), (_too_large(facts.basis_fen, rules.tiers[-1].up_to_fen),))
    params: Params = {"basis_fen": facts.basis_fen, "up_to_fen": tier.up_to_fen}
    message = N_("贷款金额 %(basis_fen)s 元，不超过 %(up_to_fen)s 元一档，基本比例")
    base = WorkingLine("BASE", message, params, None, tier.ratio)
    return _with_uplifts(base, tier.ratio, facts, rules)


def _too_large(basis_fen: int, limit_fen: int) -> WorkingLine:
    params: Params = {"basis_fen": basis_fen, "limit_fen": limit_fen}
    return WorkingLine(
        "NOT_COMPENSABLE",
        N_("贷款金额 %(basis_fen)s 元超过 %(limit_fen)s 元，不予补偿"),
        params,
        0,
        Decimal(0),
    )


def _with_uplifts(base: WorkingLine, value: Decimal, facts: RatioFacts, rules: RuleSet) -> Ratio:
    lines = [base]
    if facts.on_key_list or facts.ip_pledge:
        value += rules.list_or_ip_uplift
        message = N_("列入重点支持名录或知识产权质押，上浮（不重复计算）")
        lines.append(WorkingLine("LIST_OR_IP", message, {}, None, rules.list_or_ip_uplift))
    if facts.policy_tool:
        value += rules.policy_tool_uplift
        lines.append(
            WorkingLine("POLICY_TOOL", N_("使用货币政策工具，上浮"), {}, None, rules.policy_tool_uplift)
        )
    if value > rules.ratio_cap:
        params: Params = {"sum_ratio": value, "cap_ratio": rules.ratio_cap}
        message = N_("合计 %(sum_ratio)s 超过上限，按 %(cap_ratio)s 计")
        lines.append(WorkingLine("CAP", message, params, None, rules.ratio_cap))
        value = rules.ratio_cap
    return Ratio(value, tuple(lines))


def net_principal_loss(
    principal_drawn_fen: int,
    principal_repaid_fen: int,
    guarantor_paid_fen: int = 0,
    collateral_fen: int = 0,
) -> int:
    """Principal lost, in fen: drawn less repaid, less what guarantor or insurer paid on principal, less
    collateral proceeds on principal; never below 0 (risk-compensation paper §5 [P]). Interest and fees never
    count [C1].

    Raises ``ValueError`` for a negative amount.
    """
    parts = (principal_drawn_fen, principal_repaid_fen, guarantor_paid_fen, collateral_fen)
    if min(parts) < 0:
        raise ValueError("no part of a loss is negative")
    return max(0, principal_drawn_fen - sum(parts[1:]))


@dataclass(frozen=True, slots=True)
class LossFacts:
    """Evidence of a loss: is the class bad, how many days overdue, which papers lie in the claim."""

    class_is_bad: bool
    overdue_days: int
    papers: frozenset[LossEvidence] = frozenset()


def loss_proved(facts: LossFacts, rules: RuleSet) -> list[Check]:
    """One check per evidence the rule set demands before a claim (``loss_triggers``, risk-compensation paper
    §5)."""
    return [
        Check(
            f"LOSS_{evidence}",
            _has_evidence(evidence, facts, rules),
            N_("索赔所需证据：%(evidence_label)s"),
            {"evidence_label": evidence.label},
        )
        for evidence in rules.loss_triggers
    ]


def _has_evidence(evidence: LossEvidence, facts: LossFacts, rules: RuleSet) -> bool:
    if evidence is LossEvidence.NPL_CLASS:
        return facts.class_is_bad
    if evidence is LossEvidence.OVERDUE_DAYS:
        return facts.overdue_days >= rules.loss_overdue_days
    return evidence in facts.papers


def claim_in_time(claimed_on: date, rules: RuleSet) -> bool:
    """May a loan booked under this set still be claimed? After expiry only as long as the set allows (None:
    ever)."""
    if rules.claim_after_expiry_days is None:
        return True
    return (claimed_on - rules.valid_to).days <= rules.claim_after_expiry_days


@dataclass(frozen=True, slots=True)
class Compensation:
    """What the city pays on a loss, in fen, with every line that led there."""

    amount_fen: int
    lines: tuple[WorkingLine, ...]


def compensation(facts: RatioFacts, net_loss_fen: int, rules: RuleSet) -> Compensation:
    """City compensation on a net principal loss in fen, explained line by line (risk-compensation paper §3).

    BRACKET: the whole loss times the ratio. MARGINAL: the loss fills the brackets from 0. Rounded down once.
    Raises ``ValueError`` for a negative loss.
    """
    if net_loss_fen < 0:
        raise ValueError("a loss is never negative")
    message = N_("净本金损失 %(loss_fen)s 元（不含利息、罚息和费用）")
    loss = WorkingLine("LOSS", message, {"loss_fen": net_loss_fen}, net_loss_fen)
    marginal = rules.tier_method is TierMethod.MARGINAL and facts.mode is Mode.BANK
    if marginal and facts.basis_fen <= rules.max_loan_fen:
        return _marginal(loss, facts, net_loss_fen, rules)
    found = ratio(facts, rules)
    amount = floor_share(net_loss_fen, found.value)
    params: Params = {"loss_fen": net_loss_fen, "value_ratio": found.value}
    result = WorkingLine(
        "RESULT", N_("补偿金额 = %(loss_fen)s 元 × %(value_ratio)s"), params, amount, found.value
    )
    return Compensation(amount, (loss, *found.working, result))


def _marginal(loss: WorkingLine, facts: RatioFacts, net_loss_fen: int, rules: RuleSet) -> Compensation:
    lines = [loss]
    exact, low = Decimal(0), 0
    for tier in rules.tiers:
        part = min(net_loss_fen, tier.up_to_fen) - low
        if part <= 0:
            break
        base = WorkingLine("BASE", N_("本段基本比例"), {"up_to_fen": tier.up_to_fen}, None, tier.ratio)
        found = _with_uplifts(base, tier.ratio, facts, rules)
        exact += EXACT.multiply(Decimal(part), found.value)
        params: Params = {
            "low_fen": low,
            "up_to_fen": tier.up_to_fen,
            "part_fen": part,
            "value_ratio": found.value,
        }
        message = N_("%(low_fen)s 至 %(up_to_fen)s 元一段：损失 %(part_fen)s 元 × %(value_ratio)s")
        lines += [*found.working, WorkingLine("SLICE", message, params, part, found.value)]
        low = tier.up_to_fen
    amount = floor_fen(exact)
    return Compensation(amount, (*lines, WorkingLine("RESULT", N_("补偿金额 = 各段之和"), {}, amount)))


@dataclass(frozen=True, slots=True)
class StopLine:
    """The stop line (熔断线) of a payee in a year. Ratios are fractions, None where nothing was booked."""

    before: Decimal | None
    after: Decimal | None
    held: bool
    working: tuple[WorkingLine, ...]


def stop_line(
    booked_fen: int, claimed_loss_fen: int, new_loss_fen: int, rules: RuleSet, mode: Mode = Mode.BANK
) -> StopLine:
    """Is a new claim held? Losses claimed this year over principal booked this year, above 3 % [C4].

    ``claimed_loss_fen`` are the net losses of the claims submitted this calendar year and not refused, lapsed
    or withdrawn. Exactly on the line is not above it; nothing booked with a loss is above it. Everything
    after the crossing claim is above the line too, until new bookings raise the base (risk-compensation paper
    §3 [P]).
    """
    line = rules.stop_line if mode is Mode.BANK else rules.guarantee_stop_line
    total = claimed_loss_fen + new_loss_fen
    held = total > EXACT.multiply(line, Decimal(booked_fen))
    before, after = _loss_ratio(claimed_loss_fen, booked_fen), _loss_ratio(total, booked_fen)
    params: Params = {"total_fen": total, "booked_fen": booked_fen, "line_ratio": line}
    message = N_("本年已报损失加本笔 %(total_fen)s 元，本年入库本金 %(booked_fen)s 元，熔断线 %(line_ratio)s")
    verdict = N_("高于熔断线，暂缓支付") if held else N_("未超过熔断线")
    working = (WorkingLine("STOP_LINE", message, params, None, after), WorkingLine("VERDICT", verdict))
    return StopLine(before, after, held, working)


def _loss_ratio(loss_fen: int, booked_fen: int) -> Decimal | None:
    return EXACT.divide(Decimal(loss_fen), Decimal(booked_fen)) if booked_fen else None


def returned_total(paid_fen: int, net_loss_fen: int, recovered_fen: int, cost_fen: int) -> int:
    """What must have been returned to a payer so far, in fen, for all recoveries together: ``min(paid,
    floor(max(0, Σrecovered − Σcost) × paid / net loss))`` (risk-compensation paper §6 [U]).

    Raises ``ValueError`` for negative amounts, or a payment without a loss.
    """
    if min(paid_fen, net_loss_fen, recovered_fen, cost_fen) < 0:
        raise ValueError("no part of a recovery is negative")
    if paid_fen == 0:
        return 0
    if net_loss_fen == 0:
        raise ValueError("a payment without a loss cannot be shared")
    return min(paid_fen, max(0, recovered_fen - cost_fen) * paid_fen // net_loss_fen)


def returned_due(
    paid_fen: int, net_loss_fen: int, recovered_fen: int, cost_fen: int, already_returned_fen: int
) -> int:
    """What is due back now, in fen; recoveries and costs are sums to date, so the order of receipts does not
    matter.

    Never negative: what costs reported later leave returned in excess is set off against the next recovery.
    Call it once for each payer (city, district) with what that payer paid.
    """
    return max(0, returned_total(paid_fen, net_loss_fen, recovered_fen, cost_fen) - already_returned_fen)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How much of a new public payment a payee may take, in fen, under its ceiling; ``share`` is the public
    part of its loss afterwards (a fraction)."""

    allowed_fen: int
    cut_fen: int
    kept_loss_fen: int
    share: Decimal
    working: tuple[WorkingLine, ...]


def public_share_ceiling(
    mode: Mode, own_loss_fen: int, already_public_fen: int, new_fen: int, rules: RuleSet
) -> Ceiling:
    """Cap all public money of one payee on one loss: a bank at 80 % of its principal loss, a guarantor at
    what it paid out itself, nobody above its own loss (risk-compensation paper §3, stacking [P]).

    ``already_public_fen`` sums city, district, insurance and guarantee money received before this payment.
    """
    part = rules.bank_public_share if mode is Mode.BANK else rules.guarantor_public_share
    top = floor_share(own_loss_fen, part)
    allowed = max(0, min(new_fen, top - already_public_fen))
    public = already_public_fen + allowed
    share = EXACT.divide(Decimal(public), Decimal(own_loss_fen)) if own_loss_fen else Decimal(0)
    params: Params = {
        "top_fen": top,
        "part_ratio": part,
        "already_fen": already_public_fen,
        "new_fen": new_fen,
    }
    message = N_(
        "财政性分担上限 %(top_fen)s 元（损失的 %(part_ratio)s），已得 %(already_fen)s 元，本次 %(new_fen)s 元"
    )
    line = WorkingLine("PUBLIC_CEILING", message, params, allowed, share)
    return Ceiling(allowed, new_fen - allowed, max(0, own_loss_fen - public), share, (line,))


def payable(
    facts: RatioFacts, net_loss_fen: int, guarantor_paid_fen: int, other_public_fen: int, rules: RuleSet,
    paid_out_fen: int | None = None,
) -> Compensation:
    """What a claim is worth, in fen: the compensation on its loss, cut to what public money may still come to its payee.

    Of a guarantor (政担) the payee's own loss is what it has paid out (``paid_out_fen``), and what is re-guaranteed has come to
    it already; the lines then say who of the four bears how much.
    """
    found = compensation(facts, net_loss_fen, rules)
    if facts.liability is not None and paid_out_fen is not None:
        return _guaranteed(facts, found, net_loss_fen, paid_out_fen, other_public_fen, rules)
    public = guarantor_paid_fen + other_public_fen
    ceiling = public_share_ceiling(facts.mode, net_loss_fen + guarantor_paid_fen, public, found.amount_fen, rules)
    return Compensation(ceiling.allowed_fen, (*found.lines, *ceiling.working))


def _guaranteed(
    facts: RatioFacts, found: Compensation, net_loss_fen: int, paid_out_fen: int, other_public_fen: int, rules: RuleSet
) -> Compensation:
    assert facts.liability is not None
    first = split_loss(net_loss_fen, found.amount_fen, facts.liability, facts.reguarantee)
    public = first.reguarantee_fen + other_public_fen
    ceiling = public_share_ceiling(facts.mode, paid_out_fen, public, found.amount_fen, rules)
    # What the ceiling takes from the pool falls back on the guarantor.
    borne = replace(first, pool_fen=ceiling.allowed_fen, guarantor_fen=first.guarantor_fen + ceiling.cut_fen)
    return Compensation(ceiling.allowed_fen, (*found.lines, *ceiling.working, *layer_lines(borne)))


@dataclass(frozen=True, slots=True)
class SplitLoan:
    """One of a borrower's loans: reference, drawdown date, principal in fen."""

    reference: str
    drawn_on: date
    principal_fen: int


@dataclass(frozen=True, slots=True)
class SplitFlag:
    """Loans that together pass a threshold none of them passes alone, in fen."""

    threshold_fen: int
    total_fen: int
    references: tuple[str, ...]


def split_flag(loans: Sequence[SplitLoan], rules: RuleSet) -> tuple[SplitFlag, ...]:
    """Warn the auditor of loans of one borrower split around a bracket's edge (500 and 1500 万元) within 30
    days [P].

    For each edge but the last: the largest group drawn within ``split_window_days`` of its first loan, each
    at or below the edge, together above it.
    """
    return tuple(
        flag for tier in rules.tiers[:-1] if (flag := _split_around(tier.up_to_fen, loans, rules)) is not None
    )


def _split_around(threshold_fen: int, loans: Sequence[SplitLoan], rules: RuleSet) -> SplitFlag | None:
    below = sorted(
        (x for x in loans if x.principal_fen <= threshold_fen), key=lambda x: (x.drawn_on, x.reference)
    )
    groups = (
        [x for x in below[k:] if (x.drawn_on - first.drawn_on).days <= rules.split_window_days]
        for k, first in enumerate(below)
    )
    largest = max(groups, key=lambda group: sum(x.principal_fen for x in group), default=[])
    total = sum(x.principal_fen for x in largest)
    if total <= threshold_fen:
        return None
    return SplitFlag(threshold_fen, total, tuple(x.reference for x in largest))
