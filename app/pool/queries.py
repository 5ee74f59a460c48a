"""What pages read of the pool. Row-level security has already limited it to what the actor may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from app.core.calendar import SHANGHAI
from app.core.database import session
from app.core.ledger import Account
from app.core.models import Transition
from app.identity.models import Organisation, Person
from app.loans.models import Loan
from app.loans.states import LoanState
from app.pool.check_models import PoolCheck
from app.pool.decision_models import ClaimObjection, Decision, ObjectionState, Publicity
from app.pool.guarantee_models import STANDING, Guarantee
from app.pool.judging import LIVE
from app.pool.models import Agreement, Booking, Claim, Recovery, StoredRuleSet
from app.pool.owner_models import FirmOwner
from app.pool.partner_states import PartnerState
from app.pool.rule_models import RuleProposal
from app.pool.rule_states import ProposalState
from app.pool.ruleset import RuleSet
from app.pool.states import NOT_COUNTED, OPEN_FOR_BUREAU, BookingState, ClaimState
from app.pool.stress_models import StressRun

FIRM, BANK = aliased(Organisation, name="firm"), aliased(Organisation, name="bank")


def bookings_query() -> Select[*tuple[Any, ...]]:
    """Bookings with the names of firm and bank and the number of the loan."""
    return (
        select(
            Booking.id, Booking.state, Booking.note_no, Booking.principal_fen, Booking.product, Booking.submitted_on,
            Booking.booked_on, Booking.version, Booking.late_reason, Loan.number, Loan.five_class, Loan.overdue_days,
            FIRM.name.label("firm_name"), BANK.name.label("bank_name"),
        )
        .join(Loan, Loan.id == Booking.loan_id).join(FIRM, FIRM.id == Booking.firm_id).join(BANK, BANK.id == Booking.org_id)
    )


def bookable_query() -> Select[*tuple[Any, ...]]:
    """Drawn loans of the bank that stand in no live booking, and for which no guarantor stands."""
    live = select(Booking.id).where(Booking.loan_id == Loan.id, Booking.state.in_([one.value for one in LIVE])).exists()
    stood_for = select(Guarantee.id).where(
        Guarantee.loan_id == Loan.id, Guarantee.state.in_(STANDING)).exists()
    return (
        select(Loan.id, Loan.number, Loan.principal_fen, Loan.drawn_on, FIRM.name.label("firm_name"))
        .join(FIRM, FIRM.id == Loan.firm_id)
        .where(Loan.state == LoanState.DRAWN.value, ~live, ~stood_for).order_by(Loan.drawn_on.desc())
    )


def claims_query() -> Select[*tuple[Any, ...]]:
    """Claims with the names of firm and bank."""
    return (
        select(
            Claim.id, Claim.state, Claim.org_id, Claim.net_principal_loss_fen, Claim.compensation_fen, Claim.approved_fen,
            Claim.paid_fen, Claim.submitted_on, Claim.prepared_at, Claim.due_at, Claim.returns_count, Loan.number,
            FIRM.name.label("firm_name"), BANK.name.label("bank_name"),
        )
        .join(Loan, Loan.id == Claim.loan_id).join(FIRM, FIRM.id == Claim.firm_id).join(BANK, BANK.id == Claim.org_id)
    )


def booking_of_loan(loan_id: UUID) -> Booking | None:
    """The newest booking of a loan."""
    return session().scalar(select(Booking).where(Booking.loan_id == loan_id).order_by(Booking.version.desc()).limit(1))


def booking_of_case(case_id: UUID) -> Booking | None:
    """The newest booking of a case."""
    return session().scalar(select(Booking).where(Booking.case_id == case_id).order_by(Booking.created_at.desc()).limit(1))


def bookings_of_case(case_id: UUID) -> list[Booking]:
    """Bookings of a case as they stand, one a loan: several where banks lend beside each other."""
    newest = select(Booking).where(Booking.case_id == case_id).order_by(Booking.loan_id, Booking.version.desc())
    return list(session().scalars(newest.ext(distinct_on(Booking.loan_id))))


def claims_of_case(case_id: UUID) -> list[Claim]:
    """Claims of a case, the newest of each booking."""
    newest = select(Claim).where(Claim.case_id == case_id).order_by(Claim.booking_id, Claim.prepared_at.desc())
    return list(session().scalars(newest.ext(distinct_on(Claim.booking_id))))


def claim_of_booking(booking_id: UUID) -> Claim | None:
    """The newest claim on a booking."""
    return session().scalar(
        select(Claim).where(Claim.booking_id == booking_id).order_by(Claim.prepared_at.desc()).limit(1)
    )


def claim_of_case(case_id: UUID) -> Claim | None:
    """The newest claim of a case."""
    return session().scalar(select(Claim).where(Claim.case_id == case_id).order_by(Claim.prepared_at.desc()).limit(1))


def recoveries_of(claim_id: UUID) -> list[Recovery]:
    """Recoveries of a claim, oldest first."""
    return list(session().scalars(select(Recovery).where(Recovery.claim_id == claim_id).order_by(Recovery.reported_at)))


def decision_of(claim: Claim) -> Decision | None:
    """The decision a claim stands on."""
    return None if claim.decision_id is None else session().get(Decision, claim.decision_id)


def publicity_of(claim_id: UUID) -> Publicity | None:
    """The newest publicity of a claim."""
    return session().scalar(
        select(Publicity).where(Publicity.claim_id == claim_id).order_by(Publicity.from_on.desc(), Publicity.id.desc()).limit(1))


def objections_of(claim_id: UUID) -> list[ClaimObjection]:
    """Objections to a claim, oldest first; for the city alone."""
    return list(session().scalars(
        select(ClaimObjection).where(ClaimObjection.claim_id == claim_id).order_by(ClaimObjection.made_at)))


def published(day: date) -> list[Publicity]:
    """What is published on a day, the newest first."""
    return list(session().scalars(
        select(Publicity).where(Publicity.ended_at.is_(None), Publicity.from_on <= day, Publicity.until_on >= day)
        .order_by(Publicity.from_on.desc(), Publicity.number.desc())))


def due_objections(limit: int = 10) -> list[Any]:
    """Objections that wait for an answer, the oldest first."""
    return list(session().execute(
        select(ClaimObjection.claim_id, ClaimObjection.made_at, Publicity.number, Publicity.firm_name)
        .join(Publicity, Publicity.id == ClaimObjection.publicity_id)
        .where(ClaimObjection.state == ObjectionState.OPEN.value).order_by(ClaimObjection.made_at).limit(limit)))


def steps_of(subject_type: str, subject_id: UUID) -> list[Transition]:
    """Steps of a booking or a claim, newest first: the bank and the city see each other's."""
    return list(session().scalars(
        select(Transition).where(Transition.subject_type == subject_type, Transition.subject_id == subject_id)
        .order_by(Transition.at.desc(), Transition.id.desc())
    ))


