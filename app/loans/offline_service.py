"""Loans agreed outside the portal: a bank registers one, the firm says whether it is its own.

A social credit code and a registered name are public. A bank that types both learns nothing but that they fit; the case
it opens tells it nothing of the firm (``hq_knows_firm``) until the firm has recognised the loan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import now
from app.core.cases import join_case, open_case
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.lifecycle import fire
from app.core.models import AuditEvent, Case
from app.core.notices import notify
from app.core.outbox import emit
from app.core.permissions import Permission
from app.core.uscc import normalise, validate
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.enterprises.registration import firm_of_code
from app.identity.models import Organisation
from app.identity.service import keep_case
from app.loans.models import Loan, Recognition
from app.loans.queries import awaits_firm
from app.loans.rules import OFFLINE_RULES, same_name
from app.loans.service import Drawdown, LoanTerms, open_loan, report_drawdown
from app.loans.states import LOAN

constraint("uq_loan_recognition_case_id", ErrorCode.ALREADY_DONE)

MATCH = "loan.firm_match"


def open_offline_loan(ctx: Context, uscc: str, name: str, terms: LoanTerms) -> Loan:
    """Registers a loan agreed outside the portal with a firm that is known here; opens its case and asks the firm.

    Raises ``Refusal(USCC_INVALID)``; ``Refusal(FIRM_UNKNOWN)`` at ``uscc``, in the same words for a code that nobody has
    and for a name that does not fit; ``Refusal(TOO_MANY_TRIES)`` after too many of those.
    """
    problem = validate(uscc)
    if problem is not None:
        raise Refusal(ErrorCode.USCC_INVALID, field="uscc", detail=problem.message % problem.shown)
    if not _match(ctx.with_token(None), normalise(uscc), name):
        raise Refusal(ErrorCode.FIRM_UNKNOWN, field="uscc")
    return _open(ctx, normalise(uscc), name, terms)


def _firm(ctx: Context, uscc: str, name: str) -> UUID | None:
    with elevated(ctx, "loans"):
        found = session().execute(
            select(Enterprise.id, Organisation.name).join(Organisation, Organisation.id == Enterprise.id)
            .where(Enterprise.uscc == uscc)
        ).one_or_none()
    return found.id if found is not None and same_name(name, found.name) else None


@use_case(Permission.LOAN_REPORT, MATCH)
def _match(ctx: Context, uscc: str, name: str) -> bool:
    """Whether code and name are one firm's. Does not raise where they are not: a miss must stay on record."""
    # Tries of one bank are counted one after the other.
    session().execute(text("select pg_advisory_xact_lock(hashtext('offline'), hashtext(:org))"), {"org": str(ctx.org_id)})
    misses = session().execute(
        select(func.count(), func.count().filter(AuditEvent.actor_id == ctx.actor_id)).where(
            AuditEvent.org_id == ctx.org_id, AuditEvent.at > now() - timedelta(hours=OFFLINE_RULES.hours),
            AuditEvent.action == MATCH, AuditEvent.facts["matched"].astext == "no",
        )
    ).one()
    if misses[0] >= OFFLINE_RULES.misses_per_bank or misses[1] >= OFFLINE_RULES.misses_per_person:
        raise Refusal(ErrorCode.TOO_MANY_TRIES, field="uscc", hours=OFFLINE_RULES.hours)
    matched = _firm(ctx, uscc, name) is not None
    about(uscc=uscc, matched="yes" if matched else "no")
    return matched


@use_case(Permission.LOAN_REPORT, "loan.open_offline", returns=Loan)
def _open(ctx: Context, uscc: str, name: str, terms: LoanTerms) -> Loan:
    assert ctx.org_id is not None
    firm_id = _firm(ctx, uscc, name)
    if firm_id is None:
        raise Refusal(ErrorCode.FIRM_UNKNOWN, field="uscc")
    with elevated(ctx, "loans") as acting:
        case = open_case("offline", firm_id, "线下贷款")
        join_case(case.id, ctx.org_id)
        loan = open_loan(acting, case, ctx.org_id, terms, "offline", stated_firm=name.strip())
        message = N_("%(bank)s登记了一笔与贵企业的线下贷款，属实请确认，不属实请提出异议。确认前该银行看不到贵企业的资料。")
        notify(firm_id, message, path=f"/loans/{loan.id}", case_id=case.id, bank=ctx.org_name)
    keep_case(ctx, case)
    about(loan, amount_fen=loan.amount_fen)
    return loan


@dataclass(frozen=True)
class TakenOver:
    """A loan agreed and drawn outside the portal, as a bank's file states it; ``renewed_from``: the note that it renews."""

    bank_id: UUID
    uscc: str
    name: str
    terms: LoanTerms
    drawdown: Drawdown
    prepared_by: UUID | None
    released_by: UUID
    renewed_from: str | None = None


