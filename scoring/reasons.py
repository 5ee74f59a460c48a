"""Why a score is what it is: the strongest facts for and against, in points that add up to the score.

Calibration, prior shift and scale are linear in log-odds, so the parts of a margin times one number are parts of the unrounded,
unclipped points. Features of one ``Feature.group`` tell one fact: their parts are added up and the strongest speaks for all.
Trees answer by thresholds, so a small change of input changes no reason unless a threshold is crossed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

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
_GROUP: Final = attrgetter("group")


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
    scores: Scores


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
    grouped = _grouped(tuple(map(_GROUP, features)))
    column, strength = np.full((len(parts), 2 * top), -1, dtype=np.int16), np.zeros((len(parts), 2 * top))
    if len(parts) > FEW_ROWS:
        groups = len(grouped.columns)
        work = (np.zeros(groups), np.zeros(2 * groups), np.zeros(2 * groups, dtype=np.int64), np.zeros(2 * top))
        asked = (points_per_margin, 1.0 / RESOLUTION, least / RESOLUTION)
        compiled(choose)(np.ascontiguousarray(parts), grouped.group, column, strength, *work, *asked)
        return TopFacts(column, strength)
    for row, columns, strengths in zip(parts * points_per_margin, column, strength, strict=True):
        _choose_few(row, grouped, columns, strengths, least)
    return TopFacts(column, strength)


@dataclass(frozen=True, slots=True, eq=False)
class _Grouped:
    """``group``: the number of each feature's group; ``columns``: the features of each group."""

    group: NDArray[np.int64]
    columns: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=16)
def _grouped(names: tuple[str, ...]) -> _Grouped:
    numbers: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        numbers.setdefault(name, []).append(column)
    places = {name: place for place, name in enumerate(numbers)}
    return _Grouped(np.array([places[name] for name in names], dtype=np.int64), tuple(map(tuple, numbers.values())))


def _choose_few(parts: Float64, grouped: _Grouped, column: NDArray[np.int16], strength: Float64, least: float) -> None:
    """What ``choose`` does, for a row in points already: one row is sooner told by whole arrays than by a loop."""
    facts = np.bincount(grouped.group, weights=parts, minlength=len(grouped.columns))
    keys = np.rint(np.abs(facts) * (1.0 / RESOLUTION))
    heard = np.flatnonzero(keys >= least / RESOLUTION)
    top = len(column) // 2
    places = [0, top]
    for group in heard[np.argsort(-keys[heard], kind="stable")].tolist():
        fact = facts[group]
        side = 0 if fact > 0.0 else 1
        if places[side] == (side + 1) * top:
            continue
        speaker = _speaker(parts, grouped.columns[group], 1.0 if fact > 0.0 else -1.0)
        if speaker >= 0:
            column[places[side]], strength[places[side]] = speaker, fact
            places[side] += 1


def _speaker(parts: Float64, columns: Sequence[int], sign: float) -> int:
    loudest, speaker = 0.0, -1
    for column in columns:
        weight = parts[column] * sign
        if weight > loudest + RESOLUTION:
            loudest, speaker = weight, column
    return speaker


