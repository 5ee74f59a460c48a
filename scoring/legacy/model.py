"""The scoring model: gradient-boosted trees with monotone constraints, calibrated, with grade bands.

The trees are trained on "kept its promise" (1 - default), so a larger margin, a larger contribution and a
larger score all mean a better firm. The same data, parameters and seed give the same model to the last byte.
The model ranks and explains; whether anybody is refused is never its business (credit-data catalogue §4).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.legacy.catalogue import FEATURES, NAMES, TRAINABLE

if TYPE_CHECKING:
    import lightgbm as lgb

FORMAT: Final = 1
GRADES: Final = ("A", "B", "C", "D")
SCORE_MAX: Final = 1000

TrainedOn = Literal["real", "synthetic"]
Float64 = NDArray[np.float64]


class ModelError(ValueError):
    """The model cannot be trained, or a model file is missing, damaged or made for other features."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Highest probability of default of each grade; above the last one the grade is D (proposals)."""

    a: float = 0.05
    b: float = 0.15
    c: float = 0.40

    def __post_init__(self) -> None:
        if not 0.0 < self.a < self.b < self.c < 1.0:
            raise ModelError("grade bands must rise from A to C between 0 and 1")

    def grades(self, probability: Float64) -> NDArray[np.str_]:
        place = np.searchsorted(np.array([self.a, self.b, self.c]), probability, side="left")
        return np.array(GRADES, dtype=np.str_)[place]


BANDS: Final = Bands()


@dataclass(frozen=True, slots=True)
class Settings:
    """How the trees grow (proposals). Shallow and strongly regularised: the labelled set has 86 firms."""

    rounds: int = 120
    learning_rate: float = 0.05
    num_leaves: int = 4
    max_depth: int = 2
    min_data_in_leaf: int = 12
    lambda_l2: float = 10.0
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.8
    max_bin: int = 63
    calibration_folds: int = 5
    calibration_repeats: int = 4
    features: tuple[str, ...] = TRAINABLE
    bands: Bands = BANDS


