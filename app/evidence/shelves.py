"""Where the facts of each item lie, and what tells one from another."""

from __future__ import annotations

from dataclasses import dataclass

from app.evidence.items import ITEMS
from app.evidence.lines import KEY as LINE_KEY
from app.evidence.rules import INVOICES


@dataclass(frozen=True)
class Shelf:
    """Where facts of an item lie. ``key`` begins with the subject's column."""

    table: str
    key: tuple[str, ...]


def shelf_of(item_code: str) -> Shelf:
    """Table and key of an item's facts."""
    if item_code == INVOICES:
        return Shelf("invoice_line", ("firm_no", "side", "content", "k"))
    item = ITEMS[item_code]
    own = LINE_KEY if item.lines else tuple(item.field(code).stored for code in item.key)
    return Shelf(item.table, (item.subject_column, *own))
