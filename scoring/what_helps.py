"""What would help: the smallest changes a firm can really make, with the score they would bring.

Searched over ``Feature.changeable`` alone, in the good direction alone, in steps people can make (whole months, whole per cent),
and no further than firms of the training rows have come. Trees change their mind at their split values only, so these are the
places worth trying. The model is monotone in the good direction, so no change that is told can do harm. It says what the model
would answer, not that the firm's luck will turn; a screen must say so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.features.spec import Feature, Unit
from scoring.model import Model
from scoring.terms import Term
from scoring.trees import CATEGORY, parse

Float64 = NDArray[np.float64]

STEPS: Final[dict[Unit, float]] = {
    Unit.LOG_YUAN: 0.02, Unit.LOG_QUANTITY: 0.02, Unit.FRACTION: 0.01, Unit.TIMES: 0.05, Unit.YEARS: 0.1,
}  # fmt: skip
"""The smallest step a firm takes, per unit (proposals: 5 % of an amount, one per cent of a share); all other units are whole."""


@dataclass(frozen=True, slots=True)
class Search:
    """How far to look (proposals).

    ``most_changes``: changed at once. ``choices``: targets kept per feature. ``beam``: combinations carried on. ``shown``: told,
    ``targets`` of them for the same features. ``least_points``: below, it is not worth the trouble. ``each``: effort of touching
    a feature at all, beside the way it goes.
    """

    most_changes: int = 3
    choices: int = 4
    beam: int = 8
    shown: int = 5
    targets: int = 1
    least_points: float = 1.0
    each: float = 0.1


SEARCH: Final = Search()


@dataclass(frozen=True, slots=True)
class Change:
    """One feature from its present value to another, in its unit. ``effort``: the way as a share of the range of firms seen."""

    column: int
    feature: Feature
    now: float
    then: float
    effort: float


@dataclass(frozen=True, slots=True)
class Help:
    """One advice: changes made together, and the model's answer. ``gain``: unclipped points, ``effort``: see Search."""

    changes: tuple[Change, ...]
    effort: float
    gain: float
    score: int
    pd: float


@dataclass(frozen=True, slots=True)
class _Tried:
    """A combination with what it gains; the largest ``gain / effort`` first, then the smaller effort, then the columns."""

    changes: tuple[Change, ...]
    effort: float
    gain: float

    @property
    def columns(self) -> tuple[int, ...]:
        return tuple(change.column for change in self.changes)

    @property
    def order(self) -> tuple[float, float, tuple[int, ...]]:
        return (-round(self.gain / self.effort, 6), self.effort, self.columns)


def observed_bounds(X: ArrayLike, low: float = 0.05, high: float = 0.95) -> Float64:
    """[columns, 2]: quantiles of the training rows between which advice stays; NaN for a column nobody has a value in."""
    rows = np.asarray(X, dtype=np.float64)
    bounds = np.full((rows.shape[1], 2), np.nan)
    for column in np.flatnonzero(~np.isnan(rows).all(axis=0)):
        bounds[column] = np.nanquantile(rows[:, column], [low, high])
    return bounds


def bounds_of(model: Model, features: Sequence[Feature]) -> Float64:
    """[columns, 2] where the training rows are not at hand: a step beyond the outermost places where the model changes its mind.

    Splits lie between values of training rows, so firms stood on both sides of each. NaN for a column the model does not use.
    """
    bounds = np.full((len(features), 2), np.nan)
    for column, (feature, told) in enumerate(zip(features, _turns(model.boosters, model.terms, model.names), strict=True)):
        turns = told[np.isfinite(told)]
        if len(turns):
            step = STEPS.get(feature.unit, 1.0)
            first, last = math.floor(turns[0] / step + 1e-9), math.floor(turns[-1] / step + 1e-9) + 1
            bounds[column] = np.round([first * step, last * step], 9)
    return bounds


def what_helps(model: Model, features: Sequence[Feature], row: ArrayLike, bounds: Float64, search: Search = SEARCH) -> list[Help]:
    """The best advice for one firm, most points per effort first; empty where nothing it can change would help.

    ``features``: of the model's columns in their order; ``bounds``: see ``observed_bounds``. An absent value is never changed
    (bringing the data is another matter), nor two features of one group together, since they tell one fact.
    """
    values = np.asarray(row, dtype=np.float64)
    before = model.points_at(model.margins(values[None, :]))[0]
    steps = [
        _worthwhile(_try(model, values, before, [(change,) for change in changes], search), search)
        for changes in _changes(model, features, values, bounds)
    ]
    singles = [tried for kept in steps for tried in kept]
    found, front = list(singles), sorted(singles, key=lambda tried: tried.order)[: search.beam]
    for _ in range(search.most_changes - 1):
        wider = {
            tuple(sorted((*tried.changes, *single.changes), key=lambda change: change.column))
            for tried in front
            for single in singles
            if single.changes[0].feature.group not in {change.feature.group for change in tried.changes}
        }
        tried_now = _try(model, values, before, sorted(wider, key=_key), search)
        grown = [tried for tried in tried_now if tried.gain >= search.least_points]
        found += grown
        front = sorted(grown, key=lambda tried: tried.order)[: search.beam]
    return _told(model, values, _varied(_undominated(found), search.targets)[: search.shown])


