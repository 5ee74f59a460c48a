"""Keeps the places of open needs in every bank's queue: set by set, as each bank itself would see them.

What changes a place arrives as a topic or in ``rank_due``; a bank that opens its queue first ranks what is still missing there,
so that a worker that stands still hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text

from app.core.calendar import SHANGHAI, is_working_day, now
from app.core.context import Context
from app.core.database import identify, session, unit
from app.core.outbox import handles, settle_each, timed
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, reading, use_case
from app.credit.queries import among
from app.identity.models import Organisation
from app.market import queue
from app.market.match_rules import PARTS, MatchWeights
from app.market.models import Need
from app.market.product_models import Product
from app.market.rank_models import QueueRank, RankDue, RankState
from app.market.words import NeedState

BLOCK = 5_000
"""Needs ranked at once."""
SEEN_EVERY = timedelta(minutes=15)
"""How long a bank's queue may stand unlooked at."""
SOON_POINTS = MatchWeights().time
_TIME = PARTS.index("time")


@contextmanager
def acting_for(bank_id: UUID) -> Iterator[Context]:
    """The same transaction as the bank itself sees it: which needs, and of their firms what its consents and the switch give."""
    current = unit()
    current.session.flush()
    before = current.context
    acting = Context(None, bank_id, OrgKind.BANK, frozenset(), frozenset(), system="rank", request_id=before.request_id)
    identify(current.session, acting)
    current.context = acting
    try:
        yield acting
    finally:
        current.context = before
        if current.session.is_active:
            identify(current.session, before)


@lru_cache(maxsize=512)
def soon_from(closes_at: datetime, soon_wd: int = MatchWeights().soon_wd) -> datetime:
    """From when a need counts as closing soon: midnight of the first day with at most ``soon_wd`` working days left."""
    day = closes_at.astimezone(SHANGHAI).date()
    left = 0
    while left < soon_wd or not is_working_day(day):
        left += is_working_day(day)
        day -= timedelta(days=1)
    return datetime.combine(day, time.min, SHANGHAI)


_STORE = text("""
insert into queue_rank (org_id, need_id, product_id, score, points, reasons, margin_bp, bands, soon_at, soon, amount_fen,
  district, division, kind, first_loan, bookable, closes_at)
select cast(:org as uuid), d.need, d.product, d.score, cast(d.points as smallint[]), cast(d.reasons as text[]), d.margin,
  cast(d.bands as text[]), d.soon_at, d.soon, d.amount, d.district, d.division, d.kind, d.first, d.bookable, d.closes
from unnest(cast(:need as uuid[]), cast(:product as uuid[]), cast(:score as smallint[]), cast(:points as text[]),
  cast(:reasons as text[]), cast(:margin as bigint[]), cast(:bands as text[]), cast(:soon_at as timestamptz[]),
  cast(:soon as boolean[]), cast(:amount as bigint[]), cast(:district as text[]), cast(:division as text[]),
  cast(:kind as text[]), cast(:first as boolean[]), cast(:bookable as boolean[]), cast(:closes as timestamptz[]))
  as d (need, product, score, points, reasons, margin, bands, soon_at, soon, amount, district, division, kind, first, bookable,
    closes)
order by d.need
on conflict (org_id, need_id) do update set product_id = excluded.product_id, score = excluded.score, points = excluded.points,
  reasons = excluded.reasons, margin_bp = excluded.margin_bp, bands = excluded.bands, soon_at = excluded.soon_at,
  soon = excluded.soon, amount_fen = excluded.amount_fen, district = excluded.district, division = excluded.division,
  kind = excluded.kind, first_loan = excluded.first_loan, bookable = excluded.bookable, closes_at = excluded.closes_at
""")


