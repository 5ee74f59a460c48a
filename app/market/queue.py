"""The ranked queue of a bank: every open need it may see, with a score for that bank. It orders and hides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from json import loads
from math import ceil
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select, text

from app.core.calendar import SHANGHAI, now, today, working_days_between
from app.core.context import Context
from app.core.database import engine, session
from app.core.filters import Args, FilterState
from app.core.permissions import Permission
from app.core.queries import organisation_names
from app.core.tables import PAGE_SIZES, Page, Table
from app.core.use_case import asking
from app.credit.queries import CardProfile, among, card_of, card_profiles
from app.market.claim_models import NeedClaim
from app.market.models import Bid, Need
from app.market.product_models import Product
from app.market.product_queries import own_products
from app.market.rank_models import QueueRank
from app.market.rules import Match, NeedFacts, ProductFacts, match_score
from app.market.words import BidState, NeedState

MOST_SHOWN = 2_000
"""Rows that pages turn over, forty pages of fifty; beyond, a filter is asked for."""
COUNTED_AHEAD = 10
"""Pages that are counted from the one shown on; where there are more, the page says so."""
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


def claimed(*, by_me: bool = False) -> Any:
    """Whether the need of a place has a live claim of a colleague or of the actor; ``by_me``: of the actor alone."""
    stmt = select(NeedClaim.id).where(
        NeedClaim.need_id == PLACE.c.need_id, NeedClaim.org_id == PLACE.c.org_id, NeedClaim.ended_at.is_(None)
    )
    return (stmt.where(NeedClaim.person_id == func.hq_actor()) if by_me else stmt).exists()


def with_names(rows: Sequence[QueueRow]) -> list[QueueRow]:
    """The rows with the firms' names, where the bank may know them, in one statement."""
    names = organisation_names({row.firm_id for row in rows})
    return [replace(row, name=names.get(row.firm_id, "")) for row in rows]


ORDERS = {
    "score": (PLACE.c.score.asc(), PLACE.c.closes_at.desc(), PLACE.c.need_id.desc()),
    "-score": (PLACE.c.score.desc(), PLACE.c.closes_at.asc(), PLACE.c.need_id.asc()),
    "closes_at": (PLACE.c.closes_at.asc(), PLACE.c.need_id.asc()),
    "-closes_at": (PLACE.c.closes_at.desc(), PLACE.c.need_id.desc()),
    "amount_fen": (PLACE.c.amount_fen.asc(), PLACE.c.need_id.asc()),
    "-amount_fen": (PLACE.c.amount_fen.desc(), PLACE.c.need_id.desc()),
}
"""Each order is an index, forwards or backwards."""

MOST_BUILT = 500
_BUILT: dict[Any, Any] = {}
"""Statements of the queue by what they filter and how they sort; building one takes longer than running it."""


@dataclass(frozen=True)
class QueuePage:
    """One page of the queue, whether the bank has products to rank by, and open needs that have no place yet."""

    page: Page
    products: bool
    waits: list[UUID]


def row_of(told: str) -> QueueRow:
    """A row for people of a place and the card of its need as the database tells them.

    The text is all that a drawn row depends on, and quick to compare: a page compares fifty and takes few apart, those that this
    process has not drawn yet.
    """
    return _Parts(*loads(told)).row()


class _Parts(NamedTuple):
    """What the text of a place says. Ids are text, arrays as they are written."""

    need_id: str
    closes_at: str
    over: bool
    """Whether no bids are taken any more; a row tells it, so it is drawn anew."""
    match_score: int
    reasons: str
    product_id: str | None
    points: str
    margin_bp: int | None
    product: str
    firm_id: str
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
    name: str
    claimed_by: str
    bid_state: str | None
    known: bool
    percent: int | None
    grade: str | None
    score: int | None
    state: str | None
    partial: bool | None
    visible: str | None
    synthetic: bool | None
    consented: bool | None

    def row(self) -> QueueRow:
        """The row for people. Reasons are told as {IN_INDUSTRY,IN_DISTRICT}."""
        reasons, points = (tuple(text[1:-1].split(",")) if len(text) > 2 else () for text in (self.reasons, self.points))
        return QueueRow(
            UUID(self.need_id), UUID(self.firm_id), self.amount_fen, self.term_months, self.product_kind, self.industry_code,
            self.district, self.size_class, self.firm_form, self.first_loan, self.bookable, self.distribution,
            datetime.fromisoformat(self.closes_at), self.match_score, reasons, self.product,
            card_of(self) if self.known else None, self.bid_state, self.name,
            UUID(self.product_id) if self.product_id else None, tuple(map(int, points)), self.margin_bp, self.claimed_by,
        )  # fmt: skip


