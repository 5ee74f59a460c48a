"""The ranked queue of a bank: every open need it may see, with a score for that bank. It orders and hides nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from app.core.calendar import SHANGHAI, now, today, working_days_between
from app.core.context import Context
from app.core.database import session
from app.core.filters import Args
from app.core.queries import organisation_names
from app.core.tables import PAGE_SIZES, Page, Table
from app.credit.queries import CardProfile, card_profiles
from app.market.models import Bid, Need, Product
from app.market.queries import own_products
from app.market.rules import Match, NeedFacts, ProductFacts, match_score
from app.market.words import BidState, NeedState

MOST_RANKED = 3_000
"""Open needs that are ranked at once, those that close first; a city has some hundreds (peer-platforms paper §4)."""

NO_PRODUCT = ProductFacts()


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


def best_match(facts: NeedFacts, products: Sequence[tuple[str, ProductFacts]]) -> tuple[Match, str]:
    """The bank's product that fits best, and why; a bank without products ranks by a product that takes everything."""
    matches = [(match_score(facts, product), name) for name, product in products]
    return max(matches, key=lambda match: match[0].score, default=(match_score(facts, NO_PRODUCT), ""))


def rank(ctx: Context, needs: Sequence[Any]) -> list[QueueRow]:
    """Scores needs for the actor's bank, in three statements however many there are."""
    products = [(product.name, product_facts(product)) for product in own_products(ctx)]
    profiles = card_profiles([need.org_id for need in needs])
    bids = own_bid_states(ctx)
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
                product,
                profile,
                bids.get(need.id),
            )
        )
    return rows


def own_bid_states(ctx: Context) -> dict[UUID, str]:
    """The bank's own live bids by need."""
    rows = session().execute(
        select(Bid.need_id, Bid.state).where(
            Bid.org_id == ctx.org_id,
            Bid.state.in_([BidState.DRAFT.value, BidState.PROPOSED.value, BidState.SUBMITTED.value]),
        ).order_by(Bid.state)  # a submitted bid counts before the draft that may replace it
    )
    return {row.need_id: row.state for row in rows}


def with_names(rows: Sequence[QueueRow]) -> list[QueueRow]:
    """The rows with the firms' names, where the bank may know them, in one statement."""
    names = organisation_names({row.firm_id for row in rows})
    return [replace(row, name=names.get(row.firm_id, "")) for row in rows]


class RankedTable(Table):
    """A list whose order is computed after reading, since it is another one for every bank."""

    def load_ranked(
        self,
        stmt: Select[*tuple[Any, ...]],
        args: Args,
        ranked: Callable[[Sequence[Any]], list[QueueRow]],
        keeps: Callable[[QueueRow, dict[str, Any]], bool],
    ) -> tuple[Page, list[QueueRow]]:
        """One page, and all rows for an export. ``keeps`` applies the filters that need the profile."""
        states = self._states(args)
        found = session().execute(self._narrow(stmt, states).order_by(Need.closes_at).limit(MOST_RANKED)).all()
        applied = {state.key: state.applied for state in states}
        sort, direction = self._order(args)
        rows = [row for row in ranked(found) if keeps(row, applied)]
        rows.sort(key=lambda row: (row.closes_at, row.id))
        rows.sort(key=lambda row: getattr(row, sort), reverse=direction == "desc")
        size = _number(args.get("size"), self.page_size)
        size = size if size in PAGE_SIZES else self.page_size
        number = min(max(1, _number(args.get("page"), 1)), max(1, ceil(len(rows) / size)))
        shown = with_names(rows[(number - 1) * size : number * size])
        return Page(self, shown, len(rows), number, size, sort, direction, states), rows


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else default
