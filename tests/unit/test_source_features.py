"""What each source says about a firm: paying, filing, insuring, standing, and one source against another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.evidence.items import ITEMS, Kind, Subject
from scoring.city.stored import FACTS
from scoring.city_training import read
from scoring.features import registry
from scoring.features.compute import Matrix, compute
from scoring.features.spec import Feature, Unit

AS_OF = date(2026, 11, 25)
TYPES = {Kind.DAY: pl.Date, Kind.MONTH: pl.Date, Kind.TEXT: pl.String, Kind.WORD: pl.String, Kind.FLAG: pl.Boolean}
Frames = dict[str, pl.DataFrame]


def month(ago: int) -> date:
    """First day of the month so many complete months back: 0 is October 2026."""
    place = 2026 * 12 + 9 - ago
    return date(place // 12, place % 12 + 1, 1)


def facts(code: str, rows: Sequence[dict[str, Any]], firm: int = 7) -> pl.DataFrame:
    """Rows of an item as the portal stores them; what is not said is null."""
    item = ITEMS[code]
    schema: dict[str, Any] = {"firm": pl.Int64}
    if item.subject is Subject.METER:
        schema |= {"meter": pl.Int64, "basis": pl.String}
    own = (one for one in item.fields if one.code not in ("uscc", "account_no"))
    schema |= {one.stored: TYPES.get(one.kind, pl.Int64) for one in own}
    return pl.DataFrame([{"firm": firm} | row for row in rows], schema=schema)


def told(frames: Frames, as_of: date = AS_OF, firm: int = 7) -> dict[str, float]:
    """The features of one firm by name."""
    values = compute(frames, np.array([firm]), as_of).values[0]
    return dict(zip(registry.NAMES, values.tolist(), strict=True))


def power(ago: int, kwh: int | None = 100, *, late: int = 0, **more: Any) -> dict[str, Any]:
    """One month of a meter, due on the 15th of the next month, paid ``late`` days after that."""
    due = month(ago - 1).replace(day=15)
    milli = None if kwh is None else kwh * 1000
    return {
        "meter": 1, "basis": "own", "period": month(ago), "quantity_milli": milli, "bill_fen": 10_000, "due_on": due,
        "paid_on": due + timedelta(days=late), "arrears_fen": 0, "metering": "metered", "cut_days": 0,
    } | more  # fmt: skip


def filing(ago: int, sales_yuan: int | None, cycle: str = "month", **more: Any) -> dict[str, Any]:
    """One VAT return, filed on the last day it could be."""
    due = month(ago - 1).replace(day=15)
    sales = None if sales_yuan is None else sales_yuan * 100
    return {"tax_kind": "vat", "period": month(ago), "cycle": cycle, "sales_fen": sales, "due_on": due, "filed_on": due} | more


def electricity(rows: Sequence[dict[str, Any]]) -> Frames:
    return {"electricity": facts("electricity", rows)}


def taxes(rows: Sequence[dict[str, Any]]) -> Frames:
    return {"tax": facts("tax", rows)}


# -- power ------------------------------------------------------------------------------------------------


def test_the_trend_sets_a_year_against_the_year_before_it() -> None:
    rows = [power(ago, 150 if ago < 12 else 100) for ago in range(24)]
    assert told(electricity(rows))["power_trend"] == pytest.approx(0.5)


def test_a_month_that_is_missing_in_one_year_is_left_out_of_both() -> None:
    rows = [power(ago, 100 if ago != 15 else 900) for ago in range(24) if ago != 3]
    assert told(electricity(rows))["power_trend"] == pytest.approx(0.0)


def test_the_recent_trend_compares_with_the_same_season() -> None:
    rows = [power(ago, {0: 80, 1: 80, 2: 80, 12: 100, 13: 100, 14: 100}.get(ago, 40)) for ago in range(24)]
    assert told(electricity(rows))["power_recent_trend"] == pytest.approx(-0.2)


def test_swings_are_the_average_change_on_the_average_month() -> None:
    rows = [power(ago, 50 if ago % 2 else 150) for ago in range(12)]
    assert told(electricity(rows))["power_volatility"] == pytest.approx(1.0)


def test_two_meters_of_a_firm_are_added_up() -> None:
    rows = [power(ago) for ago in range(12)] + [power(ago, 900, meter=2) for ago in range(12)]
    assert told(electricity(rows))["power_use"] == pytest.approx(math.log10(1001))


def test_three_of_twelve_bills_paid_late() -> None:
    features = told(electricity([power(ago, late=8 if ago in (1, 5, 9) else -2) for ago in range(12)]))
    assert features["power_late_share"] == pytest.approx(0.25)
    assert features["power_overdue_days"] == pytest.approx(2.0)


def test_arrears_are_told_in_months_of_bills() -> None:
    rows = [power(ago, **({"paid_on": None, "arrears_fen": 10_000} if ago in (1, 2) else {})) for ago in range(12)]
    features = told(electricity(rows))
    assert features["power_arrears"] == pytest.approx(2.0)
    assert features["power_late_share"] == pytest.approx(2 / 12)


def test_a_bill_that_is_not_due_yet_is_not_late() -> None:
    rows = [power(ago) for ago in range(1, 12)] + [power(0, paid_on=None, arrears_fen=10_000, due_on=date(2026, 12, 1))]
    features = told(electricity(rows))
    assert (features["power_late_share"], features["power_arrears"]) == (0.0, 0.0)


def test_a_bill_paid_after_the_day_was_open_on_the_day() -> None:
    """As it would have been told in August: the July bill was paid in October."""
    rows = [power(ago, late=50 if ago == 3 else 0) for ago in range(24)]
    features = told(electricity(rows), as_of=date(2026, 8, 31))
    assert features["power_arrears"] == pytest.approx(1.0)
    assert features["power_overdue_days"] == pytest.approx(16 / 11)  # August's bill is not due before September


def test_months_without_use_and_days_cut_off() -> None:
    rows = [power(ago, 0 if ago < 2 else 100, cut_days=5 if ago < 2 else 0) for ago in range(14)]
    features = told(electricity(rows))
    assert (features["power_zero_months"], features["power_cut_days"]) == (2.0, 10.0)


@pytest.mark.parametrize("metering", ["landlord", "not_metered"])
@pytest.mark.parametrize("quantity", [None, 0])
def test_what_is_not_metered_is_never_zero(metering: str, quantity: int | None) -> None:
    rows = [power(ago, quantity, metering=metering) for ago in range(24)]
    features = told(electricity(rows))
    assert features["power_unmetered"] == 1.0
    for name in ("power_use", "power_zero_months", "power_trend", "power_volatility"):
        assert math.isnan(features[name])


def test_a_meter_shared_with_a_neighbour_says_nothing_of_the_firm() -> None:
    features = told(electricity([power(ago, 0, late=30, basis="shared") for ago in range(24)]))
    assert features["power_unmetered"] == 1.0
    assert math.isnan(features["power_zero_months"]) and math.isnan(features["power_late_share"])


def test_a_flat_rate_is_still_a_bill_to_be_paid() -> None:
    features = told(electricity([power(ago, None, late=3, metering="not_metered") for ago in range(12)]))
    assert features["power_late_share"] == 1.0


def test_estimated_readings_are_counted() -> None:
    rows = [power(ago, metering="estimated" if ago < 3 else "metered") for ago in range(12)]
    assert told(electricity(rows))["power_estimated"] == 0.25


def test_a_gap_is_a_gap_but_the_last_month_may_still_be_on_its_way() -> None:
    assert told(electricity([power(ago) for ago in range(1, 24)]))["power_gaps"] == 0.0
    assert told(electricity([power(ago) for ago in range(24) if ago not in (4, 5)]))["power_gaps"] == 2.0


# -- taxes ------------------------------------------------------------------------------------------------


def test_a_quarter_is_spread_evenly_over_its_months() -> None:
    by_quarter = [filing(ago, 3000, "quarter") for ago in range(1, 24, 3)]
    by_month = [filing(ago, 1000) for ago in range(1, 24)]
    quarter, monthly = told(taxes(by_quarter)), told(taxes(by_month))
    for name in ("tax_sales", "tax_sales_growth", "tax_sales_swing", "tax_nil_months"):
        assert quarter[name] == pytest.approx(monthly[name]), name
    assert quarter["tax_sales"] == pytest.approx(3.0, abs=0.001)


def test_a_quarter_may_be_named_by_any_of_its_months() -> None:
    by_last, by_first = ([filing(ago + back, 3000 * ago, "quarter") for ago in range(1, 20, 3)] for back in (0, 2))
    last, first = told(taxes(by_last)), told(taxes(by_first))
    for name in ("tax_sales", "tax_sales_growth", "tax_sales_swing"):
        assert last[name] == first[name], name


def test_a_nil_quarter_is_three_nil_months() -> None:
    rows = [filing(ago, 0 if ago == 1 else 3000, "quarter") for ago in range(1, 24, 3)]
    assert told(taxes(rows))["tax_nil_months"] == 3.0


def test_late_and_missing_filings() -> None:
    late = date(2026, 9, 30)
    rows = [filing(ago, 100) for ago in range(3, 12)]
    rows += [filing(2, 100, filed_on=late), filing(1, None, filed_on=None), filing(0, None, filed_on=None)]
    features = told(taxes(rows))
    assert features["tax_on_time"] == pytest.approx(9 / 12)
    assert features["tax_unfiled"] == 2.0


def test_arrears_on_the_tax_that_was_due() -> None:
    rows = [filing(ago, 100, due_fen=1000, arrears_fen=1000 if ago < 3 else 0) for ago in range(12)]
    features = told(taxes(rows))
    assert features["tax_arrears"] == pytest.approx(0.25)
    assert features["tax_to_sales"] == pytest.approx(0.1)


@pytest.mark.parametrize(("grades", "value", "fell"), [
    ([(2024, "B"), (2025, "A")], 4.0, 0.0), ([(2024, "A"), (2025, "M")], 2.0, 1.0), ([(2025, "D")], 0.0, math.nan),
])  # fmt: skip
def test_the_latest_tax_grade(grades: list[tuple[int, str]], value: float, fell: float) -> None:
    rows = [{"year": year, "grade": grade, "published_on": date(year + 1, 4, 10)} for year, grade in grades]
    features = told({"tax_grades": facts("tax_grades", rows)})
    assert features["tax_grade"] == value
    assert features["tax_grade_fell"] == pytest.approx(fell, nan_ok=True)


def test_no_grade_is_neutral_not_the_worst() -> None:
    assert math.isnan(told({"tax_grades": facts("tax_grades", [])})["tax_grade"])


# -- staff ------------------------------------------------------------------------------------------------


def insured(ago: int, heads: int = 10, **more: Any) -> dict[str, Any]:
    """One month of social insurance, paid on its 18th."""
    paid_on = month(ago).replace(day=18)
    return {"kind": "all", "period": month(ago), "heads": heads, "dispatched": 0, "base_fen": heads * 600_000,
            "due_fen": 1000, "paid_fen": 1000, "paid_on": paid_on} | more  # fmt: skip


def test_staff_that_shrinks_and_is_not_paid_for() -> None:
    rows = [insured(ago, 6 if ago < 3 else 10) for ago in range(2, 24)]
    rows += [insured(ago, 6, paid_fen=0, paid_on=None) for ago in (0, 1)]
    features = told({"social_insurance": facts("social_insurance", rows)})
    assert features["insured_heads"] == 6.0
    assert features["insured_trend"] == pytest.approx(-0.4)
    assert features["insurance_unpaid"] == 2.0
    assert features["insurance_late_share"] == pytest.approx(2 / 12)
    assert features["base_per_head"] == pytest.approx(math.log10(6001))


def test_kinds_of_insurance_are_the_same_heads() -> None:
    rows = [insured(ago, heads, kind=kind) for ago in range(6) for kind, heads in (("pension", 8), ("medical", 9))]
    assert told({"social_insurance": facts("social_insurance", rows)})["insured_heads"] == 9.0


def test_dispatched_workers_are_a_share_of_all() -> None:
    rows = [insured(ago, 6, dispatched=4) for ago in range(12)]
    assert told({"social_insurance": facts("social_insurance", rows)})["dispatched_share"] == pytest.approx(0.4)


# -- registers --------------------------------------------------------------------------------------------


def penalty(number: str, decided: date, repaired: date | None = None) -> dict[str, Any]:
    return {"document_no": number, "kind": "fine", "amount_fen": 99_900, "decided_on": decided, "repaired_on": repaired}


def test_a_repaired_penalty_drops_out() -> None:
    rows = [penalty("1", date(2026, 1, 5)), penalty("2", date(2026, 2, 5), date(2026, 6, 1))]
    frames = {"penalties": facts("penalties", rows)}
    assert told(frames)["penalties_open"] == 1.0
    assert told(frames)["penalties_amount"] == pytest.approx(3.0)
    assert told(frames, as_of=date(2026, 5, 31))["penalties_open"] == 2.0


def test_a_removed_entry_drops_out_of_the_lists() -> None:
    rows = [{"list_name": "甲", "listed_on": date(2025, 1, 1), "removed_on": date(2026, 11, 1)}]
    assert told({"dishonesty": facts("dishonesty", rows)})["lists_open"] == 0.0


def test_cases_against_the_firm_and_what_it_still_owes() -> None:
    rows = [
        {"case_no": "1", "role": "plaintiff", "filed_on": date(2026, 1, 1), "amount_fen": 900},
        {"case_no": "2", "role": "defendant", "filed_on": date(2026, 8, 17), "amount_fen": 900},
        {"case_no": "3", "role": "debtor", "filed_on": date(2024, 6, 1), "amount_fen": 900_000, "unpaid_fen": 600_000},
        {"case_no": "4", "role": "debtor", "filed_on": date(2026, 6, 1), "closed_on": date(2026, 9, 1), "amount_fen": 900},
    ]
    frames = {"justice": facts("justice", rows), "tax": facts("tax", [filing(ago, 2000) for ago in range(12)])}
    features = told(frames)
    assert features["cases_against"] == 2.0
    assert features["case_days_since"] == 100.0
    assert features["enforcement_open"] == pytest.approx(math.log10(6001))
    assert features["enforcement_to_sales"] == pytest.approx(3.0)


def test_changes_reports_certificates_and_patents() -> None:
    changes = [{"changed_on": day, "kind": kind} for day, kind in (
        (date(2026, 3, 1), "representative"), (date(2024, 3, 1), "representative"), (date(2025, 3, 1), "address"),
    )]  # fmt: skip
    reports = [{"report_year": year, "published_on": day} for year, day in (
        (2022, date(2023, 5, 1)), (2023, date(2024, 9, 1)), (2025, date(2026, 6, 30)),
    )]  # fmt: skip
    certificates = [{"kind": kind, "certificate_no": kind, "valid_from": date(2024, 1, 1), "valid_to": until} for kind, until in (
        ("high_tech", date(2027, 1, 1)), ("specialised", date(2026, 1, 1)), ("permit", None),
    )]  # fmt: skip
    rights = [{"kind": kind, "number": kind, "granted_on": date(2020, 1, 1)} for kind in ("invention", "trademark")]
    features = told({
        "registration_changes": facts("registration_changes", changes), "annual_reports": facts("annual_reports", reports),
        "qualifications": facts("qualifications", certificates), "ip": facts("ip", rights),
        "registration": facts("registration", [{"established_on": date(2016, 11, 25), "status": "suspended"}]),
    })  # fmt: skip
    assert (features["representative_changes"], features["address_changes"]) == (1.0, 1.0)
    assert features["reports_on_time"] == pytest.approx(1 / 3)  # 2023 late, 2024 not there, 2025 on the last day
    assert (features["honours"], features["patents"]) == (1.0, 1.0)
    assert features["years_open"] == pytest.approx(10.0, abs=0.01)
    assert features["not_open"] == 1.0


# -- the account, and one source against another ----------------------------------------------------------


def test_the_account_of_a_firm() -> None:
    rows = [{"account_tail": tail, "period": month(ago), "inflow_fen": 500, "outflow_fen": 800 if ago == 4 else 400,
             "counterparties": 3, "balance_fen": 850} for ago in range(12) for tail in ("1", "2")]  # fmt: skip
    features = told({"cash_flow": facts("cash_flow", rows)})
    assert features["cash_negative_months"] == 1.0
    assert features["cash_counterparties"] == 6.0
    assert features["cash_balance"] == pytest.approx(1700 / (10_400 / 12))


def test_power_and_inflow_and_heads_against_declared_sales() -> None:
    frames = electricity([power(ago, 300 if ago < 12 else 900) for ago in range(24)])
    frames |= taxes([filing(ago, 20_000) for ago in range(24)])
    frames["cash_flow"] = facts("cash_flow", [
        {"account_tail": "1", "period": month(ago), "inflow_fen": 3_000_000, "outflow_fen": 1} for ago in range(12)])
    frames["social_insurance"] = facts("social_insurance", [insured(ago, 3, dispatched=1) for ago in range(12)])
    report = {"report_year": 2025, "n_employees": 5, "published_on": date(2026, 5, 1)}
    features = told(frames | {"annual_reports": facts("annual_reports", [report])})
    assert features["power_to_sales"] == pytest.approx(150.0)
    assert features["inflow_to_declared"] == pytest.approx(1.5)
    assert features["sales_per_head"] == pytest.approx(math.log10(5001))
    assert features["insured_to_stated"] == pytest.approx(0.8)


def test_invoiced_against_declared_sales_leaves_out_void_lines_and_purchases() -> None:
    lines = pl.DataFrame([
        {"firm": 7, "side": side, "day": month(ago), "counterparty": 1, "net_fen": 100_000, "tax_fen": 0, "gross_fen": 100_000,
         "void": void} for ago in range(12) for side, void in ((1, False), (1, True), (0, False))
    ], schema_overrides={"side": pl.Int8})  # fmt: skip
    features = told(taxes([filing(ago, 2000) for ago in range(12)]) | {"invoices": lines})
    assert features["invoiced_to_declared"] == pytest.approx(0.5)


# -- a city: what holds whatever the facts are ---------------------------------------------------------------


@pytest.fixture(scope="module")
def town() -> tuple[Frames, np.ndarray]:
    frames, firms, _, _ = read(60, 24, seed=5, invoices=True)
    frames["annual_reports"] = facts("annual_reports", [
        {"firm": int(firm), "report_year": 2025, "n_employees": 4, "published_on": date(2026, 5, 1)} for firm in firms])
    listed = [{"list_name": "甲", "listed_on": date(2026, 1, 1), "removed_on": date(2026, 9, 1)}]
    frames["dishonesty"] = pl.concat([frames["dishonesty"], facts("dishonesty", listed)], how="diagonal")
    return frames, firms


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def test_every_feature_speaks_for_some_firm_of_the_city(town: tuple[Frames, np.ndarray]) -> None:
    values = compute(*town, AS_OF).values
    assert [name for name, silent in zip(registry.NAMES, np.isnan(values).all(axis=0), strict=True) if silent] == []
    assert not np.isinf(values).any()


@settings(max_examples=12, deadline=None)
@given(gone=st.sets(st.sampled_from(registry.SOURCES), min_size=1, max_size=6))
def test_a_missing_source_changes_only_the_features_it_feeds(town: tuple[Frames, np.ndarray], gone: set[str]) -> None:
    frames, firms = town
    full = compute(frames, firms, AS_OF)
    less = compute({source: frame for source, frame in frames.items() if source not in gone}, firms, AS_OF)
    fed = np.array([bool(set(feature.sources) & gone) for feature in registry.FEATURES])
    assert np.isnan(less.values[:, fed]).all()
    assert same(less.values[:, ~fed], full.values[:, ~fed])
    assert less.partial.all() and not full.partial.any()
    assert (less.coverage[:, [source in gone for source in registry.SOURCES]] == 0).all()


def test_a_firm_that_did_not_consent_is_told_as_if_the_source_did_not_exist(town: tuple[Frames, np.ndarray]) -> None:
    frames, firms = town
    who = np.arange(len(firms)) % 2 == 0
    mixed = compute(frames, firms, AS_OF, closed={"tax": who, "penalties": who})
    without = compute({source: frame for source, frame in frames.items() if source not in ("tax", "penalties")}, firms, AS_OF)
    full = compute(frames, firms, AS_OF)
    for part in ("values", "coverage", "insufficient", "partial"):
        assert same(getattr(mixed, part)[who], getattr(without, part)[who]), part
        assert same(getattr(mixed, part)[~who], getattr(full, part)[~who]), part


def test_one_firm_alone_is_the_same_as_among_many(town: tuple[Frames, np.ndarray]) -> None:
    frames, firms = town
    among: Matrix = compute(frames, firms, AS_OF)
    for place in (0, 1, 17, 59):
        mine = {source: frame.filter(pl.col("firm") == firms[place]) for source, frame in frames.items()}
        alone = compute(mine, firms[place : place + 1], AS_OF)
        assert same(alone.values[0], among.values[place])
        assert same(alone.coverage[0], among.coverage[place])
        picked = compute(frames, firms[place : place + 1], AS_OF)
        assert same(picked.values, alone.values) and same(picked.coverage, alone.coverage)


def test_the_order_of_rows_and_of_firms_does_not_matter(town: tuple[Frames, np.ndarray]) -> None:
    frames, firms = town
    shuffled = {source: frame.sample(fraction=1.0, shuffle=True, seed=3) for source, frame in frames.items()}
    assert same(compute(shuffled, firms[::-1], AS_OF).values[::-1], compute(frames, firms, AS_OF).values)


JUNE = date(2026, 6, 30)
LATER = {
    "tax": ("filed_on", {"sales_fen": None, "due_fen": None, "paid_fen": None, "arrears_fen": None}),
    "electricity": ("paid_on", {"arrears_fen": pl.col("bill_fen")}),
    "water": ("paid_on", {"arrears_fen": pl.col("bill_fen")}),
    "gas": ("paid_on", {"arrears_fen": pl.col("bill_fen")}),
    "social_insurance": ("paid_on", {"paid_fen": 0}),
    "housing_fund": ("paid_on", {"paid_fen": 0}),
    "penalties": ("repaired_on", {}),
    "dishonesty": ("removed_on", {}),
    "justice": ("closed_on", {"unpaid_fen": pl.col("amount_fen")}),
}
"""What ends a fact, and how the fact reads on a day before that."""


def as_read_in_june(source: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows without what came later, and what came later to the rows that stay."""
    item = ITEMS.get(source)
    at = {"annual_reports": "published_on", "tax_grades": "published_on"}.get(source) or (
        item.field(item.at).stored if item else "day")
    known = frame if source == "registration" else frame.filter(pl.col(at) <= JUNE)
    if source not in LATER:
        return known
    ends, instead = LATER[source]
    later = pl.col(ends) > JUNE
    values = {ends: None} | instead
    return known.with_columns(
        pl.when(later).then(value).otherwise(pl.col(name)).cast(known.schema[name]).alias(name) for name, value in values.items()
    )