# Everything of a page in one row: what has no place yet, whether there are products, how many places there are, and, line by
# line, the places asked for with what the bank may know of their needs.
_COLUMNS = text("""
  array(select hq_rank_missing(now())), exists (select from product where org_id = hq_org()), (select count(*) from counted),
  (select string_agg(json_build_array(
    place.need_id::text, card.closes_at, card.closes_at < now(), place.score, place.reasons::text, place.product_id::text,
    place.points::text, place.margin_bp, coalesce(product.name, ''), card.org_id::text, card.amount_fen, card.term_months,
    card.product_kind, card.industry_code, card.district, card.size_class, card.firm_form, card.first_loan, card.bookable,
    card.distribution, card.name, card.claimed_by, card.bid_state, card.known, card.percent, card.grade, card.score, card.state,
    card.partial, card.visible, card.synthetic, card.consented)::text, e'\\n' order by place.stands)
  from place join hq_queue_cards(array(select need_id from place)) card on card.id = place.need_id
    left join product on product.id = place.product_id)""")


class RankedTable(Table):
    """The queue: places are read from their rows, cards and names of one page alone."""

    def load_queue(self, ctx: Context, args: Args) -> QueuePage:
        """One page in one statement. ``COUNTED_AHEAD`` pages from it on are counted, and never more than ``MOST_SHOWN``."""
        states = self._states(args)
        sort, direction = self._order(args)
        size = _number(args.get("size"), self.page_size)
        size = size if size in PAGE_SIZES else self.page_size
        number = min(max(1, _number(args.get("page"), 1)), MOST_SHOWN // size)
        order = f"{'-' if direction == 'desc' else ''}{sort}"
        waits, products, counted, lines = self._read(ctx, states, order, size, (number - 1) * size)
        if 0 < counted <= (number - 1) * size:  # beyond the last page stands the last page
            number = ceil(counted / size)
            waits, products, counted, lines = self._read(ctx, states, order, size, (number - 1) * size)
        most = _most_counted(size, (number - 1) * size)
        page = Page(self, _lines(lines), min(counted, most), number, size, sort, direction, states, counted > most)
        return QueuePage(page, products, waits)

    def load_export(self, ctx: Context, args: Args) -> list[QueueRow]:
        """The first ``MOST_EXPORTED`` rows of the list."""
        sort, direction = self._order(args)
        order = f"{'-' if direction == 'desc' else ''}{sort}"
        return [row_of(told) for told in _lines(self._read(ctx, self._states(args), order, MOST_EXPORTED, 0)[3])]

    def _read(self, ctx: Context, states: list[FilterState], order: str, size: int, skip: int) -> Any:
        applied = tuple((state.key, state.applied) for state in states if state.applied is not None)
        stands = applied, order, size, skip
        if stands not in _BUILT:
            if len(_BUILT) >= MOST_BUILT:
                _BUILT.clear()
            _BUILT[stands] = self._build(dict(applied), ORDERS[order], size, skip)
        return asking(ctx, Permission.QUEUE_READ, _BUILT[stands])

    def _build(self, applied: dict[str, Any], order: Sequence[Any], size: int, skip: int) -> str:
        """The statement with all its values in it, so that the database plans it for them and once a connection.

        With parameters it is planned anew each time, or once for any values, which reads whole tables. Who asks and when are
        therefore functions; a filter may say what it applies to, and nothing of who asks.
        """
        stmt = select(PLACE).where(PLACE.c.org_id == func.hq_org(), PLACE.c.closes_at > func.now())
        for spec in self.filters:
            if spec.key in applied:
                stmt = spec.apply(stmt, applied[spec.key])
        stands = func.row_number().over(order_by=order).label("stands")
        columns = [PLACE.c.need_id, PLACE.c.score, PLACE.c.reasons, PLACE.c.product_id, PLACE.c.points, PLACE.c.margin_bp, stands]
        place = stmt.with_only_columns(*columns, maintain_column_froms=True).order_by(*order).limit(size).offset(skip)
        counted = stmt.with_only_columns(PLACE.c.need_id, maintain_column_froms=True).limit(_most_counted(size, skip) + 1)
        whole = select(_COLUMNS).add_cte(place.cte("place"), counted.cte("counted"))
        return str(whole.compile(dialect=engine().dialect, compile_kwargs={"literal_binds": True}))


def _most_counted(size: int, skip: int) -> int:
    return min(MOST_SHOWN, skip + COUNTED_AHEAD * size)


def _lines(told: str | None) -> list[str]:
    """The places of a page whose needs the bank sees; one that it may not see (any more) is left out."""
    return told.split("\n") if told else []


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else default
