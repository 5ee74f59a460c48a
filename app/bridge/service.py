"""The firm and the centre's desk: the application, the precheck, the pick, the signature, the way out.

The ask before stands in ``ask_service``; banks act in ``bank_service``, funders and funds in ``fund_service``, money in
``money_service``. The portal records and checks; it never holds money.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select, update

from app.bridge import notes
from app.bridge.ask_service import old_loan
from app.bridge.checks import PrecheckFacts, automatic_checks, missing_ticks
from app.bridge.fund_models import BridgeQuote
from app.bridge.holding import confirm, let_go
from app.bridge.models import Bridge, Commitment, RenewalAsk
from app.bridge.parties import bring_in, everybody, move, organisations, take, tell
from app.bridge.rules import BridgeKind, is_urgent, max_bridge, terms_for
from app.bridge.states import LIFECYCLE, QuoteState
from app.bridge.terms import terms_of
from app.core.calendar import now, today
from app.core.cases import open_case
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.lifecycle import begin
from app.core.models import Case
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.enterprises.models import Enterprise
from app.identity.models import Organisation
from app.identity.service import keep_case
from app.loans.models import Loan
from app.loans.offline_service import recognise
from app.loans.queries import awaits_firm

constraint("ck_bridge_two_people", ErrorCode.SAME_PERSON)
constraint("ck_bridge_receivable", ErrorCode.STATE_CHANGED)
constraint("uq_bridge_quote_fund", ErrorCode.ALREADY_DONE)
constraint("uq_commitment_live", ErrorCode.STATE_CHANGED)

AHEAD_DAYS = 365
"""A loan that falls due later than this needs no bridge yet [P]."""


# --- the application ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Application:
    """What the firm asks for, in 分. Due amount and day are taken from the loan where it is on the portal.

    ``more_asks``: asks about another note of the same bank that the bridge pays off as well.
    """

    new_bank_id: UUID
    own_money_fen: int
    requested_fen: int
    planned_days: int
    urgent: bool = False
    old_due_fen: int | None = None
    old_due_on: date | None = None
    more_asks: tuple[UUID, ...] = ()


@use_case(Permission.BRIDGE_APPLY, "bridge.apply", returns=Bridge)
def apply(ctx: Context, ask_id: UUID, wish: Application) -> Bridge:
    """Books a bridge for a maturing loan; opens a case where the old loan has none here.

    Raises ``Refusal``: BRIDGE_NOT_NEEDED (the bank renews without repayment), BRIDGE_ASK_OPEN (it still
    has time to answer), NOT_VERIFIED, DATE_OUT_OF_RANGE,
    BRIDGE_URGENT, BRIDGE_OVER_LIMIT with the limit, DAYS_OUT_OF_RANGE, BRIDGE_EXISTS.
    """
    ask = get_or_404(RenewalAsk, ask_id)
    if ask.firm_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    if ask.granted:
        raise Refusal(ErrorCode.BRIDGE_NOT_NEEDED)
    if not ask.allows_bridge:
        raise Refusal(ErrorCode.BRIDGE_ASK_OPEN)
    firm = get_or_404(Enterprise, ask.firm_id)
    if firm.state != "verified":
        raise Refusal(ErrorCode.NOT_VERIFIED)
    dues = [_due(ctx, ask, wish.old_due_fen, wish.old_due_on), *_more(ctx, ask, wish.more_asks)]
    loan = session().get_one(Loan, ask.old_loan_id) if ask.old_loan_id is not None else None
    new_bank = get_or_404(Organisation, wish.new_bank_id)
    if new_bank.kind != OrgKind.BANK.value:
        raise Refusal(ErrorCode.NOT_FOUND)
    for due in dues:
        if due.loan_id is not None and awaits_firm(session().get_one(Loan, due.loan_id)):
            recognise(ctx, due.loan_id)  # who asks for a bridge over a loan calls it its own
    kind = BridgeKind.SAME_BANK if new_bank.id == ask.bank_org_id else BridgeKind.CROSS_BANK
    due_fen, due_on = sum(due.due_fen for due in dues), _plausible(wish, kind, dues)
    case = session().get_one(Case, loan.case_id) if loan is not None else open_case("bridge", firm.id, "转贷")
    bridge = Bridge(
        case_id=case.id, firm_id=firm.id, firm_name=ctx.org_name, ask_id=ask.id, old_loan_id=ask.old_loan_id,
        old_bank_org_id=ask.bank_org_id, new_bank_org_id=new_bank.id, kind=kind.value, old_note_no=ask.note_no,
        old_due_fen=due_fen, old_due_on=due_on, own_money_fen=wish.own_money_fen, requested_fen=wish.requested_fen,
        planned_days=wish.planned_days, urgent=wish.urgent, state="APPLIED", state_since=now(), applied_at=now(),
        applied_by=ctx.actor_id, checks=[],
    )
    session().add(bridge)
    begin(ctx, LIFECYCLE, bridge, event="apply", shared=True)
    notes.put(bridge, dues)
    keep_case(ctx, case)
    centres = organisations(OrgKind.BRIDGE_CENTRE)
    bring_in(ctx, bridge, *centres)
    tell(ctx, bridge, centres, N_("%(firm)s申请转贷（借据 %(note)s），请预审。"))
    about(bridge, kind=kind.value, requested_fen=wish.requested_fen, old_due_fen=due_fen, old_due_on=due_on,
          urgent=wish.urgent)
    return bridge


def _due(ctx: Context, ask: RenewalAsk, due_fen: int | None, due_on: date | None) -> notes.Due:
    """What falls due on the note of an ask: by the loan where it is on the portal, as told otherwise."""
    loan = old_loan(ctx, ask.old_loan_id) if ask.old_loan_id is not None else None
    day = loan.due_on if loan is not None else due_on
    if day is None:
        raise _day_refused()
    return notes.Due(ask, ask.old_loan_id, loan.principal_left_fen if loan is not None else due_fen or 0, day)


def _more(ctx: Context, ask: RenewalAsk, more: Collection[UUID]) -> list[notes.Due]:
    """Further notes of the same firm at the same bank. Raises ``Refusal(INVALID)`` for another one, or for too many."""
    offered = {one.id: one for one in notes.other_asks(ask)}
    if len(set(more)) >= notes.MOST or any(key not in offered for key in more):
        raise Refusal(ErrorCode.INVALID, field="more_notes")
    return [_due(ctx, offered[key], offered[key].due_fen, offered[key].due_on) for key in dict.fromkeys(more)]


def _day_refused() -> Refusal:
    low, high = today(), today() + timedelta(days=AHEAD_DAYS)
    return Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="old_due_on", low=low.isoformat(), high=high.isoformat())


def _plausible(wish: Application, kind: BridgeKind, dues: Sequence[notes.Due]) -> date:
    """The earliest due day, once everything that the firm typed makes sense. Raises ``Refusal``."""
    terms = terms_for(kind)
    due_fen, due_on = sum(due.due_fen for due in dues), min(due.due_on for due in dues)
    if due_on < today() or max(due.due_on for due in dues) > today() + timedelta(days=AHEAD_DAYS):
        raise _day_refused()
    if min(due.due_fen for due in dues) <= 0:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="old_due", low=money_text(1), high=money_text(terms.cap_fen))
    if not 0 <= wish.own_money_fen < due_fen:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="own_money", low=money_text(0), high=money_text(due_fen - 1))
    limit = min(due_fen - wish.own_money_fen, terms.cap_fen)
    if wish.requested_fen <= 0:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="requested", low=money_text(1), high=money_text(limit))
    if wish.requested_fen > limit:
        raise Refusal(ErrorCode.BRIDGE_OVER_LIMIT, field="requested", limit=money_text(limit))
    if not 1 <= wish.planned_days <= terms.max_days:
        raise Refusal(ErrorCode.DAYS_OUT_OF_RANGE, field="planned_days", high=terms.max_days)
    if is_urgent(today(), due_on, terms) and not wish.urgent:
        raise Refusal(ErrorCode.BRIDGE_URGENT, field="urgent", days=terms.application_lead_wd)
    return due_on


# --- the centre's desk -------------------------------------------------------------------------------------------------


def precheck_facts(bridge: Bridge) -> PrecheckFacts:
    """What the portal knows about a bridge at this moment, for the automatic checks."""
    firm = get_or_404(Enterprise, bridge.firm_id)
    found = notes.notes_of(bridge.id)
    loans = [session().get(Loan, note.old_loan_id) for note in found if note.old_loan_id is not None]
    asked = all(get_or_404(RenewalAsk, note.ask_id).allows_bridge for note in found)
    return PrecheckFacts(
        verified=firm.state == "verified", size_class=firm.size_class, sole_trader=firm.form == "sole_trader",
        overdue_days=max((loan.overdue_days for loan in loans if loan is not None), default=0), asked_and_refused=asked,
        applied_on=bridge.applied_at.date(), due_on=bridge.old_due_on, urgent=bridge.urgent,
    )


@use_case(Permission.BRIDGE_DESK, "bridge.precheck", returns=Bridge)
def precheck(ctx: Context, bridge_id: UUID, ticked: Collection[str]) -> Bridge:
    """The clerk lets a bridge through. Raises ``Refusal(BRIDGE_CHECKS)`` where a check fails or a tick is missing."""
    bridge = take(ctx, bridge_id, "precheck")
    checks = automatic_checks(precheck_facts(bridge), terms_for(BridgeKind(bridge.kind)))
    if not all(check.passed for check in checks):
        raise Refusal(ErrorCode.BRIDGE_CHECKS)
    if missing_ticks(ticked):
        raise Refusal(ErrorCode.BRIDGE_CHECKS, field="ticks")
    bridge.checks = [{"code": check.code, "message": check.message, "shown": check.shown} for check in checks] + [
        {"code": code, "by": str(ctx.actor_id)} for code in sorted(ticked)
    ]
    move(ctx, bridge, "precheck")
    bring_in(ctx, bridge, bridge.old_bank_org_id, bridge.new_bank_org_id)
    tell(ctx, bridge, [bridge.new_bank_org_id], N_("%(firm)s申请转贷（借据 %(note)s），请贵行出具续贷承诺。"))
    tell(ctx, bridge, [bridge.firm_id], N_("转贷申请（借据 %(note)s）已通过预审，等银行出具续贷承诺。"))
    about(bridge, ticks=sorted(ticked))
    return bridge


@use_case(Permission.BRIDGE_DESK, "bridge.reject", returns=Bridge)
def reject(ctx: Context, bridge_id: UUID, reason: str) -> Bridge:
    """The clerk refuses at the precheck, with a reason."""
    return _reject(ctx, bridge_id, reason)


@use_case(Permission.BRIDGE_APPROVE, "bridge.reject_at_approval", returns=Bridge)
def reject_at_approval(ctx: Context, bridge_id: UUID, reason: str) -> Bridge:
    """The reviewer does not approve, with a reason."""
    return _reject(ctx, bridge_id, reason)


def _reject(ctx: Context, bridge_id: UUID, reason: str) -> Bridge:
    bridge = take(ctx, bridge_id, "reject")
    let_go(ctx, bridge)
    move(ctx, bridge, "reject", reason=reason)
    tell(ctx, bridge, everybody(bridge), N_("%(firm)s的转贷申请（借据 %(note)s）未通过，原因：%(reason)s"), reason=reason.strip())
    about(bridge)
    return bridge


# --- the firm's choice and signature -----------------------------------------------------------------------------------


def live_commitment(bridge: Bridge) -> Commitment | None:
    """The bank's promise that counts."""
    return session().scalar(select(Commitment).where(Commitment.bridge_id == bridge.id, Commitment.state == "LIVE"))


