"""Every score can say where it comes from, exactly and at once: the tables against LightGBM's own pred_contrib."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring import contributions
from scoring.compiled import FEW_ROWS
from scoring.contributions import Explainer
from scoring.patterns import Limits
from scoring.trees import TreeError, parse

COLUMNS = 6
CATEGORY = 5
EXACT = 1e-9

forests = st.fixed_dictionaries(
    {
        "max_depth": st.integers(1, 6),
        "num_leaves": st.integers(2, 24),
        "use_missing": st.booleans(),
        "zero_as_missing": st.booleans(),
        "monotone_constraints": st.lists(st.integers(-1, 1), min_size=COLUMNS - 1, max_size=COLUMNS - 1).map(lambda d: [*d, 0]),
        "max_bin": st.sampled_from([7, 63]),
        "seed": st.integers(0, 999),
    }
)


def rows(seed: int, n: int = 400) -> np.ndarray[Any, Any]:
    """Firms with gaps, zeros, a category (some codes never seen, some negative, some broken) and values outside the usual."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, COLUMNS)).round(2)
    X[:, 1] = random.integers(-2, 3, n)
    X[:, CATEGORY] = random.integers(0, 40, n)
    X[random.random(X.shape) < 0.15] = np.nan
    return X


def strange(seed: int, n: int) -> np.ndarray[Any, Any]:
    X = rows(seed, n)
    X[::5, CATEGORY] = np.resize([-1.0, -0.5, 3.7, 77.0, 1e12, np.inf, -np.inf, np.nan], len(X[::5]))
    X[::7, 0] = np.resize([np.inf, -np.inf, 0.0, -0.0, 1e-36], len(X[::7]))
    return X


def grow(trees: int = 6, n: int = 400, **parameters: Any) -> lgb.Booster:
    X = rows(parameters.get("seed", 1), n)
    known = np.nan_to_num(X)
    y = known[:, 0] + known[:, 1] * known[:, 2] + (known[:, CATEGORY] % 3 == 0) + 0.3 * np.isnan(X[:, 3]) > 0.5
    told = {
        "objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, "min_data_per_group": 5,
        "cat_smooth": 1.0, "deterministic": True, "learning_rate": 0.3, "monotone_constraints_method": "basic", **parameters,
    }  # fmt: skip
    return lgb.train(told, lgb.Dataset(X, y.astype(int), categorical_feature=[CATEGORY], free_raw_data=False), trees)


def reference(booster: lgb.Booster, X: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], float]:
    told = np.asarray(booster.predict(X, pred_contrib=True, num_threads=1))
    return told[:, :-1], float(told[0, -1])


