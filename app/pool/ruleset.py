"""A rule set of the risk-compensation pool as data: every number the city may alter, with where it comes
from.

``RULE_2025`` is 广州市信贷风险补偿机制管理办法, 穗金管规字〔2025〕1号 (2025-10-01 … 2028-09-30). What its
text says is marked confirmed in ``rule_sources``; what could not be read is a proposal there. Rows of the database
hold ``to_json()``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from app.core.money import WAN, YUAN
from app.core.working import N_
from app.enterprises.rules import SizeClass

YI = 100_000_000 * YUAN
"""Fen in a hundred million yuan (亿元)."""


class Mode(StrEnum):
    """Who is compensated: the bank (政银) or the guarantor that paid out (政担)."""

    BANK = "BANK"
    GUARANTEE = "GUARANTEE"

    @property
    def label(self) -> str:
        """Chinese name."""
        return N_("政银模式") if self is Mode.BANK else N_("政担模式")


class Product(StrEnum):
    """Kinds of loan the rule names (interpretation of the 2025 rule, table of modes)."""

    CREDIT = "CREDIT"
    IP_PLEDGE = "IP_PLEDGE"
    RECEIVABLE_PLEDGE = "RECEIVABLE_PLEDGE"
    ENVIRONMENT_PLEDGE = "ENVIRONMENT_PLEDGE"
    LOAN_INSURANCE = "LOAN_INSURANCE"
    GUARANTEED = "GUARANTEED"
    OTHER = "OTHER"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _PRODUCT_NAMES[self]


_PRODUCT_NAMES = {
    Product.CREDIT: N_("信用贷款"),
    Product.IP_PLEDGE: N_("知识产权质押贷款"),
    Product.RECEIVABLE_PLEDGE: N_("应收账款质押贷款"),
    Product.ENVIRONMENT_PLEDGE: N_("环境权益抵质押贷款"),
    Product.LOAN_INSURANCE: N_("贷款保证保险贷款"),
    Product.GUARANTEED: N_("贷款担保业务"),
    Product.OTHER: N_("其他贷款"),
}


class BorrowerKind(StrEnum):
    """Who borrows; a sole trader and an owner-borrower are no enterprises and are named apart."""

    ENTERPRISE = "ENTERPRISE"
    SOLE_TRADER = "SOLE_TRADER"
    OWNER_BORROWER = "OWNER_BORROWER"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _BORROWER_NAMES[self]


_BORROWER_NAMES = {
    BorrowerKind.ENTERPRISE: N_("企业"),
    BorrowerKind.SOLE_TRADER: N_("个体工商户"),
    BorrowerKind.OWNER_BORROWER: N_("小微企业主"),
}


class TierMethod(StrEnum):
    """BRACKET: the whole loss takes its loan's ratio. MARGINAL: the loss fills the brackets from 0."""

    BRACKET = "BRACKET"
    MARGINAL = "MARGINAL"


class TierBasis(StrEnum):
    """Which amount chooses the bracket."""

    LOAN = "LOAN"
    BORROWER_AT_BANK = "BORROWER_AT_BANK"


class JudgeDate(StrEnum):
    """The date whose rule set judges a loan."""

    DRAWDOWN = "DRAWDOWN"
    BOOKING = "BOOKING"
    LOSS = "LOSS"


class BudgetMode(StrEnum):
    """What happens when approved claims exceed the budget."""

    QUEUE = "QUEUE"
    PRO_RATA = "PRO_RATA"


class YearEnd(StrEnum):
    """What becomes of reservations when a budget year is closed: carried over with their money, or released into the line."""

    CARRY = "CARRY"
    RELEASE = "RELEASE"


class DayKind(StrEnum):
    """Which days a deadline counts."""

    NATURAL = "NATURAL"
    WORKING = "WORKING"


class UseOfFunds(StrEnum):
    """What the money is for."""

    WORKING_CAPITAL = "WORKING_CAPITAL"
    EQUIPMENT = "EQUIPMENT"
    RESEARCH = "RESEARCH"
    RENEWAL = "RENEWAL"
    PROPERTY = "PROPERTY"
    SECURITIES = "SECURITIES"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _USE_NAMES[self]


_USE_NAMES = {
    UseOfFunds.WORKING_CAPITAL: N_("日常经营周转"),
    UseOfFunds.EQUIPMENT: N_("购置设备"),
    UseOfFunds.RESEARCH: N_("研发投入"),
    UseOfFunds.RENEWAL: N_("续贷"),
    UseOfFunds.PROPERTY: N_("购置房产"),
    UseOfFunds.SECURITIES: N_("证券投资"),
}


class LossEvidence(StrEnum):
    """Evidence a rule set may demand before a loss can be claimed (loss_trigger)."""

    NPL_CLASS = "NPL_CLASS"
    OVERDUE_DAYS = "OVERDUE_DAYS"
    DEMAND_LETTER = "DEMAND_LETTER"
    LAWSUIT = "LAWSUIT"
    ENFORCEMENT = "ENFORCEMENT"
    WRITE_OFF = "WRITE_OFF"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _EVIDENCE_NAMES[self]


