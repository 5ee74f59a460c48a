"""From a margin to what people read: probability, points, grade and interval. All numbers are proposals of issue and catalogue.

Everything is linear in log-odds, so that contributions to the margin are contributions to the points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.errors import ModelError

Float64 = NDArray[np.float64]
GRADES: Final = ("A", "B", "C", "D", "E")


def log_odds_of(share: float) -> float:
    """Natural log of the odds of keeping the promise when ``share`` (0 to 1, exclusive) do not."""
    return math.log((1.0 - share) / share)


def probability_of_default(log_odds: Float64) -> Float64:
    """Probability of default at these log-odds of keeping the promise; no overflow at either end."""
    return np.asarray(0.5 * (1.0 - np.tanh(0.5 * log_odds)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Scale:
    """``points`` at ``odds`` good to bad; ``pdo`` more points double the odds; what is shown lies in ``low`` to ``high``."""

    points: float = 600.0
    odds: float = 30.0
    pdo: float = 40.0
    low: int = 300
    high: int = 850

    def __post_init__(self) -> None:
        if not (self.odds > 0.0 and self.pdo > 0.0 and self.low < self.high):
            raise ModelError("the scale needs positive odds and points to double them, and a range that rises")

    @property
    def per_log_odds(self) -> float:
        """Points for one unit of natural log-odds."""
        return self.pdo / math.log(2.0)

    def points_of(self, log_odds: Float64) -> Float64:
        """Unrounded, unclipped points."""
        return np.asarray(self.points + self.per_log_odds * (log_odds - math.log(self.odds)), dtype=np.float64)

    def shown(self, points: Float64) -> NDArray[np.int64]:
        """Whole points within the range that is shown."""
        return np.asarray(np.clip(np.rint(points), self.low, self.high), dtype=np.int64)


SCALE: Final = Scale()


@dataclass(frozen=True, slots=True)
class Bands:
    """Highest probability of default of each grade; above the last one the grade is E."""

    a: float = 0.01
    b: float = 0.03
    c: float = 0.08
    d: float = 0.20

    def __post_init__(self) -> None:
        if not 0.0 < self.a < self.b < self.c < self.d < 1.0:
            raise ModelError("grade bands must rise from A to D between 0 and 1")

    def grades(self, pd: Float64) -> NDArray[np.str_]:
        place = np.searchsorted(np.array([self.a, self.b, self.c, self.d]), pd, side="left")
        return np.array(GRADES, dtype=np.str_)[place]


BANDS: Final = Bands()


@dataclass(frozen=True, slots=True)
class Calibration:
    """Log-odds of keeping the promise, in the sample trained on = slope · margin + intercept, slope > 0."""

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept) and self.slope > 0.0):
            raise ModelError("the columns do not tell defaulters from others; no model can be calibrated on these rows")

    def log_odds(self, margin: Float64) -> Float64:
        return np.asarray(self.slope * margin + self.intercept, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """How far the log-odds would move had other firms of the same kind been trained on (95 % by default).

    Bootstrap, paid for once at training: the trees are grown again on resampled firms, and the standard deviation of a firm's
    log-odds is told by how far it stands from the average firm and by its share of absent values:
    ``base + tail · |margin − centre| + absent · share``, all non-negative. ``covariance`` is that of slope and intercept.
    A split-conformal set would only say "both outcomes are possible" at the probabilities met here, and refits at scoring time
    would cost a multiple of the prediction.
    """

    base: float = 0.0
    tail: float = 0.0
    absent: float = 0.0
    centre: float = 0.0
    covariance: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Variance of the slope, covariance, variance of the intercept."""
    z: float = 1.96

    def half_width(self, margin: Float64, absent: Float64) -> Float64:
        """Half the interval in log-odds. ``absent``: share of the columns (0 to 1) without a value."""
        trees = self.base + self.tail * np.abs(margin - self.centre) + self.absent * absent
        slope, both, intercept = self.covariance
        line = slope * margin**2 + 2.0 * both * margin + intercept
        return np.asarray(self.z * np.sqrt(trees**2 + np.maximum(line, 0.0)), dtype=np.float64)
