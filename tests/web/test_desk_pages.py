"""The desk's pages: a need waits on its home, with hints; released, or given back with reasons that the firm reads."""

from __future__ import annotations

from flask.testing import FlaskClient

from app.core.permissions import Role
from app.market import service
from tests import cast, market_cast
from tests.market_cast import sign_in
from tests.web.test_market_firm_pages import text_of


def test_the_desk_returns_a_need_and_the_firm_mends_corrects_and_declares(client: FlaskClient) -> None:
    firm, desk = cast.firm(), cast.platform()
    clerk = firm[Role.FIRM_CLERK]
    sign_in(client, firm, Role.FIRM_CLERK)
    debt = {"lender": "番禺合作信用社", "amount": "80", "annual_rate": "5.2", "secured": "y", "idempotency_token": "d"}
    assert client.post("/needs/debts", data=debt).status_code == 302
    page = text_of(client.get("/needs/debts").text)
    assert "番禺合作信用社" in page and "5.20%" in page and "80 万元" in page
    assert "请填写出借方" in client.post("/needs/debts", data={"amount": "x"}).text
    need = service.submit_need(clerk, market_cast.draft_need(firm).id)

    sign_in(client, desk, Role.DESK)
    assert f"/desk/needs/{need.id}" in client.get("/").text and "300 万元" in client.get("/desk/needs").text
    page = text_of(client.get(f"/desk/needs/{need.id}").text)
    assert "执照与法定代表人已核验" in page and "19%" in page and "380 万元" in page, "380 of 2,000 万元 sales"
    back = f"/desk/needs/{need.id}/return"
    assert "请写明理由" in client.post(back, data={}, follow_redirects=True).text
    client.post(back, data={"reasons": "USE_UNCLEAR", "note": "付给谁？"})

    sign_in(client, firm, Role.FIRM_CLERK)
    page = text_of(client.get(f"/needs/{need.id}").text)
    assert "请写明买什么、付给哪一类对方、什么时候付。" in page and "付给谁？" in page
    assert "修改后重新提交" in page and "服务台退回了需求" in client.get("/").text
    assert client.get(f"/needs/{need.id}/edit/purpose").status_code == 200
    assert client.post(f"/needs/{need.id}/check", data={"idempotency_token": "s"}).location == f"/needs/{need.id}"
    sign_in(client, desk, Role.DESK)
    assert "已放行" in client.post(f"/desk/needs/{need.id}/release", follow_redirects=True).text

    sign_in(client, firm, Role.FIRM_CLERK)
    typed = {"amount": "200", "purpose_kind": "PURCHASE", "purpose_text": "采购数控机床配件", "term_months": "12",
             "product_kind": "CREDIT", "repayment": "ANY", "first_loan": "y", "idempotency_token": "c"}  # fmt: skip
    address = f"/needs/{need.id}/correct"
    assert "请写明更正的理由" in client.post(address, data=typed).text
    assert client.post(address, data={**typed, "reason": "订单减少"}).location == f"/needs/{need.id}"
    page = text_of(client.get(f"/needs/{need.id}").text)
    assert "订单减少" in page and "更正前" in page and "300 万元" in page and "更正需求" not in page
    bank = cast.bank()
    sign_in(client, bank, Role.BANK_OFFICER)
    page = text_of(client.get(f"/queue/{need.id}").text)
    assert "订单减少" in page and "80 万元" in page and "番禺" not in page, "the sum, not the lender"
