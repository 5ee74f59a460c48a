"""Troubles: opened and ended by the bridge's own events and the timed work, answered by their owners, reported by people.

The named claim of the funder stands beside them, in ``claim_service``.
"""

from __future__ import annotations

import logging
from typing import IO
from uuid import UUID

from sqlalchemy import or_, select

from app.bridge import bank_service, guarantee_service, service
from app.bridge.claim_service import close_claim, name_claim
from app.bridge.collateral_models import BridgeCollateral
from app.bridge.collateral_rules import CollateralState
from app.bridge.collateral_service import late_steps, start_clock
from app.bridge.models import Bridge, Commitment, RenewalAsk
from app.bridge.notes import standing_on
from app.bridge.parties import everybody, organisations, tell
from app.bridge.states import OVER, BridgeState, reopens
from app.bridge.trouble_models import BridgeTrouble
from app.bridge.trouble_rules import (
    CALLED_OFF,
    ENDS,
    KINDS,
    REPORTED,
    REPORTERS,
    TROUBLE,
    UNDRAWN,
    Outcome,
    TroubleKind,
    TroubleState,
    due_at,
    old_loan_late,
    short_gap,
)
from app.core.calendar import add_working_days, now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, ensure, fire
from app.core.models import Notice
from app.core.notices import notify
from app.core.outbox import settle_each, timed
from app.core.permissions import OrgKind, Permission
from app.core.storage import PAPER_LIMIT, store_paper, take_in
from app.core.use_case import about, reading, use_case
from app.market import policy

constraint("uq_bridge_trouble_open", ErrorCode.TROUBLE_OPEN)

log = logging.getLogger(__name__)

TWICE = N_("%(firm)s对借据 %(note)s 又提出了一次转贷申请，已拒绝；原来那一笔照常办理。")
"""Told to the centre at most once a bridge."""
REOPENED = {reopens(BridgeState.OVERDUE): TroubleKind.OVERDUE, reopens(BridgeState.RENEWAL_REFUSED): TroubleKind.RENEWAL_REFUSED}
"""Events that put money out again under a bridge whose claim has to stand."""


# --- opened and ended by what happens ------------------------------------------------------------------------------------


def standing(bridge_id: UUID) -> list[BridgeTrouble]:
    """Troubles of a bridge that are not closed, oldest first."""
    return list(session().scalars(
        select(BridgeTrouble).where(BridgeTrouble.bridge_id == bridge_id, BridgeTrouble.state != TroubleState.CLOSED.value)
        .order_by(BridgeTrouble.opened_at)
    ))


def open_trouble(
    ctx: Context, bridge: Bridge, kind: TroubleKind, *, amount_fen: int | None = None, note: str = "",
    owner_org_id: UUID | None = None,
) -> BridgeTrouble | None:
    """Opens a trouble; ``None`` where one of the kind is open already. Its owner, the centre and the bureau are told."""
    told = KINDS[kind]
    with elevated(ctx, "bridge"):
        if any(one.kind == kind for one in standing(bridge.id)):
            return None
        owner = getattr(bridge, told.column) if told.column is not None else owner_org_id
        owner = owner or organisations(OrgKind.BRIDGE_CENTRE)[0]
        row = BridgeTrouble(
            bridge_id=bridge.id, case_id=bridge.case_id, kind=kind.value, state=TroubleState.OPEN.value, owner_org_id=owner,
            owner_role=told.role.value, opened_at=now(), opened_by=ctx.actor_id, opened_org_id=ctx.org_id,
            due_at=due_at(kind, now(), policy.transfer()), amount_fen=amount_fen or None, note=note.strip(),
        )
        session().add(row)
        begin(ctx, TROUBLE, row, event="open", shared=True, reason="；".join(filter(None, (told.name, row.note))))
        for org_id in dict.fromkeys([owner, *organisations(OrgKind.BRIDGE_CENTRE), *organisations(OrgKind.BUREAU)]):
            _notify(bridge, row, org_id, N_("%(firm)s的转贷（借据 %(note)s）发生异常事项，请看由谁处理、什么时候之前处理。"))
    return row


