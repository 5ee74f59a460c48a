"""Stress test of the pool: many imagined years over the loans booked today. Arrays in, arrays out; nothing is booked from it.

A year has one state of the economy, shared by all borrowers (one-factor Gaussian copula, Vasicek 2002, the model under the
Basel formula): a loan defaults where its own draw lies under the probability of its grade in that year. What is lost of it is
drawn from a beta distribution; the compensation follows the rule set, claim by claim in the order of the year, with stop line
and budget.

Amounts are whole 分; sums over a year are float64, exact below 2^53 分 (90 万亿元).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.pool.rules import RatioFacts, ratio
from app.pool.ruleset import Mode, RuleSet, TierMethod

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PPM = 1_000_000
"""Ratios are whole millionths, so that a share of an amount is rounded down exactly."""
NO_EDGE = 2**53
"""An amount (分) that no loss reaches."""
LGD_STEPS = 4096
"""Quantiles kept of the distribution of what is lost."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the city assumes; every figure is a proposal [P] and typed on the form.

    ``default_rates``: yearly probability of default by grade (fractions above 0 and under 1), the last one for firms without
    a score. ``correlation``: share of a borrower's fortune that the economy decides (0–0.99). ``loss_mean``: what is lost of a
    bad loan's open principal, ``loss_spread``: its standard deviation. ``recovered``: part of a loss that banks collect later,
    less cost. Raises ``ValueError`` beyond these limits, or where mean and spread fit no beta distribution.
    """

    default_rates: tuple[float, ...] = (0.005, 0.015, 0.04, 0.10, 0.25, 0.03)
    correlation: float = 0.12
    loss_mean: float = 0.60
    loss_spread: float = 0.20
    recovered: float = 0.20

    def __post_init__(self) -> None:
        if any(not 0 < rate < 1 for rate in self.default_rates) or not self.default_rates:
            raise ValueError("a rate of default lies between 0 and 1")
        if not 0 <= self.correlation <= 0.99:
            raise ValueError("a correlation lies between 0 and 0.99")
        if not 0 < self.loss_mean < 1 or not 0 < self.loss_spread**2 < self.loss_mean * (1 - self.loss_mean):
            raise ValueError("mean and spread of the loss fit no distribution between 0 and 1")
        if not 0 <= self.recovered <= 1:
            raise ValueError("what is recovered lies between 0 and 1")


@dataclass(frozen=True, slots=True)
class Loans:
    """The booked loans, arrays of one length n, sorted by ``grade`` (index into ``Assumptions.default_rates``).

    ``open_fen`` principal still open (分), ``payee`` index of the bank or guarantor paid, ``guaranteed`` whether by 政担.
    ``booked_fen`` (one per payee): principal booked this year, the base of the stop line. Raises ``ValueError`` if unsorted.
    """

    open_fen: Ints
    grade: NDArray[np.int8]
    payee: NDArray[np.int64]
    guaranteed: NDArray[np.bool_]
    booked_fen: Ints

    def __post_init__(self) -> None:
        if len(self.grade) and (np.diff(self.grade) < 0).any():
            raise ValueError("loans are sorted by grade")


@dataclass(frozen=True, slots=True)
class Terms:
    """A rule set as arrays: ``ppm[k]`` the ratio of each loan on the k-th slice of its loss, which ends at ``edges[k]`` (分).

    One slice without an edge is the bracket reading. ``lines``: stop line of banks and of guarantors in millionths. Budgets in
    分: that of banks, and that of guarantors.
    """

    ppm: tuple[Ints, ...]
    edges: tuple[int, ...]
    lines: tuple[int, int]
    budget_fen: int
    guarantee_budget_fen: int

    def compensation(self, loans: NDArray[np.intp], loss_fen: Ints) -> Ints:
        """Compensation of losses (分) on these loans (indices), rounded down to the fen once, as ``rules.compensation``."""
        if not self.edges:
            return loss_fen * self.ppm[0][loans] // PPM
        total, low = np.zeros_like(loss_fen), 0
        for share, edge in zip(self.ppm, self.edges, strict=True):
            total += np.clip(loss_fen - low, 0, edge - low) * share[loans]
            low = edge
        return total // PPM


@dataclass(frozen=True, slots=True)
class Years:
    """One rule set over all imagined years; arrays of one value a year, in 分.

    ``asked`` compensation of all losses, ``held`` the part beyond a stop line, ``unpaid`` the part beyond the budget, ``paid``
    the rest, ``returned`` what later recoveries bring back. ``over``: in how many years each payee passed its stop line.
    """

    loss: Floats
    asked: Floats
    held: Floats
    unpaid: Floats
    paid: Floats
    returned: Floats
    over: Ints


def terms_of(facts: Sequence[RatioFacts], rules: RuleSet, budget_fen: int | None = None) -> Terms:
    """The rule set for these loans. ``budget_fen`` (分) replaces what the rule's own budget leaves for banks.

    Raises ``ValueError`` for a ratio finer than a millionth.
    """
    lines = (_ppm(rules.stop_line), _ppm(rules.guarantee_stop_line))
    guarantee = rules.guarantee_budget_fen
    budget = rules.budget_fen - guarantee if budget_fen is None else budget_fen
    if rules.tier_method is TierMethod.BRACKET:
        known = {fact: _ppm(ratio(fact, rules).value) for fact in set(facts)}
        return Terms((np.array([known[fact] for fact in facts], np.int64),), (), lines, budget, guarantee)
    slices = {fact: _slices(fact, rules) for fact in set(facts)}
    table = np.array([slices[fact] for fact in facts], np.int64).reshape(len(facts), len(rules.tiers) + 1)
    edges = (*(tier.up_to_fen for tier in rules.tiers), NO_EDGE)
    return Terms(tuple(np.ascontiguousarray(column) for column in table.T), edges, lines, budget, guarantee)


def _slices(fact: RatioFacts, rules: RuleSet) -> list[int]:
    """The ratio of each slice of a loss and of what lies above the last; a guarantor's, and a loan too large, have one."""
    if fact.mode is Mode.GUARANTEE or fact.basis_fen > rules.max_loan_fen:
        return [_ppm(ratio(fact, rules).value)] * (len(rules.tiers) + 1)
    uplift = rules.list_or_ip_uplift * (fact.on_key_list or fact.ip_pledge) + rules.policy_tool_uplift * fact.policy_tool
    return [*(_ppm(min(rules.ratio_cap, tier.ratio + uplift)) for tier in rules.tiers), 0]


