"""Facts of many firms as scoring reads them: what is in force, of whom it is, and nothing else."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from app.core import outbox
from app.core.database import transaction
from app.core.permissions import Role
from app.evidence import delivery_service
from app.evidence.arrays import firm_arrays
from app.evidence.frames import FIRMS_AT_ONCE, frames_of
from app.evidence.items import ITEMS
from app.evidence.rules import INVOICES
from app.evidence.shapes import SHAPES
from scoring.features.compute import compute
from scoring.features.registry import MONTHLY, NAMES, SOURCES
from tests import cast
from tests.cast import SYSTEM
from tests.service.evidence_tools import csv_bytes, deliver, line, stored, uscc_of
from tests.service.fact_tools import firm_no_of, one_of_everything

pytestmark = pytest.mark.service

SINCE = date(2025, 1, 1)
LONG_AGO = date(1990, 1, 1)
POWER = ("户号", "月份", "用电量", "账单金额", "应缴日期", "实缴日期", "抄表方式")
LINKS = ("户号", "统一社会信用代码", "起", "止", "关系")
HEADS = ("统一社会信用代码", "险种", "月份", "参保人数", "实缴金额")
FINES = ("统一社会信用代码", "document_no", "authority", "kind", "amount", "decided_on", "repaired_on")


@pytest.fixture
def office(database):
    """One office that delivers everything."""
    return cast.provider("广州市数据局", (INVOICES, *ITEMS))


@pytest.fixture
def clerk(office):
    return office[Role.PROVIDER_CLERK]


@pytest.fixture
def baker(database):
    return cast.firm("广州面包房有限公司")


@pytest.fixture
def smith(database):
    return cast.firm("广州铁匠铺有限公司")


def send(ctx, item, headings, *rows):
    delivery = delivery_service.receive_delivery(ctx, item, stored(csv_bytes(rows, headings)), "file.csv")
    done = delivery_service.import_delivery(SYSTEM, delivery.id)
    assert done.rows_quarantined == 0
    return done


def take_back(ctx, delivery):
    delivery_service.withdraw_delivery(ctx, delivery.id, "发错了文件")
    outbox.drain()


def number_of(firm):
    with transaction(SYSTEM, read_only=True):
        return firm_no_of(firm)


def read(firms, items, since=SINCE, ctx=SYSTEM):
    numbers = [number_of(firm) for firm in firms]
    with transaction(ctx, read_only=True):
        return frames_of(numbers, items, since)


def month(row):
    return row["period"].month


def test_rows_carry_the_firm_and_the_stored_columns(clerk, baker):
    send(clerk, "meter_links", LINKS, ("0001", uscc_of(baker), "2026-01-01", "", "合用"))
    send(clerk, "electricity", POWER, ("0001", "2026-09", "100.5", "80.25", "2026-10-15", "", ""),
         ("0001", "2026-10", "", "", "", "", "房东代收"))
    metered, billed = read([baker], ["electricity"])["electricity"].sort("period").to_dicts()
    assert metered.pop("delivery_no") > 0
    assert metered == {
        "firm": number_of(baker), "meter": metered["meter"], "basis": "shared", "period": date(2026, 9, 1),
        "quantity_milli": 100_500, "bill_fen": 8_025, "due_on": date(2026, 10, 15), "paid_on": None, "arrears_fen": None,
        "metering": "metered", "cut_days": None,
    }
    assert (billed["quantity_milli"], billed["due_on"], billed["metering"]) == (None, None, "landlord")


def test_a_source_that_says_nothing_is_an_empty_frame_with_its_columns(baker):
    found = read([baker], SOURCES)
    assert {code: frame.height for code, frame in found.items()} == dict.fromkeys(SOURCES, 0)
    assert found["tax"].schema["period"] == pl.Date and found["tax"].schema["cycle"] == pl.String
    assert found["invoices"].schema["void"] == pl.Boolean and found["invoices"].schema["side"] == pl.Int8


def test_many_firms_say_what_each_one_says_alone(office, baker, smith):
    one_of_everything(baker, office)
    codes = [code for code in ITEMS if code != "meter_links"]
    found = read([smith, baker], codes, LONG_AGO)
    with transaction(SYSTEM, read_only=True):
        alone = firm_arrays(firm_no_of(baker), codes, LONG_AGO)
    for code in codes:
        [row] = found[code].to_dicts()
        assert row.pop("firm") == number_of(baker) and row.pop("delivery_no") > 0
        named = {name: alone[code]["meter_no" if name == "meter" else name][0] for name in row}
        assert row == {name: as_frames_say(said, row[name]) for name, said in named.items()}, code


def as_frames_say(said, beside):
    """A value of ``firm_arrays``: masked or an empty text is nothing, days are counted from 1970."""
    if said is np.ma.masked or said == "":
        return None
    if isinstance(beside, date):
        return date(1970, 1, 1) + timedelta(days=int(said))
    return said


def test_a_corrected_month_is_read_as_corrected_and_a_withdrawn_one_as_before(clerk, baker):
    code = uscc_of(baker)
    send(clerk, "social_insurance", HEADS, (code, "合计", "2026-09", "12", "100"), (code, "合计", "2026-10", "12", "100"))
    late = send(clerk, "social_insurance", HEADS, (code, "合计", "2026-09", "9", "75"), (code, "合计", "2026-11", "9", "75"))
    insured = read([baker], ["social_insurance"])["social_insurance"]
    assert [(month(row), row["heads"]) for row in insured.sort("period").to_dicts()] == [(9, 9), (10, 12), (11, 9)]
    take_back(clerk, late)
    insured = read([baker], ["social_insurance"])["social_insurance"]
    assert [(month(row), row["heads"]) for row in insured.sort("period").to_dicts()] == [(9, 12), (10, 12)]


def test_a_meter_that_changed_hands_tells_each_firm_its_own_months(clerk, baker, smith):
    send(clerk, "meter_links", LINKS, ("0001", uscc_of(baker), "2026-01-01", "2026-08-31", "本户"),
         ("0001", uscc_of(smith), "2026-09-01", "", "租赁"))
    send(clerk, "electricity", POWER, *(("0001", f"2026-{month:02}", "100", "80", "", "", "") for month in (7, 8, 9, 10)))
    power = read([baker, smith], ["electricity"])["electricity"]
    mine = {firm.name: sorted(map(month, power.filter(firm=number_of(firm)).to_dicts())) for firm in (baker, smith)}
    assert mine == {baker.name: [7, 8], smith.name: [9, 10]}
    assert set(power.select("firm", "basis").unique().rows()) == {(number_of(baker), "own"), (number_of(smith), "tenant")}


def test_a_shared_meter_is_told_for_each_firm_behind_it(clerk, baker, smith):
    send(clerk, "meter_links", LINKS, *(("0001", uscc_of(firm), "2026-01-01", "", "合用") for firm in (baker, smith)))
    send(clerk, "electricity", POWER, ("0001", "2026-09", "100", "80", "", "", ""))
    power = read([baker, smith], ["electricity"])["electricity"]
    assert sorted(power["firm"]) == sorted([number_of(baker), number_of(smith)])


def test_void_lines_are_read_as_void_and_names_of_buyers_as_numbers(clerk, baker):
    code = uscc_of(baker)
    deliver(clerk, [line(code, "10000001"), line(code, "10000002", party="B002"), line(code, "10000003", side="in"),
                    line(code, "10000004", day="2024-12-31")])
    deliver(clerk, [line(code, "10000002", party="B002", status="void")])
    lines = read([baker], [INVOICES])[INVOICES]
    assert sorted(lines.select("side", "void", "net_fen", "tax_fen", "gross_fen").rows()) == [
        (0, False, 10_000, 1_300, 11_300), (1, False, 10_000, 1_300, 11_300), (1, True, 10_000, 1_300, 11_300)]
    assert lines["day"].unique().to_list() == [date(2026, 3, 5)]
    assert lines.filter(pl.col("void"))["counterparty"][0] not in lines.filter(~pl.col("void"))["counterparty"]
    assert lines.filter(~pl.col("void"))["counterparty"].n_unique() == 1


def test_an_old_fine_still_speaks_where_an_old_month_does_not(clerk, baker):
    code = uscc_of(baker)
    send(clerk, "penalties", FINES, (code, "罚字1号", "市场监管局", "罚款", "100", "2019-05-01", ""))
    send(clerk, "social_insurance", HEADS, (code, "合计", "2019-05", "12", "100"), (code, "合计", "2025-01", "12", "100"))
    found = read([baker], ["penalties", "social_insurance"])
    assert found["penalties"]["decided_on"].to_list() == [date(2019, 5, 1)]
    assert found["social_insurance"]["period"].to_list() == [SINCE]


def test_a_firm_reads_its_own_rows_and_a_bank_without_consent_none(office, baker, smith):
    one_of_everything(baker, office)
    one_of_everything_beside(smith, office)
    items = [code for code in SOURCES if code != INVOICES]
    mine = read([baker, smith], items, ctx=baker[Role.FIRM_CLERK])
    assert {firm for frame in mine.values() for firm in frame["firm"]} == {number_of(baker)}
    theirs = read([baker, smith], MONTHLY, ctx=cast.bank()[Role.BANK_OFFICER])
    assert {code: frame.height for code, frame in theirs.items()} == dict.fromkeys(MONTHLY, 0)


def one_of_everything_beside(firm, office):
    """The same rows about another firm: one month of insurance and a register entry are enough to be seen."""
    send(office[Role.PROVIDER_CLERK], "social_insurance", HEADS, (uscc_of(firm), "合计", "2026-09", "3", "10"))
    send(office[Role.PROVIDER_CLERK], "penalties", FINES, (uscc_of(firm), "罚字2号", "税务局", "罚款", "1", "2026-05-01", ""))


def test_firms_nobody_asked_for_are_not_there(clerk, baker, smith):
    for firm in (baker, smith):
        send(clerk, "social_insurance", HEADS, (uscc_of(firm), "合计", "2026-09", "12", "100"))
        deliver(clerk, [line(uscc_of(firm))])
    found = read([smith], ["social_insurance", INVOICES])
    assert [frame["firm"].to_list() for frame in found.values()] == [[number_of(smith)], [number_of(smith)]]
    assert [frame.height for frame in read([], ["social_insurance", INVOICES]).values()] == [0, 0]


def test_more_firms_than_one_statement_asks_for_are_all_there(clerk, baker, smith):
    for firm in (baker, smith):
        send(clerk, "social_insurance", HEADS, (uscc_of(firm), "合计", "2026-09", "12", "100"))
    strangers = range(1_000_000, 1_000_000 + FIRMS_AT_ONCE)
    with transaction(SYSTEM, read_only=True):
        numbers = [firm_no_of(baker), *strangers, firm_no_of(smith)]
        found = frames_of(numbers, ["social_insurance"], SINCE)["social_insurance"]
    assert sorted(found["firm"]) == sorted([numbers[0], numbers[-1]])


def test_features_are_computed_from_what_was_delivered_and_need_no_other_column(office, clerk, baker):
    one_of_everything(baker, office)
    deliver(clerk, [line(uscc_of(baker), f"1000000{month}", day=f"2026-0{month}-05") for month in range(1, 9)])
    frames = read([baker], SOURCES)
    matrix = compute(frames, np.array([number_of(baker)]), date(2026, 10, 31))
    told = dict(zip(NAMES, matrix.values[0], strict=True))
    assert told["sales_active_months"] == 8 and told["penalties_open"] == 1 and told["patents"] == 1
    assert dict(zip(SOURCES, matrix.coverage[0], strict=True))["electricity"] == 1
    assert not matrix.partial[0]


def test_every_item_of_the_catalogue_has_a_frame_but_the_links_that_lie_in_it(baker):
    items = set(SHAPES) - {"meter_links"}
    assert set(read([baker], items)) == items
    with pytest.raises(KeyError, match="meter_links"):
        read([baker], ["meter_links"])
