"""Which papers a need asks for, and which of them data take the place of: papers only where nothing else tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST_PAPERS = 20
"""Of one need; the database counts too (migration 0050)."""

_ALWAYS = ("LICENCE", "STATEMENTS")
_BY_KIND: Mapping[str, tuple[str, ...]] = {
    "CREDIT": ("TAX_RETURN",), "TAX_LOAN": ("TAX_RETURN",), "FIRST_LOAN": ("TAX_RETURN",),
    "RECEIVABLE_PLEDGE": ("CONTRACT", "RECEIVABLE"), "SUPPLY_CHAIN": ("CONTRACT", "RECEIVABLE"),
    "IP_PLEDGE": ("IP_CERTIFICATE",), "MORTGAGE": ("PROPERTY_DEED",), "GUARANTEED": ("GUARANTOR_ID",),
}  # fmt: skip
_BY_PURPOSE: Mapping[str, tuple[str, ...]] = {
    "PURCHASE": ("CONTRACT",), "EQUIPMENT": ("CONTRACT",), "EXPANSION": ("CONTRACT",), "WAGES": ("PAYROLL",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Replacement:
    """Data that say what a paper would: who delivered them, and whether everybody who will look may read them."""

    providers: tuple[str, ...]
    readable: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One paper: its kind, the data item that would replace it, and the data, where there are any.

    ``replaced``: the data are there and may be read, so the paper is not taken in.
    """

    kind: str
    item: str | None
    data: Replacement | None

    @property
    def replaced(self) -> bool:
        """Whether no paper is wanted."""
        return self.data is not None and bool(self.data.providers) and self.data.readable


def wanted(product_kind: str | None, purpose_kind: str | None) -> list[str]:
    """Kinds of papers that banks usually want for such a need, each once; 其他材料 may always be added."""
    kinds = [*_ALWAYS, *_BY_KIND.get(product_kind or "", ()), *_BY_PURPOSE.get(purpose_kind or "", ())]
    return [*dict.fromkeys(kinds), "OTHER"]


def lines(kinds: list[str], items: Mapping[str, str | None], data: Mapping[str, Replacement]) -> list[Line]:
    """The papers with what would replace them. ``items``: kind → data item; ``data``: item → what is there of it."""
    return [Line(kind, item, data.get(item) if item else None) for kind in kinds for item in (items[kind],)]
