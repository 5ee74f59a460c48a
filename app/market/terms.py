"""The words of an offer: repayment methods, the closed list of charges, who receives them and when.

Charges as in the compliance paper §4 (银保监发〔2020〕18号, 两禁两限): a charge of no listed kind cannot be
offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from app.core.working import N_


class RepaymentMethod(StrEnum):
    """How principal comes back."""

    INTEREST_ONLY = "INTEREST_ONLY"
    EQUAL_INSTALMENT = "EQUAL_INSTALMENT"
    EQUAL_PRINCIPAL = "EQUAL_PRINCIPAL"
    BULLET = "BULLET"
    FREE = "FREE"
    """Interest every month, principal by a plan (``Offer.plan``)."""

    @property
    def label(self) -> str:
        """Chinese name."""
        return _METHOD_NAMES[self]


_METHOD_NAMES = {
    RepaymentMethod.INTEREST_ONLY: N_("按月付息，到期还本"),
    RepaymentMethod.EQUAL_INSTALMENT: N_("等额本息"),
    RepaymentMethod.EQUAL_PRINCIPAL: N_("等额本金"),
    RepaymentMethod.BULLET: N_("到期一次还本付息"),
    RepaymentMethod.FREE: N_("按约定计划还本"),
}


class FeeKind(StrEnum):
    """The closed list of charges beside interest (compliance paper §4); the last three may be banned."""

    GUARANTEE = "GUARANTEE"
    INSURANCE = "INSURANCE"
    APPRAISAL = "APPRAISAL"
    REGISTRATION = "REGISTRATION"
    NOTARY = "NOTARY"
    OTHER = "OTHER"
    COMMITMENT = "COMMITMENT"
    FUND_MANAGEMENT = "FUND_MANAGEMENT"
    ENTRUSTED_PAYMENT = "ENTRUSTED_PAYMENT"

    @property
    def label(self) -> str:
        """Chinese name."""
        return FEE_NAMES[self][0]


FEE_NAMES: dict[FeeKind, tuple[str, str]] = {
    FeeKind.GUARANTEE: (N_("担保费"), "Guarantee fee"),
    FeeKind.INSURANCE: (N_("保险费"), "Insurance premium"),
    FeeKind.APPRAISAL: (N_("评估费"), "Appraisal fee"),
    FeeKind.REGISTRATION: (N_("登记费"), "Registration fee"),
    FeeKind.NOTARY: (N_("公证费"), "Notary fee"),
    FeeKind.OTHER: (N_("其他费用"), "Other charge"),
    FeeKind.COMMITMENT: (N_("承诺费"), "Commitment fee"),
    FeeKind.FUND_MANAGEMENT: (N_("资金管理费"), "Fund-management fee"),
    FeeKind.ENTRUSTED_PAYMENT: (N_("受托支付手续费"), "Entrusted-payment fee"),
}


class Payee(StrEnum):
    """Who receives a charge."""

    BANK = "BANK"
    GUARANTOR = "GUARANTOR"
    INSURER = "INSURER"
    APPRAISER = "APPRAISER"
    REGISTRY = "REGISTRY"
    NOTARY = "NOTARY"
    OTHER = "OTHER"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _PAYEE_NAMES[self]


_PAYEE_NAMES = {
    Payee.BANK: N_("银行"),
    Payee.GUARANTOR: N_("担保机构"),
    Payee.INSURER: N_("保险公司"),
    Payee.APPRAISER: N_("评估机构"),
    Payee.REGISTRY: N_("登记机构"),
    Payee.NOTARY: N_("公证机构"),
    Payee.OTHER: N_("其他收款方"),
}


class FeeTime(StrEnum):
    """When a charge is paid: with the drawdown, again and again (``every_months``), or at the end."""

    START = "START"
    PERIODIC = "PERIODIC"
    END = "END"

    @property
    def label(self) -> str:
        """Chinese name."""
        return _TIME_NAMES[self]


_TIME_NAMES = {FeeTime.START: N_("放款时"), FeeTime.PERIODIC: N_("按期"), FeeTime.END: N_("到期时")}


@dataclass(frozen=True, slots=True)
class Fee:
    """A charge beside interest: fen each time, who gets it, when. ``text`` names an OTHER charge."""

    kind: FeeKind
    amount_fen: int
    payee: Payee
    at: FeeTime = FeeTime.START
    every_months: int = 1
    text: str = ""


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A repayment of principal, in fen, at the end of a month counted from the drawdown."""

    month: int
    principal_fen: int


@dataclass(frozen=True, slots=True)
class Offer:
    """The money terms of a bid: fen, rate as a fraction per year, term in months, every charge; ``plan`` of a FREE loan."""

    amount_fen: int
    annual_rate: Decimal
    term_months: int
    method: RepaymentMethod
    fees: tuple[Fee, ...] = ()
    plan: tuple[PlanRow, ...] = ()


def stored_plan(plan: Sequence[PlanRow]) -> list[list[int]] | None:
    """A plan as the database keeps it, ``[month, 分]`` each; ``None`` for no plan."""
    return [[row.month, row.principal_fen] for row in plan] or None


def plan_of(stored: Sequence[Sequence[int]] | None) -> tuple[PlanRow, ...]:
    """A plan from the database, or from a cost sheet."""
    return tuple(PlanRow(month, fen) for month, fen in stored or ())
