"""Training: from a table to a calibrated model with an interval, on rows it has not seen wherever it is judged.

``grow`` makes the margin; everything after it is the same for trees, scorecards and both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import numpy as np

from scoring.closing import amends, with_closed
from scoring.effects import effects_card
from scoring.encoding import expected_of_era, learn_all, matrix
from scoring.errors import ModelError
from scoring.fitting import non_negative, platt
from scoring.folds import folds_of, resample
from scoring.model import BASE_RATE, Column, Model
from scoring.recipes import Recipe, rank_card
from scoring.scale import Calibration, Float64, Uncertainty
from scoring.scorecard import scorecard
from scoring.settings import SETTINGS, Settings
from scoring.table import Table
from scoring.terms import Term

Grow = Callable[[Table, Settings, int], Model]
"""Rows, settings and seed → a model with margins alone, not yet calibrated."""


def train(
    table: Table,
    settings: Settings = SETTINGS,
    *,
    seed: int = 20260101,
    trained_at: date,
    base_rate: float | None = None,
    grow: Grow | None = None,
    metrics: dict[str, Any] | None = None,
) -> Model:
    """The model of all known rows of the table. ``base_rate``: by default that of the table, else 3 %.

    Calibrated on margins of rows the trees have not seen. Raises ModelError when an outcome has fewer rows than there are folds.
    """
    make = grow or grow_model
    rows = _checked(table, settings)
    settings = tuned(rows, settings, seed) if settings.search else settings
    calibration, covariance = _calibration(rows, settings, seed, make)
    rate = float(np.average(rows.bad, weights=rows.weight))
    model = replace(
        _lean(make(rows, settings, seed)),
        trained_at=trained_at,
        calibration=calibration,
        sample_rate=rate,
        base_rate=base_rate or table.base_rate or BASE_RATE,
        about={
            **table.about,
            "rows": len(rows),
            "defaults": int(rows.bad.sum()),
            "left_out_as_thin": int(table.thin.sum()),
            "seed": seed,
            "settings": asdict(settings),
        },
        metrics=metrics or {},
    )
    return replace(model, uncertainty=_uncertainty(model, rows, settings, seed, covariance, make))


def _calibration(rows: Table, settings: Settings, seed: int, make: Grow) -> tuple[Calibration, Float64]:
    """Fitted on margins of rows not seen. A ridge regression on ranks gives honest log-odds by itself: of few defaults no second
    slope is learnt, and its uncertainty is that of the refits.
    """
    if settings.kind == "ranks":
        return Calibration(), np.zeros((2, 2))
    repeats = settings.calibration_repeats
    rounds = [out_of_fold(rows, settings, seed + 1000 * number, make) for number in range(repeats)]
    calibration, covariance = platt(np.concatenate(rounds), np.tile(rows.bad, repeats), np.tile(rows.weight, repeats))
    # Repeats are the same rows again: they steady the fit but are no further evidence.
    return calibration, covariance * repeats


def _checked(table: Table, settings: Settings) -> Table:
    rows = table.known()
    fewest = min(int((rows.bad == outcome).sum()) for outcome in (0.0, 1.0))
    least = max(2, settings.calibration_folds)
    if fewest < least:
        raise ModelError(
            f"training needs at least {least} rows that defaulted and {least} that did not; there are {fewest} of one kind"
        )
    return rows


def grow_model(table: Table, settings: Settings, seed: int) -> Model:
    """Trees, scorecard or both, as the settings say; the margin is not calibrated yet."""
    open_rows, table = table, with_closed(table, settings.closed_copies, seed)
    shown = len(table) // len(open_rows)  # a firm shown twice is no second piece of evidence
    settings = replace(settings, min_data_in_leaf=shown * settings.min_data_in_leaf)
    weight = training_weight(table) / shown
    expected = expected_of_era(table, weight)
    columns, X = learn_all(table, weight, expected, settings.smoothing, settings.encoding_folds, seed)
    offset = np.log((1.0 - expected) / expected) if len(np.unique(table.era)) > 1 else None
    good = 1.0 - table.bad
    boosters: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    start = 0.0
    if settings.kind == "ranks":
        recipe = Recipe(settings.ranks, settings.ranks_l2)
        terms, start = rank_card([one.name for one in columns], [one.direction for one in columns], X, good, weight, recipe)
    if settings.kind in ("trees", "both"):
        boosters = tuple(_booster(columns, X, good, weight, offset, settings, seed + bag) for bag in range(settings.bags))
    if settings.kind in ("scorecard", "both"):
        if settings.card == "effects":
            terms, start = effects_card(columns, X, good, weight, offset, settings)
        else:
            terms, start = scorecard(columns, X, good, weight, settings)
    if settings.kind == "both":
        boosters, terms, start = _blended(boosters, terms, start, settings.blend)
    if not boosters and not terms:
        raise ModelError("no column says anything about the outcome; a scorecard of these rows would be empty")
    model = Model(columns=columns, trained_at=date.min, boosters=boosters, terms=terms, start=start)
    return model if table is open_rows else replace(model, terms=(*terms, *amends(model, open_rows)))


def _lean(model: Model) -> Model:
    """Without columns that no tree and no term reads, where there are only terms: what is not read is not asked for."""
    if model.boosters:
        return model
    read = {term.column for term in model.terms}
    return replace(model, columns=tuple(column for column in model.columns if column.name in read))


def training_weight(table: Table) -> Float64:
    """The weights trees are grown with. Weights that depend on the outcome alone (a case-control sample) only move the intercept,
    which calibration sets; growing without them wastes nothing of the rarer outcome.
    """
    for outcome in (0.0, 1.0):
        if len(np.unique(table.weight[table.bad == outcome])) > 1:
            return table.weight
    return np.ones(len(table))


def parameters(columns: tuple[Column, ...], settings: Settings, seed: int) -> dict[str, Any]:
    """LightGBM's parameters: deterministic, monotone where a direction is known."""
    return {
        "objective": "binary",
        "verbosity": -1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.threads,
        "seed": seed,
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.num_leaves,
        "max_depth": settings.max_depth,
        "min_data_in_leaf": settings.min_data_in_leaf,
        "lambda_l2": settings.lambda_l2,
        "feature_fraction": settings.feature_fraction,
        "bagging_fraction": settings.bagging_fraction,
        "bagging_freq": 1,
        "max_bin": settings.max_bin,
        "extra_trees": settings.extra_trees,
        "cat_smooth": settings.cat_smooth,
        "cat_l2": settings.cat_l2,
        "max_cat_threshold": settings.max_cat_threshold,
        "monotone_constraints": [column.direction for column in columns],
    }


