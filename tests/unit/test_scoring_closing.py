"""A firm that opens fewer sources is not judged worse for that alone, although what is missing in training tells something."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from scoring.city_training import table as city
from scoring.closing import close, closed_by_lot, speakers, with_closed
from scoring.encoding import matrix
from scoring.evaluation import score_table
from scoring.model import Column, Model
from scoring.reasons import parts_of
from scoring.scale import SCALE, Float64
from scoring.settings import SETTINGS, small
from scoring.table import Bools, Table
from scoring.training import grow_model, train

QUICK = SETTINGS.changed(
    {"rounds": 40, "learning_rate": 0.1, "num_leaves": 4, "calibration_folds": 2, "bootstrap": 0, "max_bin": 31}
)
SOURCES = {
    "power": ("power_use", "power_trend", "use_by_head"),
    "staff": ("heads", "unpaid", "use_by_head"),
    "tax": ("tax_late",),
}


def firms(rows: int, seed: int) -> Table:
    """Firms of three sources. Nobody lacks tax; staff is missing more often where the firm is about to fail."""
    rng = np.random.default_rng(seed)
    health = rng.normal(size=rows)
    bad = (rng.random(rows) < 1.0 / (1.0 + np.exp(2.2 + 1.2 * health))).astype(np.float64)
    noise = {"power_use": 1.5, "heads": 1.0, "tax_late": 1.2}
    told = {name: health + size * rng.normal(size=rows) for name, size in noise.items()}
    told |= {"power_trend": rng.normal(size=rows), "unpaid": -health + 2.0 * rng.normal(size=rows)}
    told["use_by_head"] = told["power_use"] - told["heads"]
    told["tax_late"] = -told["tax_late"]
    zeros, no = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.bool_)
    columns = tuple(Column(name) for name in ("power_use", "power_trend", "heads", "unpaid", "use_by_head", "tax_late"))
    whole = Table(
        tuple(map(str, range(rows))), pl.DataFrame(told), columns, bad, np.ones(rows), np.arange(rows), zeros, zeros, no, no,
        sources=SOURCES,
    )  # fmt: skip
    gone = rng.random(rows) < np.where(bad == 1.0, 0.5, 0.1)
    return close(whole, np.column_stack([no, gone, no]))


@pytest.fixture(scope="module")
def others() -> Table:
    return firms(3000, 2)


@pytest.fixture(scope="module")
def fair() -> Model:
    return train(firms(2500, 1), QUICK, seed=1, trained_at=date(2026, 1, 1))


@pytest.fixture(scope="module")
def naive() -> Model:
    return train(firms(2500, 1), replace(QUICK, closed_copies=0), seed=1, trained_at=date(2026, 1, 1))


def only(table: Table, source: str) -> Bools:
    return np.tile(np.array(list(table.sources)) == source, (len(table), 1))


def change(model: Model, table: Table, source: str) -> Float64:
    """Change of the points when the firms that have the source close it."""
    had = table.take(table.inputs[speakers(table)[source]].is_not_null().to_numpy())
    return score_table(model, close(had, only(had, source))).points - score_table(model, had).points


def test_closing_a_source_hides_exactly_what_it_feeds(others: Table) -> None:
    shut = close(others, only(others, "power"))
    assert {name for name in shut.inputs.columns if shut.inputs[name].null_count() == len(shut)} == set(SOURCES["power"])
    assert shut.inputs["tax_late"].equals(others.inputs["tax_late"]) and shut.inputs["heads"].equals(others.inputs["heads"])
    assert speakers(others) == {"power": "power_use", "staff": "heads", "tax": "tax_late"}


def test_lots_close_few_and_many_sources_and_copies_stay_in_the_group_of_their_row(others: Table) -> None:
    closed = closed_by_lot(4000, 5, 1).sum(axis=1)
    assert np.bincount(closed, minlength=6) / 4000 == pytest.approx(np.full(6, 1 / 6), abs=0.03)
    twice = with_closed(others, 1, 1)
    assert len(twice) == 2 * len(others) and (twice.group[: len(others)] == twice.group[len(others) :]).all()
    assert twice.inputs[: len(others)].equals(others.inputs)
    assert with_closed(replace(others, sources={}), 1, 1).inputs.equals(others.inputs)


def test_the_typical_firm_keeps_its_points_when_it_closes_one_source(fair: Model, naive: Model, others: Table) -> None:
    unfair = {source: float(np.median(change(naive, others, source))) for source in SOURCES}
    assert unfair["staff"] < -20.0
    for source in SOURCES:
        assert abs(float(np.median(change(fair, others, source)))) < 3.0


def test_with_every_source_open_firms_are_told_apart_nearly_as_well(fair: Model, naive: Model, others: Table) -> None:
    told = others.take(others.inputs["heads"].is_not_null().to_numpy())
    by_fair, by_naive = (roc_auc_score(told.bad, score_table(model, told).pd) for model in (fair, naive))
    assert by_fair > by_naive - 0.01


def test_what_is_seen_counts_as_much_as_ever_when_a_source_is_closed(fair: Model, naive: Model, others: Table) -> None:
    told = others.take(others.inputs["heads"].is_not_null().to_numpy())
    for source in SOURCES:
        shut = close(told, only(told, source))
        by_fair, by_naive = (roc_auc_score(told.bad, score_table(model, shut).pd) for model in (fair, naive))
        assert by_fair > max(0.65, by_naive - 0.01)


def test_parts_still_add_up_to_the_margin(fair: Model, others: Table) -> None:
    X = matrix(fair.columns, close(others.take(np.arange(6)), closed_by_lot(6, 3, 4)).inputs)
    parts, bias = parts_of(fair, X)
    assert bias + parts.sum(axis=1) == pytest.approx(fair.margins(X), abs=1e-9)


def test_a_firm_of_the_synthetic_city_loses_hardly_a_point_by_a_source_it_keeps_closed() -> None:
    settings = small(SETTINGS).changed({"bags": 1, "rounds": 60})
    learnt, neighbours = city(700, 24, 11).known(), city(300, 24, 12)
    neighbours = neighbours.take(~neighbours.thin)
    told = speakers(neighbours)
    assert {"invoices", "electricity", "tax", "social_insurance"} <= set(told)
    worst = {}
    for copies in (0, 1):
        model = grow_model(learnt, replace(settings, closed_copies=copies), 1)
        as_open = margins(model, neighbours)
        worst[copies] = min(
            float(np.median((margins(model, close(neighbours, only(neighbours, source))) - as_open)[has]))
            for source, column in told.items()
            if (has := neighbours.inputs[column].is_not_null().to_numpy()).sum() >= 50
        )
    assert worst[0] * SCALE.per_log_odds < -10.0
    assert worst[1] * SCALE.per_log_odds > -5.0


def margins(model: Model, table: Table) -> Float64:
    return model.margins(matrix(model.columns, table.inputs))
