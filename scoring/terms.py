"""The additive part of a model: one curve per column, as in a scorecard. It may stand alone or beside the trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scoring.errors import ModelError
from scoring.scale import Float64


@dataclass(frozen=True, slots=True)
class Term:
    """What one column adds to the margin.

    ``step``: ``values`` has one more entry than ``knots``; a value equal to a knot belongs to the step below it. ``line``:
    straight between the knots, level outside. ``absent``: said for NaN. ``mean``: average over the training rows, taken off when
    the term is told as a contribution.
    """

    column: str
    shape: Literal["step", "line"]
    knots: tuple[float, ...]
    values: tuple[float, ...]
    absent: float
    mean: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in ("step", "line") or len(self.values) != len(self.knots) + (self.shape == "step"):
            raise ModelError(f"the term of {self.column} does not fit its knots")
        if any(later <= earlier for earlier, later in zip(self.knots, self.knots[1:], strict=False)):
            raise ModelError(f"the knots of {self.column} do not rise")

    def margin(self, column: Float64) -> Float64:
        """What is added for each row."""
        known, values = np.asarray(self.knots, dtype=np.float64), np.asarray(self.values, dtype=np.float64)
        if self.shape == "step":
            told = values[np.searchsorted(known, column, side="left")]
        else:
            told = np.interp(column, known, values)
        return np.where(np.isnan(column), self.absent, told)
