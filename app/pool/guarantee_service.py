"""政担: a bank states the guarantor's contract on a drawn loan; the guarantor confirms it and with it books the loan, as its own.

Who books is a proposal [P]: the text that was read names the payee (合作担保机构 [C1]), not the way into the pool.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now, today
from app.core.cases import join_case
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, ensure, fire
from app.core.notices import notify
from app.core.outbox import emit
from app.core.permissions import OrgKind, Permission
from app.core.queries import organisation_names
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.identity.models import Organisation
from app.loans.models import Loan
from app.loans.offline_service import require_recognised
from app.loans.states import LoanState
from app.pool.guarantee_models import GUARANTEE, Guarantee, GuaranteeState
from app.pool.judging import LIVE, Evidence
from app.pool.models import Booking
from app.pool.service import owner_facts, owner_of, submit_loan
from app.pool.states import BOOKING

constraint("uq_guarantee_contract_live", ErrorCode.GUARANTEE_LIVE)
constraint("ck_guarantee_contract_reguarantee", ErrorCode.GUARANTEE_SHARES, "reguarantee_share")
constraint("ck_guarantee_contract_again", ErrorCode.GUARANTEE_SHARES, "reguarantee_share")
constraint("ck_guarantee_contract_hands", ErrorCode.STATE_CHANGED)


@dataclass(frozen=True)
class GuaranteeTerms:
    """A guarantor's contract: number, day, what it answers for of the principal and what of it is re-guaranteed (fractions)."""

    guarantor_id: UUID
    contract_no: str
    signed_on: date
    liability_share: Decimal
    reguarantor: str = ""
    reguarantee_share: Decimal = Decimal(0)


@use_case(Permission.GUARANTEE_STATE, "guarantee.state", returns=Guarantee)
def state_guarantee(ctx: Context, loan_id: UUID, terms: GuaranteeTerms, evidence: Evidence) -> Guarantee:
    """The bank states the contract on its drawn loan, with what the booking needs; the guarantor is asked to confirm it.

    Raises ``Refusal``: STATE_CHANGED (not drawn), LOAN_UNRECOGNISED, BOOKING_EXISTS, GUARANTEE_LIVE, GUARANTEE_SHARES,
    DATE_OUT_OF_RANGE.
    """
    loan, guarantor = get_or_404(Loan, loan_id), get_or_404(Organisation, terms.guarantor_id)
    if loan.org_id != ctx.org_id or guarantor.kind != OrgKind.GUARANTOR:
        raise Refusal(ErrorCode.NOT_FOUND)
    if loan.state != LoanState.DRAWN or loan.drawn_on is None or loan.due_on is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    require_recognised(loan)
    if terms.signed_on > today():
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="signed_on", low="2000-01-01", high=today().isoformat())
    if _live_booking(loan.id) is not None:
        raise Refusal(ErrorCode.BOOKING_EXISTS)
    owner = owner_of(evidence, loan)
    names = organisation_names({loan.firm_id, loan.org_id})
    made = Guarantee(
        case_id=loan.case_id, loan_id=loan.id, org_id=loan.org_id, firm_id=loan.firm_id, guarantor_id=guarantor.id,
        contract_no=terms.contract_no.strip(), signed_on=terms.signed_on, liability_share=terms.liability_share,
        reguarantor=terms.reguarantor.strip() or None, reguarantee_share=terms.reguarantee_share,
        facts={
            "guarantor": guarantor.name, "bank": names[loan.org_id], "firm": names[loan.firm_id],
            "uscc": get_or_404(Enterprise, loan.firm_id).uscc, "number": loan.number, "note_no": loan.note_no,
            "principal_fen": loan.principal_fen, "annual_rate": str(loan.annual_rate), "drawn_on": loan.drawn_on.isoformat(),
            "due_on": loan.due_on.isoformat(), **owner_facts(owner),
        },
        evidence=asdict(evidence), state=GuaranteeState.STATED.value, stated_by=ctx.actor_id, stated_at=now(),
    )
    session().add(made)
    begin(ctx, GUARANTEE, made)
    _tell(ctx, made, guarantor.id, N_("%(bank)s登记了借据 %(note)s 的担保合同，请确认并办理入库。"))
    emit("guarantee.stated", contract_id=made.id)
    about(made, liability_share=made.liability_share, reguarantee_share=made.reguarantee_share)
    return made