def _ppm(value: Decimal) -> int:
    scaled = value * PPM
    if scaled != int(scaled):
        raise ValueError(f"a ratio finer than a millionth: {value}")
    return int(scaled)


def year_rates(rates: Sequence[float], correlation: float, economy: Floats) -> NDArray[np.float32]:
    """Probability of default of each grade in each year, (years, grades): Φ((Φ⁻¹(rate) − √ρ·economy) / √(1−ρ)).

    ``economy`` is standard normal; a low one is a bad year.
    """
    normal = NormalDist()
    starts = np.array([normal.inv_cdf(rate) for rate in rates])
    at = (starts[None, :] - math.sqrt(correlation) * economy[:, None]) / math.sqrt(1 - correlation)
    erf = np.frompyfunc(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)), 1, 1)
    return np.asarray(erf(at), np.float64).astype(np.float32)


def loss_quantiles(mean: float, spread: float) -> NDArray[np.float64]:
    """Quantiles, in the middle of ``LGD_STEPS`` equal steps, of the beta distribution with this mean and standard deviation."""
    from scipy.stats import beta  # half a second to import, and only the worker needs it

    size = mean * (1 - mean) / spread**2 - 1
    steps = (np.arange(LGD_STEPS) + 0.5) / LGD_STEPS
    return np.asarray(beta.ppf(steps, mean * size, (1 - mean) * size), np.float64)


def simulate(loans: Loans, terms: Sequence[Terms], assumed: Assumptions, years: int, seed: int) -> list[Years]:
    """Imagine ``years`` years; one answer a rule set, all from the same draws, so that only the rules make the difference.

    The same input and ``seed`` give the same answer. Memory grows with the loans, not with the years.
    """
    random = np.random.Generator(np.random.SFC64(seed))
    rates = year_rates(assumed.default_rates, assumed.correlation, random.standard_normal(years))
    lost = loss_quantiles(assumed.loss_mean, assumed.loss_spread)
    bounds = np.searchsorted(loans.grade, np.arange(len(assumed.default_rates) + 1))
    draws, bad = np.empty(len(loans.grade), np.float32), np.empty(len(loans.grade), np.bool_)
    tallies = [_Tally(loans, one, assumed.recovered, years) for one in terms]
    for year in range(years):
        random.random(out=draws, dtype=np.float32)
        for grade, rate in enumerate(rates[year]):
            part = slice(bounds[grade], bounds[grade + 1])
            np.less(draws[part], rate, out=bad[part])
        found = np.flatnonzero(bad)
        share = lost[(random.random(len(found), dtype=np.float32) * LGD_STEPS).astype(np.intp)]
        loss = np.rint(loans.open_fen[found] * share).astype(np.int64)
        for tally in tallies:
            tally.add(year, found, loss, _days(draws, rates[year], loans.grade, found))
    return [tally.years for tally in tallies]


def _days(
    draws: NDArray[np.float32], rates: NDArray[np.float32], grade: NDArray[np.int8], found: NDArray[np.intp],
) -> Callable[[NDArray[np.intp]], NDArray[Any]]:
    """When loans went bad: a draw below its rate is, divided by it, an even draw again, the moment of the year."""
    return lambda at: draws[found[at]] / rates[grade[found[at]]]


