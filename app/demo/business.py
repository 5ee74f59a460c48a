"""What the firms and banks of the demo city have been doing: products, needs, bids, loans, claims, bridges."""

from __future__ import annotations

from app.demo.firms import DemoFirm
from app.demo.people import Staff


def make(staff: Staff, firms: list[DemoFirm]) -> None:
    """Fills the city with business in every state of the main road."""
