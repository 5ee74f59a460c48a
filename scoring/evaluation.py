"""What a model is worth: on rows it has not seen, or by repeated cross-validation of the whole training, search included.

Probabilities are judged before the shift to the base rate: a sample can only say how well its own rate is met.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from scoring.encoding import matrix
from scoring.folds import folds_of
from scoring.measures import (
    RESAMPLES,
    ROC_AT,
    Interval,
    Part,
    curve_measures,
    probability_measures,
    rank_measures,
    roc,
    with_intervals,
)
from scoring.model import Model, Scores
from scoring.scale import SCALE, Float64, probability_of_default
from scoring.settings import SETTINGS, Settings
from scoring.table import Bools, Table
from scoring.training import Grow, train

BINS = 10
"""Of the reliability curve."""
SPREAD_BINS = 20
"""Of the points by outcome."""
LEAST_GROUP = 50
"""Rows from which a group is reported on its own (proposal)."""


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of the reliability curve: weighted mean of the predicted probability and share that defaulted."""

    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """A group of firms, such as a district: how many, how often bad, and how well they are judged."""

    by: str
    name: str
    rows: int
    bad_rate: float
    auc: Interval
    observed_expected: Interval


@dataclass(frozen=True, slots=True)
class Spread:
    """Shares of the good and of the bad rows by points at the rate of the sample. ``edges``: one more than there are bins."""

    edges: Sequence[float]
    good: Sequence[float]
    bad: Sequence[float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """``figures``: auc, ks, lift, brier, log_loss, slope, observed_expected. ``rivals``: AUC of other rules on the same rows, and
    ``leads``: by how much the model's is larger. ``curve``: bad rate by approval rate. ``roc``: share of the bad that stand among
    the riskiest, by the share of the good that stand there too. ``spread``: how points lie by outcome.
    """

    protocol: str
    rows: int
    bad: int
    bad_rate: float
    figures: Mapping[str, Interval]
    curve: Mapping[str, Interval]
    reliability: Sequence[Bin]
    roc: Sequence[tuple[float, float]]
    spread: Spread
    rivals: Mapping[str, Interval] = field(default_factory=dict)
    leads: Mapping[str, Interval] = field(default_factory=dict)
    groups: Sequence[GroupFigures] = ()

    def as_metrics(self) -> dict[str, object]:
        """As it is kept in a model file."""
        told = {name: _listed(one) for name, one in self.figures.items()}
        rivals = {name: _listed(one) for name, one in self.rivals.items()}
        bins = [[one.rows, one.predicted, one.observed] for one in self.reliability]
        groups = [
            {"by": one.by, "name": one.name, "rows": one.rows, "bad_rate": one.bad_rate, "auc": _listed(one.auc),
             "observed_expected": _listed(one.observed_expected)} for one in self.groups
        ]  # fmt: skip
        return {
            "protocol": self.protocol, "rows": self.rows, "bad": self.bad, "reliability": bins, "rivals": rivals,
            "groups": groups, "curve": {name: _listed(one) for name, one in self.curve.items()},
            "roc": [list(point) for point in self.roc],
            "spread": {name: list(getattr(self.spread, name)) for name in ("edges", "good", "bad")}, **told,
        }  # fmt: skip


def _listed(one: Interval) -> list[float]:
    return [one.value, one.low, one.high]


def score_table(model: Model, table: Table) -> Scores:
    """Scores of every row, those of which too little is known included (their status says so)."""
    return model.score(matrix(model.columns, table.inputs))


def evaluate(model: Model, table: Table, *, resamples: int = RESAMPLES, seed: int = 0) -> Evaluation:
    """The model on the labelled rows of a table it was not trained on. Raises DataError when there is none."""
    rows = table.known()
    pd = score_table(model, rows).pd_sample
    part = [Part(np.arange(len(rows)), pd)]
    return _judged("one model on rows it was not trained on", rows, part, part, {}, resamples, seed)


def refit_intercept(model: Model, table: Table, share: float, seed: int) -> tuple[Model, Bools]:
    """The model with its intercept fitted on a random ``share`` of the table's groups, and the mask of the rows used."""
    folds = max(2, round(1.0 / share))
    used = folds_of(table.bad, table.group, folds, seed) == 0
    used &= np.isfinite(table.bad) & ~table.thin
    rows = table.take(used)
    margin = model.margins(matrix(model.columns, rows.inputs))
    log_odds, moved = model.calibration.log_odds(margin), 0.0
    for _ in range(100):
        pd = probability_of_default(log_odds + moved)
        step = float((rows.weight * (pd - rows.bad)).sum() / (rows.weight * pd * (1.0 - pd)).sum())
        moved += float(np.clip(step, -2.0, 2.0))
        if abs(step) < 1e-12:
            break
    calibration = replace(model.calibration, intercept=model.calibration.intercept + moved)
    rate = float(np.average(rows.bad, weights=rows.weight))
    about = {**model.about, "intercept_refitted_on": int(used.sum())}
    return replace(model, calibration=calibration, sample_rate=rate, about=about), used


@dataclass(frozen=True)
class _Task:
    """One fold of one repeat."""

    table: Table
    settings: Settings
    repeat: int
    fold: int
    folds: int
    seed: int
    grow: Grow | None


def _run(task: _Task) -> Part:
    fold_of = folds_of(task.table.bad, task.table.group, task.folds, task.seed + task.repeat)
    held = fold_of == task.fold
    settings = replace(task.settings, bootstrap=0)
    seed = task.seed + 101 * task.repeat + task.fold
    model = train(task.table.take(~held), settings, seed=seed, trained_at=date.min, grow=task.grow)
    return Part(np.flatnonzero(held), score_table(model, task.table.take(held)).pd_sample)


def cross_validate(
    table: Table,
    settings: Settings = SETTINGS,
    *,
    folds: int = 5,
    repeats: int = 5,
    seed: int = 20260101,
    challengers: Mapping[str, tuple[Table, Settings]] | None = None,
    resamples: int = RESAMPLES,
    jobs: int = 1,
    grow: Grow | None = None,
) -> Evaluation:
    """Repeated cross-validation: encoding, search and calibration are done anew on the rows of the other folds.

    ``challengers``: other settings on the same rows, perhaps with other columns, judged in the same folds. ``jobs``: processes;
    the result does not depend on it.
    """
    rows = table.known()
    parts = _parts(rows, settings, folds, repeats, seed, jobs, grow)
    others = {
        name: _parts(beside.known(), one, folds, repeats, seed, jobs, None) for name, (beside, one) in (challengers or {}).items()
    }
    pooled = [_pooled(parts[start : start + folds]) for start in range(0, len(parts), folds)]
    return _judged(f"{repeats} x {folds}-fold cross-validation", rows, parts, pooled, others, resamples, seed)


def _parts(rows: Table, settings: Settings, folds: int, repeats: int, seed: int, jobs: int, grow: Grow | None) -> list[Part]:
    tasks = [_Task(rows, settings, repeat, fold, folds, seed, grow) for repeat in range(repeats) for fold in range(folds)]
    if jobs == 1:
        return [_run(task) for task in tasks]
    # A fork after LightGBM's threads have run hangs, so processes are begun afresh.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(_run, tasks))


def _pooled(parts: Sequence[Part]) -> Part:
    return Part(np.concatenate([part.rows for part in parts]), np.concatenate([part.risk for part in parts]))


def _judged(
    protocol: str,
    rows: Table,
    parts: Sequence[Part],
    pooled: Sequence[Part],
    others: Mapping[str, Sequence[Part]],
    resamples: int,
    seed: int,
) -> Evaluation:
    bad, weight, group = rows.bad, rows.weight, rows.group
    ranks = rank_measures(parts, bad)
    rivals = {name: rank_measures(told, bad)["auc"] for name, told in others.items()}
    if rows.naive is not None:
        risk = -np.nan_to_num(rows.naive, nan=-np.inf)
        naive = [Part(part.rows, risk[part.rows]) for part in parts]
        rivals[f"naive rule: {rows.naive_name}"] = rank_measures(naive, bad)["auc"]
    auc = ranks["auc"]
    leads = {name: (lambda mass, rival=rival: auc(mass) - rival(mass)) for name, rival in rivals.items()}
    measures = {**ranks, **probability_measures(pooled, bad, weight)}
    risk = _averaged(pooled, len(rows))
    return Evaluation(
        protocol=protocol,
        rows=len(rows),
        bad=int(bad.sum()),
        bad_rate=float(np.average(bad, weights=weight)),
        figures=with_intervals(measures, weight, group, resamples=resamples, seed=seed),
        curve=with_intervals(curve_measures(parts, bad), weight, group, resamples=resamples, seed=seed),
        reliability=reliability(bad, risk, weight),
        roc=[(share, hit) for share, hit in zip(ROC_AT, roc(parts, bad, weight), strict=True)],
        spread=_spread(bad, risk, weight),
        rivals=with_intervals(rivals, weight, group, resamples=resamples, seed=seed),
        leads=with_intervals(leads, weight, group, resamples=resamples, seed=seed),
        groups=_groups(rows, parts, pooled, resamples, seed),
    )


def _averaged(pooled: Sequence[Part], n: int) -> Float64:
    """Mean risk of each row over the repeats."""
    total = np.zeros(n)
    for part in pooled:
        total[part.rows] += part.risk / len(pooled)
    return total


def reliability(bad: Float64, pd: Float64, weight: Float64, bins: int = BINS) -> list[Bin]:
    """Rows in order of predicted probability, cut into bins of (nearly) equal weight."""
    order = np.argsort(pd, kind="stable")
    reached = np.cumsum(weight[order])
    place = np.minimum(((reached - 0.5 * weight[order]) / reached[-1] * bins).astype(np.int64), bins - 1)
    told = [order[place == one] for one in range(bins)]
    return [
        Bin(len(rows), float(np.average(pd[rows], weights=weight[rows])), float(np.average(bad[rows], weights=weight[rows])))
        for rows in told
        if len(rows)
    ]


def _spread(bad: Float64, pd: Float64, weight: Float64) -> Spread:
    """Bins of equal width over the points of all rows, the outermost half of a per cent taken into the end bins."""
    risk = np.clip(pd, 1e-9, 1.0 - 1e-9)
    points = SCALE.points_of(np.log((1.0 - risk) / risk))
    low, high = np.quantile(points, [0.005, 0.995])
    edges = np.linspace(np.floor(low / 10) * 10, max(np.ceil(high / 10), np.floor(low / 10) + 1) * 10, SPREAD_BINS + 1)
    inside = np.clip(points, edges[0], edges[-1])
    counts = [np.histogram(inside[kind], edges, weights=weight[kind])[0] for kind in (bad == 0, bad == 1)]
    good, lost = (one / max(one.sum(), 1e-300) for one in counts)
    return Spread(edges.tolist(), good.tolist(), lost.tolist())


def _groups(rows: Table, parts: Sequence[Part], pooled: Sequence[Part], resamples: int, seed: int) -> list[GroupFigures]:
    figures = []
    for by, words in rows.by.items():
        for name in np.unique(words):
            inside = words == name
            if inside.sum() < LEAST_GROUP or len(np.unique(rows.bad[inside])) < 2:
                continue
            mine = [Part(part.rows[inside[part.rows]], part.risk[inside[part.rows]]) for part in parts]
            all_mine = [Part(part.rows[inside[part.rows]], part.risk[inside[part.rows]]) for part in pooled]
            told = {
                "auc": rank_measures([part for part in mine if len(part.rows)], rows.bad)["auc"],
                "oe": probability_measures(all_mine, rows.bad, rows.weight)["observed_expected"],
            }
            found = with_intervals(told, rows.weight, rows.group, resamples=resamples, seed=seed)
            rate = float(np.average(rows.bad[inside], weights=rows.weight[inside]))
            figures.append(GroupFigures(by, str(name), int(inside.sum()), rate, found["auc"], found["oe"]))
    return figures
