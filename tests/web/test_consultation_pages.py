"""A story of a consultation on the pages: the desk calls, the firm agrees, banks say, the firm reads the advice."""

from __future__ import annotations

import pytest
from flask import Flask

from app.core.permissions import Role
from app.market import service
from tests import cast, market_cast
from tests.web.test_loans_pages import words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def test_the_desk_calls_the_firm_agrees_banks_say_and_the_firm_reads_the_advice(app: Flask) -> None:
    platform, firm = cast.platform(), cast.firm("广州岭南精工机械有限公司")
    near, far = cast.bank("珠岸银行"), cast.bank("云城银行")
    need = service.close_need(firm[Role.FIRM_CLERK], market_cast.open_need(firm).id)
    desk, clerk = visit(app, platform[Role.DESK]), visit(app, firm[Role.FIRM_CLERK])
    first, second = visit(app, near[Role.BANK_OFFICER]), visit(app, far[Role.BANK_APPROVER])
    assert "没有会诊" in words(desk.get("/desk/consultations")) and "没有会诊" in words(first.get("/consultations"))
    page = f"/desk/needs/{need.id}"
    assert "请银行会诊" in words(desk.get(page))
    token = iter(range(100))

    def post(client: object, address: str, **data: object) -> str:
        return words(client.post(address, data={**data, "idempotency_token": f"c{next(token)}"}, follow_redirects=True))  # type: ignore[attr-defined]

    assert "请选择 1 到 5 家银行。" in post(desk, f"{page}/consult", reason="订单稳定")
    called = {"banks": [str(near.id), str(far.id)], "reason": "订单稳定，值得再看"}
    assert "已提议会诊" in post(desk, f"{page}/consult", **called)
    assert "订单稳定" not in words(first.get("/consultations"))
    mine = f"/needs/{need.id}/consultation"
    seen = words(clerk.get(mine))
    assert "服务台建议会诊" in words(clerk.get("/")) and "订单稳定，值得再看" in seen and "云城银行" in seen
    found = seen and clerk.get(mine).text.split("/needs/consultations/")[1].split("/")[0]
    assert "银行正在会诊" in post(clerk, f"/needs/consultations/{found}/agree")

    theirs = f"/consultations/{found}"
    assert "请说明会诊意见" in words(first.get("/")) and firm.name not in words(first.get(theirs))
    assert "请写明理由" in post(first, f"{theirs}/say", outcome="WOULD_IF")
    assert "已记下本行的意见" in post(first, f"{theirs}/say", outcome="ASKS", text="订单多少？")
    assert "订单多少？" in words(clerk.get(mine))
    post(clerk, f"/needs/consultations/{found}/reply", text="三百万元")
    post(second, f"{theirs}/say", outcome="WOULD_IF", conditions=["GUARANTEE"], text="加政府性融资担保", named="1")
    assert "三百万元" in words(first.get(theirs)) and "加政府性融资担保" in words(first.get(theirs))
    advice = f"/desk/consultations/{found}"
    assert "订单多少？" in words(desk.get(advice)) and "会诊等待结论" in words(desk.get("/"))
    done = post(desk, f"{advice}/advise", advice=["NEXT_ROUND", "OTHER_PRODUCT"], kinds=["GUARANTEED"], text="先办担保")
    assert "已把建议告诉企业" in done
    told = words(clerk.get(mine))
    assert "先办担保" in told and "加政府性融资担保" in told and "订单多少" not in told
    assert "会诊有了结论" in words(clerk.get(f"/needs/{need.id}")) and "先办担保" in words(second.get(theirs))
    assert first.get("/consultations?format=xlsx").mimetype.endswith("sheet")
    assert desk.get("/desk/consultations?format=xlsx").mimetype.endswith("sheet")
    assert visit(app, cast.bank("岭海农商行")[Role.BANK_OFFICER]).get(theirs).status_code == 404
