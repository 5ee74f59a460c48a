"""A small model over declared features, quickly grown, for what is told about a score."""

from __future__ import annotations

from datetime import date
from functools import cache

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scoring.features.declare import declare
from scoring.features.spec import Direction, Feature, Unit
from scoring.model import Column, Model
from scoring.scale import Calibration
from scoring.terms import Term


def _feature(name: str, unit: Unit, direction: Direction, group: str = "", changeable: bool = False) -> Feature:
    zh = (name, f"{name}为{{value}}，较好", f"{name}为{{value}}，较差", f"没有{name}")
    en = (name, f"{name} of {{value}} is good", f"{name} of {{value}} is bad", f"no {name}")
    return declare(name, "tax", unit, 12, direction, zh, en, group=group, changeable=changeable)


FEATURES = (
    _feature("late_share", Unit.FRACTION, -1, "payment", changeable=True),
    _feature("arrears", Unit.TIMES, -1, "payment", changeable=True),
    _feature("late_filings", Unit.COUNT, -1, changeable=True),
    _feature("insured", Unit.COUNT, 1, changeable=True),
    _feature("grade", Unit.GRADE, 1, changeable=True),
    _feature("season", Unit.TIMES, 0, changeable=True),
    _feature("sales", Unit.LOG_YUAN, 1),
    _feature("age", Unit.YEARS, 1),
    _feature("buyers", Unit.FRACTION, -1, "partners"),
    _feature("suppliers", Unit.FRACTION, -1, "partners"),
    _feature("cases", Unit.COUNT, -1),
)
NAMES = tuple(feature.name for feature in FEATURES)


def firms(seed: int, n: int = 800) -> NDArray[np.float64]:
    """Firms in the order of FEATURES, some values absent."""
    random = np.random.default_rng(seed)
    late = random.beta(1, 3, n).round(3)
    X = np.column_stack([
        late, (late * random.exponential(2.0, n)).round(3), random.poisson(1.5, n), random.poisson(12, n),
        random.integers(0, 5, n), random.normal(1.0, 0.3, n), random.normal(6.0, 0.7, n), random.exponential(6.0, n),
        random.random(n), random.random(n), random.poisson(0.4, n),
    ]).astype(np.float64)  # fmt: skip
    X[random.random(X.shape) < 0.08] = np.nan
    return X


@cache
def score_model() -> Model:
    """Two boosters and a curve, on a scale of their own calibration."""
    X = firms(1)
    z = np.nan_to_num((X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0))
    margin = z @ (np.array([f.direction for f in FEATURES]) * np.array([1.2, 0.6, 0.8, 0.5, 0.5, 0.0, 0.7, 0.3, 0.4, 0.3, 0.8]))
    good = margin + z[:, 5] * z[:, 6] + np.random.default_rng(2).logistic(size=len(X)) > -1.0
    texts = []
    for seed in (3, 4):
        told = {
            "objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "seed": seed, "max_depth": 3,
            "num_leaves": 7, "min_data_in_leaf": 15, "feature_fraction": 0.7, "learning_rate": 0.1,
            "monotone_constraints": [feature.direction for feature in FEATURES],
        }  # fmt: skip
        texts.append(lgb.train(told, lgb.Dataset(X, good.astype(int)), 40).model_to_string())
    return Model(
        columns=tuple(Column(feature.name, direction=feature.direction) for feature in FEATURES),
        trained_at=date(2026, 11, 25),
        boosters=tuple(texts),
        terms=(Term("age", "line", (0.0, 5.0, 20.0), (-0.4, 0.1, 0.3), absent=-0.1, mean=0.05),),
        start=0.02,
        calibration=Calibration(0.9, 0.1),
        sample_rate=0.25,
    )
