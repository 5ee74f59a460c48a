"""接口密钥 as a provider's administrator meets it."""

from __future__ import annotations

import io
import re

import pytest
from openpyxl import load_workbook

from app.core.permissions import Role
from tests import cast
from tests.service.evidence_tools import uscc_of
from tests.web.pusher import Pusher, grant, row
from tests.web.visitors import visit

pytestmark = pytest.mark.service


@pytest.fixture
def provider(database):
    return cast.provider(items=())


@pytest.fixture
def admin(app, provider):
    return visit(app, provider[Role.PROVIDER_ADMIN])


def create(admin, label="营销系统", token="t1"):
    return admin.post("/deliveries/keys", data={"label": label, "idempotency_token": token}, follow_redirects=True).text


def test_an_empty_page_says_what_to_do(admin):
    page = admin.get("/deliveries/keys").text
    assert "还没有接口密钥" in page and "在下方填写名称即可创建" in page and "请联系平台登记" in page
    assert 'href="/deliveries/keys"' in admin.get("/").text


def test_a_key_is_made_used_and_ended(app, admin, provider):
    grant(provider)
    assert "POST /api/v1/deliveries/invoices" in admin.get("/deliveries/keys").text
    page = create(admin)
    key_id, secret = re.search(r">(hqk_[0-9a-f]{16})<", page)[1], re.search(r'id="key-secret"[^>]*>([^<]+)<', page)[1]
    pusher = Pusher(app.test_client(), key_id, secret)
    rows = [row(uscc_of(cast.firm()))]
    assert pusher.push(rows).status_code == 202
    listed = admin.get("/deliveries/keys").text
    assert key_id in listed and "使用中" in listed and secret not in listed
    address = re.search(r'"(/deliveries/keys/[0-9a-f-]{36})"', listed)[1]
    single = admin.get(address).text
    assert key_id in single and secret not in single and "还没有用过" not in single
    assert "密钥已停用，即刻生效。" in admin.post(f"{address}/revoke", follow_redirects=True).text
    assert pusher.push(rows).status_code == 401
    assert "停用的密钥不能再启用" in admin.get(address).text
    assert "状态已经变化" in admin.post(f"{address}/revoke", follow_redirects=True).text


def test_a_form_that_comes_twice_makes_one_key_and_shows_no_secret_again(admin):
    create(admin)
    assert "密钥只显示一次" in create(admin)
    assert admin.get("/deliveries/keys").text.count("hqk_") == 1


@pytest.mark.parametrize(("label", "sentence"), [
    ("", "请填写名称。"), ("长" * 41, "名称不超过 40 个字。"), ("a\x07b", "填写有误"),
])
def test_a_label_that_will_not_do_gets_its_sentence(admin, label, sentence):
    assert sentence in create(admin, label)


def test_two_live_keys_do_not_share_a_name(admin):
    create(admin)
    assert "这个名称已经有了" in create(admin, token="t2")


def test_only_the_providers_own_administrator_reaches_its_keys(app, admin, provider):
    create(admin)
    address = re.search(r'"(/deliveries/keys/[0-9a-f-]{36})"', admin.get("/deliveries/keys").text)[1]
    clerk = visit(app, provider[Role.PROVIDER_CLERK])
    assert clerk.get("/deliveries/keys").status_code == 403
    other = visit(app, cast.provider("广州供电局")[Role.PROVIDER_ADMIN])
    assert "hqk_" not in other.get("/deliveries/keys").text
    assert other.get(address).status_code == 404
    assert other.post(f"{address}/revoke").status_code == 404


def test_the_list_is_exported_without_secrets(admin):
    create(admin, "=cmd()")
    sheet = load_workbook(io.BytesIO(admin.get("/deliveries/keys?format=xlsx").data)).active
    cells = [cell for found in sheet.iter_rows(values_only=True) for cell in found]
    assert "使用中" in cells and not any(isinstance(cell, str) and len(cell) == 43 for cell in cells)
