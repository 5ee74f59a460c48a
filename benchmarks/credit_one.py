"""One firm on demand: from its facts in memory to features, score, reasons and sentences, against ``pred_contrib`` of one row.

A model and firms of a synthetic city with every source; each firm's frames hold that firm alone, as the portal reads them. 95th
percentile of ours over the firms, median of the floor; both read the same firms, in turn, and of each firm the middle one of
three times counts, so that a neighbour on the same machine is not taken for a slow firm. All times are processor time: both run
in one thread and wait for nothing, so it is the time on an idle machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from benchmarks.measure import Result
from scoring.city_training import read, table
from scoring.features.compute import compute
from scoring.features.registry import FEATURES, NAMES
from scoring.model import Model
from scoring.reasons import account
from scoring.training import train

TRAINED_ON = 1500
FIRMS = 400
MONTHS = 24
SEED = 20261101
TARGET = 10.0
TIMES = 3
WARM = 20
"""Firms read before the first that counts."""


def city_model() -> Model:
    """A model of every source, trained on a synthetic city."""
    return train(table(TRAINED_ON, MONTHS, SEED), trained_at=date(2026, 11, 1))


def run() -> list[Result]:
    """Microseconds a firm."""
    model = city_model()
    frames, firms, _, as_of = read(FIRMS + WARM, MONTHS, SEED + 1, invoices=True)
    alone = _by_firm(frames, firms.tolist())
    [tree] = model.trees
    columns = model.place(NAMES)
    features = [FEATURES[column] for column in columns]
    spent: list[tuple[float, float, float]] = []
    for firm in [*firms] * TIMES:
        counting, matrix = _timed(partial(compute, alone[int(firm)], np.array([firm]), as_of))
        row = np.ascontiguousarray(matrix.values[:, columns])
        telling, _ = _timed(partial(_told, model, features, row[0]))
        bare, _ = _timed(partial(tree.predict, row, pred_contrib=True, num_threads=1))
        spent.append((counting, telling, bare))
    took = np.median(np.array(spent).reshape(TIMES, len(firms), 3), axis=0)[WARM:] * 1e6
    slow, plain = float(np.quantile(took[:, :2].sum(axis=1), 0.95)), float(np.median(took[:, 2]))
    middle = np.median(took, axis=0)
    facts = sum(frame.height for frame in frames.values()) / len(firms)
    print(f"{FIRMS} firms, {facts:.0f} facts each, {len(columns)} features: median {middle[0]:.0f} us for features, "
          f"{middle[1]:.0f} us for score and reasons", flush=True)
    return [Result("credit.one", f"{slow:.0f}us", f"{plain:.0f}us", slow / plain, TARGET, at_least=False)]


def _by_firm(frames: Mapping[str, pl.DataFrame], firms: list[int]) -> dict[int, dict[str, pl.DataFrame]]:
    alone: dict[int, dict[str, pl.DataFrame]] = {firm: {} for firm in firms}
    for source, frame in frames.items():
        parts = frame.partition_by("firm", as_dict=True)
        for firm in firms:
            alone[firm][source] = parts.get((firm,), frame.clear()).rechunk()
    return alone


def _told(model: Model, features: list[Any], row: Any) -> list[tuple[str, str]]:
    told = account(model, features, row)
    return [(reason.say("zh"), reason.say("en")) for reason in (*told.up, *told.down)]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.thread_time()
    answer = work()
    return time.thread_time() - start, answer
