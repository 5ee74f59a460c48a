"""Early warnings as a bank, the firm and the city see them."""

from __future__ import annotations

import io
import re

import pytest
from openpyxl import load_workbook

from app.core.permissions import Role
from tests import cast
from tests.warning_cast import lender
from tests.web.visitors import visit

pytestmark = pytest.mark.service


@pytest.fixture
def town(app):
    """A lender whose borrower has a bill 40 days overdue, and who may read it."""
    town = lender()
    town.consent(None, town.bank)
    town.bill(40)
    return town


@pytest.fixture
def enter(app):
    """A browser in which a person is signed in."""
    return lambda who, role: visit(app, who[role])


def test_a_bank_finds_reads_and_acknowledges_a_warning(enter, town):
    (warning,) = town.warnings()
    client = enter(town.bank, Role.BANK_OFFICER)
    assert "处置贷后预警" in client.get("/").text
    page = client.get("/warnings").text
    assert town.firm.name in page and "水电气费拖欠" in page and "橙色预警" in page and "待处置" in page
    page = client.get(f"/warnings/{warning.id}").text
    assert "电费账单逾期 40 天" in page and "您打开这一页已记录" in page
    assert "请写明情况。" in client.post(f"/warnings/{warning.id}", data={"words": ""}).text
    answer = client.post(f"/warnings/{warning.id}", data={"words": "已致电，企业月底补缴。"}, follow_redirects=True).text
    assert "已记录处置。" in answer and "已致电，企业月底补缴。" in answer and "确认已处置" not in answer
    assert "处置贷后预警" not in client.get("/").text


def test_the_list_of_a_bank_is_filtered_and_exported(enter, town):
    client = enter(town.bank, Role.BANK_OFFICER)

    def rows(query):
        book = load_workbook(io.BytesIO(client.get(f"/warnings?f=1&format=xlsx&{query}").data))
        return [row[:3] for row in book.active.iter_rows(min_row=2, values_only=True)]

    assert rows("level=2") == rows("kind=bills_unpaid&state=OPEN") == [(town.firm.name, "水电气费拖欠", "橙色预警")]
    assert rows("level=3") == rows("q=nobody") == rows("state=ACKNOWLEDGED") == []


def test_the_firm_reads_what_is_signalled_and_answers(enter, town):
    (warning,) = town.warnings()
    client = enter(town.firm, Role.FIRM_CLERK)
    assert "查看预警信号并说明情况" in client.get("/").text
    assert "水电气费拖欠" in client.get("/warnings").text
    page = client.get(f"/warnings/{warning.id}").text
    assert "电费账单逾期 40 天" in page and "/my-data/disputes/new?item=electricity" in page
    assert "已记录您的说明" in client.post(f"/warnings/{warning.id}", data={"words": "搬迁。"}, follow_redirects=True).text
    assert "搬迁。" in enter(town.bank, Role.BANK_APPROVER).get(f"/warnings/{warning.id}").text


def test_whom_it_does_not_concern_finds_no_page(enter, town):
    (warning,) = town.warnings()
    assert enter(cast.bank("别家银行"), Role.BANK_OFFICER).get(f"/warnings/{warning.id}").status_code == 404
    other = enter(cast.firm("别家企业"), Role.FIRM_CLERK)
    assert other.get(f"/warnings/{warning.id}").status_code == 404
    assert other.post(f"/warnings/{warning.id}", data={"words": "x"}).status_code == 404


def test_the_city_sees_what_warnings_are_worth_and_no_firm(enter, town):
    client = enter(town.city.bureau, Role.BUREAU_LEADER)
    page = client.get("/warnings/worth").text
    assert "有 1 行不足 10 次，不显示。" in page
    assert town.firm.name not in page
    assert client.get("/warnings").status_code == 403


def test_thresholds_are_proposed_by_one_person_and_come_into_force_by_another(enter, town):
    auditor, leader = enter(town.city.bureau, Role.BUREAU_AUDITOR), enter(town.city.bureau, Role.BUREAU_LEADER)
    page = auditor.get("/warnings/thresholds").text
    assert "25% / 40% / 60%" in page and "300" in page and "还没有调整过" in page
    typed = {name: field["value"] for name, field in fields_of(page).items()}
    wrong = auditor.post("/warnings/thresholds", data=typed | {"power_falls": "一半", "reason": "误报太多"}).text
    assert "请按这样的样子填写：25% / 40% / 60%" in wrong and "一半" in wrong
    told = auditor.post("/warnings/thresholds", data=typed | {"power_falls": "30 / 45 / 65", "reason": "误报太多"},
                        follow_redirects=True).text
    assert "已提出，请由另一个人决定" in told and "由提出人以外的" not in told and "提出，请另一人决定" not in told
    assert "决定预警参数的调整" in leader.get("/").text
    page = leader.get("/warnings/thresholds").text
    assert "30% / 45% / 65%" in page and "同意并生效" in page
    action = re.search(r'action="(/warnings/thresholds/[^"]+)"', page)[1]
    assert "新参数已生效" in leader.post(action, data={"event": "confirm", "reason": "同意"}, follow_redirects=True).text
    page = enter(cast.platform(), Role.SYSTEM_ADMIN).get("/warnings/thresholds").text
    assert "30% / 45% / 65%" in page and "已生效" in page and "误报太多" in page
    assert enter(town.bank, Role.BANK_OFFICER).get("/warnings/thresholds").status_code == 403


def fields_of(page):
    """The inputs of a page by name."""
    found = (dict(re.findall(r'([a-z-]+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]+>", page))
    return {one["name"]: one | {"value": one.get("value", "")} for one in found if one.get("type") == "text"}


def test_the_pages_speak_english(enter, town):
    (warning,) = town.warnings()
    client = enter(town.bank, Role.BANK_OFFICER)
    client.post("/language", data={"language": "en"})
    page = client.get(f"/warnings/{warning.id}").text
    assert "bill 40 days overdue" in page and "Orange warning" in page
