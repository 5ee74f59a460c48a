"""Graded signals: each rule on a firm or two whose facts can be read off, and all of them on a synthetic city."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoring.city import city
from scoring.signal_check import city_frames, worth
from scoring.signal_rules import compared_months, months_before
from scoring.signal_words import Kind, Level, Signal, facts_from, level_name, sentence, title
from scoring.signals import as_signals, signals

AS_OF = date(2026, 11, 25)
DATES = ("period", "day", "due_on", "paid_on", "filed_on", "closed_on", "listed_on", "removed_on", "as_of")
TEXTS = ("kind", "role", "status", "metering", "basis", "list_name", "tax_kind")


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows as a frame of the contract."""
    made = pl.DataFrame([{"firm": 1} | row for row in rows], infer_schema_length=None)
    kinds = {name: pl.Date if name in DATES else pl.String if name in TEXTS else pl.Int64 for name in made.columns}
    return made.cast(kinds)


def told(as_of: date = AS_OF, **frames: pl.DataFrame) -> dict[Kind, Signal]:
    """Signals about firm 1."""
    return {signal.kind: signal for signal in as_signals(signals(frames, [1], as_of))}


def months(n: int, last: date = date(2026, 10, 1)) -> list[date]:
    return [months_before(last, back) for back in range(n)][::-1]


NO_BILL = {"due_on": None, "paid_on": None, "arrears_fen": None, "cut_days": None}


def power(recent: int, usual: int = 1_000_000, last: date = date(2026, 10, 1), **more: Any) -> pl.DataFrame:
    """24 months of use, the last three of ``recent`` thousandths of a kWh."""
    used = [usual] * 21 + [recent] * 3
    by_month = zip(months(24, last), used, strict=True)
    return frame(*({"meter": 1, "period": m, "quantity_milli": q} | NO_BILL | more for m, q in by_month))


@pytest.mark.parametrize(("recent", "level"), [
    (900_000, None), (700_000, Level.NOTICE), (550_000, Level.WARNING), (100_000, Level.ALARM), (0, Level.ALARM),
])
def test_a_fall_in_power_use_is_graded_against_the_year_before(recent: int, level: Level | None) -> None:
    found = told(electricity=power(recent))
    assert (found[Kind.POWER_FALL].level if found else None) is level
    if found:
        (fact,) = found[Kind.POWER_FALL].facts
        assert (fact.item, fact.field, fact.value, fact.usual) == ("electricity", "quantity", 3 * recent, 3_000_000)


def days(recent: int, n: int = 330, last: date = date(2026, 11, 20), **more: Any) -> pl.DataFrame:
    """Use by days, the last 28 of ``recent`` thousandths of a kWh."""
    span = [last - timedelta(days=back) for back in range(n)][::-1]
    return frame(*({"meter": 1, "day": day, "quantity_milli": recent if at >= n - 28 else 40_000} | more
                   for at, day in enumerate(span)))


def test_use_that_all_but_ceases_is_told_by_days_else_by_months() -> None:
    for recent, level in ((20_000, None), (14_000, Level.NOTICE), (6_000, Level.WARNING), (0, Level.ALARM)):
        found = told(electricity_daily=days(recent))
        assert (found[Kind.POWER_STOP].level if found else None) is level
    (fact,) = found[Kind.POWER_STOP].facts
    assert (fact.item, fact.field, fact.value, fact.usual) == ("electricity_daily", "day_use", 0, 40_000)
    assert sentence(fact, "zh").endswith("近四周日均用电 0 千瓦时，之前日均 40 千瓦时（春节前后不计）")
    stopped = power(1_000_000).with_columns(
        quantity_milli=pl.when(pl.col("period") == date(2026, 10, 1)).then(0).otherwise(pl.col("quantity_milli")))
    (fact,) = told(electricity=stopped)[Kind.POWER_STOP].facts
    assert (fact.item, fact.field, fact.value, fact.usual) == ("electricity", "month_use", 0, 1_000_000)
    both = told(electricity=stopped, electricity_daily=days(0))[Kind.POWER_STOP]
    assert both.item == "electricity_daily", "told once"


def test_no_stop_is_told_of_the_festival_of_few_days_of_shared_meters_or_of_silence() -> None:
    festival = days(0, last=date(2026, 3, 4))
    assert told(date(2026, 3, 5), electricity_daily=festival.filter(pl.col("day") > date(2026, 2, 5))) == {}
    idle = days(40_000, last=date(2026, 3, 5)).with_columns(quantity_milli=pl.when(
        pl.col("day").is_between(date(2026, 2, 5), date(2026, 3, 6))).then(0).otherwise(pl.col("quantity_milli")))
    assert told(date(2026, 3, 6), electricity_daily=idle) == {}, "every firm rests about the new year"
    assert told(electricity_daily=days(0, n=80)) == {} and told(electricity_daily=days(0, basis="shared")) == {}
    assert told(electricity_daily=days(0, last=date(2026, 8, 20))) == {}, "nothing read is not nothing used"


