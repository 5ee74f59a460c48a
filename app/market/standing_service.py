"""Facts about banks, written once the envelope of a need is open, and what they add up to each day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import session
from app.core.ids import new_id
from app.core.outbox import handles, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.market import policy
from app.market.audience_models import BankRecord, BankStanding
from app.market.models import Bid, Choice, Need, NeedInvitee


def _record(org_id: UUID, need_id: UUID, kind: str, at: datetime, **facts: Any) -> None:
    session().execute(
        insert(BankRecord).values(id=new_id(), org_id=org_id, need_id=need_id, kind=kind, at=at, **facts).on_conflict_do_nothing()
    )


@handles("need.closed", "market.bank_records")
def _closed(ctx: Context, payload: dict[str, Any]) -> None:
    """Whom it was sent to, who answered (by a bid, a refusal or a question) and how fast, who bid and at what all-in rate."""
    need = session().get(Need, UUID(payload["need_id"]))
    if need is None or need.closed_at is None or need.published_at is None:
        return
    calendar, opened = policy.calendar(), need.closed_at
    invited = {row.org_id: row.at or need.published_at for row in session().scalars(
        select(NeedInvitee).where(NeedInvitee.need_id == need.id)
    )}  # fmt: skip
    answered: dict[UUID, datetime] = dict(session().execute(
        text("select org_id, at from hq_first_answers(:need)"), {"need": need.id}
    ).all())  # fmt: skip
    minutes = {
        bank: int(calendar.worked(invited.get(bank, need.published_at), at).total_seconds() // 60)
        for bank, at in answered.items()
    }  # fmt: skip
    for bank, at in invited.items():
        _record(bank, need.id, "INVITED", at)
    for bank, at in answered.items():
        _record(bank, need.id, "ANSWERED", at, minutes=minutes[bank])
    for bid in session().scalars(select(Bid).where(Bid.need_id == need.id, Bid.opened_at.is_not(None))):
        _record(bid.org_id, need.id, "BID", opened, minutes=minutes[bid.org_id], amount_fen=bid.amount_fen,
                all_in_rate=bid.all_in_rate)  # fmt: skip


def _of_choice(payload: dict[str, Any], kind: str) -> None:
    choice = session().get(Choice, UUID(payload["choice_id"]))
    if choice is not None:
        _record(choice.bank_org_id, choice.need_id, kind, now())


@handles("choice.made", "market.record_chosen")
def _chosen(ctx: Context, payload: dict[str, Any]) -> None:
    _of_choice(payload, "CHOSEN")


@handles("promise.kept", "market.record_kept")
def _kept(ctx: Context, payload: dict[str, Any]) -> None:
    _of_choice(payload, "KEPT")


@handles("promise.broken", "market.record_broken")
def _broken(ctx: Context, payload: dict[str, Any]) -> None:
    _of_choice(payload, "BROKEN")


@handles("promise.excused", "market.record_excused")
def _excused(ctx: Context, payload: dict[str, Any]) -> None:
    """Refused on a condition of the bid: neither kept nor broken."""
    _of_choice(payload, "EXCUSED")


# Of needs that were sent to a bank: how many it answered, and on how many it bound itself. First answers and all-in rates count
# those on open needs too. A figure of fewer cases than the least is left out.
_STANDINGS = text("""
with record as (select * from bank_record where at >= :since),
sent as (
  select i.org_id, count(*) as n, count(a.id) as answered, count(b.id) as offered from record i
  left join record a on a.org_id = i.org_id and a.need_id = i.need_id and a.kind = 'ANSWERED'
  left join record b on b.org_id = i.org_id and b.need_id = i.need_id and b.kind = 'BID'
  where i.kind = 'INVITED' group by i.org_id),
answer as (
  select org_id, count(*) as n, percentile_cont(0.5) within group (order by minutes) as median
  from (select org_id, need_id, min(minutes) as minutes from record where minutes is not null group by org_id, need_id) each
  group by org_id),
bid as (
  select org_id, count(*) as n, percentile_cont(0.5) within group (order by all_in_rate) as median,
         sum(all_in_rate * amount_fen) / sum(amount_fen) as weighted
  from record where kind = 'BID' group by org_id),
promise as (
  select org_id, count(*) as n, count(*) filter (where kind = 'KEPT') as kept
  from record where kind in ('KEPT', 'BROKEN') group by org_id)
insert into bank_standing (org_id, as_of, window_days, invited, answer_rate, offer_rate, answers, median_minutes, bids,
                           all_in_median, all_in_weighted, promises, kept_rate)
select o.id, :as_of, :window, sent.n, sent.answered::numeric / sent.n, sent.offered::numeric / sent.n,
       answer.n, round(answer.median), bid.n, bid.median, bid.weighted, promise.n, promise.kept::numeric / promise.n
from organisation o
left join sent on sent.org_id = o.id and sent.n >= :least
left join answer on answer.org_id = o.id and answer.n >= :least
left join bid on bid.org_id = o.id and bid.n >= :least
left join promise on promise.org_id = o.id and promise.n >= :least
where o.kind = 'bank' on conflict do nothing
""")


@use_case(Permission.STANDING_COUNT, "standing.count")
def count_standings(ctx: Context) -> int:
    """How each bank stands today, once a day. Returns how many banks were counted now."""
    rules = policy.standing()
    since = now() - timedelta(days=rules.window_days)
    values = {"since": since, "as_of": today(), "window": rules.window_days, "least": rules.least_cases}
    counted: int = session().execute(_STANDINGS, values).rowcount  # type: ignore[attr-defined]
    about(as_of=today(), banks=counted)
    return counted


@timed("market.standings")
def count_due(ctx: Context) -> int:
    """The first tick of a day counts."""
    with reading(ctx, Permission.STANDING_COUNT) as db:
        if db.scalar(select(BankStanding.org_id).where(BankStanding.as_of == today()).limit(1)) is not None:
            return 0
    return count_standings(ctx)
