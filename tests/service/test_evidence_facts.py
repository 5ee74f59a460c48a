"""Facts of every item: each row ends in one place, a correction keeps what it corrects, a withdrawal brings it back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import date

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.core import outbox
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Role
from app.core.uscc import synthetic
from app.evidence import delivery_service
from app.evidence.arrays import firm_arrays
from app.evidence.items import ITEMS
from app.evidence.models import Delivery
from tests import cast
from tests.cast import SYSTEM
from tests.service.evidence_tools import counts, csv_bytes, quarantined, stored, uscc_of

pytestmark = pytest.mark.service

POWER = ("户号", "月份", "用电量", "账单金额", "抄表方式")
LINKS = ("户号", "统一社会信用代码", "起", "止", "关系")
HEADS = ("统一社会信用代码", "险种", "月份", "参保人数")


@pytest.fixture
def grid(database):
    return cast.provider("广州供电局", ("electricity", "meter_links"))[Role.PROVIDER_CLERK]


@pytest.fixture
def insurer(database):
    return cast.provider("广州市人社局", ("social_insurance",))[Role.PROVIDER_CLERK]


@pytest.fixture
def firm(database):
    return cast.firm()


def send(ctx, item, rows, headings, name="file.csv"):
    """A file of an item, read to its end."""
    delivery = delivery_service.receive_delivery(ctx, item, stored(csv_bytes(rows, headings)), name)
    return delivery_service.import_delivery(SYSTEM, delivery.id)


def power(ctx, *rows):
    return send(ctx, "electricity", [(*row, "") if len(row) == 4 else row for row in rows], POWER)


def heads(ctx, *rows):
    return send(ctx, "social_insurance", rows, HEADS)


def in_force(table, column):
    with transaction(SYSTEM, read_only=True) as unit:
        return unit.session.execute(text(f"select {column}, version from {table} where current order by 1")).all()


def versions(table):
    with transaction(SYSTEM, read_only=True) as unit:
        return unit.session.scalar(text(f"select count(*) from {table}"))


def withdraw(ctx, delivery, reason="发错了文件"):
    delivery_service.withdraw_delivery(ctx, delivery.id, reason)
    outbox.drain()
    with transaction(SYSTEM, read_only=True):
        return session().get_one(Delivery, delivery.id)


def test_a_month_delivered_twice_is_known_the_second_time(grid):
    rows = [("0001", "2026-09", "100.5", "80.00"), ("0001", "2026-10", "98", "78.40")]
    assert counts(power(grid, *rows)) == (2, 2, 0, 0, 0)
    assert counts(power(grid, *rows)) == (2, 0, 2, 0, 0)
    assert versions("electricity_month") == 2


def test_a_corrected_month_supersedes_and_the_earlier_version_is_kept(grid):
    power(grid, ("0001", "2026-09", "100.5", "80.00"))
    assert counts(power(grid, ("0001", "2026-09", "105.5", "84.40"))) == (1, 0, 0, 1, 0)
    assert in_force("electricity_month", "quantity_milli") == [(105_500, 2)]
    assert versions("electricity_month") == 2


def test_an_old_file_sent_again_does_not_undo_the_correction(grid):
    old = ("0001", "2026-09", "100.5", "80.00")
    power(grid, old)
    power(grid, ("0001", "2026-09", "105.5", "84.40"))
    assert counts(power(grid, old)) == (1, 0, 1, 0, 0)
    assert in_force("electricity_month", "quantity_milli") == [(105_500, 2)]


def test_two_rows_of_one_file_that_contradict_each_other_are_told_apart(grid):
    delivery = power(grid, ("0001", "2026-09", "100", "80"), ("0001", "2026-09", "100", "80"), ("0001", "2026-09", "7", "80"))
    power(grid, ("0002", "2026-09", "1", "1"))
    assert counts(delivery) == (3, 1, 1, 0, 1)
    [(row_no, reason, _, raw)] = quarantined(delivery)
    assert (row_no, reason, raw["quantity"]) == (3, "conflict_in_file", "7")


def test_a_month_of_minus_three_kilowatt_hours_waits_in_quarantine(grid):
    delivery = power(grid, ("0001", "2026-09", "-3", "0"))
    assert counts(delivery) == (1, 0, 0, 0, 1)
    assert quarantined(delivery)[0][1] == "impossible"


def test_a_month_billed_by_the_landlord_is_kept_as_that_and_never_as_zero(grid):
    assert counts(power(grid, ("0001", "2026-09", "", "", "房东代收"), ("0002", "2026-09", "", "", "未装表"))) == (2, 2, 0, 0, 0)
    with transaction(SYSTEM, read_only=True) as unit:
        rows = unit.session.execute(text("select metering, quantity_milli from electricity_month order by 1")).all()
    assert rows == [("landlord", None), ("not_metered", None)]


def test_the_database_itself_refuses_a_landlord_month_of_zero(grid):
    power(grid, ("0001", "2026-09", "", "", "房东代收"))
    with pytest.raises(Exception, match="ck_electricity_month_not_zero"), transaction(SYSTEM):
        session().execute(text(
            "insert into electricity_month (meter_no, version, current, period, quantity_milli, metering, delivery_no) "
            "select meter_no, 2, true, period, 0, 'landlord', delivery_no from electricity_month"
        ))


def test_rows_of_a_firm_nobody_signed_up_wait_and_are_there_when_it_appears(insurer):
    code = synthetic("440106", 77, "1")
    delivery = heads(insurer, (code, "合计", "2026-09", "12"), (code, "合计", "2026-10", "13"))
    assert counts(delivery) == (2, 2, 0, 0, 0)
    assert delivery.rows_waiting == 2
    firm = cast.firm(uscc=code)
    with transaction(firm[Role.FIRM_REPRESENTATIVE], read_only=True) as unit:
        assert unit.session.scalar(text("select sum(heads) from social_insurance_month")) == 25


def test_a_wrong_code_is_no_firm_to_wait_for(insurer):
    delivery = heads(insurer, ("91440106MA9XXXXXX0", "合计", "2026-09", "12"))
    assert counts(delivery) == (1, 0, 0, 0, 1)
    assert quarantined(delivery)[0][1] == "bad_uscc"


def test_a_meter_is_a_firms_for_as_long_as_the_link_says(grid, firm):
    second = cast.firm()
    power(grid, *[("0001", f"2026-{month:02d}", "100", "80") for month in range(1, 11)])
    send(grid, "meter_links", [("0001", uscc_of(firm), "2025-01-01", "2026-05-31", "租赁"),
                               ("0001", uscc_of(second), "2026-06-01", "", "本户")], LINKS)
    for one, months in ((firm, 5), (second, 5)):
        with transaction(one[Role.FIRM_REPRESENTATIVE], read_only=True) as unit:
            assert unit.session.scalar(text("select count(*) from electricity_month")) == months


def test_one_firm_is_read_as_arrays_from_all_its_sources(grid, insurer, firm):
    power(grid, ("0001", "2026-09", "100.5", "80"), ("0001", "2026-10", "", "", "房东代收"))
    send(grid, "meter_links", [("0001", uscc_of(firm), "2025-01-01", "", "合用")], LINKS)
    heads(insurer, (uscc_of(firm), "合计", "2026-10", "12"))
    with transaction(SYSTEM, read_only=True) as unit:
        number = unit.session.scalar(text("select firm_no from enterprise where id = :id"), {"id": firm.id})
        found = firm_arrays(number, ["electricity", "social_insurance", "tax"], date(2026, 1, 1))
    used = found["electricity"]["quantity_milli"]
    assert used.tolist() == [100_500, None]
    assert found["electricity"]["basis"].tolist() == ["shared", "shared"]
    assert found["social_insurance"]["heads"].tolist() == [12]
    assert len(found["tax"]["sales_fen"]) == 0


def test_a_withdrawn_delivery_takes_its_facts_along_and_brings_back_what_it_had_replaced(grid):
    power(grid, ("0001", "2026-09", "100", "80"))
    wrong = power(grid, ("0001", "2026-09", "900", "80"), ("0002", "2026-09", "5", "4"))
    gone = withdraw(grid, wrong)
    assert (gone.state, gone.phase) == ("WITHDRAWN", None)
    assert in_force("electricity_month", "quantity_milli") == [(100_000, 1)]


def test_what_a_later_delivery_had_said_too_stands_when_the_earlier_one_is_withdrawn(grid):
    first = power(grid, ("0001", "2026-09", "100", "80"))
    second = power(grid, ("0001", "2026-09", "100", "80"), ("0002", "2026-09", "5", "4"))
    assert counts(second) == (2, 1, 1, 0, 0)
    withdraw(grid, first)
    assert in_force("electricity_month", "quantity_milli") == [(5_000, 1), (100_000, 2)]
    with transaction(SYSTEM, read_only=True):
        again = session().get_one(Delivery, second.id)
    assert counts(again) == (2, 2, 0, 0, 0)


def test_a_withdrawn_file_may_be_sent_again(grid):
    row = ("0001", "2026-09", "100", "80")
    withdraw(grid, power(grid, row))
    assert counts(power(grid, row)) == (1, 1, 0, 0, 0)
    assert in_force("electricity_month", "quantity_milli") == [(100_000, 2)]


def test_a_delivery_is_withdrawn_with_a_reason_once_and_by_its_own_provider(grid, insurer):
    delivery = power(grid, ("0001", "2026-09", "100", "80"))
    for ctx, reason, code in ((grid, " ", ErrorCode.REASON_NEEDED), (insurer, "x", ErrorCode.NOT_FOUND)):
        with pytest.raises(Refusal) as refused:
            delivery_service.withdraw_delivery(ctx, delivery.id, reason)
        assert refused.value.code is code
    withdraw(grid, delivery)
    with pytest.raises(Refusal) as refused:
        delivery_service.withdraw_delivery(grid, delivery.id, "again")
    assert refused.value.code is ErrorCode.STATE_CHANGED


def test_a_withdrawal_waits_while_a_delivery_of_the_item_is_being_stored(grid):
    first = power(grid, ("0001", "2026-09", "100", "80"))
    delivery_service.withdraw_delivery(grid, first.id, "发错了文件")
    second = delivery_service.receive_delivery(
        grid, "electricity", stored(csv_bytes([("0001", "2026-09", "7", "7", "")], POWER)), "second.csv")

    def take_back_meanwhile(phase, rows):
        from contextvars import Context as Empty

        def hurried():
            with transaction(SYSTEM):
                session().execute(text("set local lock_timeout = '200ms'"))
                delivery_service.take_back_delivery(SYSTEM, first.id)

        with pytest.raises(Exception, match="lock timeout"):
            Empty().run(hurried)

    delivery_service.import_delivery(SYSTEM, second.id, take_back_meanwhile)
    outbox.drain()
    assert in_force("electricity_month", "quantity_milli") == [(7_000, 2)]


def test_an_older_file_read_late_does_not_overrule_a_newer_one(grid):
    late = delivery_service.receive_delivery(
        grid, "electricity", stored(csv_bytes([("0001", "2026-09", "1", "1", "")], POWER)), "late.csv")
    power(grid, ("0001", "2026-09", "2", "2"))
    done = delivery_service.import_delivery(SYSTEM, late.id)
    assert counts(done) == (1, 0, 0, 0, 1)
    assert quarantined(done)[0][1] == "outdated"


def test_exact_repeats_in_a_tax_ledger_are_lines_of_their_own(database, firm):
    clerk = cast.provider("广州市税务局", ("tax_ledger",))[Role.PROVIDER_CLERK]
    headings = ("firm_id", "period_start", "period_end", "tax_category", "tax_item", "tax_amount")
    row = (uscc_of(firm), "2026-01-01", "2026-01-31", "印花税", "工伤保险（单位）", "-12.50")
    assert counts(send(clerk, "tax_ledger", [row, row], headings)) == (2, 2, 0, 0, 0)
    assert counts(send(clerk, "tax_ledger", [row, row, row], headings)) == (3, 1, 2, 0, 0)


def test_a_provider_delivers_only_what_it_was_let_to(grid):
    with pytest.raises(Refusal) as refused:
        delivery_service.receive_delivery(grid, "water", stored(csv_bytes([], POWER)), "water.csv")
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_facts_of_nobody_are_refused_by_the_database(grid):
    delivery = power(grid, ("0001", "2026-09", "100", "80"))
    with pytest.raises(Exception, match="a fact of an unknown meter"), transaction(SYSTEM):
        session().execute(text(
            "insert into electricity_month (meter_no, version, current, period, quantity_milli, metering, delivery_no) "
            "values (999, 1, true, '2026-09-01', 1, 'metered', :number)"), {"number": delivery.number})


def test_the_portal_cannot_edit_a_fact(grid):
    power(grid, ("0001", "2026-09", "100", "80"))
    with pytest.raises(Exception, match="permission denied"), transaction(SYSTEM):
        session().execute(text("update electricity_month set quantity_milli = 1"))


meters, months, amounts = st.sampled_from(["1", "2"]), st.sampled_from(["2026-08", "2026-09"]), st.sampled_from(["1", "2", "x"])
power_files = st.lists(st.lists(st.tuples(meters, months, amounts, st.just("1")), max_size=8), min_size=1, max_size=4)


@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=power_files, gone=st.integers(0, 3))
def test_whatever_comes_and_is_withdrawn_counts_add_up_and_one_version_is_in_force(database, grid, files, gone):
    done = [power(grid, *rows) for rows in files]
    for delivery, rows in zip(done, files, strict=True):
        total, taken, identical, superseding, waiting = counts(delivery)
        assert taken + identical + superseding + waiting == total == len(rows)
    withdraw(grid, done[gone % len(done)])
    with transaction(SYSTEM, read_only=True) as unit:
        assert unit.session.scalar(text(
            "select count(*) from (select 1 from electricity_month where current group by meter_no, period having count(*) > 1) x"
        )) == 0
        assert unit.session.scalar(text(
            "select count(*) from electricity_month f join delivery d on d.number = f.delivery_no "
            "where f.current and d.state = 'WITHDRAWN'"
        )) == 0
    for left in done:
        with transaction(SYSTEM, read_only=True):
            state = session().get_one(Delivery, left.id).state
        if state == "TAKEN_IN":
            withdraw(grid, left)
    assert in_force("electricity_month", "period") == []


KILLED = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from app.core import database, storage
from app.core.context import Context
from app.evidence import delivery_service
database.configure(sys.argv[1]); storage.configure_storage(Path(sys.argv[2]))
def die(phase, rows):
    if rows >= int(sys.argv[4]): os.kill(os.getpid(), signal.SIGKILL)
delivery_service.import_delivery(Context.of_system("worker"), UUID(sys.argv[3]), die)
"""


