"""The challenger: a scorecard of weight-of-evidence bins and a logistic regression, as banks have used for decades.

It is a model like any other, made of terms alone: every bin of every column says how many points it gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scoring.fitting import logistic
from scoring.model import Column
from scoring.scale import Float64
from scoring.settings import Settings
from scoring.table import Ints
from scoring.terms import Term


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """``knots`` between the bins; ``woe``: log-odds of each bin against all rows, last the one of NaN."""

    knots: Float64
    woe: Float64

    def place(self, column: Float64) -> Ints:
        """Bin of each value; NaN has the last."""
        at = np.searchsorted(self.knots, column, side="left")
        return np.where(np.isnan(column), len(self.knots) + 1, at).astype(np.int64)


def scorecard(
    columns: tuple[Column, ...], X: Float64, good: Float64, weight: Float64, settings: Settings
) -> tuple[tuple[Term, ...], float]:
    """Terms and start of the margin (log-odds of ``good``). Columns whose evidence is worth nothing, sets, effects have no term.

    A coefficient that turns against the evidence of its own bins is taken out, one at a time, so that every bin reads as meant.
    """
    mass = weight / weight.mean()
    bins = {
        at: told
        for at, column in enumerate(columns)
        if column.kind not in ("set", "effect") and (told := _bins(X[:, at], good, mass, column.direction, settings)) is not None
    }
    placed = {at: told.place(X[:, at]) for at, told in bins.items()}
    kept = list(bins)
    while kept:
        design = np.column_stack([bins[at].woe[placed[at]] for at in kept])
        fit = logistic(design, good, mass, l2=settings.woe_l2)
        worst = int(np.argmin(fit.weights[:-1]))
        if fit.weights[worst] > 0.0:
            return _terms(columns, bins, placed, kept, fit.weights, mass), float(fit.weights[-1])
        del kept[worst]
    return (), 0.0


def _terms(
    columns: tuple[Column, ...], bins: dict[int, Bins], placed: dict[int, Ints], kept: list[int], weights: Float64, mass: Float64
) -> tuple[Term, ...]:
    terms = []
    for at, slope in zip(kept, weights, strict=False):
        values = slope * bins[at].woe
        mean = float(np.average(values[placed[at]], weights=mass))
        knots = tuple(bins[at].knots.tolist())
        terms.append(Term(columns[at].name, "step", knots, tuple(values[:-1].tolist()), float(values[-1]), mean))
    return tuple(terms)


def _bins(column: Float64, good: Float64, mass: Float64, direction: int, settings: Settings) -> Bins | None:
    """Bins of about equal count, joined until each is large enough and the evidence goes the way of a known direction."""
    known = np.isfinite(column)
    if not known.any():
        return None
    knots = np.unique(np.quantile(column[known], np.linspace(0.0, 1.0, settings.woe_bins + 1)[1:-1], method="lower"))
    knots = knots[knots < column[known].max()]
    least = settings.woe_least * len(column)
    while True:
        told = Bins(knots, np.zeros(len(knots) + 2))
        at = told.place(column)
        count = np.bincount(at, minlength=len(knots) + 2)
        woe = _woe(at, good, mass, len(knots) + 2)
        wrong = [place for place in range(len(knots)) if min(count[place], count[place + 1]) < least]
        if direction:
            wrong += [place for place in range(len(knots)) if direction * (woe[place + 1] - woe[place]) < 0.0]
        if not wrong:
            break
        knots = np.delete(knots, wrong[0])
    if not len(knots) and not 0 < count[-1] < len(column):
        return None
    return Bins(knots, woe)


def _woe(at: Ints, good: Float64, mass: Float64, bins: int, prior: float = 10.0) -> Float64:
    """Weight of evidence of each bin, drawn to 0 by ``prior`` average rows; an empty bin has none."""
    total, average = np.bincount(at, mass, bins), float((mass * good).sum() / mass.sum())
    share = (np.bincount(at, mass * good, bins) + prior * average) / (total + prior)
    return np.asarray(np.log(share / (1.0 - share)) - np.log(average / (1.0 - average)), dtype=np.float64)
