"""The pages of disputes, export and retention as people meet them."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from openpyxl import load_workbook

from app.core.permissions import Role
from app.evidence import retention_service
from tests import cast
from tests.cast import SYSTEM
from tests.correction_cast import delivery, facts, penalty, provider, reference
from tests.web.visitors import visit

pytestmark = pytest.mark.service


@pytest.fixture
def office(app):
    return provider("penalties")


@pytest.fixture
def firm(app, office):
    firm = cast.firm()
    facts("penalties", delivery(office, "penalties"), penalty(firm))
    return firm


@pytest.fixture
def enter(app):
    return lambda who, role: visit(app, who[role])


def file(client, **values):
    return client.post("/my-data/disputes/new", content_type="multipart/form-data", data={
        "item": "penalties", "fact": reference("penalties"), "claim": "这笔罚款不是我们的", "wanted": "应删除", "provider": "",
        "idempotency_token": "t1", **values,
    })


def test_a_firm_files_a_dispute_and_follows_it_to_the_answer(enter, firm, office):
    client, clerk = enter(firm, Role.FIRM_CLERK), enter(office, Role.PROVIDER_CLERK)
    assert "提出异议" in client.get("/disputes").text and "没有异议" in client.get("/disputes").text
    assert "行政处罚" in client.get("/my-data/disputes/new").text
    form = client.get("/my-data/disputes/new", query_string={"item": "penalties", "fact": reference("penalties")}).text
    assert "行政处罚 · 穗市监罚〔2026〕1号" in form and "selected" in form
    answer = file(client, file=(io.BytesIO(b"%PDF-1.7 x"), "证明.pdf"))
    page = client.get(answer.location).text
    assert "核查中" in page and "5,000.00" in page and "应删除" in page and "证明.pdf" in page and "撤回异议" in page
    assert "答复异议" in clerk.get("/").text and "核查中" in clerk.get("/disputes").text
    page = clerk.get(answer.location).text
    assert "核查并答复" in page and "证明.pdf" in page and "撤回异议" not in page
    done = clerk.post(answer.location + "/answer", data={"outcome": "upheld", "answer": "决定书在案", "idempotency_token": "a1"},
                      follow_redirects=True).text
    assert "已书面答复，企业已收到消息。" in done and "核查并答复" not in done
    assert "决定书在案" in client.get(answer.location).text and "已答复：维持" in client.get("/disputes").text


def test_a_promise_and_a_linked_delivery_are_shown_with_their_days(enter, firm, office):
    client, clerk = enter(firm, Role.FIRM_CLERK), enter(office, Role.PROVIDER_CLERK)
    where = file(client).location
    nothing = clerk.post(where + "/answer", data={"outcome": "corrected", "answer": "有误", "idempotency_token": "a1"}).text
    assert 'href="#deliver_by"' in nothing
    came = delivery(office, "penalties")
    assert f"第 {came.number} 批" in clerk.get(where).text
    clerk.post(where + "/answer", data={"outcome": "corrected", "answer": "有误，已更正", "delivery": str(came.id),
                                        "idempotency_token": "a2"})
    assert "已答复：更正" in client.get(where).text and "前重算" in client.get(where).text


def test_errors_lead_to_their_fields_and_keep_what_was_typed(enter, firm, office):
    client = enter(firm, Role.FIRM_CLERK)
    assert 'href="#claim"' in file(client, claim="").text
    file(client)
    twice = file(client, claim="第二次写的话", idempotency_token="t2").text
    assert "对这条资料已有一份异议在核查" in twice and "第二次写的话" in twice and 'href="#fact"' in twice


def test_a_firm_withdraws_with_one_click_after_a_question(enter, firm, office):
    client = enter(firm, Role.FIRM_CLERK)
    where = file(client).location
    page = client.post(where + "/withdraw", data={"idempotency_token": "w1"}, follow_redirects=True).text
    assert "异议已撤回。" in page and "已撤回" in page


def test_another_firm_and_another_provider_find_no_such_page(enter, firm, office):
    where = file(enter(firm, Role.FIRM_CLERK)).location
    assert enter(cast.firm("广州别家有限公司"), Role.FIRM_CLERK).get(where).status_code == 404
    assert enter(provider("electricity", name="广州供电局"), Role.PROVIDER_CLERK).get(where).status_code == 404


def test_the_desk_sees_what_is_late_on_its_home_every_day(enter, firm, office):
    where = file(enter(firm, Role.FIRM_CLERK)).location
    desk = cast.platform()
    assert "催办逾期的异议" not in enter(desk, Role.DESK).get("/").text
    with time_machine.travel(datetime.now(UTC) + timedelta(days=23), tick=True):
        client = enter(desk, Role.DESK)
        assert "催办逾期的异议" in client.get("/").text and "已逾期 3 天" in client.get(where).text
        assert "核查中，已逾期" in client.get("/disputes?f=1&late=1").text


def test_a_firm_takes_everything_away_as_json_and_as_a_workbook(enter, firm):
    client = enter(firm, Role.FIRM_CLERK)
    assert "导出 JSON" in client.get("/my-data/export").text
    with client.get("/my-data/export?format=json") as answer:
        told = json.loads(answer.data)
        assert len(told["sections"]["penalties"]) == 1 and {"needs", "loans", "profiles"} <= set(told["sections"])
        assert "attachment" in answer.headers["Content-Disposition"] and ".json" in answer.headers["Content-Disposition"]
    with client.get("/my-data/export?format=xlsx") as answer:
        assert "行政处罚" in load_workbook(io.BytesIO(answer.data)).sheetnames
    assert "导出了平台持有的贵单位全部资料" in client.get("/notices").text


def test_in_english_the_workbook_and_the_pages_speak_english(enter, firm):
    client = enter(firm, Role.FIRM_CLERK)
    client.post("/language", data={"language": "en"})
    assert "Export" in client.get("/my-data/export").text
    with client.get("/my-data/export?format=xlsx") as answer:
        assert "Penalties" in load_workbook(io.BytesIO(answer.data)).sheetnames


def test_a_firm_that_is_not_verified_is_told_why_there_is_nothing_to_take(enter):
    client = enter(cast.firm("广州冒名有限公司", verified=False), Role.FIRM_CLERK)
    assert "核验通过后才能导出" in client.get("/my-data/export").text
    assert client.get("/my-data/export?format=json").status_code == 409
    assert "企业还没有通过核验" in client.get("/my-data/disputes/new?item=penalties").text


def test_the_platform_sees_how_long_what_is_kept_and_takes_the_list_along(enter, app):
    platform = cast.platform()
    client = enter(platform, Role.SYSTEM_ADMIN)
    assert "36 个月" in client.get("/evidence/retention").text
    retention_service.retain(SYSTEM)
    page = client.get("/evidence/retention").text
    assert "增值税发票" in page and "180 天" in page and "查看记录" in page
    assert client.get("/evidence/retention?format=xlsx").status_code == 200
