"""The pages of a decision: what the firm, the banks and the desk read and press while it stands still and afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core import outbox
from app.core.database import session, transaction
from app.core.permissions import Role
from app.loans.models import Loan
from app.market import service
from app.market.bid_models import Choice, Objection
from app.market.bid_words import ConditionKind
from app.market.offer_rules import Condition
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.web.test_loans_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service

CLERK, OFFICER, APPROVER = Role.FIRM_CLERK, Role.BANK_OFFICER, Role.BANK_APPROVER


def choice_of(bid_id: Any) -> Choice:
    with transaction(SYSTEM, read_only=True):
        return session().scalars(select(Choice).where(Choice.bid_id == bid_id)).one()


def read(browser: FlaskClient, address: str) -> str:
    """The words of a page that is there."""
    page = browser.get(address)
    assert page.status_code == 200, address
    return words(page)


def test_a_decision_is_objected_to_answered_made_final_refused_and_made_again(app: Flask) -> None:
    firm, cheap, dear = cast.firm("广州岭南精工机械有限公司"), cast.bank("珠岸银行"), cast.bank("云城银行")
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(cheap, need, conditions=(Condition(ConditionKind.OWNER_LIABLE, "梁月娥"),))
    other = market_cast.sealed_bid(dear, need, market_cast.offer(percent="3.95"))
    service.close_need(firm[CLERK], need.id)
    clerk, officer, approver = visit(app, firm[CLERK]), visit(app, cheap[OFFICER]), visit(app, cheap[APPROVER])
    loser, desk = visit(app, dear[APPROVER]), visit(app, cast.platform()[Role.DESK])
    page = read(clerk, f"/needs/{need.id}/offers")
    assert "各家不同：综合年化成本、名义年利率" in page and "报价的条件" in page.split("各家不同：")[1]
    assert "还没有选定银行" in read(clerk, f"/needs/{need.id}/award")
    assert "还没有被选定的报价" in read(officer, "/choices") and "没有对选定的异议" in read(desk, "/desk/objections")

    send(clerk, f"/offers/{bid.id}/choose")
    choice = choice_of(bid.id)
    page = read(clerk, f"/needs/{need.id}/award")
    assert "珠岸银行" in page and "公示中" in page and "取消选定，重新选择" in page
    for address in ("/choices", f"/choices/{choice.id}", f"/bids/{bid.id}"):
        page = read(officer, address)
        assert "岭南精工" not in page and "公示" in page, "the bank learns the name when the choice is final"
    assert "请写明理由" in words(send(clerk, f"/awards/{choice.award_id}/undo", reason=" "))

    assert "企业拟选定另一家银行" in read(loser, f"/bids/{other.id}")
    assert loser.get(f"/choices/{choice.id}").status_code == 404 and "还没有被选定的报价" in read(loser, "/choices")
    page = words(send(loser, f"/queue/{need.id}/object", kind="CONFLICT", reason="法定代表人是该行股东"))
    assert "异议已提交" in page and "本行的异议" in page and "待服务台处理" in page
    assert "云城银行 · 企业与被选定的银行有利益关系 · 法定代表人是该行股东" in read(clerk, f"/needs/{need.id}/award")
    assert "有异议待服务台答复" in read(clerk, f"/needs/{need.id}/award") and "答复对选定的异议" in read(desk, "/")
    page = read(desk, "/desk/objections")
    assert "广州岭南精工机械有限公司" in page and "被选定的银行 珠岸银行" in page
    with transaction(SYSTEM, read_only=True):
        objection = session().scalars(select(Objection.id)).one()
    assert "已答复" in words(send(desk, f"/desk/objections/{objection}", uphold="0", reason="查无此事"))
    assert "服务台答复：查无此事" in read(loser, f"/bids/{other.id}")
    assert "服务台答复：查无此事" in read(clerk, f"/needs/{need.id}/award")

    market_cast.let_stand(choice)
    outbox.drain()
    with transaction(SYSTEM, read_only=True):
        loan = session().scalars(select(Loan)).one()
    assert "广州岭南精工机械有限公司" in read(officer, "/choices")
    assert "请审批人在贷款页作出决定" in read(officer, f"/choices/{choice.id}")
    send(approver, f"/loans/{loan.id}/approve")
    page = read(officer, f"/choices/{choice.id}")
    assert "登记签约" in page and "登记成立" in page and "连带保证" in page
    assert "登记条件成立" in read(officer, "/")
    assert "登记成立" not in read(approver, f"/choices/{choice.id}"), "who approves does not record what came about"
    assert "已登记签约" in words(send(officer, f"/choices/{choice.id}/sign", contract_no="珠岸-2026-1"))
    drawdown = {"principal": "300", "drawn_on": f"{loan.opened_at:%Y-%m-%d}", "contract_no": "珠岸-2026-1", "note_no": "借据-1"}
    assert "还有没有成立的条件" in words(send(officer, f"/loans/{loan.id}/drawdown", **drawdown))
    assert "已登记条件成立" in words(send(officer, f"/choices/{choice.id}/meet/1", note="面签"))

    assert "只能以报价中列明的条件不成立为由拒绝" in words(send(approver, f"/loans/{loan.id}/refuse", reason="政策调整"))
    assert "请选择" in read(approver, f"/loans/{loan.id}") and "政策调整" not in read(approver, f"/loans/{loan.id}")
    send(approver, f"/loans/{loan.id}/refuse", reason="新增诉讼 200 万元", condition_no="3")
    page = read(clerk, f"/needs/{need.id}/award")
    assert "银行以这项条件不成立为由没有放款" in page and "新增诉讼 200 万元" in page and "条件不成立，未放款" in page
    assert "承诺兑现 0 条件不成立，未放款 1 承诺未兑现 0" in read(officer, "/choices")
    page = read(clerk, f"/needs/{need.id}/offers")
    assert "报价失效" in page and "珠岸银行。先公示" not in page and "云城银行。先公示" in page, "only the next best"
    send(clerk, f"/offers/{other.id}/choose")
    page = read(clerk, f"/needs/{need.id}/award")
    assert page.index("云城银行") < page.index("公示中") < page.index("珠岸银行") < page.index("未成立")
