"""Logistic regression by Newton's method: calibration, scorecard and the slope in evaluation all need no more."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from scoring.errors import ModelError
from scoring.scale import Calibration, Float64, probability_of_default


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """``weights``: one per column, the last the intercept. ``covariance``: robust (sandwich); a weight of 5 is not 5 firms."""

    weights: Float64
    covariance: Float64


def logistic(
    X: Float64, target: Float64, weight: Float64, *, l2: float = 0.0, start: Float64 | None = None, steps: int = 60
) -> Fit:
    """Log-odds of ``target`` (0 to 1) = X · weights + intercept; ``l2`` draws the weights, not the intercept, towards 0."""
    design = np.column_stack([X, np.ones(len(X))])
    beta = np.zeros(design.shape[1]) if start is None else start.copy()
    penalty = np.full(len(beta), l2)
    penalty[-1] = 0.0
    for _ in range(steps):
        fitted = 1.0 - probability_of_default(design @ beta)
        curvature = (design * (weight * fitted * (1.0 - fitted))[:, None]).T @ design + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curvature, design.T @ (weight * (target - fitted)) - penalty * beta)
        # A step over many units of log-odds comes from a flat tail; it is shortened rather than believed.
        step *= min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        beta = beta + step
        if float(np.abs(step).max()) < 1e-10:
            break
    if not np.isfinite(beta).all():
        raise ModelError("the logistic regression does not settle; the outcome may be given away by a column")
    fitted = 1.0 - probability_of_default(design @ beta)
    curvature = (design * (weight * fitted * (1.0 - fitted))[:, None]).T @ design + np.diag(penalty + 1e-9)
    scores = design * (weight * (target - fitted))[:, None]
    inverse = np.linalg.inv(curvature)
    return Fit(beta, inverse @ (scores.T @ scores) @ inverse)


def platt(margin: Float64, bad: Float64, weight: Float64) -> tuple[Calibration, NDArray[np.float64]]:
    """Calibration and covariance of (slope, intercept), with Platt's smoothed targets so that small classes stay off 0 and 1.

    Raises ModelError where a larger margin does not mean a better firm.
    """
    lost = float(bad.sum())
    kept = len(bad) - lost
    target = np.where(bad == 1.0, 1.0 / (lost + 2.0), (kept + 1.0) / (kept + 2.0))
    # Margins of scaled trees may be tiny; the fit is made on their standard deviation.
    spread = float(margin.std()) or 1.0
    fit = logistic((margin / spread)[:, None], target, weight / weight.mean())
    scale = np.array([1.0 / spread, 1.0])
    return Calibration(float(fit.weights[0] / spread), float(fit.weights[1])), fit.covariance * np.outer(scale, scale)


def non_negative(design: Float64, target: Float64) -> tuple[float, ...]:
    """Least squares with coefficients that are not negative, for a handful of columns: every subset is tried."""
    n = design.shape[1]
    best, least = np.zeros(n), float((target**2).sum())
    for size in range(1, n + 1):
        for chosen in combinations(range(n), size):
            found = np.linalg.lstsq(design[:, chosen], target, rcond=None)[0]
            left = float(((target - design[:, chosen] @ found) ** 2).sum())
            if (found >= 0.0).all() and left < least * (1.0 - 1e-12):
                best, least = np.zeros(n), left
                best[list(chosen)] = found
    return tuple(best.tolist())
