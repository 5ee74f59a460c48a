"""What the score would be: the registered model asked again about one firm, in the web process, without LightGBM.

Nothing is stored. The features are those of the profile that stands, so an answer without changes is the score that stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from app.credit import model_service
from app.credit.models import CreditProfile
from scoring.compiled import FEW_ROWS
from scoring.contributions import Explainer
from scoring.features.registry import by_name
from scoring.features.spec import Unit
from scoring.model import Model
from scoring.what_helps import Help, bounds_of, value_curve, what_helps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from scoring.features.spec import Feature


class Answering(Model):
    """The same model, read from tables a few rows at a time: loads neither LightGBM nor numba."""

    def margins(self, X: ArrayLike, num_threads: int = 1) -> NDArray[np.float64]:
        """Raw margins; equal to ``Model.margins`` up to rounding."""
        rows = self._rows(X)
        total = np.full(len(rows), self.start)
        if self.boosters:
            explainer = Explainer.of(self.boosters)
            for start in range(0, len(rows), FEW_ROWS):
                total[start:start + FEW_ROWS] += explainer.margins(rows[start:start + FEW_ROWS])
        for term in self.terms:
            total += term.margin(rows[:, self.names.index(term.column)])
        return total


@dataclass(frozen=True, slots=True)
class Limits:
    """``sliders`` shown at most; one whose whole way brings fewer than ``least_points`` is left out. Proposals."""

    sliders: int = 6
    least_points: int = 1


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Slider:
    """One feature that the firm can move: the values it may take, which is its own, which is chosen."""

    feature: Feature
    values: tuple[float, ...]
    own: int
    chosen: int
    best: int

    @property
    def value(self) -> float:
        """The chosen value."""
        return self.values[self.chosen]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model answers. ``score``, ``pd`` (fraction) and ``grade`` with the chosen values."""

    score: int
    pd: float
    grade: str


_answering: dict[UUID, Answering] = {}


@dataclass(frozen=True)
class WhatIf:
    """The model that scored a profile, with the profile's own values as its row."""

    model: Answering
    features: tuple[Feature, ...]
    row: NDArray[np.float64]
    bounds: NDArray[np.float64]

    @classmethod
    def of(cls, profile: CreditProfile) -> WhatIf | None:
        """For a profile with a score; ``None`` for any other, and where its model reads what is computed no more."""
        if profile.score is None or profile.model_id is None:
            return None
        try:
            model = _model(profile.model_id)
            features = tuple(by_name(name) for name in model.names)
        except (model_service.ModelUnusable, KeyError):
            return None
        row = np.array([profile.features.get(name, np.nan) for name in model.names], dtype=np.float64)
        return cls(model, features, row, bounds_of(model, features))

    def advice(self) -> list[Help]:
        """The changes that bring most for their effort."""
        return what_helps(self.model, self.features, self.row, self.bounds)

    def sliders(self, chosen: Mapping[str, Any], limits: Limits = LIMITS) -> list[Slider]:
        """The features that can be moved, those that bring most first. ``chosen``: places as sent, by name."""
        found: list[tuple[int, Slider]] = []
        for column, feature in enumerate(self.features):
            if not feature.changeable or np.isnan(self.row[column]):
                continue
            curve = value_curve(self.model, self.features, self.row, column, self.bounds)
            values = tuple(value for value, _ in curve)
            if len(values) < 2:
                continue
            own = values.index(float(self.row[column]))
            best = max(range(len(curve)), key=lambda at: (curve[at][1], -abs(at - own)))
            gain = curve[best][1] - curve[own][1]
            if gain >= limits.least_points:
                found.append((gain, Slider(feature, values, own, _place(chosen.get(feature.name), own, len(values)), best)))
        found.sort(key=lambda pair: -pair[0])
        return [slider for _, slider in found[:limits.sliders]]

    def held(self) -> tuple[list[tuple[Feature, float]], list[tuple[Feature, float]]]:
        """The features that the firm could move and its data tell of, with their values: those that are done, and the rest."""
        best: list[tuple[Feature, float]] = []
        rest: list[tuple[Feature, float]] = []
        for feature, value, (low, high) in zip(self.features, self.row.tolist(), self.bounds.tolist(), strict=True):
            if feature.changeable and not np.isnan(value):
                if feature.direction > 0:  # bounds are NaN for what the model does not use
                    done = value >= high or (feature.unit is Unit.FRACTION and value >= 1)
                else:
                    done = value <= 0 or value <= low
                (best if done else rest).append((feature, value))
        return best, rest

    def answer(self, sliders: Sequence[Slider]) -> Answer:
        """The score with all chosen values together."""
        row = self.row.copy()
        for slider in sliders:
            row[self.model.names.index(slider.feature.name)] = slider.value
        scores = self.model.score(row[None, :])
        return Answer(int(scores.score[0]), float(scores.pd[0]), str(scores.grade[0]))


def _place(sent: Any, own: int, count: int) -> int:
    try:
        place = int(sent)
    except (TypeError, ValueError):
        return own
    return place if 0 <= place < count else own


def _model(model_id: UUID) -> Answering:
    if model_id not in _answering:
        model = model_service.scorer_of(model_id)
        _answering.clear()
        _answering[model_id] = Answering(**{name: getattr(model, name) for name in Model.__dataclass_fields__})
    return _answering[model_id]
