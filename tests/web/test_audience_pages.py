"""The desk sends a list, the firm sees whom its need went to, everybody reads how banks stand."""

from __future__ import annotations

import re
from io import BytesIO

from flask.testing import FlaskClient
from openpyxl import load_workbook

from app.core import outbox
from app.core.permissions import Role
from app.market import batch_service, service, standing_service
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.market_cast import clerk, sign_in
from tests.web.test_market_firm_pages import text_of


def test_lists_assignments_and_standings_on_their_pages(client: FlaskClient) -> None:
    bank, firm, other, platform = cast.bank(), cast.firm(), cast.firm("广州乙二机械有限公司"), cast.platform()
    market_cast.product(bank)
    needs = []
    for owner, way in ((firm, "list"), (other, "assigned")):
        draft = market_cast.draft_need(owner)
        service.save_need(clerk(owner), draft.id, service.AudiencePart(way))
        needs.append(market_cast.release(service.submit_need(clerk(owner), draft.id)))
    outbox.drain()

    sign_in(client, platform, Role.DESK)
    desk = platform[Role.DESK]
    batch = batch_service.make_batch(desk, "春季清单", "list", 20)
    path = f"/batches/{batch.id}"
    assert "从今天起 20 天内报价" in client.get(path).text
    none = client.post(f"{path}/send", data={"idempotency_token": "b1"}, follow_redirects=True)
    assert "没有等待推送的清单需求" in none.text
    batch_service.add_needs(desk, batch.id, [needs[0].id])
    batch_service.set_banks(desk, batch.id, [bank.id])
    assert "已推送。" in client.post(f"{path}/send", data={"idempotency_token": "b2"}, follow_redirects=True).text

    sign_in(client, other, Role.FIRM_CLERK)
    page = text_of(client.get(f"/needs/{needs[1].id}").text)
    assert "已派给的银行" in page and "珠岸银行" in page
    sign_in(client, bank, Role.BANK_OFFICER)
    assert "派单" in text_of(client.get("/queue").text) and "清单" in text_of(client.get("/queue").text)
    assert client.get("/batches").status_code == 403

    assert "还没有统计" in client.get(f"/banks/{bank.id}").text
    standing_service.count_due(SYSTEM)
    sign_in(client, firm, Role.FIRM_CLERK)
    page = client.get("/banks").text
    assert "珠岸银行" in page and "不足 5 笔的不公布" in page
    sheet = load_workbook(BytesIO(client.get("/banks?format=xlsx").data)).active
    assert [[cell.value for cell in row[:2]] for row in sheet.iter_rows(min_row=2)] == [["珠岸银行", "—"]]
    link = re.search(r"/banks/[0-9a-f-]{36}", page)
    assert link is not None and "同类平台：95% 以上" in client.get(link[0]).text
    assert client.get(f"/banks/{firm.id}").status_code == 404
