"""Any folder of the two layouts is trained on, scored and measured without code; what leaks is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from scoring.__main__ import main
from scoring.datasets import Description, as_description, plain, read_description, read_table
from scoring.encoding import learn_all, matrix
from scoring.errors import DataError, ModelError
from scoring.evaluation import evaluate, refit_intercept, reliability, score_table
from scoring.fitting import logistic, non_negative
from scoring.folds import folds_of, resample
from scoring.measures import ROC_AT, Part, Probabilities, Ranking, draws, roc
from scoring.model import Column, Model
from scoring.reasons import parts_of
from scoring.settings import SETTINGS
from scoring.table import Table
from scoring.training import grow_model, train

QUICK = SETTINGS.changed(
    {"rounds": 25, "learning_rate": 0.15, "num_leaves": 4, "calibration_folds": 3, "bootstrap": 2, "max_bin": 31}
)

TOML = """
name = "loans"
files = ["loans_train.parquet", "loans_later*.parquet"]
key = "id"
label = "bad"
weight = "w"
group = "owner"
forbidden = ["year"]
inputs = ["sales", "arrears", "bank"]
categories = ["bank", "bank_size"]
sets = ["bank"]
naive = "sales"
base_rate = 0.05
report_by = ["town"]
[derived]
large = "CASE WHEN sales > 0 THEN 1.0 ELSE 0.0 END"
bank_size = "CONCAT_WS('|', bank, large)"
[directions]
arrears = -1
[out_of_time]
column = "year"
train_to = 2020
[training]
rounds = 25
num_leaves = 4
learning_rate = 0.15
calibration_folds = 3
bootstrap = 2
"""


def loans(rows: int, seed: int) -> pl.DataFrame:
    """Loans whose risk follows sales, arrears and the bank; the last ones are worse for a reason no input tells."""
    rng = np.random.default_rng(seed)
    sales, arrears, bank = rng.normal(size=rows), rng.poisson(1.0, rows), rng.integers(0, 12, rows)
    year = 2018 + np.arange(rows) * 5 // rows
    risk = -2.0 - sales + 0.5 * arrears + 0.25 * (bank - 6) + 0.8 * (year > 2020)
    return pl.DataFrame(
        {
            "id": [f"L{number:05d}" for number in range(rows)],
            "owner": np.arange(rows) // 2,
            "sales": sales,
            "arrears": arrears,
            "bank": [f"bank {one}" for one in bank],
            "town": [("east", "west")[one] for one in rng.integers(0, 2, rows)],
            "year": year,
            "rating": risk,
            "w": np.ones(rows),
            "bad": (rng.random(rows) < 1.0 / (1.0 + np.exp(-risk))).astype(np.int8),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loans")
    loans(1500, 1).write_parquet(path / "loans_train.parquet")
    (path / "loans.toml").write_text(TOML, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def described(folder: Path) -> Description:
    return read_description(folder / "loans.toml")


@pytest.fixture(scope="module")
def table(folder: Path, described: Description) -> Table:
    return read_table(folder, described, training=True)


@pytest.fixture(scope="module")
def model(table: Table) -> Model:
    return train(table, QUICK, seed=1, trained_at=date(2026, 1, 1))


def changed(described: Description, **told: object) -> Description:
    return replace(described, **told)  # type: ignore[arg-type]


# reading


def test_only_what_is_described_can_be_read_and_nothing_that_leaks(table: Table) -> None:
    assert [column.name for column in table.columns] == ["sales", "arrears", "bank", "large", "bank_size", "bank_set"]
    assert {column.name: column.direction for column in table.columns}["arrears"] == -1


@pytest.mark.parametrize("leak", ["rating", "post_term", "year", "bad", "owner"])
def test_what_leaks_is_refused_as_an_input(described: Description, leak: str) -> None:
    content = {"name": "x", "key": "id", "label": "bad", "group": "owner", "forbidden": ["year"], "inputs": [leak]}
    with pytest.raises(DataError, match=f"{leak} is forbidden"):
        as_description(content)


def test_what_leaks_is_out_of_reach_of_patterns_and_derived_columns(folder: Path, described: Description) -> None:
    everything = read_table(folder, changed(described, inputs=("*",)), training=True)
    assert not {"rating", "year", "bad", "w", "id", "owner"} & set(everything.inputs.columns)
    with pytest.raises(DataError, match="sneaky cannot be computed"):
        read_table(folder, changed(described, derived={"sneaky": "rating + 1"}), training=True)
    with pytest.raises(DataError, match="naive rule cannot be computed"):
        read_table(folder, changed(described, naive="0 - bad"), training=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name = 1 =", "not TOML"),
        ('name = "a"\nkey = "id"', "missing or unknown"),
        ('name = "a"\nkey = "id"\ninputs = ["x"]\ncolour = 1', "unknown entries: colour"),
        ('name = "a"\nkey = "id"\ninputs = ["x"]\nsets = ["y"]', "inputs or derived columns: y"),
        ('name = "a"\nkey = "id"\ninputs = ["x"]\n[directions]\nx = 2', "direction"),
    ],
)
def test_a_wrong_description_is_told_in_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "set.toml").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_description(tmp_path / "set.toml")


def test_a_description_may_take_over_the_entries_of_another(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "loans.toml").write_text(TOML, encoding="utf-8")
    (tmp_path / "natural.toml").write_text('like = "loans.toml"\nname = "natural"\nbase_rate = "sample"', encoding="utf-8")
    told = read_description(tmp_path / "natural.toml")
    assert (told.name, told.base_rate, told.key) == ("natural", "sample", "id")
    assert told.derived == read_description(folder / "loans.toml").derived


def test_a_folder_that_does_not_fit_is_told_in_one_sentence(tmp_path: Path, described: Description) -> None:
    with pytest.raises(DataError, match="holds no Parquet"):
        read_table(tmp_path, described)
    with pytest.raises(DataError, match="there is no folder"):
        read_table(tmp_path / "none", described)
    for name in ("a", "b"):
        loans(10, 1).drop("bad").write_parquet(tmp_path / f"loans_later_{name}.parquet")
    with pytest.raises(DataError, match="name one with --file"):
        read_table(tmp_path, described)
    with pytest.raises(DataError, match="lacks the outcome bad"):
        read_table(tmp_path, described, "loans_later_a.parquet", training=True)


def test_the_held_out_file_is_read_whatever_it_is_called_and_the_one_trained_on_last(
    tmp_path: Path, described: Description
) -> None:
    loans(10, 1).write_parquet(tmp_path / "anything.parquet")
    assert read_table(tmp_path, described).about["file"] == "anything.parquet"
    loans(10, 1).write_parquet(tmp_path / "loans_train.parquet")
    assert read_table(tmp_path, described, training=True).about["file"] == "loans_train.parquet"
    assert read_table(tmp_path, described, seen="loans_train.parquet").about["file"] == "loans_train.parquet"
    loans(10, 1).write_parquet(tmp_path / "loans_later_1.parquet")
    assert read_table(tmp_path, described, seen="loans_train.parquet").about["file"] == "loans_later_1.parquet"


def test_the_plain_rival_reads_the_inputs_as_they_stand(folder: Path, described: Description) -> None:
    told = plain(described)
    columns = read_table(folder, told, training=True).columns
    assert [(column.name, column.kind, column.direction) for column in columns] == [
        ("sales", "numeric", 0), ("arrears", "numeric", 0), ("bank_set", "set", 0),
    ]  # fmt: skip
    assert SETTINGS.changed(told.training).num_leaves == 31


def test_an_outcome_or_weight_that_is_none_is_refused(tmp_path: Path, described: Description) -> None:
    loans(10, 1).with_columns(bad=pl.lit(2)).write_parquet(tmp_path / "loans_train.parquet")
    with pytest.raises(DataError, match="must be 0 or 1"):
        read_table(tmp_path, described)
    loans(10, 1).with_columns(w=pl.lit(-1.0)).write_parquet(tmp_path / "loans_train.parquet")
    with pytest.raises(DataError, match="positive number"):
        read_table(tmp_path, described)


# splits and codes


def test_no_group_stands_on_both_sides_and_each_fold_has_its_share() -> None:
    rng = np.random.default_rng(3)
    group, bad = np.repeat(np.arange(200), 2), np.repeat(rng.random(200) < 0.2, 2).astype(np.float64)
    fold_of = folds_of(bad, group, 5, 1)
    assert all(len(set(fold_of[group == one])) == 1 for one in range(200))
    shares = [bad[fold_of == fold].sum() / 2 for fold in range(5)]
    assert max(shares) - min(shares) <= 1
    drawn = resample(group, 1)
    assert len(drawn) == 400 and all(count % 2 == 0 for count in np.unique(drawn // 2, return_counts=True)[1])


def test_a_row_never_knows_its_own_outcome_through_the_code_of_its_word() -> None:
    n = 400
    words = pl.DataFrame({"word": [f"w{number}" for number in range(n)]})
    bad = (np.random.default_rng(1).random(n) < 0.5).astype(np.float64)
    zeros, no = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_)
    alone = Table(tuple(words["word"]), words, (Column("word", "category"),), bad, np.ones(n), np.arange(n), zeros, zeros, no, no)
    columns, X = learn_all(alone, np.ones(n), np.full(n, bad.mean()), 5.0, 5, 1)
    assert len(np.unique(X)) <= 5
    assert len(columns[0].codes) == n


def test_a_word_of_a_good_era_is_no_good_word() -> None:
    n = 2000
    rng = np.random.default_rng(2)
    era = np.repeat([0, 1], n // 2)
    bad = (rng.random(n) < np.where(era == 0, 0.1, 0.5)).astype(np.float64)
    words = pl.DataFrame({"word": np.where(era == 0, "early", "late")})
    zeros, no = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_)
    told = Table(
        tuple(map(str, range(n))), words, (Column("word", "category"),), bad, np.ones(n), np.arange(n), zeros, zeros, no, no
    )
    plain = grow_model(told, QUICK, 1).columns[0].codes
    within = grow_model(replace(told, era=era), QUICK, 1).columns[0].codes
    assert plain["early"] - plain["late"] > 1.5
    assert abs(within["early"] - within["late"]) < 0.1


# training


def test_the_model_ranks_and_its_probabilities_are_those_of_the_sample(
    model: Model, folder: Path, described: Description
) -> None:
    loans(1500, 2).write_parquet(folder / "loans_later.parquet")
    later = read_table(folder, described, "loans_later.parquet")
    told = evaluate(model, later, resamples=30)
    assert told.figures["auc"].value > 0.75 and told.figures["auc"].low > 0.7
    assert 0.8 < told.figures["slope"].value < 1.25
    assert 0.85 < told.figures["observed_expected"].value < 1.15
    assert told.leads["naive rule: sales"].value > 0.0
    assert {one.name for one in told.groups} == {"east", "west"}


def test_the_same_data_and_seed_give_the_same_file(model: Model, table: Table, tmp_path: Path) -> None:
    again = train(table, QUICK, seed=1, trained_at=date(2026, 1, 1))
    for number, one in enumerate((model, again)):
        one.save(tmp_path / f"{number}.json")
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()
    assert train(table, QUICK, seed=2, trained_at=date(2026, 1, 1)).version != model.version


def test_more_arrears_never_help(model: Model, table: Table) -> None:
    X = np.repeat(matrix(model.columns, table.inputs)[:50], 8, axis=0)
    X[:, model.names.index("arrears")] = np.tile(np.arange(8.0), 50)
    assert (np.diff(model.margins(X).reshape(50, 8), axis=1) <= 1e-12).all()


def test_a_new_word_and_an_absent_column_are_scored_as_not_known(model: Model, table: Table) -> None:
    rows = table.take(np.arange(5))
    new = score_table(model, replace(rows, inputs=rows.inputs.with_columns(bank=pl.lit("never met"))))
    without = score_table(model, replace(rows, inputs=rows.inputs.drop("sales")))
    assert np.isfinite(new.pd).all() and np.isfinite(without.pd).all()
    assert (without.pd_high - without.pd_low >= 0.0).all()


def test_a_case_control_weight_moves_the_probability_but_not_the_order(table: Table) -> None:
    twice = replace(table, weight=np.where(table.bad == 1.0, 1.0, 9.0))
    plain, weighted = (train(one, replace(QUICK, bootstrap=0), seed=1, trained_at=date(2026, 1, 1)) for one in (table, twice))
    assert weighted.boosters == plain.boosters
    assert weighted.sample_rate < 0.5 * plain.sample_rate
    pd = score_table(weighted, twice).pd_sample
    assert np.average(pd, weights=twice.weight) == pytest.approx(weighted.sample_rate, rel=0.1)


def test_too_few_of_one_kind_are_refused(table: Table) -> None:
    good = table.take(table.bad == 0.0)
    with pytest.raises(ModelError, match="at least 3 rows"):
        train(good, QUICK, trained_at=date(2026, 1, 1))


def test_the_scorecard_is_additive_and_honours_directions(table: Table) -> None:
    card = train(table, replace(QUICK, kind="scorecard", bootstrap=0), seed=1, trained_at=date(2026, 1, 1))
    assert not card.boosters and {term.column for term in card.terms} >= {"sales", "arrears"}
    arrears = next(term for term in card.terms if term.column == "arrears")
    assert list(arrears.values) == sorted(arrears.values, reverse=True)
    X = matrix(card.columns, table.inputs)
    told, bias = card.term_contributions(X)
    assert bias + told.sum(axis=1) == pytest.approx(card.margins(X))
    assert roc_auc_score(1.0 - table.bad, card.margins(X)) > 0.75


def test_the_card_of_effects_is_a_ridge_regression_on_words_and_bins(table: Table) -> None:
    told = replace(QUICK, kind="scorecard", card="effects", effects_l2=4.0, effects_bins=3)
    banks = replace(table, columns=(Column("sales"), Column("bank_effect", "effect", 0, "bank")))
    card = grow_model(banks, told, 1)
    assert not card.boosters
    X = matrix(card.columns, banks.inputs)
    words = (X[:, 1:] == np.arange(12.0)).astype(np.float64)
    ends = np.quantile(X[:, 0], [1 / 3, 2 / 3], method="lower")
    bins = np.searchsorted(ends, X[:, 0])[:, None] == np.arange(3)
    reference = LogisticRegression(C=0.25, tol=1e-8).fit(np.hstack([bins, words]), 1.0 - table.bad)
    assert card.margins(X) == pytest.approx(reference.decision_function(np.hstack([bins, words])), abs=5e-3)
    parts, bias = card.term_contributions(X)
    assert bias + parts.sum(axis=1) == pytest.approx(card.margins(X))


def test_trees_do_not_read_the_words_of_effects_and_a_new_word_says_nothing(table: Table) -> None:
    told = replace(QUICK, kind="both", card="effects", blend=0.3)
    both = grow_model(replace(table, columns=(Column("sales"), Column("bank_effect", "effect", 0, "bank"))), told, 1)
    trees, card = replace(both, terms=(), start=0.0), replace(both, boosters=())
    X = matrix(both.columns, table.inputs[:6])
    new = matrix(both.columns, table.inputs[:6].with_columns(bank=pl.lit("never met")))
    assert (trees.margins(new) == trees.margins(X)).all()
    assert (new[:, 1] == -1.0).all() and (card.term_contributions(new)[0][:, 1] == -card.terms[1].mean).all()
    assert both.margins(X) == pytest.approx(trees.margins(X) + card.margins(X))
    parts, bias = parts_of(both, X)
    assert bias + parts.sum(axis=1) == pytest.approx(both.margins(X))


def test_a_search_gives_settings_of_its_space_and_the_same_ones_again(table: Table) -> None:
    from scoring.tuning import search

    searched = replace(QUICK, search=3)
    found = search(table, searched, 1)
    assert found == search(table, searched, 1) and found.search == 0


# measuring


def test_measures_are_those_of_scikit_learn_weights_and_ties_included() -> None:
    rng = np.random.default_rng(4)
    pd, weight = np.round(rng.random(500), 2) * 0.98 + 0.01, rng.random(500) + 0.1
    bad = (rng.random(500) < pd).astype(np.float64)
    part = Part(np.arange(500), pd)
    told = Probabilities(part, bad, weight)
    assert Ranking(part, bad).auc(weight) == pytest.approx(roc_auc_score(bad, pd, sample_weight=weight))
    assert told.brier(weight) == pytest.approx(brier_score_loss(bad, pd, sample_weight=weight))
    assert told.log_loss(weight) == pytest.approx(log_loss(bad, pd, sample_weight=weight))
    assert told.slope(weight) == pytest.approx(logistic(told.log_odds[:, None], bad, weight).weights[0], abs=1e-6)


def test_ks_lift_and_the_approval_curve_of_a_perfect_order() -> None:
    bad = np.array([0.0] * 9 + [1.0])
    ranking = Ranking(Part(np.arange(10), np.linspace(0.1, 0.9, 10)), bad)
    mass = np.ones(10)
    assert ranking.ks(mass) == 1.0
    assert ranking.lift(mass) == pytest.approx(10.0)
    assert ranking.bad_rates(mass, (0.5, 0.9, 1.0)) == pytest.approx([0.0, 0.0, 0.1])


def test_a_draw_takes_groups_as_a_whole() -> None:
    group = np.repeat(np.arange(30), 3)
    for mass in draws(np.ones(90), group, 5, 1):
        assert (mass.reshape(30, 3) == mass.reshape(30, 3)[:, :1]).all() and mass.sum() == 90


def test_reliability_bins_hold_what_was_predicted_and_what_came() -> None:
    pd = np.linspace(0.01, 0.99, 1000)
    bad = (np.random.default_rng(5).random(1000) < pd).astype(np.float64)
    bins = reliability(bad, pd, np.ones(1000), 5)
    assert [one.rows for one in bins] == [200] * 5
    assert all(abs(one.predicted - one.observed) < 0.1 for one in bins)


def test_a_refitted_intercept_meets_the_rate_of_worse_years(table: Table) -> None:
    early = train(table.in_period(0), QUICK, seed=1, trained_at=date(2026, 1, 1))
    late = table.in_period(1)
    before = evaluate(early, late, resamples=10).figures["observed_expected"].value
    refitted, used = refit_intercept(early, late, 0.3, 1)
    after = evaluate(refitted, late.take(~used), resamples=10).figures["observed_expected"].value
    assert before > 1.2 and abs(after - 1.0) < 0.15
    assert 0.2 < used.mean() < 0.45


def test_coefficients_that_may_not_be_negative_are_not() -> None:
    design = np.column_stack([np.ones(50), np.linspace(0.0, 1.0, 50)])
    assert non_negative(design, 1.0 - design[:, 1]) == pytest.approx((0.5, 0.0))
    assert non_negative(design, 0.5 + 2.0 * design[:, 1]) == pytest.approx((0.5, 2.0))


# the command


def test_the_command_trains_predicts_without_outcomes_and_measures_with_them(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, csv = tmp_path / "model.json", tmp_path / "p.csv"
    said = ["--data", str(folder), "--dataset", str(folder / "loans.toml")]
    assert main(["train", *said, "--out", str(out), "--date", "2026-01-01", "--period", "early"]) == 0
    assert "base rate 5.00%" in capsys.readouterr().out
    new = tmp_path / "new"
    new.mkdir()
    loans(30, 9).drop("bad", "w", "year", "arrears").write_parquet(new / "loans_new.parquet")
    assert main(["evaluate", "--data", str(new), "--model", str(out), "--predictions", str(csv)]) == 0
    told = capsys.readouterr().out
    assert "No outcome is known" in told
    frame = pl.read_csv(csv)
    assert frame.columns[:6] == ["key", "pd", "score", "grade", "status", "pd_sample"]
    assert frame.height == 30 and set(frame["status"]) == {"ok"} and frame["pd"].is_between(0.0, 1.0).all()
    report = tmp_path / "report.md"
    late = [*said, "--period", "late", "--model", str(out), "--refit-intercept", "0.2", "--resamples", "20", "--card", str(new)]
    assert main(["evaluate", *late, "--report", str(report), "--predictions", str(csv)]) == 0
    text = report.read_text(encoding="utf-8")
    assert "| AUC |" in text and "naive rule: sales" in text and "| town | east |" in text
    assert set(pl.read_csv(csv)["status"]) == {"ok", "refit"}
    card, page = (new / "model-card.md").read_text(encoding="utf-8"), (new / "model-card.html").read_text(encoding="utf-8")
    assert "| AUC |" in card and "| town | east |" in card and "## What weighs most" in card
    titles = {"ROC curve", "Points by outcome", "Approval rate and bad rate", "Reliability", "What weighs most"}
    assert page.count("<svg") == len(titles) and all(f">{title}</title>" in page for title in titles)
    assert "src=" not in page and "http" not in page and "<script" not in page, "the file needs nothing else"


def test_the_monitor_says_year_by_year_what_has_shifted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, told = tmp_path / "model.json", tmp_path / "told.json"
    said = ["--data", str(folder), "--dataset", str(folder / "loans.toml")]
    assert main(["train", *said, "--out", str(out), "--date", "2026-01-01", "--period", "early"]) == 0
    same, other = tmp_path / "same", tmp_path / "other"
    for path, lost in ((same, 0.0), (other, 1.5)):
        path.mkdir()
        loans(600, 9).with_columns(pl.col("sales") - lost).write_parquet(path / "loans_new.parquet")
    capsys.readouterr()
    watch = ["monitor", "--model", str(out), "--reference", str(folder), "--json", str(told), "--data"]
    assert main([*watch, str(same)]) == 0
    text = capsys.readouterr().out
    assert "**stable**" in text and "observed bad" in text and "| sales |" in text
    assert main([*watch, str(other)]) == 0
    assert "**shifted**" in capsys.readouterr().out
    found = json.loads(told.read_text(encoding="utf-8"))
    assert found["features"][0]["name"] == "sales" and found["features"][0]["band"] == "shifted"
    years = [one["name"] for one in found["moments"]]
    assert len(years) > 1 and years == sorted(years) and sum(one["rows"] for one in found["moments"]) == 600
    assert main(["monitor", "--model", str(out), "--reference", str(tmp_path), "--data", str(same)]) == 1


def test_cross_validation_tells_every_measure_beside_the_challenger(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ["--data", str(folder), "--dataset", str(folder / "loans.toml"), "--folds", "3", "--repeats", "1", "--resamples", "20"]
    assert main(["validate", *said]) == 0
    told = capsys.readouterr().out
    assert "1 x 3-fold" in told and "calibration slope" in told and "| scorecard |" in told and "| plain LightGBM |" in told


def test_the_roc_curve_finds_the_bad_before_the_good() -> None:
    risk, bad = np.array([0.1, 0.2, 0.3, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])
    sharp = roc([Part(np.arange(4), risk)], bad, np.ones(4))
    blind = roc([Part(np.arange(4), np.full(4, 0.5))], bad, np.ones(4))
    assert sharp == pytest.approx([1.0] * len(ROC_AT)) and blind == pytest.approx(list(ROC_AT))


def test_the_command_says_in_one_sentence_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "m.json")]) == 1
    assert "--dataset" in capsys.readouterr().err
    assert main(["evaluate", "--data", str(tmp_path), "--model", str(tmp_path / "none.json")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


# invoices


def invoice_folder(path: Path, firms: int, seed: int) -> Path:
    """Firms of two kinds: steady ones, and ones that sell little and void much; the last has almost no data."""
    rng = np.random.default_rng(seed)
    path.mkdir()
    rows: dict[str, list[dict[str, object]]] = {"in": [], "out": []}
    for firm in range(firms):
        weak = firm % 3 == 0
        for month in range(24 if firm < firms - 1 else 1):
            day = date(2020, 1, 5) + timedelta(days=30 * month)
            for side in rows:
                for _ in range(1 if weak else 4):
                    net = float(np.round(rng.lognormal(7.0 if weak else 9.0, 0.5), 2))
                    status = "void" if weak and rng.random() < 0.3 else "valid"
                    party = f"{side}{rng.integers(0, 5)}"
                    rows[side].append((f"F{firm:03d}", day, party, net, 0.13 * net, 1.13 * net, status))
    names = ["firm_id", "invoice_date", "counterparty_id", "amount_net", "tax_amount", "amount_gross", "status"]
    for side, lines in rows.items():
        pl.DataFrame(lines, schema=names, orient="row").write_parquet(path / f"invoices_{side}_labelled.parquet")
    keys = [f"F{firm:03d}" for firm in range(firms)]
    ratings = ["D" if firm % 3 == 0 else "A" for firm in range(firms)]
    pl.DataFrame({"firm_id": keys, "rating": ratings}).write_csv(path / "firms_labelled.csv")
    labels = pl.DataFrame({"firm_id": keys, "default": [int(firm % 3 == 0) for firm in range(firms)]})
    labels.write_csv(path / "labels_all.csv")
    return path


def test_a_folder_of_invoices_is_trained_on_and_scored_without_a_description(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = invoice_folder(tmp_path / "firms", 40, 1)
    out, csv = tmp_path / "model.json", tmp_path / "p.csv"
    assert main(["train", "--data", str(folder), "--out", str(out), "--date", "2026-01-01", "--scale-free"]) == 0
    model = Model.load(out)
    assert model.base_rate == 0.03 and "rating" not in model.names and "sales_monthly" not in model.names
    (folder / "labels_all.csv").unlink()
    assert main(["evaluate", "--data", str(folder), "--model", str(out), "--predictions", str(csv)]) == 0
    frame = pl.read_csv(csv).sort("key")
    assert frame["status"].to_list() == ["ok"] * 39 + ["insufficient"]
    assert frame["pd"][39] is None and frame["score"][39] is None and frame["grade"][39] is None
    weak = frame.filter(pl.int_range(pl.len()) % 3 == 0)["pd"].drop_nulls().mean()
    assert weak > frame.filter(pl.int_range(pl.len()) % 3 != 0)["pd"].mean()
    assert not math.isnan(weak)
