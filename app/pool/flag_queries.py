"""The facts behind the red flags of a claim, from bookings, loans and firms of every bank."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import aliased

from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.working import Check
from app.enterprises.models import Enterprise
from app.identity.models import Organisation
from app.loans.models import Loan
from app.pool.flag_rules import FlagFacts, NoteOf, RelatedLoan, red_flags
from app.pool.judging import LIVE
from app.pool.models import Booking, Claim
from app.pool.owner_models import FirmOwner
from app.pool.rules import RuleSet, SplitLoan, UseOfFunds
from app.pool.states import NOT_COUNTED

BANK, FIRM = aliased(Organisation, name="flag_bank"), aliased(Organisation, name="flag_firm")


def flags_of(ctx: Context, claim: Claim, rules: RuleSet) -> list[Check]:
    """Every red flag of a claim with its facts; looks at all banks, so only the city may be shown it."""
    with elevated(ctx, "pool.flags"):
        return red_flags(_facts(claim), rules)


def _facts(claim: Claim) -> FlagFacts:
    booking, loan = get_or_404(Booking, claim.booking_id), get_or_404(Loan, claim.loan_id)
    bank = get_or_404(Organisation, booking.org_id).name
    own = _note(loan.number, bank, booking)
    return FlagFacts(
        drawn_on=own.drawn_on, booked_on=booking.booked_on, overdue_since=claim.overdue_since, annual_rate=loan.annual_rate,
        use_of_funds=UseOfFunds(booking.snapshot["use_of_funds"]),
        repaid_since_fen=loan.principal_repaid_fen - claim.principal_repaid_fen, own=own, at_this_bank=_at_this_bank(booking),
        other_notes=_other_notes(claim), related=list(dict.fromkeys([*_related(claim), *_same_owner(claim, booking)])),
    )


def _note(loan_number: str, bank: str, booking: Booking) -> NoteOf:
    drawn_on = date.fromisoformat(booking.snapshot["drawn_on"])
    contract_no = booking.snapshot["contract_no"] or ""
    return NoteOf(loan_number, bank, booking.note_no, contract_no, drawn_on, booking.principal_fen)


def _at_this_bank(booking: Booking) -> list[SplitLoan]:
    rows = session().execute(select(Loan.number, Loan.drawn_on, Loan.principal_fen).where(
        Loan.firm_id == booking.firm_id, Loan.org_id == booking.org_id, Loan.drawn_on.is_not(None)))
    return [SplitLoan(row.number, row.drawn_on, row.principal_fen) for row in rows]


def _other_notes(claim: Claim) -> list[NoteOf]:
    """Other booked loans of the same firm, at whichever bank."""
    rows = session().execute(
        select(Booking, Loan.number, BANK.name).join(Loan, Loan.id == Booking.loan_id).join(BANK, BANK.id == Booking.org_id)
        .where(Booking.firm_id == claim.firm_id, Booking.loan_id != claim.loan_id, Booking.state.in_(LIVE)).order_by(Booking.id))
    return [_note(row.number, row.name, row.Booking) for row in rows]


def _related(claim: Claim) -> list[RelatedLoan]:
    """Claimed loans of other firms under the same legal representative; identity numbers are compared decrypted, here alone."""
    who = session().scalar(select(Enterprise.representative_id_no).where(Enterprise.id == claim.firm_id))
    if not who:
        return []
    rows = session().execute(
        select(Enterprise.representative_id_no, FIRM.name, Loan.number, Loan.drawn_on).select_from(Claim)
        .join(Enterprise, Enterprise.id == Claim.firm_id).join(FIRM, FIRM.id == Claim.firm_id)
        .join(Loan, Loan.id == Claim.loan_id)
        .where(Claim.firm_id != claim.firm_id, Claim.state.not_in(NOT_COUNTED), Enterprise.representative_id_no.is_not(None))
        .order_by(Loan.number))
    return [RelatedLoan(row.name, row.number, row.drawn_on) for row in rows if row.representative_id_no == who]


def _same_owner(claim: Claim, booking: Booking) -> list[RelatedLoan]:
    """Claimed loans of other firms that the same owner (小微企业主) borrowed for, at whichever bank."""
    if booking.owner_id is None:
        return []
    person = select(FirmOwner.id_digest).where(FirmOwner.id == booking.owner_id).scalar_subquery()
    rows = session().execute(
        select(FIRM.name, Loan.number, Loan.drawn_on).select_from(Claim)
        .join(Booking, Booking.id == Claim.booking_id).join(FirmOwner, FirmOwner.id == Booking.owner_id)
        .join(FIRM, FIRM.id == Claim.firm_id).join(Loan, Loan.id == Claim.loan_id)
        .where(Claim.firm_id != claim.firm_id, Claim.state.not_in(NOT_COUNTED), FirmOwner.id_digest == person)
        .order_by(Loan.number))
    return [RelatedLoan(row.name, row.number, row.drawn_on) for row in rows]
