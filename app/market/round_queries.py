"""What pages read of batches and matching rounds. Row-level security gives banks and firms their own rows of shown rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.orm import aliased

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.enterprises.models import Enterprise
from app.identity.models import Organisation
from app.market.batch_models import BatchBank, BatchNeed, NeedBatch
from app.market.models import Need
from app.market.product_models import Product
from app.market.round_models import MatchingNeed, MatchingPair, MatchingRound, MatchingSeat
from app.market.words import NeedState

Bank = aliased(Organisation, name="bank")
Firm = aliased(Organisation, name="firm")
_CARD = (Need.amount_fen, Need.term_months, Need.product_kind, Need.industry_code, Need.district, Need.size_class, Need.firm_form,
         Need.first_loan, Need.closes_at, Need.state)  # fmt: skip
_PAIR_OF_NEED = (MatchingPair.round_id == MatchingNeed.round_id) & (MatchingPair.need_id == MatchingNeed.need_id)


def batches_query() -> Any:
    """Batches with how many needs and banks they have."""
    needs = select(func.count()).where(BatchNeed.batch_id == NeedBatch.id).scalar_subquery()
    banks = select(func.count()).where(BatchBank.batch_id == NeedBatch.id).scalar_subquery()
    return select(NeedBatch.id, NeedBatch.name, NeedBatch.kind, NeedBatch.limit_days, NeedBatch.made_at, needs.label("needs"),
                  banks.label("banks"))  # fmt: skip


def batch_needs(batch_id: UUID) -> Any:
    """Needs of a batch with their firms."""
    return (
        select(Need.id, Firm.name, Enterprise.uscc, *_CARD, BatchNeed.added_at)
        .join(BatchNeed, BatchNeed.need_id == Need.id).join(Firm, Firm.id == Need.org_id)
        .join(Enterprise, Enterprise.id == Need.org_id).where(BatchNeed.batch_id == batch_id)
    )  # fmt: skip


def candidates(batch_id: UUID) -> Any:
    """Open needs that are not in the batch yet."""
    inside = select(BatchNeed.need_id).where(BatchNeed.batch_id == batch_id, BatchNeed.need_id == Need.id)
    return (
        select(Need.id, Firm.name, *_CARD).join(Firm, Firm.id == Need.org_id)
        .where(Need.state == NeedState.OPEN.value, Need.closes_at > now(), ~inside.exists())
    )  # fmt: skip


def batch_banks(batch_id: UUID) -> list[UUID]:
    """Banks that take part."""
    return list(session().scalars(select(BatchBank.org_id).where(BatchBank.batch_id == batch_id)))


def matching_products(batch_id: UUID) -> dict[UUID, int]:
    """How many products of each bank of the batch state seats for a round."""
    rows = session().execute(
        select(Product.org_id, func.count().label("products")).join(BatchBank, BatchBank.org_id == Product.org_id)
        .where(BatchBank.batch_id == batch_id, Product.state == "ACTIVE", Product.seats.is_not(None)).group_by(Product.org_id)
    )  # fmt: skip
    return {row.org_id: row.products for row in rows}


def rounds_query(batch_id: UUID | None = None) -> Any:
    """Rounds with how many needs they have and how many were proposed a product, as far as the actor sees them."""
    needs = select(func.count()).where(MatchingNeed.round_id == MatchingRound.id).scalar_subquery()
    pairs = select(func.count()).where(MatchingPair.round_id == MatchingRound.id).scalar_subquery()
    stmt = select(
        MatchingRound.id, MatchingRound.name, MatchingRound.state, MatchingRound.made_at, MatchingRound.shown_at,
        needs.label("needs"), pairs.label("pairs"),
    )  # fmt: skip
    return stmt if batch_id is None else stmt.where(MatchingRound.batch_id == batch_id)


def in_state(state: str) -> list[MatchingRound]:
    """The latest rounds in a state, ten at most."""
    stmt = select(MatchingRound).where(MatchingRound.state == state).order_by(MatchingRound.made_at.desc()).limit(10)
    return list(session().scalars(stmt))


def results(round_id: UUID) -> Any:
    """Needs of a round with what was proposed for each, or why nothing was."""
    return (
        select(
            MatchingNeed.need_id.label("id"), Firm.name.label("firm"), *_CARD, MatchingNeed.missed, MatchingNeed.listed,
            Bank.name.label("bank"), Product.name.label("product"), MatchingPair.place, MatchingPair.in_reserve,
            MatchingPair.asked_fen, MatchingPair.granted_fen, MatchingPair.below_part,
        )
        .join(Need, Need.id == MatchingNeed.need_id).join(Firm, Firm.id == MatchingNeed.firm_id)
        .outerjoin(MatchingPair, _PAIR_OF_NEED)
        .outerjoin(Product, Product.id == MatchingPair.product_id).outerjoin(Bank, Bank.id == MatchingPair.org_id)
        .where(MatchingNeed.round_id == round_id)
    )  # fmt: skip


def figures(round_id: UUID) -> Any:
    """Needs, pairs, first-time borrowers and those of them with a pair, 分 proposed."""
    return session().execute(
        select(
            func.count().label("needs"), func.count(MatchingPair.need_id).label("pairs"),
            func.count(case((Need.first_loan, 1))).label("first"),
            func.count(case((Need.first_loan & MatchingPair.need_id.is_not(None), 1))).label("first_pairs"),
            func.coalesce(func.sum(MatchingPair.granted_fen), 0).label("granted_fen"),
        ).select_from(MatchingNeed).join(Need, Need.id == MatchingNeed.need_id).outerjoin(MatchingPair, _PAIR_OF_NEED)
        .where(MatchingNeed.round_id == round_id)
    ).one()  # fmt: skip


def seats(round_id: UUID) -> Sequence[Any]:
    """Products of a round with what they took."""
    return session().execute(
        select(
            MatchingSeat.product_id, Product.name.label("product"), Bank.name.label("bank"), MatchingSeat.seats,
            MatchingSeat.reserved, MatchingSeat.reserved_kept, MatchingSeat.budget_fen, MatchingSeat.taken,
            MatchingSeat.granted_fen, MatchingSeat.turned_away, MatchingSeat.cutoff,
        ).join(Product, Product.id == MatchingSeat.product_id).join(Bank, Bank.id == MatchingSeat.org_id)
        .where(MatchingSeat.round_id == round_id).order_by(Bank.name, Product.name)
    ).all()  # fmt: skip


def bank_pairs(round_id: UUID) -> Any:
    """What was proposed to the actor's bank; the card is empty where the bank may not see the need any more."""
    return (
        select(
            MatchingPair.need_id.label("id"), *_CARD, Firm.name.label("firm"), Product.name.label("product"), MatchingPair.place,
            MatchingPair.in_reserve, MatchingPair.asked_fen, MatchingPair.granted_fen, MatchingPair.below_part,
            MatchingPair.reasons,
        )
        .outerjoin(Need, Need.id == MatchingPair.need_id).outerjoin(Firm, Firm.id == MatchingPair.firm_id)
        .join(Product, Product.id == MatchingPair.product_id).where(MatchingPair.round_id == round_id)
    )  # fmt: skip