def _rank(acting: Context, need_ids: Sequence[UUID]) -> int:
    """Places of these needs for the acting bank, in six statements; needs it may not bid on lose theirs."""
    bank = acting.org_id
    found = session().execute(queue.open_needs().where(among(Need.id, need_ids)).order_by(Need.id)).all()
    gone = set(need_ids) - {row.id for row in found}
    if gone:
        session().execute(delete(QueueRank).where(QueueRank.org_id == bank, among(QueueRank.need_id, list(gone))))
    if not found:
        return 0
    at = now()
    columns: dict[str, list[Any]] = {key: [] for key in (
        "need", "product", "score", "points", "reasons", "margin", "bands", "soon_at", "soon", "amount", "district", "division",
        "kind", "first", "bookable", "closes",
    )}  # fmt: skip
    for row in queue.rank(acting, found, bids=False):
        soon_at = soon_from(row.closes_at)
        values = (
            row.id, row.product_id, row.score, _array(row.points), _array(row.reasons), row.margin_bp,
            _array(sorted(queue.bands_of(row.profile))), soon_at, soon_at <= at, row.amount_fen, row.district or "",
            (row.industry_code or "")[:2], row.product_kind, row.first_loan, bool(row.bookable), row.closes_at,
        )  # fmt: skip
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    session().execute(_STORE, {"org": bank, **columns})
    return len(found)


def _array(values: Sequence[Any]) -> str:
    """An array as PostgreSQL writes it; codes and numbers need no quotes. Rows of arrays do not travel otherwise."""
    return "{" + ",".join(map(str, values)) + "}"


def banks() -> list[UUID]:
    """Banks that take part."""
    found = select(Organisation.id).where(Organisation.kind == OrgKind.BANK.value, Organisation.state == "active")
    return list(session().scalars(found.order_by(Organisation.id)))


@use_case(Permission.NEED_TICK, "need.rank")
def rank_needs(ctx: Context, need_ids: Sequence[UUID], bank_ids: Sequence[UUID] | None = None) -> int:
    """Ranks these needs for these banks, or for all. Returns how many places were written."""
    places = 0
    for bank in banks() if bank_ids is None else sorted(bank_ids):
        with acting_for(bank) as acting:
            places += _rank(acting, need_ids)
    if need_ids:
        session().execute(delete(RankDue).where(among(RankDue.need_id, need_ids)))
    about(needs=len(need_ids), places=places)
    return places


@use_case(Permission.NEED_TICK, "queue.rank")
def rank_bank(ctx: Context, bank_id: UUID) -> int:
    """Ranks every open need for one bank, in blocks. Returns how many places were written."""
    at, places = now(), 0
    with acting_for(bank_id) as acting:
        ids = list(session().scalars(_open_ids().order_by(Need.id)))
        for begin in range(0, len(ids), BLOCK):
            places += _rank(acting, ids[begin : begin + BLOCK])
        _seen(bank_id, at)
    about(bank_id=bank_id, places=places)
    return places


def _open_ids() -> Any:
    return select(Need.id).where(Need.state == NeedState.OPEN.value, Need.closes_at > now())


_SEEN = text("""
insert into rank_state (org_id, seen_until) values (:org, :at)
on conflict (org_id) do update set seen_until = greatest(rank_state.seen_until, excluded.seen_until)
""")


def missing() -> list[UUID]:
    """Open needs that have no place yet in the queue of the bank that asks. One look at an index where all is well."""
    return list(session().scalars(text("select hq_rank_missing(:at)"), {"at": now()}))


def _seen(bank_id: UUID | None, at: datetime) -> None:
    session().execute(_SEEN, {"org": bank_id, "at": at})


@use_case(Permission.QUEUE_READ, "queue.catch_up")
def catch_up(ctx: Context, need_ids: Sequence[UUID]) -> int:
    """Ranks for the actor's bank what nobody ranked yet."""
    places = sum(_rank(ctx, need_ids[begin : begin + BLOCK]) for begin in range(0, len(need_ids), BLOCK))
    _seen(ctx.org_id, now())
    about(places=places)
    return places