@use_case(Permission.GUARANTEE_BOOK, "guarantee.book", returns=Booking)
def book_guaranteed(ctx: Context, contract_id: UUID, late_reason: str = "") -> Booking:
    """The guarantor confirms the contract and books the loan in 政担; the automatic checks run at once. A loan that was
    rejected is submitted again in the same way.

    Raises the refusals of ``service.submit_booking``.
    """
    contract = get_or_404(Guarantee, contract_id, lock=True)
    if contract.guarantor_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    if contract.state != GuaranteeState.CONFIRMED:
        fire(ctx, GUARANTEE, contract, "confirm")
    with elevated(ctx, "pool"):
        if _live_booking(contract.loan_id) is not None:
            raise Refusal(ErrorCode.BOOKING_EXISTS)
        join_case(contract.case_id, contract.guarantor_id)
        loan = get_or_404(Loan, contract.loan_id)
    evidence = Evidence(**{**contract.evidence, "late_reason": late_reason})
    booking = submit_loan(ctx, loan, evidence, today(), None, contract)
    _tell(ctx, contract, contract.org_id, N_("%(guarantor)s已确认借据 %(note)s 的担保合同并办理入库，结果请看担保合同。"))
    about(booking, contract_id=contract.id, principal_fen=booking.principal_fen, state=booking.state)
    return booking


@use_case(Permission.GUARANTEE_BOOK, "guarantee.refuse", returns=Guarantee)
def refuse_guarantee(ctx: Context, contract_id: UUID, reason: str) -> Guarantee:
    """The guarantor does not know the contract as it was stated."""
    contract = get_or_404(Guarantee, contract_id, lock=True)
    fire(ctx, GUARANTEE, contract, "refuse", reason=reason)
    _tell(ctx, contract, contract.org_id, N_("%(guarantor)s没有确认借据 %(note)s 的担保合同，理由请看担保合同。"))
    about(contract)
    return contract


@use_case(Permission.GUARANTEE_STATE, "guarantee.withdraw", returns=Guarantee)
def withdraw_guarantee(ctx: Context, contract_id: UUID, reason: str) -> Guarantee:
    """The bank takes back what its guarantor has not confirmed yet."""
    contract = get_or_404(Guarantee, contract_id, lock=True)
    fire(ctx, GUARANTEE, contract, "withdraw", reason=reason)
    about(contract)
    return contract


@use_case(Permission.GUARANTEE_BOOK, "guarantee.release", returns=Guarantee)
def release_guarantee(ctx: Context, contract_id: UUID, reason: str) -> Guarantee:
    """The guarantor takes a confirmed loan out of the pool, before any claim; the bank may state the contract anew."""
    contract = get_or_404(Guarantee, contract_id, lock=True)
    ensure(ctx, GUARANTEE, contract, "release")
    live = _live_booking(contract.loan_id)
    if live is not None:
        fire(ctx, BOOKING, get_or_404(Booking, live, lock=True), "withdraw", reason=reason)
    fire(ctx, GUARANTEE, contract, "release", reason=reason)
    _tell(ctx, contract, contract.org_id, N_("%(guarantor)s已把借据 %(note)s 撤出入库，理由请看担保合同。"))
    about(contract)
    return contract


def _live_booking(loan_id: UUID) -> UUID | None:
    return session().scalar(select(Booking.id).where(Booking.loan_id == loan_id, Booking.state.in_(LIVE)))


def _tell(ctx: Context, contract: Guarantee, org_id: UUID, message: str) -> None:
    with elevated(ctx, "pool"):
        notify(org_id, message, path=f"/guarantees/{contract.id}", bank=contract.facts["bank"],
               guarantor=contract.facts["guarantor"], note=contract.facts["note_no"])
