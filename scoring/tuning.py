"""Successive halving: many settings on few trees, the better half on more, so that a search fits two cores.

Called from within training, so that whoever cross-validates training also judges the search honestly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from scoring.encoding import matrix
from scoring.fitting import platt
from scoring.folds import folds_of
from scoring.scale import probability_of_default
from scoring.settings import Settings
from scoring.table import Table
from scoring.training import grow_model

SPACE: Final[dict[str, tuple[Any, ...]]] = {
    "num_leaves": (3, 4, 7, 15, 31),
    "min_data_in_leaf": (5, 10, 20, 40, 80),
    "lambda_l2": (0.5, 2.0, 5.0, 20.0),
    "feature_fraction": (0.2, 0.4, 0.7, 1.0),
    "bagging_fraction": (0.5, 0.7, 0.9),
    "rounds": (150, 300, 600, 1000),
}
"""What is tried; ``learning_rate`` follows from the rounds."""


def search(rows: Table, settings: Settings, seed: int) -> Settings:
    """The best candidate by weighted log loss on held-out groups. The settings as they stand are always among the candidates."""
    rng = np.random.default_rng(seed)
    plain = replace(settings, search=0)
    candidates = [plain]
    for _ in range(settings.search - 1):
        drawn = {name: values[rng.integers(len(values))] for name, values in SPACE.items()}
        candidates.append(replace(plain, learning_rate=min(0.1, 20.0 / drawn["rounds"]), **drawn))
    folds = max(2, round(1.0 / settings.search_share))
    fold_of = folds_of(rows.bad, rows.group, folds, seed + 17)
    share, judged = 0.25, 1
    while len(candidates) > 1:
        losses = [_loss(rows, one, fold_of, range(judged), share, seed) for one in candidates]
        order = np.argsort(losses, kind="stable")
        candidates = [candidates[at] for at in order[: max(1, len(candidates) // 3)]]
        share, judged = min(1.0, share * 2.0), min(folds, judged + 1)
    return candidates[0]


def _loss(rows: Table, settings: Settings, fold_of: Any, held_folds: range, share: float, seed: int) -> float:
    """Log loss after its own calibration, so that candidates are compared by what they can tell apart."""
    short = replace(
        settings, rounds=max(20, round(settings.rounds * share)), bags=1, learning_rate=settings.learning_rate / share
    )
    losses = []
    for fold in held_folds:
        held = fold_of == fold
        model = grow_model(rows.take(~held), short, seed)
        margin = model.margins(matrix(model.columns, rows.inputs.filter(held)))
        bad, weight = rows.bad[held], rows.weight[held]
        calibration, _ = platt(margin, bad, weight)
        pd = np.clip(probability_of_default(calibration.log_odds(margin)), 1e-9, 1.0 - 1e-9)
        losses.append(float(np.average(-(bad * np.log(pd) + (1.0 - bad) * np.log1p(-pd)), weights=weight)))
    return float(np.mean(losses))
