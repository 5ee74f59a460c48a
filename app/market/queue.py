"""The ranked queue of a bank: every open need it may see, with a score for that bank. It orders and hides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import SHANGHAI, now, today, working_days_between
from app.core.context import Context
from app.core.database import session
from app.core.filters import Args
from app.core.queries import id_array, organisation_names
from app.core.tables import PAGE_SIZES, Page, Table
from app.credit.queries import CardProfile, among, card_of, card_profiles
from app.market.claim_models import NeedClaim
from app.market.models import Bid, Need
from app.market.product_models import Product
from app.market.product_queries import own_products
from app.market.rank_models import QueueRank
from app.market.rules import Match, NeedFacts, ProductFacts, match_score
from app.market.words import BidState, NeedState

MOST_COUNTED = 2_000
"""Rows that a page counts and turns over, forty pages of fifty; beyond, it says "more" and asks for a filter."""
MOST_EXPORTED = 10_000

NO_PRODUCT = ProductFacts()
PLACE = QueueRank.__table__
"""Pages read places as rows: thousands of objects an hour would cost more than their statement."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A need as a bank sees it in its queue. ``name`` is empty where no consent lets the bank know it."""

    id: UUID
    firm_id: UUID
    amount_fen: int
    term_months: int
    product_kind: str
    industry_code: str | None
    district: str | None
    size_class: str | None
    firm_form: str | None
    first_loan: bool
    bookable: bool | None
    distribution: str
    closes_at: datetime
    score: int
    reasons: tuple[str, ...]
    product: str
    profile: CardProfile | None
    bid_state: str | None
    name: str = ""
    product_id: UUID | None = None
    points: tuple[int, ...] = ()
    margin_bp: int | None = None
    claimed_by: str = ""


def open_needs() -> Any:
    """Needs that take bids now, as far as row-level security shows them to the bank."""
    return select(
        Need.id,
        Need.org_id,
        Need.amount_fen,
        Need.term_months,
        Need.product_kind,
        Need.industry_code,
        Need.district,
        Need.size_class,
        Need.firm_form,
        Need.first_loan,
        Need.bookable,
        Need.distribution,
        Need.closes_at,
    ).where(Need.state == NeedState.OPEN.value, Need.closes_at > now())


def product_facts(product: Product) -> ProductFacts:
    """A product as the ranking rule reads it."""
    return ProductFacts(
        product.min_amount_fen,
        product.max_amount_fen,
        product.min_term_months,
        product.max_term_months,
        frozenset(product.eligibility["industries"]),
        frozenset(product.eligibility["districts"]),
        None if product.min_rate is None or product.max_rate is None else (product.min_rate + product.max_rate) / 2,
    )


def rank_of(profile: CardProfile | None) -> Decimal | None:
    """Share of scored firms that this firm equals or beats, where the bank may know it."""
    if profile is None or profile.rank_percent is None:
        return None
    return Decimal(100 - profile.rank_percent) / 100


def facts_of(row: Any, profile: CardProfile | None, day: date) -> NeedFacts:
    """A need as the ranking rule reads it."""
    return NeedFacts(
        row.amount_fen,
        row.term_months,
        row.industry_code or "",
        row.district or "",
        working_days_between(day, row.closes_at.astimezone(SHANGHAI).date()),
        rank_of(profile),
        profile.grade if profile is not None else None,
    )


def bands_of(profile: CardProfile | None) -> set[str]:
    """Grade and third of a profile as far as its card shows them; ``none`` without either."""
    bands = {profile.grade} if profile is not None and profile.grade else set()
    if profile is not None and profile.rank_percent is not None:
        bands.add("first" if profile.rank_percent <= 33 else "second" if profile.rank_percent <= 67 else "third")
    return bands or {"none"}


def best_match(facts: NeedFacts, products: Sequence[tuple[Product, ProductFacts]]) -> tuple[Match, Product | None]:
    """The bank's product that fits best, and why; a bank without products ranks by a product that takes everything."""
    best: tuple[Match, Product | None] | None = None
    for product, offered in products:
        match = match_score(facts, offered)
        if best is None or match.score > best[0].score:
            best = match, product
    return best or (match_score(facts, NO_PRODUCT), None)


