"""Pages of batches and matching rounds: the desk makes one, the bureau reads it, a bank and a firm read their own part."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO

import pytest
from flask import Flask
from openpyxl import load_workbook

from app.core import outbox
from app.core.money import WAN
from app.core.permissions import Role
from tests import cast, market_cast
from tests.service.test_rounds import filed
from tests.web.test_market_firm_pages import text_of
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def test_a_round_from_the_desk_to_the_firm(app: Flask) -> None:
    desk = visit(app, cast.platform()[Role.DESK])
    bank, rival = cast.bank(), cast.bank("云城银行")
    rate = Decimal("0.035")
    market_cast.product(bank, "科创贷", min_rate=rate, max_rate=rate, seats=1, budget_fen=300 * WAN)
    firms = [cast.firm(f"广州第{number}精密仪器有限公司") for number in range(2)]
    for firm in firms:
        filed(firm, 300)

    assert "还没有批次" in text_of(desk.get("/batches").text)
    refused = desk.post("/batches", data={"name": " ", "kind": "fair", "limit_days": "0"})
    assert refused.status_code == 422 and "必须介于 1 到 365 之间" in text_of(refused.text)
    made = desk.post("/batches", data={"name": "黄埔对接会", "kind": "fair", "limit_days": "30"})
    address = made.location
    assert "批次里还没有需求" in text_of(desk.get(address).text)
    desk.post(f"{address}/banks", data={"banks": [str(bank.id), str(rival.id), "no id"]})
    page = text_of(desk.get(address).text)
    assert "参加撮合的产品：1" in page and "没有产品写明撮合名额" in page

    # By code, out again, then by filter.
    codes = f"{cast.uscc_of(firms[0])}\n91440101MA59NOBODY"
    page = text_of(desk.post(f"{address}/firms", data={"codes": codes, "do": "add"}, follow_redirects=True).text)
    assert "加入 1 份需求" in page and "1 个代码没有正在报价的需求：91440101MA59NOBODY" in page
    page = text_of(desk.post(f"{address}/firms", data={"codes": codes, "do": "remove"}, follow_redirects=True).text)
    assert "移出 1 份需求" in page
    picking = text_of(desk.get(f"{address}/needs?district=440112&industry=C&f=1").text)
    assert "加入筛出的 2 份" in picking and "广州第0精密仪器" in picking
    desk.post(f"{address}/needs?district=440112&industry=C&f=1")
    assert len(list(sheet(desk.get(f"{address}?format=xlsx").data))) == 3

    bad = desk.post(f"{address}/rounds", data={"quota": "half"}, follow_redirects=True)
    assert "填写有误" in text_of(bad.text)
    round_address = desk.post(f"{address}/rounds", data={"quota": "20"}).location
    assert "正在计算" in text_of(desk.get(round_address).text)
    outbox.drain()
    page = text_of(desk.get(round_address).text)
    for words in ("已算出，未公布", "首贷户有建议 / 全部", "科创贷", "名额或额度已满", "输入摘要"):
        assert words in page
    assert "撮合已算出，请核对后公布或作废" in text_of(desk.get("/").text)
    rows = list(sheet(desk.get(f"{round_address}?format=xlsx").data))
    assert [row[2] for row in rows[1:]] == ["珠岸银行", None] and rows[1][3] == 3_000_000
    told = desk.get(f"{round_address}?format=csv").data.decode("utf-8-sig").splitlines()
    assert told[0].startswith("企业,需要（元）") and "3000000" in told[1] and len(told) == 3

    # Nobody else reads it before it is shown; then each reads its own.
    auditor = visit(app, cast.bureau()[Role.BUREAU_AUDITOR])
    officer, other = visit(app, bank[Role.BANK_OFFICER]), visit(app, rival[Role.BANK_OFFICER])
    lucky, unlucky = (visit(app, firm[Role.FIRM_CLERK]) for firm in firms)
    assert auditor.get(round_address).status_code == 200 and auditor.post(f"{round_address}/show").status_code == 403
    assert {client.get(round_address).status_code for client in (officer, other, lucky, unlucky)} == {404}
    desk.post(f"{round_address}/show")
    assert "已公布" in text_of(desk.get(round_address).text)
    page = text_of(officer.get(round_address).text)
    assert "制造业 · 小型 · 黄埔区" in page and "精密仪器" not in page and "金额在产品范围内" in page and "第 1 名" in page
    assert "平台的撮合建议" in text_of(officer.get("/").text)
    assert other.get(round_address).status_code == 404  # none of its products took part
    page = text_of(lucky.get(round_address).text)
    assert "珠岸银行" in page and "300 万元" in page and "第 1 名" in page
    page = text_of(unlucky.get(round_address).text)
    assert "能去的 1 个产品名额或额度都已满" in page and "科创贷" in page and "名额已满" in page
    # Why a need came where it came: for the staff and the firm, not for a bank.
    need = desk.get(round_address).text.split(f"{round_address}/needs/")[1][:36]
    assert [client.get(f"{round_address}/needs/{need}").status_code for client in (desk, auditor, officer)] == [200, 200, 404]
    desk.post(f"{round_address}/end")
    assert "已结束" in text_of(officer.get(round_address).text) and lucky.get(round_address).status_code == 200


def sheet(data: bytes) -> list[tuple[object, ...]]:
    """Rows of a workbook's only sheet."""
    return list(load_workbook(BytesIO(data), read_only=True).active.iter_rows(values_only=True))
