"""The rate at which flows of money balance, and the all-in yearly rate of flows on free dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext

from app.market.schedules import ARITHMETIC, MONTHS

RATE_PLACES = Decimal("0.00000001")
_STEPS = 110  # halvings of a bracket at most 2**20 wide: far below the eighth decimal that is shown


@dataclass(frozen=True, slots=True)
class FreeRate:
    """All-in rate of flows on free dates: ``effective`` solves Σ CF/(1+r)^(days/365) = 0, ``nominal12`` is
    12·((1+r)^(1/12) − 1); fractions per year."""

    nominal12: Decimal
    effective: Decimal


def free_schedule_rate(flows: Sequence[tuple[date, int]]) -> FreeRate:
    """All-in rate of dated flows in fen (received positive, paid negative), the first one received.

    Raises ``ValueError`` when nothing is received first or nothing is paid back, since no rate then exists.
    """
    if not flows:
        raise ValueError("no flows, no rate")
    ordered = sorted(flows, key=lambda flow: flow[0])
    begin, days = ordered[0][0], (ordered[-1][0] - ordered[0][0]).days
    daily = [0] * (days + 1)
    for day, amount in ordered:
        daily[(day - begin).days] += amount
    with localcontext(ARITHMETIC):
        effective = (1 + solve(daily)) ** 365 - 1
        monthly = (1 + effective) ** (Decimal(1) / MONTHS) - 1
        return FreeRate((monthly * MONTHS).quantize(RATE_PLACES), effective.quantize(RATE_PLACES))


def solve(flows: Sequence[int]) -> Decimal:
    """The rate per period at which the flows of a borrower are worth nothing today, by halving a bracket.

    Flows are received first and paid later, so worth rises with the rate and crosses zero once. Call it
    inside a context of enough digits. Raises ``ValueError`` when there is no such rate above −100 %.
    """
    if flows[0] <= 0 or any(amount > 0 for amount in flows[1:]) or not any(flows[1:]):
        raise ValueError("a rate needs money received first and paid back later")
    paid = {period: amount for period, amount in enumerate(flows) if amount < 0}
    low, high = Decimal("-0.5"), Decimal(1)
    while _worth(flows[0], paid, low) > 0:
        low = (low - 1) / 2
        if low < Decimal("-0.999999"):
            raise ValueError("almost nothing is paid back: no rate")
    while _worth(flows[0], paid, high) < 0:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _worth(flows[0], paid, middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _worth(received: int, paid: dict[int, int], rate: Decimal) -> Decimal:
    """Worth today of what is received now and paid later, at a rate per period."""
    factor = 1 / (1 + rate)
    worth, discount, at = Decimal(received), Decimal(1), 0
    for period, amount in paid.items():
        discount *= factor ** (period - at)
        at = period
        worth += amount * discount
    return worth
