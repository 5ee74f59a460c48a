"""How good probabilities are, with bootstrap intervals over groups of rows. Weights count as rows of the population.

Rank measures are taken inside each fold and averaged, since models of different folds need not agree on a common scale; measures
of probability are taken over all rows of a repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from scoring.scale import Float64, probability_of_default
from scoring.table import Ints

APPROVED: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Approval rates of the curve: the best so many are taken."""
ROC_AT: Final = tuple(round(0.05 * step, 2) for step in range(21))
"""Shares of the good rows at which the ROC curve is told."""
RESAMPLES: Final = 400
CONFIDENCE: Final = 0.95
TOP: Final = 0.1
"""The lift is told for the riskiest tenth."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its bootstrap interval; NaN where it cannot be told."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True, eq=False)
class Part:
    """Rows that one model judged: their numbers in the table and the risk they were given."""

    rows: Ints
    risk: Float64


class Ranking:
    """Rows from safe to risky; ties stand together. Measures are then sums over any masses of the rows."""

    def __init__(self, part: Part, bad: Float64) -> None:
        order = np.argsort(part.risk, kind="stable")
        self.rows = part.rows[order]
        self.bad = bad[self.rows]
        risk = part.risk[order]
        self.starts = np.flatnonzero(np.concatenate([[True], risk[1:] > risk[:-1]])) if len(risk) else np.empty(0, dtype=np.int64)

    def curve(self, mass: Float64) -> tuple[Float64, Float64]:
        """Good and bad mass of each tie, from safe to risky."""
        held = mass[self.rows]
        lost = held * self.bad
        return np.add.reduceat(held - lost, self.starts), np.add.reduceat(lost, self.starts)

    def auc(self, mass: Float64) -> float:
        good, bad = self.curve(mass)
        pairs = good.sum() * bad.sum()
        return float((bad * (np.cumsum(good) - 0.5 * good)).sum() / pairs) if pairs > 0.0 else float("nan")

    def roc(self, mass: Float64, at: Float64) -> Float64:
        """Share of the bad rows among the riskiest, where these hold such shares of the good rows. NaN without both kinds."""
        good, bad = (np.concatenate([[0.0], np.cumsum(one[::-1])]) for one in self.curve(mass))
        if not good[-1] * bad[-1] > 0.0:
            return np.full(len(at), np.nan)
        return np.asarray(np.interp(at, good / good[-1], bad / bad[-1]), dtype=np.float64)

    def ks(self, mass: Float64) -> float:
        """Largest distance between the shares of good and of bad rows below some risk."""
        good, bad = self.curve(mass)
        if not good.sum() * bad.sum() > 0.0:
            return float("nan")
        return float(np.max(np.cumsum(good) / good.sum() - np.cumsum(bad) / bad.sum()))

    def bad_rates(self, mass: Float64, approved: Sequence[float]) -> list[float]:
        """Bad rate among the safest so many; a tie that is cut gives its share."""
        good, bad = self.curve(mass)
        reached, lost = np.concatenate([[0.0], np.cumsum(good + bad)]), np.concatenate([[0.0], np.cumsum(bad)])
        total = reached[-1]
        if not total > 0.0:
            return [float("nan")] * len(approved)
        return [float(np.interp(share * total, reached, lost) / (share * total)) for share in approved]

    def lift(self, mass: Float64) -> float:
        """How many times the average bad rate the riskiest tenth has."""
        safe, average = self.bad_rates(mass, (1.0 - TOP, 1.0))
        return (average - safe * (1.0 - TOP)) / TOP / average if average > 0.0 else float("nan")


class Probabilities:
    """What is measured on probabilities of default of one repeat."""

    def __init__(self, part: Part, bad: Float64, weight: Float64) -> None:
        self.rows = part.rows
        self.pd = np.clip(part.risk, 1e-9, 1.0 - 1e-9)
        self.bad = bad[part.rows]
        self.log_odds = np.log(self.pd / (1.0 - self.pd))
        self.line = self._line(weight, np.array([1.0, 0.0]), 50)

    def brier(self, mass: Float64) -> float:
        return float(np.average((self.pd - self.bad) ** 2, weights=mass[self.rows]))

    def log_loss(self, mass: Float64) -> float:
        loss = -(self.bad * np.log(self.pd) + (1.0 - self.bad) * np.log1p(-self.pd))
        return float(np.average(loss, weights=mass[self.rows]))

    def observed_expected(self, mass: Float64) -> float:
        held = mass[self.rows]
        return float((held * self.bad).sum() / (held * self.pd).sum())

    def slope(self, mass: Float64) -> float:
        """Of the log-odds of the outcome on the predicted ones: 1 = neither too bold nor too shy."""
        return float(self._line(mass, self.line, 4)[0])

    def _line(self, mass: Float64, start: Float64, steps: int) -> Float64:
        held, line = mass[self.rows], start
        for _ in range(steps):
            fitted = 1.0 - probability_of_default(line[0] * self.log_odds + line[1])
            pull, bend = held * (self.bad - fitted), held * fitted * (1.0 - fitted)
            a, b, c = (bend * self.log_odds**2).sum(), (bend * self.log_odds).sum(), bend.sum()
            det = a * c - b * b
            if not det > 0.0:
                return np.array([np.nan, np.nan])
            g, h = (pull * self.log_odds).sum(), pull.sum()
            step = np.array([c * g - b * h, a * h - b * g]) / det
            line = line + step * min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-300))
            if float(np.abs(step).max()) < 1e-9:
                break
        return np.asarray(line, dtype=np.float64)


Measure = Callable[[Float64], float]


def rank_measures(parts: Sequence[Part], bad: Float64) -> dict[str, Measure]:
    """AUC, KS and lift, averaged over the parts."""
    rankings = [Ranking(part, bad) for part in parts]
    return {
        "auc": lambda mass: _mean([one.auc(mass) for one in rankings]),
        "ks": lambda mass: _mean([one.ks(mass) for one in rankings]),
        "lift": lambda mass: _mean([one.lift(mass) for one in rankings]),
    }


def probability_measures(parts: Sequence[Part], bad: Float64, weight: Float64) -> dict[str, Measure]:
    """Brier score, log loss, calibration slope and observed/expected, averaged over the parts."""
    told = [Probabilities(part, bad, weight) for part in parts]
    return {
        "brier": lambda mass: _mean([one.brier(mass) for one in told]),
        "log_loss": lambda mass: _mean([one.log_loss(mass) for one in told]),
        "slope": lambda mass: _mean([one.slope(mass) for one in told]),
        "observed_expected": lambda mass: _mean([one.observed_expected(mass) for one in told]),
    }


def curve_measures(parts: Sequence[Part], bad: Float64) -> dict[str, Measure]:
    """Bad rate among the safest so many, by approval rate."""
    rankings = [Ranking(part, bad) for part in parts]

    def at(share: float) -> Measure:
        return lambda mass: _mean([one.bad_rates(mass, (share,))[0] for one in rankings])

    return {f"{share:.0%}": at(share) for share in APPROVED}


def roc(parts: Sequence[Part], bad: Float64, mass: Float64) -> list[float]:
    """The ROC curve at ``ROC_AT``, averaged over the parts."""
    told = [Ranking(part, bad).roc(mass, np.array(ROC_AT)) for part in parts]
    return [_mean([float(one[at]) for one in told]) for at in range(len(ROC_AT))]


def with_intervals(
    measures: Mapping[str, Measure], weight: Float64, group: Ints, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Every measure on all rows and its percentile interval over ``resamples`` draws of groups."""
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    for mass in draws(weight, group, resamples, seed):
        for name, measure in measures.items():
            drawn[name].append(measure(mass))
    return {name: interval(measure(weight), drawn[name]) for name, measure in measures.items()}


def draws(weight: Float64, group: Ints, resamples: int, seed: int) -> Iterator[Float64]:
    """Masses of the rows in each bootstrap draw over groups."""
    rng = np.random.default_rng(seed)
    _, place = np.unique(group, return_inverse=True)
    groups = int(place.max()) + 1
    for _ in range(resamples):
        yield weight * np.bincount(rng.integers(0, groups, groups), minlength=groups)[place]


def interval(value: float, drawn: Sequence[float]) -> Interval:
    """Percentile interval; draws in which the figure cannot be told (no bad row drawn) are left out."""
    told = np.array([one for one in drawn if np.isfinite(one)])
    if not len(told):
        return Interval(value, float("nan"), float("nan"))
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(told, [tail, 1.0 - tail])
    return Interval(value, float(low), float(high))


def _mean(values: Sequence[float]) -> float:
    told = [value for value in values if np.isfinite(value)]
    return float(np.mean(told)) if told else float("nan")
