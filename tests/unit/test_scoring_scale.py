"""The artefact and its arithmetic: what a score means, and that a model file is what was trained."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from scoring.errors import ModelError
from scoring.model import Column, Model
from scoring.scale import Bands, Calibration, Scale, Uncertainty
from scoring.terms import Term


def additive(**changes: object) -> Model:
    """A model whose margin is its one column, so that log-odds can be set by hand."""
    term = Term("x", "line", (-10.0, 10.0), (-10.0, 10.0), absent=0.0)
    plain = Model(columns=(Column("x"),), trained_at=date(2026, 1, 1), terms=(term,), sample_rate=0.2, base_rate=0.2)
    return replace(plain, **changes)  # type: ignore[arg-type]


def points(model: Model, odds: float) -> float:
    return float(model.score([[math.log(odds)]]).points[0])


def test_odds_of_thirty_to_one_are_600_points_and_doubled_odds_40_more() -> None:
    model = additive()
    assert points(model, 30.0) == pytest.approx(600.0)
    assert points(model, 60.0) == pytest.approx(640.0)
    assert points(model, 15.0) == pytest.approx(560.0)


def test_points_and_probability_say_the_same() -> None:
    scores = additive(base_rate=0.05).score([[-1.0], [0.5], [3.0]])
    odds = (1.0 - scores.pd) / scores.pd
    assert scores.points == pytest.approx(600.0 + 40.0 / math.log(2.0) * (np.log(odds) - math.log(30.0)))


def test_what_is_shown_stays_within_300_and_850_but_points_do_not() -> None:
    scores = additive().score([[-10.0], [10.0]])
    assert scores.score.tolist() == [300, 850]
    assert scores.points[0] < 300.0 and scores.points[1] > 850.0


def test_the_shift_moves_every_firm_by_the_same_odds_and_the_average_to_the_base_rate() -> None:
    scores = additive(sample_rate=0.5, base_rate=0.03).score([[0.0], [1.0]])
    before, after = scores.pd_sample / (1.0 - scores.pd_sample), scores.pd / (1.0 - scores.pd)
    assert after / before == pytest.approx([0.03 / 0.97, 0.03 / 0.97])
    assert scores.pd[0] == pytest.approx(0.03)


def test_a_grade_ends_at_its_own_border() -> None:
    grades = Bands().grades(np.array([0.01, 0.010001, 0.03, 0.08, 0.2, 0.2001]))
    assert grades.tolist() == ["A", "B", "B", "C", "D", "E"]


def test_bands_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ModelError, match="rise"):
        Bands(0.05, 0.03, 0.08, 0.2)
    with pytest.raises(ModelError, match="positive"):
        Scale(pdo=0.0)


def test_a_model_that_ranks_the_wrong_way_round_cannot_be_calibrated() -> None:
    with pytest.raises(ModelError, match="do not tell defaulters"):
        Calibration(slope=-0.1)


def test_the_interval_holds_the_probability_and_widens_where_less_is_known() -> None:
    columns = (Column("x"), Column("y"))
    model = additive(columns=columns, uncertainty=Uncertainty(base=0.1, absent=0.8))
    known, unknown = model.score([[1.0, 1.0]]), model.score([[1.0, math.nan]])
    assert known.pd_low[0] < known.pd[0] < known.pd_high[0]
    assert unknown.pd[0] == known.pd[0]
    assert unknown.pd_low[0] < known.pd_low[0] and unknown.pd_high[0] > known.pd_high[0]


def test_the_additive_part_adds_up_to_the_points() -> None:
    terms = (
        Term("a", "step", (0.0, 1.0), (-1.0, 0.0, 2.0), absent=-0.5, mean=0.25),
        Term("b", "line", (0.0, 2.0), (0.0, 1.0), absent=0.0, mean=0.5),
    )
    model = additive(columns=(Column("a"), Column("b")), terms=terms, start=0.3, calibration=Calibration(1.5, -0.2))
    X = np.array([[0.0, 1.0], [1.5, 9.0], [math.nan, -3.0]])
    told, bias = model.term_contributions(X)
    assert bias + told.sum(axis=1) == pytest.approx(model.margins(X))
    assert model.points_at(np.array([bias]))[0] + model.points_per_margin * told.sum(axis=1) == pytest.approx(
        model.score(X).points
    )


def test_a_value_at_a_knot_belongs_to_the_step_below() -> None:
    term = Term("a", "step", (0.0,), (-1.0, 1.0), absent=0.0)
    assert term.margin(np.array([0.0, 0.1, math.nan])).tolist() == [-1.0, 1.0, 0.0]


def test_a_saved_model_comes_back_the_same(tmp_path: Path) -> None:
    column = Column("x", "category", 1, source="词", codes={"甲": 1.0}, other=math.nan)
    model = additive(columns=(column,), about={"set": "一"}, metrics={"auc": [0.9, 0.8, 1.0]}, uncertainty=Uncertainty(0.1))
    model.save(tmp_path / "model.json")
    again = Model.load(tmp_path / "model.json")
    assert again.version == model.version and again.version.startswith("2026-01-01-")
    assert again.score([[1.0]]).points == model.score([[1.0]]).points
    assert again.columns[0].codes == column.codes and math.isnan(again.columns[0].other)


def test_two_models_that_differ_in_anything_differ_in_version() -> None:
    assert additive().version != additive(base_rate=0.04).version
    assert additive().version == additive().version


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content["calibration"].update(intercept=1.0), "altered"),
        (lambda content: content.update(format=1), "format"),
        (lambda content: content.pop("terms"), "not a scoring model"),
        (lambda content: content["scale"].update(pdo=-1), "not a scoring model"),
    ],
)
def test_an_altered_or_foreign_file_is_refused(tmp_path: Path, change: object, said: str) -> None:
    path = tmp_path / "model.json"
    additive().save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match=said):
        Model.load(path)


def test_a_missing_or_broken_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="python -m scoring train"):
        Model.load(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"format": 2,', encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        Model.load(tmp_path / "half.json")


def test_columns_are_found_by_name_whatever_stands_beside_them() -> None:
    model = additive()
    assert model.place(("y", "x")).tolist() == [1]
    with pytest.raises(ModelError, match="lack what the model reads: x"):
        model.place(("y",))
    with pytest.raises(ModelError, match="expected rows of 1 columns, got 2"):
        model.score([[1.0, 2.0]])