def _notify(bridge: Bridge, row: BridgeTrouble, org_id: UUID, message: str) -> None:
    notify(org_id, message, path=f"/bridges/troubles/{row.id}", case_id=bridge.case_id, firm=bridge.firm_name,
           note=bridge.old_note_no)


def _claimed(ctx: Context, bridge: Bridge, kind: TroubleKind) -> None:
    """Names the claim; a guarantor to whom it passes has a deadline of its own."""
    called = name_claim(ctx, bridge, kind)
    if called is not None:
        open_trouble(ctx, bridge, TroubleKind.GUARANTEE_CALLED, amount_fen=bridge.outstanding_fen, owner_org_id=called.org_id)


def _resolve(system: Context, row: BridgeTrouble, outcome: Outcome) -> None:
    row.outcome, row.closed_at = outcome.value, now()
    fire(system, TROUBLE, row, "resolve", reason="；".join((KINDS[TroubleKind(row.kind)].name, outcome.label)))


def end_trouble(ctx: Context, bridge: Bridge, kind: TroubleKind, outcome: Outcome) -> None:
    """Ends the open trouble of a kind, if there is one, by what happened."""
    with elevated(ctx, "bridge") as system:
        for row in standing(bridge.id):
            if row.kind == kind:
                _resolve(system, row, outcome)


def after_move(ctx: Context, bridge: Bridge, event: str, reason: str | None) -> None:
    """What an event of a bridge does to its troubles and its claim. Raises ``Refusal(BRIDGE_FROZEN)`` for a drawdown that a
    bank reports into a frozen account; what the loans room has drawn already is followed.
    """
    if event in ("new_drawn", "short_drawn") and ctx.org_kind is OrgKind.BANK and any(
            one.kind == TroubleKind.COURT_FREEZE for one in standing(bridge.id)):
        raise Refusal(ErrorCode.BRIDGE_FROZEN)
    _end_what_ends(ctx, bridge, event)
    if event == "refuse_renewal":
        _refused(ctx, bridge, (reason or "").strip())
    elif event == "short_drawn":
        gap = short_gap(bridge.outstanding_fen, bridge.new_amount_fen or 0)
        if gap:
            open_trouble(ctx, bridge, TroubleKind.SHORT_DRAWN, amount_fen=gap)
            _claimed(ctx, bridge, TroubleKind.SHORT_DRAWN)
    elif event == "overdue":
        open_trouble(ctx, bridge, TroubleKind.OVERDUE, amount_fen=bridge.outstanding_fen)
        _claimed(ctx, bridge, TroubleKind.OVERDUE)
    elif event in ("fund", "unpay"):
        start_clock(ctx, bridge, bridge.paid_on)
        if event == "fund" and old_loan_late(bridge.old_due_on, today()):
            open_trouble(ctx, bridge, TroubleKind.OLD_LOAN_LATE, amount_fen=bridge.old_due_fen)
    elif event in REOPENED:  # what was recorded as returned is claimed again
        _claimed(ctx, bridge, REOPENED[event])
    elif event == "settle" or event in CALLED_OFF:
        guarantee_service.end(ctx, bridge)


def _end_what_ends(ctx: Context, bridge: Bridge, event: str) -> None:
    ends = ENDS.get(event)
    if ends is None:
        return
    with elevated(ctx, "bridge") as system:
        for row in standing(bridge.id):
            outcome = ends.get(TroubleKind(row.kind))
            if outcome is not None:
                _resolve(system, row, outcome)
    if event == "returned":
        close_claim(ctx, bridge)


def _refused(ctx: Context, bridge: Bridge, reason: str) -> None:
    """The bank said why at once, or answers what somebody reported: either way its part is done, and the money is still out."""
    open_trouble(ctx, bridge, TroubleKind.RENEWAL_REFUSED, amount_fen=bridge.outstanding_fen)
    _claimed(ctx, bridge, TroubleKind.RENEWAL_REFUSED)
    with elevated(ctx, "bridge"):
        row = next(one for one in standing(bridge.id) if one.kind == TroubleKind.RENEWAL_REFUSED)
        row.answer, row.answered_at = reason, now()
        fire(ctx, TROUBLE, row, "answer", reason=reason)


