"""Whether the firms scored now are like those the model learned from, and whether what it expected came true.

PSI (population stability index) by feature and of the score, with the missing as a bin of their own; drift month by month; and
observed against expected bad loans by grade. Arrays in, dataclasses out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from math import erf, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Band(StrEnum):
    """The verdict on a PSI."""

    STABLE = "stable"
    WATCH = "watch"
    SHIFTED = "shifted"
    TOO_FEW = "too_few"


class Agreement(StrEnum):
    """Whether what was observed lies in the interval of what was expected."""

    AS_EXPECTED = "as_expected"
    MORE_BAD = "more_bad"
    FEWER_BAD = "fewer_bad"
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class MonitoringParameters:
    """All numbers are proposals; 0.1 and 0.25 are the usual bands of PSI."""

    bins: int = 10
    watch: float = 0.10
    shifted: float = 0.25
    least: int = 100
    """With fewer firms on either side there is no verdict: ten bins of few firms differ by chance alone."""
    floor: float = 0.0005
    """Share that an empty bin is taken to hold, so that the logarithm exists."""
    least_loans: int = 30
    """With fewer reported loans of a grade there is no verdict."""


MONITORING: Final = MonitoringParameters()


@dataclass(frozen=True, slots=True)
class Bin:
    """``low`` (excluded) to ``high`` (included), both ``None`` for the missing; shares of firms, and its part of PSI."""

    low: float | None
    high: float | None
    reference: float
    now: float
    part: float


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature (or the score): PSI, verdict, bins, and the shares without a value."""

    name: str
    psi: float
    band: Band
    bins: tuple[Bin, ...]
    missing_reference: float
    missing_now: float


def psi_band(psi: float, parameters: MonitoringParameters = MONITORING) -> Band:
    """The verdict on a PSI that rests on enough firms."""
    if psi < parameters.watch:
        return Band.STABLE
    return Band.WATCH if psi < parameters.shifted else Band.SHIFTED


def edges_of(reference: Floats, parameters: MonitoringParameters = MONITORING) -> Floats:
    """Inner edges at the quantiles of the known values; values that many firms share do not give empty bins."""
    known = reference[np.isfinite(reference)]
    if not len(known):
        return np.empty(0)
    inner = np.quantile(known, np.linspace(0, 1, parameters.bins + 1)[1:-1], method="higher")
    edges = np.unique(inner)
    return np.asarray(edges[edges < known.max()], dtype=np.float64)


def drift(name: str, reference: Floats, now: Floats, parameters: MonitoringParameters = MONITORING) -> Drift:
    """Reference snapshot against now (each of any length; NaN = missing). Raises ValueError when one side has no firm."""
    if not len(reference) or not len(now):
        raise ValueError(f"{name}: nothing to compare")
    edges = edges_of(reference, parameters)
    before, after = _shares(reference, edges), _shares(now, edges)
    floored, lately = np.maximum(before, parameters.floor), np.maximum(after, parameters.floor)
    parts = (lately - floored) * np.log(lately / floored)
    lows, highs = [-np.inf, *edges], [*edges, np.inf]
    bins = [
        Bin(float(low), float(high), float(before[i]), float(after[i]), float(parts[i]))
        for i, (low, high) in enumerate(zip(lows, highs, strict=True))
    ]
    bins.append(Bin(None, None, float(before[-1]), float(after[-1]), float(parts[-1])))
    psi = float(parts.sum())
    few = min(len(reference), len(now)) < parameters.least
    band = Band.TOO_FEW if few else psi_band(psi, parameters)
    return Drift(name, psi, band, tuple(bins), float(before[-1]), float(after[-1]))


def _shares(values: Floats, edges: Floats) -> Floats:
    """Shares of the firms by bin; the last is the missing."""
    known = np.isfinite(values)
    counts = np.bincount(np.searchsorted(edges, values[known], side="left"), minlength=len(edges) + 1)
    return np.append(counts, (~known).sum()) / len(values)


