"""Agreements with funders: drafted by one person of the centre, signed off by another one, called to mind before they end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import or_, select

from app.bridge import ceilings
from app.bridge.fund_models import FundAgreement
from app.bridge.fund_states import AGREEMENT, AgreementState
from app.bridge.parties import organisations
from app.bridge.rules import BridgeKind
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.lifecycle import begin, ensure, fire
from app.core.notices import notify
from app.core.outbox import settle_each, timed
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, reading, use_case
from app.identity.models import Organisation

constraint("uq_fund_agreement_number", ErrorCode.DOCUMENT_TAKEN, "number")
constraint("ck_fund_agreement_two_persons", ErrorCode.SAME_PERSON)
constraint("ck_fund_agreement_hands", ErrorCode.STATE_CHANGED)
constraint("ck_fund_agreement_dates", ErrorCode.INVALID, "valid_to")


@dataclass(frozen=True)
class Deed:
    """What is agreed: validity with both days included, kinds of bridges, who signed for either side."""

    number: str
    kinds: Collection[BridgeKind]
    valid_from: date
    valid_to: date
    funder_signer: str
    centre_signer: str


@use_case(Permission.FUND_DRAFT, "fund.agreement_draft", returns=FundAgreement)
def draft(ctx: Context, funder_id: UUID, deed: Deed, reason: str) -> FundAgreement:
    """Drafts an agreement; it changes nothing before another person signs it off. ``reason``: what it rests on.

    Raises ``Refusal``: NOT_FOUND for what is no funder, INVALID, DATE_OUT_OF_RANGE, REASON_NEEDED, DOCUMENT_TAKEN.
    """
    assert ctx.actor_id is not None
    if get_or_404(Organisation, funder_id).kind != OrgKind.FUNDER.value:
        raise Refusal(ErrorCode.NOT_FOUND)
    for name in ("number", "funder_signer", "centre_signer", "kinds"):
        if not (getattr(deed, name).strip() if isinstance(getattr(deed, name), str) else getattr(deed, name)):
            raise Refusal(ErrorCode.INVALID, field=name)
    first = max(deed.valid_from, today())
    if deed.valid_to < first:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="valid_to", low=first.isoformat(),
                      high=(first + timedelta(days=3650)).isoformat())
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    row = FundAgreement(
        org_id=funder_id, number=deed.number.strip(), kinds=sorted(kind.value for kind in deed.kinds),
        valid_from=deed.valid_from, valid_to=deed.valid_to, funder_signer=deed.funder_signer.strip(),
        centre_signer=deed.centre_signer.strip(), state=AgreementState.PROPOSED.value, reason=reason.strip(),
        proposed_by=ctx.actor_id, proposed_at=now(),
    )
    session().add(row)
    begin(ctx, AGREEMENT, row, event="propose")
    about(row, funder_id=funder_id, number=row.number, kinds=row.kinds, valid_from=row.valid_from, valid_to=row.valid_to)
    return row


@use_case(Permission.FUND_EDIT, "fund.agreement_decide", returns=FundAgreement)
def decide(ctx: Context, agreement_id: UUID, event: str, reason: str) -> FundAgreement:
    """The second person's word: ``confirm`` or ``refuse``; ``end`` ends one in force today: what is out goes on, nothing new
    begins. Raises ``Refusal``: SAME_PERSON, STATE_CHANGED, REASON_NEEDED."""
    row = get_or_404(FundAgreement, agreement_id, lock=True)
    ensure(ctx, AGREEMENT, row, event)
    if event == "end":
        row.ended_on = today()
    fire(ctx, AGREEMENT, row, event, reason=reason)
    if event in ("confirm", "end"):
        with elevated(ctx, "bridge"):
            notify(row.org_id, _SAID[event], path="/funds/agreements", number=row.number, first=row.valid_from.isoformat(),
                   last=row.valid_to.isoformat())
    about(row, event=event, number=row.number)
    return row


_SAID = {
    "confirm": N_("与贵方的转贷合作协议 %(number)s 已签署，%(first)s 至 %(last)s 有效。"),
    "end": N_("与贵方的转贷合作协议 %(number)s 已提前终止；在途的转贷照常归还，不再接受新的报价和占用。"),
}


@use_case(Permission.FUND_DRAFT, "fund.agreement_withdraw", returns=FundAgreement)
def withdraw(ctx: Context, agreement_id: UUID, reason: str) -> FundAgreement:
    """Takes one's own draft back before it is judged."""
    row = get_or_404(FundAgreement, agreement_id, lock=True)
    fire(ctx, AGREEMENT, row, "withdraw", reason=reason)
    about(row, number=row.number)
    return row


# --- before and at the end ---------------------------------------------------------------------------------------------


@use_case(Permission.BRIDGE_TICK, "fund.agreement_tick", returns=FundAgreement)
def remind_or_expire(ctx: Context, agreement_id: UUID) -> FundAgreement:
    """An agreement about to end is called to mind once; one whose last day is over expires. Centre and funder are told."""
    row = get_or_404(FundAgreement, agreement_id, lock=True)
    about(row, number=row.number, valid_to=row.valid_to)
    if row.state != AgreementState.CONFIRMED:
        return row
    message = ""
    if row.valid_to < today():
        fire(ctx, AGREEMENT, row, "expire")
        message = N_("转贷合作协议 %(number)s 已于 %(last)s 到期，不再接受新的报价和占用。")
    elif row.reminded_at is None and row.valid_to <= today() + timedelta(days=ceilings.current().remind_days):
        row.reminded_at = now()
        message = N_("转贷合作协议 %(number)s 将于 %(last)s 到期，请及时续签。")
    session().flush()
    for org_id in [row.org_id, *organisations(OrgKind.BRIDGE_CENTRE)] if message else []:
        notify(org_id, message, path="/funds/agreements", number=row.number, last=row.valid_to.isoformat())
    about(row, state=row.state)
    return row


@timed("bridge.agreements")
def mind_due(ctx: Context) -> int:
    """Reminds of, and ends, every agreement whose day has come; returns how many."""
    with reading(ctx, Permission.BRIDGE_TICK) as db:
        soon = today() + timedelta(days=ceilings.current().remind_days)
        due = list(db.scalars(
            select(FundAgreement.id).where(
                FundAgreement.state == AgreementState.CONFIRMED.value,
                or_(FundAgreement.valid_to < today(), FundAgreement.reminded_at.is_(None) & (FundAgreement.valid_to <= soon)),
            ).order_by(FundAgreement.valid_to).limit(200)
        ))
    return settle_each(due, lambda one: 1 if remind_or_expire(ctx, one) else 0, "agreement")
