"""Who is asked for an answer to a need, and whom next: round-robin weighted by past answer rate (peer-platforms paper §4 [P])."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AudienceRules:
    """All [P] but ``list_days`` (a decision within one month on a recommended list, peer-platforms paper [C9])."""

    assigned_banks: int = 3
    next_banks: int = 2
    next_rounds: int = 2
    list_days: int = 30
    rate_floor: Decimal = Decimal("0.10")
    turn_days: int = 90
    """Days over which it is counted how often a bank was asked."""


def weights(banks: list[UUID], rates: Mapping[UUID, Decimal], floor: Decimal) -> dict[UUID, Decimal]:
    """A bank's share of the turns: its answer rate, at least the floor. One without a rate counts as the mean of the others."""
    known = [rates[bank] for bank in banks if bank in rates]
    mean = sum(known, Decimal(0)) / len(known) if known else Decimal(1)
    return {bank: max(rates.get(bank, mean), floor) for bank in banks}


def next_banks(weight: Mapping[UUID, Decimal], asked: Mapping[UUID, int], n: int) -> list[UUID]:
    """The next ``n`` banks in turn: always the one that is furthest behind its share; the same for the same counts.

    ``weight``: the banks that may be asked, with their share; ``asked``: how often each was asked before.
    """
    behind = sorted(weight, key=lambda bank: ((asked.get(bank, 0) + 1) / weight[bank], bank))
    return behind[:n]