def choose(
    parts: Any, group: Any, column: Any, strength: Any, facts: Any, loudest: Any, speaker: Any, keys: Any,
    factor: float, fineness: float, least: float,
) -> None:  # fmt: skip
    """Fills ``column`` and ``strength`` (see TopFacts), as a loop to be compiled.

    ``parts``: [n][features]; ``group``: of each feature. To work with: ``facts`` by group, ``loudest`` and ``speaker`` for the
    two sides of each group, ``keys`` by place. ``least`` in units of 1 / ``fineness``.
    """
    top = len(keys) // 2
    for r in range(len(parts)):
        for g in range(len(facts)):
            facts[g] = 0.0
            loudest[2 * g] = 0.0
            loudest[2 * g + 1] = 0.0
        for k in range(2 * top):
            keys[k] = 0.0
        row, columns, strengths = parts[r], column[r], strength[r]
        for c in range(len(row)):
            part = row[c] * factor
            if part == 0.0:
                continue
            g = group[c]
            facts[g] += part
            side, weight = (2 * g, part) if part > 0.0 else (2 * g + 1, -part)
            if weight > loudest[side] + 1.0 / fineness:
                loudest[side] = weight
                speaker[side] = c
        for g in range(len(facts)):
            side, weight = (2 * g, facts[g]) if facts[g] > 0.0 else (2 * g + 1, -facts[g])
            key = float(round(weight * fineness))
            if key < least or loudest[side] == 0.0:
                continue
            first = 0 if facts[g] > 0.0 else top
            place = first + top
            while place > first and key > keys[place - 1]:
                place -= 1
                if place + 1 < first + top:
                    keys[place + 1], strengths[place + 1], columns[place + 1] = keys[place], strengths[place], columns[place]
            if place < first + top:
                keys[place], strengths[place], columns[place] = key, facts[g], speaker[side]


def account(model: Model, features: Sequence[Feature], row: ArrayLike, top: int = TOP, least: float = LEAST) -> Account:
    """Everything about one firm's score. ``features``: of the model's columns, in their order; ``row``: their values."""
    return accounts(model, features, np.asarray(row, dtype=np.float64).reshape(1, -1), top, least)[0]


def accounts(
    model: Model, features: Sequence[Feature], rows: Float64, top: int = TOP, least: float = LEAST
) -> list[Account]:
    """The same for many firms at once; ``rows``: [n, features]."""
    if not len(rows):
        return []
    told = account_table(model, features, rows, top, least)
    return [_account(features, rows[i], told, i) for i in range(len(rows))]


def account_table(
    model: Model, features: Sequence[Feature], rows: Float64, top: int = TOP, least: float = LEAST
) -> Accounts:
    """The same as numbers side by side, for those who tell of thousands. The margin is what its parts add up to."""
    parts, bias = parts_of(model, rows)
    base = float(model.points_at(np.array([bias]))[0])
    told = top_facts(features, parts, model.points_per_margin, top, least)
    above = np.add.reduce(parts, axis=1)
    scores = model.scores_at(bias + above, rows)
    others = above * model.points_per_margin - np.add.reduce(told.strength, axis=1)
    shown = scores.score
    inside = (shown > model.scale.low) & (shown < model.scale.high)
    whole = np.where(inside, shown, np.rint(base + above * model.points_per_margin)).astype(np.int64)
    exact = np.empty((len(rows), 2 + 2 * top))
    exact[:, 0], exact[:, 1], exact[:, 2:] = base, others, told.strength
    heard = np.ones(exact.shape, dtype=np.bool_)
    heard[:, 2:] = told.column >= 0
    numbers = whole_rows(exact, heard, whole)
    return Accounts(
        base=numbers[:, 0].tolist(), others=numbers[:, 1].tolist(), clipped=(shown - whole).tolist(), shown=shown.tolist(),
        exact_base=base, exact_others=others.tolist(), column=told.column, points=numbers[:, 2:], strength=told.strength,
        scores=scores,
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
    missing = totals - np.add.reduce(floors, axis=1).astype(np.int64)
    apart = np.abs(np.add.reduce(exact, axis=1) - totals)
    wrong = (missing < 0) | (missing > np.add.reduce(heard, axis=1)) | (apart > 0.5 + RESOLUTION)
    if wrong.any():
        raise ValueError(f"{totals[wrong.argmax()]} is not the sum of the parts")
    remainders = np.where(heard, np.round(exact - floors, 6), -1.0)
    rank = (-remainders).argsort(axis=1, kind="stable").argsort(axis=1)
    return np.asarray(floors.astype(np.int64) + (rank < missing[:, None]), dtype=np.int64)