def people(ids: set[UUID]) -> dict[UUID, str]:
    """Names of people whom the actor may see."""
    if not ids:
        return {}
    rows = session().execute(select(Person.id, Person.name).where(Person.id.in_(ids))).all()
    return {row.id: row.name for row in rows}


def rule_sets() -> list[StoredRuleSet]:
    """Every edition of the rule, the newest first."""
    return list(session().scalars(
        select(StoredRuleSet).order_by(StoredRuleSet.valid_from.desc(), StoredRuleSet.created_at.desc())
    ))


def edition(code: str) -> StoredRuleSet:
    """The edition under a code, which must exist."""
    return session().scalars(select(StoredRuleSet).where(StoredRuleSet.code == code)).one()


def rule_proposals() -> list[Any]:
    """Proposed editions with the names of those who proposed them, newest first."""
    return list(session().execute(
        select(RuleProposal, Person.name.label("proposer")).join(Person, Person.id == RuleProposal.proposed_by)
        .order_by(RuleProposal.proposed_at.desc())
    ))


def waiting_edition() -> RuleProposal | None:
    """The proposed edition that waits for a second person."""
    return session().scalar(select(RuleProposal).where(RuleProposal.state == ProposalState.PROPOSED.value))


def stress_runs(limit: int) -> list[Any]:
    """Stress tests with the names of those who asked for them, newest first."""
    return list(session().execute(
        select(StressRun, Person.name.label("asker")).join(Person, Person.id == StressRun.asked_by)
        .order_by(StressRun.asked_at.desc()).limit(limit)
    ))


