"""Every feature of every source, in the order of the matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from scoring.features import power, utilities
from scoring.features.rows import Part, Reading
from scoring.features.spec import Feature

COMPUTED: Final[tuple[tuple[tuple[Feature, ...], Callable[[Reading], Part]], ...]] = (
    (power.FEATURES, power.compute),
    (utilities.FEATURES, utilities.compute),
)
"""Modules that read through a ``Reading``: what they declare and how it is computed."""

FEATURES: Final[tuple[Feature, ...]] = tuple(feature for declared, _ in COMPUTED for feature in declared)
NAMES: Final[tuple[str, ...]] = tuple(feature.name for feature in FEATURES)
PLACE: Final[dict[str, int]] = {name: place for place, name in enumerate(NAMES)}
"""Column of the matrix by name."""

SOURCES: Final[tuple[str, ...]] = tuple(dict.fromkeys(source for feature in FEATURES for source in feature.sources))
MONTHLY: Final[tuple[str, ...]] = tuple(
    source
    for source in ("invoices", "electricity", "water", "gas", "tax", "social_insurance", "housing_fund", "customs", "cash_flow")
    if source in SOURCES
)
"""Sources that say something about each month; the others are registers."""


def fed_from(source: str) -> tuple[Feature, ...]:
    """The features that are absent when the source may not be read."""
    return tuple(feature for feature in FEATURES if source in feature.sources)


def by_name(name: str) -> Feature:
    """The feature of that name. Raises KeyError."""
    return FEATURES[PLACE[name]]