SETTINGS: Final = Settings()


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling: probability of keeping the promise = logistic(slope · margin + intercept), slope > 0."""

    slope: float
    intercept: float

    def default_probability(self, margin: Float64) -> Float64:
        return np.asarray(1.0 / (1.0 + np.exp(self.slope * margin + self.intercept)), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """``prob``: calibrated probability of default. ``score``: 0-1000, more is better. ``grade``: A to D."""

    prob: Float64
    score: NDArray[np.int64]
    grade: NDArray[np.str_]


@dataclass(frozen=True)
class Model:
    """A trained model with everything needed to say where a score came from.

    ``features``: the names its trees read; rows always come in the full FEATURES order.
    ``window_from``/``window_to``: the months its training features looked at. ``metrics``: see
    ``scoring.legacy.evaluate``.
    """

    booster_text: str = field(repr=False)
    features: tuple[str, ...]
    calibration: Calibration
    bands: Bands
    trained_on: TrainedOn
    trained_at: date
    window_from: date
    window_to: date
    firms: int
    defaults: int
    metrics: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def booster(self) -> lgb.Booster:
        import lightgbm as lgb

        return lgb.Booster(model_str=self.booster_text)

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """Positions of the model's features inside FEATURES."""
        return np.array([NAMES.index(name) for name in self.features], dtype=np.int64)

    @cached_property
    def version(self) -> str:
        """Training date and the start of the SHA-256 of the content: two models differ exactly when this
        differs.
        """
        digest = hashlib.sha256(_canonical(self._content())).hexdigest()
        return f"{self.trained_at.isoformat()}-{digest[:12]}"

    def margins(self, X: ArrayLike) -> Float64:
        """Raw margins (log-odds before calibration) of rows in FEATURES order. Raises ModelError on a wrong
        width.
        """
        return np.asarray(
            self.booster.predict(self.select(X), raw_score=True, num_threads=1), dtype=np.float64
        )

    def select(self, X: ArrayLike) -> Float64:
        """The columns this model reads, out of rows in FEATURES order. Raises ModelError on a wrong width."""
        rows = np.atleast_2d(np.asarray(X, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != len(FEATURES):
            raise ModelError(f"expected rows of {len(FEATURES)} features, got {rows.shape[-1]}")
        return np.ascontiguousarray(rows[:, self.columns])

    def score(self, X: ArrayLike) -> Scores:
        """Probability of default, score and grade of rows in FEATURES order (NaN = absent). Raises
        ModelError.
        """
        probability = self.calibration.default_probability(self.margins(X))
        score = np.rint(SCORE_MAX * (1.0 - probability)).astype(np.int64)
        return Scores(probability, score, self.bands.grades(probability))

    def save(self, path: Path) -> None:
        """Write the model as one JSON file; a reader never sees half a file. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {**self._content(), "version": self.version}
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> Model:
        """Read a model file. Raises ModelError when it is absent, damaged, altered or made for other
        features.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(
                f"there is no model file at {path}; train one with: python -m scoring train"
            ) from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ModelError(f"the model file {path} cannot be read: {error}") from error
        try:
            model = cls._from_content(content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model file {path} is not a scoring model: {error}") from error
        if tuple(content["feature_list"]) != NAMES or not set(model.features) <= set(NAMES):
            raise ModelError(f"the model file {path} was made for another list of features; train it again")
        if content["version"] != model.version:
            raise ModelError(f"the model file {path} was altered after it was written")
        return model

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "feature_list": list(NAMES),
            "features": list(self.features),
            "calibration": asdict(self.calibration),
            "bands": asdict(self.bands),
            "trained_on": self.trained_on,
            "trained_at": self.trained_at.isoformat(),
            "window_from": self.window_from.isoformat(),
            "window_to": self.window_to.isoformat(),
            "firms": self.firms,
            "defaults": self.defaults,
            "metrics": self.metrics,
            "booster": self.booster_text,
        }

    @classmethod
    def _from_content(cls, content: Mapping[str, Any]) -> Model:
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']} is not {FORMAT}")
        if content["trained_on"] not in ("real", "synthetic"):
            raise ValueError(f"unknown origin {content['trained_on']}")
        return cls(
            booster_text=content["booster"],
            features=tuple(content["features"]),
            calibration=Calibration(**content["calibration"]),
            bands=Bands(**content["bands"]),
            trained_on=content["trained_on"],
            trained_at=date.fromisoformat(content["trained_at"]),
            window_from=date.fromisoformat(content["window_from"]),
            window_to=date.fromisoformat(content["window_to"]),
            firms=int(content["firms"]),
            defaults=int(content["defaults"]),
            metrics=dict(content["metrics"]),
        )


def train(
    X: ArrayLike,
    y: ArrayLike,
    *,
    trained_on: TrainedOn,
    trained_at: date,
    window_from: date,
    window_to: date,
    seed: int = 20260101,
    settings: Settings = SETTINGS,
    metrics: Mapping[str, Any] | None = None,
) -> Model:
    """Train on rows in FEATURES order; ``y`` is 1 where the firm defaulted.

    Calibrated on out-of-fold margins, so the probabilities are not those of firms the trees have already
    seen. Raises ModelError when a class has fewer firms than there are folds.
    """
    rows, default = check_training_data(X, y, settings.calibration_folds)
    margins = np.mean(
        [
            out_of_fold_margins(rows, default, settings, seed + repeat, settings.calibration_folds)
            for repeat in range(settings.calibration_repeats)
        ],
        axis=0,
    )
    return Model(
        booster_text=grow(rows, default, settings, seed).model_to_string(),
        features=settings.features,
        calibration=_platt(np.asarray(margins, dtype=np.float64), 1 - default),
        bands=settings.bands,
        trained_on=trained_on,
        trained_at=trained_at,
        window_from=window_from,
        window_to=window_to,
        firms=len(default),
        defaults=int(default.sum()),
        metrics=dict(metrics or {}),
    )


def check_training_data(X: ArrayLike, y: ArrayLike, folds: int) -> tuple[Float64, NDArray[np.int64]]:
    """The rows and outcomes as arrays. Raises ModelError when they do not fit together or a class is too
    small.
    """
    rows, default = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.int64)
    if rows.ndim != 2 or rows.shape[1] != len(FEATURES) or len(rows) != len(default):
        raise ModelError(f"expected one row of {len(FEATURES)} features per outcome")
    counts = np.bincount(default, minlength=2)
    if len(counts) != 2 or counts.min() < folds:
        raise ModelError(f"training needs at least {folds} firms that defaulted and {folds} that did not")
    return rows, default


def grow(rows: Float64, default: NDArray[np.int64], settings: Settings, seed: int) -> lgb.Booster:
    """Grow the trees on rows in FEATURES order; monotone where the direction of a feature is known."""
    import lightgbm as lgb

    columns = [NAMES.index(name) for name in settings.features]
    parameters: dict[str, Any] = {
        "objective": "binary",
        "verbosity": -1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
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
        "min_data_in_bin": 3,
        "monotone_constraints": [FEATURES[column].direction for column in columns],
        "monotone_constraints_method": "advanced",
    }
    data = lgb.Dataset(
        np.ascontiguousarray(rows[:, columns]),
        label=1 - default,
        feature_name=list(settings.features),
        params={"verbosity": -1, "num_threads": 1},
    )
    return lgb.train(parameters, data, num_boost_round=settings.rounds)


def out_of_fold_margins(
    rows: Float64, default: NDArray[np.int64], settings: Settings, seed: int, folds: int
) -> Float64:
    """For each firm the margin of trees that have not seen it."""
    fold_of = stratified_folds(default, folds, seed)
    columns = [NAMES.index(name) for name in settings.features]
    margins = np.empty(len(default), dtype=np.float64)
    for fold in range(folds):
        held = fold_of == fold
        booster = grow(rows[~held], default[~held], settings, seed)
        margins[held] = booster.predict(
            np.ascontiguousarray(rows[held][:, columns]), raw_score=True, num_threads=1
        )
    return margins


def stratified_folds(default: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Fold number of each firm: shuffled, each fold with its share of both outcomes (counts differ by one at
    most).
    """
    rng = np.random.default_rng(seed)
    fold_of = np.empty(len(default), dtype=np.int64)
    for outcome in (0, 1):
        members = rng.permutation(np.flatnonzero(default == outcome))
        fold_of[members] = np.arange(len(members)) % folds
    return fold_of


def _platt(margins: Float64, kept: NDArray[np.int64], steps: int = 50) -> Calibration:
    """Platt's logistic fit by Newton's method, with his smoothed targets so that small classes stay off 0 and
    1.
    """
    good, bad = int(kept.sum()), int(len(kept) - kept.sum())
    target = np.where(kept == 1, (good + 1.0) / (good + 2.0), 1.0 / (bad + 2.0))
    design = np.column_stack([margins, np.ones_like(margins)])
    weights = np.array([1.0, 0.0])
    for _ in range(steps):
        fitted = 1.0 / (1.0 + np.exp(-design @ weights))
        curvature = (design * (fitted * (1.0 - fitted))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (target - fitted))
        weights = weights + step
        if float(np.abs(step).max()) < 1e-12:
            break
    if not np.isfinite(weights).all() or weights[0] <= 0.0:
        raise ModelError(
            "the features do not tell defaulters from others; no model can be calibrated on these firms"
        )
    return Calibration(slope=float(weights[0]), intercept=float(weights[1]))


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
