"""How a bank stands: what it was asked, what it answered, what it kept. Cells with too few cases stay empty [P]."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StandingRules:
    """``window_days`` back are counted; a figure of fewer than ``least_cases`` is not told [P]."""

    window_days: int = 365
    least_cases: int = 5
