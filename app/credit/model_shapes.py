"""What a model file says of its own measuring, as far as it has the shape that a page can show: files come from elsewhere too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import isfinite
from typing import Any


def sound_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Without the parts that are not what ``scoring.evaluation.Evaluation.as_metrics`` writes."""
    return {name: value for name, value in metrics.items() if name not in _SHAPES or _SHAPES[name](value)}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _numbers(value: Any, length: int, gaps: bool = False) -> bool:
    """A list of so many numbers; with ``gaps`` some may be absent."""
    return isinstance(value, list) and len(value) == length and all(_number(one) or (gaps and one is None) for one in value)


def _rows(length: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and bool(value) and all(_numbers(one, length) for one in value)


def _curve(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(
        name.removesuffix("%").isdecimal() and _numbers(one, 3, gaps=True) for name, one in value.items()
    )


def _spread(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("good"), list) or not value["good"]:
        return False
    bins = len(value["good"])
    edges = value.get("edges") or []
    return (
        _numbers(edges, bins + 1) and all(_numbers(value.get(kind), bins) for kind in ("good", "bad"))
        and all(low < high for low, high in pairwise(edges))
    )


def _features(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, list) and len(one) == 2 and isinstance(one[0], str) and _number(one[1]) and one[1] >= 0 for one in value
    )


def _groups(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and isinstance(one.get("by"), str) and isinstance(one.get("name"), str)
        and _number(one.get("rows")) and _number(one.get("bad_rate"))
        and _numbers(one.get("auc"), 3, gaps=True) and _numbers(one.get("observed_expected"), 3, gaps=True) for one in value
    )


def _rivals(value: Any) -> bool:
    return isinstance(value, dict) and all(_numbers(one, 3, gaps=True) for one in value.values())


_SHAPES: dict[str, Callable[[Any], bool]] = {
    "reliability": _rows(3), "roc": _rows(2), "curve": _curve, "spread": _spread, "features": _features, "groups": _groups,
    "rivals": _rivals,
}
