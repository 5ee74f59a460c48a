"""An officer takes a need up from its page; the approver sees who holds how much and hands it over."""

from __future__ import annotations

import re

from flask.testing import FlaskClient

from app.core.permissions import Role
from tests import cast, market_cast
from tests.market_cast import sign_in
from tests.service.test_claims import second_officer
from tests.web.test_market_firm_pages import text_of


def test_a_need_is_claimed_marked_in_the_queue_and_handed_over(client: FlaskClient) -> None:
    bank = cast.bank()
    market_cast.product(bank)
    other = second_officer(bank)
    need = market_cast.open_need(cast.firm())
    sign_in(client, bank, Role.BANK_OFFICER)
    assert "还没有同事认领。您手上有 0 件，上限 20 件。" in text_of(client.get(f"/queue/{need.id}").text)
    page = client.post(f"/queue/{need.id}/claim", data={"idempotency_token": "c1"}, follow_redirects=True)
    assert "已认领，请在时限内报价。" in page.text and "我认领的" in page.text
    assert "已认领" in text_of(client.get("/queue").text) and "共 1 条" in text_of(client.get("/queue?f=1&mine=1").text)
    assert "没有符合条件的记录" in client.get("/queue?f=1&unclaimed=1").text
    client.get("/queue?reset=1")
    assert client.get("/queue/load").status_code == 403

    sign_in(client, bank, Role.BANK_APPROVER)
    assert "认领与负荷" in client.get("/queue").text
    load = client.get("/queue/load").text
    assert "制造业 · 小型 · 黄埔区" in text_of(load) and "李经理（0/20）" in text_of(load)
    target = re.search(r"/claims/[0-9a-f-]{36}/hand-over", load)
    assert target is not None
    done = client.post(target[0], data={"person_id": str(other.actor_id), "idempotency_token": "h1"}, follow_redirects=True)
    assert "已转交。" in done.text and "李经理" in text_of(done.text)
    wrong = client.post(target[0], data={"person_id": "x", "idempotency_token": "h2"}, follow_redirects=True)
    assert wrong.status_code == 200
    assert client.get(f"/queue/{need.id}").text.count("李经理 已认领") == 1