@use_case(Permission.LOAN_OPEN, "loan.take_over", returns=Loan)
def take_over(ctx: Context, stated: TakenOver) -> Loan:
    """Makes firm, case and loan of a loan that two people of a bank have stated as drawn; once a note.

    The firm is asked as for any offline loan, and until it answers the bank knows of it what it typed. The code alone decides
    whose loan it is, so that the answer is the same for firms that are known here and others. Runs as the portal itself.
    """
    found = session().scalar(select(Loan).where(Loan.org_id == stated.bank_id, Loan.note_no == stated.drawdown.note_no))
    if found is not None:
        about(found)
        return found
    bank = get_or_404(Organisation, stated.bank_id)
    preparer = _for_person(ctx, bank, stated.prepared_by)
    firm, old = firm_of_code(normalise(stated.uscc), stated.name), _renewed(stated)
    if old is None:
        case = open_case("offline", firm.id, "线下贷款")
        join_case(case.id, bank.id)
        loan = open_loan(preparer, case, bank.id, stated.terms, "offline", stated_firm=stated.name)
        keep_case(preparer, case)
        message = N_("%(bank)s登记了一笔与贵企业的线下贷款，属实请确认，不属实请提出异议。确认前该银行看不到贵企业的资料。")
        notify(firm.id, message, path=f"/loans/{loan.id}", case_id=case.id, bank=bank.name)
    else:
        case = get_or_404(Case, old.case_id)
        loan = open_loan(preparer, case, bank.id, stated.terms, "renewal", renewed_from_id=old.id, stated_firm=old.stated_firm)
    fire(_for_person(ctx, bank, stated.released_by), LOAN, loan, "approve")
    loan.approved_at = now()
    report_drawdown(preparer, loan.id, stated.drawdown)
    about(loan, amount_fen=loan.amount_fen, note_no=stated.drawdown.note_no)
    return loan


def _renewed(stated: TakenOver) -> Loan | None:
    if stated.renewed_from is None:
        return None
    return session().scalar(
        select(Loan).join(Enterprise, Enterprise.id == Loan.firm_id).where(
            Loan.org_id == stated.bank_id, Loan.note_no == stated.renewed_from, Enterprise.uscc == normalise(stated.uscc))
    )


def _for_person(ctx: Context, bank: Organisation, person_id: UUID | None) -> Context:
    """The portal's own identity, naming the person of the bank whose word it carries out."""
    return Context(
        person_id, bank.id, ctx.org_kind, ctx.roles, ctx.permissions | {Permission.LOAN_APPROVE}, org_name=bank.name,
        system=ctx.system,
    )


def _answer(ctx: Context, loan_id: UUID, recognised: bool, reason: str | None) -> Loan:
    loan = get_or_404(Loan, loan_id)
    if loan.firm_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    if not awaits_firm(loan):
        raise Refusal(ErrorCode.ALREADY_DONE)
    session().add(Recognition(
        case_id=loan.case_id, firm_id=loan.firm_id, recognised=recognised, reason=reason, at=now(), actor_id=ctx.actor_id,
    ))
    session().flush()
    return loan


@use_case(Permission.LOAN_RECOGNISE, "loan.recognise", returns=Loan)
def recognise(ctx: Context, loan_id: UUID) -> Loan:
    """The firm says that an offline loan is its own; from now on the bank knows the firm. Raises ``Refusal(ALREADY_DONE)``."""
    loan = _answer(ctx, loan_id, True, None)
    emit("loan.recognised", case_id=loan.case_id)
    with elevated(ctx, "loans"):
        notify(loan.org_id, N_("企业已确认线下贷款 %(number)s。"), path=f"/loans/{loan.id}", case_id=loan.case_id,
               number=loan.number)
    about(loan, case_id=loan.case_id)
    return loan


@use_case(Permission.LOAN_RECOGNISE, "loan.disown", returns=Loan)
def disown(ctx: Context, loan_id: UUID, reason: str) -> Loan:
    """The firm says that a loan is not its own, and why; it may still recognise it later.

    The bank and the finance bureau's and the platform's auditors find it on record; the bank goes on knowing nothing.
    Raises ``Refusal(REASON_NEEDED)``, ``Refusal(ALREADY_DONE)`` once it was recognised.
    """
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    loan = _answer(ctx, loan_id, False, reason.strip())
    with elevated(ctx, "loans"):
        notify(loan.org_id, N_("企业对线下贷款 %(number)s 提出异议：%(reason)s"), path=f"/loans/{loan.id}", case_id=loan.case_id,
               number=loan.number, reason=reason.strip())
    about(loan, case_id=loan.case_id)
    return loan


def require_recognised(loan: Loan) -> None:
    """Raises ``Refusal(LOAN_UNRECOGNISED)`` where the firm has not yet said that the loan is its own."""
    if awaits_firm(loan):
        raise Refusal(ErrorCode.LOAN_UNRECOGNISED)