def test_what_happens_after_the_day_changes_nothing(town: tuple[Frames, np.ndarray]) -> None:
    """Told as of June from what was delivered in November, and from the same as it read in June."""
    frames, firms = town
    known = {source: as_read_in_june(source, frame) for source, frame in frames.items()}
    for source in LATER:
        assert known[source][LATER[source][0]].null_count() > 0, source
    now, then = compute(frames, firms, JUNE), compute(known, firms, JUNE)
    for place, name in enumerate(registry.NAMES):
        assert same(now.values[:, place], then.values[:, place]), name
    assert same(now.coverage, then.coverage)


def test_a_firm_with_less_than_half_a_year_is_not_judged() -> None:
    assert compute(electricity([power(ago) for ago in range(5)]), np.array([7]), AS_OF).insufficient.all()
    assert not compute(electricity([power(ago) for ago in range(6)]), np.array([7]), AS_OF).insufficient.any()


def test_registers_alone_are_not_enough() -> None:
    found = compute({"penalties": facts("penalties", [])}, np.array([7]), AS_OF)
    assert found.insufficient.all()
    assert found.coverage[0, registry.SOURCES.index("penalties")] == 24


def test_nobody_and_nothing() -> None:
    assert compute(electricity([power(0)]), np.array([], dtype=np.int64), AS_OF).values.shape == (0, len(registry.NAMES))
    empty = compute({source: facts(source, []) for source in FACTS}, np.array([7, 8]), AS_OF)
    assert empty.insufficient.all()


