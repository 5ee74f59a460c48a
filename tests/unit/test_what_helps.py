"""What would help is something the firm can do, helps, and promises no more than the model says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.features.spec import Unit
from scoring.what_helps import STEPS, Search, observed_bounds, value_curve, what_helps
from tests.score_cast import FEATURES, NAMES, firms, score_model

MODEL = score_model()
BOUNDS = observed_bounds(firms(1))
some_firm = st.integers(0, 299).map(lambda place: firms(9, 300)[place])


@settings(max_examples=30, deadline=None)
@given(row=some_firm)
def test_advice_changes_only_what_the_firm_can_change_for_the_better_within_what_firms_do(row: np.ndarray) -> None:
    for advice in what_helps(MODEL, FEATURES, row, BOUNDS):
        groups = [change.feature.group for change in advice.changes]
        assert 1 <= len(advice.changes) <= Search().most_changes and len(set(groups)) == len(groups)
        for change in advice.changes:
            feature = FEATURES[change.column]
            assert change.feature is feature and feature.changeable and feature.direction != 0
            assert change.now == row[change.column]
            assert (change.then - change.now) * feature.direction > 0
            assert BOUNDS[change.column, 0] <= change.then <= BOUNDS[change.column, 1]
            steps = change.then / STEPS.get(feature.unit, 1.0)
            assert steps == pytest.approx(round(steps), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(row=some_firm)
def test_advice_brings_what_it_says_and_never_lowers(row: np.ndarray) -> None:
    before = MODEL.score(row)
    for advice in what_helps(MODEL, FEATURES, row, BOUNDS):
        changed = row.copy()
        for change in advice.changes:
            changed[change.column] = change.then
        after = MODEL.score(changed)
        assert advice.gain == pytest.approx(after.points[0] - before.points[0], abs=1e-9)
        assert advice.gain >= Search().least_points
        assert (advice.score, advice.pd) == (after.score[0], pytest.approx(after.pd[0]))
        assert advice.score >= before.score[0] and advice.pd < before.pd[0]


@settings(max_examples=30, deadline=None)
@given(row=some_firm)
def test_the_most_points_per_effort_come_first_and_nothing_is_asked_that_brings_no_more(row: np.ndarray) -> None:
    told = what_helps(MODEL, FEATURES, row, BOUNDS)
    worth = [advice.gain / advice.effort for advice in told]
    assert worth == pytest.approx(sorted(worth, reverse=True))
    assert len(told) <= Search().shown
    assert len({tuple(change.column for change in advice.changes) for advice in told}) == len(told)
    for one in told:
        asked = {change.column for change in one.changes}
        less = [other for other in told if {change.column for change in other.changes} < asked and other.effort <= one.effort]
        assert all(other.gain < one.gain for other in less)


def test_the_smallest_change_that_moves_the_score_is_found() -> None:
    """Against trying every whole number of late filings."""
    column = NAMES.index("late_filings")
    alone = tuple(replace(feature, changeable=feature.name == "late_filings") for feature in FEATURES)
    row = firms(1)[np.nanargmax(firms(1)[:, 5])].copy()
    row[column] = BOUNDS[column, 1]
    ladder = np.arange(BOUNDS[column, 0], row[column])
    rows = np.repeat(row[None, :], len(ladder), axis=0)
    rows[:, column] = ladder
    gains = MODEL.score(rows).points - MODEL.score(row).points[0]
    wanted = {(value, round(gain, 6)) for value, gain in zip(ladder, gains, strict=True) if gain >= 1.0}
    told = what_helps(MODEL, alone, row, BOUNDS, Search(choices=20, shown=20, targets=20))
    found = {(advice.changes[0].then, round(advice.gain, 6)) for advice in told}
    best = {gain: max(value for value, other in wanted if other == gain) for _, gain in wanted}
    assert found == {(value, gain) for gain, value in best.items()}
    assert found


def test_together_is_told_where_it_brings_more_than_each_alone() -> None:
    row = np.nanmedian(firms(1), axis=0)
    row[[0, 1, 2]] = BOUNDS[[0, 1, 2], 1]
    row[[3, 4]] = BOUNDS[[3, 4], 0]
    told = what_helps(MODEL, FEATURES, row, BOUNDS, Search(shown=50))
    assert len(told) > 5
    most = max(told, key=lambda advice: advice.gain)
    assert len(most.changes) == 3
    assert most.gain > max(advice.gain for advice in told if len(advice.changes) == 1)


def test_a_firm_that_does_everything_well_gets_no_advice() -> None:
    row = np.nanmedian(firms(1), axis=0)
    row[[0, 1, 2]], row[[3, 4]] = 0.0, BOUNDS[[3, 4], 1]
    assert what_helps(MODEL, FEATURES, row, BOUNDS) == []


def test_absent_values_are_not_advised_upon() -> None:
    row = np.full(len(FEATURES), np.nan)
    assert what_helps(MODEL, FEATURES, row, BOUNDS) == []
    nobody = observed_bounds(np.full((4, len(FEATURES)), np.nan))
    assert np.isnan(nobody).all()
    assert what_helps(MODEL, FEATURES, firms(9, 300)[0], nobody) == []
    assert value_curve(MODEL, FEATURES, row, 0, nobody) == []


@settings(max_examples=30, deadline=None)
@given(row=some_firm, column=st.integers(0, len(FEATURES) - 1))
def test_the_slider_shows_the_models_own_scores_rising_in_the_good_direction(row: np.ndarray, column: int) -> None:
    curve = value_curve(MODEL, FEATURES, row, column, BOUNDS)
    values, scores = np.array(curve).T
    assert 2 <= len(curve) <= 44 and (np.diff(values) > 0).all()
    assert math.isnan(row[column]) or row[column] in values
    rows = np.repeat(row[None, :], len(curve), axis=0)
    rows[:, column] = values
    assert scores.tolist() == MODEL.score(rows).score.tolist()
    assert (np.diff(scores) * FEATURES[column].direction >= 0).all()
    if FEATURES[column].unit in (Unit.COUNT, Unit.GRADE):
        assert all(value.is_integer() for value in values)
