"""Step 0: the firm asks its bank for renewal without repayment, and the bank answers within its time.

No answer in time counts as unanswered, and the firm may go on to a bridge. For a bank that does not work on the portal the
firm states the answer and hands in the paper it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.bridge.ask_rules import ASK, REASONS, AskSource, AskState, Borrower, Scope, scope_of
from app.bridge.models import RenewalAsk
from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import begin, ensure, fire
from app.core.money import WAN
from app.core.notices import notify
from app.core.outbox import emit, settle_each, timed
from app.core.permissions import OrgKind, Permission, Role
from app.core.storage import Stored, store_paper
from app.core.use_case import about, reading, use_case
from app.enterprises.models import Enterprise
from app.identity.models import Membership, Organisation, Person
from app.loans.models import Loan
from app.loans.states import LoanState
from app.market import policy
from app.market.level_rules import Step, due

constraint("uq_renewal_ask_open", ErrorCode.ALREADY_DONE, "note_no")
constraint("ck_renewal_ask_hands", ErrorCode.STATE_CHANGED)
constraint("ck_renewal_ask_other", ErrorCode.REASON_NEEDED, "note")
constraint("ck_bridge_asked", ErrorCode.BRIDGE_ASK_OPEN)

AHEAD_DAYS = 365
"""A loan that falls due later than this is not asked about yet [P]."""
ANSWERS = (Role.BANK_OFFICER.value,)
"""Roles that answer an ask for their bank."""
PAPER_KIND = "renewal_answer"
MOST_FEN = 100_000 * WAN
"""A note above this (10 亿元) is a slip of the keyboard [P]."""


@dataclass(frozen=True)
class OldLoan:
    """The loan that falls due: of the portal by ``loan_id``, else bank, note, 分 and day as the firm types them."""

    loan_id: UUID | None = None
    bank_id: UUID | None = None
    note_no: str = ""
    due_fen: int | None = None
    due_on: date | None = None
    working_capital: bool = True


def old_loan(ctx: Context, loan_id: UUID) -> Loan:
    """The firm's own running loan. Raises ``Refusal(NOT_FOUND)``, ``Refusal(STATE_CHANGED)``."""
    loan = get_or_404(Loan, loan_id)
    if loan.firm_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    if loan.state != LoanState.DRAWN.value:
        raise Refusal(ErrorCode.STATE_CHANGED)
    return loan


def works_here(ctx: Context, bank_ids: set[UUID]) -> set[UUID]:
    """Of some banks those that have somebody on the portal who may answer."""
    with elevated(ctx, "bridge.ask"):
        return set(session().scalars(
            select(Membership.org_id).join(Person, Person.id == Membership.person_id)
            .where(Membership.org_id.in_(bank_ids), Membership.role.in_(ANSWERS), Person.state == "active").distinct()
        ))


@use_case(Permission.BRIDGE_APPLY, "ask.send", returns=RenewalAsk)
def ask(ctx: Context, loan: OldLoan, note: str = "") -> RenewalAsk:
    """The firm asks its bank. Where the rule lets the firm not ask, that is the answer, and the bank is not troubled.

    Raises ``Refusal``: NOT_VERIFIED, ASK_NOT_ELIGIBLE for a large firm, ASK_BANK_OUTSIDE, DATE_OUT_OF_RANGE, INVALID,
    ALREADY_DONE while an ask for the note is open.
    """
    row, scope = _new(ctx, loan, note)
    if not works_here(ctx, {row.bank_org_id}):
        raise Refusal(ErrorCode.ASK_BANK_OUTSIDE, field="bank")
    if scope is Scope.OUTSIDE:
        row.source, row.state, row.reason = AskSource.RULE.value, AskState.REFUSED.value, "SCOPE"
    else:
        row.answer_by = due(Step.RENEWAL_ASK, now(), policy.levels(), policy.calendar())[1]
        row.next_check_at = row.answer_by
    session().add(row)
    begin(ctx, ASK, row, event="ask")
    if row.state == AskState.ASKED:
        emit("step.begun", step=Step.RENEWAL_ASK, subject_type="renewal_ask", subject_id=row.id, org_id=row.bank_org_id,
             case_id=None, path=f"/bridges/asks/{row.id}", wd_from=now())
        _tell(ctx, row, row.bank_org_id, N_("%(firm)s就借据 %(note)s 申请无还本续贷，请在 %(limit)s 前答复。"),
              limit=f"{_local(row.answer_by):%Y-%m-%d %H:%M}")
    about(row, note_no=row.note_no, source=row.source, due_on=row.due_on)
    return row


