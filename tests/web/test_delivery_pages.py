"""The pages of a provider: which item, with which columns; where each row went; what waits, mended and sent again."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta

import polars as pl
import pytest
from openpyxl import load_workbook

from app.core.calendar import now
from app.core.permissions import OrgKind, Role
from app.evidence.files import CSV, XLSX, open_file, reading_of, reading_of_invoices
from app.evidence.items import ITEMS
from app.evidence.rows import check, firm_keys, subject_keys
from app.evidence.rules import INVOICES
from tests import cast
from tests.web.delivery_tools import delivering, standing
from tests.web.visitors import visit

pytestmark = pytest.mark.service


@pytest.fixture
def grid(database):
    return cast.provider("广州供电局", ["electricity", "electricity_daily", "meter_links"])


@pytest.fixture
def enter(app):
    """A browser in which the provider's clerk is signed in."""

    return lambda who, role=Role.PROVIDER_CLERK: visit(app, who[role])


def quarantine(item, *rows):
    """Rows as the check leaves them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    batch = pl.DataFrame({"row_no": range(1, len(rows) + 1), "misfit": False,
                          **{name: [row.get(name) for row in rows] for name in names}},
                         schema_overrides=dict.fromkeys(names, pl.String))
    keys = subject_keys(batch, item)
    _, troubled = check(batch, item, keys.to_frame("key").with_columns(subject_no=pl.lit(1)))
    return [{"raw": json.loads(row["raw"]), "reason": row["reason"], "params": json.loads(row["params"])}
            for row in troubled.to_dicts()]


METER = {"account_no": "0012", "period": "202601", "bill": "5.00"}


def test_a_clerk_chooses_among_what_the_provider_delivers_and_no_side_is_asked_without_invoices(enter, grid):
    page = enter(grid).get("/deliveries/new").text
    assert all(f'value="{item}"' in page for item in ("electricity", "electricity_daily", "meter_links"))
    assert "进销方向" not in page and "checked" not in page
    assert "房东代收" in page and "/deliveries/template/electricity.xlsx" in page


def test_a_single_item_is_chosen_already_and_invoices_ask_for_the_side(enter, database):
    page = enter(delivering(cast.provider("广州税务局"), "invoices")).get("/deliveries/new").text
    assert re.search(r'<input[^>]*checked[^>]*value="invoices"', page) and "进销方向（仅发票需要）" in page


def test_an_item_that_the_provider_does_not_deliver_is_no_choice(enter, grid):
    answer = enter(grid).post("/deliveries/new", data={"item": "tax", "file": (io.BytesIO(b"a,b"), "a.csv")},
                              content_type="multipart/form-data")
    assert answer.status_code == 200 and 'href="#item' in answer.text


def test_a_provider_without_items_is_told_whom_to_ask(enter, database):
    nobody = cast.organisation(OrgKind.DATA_PROVIDER, "新数据单位")
    page = enter(nobody).get("/deliveries/new").text
    assert "贵单位还没有登记要供的资料" in page and "请联系平台的系统管理员" in page and "multipart/form-data" not in page


@pytest.mark.parametrize("item", [INVOICES, *ITEMS])
def test_every_template_is_accepted_as_a_file_and_explains_its_columns(enter, grid, tmp_path, item):
    client, reading = enter(grid), reading_of_invoices(None) if item == INVOICES else reading_of(ITEMS[item])
    path = tmp_path / "template"
    path.write_bytes(client.get(f"/deliveries/template/{item}.csv").data)
    assert open_file(path, CSV, reading).heading.missing == ()
    data = client.get(f"/deliveries/template/{item}.xlsx").data
    path.write_bytes(data)
    assert open_file(path, XLSX, reading).heading.missing == ()
    sheet, notes = load_workbook(io.BytesIO(data)).worksheets
    assert [cell.value for cell in sheet[1]] == [row[0].value for row in notes.iter_rows(min_row=2)]
    assert notes.title == "说明" and all(row[1].value and row[2].value for row in notes.iter_rows(min_row=2))


def test_the_examples_of_a_template_are_sound_rows(enter, grid, tmp_path):
    client, path = enter(grid), tmp_path / "file"
    for item in ITEMS.values():
        notes = load_workbook(io.BytesIO(client.get(f"/deliveries/template/{item.code}.xlsx").data)).worksheets[1]
        rows = [[row[place].value for row in notes.iter_rows(min_row=2)] for place in (0, 4)]
        texts = [[str(cell or "文") for cell in row] for row in rows]
        path.write_text("\n".join(",".join(row) for row in texts))
        (batch,) = open_file(path, CSV, reading_of(item)).batches()
        keys = subject_keys(batch, item).to_frame("key")
        firms = pl.DataFrame({"key": firm_keys(batch, item)})
        sound, troubled = check(batch, item, keys.with_columns(subject_no=pl.lit(1)), firms.with_columns(firm_no=pl.lit(2)))
        assert (sound.height, troubled.height) == (1, 0), (item.code, troubled.to_dicts())


@pytest.mark.parametrize("address", ["tax.doc", "nothing.csv", "real_estate.xlsx"])
def test_there_is_no_template_of_what_is_not_taken_in(enter, grid, address):
    assert enter(grid).get(f"/deliveries/template/{address}").status_code == 404


def test_deliveries_are_listed_by_item(enter, grid):
    standing(grid, "electricity")
    standing(grid, "meter_links")
    client = enter(grid)
    page = client.get("/deliveries").text
    assert "electricity.csv" in page and "meter_links.csv" in page and "户号与企业" in page
    page = client.get("/deliveries?item=electricity").text
    assert "electricity.csv" in page and "meter_links.csv" not in page


def test_a_delivery_tells_its_item_channel_and_what_waits_for_a_firm(enter, grid):
    page = enter(grid).get(f"/deliveries/{standing(grid, 'electricity', rows_waiting=7)}").text
    assert "用电" in page and "页面上传" in page and "合计 = 文件行数" in page and "进销方向" not in page
    assert "其中 7 行的企业尚未入驻或户号尚未对应企业" in page


def test_a_running_delivery_tells_speed_and_time_left(enter, grid):
    client = enter(grid)
    running = {"state": "READING", "finished_at": None, "rows_taken": None, "rows_identical": None, "rows_superseding": None,
               "rows_quarantined": None, "rows_waiting": None, "started_at": now() - timedelta(seconds=10)}
    fresh = standing(grid, "water", phase="reading", progress_rows=50_000, rows_total=None, **running)
    page = client.get(f"/deliveries/{fresh}").text
    assert "data-live" in page and "每秒" in page and "约还需" not in page
    storing = standing(grid, "water", phase="storing", progress_rows=50_000, rows_total=150_000, **running)
    assert "约还需" in client.get(f"/deliveries/{storing}").text
    standing(grid, "gas", size=1000, rows_total=110, rows_taken=110)
    known = standing(grid, "gas", phase="reading", progress_rows=10, size=1_000_000, rows_total=None, **running)
    page = client.get(f"/deliveries/{known}").text
    assert "文件约 110,000 行" in page and "分钟" in page


def test_what_waits_is_told_in_the_words_of_its_item(enter, grid):
    waiting = quarantine(ITEMS["electricity"], {**METER, "quantity": "-3"}, {**METER, "quantity": "1", "metering": "看情况"})
    page = enter(grid).get(f"/deliveries/{standing(grid, 'electricity', waiting)}").text
    assert "“用电量（千瓦时）”不可能是 -3" in page and "“计量方式”应为 正常、估抄、未装表、房东代收 之一：看情况" in page
    assert "户号 0012" in page and "下载待修复的行" in page


def test_a_wrong_credit_code_is_explained_on_the_page(enter, database):
    tax = delivering(cast.provider("广州税务局"), "tax_grades")
    waiting = [{"raw": {"uscc": "9144"}, "reason": "bad_uscc", "params": {
        "field": "uscc", "value": "9144", "problem": "统一社会信用代码应为 18 位，现在是 %(found)s 位。",
        "details": {"found": "4"},
    }}]
    client = enter(tax)
    path = f"/deliveries/{standing(tax, 'tax_grades', waiting)}"
    assert "“9144”不是有效的统一社会信用代码：统一社会信用代码应为 18 位，现在是 4 位。" in client.get(path).text


def test_rows_that_wait_can_be_downloaded_and_sent_again_as_they_are(enter, grid, tmp_path):
    item = ITEMS["electricity"]
    rows = {"quantity": "-3.5", "metering": "-看"}, {"quantity": "1.23456", "cut_days": "x"}
    waiting = quarantine(item, *({**METER, **row} for row in rows))
    data = enter(grid).get(f"/deliveries/{standing(grid, 'electricity', waiting)}?format=xlsx").data
    path = tmp_path / "mended"
    path.write_bytes(data)
    (again,) = open_file(path, XLSX, reading_of(item)).batches()
    came = [{code: row["raw"].get(code) for code in again.columns[2:]} for row in waiting]
    read = [{code: row[code] for code in again.columns[2:]} for row in again.to_dicts()]
    assert [{**row, "bill": "5"} for row in came] == read
    _, troubled = check(again, item, pl.DataFrame({"key": ["0012"], "subject_no": [1]}))
    assert [row["reason"] for row in troubled.to_dicts()] == [row["reason"] for row in waiting]
    book = load_workbook(io.BytesIO(data))
    heads = [cell.value for cell in book.active[1]]
    assert heads[-2:] == ["行号", "原因"]
    book.active.cell(2, heads.index("用电量（千瓦时）") + 1).value = 3.5
    book.active.cell(2, heads.index("计量方式") + 1).value = "抄表"
    book.save(path)
    (mended,) = open_file(path, XLSX, reading_of(item)).batches()
    sound, _ = check(mended, item, pl.DataFrame({"key": ["0012"], "subject_no": [1]}))
    assert sound["quantity_milli"].to_list() == [3500]


def test_in_english_the_download_keeps_its_chinese_headings(enter, grid):
    waiting = quarantine(ITEMS["electricity"], {**METER, "quantity": "-3"})
    client = enter(grid)
    client.post("/language", data={"language": "en"})
    sheet = load_workbook(io.BytesIO(client.get(f"/deliveries/{standing(grid, 'electricity', waiting)}?format=xlsx").data)).active
    assert sheet.cell(1, 1).value == "户号"


def test_a_delivery_that_failed_cannot_be_withdrawn(enter, grid):
    failed = standing(grid, "electricity", state="FAILED", failure="interrupted", rows_total=None, rows_taken=None,
                      rows_identical=None, rows_superseding=None, rows_quarantined=None, rows_waiting=None)
    assert "撤回这一批" not in enter(grid).get(f"/deliveries/{failed}").text
