"""Files as offices send them: titles above the heading, any encoding, ragged rows; each row comes out once, with its number."""

from __future__ import annotations

import io
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from app.core.errors import ErrorCode, Refusal
from app.evidence import file_csv
from app.evidence.files import CSV, JSON, PARQUET, XLSX, media_type_of, open_file, reading_of
from app.evidence.items import ITEMS

ELECTRICITY = reading_of(ITEMS["electricity"])
HEADINGS = ("户号", "所属月份", "用电量（千瓦时）", "账单金额")
ROWS = [("0012", "202601", "12.5", "10.00"), ("0013", "2026-01", "7", "")]
COLUMNS = ["account_no", "period", "quantity", "bill"]


@pytest.fixture
def opened(tmp_path):
    """Opens bytes as a file of electricity."""

    def open_bytes(data, media_type=CSV, reading=ELECTRICITY):
        path = tmp_path / "file"
        path.write_bytes(data)
        return open_file(path, media_type, reading)

    return open_bytes


def cells(opened, rows=50_000):
    frames = list(opened.batches(rows))
    return [(row["row_no"], row["misfit"], *(row.get(code) for code in COLUMNS)) for frame in frames for row in frame.to_dicts()]


def text(*rows, separator=",", end="\n"):
    return end.join(separator.join(row) for row in rows)


def workbook(*rows, sheet=None):
    book = Workbook()
    if sheet:
        book.active.append(["说明"])
    target = book.create_sheet(sheet) if sheet else book.active
    for row in rows:
        target.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


SOUND = [(1, False, "0012", "202601", "12.5", "10.00"), (2, False, "0013", "2026-01", "7", None)]
TITLE = [("2026年9月用电明细表",), ("",), ("单位：元",)]


@pytest.mark.parametrize(("data", "media_type"), [
    (text(HEADINGS, *ROWS).encode(), CSV),
    (text(HEADINGS, *ROWS).encode("utf-8-sig"), CSV),
    (text(HEADINGS, *ROWS).encode("gb18030"), CSV),
    (text(HEADINGS, *ROWS, separator="\t").encode(), CSV),
    (text(HEADINGS, *ROWS, separator=";").encode(), CSV),
    (text(HEADINGS, *ROWS, end="\r\n").encode() + b"\r\n", CSV),
    (text(HEADINGS, *ROWS, end="\r").encode(), CSV),
    (text(*TITLE, HEADINGS, *ROWS).encode(), CSV),
    (text(*TITLE, HEADINGS, *ROWS, end="\r\n").encode("gb18030"), CSV),
    (text(("制表，单位,2026",), HEADINGS, *ROWS, separator="\t").encode(), CSV),
    (text(HEADINGS, *[tuple(f'"{cell}"' for cell in row) for row in ROWS]).encode(), CSV),
    (workbook(HEADINGS, *ROWS), XLSX),
    (workbook(*TITLE, HEADINGS, *ROWS), XLSX),
    (workbook(HEADINGS, *ROWS, sheet="数据"), XLSX),
    (json.dumps([dict(zip(HEADINGS, row, strict=True)) for row in ROWS]).encode(), JSON),
    (json.dumps({"rows": [dict(zip(HEADINGS, row, strict=True)) for row in ROWS]}, indent=1).encode(), JSON),
    ("\n".join(json.dumps(dict(zip(HEADINGS, row, strict=True)), ensure_ascii=False) for row in ROWS).encode(), JSON),
])
def test_the_same_rows_come_out_of_every_kind_of_file(opened, data, media_type):
    assert cells(opened(data, media_type)) == SOUND


def test_parquet_keeps_its_types(opened):
    out = io.BytesIO()
    pl.DataFrame({"account_no": ["1\0"], "period": [202601], "quantity": [12.5], "other": [1]}).write_parquet(out)
    (frame,) = opened(out.getvalue(), PARQUET).batches()
    assert frame.to_dicts() == [{"row_no": 1, "misfit": False, "account_no": "1", "period": 202601, "quantity": 12.5}]


def test_numbers_in_json_keep_their_digits_and_names_may_come_late(opened):
    late = b'{"account_no": "2", "period": "202602", "bill": 0.10000000000000001, "x": 1}'
    data = b'{"account_no": "1", "period": 202601}\n\n' + late + b"\n5"
    assert cells(opened(data, JSON)) == [
        (1, False, "1", "202601", None, None), (3, False, "2", "202602", None, "0.10000000000000001"),
        (4, True, None, None, None, None),
    ]


@pytest.mark.parametrize("headings", [
    ("用户编号", "账单月份", "用电量(度)", "应收金额（元）"), ("account_no", "PERIOD", "quantity", "bill"),
    (" 户 号 ", "所属月份", "用　电　量", "金额[元]"), ("*户号", "＊月份", "用量", "电费"),
])
def test_headings_are_known_by_any_of_their_names(opened, headings):
    assert cells(opened(text(headings, *ROWS).encode())) == SOUND


def test_unknown_columns_are_left_aside_and_a_repeated_one_counts_once(opened):
    data = text(("行号", *HEADINGS, "原因", "户号"), *(("9", *row, "错", "zzz") for row in ROWS)).encode()
    assert cells(opened(data)) == SOUND


@pytest.mark.parametrize(("data", "media_type"), [
    (text(*TITLE, ("户号", "用电量", "电费")).encode(), CSV), (workbook(*TITLE, ("户号", "用电量", "电费")), XLSX),
    (b'{"account_no": "1"}', JSON),
])
def test_a_heading_that_lacks_a_column_names_it(opened, data, media_type):
    with pytest.raises(Refusal) as refused:
        opened(data, media_type)
    assert (refused.value.code, refused.value.params["missing"]) == (ErrorCode.FILE_HEADER, "period（所属月份）")


