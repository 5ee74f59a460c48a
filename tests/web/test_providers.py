"""Which data provider delivers what: the platform ticks it, the provider sees what came of it."""

from __future__ import annotations

import re

import pytest

from app.core.database import session, transaction
from app.core.errors import Refusal
from app.core.ids import new_id
from app.core.permissions import OrgKind, Role
from app.evidence import delivery_service, provider_service
from app.evidence.models import ProviderItem
from tests import cast
from tests.cast import SYSTEM
from tests.service.evidence_tools import stored
from tests.web.delivery_tools import delivering, standing
from tests.web.test_evidence_pages import statements
from tests.web.visitors import visit

pytestmark = pytest.mark.service

LIST = "/evidence/providers"


@pytest.fixture
def platform(app):
    return cast.platform()


@pytest.fixture
def admin(app, platform):
    return visit(app, platform[Role.SYSTEM_ADMIN])


@pytest.fixture
def grid(app):
    return delivering(cast.organisation(OrgKind.DATA_PROVIDER, "广州供电局"), "electricity")


def save(client, provider, ticked, before=()):
    return client.post(f"{LIST}/{provider.id}/items", follow_redirects=True, data={
        "items": list(ticked), "before": list(before), "idempotency_token": str(new_id()),
    }).text


def items_of(provider):
    with transaction(SYSTEM, read_only=True):
        return {row.item_code for row in session().query(ProviderItem).filter_by(provider_org_id=provider.id)}


def ticked(page):
    boxes = re.findall(r'<input[^>]*type="checkbox"[^>]*>', page)
    return {re.search(r'value="(\w+)"', box)[1] for box in boxes if " checked" in box}


def test_the_administrator_sees_who_delivers_what_and_when_something_came_last(admin, grid):
    standing(grid, "electricity")
    cast.organisation(OrgKind.DATA_PROVIDER, "新数据单位")
    page = admin.get(LIST).text
    assert "广州供电局" in page and "用电" in page and "还没有登记" in page
    assert "广州供电局" not in admin.get(LIST + "?f=1&none=1").text
    assert admin.get(LIST + "?format=xlsx").mimetype.endswith("sheet")


def test_items_stand_by_category_and_those_that_are_delivered_are_ticked(admin, grid):
    standing(grid, "electricity")
    page = admin.get(f"{LIST}/{grid.id}").text
    assert "水电气" in page and "纳税" in page and "已来 1 批" in page
    assert ticked(page) == {"electricity"}
    assert "real_estate" not in page, "what the portal has no table for is no choice"


def test_a_tick_lets_the_provider_upload_and_tells_it(app, admin, grid):
    assert "已保存。" in save(admin, grid, ["electricity", "meter_links"], ["electricity"])
    assert items_of(grid) == {"electricity", "meter_links"}
    client = visit(app, grid[Role.PROVIDER_CLERK])
    assert "平台为贵单位登记了 1 种要供的资料" in client.get("/notices").text
    assert 'value="meter_links"' in client.get("/deliveries/new").text


def test_an_item_taken_away_takes_no_more_files_and_what_came_stays(app, admin, grid):
    came = standing(grid, "electricity")
    save(admin, grid, [], ["electricity"])
    assert items_of(grid) == set()
    with pytest.raises(Refusal):
        delivery_service.receive_delivery(grid[Role.PROVIDER_CLERK], "electricity", stored(b"a,b"), "a.csv")
    client = visit(app, grid[Role.PROVIDER_CLERK])
    assert "已入库" in client.get(f"/deliveries/{came}").text
    assert "已入库的数据不受影响" in client.get("/notices").text
    assert "已来 1 批" in admin.get(f"{LIST}/{grid.id}").text, "the page still tells what once came"


def test_a_page_left_open_takes_nothing_away_that_somebody_else_gave(admin, platform, grid):
    provider_service.change_items(platform[Role.SYSTEM_ADMIN], grid.id, ["water"], [])
    save(admin, grid, ["electricity", "gas"], ["electricity"])
    assert items_of(grid) == {"electricity", "water", "gas"}


def test_giving_what_is_there_and_taking_what_is_not_changes_nothing(admin, grid):
    assert "已保存。" in save(admin, grid, ["electricity"], ["gas"])
    assert items_of(grid) == {"electricity"}


def test_only_items_with_a_table_and_only_data_providers(admin, grid):
    save(admin, grid, ["real_estate"])
    save(admin, grid, ["nonsense"])
    assert items_of(grid) == {"electricity"}
    bank = cast.bank()
    assert admin.get(f"{LIST}/{bank.id}").status_code == 404
    save(admin, bank, ["tax"])
    assert items_of(bank) == set()


def test_a_provider_without_items_reads_what_to_do(app, admin, grid):
    new = cast.organisation(OrgKind.DATA_PROVIDER, "新数据单位")
    client = visit(app, new[Role.PROVIDER_CLERK])
    page = client.get("/deliveries").text
    assert "贵单位还没有登记要供的资料" in page and "/deliveries/new" not in page
    save(admin, new, ["tax"])
    page = client.get("/deliveries").text
    assert "贵单位还没有登记要供的资料" not in page and "/deliveries/new" in page


def test_nobody_but_the_platforms_system_administrator_comes_here(app, platform, grid):
    for who in (platform[Role.DESK], platform[Role.AUDIT_ADMIN], grid[Role.PROVIDER_ADMIN]):
        client = visit(app, who)
        assert client.get(LIST).status_code == 403
        assert client.get(f"{LIST}/{grid.id}").status_code == 403
        assert client.post(f"{LIST}/{grid.id}/items", data={"items": ["tax"]}).status_code == 403
    assert items_of(grid) == {"electricity"}


def test_who_gave_and_took_is_on_record(admin, platform, grid):
    save(admin, grid, ["water"], ["electricity"])
    with transaction(SYSTEM, read_only=True) as unit:
        facts = unit.session.connection().exec_driver_sql(
            "select facts from audit_event where action = 'provider.change_items'").scalar_one()
    assert (facts["given"], facts["taken"]) == (["water"], ["electricity"])


def test_in_english_the_pages_speak_english(admin, grid):
    admin.post("/language", data={"language": "en"})
    page = admin.get(LIST).text
    assert "Items it delivers" in page and "Electricity" in page
    page = admin.get(f"{LIST}/{grid.id}").text
    assert "Tick what this provider delivers" in page and "Save" in page and "勾选" not in page


def test_the_list_reads_all_providers_in_a_fixed_number_of_statements(admin, grid):
    with statements() as few:
        admin.get(LIST)
    for number in range(5):
        standing(delivering(cast.organisation(OrgKind.DATA_PROVIDER, f"单位 {number}"), "tax", "water"), "tax")
    with statements() as many:
        admin.get(LIST)
    assert len(many) == len(few)
