"""Whom a need is sent to: the banks the firm named, those whose turn it is, those of a list, and the next ones at the limit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select, text, update

from app.core.calendar import now
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import ErrorCode, Refusal
from app.core.notices import notify
from app.core.outbox import emit, handles, timed
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, reading, use_case
from app.core.working import N_
from app.identity.models import Organisation
from app.market import policy
from app.market.audience_models import BankStanding
from app.market.audience_rules import next_banks, weights
from app.market.batch_models import BatchBank, BatchNeed, NeedBatch
from app.market.models import Need, NeedInvitee
from app.market.product_models import Product
from app.market.words import Distribution, NeedState

REMINDERS = (
    N_("发给贵行的需求，首次答复的时限已用去一半，请及时报价。"), N_("发给贵行的需求，首次答复的时限已用去八成，请尽快报价。"),
    N_("发给贵行的需求已到首次答复的时限，仍可在报价截止前报价。"),
)  # fmt: skip
"""What the database itself tells a bank under the seal (migration 0039, ``hq_remind_invited``)."""

def _times(at: datetime, closes_at: datetime) -> dict[str, datetime]:
    """When a bank that is asked now should answer, when it is reminded, and when its time is over: never after bidding."""
    calendar, levels = policy.calendar(), policy.levels()
    limit = max(at, min(calendar.due(at, levels.first_answer_limit_wd), closes_at))
    target = min(calendar.due(at, levels.first_answer_target_wd), limit)
    half, most = (calendar.moment(at, limit, percent) for percent in (50, 80))
    return {"at": at, "target_at": target, "half_at": half, "most_at": most, "limit_at": limit}


def _invite(need: Need, banks: Sequence[UUID], via: str) -> None:
    """Sends a need to banks, as the portal: their queues follow, and so do the reminders."""
    assert need.closes_at is not None
    times = _times(now(), need.closes_at)
    session().add_all(NeedInvitee(need_id=need.id, org_id=bank, via=via, told=0, **times) for bank in banks)
    session().flush()
    for bank in banks:
        notify(bank, N_("平台把一份融资需求派给贵行，请在首次答复的时限内报价。"), path=f"/queue/{need.id}")
    emit("need.invited", need_id=need.id, bank_ids=[str(bank) for bank in banks])


def banks_in_turn(need: Need, n: int) -> list[UUID]:
    """The next ``n`` banks that were not asked yet: those with a product for such a need, or all where none has one.

    Round-robin weighted by the published answer rate; how often each was asked is counted over the days of the policy.
    """
    rules = policy.audience()
    asked_already = select(NeedInvitee.org_id).where(NeedInvitee.need_id == need.id)
    active = set(session().scalars(
        select(Organisation.id).where(
            Organisation.kind == OrgKind.BANK.value, Organisation.state == "active", Organisation.id.not_in(asked_already)
        )
    ))  # fmt: skip
    fitting = set(session().scalars(
        select(Product.org_id).where(
            Product.state == "ACTIVE", Product.min_amount_fen <= need.amount_fen, Product.max_amount_fen >= need.amount_fen,
            Product.min_term_months <= need.term_months, Product.max_term_months >= need.term_months,
        )
    ))  # fmt: skip
    banks = sorted(active & fitting or active)
    latest = select(func.max(BankStanding.as_of)).scalar_subquery()
    rates: dict[UUID, Decimal] = dict(session().execute(
        select(BankStanding.org_id, BankStanding.answer_rate)
        .where(BankStanding.as_of == latest, BankStanding.answer_rate.is_not(None))
    ).all())  # type: ignore[arg-type]  # fmt: skip
    asked: dict[UUID, int] = dict(session().execute(
        select(NeedInvitee.org_id, func.count())
        .where(NeedInvitee.via != "named", NeedInvitee.at >= now() - timedelta(days=rules.turn_days)).group_by(NeedInvitee.org_id)
    ).all())  # fmt: skip
    return next_banks(weights(banks, rates, rules.rate_floor), asked, n)


@use_case(Permission.NEED_INVITE, "need.invite", returns=Need)
def invite(ctx: Context, need_id: UUID) -> Need:
    """A need was published: the banks it names get their time, an assigned one goes to those whose turn it is. Once."""
    need = get_or_404(Need, need_id, lock=True)
    about(need)
    if need.state != NeedState.OPEN or need.closes_at is None or need.published_at is None:
        return need
    if need.distribution == Distribution.TARGETED:
        session().execute(
            update(NeedInvitee).where(NeedInvitee.need_id == need.id, NeedInvitee.at.is_(None))
            .values(**_times(need.published_at, need.closes_at))
        )  # fmt: skip
    elif need.distribution == Distribution.ASSIGNED:
        # Turns are taken one after the other, so that two needs at once do not go to the same banks.
        session().execute(text("select pg_advisory_xact_lock(hashtext('need.turn'))"))
        if session().scalar(select(NeedInvitee.org_id).where(NeedInvitee.need_id == need.id).limit(1)) is None:
            _invite(need, banks_in_turn(need, policy.audience().assigned_banks), "assigned")
    return need


@handles("need.published", "market.invite")
def _published(ctx: Context, payload: dict[str, Any]) -> None:
    invite(ctx, UUID(payload["need_id"]))


@use_case(Permission.NEED_INVITE, "need.remind_invited")
def remind_invited(ctx: Context) -> int:
    """Reminds banks that did not answer and sends on what somebody left lying. The database alone knows who answered.

    Returns how many needs were sent on: the next banks are invitations like all others, which the firm sees.
    """
    late = list(session().scalars(text("select hq_remind_invited()")))
    sent = sum(_send_on(need_id) for need_id in late)
    about(sent_on=sent)
    return sent


def _send_on(need_id: UUID) -> bool:
    need = get_or_404(Need, need_id, lock=True)
    rules = policy.audience()
    if need.state != NeedState.OPEN or need.closes_at is None or need.closes_at <= now():
        return False
    rounds = session().scalar(
        select(func.count(func.distinct(NeedInvitee.at))).where(NeedInvitee.need_id == need.id, NeedInvitee.via == "next")
    ) or 0  # fmt: skip
    if rounds >= rules.next_rounds:
        return False
    session().execute(text("select pg_advisory_xact_lock(hashtext('need.turn'))"))
    banks = banks_in_turn(need, rules.next_banks)
    if banks:
        _invite(need, banks, "next")
        notify(need.org_id, N_("有银行没有在时限内答复，平台已把需求再派给 %(count)s 家银行。"), path=f"/needs/{need.id}",
               case_id=need.case_id, count=len(banks))  # fmt: skip
    return bool(banks)


@timed("market.invited")
def remind_due(ctx: Context) -> int:
    """Reminds and sends on where the time of an invitation has come."""
    marks = {0: NeedInvitee.half_at, 50: NeedInvitee.most_at, 80: NeedInvitee.limit_at}
    mark = case(*((NeedInvitee.told == told, at) for told, at in marks.items()))
    with reading(ctx, Permission.NEED_INVITE) as db:
        due = select(NeedInvitee.need_id).join(Need, Need.id == NeedInvitee.need_id).where(
            Need.state == NeedState.OPEN.value, NeedInvitee.told < 100, NeedInvitee.at.is_not(None), mark <= now()
        )  # fmt: skip
        if db.scalar(due.limit(1)) is None:
            return 0
    return remind_invited(ctx)


@use_case(Permission.BATCH_EDIT, "batch.send", returns=NeedBatch)
def send_batch(ctx: Context, batch_id: UUID) -> NeedBatch:
    """Sends the listed needs of a batch to its banks at once; they take offers for the batch's days from now. A need goes once.

    Raises ``BATCH_SENT`` where no listed need waits, or no bank is named.
    """
    batch = get_or_404(NeedBatch, batch_id)
    with elevated(ctx, "batch.send"):
        sent = select(NeedInvitee.need_id).where(NeedInvitee.need_id == Need.id).exists()
        found = session().scalars(
            select(Need).join(BatchNeed, BatchNeed.need_id == Need.id).where(BatchNeed.batch_id == batch_id)
            .where(Need.state == NeedState.OPEN.value, Need.distribution == Distribution.LIST.value, ~sent)
            .order_by(Need.id).with_for_update(of=Need)
        ).all()  # fmt: skip
        banks = session().scalars(
            select(Organisation.id).join(BatchBank, BatchBank.org_id == Organisation.id)
            .where(BatchBank.batch_id == batch_id, Organisation.state == "active").order_by(Organisation.id)
        ).all()  # fmt: skip
        if not found or not banks:
            raise Refusal(ErrorCode.BATCH_SENT)
        closes = policy.calendar().due_natural(now(), batch.limit_days)
        for need in found:
            need.closes_at = need.next_check_at = closes
            session().flush()
            _invite(need, banks, "list")
    about(batch, needs=len(found), banks=len(banks), limit_days=batch.limit_days)
    return batch


def invitations(need_id: UUID) -> Sequence[Any]:
    """Whom a need was sent to, how and when; whether they answered is told by nothing here."""
    return session().execute(
        select(Organisation.name, NeedInvitee.via, NeedInvitee.at, NeedInvitee.limit_at)
        .join(Organisation, Organisation.id == NeedInvitee.org_id).where(NeedInvitee.need_id == need_id)
        .order_by(NeedInvitee.at.nulls_last(), Organisation.name)
    ).all()  # fmt: skip
