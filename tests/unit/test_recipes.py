"""The recipe for small sets is an honest, additive scorecard."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.errors import ModelError
from scoring.features.invoice_list import FEATURES
from scoring.recipes import SMALL, SMALL_SCALE_FREE, Recipe, rank_card

CARD = Recipe(("size", "swing"), l2=1.0)
COLUMNS = ("size", "noise", "swing")


def firms(n: int = 120, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    good = (X[:, 0] - X[:, 2] + rng.logistic(size=n) + 1.0 > 0).astype(float)
    X[::10, 0] = np.nan
    return X, good


def margin(X: np.ndarray, terms: tuple, start: float) -> np.ndarray:
    return start + sum(term.margin(X[:, COLUMNS.index(term.column)]) for term in terms)


def test_larger_firms_and_steadier_ones_have_a_larger_margin() -> None:
    X, good = firms()
    terms, _ = rank_card(COLUMNS, (1, 0, -1), X, good, np.ones(len(good)), CARD)
    curves = {term.column: term for term in terms}
    grid = np.linspace(-4, 4, 50)
    assert set(curves) == {"size", "swing"}
    assert (np.diff(curves["size"].margin(grid)) >= 0).all() and (np.diff(curves["swing"].margin(grid)) <= 0).all()


def test_in_sample_the_log_odds_are_honest() -> None:
    X, good = firms()
    terms, start = rank_card(COLUMNS, (1, 0, -1), X, good, np.ones(len(good)), CARD)
    assert (1 / (1 + np.exp(-margin(X, terms, start)))).mean() == pytest.approx(good.mean(), abs=1e-9)


def test_a_firm_of_which_nothing_is_known_stands_in_the_middle() -> None:
    X, good = firms()
    terms, start = rank_card(COLUMNS, (1, 0, -1), X, good, np.ones(len(good)), CARD)
    assert margin(np.full((1, 3), np.nan), terms, start)[0] == pytest.approx(start)


def test_a_weight_that_turns_against_its_direction_is_left_out() -> None:
    X, good = firms()
    terms, _ = rank_card(COLUMNS, (1, 0, 1), X, good, np.ones(len(good)), CARD)
    assert [term.column for term in terms] == ["size"]


def test_only_the_order_of_values_means_anything_to_the_rows_it_was_fitted_on() -> None:
    X, good = firms()
    ones = np.ones(len(good))
    plain = margin(X, *rank_card(COLUMNS, (1, 0, -1), X, good, ones, CARD))
    bent = np.exp(X)
    assert margin(bent, *rank_card(COLUMNS, (1, 0, -1), bent, good, ones, CARD)) == pytest.approx(plain, abs=1e-9)


def test_two_equal_rows_are_one_of_double_weight() -> None:
    X, good = firms(60)
    twice = np.concatenate([X, X[:20]]), np.concatenate([good, good[:20]])
    weight = np.where(np.arange(60) < 20, 2.0, 1.0)
    # The ridge is told per row of average weight, so the comparison is made without one.
    free = Recipe(CARD.columns, l2=0.0)
    one = margin(X, *rank_card(COLUMNS, (1, 0, -1), X, good, weight, free))
    assert margin(X, *rank_card(COLUMNS, (1, 0, -1), *twice, np.ones(80), free)) == pytest.approx(one, abs=1e-5)


def test_what_the_recipe_lacks_is_named() -> None:
    X, good = firms()
    with pytest.raises(ModelError, match="swing"):
        rank_card(("size", "noise", "other"), (1, 0, -1), X, good, np.ones(len(good)), CARD)
    with pytest.raises(ModelError):
        rank_card(COLUMNS, (1, 0, -1), X, np.ones(len(good)), np.ones(len(good)), CARD)


def test_the_recipes_read_declared_features_that_do_not_look_at_the_last_days() -> None:
    declared = {feature.name: feature for feature in FEATURES}
    for recipe in (SMALL, SMALL_SCALE_FREE):
        assert not any(declared[name].end_of_window for name in recipe.columns)
    assert all(declared[name].scale_free for name in SMALL_SCALE_FREE.columns)
