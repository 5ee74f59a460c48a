"""Banks: the promise to renew, the payoff of the old note, the drawdown of the new one, a broken promise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.bridge import notes
from app.bridge.account_numbers import account_digest, plain_number
from app.bridge.account_service import ensure_in_loop, loop_of
from app.bridge.commitment_rules import Deed
from app.bridge.commitment_service import first_check, known_kinds, leave_open, record, seal_of
from app.bridge.fund_service import invite_open_funds
from app.bridge.holding import let_go
from app.bridge.models import Bridge, Commitment
from app.bridge.parties import everybody, move, organisations, take, tell, within_limit
from app.bridge.service import last_word, live_commitment
from app.bridge.states import BridgeState
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal
from app.core.formats import money_text, rate_text
from app.core.outbox import handles
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.loans import service as loans
from app.loans.models import Loan
from app.loans.states import LoanState
from app.market.rules import RepaymentMethod

PROMISE_DAYS = 180
"""A promise lasts no longer than this [P]."""


@dataclass(frozen=True)
class Promise:
    """The commitment letter as data (transfer-loan paper §4): 分, fractions per year, months.

    ``rate_low`` and ``rate_high`` are equal where the rate is fixed. ``receiving_account`` takes the renewal money;
    ``open_kinds`` are the codes of ``commitment_rules.CONDITIONS`` that have still to come about.
    """

    promised_fen: int
    rate_low: Decimal
    rate_high: Decimal
    term_months: int
    method: str
    latest_drawdown_on: date
    valid_until: date
    receiving_account: str
    branch: str = ""
    conditions: str = ""
    open_kinds: tuple[str, ...] = ()


@use_case(Permission.BRIDGE_COMMIT, "bridge.commit", returns=Commitment)
def commit(ctx: Context, bridge_id: UUID, promise: Promise) -> Commitment:
    """The bank's approver signs the promise to renew; open funds of that kind are asked for quotes.

    Raises ``Refusal``: APPROVAL_LIMIT, AMOUNT_OUT_OF_RANGE, DATE_OUT_OF_RANGE, RECEIVING_OUTSIDE where the renewal money would
    arrive on no account of the loop, and COMMITMENT_WORSE where it replaces a better promise.
    """
    bridge = take(ctx, bridge_id, "commit", only="new_bank_org_id")
    open_kinds = known_kinds(promise.open_kinds)
    _plausible(ctx, bridge, promise)
    loop = loop_of(bridge)
    if loop:  # before any account is entered there is nothing to measure by: then the accounts are measured by the letter
        ensure_in_loop(promise.receiving_account, loop, "receiving_account")
    earlier = last_word(bridge)
    if earlier is not None:
        if promise.promised_fen < earlier.promised_fen or promise.rate_high > earlier.rate_high:
            raise Refusal(ErrorCode.COMMITMENT_WORSE, amount=money_text(earlier.promised_fen),
                          rate=rate_text(earlier.rate_high))
        if earlier.state == "LIVE":
            earlier.state, earlier.next_check_at = "REPLACED", None
            session().flush()
    assert ctx.actor_id is not None and ctx.org_id is not None
    row = Commitment(
        bridge_id=bridge.id, org_id=ctx.org_id, signer_id=ctx.actor_id, signer_name=ctx.person_name,
        branch=promise.branch.strip(), promised_fen=promise.promised_fen, rate_low=promise.rate_low,
        rate_high=promise.rate_high, term_months=promise.term_months, method=RepaymentMethod(promise.method).value,
        conditions=promise.conditions.strip(), latest_drawdown_on=promise.latest_drawdown_on,
        receiving_account=promise.receiving_account.strip(),
        receiving_digest=account_digest(plain_number(promise.receiving_account, "receiving_account")),
        valid_until=promise.valid_until,
        borrower_uscc=get_or_404(Enterprise, bridge.firm_id).uscc, old_note_no=notes.numbers(bridge),
        old_due_fen=bridge.old_due_fen, old_due_on=bridge.old_due_on, state="LIVE", signed_at=now(),
    )
    row.seal_digest, row.next_check_at = seal_of(row, open_kinds), first_check(row, bridge)
    session().add(row)
    session().flush()
    leave_open(row, open_kinds)
    first = bridge.state == BridgeState.PRECHECKED
    move(ctx, bridge, "commit")
    if first:
        invite_open_funds(ctx, bridge)
    tell(ctx, bridge, [bridge.firm_id, *organisations(OrgKind.BRIDGE_CENTRE)],
         N_("%(bank)s为借据 %(note)s 出具了续贷承诺，等资金方报价。"), bank=ctx.org_name)
    about(bridge, promised_fen=row.promised_fen, valid_until=row.valid_until, seal_digest=row.seal_digest)
    return row


def _plausible(ctx: Context, bridge: Bridge, promise: Promise) -> None:
    within_limit(ctx, promise.promised_fen)
    if promise.promised_fen <= 0:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="promised", low=money_text(1),
                      high=money_text(ctx.approval_limit_fen))
    if not promise.branch.strip():
        raise Refusal(ErrorCode.INVALID, field="branch")
    low, last = max(today(), bridge.old_due_on), today() + timedelta(days=PROMISE_DAYS)
    for name, day in (("valid_until", promise.valid_until), ("latest_drawdown_on", promise.latest_drawdown_on)):
        if not low <= day <= last:
            raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field=name, low=low.isoformat(), high=last.isoformat())


@use_case(Permission.BRIDGE_COMMIT, "bridge.decline", returns=Bridge)
def decline(ctx: Context, bridge_id: UUID, reason: str, excuse: str | None = None) -> Bridge:
    """The bank does not promise, or takes its promise back before the payout; what was reserved is given back.

    A promise taken back is not kept, unless ``excuse`` names a condition that is still open on the letter.
    """
    bridge = take(ctx, bridge_id, "decline", only="new_bank_org_id")
    let_go(ctx, bridge)
    promise = live_commitment(bridge)
    if promise is not None:
        record(ctx, bridge, promise, Deed(today(), refused=True), excuse)
        promise.state, promise.next_check_at = "WITHDRAWN", None
    move(ctx, bridge, "decline", reason=reason)
    tell(ctx, bridge, [*everybody(bridge), *organisations(OrgKind.BRIDGE_CENTRE)],
         N_("%(bank)s不承诺续贷（借据 %(note)s），原因：%(reason)s"), bank=ctx.org_name, reason=reason.strip())
    about(bridge)
    return bridge


# --- after the payout --------------------------------------------------------------------------------------------------


@use_case(Permission.BRIDGE_CONFIRM, "bridge.old_repaid", returns=Bridge)
def confirm_repaid(
    ctx: Context, bridge_id: UUID, repaid_on: date, reference: str, final_rate: Decimal | None = None,
    note_id: UUID | None = None,
) -> Bridge:
    """The old bank confirms the payoff of an old note; a loan of the portal is paid off. With the last note the bridge goes on
    and, at the same bank, the renewal is opened as promised. ``final_rate`` (fraction per year) settles a promise that named a
    range; ``note_id`` names the note where the bridge pays off two.

    Raises ``Refusal(DATE_OUT_OF_RANGE)``, ``Refusal(INVALID)`` for a rate outside the promise, and those of ``to_confirm``.
    """
    bridge = take(ctx, bridge_id, "old_repaid", only="old_bank_org_id")
    found = notes.notes_of(bridge.id, lock=True)
    note = notes.to_confirm(found, note_id)
    assert bridge.paid_on is not None
    _on_or_after(repaid_on, bridge.paid_on, "repaid_on")
    note.repaid_on, note.repaid_reference, note.repaid_by = repaid_on, reference.strip(), ctx.actor_id
    session().flush()
    paid = session().get(Loan, note.old_loan_id) if note.old_loan_id is not None else None
    last = not notes.unpaid(found)
    if last:
        bridge.old_repaid_on = max(one.repaid_on for one in found if one.repaid_on is not None)
        bridge.old_repaid_reference = reference.strip()
    move(ctx, bridge, "old_repaid" if last else "note_repaid")
    if paid is not None and paid.state == LoanState.DRAWN.value:
        loans.pay_off(ctx, paid.id, repaid_on, reference.strip())
    if not last:
        tell(ctx, bridge, [bridge.firm_id, *organisations(OrgKind.BRIDGE_CENTRE)],
             N_("借据 %(paid)s 已结清；同一笔转贷的另一张借据还待原银行确认。"), paid=note.note_no)
        about(bridge, repaid_on=repaid_on, note_no=note.note_no)
        return bridge
    old = get_or_404(Loan, bridge.old_loan_id) if bridge.old_loan_id is not None else None
    promise = live_commitment(bridge)
    if old is not None and promise is not None and bridge.new_bank_org_id == old.org_id:
        _open_renewal(ctx, bridge, old, promise, final_rate)
    tell(ctx, bridge, [bridge.firm_id, bridge.new_bank_org_id, bridge.funder_org_id,
                       *organisations(OrgKind.BRIDGE_CENTRE)], N_("借据 %(note)s 的旧贷款已结清，等新贷款放款。"))
    about(bridge, repaid_on=repaid_on)
    return bridge


def _open_renewal(ctx: Context, bridge: Bridge, old: Loan, promise: Commitment, final_rate: Decimal | None) -> None:
    rate = promise.rate_high if final_rate is None and promise.rate_low == promise.rate_high else final_rate
    if rate is None or not promise.rate_low <= rate <= promise.rate_high:
        raise Refusal(ErrorCode.INVALID, field="final_rate")
    renewed = loans.open_renewal(ctx, old.id, loans.LoanTerms(
        promise.promised_fen, rate, promise.term_months, promise.method, old.product_kind, old.purpose,
        dict(old.conventions),
    ))
    bridge.new_rate, bridge.new_loan_id = rate, renewed.id
    session().flush()


def _on_or_after(day: date, low: date, name: str) -> None:
    if not low <= day <= today():
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field=name, low=low.isoformat(), high=today().isoformat())


@dataclass(frozen=True)
class NewNote:
    """The new loan as the bank reports it: 分, days, a fraction per year. ``excuse``: a condition still open on the letter."""

    note_no: str
    amount_fen: int
    drawn_on: date
    contract_no: str = ""
    due_on: date | None = None
    rate: Decimal | None = None
    excuse: str | None = None


@use_case(Permission.BRIDGE_CONFIRM, "bridge.new_drawn", returns=Bridge)
def confirm_drawn(ctx: Context, bridge_id: UUID, note: NewNote) -> Bridge:
    """The new bank confirms the new note. Where its renewal is a loan of the portal, the drawdown is reported there in
    the same step. Less than promised is SHORT_DRAWN: the firm pays the gap, the bridge stays open for it.

    Raises ``Refusal(BRIDGE_RENEWAL_PENDING)`` while the bank's approver has not approved the renewed loan.
    """
    bridge = take(ctx, bridge_id, "new_drawn", only="new_bank_org_id")
    if bridge.old_repaid_on is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    _on_or_after(note.drawn_on, bridge.old_repaid_on, "drawn_on")
    if note.amount_fen <= 0:
        promised = live_commitment(bridge)
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="amount", low=money_text(1),
                      high=money_text(promised.promised_fen if promised else bridge.old_due_fen))
    due_on, rate = note.due_on, note.rate
    if bridge.new_loan_id is not None:
        renewed = get_or_404(Loan, bridge.new_loan_id)
        if renewed.state == LoanState.AGREED.value:
            raise Refusal(ErrorCode.BRIDGE_RENEWAL_PENDING, number=renewed.number)
        if renewed.state == LoanState.APPROVED.value:
            renewed = loans.report_drawdown(ctx, renewed.id, loans.Drawdown(
                note.amount_fen, note.drawn_on, note.contract_no, note.note_no,
            ))
        due_on, rate = renewed.due_on, renewed.annual_rate
    _drawn(ctx, bridge, replace(note, note_no=note.note_no.strip(), due_on=due_on, rate=rate))
    return bridge


def _drawn(ctx: Context, bridge: Bridge, note: NewNote) -> None:
    if bridge.new_drawn_on is not None:
        raise Refusal(ErrorCode.ALREADY_DONE)
    promise, amount_fen, drawn_on = live_commitment(bridge), note.amount_fen, note.drawn_on
    short = promise is not None and amount_fen < promise.promised_fen
    bridge.new_note_no, bridge.new_amount_fen, bridge.new_rate = note.note_no, amount_fen, note.rate or bridge.new_rate
    bridge.new_drawn_on, bridge.new_due_on = drawn_on, note.due_on
    if promise is not None:
        record(ctx, bridge, promise, Deed(today(), amount_fen, drawn_on, note.rate), note.excuse)
    move(ctx, bridge, "short_drawn" if short else "new_drawn")
    parties = [bridge.firm_id, bridge.funder_org_id, *organisations(OrgKind.BRIDGE_CENTRE)]
    if short:
        tell(ctx, bridge, [*parties, *organisations(OrgKind.BUREAU)],
             N_("借据 %(note)s 的新贷款放了 %(amount)s，少于承诺。差额由企业补足，转贷在归还前保持未结。"),
             amount=money_text(amount_fen))
    else:
        tell(ctx, bridge, parties, N_("借据 %(note)s 的新贷款已放款，等资金归还。"))
    about(bridge, new_amount_fen=amount_fen, drawn_on=drawn_on, short=short)


@use_case(Permission.BRIDGE_TICK, "bridge.new_drawn", returns=Bridge)
def follow_drawdown(ctx: Context, bridge_id: UUID) -> Bridge:
    """The renewed loan was drawn in the loans room: the bridge follows."""
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    loan = get_or_404(Loan, bridge.new_loan_id)
    waiting = bridge.state in (BridgeState.OLD_REPAID, BridgeState.OVERDUE) and bridge.new_drawn_on is None
    if waiting and loan.drawn_on is not None and loan.principal_fen is not None:
        _drawn(ctx, bridge, NewNote(
            loan.note_no or "", loan.principal_fen, loan.drawn_on, due_on=loan.due_on, rate=loan.annual_rate,
        ))
    about(bridge)
    return bridge


@handles("loan.drawn", "bridge.new_drawn")
def _on_drawn(ctx: Context, payload: dict[str, Any]) -> None:
    found = session().scalar(select(Bridge.id).where(Bridge.new_loan_id == UUID(payload["loan_id"])))
    if found is not None:
        follow_drawdown(ctx, found)


@use_case(Permission.BRIDGE_CONFIRM, "bridge.refuse_renewal", returns=Bridge)
def refuse_renewal(ctx: Context, bridge_id: UUID, reason: str, excuse: str | None = None) -> Bridge:
    """The bank does not renew although the money is out: it says why, the bureau sees it, the claim on the firm stays.

    The promise is not kept, unless ``excuse`` names a condition that is still open on the letter.
    """
    bridge = take(ctx, bridge_id, "refuse_renewal", only="new_bank_org_id")
    if bridge.refused_on is not None or bridge.new_drawn_on is not None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    promise = live_commitment(bridge)
    if promise is not None:
        record(ctx, bridge, promise, Deed(today(), refused=True), excuse)
        promise.state, promise.next_check_at = "WITHDRAWN", None
    bridge.refused_on = today()
    move(ctx, bridge, "refuse_renewal", reason=reason)
    tell(ctx, bridge, [*everybody(bridge), *organisations(OrgKind.BRIDGE_CENTRE), *organisations(OrgKind.BUREAU)],
         N_("%(bank)s在放款后未续贷（借据 %(note)s），原因：%(reason)s。资金方对企业的债权继续有效。"), bank=ctx.org_name,
         reason=reason.strip())
    about(bridge)
    return bridge
