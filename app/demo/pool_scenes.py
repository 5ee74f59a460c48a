"""What the demo city's pool has to show: agreements, loans in the pool, claims of banks, and a guarantor's whole road."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.money import WAN
from app.core.storage import take_in
from app.demo.firms import DemoFirm
from app.demo.people import SYSTEM, Staff
from app.loans import offline_service
from app.loans import service as loans
from app.loans.models import Loan
from app.market.rules import RepaymentMethod
from app.pool import (
    audit_service,
    batch_service,
    claim_service,
    decision_service,
    guarantee_service,
    owner_service,
    partner_service,
    recovery_service,
    top_up_service,
)
from app.pool import service as pool
from app.pool.batch_items import labels_of
from app.pool.batch_states import BatchKind
from app.pool.guarantee_models import Guarantee
from app.pool.models import Booking, Claim
from app.pool.owner_models import OwnerRole
from app.pool.owner_service import OwnerTerms
from app.pool.partner_service import AgreementTerms
from app.pool.ruleset import RULE_2025, PaperKind

BANKS = ("zhuan", "yuncheng", "linghai")
RATES = {"zhuan": Decimal("0.0385"), "yuncheng": Decimal("0.0345"), "linghai": Decimal("0.0395")}
EVIDENCE = pool.Evidence("CREDIT", "WORKING_CAPITAL", operates_in_city=True, first_loan=True, not_dishonest=True)


def sign(
    staff: Staff, partner_id: UUID, number: str, first: date, last: date | None = None, own_share: Decimal | None = None,
) -> None:
    """An agreement drafted by one person of the bureau and signed off by another."""
    terms = AgreementTerms(number, first, last, "演示：合作方负责人", "演示：市方负责人", first, own_share)
    drafted = partner_service.draft_agreement(staff["bureau.reviewer"], partner_id, terms)
    partner_service.decide_agreement(staff["bureau.leader"], drafted.id, "confirm", "演示：条款一致")


def offline(staff: Staff, bank: str, firm: DemoFirm, wan: int, drawn_on: date, months: int = 12) -> Loan:
    """A loan that began outside the portal, recognised by its firm, approved and drawn."""
    officer = staff[f"{bank}.officer"]
    loan = offline_service.open_offline_loan(officer, firm.uscc, firm.boss.org_name, loans.LoanTerms(
        wan * WAN, RATES[bank], months, RepaymentMethod.INTEREST_ONLY.value, "CREDIT", "流动资金周转",
    ))
    offline_service.recognise(firm.boss, loan.id)
    loans.approve_loan(staff[f"{bank}.approver"], loan.id)
    return draw(officer, loan, drawn_on)


def draw(officer: Context, loan: Loan, day: date) -> Loan:
    """The bank reports the drawdown."""
    mark = loan.number.replace("/", "-")
    return loans.report_drawdown(officer, loan.id, loans.Drawdown(loan.amount_fen, day, f"演示合同-{mark}", f"演示借据-{mark}"))


def booked(staff: Staff, firms: Sequence[DemoFirm]) -> list[Loan]:
    """Loans in the pool. The first three were drawn long ago, never repaid, and are bad by now; one was lent to the owner of its
    firm (小微企业主)."""
    made = []
    for number, firm in enumerate(firms):
        bad = number < 3
        loan = offline(staff, BANKS[number % 3], firm, 45 if bad else 600 + 100 * number,
                        today() - timedelta(days=170 if bad else 12))
        officer = staff[f"{BANKS[number % 3]}.officer"]
        evidence = replace(EVIDENCE, late_reason="演示：补录早前发放的贷款" if bad else "")
        if number == 3:
            owner = OwnerTerms("林演示", "11010519491231002X", OwnerRole.SHAREHOLDER, Decimal("0.6"), "演示：公司章程")
            evidence = replace(evidence, owner_id=str(owner_service.register_owner(officer, loan.id, owner).id))
        booking = pool.submit_booking(officer, loan.id, evidence)
        if bad:
            pool.accept_late(staff["bureau.leader"], booking.id, "演示：同意补录")
        made.append(loan)
    return made


def claims(staff: Staff, booked: Sequence[Loan]) -> None:
    """Three claims on bad loans: one at the bureau's desk, one with the decider, one held by the stop line."""
    for number, loan in enumerate(booked[:3]):
        bank = BANKS[number % 3]
        with transaction(SYSTEM, read_only=True):
            booking_id = session().scalars(select(Booking.id).where(Booking.loan_id == loan.id)).one()
        claim = claim_service.prepare_claim(
            staff[f"{bank}.officer"], booking_id, claim_service.LossParts(statement="演示：催收无果，借款人已停业"),
        )
        _add_papers(staff[f"{bank}.officer"], claim, RULE_2025.required_papers)
        claim_service.submit_claim(staff[f"{bank}.approver"], claim.id)
        if number == 1:
            claim_service.accept_claim(staff["bureau.reviewer"], claim.id)
            audit_service.audit_claim(staff["bureau.auditor"], claim.id, "演示：材料齐全，损失属实")