@use_case(Permission.BRIDGE_APPLY, "bridge_trouble.doubled")
def note_double(ctx: Context, ask_id: UUID) -> None:
    """Somebody asked for a second bridge over a note that has one. Of another firm the centre looks into it, and no firm is
    named; a second click of the same firm is told to the centre, once."""
    ask = get_or_404(RenewalAsk, ask_id)
    with elevated(ctx, "bridge") as system:
        bridge = session().scalars(select(Bridge).where(
            Bridge.id.in_(standing_on(ask.bank_org_id, ask.note_no)), Bridge.state.not_in(OVER),
        ).with_for_update()).one_or_none()
        if bridge is not None:
            own = bridge.firm_id == ask.firm_id
            if not own:
                open_trouble(system, bridge, TroubleKind.DOUBLED, amount_fen=bridge.old_due_fen,
                             note=N_("另一家企业也提出了申请"))
            elif not session().scalar(select(Notice.id).where(Notice.case_id == bridge.case_id, Notice.message == TWICE,
                                                              Notice.path == f"/bridges/{bridge.id}").limit(1)):
                tell(ctx, bridge, organisations(OrgKind.BRIDGE_CENTRE), TWICE)
            about(bridge, same_firm=own)


def apply(ctx: Context, ask_id: UUID, wish: service.Application) -> Bridge:
    """``service.apply``; a second application for one note is refused there, and told to the centre here."""
    try:
        return service.apply(ctx, ask_id, wish)
    except Refusal as error:
        if error.code is ErrorCode.BRIDGE_EXISTS:
            try:
                note_double(ctx.with_token(None), ask_id)
            except Exception:  # the firm hears why it was refused, whatever becomes of the note about it
                log.exception("a second application was not noted")
        raise


# --- people -------------------------------------------------------------------------------------------------------------


def may_report(ctx: Context, bridge: Bridge) -> list[TroubleKind]:
    """What the viewer may report about a bridge now; open ones of the kind are refused when they try."""
    if not ctx.can(Permission.BRIDGE_ANSWER) or ctx.org_kind is None:
        return []
    near = ctx.org_kind is OrgKind.BRIDGE_CENTRE or ctx.org_id in everybody(bridge)
    untold = bridge.new_drawn_on is None and bridge.refused_on is None
    return [kind for kind, states in REPORTED.items()
            if near and untold and bridge.state in states and ctx.org_kind in REPORTERS[kind]]


@use_case(Permission.BRIDGE_ANSWER, "bridge_trouble.report", returns=BridgeTrouble)
def report(ctx: Context, bridge_id: UUID, kind: TroubleKind, note: str, amount_fen: int | None = None) -> BridgeTrouble:
    """A party reports a freeze, or that the bank will not renew. Raises ``Refusal``: FORBIDDEN, REASON_NEEDED, TROUBLE_OPEN."""
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    if kind not in may_report(ctx, bridge):
        raise Refusal(ErrorCode.FORBIDDEN)
    if not note.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="note")
    row = open_trouble(ctx, bridge, kind, amount_fen=amount_fen if kind is TroubleKind.COURT_FREEZE else bridge.outstanding_fen,
                       note=note)
    if row is None:
        raise Refusal(ErrorCode.TROUBLE_OPEN)
    about(row, kind=kind.value)
    return row


def can_answer(ctx: Context, row: BridgeTrouble) -> bool:
    """Whether the viewer is the owner of an open trouble."""
    return row.state == TroubleState.OPEN and row.owner_org_id == ctx.org_id and ctx.can(Permission.BRIDGE_ANSWER)


def _taken(ctx: Context, trouble_id: UUID, event: str) -> BridgeTrouble:
    row = get_or_404(BridgeTrouble, trouble_id, lock=True)
    ensure(ctx, TROUBLE, row, event)
    return row


