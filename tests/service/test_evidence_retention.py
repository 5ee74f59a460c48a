"""What is past its time becomes sums of its year and goes, on time, whole, and to the fen; what is not stays."""

from __future__ import annotations

import io
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from app.core import outbox
from app.core.database import session, transaction
from app.core.ids import new_id
from app.core.permissions import Role
from app.core.storage import path_of, take_in
from app.evidence import retention_queries, retention_service, service
from app.evidence.correction_models import EvidenceYear
from app.evidence.models import Consent, EvidenceLook, Quarantine
from app.evidence.retention_rules import RetentionRules, cutoff, months_before
from app.evidence.shapes import SHAPES
from tests import cast
from tests.cast import SYSTEM
from tests.correction_cast import count, delivery, facts, firm_no, link, meter, month, provider

pytestmark = pytest.mark.service
NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
SMALL = RetentionRules(subjects=1, rows=2, portions=1000)
EDGE = date(2023, 11, 1)
"""Thirty-six months before NOW: this month stays, the one before it goes."""


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def power(database):
    return provider("electricity", "meter_links", name="广州供电局")


def linked(power, account="0300001"):
    """A meter that is a firm's: rows of one linked to nobody go after half a year."""
    number = meter(power, account)
    with transaction(SYSTEM, read_only=True):
        holder = session().execute(text("select max(firm_no) from enterprise")).scalar()
    facts("meter_links", delivery(power, "meter_links", at=LONG_AGO), link(number, holder or cast.firm()))
    return number


def run(rules=SMALL):
    while retention_service.retain(SYSTEM, rules):
        pass


def years(item=None):
    with transaction(SYSTEM, read_only=True):
        rows = session().query(EvidenceYear).order_by(EvidenceYear.item_code, EvidenceYear.subject_no, EvidenceYear.year).all()
    return [row for row in rows if item in (None, row.item_code)]


def months_left(table="electricity_month"):
    with transaction(SYSTEM, read_only=True):
        return list(session().execute(text(f"select period from {table} order by 1")).scalars())


@pytest.mark.parametrize(("day", "edge"), [
    (date(2026, 11, 1), date(2023, 11, 1)), (date(2026, 11, 30), date(2023, 11, 1)), (date(2026, 12, 1), date(2023, 12, 1)),
    (date(2027, 1, 31), date(2024, 1, 1)), (date(2028, 2, 29), date(2025, 2, 1)),
])
def test_the_edge_moves_with_the_month_and_not_with_the_day(day, edge):
    assert cutoff(day, 36) == edge
    assert months_before(date(2026, 1, 15), 1) == date(2025, 12, 1)


def test_a_month_exactly_as_old_as_allowed_stays_and_the_one_before_goes_into_its_year(power):
    number = linked(power)
    facts("electricity", delivery(power, "electricity", at=LONG_AGO), month(number, date(2023, 10, 1), bill_fen=81_234),
          month(number, EDGE), month(number, date(2023, 12, 1)))
    run()
    assert months_left() == [EDGE, date(2023, 12, 1)]
    (year,) = years()
    assert (year.subject, year.subject_no, year.year, year.rows, year.months) == ("meter", number, 2023, 1, 1)
    assert year.sums == {"bill_fen": 81_234, "quantity_milli": 1_000_000}
    assert (year.first_month, year.last_month) == (date(2023, 10, 1), date(2023, 10, 1))


def test_the_next_month_adds_to_the_same_year(power, clock):
    number = linked(power)
    facts("electricity", delivery(power, "electricity", at=LONG_AGO), month(number, date(2023, 10, 1)), month(number, EDGE))
    run()
    clock.move_to(datetime(2026, 11, 30, 15, 59, tzinfo=UTC))
    run()
    assert years()[0].rows == 1
    clock.move_to(datetime(2026, 11, 30, 16, 1, tzinfo=UTC))  # December begins in Shanghai
    run()
    (year,) = years()
    assert (year.rows, year.months, year.sums["bill_fen"]) == (2, 2, 160_000)
    assert months_left() == []


