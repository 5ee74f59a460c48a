"""What came in is looked at again: what is missing, late, repeated, jumps, or contradicts what else is known."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import time_machine
from sqlalchemy import text

from app.core import outbox
from app.core.database import session, transaction
from app.core.permissions import Role
from app.evidence import quality_service
from app.evidence.quality_models import DeliveryQuality, QualityFinding, QualityReport
from app.evidence.quality_rules import QUALITY, Measure, QualityRules, Share, Verdict, judge
from tests import cast
from tests.cast import SYSTEM
from tests.service.evidence_tools import csv_bytes, line, receive, uscc_of
from tests.service.quality_tools import delivered, findings, firm_no, insured, meter, month, power, report, share

pytestmark = pytest.mark.service


@pytest.fixture
def grid(database):
    return cast.provider("穗电供电局")


@pytest.fixture
def bureau(database):
    return cast.provider("人力资源和社会保障局")


def year_of_power(meter_no, kwh=3000):
    return [power(meter_no, month(number), kwh) for number in range(12, 24)]


def test_a_month_of_minus_three_kwh_lies_in_quarantine_and_counts_in_the_report(grid):
    delivery = delivered(grid, "electricity", year_of_power(meter(grid, "A1")), quarantined=["impossible"])
    assert share(delivery, "quarantined") == (1, 13)
    with transaction(SYSTEM, read_only=True):
        assert session().get(DeliveryQuality, (delivery, "quarantined")).params == {"reasons": {"impossible": 1}}
    assert (report(delivery).verdict, report(delivery).advice) == ("look", "quarantined")


def test_four_thousand_insured_in_a_firm_of_five_are_taken_in_and_flagged_without_telling_what_the_firm_said(bureau):
    firm = cast.firm(headcount=5)
    delivery = delivered(bureau, "social_insurance", [insured(firm_no(firm), month(23), 4000)])
    found, = findings(delivery, "impossible")
    assert (found.rule, found.severity, found.seen, found.expected_high) == ("heads_over_stated", "bad", 4000, None)
    assert found.subject_label == uscc_of(firm)
    assert report(delivery).verdict == "look"
    with transaction(SYSTEM, read_only=True):
        assert session().scalar(text("select heads from social_insurance_month where current")) == 4000


def test_against_the_public_annual_report_the_finding_names_its_number(bureau):
    firm = cast.firm(headcount=None)
    registry = cast.provider("市场监督管理局")
    delivered(registry, "annual_reports", [{"firm_no": firm_no(firm), "report_year": 2025, "n_employees": 5}])
    delivery = delivered(bureau, "social_insurance", [insured(firm_no(firm), month(23), 4000)])
    found, = findings(delivery, "impossible")
    assert (found.rule, found.expected_low, found.expected_high) == ("heads_over_reported", 5, 5)


@pytest.mark.parametrize(("headcount", "heads"), [(5, 55), (3, 60), (200, 3999), (None, 4000)])
def test_a_firm_that_merely_grew_or_said_nothing_is_not_flagged(bureau, headcount, heads):
    firm = cast.firm(headcount=headcount)
    delivery = delivered(bureau, "social_insurance", [insured(firm_no(firm), month(23), heads)])
    assert findings(delivery, "impossible") == []


def test_power_ten_times_the_usual_is_a_jump_and_twice_is_not(grid):
    tall, calm = meter(grid, "A1"), meter(grid, "A2")
    delivered(grid, "electricity", year_of_power(tall) + year_of_power(calm))
    delivery = delivered(grid, "electricity", [power(tall, month(24), 30_000), power(calm, month(24), 6000)],
                         at=datetime(2027, 2, 10, tzinfo=UTC))
    found, = findings(delivery, "jumps")
    assert (found.rule, found.subject_label, found.seen) == ("jump_up", "A1", 30_000_000)
    assert (found.expected_low, found.expected_high) == (300_000, 30_000_000)
    assert share(delivery, "jumps") == (1, 2)


def test_power_that_all_but_stopped_is_a_jump_but_one_person_becoming_three_is_not(grid, bureau):
    one, firm = meter(grid, "A1"), firm_no(cast.firm())
    delivered(grid, "electricity", year_of_power(one))
    assert [found.rule for found in findings(
        delivered(grid, "electricity", [power(one, month(24), 10)]), "jumps")] == ["jump_down"]
    delivered(bureau, "social_insurance", [insured(firm, month(number), 1) for number in range(12, 24)])
    assert findings(delivered(bureau, "social_insurance", [insured(firm, month(24), 12)]), "jumps") == []


def test_with_less_than_three_earlier_months_there_is_no_habit_to_jump_from(grid):
    one = meter(grid, "A1")
    delivered(grid, "electricity", [power(one, month(22), 3000), power(one, month(23), 3000)])
    delivery = delivered(grid, "electricity", [power(one, month(24), 90_000)])
    assert share(delivery, "jumps") == (0, 0)


def test_a_december_bill_that_comes_in_march_is_late(grid):
    one = meter(grid, "A1")
    came = datetime(2027, 3, 10, 4, tzinfo=UTC)
    delivery = delivered(grid, "electricity", [power(one, month(23), 3000), power(one, month(25), 3000)], at=came)
    assert share(delivery, "lateness") == (1, 2)
    found, = findings(delivery, "lateness")
    # due on 30 January, thirty days after the end of December
    assert (found.at, found.seen) == (date(2026, 12, 1), 39)


def test_what_was_due_before_the_provider_began_is_history_and_not_late(grid):
    with transaction(SYSTEM):
        session().execute(text("insert into provider_item values (:org, 'data_provider', 'electricity', '2027-01-01T00:00+08')"),
                          {"org": grid.id})
    delivery = delivered(grid, "electricity", year_of_power(meter(grid, "A1")), at=datetime(2027, 3, 10, tzinfo=UTC))
    # November was due on 30 December, two days before the provider began
    assert share(delivery, "lateness") == (1, 1)
    assert [found.at.month for found in findings(delivery, "lateness")] == [12]


def test_a_correction_is_not_late(grid):
    rows = [power(meter(grid, "A1"), month(12), 3000)]
    assert share(delivered(grid, "electricity", rows, version=2), "lateness") == (0, 0)


def test_a_file_sent_twice_counts_as_a_duplicate(grid):
    first = delivered(grid, "electricity", year_of_power(meter(grid, "A1")), data=b"same")
    again = delivered(grid, "electricity", [], data=b"same", identical=12)
    assert share(first, "same_file") == (0, 1)
    assert (share(again, "same_file"), share(again, "identical")) == ((1, 1), (12, 12))
    assert (report(again).verdict, report(again).advice) == ("look", "same_file")


def test_rows_that_contradict_each_other_inside_a_file_are_counted(grid):
    twice = ["conflict_in_file", "conflict_in_file"]
    delivery = delivered(grid, "electricity", year_of_power(meter(grid, "A1")), quarantined=twice)
    assert share(delivery, "conflicts") == (2, 14)


def test_a_missing_month_is_a_gap_and_a_landlords_month_is_neither_a_gap_nor_a_zero(grid):
    torn, let = meter(grid, "A1"), meter(grid, "A2")
    rows = [row for row in year_of_power(torn) if row["period"] not in (month(16), month(17))]
    rows += [row if row["period"] != month(18) else power(let, month(18), None) for row in year_of_power(let)]
    delivery = delivered(grid, "electricity", rows)
    found, = findings(delivery, "gaps")
    assert (found.subject_label, found.at, found.until, found.seen) == ("A1", month(16), month(17), 2)
    assert share(delivery, "gaps") == (2, 24)
    assert findings(delivery, "jumps") == []


def test_a_quarterly_filer_has_no_gaps_between_its_quarters(database):
    tax, firm = cast.provider(), firm_no(cast.firm())
    rows = [{"firm_no": firm, "tax_kind": "vat", "period": month(number), "cycle": "quarter", "sales_fen": 10**8,
             "paid_fen": 10**6} for number in (12, 15, 18, 21)]
    delivery = delivered(tax, "tax", rows)
    assert (share(delivery, "gaps"), share(delivery, "coverage")) == ((0, 12), (1, 1))


def test_coverage_is_the_share_of_known_subjects_with_a_row_in_the_latest_month(grid):
    meters = [meter(grid, f"A{number}") for number in range(4)]
    delivered(grid, "electricity", [row for one in meters for row in year_of_power(one)])
    delivery = delivered(grid, "electricity", [power(one, month(24), 3000) for one in meters[:3]])
    assert share(delivery, "coverage") == (3, 4)
    found, = findings(delivery, "coverage")
    assert (found.subject_label, found.at) == ("A3", month(24))
    with transaction(SYSTEM, read_only=True):
        strip = session().get(DeliveryQuality, (delivery, "coverage")).params["strip"]
    assert (len(strip), strip[-2], strip[-1]) == (12, ["2026-12-01", 4, 4], ["2027-01-01", 3, 4])


def test_a_meter_whose_link_has_ended_is_not_expected_any_more(grid):
    left, stays = meter(grid, "A1"), meter(grid, "A2")
    firm = firm_no(cast.firm())
    delivered(grid, "electricity", year_of_power(left) + year_of_power(stays))
    delivered(grid, "meter_links", [{"meter_no": left, "firm_no": firm, "valid_from": month(0), "valid_to": month(23),
                                     "basis": "tenant"}])
    assert share(delivered(grid, "electricity", [power(stays, month(24), 3000)]), "coverage") == (1, 1)


def test_what_contradicts_other_facts_is_found_item_by_item(grid, bureau):
    tax, fund = cast.provider(), cast.provider("住房公积金管理中心")
    one, firm = meter(grid, "A1"), firm_no(cast.firm(headcount=60))

    def rules(provider, item, rows):
        return sorted(found.rule for found in findings(delivered(provider, item, rows), "impossible"))

    delivered(grid, "electricity", year_of_power(one))
    assert rules(grid, "electricity", [power(one, month(24), 8_000_000)]) == ["over_ceiling"]
    assert rules(grid, "electricity", [power(one, month(25), 3000, cut_days=28)]) == ["cut_but_used"]
    assert rules(grid, "electricity", [power(one, month(26), 3000, paid_on=month(25))]) == ["paid_before"]
    filing = {"firm_no": firm, "tax_kind": "vat", "cycle": "month", "sales_fen": 10**7, "paid_fen": 3 * 10**7}
    assert rules(tax, "tax", [{**filing, "period": month(13)}]) == ["paid_over_sales"]
    assert rules(tax, "tax", [{**filing, "period": month(12), "cycle": "quarter", "paid_fen": 0}]) == ["mixed_cycles"]
    delivered(bureau, "social_insurance", [insured(firm, month(23), 10)])
    assert rules(fund, "housing_fund", [{"firm_no": firm, "period": month(23), "heads": 31}]) == ["heads_over_insured"]
    assert rules(fund, "housing_fund", [{"firm_no": firm, "period": month(22), "heads": 31}]) == []


def test_no_more_than_the_worst_five_hundred_are_listed_and_all_are_counted(grid, monkeypatch):
    monkeypatch.setattr(quality_service, "QUALITY", QualityRules(listed=2))
    meters = [meter(grid, f"A{number}") for number in range(3)]
    delivered(grid, "electricity", [row for one in meters for row in year_of_power(one)])
    delivery = delivered(grid, "electricity",
                         [power(one, month(24), 30_000 * (place + 1)) for place, one in enumerate(meters)])
    assert share(delivery, "jumps") == (3, 3)
    assert {found.subject_label for found in findings(delivery, "jumps")} == {"A1", "A2"}


def test_a_large_delivery_is_checked_for_a_sample_of_its_subjects_and_says_so(grid, monkeypatch):
    monkeypatch.setattr(quality_service, "QUALITY", QualityRules(sample_rows=60, sample_known_rows=120))
    meters = [meter(grid, f"A{number}") for number in range(20)]
    delivery = delivered(grid, "electricity", [row for one in meters for row in year_of_power(one)])
    assert (report(delivery).one_in, report(delivery).known_one_in) == (4, 2)
    checked, known = share(delivery, "lateness")[1], share(delivery, "coverage")[1]
    assert 0 < checked < 240 and checked % 12 == 0
    assert 0 < known < 20


def test_measuring_again_replaces_the_report_and_a_withdrawn_delivery_keeps_it(grid):
    delivery = delivered(grid, "electricity", [*year_of_power(meter(grid, "A1"))[:-3], power(meter(grid, "A2"), month(23), 1)])
    before = [(found.rule, found.at) for found in findings(delivery, "coverage")]
    quality_service.measure_delivery(SYSTEM, delivery)
    assert [(found.rule, found.at) for found in findings(delivery, "coverage")] == before != []
    with transaction(SYSTEM):
        session().execute(text("update delivery set state = 'WITHDRAWN', withdrawn_at = now(), withdraw_reason = '错' "
                               "where id = :id"), {"id": delivery})
    quality_service.measure_delivery(SYSTEM, delivery)
    assert report(delivery) is not None


def test_every_delivery_that_was_read_is_measured_without_being_asked(database):
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC)):  # what was due before a provider began is not late
        clerk = cast.provider()[Role.PROVIDER_CLERK]
    delivery = receive(clerk, csv_bytes([line(uscc_of(cast.firm())), line("nobody")]))
    outbox.drain()
    assert share(delivery.id, "quarantined") == (1, 2)
    assert share(delivery.id, "lateness")[1] == 1


def test_a_provider_sees_its_own_findings_alone_and_the_platform_sees_all(grid, bureau):
    firm = firm_no(cast.firm(headcount=5))
    theirs = delivered(bureau, "social_insurance", [insured(firm, month(23), 4000)])
    ours = delivered(grid, "electricity", [*year_of_power(meter(grid, "A1"))[:-2], power(meter(grid, "A2"), month(23), 5)])
    desk = cast.platform()[Role.DESK]
    bank, enterprise = cast.bank()[Role.BANK_OFFICER], cast.firm()[Role.FIRM_CLERK]

    def seen(ctx, model):
        with transaction(ctx, read_only=True):
            return {row.delivery_id for row in session().query(model)}

    for model in (QualityReport, DeliveryQuality, QualityFinding):
        assert seen(grid[Role.PROVIDER_CLERK], model) == {ours}
        assert seen(bureau[Role.PROVIDER_CLERK], model) == {theirs}
        assert seen(desk, model) == {ours, theirs}
        assert seen(bank, model) == seen(enterprise, model) == set()


@pytest.mark.parametrize(("shares", "verdict", "measure"), [
    ({}, Verdict.GOOD, None),
    ({Measure.COVERAGE: Share(100, 100), Measure.QUARANTINED: Share(0, 100)}, Verdict.GOOD, None),
    ({Measure.COVERAGE: Share(94, 100)}, Verdict.LOOK, Measure.COVERAGE),
    ({Measure.COVERAGE: Share(79, 100)}, Verdict.POOR, Measure.COVERAGE),
    ({Measure.COVERAGE: Share(1, 4)}, Verdict.LOOK, Measure.COVERAGE),
    ({Measure.IMPOSSIBLE: Share(1, 100_000)}, Verdict.LOOK, Measure.IMPOSSIBLE),
    ({Measure.IMPOSSIBLE: Share(5, 100)}, Verdict.POOR, Measure.IMPOSSIBLE),
    ({Measure.JUMPS: Share(1, 1000)}, Verdict.GOOD, None),
    ({Measure.QUARANTINED: Share(10, 100)}, Verdict.POOR, Measure.QUARANTINED),
    ({Measure.LATENESS: Share(50, 100)}, Verdict.POOR, Measure.LATENESS),
])
def test_a_delivery_is_judged_by_its_worst_measure(shares, verdict, measure):
    assert judge(shares) == (verdict, measure)
    assert QUALITY.listed == 500
