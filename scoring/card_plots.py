"""The plots of a model card, from the figures that a model file keeps (``Evaluation.as_metrics``). Words in any language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from scoring.plots import Line, Plot, bars

Metrics = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Words:
    """What stands in the plots."""

    reliability: str = "Reliability"
    predicted: str = "predicted"
    observed: str = "observed"
    roc: str = "ROC curve"
    good_taken: str = "share of the good rows among the riskiest"
    bad_found: str = "share of the bad rows among them"
    spread: str = "Points by outcome"
    points: str = "points (at the sample's bad rate)"
    share: str = "share"
    good: str = "good"
    bad: str = "bad"
    curve: str = "Approval rate and bad rate"
    approved: str = "approved"
    bad_rate: str = "bad rate among them (band: 95 % interval)"
    features: str = "What weighs most"
    mean_points: str = "points"


WORDS: Final = Words()


def _percent(value: float) -> str:
    return f"{value * 100:g}%"


def _known(values: Sequence[float | None]) -> bool:
    """Whether every number could be told: a model file holds nothing where one could not."""
    return all(value is not None and isfinite(value) for value in values)


def _rounded_up(value: float) -> float:
    """The upper end of an axis of shares."""
    return next((step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8) if value <= step), 1.0)


def reliability_plot(metrics: Metrics, words: Words = WORDS) -> str:
    """Predicted against observed, bin by bin, beside the diagonal. ``metrics["reliability"]``: [rows, predicted, observed]."""
    points = [(one[1], one[2]) for one in metrics["reliability"]]
    most = _rounded_up(max(value for point in points for value in point))
    return Plot(words.reliability, words.predicted, words.observed, (Line("", points, dots=True),), (0.0, most), (0.0, most),
                _percent, _percent, even=True).svg()  # fmt: skip


def roc_plot(metrics: Metrics, words: Words = WORDS) -> str:
    """``metrics["roc"]``: [share of good, share of bad] among the riskiest."""
    line, whole = Line("", [(one[0], one[1]) for one in metrics["roc"] if _known(one)]), (0.0, 1.0)
    return Plot(words.roc, words.good_taken, words.bad_found, (line,), whole, whole, _percent, _percent, even=True).svg()


def spread_plot(metrics: Metrics, words: Words = WORDS) -> str:
    """``metrics["spread"]``: edges of points, shares of the good and of the bad; drawn as steps."""
    told = metrics["spread"]
    edges = told["edges"]
    lines = [Line(name, _steps(edges, told[kind])) for kind, name in (("good", words.good), ("bad", words.bad))]
    most = _rounded_up(max([*told["good"], *told["bad"]]))
    return Plot(words.spread, words.points, words.share, lines, (edges[0], edges[-1]), (0.0, most), y_text=_percent).svg()


def _steps(edges: Sequence[float], shares: Sequence[float]) -> list[tuple[float, float]]:
    return [point for at, share in enumerate(shares) for point in ((edges[at], share), (edges[at + 1], share))]


def curve_plot(metrics: Metrics, words: Words = WORDS) -> str:
    """``metrics["curve"]``: approval rate as "10%" to bad rate, low, high."""
    told = [(float(name.rstrip("%")) / 100, *one) for name, one in metrics["curve"].items() if _known(one)]
    line = Line("", [(x, value) for x, value, _, _ in told], dots=True, around=[(x, low, high) for x, _, low, high in told])
    most = _rounded_up(max((max(one[1], one[3]) for one in told), default=1.0))
    return Plot(words.curve, words.approved, words.bad_rate, (line,), (0.0, 1.0), (0.0, most), _percent, _percent).svg()


def features_plot(rows: Sequence[tuple[str, float]], words: Words = WORDS) -> str:
    """Columns by the points they move a score by."""
    return bars(words.features, rows, lambda value: f"{value:.1f} {words.mean_points}")
