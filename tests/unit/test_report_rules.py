"""Reports about models: what is said of groups, of two models side by side; and that nobody is found by subtraction."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.credit.report_rules import OTHERS, REPORT, age_band, compare_scores, group_table, spearman, told_quantile, told_share


def table(names: list[str], grades: list[str] | None = None) -> list[dict[str, object]]:
    """A table of firms that all have a score of 600."""
    n = len(names)
    grade = np.array(grades or ["A"] * n)
    return group_table(names, np.full(n, 600.0), grade, grade != "")


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=60))
def test_no_row_and_no_difference_of_rows_speaks_of_fewer_than_ten_firms(names: list[str]) -> None:
    rows = table(names)
    told = sum(int(str(row["firms"])) for row in rows)
    assert all(int(str(row["firms"])) >= REPORT.least for row in rows)
    assert told == len(names) or (told == 0 and len(names) < REPORT.least)


@given(st.integers(REPORT.least, 2_000), st.data())
def test_no_share_says_how_many_firms_it_counts_so_that_none_is_told_by_what_is_left(firms: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, firms))
    told = told_share(count / firms, firms)
    alike = [other for other in range(max(0, count - 2), min(firms, count + 2) + 1) if told_share(other / firms, firms) == told]
    assert abs(told - count / firms) <= 0.125 + 1e-9 and len(alike) >= 2


@given(st.lists(st.floats(300, 850), min_size=REPORT.least, max_size=60), st.sampled_from([0.05, 0.25, 0.5, 0.75, 0.95]))
def test_no_quantile_is_the_value_of_one_firm(values: list[float], share: float) -> None:
    """One firm a hundred points away moves what is told by no more than its tenth; of few firms the ends are not told."""
    ranked = np.sort(np.array(values))
    told = told_quantile(ranked, share)
    if told is None:
        assert share != 0.5 and len(values) < 110
        return
    for place in range(len(values)):
        moved = told_quantile(np.sort(np.append(np.delete(ranked, place), ranked[place] + 100)), share)
        assert moved is not None and abs(moved - told) <= 100 / REPORT.least + 0.1


def test_of_exactly_ten_firms_the_middle_is_their_mean_and_the_ends_are_silent() -> None:
    score = np.array([310.0, 480, 500, 520, 540, 560, 580, 600, 620, 840])
    grade = np.array(["E", *"DDCCBBBB", "A"])
    told = compare_scores(score, score, grade, grade, "ABCDE", {"size": ["micro"] * 10})
    assert told["before"] == {"mean": 555.0, "p5": None, "p25": None, "p50": 555.0, "p75": None, "p95": None}
    row = group_table(["micro"] * 10, score, grade, grade != "")[0]
    assert row["grades"] == {"A": 0.0, "B": 0.5, "C": 0.25, "D": 0.25, "E": 0.0}, "that one firm has an E is not told"


def test_small_groups_are_told_together() -> None:
    rows = table(["a"] * 30 + ["b"] * 6 + ["c"] * 5)
    assert [(row["name"], row["firms"]) for row in rows] == [("a", 30), (OTHERS, 11)]
    hidden = table(["a"] * 30 + ["b"] * 12 + ["c"] * 3)
    assert [(row["name"], row["firms"]) for row in hidden] == [("a", 30), (OTHERS, 15)]


def test_a_group_approved_less_than_four_fifths_of_the_others_is_marked() -> None:
    names = ["north"] * 20 + ["south"] * 20
    rows = {row["name"]: row for row in table(names, ["A"] * 10 + ["E"] * 10 + ["B"] * 18 + ["E"] * 2)}
    assert rows["north"]["approved"] == 0.5 and rows["north"]["flagged"] is True
    assert rows["north"]["ratio"] == pytest.approx(0.5 / 1.0), "twenty firms are told in quarters, five firms each"
    assert rows["south"]["flagged"] is False and rows["south"]["grades"] == {"A": 0.0, "B": 1.0, "E": 0.0}


def test_of_few_scored_firms_only_the_share_without_data_is_told() -> None:
    row = table(["a"] * 20, [""] * 15 + ["A"] * 5)[0]
    assert (row["insufficient"], row["mean_score"], row["approved"]) == (0.75, None, None)


@pytest.mark.parametrize(("founded", "band"), [
    (None, "unknown"), (date(2026, 6, 1), "0-2"), (date(2024, 1, 1), "2-5"), (date(2020, 1, 1), "5-10"),
    (date(1990, 1, 1), "10-999"),
])
def test_the_age_of_a_firm_falls_into_one_band(founded: date | None, band: str) -> None:
    assert age_band(founded, date(2026, 11, 1)) == band


def test_two_models_that_say_the_same_move_nobody() -> None:
    score, grade = np.linspace(500, 700, 40), np.repeat(["D", "C", "B", "A"], 10)
    told = compare_scores(score, score, grade, grade, "ABCDE", {"size": ["small"] * 40})
    assert told["spearman"] == pytest.approx(1.0) and told["same_grade"] == 1.0
    assert told["matrix"] == [[10, 0, 0, 0, 0], [0, 10, 0, 0, 0], [0, 0, 10, 0, 0], [0, 0, 0, 10, 0], [0, 0, 0, 0, 0]]
    assert [row["firms"] for row in told["moves"]] == [0, 0, 0, 40, 0, 0, 0]


def test_a_model_that_moves_a_group_says_which_and_hides_small_cells() -> None:
    before = np.full(40, 600.0)
    after = np.where(np.arange(40) < 15, 550.0, 601.0)
    grades = np.where(np.arange(40) < 15, "C", "B"), np.where(np.arange(40) < 4, "D", "B")
    groups = {"size": ["micro"] * 15 + ["small"] * 25, "few": ["x"] * 5 + ["y"] * 35}
    told = compare_scores(before, after, *grades, "ABCDE", groups)
    assert told["groups"]["size"][0] == {"name": "micro", "firms": 15, "mean": -50.0}
    assert [row["name"] for row in told["groups"]["few"]] == ["y"]
    assert told["matrix"][2] == [0, 11, 0, None, 0]
    assert (told["better_grade"], told["worse_grade"]) == (0.3, 0.1), "11 and 4 of 40, in tenths"
    assert told["spearman"] is None  # before, everybody had the same score


def test_fewer_than_ten_firms_are_not_compared() -> None:
    with pytest.raises(ValueError, match="too few"):
        compare_scores(np.ones(9), np.ones(9), np.array(["A"] * 9), np.array(["A"] * 9), "A", {})


def test_rank_correlation_shares_the_rank_of_ties() -> None:
    assert spearman(np.array([1.0, 2.0, 2.0, 3.0]), np.array([10.0, 20.0, 20.0, 30.0])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1.0)