def test_running_again_changes_nothing(power, clock):
    number = linked(power)
    facts("electricity", delivery(power, "electricity", at=LONG_AGO), month(number, date(2023, 1, 1)), month(number, EDGE))
    run()
    before = [(row.rows, row.sums, row.made_at) for row in years()]
    clock.shift(timedelta(days=1))
    run()
    assert [(row.rows, row.sums, row.made_at) for row in years()] == before and months_left() == [EDGE]


def test_a_version_that_no_longer_stands_goes_and_enters_no_sum(power):
    number, came = linked(power), delivery(power, "electricity", at=LONG_AGO)
    facts("electricity", came, month(number, date(2022, 5, 1), current=False, bill_fen=1),
          month(number, date(2022, 5, 1), version=2, bill_fen=7))
    run()
    (year,) = years()
    assert (year.rows, year.sums["bill_fen"]) == (1, 7) and months_left() == []


def test_a_month_that_was_not_metered_is_no_zero_in_the_year(power):
    number = linked(power)
    facts("electricity", delivery(power, "electricity", at=LONG_AGO),
          month(number, date(2022, 5, 1), metering="landlord", quantity_milli=None, bill_fen=None))
    run()
    (year,) = years()
    assert (year.sums, year.rows) == ({}, 1)


def test_a_history_that_comes_late_is_kept_until_somebody_could_use_it(power, clock):
    number = linked(power)
    facts("electricity", delivery(power, "electricity", at=NOW - timedelta(days=30)), month(number, date(2020, 1, 1)))
    run()
    assert months_left() == [date(2020, 1, 1)]
    clock.move_to(datetime(2027, 12, 2, tzinfo=UTC))
    run()
    assert months_left() == []


def invoice(firm, content, day, side=1, **values):
    return {"firm_no": firm_no(firm), "side": side, "content": content, "k": 1, "void": False, "day": day, "net_fen": 10_000,
            "tax_fen": 1_300, "gross_fen": 11_300, "invoice_no": str(content), "counterparty": "B1", **values}


def test_invoices_are_summed_by_side_without_void_ones(database):
    tax, firm = provider("invoices", name="广州市税务局"), cast.firm()
    facts("invoices", delivery(tax, "invoices", at=LONG_AGO), invoice(firm, 1, date(2023, 10, 31)),
          invoice(firm, 2, date(2023, 3, 1), net_fen=-4_000), invoice(firm, 3, date(2023, 4, 1), void=True),
          invoice(firm, 4, date(2023, 4, 1), side=0), invoice(firm, 5, EDGE))
    run()
    found = {row.category: (row.rows, row.sums["net_fen"], row.months) for row in years()}
    assert found == {"0": (1, 10_000, 1), "1": (2, 6_000, 2)}
    assert count("select count(*) from invoice_line") == 1


def test_a_tax_ledger_is_summed_by_kind_of_tax(database):
    tax, firm = provider("tax_ledger", name="广州市税务局"), cast.firm()
    row = {"firm_no": firm_no(firm), "k": 1, "period_start": date(2022, 1, 1), "period_end": date(2022, 3, 31), "tax_item": None,
           "tax_base_fen": None, "tax_rate": None, "deduction_fen": None}
    facts("tax_ledger", delivery(tax, "tax_ledger", at=LONG_AGO),
          {**row, "content": 1, "tax_category": "增值税", "tax_amount_fen": 5},
          {**row, "content": 2, "tax_category": "增值税", "tax_amount_fen": 6},
          {**row, "content": 3, "tax_category": "印花税", "tax_amount_fen": -1})
    run()
    assert {row.category: row.sums for row in years()} == {"增值税": {"tax_amount_fen": 11}, "印花税": {"tax_amount_fen": -1}}