def needs_of(ctx: Context, round_id: UUID) -> list[UUID]:
    """The actor's own needs in a round."""
    stmt = select(MatchingNeed.need_id).where(MatchingNeed.round_id == round_id, MatchingNeed.firm_id == ctx.org_id)
    return list(session().scalars(stmt.order_by(MatchingNeed.need_id)))


def result(round_id: UUID, need_id: UUID) -> Any:
    """One row of ``results``, or ``None``."""
    return session().execute(results(round_id).where(MatchingNeed.need_id == need_id)).one_or_none()


def passed(round_id: UUID, need_id: UUID) -> tuple[list[dict[str, Any]], list[str]]:
    """Products a need would rather have had, best first, with names; and what kept it from all of them if it could go nowhere."""
    told = session().get(MatchingNeed, (round_id, need_id))
    if told is None:
        return [], []
    ids = [UUID(one["product"]) for one in told.passed]
    names = {row.id: row for row in session().execute(
        select(Product.id, Product.name, Bank.name.label("bank"), Product.min_rate, Product.max_rate)
        .join(Bank, Bank.id == Product.org_id).where(Product.id.in_(ids))
    )}  # fmt: skip
    rows = [{**one, **names[key]._mapping} for one, key in zip(told.passed, ids, strict=True)]
    return rows, list(told.obstacles)
