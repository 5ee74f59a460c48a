"""The life of a commitment letter: its seal, what is still open, its end, and whether it was kept."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from app.bridge.commitment_models import CommitmentCondition, CommitmentOutcome
from app.bridge.commitment_rules import CONDITIONS, Deed, Verdict, Word, judge, notice_day
from app.bridge.models import Bridge, Commitment
from app.bridge.parties import organisations, tell
from app.bridge.states import OVER
from app.core.audit import canonical
from app.core.calendar import SHANGHAI, now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.outbox import settle_each, timed
from app.core.permissions import OrgKind, Permission
from app.core.uscc import normalise
from app.core.use_case import about, reading, use_case
from app.market import policy

constraint("ck_commitment_branch", ErrorCode.INVALID, "branch")
constraint("ck_commitment_dates", ErrorCode.INVALID, "valid_until")
constraint("ck_commitment_frozen", ErrorCode.STATE_CHANGED)

SIX_PLACES = Decimal("0.000001")


def seal_of(letter: Commitment, open_kinds: Collection[str]) -> bytes:
    """SHA-256 of the letter's canonical content: who promises what to whom for which note, what is open, and by when."""
    return hashlib.sha256(canonical({
        "bridge": letter.bridge_id, "bank": letter.org_id, "branch": letter.branch, "signer": letter.signer_id,
        "borrower": normalise(letter.borrower_uscc), "old_note_no": letter.old_note_no, "old_due_fen": letter.old_due_fen,
        "old_due_on": letter.old_due_on, "promised_fen": letter.promised_fen, "rate_low": letter.rate_low.quantize(SIX_PLACES),
        "rate_high": letter.rate_high.quantize(SIX_PLACES), "term_months": letter.term_months, "method": letter.method,
        "open": sorted(open_kinds), "conditions": letter.conditions, "latest_drawdown_on": letter.latest_drawdown_on,
        "receiving_account": letter.receiving_account, "valid_until": letter.valid_until,
    })).digest()


def conditions_of(commitment_id: UUID) -> list[CommitmentCondition]:
    """What was open when the letter was signed."""
    return list(session().scalars(
        select(CommitmentCondition).where(CommitmentCondition.commitment_id == commitment_id).order_by(CommitmentCondition.kind)
    ))


def seal_holds(letter: Commitment, conditions: Sequence[CommitmentCondition]) -> bool:
    """Whether the stored letter still is what was sealed."""
    return seal_of(letter, [one.kind for one in conditions]) == bytes(letter.seal_digest)


def leave_open(letter: Commitment, kinds: Collection[str]) -> None:
    """Keeps what is still open beside a letter that has just been signed."""
    session().add_all(
        CommitmentCondition(commitment_id=letter.id, org_id=letter.org_id, kind=kind) for kind in sorted(kinds)
    )
    session().flush()


def known_kinds(kinds: Collection[str]) -> tuple[str, ...]:
    """Codes of the closed list, once each. Raises ``Refusal(INVALID)`` for another."""
    if any(kind not in CONDITIONS for kind in kinds):
        raise Refusal(ErrorCode.INVALID, field="open_kinds")
    return tuple(sorted(set(kinds)))


@use_case(Permission.BRIDGE_CONFIRM, "bridge.condition_met", returns=CommitmentCondition)
def meet(ctx: Context, condition_id: UUID) -> CommitmentCondition:
    """The bank's officer marks a condition as met; from then on it excuses nothing. Raises NOT_FOUND, ALREADY_DONE."""
    row = get_or_404(CommitmentCondition, condition_id, lock=True)
    if row.org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    if row.met_on is not None:
        raise Refusal(ErrorCode.ALREADY_DONE)
    row.met_on, row.met_by = today(), ctx.actor_id
    session().flush()
    bridge = session().get_one(Bridge, session().get_one(Commitment, row.commitment_id).bridge_id)
    tell(ctx, bridge, [bridge.firm_id, *organisations(OrgKind.BRIDGE_CENTRE)],
         N_("%(bank)s确认续贷承诺里的一项条件已落实（借据 %(note)s）。"), bank=ctx.org_name)
    about(row, kind=row.kind)
    return row


# --- kept or not -------------------------------------------------------------------------------------------------------


def still_open(letter: Commitment, excuse: str | None) -> str | None:
    """The named condition, if it is open on the letter. Raises ``Refusal(INVALID)`` at ``excuse`` for one that is not."""
    if not excuse:
        return None
    if not any(one.kind == excuse and one.met_on is None for one in conditions_of(letter.id)):
        raise Refusal(ErrorCode.INVALID, field="excuse")
    return excuse


