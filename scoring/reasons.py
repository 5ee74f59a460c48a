"""Why a score is what it is: the strongest facts for and against, in points that add up to the score.

Calibration, prior shift and scale are linear in log-odds, so the parts of a margin times one number are parts of the unrounded,
unclipped points. Features of one ``Feature.group`` tell one fact: their parts are added up and the strongest speaks for all.
Trees answer by thresholds, so a small change of input changes no reason unless a threshold is crossed.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True, eq=False)
class Accounts:
    """Accounts of many firms. ``column``, ``points`` and ``strength``: [n, 2·top], as in ``TopFacts``, 0 points where none is."""

    base: list[int]
    others: list[int]
    clipped: list[int]
    shown: list[int]
    exact_base: float
    exact_others: list[float]
    column: NDArray[np.int16]
    points: NDArray[np.int64]
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
    told = account_table(model, features, rows, scores or model.score(rows), top, least)
    return [_account(features, rows[i], told, i) for i in range(len(rows))]


def account_table(
    model: Model, features: Sequence[Feature], rows: Float64, scores: Scores, top: int = TOP, least: float = LEAST
) -> Accounts:
    """The same as numbers side by side, for those who tell of thousands."""
    parts, bias = parts_of(model, rows)
    base = float(model.points_at(np.array([bias]))[0])
    told = top_facts(features, parts, model.points_per_margin, top, least)
    points = base + parts.sum(axis=1) * model.points_per_margin
    others = points - base - told.strength.sum(axis=1)
    shown = scores.score
    inside = (shown > model.scale.low) & (shown < model.scale.high)
    whole = np.where(inside, shown, np.rint(points)).astype(np.int64)
    heard = np.column_stack([np.ones((len(rows), 2), dtype=np.bool_), told.column >= 0])
    numbers = whole_rows(np.column_stack([np.full(len(rows), base), others, told.strength]), heard, whole)
    return Accounts(
        base=numbers[:, 0].tolist(), others=numbers[:, 1].tolist(), clipped=(shown - whole).tolist(), shown=shown.tolist(),
        exact_base=base, exact_others=others.tolist(), column=told.column, points=numbers[:, 2:], strength=told.strength,
    )


def _account(features: Sequence[Feature], row: Float64, told: Accounts, i: int) -> Account:
    heard = zip(told.column[i].tolist(), told.strength[i].tolist(), told.points[i].tolist(), strict=True)
    reasons = [Reason(features[c], float(row[c]), strength, points) for c, strength, points in heard if c >= 0]
    return Account(
        base=told.base[i],
        up=tuple(reason for reason in reasons if reason.strength > 0.0),
        down=tuple(reason for reason in reasons if reason.strength < 0.0),
        others=told.others[i],
        clipped=told.clipped[i],
        shown=told.shown[i],
        exact=(told.exact_base, told.exact_others[i]),
    )


def whole_rows(exact: Float64, heard: NDArray[np.bool_], totals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each number of each row rounded down or up so that the row adds up to its total: the largest remainders go up, earlier
    ones first; what is not heard stays 0.

    Raises ValueError when a total is not the row's sum rounded to a whole number.
    """
    floors = np.floor(exact)
    missing = totals - floors.sum(axis=1).astype(np.int64)
    wrong = (missing < 0) | (missing > heard.sum(axis=1)) | (np.abs(exact.sum(axis=1) - totals) > 0.5 + RESOLUTION)
    if wrong.any():
        raise ValueError(f"{totals[wrong.argmax()]} is not the sum of the parts")
    remainders = np.where(heard, np.round(exact - floors, 6), -1.0)
    order = np.argsort(-remainders, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(exact.shape[1])[None, :], axis=1)
    return np.asarray(floors.astype(np.int64) + (rank < missing[:, None]), dtype=np.int64)
