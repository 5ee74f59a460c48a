"""LightGBM's model text as plain trees: splits, children, values and how many rows went where.

Read from the text, so that a process which only explains scores need not load LightGBM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

NAN_RIGHT: Final = 0
"""``value <= threshold`` goes left, a missing value right."""
NAN_LEFT: Final = 1
"""The same, a missing value goes left."""
ZERO_RIGHT: Final = 2
"""The model was trained with zero as missing: zero and NaN go right."""
ZERO_LEFT: Final = 3
CATEGORY: Final = 4
"""Goes left when the value, cut to a whole number, is in the set; missing, negative and unknown ones go right."""
ZERO: Final = 1e-35
"""What LightGBM takes for zero (kZeroThreshold)."""


class TreeError(ValueError):
    """The text is no LightGBM model, or one of a kind that is not explained here."""


class Split(NamedTuple):
    """One question. ``words``: the set of a CATEGORY split, bit ``c % 32`` of word ``c // 32``."""

    feature: int
    kind: int
    threshold: float
    words: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """``left``/``right``: child of each split, ``~leaf`` when negative. ``*_count``: training rows (bagged, unweighted)."""

    splits: tuple[Split, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    leaf_value: tuple[float, ...]
    leaf_count: tuple[int, ...]
    split_count: tuple[int, ...]

    def count(self, node: int) -> int:
        """Training rows at a split, or at the leaf ``~node``."""
        return self.split_count[node] if node >= 0 else self.leaf_count[~node]

    def expected(self) -> float:
        """Mean of the leaves over the training rows, as LightGBM's ``ExpectedValue``."""
        if not self.splits:
            return self.leaf_value[0]
        return sum(n * value for n, value in zip(self.leaf_count, self.leaf_value, strict=True)) / self.split_count[0]


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees that add up to one raw margin over ``names``."""

    names: tuple[str, ...]
    trees: tuple[Tree, ...]


def parse(text: str) -> Forest:
    """The trees of ``Booster.model_to_string()``. Raises TreeError on another text, linear leaves, classes, averaged forests."""
    head, *blocks = text.split("\nTree=")
    header = _pairs(head)
    if not head.startswith("tree") or "feature_names" not in header:
        raise TreeError("this is not the text of a LightGBM model")
    if header.get("num_tree_per_iteration", "1") != "1":
        raise TreeError("a model of several classes has no single margin to explain")
    if "average_output" in head.split("\n"):
        raise TreeError("a model that averages its own trees (random forest) is not explained here")
    names = tuple(header["feature_names"].split())
    if len(names) != int(header["max_feature_idx"]) + 1:
        raise TreeError("the model's feature names do not fit its number of features")
    try:
        return Forest(names, tuple(_tree(_pairs(block.partition("end of trees")[0])) for block in blocks))
    except (KeyError, IndexError, OverflowError) as error:
        raise TreeError(f"the model text is damaged: {error!r}") from error


def _pairs(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.split("\n") if "=" in line)


def _tree(said: Mapping[str, str]) -> Tree:
    if said.get("is_linear", "0") != "0":
        raise TreeError("linear trees have no path-dependent SHAP values; train with linear_tree=false")
    values = tuple(map(float, said["leaf_value"].split()))
    if int(said["num_leaves"]) == 1:
        return Tree((), (), (), values[:1], (0,), ())
    return Tree(
        splits=tuple(_splits(said)),
        left=tuple(map(int, said["left_child"].split())),
        right=tuple(map(int, said["right_child"].split())),
        leaf_value=values,
        leaf_count=tuple(map(int, said["leaf_count"].split())),
        split_count=tuple(map(int, said["internal_count"].split())),
    )


def _splits(said: Mapping[str, str]) -> Iterator[Split]:
    features, thresholds, decisions = (said[key].split() for key in ("split_feature", "threshold", "decision_type"))
    borders = list(map(int, said.get("cat_boundaries", "").split()))
    words = list(map(int, said.get("cat_threshold", "").split()))
    for feature, threshold, decision in zip(map(int, features), map(float, thresholds), map(int, decisions), strict=True):
        if decision & 1:
            place = int(threshold)
            yield Split(feature, CATEGORY, 0.0, tuple(words[borders[place] : borders[place + 1]]))
        else:
            yield Split(feature, _kind(decision, threshold), threshold)


def _kind(decision: int, threshold: float) -> int:
    """Bit 1: missing goes left; bits 2-3: what is missing (0 nothing, so NaN counts as 0; 1 zero and NaN; 2 NaN)."""
    missing, left = decision >> 2 & 3, bool(decision & 2)
    if missing == 1:
        return ZERO_LEFT if left else ZERO_RIGHT
    if missing == 0:
        left = threshold >= 0.0
    return NAN_LEFT if left else NAN_RIGHT
