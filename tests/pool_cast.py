"""Loans and claims of a test: a firm, a bank, the city, and each step of the road in one call."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

from app.core.calendar import today
from app.core.context import Context
from app.core.database import transaction
from app.core.money import WAN
from app.core.permissions import Role
from app.loans import offline_service
from app.loans import service as loans
from app.loans.models import Loan
from app.loans.rules import FiveClass
from app.loans.service import Drawdown, LoanTerms, RepaymentReport
from app.pool import audit_service as audits
from app.pool import budget_service as budget
from app.pool import claim_service as claims
from app.pool import partner_service as partners
from app.pool import service as pool
from app.pool.budget_models import Funding
from app.pool.claim_service import LossParts
from app.pool.decision_models import DeductionKind
from app.pool.decision_service import Deduction
from app.pool.judging import Evidence
from app.pool.models import Agreement, Booking, Claim
from app.pool.partner_service import AgreementTerms
from app.pool.rules import RULE_2025, RuleSet
from tests import cast

REGULAR: dict[str, Any] = {"interest_day": None}


def terms(amount: int = 300, months: int = 12, method: str = "INTEREST_ONLY", **changes: Any) -> LoanTerms:
    """Terms of a loan of ``amount`` 万元 at 4 % a year."""
    made = LoanTerms(amount * WAN, Decimal("0.04"), months, method, "CREDIT", "采购原材料", REGULAR)
    return replace(made, **changes)


EVIDENCE = Evidence(product="CREDIT", use_of_funds="WORKING_CAPITAL", not_dishonest=True)
_notes = iter(range(1, 100_000))


@dataclass
class City:
    """One firm, one bank with an agreement, the bureau with money in the year's budget."""

    firm: cast.Cast = field(default_factory=cast.firm)
    bank: cast.Cast = field(default_factory=cast.bank)
    bureau: cast.Cast = field(default_factory=cast.bureau)
    budget: int = 100_000
    """万元 in this year's budget."""

    def __post_init__(self) -> None:
        self.sign(self.bank, "协议-1")
        if self.budget:
            self.fund(self.budget, "预算-1")

    def fund(self, amount: int, document_no: str, guarantee: int = 0, year: int = 0) -> Funding:
        """``amount`` 万元 proposed by the cashier and confirmed by the leader."""
        made = budget.propose_funding(self.cashier, year or today().year, amount * WAN, document_no, guarantee * WAN)
        return budget.decide_funding(self.leader, made.id, "confirm", "按文件拨入")

    def sign(
        self, partner: cast.Cast, number: str, first: date = date(2025, 10, 1), last: date | None = None,
        own_share: str | None = None,
    ) -> Agreement:
        """An agreement drafted by the cashier and signed off by the leader."""
        terms = AgreementTerms(number, first, last, "行长", "局长", first, None if own_share is None else Decimal(own_share))
        made = partners.draft_agreement(self.cashier, partner.id, terms)
        return partners.decide_agreement(self.leader, made.id, "confirm", "条款一致")

    @property
    def officer(self) -> Context:
        return self.bank[Role.BANK_OFFICER]

    @property
    def approver(self) -> Context:
        return self.bank[Role.BANK_APPROVER]

    @property
    def reviewer(self) -> Context:
        return self.bureau[Role.BUREAU_REVIEWER]

    @property
    def auditor(self) -> Context:
        return self.bureau[Role.BUREAU_AUDITOR]

    @property
    def leader(self) -> Context:
        return self.bureau[Role.BUREAU_LEADER]

    @property
    def cashier(self) -> Context:
        return self.bureau[Role.BUREAU_CASHIER]

    def agreed(self, wanted: LoanTerms | None = None) -> Loan:
        """A loan registered by the officer and recognised by the firm, where it has people; not yet approved."""
        loan, clerk = self.registered(wanted), self.firm.people.get(Role.FIRM_CLERK)
        return offline_service.recognise(clerk, loan.id) if clerk is not None else loan

    def registered(self, wanted: LoanTerms | None = None) -> Loan:
        """A loan registered by the officer, of which the firm has said nothing yet."""
        return offline_service.open_offline_loan(self.officer, cast.uscc_of(self.firm), self.firm.name, wanted or terms())

    def drawn(self, wanted: LoanTerms | None = None, *, days_ago: int = 0, principal: int | None = None) -> Loan:
        """A loan drawn some days ago. ``principal`` in 万元."""
        loan = self.agreed(wanted)
        loans.approve_loan(self.approver, loan.id)
        amount = loan.amount_fen if principal is None else principal * WAN
        drawdown = Drawdown(amount, today() - timedelta(days=days_ago), f"合同-{loan.number}", f"借据-{next(_notes)}")
        return loans.report_drawdown(self.officer, loan.id, drawdown)

    def booked(self, wanted: LoanTerms | None = None, evidence: Evidence = EVIDENCE, **options: Any) -> Booking:
        """A drawn loan in the pool."""
        return pool.submit_booking(self.officer, self.drawn(wanted, **options).id, evidence)

    def repay(self, loan: Loan | Booking, amount: int, *, days_ago: int = 0) -> None:
        """A repayment of ``amount`` 万元."""
        loan_id = loan.loan_id if isinstance(loan, Booking) else loan.id
        report = RepaymentReport(today() - timedelta(days=days_ago), amount * WAN, "normal", "流水")
        loans.report_repayment(self.officer, loan_id, report)

    def gone_bad(self, booking: Booking) -> None:
        """The bank reports the loan as 次级."""
        loans.report_class(self.officer, booking.loan_id, today(), FiveClass.SUBSTANDARD, 0)

    def claimed(self, booking: Booking, parts: LossParts = LossParts()) -> Claim:
        """A claim prepared by the officer on a loan that has gone bad."""
        self.gone_bad(booking)
        claim = claims.prepare_claim(self.officer, booking.id, parts)
        self.papers(claim)
        return claim

    def papers(self, claim: Claim) -> None:
        """What the rule set demands of a claim, one file a kind."""
        with transaction(cast.SYSTEM, read_only=True):
            kinds = pool.rules_of(claim.rule_set_id).required_papers
        for kind in kinds:
            claims.add_paper(self.officer, claim.id, kind.value, f"{kind.label}.pdf", BytesIO(b"%PDF-1.4 " + kind.encode()))

    def at_decision(self, claim: Claim) -> Claim:
        """The claim reviewed, checked and audited."""
        claims.submit_claim(self.approver, claim.id)
        claims.accept_claim(self.reviewer, claim.id)
        return audits.audit_claim(self.auditor, claim.id, "材料齐全，计算无误。")


def cut(amount: int, reason: str, kind: DeductionKind = DeductionKind.EVIDENCE) -> Deduction:
    """A deduction of ``amount`` 万元."""
    return Deduction(kind, amount * WAN, reason)


def ballast(city: City, amount: int = 3000) -> Booking:
    """A healthy loan of ``amount`` 万元 in the pool, so that one small loss stays below the stop line."""
    return city.booked(terms(amount))


def rule_set(code: str, **changes: Any) -> RuleSet:
    """The rule of 2025 with some parameters of the test's own and no papers demanded, in force from a day later, so that it is
    the one found."""
    return replace(RULE_2025, code=code, **{"required_papers": (), "valid_from": date(2025, 10, 2), **changes})
