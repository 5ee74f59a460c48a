"""Every feature of every source, in the order of the matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from scoring.features import cross, flows, invoice_list, power, staff, standing, tax, utilities
from scoring.features.rows import Part, Reading
from scoring.features.spec import Feature

COMPUTED: Final[tuple[tuple[tuple[Feature, ...], Callable[[Reading], Part]], ...]] = (
    (power.FEATURES, power.compute),
    (utilities.FEATURES, utilities.compute),
    (tax.FEATURES, tax.compute),
    (staff.FEATURES, staff.compute),
    (flows.FEATURES, flows.compute),
    (standing.FEATURES, standing.compute),
    (cross.FEATURES, cross.compute),
)
"""Modules that read through a ``Reading``: what they declare and how it is computed. Invoices have a computation of their own."""

FEATURES: Final[tuple[Feature, ...]] = (
    *invoice_list.FEATURES,
    *(feature for declared, _ in COMPUTED for feature in declared),
)
NAMES: Final[tuple[str, ...]] = tuple(feature.name for feature in FEATURES)
PLACE: Final[dict[str, int]] = {name: place for place, name in enumerate(NAMES)}
"""Column of the matrix by name."""

SOURCES: Final[tuple[str, ...]] = tuple(dict.fromkeys(source for feature in FEATURES for source in feature.sources))
MONTHLY: Final[tuple[str, ...]] = (
    "invoices", "electricity", "water", "gas", "tax", "social_insurance", "housing_fund", "customs", "cash_flow",
)  # fmt: skip
"""Sources that say something about each month; the others are registers."""


def fed_from(source: str) -> tuple[Feature, ...]:
    """The features that are absent when the source may not be read."""
    return tuple(feature for feature in FEATURES if source in feature.sources)


@cache
def grounds() -> tuple[str, ...]:
    """By place of a feature, the sources (with a space between) that a reason it leads may rest on.

    These are the sources of all features of its group, since their points are told as one.
    """
    groups: dict[str, set[str]] = {}
    for feature in FEATURES:
        groups.setdefault(feature.group, set()).update(feature.sources)
    return tuple(" ".join(sorted(groups[feature.group])) for feature in FEATURES)


def by_name(name: str) -> Feature:
    """The feature of that name. Raises KeyError."""
    return FEATURES[PLACE[name]]
