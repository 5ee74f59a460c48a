"""Why a score is what it is: the model's own contributions, as plain sentences in Chinese and English.

The contributions come from LightGBM (``pred_contrib``), so together with the bias they add up to the raw
margin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.legacy.catalogue import FEATURES, Feature
from scoring.legacy.model import Model

TOP: Final = 5
"""Reasons shown each way (credit-data catalogue §4)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature's part in one score.

    ``contribution``: log-odds of keeping the promise, before calibration; positive raises the score.
    ``value``: the feature as computed, None when absent. ``zh``/``en``: the sentence to show.
    """

    feature: str
    contribution: float
    direction: Literal["up", "down"]
    zh: str
    en: str
    value: float | None


def contributions(model: Model, X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(contribution of each of FEATURES per row, bias per row); a row's sum plus its bias is its raw margin.

    Features the model does not read contribute 0. Raises ModelError on a wrong width.
    """
    selected = model.select(X)
    raw = np.asarray(model.booster.predict(selected, pred_contrib=True, num_threads=1), dtype=np.float64)
    full = np.zeros((len(selected), len(FEATURES)), dtype=np.float64)
    full[:, model.columns] = raw[:, :-1]
    return full, raw[:, -1]


def reasons(model: Model, X_row: ArrayLike, top: int = TOP) -> list[Reason]:
    """The strongest reasons of one row: up to ``top`` that raise the score, then up to ``top`` that lower it.

    Each group is ordered by strength; equal strengths keep the order of FEATURES. Raises ModelError on a
    wrong width.
    """
    row = np.asarray(X_row, dtype=np.float64).reshape(-1)
    parts = contributions(model, row)[0][0]
    order = np.argsort(-np.abs(parts), kind="stable")
    up = [position for position in order if parts[position] > 0.0][:top]
    down = [position for position in order if parts[position] < 0.0][:top]
    return [_reason(FEATURES[i], float(row[i]), float(parts[i])) for i in (*up, *down)]


def _reason(feature: Feature, value: float, contribution: float) -> Reason:
    raises = contribution > 0.0
    if np.isnan(value):
        zh = f"缺少“{feature.zh.label}”数据，按一般水平计" + ("，略有利" if raises else "，略不利")
        en = f"No data for “{feature.en.label}”; treated as average, slightly " + (
            "for" if raises else "against"
        )
        en += " the firm"
    else:
        zh = (feature.zh.good if raises else feature.zh.bad).format(value=feature.show(value, "zh"))
        en = (feature.en.good if raises else feature.en.bad).format(value=feature.show(value, "en"))
    return Reason(
        feature=feature.name,
        contribution=contribution,
        direction="up" if raises else "down",
        zh=zh,
        en=en,
        value=None if np.isnan(value) else value,
    )