def record(ctx: Context, bridge: Bridge, letter: Commitment, deed: Deed, excuse: str | None = None) -> Verdict:
    """Judges the letter and keeps the outcome, in place of an earlier one: a late drawdown may turn out short as well."""
    verdict = judge(Word(letter.promised_fen, letter.latest_drawdown_on, letter.rate_high), deed, still_open(letter, excuse))
    with elevated(ctx, "bridge"):
        row = session().scalar(select(CommitmentOutcome).where(CommitmentOutcome.bridge_id == bridge.id).with_for_update())
        if row is None:
            row = CommitmentOutcome(bridge_id=bridge.id, org_id=letter.org_id, firm_id=bridge.firm_id)
            session().add(row)
        row.commitment_id, row.outcome, row.breaches = letter.id, verdict.outcome, list(verdict.breaches)
        row.excuse, row.after_payout, row.judged_on, row.judged_at = verdict.excuse, bridge.paid_on is not None, today(), now()
        session().flush()
    return verdict


# --- its end -----------------------------------------------------------------------------------------------------------


def last_day(letter: Commitment, bridge: Bridge) -> date:
    """The letter's last day: before the payout the earlier of its two days, after it the latest drawdown."""
    if bridge.paid_on is not None:
        return letter.latest_drawdown_on
    return min(letter.valid_until, letter.latest_drawdown_on)


def first_check(letter: Commitment, bridge: Bridge) -> datetime:
    """When a letter is looked at first: at its notice, or at once where that is over."""
    return _morning(max(today(), notice_day(last_day(letter, bridge), policy.transfer().letter_notice_wd)))


def _morning(day: date) -> datetime:
    return datetime.combine(day, time(0, 10), SHANGHAI)


@use_case(Permission.BRIDGE_TICK, "commitment.check")
def check(ctx: Context, commitment_id: UUID) -> int:
    """Tells of a letter's end some days before, once; ends it when it ran out unused; after the payout a drawdown that has
    not come by the latest day is a promise not kept. Returns 1 where something was told."""
    letter = get_or_404(Commitment, commitment_id, lock=True)
    bridge = session().get_one(Bridge, letter.bridge_id)
    about(letter, state=letter.state)
    done = letter.state != "LIVE" or bridge.state in OVER or bridge.new_drawn_on is not None or bridge.refused_on is not None
    if done:
        letter.next_check_at = None
        return 0
    last = last_day(letter, bridge)
    letter.next_check_at = _morning(last + timedelta(days=1))
    if today() > last:
        letter.next_check_at = None
        _ended(ctx, bridge, letter, last)
        return 1
    if letter.noticed_at is None and today() >= notice_day(last, policy.transfer().letter_notice_wd):
        letter.noticed_at = now()
        tell(ctx, bridge, [bridge.firm_id, letter.org_id, *organisations(OrgKind.BRIDGE_CENTRE)],
             N_("借据 %(note)s 的续贷承诺 %(day)s 到期，请在此之前办完，或请银行重新出具。"), day=last)
        return 1
    return 0


def _ended(ctx: Context, bridge: Bridge, letter: Commitment, last: date) -> None:
    parties = [bridge.firm_id, letter.org_id, bridge.funder_org_id, *organisations(OrgKind.BRIDGE_CENTRE)]
    if bridge.paid_on is None:
        letter.state, letter.expired_at = "EXPIRED", now()
        tell(ctx, bridge, parties, N_("借据 %(note)s 的续贷承诺已于 %(day)s 过期，未使用；请银行重新出具后再办。"), day=last)
        return
    record(ctx, bridge, letter, Deed(today()))
    tell(ctx, bridge, [*parties, *organisations(OrgKind.BUREAU)],
         N_("银行没有在承诺的最迟放款日 %(day)s 前放款（借据 %(note)s），计为未履行承诺。"), day=last)


@timed("bridge.letters")
def check_due(ctx: Context) -> int:
    """Every letter whose day has come; returns how many were told of."""
    with reading(ctx, Permission.BRIDGE_TICK) as db:
        found = list(db.scalars(
            select(Commitment.id).where(Commitment.next_check_at <= now()).order_by(Commitment.next_check_at).limit(200)
        ))
    return settle_each(found, lambda key: check(ctx, key), "letter")
