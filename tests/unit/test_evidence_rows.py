"""Rows of the catalogue's items: what is sound is typed, what is not waits with the one sentence that helps."""

from __future__ import annotations

import json
from datetime import date, timedelta

import polars as pl
import pytest

from app.core.calendar import today
from app.core.uscc import synthetic
from app.evidence.items import ITEMS, Kind
from app.evidence.rows import allowed_words, check, firm_keys, subject_field, subject_keys
from app.evidence.rules import ROW_REASONS, RowReason

FIRM = synthetic("440106", 1)
OTHER = synthetic("440106", 2)


def batch(*rows, **shared):
    """Rows of text, as a file brings them; a row is a dict of cells."""
    full = [{**shared, **row} for row in rows]
    names = dict.fromkeys(name for row in full for name in row)
    return pl.DataFrame(
        {"row_no": range(1, len(full) + 1), "misfit": False, **{name: [row.get(name) for row in full] for name in names}},
        schema_overrides={"row_no": pl.Int64, **dict.fromkeys(names, pl.String)},
    )


def run(code, *rows, **shared):
    item = ITEMS[code]
    given = batch(*rows, **shared)
    known = [key for key in subject_keys(given, item) if key not in ("nobody", OTHER) and len(key) <= 40]
    subjects = pl.DataFrame({"key": known, "subject_no": range(1, len(known) + 1)},
                            schema={"key": pl.String, "subject_no": pl.Int64})
    firms = pl.DataFrame({"key": [FIRM], "firm_no": [77]})
    return check(given, item, subjects, firms)


def trouble(troubled):
    return [(row["row_no"], row["reason"], json.loads(row["params"])) for row in troubled.to_dicts()]


METER = {"account_no": "0012", "period": "202601"}


def test_an_electricity_month_becomes_typed_columns():
    sound, troubled = run("electricity", {
        **METER, "quantity": "1,234.567千瓦时", "bill": "￥1,000.5", "due_on": "2026年2月15日", "paid_on": "2026/2/3",
        "arrears": "0", "cut_days": "2",
    })
    assert troubled.height == 0
    assert sound.to_dicts() == [{
        "row_no": 1, "meter_no": 1, "period": date(2026, 1, 1), "quantity_milli": 1234567, "bill_fen": 100050,
        "due_on": date(2026, 2, 15), "paid_on": date(2026, 2, 3), "arrears_fen": 0, "metering": "metered", "cut_days": 2,
    }]


def test_a_month_that_the_landlord_bills_has_no_quantity_and_that_is_not_zero():
    sound, troubled = run(
        "electricity", {"quantity": "0", "metering": "房东代收"}, {"quantity": "", "metering": "未装表"},
        {"quantity": "0", "metering": "抄表"}, {"quantity": "0.000", "metering": ""}, **METER,
    )
    assert troubled.height == 0
    assert sound.select("quantity_milli", "metering").rows() == [
        (None, "landlord"), (None, "not_metered"), (0, "metered"), (0, "metered"),
    ]


@pytest.mark.parametrize(("row", "reason", "params"), [
    ({"quantity": "-3"}, "impossible", {"field": "quantity", "value": "-3"}),
    ({"quantity": "5", "metering": "房东代收"}, "impossible", {"field": "quantity", "value": "5"}),
    ({"quantity": ""}, "missing_field", {"field": "quantity"}),
    ({"quantity": "－"}, "missing_field", {"field": "quantity"}),
    ({"quantity": "12.3456"}, "bad_quantity", {"field": "quantity", "value": "12.3456"}),
    ({"bill": "1.234"}, "bad_number", {"field": "bill", "value": "1.234"}),
    ({"bill": "(5)"}, "impossible", {"field": "bill", "value": "(5)"}),
    ({"bill": "9999999999999999"}, "impossible", {"field": "bill", "value": "9999999999999999"}),
    ({"period": "209901"}, "impossible", {"field": "period", "value": "209901"}),
    ({"period": "198912"}, "impossible", {"field": "period", "value": "198912"}),
    ({"period": "第一季度"}, "bad_month", {"field": "period", "value": "第一季度"}),
    ({"period": "—"}, "missing_field", {"field": "period"}),
    ({"paid_on": "2026-02-30"}, "bad_date", {"field": "paid_on", "value": "2026-02-30"}),
    ({"paid_on": "2099-01-01"}, "impossible", {"field": "paid_on", "value": "2099-01-01"}),
    ({"cut_days": "1.5"}, "bad_count", {"field": "cut_days", "value": "1.5"}),
    ({"cut_days": "32"}, "impossible", {"field": "cut_days", "value": "32"}),
    ({"account_no": "1" * 41}, "too_long", {"field": "account_no", "value": "1" * 41}),
    ({"account_no": " "}, "missing_field", {"field": "account_no"}),
    ({"metering": "看情况"}, "unknown_word", {"field": "metering", "value": "看情况", "words": "正常、估抄、未装表、房东代收"}),
])
def test_a_row_that_cannot_be_waits_with_its_reason_and_the_others_go_in(row, reason, params):
    sound, troubled = run("electricity", {"quantity": "1"}, {"quantity": "1", **row} if row else {}, {"quantity": "2"}, **{
        "bill": None, "paid_on": None, "cut_days": None, "metering": None, **METER})
    assert trouble(troubled) == [(2, reason, params)]
    assert sound["row_no"].to_list() == [1, 3]
    assert json.loads(troubled["raw"][0])["quantity"] == row.get("quantity", "1")


def test_a_row_with_too_many_cells_waits_whatever_it_holds():
    given = batch({**METER, "quantity": "1"}).with_columns(misfit=pl.lit(True))
    _, troubled = check(given, ITEMS["electricity"], pl.DataFrame({"key": ["0012"], "subject_no": [1]}))
    assert trouble(troubled) == [(1, "field_count", {})]