# --- what changes a place -------------------------------------------------------------------------------------------------


@handles("need.published", "market.rank")
def rank_published(ctx: Context, payload: dict[str, Any]) -> None:
    """A need was published: its place in every queue."""
    rank_needs(ctx, [UUID(payload["need_id"])])


@handles("need.corrected", "market.rerank")
def rank_corrected(ctx: Context, payload: dict[str, Any]) -> None:
    """A need's terms changed."""
    rank_needs(ctx, [UUID(payload["need_id"])])


@handles("need.invited", "market.rank_invited")
def rank_invited(ctx: Context, payload: dict[str, Any]) -> None:
    """More banks were asked."""
    rank_needs(ctx, [UUID(payload["need_id"])], [UUID(bank) for bank in payload["bank_ids"]])


@handles("consent.changed", "market.rank_consent")
def rank_consent(ctx: Context, payload: dict[str, Any]) -> None:
    """A firm gave or took a consent: what banks know of its profile changed."""
    firm_id = UUID(str(payload["firm_id"]))
    needs = list(session().scalars(select(Need.id).where(Need.org_id == firm_id, Need.state == NeedState.OPEN.value)))
    if needs:
        rank_needs(ctx, needs)


@handles("product.changed", "market.rank_bank", queue="long")
def rank_product(ctx: Context, payload: dict[str, Any]) -> None:
    """A bank's shelf changed: every open need anew for this bank."""
    bank_id = session().scalar(select(Product.org_id).where(Product.id == UUID(str(payload["product_id"]))))
    if bank_id is not None:
        rank_bank(ctx, bank_id)


@timed("market.ranks")
def rank_due(ctx: Context) -> int:
    """Needs whose places are out of date, a block at a time."""
    with reading(ctx, Permission.NEED_TICK) as db:
        due = list(db.scalars(select(RankDue.need_id).order_by(RankDue.since).limit(500)))
    return rank_needs(ctx, due) if due else 0


@use_case(Permission.NEED_TICK, "queue.seen")
def _look(ctx: Context, bank_id: UUID) -> int:
    at = now()
    with acting_for(bank_id) as acting:
        waits = missing()
        places = sum(_rank(acting, waits[begin : begin + BLOCK]) for begin in range(0, len(waits), BLOCK))
        _seen(bank_id, at)
    about(bank_id=bank_id, places=places)
    return places


@timed("market.seen")
def keep_seen(ctx: Context) -> int:
    """Every bank's queue is looked at now and then, so that its pages need not look far back for needs that nobody ranked."""
    known = select(RankState.org_id).where(RankState.seen_until > now() - SEEN_EVERY)
    with reading(ctx, Permission.NEED_TICK):
        fresh = set(session().scalars(known))
        due = [bank for bank in banks() if bank not in fresh]
    return settle_each(due, lambda bank: _look(ctx, bank), "queue")


_SOON = text("""
update queue_rank set soon = true, score = least(100, score + :points), points[:place] = :points,
  reasons = array_append(reasons, 'CLOSES_SOON')
where not soon and soon_at <= :at
returning 1
""")


@use_case(Permission.NEED_TICK, "queue.soon")
def _mark_soon(ctx: Context) -> int:
    marked = len(session().execute(_SOON, {"points": SOON_POINTS, "place": _TIME + 1, "at": now()}).all())
    session().execute(delete(QueueRank).where(QueueRank.closes_at < now() - timedelta(hours=1)))
    about(places=marked)
    return marked


@timed("market.soon")
def mark_soon(ctx: Context) -> int:
    """Needs that begin to close soon move up, in one statement; what closed long ago leaves."""
    with reading(ctx, Permission.NEED_TICK) as db:
        waits = db.scalar(select(QueueRank.need_id).where(~QueueRank.soon, QueueRank.soon_at <= now()).limit(1))
    return _mark_soon(ctx) if waits is not None else 0