def last_word(bridge: Bridge) -> Commitment | None:
    """The promise that counts, or the one that ran out: what the bank signs next is measured against it."""
    return session().scalar(
        select(Commitment).where(Commitment.bridge_id == bridge.id, Commitment.state.in_(("LIVE", "EXPIRED")))
        .order_by(Commitment.signed_at.desc()).limit(1)
    )


def standing_commitment(bridge: Bridge) -> Commitment:
    """The promise, still good today. Raises ``Refusal(COMMITMENT_EXPIRED)``."""
    found = last_word(bridge)
    if found is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    last = min(found.valid_until, found.latest_drawdown_on)
    if found.state == "EXPIRED" or today() > last:
        raise Refusal(ErrorCode.COMMITMENT_EXPIRED, day=last.isoformat())
    return found


@use_case(Permission.BRIDGE_APPLY, "bridge.pick", returns=Bridge)
def pick(ctx: Context, bridge_id: UUID, quote_id: UUID) -> Bridge:
    """The firm picks a fund's quote; its amount and terms are frozen. It may pick another one until the approval.

    Raises ``Refusal(BID_EXPIRED)`` for a quote past its day, ``Refusal(BRIDGE_OVER_LIMIT)`` where the promise shrank.
    """
    bridge = take(ctx, bridge_id, "pick", only="firm_id")
    quote = get_or_404(BridgeQuote, quote_id, lock=True)
    if quote.bridge_id != bridge.id or quote.state not in (QuoteState.OFFERED, QuoteState.PICKED):
        raise Refusal(ErrorCode.NOT_FOUND)
    assert quote.amount_fen is not None and quote.terms is not None and quote.valid_until is not None
    if today() > quote.valid_until:
        raise Refusal(ErrorCode.BID_EXPIRED)
    promise = standing_commitment(bridge)
    limit = max_bridge(bridge.old_due_fen, bridge.own_money_fen, promise.promised_fen, terms_of(quote.terms))
    if quote.amount_fen > limit:
        raise Refusal(ErrorCode.BRIDGE_OVER_LIMIT, limit=money_text(limit))
    let_go(ctx, bridge)
    session().execute(
        update(BridgeQuote).where(BridgeQuote.bridge_id == bridge.id, BridgeQuote.state == QuoteState.PICKED.value)
        .values(state=QuoteState.OFFERED.value)
    )
    quote.state = QuoteState.PICKED.value
    session().flush()
    bridge.quote_id, bridge.fund_id, bridge.funder_org_id = quote.id, quote.fund_id, quote.org_id
    bridge.amount_fen, bridge.terms = quote.amount_fen, quote.terms
    move(ctx, bridge, "pick")
    tell(ctx, bridge, [quote.org_id], N_("%(firm)s选定了贵方的转贷报价，等转贷中心审批。"))
    tell(ctx, bridge, organisations(OrgKind.BRIDGE_CENTRE), N_("%(firm)s的转贷（借据 %(note)s）已选定资金方，请审批。"))
    about(bridge, amount_fen=bridge.amount_fen, fund_id=bridge.fund_id)
    return bridge


