"""What a payee holds of a loss after payment, correction and recovery (risk-compensation paper §6 [U], §8 case 12).

All sums to date, so that the order of events does not matter. Money in 分.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from app.pool.rules import returned_total


@dataclass(frozen=True, slots=True)
class Position:
    """A claim's money between pool and payee. ``paid_fen``: all payments and top-ups; ``worth_fen``: what the claim is worth
    as last corrected; ``due_fen``: what was asked back so far."""

    paid_fen: int
    worth_fen: int
    loss_fen: int
    recovered_fen: int = 0
    cost_fen: int = 0
    due_fen: int = 0

    @property
    def owed_fen(self) -> int:
        """What must have come back so far: what was paid beyond the worth, and the pool's share of the recoveries.

        A top-up is paid less the share of what came back before it, so that the worth may stand above the payments.
        """
        share = returned_total(self.worth_fen, self.loss_fen, self.recovered_fen, self.cost_fen)
        return max(0, self.paid_fen - self.worth_fen + share)

    @property
    def open_fen(self) -> int:
        """What is to be asked back now. What was asked in excess is set off against the next recovery."""
        return max(0, self.owed_fen - self.due_fen)

    def change(self, worth_fen: int, loss_fen: int) -> int:
        """What a correction moves: above 0 a top-up to the payee, below 0 a claw-back from it."""
        kept = worth_fen - returned_total(worth_fen, loss_fen, self.recovered_fen, self.cost_fen)
        return kept - (self.paid_fen - self.due_fen)


def reminder_day(received_on: date, days: Sequence[int], from_day: date) -> date | None:
    """The first reminder on or after a day (``recovery_reminder_days`` after receipt), or None."""
    return min((day for n in days if (day := received_on + timedelta(days=n)) >= from_day), default=None)