def drifts(
    names: Sequence[str], reference: Floats, now: Floats, parameters: MonitoringParameters = MONITORING
) -> list[Drift]:
    """Every column of two matrices (firms × features), the largest PSI first. Raises ValueError when the widths differ."""
    if reference.shape[1] != len(names) or now.shape[1] != len(names):
        raise ValueError("the matrices have other columns than names")
    found = [drift(name, reference[:, i], now[:, i], parameters) for i, name in enumerate(names)]
    return sorted(found, key=lambda one: (-one.psi, one.name))


@dataclass(frozen=True, slots=True)
class DriftPoint:
    """One month: firms, PSI against the reference, verdict."""

    month: date
    firms: int
    psi: float
    band: Band


def drift_over_time(
    reference: Floats, values: Floats, days: NDArray[np.datetime64], parameters: MonitoringParameters = MONITORING
) -> list[DriftPoint]:
    """PSI of each calendar month's values against the reference, the oldest first. ``days``: the day of each value."""
    months = days.astype("datetime64[M]")
    points = []
    for month in np.unique(months):
        mine = values[months == month]
        one = drift("", reference, mine, parameters)
        points.append(DriftPoint(month.astype("datetime64[D]").item(), len(mine), one.psi, one.band))
    return points


@dataclass(frozen=True, slots=True)
class GradeOutcome:
    """Loans of a grade (``None``: all): expected and observed bad, the interval of the observed share, and the verdict.

    ``expected``: sum of the probabilities told at the time. ``ratio``: observed over expected. ``p``: how likely a number of bad
    loans so far from the expected is by chance (two-sided, normal with continuity correction, loans independent).
    """

    grade: str | None
    loans: int
    expected: float
    observed: int
    share_low: float
    share_high: float
    ratio: float
    p: float
    agreement: Agreement


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % Wilson interval of a share. NaN for no cases."""
    if n == 0:
        return float("nan"), float("nan")
    share, wide = hits / n, z * z / n
    middle = (share + wide / 2) / (1 + wide)
    half = z * sqrt(share * (1 - share) / n + wide / (4 * n)) / (1 + wide)
    return max(0.0, middle - half), min(1.0, middle + half)


def outcomes_by_grade(
    grades: Sequence[str], pd: Floats, bad: NDArray[np.bool_], parameters: MonitoringParameters = MONITORING
) -> list[GradeOutcome]:
    """Reported outcomes of loans against the probabilities told when they were granted, by grade and for all.

    Only loans whose outcome is known: leaving out those still running makes early bad ones look like many, so give loans old
    enough. Raises ValueError for lengths that differ or probabilities outside 0 to 1.
    """
    if not len(grades) == len(pd) == len(bad):
        raise ValueError("grades, probabilities and outcomes have different lengths")
    if len(pd) and not bool(((pd >= 0) & (pd <= 1)).all()):
        raise ValueError("probabilities lie between 0 and 1")
    named = np.asarray(grades, dtype=object)
    rows = [_outcome(grade, pd[named == grade], bad[named == grade], parameters) for grade in sorted(set(grades))]
    return [*rows, _outcome(None, pd, bad, parameters)] if len(pd) else []


def _outcome(grade: str | None, pd: Floats, bad: NDArray[np.bool_], parameters: MonitoringParameters) -> GradeOutcome:
    n, observed, expected = len(pd), int(bad.sum()), float(pd.sum())
    spread = sqrt(float((pd * (1 - pd)).sum()))
    away = max(0.0, abs(observed - expected) - 0.5)
    p = 1.0 - erf(away / spread / sqrt(2)) if spread else float(observed == expected)
    low, high = wilson(observed, n)
    if n < parameters.least_loans:
        agreement = Agreement.TOO_FEW
    elif p >= 0.05:
        agreement = Agreement.AS_EXPECTED
    else:
        agreement = Agreement.MORE_BAD if observed > expected else Agreement.FEWER_BAD
    ratio = observed / expected if expected else float("nan")
    return GradeOutcome(grade, n, expected, observed, low, high, ratio, p, agreement)
