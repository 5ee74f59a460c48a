"""Why a score is what it is: the strongest facts for and against, in points that add up to the score.

Calibration, prior shift and scale are linear in log-odds, so the parts of a margin times one number are parts of the unrounded,
unclipped points. Features of one ``Feature.group`` tell one fact: their parts are added up and the strongest speaks for all.
Trees answer by thresholds, so a small change of input changes no reason unless a threshold is crossed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.compiled import FEW_ROWS, compiled
from scoring.contributions import Explainer
from scoring.features.spec import Feature, Language
from scoring.model import Model, Scores

Float64 = NDArray[np.float64]

TOP: Final = 5
"""Facts told each way (catalogue §4)."""
LEAST: Final = 1.0
"""Points a fact must weigh to be told (proposal): below, its whole number could be 0 or have the wrong sign."""
RESOLUTION: Final = 1e-6
"""Points; facts that differ by less are as strong, and the one declared first comes first."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact in one score. ``feature``: the one that speaks for its group, ``value``: its value, NaN when absent.

    ``strength``: points of the whole group, exact; ``points``: the whole number shown.
    """

    feature: Feature
    value: float
    strength: float
    points: int

    def say(self, language: Language) -> str:
        """The sentence to show."""
        return self.feature.say(self.value, self.strength > 0.0, language)


@dataclass(frozen=True, slots=True)
class Account:
    """How a shown score comes about: ``base + up + down + others + clipped = shown``, in whole points.

    ``base``: what the average firm of the training rows gets. ``others``: all facts that are not told. ``clipped``: what the ends
    of the scale take off or add. ``exact``: (base, others) unrounded: with the strengths they add up to ``Scores.points``.
    """

    base: int
    up: tuple[Reason, ...]
    down: tuple[Reason, ...]
    others: int
    clipped: int
    shown: int
    exact: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class TopFacts:
    """Of many firms: ``column[n, 2·top]`` of the speaking feature, -1 where there is none, and ``strength`` in points.

    The first ``top`` raise the score, strongest first, the others lower it.
    """

    column: NDArray[np.int16]
    strength: Float64


def parts_of(model: Model, X: ArrayLike, threads: int = 1) -> tuple[Float64, float]:
    """(part of each of the model's columns per row, bias), trees and additive terms together; they add up to the margin."""
    parts, bias = model.term_contributions(X)
    if model.boosters:
        by_trees, bias_of_trees = Explainer.of(model.boosters).contributions(X, threads)
        parts, bias = parts + by_trees, bias + bias_of_trees
    return parts, bias


def top_facts(
    features: Sequence[Feature], parts: Float64, points_per_margin: float, top: int = TOP, least: float = LEAST
) -> TopFacts:
    """The strongest facts of each row. ``parts``: [n, features], of the margin; ``points_per_margin``: ``Model``'s own."""
    numbers: dict[str, int] = {}
    group = np.array([numbers.setdefault(feature.group, len(numbers)) for feature in features], dtype=np.int64)
    column = np.full((len(parts), 2 * top), -1, dtype=np.int16)
    strength = np.zeros((len(parts), 2 * top))
    rank = choose if len(parts) <= FEW_ROWS else compiled(choose)
    rows, fineness = np.ascontiguousarray(parts), 1.0 / RESOLUTION
    rank(rows, points_per_margin, group, len(numbers), least * fineness, fineness, column, strength)
    return TopFacts(column, strength)


def choose(
    parts: Float64,
    factor: float,
    group: NDArray[np.int64],
    groups: int,
    least: float,
    fineness: float,
    column: NDArray[np.int16],
    strength: Float64,
) -> None:
    """Fills ``column`` and ``strength`` (see TopFacts); a loop for ``compiled``. ``least`` in units of 1 / ``fineness``."""
    top = column.shape[1] // 2
    facts = np.empty(groups)
    speaker = np.empty((groups, 2), np.int64)
    loudest = np.empty((groups, 2))
    keys = np.empty(2 * top)
    for r in range(parts.shape[0]):
        facts[:] = 0.0
        loudest[:] = 0.0
        keys[:] = 0.0
        for c in range(parts.shape[1]):
            part, g = parts[r, c] * factor, group[c]
            side = 0 if part > 0.0 else 1
            facts[g] += part
            if abs(part) > loudest[g, side] + 1.0 / fineness:
                loudest[g, side] = abs(part)
                speaker[g, side] = c
        for g in range(groups):
            side = 0 if facts[g] > 0.0 else 1
            key = np.rint(abs(facts[g]) * fineness)
            if key < least or loudest[g, side] == 0.0:
                continue
            place, first = top * (side + 1), top * side
            while place > first and key > keys[place - 1]:
                place -= 1
                if place + 1 < first + top:
                    keys[place + 1], strength[r, place + 1] = keys[place], strength[r, place]
                    column[r, place + 1] = column[r, place]
            if place < first + top:
                keys[place], strength[r, place], column[r, place] = key, facts[g], speaker[g, side]


def account(
    model: Model, features: Sequence[Feature], row: ArrayLike, scores: Scores | None = None, top: int = TOP, least: float = LEAST
) -> Account:
    """Everything about one firm's score. ``features``: of the model's columns, in their order; ``row``: their values.

    ``scores``: of this row alone, where they are known already.
    """
    return accounts(model, features, np.asarray(row, dtype=np.float64).reshape(1, -1), scores, top, least)[0]


def accounts(
    model: Model, features: Sequence[Feature], rows: Float64, scores: Scores | None = None, top: int = TOP, least: float = LEAST
) -> list[Account]:
    """The same for many firms at once; ``rows``: [n, features]."""
    if not len(rows):
        return []
    parts, bias = parts_of(model, rows)
    shown = (scores or model.score(rows)).score
    base = float(model.points_at(np.array([bias]))[0])
    told = top_facts(features, parts, model.points_per_margin, top, least)
    points = base + parts.sum(axis=1) * model.points_per_margin
    return [
        _account(model, features, rows[i], base, float(points[i]), int(shown[i]), told.column[i], told.strength[i])
        for i in range(len(rows))
    ]


def _account(
    model: Model, features: Sequence[Feature], row: Float64, base: float, points: float, shown: int,
    column: NDArray[np.int16], strength: Float64,
) -> Account:  # fmt: skip
    heard = [(c, s) for c, s in zip(column.tolist(), strength.tolist(), strict=True) if c >= 0]
    others = points - base - sum(s for _, s in heard)
    whole = shown if model.scale.low < shown < model.scale.high else round(points)
    whole_base, whole_others, *numbers = whole_numbers([base, others, *(s for _, s in heard)], whole)
    reasons = [Reason(features[c], float(row[c]), s, n) for (c, s), n in zip(heard, numbers, strict=True)]
    return Account(
        base=whole_base,
        up=tuple(reason for reason in reasons if reason.strength > 0.0),
        down=tuple(reason for reason in reasons if reason.strength < 0.0),
        others=whole_others,
        clipped=shown - whole,
        shown=shown,
        exact=(base, others),
    )


def whole_numbers(exact: Sequence[float], total: int) -> list[int]:
    """Each number rounded down or up so that they add up to ``total``: the largest remainders go up, earlier ones first.

    Raises ValueError when ``total`` is not the sum rounded to a whole number.
    """
    whole = [math.floor(number) for number in exact]
    missing = total - sum(whole)
    if not 0 <= missing <= len(exact) or abs(math.fsum(exact) - total) > 0.5 + RESOLUTION:
        raise ValueError(f"{total} is not the sum of the parts")
    order = sorted(range(len(exact)), key=lambda i: round(whole[i] - exact[i], 6))
    for i in order[:missing]:
        whole[i] += 1
    return whole