def test_a_reader_killed_in_the_middle_of_a_million_rows_starts_over_without_a_doubled_or_lost_row(database, tmp_path, grid):
    rows = 1_000_000
    number = pl.int_range(rows, eager=True)
    month = pl.DataFrame({"y": 2024 + number % 24 // 12, "m": number % 12 + 1}).select(
        pl.format("{}-{}", "y", pl.col("m").cast(pl.String).str.zfill(2))
    ).to_series()
    frame = pl.DataFrame({
        "户号": (number // 24).cast(pl.String), "月份": month, "用电量": number % 977, "账单金额": number % 700, "抄表方式": "",
    }).with_columns(
        pl.when(number % 24_989 == 0).then(pl.lit("2024-13")).otherwise(pl.col("月份")).alias("月份")
    )
    bad = int((number % 24_989 == 0).sum())
    data = frame.write_csv().encode()
    delivery = delivery_service.receive_delivery(grid, "electricity", stored(data), "million.csv")
    dead = subprocess.run(
        [sys.executable, "-c", KILLED, database.app_url, str(tmp_path / "papers"), str(delivery.id), "300000"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )
    assert dead.returncode == -signal.SIGKILL
    assert versions("electricity_month") == 0 and quarantined(delivery) == []
    done = delivery_service.import_delivery(SYSTEM, delivery.id)
    assert (counts(done), done.attempt) == ((rows, rows - bad, 0, 0, bad), 2)
    assert versions("electricity_month") == rows - bad
    assert len(quarantined(done)) == bad


def test_every_item_of_the_table_has_a_table_with_its_columns(database):
    with transaction(SYSTEM, read_only=True) as unit:
        columns = {(row.table_name, row.column_name) for row in unit.session.execute(text(
            "select table_name, column_name from information_schema.columns where table_schema = 'public'"))}
        stored_items = set(unit.session.scalars(text("select code from data_item where active")))
    for item in ITEMS.values():
        wanted = {item.subject_column, "version", "current", "delivery_no"} | {
            one.stored for one in item.fields if one.code != "account_no"}
        assert {(item.table, column) for column in wanted} <= columns, item.code
    assert stored_items == {*ITEMS, "invoices"}