def rank(ctx: Context, needs: Sequence[Any], *, bids: bool = True) -> list[QueueRow]:
    """Scores needs for the actor's bank, in three statements however many there are; ``bids``: with its own bids beside them."""
    products = [(product, product_facts(product)) for product in own_products(ctx)]
    profiles = card_profiles([need.org_id for need in needs])
    own = own_bid_states(ctx, [need.id for need in needs]) if bids else {}
    day = today()
    rows = []
    for need in needs:
        profile = profiles.get(need.org_id)
        match, product = best_match(facts_of(need, profile, day), products)
        rows.append(
            QueueRow(
                need.id,
                need.org_id,
                need.amount_fen,
                need.term_months,
                need.product_kind,
                need.industry_code,
                need.district,
                need.size_class,
                need.firm_form,
                need.first_loan,
                need.bookable,
                need.distribution,
                need.closes_at,
                match.score,
                match.reasons,
                product.name if product else "",
                profile,
                own.get(need.id),
                product_id=product.id if product else None,
                points=match.points,
                margin_bp=None if match.margin is None else round(match.margin * 10_000),
            )
        )
    return rows


def own_bid_states(ctx: Context, need_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The bank's own live bids on these needs, by need."""
    rows = session().execute(
        select(Bid.need_id, Bid.state).where(
            Bid.org_id == ctx.org_id,
            among(Bid.need_id, need_ids),
            Bid.state.in_([BidState.DRAFT.value, BidState.PROPOSED.value, BidState.SUBMITTED.value]),
        ).order_by(Bid.state)  # a submitted bid counts before the draft that may replace it
    )
    return {row.need_id: row.state for row in rows}


def own_bid() -> Any:
    """Whether the bank has a live bid on the need of a place."""
    live = [BidState.DRAFT.value, BidState.PROPOSED.value, BidState.SUBMITTED.value]
    return select(Bid.id).where(Bid.need_id == PLACE.c.need_id, Bid.org_id == PLACE.c.org_id, Bid.state.in_(live)).exists()


def claimed_by(person_id: UUID | None) -> Any:
    """Whether a colleague, or this one, has a live claim on the need of a place."""
    stmt = select(NeedClaim.id).where(
        NeedClaim.need_id == PLACE.c.need_id, NeedClaim.org_id == PLACE.c.org_id, NeedClaim.ended_at.is_(None)
    )
    return (stmt if person_id is None else stmt.where(NeedClaim.person_id == person_id)).exists()


def with_names(rows: Sequence[QueueRow]) -> list[QueueRow]:
    """The rows with the firms' names, where the bank may know them, in one statement."""
    names = organisation_names({row.firm_id for row in rows})
    return [replace(row, name=names.get(row.firm_id, "")) for row in rows]


def ranked(ctx: Context) -> Any:
    """Places of the bank's queue, for the filters of the page."""
    return select(PLACE).where(PLACE.c.org_id == ctx.org_id, PLACE.c.closes_at > now())


ORDERS = {
    "score": (PLACE.c.score.asc(), PLACE.c.closes_at.desc(), PLACE.c.need_id.desc()),
    "-score": (PLACE.c.score.desc(), PLACE.c.closes_at.asc(), PLACE.c.need_id.asc()),
    "closes_at": (PLACE.c.closes_at.asc(), PLACE.c.need_id.asc()),
    "-closes_at": (PLACE.c.closes_at.desc(), PLACE.c.need_id.desc()),
    "amount_fen": (PLACE.c.amount_fen.asc(), PLACE.c.need_id.asc()),
    "-amount_fen": (PLACE.c.amount_fen.desc(), PLACE.c.need_id.desc()),
}
"""Each order is an index, forwards or backwards."""


@dataclass(frozen=True)
class QueuePage:
    """One page of the queue, and whether the bank has products to rank by."""

    page: Page
    products: bool


class RankedTable(Table):
    """The queue: places are read from their rows, cards and names of one page alone."""

    def load_queue(self, ctx: Context, args: Args, names: dict[UUID, str]) -> QueuePage:
        """One page in three statements; ``names``: of the bank's products. The total stops at ``MOST_COUNTED`` + 1."""
        states = self._states(args)
        stmt = self._narrow(ranked(ctx), states)
        counted = stmt.with_only_columns(PLACE.c.need_id, maintain_column_froms=True).limit(MOST_COUNTED + 1).subquery()
        total = session().scalar(select(func.count()).select_from(counted)) or 0
        sort, direction = self._order(args)
        size = _number(args.get("size"), self.page_size)
        size = size if size in PAGE_SIZES else self.page_size
        number = min(max(1, _number(args.get("page"), 1)), max(1, ceil(min(total, MOST_COUNTED) / size)))
        order = ORDERS[f"{'-' if direction == 'desc' else ''}{sort}"]
        shown = rows_of(ctx, stmt.order_by(*order).limit(size).offset((number - 1) * size), names)
        return QueuePage(Page(self, shown, min(total, MOST_COUNTED), number, size, sort, direction, states), bool(names))

    def load_export(self, ctx: Context, args: Args, names: dict[UUID, str]) -> list[QueueRow]:
        """The first ``MOST_EXPORTED`` rows of the list."""
        sort, direction = self._order(args)
        order = ORDERS[f"{'-' if direction == 'desc' else ''}{sort}"]
        stmt = self._narrow(ranked(ctx), self._states(args))
        return rows_of(ctx, stmt.order_by(*order).limit(MOST_EXPORTED), names)


_PLACE = [PLACE.c[name] for name in ("need_id", "score", "reasons", "product_id", "points", "margin_bp")]
# Cards of the needs of one page, with what the bank may know of their firms and its own work on them. Row-level security shows
# needs, bids, claims and colleagues; cards and names come from functions that ask for these firms alone.
_CARDS = text("""
with card as materialized (
  select n.id, n.org_id, n.amount_fen, n.term_months, n.product_kind, n.industry_code, n.district, n.size_class, n.firm_form,
         n.first_loan, n.bookable, n.distribution, n.closes_at
  from need n where n.id = any(cast(:ids as uuid[])) and n.state = 'OPEN')
select card.*, coalesce(o.name, '') as name, p.firm_id is not null as known, p.state, p.consented, p.visible, p.percent, p.grade,
       p.score, p.partial, p.synthetic, coalesce(person.name, '') as claimed_by,
       (select max(b.state) from bid b where b.need_id = card.id and b.org_id = :org
          and b.state in ('DRAFT', 'PROPOSED', 'SUBMITTED')) as bid_state
from card left join hq_names(array(select org_id from card)) o on o.id = card.org_id
  left join hq_profile_cards(array(select org_id from card)) p on p.firm_id = card.org_id
  left join need_claim c on c.need_id = card.id and c.org_id = :org and c.ended_at is null
  left join person on person.id = c.person_id
""")


def rows_of(ctx: Context, stmt: Any, products: dict[UUID, str]) -> list[QueueRow]:
    """Places with the cards of their needs, in two statements; ``products``: their names.

    A need that the bank may not see (any more) is left out. A submitted bid counts before the draft that may replace it.
    """
    places = session().execute(stmt.with_only_columns(*_PLACE, maintain_column_froms=True)).all()
    found = session().execute(_CARDS, {"ids": id_array(place[0] for place in places), "org": ctx.org_id})
    cards = {card[0]: card for card in found}
    return [_row(place, cards[place[0]], products) for place in places if place[0] in cards]


def _row(place: Any, card: Any, products: dict[UUID, str]) -> QueueRow:
    _, score, reasons, product_id, points, margin_bp = place
    told: list[Any] = [
        *card[:13], score, tuple(reasons), products.get(product_id, ""), card_of(card) if card.known else None, card.bid_state,
        card.name, product_id, tuple(points), margin_bp, card.claimed_by,
    ]
    return QueueRow(*told)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else default
