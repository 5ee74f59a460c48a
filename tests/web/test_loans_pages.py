"""The pages of loans as people meet them: the road by forms, bad input with its sentence, other people's loans."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select, text

from app.core.calendar import today
from app.core.database import engine, session, transaction
from app.core.money import WAN
from app.core.permissions import Role
from app.loans import service as loans
from app.loans.models import Loan
from tests import cast
from tests.pool_cast import City, terms
from tests.web.visitors import visit

pytestmark = pytest.mark.service


@pytest.fixture
def city(app: Flask) -> City:
    return City(budget=0)


def words(page: Any) -> str:
    """What stands on a page, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.get_data(as_text=True)))


def send(client: FlaskClient, url: str, **fields: Any) -> Any:
    """A form with its token, and the page that follows."""
    return client.post(url, data={"idempotency_token": str(uuid4()), **fields}, follow_redirects=True)


def only_loan() -> Loan:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalars(select(Loan).order_by(Loan.opened_at.desc())).first()  # type: ignore[return-value]


def offline(city: City, **changes: Any) -> dict[str, Any]:
    return {"uscc": cast.uscc_of(city.firm), "name": city.firm.name, "amount": "300", "annual_rate": "4.2",
            "term_months": "12", "method": "EQUAL_PRINCIPAL", "product_kind": "CREDIT", "purpose": "采购原材料", **changes}


def test_a_bank_walks_a_loan_from_registration_to_repayment_through_its_pages(app: Flask, city: City) -> None:
    officer, approver = visit(app, city.officer), visit(app, city.approver)
    assert "还没有贷款" in words(officer.get("/loans"))
    assert "待审批" in words(send(officer, "/loans/new", **offline(city)))
    loan = only_loan()
    assert "审批贷款" in words(approver.get("/"))
    assert "已批准" in words(send(approver, f"/loans/{loan.id}/approve"))
    assert "放款后请登记" in words(officer.get("/"))
    drawn = words(send(officer, f"/loans/{loan.id}/drawdown", principal="300", drawn_on=today().isoformat(),
                       contract_no="合同-1", note_no="借据-1"))
    assert "已登记放款" in drawn
    assert drawn.count("250,000.00") >= 12
    assert "3,000,000.00" in drawn
    paid = words(send(officer, f"/loans/{loan.id}/repayment", amount="100,000", paid_on=today().isoformat(),
                      kind="prepayment", reference="流水-1"))
    assert "已登记还款" in paid and "290 万元" in paid
    firm = visit(app, city.firm[Role.FIRM_CLERK])
    assert "还款计划" in words(firm.get(f"/loans/{loan.id}"))
    assert "登记还款" not in words(firm.get(f"/loans/{loan.id}"))


def test_a_firm_confirms_or_disowns_a_loan_on_its_page_and_the_bank_waits_for_it(app: Flask, city: City) -> None:
    officer, firm = visit(app, city.officer), visit(app, city.firm[Role.FIRM_CLERK])
    page = words(send(officer, "/loans/new", **offline(city)))
    assert "等企业确认" in page and city.firm.name in page and "提出异议" not in page
    loan = only_loan()
    assert "企业还没有确认这笔线下贷款" in words(officer.get(f"/loans/{loan.id}/booking", follow_redirects=True))
    assert city.firm.name in words(officer.get("/loans"))
    page = words(firm.get(f"/loans/{loan.id}"))
    assert "确认是本企业的贷款" in page and "提出异议" in page
    assert "异议已登记" in words(send(firm, f"/loans/{loan.id}/disown", reason="没有这笔贷款"))
    assert "没有这笔贷款" in words(officer.get(f"/loans/{loan.id}"))
    assert "银行会收到通知" in words(send(firm, f"/loans/{loan.id}/recognise"))
    assert "等企业确认" not in words(officer.get(f"/loans/{loan.id}"))
    assert send(officer, f"/loans/{loan.id}/recognise").status_code == 403


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"name": ""}, "请填写借款企业名称"), ({"name": "广州别家有限公司"}, "平台上没有名称和统一社会信用代码都相符的企业"),
    ({"uscc": "91440101MA5CXXXX"}, "统一社会信用代码不正确"), ({"amount": "-5"}, "贷款金额应大于 0"),
    ({"amount": "三百"}, "请填写数字"), ({"annual_rate": "385"}, "年利率应在 0 到 36% 之间"),
    ({"term_months": "0"}, "期限应在 1 到 360 个月之间"), ({"purpose": ""}, "请填写贷款用途"),
])
def test_a_wrong_field_gets_its_sentence_and_what_was_typed_stays(
    app: Flask, city: City, changes: dict[str, str], sentence: str,
) -> None:
    page = send(visit(app, city.officer), "/loans/new", **offline(city, **changes))
    assert sentence in words(page)
    assert all(f'value="{value}"' in page.get_data(as_text=True) for value in changes.values() if value)


