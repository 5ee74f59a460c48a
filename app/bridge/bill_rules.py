"""What a bridge would have cost on the market, and the lines of its bill. Pure: values in, values out.

A bill knows three kinds of lines and no others: days at a daily rate, a charge once, and the return on the day of payout, which
is free (transfer-loan paper §3). The database holds the same list with its ceilings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from app.bridge.rules import BridgeTerms, FeeMethod, FeeStep, days_used
from app.core.money import EXACT, round_fen
from app.core.working import N_
from app.market.transfer_rules import TransferRules


@dataclass(frozen=True, slots=True)
class Saving:
    """The same money on the market (分), and what the firm keeps."""

    market_low_fen: int
    market_high_fen: int
    low_fen: int
    high_fen: int


def saving(principal_fen: int, days: int, fee_fen: int, market: TransferRules = TransferRules()) -> Saving:
    """What a fee (分) saves against the market for the same days; negative where it does not."""
    rates = market.market_daily_rate, market.market_daily_rate_high
    low, high = (round_fen(EXACT.multiply(Decimal(principal_fen * days), rate)) for rate in rates)
    return Saving(low, high, low - fee_fen, high - fee_fen)


class FeeKind(StrEnum):
    """The fee list. What is not on it is not charged."""

    DAYS = "DAYS"
    ONE_OFF = "ONE_OFF"
    SAME_DAY = "SAME_DAY"

    @property
    def label(self) -> str:
        """Chinese name (message id)."""
        return {"DAYS": N_("按天计费"), "ONE_OFF": N_("一次性计费"), "SAME_DAY": N_("放款当日归还，不收费")}[self.value]


@dataclass(frozen=True, slots=True)
class PartReturned:
    """Money that came back at once: 分, the day it arrived, and the key under which the caller knows it."""

    key: object
    amount_fen: int
    on_day: date


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line: of which part, what kind, 分 × rate × days."""

    part: int
    key: object
    kind: FeeKind
    principal_fen: int
    days: int
    rate: Decimal

    @property
    def exact_fen(self) -> Decimal:
        """Its exact amount in 分, not rounded."""
        if self.kind is FeeKind.DAYS:
            return EXACT.multiply(Decimal(self.principal_fen * self.days), self.rate)
        return EXACT.multiply(Decimal(self.principal_fen), self.rate) if self.kind is FeeKind.ONE_OFF else Decimal(0)


def bill_lines(returned: Sequence[PartReturned], paid_on: date, terms: BridgeTerms) -> list[BillLine]:
    """The lines of every part, in order. Raises ``ValueError`` for a return before the payout."""
    lines: list[BillLine] = []
    for part, back in enumerate(returned, start=1):
        days = days_used(paid_on, back.on_day)
        if days == 0:
            lines.append(BillLine(part, back.key, FeeKind.SAME_DAY, back.amount_fen, 0, Decimal(0)))
        elif terms.fee_method is FeeMethod.ONE_OFF:
            lines.append(BillLine(part, back.key, FeeKind.ONE_OFF, back.amount_fen, days, terms.one_off_rate))
        else:
            lines += [BillLine(part, back.key, FeeKind.DAYS, back.amount_fen, count, rate) for count, rate in _steps(days, terms)]
    return lines


def _steps(days: int, terms: BridgeTerms) -> list[tuple[int, Decimal]]:
    steps = terms.steps if terms.fee_method is FeeMethod.STEPS else (FeeStep(None, terms.daily_rate),)
    found, done = [], 0
    for step in steps:
        count = (days if step.to_day is None else min(days, step.to_day)) - done
        if count > 0:
            found.append((count, step.daily_rate))
            done += count
    return found


def total_of(lines: Sequence[BillLine]) -> int:
    """The sum in 分: each part is rounded half-up once."""
    parts = dict.fromkeys(line.part for line in lines)
    return sum(round_fen(sum((line.exact_fen for line in lines if line.part == part), Decimal(0))) for part in parts)