def test_a_term_may_lie_ahead_and_a_firm_may_be_old():
    ahead = (today() + timedelta(days=400)).isoformat()
    sound, troubled = run("qualifications", {
        "uscc": FIRM, "kind": "高新技术企业", "certificate_no": "GR（2025）1", "valid_from": "2025-01-01", "valid_to": ahead,
    })
    assert troubled.height == 0 and sound["certificate_no"][0] == "GR(2025)1"
    sound, troubled = run("registration", {"uscc": FIRM, "name": "广州（老）厂", "established_on": "1956-05-01", "status": "存续",
                                           "as_of": "2026-01-01"})
    assert troubled.height == 0 and sound["established_on"][0] == date(1956, 5, 1)


def test_an_end_does_not_come_before_its_start():
    row = {"uscc": FIRM, "valid_from": "2025-01-02", "valid_to": "2025-01-01", "account_no": "1", "basis": "自有"}
    assert trouble(run("meter_links", row)[1]) == [(1, "impossible", {"field": "valid_to", "value": "2025-01-01"})]


def test_a_wrong_credit_code_is_explained_and_a_firm_without_number_is_unknown():
    wrong = FIRM[:-1] + ("A" if FIRM[-1] != "A" else "B")
    given = batch({"uscc": wrong}, {"uscc": OTHER}, {"uscc": "nobody"}, {"uscc": f" {FIRM.lower()} "},
                  year="2025", grade="A级", published_on="2026-04-01")
    sound, troubled = check(given, ITEMS["tax_grades"], pl.DataFrame({"key": [FIRM], "subject_no": [5]}))
    assert [(row[0], row[1]) for row in trouble(troubled)] == [(1, "bad_uscc"), (2, "unknown_firm"), (3, "bad_uscc")]
    assert trouble(troubled)[0][2] == {
        "field": "uscc", "value": wrong,
        "problem": "校验位不符：按前 17 位推算，最后一位应为“%(expected)s”，现在是“%(found)s”。请逐位核对。",
        "details": {"expected": FIRM[-1], "found": wrong[-1], "position": "18"},
    }
    assert sound.to_dicts() == [
        {"row_no": 4, "firm_no": 5, "year": 2025, "grade": "A", "published_on": date(2026, 4, 1)},
    ]


def test_a_link_names_a_meter_and_a_firm():
    rows = batch({"account_no": "00１2", "uscc": FIRM, "valid_from": "2025-01-01", "basis": "租赁"})
    item = ITEMS["meter_links"]
    assert (subject_keys(rows, item).to_list(), firm_keys(rows, item).to_list()) == (["0012"], [FIRM])
    sound, _ = run("meter_links", rows.drop("row_no", "misfit").to_dicts()[0])
    assert sound.to_dicts() == [{
        "row_no": 1, "meter_no": 1, "firm_no": 77, "valid_from": date(2025, 1, 1), "valid_to": None, "basis": "tenant",
    }]


def test_red_figures_of_taxes_keep_their_sign():
    sound, _ = run("tax", {
        "uscc": FIRM, "tax_kind": "增值税", "period": "2026年1月", "cycle": "按月", "due": "(1,234.50)", "sales": "1.2万",
    })
    assert sound.select("due_fen", "sales_fen").rows() == [(-123450, 1200000)]


def test_text_that_is_too_long_waits():
    row = {"uscc": FIRM, "list_name": "名" * 201, "listed_on": "2025-01-01"}
    assert [entry[1] for entry in trouble(run("dishonesty", row)[1])] == ["too_long"]


def test_typed_cells_of_parquet_are_read_as_they_are():
    given = pl.DataFrame({
        "row_no": [1, 2], "misfit": [False, False], "account_no": [12, 13], "period": [date(2026, 1, 31), date(2026, 2, 1)],
        "quantity": [12.5, None], "bill": [10, 11],
    })
    sound, troubled = check(given, ITEMS["water"], pl.DataFrame({"key": ["12", "13"], "subject_no": [1, 2]}))
    assert sound.select("meter_no", "period", "quantity_milli", "bill_fen").rows() == [(1, date(2026, 1, 1), 12500, 1000)]
    assert json.loads(troubled["raw"][0]) == {"account_no": "13", "period": "2026-02-01", "quantity": None, "bill": "11"}


@pytest.mark.parametrize("code", ITEMS)
def test_every_item_gives_the_columns_of_its_table_and_an_empty_batch_is_no_trouble(code):
    item = ITEMS[code]
    sound, troubled = check(batch().with_columns(misfit=pl.lit(False)).clear(), item,
                            pl.DataFrame(schema={"key": pl.String, "subject_no": pl.Int64}))
    subject = subject_field(item)
    assert sound.columns == ["row_no", item.subject_column, *(field.stored for field in item.fields if field is not subject)]
    kinds = {Kind.MONEY: pl.Int64, Kind.DAY: pl.Date, Kind.MONTH: pl.Date, Kind.TEXT: pl.String, Kind.FLAG: pl.Boolean}
    assert all(sound.schema[field.stored] == kinds.get(field.kind, sound.schema[field.stored])
               for field in item.fields if field is not subject)
    assert troubled.columns == ["row_no", "raw", "reason", "params"]


def test_every_reason_has_its_sentence_and_every_list_its_words():
    assert set(ROW_REASONS) == set(RowReason)
    fields = [field for item in ITEMS.values() for field in item.fields if field.kind in (Kind.WORD, Kind.FLAG)]
    assert all(allowed_words(field) for field in fields)