@use_case(Permission.BRIDGE_ANSWER, "bridge_trouble.answer", returns=BridgeTrouble)
def answer(ctx: Context, trouble_id: UUID, reason: str) -> BridgeTrouble:
    """The owner says why or what it does. A bank that is asked why it does not renew refuses the renewal by its answer.

    Raises ``Refusal``: FORBIDDEN for anybody but the owner, REASON_NEEDED, STATE_CHANGED.
    """
    row = _taken(ctx, trouble_id, "reply")
    if row.owner_org_id != ctx.org_id:
        raise Refusal(ErrorCode.FORBIDDEN)
    kind = TroubleKind(row.kind)
    if kind is TroubleKind.RENEWAL_REFUSED:
        bank_service.refuse_renewal(ctx, row.bridge_id, reason)
    else:
        row.answer, row.answered_at = reason.strip() or None, now()
        fire(ctx, TROUBLE, row, "answer" if KINDS[kind].answer_is_enough else "reply", reason=reason)
        bridge = get_or_404(Bridge, row.bridge_id)
        tell(ctx, bridge, [*everybody(bridge), *organisations(OrgKind.BRIDGE_CENTRE)],
             N_("%(who)s答复了异常事项（借据 %(note)s）：%(reason)s"), who=ctx.org_name, reason=reason.strip())
    about(row)
    return row


@use_case(Permission.BRIDGE_ANSWER, "bridge_trouble.deny", returns=BridgeTrouble)
def deny(ctx: Context, trouble_id: UUID, reason: str) -> BridgeTrouble:
    """The bank says that it renews after all. Raises ``Refusal(FORBIDDEN)`` for anybody else."""
    row = _taken(ctx, trouble_id, "deny")
    if row.owner_org_id != ctx.org_id or row.kind != TroubleKind.RENEWAL_REFUSED:
        raise Refusal(ErrorCode.FORBIDDEN)
    row.reason, row.outcome, row.closed_at = reason.strip(), Outcome.RENEWING.value, now()
    fire(ctx, TROUBLE, row, "deny", reason=reason)
    bridge = get_or_404(Bridge, row.bridge_id)
    tell(ctx, bridge, [*everybody(bridge), *organisations(OrgKind.BRIDGE_CENTRE), *organisations(OrgKind.BUREAU)],
         N_("%(bank)s说明仍将续贷（借据 %(note)s）：%(reason)s"), bank=ctx.org_name, reason=reason.strip())
    about(row)
    return row


@use_case(Permission.BRIDGE_ANSWER, "bridge_trouble.lift", returns=BridgeTrouble)
def lift(ctx: Context, trouble_id: UUID, reason: str, filename: str, stream: IO[bytes]) -> BridgeTrouble:
    """A freeze is lifted with the court's paper, by whoever may report one. Raises the refusals of ``core.storage``."""
    row = _taken(ctx, trouble_id, "lift")
    if row.kind != TroubleKind.COURT_FREEZE or ctx.org_kind not in REPORTERS[TroubleKind.COURT_FREEZE]:
        raise Refusal(ErrorCode.FORBIDDEN)
    stored = take_in(stream, limit=PAPER_LIMIT, limit_text=f"{PAPER_LIMIT // (1024 * 1024)} MB")
    store_paper(ctx, subject_type=BridgeTrouble.__tablename__, subject_id=row.id, case_id=row.case_id, kind="unfreeze",
                filename=filename, stored=stored)
    row.reason, row.outcome, row.closed_at = reason.strip(), Outcome.LIFTED.value, now()
    fire(ctx, TROUBLE, row, "lift", reason=reason)
    bridge = get_or_404(Bridge, row.bridge_id)
    tell(ctx, bridge, [*everybody(bridge), *organisations(OrgKind.BRIDGE_CENTRE)],
         N_("借据 %(note)s 的转贷：账户冻结已解除，可以继续办理。"))
    about(row)
    return row


# --- timed --------------------------------------------------------------------------------------------------------------


@use_case(Permission.BRIDGE_TICK, "bridge_trouble.look", returns=Bridge)
def look_at(ctx: Context, bridge_id: UUID) -> Bridge:
    """Opens what time alone has brought: an old loan past its day without the money, a promise that ran out undrawn."""
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    if bridge.state == BridgeState.SIGNED and old_loan_late(bridge.old_due_on, today()):
        open_trouble(ctx, bridge, TroubleKind.OLD_LOAN_LATE, amount_fen=bridge.old_due_fen)
    if bridge.state == BridgeState.OVERDUE:  # overdue before troubles were rows
        open_trouble(ctx, bridge, TroubleKind.OVERDUE, amount_fen=bridge.outstanding_fen)
    promise = session().scalar(select(Commitment).where(Commitment.bridge_id == bridge.id, Commitment.state == "LIVE"))
    undrawn = bridge.state in UNDRAWN and bridge.new_drawn_on is None and bridge.refused_on is None
    if undrawn and promise is not None and today() > min(promise.valid_until, promise.latest_drawdown_on):
        open_trouble(ctx, bridge, TroubleKind.PROMISE_EXPIRED, amount_fen=bridge.outstanding_fen)
    for kind in sorted(late_steps(bridge.id)):
        open_trouble(ctx, bridge, kind)
    about(bridge)
    return bridge


