"""May a drawn loan be booked in the pool? The automatic checks, each with what was looked at.

Source: interpretation of 穗金管规字〔2025〕1号 (borrower, place, products [C2]; tiers end [C4]); the list of
checks is the proposal of the risk-compensation paper §4 [P]. All facts are those of the day of drawdown,
never of today.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from app.core.calendar import add_working_days
from app.core.working import N_, Check, Params
from app.enterprises.rules import SizeClass
from app.pool.ruleset import BorrowerKind, DayKind, JudgeDate, Mode, Product, RuleSet, UseOfFunds


@dataclass(frozen=True, slots=True)
class LoanFacts:
    """A drawn loan as the checks see it: snapshot at drawdown. Money in fen, rate as a fraction per year.

    ``judged_on`` is the date that chose the rule set (``judging_date``); ``booked_before`` says that this
    note of this bank stands in the pool already, ``in_other_mode`` that it was booked in the other mode.
    """

    mode: Mode
    product: Product
    principal_fen: int
    borrower_kind: BorrowerKind
    size: SizeClass
    registered_in_city: bool
    operates_in_city: bool
    on_key_list: bool
    industry_code: str
    annual_rate: Decimal
    term_months: int
    use_of_funds: UseOfFunds
    drawdown_on: date
    submitted_on: date
    judged_on: date
    agreement_from: date | None
    agreement_to: date | None
    booked_before: bool = False
    in_other_mode: bool = False
    seriously_dishonest: bool = False
    late_approved_reason: str = ""
    agreement_no: str = ""
    sole_trader: bool = False
    own_share: Decimal | None = None
    liability: Decimal | None = None
    reguarantee: Decimal = Decimal(0)
    borrower_total_fen: int | None = None


def judging_date(rules: RuleSet, drawdown_on: date, booked_on: date, loss_on: date | None = None) -> date:
    """The date whose rule set judges a loan (risk-compensation paper §1; default the booking date [P]).

    Raises ``ValueError`` when the set judges by the loss and no loss has happened.
    """
    if rules.judge_date is JudgeDate.DRAWDOWN:
        return drawdown_on
    if rules.judge_date is JudgeDate.BOOKING:
        return booked_on
    if loss_on is None:
        raise ValueError("this rule set judges a loan on the day of its loss")
    return loss_on


def booking_deadline(rules: RuleSet, drawdown_on: date) -> date:
    """The last day on which a loan is booked in time: days of the edition's kind after drawdown (paper §4 [P]; elsewhere working
    days are counted [C12])."""
    if rules.booking_day_kind is DayKind.WORKING:
        return add_working_days(drawdown_on, rules.booking_deadline_days)
    return drawdown_on + timedelta(days=rules.booking_deadline_days)


def first_in_time(rules: RuleSet, day: date) -> date:
    """The earliest drawdown that may still be booked in time on a day."""
    first = day
    while booking_deadline(rules, first - timedelta(days=1)) >= day:
        first -= timedelta(days=1)
    return first


def eligibility(facts: LoanFacts, rules: RuleSet) -> list[Check]:
    """Every automatic check of a booking, passed or not, in a fixed order. The loan may be booked when all
    passed."""
    checks = [
        _rule_in_force(facts, rules),
        _size(facts, rules),
        _place(facts),
        _product(facts, rules),
        _amount(facts, rules),
        _not_twice(facts),
        _one_mode(facts),
        _honest(facts),
        _use(facts, rules),
        _industry(facts, rules),
        _agreement(facts),
        _deadline(facts, rules),
    ]
    optional = (_shares(facts, rules), _term(facts, rules), _rate(facts, rules), _borrower_total(facts, rules))
    return [*checks, *(check for check in optional if check is not None)]


def is_eligible(checks: list[Check]) -> bool:
    """True when every check passed."""
    return all(check.passed for check in checks)


def _rule_in_force(facts: LoanFacts, rules: RuleSet) -> Check:
    params: Params = {"day": facts.judged_on, "from": rules.valid_from, "to": rules.valid_to}
    message = N_("判定日 %(day)s 应在办法有效期 %(from)s 至 %(to)s 内")
    return Check("RULE_IN_FORCE", rules.in_force(facts.judged_on), message, params)


def _size(facts: LoanFacts, rules: RuleSet) -> Check:
    if facts.borrower_kind is BorrowerKind.OWNER_BORROWER:
        fits = facts.borrower_kind in rules.other_borrowers and (facts.size in rules.sizes or facts.sole_trader)
        message = N_("借款人为小微企业主，其企业应为小型、微型企业或个体工商户")
        return Check("SIZE", fits, message, {"size": facts.size.value})
    if facts.borrower_kind is not BorrowerKind.ENTERPRISE:
        params: Params = {"borrower_label": facts.borrower_kind.label}
        passed = facts.borrower_kind in rules.other_borrowers
        return Check("SIZE", passed, N_("借款人为%(borrower_label)s，应属办法支持的对象"), params)
    listed = facts.on_key_list and facts.size in rules.key_list_sizes
    message = N_("借款人应为小型或微型企业；列入重点支持名录的可放宽到中型企业")
    return Check("SIZE", facts.size in rules.sizes or listed, message, {"size": facts.size.value})


def _place(facts: LoanFacts) -> Check:
    passed = facts.registered_in_city or facts.operates_in_city
    return Check("PLACE", passed, N_("借款人应在广州市注册或经营"))


def _product(facts: LoanFacts, rules: RuleSet) -> Check:
    allowed = rules.products if facts.mode is Mode.BANK else rules.guarantee_products
    params: Params = {"product_label": facts.product.label, "mode_label": facts.mode.label}
    message = N_("%(product_label)s应属%(mode_label)s支持的产品")
    return Check("PRODUCT", facts.product in allowed, message, params)


def _amount(facts: LoanFacts, rules: RuleSet) -> Check:
    limit = rules.max_loan_fen if facts.mode is Mode.BANK else rules.guarantee_max_loan_fen
    if limit is None:
        return Check("AMOUNT", facts.principal_fen > 0, N_("贷款本金应大于 0（本模式未设上限）"))
    params: Params = {"principal_fen": facts.principal_fen, "limit_fen": limit}
    message = N_("贷款本金 %(principal_fen)s 元应大于 0 且不超过 %(limit_fen)s 元")
    return Check("AMOUNT", 0 < facts.principal_fen <= limit, message, params)


def _not_twice(facts: LoanFacts) -> Check:
    return Check("NOT_BOOKED_TWICE", not facts.booked_before, N_("同一借据不得重复入库"))


def _one_mode(facts: LoanFacts) -> Check:
    return Check("ONE_MODE", not facts.in_other_mode, N_("同一笔贷款不得同时适用政银和政担两种模式"))


def _honest(facts: LoanFacts) -> Check:
    return Check("NOT_DISHONEST", not facts.seriously_dishonest, N_("借款人不得在严重失信主体名单上"))


def _use(facts: LoanFacts, rules: RuleSet) -> Check:
    params: Params = {"use_label": facts.use_of_funds.label}
    passed = facts.use_of_funds not in rules.excluded_uses
    return Check("USE_OF_FUNDS", passed, N_("贷款用途为%(use_label)s，不得用于购房或证券投资"), params)


def _industry(facts: LoanFacts, rules: RuleSet) -> Check:
    excluded = rules.excluded_industries
    passed = not (excluded and facts.industry_code.startswith(excluded))
    return Check("INDUSTRY", passed, N_("行业代码 %(code)s 不得属于排除行业"), {"code": facts.industry_code})


def _agreement(facts: LoanFacts) -> Check:
    begun = facts.agreement_from is not None and facts.agreement_from <= facts.drawdown_on
    ended = facts.agreement_to is not None and facts.agreement_to < facts.drawdown_on
    params: Params = {"day": facts.drawdown_on, "number": facts.agreement_no}
    if not facts.agreement_no or facts.agreement_from is None:
        return Check("AGREEMENT", begun and not ended, N_("放款日 %(day)s 合作协议应有效"), params)
    params = {**params, "from": facts.agreement_from, "to": facts.agreement_to or "∞"}
    message = N_("放款日 %(day)s 应在合作协议 %(number)s 的有效期 %(from)s 至 %(to)s 内")
    return Check("AGREEMENT", begun and not ended, message, params)


def _deadline(facts: LoanFacts, rules: RuleSet) -> Check:
    last = booking_deadline(rules, facts.drawdown_on)
    params: Params = {"days": rules.booking_deadline_days, "last": last, "reason": facts.late_approved_reason}
    if facts.submitted_on > last and facts.late_approved_reason.strip():
        return Check("DEADLINE", True, N_("已超过期限 %(last)s，金融局同意补报：%(reason)s"), params)
    passed = facts.drawdown_on <= facts.submitted_on <= last
    if rules.booking_day_kind is DayKind.WORKING:
        return Check("DEADLINE", passed, N_("应在放款后 %(days)s 个工作日内提交入库，最迟 %(last)s（含当日）"), params)
    return Check("DEADLINE", passed, N_("应在放款后 %(days)s 日内提交入库，最迟 %(last)s（含当日）"), params)


def _shares(facts: LoanFacts, rules: RuleSet) -> Check | None:
    """A guarantor keeps what its agreement says of a loss, once pool and re-guarantor have taken theirs [P]."""
    if facts.liability is None:
        return None
    own, least = facts.liability - facts.reguarantee - rules.guarantee_ratio, facts.own_share or Decimal(0)
    params: Params = {
        "own_ratio": own, "liability_ratio": facts.liability, "again_ratio": facts.reguarantee,
        "pool_ratio": rules.guarantee_ratio, "least_ratio": least,
    }
    message = N_("担保机构承担 %(liability_ratio)s，减再担保 %(again_ratio)s 和资金池 %(pool_ratio)s，"
                 "自担 %(own_ratio)s，不得低于协议约定的 %(least_ratio)s")
    return Check("GUARANTEE_SHARES", own >= least, message, params)


def _term(facts: LoanFacts, rules: RuleSet) -> Check | None:
    low, high = rules.min_term_months, rules.max_term_months
    if low is None and high is None:
        return None
    passed = (low is None or facts.term_months >= low) and (high is None or facts.term_months <= high)
    params: Params = {"months": facts.term_months, "low": low or 0, "high": "∞" if high is None else high}
    return Check("TERM", passed, N_("期限 %(months)s 个月应在 %(low)s 到 %(high)s 个月之间"), params)


def _rate(facts: LoanFacts, rules: RuleSet) -> Check | None:
    if rules.max_annual_rate is None:
        return None
    params: Params = {"rate_ratio": facts.annual_rate, "limit_ratio": rules.max_annual_rate}
    message = N_("年利率 %(rate_ratio)s 不得超过 %(limit_ratio)s")
    return Check("RATE", facts.annual_rate <= rules.max_annual_rate, message, params)


def _borrower_total(facts: LoanFacts, rules: RuleSet) -> Check | None:
    if rules.borrower_cap_fen is None:
        return None
    total = facts.principal_fen if facts.borrower_total_fen is None else facts.borrower_total_fen
    params: Params = {"total_fen": total, "cap_fen": rules.borrower_cap_fen}
    message = N_("借款人入库贷款合计 %(total_fen)s 元不得超过 %(cap_fen)s 元")
    return Check("BORROWER_TOTAL", total <= rules.borrower_cap_fen, message, params)
