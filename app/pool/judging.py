"""What a booking is judged by: the edition and agreement of its day, the snapshot of loan, borrower and evidence, the facts.

Shared by the single booking and the batch, so that there is one set of rules. Reads alone; nothing here writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

from app.core.calendar import today
from app.core.database import session
from app.core.errors import ErrorCode, Refusal
from app.pool.models import Agreement, Booking, StoredRuleSet
from app.pool.owner_models import FirmOwner
from app.pool.partner_states import PartnerState
from app.pool.records import snapshot_loan
from app.pool.rules import JudgeDate, LoanFacts, RuleSet, booking_deadline, judging_date
from app.pool.states import BookingState

RUNS_TO = func.least(Agreement.valid_to, Agreement.ended_on)
"""The last day on which an agreement runs; null where it is open-ended."""
LIVE = (BookingState.DRAFT, BookingState.SUBMITTED, BookingState.AUTO_CHECKED, BookingState.BOOKED, BookingState.CLAIMED)


@dataclass(frozen=True)
class Evidence:
    """What the bank adds to a drawn loan when it books it, as at the day of drawdown (paper §4). ``owner_id``: the owner
    (小微企业主) who borrows for the firm, where it is not the firm itself."""

    product: str
    use_of_funds: str
    operates_in_city: bool = False
    on_key_list: bool = False
    key_list_version: str = ""
    ip_certificate_no: str = ""
    receivable_no: str = ""
    policy_tool: str = ""
    shared_by: str = ""
    first_loan: bool = False
    not_dishonest: bool = False
    late_reason: str = ""
    owner_id: str = ""


def rule_set_on(day: date) -> StoredRuleSet | None:
    """The edition in force on a day; of two the one that begins later, then the one stored later."""
    return session().scalar(
        select(StoredRuleSet).where(StoredRuleSet.valid_from <= day, StoredRuleSet.valid_to >= day)
        .order_by(StoredRuleSet.valid_from.desc(), StoredRuleSet.created_at.desc()).limit(1)
    )


def agreement_on(partner_id: UUID, day: date) -> Agreement | None:
    """The partner's signed agreement on a day; where none runs, the one that began last before it."""
    signed = Agreement.state.in_((PartnerState.CONFIRMED, PartnerState.ENDED))
    return session().scalar(
        select(Agreement).where(Agreement.org_id == partner_id, Agreement.valid_from <= day, signed)
        .order_by(or_(RUNS_TO.is_(None), day <= RUNS_TO).desc(), Agreement.valid_from.desc()).limit(1)
    )


def is_partner(partner_id: UUID) -> bool:
    """Whether an agreement of the partner runs today."""
    found = agreement_on(partner_id, today())
    return found is not None and (found.runs_to is None or found.runs_to >= today())


def judged_on(rules: RuleSet, drawn_on: date) -> date:
    """The day that chooses the edition for a loan booked today."""
    # A set that judges by the loss is applied on booking for the checks, and again when a loss is claimed.
    return today() if rules.judge_date is JudgeDate.LOSS else judging_date(rules, drawn_on, today())


def judging_set(drawn_on: date) -> StoredRuleSet:
    """The edition that judges a loan booked today. Raises ``Refusal(BOOKING_REFUSED)`` where none is in force."""
    stored = rule_set_on(today())
    if stored is not None:
        day = judged_on(RuleSet.from_json(stored.rules), drawn_on)
        stored = rule_set_on(day) or stored
    if stored is None:
        raise Refusal(ErrorCode.BOOKING_REFUSED)
    return stored


def is_late(rules: RuleSet, drawn_on: date, submitted_on: date) -> bool:
    """Whether a loan is submitted past the deadline of its edition."""
    return submitted_on > booking_deadline(rules, drawn_on)