def test_events_have_no_limit_and_stay(database):
    office, firm = provider("penalties"), cast.firm()
    from tests.correction_cast import penalty

    facts("penalties", delivery(office, "penalties", at=LONG_AGO), penalty(firm, decided_on=date(2010, 1, 1)))
    run()
    assert count("select count(*) from penalty") == 1


def test_a_fact_is_deleted_by_retention_alone(database):
    with pytest.raises(Exception, match="append-only outside retention"), transaction(SYSTEM):
        session().execute(text("delete from invoice_line"))


AMOUNT = st.integers(0, 10**12)
DAYS = st.dates(date(2019, 1, 1), date(2026, 10, 31))
ROWS = st.lists(st.tuples(st.integers(0, 2), DAYS, AMOUNT, st.one_of(st.none(), AMOUNT)),
                max_size=40, unique_by=lambda row: (row[0], row[1].year, row[1].month))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, portion=st.integers(1, 3))
def test_the_sums_are_those_of_the_deleted_rows_to_the_fen_and_nothing_else_went(power, rows, portion):
    with transaction(SYSTEM):
        session().execute(text("select set_config('hq.retention', 'on', true)"))
        session().execute(text("delete from electricity_month"))
    before = {(row.subject_no, row.year): dict(row.sums) for row in years()}
    with transaction(SYSTEM):
        session().execute(text("update evidence_retention set next_check_at = now() - interval '99 years', finished_at = null"))
    numbers = [meter(power, str(new_id())) for _ in range(3)]
    made = [month(numbers[who], day.replace(day=1), quantity_milli=used, bill_fen=bill) for who, day, used, bill in rows]
    if made:
        facts("electricity", delivery(power, "electricity", at=LONG_AGO), *made)
    expected = defaultdict(lambda: defaultdict(int))
    for row in made:
        if row["period"] < EDGE:
            for name in ("quantity_milli", "bill_fen"):
                if row[name] is not None:
                    expected[row["meter_no"], row["period"].year][name] += row[name]
    while not retention_service.retain_portion(SYSTEM, "electricity", RetentionRules(subjects=portion)):
        pass
    found = {(row.subject_no, row.year): row.sums for row in years() if (row.subject_no, row.year) not in before}
    assert found == {key: dict(sums) for key, sums in expected.items()}
    assert sorted(months_left()) == sorted(row["period"] for row in made if row["period"] >= EDGE)


