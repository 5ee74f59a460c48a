"""Drift of features and of the score, and observed against expected bad loans."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest

from scoring.monitoring import Agreement, Band, drift, drift_over_time, drifts, outcomes_by_grade, psi_band, wilson

RNG = np.random.default_rng(4)
USUAL = RNG.standard_normal(4_000)


def test_the_same_firms_do_not_drift() -> None:
    one = drift("sales", USUAL, USUAL)
    assert one.psi == 0.0 and one.band is Band.STABLE and len(one.bins) == 11


@pytest.mark.parametrize(("shift", "band"), [(0.1, Band.STABLE), (0.4, Band.WATCH), (0.8, Band.SHIFTED)])
def test_the_farther_the_firms_moved_the_worse_the_verdict(shift: float, band: Band) -> None:
    assert drift("sales", USUAL, RNG.standard_normal(4_000) + shift).band is band


def test_psi_is_the_textbook_sum() -> None:
    before, now = np.array([0.0] * 50 + [1.0] * 50), np.array([0.0] * 80 + [1.0] * 20)
    assert drift("flag", before, now).psi == pytest.approx(0.3 * math.log(0.8 / 0.5) - 0.3 * math.log(0.2 / 0.5))


def test_a_source_that_fell_silent_is_drift_by_itself() -> None:
    silent = np.where(np.arange(4_000) % 2 == 0, np.nan, USUAL)
    one = drift("kwh", USUAL, silent)
    assert one.band is Band.SHIFTED and (one.missing_reference, one.missing_now) == (0.0, 0.5)
    assert max(one.bins, key=lambda part: part.part).low is None


def test_shares_of_the_bins_add_up_and_so_do_their_parts() -> None:
    one = drift("x", USUAL, np.append(USUAL[:500] * 2, np.nan))
    assert sum(part.now for part in one.bins) == pytest.approx(1)
    assert sum(part.part for part in one.bins) == pytest.approx(one.psi)
    assert all(part.part >= 0 for part in one.bins)


def test_few_firms_get_no_verdict_and_none_are_refused() -> None:
    assert drift("x", USUAL, USUAL[:20]).band is Band.TOO_FEW
    with pytest.raises(ValueError):
        drift("x", USUAL, np.empty(0))


def test_the_feature_that_moved_comes_first() -> None:
    before = np.column_stack([USUAL, USUAL])
    now = np.column_stack([USUAL, USUAL + 1])
    assert [one.name for one in drifts(["calm", "moved"], before, now)] == ["moved", "calm"]
    with pytest.raises(ValueError):
        drifts(["calm"], before, now)


def test_drift_is_told_month_by_month() -> None:
    days = np.repeat(np.array(["2026-01-15", "2026-02-03"], dtype="datetime64[D]"), 2_000)
    values = np.concatenate([USUAL[:2_000], USUAL[:2_000] + 1])
    points = drift_over_time(USUAL, values, days)
    assert [(point.month, point.firms, point.band) for point in points] == [
        (date(2026, 1, 1), 2_000, Band.STABLE), (date(2026, 2, 1), 2_000, Band.SHIFTED),
    ]


def test_bands_begin_at_their_limits() -> None:
    assert [psi_band(psi) for psi in (0.0999, 0.1, 0.2499, 0.25)] == [Band.STABLE, Band.WATCH, Band.WATCH, Band.SHIFTED]


def test_more_bad_loans_than_chance_allows_are_told() -> None:
    grades = ["A"] * 500 + ["C"] * 500 + ["E"] * 10
    pd = np.array([0.01] * 500 + [0.05] * 500 + [0.3] * 10)
    bad = np.zeros(1010, dtype=bool)
    bad[:5] = bad[500:560] = bad[1000:1003] = True
    a, c, e, everyone = outcomes_by_grade(grades, pd, bad)
    assert (a.agreement, c.agreement, e.agreement) == (Agreement.AS_EXPECTED, Agreement.MORE_BAD, Agreement.TOO_FEW)
    assert (a.observed, a.expected, c.ratio) == (5, pytest.approx(5), pytest.approx(2.4))
    assert c.share_low < 0.12 < c.share_high
    assert everyone.grade is None and everyone.loans == 1010


def test_outcomes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError):
        outcomes_by_grade(["A"], np.array([1.2]), np.array([True]))
    with pytest.raises(ValueError):
        outcomes_by_grade(["A", "B"], np.array([0.1]), np.array([True]))
    assert outcomes_by_grade([], np.empty(0), np.empty(0, dtype=bool)) == []


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert wilson(0, 10)[0] == 0.0 and wilson(0, 10)[1] == pytest.approx(0.2775, abs=1e-3)
