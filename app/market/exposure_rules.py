"""What a firm owes and asks for in all, added up. Amounts in 分."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum


class DebtSource(StrEnum):
    """Where a debt is known from."""

    DECLARED = "declared"
    DRAWN = "drawn"
    PROMISED = "promised"


@dataclass(frozen=True, slots=True)
class Debt:
    """One debt: who lent, how much is owed (分), until when, and where it is known from."""

    lender: str
    amount_fen: int
    due_on: date | None
    source: DebtSource


@dataclass(frozen=True, slots=True)
class Exposure:
    """Total exposure in 分: declared by the firm, drawn and promised on the portal, asked for in other needs, and in this one.

    ``lenders`` counts who has lent, without naming anybody: banks that look at a need read this.
    """

    declared_fen: int = 0
    drawn_fen: int = 0
    promised_fen: int = 0
    asked_fen: int = 0
    this_fen: int = 0
    lenders: int = 0

    @property
    def owed_fen(self) -> int:
        """What is owed already."""
        return self.declared_fen + self.drawn_fen

    @property
    def total_fen(self) -> int:
        """Everything owed, promised and asked for."""
        return self.owed_fen + self.promised_fen + self.asked_fen + self.this_fen

    def stored(self) -> dict[str, int]:
        """As a need keeps it."""
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, int]) -> Exposure:
        """As a need has kept it."""
        return cls(**stored)


def add_up(debts: Iterable[Debt], asked_fen: Iterable[int], this_fen: int = 0) -> Exposure:
    """Adds up what is owed and asked for; a lender counts once, however many loans it gave."""
    debts = list(debts)

    def of(source: DebtSource) -> int:
        return sum(debt.amount_fen for debt in debts if debt.source is source)

    lenders = {debt.lender.strip() for debt in debts if debt.source is not DebtSource.PROMISED}
    return Exposure(
        of(DebtSource.DECLARED), of(DebtSource.DRAWN), of(DebtSource.PROMISED), sum(asked_fen), this_fen, len(lenders)
    )