@pytest.fixture(scope="module")
def booster() -> lgb.Booster:
    return grow(trees=12, max_depth=4, num_leaves=12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(told=forests, bits=st.integers(1, 9))
def test_contributions_are_those_of_lightgbm_and_add_up_to_the_margin(told: dict[str, Any], bits: int) -> None:
    grown = grow(**told)
    explainer = Explainer.of(grown.model_to_string(), limits=Limits(bits=bits))
    assert not explainer.deep
    for X in (strange(told["seed"] + 1, 300), strange(told["seed"] + 2, FEW_ROWS)):
        expected, bias = reference(grown, X)
        parts, ours = explainer.contributions(X)
        margin = np.asarray(grown.predict(X, raw_score=True, num_threads=1))
        assert np.abs(parts - expected).max() < EXACT
        assert ours == pytest.approx(bias, abs=EXACT)
        assert parts.sum(axis=1) + ours == pytest.approx(margin, abs=EXACT)
        assert explainer.margins(X) == pytest.approx(margin, abs=EXACT)


def test_one_firm_is_told_the_same_as_a_hundred_together(booster: lgb.Booster) -> None:
    explainer, X = Explainer.of(booster.model_to_string()), strange(5, 700)
    together, _ = explainer.contributions(X)
    assert np.array_equal(together, explainer.contributions(X, threads=3)[0])
    alone = np.vstack([explainer.contributions(row)[0] for row in X[:40]])
    assert alone == pytest.approx(together[:40], abs=1e-12)


def test_boosters_are_averaged_with_their_weights(booster: lgb.Booster) -> None:
    other, X = grow(max_depth=2, num_leaves=4, seed=9), strange(6, 50)
    texts = [booster.model_to_string(), other.model_to_string()]
    (one, bias_one), (two, bias_two) = reference(booster, X), reference(other, X)
    parts, bias = Explainer.of(texts).contributions(X)
    assert parts == pytest.approx((one + two) / 2, abs=EXACT)
    assert bias == pytest.approx((bias_one + bias_two) / 2, abs=EXACT)
    weighted, bias = Explainer.of(texts, [0.25, 2.0]).contributions(X)
    assert weighted == pytest.approx(0.25 * one + 2.0 * two, abs=EXACT)
    assert bias == pytest.approx(0.25 * bias_one + 2.0 * bias_two, abs=EXACT)
    assert Explainer.of(texts) is Explainer.of(texts)


@pytest.mark.parametrize("limits", [Limits(leaf_bits=2), Limits(table_bytes=4_000)], ids=["deep", "large"])
def test_a_tree_too_large_for_a_table_is_left_to_lightgbm_with_the_same_answer(booster: lgb.Booster, limits: Limits) -> None:
    explainer, X = Explainer.of(booster.model_to_string(), [0.5], Limits(bits=2, **_but_bits(limits))), strange(7, 60)
    assert len(explainer.deep) > 0
    assert explainer.tables.table.nbytes <= limits.table_bytes
    expected, bias = reference(booster, X)
    for some in (X, X[:3]):
        parts, ours = explainer.contributions(some)
        assert parts == pytest.approx(0.5 * expected[: len(some)], abs=EXACT)
        assert ours == pytest.approx(0.5 * bias, abs=EXACT)
        margin = 0.5 * np.asarray(booster.predict(some, raw_score=True))
        assert explainer.margins(some) == pytest.approx(margin, abs=EXACT)


def _but_bits(limits: Limits) -> dict[str, int]:
    return {"leaf_bits": limits.leaf_bits, "table_bytes": limits.table_bytes}


def test_a_model_that_learned_nothing_says_the_same_of_everybody() -> None:
    X = rows(1, 100)
    data = lgb.Dataset(X, np.arange(100) % 4 == 0)
    flat = lgb.train({"objective": "binary", "verbosity": -1, "min_data_in_leaf": 90, "num_threads": 1}, data, 2)
    explainer = Explainer.of(flat.model_to_string())
    for some in (X, X[:2]):
        parts, bias = explainer.contributions(some)
        assert not parts.any()
        assert bias == pytest.approx(np.log(1 / 3))
        assert explainer.margins(some) == pytest.approx(np.full(len(some), np.log(1 / 3)))


def test_models_that_cannot_be_explained_are_refused_with_a_reason(booster: lgb.Booster) -> None:
    X, y = np.nan_to_num(rows(1)), rows(1)[:, 4] > 0
    plain = {"verbosity": -1, "num_threads": 1}
    linear = lgb.train({**plain, "objective": "regression", "linear_tree": True}, lgb.Dataset(X, X[:, 0]), 2)
    with pytest.raises(TreeError, match="linear"):
        Explainer.of(linear.model_to_string())
    classes = lgb.train({**plain, "objective": "multiclass", "num_class": 3}, lgb.Dataset(X, X[:, 5] % 3), 2)
    with pytest.raises(TreeError, match="classes"):
        Explainer.of(classes.model_to_string())
    forest = {**plain, "objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    with pytest.raises(TreeError, match="forest"):
        Explainer.of(lgb.train(forest, lgb.Dataset(X, y), 2).model_to_string())
    narrow = lgb.train({**plain, "objective": "binary"}, lgb.Dataset(X[:, :3], y), 2)
    with pytest.raises(TreeError, match="same features"):
        Explainer.of([booster.model_to_string(), narrow.model_to_string()])
    for text in ("", "tree\nversion=v4", booster.model_to_string().replace("\nleaf_count=", "\ncount=")):
        with pytest.raises(TreeError):
            parse(text)
    with pytest.raises(TreeError, match="weight"):
        Explainer.of(booster.model_to_string(), [0.5, 0.5])
    with pytest.raises(ValueError, match="6 columns"):
        Explainer.of(booster.model_to_string()).contributions(X[:, :5])


def test_explaining_one_firm_loads_neither_numba_nor_lightgbm(booster: lgb.Booster) -> None:
    told = "import sys; from scoring.contributions import Explainer; e = Explainer.of(sys.stdin.read())\n"
    told += f"print(e.contributions([[0.5] * {COLUMNS}])[0].any(), {{'numba', 'lightgbm'}} & set(sys.modules))"
    text = booster.model_to_string()
    run = subprocess.run([sys.executable, "-c", told], input=text, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "set()"]


def test_the_kernel_means_what_it_says_in_plain_python(booster: lgb.Booster, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer, X = Explainer.of(booster.model_to_string()), strange(8, FEW_ROWS + 3)
    expected, _ = explainer.contributions(X)
    monkeypatch.setattr(contributions, "compiled", lambda loop: loop)
    with np.errstate(invalid="ignore"):
        assert explainer.contributions(X)[0] == pytest.approx(expected, abs=1e-12)
