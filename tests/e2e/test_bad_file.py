"""A bad file makes its round: sent as offices send it, refused row by row in words, mended in the workbook, sent again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, expect

from app.core import outbox
from app.core.permissions import Role
from tests import cast
from tests.conftest import LiveServer
from tests.e2e.visitors import Visitors, decide, said, table, words

pytestmark = pytest.mark.e2e

CLERK = Role.PROVIDER_CLERK
FILE = "\n".join([
    "广州某供电局用户电费月报,,,,,,,",
    "单位：千瓦时、元　　制表：营销部,,,,,,,",
    "户号,账期,用电量,电费,缴费截止日,缴费日期,欠费,计量方式",
    "０３１０００１,2026年1月,１２００,\"9６0.00\",2026/2/15,2026-02-10,0,实抄",
    "0310001,202602,1180.5,944.40,2026-03-15,2026-03-12,0,正常",
    "0310001,202603,-3,0,2026-04-15,2026-04-11,0,正常",
    "0310002,202601,560,448.00,2026-02-15,2026-02-15,0,大概齐",
    "0310002,202602,600,480.00,2026-03-15,2026-03-10,0,正常",
    "0310002,202603,610,488.00,2026-04-15,2026-04-10,0,正常",
    "0310002,202603,680,544.00,2026-04-15,2026-04-10,0,正常",
]).encode("gb18030")
"""Title and units above the heading, full-width digits, one month of -3 kWh, one unknown word, one month told twice."""
WHERE = "每一行的去处"


def upload(page: Page, file: Any) -> str:
    """Sends a file of electricity, lets it be read, and gives the address of the delivery."""
    page.goto("/deliveries/new")
    page.get_by_label("用电", exact=True).check()
    page.locator("[name=file]").set_input_files(file)
    page.get_by_role("button", name="上传并读取").click()
    page.wait_for_url("**/deliveries/*-*")
    outbox.drain()
    page.reload()
    return page.url


def counted(page: Page) -> dict[str, int]:
    """Where the rows went, as the page says it."""
    return {row[0]: int(row[1]) for row in table(page, WHERE)}


def mend(path: Path) -> None:
    """What the clerk does in the workbook: puts two cells right, and drops the row that contradicts one taken in."""
    book, dropped = load_workbook(path), 0
    sheet = book.worksheets[0]
    columns = {cell.value: cell.column for cell in sheet[1]}
    for row in range(sheet.max_row, 1, -1):
        cells = {name: sheet.cell(row, column) for name, column in columns.items()}
        if str(cells["用电量（千瓦时）"].value) == "-3":
            cells["用电量（千瓦时）"].value = 1150
        elif cells["计量方式"].value == "大概齐":
            cells["计量方式"].value = "估抄"
        elif str(cells["用电量（千瓦时）"].value) == "680":
            sheet.delete_rows(row)
            dropped += 1
    assert dropped == 1
    book.save(path)


def test_a_bad_file_is_refused_in_words_mended_and_taken_in(visitors: Visitors, live_server: LiveServer, tmp_path: Path) -> None:
    grid = cast.provider("广州供电局", items=["electricity", "meter_links"])
    page = visitors.as_(grid, CLERK, "/deliveries")
    first = upload(page, {"name": "电费月报.csv", "mimeType": "text/csv", "buffer": FILE})

    rows = counted(page)
    total = rows.pop("合计 = 文件行数")
    assert total == 7 == sum(rows.values()), rows
    assert rows["新入库"] == 4 and rows["待修复"] == 3, rows
    text = words(page)
    for sentence in ("“用电量（千瓦时）”不可能是 -3", "“计量方式”应为 正常、估抄、未装表、房东代收 之一：大概齐", "数值不可能 1",
                     "用词不明 1", "批次内矛盾 1"):
        assert sentence in text, sentence
    visitors.look_over(page)

    with page.expect_download() as download:
        page.get_by_role("link", name="下载待修复的行").click()
    mended = tmp_path / "电费月报-改正.xlsx"
    download.value.save_as(mended)
    mend(mended)
    second = upload(page, mended)
    rows = counted(page)
    assert rows == {"新入库": 2, "已有，没有变化": 0, "内容有变，更新了原记录": 0, "待修复": 0, "合计 = 文件行数": 2}
    assert page.get_by_role("heading", name="待修复的行").count() == 0

    page.goto(first)
    decide(page, "撤回这一批", "月报的户号抄错了一册")
    assert "已撤回" in said(page)
    outbox.drain()
    page.reload()
    expect(page.locator("main")).to_contain_text("这一批已撤回：月报的户号抄错了一册")
    page.goto(second)
    assert counted(page)["新入库"] == 2 and "已入库" in words(page) and "已撤回" not in words(page)
    page.goto("/deliveries")
    states = {row[0].split(" ")[0]: row[3] for row in table(page, "数据批次")}
    assert list(states.values()) == ["已入库", "已撤回"], states
    assert facts_in_force() == 2


def facts_in_force() -> int:
    """Months of meters that count."""
    from sqlalchemy import text

    from app.core.database import session, transaction

    with transaction(cast.SYSTEM, read_only=True):
        return int(session().scalar(text("select count(*) from electricity_month where current")) or 0)