@pytest.mark.parametrize(("fields", "sentence"), [
    ({"amount": "99,999,999"}, "还款超过尚欠金额 300 万元"), ({"amount": "-1"}, "金额不在允许的范围内"),
    ({"amount": "0"}, "金额不在允许的范围内"), ({"paid_on": (today() + timedelta(days=2)).isoformat()}, "日期应在"),
    ({"reference": ""}, "请填写流水号"),
])
def test_a_wrong_repayment_gets_its_sentence(app: Flask, city: City, fields: dict[str, str], sentence: str) -> None:
    loan = city.drawn(terms(300, 12, "BULLET", annual_rate=terms().annual_rate * 0), days_ago=5)
    good = {"amount": "100", "paid_on": today().isoformat(), "kind": "normal", "reference": "流水"}
    assert sentence in words(send(visit(app, city.officer), f"/loans/{loan.id}/repayment", **{**good, **fields}))


def test_the_same_repayment_form_sent_twice_is_one_repayment(app: Flask, city: City) -> None:
    loan, officer = city.drawn(days_ago=5), visit(app, city.officer)
    form = {"amount": "100000", "paid_on": today().isoformat(), "kind": "normal", "reference": "流水", "idempotency_token": "t-1"}
    for _ in range(2):
        assert officer.post(f"/loans/{loan.id}/repayment", data=form).status_code == 302
    assert "请重新打开页面" in words(officer.post(f"/loans/{loan.id}/repayment", data={**form, "amount": "5"}))
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(text("select count(*) from repayment")) == 1


def test_a_refusal_needs_a_reason_and_the_officer_may_not_approve(app: Flask, city: City) -> None:
    loan = city.agreed()
    approver = visit(app, city.approver)
    assert "请写明理由" in words(send(approver, f"/loans/{loan.id}/refuse", reason=" "))
    assert visit(app, city.officer).post(f"/loans/{loan.id}/approve").status_code == 403
    assert "未获批准" in words(send(approver, f"/loans/{loan.id}/refuse", reason="政策调整"))


def test_another_banks_loan_is_not_found(app: Flask, city: City) -> None:
    loan = city.drawn()
    stranger = cast.bank("别家银行")
    browser = visit(app, stranger[Role.BANK_OFFICER])
    assert browser.get(f"/loans/{loan.id}").status_code == 404
    assert browser.get(f"/loans/{loan.id}/repayment").status_code == 404
    assert visit(app, stranger[Role.BANK_APPROVER]).post(f"/loans/{loan.id}/approve").status_code == 404


def test_the_list_filters_exports_and_asks_the_database_a_fixed_number_of_questions(app: Flask, city: City) -> None:
    city.drawn()
    officer = visit(app, city.officer)

    def asked(url: str) -> int:
        seen: list[str] = []
        listen = lambda conn, cursor, statement, *rest: seen.append(statement)  # noqa: E731
        event.listen(engine(), "before_cursor_execute", listen)
        try:
            assert officer.get(url).status_code == 200
        finally:
            event.remove(engine(), "before_cursor_execute", listen)
        return len(seen)

    few = asked("/loans")
    for _ in range(3):
        city.drawn()
    assert asked("/loans") <= few
    assert "没有符合条件的记录" in words(officer.get("/loans?f=1&overdue=1"))
    assert "共 4 条" in words(officer.get("/loans?f=1&state=DRAWN&overdue="))
    export = officer.get("/loans?f=1&format=xlsx")
    assert export.content_type.endswith("spreadsheetml.sheet")


def test_a_reversed_repayment_stays_on_the_page_beside_what_took_it_back(app: Flask, city: City) -> None:
    loan, officer = city.drawn(days_ago=5), visit(app, city.officer)
    entry = loans.report_repayment(city.officer, loan.id, loans.RepaymentReport(today(), 10 * WAN, "normal", "流水"))
    page = words(send(officer, f"/repayments/{entry.id}/reverse", reason="金额有误", loan_id=loan.id))
    assert "已冲正" in page and "-100,000.00" in page and "金额有误" in page
