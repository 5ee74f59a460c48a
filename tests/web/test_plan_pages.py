"""The pages of a loan by plan: pasted lines become a plan, and every page that shows the cost shows it."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict
from wtforms import Form

from app.core.money import WAN, YUAN
from app.core.permissions import Role
from app.market import bid_service, service
from app.market.fields import PlanField
from app.market.terms import PlanRow
from tests import cast, market_cast
from tests.web.test_award_pages import read
from tests.web.test_loans_pages import send, words
from tests.web.test_part_pages import bid_form
from tests.web.visitors import visit

pytestmark = pytest.mark.service

CLERK, OFFICER, APPROVER = Role.FIRM_CLERK, Role.BANK_OFFICER, Role.BANK_APPROVER


class Pasted(Form):
    plan = PlanField()


def test_lines_are_read_as_people_type_and_paste_them(app: Flask) -> None:
    text = "3\t500,000.00\r\n\r\n第 6 个月：100万\n 9 月，250000.5元\n12 １００万元"
    with app.test_request_context():
        form = Pasted(MultiDict({"plan": text}))
        assert form.validate()
        assert form.plan.data == (
            PlanRow(3, 50 * WAN), PlanRow(6, 100 * WAN), PlanRow(9, 25 * WAN + 50 * 1), PlanRow(12, 100 * WAN),
        )  # fmt: skip
        for text, number in (("三月 100", 1), ("3 50万\n6", 2), ("3 50\n6 一百万", 2), ("3 1.234", 1), ("1234 100", 1)):
            form = Pasted(MultiDict({"plan": text}))
            assert not form.validate() and f"第 {number} 行读不懂" in form.plan.errors[0], text
        assert Pasted(data={"plan": (PlanRow(6, 1_50),)}).plan._value() == "6 1.5"
    assert YUAN == 100


def test_a_plan_is_typed_computed_compared_and_repaid_early(app: Flask) -> None:
    firm, bank, rival = cast.firm("广州岭南精工机械有限公司"), cast.bank("珠岸银行"), cast.bank("云城银行")
    need = market_cast.open_need(firm)
    made = market_cast.product(bank, "按计划还本", repayments=("FREE",))
    officer, clerk = visit(app, bank[OFFICER]), visit(app, firm[CLERK])
    door, wanted = f"/queue/{need.id}/bid", {"method": "FREE"}
    for plan, sentence in (
        ("", "请写明每次归还本金的月份和金额"), ("6 100万\n12 100万", "合计等于贷款金额 3,000,000.00 元"),
        ("12 150万\n6 150万", "从早到晚"), ("6 300万", "最后一次还本应在到期的第 12 个月"), ("六 300万", "第 1 行读不懂"),
        ("\n".join(f"{number} 1" for number in range(1, 62)), "还本计划最多 60 行"),
    ):  # fmt: skip
        page = words(send(officer, door, **bid_form(made, **wanted, plan=plan), compute="1"))
        assert sentence in page, sentence
    page = words(send(officer, door, **bid_form(made, **wanted, plan="6 150万\n12 150万"), compute="1"))
    assert ("3.94%" in page and "利息合计 8.6625 万元" in page) or "86,625" in page
    sent = send(officer, door, **bid_form(made, **wanted, plan="6 150万\n12 150万"), propose="1")
    assert "共 2 次还本" in words(sent) and "第 6 个月 150 万元" in words(sent)
    bid_id = UUID(sent.request.path.rsplit("/", 1)[1])
    bid_service.submit_bid(bank[APPROVER], bid_id)
    market_cast.sealed_bid(rival, need, market_cast.offer(percent="3.95"))
    service.close_need(firm[CLERK], need.id)

    assert "第 6 个月 150 万元" in read(clerk, f"/needs/{need.id}/offers")
    page = read(clerk, f"/offers/{bid_id}/sheet")
    assert "按约定计划还本，按日期折现：综合年化成本 3.95%" in page and "第 6 个月 1,500,000.00" in page and "88,625.00" in page
    page = read(clerk, f"/needs/{need.id}/compare")
    assert "还本计划 不同 第 6 个月 150 万元、第 12 个月 150 万元 —" in page
    page = read(clerk, f"/offers/{bid_id}/early?after=6")
    assert "那时一次归还本金 150 万元" in page and "少付利息 28,875 元" in page
    assert "还本计划" not in read(clerk, f"/offers/{bid_id}/early?after=6")