class _Tally:
    """Adds up the years of one rule set."""

    def __init__(self, loans: Loans, terms: Terms, recovered: float, years: int) -> None:
        self.loans, self.terms, self.recovered = loans, terms, recovered
        self.mixed = bool(loans.guaranteed.any())
        guarantors = np.zeros(len(loans.booked_fen), np.bool_)
        guarantors[loans.payee[loans.guaranteed]] = True
        lines = np.where(guarantors, terms.lines[1], terms.lines[0])
        self.limit = loans.booked_fen * (lines / PPM)
        loss, asked, held, unpaid, paid, returned = np.zeros((6, years))
        self.years = Years(loss, asked, held, unpaid, paid, returned, over=np.zeros(len(loans.booked_fen), np.int64))

    def add(self, year: int, found: NDArray[np.intp], loss: Ints, day: Callable[[NDArray[np.intp]], NDArray[Any]]) -> None:
        """The loans that went bad in a year, and what was lost of each; ``day`` tells when, for some of them."""
        told = self.years
        amount = self.terms.compensation(found, loss)
        payee = self.loans.payee[found]
        by_payee = np.bincount(payee, weights=loss, minlength=len(self.limit))
        over = by_payee > self.limit
        told.loss[year], told.asked[year] = loss.sum(), amount.sum()
        told.over[:] += over
        if over.any():
            held = self._held(found, loss, payee, np.flatnonzero(over[payee]), day)
            told.held[year] = amount[held].sum()
            amount[held] = 0
        told.unpaid[year] = self._unpaid(found, amount)
        told.paid[year] = told.asked[year] - told.held[year] - told.unpaid[year]
        told.returned[year] = told.paid[year] * self.recovered

    def _held(
        self, found: NDArray[np.intp], loss: Ints, payee: NDArray[np.int64], at: NDArray[np.intp],
        day: Callable[[NDArray[np.intp]], NDArray[Any]],
    ) -> NDArray[np.intp]:
        """Claims from the one on that crosses its payee's line, in the order of the year (risk-compensation paper §3 [P])."""
        at = at[np.argsort(payee[at] + day(at).astype(np.float64))]  # days lie between 0 and 1: one key sorts by both
        sums = np.cumsum(loss[at])
        first = np.flatnonzero(np.diff(payee[at], prepend=-1))
        before = np.repeat(sums[first] - loss[at[first]], np.diff(first, append=len(at)))
        return at[sums - before > self.limit[payee[at]]]

    def _unpaid(self, found: NDArray[np.intp], amount: Ints) -> float:
        """What the two budgets do not hold; both are used up before anything waits (QUEUE), so the order does not matter."""
        guarantee = int(amount[self.loans.guaranteed[found]].sum()) if self.mixed else 0
        banks = int(amount.sum()) - guarantee
        return float(max(0, guarantee - self.terms.guarantee_budget_fen) + max(0, banks - self.terms.budget_fen))


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over all years (分): its mean and the values that half, 95 and 99 of 100 years do not pass."""

    mean: int
    half: int
    p95: int
    p99: int

    @classmethod
    def of(cls, values: Floats) -> Spread:
        """Whole 分."""
        half, p95, p99 = (round(float(one)) for one in np.quantile(values, (0.5, 0.95, 0.99)))
        return cls(round(float(values.mean())), half, p95, p99)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the years of one rule set say. Chances are fractions of the years; ``over`` one a payee. ``bars``: how many years
    fall into each of ``BARS`` equal classes of ``asked``, the last of which ends at ``bars_to_fen``."""

    loss: Spread
    asked: Spread
    paid: Spread
    held: Spread
    returned: Spread
    short_chance: float
    short_fen: int
    over: tuple[float, ...]
    any_held: float
    bars: tuple[int, ...]


BARS = 20


def verdict(years: Years, bars_to_fen: int) -> Verdict:
    """Sum up. ``bars_to_fen`` (分) lets two rule sets share one axis; ``short_fen``: what is missing in a mean short year."""
    short = years.unpaid[years.unpaid > 0]
    number = len(years.loss)
    bars, _ = np.histogram(np.minimum(years.asked, bars_to_fen), bins=BARS, range=(0, max(bars_to_fen, 1)))
    return Verdict(
        loss=Spread.of(years.loss), asked=Spread.of(years.asked), paid=Spread.of(years.paid), held=Spread.of(years.held),
        returned=Spread.of(years.returned),
        short_chance=len(short) / number, short_fen=round(float(short.mean())) if len(short) else 0,
        over=tuple(float(one) / number for one in years.over), any_held=float((years.held > 0).mean()),
        bars=tuple(int(one) for one in bars),
    )