def checks(limit: int) -> list[PoolCheck]:
    """Nightly checks, the latest first."""
    return list(session().scalars(select(PoolCheck).order_by(PoolCheck.day.desc()).limit(limit)))


def last_found() -> int:
    """How many things did not add up in the latest check that is done; 0 where there is none yet."""
    done = select(PoolCheck.found).where(PoolCheck.found.is_not(None))
    return session().scalar(done.order_by(PoolCheck.day.desc()).limit(1)) or 0


def accounts() -> list[Any]:
    """The pool's accounts in the ledger with the names of their banks."""
    return list(session().execute(
        select(Account, BANK.name).outerjoin(BANK, BANK.id == Account.org_id)
        .where(Account.code.startswith("pool:")).order_by(Account.code)
    ))


def banks() -> list[tuple[UUID, str]]:
    """Banks of the portal by name."""
    rows = session().execute(
        select(Organisation.id, Organisation.name).where(Organisation.kind == "bank").order_by(Organisation.name)
    ).all()
    return [(row.id, row.name) for row in rows]


def partners() -> list[Any]:
    """Organisations that may have an agreement with the city, by name."""
    return list(session().execute(
        select(Organisation.id, Organisation.name, Organisation.kind).where(
            Organisation.kind.in_(("bank", "guarantor")), Organisation.state == "active").order_by(Organisation.name)))


def draft_agreements(limit: int = 10) -> list[Any]:
    """Agreements that wait for a second person, the oldest first."""
    return list(session().execute(
        select(Agreement.id, Agreement.document_no, Organisation.name.label("partner_name"))
        .join(Organisation, Organisation.id == Agreement.org_id).where(Agreement.state == PartnerState.PROPOSED)
        .order_by(Agreement.proposed_at).limit(limit)))


def paid_in(year: int) -> int:
    """Compensation paid in a calendar year (分)."""
    return int(session().scalar(
        select(func.sum(Claim.paid_fen)).where(Claim.paid_on.between(date(year, 1, 1), date(year, 12, 31)))
    ) or 0)


def waiting_count() -> int:
    """Claims that lie with the city."""
    return session().scalar(
        select(func.count()).select_from(Claim).where(Claim.state.in_([one.value for one in OPEN_FOR_BUREAU]))
    ) or 0


@dataclass(frozen=True)
class BankLine:
    """The year of a bank or a guarantor: principal booked and losses claimed in 分, their ratio as a fraction (None: nothing
    booked)."""

    bank_id: UUID
    name: str
    kind: str
    booked_fen: int
    claimed_fen: int

    @property
    def ratio(self) -> Decimal | None:
        """Losses over bookings."""
        return Decimal(self.claimed_fen) / Decimal(self.booked_fen) if self.booked_fen else None

    def line(self, rules: RuleSet) -> Decimal:
        """The stop line that it stands under: a bank's or a guarantor's."""
        return rules.guarantee_stop_line if self.kind == "guarantor" else rules.stop_line

    def near(self, rules: RuleSet) -> bool:
        """Whether two thirds of the stop line are used up."""
        line = self.line(rules)
        return self.claimed_fen * 3 > Decimal(2) * line * self.booked_fen