@use_case(Permission.BRIDGE_TICK, "bridge_trouble.warn", returns=BridgeTrouble)
def warn(ctx: Context, trouble_id: UUID) -> BridgeTrouble:
    """The deadline of a trouble has passed: its owner, the centre and the bureau are told, once."""
    row = get_or_404(BridgeTrouble, trouble_id, lock=True)
    if row.state == TroubleState.OPEN and row.warned_at is None:
        row.warned_at = now()
        bridge = get_or_404(Bridge, row.bridge_id)
        for org_id in dict.fromkeys([row.owner_org_id, *organisations(OrgKind.BRIDGE_CENTRE), *organisations(OrgKind.BUREAU)]):
            _notify(bridge, row, org_id, N_("%(firm)s的转贷（借据 %(note)s）有异常事项已过处理期限。"))
    about(row)
    return row


@timed("bridge.troubles")
def find_troubles(ctx: Context) -> int:
    """Opens what is due and warns of what is late; returns how many."""
    day = today()
    open_kinds = select(BridgeTrouble.kind).where(
        BridgeTrouble.bridge_id == Bridge.id, BridgeTrouble.state != TroubleState.CLOSED.value)
    with reading(ctx, Permission.BRIDGE_TICK) as db:
        late_loan = (
            (Bridge.state == BridgeState.SIGNED.value) & (Bridge.old_due_on <= add_working_days(day, -1))
            & ~open_kinds.where(BridgeTrouble.kind == TroubleKind.OLD_LOAN_LATE.value).exists()
        )
        ran_out = (
            Bridge.state.in_([one.value for one in UNDRAWN]) & Bridge.new_drawn_on.is_(None) & Bridge.refused_on.is_(None)
            & select(Commitment.id).where(
                Commitment.bridge_id == Bridge.id, Commitment.state == "LIVE",
                or_(Commitment.valid_until < day, Commitment.latest_drawdown_on < day)).exists()
            & ~open_kinds.where(BridgeTrouble.kind == TroubleKind.PROMISE_EXPIRED.value).exists()
        )
        unpaid = (Bridge.state == BridgeState.OVERDUE.value) & ~open_kinds.where(
            BridgeTrouble.kind == TroubleKind.OVERDUE.value).exists()
        found = list(db.scalars(select(Bridge.id).where(
            Bridge.state.in_([one.value for one in UNDRAWN]), or_(late_loan, ran_out, unpaid)).limit(500)))
        moves = (select(BridgeCollateral.id).where(BridgeCollateral.bridge_id == Bridge.id, state, due < day).exists()
                 & ~open_kinds.where(BridgeTrouble.kind == kind.value).exists() for state, due, kind in (
            (BridgeCollateral.state == CollateralState.AT_OLD.value, BridgeCollateral.release_by, TroubleKind.COLLATERAL_RELEASE),
            (BridgeCollateral.state == CollateralState.RELEASED.value, BridgeCollateral.register_by,
             TroubleKind.COLLATERAL_REGISTER),
        ))
        found += [key for key in db.scalars(select(Bridge.id).where(or_(*moves)).limit(500)) if key not in found]
        late = list(db.scalars(select(BridgeTrouble.id).where(
            BridgeTrouble.state == TroubleState.OPEN.value, BridgeTrouble.warned_at.is_(None), BridgeTrouble.due_at <= now(),
        ).limit(500)))
    return (settle_each(found, lambda key: int(look_at(ctx, key) is not None), "bridge")
            + settle_each(late, lambda key: int(warn(ctx, key) is not None), "trouble"))
