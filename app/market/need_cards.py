"""A need without its firm, as it is kept for banks that look at it when it lies before them no more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from app.market.models import Need

_CARD = (
    "amount_fen", "term_months", "purpose_kind", "purpose_text", "product_kind", "repayment", "first_loan", "industry_code",
    "district", "size_class", "firm_form", "exposure", "round",
)  # fmt: skip


def card(need: Need) -> dict[str, Any]:
    """What is frozen of a need; the firm's name joins it under ``name`` only where the firm says so."""
    return {column: getattr(need, column) for column in _CARD}


def card_of(found: Any) -> SimpleNamespace:
    """A frozen card as templates and the words of the market read a need."""
    return SimpleNamespace(**{"name": None, **found.card})