_EVIDENCE_NAMES = {
    LossEvidence.NPL_CLASS: N_("五级分类为不良"),
    LossEvidence.OVERDUE_DAYS: N_("逾期天数达到要求"),
    LossEvidence.DEMAND_LETTER: N_("催收记录"),
    LossEvidence.LAWSUIT: N_("法院受理或判决文书"),
    LossEvidence.ENFORCEMENT: N_("执行结果文书"),
    LossEvidence.WRITE_OFF: N_("核销批准"),
}


class PaperKind(StrEnum):
    """Papers of a claim that are no evidence of the loss itself (risk-compensation paper §5)."""

    APPLICATION = "APPLICATION"
    CONTRACT = "CONTRACT"
    LEDGER = "LEDGER"
    DECLARATION = "DECLARATION"
    GUARANTEE = "GUARANTEE"
    PAYOUT = "PAYOUT"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _PAPER_NAMES[self]


_PAPER_NAMES = {
    PaperKind.APPLICATION: N_("申请表"),
    PaperKind.CONTRACT: N_("合同、借据与放款凭证"),
    PaperKind.LEDGER: N_("还款流水"),
    PaperKind.DECLARATION: N_("未获其他补偿的声明"),
    PaperKind.GUARANTEE: N_("担保合同"),
    PaperKind.PAYOUT: N_("代偿凭证"),
}
CLAIM_PAPERS = (PaperKind.APPLICATION, PaperKind.CONTRACT, PaperKind.LEDGER, PaperKind.DECLARATION)
"""What every claim needs [P]."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Loans up to and including ``up_to_fen`` take ``ratio`` (a fraction)."""

    up_to_fen: int
    ratio: Decimal


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All parameters of one edition of the rule. Money in fen, ratios as fractions, ``…_wd`` in working days,
    ``…_days`` in natural days (``booking_deadline_days`` as ``booking_day_kind`` says); None means the rule sets no such limit.
    Raises ``ValueError`` when it contradicts itself (dates, order of tiers, ratios outside 0–1)."""

    code: str
    title: str
    document_no: str
    valid_from: date
    valid_to: date
    judge_date: JudgeDate = JudgeDate.BOOKING

    tiers: tuple[Tier, ...] = (
        Tier(500 * WAN, Decimal("0.40")),
        Tier(1500 * WAN, Decimal("0.30")),
        Tier(3000 * WAN, Decimal("0.20")),
    )
    tier_method: TierMethod = TierMethod.BRACKET
    tier_basis: TierBasis = TierBasis.LOAN
    list_or_ip_uplift: Decimal = Decimal("0.15")
    policy_tool_uplift: Decimal = Decimal("0.05")
    ratio_cap: Decimal = Decimal("0.50")
    guarantee_ratio: Decimal = Decimal("0.20")
    max_loan_fen: int = 3000 * WAN
    guarantee_max_loan_fen: int | None = None

    budget_fen: int = 15 * YI
    guarantee_budget_fen: int = 5000 * WAN
    budget_mode: BudgetMode = BudgetMode.QUEUE
    year_end: YearEnd = YearEnd.CARRY
    stop_line: Decimal = Decimal("0.03")
    guarantee_stop_line: Decimal = Decimal("0.03")

    products: tuple[Product, ...] = (
        Product.CREDIT,
        Product.IP_PLEDGE,
        Product.RECEIVABLE_PLEDGE,
        Product.ENVIRONMENT_PLEDGE,
        Product.LOAN_INSURANCE,
    )
    guarantee_products: tuple[Product, ...] = (Product.GUARANTEED,)
    sizes: tuple[SizeClass, ...] = (SizeClass.SMALL, SizeClass.MICRO)
    key_list_sizes: tuple[SizeClass, ...] = (SizeClass.MEDIUM,)
    other_borrowers: tuple[BorrowerKind, ...] = (BorrowerKind.SOLE_TRADER, BorrowerKind.OWNER_BORROWER)
    excluded_industries: tuple[str, ...] = ("66", "67", "68", "69")
    excluded_uses: tuple[UseOfFunds, ...] = (UseOfFunds.PROPERTY, UseOfFunds.SECURITIES)
    min_term_months: int | None = None
    max_term_months: int | None = None
    max_annual_rate: Decimal | None = None
    borrower_cap_fen: int | None = None

    booking_deadline_days: int = 30
    booking_day_kind: DayKind = DayKind.NATURAL
    left_bank_may_claim: bool = True
    claim_after_expiry_days: int | None = None
    loss_triggers: tuple[LossEvidence, ...] = (LossEvidence.NPL_CLASS,)
    loss_overdue_days: int = 91
    required_papers: tuple[PaperKind, ...] = CLAIM_PAPERS
    guarantee_papers: tuple[PaperKind, ...] = (*CLAIM_PAPERS, PaperKind.GUARANTEE, PaperKind.PAYOUT)
    bank_public_share: Decimal = Decimal("0.80")
    guarantor_public_share: Decimal = Decimal("1.00")

    formal_check_wd: int = 5
    returns_allowed: int = 2
    return_answer_wd: int = 10
    audit_wd: int = 20
    publicity_days: int = 7
    recovery_return_days: int = 30
    recovery_reminder_days: tuple[int, ...] = (20, 30, 45)
    agreement_reminder_days: tuple[int, ...] = (60, 30, 7)
    split_window_days: int = 30
    early_default_days: int = 90
    related_window_days: int = 365
    sample_share: Decimal = Decimal("0.20")
    sample_flag_weight: int = 2
    pace_days: int = 90
    batch_wait_days: int = 90
    reconcile_due_wd: int = 10
    reconcile_reminder_wd: tuple[int, ...] = (5, 10, 15)

    def __post_init__(self) -> None:
        """Refuse a set that contradicts itself."""
        tops = [tier.up_to_fen for tier in self.tiers]
        if self.valid_to < self.valid_from:
            raise ValueError("a rule set ends after it begins")
        if not tops or tops != sorted(set(tops)) or tops[0] <= 0:
            raise ValueError("tiers rise from a first one above zero")
        ratios = [*(tier.ratio for tier in self.tiers), self.list_or_ip_uplift, self.policy_tool_uplift]
        ratios += [self.ratio_cap, self.guarantee_ratio, self.stop_line, self.guarantee_stop_line]
        ratios += [self.bank_public_share, self.guarantor_public_share, self.sample_share]
        if any(not 0 <= ratio <= 1 for ratio in ratios):
            raise ValueError("ratios lie between 0 and 1")
        if min(self.budget_fen, self.guarantee_budget_fen, self.max_loan_fen) < 0:
            raise ValueError("money limits are never negative")
        if min(self.pace_days, self.batch_wait_days, *self.reconcile_reminder_wd, self.reconcile_due_wd) < 1:
            raise ValueError("a pace, a wait and a reminder need a day at least")
        if self.guarantee_budget_fen > self.budget_fen:
            raise ValueError("the guarantee budget is a part of the whole budget")

    def in_force(self, day: date) -> bool:
        """True from the first to the last day of validity, both included."""
        return self.valid_from <= day <= self.valid_to

    def to_json(self) -> dict[str, Any]:
        """The set as plain JSON values: dates as ISO text, ratios as decimal text, money as integers of
        fen."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RuleSet:
        """Read back ``to_json``. Raises ``ValueError`` for unknown or missing fields and values of a wrong
        kind."""
        return cast(RuleSet, _build(cls, data))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