def test_a_firm_cannot_be_asked_for_twice() -> None:
    with pytest.raises(ValueError):
        compute({}, np.array([7, 7]), AS_OF)


# -- the declarations ---------------------------------------------------------------------------------------


def test_the_city_is_stored_as_the_portal_stores_it(town: tuple[Frames, np.ndarray]) -> None:
    frames, _ = town
    for code in FACTS:
        missing = set(facts(code, []).columns) - set(frames[code].columns) - {"name", "scope", "type", "title"}
        assert missing == set(), code


def test_names_are_unique() -> None:
    assert len(set(registry.NAMES)) == len(registry.NAMES)


@pytest.mark.parametrize("feature", registry.FEATURES, ids=lambda feature: feature.name)
def test_every_feature_has_its_sentences(feature: Feature) -> None:
    for words in (feature.zh, feature.en):
        assert words.label and words.good and words.bad and words.missing
        assert "{value}" not in words.label + words.missing + words.zero
        if feature.unit is not Unit.FLAG:
            assert "{value}" in words.good and "{value}" in words.bad
    assert bool(feature.zh.zero) == bool(feature.en.zero)
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in feature.en.label + feature.en.good + feature.en.bad)


def test_a_changeable_feature_has_a_direction() -> None:
    assert [feature.name for feature in registry.FEATURES if feature.changeable and feature.direction == 0] == []


def test_a_reason_is_said_in_words() -> None:
    feature = registry.by_name("power_late_share")
    assert feature.say(0.0, True, "zh") == "近12个月按时缴纳电费，没有逾期"
    assert feature.say(0.25, False, "en") == "25.0% of the electricity bills of the last 12 months were late"
    assert feature.say(math.nan, True, "zh") == feature.zh.missing
