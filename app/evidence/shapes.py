"""How facts of each item lie in the database: table, whom a row is about, key, day. For disputes, export and retention.

Items of ``items`` and VAT invoices alike. A reference names one version of one fact in an address or a form:
``[subject, [key…], version]`` as compact JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, select, true

from app.core.audit import plain
from app.core.database import Base
from app.evidence import facts, models
from app.evidence.items import ITEMS, Item, Kind, Subject
from app.evidence.lines import KEY as LINE_KEY
from app.evidence.rules import INVOICES

_LOADED = (facts.RegistrationFact, models.InvoiceLine)
"""Their tables are known once the modules are."""

_MEASURES = (Kind.MONEY, Kind.QUANTITY, Kind.COUNT)
_BALANCES = frozenset({"balance_fen"})
"""Standing at the end of a month: a sum of them says nothing."""
_CATEGORIES = {
    "tax": "tax_kind", "tax_ledger": "tax_category", "social_insurance": "kind", "customs": "direction",
    "cash_flow": "account_tail",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One item's facts. ``category``: the column that a year's sums are kept apart by; ``measures``: the columns summed."""

    code: str
    name: str
    subject: Subject
    key: tuple[str, ...]
    at: str
    category: str
    measures: tuple[str, ...]
    in_force: str = "current"

    @property
    def subject_column(self) -> str:
        """``firm_no`` or ``meter_no``."""
        return "firm_no" if self.subject is Subject.FIRM else "meter_no"

    @property
    def whole_key(self) -> tuple[str, ...]:
        """Every column that, with a version, tells one fact from another; the subject's first."""
        return (self.subject_column, *self.key)

    @property
    def table(self) -> Table:
        """The table itself."""
        return Base.metadata.tables[self.name]

    def reference(self, row: Mapping[str, Any]) -> str:
        """Names a row (subject, key and version among its columns) in an address."""
        found = [row[self.subject_column], [row[column] for column in self.key], row["version"]]
        return json.dumps(plain(found), separators=(",", ":"), ensure_ascii=False)

    def fact(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Names a row as a dispute keeps it."""
        key = {column: plain(row[column]) for column in self.key}
        return {"subject": row[self.subject_column], "key": key, "version": row["version"]}

    def named(self, reference: str) -> Select[Any]:
        """The statement that loads the row of a reference. Raises ``ValueError`` where it names nothing."""
        found = json.loads(reference)
        if not (isinstance(found, list) and len(found) == 3 and isinstance(found[1], list) and len(found[1]) == len(self.key)):
            raise ValueError(reference)
        subject, key, version = found
        if type(subject) is not int or type(version) is not int:
            raise ValueError(reference)
        return self.one(subject, dict(zip(self.key, key, strict=True))).where(self.table.c.version == version)

    def one(self, subject: int, key: Mapping[str, Any]) -> Select[Any]:
        """All versions of one fact. Raises ``ValueError`` for a key that cannot be one."""
        return select(self.table).where(self.table.c[self.subject_column] == subject, self._keyed(key))

    def _keyed(self, key: Mapping[str, Any]) -> ColumnElement[bool]:
        conditions = []
        for column, value in key.items():
            held = self.table.c[column].type.python_type
            if type(value) is not (str if held is date else held):
                raise ValueError(str(value))
            conditions.append(self.table.c[column] == (date.fromisoformat(value) if held is date else value))
        return and_(true(), *conditions)


def _shape(item: Item) -> Shape:
    key = LINE_KEY if item.lines else tuple(item.field(code).stored for code in item.key)
    measures = tuple(
        one.stored for one in item.fields if one.kind in _MEASURES and one.stored not in _BALANCES and one.code not in item.key
    )
    return Shape(item.code, item.table, item.subject, key, item.field(item.at).stored, _CATEGORIES.get(item.code, ""), measures)


SHAPES: Mapping[str, Shape] = MappingProxyType({
    **{code: _shape(item) for code, item in ITEMS.items()},
    INVOICES: Shape(INVOICES, "invoice_line", Subject.FIRM, ("side", "content", "k"), "day", "side",
                    ("net_fen", "tax_fen", "gross_fen"), "current and not void"),
})
"""Shapes by item code."""