def _build(kind: type[Any], data: Any) -> Any:
    if not isinstance(data, Mapping):
        raise ValueError(f"{kind.__name__}: an object expected")
    hints = get_type_hints(kind)
    names = {f.name for f in dataclasses.fields(kind)}
    if unknown := set(data) - names:
        raise ValueError(f"{kind.__name__}: unknown {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: _read(hints[name], value) for name, value in data.items()})
    except (TypeError, ArithmeticError) as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _read(hint: Any, value: Any) -> Any:
    """A JSON value as the type of its field. A float is refused: neither money nor a ratio survives one."""
    if get_origin(hint) in (UnionType, Union):
        inner = next(arg for arg in get_args(hint) if arg is not type(None))
        return None if value is None else _read(inner, value)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"a list expected: {value!r}")
        return tuple(_read(get_args(hint)[0], item) for item in value)
    if dataclasses.is_dataclass(hint):
        return _build(cast(type[Any], hint), value)
    if hint in (int, bool):
        if type(value) is not hint:
            raise ValueError(f"{hint.__name__} expected: {value!r}")
        return value
    if not isinstance(value, str):
        raise ValueError(f"text expected: {value!r}")
    return date.fromisoformat(value) if hint is date else hint(value)


RULE_2025 = RuleSet(
    code="GZ-2025",
    title="广州市信贷风险补偿机制管理办法",
    document_no="穗金管规字〔2025〕1号",
    valid_from=date(2025, 10, 1),
    valid_to=date(2028, 9, 30),
)
"""The rule in force from 2025-10-01 to 2028-09-30 (统一编号 GZ0320250066)."""

RULE_2020 = RuleSet(
    code="GZ-2020",
    title="广州市普惠贷款风险补偿机制管理办法",
    document_no="（条文未核实）",
    valid_from=date(2020, 5, 1),
    valid_to=date(2025, 9, 30),
    tiers=(Tier(1000 * WAN, Decimal("0.50")),),
    list_or_ip_uplift=Decimal(0),
    policy_tool_uplift=Decimal(0),
    guarantee_ratio=Decimal(0),
    max_loan_fen=1000 * WAN,
    budget_fen=10 * YI,
    guarantee_budget_fen=0,
    stop_line=Decimal(1),
    guarantee_stop_line=Decimal(1),
    products=(Product.CREDIT, Product.RECEIVABLE_PLEDGE, Product.IP_PLEDGE),
    guarantee_products=(),
    key_list_sizes=(),
)
"""The rule before it: up to 50 % of the principal lost on loans up to 1000 万元 [C6][C7]. Its articles were not read: flat 50 %,
no stop line and the rest of its fields are unconfirmed [U]."""