def test_months_that_nobody_metered_and_shared_meters_are_no_fall() -> None:
    landlord = power(0).with_columns(quantity_milli=pl.when(pl.col("quantity_milli") > 0).then(pl.col("quantity_milli")))
    assert told(electricity=landlord) == {}
    assert told(electricity=power(0, basis="shared")) == {}


def test_the_spring_festival_is_no_fall_though_it_moves_between_january_and_february() -> None:
    assert compared_months(date(2026, 1, 1), 3) == [date(2025, 10, 1), date(2025, 11, 1), date(2025, 12, 1)]
    assert compared_months(date(2026, 4, 1), 3)[0] == date(2026, 1, 1)
    # 2025: the festival on 29 January; 2026: on 17 February. The pair of months is the same in both years.
    used = {date(2025, 1, 1): 200_000, date(2026, 2, 1): 200_000}
    span = months(26, date(2026, 4, 1))
    rows = [{"meter": 1, "period": m, "quantity_milli": used.get(m, 1_000_000)} | NO_BILL for m in span]
    for last in (date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)):
        seen = frame(*(row for row in rows if row["period"] <= last))
        assert told(months_before(last, -1).replace(day=25), electricity=seen) == {}


def bill(due: date, paid: date | None, arrears: int = 0) -> dict[str, Any]:
    return {"meter": 1, "period": months_before(due, 1), "due_on": due, "paid_on": paid, "arrears_fen": arrears, "cut_days": 0,
            "quantity_milli": None}


def test_an_open_bill_is_graded_by_its_days() -> None:
    for due, level in ((date(2026, 11, 5), Level.NOTICE), (date(2026, 10, 20), Level.WARNING), (date(2026, 9, 1), Level.ALARM)):
        (signal,) = told(water=frame(bill(due, None, 50_000), bill(date(2026, 6, 1), date(2026, 6, 1)))).values()
        assert (signal.kind, signal.level, signal.facts[0].value) == (Kind.BILLS_UNPAID, level, (AS_OF - due).days)


def test_a_bill_paid_after_the_day_was_open_on_it() -> None:
    rows = frame(bill(date(2026, 8, 15), date(2026, 11, 20)))
    assert told(date(2026, 10, 1), gas=rows)[Kind.BILLS_UNPAID].level is Level.WARNING
    assert told(gas=rows) == {}


def test_a_provider_that_tells_no_payments_accuses_nobody() -> None:
    silent = bill(date(2026, 8, 15), None) | {"arrears_fen": None}
    assert told(electricity=frame(silent)) == {}


def test_late_bills_count_against_the_firms_own_habit() -> None:
    dues = [date(2025, 12, 15), *(months_before(date(2026, 11, 1), b).replace(day=15) for b in range(10, -1, -1))]
    always = frame(*(bill(due, date.fromordinal(due.toordinal() + 9)) for due in dues))
    lately = frame(*(bill(due, date.fromordinal(due.toordinal() + (9 if due >= date(2026, 6, 1) else 0))) for due in dues))
    assert told(electricity=always) == {}
    assert told(electricity=lately)[Kind.BILLS_UNPAID].facts[0].field == "late_bills"


def insurance(paid: int, heads: int = 10, last: int = 10, dispatched: int = 0) -> pl.DataFrame:
    return frame(*(
        {"kind": "all", "period": m, "heads": heads if i < 18 else last, "dispatched": 0 if i < 18 else dispatched,
         "due_fen": 1_000_00, "paid_fen": 1_000_00 if i < 24 - paid - 1 or i == 23 else 0,
         "paid_on": m.replace(day=19) if i < 24 - paid - 1 or i == 23 else None}
        for i, m in enumerate(months(24))
    ))  # fmt: skip


@pytest.mark.parametrize(("unpaid", "level"), [(0, None), (1, Level.NOTICE), (2, Level.WARNING), (3, Level.ALARM)])
def test_unpaid_contributions_are_graded_by_months(unpaid: int, level: Level | None) -> None:
    found = told(social_insurance=insurance(unpaid))
    assert (found[Kind.INSURANCE_UNPAID].level if found else None) is level


def test_falling_heads_are_a_signal_and_labour_dispatch_is_none() -> None:
    assert told(social_insurance=insurance(0, 10, 4))[Kind.HEADS_FALL].level is Level.ALARM
    assert told(social_insurance=insurance(0, 10, 4, dispatched=6)) == {}
    assert told(social_insurance=insurance(0, 3, 1)) == {}


