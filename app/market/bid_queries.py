"""What pages and later rooms read of bids, offers and choices. Row-level security has limited it already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.models import Transition
from app.core.working import Value, WorkingLine
from app.identity.models import Organisation, Person
from app.market.bid_models import Award, Bid, Choice
from app.market.bid_service import with_lines
from app.market.bid_words import AwardState, BidState, ChoiceState
from app.market.models import Need
from app.market.product_models import ProductVersion
from app.market.terms import PlanRow, plan_of
from app.market.words import PURPOSES, NeedState


@dataclass(frozen=True, slots=True)
class ChoiceTerms:
    """What was agreed by a choice: amount in 分, rate as a fraction per year, term in months."""

    choice_id: UUID
    award_id: UUID
    need_id: UUID
    bid_id: UUID
    case_id: UUID
    org_id: UUID
    bank_org_id: UUID
    product_id: UUID
    product_kind: str
    amount_fen: int
    annual_rate: Decimal
    term_months: int
    method: str
    conventions: dict[str, Any]
    purpose: str
    all_in_rate: Decimal
    plan: tuple[PlanRow, ...]


def choice_terms(choice_id: UUID) -> ChoiceTerms:
    """The terms of a choice, with the product as it was when the bid was made. Raises ``Refusal(NOT_FOUND)``."""
    choice = get_or_404(Choice, choice_id)
    bid, need = get_or_404(Bid, choice.bid_id), get_or_404(Need, choice.need_id)
    version = session().get_one(ProductVersion, (bid.product_id, bid.product_version))
    return ChoiceTerms(
        choice.id,
        choice.award_id,
        need.id,
        bid.id,
        choice.case_id,
        choice.org_id,
        choice.bank_org_id,
        bid.product_id,
        version.facts["kind"],
        choice.amount_fen,
        bid.annual_rate,
        bid.term_months,
        bid.method,
        bid.conventions,
        need.purpose_text or PURPOSES[need.purpose_kind or "OTHER"],
        Decimal(choice.cost_sheet["all_in_rate"]),
        plan_of(choice.cost_sheet.get("plan")),
    )


@dataclass(frozen=True)
class OfferRow:
    """An opened bid as the firm compares it. ``average_fen``: money at work on average over the term, in 分."""

    bid: Bid
    bank: str
    product: str
    best: bool
    expired: bool
    lines: tuple[WorkingLine, ...]
    average_fen: int


def offers(need: Need) -> list[OfferRow]:
    """Opened bids of a need, the cheapest first by all-in yearly rate. Empty while the seal is closed."""
    rows = (
        session()
        .execute(
            select(Bid, Organisation.name, ProductVersion.facts["name"].astext)
            .join(Organisation, Organisation.id == Bid.org_id)
            .join(ProductVersion, (ProductVersion.product_id == Bid.product_id) & (ProductVersion.version == Bid.product_version))
            .where(Bid.need_id == need.id, Bid.opened_at.is_not(None))
            .options(selectinload(Bid.fees), selectinload(Bid.ties), selectinload(Bid.demands))
            .order_by(Bid.all_in_rate, Bid.total_extra_fen, Bid.id)
        )
        .all()
    )
    ended = {bid.id for bid, _, _ in rows if bid.valid_until < today() or bid.state == BidState.LAPSED}
    cheapest = min((bid.all_in_rate for bid, _, _ in rows if bid.id not in ended), default=None)
    return [
        OfferRow(
            bid,
            bank,
            product,
            best=bid.all_in_rate == cheapest and bid.id not in ended,
            expired=bid.valid_until < today(),
            lines=working_lines(bid.working),
            average_fen=average_balance(bid),
        )
        for bid, bank, product in rows
    ]


def average_balance(bid: Bid) -> int:
    """What the borrower has in hand on average over the term, in 分: interest over rate and years."""
    years = bid.annual_rate * bid.term_months / 12
    return min(bid.amount_fen, round(Decimal(bid.interest_fen) / years)) if years else bid.amount_fen


def working_lines(stored: list[Any]) -> tuple[WorkingLine, ...]:
    """Stored lines of a cost sheet as the working macro shows them."""
    return tuple(
        WorkingLine(
            line["code"],
            line["message"],
            {key: _param(key, value) for key, value in line["params"].items()},
            line["amount_fen"],
            Decimal(line["ratio"]) if line["ratio"] is not None else None,
        )
        for line in stored
    )


def _param(key: str, value: Any) -> Value:
    if key.endswith("_ratio"):
        return Decimal(value)
    if key.endswith("_date"):
        return date.fromisoformat(value)
    found: Value = value
    return found


def live_awards(need_id: UUID) -> list[Award]:
    """The decisions that stand or stand still, as far as the actor may see them; several where the firm takes parts."""
    stmt = select(Award).where(Award.need_id == need_id, Award.state != AwardState.FALLEN.value)
    return list(session().scalars(stmt.order_by(Award.standstill_until, Award.id)))


def live_choices(need_id: UUID) -> list[Choice]:
    """The choices that stand, as far as the actor may see them, the largest first."""
    stmt = select(Choice).where(Choice.need_id == need_id, Choice.state != ChoiceState.CANCELLED.value)
    return list(session().scalars(stmt.order_by(Choice.amount_fen.desc(), Choice.id)))


def bids_query(ctx: Context) -> Any:
    """The bank's own bids with the card of their needs."""
    return (
        select(
            Bid.id,
            Bid.state,
            Bid.amount_fen,
            Bid.annual_rate,
            Bid.all_in_rate,
            Bid.term_months,
            Bid.drafted_at,
            Bid.submitted_at,
            Bid.valid_until,
            Bid.need_id,
            Need.org_id.label("firm_id"),
            Need.industry_code,
            Need.district,
            Need.size_class,
            Need.firm_form,
            Need.closes_at,
            Need.state.label("need_state"),
            Need.amount_fen.label("need_amount_fen"),
        )
        .join(Need, Need.id == Bid.need_id)
        .where(Bid.org_id == ctx.org_id)
    )