def snapshot_of(loan: Any, firm: Any, evidence: Evidence, branch_id: UUID | None) -> dict[str, Any]:
    """The loan, its borrower and the bank's evidence as they stand now (paper §4): the claim is judged by this.

    ``loan`` and ``firm``: rows with the columns of ``Loan`` and ``Enterprise``, whether loaded one by one or joined.
    """
    return {
        "loan_number": loan.number, "contract_no": loan.contract_no, "note_no": loan.note_no,
        "drawn_on": loan.drawn_on.isoformat(), "due_on": loan.due_on.isoformat(), "principal_fen": loan.principal_fen,
        "annual_rate": str(loan.annual_rate), "term_months": loan.term_months, "method": loan.method,
        "purpose": loan.purpose, "origin": loan.origin, "branch_id": str(branch_id) if branch_id else None,
        "renewed_from_id": str(loan.renewed_from_id) if loan.renewed_from_id else None,
        "uscc": firm.uscc, "form": firm.form, "size_class": firm.size_class.upper(),
        "sized_at": firm.sized_at.isoformat() if firm.sized_at else None, "industry_code": firm.industry_code or "",
        "district": firm.district, "product": evidence.product, "use_of_funds": evidence.use_of_funds,
        "operates_in_city": evidence.operates_in_city, "on_key_list": evidence.on_key_list,
        "key_list_version": evidence.key_list_version.strip(), "ip_certificate_no": evidence.ip_certificate_no.strip(),
        "receivable_no": evidence.receivable_no.strip(), "policy_tool": evidence.policy_tool.strip(),
        "shared_by": evidence.shared_by.strip(), "first_loan": evidence.first_loan,
        "not_dishonest": evidence.not_dishonest,
    }


def loan_facts(booking: Booking, late_accepted: str = "") -> LoanFacts:
    """A booking's snapshot as the checks read it. Runs with the portal's identity."""
    data = booking.snapshot
    drawn_on = date.fromisoformat(data["drawn_on"])
    agreement = agreement_on(booking.guarantor_id or booking.org_id, drawn_on)
    others = session().execute(
        select(Booking.mode, Booking.principal_fen, Booking.note_no).where(
            Booking.id != booking.id, Booking.org_id == booking.org_id, same_borrower(booking.firm_id, booking.owner_id),
            Booking.state.in_(LIVE),
        )
    ).all()
    same = [row for row in others if row.note_no == booking.note_no]
    return facts_of(
        booking.mode, booking.product, booking.principal_fen, data, booking.submitted_on, booking.judged_on, agreement,
        booked_before=any(row.mode == booking.mode for row in same),
        in_other_mode=any(row.mode != booking.mode for row in same), late_accepted=late_accepted,
        others_fen=sum(row.principal_fen for row in others),
    )


def same_borrower(firm_id: UUID, owner_id: UUID | None) -> ColumnElement[bool]:
    """Loans of the firm, its owner's among them, and of the same owner under other firms."""
    of_firm = Booking.firm_id == firm_id
    if owner_id is None:
        return of_firm
    person = select(FirmOwner.id_digest).where(FirmOwner.id == owner_id).scalar_subquery()
    return or_(of_firm, Booking.owner_id.in_(select(FirmOwner.id).where(FirmOwner.id_digest == person)))


def facts_of(
    mode: str, product: str, principal_fen: int, snapshot: dict[str, Any], submitted_on: date, judged: date,
    agreement: Agreement | None, *, booked_before: bool = False, in_other_mode: bool = False, late_accepted: str = "",
    others_fen: int = 0,
) -> LoanFacts:
    """A snapshot with what stands around it, as the checks read it. ``others_fen``: the borrower's other live bookings (分)."""
    return replace(
        snapshot_loan(mode, product, principal_fen, snapshot, submitted_on, judged),
        agreement_from=agreement.valid_from if agreement else None, agreement_to=agreement.runs_to if agreement else None,
        agreement_no=agreement.document_no if agreement else "", own_share=agreement.own_share if agreement else None,
        booked_before=booked_before, in_other_mode=in_other_mode, late_approved_reason=late_accepted,
        borrower_total_fen=principal_fen + others_fen,
    )
