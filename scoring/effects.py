"""An additive card of many words: every word of every column, and every bin of every number, has an effect of its own.

Thousands of effects from a few thousand firms are only of use when they are drawn towards nothing (ridge, the same as a normal
prior around 0): a lender met twice hardly moves, one met a hundred times says what it has shown. Trees read such words through
one code each; side by side the two err in different places, which is why they are blended.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from scoring.model import Column
from scoring.scale import Float64, probability_of_default
from scoring.settings import Settings
from scoring.table import Ints
from scoring.terms import Term

STEPS: Final = 8
"""Of Newton's method; the ridge keeps it from needing more."""
TURNS: Final = 40
"""Most turns of the conjugate gradients in a step."""
CLOSE: Final = 1e-3
"""Where a step of Newton's method, or what a step leaves unexplained of the pull, ends the search."""


class Design:
    """Rows × effects where every column of the data has exactly one effect per row; the intercept is the last effect.

    ``places``: per column the number of each row's effect; ``sizes``: how many effects a column has.
    """

    def __init__(self, places: list[Ints], sizes: list[int]) -> None:
        start = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        self.places = places
        self.parts = [slice(first, last) for first, last in pairwise(start)]
        self.size = start[-1] + 1

    def of(self, effects: Float64) -> Float64:
        """Sum of each row's effects."""
        total = np.full(len(self.places[0]), effects[-1])
        for place, part in zip(self.places, self.parts, strict=True):
            total += effects[part][place]
        return total

    def back(self, rows: Float64) -> Float64:
        """Sum over the rows of each effect."""
        sums = [np.bincount(place, rows, part.stop - part.start) for place, part in zip(self.places, self.parts, strict=True)]
        return np.concatenate([*sums, [rows.sum()]])


def effects_card(
    columns: tuple[Column, ...], X: Float64, good: Float64, weight: Float64, offset: Float64 | None, settings: Settings
) -> tuple[tuple[Term, ...], float]:
    """Terms and start of a margin that is the log-odds of ``good``: of columns of the kind "effect", and of numbers in bins.

    ``offset``: log-odds known of each row beforehand, not part of the margin. No direction is imposed on a number: the card is
    for columns without a known direction.
    """
    read = [at for at, column in enumerate(columns) if column.kind in ("effect", "numeric")]
    knots = {at: _knots(columns[at], X[:, at], settings.effects_bins) for at in read}
    read = [at for at in read if len(knots[at])]
    if not read:
        return (), 0.0
    sizes = [len(knots[at]) + 2 for at in read]
    design = Design([_place(knots[at], X[:, at]) for at in read], sizes)
    effects = _ridge(design, good, weight / weight.mean(), offset, settings.effects_l2)
    terms = []
    for number, at in enumerate(read):
        values = effects[design.parts[number]]
        mean = float(np.average(values[design.places[number]], weights=weight))
        absent = float(values[-1])
        terms.append(Term(columns[at].name, "step", tuple(knots[at].tolist()), tuple(values[:-1].tolist()), absent, mean))
    return tuple(terms), float(effects[-1])


def _knots(column: Column, values: Float64, bins: int) -> Float64:
    """Between the numbers of words; between bins of about equal count for a number."""
    if column.kind == "effect":
        return np.arange(len(column.codes), dtype=np.float64) - 0.5
    known = values[np.isfinite(values)]
    if not len(known):
        return np.empty(0)
    knots = np.unique(np.quantile(known, np.linspace(0.0, 1.0, bins + 1)[1:-1], method="lower"))
    return np.asarray(knots[knots < known.max()], dtype=np.float64)


def _place(knots: Float64, values: Float64) -> Ints:
    at = np.searchsorted(knots, values, side="left")
    return np.where(np.isnan(values), len(knots) + 1, at).astype(np.int64)


def _ridge(design: Design, good: Float64, mass: Float64, offset: Float64 | None, l2: float) -> Float64:
    """The effects, by Newton's method; each step is found by conjugate gradients, so that no square matrix is ever made."""
    known = np.zeros(len(good)) if offset is None else offset
    penalty = np.append(np.full(design.size - 1, l2), 0.0)
    effects = np.zeros(design.size)
    for _ in range(STEPS):
        fitted = 1.0 - probability_of_default(design.of(effects) + known)
        pull = design.back(mass * (good - fitted)) - penalty * effects
        step = _solved(design, mass * fitted * (1.0 - fitted), penalty, pull)
        effects = effects + step
        if float(np.abs(step).max()) < CLOSE:
            break
    return np.asarray(effects, dtype=np.float64)


def _solved(design: Design, curvature: Float64, penalty: Float64, pull: Float64) -> Float64:
    """(designᵀ · curvature · design + penalty)⁻¹ · pull, scaled by its diagonal."""
    diagonal = design.back(curvature) + penalty + 1e-9
    found, left = np.zeros_like(pull), pull.copy()
    scaled = left / diagonal
    way, strength, enough = scaled.copy(), float(left @ scaled), CLOSE * float(np.linalg.norm(pull))
    for _ in range(TURNS):
        bent = design.back(curvature * design.of(way)) + penalty * way
        length = strength / float(way @ bent)
        found += length * way
        left -= length * bent
        if float(np.linalg.norm(left)) <= enough:
            break
        scaled = left / diagonal
        before, strength = strength, float(left @ scaled)
        way = scaled + strength / before * way
    return found