def bid_with_fees(bid_id: UUID) -> Bid:
    """A bid with its charges, ties and conditions. Raises ``Refusal(NOT_FOUND)``."""
    get_or_404(Bid, bid_id)
    return with_lines(bid_id)


def own_live_bid(ctx: Context, need_id: UUID) -> Bid | None:
    """The bank's bid on a need that still counts, or the last one that does not."""
    return session().scalar(
        select(Bid)
        .where(Bid.need_id == need_id, Bid.org_id == ctx.org_id)
        .order_by(Bid.state.in_([BidState.WITHDRAWN.value, BidState.REPLACED.value]), Bid.drafted_at.desc())
        .limit(1)
    )


def own_bids(ctx: Context, need_id: UUID) -> list[Bid]:
    """All that the bank has drafted or handed in for a need, the newest first."""
    return list(session().scalars(
        select(Bid).where(Bid.need_id == need_id, Bid.org_id == ctx.org_id).order_by(Bid.drafted_at.desc())
    ))


def steps_of_bid(ctx: Context, bid_id: UUID) -> list[Transition]:
    """What the bank itself did with its bid, newest first."""
    return list(
        session().scalars(
            select(Transition)
            .where(
                Transition.subject_type == "bid",
                Transition.subject_id == bid_id,
                Transition.org_id == ctx.org_id,
            )
            .order_by(Transition.at.desc(), Transition.id.desc())
        )
    )


def people(ids: set[UUID | None]) -> dict[UUID, str]:
    """Names of the actor's colleagues by id."""
    known = [one for one in ids if one is not None]
    if not known:
        return {}
    rows = session().execute(select(Person.id, Person.name).where(Person.id.in_(known)))
    return {row.id: row.name for row in rows}


@dataclass(frozen=True, slots=True)
class BankDesk:
    """Figures of a bank's day: open needs, those closing today without a bid of ours, bids waiting for an approver."""

    open_needs: int
    due_today: int
    proposed: int
    drafts: int


def bank_desk(ctx: Context, day_ends: datetime) -> BankDesk:
    """The bank's day in one statement. Counts the bank's own bids alone."""
    ours = select(Bid.id).where(Bid.need_id == Need.id, Bid.org_id == ctx.org_id, Bid.state != BidState.WITHDRAWN.value).exists()
    is_open = (Need.state == NeedState.OPEN.value) & (Need.closes_at > now())

    def bids(state: BidState) -> Any:
        return select(func.count()).select_from(Bid).where(Bid.org_id == ctx.org_id, Bid.state == state.value).scalar_subquery()

    row = (
        session()
        .execute(
            select(
                func.count().filter(is_open).label("open_needs"),
                func.count().filter(is_open & (Need.closes_at <= day_ends) & ~ours).label("due_today"),
                bids(BidState.PROPOSED).label("proposed"),
                bids(BidState.DRAFT).label("drafts"),
            ).select_from(Need)
        )
        .one()
    )
    return BankDesk(row.open_needs, row.due_today, row.proposed, row.drafts)


def due_without_bid(ctx: Context, day_ends: datetime, limit: int = 5) -> list[Need]:
    """Open needs that close by then and on which the bank has no bid, those that close first first."""
    ours = select(Bid.id).where(Bid.need_id == Need.id, Bid.org_id == ctx.org_id, Bid.state != BidState.WITHDRAWN.value).exists()
    return list(
        session().scalars(
            select(Need)
            .where(Need.state == NeedState.OPEN.value, Need.closes_at > now(), Need.closes_at <= day_ends, ~ours)
            .order_by(Need.closes_at)
            .limit(limit)
        )
    )


def waiting_bids(ctx: Context, states: list[BidState], limit: int = 10) -> list[Any]:
    """The bank's bids in these states on needs that are still open, those that close first first."""
    return list(
        session().execute(
            bids_query(ctx)
            .where(Bid.state.in_([state.value for state in states]), Need.state == NeedState.OPEN.value)
            .order_by(Need.closes_at)
            .limit(limit)
        )
    )