@use_case(Permission.BRIDGE_APPLY, "ask.state", returns=RenewalAsk)
def state_answer(
    ctx: Context, loan: OldLoan, granted: bool, asked_on: date, reason: str | None = None, note: str = "",
    paper: tuple[Stored, str] | None = None,
) -> RenewalAsk:
    """The firm states what a bank outside the portal has answered, with the paper (file, name) that says so.

    Raises ``Refusal``: ASK_BANK_ON_PORTAL, DATE_OUT_OF_RANGE, FILE_TYPE without a paper, REASON_NEEDED.
    """
    oldest = today() - timedelta(days=policy.transfer().answer_good_days)
    if not oldest <= asked_on <= today():
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="asked_on", low=oldest.isoformat(), high=today().isoformat())
    row, _ = _new(ctx, loan, note)
    if works_here(ctx, {row.bank_org_id}):
        raise Refusal(ErrorCode.ASK_BANK_ON_PORTAL, field="bank")
    if paper is None:
        raise Refusal(ErrorCode.FILE_TYPE, field="file", allowed="PDF / PNG / JPG")
    row.source, row.asked_on = AskSource.STATED.value, asked_on
    row.state = (AskState.GRANTED if granted else AskState.REFUSED).value
    row.reason = None if granted else _known(reason)
    session().add(row)
    begin(ctx, ASK, row, event="ask")
    token = f"{ctx.token}:paper" if ctx.token else None
    store_paper(ctx.with_token(token), subject_type=RenewalAsk.__tablename__, subject_id=row.id, case_id=None, kind=PAPER_KIND,
                filename=paper[1], stored=paper[0])
    about(row, note_no=row.note_no, granted=granted)
    return row


def _new(ctx: Context, loan: OldLoan, note: str) -> tuple[RenewalAsk, Scope]:
    assert ctx.org_id is not None
    firm = get_or_404(Enterprise, ctx.org_id)
    if firm.state != "verified":
        raise Refusal(ErrorCode.NOT_VERIFIED)
    bank_id, note_no, due_fen, due_on = loan.bank_id, loan.note_no.strip(), loan.due_fen, loan.due_on
    if loan.loan_id is not None:
        ours = old_loan(ctx, loan.loan_id)
        bank_id, note_no, due_fen, due_on = ours.org_id, ours.note_no or "", ours.principal_left_fen, ours.due_on
    bank = get_or_404(Organisation, bank_id)
    if bank.kind != OrgKind.BANK.value:
        raise Refusal(ErrorCode.NOT_FOUND)
    if not note_no:
        raise Refusal(ErrorCode.INVALID, field="note_no")
    if due_fen is None or not 0 < due_fen <= MOST_FEN:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="due", low=money_text(1), high=money_text(MOST_FEN))
    last = today() + timedelta(days=AHEAD_DAYS)
    if due_on is None or not today() <= due_on <= last:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="due_on", low=today().isoformat(), high=last.isoformat())
    scope = scope_of(Borrower(firm.size_class, firm.form == "sole_trader", loan.working_capital, due_on),
                     policy.transfer().medium_until)
    if scope is Scope.TOO_LARGE:
        raise Refusal(ErrorCode.ASK_NOT_ELIGIBLE)
    row = RenewalAsk(
        firm_id=firm.id, firm_name=ctx.org_name, firm_uscc=firm.uscc, bank_org_id=bank.id, old_loan_id=loan.loan_id,
        note_no=note_no, due_on=due_on, due_fen=due_fen, working_capital=loan.working_capital, asked_on=today(),
        source=AskSource.PORTAL.value, state=AskState.ASKED.value, note=note.strip(), bank_note="", stored_at=now(),
        stored_by=ctx.actor_id,
    )
    return row, scope