@use_case(Permission.BRIDGE_APPLY, "bridge.sign", returns=Bridge)
def sign(ctx: Context, bridge_id: UUID, agreement_no: str, seen_fee_fen: int) -> Bridge:
    """The firm confirms the three-party agreement after reading the fee preview.

    ``seen_fee_fen`` (分) is the total that stood on the page; raises ``Refusal(IDEMPOTENCY)`` where it is no longer that,
    so that nobody signs another fee than the one they read.
    """
    from app.bridge.account_service import confirmed_accounts
    from app.bridge.agreement_service import issue_agreement
    from app.bridge.queries import fee_preview

    bridge = take(ctx, bridge_id, "sign", only="firm_id")
    shown = fee_preview(bridge)
    if shown is None or shown.total_fen != seen_fee_fen:
        raise Refusal(ErrorCode.IDEMPOTENCY)
    confirmed_accounts(bridge)
    confirm(ctx, bridge)
    bridge.agreement_no, bridge.signed_at, bridge.signed_by = agreement_no.strip(), now(), ctx.actor_id
    move(ctx, bridge, "sign")
    issue_agreement(ctx, bridge, standing_commitment(bridge), shown)
    tell(ctx, bridge, [*organisations(OrgKind.BRIDGE_CENTRE), bridge.funder_org_id, bridge.new_bank_org_id],
         N_("%(firm)s已签订三方协议（借据 %(note)s），可以放款。"))
    about(bridge, amount_fen=bridge.amount_fen, fee_fen=seen_fee_fen, agreement_no=bridge.agreement_no)
    return bridge


@use_case(Permission.BRIDGE_APPLY, "bridge.cancel", returns=Bridge)
def cancel(ctx: Context, bridge_id: UUID, reason: str) -> Bridge:
    """The firm withdraws before the payout; what was reserved is given back."""
    return _cancel(ctx, bridge_id, reason)


@use_case(Permission.BRIDGE_DESK, "bridge.cancel_by_centre", returns=Bridge)
def cancel_by_centre(ctx: Context, bridge_id: UUID, reason: str) -> Bridge:
    """The centre ends a bridge before the payout; what was reserved is given back."""
    return _cancel(ctx, bridge_id, reason)


def _cancel(ctx: Context, bridge_id: UUID, reason: str) -> Bridge:
    bridge = take(ctx, bridge_id, "cancel")
    let_go(ctx, bridge)
    move(ctx, bridge, "cancel", reason=reason)
    parties = [*everybody(bridge), *organisations(OrgKind.BRIDGE_CENTRE)]
    tell(ctx, bridge, parties, N_("%(firm)s的转贷（借据 %(note)s）已取消，预留的资金已释放。"))
    about(bridge)
    return bridge