def _by_bank(stmt: Select[*tuple[Any, ...]]) -> dict[UUID, int]:
    return {row.org_id: int(row.fen) for row in session().execute(stmt)}


def bank_lines(year: int) -> list[BankLine]:
    """Every partner that booked or claimed in the year, the highest ratio first. Three statements."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    booked = _by_bank(select(Booking.payee_id.label("org_id"), func.sum(Booking.principal_fen).label("fen")).where(
        Booking.state.in_((BookingState.BOOKED, BookingState.CLAIMED)), Booking.booked_on.between(first, last),
    ).group_by(Booking.payee_id))
    claimed = _by_bank(select(Claim.org_id, func.sum(Claim.net_principal_loss_fen).label("fen")).where(
        Claim.state.not_in(NOT_COUNTED), Claim.submitted_on.between(first, last),
    ).group_by(Claim.org_id))
    names = {row.id: (row.name, row.kind) for row in partners()}
    lines = [
        BankLine(one, *names.get(one, ("", "bank")), booked.get(one, 0), claimed.get(one, 0)) for one in {*booked, *claimed}
    ]
    return sorted(lines, key=lambda line: (line.ratio is not None, -(line.ratio or 0), line.name))


def due_claims(states: tuple[ClaimState, ...], limit: int = 10, *, funded: bool = False) -> list[Any]:
    """Claims in these states, the most urgent first; ``funded`` leaves out those that wait for money."""
    return list(session().execute(
        claims_query().where(
            Claim.state.in_([one.value for one in states]), *((Claim.reservation_id.is_not(None),) if funded else ()))
        .order_by(Claim.due_at.nulls_last(), Claim.prepared_at).limit(limit)
    ))


def due_returns(limit: int = 10) -> list[Any]:
    """Money due back to the pool that has not come."""
    return list(session().execute(
        select(Recovery.claim_id, Recovery.due_fen, Recovery.due_on, BANK.name.label("bank_name"))
        .join(BANK, BANK.id == Recovery.org_id)
        .where(Recovery.due_fen > 0, Recovery.returned_on.is_(None)).order_by(Recovery.due_on).limit(limit)
    ))


def to_book(since: date, limit: int = 10) -> list[Any]:
    """Loans drawn since a day that the bank has not booked."""
    return list(session().execute(bookable_query().where(Loan.drawn_on >= since).limit(limit)))


def bad_bookings(limit: int = 10) -> list[Any]:
    """Booked loans that have gone bad and are not claimed."""
    return list(session().execute(
        bookings_query().where(
            Booking.state == BookingState.BOOKED.value, Booking.guarantor_id.is_(None),
            Loan.five_class.in_(("SUBSTANDARD", "DOUBTFUL", "LOSS")),
        ).order_by(Loan.overdue_days.desc()).limit(limit)
    ))


def overdue_guaranteed(limit: int = 10) -> list[Any]:
    """Loans booked by the guarantor that are overdue and not claimed."""
    return list(session().execute(
        bookings_query().where(
            Booking.state == BookingState.BOOKED.value, Booking.guarantor_id.is_not(None), Loan.overdue_days > 0)
        .order_by(Loan.overdue_days.desc()).limit(limit)
    ))


def owners_of(loan: Loan) -> list[FirmOwner]:
    """People whom the loan's bank has linked to its firm."""
    return list(session().scalars(select(FirmOwner).where(
        FirmOwner.firm_id == loan.firm_id, FirmOwner.org_id == loan.org_id).order_by(FirmOwner.registered_at)))


def late_bookings(limit: int = 10) -> list[Any]:
    """Bookings past the deadline that wait for the bureau."""
    return list(session().execute(
        bookings_query().where(Booking.state == BookingState.SUBMITTED.value).order_by(Booking.submitted_on).limit(limit)
    ))


def moment(day: date | None) -> datetime | None:
    """The beginning of a day in Shanghai, for stations."""
    return datetime.combine(day, datetime.min.time(), SHANGHAI) if day else None