def test_a_run_killed_in_the_middle_loses_nothing_and_counts_nothing_twice(power, monkeypatch):
    numbers = [linked(power, f"A{n}") for n in range(4)]
    came = delivery(power, "electricity", at=LONG_AGO)
    for number in numbers:
        facts("electricity", came, month(number, date(2022, 1, 1)), month(number, date(2022, 2, 1)))
    retention_service.retain_portion(SYSTEM, "electricity", SMALL)
    whole = retention_service.aggregate

    def killed(*arguments):
        whole(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(retention_service, "aggregate", killed)
        with pytest.raises(KeyboardInterrupt):
            retention_service.retain_portion(SYSTEM, "electricity", SMALL)
    assert sum(row.rows for row in years()) == 2 and len(months_left()) == 6
    run()
    assert [(row.subject_no, row.rows, row.sums["bill_fen"]) for row in years()] == [(n, 2, 160_000) for n in numbers]
    assert months_left() == []


def test_each_portion_is_an_audit_event_with_its_counts(power):
    facts("electricity", delivery(power, "electricity", at=LONG_AGO), month(linked(power), date(2022, 1, 1)))
    run()
    assert count("select (facts -> 'counts' ->> 'rows_deleted')::int from audit_event where action = 'evidence.retain' "
                 "and facts ->> 'kind' = 'electricity' and facts -> 'counts' <> '{}'") == 1


def test_the_ticker_runs_it_once_a_day(power, clock):
    outbox.run_due_checks()
    outbox.run_due_checks()
    assert retention_service.retain(SYSTEM) == 0
    clock.shift(timedelta(days=1))
    assert retention_service.retain(SYSTEM) > 0


def test_of_a_meters_past_years_a_firm_reads_those_it_held_alone(power):
    before, after, number = cast.firm("广州先租客有限公司"), cast.firm("广州后租客有限公司"), meter(power)
    facts("meter_links", delivery(power, "meter_links"), link(number, before, date(2020, 1, 1), date(2021, 6, 30)),
          link(number, after, date(2021, 7, 1)))
    facts("electricity", delivery(power, "electricity", at=LONG_AGO), *(
        month(number, date(year, month_, 1)) for year, month_ in ((2020, 3), (2021, 6), (2021, 7), (2022, 1))
    ))
    run()

    def seen(firm):
        with transaction(firm[Role.FIRM_CLERK], read_only=True):
            return session().execute(text("select year from evidence_year order by 1")).scalars().all()

    assert (seen(before), seen(after)) == ([2020], [2022])


def reserve(uscc="91440101MA5XXXXX01", at=LONG_AGO):
    with transaction(SYSTEM):
        number = session().execute(text("select nextval('firm_no_seq')")).scalar_one()
        session().execute(text("insert into reserved_firm values (:no, :code, :at)"), {"no": number, "code": uscc, "at": at})
    return number


def test_rows_of_a_firm_that_never_came_go_with_its_number_and_those_that_came_lately_stay(database):
    office = provider("penalties")
    from tests.correction_cast import penalty

    real = cast.firm()
    old, new = reserve(), reserve("91440101MA5XXXXX02")
    for number, at in ((old, NOW - timedelta(days=181)), (new, NOW - timedelta(days=179))):
        facts("penalties", delivery(office, "penalties", at=at), penalty(real, firm_no=number))
    facts("penalties", delivery(office, "penalties", at=LONG_AGO), penalty(real))
    run()
    assert count("select count(*) from penalty") == 2
    assert count("select firm_no from reserved_firm") == new


def test_rows_of_a_meter_linked_to_nobody_go_and_those_of_a_linked_one_stay(power):
    firm, alone, linked = cast.firm(), meter(power, "1"), meter(power, "2")
    facts("meter_links", delivery(power, "meter_links", at=LONG_AGO), link(linked, firm))
    facts("electricity", delivery(power, "electricity", at=NOW - timedelta(days=200)), month(alone, date(2026, 4, 1)),
          month(linked, date(2026, 4, 1)))
    run()
    assert count("select meter_no from electricity_month") == linked


def test_quarantined_rows_go_after_half_a_year(database):
    tax = provider("invoices", name="广州市税务局")
    for days in (179, 181):
        came = delivery(tax, "invoices", at=NOW - timedelta(days=days))
        with transaction(SYSTEM):
            session().execute(insert(Quarantine), [{
                "id": new_id(), "delivery_id": came.id, "provider_org_id": tax.id, "row_no": number, "raw": {"uscc": str(days)},
                "reason": "bad_date", "params": {},
            } for number in range(1, 6)])
    run()
    assert count("select count(*) from quarantine") == 5 == count("select count(*) from quarantine where raw ->> 'uscc' = '179'")


def test_the_stored_file_goes_once_every_delivery_of_the_same_bytes_is_past_its_time(database, clock):
    tax = provider("invoices", name="广州市税务局")
    kept = take_in(io.BytesIO(b"a file"), limit=100, limit_text="")
    for at in (datetime(2023, 10, 20, tzinfo=UTC), datetime(2023, 11, 20, tzinfo=UTC)):
        delivery(tax, "invoices", at=at, sha256=kept.sha256)
    run()
    assert path_of(kept.sha256).exists() and count("select count(*) from delivery_file_gone") == 1
    clock.move_to(datetime(2026, 12, 2, tzinfo=UTC))
    run()
    assert not path_of(kept.sha256).exists() and count("select count(*) from delivery_file_gone") == 2


def look(firm, bank, at, consent_id):
    with transaction(SYSTEM):
        session().execute(insert(EvidenceLook), [{
            "id": new_id(), "firm_id": firm.id, "org_id": bank.id, "actor_id": None, "actor_role": "bank_officer", "at": at,
            "item_code": "invoices", "purpose": "pre_approval", "case_id": None, "consent_id": consent_id, "result": "shown",
            "basis": "consent",
        }])


def looked_and_revoked(firm, bank, at):
    """A consent of January 2023 under which the bank looked once, and which was revoked."""
    given, signed = datetime(2023, 1, 10, tzinfo=UTC), f"授权{bank.name}查询"
    with transaction(SYSTEM):
        consent = Consent(
            firm_id=firm.id, item_code="invoices", receiver_org_id=bank.id, receiver_kind="bank", purpose="pre_approval",
            case_id=None, channel="web", text_version="2026-1", signed_text=signed,
            text_sha256=sha256(signed.encode()).digest(), state="ACTIVE", given_at=given,
            given_by=None, valid_until=given + timedelta(days=365), ended_at=None, ended_by=None, end_reason=None,
        )
        session().add(consent)
    look(firm, bank, at, consent.id)
    with transaction(SYSTEM):
        session().execute(text("update consent set state = 'REVOKED', ended_at = given_at where id = :id"), {"id": consent.id})
    return consent


def test_looks_and_consents_are_kept_three_years_and_no_longer(database, clock):
    firm, bank = cast.firm(), cast.bank()
    looked_and_revoked(firm, bank, datetime(2023, 1, 11, tzinfo=UTC))
    young = looked_and_revoked(firm, bank, datetime(2023, 12, 5, tzinfo=UTC))
    run()
    clock.shift(timedelta(days=1))
    run()
    assert count("select consent_id from evidence_look") == young.id
    assert count("select id from consent") == young.id, "a kept look rests on it"


def test_a_younger_look_is_refused_by_the_database_itself(database):
    firm, bank = cast.firm(), cast.bank()
    (consent,) = service.give_consent(firm[Role.FIRM_REPRESENTATIVE], ["invoices"], [bank.id])
    with time_machine.travel(datetime.now(UTC), tick=True):
        look(firm, bank, datetime.now(UTC) - timedelta(days=1000), consent.id)
        with pytest.raises(Exception, match="append-only for three years"), transaction(SYSTEM):
            session().execute(text("select hq_forget_looks(now(), 10)"))
        with pytest.raises(Exception, match="only the portal"), transaction(bank[Role.BANK_OFFICER]):
            session().execute(text("select hq_forget_looks(now() - interval '9 years', 10)"))


def test_the_platform_sees_for_each_item_what_the_last_run_did(power):
    number = linked(power)
    facts("electricity", delivery(power, "electricity", at=LONG_AGO), month(number, date(2022, 1, 1)), month(number, EDGE))
    run()
    with transaction(cast.platform()[Role.DESK], read_only=True):
        rows = {row.kind: row for row in retention_queries.standing()}
    shown = rows["electricity"]
    assert (shown.months, shown.oldest, shown.last_counts) == (36, EDGE, {"rows_deleted": 1, "rows_summed": 1, "years": 1})
    assert shown.next_check_at == datetime(2026, 11, 25, 16, tzinfo=UTC)
    assert set(rows) >= {"invoices", "waiting", "quarantine", "files", "looks", "consents"}


def test_every_item_with_a_limit_can_be_aggregated(database):
    with transaction(SYSTEM):
        session().execute(text("select set_config('hq.retention', 'on', true)"))
        for shape in SHAPES.values():
            if shape.table.c[shape.at].type.python_type is date:
                assert retention_service.aggregate(shape, [1], EDGE, NOW)["rows_deleted"] == 0
