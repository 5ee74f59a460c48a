"""What a score may and may not do, whatever firms it was trained on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.legacy.__main__ import main
from scoring.legacy.catalogue import FEATURES, NAMES
from scoring.legacy.evaluate import Protocol, calibration_bins, cross_validate, kolmogorov_smirnov
from scoring.legacy.explain import contributions, reasons
from scoring.legacy.model import Bands, Model, ModelError, Settings, stratified_folds, train
from scoring.legacy.training_data import TrainingSet, load

ROOT = Path(__file__).resolve().parents[2]
REAL = Path(os.environ.get("HUIQIAO_REAL_DATA") or ROOT.parent / "shared" / "data") / "cumcm2020c"
QUICK = Settings(calibration_repeats=1)
needs_real_data = pytest.mark.skipif(
    not (REAL / "firms_labelled.csv").is_file(), reason=f"the real invoice set is not at {REAL}"
)

rows_of_features = st.lists(
    st.one_of(st.just(float("nan")), st.floats(-2.0, 30.0)), min_size=len(FEATURES), max_size=len(FEATURES)
)


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    return load(None, seed=11)


@pytest.fixture(scope="module")
def model(data: TrainingSet) -> Model:
    return _trained(data)


def _trained(data: TrainingSet, seed: int = 1) -> Model:
    return train(
        data.X, data.y, trained_on=data.trained_on, trained_at=date(2026, 11, 22),
        window_from=data.window_from, window_to=data.window_to, seed=seed, settings=QUICK,
    )  # fmt: skip


@pytest.mark.parametrize("feature", [f for f in FEATURES if f.direction], ids=lambda feature: feature.name)
def test_a_better_value_never_lowers_a_score(model: Model, data: TrainingSet, feature: object) -> None:
    from scoring.legacy.catalogue import Feature

    assert isinstance(feature, Feature)
    column = NAMES.index(feature.name)
    known = data.X[:, column][~np.isnan(data.X[:, column])]
    ladder = np.unique(np.concatenate([known, [known.min() - 1.0, known.max() + 1.0]]))[:: feature.direction]
    for row in data.X[::16]:
        climbing = np.repeat(row[None, :], len(ladder), axis=0)
        climbing[:, column] = ladder
        scores = model.score(climbing)
        assert (np.diff(scores.score) >= 0).all()
        assert (np.diff(scores.prob) <= 0).all()


@settings(max_examples=80, deadline=None)
@given(row=rows_of_features)
def test_contributions_and_bias_add_up_to_the_margin(model: Model, row: list[float]) -> None:
    parts, bias = contributions(model, row)
    assert parts[0].sum() + bias[0] == pytest.approx(model.margins(row)[0], abs=1e-9)


def test_what_the_model_does_not_read_changes_neither_score_nor_reasons(
    model: Model, data: TrainingSet
) -> None:
    unread = [column for column, name in enumerate(NAMES) if name not in model.features]
    assert unread, "features of the end of the window are computed but not trained on"
    changed = data.X.copy()
    changed[:, unread] = 1e6
    assert model.score(changed).prob.tobytes() == model.score(data.X).prob.tobytes()
    assert not contributions(model, changed)[0][:, unread].any()


def test_no_feature_of_the_last_days_is_trained_on(model: Model) -> None:
    assert not {feature.name for feature in FEATURES if feature.end_of_window} & set(model.features)


def test_the_same_training_gives_the_same_model_to_the_last_byte(model: Model, data: TrainingSet) -> None:
    again = _trained(data)
    assert again.booster_text == model.booster_text
    assert again.version == model.version
    assert again.score(data.X).prob.tobytes() == model.score(data.X).prob.tobytes()


def test_another_training_has_another_version(model: Model, data: TrainingSet) -> None:
    assert _trained(data, seed=2).version != model.version
    assert replace(model, trained_at=date(2026, 11, 23)).version != model.version


def test_a_firm_scores_the_same_alone_and_in_a_crowd(model: Model, data: TrainingSet) -> None:
    crowd = model.score(data.X[:40])
    alone = np.concatenate([model.score(row).prob for row in data.X[:40]])
    assert alone.tobytes() == crowd.prob.tobytes()


def test_a_saved_model_scores_as_before(model: Model, data: TrainingSet, tmp_path: Path) -> None:
    model.save(tmp_path / "models" / "model.json")
    back = Model.load(tmp_path / "models" / "model.json")
    assert back == model
    assert back.version == model.version
    assert back.score(data.X).prob.tobytes() == model.score(data.X).prob.tobytes()
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["model.json"]


def test_an_altered_model_file_is_refused(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    model.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["calibration"]["intercept"] += 0.5
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match="altered"):
        Model.load(path)


def test_a_model_for_other_features_is_refused(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    model.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["feature_list"] = content["feature_list"][::-1]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match="another list of features"):
        Model.load(path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 99}', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_damaged_model_file_is_refused(text: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelError, match=r"model\.json"):
        Model.load(path)


def test_a_missing_model_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="python -m scoring train"):
        Model.load(tmp_path / "none.json")


def test_a_row_of_the_wrong_width_is_refused(model: Model) -> None:
    with pytest.raises(ModelError, match="features"):
        model.score(np.zeros((2, 3)))


def test_scores_run_from_nought_to_a_thousand_and_follow_the_probability(
    model: Model, data: TrainingSet
) -> None:
    scores = model.score(data.X)
    assert ((scores.prob > 0) & (scores.prob < 1)).all()
    assert (scores.score == np.rint(1000 * (1 - scores.prob))).all()
    assert len(set(scores.grade.tolist())) >= 3


def test_a_probability_on_the_limit_belongs_to_the_better_grade() -> None:
    grades = Bands(a=0.05, b=0.15, c=0.40).grades(np.array([0.0, 0.05, 0.0501, 0.15, 0.40, 0.41, 1.0]))
    assert grades.tolist() == ["A", "A", "B", "B", "C", "D", "D"]


def test_grade_bands_must_rise() -> None:
    with pytest.raises(ModelError, match="bands"):
        Bands(a=0.2, b=0.1, c=0.4)


def test_predicted_probabilities_agree_with_what_happened(model: Model, data: TrainingSet) -> None:
    predicted = model.score(data.X).prob
    assert predicted.mean() == pytest.approx(data.y.mean(), abs=0.05)
    bins = calibration_bins(data.y, predicted, bins=4)
    assert sum(part.firms for part in bins) == len(data.y)
    assert bins[0].observed < bins[-1].observed


def test_at_most_five_reasons_each_way_the_strongest_first(model: Model, data: TrainingSet) -> None:
    for row in data.X[:40]:
        found = reasons(model, row)
        up = [reason.contribution for reason in found if reason.direction == "up"]
        down = [reason.contribution for reason in found if reason.direction == "down"]
        assert len(up) <= 5 and len(down) <= 5 and found
        assert up == sorted(up, reverse=True) and all(part > 0 for part in up)
        assert down == sorted(down) and all(part < 0 for part in down)
        assert [reason.contribution for reason in found] == up + down
        assert not any("{" in reason.zh + reason.en for reason in found)


def test_the_sentence_says_what_the_firm_did(model: Model, data: TrainingSet) -> None:
    row = data.X[int(np.argmin(data.X[:, 0]))]
    sentence = next(r for r in reasons(model, row, top=len(FEATURES)) if r.feature == "sales_monthly")
    assert sentence.direction == "down"
    assert "万元，经营规模偏小" in sentence.zh
    assert "small scale" in sentence.en


def test_an_absent_value_is_called_absent(model: Model) -> None:
    for reason in reasons(model, np.full(len(FEATURES), np.nan)):
        assert reason.value is None
        assert reason.zh.startswith("缺少") and reason.en.startswith("No data")


def test_folds_share_out_both_outcomes_evenly() -> None:
    default = np.array([1] * 19 + [0] * 67)
    folds = stratified_folds(default, 5, seed=3)
    assert sorted(np.bincount(folds[default == 1]).tolist()) == [3, 4, 4, 4, 4]
    assert sorted(np.bincount(folds[default == 0]).tolist()) == [13, 13, 13, 14, 14]


def test_a_model_cannot_be_trained_without_both_outcomes(data: TrainingSet) -> None:
    with pytest.raises(ModelError, match="at least 5 firms"):
        train(
            data.X, np.zeros_like(data.y), trained_on="synthetic", trained_at=date(2026, 1, 1),
            window_from=data.window_from, window_to=data.window_to,
        )  # fmt: skip


def test_outcomes_that_contradict_every_known_direction_give_no_model(data: TrainingSet) -> None:
    opposite = np.where(np.argsort(np.argsort(data.X[:, 0])) > len(data.y) * 0.7, 1, 0)
    with pytest.raises(ModelError, match="do not tell"):
        train(
            data.X, opposite, trained_on="synthetic", trained_at=date(2026, 1, 1),
            window_from=data.window_from, window_to=data.window_to,
            settings=replace(QUICK, features=("sales_monthly",), min_data_in_leaf=30),
        )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=4, max_size=60))
def test_the_measures_agree_with_scikit_learn(firms: list[tuple[bool, int]]) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    from scoring.legacy.evaluate import _Pairs

    default = np.array([1, 0, *(int(bad) for bad, _ in firms)])
    risk = np.array([5.0, 4.0, *(float(value) for _, value in firms)])
    false_alarms, hits, _ = roc_curve(default, risk)
    assert kolmogorov_smirnov(default, risk) == pytest.approx(float(np.max(hits - false_alarms)))
    pairs = _Pairs(default)
    pairs.compare(risk, np.zeros(len(default), dtype=np.int64))
    assert pairs.auc() == pytest.approx(roc_auc_score(default, risk))


def test_the_interval_holds_the_measured_value(data: TrainingSet) -> None:
    found = cross_validate(data.X, data.y, protocol=Protocol(repeats=1, resamples=200))
    assert found.auc_low < found.auc < found.auc_high
    assert found.auc > 0.6
    assert found == cross_validate(data.X, data.y, protocol=Protocol(repeats=1, resamples=200))


def test_web_processes_do_not_load_lightgbm_by_importing_the_package() -> None:
    code = (
        "import sys, scoring.legacy.model, scoring.legacy.explain, scoring.legacy.evaluate, scoring.legacy.training_data; "
        "print([name for name in ('lightgbm', 'sklearn', 'flask', 'app') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_training_without_real_data_says_so_and_marks_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUIQIAO_REAL_DATA", str(tmp_path / "nothing"))
    out = tmp_path / "model.json"
    assert main(["train", "--out", str(out), "--date", "2026-11-22", "--repeats", "1"]) == 0
    said = capsys.readouterr().out
    assert "SYNTHETIC" in said and "95 % interval" in said
    model = Model.load(out)
    assert model.trained_on == "synthetic"
    assert model.version.startswith("2026-11-22-")
    assert model.metrics["auc_low"] < model.metrics["auc"] < model.metrics["auc_high"]


def test_a_named_folder_without_the_data_is_an_error_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "model.json")]) == 1
    said = capsys.readouterr().err
    assert "firms_labelled.csv" in said and said.count("\n") == 1
    assert not (tmp_path / "model.json").exists()


@needs_real_data
def test_the_real_firms_train_a_model_that_ranks_better_than_chance() -> None:
    real = load(REAL)
    assert (len(real.y), int(real.y.sum()), real.left_out) == (86, 19, 0)
    assert real.trained_on == "real"
    found = cross_validate(real.X, real.y, protocol=Protocol(repeats=2))
    assert found.auc_low > 0.6
    model = _trained(real)
    grades, y = model.score(real.X).grade, real.y
    assert y[grades == "D"].mean() > y[grades == "B"].mean()
