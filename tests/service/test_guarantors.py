"""政担 from contract to recovery: the guarantor books, pays out, claims, is paid from its own money, shares what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
import time_machine
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.calendar import today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import OrgKind, Role
from app.loans.models import Loan
from app.pool import audit_service, decision_service, money, recovery_service
from app.pool import claim_service as claims
from app.pool import correction_service as corrections
from app.pool import guarantee_service as guarantees
from app.pool import service as pool
from app.pool import top_up_service as top_ups
from app.pool.check_service import check_pool
from app.pool.claim_service import LossParts
from app.pool.correction_service import Facts
from app.pool.guarantee_models import Guarantee, GuaranteeState
from app.pool.guarantee_service import GuaranteeTerms
from app.pool.models import Booking, Claim
from app.pool.records import checks_of, lines_of
from app.pool.states import BookingState, ClaimState
from tests import cast
from tests.database import TestDatabase
from tests.pool_cast import EVIDENCE, City, terms

GUARANTEED = replace(EVIDENCE, product="GUARANTEED")


@dataclass
class Guaranteed(City):
    """A city with a guarantor that has an agreement, and money set aside for guarantors."""

    guarantor: cast.Cast = field(default_factory=lambda: cast.organisation(OrgKind.GUARANTOR, "广州融资担保公司"))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sign(self.guarantor, "担保协议-1", own_share="0.30")
        self.fund(1_000, "预算-担保", guarantee=1_000)

    @property
    def clerk(self) -> Context:
        return self.guarantor[Role.GUARANTOR_CLERK]

    def stated(self, loan: Loan, liability: str = "0.8", again: str = "0.2") -> Guarantee:
        shares = Decimal(liability), "广东再担保" if Decimal(again) else "", Decimal(again)
        return guarantees.state_guarantee(
            self.officer, loan.id, GuaranteeTerms(self.guarantor.id, f"保-{loan.number}", today(), *shares), GUARANTEED)

    def guaranteed(self, wanted: Any = None, **options: Any) -> Booking:
        """A loan that the guarantor has booked."""
        return guarantees.book_guaranteed(self.clerk, self.stated(self.drawn(wanted), **options).id)

    def paid_out(self, booking: Booking, amount: int, other: int = 0) -> Claim:
        """A claim of the guarantor, which has paid out ``amount`` 万元, with its papers."""
        parts = LossParts(other_public_fen=other * WAN, paid_out_fen=amount * WAN, paid_out_on=today(), statement="已代偿")
        claim = claims.prepare_claim(self.clerk, booking.id, parts)
        for kind in _papers(claim):
            claims.add_paper(self.clerk, claim.id, kind, f"{kind}.pdf", BytesIO(b"%PDF-1.4 " + kind.encode()))
        return claim


def _papers(claim: Claim) -> list[str]:
    with transaction(cast.SYSTEM, read_only=True):
        return [kind.value for kind in pool.rules_of(claim.rule_set_id).guarantee_papers]


def why(call: Any, *given: Any) -> ErrorCode:
    with pytest.raises(Refusal) as caught:
        call(*given)
    return caught.value.code


def failed(booking: Booking) -> set[str]:
    return {check.code for check in checks_of(booking.checks) if not check.passed}


def test_a_guarantor_s_claim_goes_from_the_contract_to_the_recovery(database: TestDatabase) -> None:
    city = Guaranteed()
    for _ in range(3):
        city.guaranteed(terms(3000))  # healthy loans of the guarantor, so that one payout stays below its stop line
    loan = city.drawn(terms(300))
    contract = city.stated(loan)

    # Bank and guarantor cannot both have the loan in the pool, nor the guarantor of another contract look at it.
    assert why(pool.submit_booking, city.officer, loan.id, EVIDENCE) is ErrorCode.GUARANTEE_LIVE
    stranger = cast.organisation(OrgKind.GUARANTOR, "另一家担保公司")[Role.GUARANTOR_CLERK]
    assert why(guarantees.book_guaranteed, stranger, contract.id) is ErrorCode.NOT_FOUND
    with pytest.raises(DBAPIError, match="confirmed by its guarantor"), transaction(city.officer):
        session().execute(text("update guarantee_contract set state = 'CONFIRMED', decided_at = now()"))

    booking = guarantees.book_guaranteed(city.clerk, contract.id)
    assert booking.state == BookingState.BOOKED and booking.mode == "GUARANTEE"
    assert why(pool.withdraw_booking, city.officer, booking.id, "改政银") is ErrorCode.GUARANTEE_LIVE
    assert why(guarantees.state_guarantee, city.officer, loan.id, GuaranteeTerms(
        city.guarantor.id, "保-2", today(), Decimal("0.8")), GUARANTEED) is ErrorCode.BOOKING_EXISTS

    # 40 万元 come back, then nothing: 260 are unpaid, the guarantor pays out its 80 % (example 7 of the paper).
    city.repay(booking, 40)
    parts = LossParts(paid_out_fen=208 * WAN, paid_out_on=today(), statement="已代偿")
    assert why(claims.prepare_claim, city.clerk, booking.id, parts) is ErrorCode.CLAIM_NOT_OVERDUE
    city.gone_bad(booking)
    assert why(claims.prepare_claim, city.officer, booking.id, LossParts()) is ErrorCode.CLAIM_NOT_PAYEE
    too_much = replace(parts, paid_out_fen=208 * WAN + 1)
    assert why(claims.prepare_claim, city.clerk, booking.id, too_much) is ErrorCode.AMOUNT_OUT_OF_RANGE
    tomorrow = replace(parts, paid_out_on=today() + timedelta(days=1))
    assert why(claims.prepare_claim, city.clerk, booking.id, tomorrow) is ErrorCode.DATE_OUT_OF_RANGE
    claim = city.paid_out(booking, 208)
    assert (claim.org_id, claim.net_principal_loss_fen, claim.compensation_fen) == (city.guarantor.id, 260 * WAN, 52 * WAN)
    layers = {line.code: line.amount_fen for line in lines_of(claim.working) if line.code.startswith("LAYER_")}
    assert list(layers.values()) == [52 * WAN, 104 * WAN, 52 * WAN, 52 * WAN, 260 * WAN]

    # Four eyes at the guarantor, five people in all; the money is the guarantors' own.
    claims.submit_claim(city.guarantor[Role.GUARANTOR_REVIEWER], claim.id)
    claims.accept_claim(city.reviewer, claim.id)
    audit_service.audit_claim(city.auditor, claim.id, "代偿属实")
    decision_service.approve_claim(city.leader, claim.id)
    with transaction(cast.SYSTEM, read_only=True):
        assert money.guarantee_budget(today().year).available_fen == (1_000 - 52) * WAN
    with time_machine.travel(today() + timedelta(days=8), tick=True):
        decision_service.publicise(cast.SYSTEM, claim.id)
        paid = decision_service.pay_claim(city.cashier, claim.id, "凭证-1", today())
        # A district adds 10 % to 政担 alone, from its own money, and relieves the guarantor.
        assert why(top_ups.record_top_up, city.cashier, claim.id, "区-1", today()) is ErrorCode.TOP_UP_NOTHING
        district = booking.snapshot["district"], "某区担保贷款补贴办法"
        term = date(2025, 10, 1), date(2028, 9, 30)
        assert why(top_ups.register_district, city.leader, *district, "区〔2026〕2号", None, *term) is ErrorCode.DISTRICT_SHARES
        top_ups.register_district(city.leader, *district, "区〔2026〕2号", None, *term, Decimal("0.10"))
        added = top_ups.record_top_up(city.cashier, claim.id, "区-1", today())
        layers = {line.code: line.amount_fen for line in lines_of(added.working) if line.code.startswith("LAYER_")}
        assert list(layers.values()) == [52 * WAN, 26 * WAN, 78 * WAN, 52 * WAN, 52 * WAN, 260 * WAN]
        with pytest.raises(DBAPIError, match="a top-up beyond the loss"), transaction(cast.SYSTEM):
            session().execute(text(  # within the loss of 260, not within the 208 that the guarantor paid out
                "insert into top_up select gen_random_uuid(), claim_id, case_id, org_id, pool_id, 10500 * 10000, 10500 * 10000, "
                "working, '区-2', paid_on, recorded_by, now() from top_up"))
    assert paid.paid_fen == 52 * WAN and paid.state == ClaimState.PAID

    # 100 万元 come back at a cost of 10: 18 return to the pool, 9 are the district's, the other three have theirs of the 90.
    with time_machine.travel(today() + timedelta(days=9), tick=True):
        back = recovery_service.report_recovery(city.clerk, claim.id, today(), 100 * WAN, 10 * WAN, "流水-1")
        assert back.due_fen == 18 * WAN
        recovery_service.confirm_return(city.cashier, back.id, "凭证-返还", today())
        with transaction(cast.SYSTEM, read_only=True):
            assert top_ups.district_share(session().get_one(Claim, claim.id), added) == 9 * WAN
        # What the district paid is public money: a corrected claim is worth what the ceiling still leaves.
        facts = Facts(260 * WAN, False, False, False, 100 * WAN)
        made = corrections.propose_correction(city.auditor, claim.id, facts, "另有补贴")
        assert made.worth_fen == (208 - 52 - 100 - 26) * WAN
        corrections.withdraw_correction(city.auditor, made.id, "withdraw", "查无此补贴")
    with transaction(cast.SYSTEM, read_only=True):
        assert money.guarantee_budget(today().year).available_fen == (1_000 - 52 + 18) * WAN
        assert check_pool().found == 0


def test_what_keeps_a_guaranteed_loan_out_of_the_pool(database: TestDatabase) -> None:
    city = Guaranteed()
    # The agreement says that the guarantor bears 30 % itself: 80 − 40 − 20 leaves 20.
    assert failed(city.guaranteed(again="0.4")) == {"GUARANTEE_SHARES"}
    assert failed(city.guaranteed(liability="0.5", again="0")) == set()
    loan = city.drawn()
    assert why(city.stated, loan, "0.2", "0.2") is ErrorCode.GUARANTEE_SHARES

    # Refused by the guarantor, stated anew; without an agreement of the guarantor nothing is booked.
    guarantees.refuse_guarantee(city.clerk, city.stated(loan).id, "合同编号不符")
    contract = city.stated(loan)
    guarantees.withdraw_guarantee(city.officer, contract.id, "再核对")
    city.guarantor = cast.organisation(OrgKind.GUARANTOR, "未签约担保公司")
    rejected = guarantees.book_guaranteed(city.clerk, city.stated(loan).id)
    assert failed(rejected) == {"AGREEMENT"}
    city.sign(city.guarantor, "担保协议-2")
    again = guarantees.book_guaranteed(city.clerk, rejected.contract_id)  # type: ignore[arg-type]
    assert (again.state, again.version) == (BookingState.BOOKED, 2)
    released = guarantees.release_guarantee(city.clerk, rejected.contract_id, "改由银行入库")  # type: ignore[arg-type]
    assert released.state == GuaranteeState.WITHDRAWN
    assert pool.submit_booking(city.officer, loan.id, EVIDENCE).state == BookingState.BOOKED


def test_above_three_per_cent_of_what_it_booked_a_guarantor_s_claim_is_held(database: TestDatabase) -> None:
    city = Guaranteed()
    city.guaranteed(terms(3000))
    booking = city.guaranteed(terms(300))
    city.gone_bad(booking)
    claim = city.paid_out(booking, 240)  # 300 of 3,300 booked by the guarantor: 9 %; the bank's own year has no loss
    assert claims.submit_claim(city.guarantor[Role.GUARANTOR_REVIEWER], claim.id).state == ClaimState.HELD
