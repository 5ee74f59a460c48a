"""A firm's debts from every room that knows one, and its exposure with what it asks for. Read as the firm."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select

from app.core.database import session
from app.market.debt_models import DeclaredDebt
from app.market.exposure_rules import Debt, DebtSource, Exposure, add_up
from app.market.models import Need
from app.market.words import LIVE_STATES

Provider = Callable[[UUID], list[Debt]]

_providers: dict[str, Provider] = {}


def add(name: str, provider: Provider) -> None:
    """Registers what a room knows of a firm's debts; the same name twice is the same provider."""
    _providers[name] = provider


def declared(firm_id: UUID) -> list[DeclaredDebt]:
    """Debts that the firm has declared and not ended, the newest first."""
    return list(session().scalars(
        select(DeclaredDebt).where(DeclaredDebt.org_id == firm_id, DeclaredDebt.ended_at.is_(None))
        .order_by(DeclaredDebt.declared_at.desc())
    ))


def debts_on_the_portal(firm_id: UUID) -> list[Debt]:
    """Debts that the portal knows by itself."""
    return [debt for provider in _providers.values() for debt in provider(firm_id)]


def exposure_of(firm_id: UUID, this: Need | None = None) -> Exposure:
    """What the firm owes and asks for in all; ``this`` need counts apart from its other live ones."""
    own = [Debt(one.lender, one.amount_fen, one.due_on, DebtSource.DECLARED) for one in declared(firm_id)]
    others = session().scalars(select(Need.amount_fen).where(
        Need.org_id == firm_id, Need.state.in_(LIVE_STATES), *([Need.id != this.id] if this is not None else []),
    ))
    this_fen = (this.amount_fen or 0) if this is not None else 0
    return add_up([*own, *debts_on_the_portal(firm_id)], [amount or 0 for amount in others], this_fen)
