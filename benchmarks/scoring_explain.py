"""Exact contributions of every feature to every score, against LightGBM's own ``pred_contrib`` at one thread each.

Ours and the floor in rows a second, so the ratio is "times as fast". The model is as large as a credit model gets: 200 trees of
depth 4 over 90 columns, a seventh of all values absent, one column a category; depth 2 and 31 leaves of any depth beside it are
reported. Ours explains 100,000 rows, ``pred_contrib`` as many of them as it can in some seconds; they take turns and each counts
with its best turn. Every row that both have explained must agree to 1e-5.

One firm, in microseconds: from its features to score, reasons and sentences in two languages, 95th percentile, against the median
of a bare ``pred_contrib`` of one row. Loading the model, once per process, is not counted; what it takes is printed.

All times are processor time: both sides run in one thread and wait for nothing, so it is the time on an idle machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Result
from scoring.contributions import Explainer
from scoring.features.registry import FEATURES
from scoring.model import Column, Model
from scoring.reasons import account, top_facts

ROWS = 100_000
COLUMNS = 90
CATEGORY = 7
ROUNDS = 5
ONE_BY_ONE = 400
TOLERANCE = 1e-5
TARGET = 30.0
ONE_TARGET = 10.0
NAMED = tuple(replace(FEATURES[i % len(FEATURES)], name=f"column_{i}", group=f"fact_{i // 2}") for i in range(COLUMNS))
"""Declared features for the columns, two to a fact."""


@dataclass(frozen=True)
class Shape:
    """How the trees grow, and how many rows ``pred_contrib`` is given in one turn."""

    depth: int
    leaves: int
    floor_rows: int
    trees: int = 200


CREDIT = Shape(depth=4, leaves=16, floor_rows=3_000)
SHALLOW = Shape(depth=2, leaves=4, floor_rows=20_000)
DEEP = Shape(depth=6, leaves=31, floor_rows=1_000)


def run() -> list[Result]:
    rows = firms(ROWS)
    return [
        many("scoring.explain", CREDIT, rows, TARGET),
        many("scoring.explain.depth2", SHALLOW, rows, TARGET),
        many("scoring.explain.leaves31", DEEP, rows, None),
        one_firm(rows),
    ]


def firms(n: int) -> NDArray[np.float64]:
    """Made-up firms: only their number, the gaps and the category matter here."""
    random = np.random.default_rng(20261125)
    rows = random.normal(size=(n, COLUMNS))
    rows[:, CATEGORY] = random.integers(0, 30, n)
    rows[random.random(rows.shape) < 1 / 7] = np.nan
    return rows


def grow(shape: Shape, rows: NDArray[np.float64]) -> lgb.Booster:
    random, known = np.random.default_rng(1), np.nan_to_num(rows[:20_000])
    margin = known @ random.normal(size=COLUMNS) * 0.4 + known[:, 0] * known[:, 1] + known[:, CATEGORY] % 3
    good = margin > random.normal(size=len(margin))
    told: dict[str, Any] = {
        "objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 1, "max_bin": 63,
        "max_depth": shape.depth, "num_leaves": shape.leaves, "min_data_in_leaf": 30, "learning_rate": 0.05,
        "feature_fraction": 0.5,
    }  # fmt: skip
    data = lgb.Dataset(rows[:20_000], good.astype(int), categorical_feature=[CATEGORY])
    return lgb.train(told, data, shape.trees)


def many(name: str, shape: Shape, rows: NDArray[np.float64], target: float | None) -> Result:
    """Rows a second of both."""
    booster = grow(shape, rows)
    built, explainer = _timed(lambda: Explainer.of(booster.model_to_string()))
    top_facts(NAMED, explainer.contributions(rows[:100])[0], 50.0)  # numba loads and, on a new machine, compiles
    some, ours, floor = rows[: shape.floor_rows], [], []
    for _ in range(ROUNDS):
        seconds, (parts, bias) = _timed(lambda: explainer.contributions(rows))
        ours.append(seconds)
        seconds, told = _timed(lambda: np.asarray(booster.predict(some, pred_contrib=True, num_threads=1)))
        floor.append(seconds)
    apart = max(float(np.abs(parts[: len(some)] - told[:, :-1]).max()), abs(bias - float(told[0, -1])))
    if apart > TOLERANCE:
        raise AssertionError(f"{name}: contributions differ from pred_contrib by {apart:.1e}")
    megabytes = (explainer.tables.table.nbytes + explainer.tables.margin_table.nbytes) / 1e6
    choosing, _ = _timed(lambda: top_facts(NAMED, parts, 50.0))
    print(f"{name}: differs by {apart:.1e}; tables {megabytes:.1f} MB, built in {built:.2f} s; {len(explainer.deep)} trees left "
          f"to LightGBM; {min(ours):.2f} s for all rows, their strongest facts in another {choosing:.2f} s", flush=True)
    fast, plain = len(rows) / min(ours), len(some) / min(floor)
    return Result(name, f"{fast:,.0f}rows/s", f"{plain:,.0f}rows/s", fast / plain, target)


def one_firm(rows: NDArray[np.float64]) -> Result:
    """Microseconds from features to reasons in words, the model being loaded."""
    booster = grow(replace(CREDIT, trees=CREDIT.trees + 1), rows)  # one whose tables nobody has worked out yet
    columns = tuple(Column(feature.name) for feature in NAMED)
    model = Model(columns=columns, trained_at=date(2026, 11, 25), boosters=(booster.model_to_string(),))
    first, _ = _timed(lambda: account(model, NAMED, rows[0]))
    print(f"scoring.explain.one_firm: the first firm of a process waits {first:.2f} s", flush=True)
    ours, floor = [], []
    for row in rows[:ONE_BY_ONE]:
        ours.append(_timed(partial(_told, model, row))[0])
        floor.append(_timed(partial(booster.predict, row[None, :], pred_contrib=True, num_threads=1))[0])
    slow, plain = float(np.quantile(ours, 0.95)) * 1e6, float(np.median(floor)) * 1e6
    return Result("scoring.explain.one_firm", f"{slow:.0f}us", f"{plain:.0f}us", slow / plain, ONE_TARGET, at_least=False)


def _told(model: Model, row: NDArray[np.float64]) -> list[tuple[str, str]]:
    told = account(model, NAMED, row)
    return [(reason.say("zh"), reason.say("en")) for reason in (*told.up, *told.down)]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.thread_time()
    answer = work()
    return time.thread_time() - start, answer