def value_curve(
    model: Model, features: Sequence[Feature], row: ArrayLike, column: int, bounds: Float64, points: int = 41
) -> list[tuple[float, int]]:
    """(value, score) over the range of firms seen and the firm's own value, ascending: what the slider answers with.

    At most about ``points`` values, in steps of the feature's unit. Empty where nobody has a value in the column.
    """
    values = np.asarray(row, dtype=np.float64)
    low, high = (float(bound) for bound in bounds[column])
    if math.isnan(low):
        return []
    now = float(values[column])
    if not math.isnan(now):
        low, high = min(low, now), max(high, now)
    step = STEPS.get(features[column].unit, 1.0)
    step *= max(1, math.ceil((high - low) / step / points))
    places = np.round(np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1) * step, 9)
    places = np.unique(places if math.isnan(now) else np.append(places, now))
    rows = np.repeat(values[None, :], len(places), axis=0)
    rows[:, column] = places
    scores = model.scale.shown(model.points_at(model.margins(rows)))
    return [(float(place), int(score)) for place, score in zip(places, scores, strict=True)]


def _changes(model: Model, features: Sequence[Feature], values: Float64, bounds: Float64) -> Iterable[list[Change]]:
    """Per changeable feature, the nearest value beyond each place where the model may change its mind, nearest first."""
    turns = _turns(model.boosters, model.terms, model.names)
    for column, feature in enumerate(features):
        now, (low, high) = float(values[column]), bounds[column]
        if not feature.changeable or feature.direction == 0 or math.isnan(now) or math.isnan(low):
            continue
        then = _beyond(turns[column], STEPS.get(feature.unit, 1.0), feature.direction)
        better = then[((then - now) * feature.direction > 0.0) & (then >= low) & (then <= high)]
        width = max(float(high - low), STEPS.get(feature.unit, 1.0))
        better = np.unique(better)[:: feature.direction]
        yield [Change(column, feature, now, float(value), abs(float(value) - now) / width) for value in better]


def _beyond(turns: Float64, step: float, direction: int) -> Float64:
    """The next value in whole steps on the good side of each split: above it (splits say ``<=``), or at most it."""
    if direction > 0:
        return np.asarray(np.round((np.floor(turns / step + 1e-9) + 1.0) * step, 9), dtype=np.float64)
    return np.asarray(np.round(np.floor(turns / step + 1e-9) * step, 9), dtype=np.float64)


@lru_cache(maxsize=4)
def _turns(boosters: tuple[str, ...], terms: tuple[Term, ...], names: tuple[str, ...]) -> tuple[Float64, ...]:
    """Per column, the split values of all trees and the knots of the terms."""
    turns: list[set[float]] = [set() for _ in names]
    for text in boosters:
        for tree in parse(text).trees:
            for split in tree.splits:
                if split.kind != CATEGORY:
                    turns[split.feature].add(split.threshold)
    for term in terms:
        turns[names.index(term.column)].update(term.knots)
    return tuple(np.array(sorted(values)) for values in turns)


def _try(
    model: Model, values: Float64, before: float, wanted: Sequence[tuple[Change, ...]], search: Search
) -> list[_Tried]:
    """What each combination gains."""
    if not wanted:
        return []
    points = model.points_at(model.margins(_changed(values, wanted)))
    return [
        _Tried(changes, search.each * len(changes) + sum(change.effort for change in changes), float(after - before))
        for changes, after in zip(wanted, points, strict=True)
    ]


def _changed(values: Float64, wanted: Sequence[tuple[Change, ...]]) -> Float64:
    rows = np.repeat(values[None, :], len(wanted), axis=0)
    for number, changes in enumerate(wanted):
        for change in changes:
            rows[number, change.column] = change.then
    return rows


def _worthwhile(tried: list[_Tried], search: Search) -> list[_Tried]:
    """Of one feature: the targets where more effort brings more points, the best few per effort and always the furthest."""
    kept: list[_Tried] = []
    for one in tried:
        if one.gain >= (kept[-1].gain + 1e-9 if kept else search.least_points):
            kept.append(one)
    if len(kept) <= search.choices:
        return kept
    return [*sorted(kept[:-1], key=lambda one: one.order)[: search.choices - 1], kept[-1]]


def _undominated(found: list[_Tried]) -> list[_Tried]:
    """Without those that ask for more than another, of the same features or some of them, and bring no more; the best first."""
    most: dict[tuple[int, ...], float] = {}
    kept: list[_Tried] = []
    for one in sorted(found, key=lambda tried: (tried.effort, -tried.gain, tried.order)):
        columns = one.columns
        parts = (part for size in range(1, len(columns) + 1) for part in combinations(columns, size))
        if one.gain > max(most.get(part, 0.0) for part in parts) + 1e-9:
            most[columns] = one.gain
            kept.append(one)
    return sorted(kept, key=lambda tried: tried.order)


def _varied(found: list[_Tried], targets: int) -> list[_Tried]:
    """The first few for each set of features: how far to go with one of them is for the slider to show."""
    told: Counter[tuple[int, ...]] = Counter()
    kept: list[_Tried] = []
    for one in found:
        told[one.columns] += 1
        if told[one.columns] <= targets:
            kept.append(one)
    return kept


def _told(model: Model, values: Float64, best: Sequence[_Tried]) -> list[Help]:
    if not best:
        return []
    scores = model.score(_changed(values, [tried.changes for tried in best]))
    return [
        Help(tried.changes, tried.effort, tried.gain, int(score), float(pd))
        for tried, score, pd in zip(best, scores.score, scores.pd, strict=True)
    ]


def _key(changes: tuple[Change, ...]) -> tuple[tuple[int, float], ...]:
    return tuple((change.column, change.then) for change in changes)
