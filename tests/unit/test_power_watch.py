"""Daily power use: the festival that moves with the moon, firms that are not metered, and warning before a stop."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import chinese_calendar
import numpy as np
import polars as pl
import pytest

from scoring.power_seasons import POWER, PowerGrid, days_from_new_year, in_festival, read_power, seasons, standing
from scoring.power_stops import (
    MEASURES,
    STOPS,
    evaluate,
    learn,
    look_weekly,
    raise_warnings,
    thresholds_for,
    warned_ahead,
)

WATCHED = np.datetime64("2015-01-01") + np.arange(639)
QUICK = replace(STOPS, repeats=2, budgets=(30.0, 60.0))


def town(firms: int = 60, fading: int = 0, sudden: int = 0, seed: int = 1) -> PowerGrid:
    """Firms that rest at the festival and on Sundays. The first ``fading`` fade over 100 days before they stop on 2016-06-01,
    the next ``sudden`` stop that day without a sign."""
    rng = np.random.default_rng(seed)
    kwh = rng.uniform(100, 2000, (firms, 1)) * np.exp(0.1 * rng.standard_normal((firms, len(WATCHED))))
    kwh[:, (WATCHED.astype(np.int64) + 3) % 7 == 6] *= 0.6
    kwh[:, np.abs(days_from_new_year(WATCHED) - 1) <= 7] *= 0.1
    stop = int((np.datetime64("2016-06-01") - WATCHED[0]).astype(int))
    kwh[:fading, stop - 100 : stop] *= np.linspace(1.0, 0.1, 100)
    kwh[: fading + sudden, stop:] = 0.0
    return PowerGrid(np.arange(firms), WATCHED, kwh)


@pytest.mark.parametrize("year", [2015, 2016, 2019, 2024])
def test_the_lunar_new_year_is_a_holiday_of_that_name(year: int) -> None:
    days = np.arange(f"{year}-01-01", f"{year}-03-31", dtype="datetime64[D]")
    (day,) = days[days_from_new_year(days) == 0]
    assert chinese_calendar.get_holiday_detail(day.item()) == (True, "Spring Festival")


def test_the_festival_lies_elsewhere_each_year() -> None:
    spring = in_festival(WATCHED)
    assert spring[np.datetime64("2015-02-25") == WATCHED] and not spring[np.datetime64("2016-03-02") == WATCHED]


def test_years_without_a_known_new_year_are_refused() -> None:
    with pytest.raises(ValueError):
        days_from_new_year(np.array(["2041-01-05"], dtype="datetime64[D]"))


def test_festival_week_and_summer_are_found_firm_by_firm() -> None:
    grid = town(20)
    grid.kwh[:10, np.isin(WATCHED.astype("datetime64[M]").astype(int) % 12, (6, 7))] *= 2
    found = seasons(grid)
    assert found.follows_festival.all() and found.follows_week.all()
    assert found.follows_summer[:10].all() and not found.follows_summer[10:].any()
    assert found.profile[1, 31] < 0.2 < found.profile[1, 5]


def test_a_firm_without_a_meter_is_no_firm_that_stopped(tmp_path: Path) -> None:
    readings = [(firm, day, 1 if firm == 1 or (firm == 2 and day >= date(2016, 6, 1)) else 50)
                for firm in (1, 2, 3) for day in WATCHED.tolist()]
    pl.DataFrame(readings, schema=["firm_id", "date", "kwh"], orient="row").write_parquet(tmp_path / "daily_power.parquet")
    grid = read_power(tmp_path)
    told = standing(grid)
    assert told.never.tolist() == [True, False, False]
    assert told.stopped.tolist() == [False, True, False]
    assert grid.days[told.stop[1]] == np.datetime64("2016-06-01")


def test_the_festival_does_not_alarm_while_a_halved_firm_does() -> None:
    grid = town(30)
    grid.kwh[0, np.datetime64("2015-10-01") <= WATCHED] *= 0.4
    looks = look_weekly(grid)
    falls = looks.values[..., MEASURES.index("fall")]
    after = WATCHED[looks.at - 1]
    festival = (after >= np.datetime64("2016-02-08")) & (after <= np.datetime64("2016-03-14"))
    autumn = (after >= np.datetime64("2015-11-05")) & (after <= np.datetime64("2015-12-01"))
    assert falls[1:, festival].max() < 0.2
    assert falls[0, autumn].min() > 0.6


def test_a_look_knows_nothing_of_its_own_day_or_later() -> None:
    grid, later = town(8), town(8)
    later.kwh[:, 300:] = 7.0
    one, other = look_weekly(grid), look_weekly(later)
    past = one.at <= 300
    assert np.array_equal(one.values[:, past], other.values[:, past]) and not np.array_equal(one.values, other.values)


def test_a_warning_raised_again_while_it_stands_is_one_warning() -> None:
    at = np.arange(0, 400, 7)
    alarm = np.zeros((1, len(at)), dtype=bool)
    alarm[0, [0, 5, 40]] = True
    raised = raise_warnings(alarm, at)
    assert raised.episodes.tolist() == [2]
    assert warned_ahead(raised, at, np.array([100])).all() and not warned_ahead(raised, at, np.array([250])).any()


def test_thresholds_keep_their_budget_where_they_were_chosen() -> None:
    at, margin = np.arange(84, 639, 7), np.random.default_rng(0).standard_normal((200, 80))
    for budget, limit in zip(QUICK.budgets, thresholds_for(margin, at, 1.5, QUICK), strict=True):
        assert raise_warnings(margin >= limit, at, QUICK).episodes.mean() * 100 / 1.5 <= budget


def test_what_is_learned_follows_the_cause() -> None:
    x = np.random.default_rng(0).standard_normal((2000, 2))
    told = learn(x, np.random.default_rng(1).random(2000) < 1 / (1 + np.exp(2 - 1.5 * x[:, 0])), ridge=1.0)
    assert told.weights[1] == pytest.approx(1.5, abs=0.25) and abs(told.weights[2]) < 0.2
    with pytest.raises(ValueError):
        learn(x, np.zeros(2000, dtype=bool), ridge=1.0)


def test_fading_firms_are_warned_of_and_sudden_stops_are_not() -> None:
    fading = evaluate(town(80, fading=8), QUICK)
    assert (fading.stopped, fading.others) == (8, 72)
    assert all(point.warned == 1.0 for point in fading.curves["level"][1:])
    assert evaluate(town(80, sudden=8), QUICK).curves["level"][0].warned < 0.5
    assert POWER.least_days == 90
