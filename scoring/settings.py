"""How models are trained: one place for every number, all of them proposals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from scoring.errors import DataError
from scoring.recipes import SMALL, SMALL_SCALE_FREE


@dataclass(frozen=True, slots=True)
class Settings:
    """Trees, encoding of categories, calibration, interval, search. ``challenger``: the scorecard that runs beside the trees."""

    kind: Literal["trees", "scorecard", "both", "ranks"] = "trees"
    rounds: int = 400
    learning_rate: float = 0.05
    num_leaves: int = 7
    max_depth: int = -1
    min_data_in_leaf: int = 20
    lambda_l2: float = 5.0
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.8
    max_bin: int = 127
    extra_trees: bool = False
    cat_smooth: float = 10.0
    cat_l2: float = 10.0
    max_cat_threshold: int = 256
    """The three hold back splits of sets of words."""
    bags: int = 1
    """Boosters of different seeds whose margins are averaged."""
    threads: int = 1
    """More threads add in another order; with one, a model is the same to the last byte on any machine."""

    closed_copies: int = 1
    """Copies of each row with sources closed by lot, where rows come from several sources (scoring.closing); 0 = neither these
    nor amends."""
    smoothing: float = 20.0
    """A category is told as if so many average rows were added to it."""
    encoding_folds: int = 5

    calibration_folds: int = 5
    calibration_repeats: int = 1
    bootstrap: int = 8
    """Refits on resampled rows for the interval of the PD."""

    search: int = 0
    """Candidates of the successive halving; 0 = the settings as they stand."""
    search_share: float = 0.34
    """Share of the groups a candidate is judged on."""

    small_sample: int = 1000
    """Up to so many rows ``small`` is the better start."""

    woe_bins: int = 6
    woe_l2: float = 3.0
    woe_least: float = 0.02
    """Least share of the rows in a bin."""
    ranks: tuple[str, ...] = ()
    """Columns of the ridge regression on ranks where ``kind`` is "ranks" (scoring.recipes)."""
    ranks_l2: float = 1.0
    card: Literal["evidence", "effects"] = "evidence"
    """What the additive part is made of: weights of evidence (scoring.scorecard), or an effect of each word (scoring.effects)."""
    effects_l2: float = 10.0
    effects_bins: int = 10
    blend: float = 0.5
    """Share of the scorecard's margin where ``kind`` is "both"."""

    def changed(self, told: Mapping[str, Any]) -> Settings:
        """With some fields replaced. Raises DataError on a field that is not there."""
        unknown = set(told) - {one.name for one in fields(self)}
        if unknown:
            raise DataError(f"unknown training settings: {', '.join(sorted(unknown))}")
        return replace(self, **told)


SETTINGS: Final = Settings()

PLAIN: Final[Mapping[str, Any]] = {
    "kind": "trees", "rounds": 100, "learning_rate": 0.1, "num_leaves": 31, "max_depth": -1, "min_data_in_leaf": 20,
    "lambda_l2": 0.0, "feature_fraction": 1.0, "bagging_fraction": 1.0, "max_bin": 255, "extra_trees": False,
    "cat_smooth": 10.0, "cat_l2": 10.0, "max_cat_threshold": 32, "bags": 1, "search": 0,
}  # fmt: skip
"""LightGBM as it comes, its own defaults: what every figure is told beside."""


def small(settings: Settings, columns: Collection[str] = ()) -> Settings:
    """For a few hundred firms: the recipe on ranks where its ``columns`` are there, and stumps of two questions otherwise."""
    for recipe in (SMALL, SMALL_SCALE_FREE):
        if set(recipe.columns) <= set(columns):
            settings = replace(settings, kind="ranks", ranks=recipe.columns, ranks_l2=recipe.l2)
            break
    return replace(
        settings,
        rounds=120,
        num_leaves=4,
        max_depth=2,
        min_data_in_leaf=12,
        lambda_l2=10.0,
        max_bin=63,
        bags=3,
        calibration_repeats=4,
        bootstrap=20,
        woe_bins=4,
        woe_least=0.1,
        woe_l2=10.0,
    )
