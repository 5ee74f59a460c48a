"""Splits that are honest: shuffled, each with its share of both outcomes, and no group on both sides."""

from __future__ import annotations

import numpy as np

from scoring.scale import Float64
from scoring.table import Ints


def folds_of(bad: Float64, group: Ints, folds: int, seed: int) -> Ints:
    """Fold number of each row, 0 to ``folds`` - 1. A group counts as bad when one of its rows is."""
    rng = np.random.default_rng(seed)
    _, first, place = np.unique(group, return_index=True, return_inverse=True)
    worst = np.zeros(len(first))
    np.maximum.at(worst, place, np.nan_to_num(bad))
    fold_of_group = np.empty(len(first), dtype=np.int64)
    start = 0
    for outcome in (0.0, 1.0):
        members = rng.permutation(np.flatnonzero(worst == outcome))
        # The second outcome goes on where the first ended, so that folds differ by one row at most.
        fold_of_group[members] = (start + np.arange(len(members))) % folds
        start = (start + len(members)) % folds
    return fold_of_group[place]


def resample(group: Ints, seed: int) -> Ints:
    """Row numbers of a bootstrap over groups: as many groups as there are, with replacement."""
    rng = np.random.default_rng(seed)
    _, place = np.unique(group, return_inverse=True)
    order = np.argsort(place, kind="stable")
    size = np.bincount(place)
    start = np.concatenate([[0], np.cumsum(size)[:-1]])
    drawn = rng.integers(0, len(size), len(size))
    return np.concatenate([order[start[one] : start[one] + size[one]] for one in drawn]).astype(np.int64)