def _add_papers(ctx: Context, claim: Claim, kinds: Sequence[PaperKind]) -> None:
    for kind in kinds:
        drawn = BytesIO(f"%PDF-1.4\n% 演示：{kind.label}\n%%EOF\n".encode())
        claim_service.add_paper(ctx, claim.id, kind.value, f"演示-{kind.label}.pdf", drawn)


def guaranteed(staff: Staff, firms: Sequence[DemoFirm]) -> None:
    """A guarantor with a sound loan and two bad ones, both paid out and claimed: one all the way to a recovery, with what its
    district added, one held by the stop line. A contract waits for the guarantor's word, and a file for its reviewer."""
    clerk, guarantor_id = staff["guarantor.clerk"], staff["guarantor.clerk"].org_id
    assert guarantor_id is not None
    sign(staff, guarantor_id, "演示协议 guarantor", date(today().year - 1, 1, 1), today() + timedelta(days=45), Decimal("0.30"))
    sound, paid, held, _, in_file = (
        _stated(staff, firm, number, wan, days)
        for number, (firm, wan, days) in enumerate(zip(firms, (2600, 40, 100, 90, 120), (9, 160, 160, 3, 2), strict=True), 1))
    guarantee_service.book_guaranteed(clerk, sound.id)
    _recovered(staff, _paid_out(staff, paid, 32))
    _paid_out(staff, held, 80)
    facts = in_file.facts
    row = (in_file.contract_no, facts["note_no"], facts["bank"], facts["uscc"], f"{facts['principal_fen'] / 100:.2f}",
           facts["drawn_on"], in_file.signed_on.isoformat(), "80", in_file.reguarantor, "20", "")
    heading = ",".join(labels_of(BatchKind.GUARANTEE).values())
    file = take_in(BytesIO(f"{heading}\n{','.join(map(str, row))}\n".encode()), limit=10**6, limit_text="1 MB")
    batch_service.receive_batch(clerk, BatchKind.GUARANTEE, file, "演示-政担批量入库.csv")


def _stated(staff: Staff, firm: DemoFirm, number: int, wan: int, days: int) -> Guarantee:
    """A loan drawn some days ago, with the guarantor's contract as its bank has stated it."""
    guarantor_id = staff["guarantor.clerk"].org_id
    assert guarantor_id is not None
    loan = offline(staff, "zhuan", firm, wan, today() - timedelta(days=days))
    terms = guarantee_service.GuaranteeTerms(
        guarantor_id, f"演示保证合同-{number}", loan.drawn_on or today(), Decimal("0.80"), "再担保公司（演示）", Decimal("0.20"))
    return guarantee_service.state_guarantee(staff["zhuan.officer"], loan.id, terms, replace(EVIDENCE, product="GUARANTEED"))


def _paid_out(staff: Staff, contract: Guarantee, wan: int) -> Claim:
    """A bad loan booked late with the leader's leave, paid out by the guarantor and claimed."""
    clerk = staff["guarantor.clerk"]
    booking = guarantee_service.book_guaranteed(clerk, contract.id, "演示：补录早前发放的贷款")
    pool.accept_late(staff["bureau.leader"], booking.id, "演示：同意补录")
    claim = claim_service.prepare_claim(clerk, booking.id, claim_service.LossParts(
        statement="演示：已代偿，催收无果", paid_out_fen=wan * WAN, paid_out_on=today() - timedelta(days=20)))
    _add_papers(clerk, claim, RULE_2025.guarantee_papers)
    return claim_service.submit_claim(staff["guarantor.reviewer"], claim.id)


def _recovered(staff: Staff, claim: Claim) -> None:
    """Checked, audited, decided, published, paid, topped up by the district, and partly recovered."""
    claim_service.accept_claim(staff["bureau.reviewer"], claim.id)
    audit_service.audit_claim(staff["bureau.auditor"], claim.id, "演示：代偿属实")
    decision_service.approve_claim(staff["bureau.leader"], claim.id)
    decision_service.publicise(SYSTEM, claim.id)  # in the city's past its days went by without an objection
    decision_service.pay_claim(staff["bureau.cashier"], claim.id, "演示支付-1", today())
    with transaction(SYSTEM, read_only=True):
        district = session().get_one(Booking, claim.booking_id).snapshot["district"]
    top_up_service.register_district(
        staff["bureau.leader"], district, "区级信贷风险叠加补偿办法（演示）", "演示区〔2026〕1号", Decimal("0.10"),
        date(today().year, 1, 1), date(today().year + 2, 12, 31), Decimal("0.05"))
    top_up_service.record_top_up(staff["bureau.cashier"], claim.id, "演示区级支付-1", today())
    recovery_service.report_recovery(staff["guarantor.clerk"], claim.id, today(), 12 * WAN, WAN, "演示：执行回款")
