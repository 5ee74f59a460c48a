"""A bank sees what runs out for itself, the bureau who is late."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

from flask.testing import FlaskClient
from openpyxl import load_workbook

from app.core.calendar import now
from app.core.permissions import Role
from app.market import clock_service
from app.market.level_rules import Step
from tests import cast
from tests.cast import SYSTEM
from tests.market_cast import sign_in
from tests.web.test_market_firm_pages import text_of


def test_who_runs_out_of_time(client: FlaskClient) -> None:
    bank, rival, bureau = cast.bank(), cast.bank("云城银行"), cast.bureau()
    sign_in(client, bank, Role.BANK_OFFICER)
    assert "没有正在计时的步骤" in client.get("/clocks").text
    for step, days in ((Step.DECISION, 0), (Step.DRAWDOWN_REPORT, 60)):
        clock_service.begin(SYSTEM, step, "choice", bank.id, bank.id, since=now() - timedelta(days=days), path="/loans")
    clock_service.begin(SYSTEM, Step.DRAWDOWN_REPORT, "choice", rival.id, rival.id, since=now() - timedelta(days=60))
    assert clock_service.remind_due(SYSTEM) == 2
    page = text_of(client.get("/clocks").text)
    assert "银行审批" in page and "已超时" in page and "100%" in page and "云城银行" not in page
    assert "已用去 100%，最晚" in text_of(client.get("/notices").text)
    sign_in(client, bureau, Role.BUREAU_LEADER)
    page = text_of(client.get("/clocks?f=1&state=OVER").text)
    assert "云城银行" in page and "珠岸银行" in page and "共 2 条" in page
    sheet = load_workbook(BytesIO(client.get("/clocks?format=xlsx").data)).active
    told = {tuple(str(cell.value) for cell in row[:2]) for row in sheet.iter_rows(min_row=2)}
    assert told == {("放款回报 · 云城银行", "已超时"), ("放款回报 · 珠岸银行", "已超时")}, "as it is filtered"
    assert client.get("/levels").status_code == 200