def _booster(
    columns: tuple[Column, ...],
    X: Float64,
    good: Float64,
    weight: Float64,
    offset: Float64 | None,
    settings: Settings,
    seed: int,
) -> str:
    """``offset``: log-odds that are known of each row beforehand; they are not part of the margin."""
    import lightgbm as lgb

    told = parameters(columns, settings, seed)
    names = [column.name for column in columns]
    # What never changes is never asked about: the words of effects are for the card alone.
    seen = np.where([column.kind == "effect" for column in columns], 0.0, X)
    data = lgb.Dataset(
        seen, label=good, weight=weight, init_score=offset, feature_name=names,
        categorical_feature=[column.name for column in columns if column.kind == "set"],
        params={"verbosity": -1, "num_threads": settings.threads, "max_bin": settings.max_bin},
    )  # fmt: skip
    return str(lgb.train(told, data, num_boost_round=settings.rounds).model_to_string())


def _blended(
    boosters: tuple[str, ...], terms: tuple[Term, ...], start: float, share: float
) -> tuple[tuple[str, ...], tuple[Term, ...], float]:
    """Margin = trees + share/(1 - share) · scorecard: calibration sets the common slope, so only the ratio matters."""
    ratio = share / (1.0 - share)
    scaled = tuple(
        replace(term, values=tuple(ratio * value for value in term.values), absent=ratio * term.absent, mean=ratio * term.mean)
        for term in terms
    )
    return boosters, scaled, ratio * start


def out_of_fold(rows: Table, settings: Settings, seed: int, grow: Grow = grow_model) -> Float64:
    """For each row the margin of a model that has seen neither it nor its group."""
    fold_of = folds_of(rows.bad, rows.group, settings.calibration_folds, seed)
    margin = np.empty(len(rows))
    for fold in range(settings.calibration_folds):
        held = fold_of == fold
        model = grow(rows.take(~held), settings, seed + fold)
        margin[held] = model.margins(matrix(model.columns, rows.inputs.filter(held)))
    return margin


def _uncertainty(model: Model, rows: Table, settings: Settings, seed: int, covariance: Float64, grow: Grow) -> Uncertainty:
    """How far refits on resampled rows differ in log-odds on rows they have not seen, by margin and share of absent values.

    Rows of several sources are also looked at with some of them closed, so that the interval knows what closing costs.
    """
    looked = with_closed(rows, min(1, settings.closed_copies), seed)
    X = matrix(model.columns, looked.inputs)
    margin, absent = model.margins(X), np.isnan(X).mean(axis=1)
    rounds = []
    for number in range(settings.bootstrap):
        drawn = resample(rows.group, seed + 7919 * (number + 1))
        unseen = np.setdiff1d(np.arange(len(rows)), drawn)
        shown = np.concatenate([unseen + first for first in range(0, len(looked), len(rows))])
        if len(unseen) and len(np.unique(rows.bad[drawn])) == 2:
            refit = grow(rows.take(drawn), replace(settings, bags=1), seed + number)
            told = np.full(len(looked), np.nan)
            told[shown] = refit.margins(matrix(refit.columns, looked.inputs[shown]))
            rounds.append(told if settings.kind == "ranks" else told - np.nanmean(told))
    centre = float(np.average(margin, weights=looked.weight))
    base = tail = dark = 0.0
    seen = np.isfinite(rounds).sum(axis=0) >= 2 if rounds else np.zeros(len(looked), dtype=np.bool_)
    if seen.any():
        spread = model.calibration.slope * np.nanstd(np.array(rounds)[:, seen], axis=0, ddof=1)
        design = np.column_stack([np.ones(int(seen.sum())), np.abs(margin[seen] - centre), absent[seen]])
        base, tail, dark = non_negative(design, spread)
    slope, both, intercept = covariance[0, 0], covariance[0, 1], covariance[1, 1]
    return Uncertainty(base, tail, dark, centre, (float(slope), float(both), float(intercept)))


def tuned(rows: Table, settings: Settings, seed: int) -> Settings:
    """The best of ``settings.search`` random candidates (see scoring.tuning), judged on rows they have not seen."""
    from scoring.tuning import search

    return search(rows, settings, seed)
