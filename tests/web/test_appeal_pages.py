"""A story of an appeal on the pages: the firm reads why it was refused, appeals, another person of the bank answers."""

from __future__ import annotations

import pytest
from flask import Flask

from app.core.permissions import Role
from app.market import answer_service, service
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.web.test_loans_pages import words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def test_a_firm_appeals_another_person_answers_and_the_desk_looks_on(app: Flask) -> None:
    platform, bureau, firm = cast.platform(), cast.bureau(), cast.firm("广州岭南精工机械有限公司")
    near, far = cast.bank("珠岸银行"), cast.bank("云城银行")
    need = market_cast.open_need(firm, banks=(near.id, far.id))
    for bank, reason in ((near, "SALES_LOW"), (far, "DEBT_HIGH")):
        refusal = answer_service.refuse_need(bank[Role.BANK_OFFICER], need.id, [reason], "看了申报数")
    desk, clerk = visit(app, platform[Role.DESK]), visit(app, firm[Role.FIRM_CLERK])
    officer, approver = visit(app, far[Role.BANK_OFFICER]), visit(app, far[Role.BANK_APPROVER])
    page = f"/needs/{need.id}/appeals"
    assert "没有银行婉拒" in words(clerk.get(page)), "sealed until closing"
    service.settle_due_needs(SYSTEM)

    assert "婉拒与申诉" in words(clerk.get(f"/needs/{need.id}"))
    assert words(clerk.get(page)).count("提出申诉") == 2
    sent = {"idempotency_token": "p1", "text": "有一笔贷款上月已还清"}
    done = words(clerk.post(f"{page}/{refusal.id}", data=sent, follow_redirects=True))
    assert "由该行未经手的审批人答复" in done and done.count("提出申诉") == 1
    assert "没有申诉" in words(visit(app, near[Role.BANK_APPROVER]).get("/appeals"))
    assert "没有申诉" in words(visit(app, bureau[Role.BUREAU_AUDITOR]).get("/appeals"))

    assert "答复企业的申诉" in words(approver.get("/")) and firm.name not in words(approver.get("/appeals"))
    assert firm.name in words(desk.get("/appeals"))
    theirs = "/appeals/" + officer.get("/appeals").text.split('href="/appeals/')[1].split('"')[0]
    seen = words(officer.get(theirs))
    assert "有一笔贷款上月已还清" in seen and "已有负债偏高" in seen and "看了申报数" in seen and "答复企业" not in seen
    assert "答复企业" in words(approver.get(theirs)) and "这份需求" in words(desk.get(theirs))
    blank = approver.post(f"{theirs}/answer", data={"withdraw": "1", "idempotency_token": "p2"}, follow_redirects=True)
    assert "请写明理由" in words(blank)
    answer = {"withdraw": "1", "answer": "结清证明已收到", "idempotency_token": "p3"}
    assert "已答复" in words(approver.post(f"{theirs}/answer", data=answer, follow_redirects=True))
    told = words(clerk.get(page))
    assert "结清证明已收到" in told and "撤销婉拒" in told and "定向名单里会保留这家银行" in told
    assert desk.get("/appeals?format=xlsx").mimetype.endswith("sheet")
    assert visit(app, near[Role.BANK_OFFICER]).get(theirs).status_code == 404
