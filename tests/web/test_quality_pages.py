"""The quality of deliveries as its provider and the platform see it."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from app.core.database import session, transaction
from app.core.permissions import Role
from tests import cast
from tests.cast import SYSTEM
from tests.service.quality_tools import delivered, firm_no, insured, meter, month, power
from tests.web.test_evidence_pages import statements
from tests.web.visitors import visit

pytestmark = pytest.mark.service

LONG = "广东省广州市某某区供用电及综合能源服务保障与客户服务中心（集团）股份有限公司营业部"


@pytest.fixture
def enter(app):
    """A browser in which a person is signed in."""
    return lambda who, role: visit(app, who[role])


@pytest.fixture
def grid(database):
    return cast.provider(LONG)


@pytest.fixture
def bureau(database):
    return cast.provider("人力资源和社会保障局")


def crowd(provider):
    """4,000 insured in a firm of 5."""
    return delivered(provider, "social_insurance", [insured(firm_no(cast.firm(headcount=5)), month(23), 4000)])


def surge(provider):
    """A year of power, then ten times as much; December came in March."""
    one, other = meter(provider, "0310001"), meter(provider, "0310002")
    delivered(provider, "electricity", [power(number, month(at), 3000) for number in (one, other) for at in range(12, 23)])
    return delivered(provider, "electricity", [power(one, month(23), 30_000)], at=datetime(2027, 3, 10, tzinfo=UTC),
                     quarantined=["bad_number"])


def test_the_page_of_a_delivery_says_what_it_was_like_and_what_to_do(enter, grid):
    delivery = surge(grid)
    page = enter(grid, Role.PROVIDER_CLERK).get(f"/deliveries/{delivery}").text
    assert "数据质量" in page and "需核对" in page
    assert "50.0%（1 / 2）" in page and "约定 30 天内；最晚的晚了 39 天" in page
    assert "金额无效 1" in page and "逐条核对 2 处" in page


def test_a_delivery_that_is_not_measured_yet_has_no_empty_section(enter, grid):
    delivery = surge(grid)
    with transaction(SYSTEM):
        session().execute(text("delete from quality_report"))
    assert "数据质量</h2>" not in enter(grid, Role.PROVIDER_CLERK).get(f"/deliveries/{delivery}").text


def test_the_report_of_a_withdrawn_delivery_is_marked_and_asks_for_nothing(enter, grid):
    delivery = surge(grid)
    with transaction(SYSTEM):
        session().execute(text("update delivery set state = 'WITHDRAWN', withdrawn_at = now(), withdraw_reason = '错' "
                               "where id = :id"), {"id": delivery})
    client = enter(grid, Role.PROVIDER_CLERK)
    page = client.get("/deliveries/quality").text
    assert "已撤回" in page and "远高于平时的中位数" not in page and "没有需要处理的问题" not in page
    assert "处需要核对" not in client.get("/").text


def test_the_home_of_a_provider_says_how_much_of_the_last_delivery_needs_checking(enter, grid, bureau):
    surge(grid)
    assert "上一批数据有 2 处需要核对" in enter(grid, Role.PROVIDER_CLERK).get("/").text
    assert "处需要核对" not in enter(bureau, Role.PROVIDER_CLERK).get("/").text


def test_a_provider_reads_its_items_with_trend_and_findings_and_nothing_of_others(enter, grid, bureau):
    surge(grid)
    crowd(bureau)
    client = enter(grid, Role.PROVIDER_CLERK)
    page = client.get("/deliveries/quality").text
    assert "0310001" in page and "远高于平时的中位数" in page and "30,000" in page and "300 – 30,000" in page
    assert page.count('<svg class="chart') == 2
    assert "4,000" not in page and "社会保险" not in page
    assert client.get(f"/deliveries/quality/{bureau.id}").status_code == 404
    assert client.get(f"/deliveries/quality/{grid.id}").status_code == 200


def test_findings_are_narrowed_by_measure_item_severity_and_delivery(enter, grid):
    surge(grid)
    client = enter(grid, Role.PROVIDER_CLERK)

    def labels(query):
        book = load_workbook(io.BytesIO(client.get(f"/deliveries/quality?f=1&format=xlsx&{query}").data))
        return [(row[0], row[2], row[3]) for row in book.active.iter_rows(min_row=2, values_only=True)]

    assert labels("measure=jumps") == [("0310001", "突变", "远高于平时的中位数")]
    assert labels("measure=coverage") == [("0310002", "覆盖率", "以前有数据，这个月没有")]
    assert labels("severity=bad") == [] == labels("batch=x") == labels("q=nobody")
    assert len(labels("item=electricity&severity=warn")) > 2
    assert client.get("/deliveries/quality?batch=99999999999999999999").status_code == 200


def test_the_platform_sees_all_providers_side_by_side_sorts_and_opens_them(enter, grid, bureau):
    surge(grid)
    crowd(bureau)
    client = enter(cast.platform(), Role.DESK)
    page = client.get("/deliveries/quality").text
    assert LONG in page and "人力资源和社会保障局" in page and "50.00%" in page
    assert f"/deliveries/quality/{bureau.id}" in page and "各月覆盖率" in page
    opened = client.get(f"/deliveries/quality/{bureau.id}").text
    assert "4,000" in opened and "人数远多于企业登记的人数" in opened
    for column in ("provider", "verdict", "coverage", "lateness", "quarantined", "impossible", "to_check", "month", "created_at"):
        for way in ("asc", "desc"):
            assert client.get(f"/deliveries/quality?sort={column}&dir={way}").status_code == 200
    for column in ("subject_label", "at", "measure", "severity", "number"):
        assert client.get(f"/deliveries/quality/{grid.id}?sort={column}").status_code == 200
    narrowed = client.get(f"/deliveries/quality?f=1&provider={grid.id}&item=electricity").text
    assert f'href="/deliveries/quality/{bureau.id}"' not in narrowed
    data = client.get("/deliveries/quality?f=1&reset=1&format=xlsx").data
    assert load_workbook(io.BytesIO(data)).active.max_row == 3


def test_empty_pages_say_what_to_do_and_english_is_english(enter, grid):
    clerk, desk = enter(grid, Role.PROVIDER_CLERK), enter(cast.platform(), Role.DESK)
    assert "交来第一批数据并入库后" in clerk.get("/deliveries/quality").text
    assert "还没有数据质量报告" in desk.get("/deliveries/quality").text
    delivery = surge(grid)
    for client, path in ((clerk, f"/deliveries/{delivery}"), (clerk, "/deliveries/quality"), (desk, "/deliveries/quality")):
        client.post("/language", data={"language": "en"})
        page = client.get(path).text
        assert "Data quality" in page and "Coverage" in page and "覆盖率" not in page and "待修复" not in page


def test_the_pages_keep_their_query_budget_however_much_was_found(enter, grid, bureau):
    delivery = surge(grid)
    clerk, desk = enter(grid, Role.PROVIDER_CLERK), enter(cast.platform(), Role.DESK)
    paths = [(clerk, "/deliveries/quality"), (clerk, f"/deliveries/{delivery}"), (desk, "/deliveries/quality"), (clerk, "/")]

    def count():
        found = []
        for client, path in paths:
            with statements() as seen:
                assert client.get(path).status_code == 200
            found.append(len(seen))
        return found

    before = count()
    for _ in range(3):
        crowd(bureau)
        crowd(grid)
    assert count() == before
    assert max(before[:3]) <= 16


@pytest.mark.parametrize("path", ["/deliveries/quality"])
def test_people_of_the_wrong_kind_are_refused(enter, path):
    assert enter(cast.bank(), Role.BANK_OFFICER).get(path).status_code == 403