def _known(reason: str | None) -> str:
    if reason not in REASONS:
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    return reason


@use_case(Permission.BRIDGE_CONFIRM, "ask.answer", returns=RenewalAsk)
def answer(ctx: Context, ask_id: UUID, granted: bool, reason: str | None = None, note: str = "") -> RenewalAsk:
    """The bank's officer answers, yes or no with a reason of the closed list; late is better than never, and is counted.

    Raises ``Refusal``: NOT_FOUND for another bank's, STATE_CHANGED, REASON_NEEDED.
    """
    row = get_or_404(RenewalAsk, ask_id, lock=True)
    if row.bank_org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    event = "grant" if granted else "refuse"
    ensure(ctx, ASK, row, event)
    row.reason = None if granted else _known(reason)
    if row.reason == "OTHER" and not note.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="note")
    row.bank_note, row.answered_at, row.answered_by, row.next_check_at = note.strip(), now(), ctx.actor_id, None
    with session().no_autoflush:
        fire(ctx, ASK, row, event)
    emit("step.ended", step=Step.RENEWAL_ASK, subject_id=row.id, at=now())
    message = N_("%(bank)s同意借据 %(note)s 无还本续贷，不需要转贷，请与银行办理续贷手续。")
    if not granted:
        message = N_("%(bank)s不同意借据 %(note)s 无还本续贷，可以申请转贷。")
    _tell(ctx, row, row.firm_id, message)
    about(row, granted=granted, reason=row.reason or "", late=row.answer_by is not None and now() > row.answer_by)
    return row


@use_case(Permission.BRIDGE_APPLY, "ask.withdraw", returns=RenewalAsk)
def withdraw(ctx: Context, ask_id: UUID) -> RenewalAsk:
    """The firm takes its ask back while it is open."""
    row = get_or_404(RenewalAsk, ask_id, lock=True)
    if row.firm_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    ensure(ctx, ASK, row, "withdraw")
    row.next_check_at = None
    with session().no_autoflush:
        fire(ctx, ASK, row, "withdraw")
    emit("step.ended", step=Step.RENEWAL_ASK, subject_id=row.id, kept=False, at=now())
    about(row)
    return row


# --- the clock ---------------------------------------------------------------------------------------------------------


@use_case(Permission.BRIDGE_TICK, "ask.lapse")
def lapse(ctx: Context, ask_id: UUID) -> int:
    """The bank's time is over: counted as unanswered, the firm may go on. Returns 1 where it was still open."""
    row = get_or_404(RenewalAsk, ask_id, lock=True)
    about(row, note_no=row.note_no)
    if row.state != AskState.ASKED or row.answer_by is None or now() < row.answer_by:
        return 0
    row.next_check_at = None
    with session().no_autoflush:
        fire(ctx, ASK, row, "lapse")
    _tell(ctx, row, row.firm_id, N_("%(bank)s未在期限内答复借据 %(note)s 的无还本续贷，可以申请转贷。"))
    _tell(ctx, row, row.bank_org_id, N_("借据 %(note)s 的无还本续贷申请到期未答复，已按未答复计；仍可以补答。"))
    return 1


@timed("bridge.asks")
def lapse_due(ctx: Context) -> int:
    """Every ask whose time is over; returns how many."""
    with reading(ctx, Permission.BRIDGE_TICK) as db:
        found = list(db.scalars(
            select(RenewalAsk.id).where(RenewalAsk.next_check_at <= now()).order_by(RenewalAsk.next_check_at).limit(200)
        ))
    return settle_each(found, lambda ask_id: lapse(ctx, ask_id), "ask")


def _local(moment: datetime | None) -> datetime:
    assert moment is not None
    return moment.astimezone(SHANGHAI)


def _tell(ctx: Context, row: RenewalAsk, org_id: UUID, message: str, **params: Any) -> None:
    with elevated(ctx, "bridge.ask"):
        bank = session().get_one(Organisation, row.bank_org_id)
        notify(org_id, message, path=f"/bridges/asks/{row.id}", firm=row.firm_name, bank=bank.name, note=row.note_no, **params)
