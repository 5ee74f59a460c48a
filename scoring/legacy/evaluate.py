"""How good a model is, honestly: repeated cross-validation with an interval over firms.

The few measures needed are computed here on plain arrays; the tests compare them with scikit-learn's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.legacy.catalogue import NAMES
from scoring.legacy.model import SETTINGS, Settings, check_training_data, out_of_fold_margins, stratified_folds

Float64 = NDArray[np.float64]
Draw = tuple[Float64, Float64]
BASELINE: Final = "sales_monthly"
"""Size alone ranks well; a model has to be compared with it."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the measurement is made."""

    folds: int = 5
    repeats: int = 20
    resamples: int = 2000
    confidence: float = 0.95


PROTOCOL: Final = Protocol()


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of the calibration table: firms, mean predicted probability, share that defaulted."""

    firms: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """``auc``: out-of-fold AUC within folds over all repeats, with a bootstrap interval over firms. ``ks``:
    0-1.

    ``baseline_auc``: ranking by average monthly sales alone. ``baseline_lead_low``/``high``: interval of the
    model's lead over it on the same resampled firms.
    """

    firms: int
    defaults: int
    auc: float
    auc_low: float
    auc_high: float
    ks: float
    baseline_auc: float
    baseline_lead_low: float
    baseline_lead_high: float
    folds: int
    repeats: int

    def as_metrics(self) -> dict[str, Any]:
        """Plain values for the model file."""
        return asdict(self)


def cross_validate(
    X: ArrayLike,
    y: ArrayLike,
    *,
    seed: int = 20260101,
    settings: Settings = SETTINGS,
    protocol: Protocol = PROTOCOL,
) -> Evaluation:
    """Stratified repeated cross-validation of the training recipe. Raises ModelError when a class is too
    small.

    Only firms of the same fold are compared with each other: margins of different folds come from different
    trees, and pooling them biases the AUC of a small set downwards.
    """
    rows, default = check_training_data(X, y, protocol.folds)
    size = rows[:, NAMES.index(BASELINE)]
    by_size = -np.nan_to_num(size, nan=float(np.nanmin(size)))
    model, baseline, distances = _Pairs(default), _Pairs(default), list[float]()
    for repeat in range(protocol.repeats):
        fold_seed = seed + 1000 + repeat
        risk = -out_of_fold_margins(rows, default, settings, fold_seed, protocol.folds)
        fold_of = stratified_folds(default, protocol.folds, fold_seed)
        model.compare(risk, fold_of)
        baseline.compare(by_size, fold_of)
        distances.append(kolmogorov_smirnov(default, risk))
    draws = _resample(default, protocol.resamples, seed)
    low, high = _interval([model.auc(draw) for draw in draws], protocol.confidence)
    lead = _interval([model.auc(draw) - baseline.auc(draw) for draw in draws], protocol.confidence)
    return Evaluation(
        firms=len(default),
        defaults=int(default.sum()),
        auc=model.auc(),
        auc_low=low,
        auc_high=high,
        ks=float(np.mean(distances)),
        baseline_auc=baseline.auc(),
        baseline_lead_low=lead[0],
        baseline_lead_high=lead[1],
        folds=protocol.folds,
        repeats=protocol.repeats,
    )


def kolmogorov_smirnov(y: ArrayLike, risk: ArrayLike) -> float:
    """How far the share of defaulters above some ``risk`` exceeds that of the others at most, 0 to 1."""
    default, risks = np.asarray(y, dtype=np.int64), np.asarray(risk, dtype=np.float64)
    bad, good = np.sort(risks[default == 1]), np.sort(risks[default == 0])
    cuts = np.unique(risks)
    below_bad = np.searchsorted(bad, cuts, side="right") / len(bad)
    below_good = np.searchsorted(good, cuts, side="right") / len(good)
    return float(np.max(below_good - below_bad, initial=0.0))


def calibration_bins(y: ArrayLike, probability: ArrayLike, bins: int = 5) -> list[Bin]:
    """Firms in order of predicted probability of default, cut into bins of (nearly) equal count."""
    default, predicted = np.asarray(y, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    order = np.argsort(predicted, kind="stable")
    return [
        Bin(len(part), float(predicted[part].mean()), float(default[part].mean()))
        for part in np.array_split(order, bins)
        if len(part)
    ]


class _Pairs:
    """All (defaulter, other) pairs: how often compared, how often the defaulter looked riskier."""

    def __init__(self, default: NDArray[np.int64]) -> None:
        self.bad, self.good = np.flatnonzero(default == 1), np.flatnonzero(default == 0)
        self.wins: Float64 = np.zeros((len(self.bad), len(self.good)))
        self.compared: Float64 = np.zeros_like(self.wins)

    def compare(self, risk: Float64, fold_of: NDArray[np.int64]) -> None:
        """Count one round; a tie is half a win."""
        together = fold_of[self.bad][:, None] == fold_of[self.good]
        bad, good = risk[self.bad][:, None], risk[self.good]
        self.wins += together * ((bad > good) + 0.5 * (bad == good))
        self.compared += together

    def auc(self, draw: Draw | None = None) -> float:
        """Share of comparisons won, over all firms or over a resample of them."""
        if draw is None:
            return float(self.wins.sum() / self.compared.sum())
        return float((draw[0] @ self.wins @ draw[1]) / (draw[0] @ self.compared @ draw[1]))


def _resample(default: NDArray[np.int64], count: int, seed: int) -> list[Draw]:
    """Bootstrap over firms inside each outcome: how often each firm is drawn."""
    rng = np.random.default_rng(seed)
    bad, good = int(default.sum()), int(len(default) - default.sum())
    return [
        (
            np.bincount(rng.integers(0, bad, bad), minlength=bad).astype(np.float64),
            np.bincount(rng.integers(0, good, good), minlength=good).astype(np.float64),
        )
        for _ in range(count)
    ]


def _interval(values: list[float], confidence: float) -> tuple[float, float]:
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(np.array(values), [tail, 1.0 - tail])
    return float(low), float(high)