def test_a_heading_is_not_looked_for_below_the_twentieth_row(opened):
    with pytest.raises(Refusal):
        opened(text(*[("标题",)] * 20, HEADINGS, *ROWS).encode())
    assert cells(opened(text(*[("标题",)] * 19, HEADINGS, *ROWS).encode())) == SOUND


def test_ragged_rows_are_told_and_blank_lines_count(opened):
    data = text(HEADINGS, ROWS[0], ("0013", "2026-01"), ("",), ("0014", "202601", "1", "2", "3"), (",,,",), ROWS[1]).encode()
    assert cells(opened(data)) == [
        SOUND[0], (2, True, "0013", "2026-01", None, None), (4, True, "0014", "202601", "1", "2"),
        (6, False, *SOUND[1][2:]),
    ]


def test_a_row_that_is_short_is_told_even_where_a_quoted_separator_makes_up_for_it(opened):
    data = text(HEADINGS, ('"a,b"', "202601", "1", "2"), ("0013", "202601", "5")).encode() + b"\n"
    assert [row[:3] for row in cells(opened(data))] == [(1, False, "a,b"), (2, True, "0013")]


def test_quotes_hold_separators_lines_and_quotes(opened):
    data = text(HEADINGS, ('"a,b"', '"20\n26"', "1", "2"), ('"x ""y"""', '""', "5", '6"7'), ROWS[1]).encode()
    assert cells(opened(data)) == [
        (1, False, "a,b", "20\n26", "1", "2"), (2, False, 'x "y"', None, "5", '6"7'), (3, *SOUND[1][1:]),
    ]


def test_a_nul_in_a_file_does_not_reach_the_database(opened):
    assert cells(opened(text(HEADINGS, ("00\x0012", *ROWS[0][1:]), ROWS[1]).encode())) == SOUND


def test_batches_are_bounded_and_row_numbers_go_on(opened, monkeypatch):
    monkeypatch.setattr(file_csv, "_SMALLEST", 1000)
    rows = [(f"{number:05d}", "202601", "1", "广州") for number in range(1, 3001)]
    rows[1500] = ("short",)
    rows[2000] = ("00000", '"a\nb"', "1", "")
    for encoding in ("utf-8", "gb18030"):
        opened_file = opened(text(HEADINGS, *rows).encode(encoding))
        frames = list(opened_file.batches(100))
        assert max(frame.height for frame in frames) <= 100
        assert pl.concat(frames)["row_no"].to_list() == list(range(1, 3001))
        assert pl.concat(frames).filter("misfit")["row_no"].to_list() == [1501]


def test_spreadsheets_may_pad_rows_or_leave_cells_away(opened):
    data = workbook(("表",), (*HEADINGS, None), ("0012", 202601, 12.5, 10), ("0013", "2026-01", 7.0), ("1", "2", "3", "4", "5"))
    assert cells(opened(data, XLSX)) == [
        (1, False, "0012", "202601", "12.5", "10"), (2, False, "0013", "2026-01", "7", None), (3, True, "1", "2", "3", "4"),
    ]


@pytest.mark.parametrize(("data", "media_type", "detail"), [
    (b"account_no,period\n\xff\xff\xff", CSV, "文字编码既不是 UTF-8 也不是 GB18030"),
    (b'account_no,period\n"' + b"1" * 300_000, CSV, "有一格内容过长，可能是引号没有成对"),
    (b'[{"account_no": "1"', JSON, "不是完整的 JSON"), (b"[1, 2", JSON, "不是完整的 JSON"), (b'{"rows": 5}', JSON, ""),
    (b'{"account_no": "1", "period": "1"}\n{"acc', JSON, "不是完整的 JSON"),
    (b'{"account_no": "1", "period": "1"}\n{"a": "' + b"1" * (1 << 20) + b'"}', JSON, "JSON 有一行过长"),
])
def test_a_broken_file_is_refused_with_its_sentence(opened, data, media_type, detail):
    with pytest.raises(Refusal) as refused:
        cells(opened(data, media_type))
    assert refused.value.params.get("detail", "") == detail


@pytest.mark.parametrize(("head", "name", "kind"), [
    (b"a,b", "a.csv", CSV), (b"\xef\xbb\xbf[1]", "a.json", JSON), (b' {"a"', "a.ndjson", JSON), (b"a,b", "a.json", None),
    (b"PK\x03\x04", "a.csv", None), (b"", "a.csv", None), (b"[1]", "a.exe", None),
])
def test_a_type_is_told_by_the_first_bytes_and_the_name_together(head, name, kind):
    if kind is None:
        with pytest.raises(Refusal):
            media_type_of(head, name)
    else:
        assert media_type_of(head, name) == kind


plain = st.text("ab1,\"\n 中", max_size=4)


@given(st.lists(st.lists(plain, min_size=1, max_size=6), max_size=12))
def test_the_fast_way_reads_what_the_exact_one_reads(tmp_path_factory, rows):
    import csv

    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([HEADINGS, *rows])
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_text(out.getvalue(), newline="")
    found = [row[1:] for row in cells(open_file(path, CSV, ELECTRICITY))]
    expected = [(len(row) != 4, *(((row[place] or None) if place < len(row) else None) for place in range(4)))
                for row in rows if any(row)]
    assert found == expected