def filing(due: date, filed: date | None, arrears: int = 0) -> dict[str, Any]:
    return {"tax_kind": "vat", "period": months_before(due, 1), "due_on": due, "filed_on": filed, "arrears_fen": arrears}


def test_arrears_of_tax_are_graded_by_how_long_they_stand() -> None:
    for due, level in ((date(2026, 10, 15), Level.NOTICE), (date(2026, 8, 15), Level.WARNING), (date(2026, 4, 15), Level.ALARM)):
        found = told(tax=frame(filing(due, due, 5_000_00)))
        assert found[Kind.TAX_ARREARS].level is level and Kind.FILINGS_LATE not in found


def test_a_filing_that_is_missing_is_graded_by_its_days() -> None:
    assert told(tax=frame(filing(date(2026, 8, 15), None)))[Kind.FILINGS_LATE].level is Level.ALARM
    assert told(tax=frame(filing(date(2026, 11, 16), None))) == {}


def case(
    role: str, kind: str = "judgment", filed: date = date(2026, 9, 1), closed: date | None = None, unpaid: int = 0
) -> pl.DataFrame:
    return frame({
        "role": role, "kind": kind, "filed_on": filed, "closed_on": closed, "amount_fen": 90_000_00, "unpaid_fen": unpaid,
    })  # fmt: skip


def test_new_cases_against_the_firm_are_signals_and_its_own_suits_are_none() -> None:
    assert told(justice=case("defendant"))[Kind.COURT_CASE].level is Level.NOTICE
    assert told(justice=case("debtor", "enforcement"))[Kind.COURT_CASE].level is Level.WARNING
    assert told(justice=case("debtor", "bankruptcy"))[Kind.COURT_CASE].level is Level.ALARM
    for harmless in (case("plaintiff"), case("creditor"), case("defendant", filed=date(2026, 1, 1)),
                     case("defendant", closed=date(2026, 10, 1)), case("defendant", filed=date(2026, 12, 1))):
        assert told(justice=harmless) == {}


def test_a_repaired_entry_is_no_signal_any_more() -> None:
    entry = {"list_name": "x", "listed_on": date(2026, 10, 1), "removed_on": None}
    assert told(dishonesty=frame(entry))[Kind.DISHONESTY].level is Level.ALARM
    assert told(dishonesty=frame(entry | {"removed_on": date(2026, 11, 20)})) == {}


@pytest.mark.parametrize(("status", "level"), [
    ("open", None), ("moved", Level.NOTICE), ("suspended", Level.WARNING), ("revoked", Level.ALARM),
])
def test_the_registered_status_speaks(status: str, level: Level | None) -> None:
    found = told(registration=frame({"status": status, "as_of": date(2026, 11, 1)}))
    assert (found[Kind.NOT_OPEN].level if found else None) is level


def test_what_may_not_be_read_says_nothing_and_others_are_left_out() -> None:
    assert signals({}, [1, 2], AS_OF).is_empty()
    assert signals({"electricity": power(0)}, [2], AS_OF).is_empty()


def test_a_fact_is_told_in_both_languages() -> None:
    signal = told(electricity=power(100_000))[Kind.POWER_FALL]
    assert sentence(signal.facts[0], "zh") == "2026-10 用电 300 千瓦时，上年同期 3,000 千瓦时"
    assert sentence(signal.facts[0], "en") == "2026-10: 300 kWh used, 3,000 kWh a year before"
    assert (title(signal.kind, "zh"), level_name(signal.level, "en")) == ("用电量下降", "Red alarm")
    stored = [{"item": f.item, "field": f.field, "period": f.period.isoformat(), "value": f.value, "usual": f.usual}
              for f in signal.facts]
    assert facts_from(stored) == signal.facts


@pytest.fixture(scope="module")
def town() -> dict[str, pl.DataFrame]:
    """A city of 1,500 firms."""
    return city(1_500, 30, seed=5)


def test_in_the_city_worse_colours_are_more_often_right(town: dict[str, pl.DataFrame]) -> None:
    firms = np.arange(1_500)
    found = signals(city_frames(town), firms, AS_OF)
    bad = (town["truth"]["distress"] > 0.2).to_numpy()
    notice, warning, alarm = worth(found, firms, bad)[:3]
    assert bad.mean() < notice.precision < warning.precision < alarm.precision
    assert notice.recall > 0.7 and alarm.lift > 4


def test_a_firm_alone_is_told_what_it_is_told_among_others(town: dict[str, pl.DataFrame]) -> None:
    frames = city_frames(town)
    among = signals(frames, np.arange(1_500), AS_OF)
    firm = among["firm"][0]
    assert signals(frames, [firm], AS_OF).equals(among.filter(pl.col("firm") == firm))
