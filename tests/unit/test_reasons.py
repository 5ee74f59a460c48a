"""A score can be taken apart to the point: what speaks for the firm, what against it, and nothing told twice."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.compiled import FEW_ROWS
from scoring.reasons import LEAST, TOP, account, account_table, parts_of, top_facts, whole_rows
from scoring.scale import Calibration, Scale
from scoring.what_helps import _turns
from tests.score_cast import FEATURES, firms, score_model

MODEL = score_model()
some_firm = st.integers(0, 299).map(lambda place: firms(9, 300)[place])


@settings(max_examples=60, deadline=None)
@given(row=some_firm)
def test_base_reasons_and_the_rest_add_up_to_the_points_and_in_whole_numbers_to_the_score(row: np.ndarray) -> None:
    told, scores = account(MODEL, FEATURES, row), MODEL.score(row)  # the second by LightGBM
    reasons = (*told.up, *told.down)
    assert sum(told.exact) + sum(reason.strength for reason in reasons) == pytest.approx(scores.points[0], abs=1e-9)
    assert told.base + told.others + told.clipped + sum(reason.points for reason in reasons) == told.shown == scores.score[0]
    for reason in reasons:
        assert abs(reason.points - reason.strength) < 1.0
        assert (reason.points > 0) == (reason.strength > 0) and reason.points != 0


@settings(max_examples=40, deadline=None)
@given(row=some_firm)
def test_one_fact_is_told_once_by_its_strongest_member(row: np.ndarray) -> None:
    told = account(MODEL, FEATURES, row)
    reasons = (*told.up, *told.down)
    assert len({reason.feature.group for reason in reasons}) == len(reasons)
    parts = parts_of(MODEL, row)[0][0] * MODEL.points_per_margin
    for reason in reasons:
        members = [part for feature, part in zip(FEATURES, parts, strict=True) if feature.group == reason.feature.group]
        assert reason.strength == pytest.approx(sum(members), abs=1e-9)
        alike = [part for part in members if (part > 0) == (reason.strength > 0)]
        assert parts[FEATURES.index(reason.feature)] == max(alike, key=abs)


@settings(max_examples=40, deadline=None)
@given(row=some_firm)
def test_the_strongest_come_first_and_no_more_than_five_each_way(row: np.ndarray) -> None:
    told = account(MODEL, FEATURES, row)
    for side, sign in ((told.up, 1), (told.down, -1)):
        strengths = [sign * reason.strength for reason in side]
        assert strengths == sorted(strengths, reverse=True)
        assert len(side) <= TOP and all(strength >= LEAST - 1e-6 for strength in strengths)


@settings(max_examples=60, deadline=None)
@given(row=some_firm, nudge=st.floats(-1e-6, 1e-6), column=st.integers(0, len(FEATURES) - 1))
def test_a_tiny_change_of_input_changes_no_reason_unless_a_threshold_is_crossed(
    row: np.ndarray, nudge: float, column: int
) -> None:
    nudged = row.copy()
    nudged[column] += nudge
    low, high = sorted((row[column], nudged[column]))
    if any(low <= turn <= high for turn in _turns(MODEL.boosters, (), MODEL.names)[column]):
        return
    before, after = account(MODEL, FEATURES, row), account(MODEL, FEATURES, nudged)
    assert [r.feature for r in (*before.up, *before.down)] == [r.feature for r in (*after.up, *after.down)]
    assert (before.shown, before.base) == (after.shown, after.base)


def test_facts_of_equal_strength_come_in_the_order_of_declaration_whatever_the_last_digit_says() -> None:
    parts = np.zeros((2, len(FEATURES)))
    parts[:, [2, 3, 6, 10]] = 0.7
    parts[1, [3, 10]] += 1e-13
    first, second = top_facts(FEATURES, parts, 50.0).column
    assert first.tolist() == second.tolist() == [2, 3, 6, 10, -1, *[-1] * TOP]


def test_of_a_hundred_firms_each_is_told_the_same_as_alone() -> None:
    X = firms(5, 100)
    parts, _ = parts_of(MODEL, X)
    together = top_facts(FEATURES, parts, MODEL.points_per_margin)
    assert together.column.shape == (100, 2 * TOP)
    assert len(X) > FEW_ROWS
    scored = account_table(MODEL, FEATURES, X).scores
    assert scored.points.tolist() == [account_table(MODEL, FEATURES, X[[n]]).scores.points[0] for n in range(100)]
    assert scored.points == pytest.approx(MODEL.score(X).points, abs=1e-10)
    for row, columns, strengths in zip(X, together.column, together.strength, strict=True):
        told = account(MODEL, FEATURES, row)
        reasons = (*told.up, *told.down)
        assert [FEATURES[column] for column in columns[columns >= 0]] == [reason.feature for reason in reasons]
        assert strengths[columns >= 0] == pytest.approx([reason.strength for reason in reasons], abs=1e-9)


def test_six_facts_one_way_leave_the_weakest_to_the_rest() -> None:
    parts = np.zeros((1, len(FEATURES)))
    parts[0, 2:8] = [0.3, 0.1, 0.6, 0.5, 0.2, 0.4]
    parts[0, 10] = -0.2
    told = top_facts(FEATURES, parts, 10.0)
    assert told.column[0].tolist() == [4, 5, 7, 2, 6, 10, -1, -1, -1, -1]
    assert told.strength[0].tolist() == pytest.approx([6, 5, 4, 3, 2, -2, 0, 0, 0, 0])


def test_what_weighs_less_than_a_point_is_not_told_as_a_reason() -> None:
    parts = np.zeros((1, len(FEATURES)))
    parts[0, 2], parts[0, 3] = 0.99, -1.01
    assert top_facts(FEATURES, parts, 1.0).column[0].tolist() == [*[-1] * TOP, 3, -1, -1, -1, -1]


def test_an_absent_value_speaks_with_the_sentence_for_absent_ones() -> None:
    row = firms(9, 300)[0]
    row[2] = math.nan
    amplified = replace(MODEL, calibration=Calibration(5.0, 0.0))
    told = account(amplified, FEATURES, row)
    [reason] = [reason for reason in (*told.up, *told.down) if reason.feature.name == "late_filings"]
    assert reason.say("zh") == FEATURES[2].zh.missing and "late_filings" in reason.say("zh")
    assert reason.say("en") == FEATURES[2].en.missing


def test_a_score_beyond_the_scale_says_what_the_end_of_the_scale_takes_off() -> None:
    best, worst = (max if up else min for up in (True, False))
    X = firms(9, 300)
    points = MODEL.score(X).points
    narrow = replace(MODEL, scale=Scale(low=round(float(points.min())) + 20, high=round(float(points.max())) - 20))
    for choose, sign in ((best, -1), (worst, 1)):
        row = X[points.tolist().index(choose(points))]
        told = account(narrow, FEATURES, row)
        assert told.clipped == sign * 20
        assert told.base + told.others + told.clipped + sum(r.points for r in (*told.up, *told.down)) == told.shown


@given(parts=st.lists(st.floats(-300, 900), min_size=1, max_size=12))
def test_whole_numbers_add_up_and_none_is_a_whole_point_away(parts: list[float]) -> None:
    total = round(math.fsum(parts))
    whole = _whole(parts, total)
    assert sum(whole) == total
    assert all(abs(number - part) < 1.0 for number, part in zip(whole, parts, strict=True))


def test_the_largest_remainder_goes_up_and_the_earlier_of_two() -> None:
    assert _whole([10.4, 20.9, -3.3], 28) == [10, 21, -3]
    assert _whole([0.5, 0.5], 1) == [1, 0]
    with pytest.raises(ValueError, match="not the sum"):
        _whole([1.0, 2.0], 5)


def _whole(parts: list[float], total: int) -> list[int]:
    return whole_rows(np.array([parts]), np.ones((1, len(parts)), dtype=np.bool_), np.array([total]))[0].tolist()  # type: ignore[no-any-return]
