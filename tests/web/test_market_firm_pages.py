"""The firm's pages: a wizard that keeps what was typed, a need on its line, offers compared, a choice."""

from __future__ import annotations

import re
from html import unescape
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from app.core.money import YUAN
from app.core.permissions import Role
from app.market import service
from app.market.terms import Fee, FeeKind, Payee, RepaymentMethod
from tests import cast, market_cast
from tests.market_cast import sign_in


@pytest.fixture
def firm(client: FlaskClient) -> cast.Cast:
    """A firm whose clerk is signed in."""
    made = cast.firm()
    sign_in(client, made, Role.FIRM_CLERK)
    return made


def text_of(html: str) -> str:
    """What a page says, without its marks."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def errors_of(html: str) -> str:
    """What the error summary says."""
    start = html.index('class="error-summary"')
    return text_of(html[start : html.index("</div>", start)])


PURPOSE = {"amount": "300", "purpose_kind": "PURCHASE", "purpose_text": "采购数控机床配件"}
TERMS = {"term_months": "12", "product_kind": "CREDIT", "repayment": "ANY", "first_loan": "y"}


def test_a_firm_files_a_need_step_by_step(client: FlaskClient, firm: cast.Cast) -> None:
    step = client.post("/needs/new").location
    assert step.endswith("/edit/purpose")
    step = client.post(step, data=PURPOSE).location
    step = client.post(step, data=TERMS).location
    papers = client.post(step, data={"distribution": "open"}).location
    check = papers.replace("/papers", "/check")
    assert f'href="{check}"' in client.get(papers).text, "papers may be left out"
    answers = text_of(client.get(check).text)
    for answer in (
        "300 万元",
        "采购原料或商品",
        "采购数控机床配件",
        "12 个月",
        "不限，由银行建议",
        "公开：所有合作银行都能看到需求卡片",
    ):
        assert answer in answers
    token = {"idempotency_token": str(uuid4())}
    first, second = client.post(check, data=token), client.post(check, data=token)
    assert first.location == second.location
    page = text_of(client.get(first.location).text)
    assert "采购原料或商品 300 万元，12 个月" in page and "核对中" in page
    assert "服务台正在核对" in page and "提交融资需求，等待服务台核对" in page


def test_going_back_and_coming_again_loses_nothing(client: FlaskClient, firm: cast.Cast) -> None:
    purpose = client.post("/needs/new").location
    terms = client.post(purpose, data=PURPOSE).location
    assert client.post(terms, data={"term_months": "18", "back": "1"}).location == purpose
    assert 'value="300"' in client.get(purpose).text
    assert 'value="18"' in client.get(terms).text
    assert client.post("/needs/new").location.split("/edit")[0] == purpose.split("/edit")[0]


def test_what_is_typed_is_kept_without_pressing_anything(client: FlaskClient, firm: cast.Cast) -> None:
    purpose = client.post("/needs/new").location
    keep = purpose.replace("/edit/", "/keep/")
    assert f'data-autosave="{keep}"' in client.get(purpose).text
    assert client.post(keep, data={"amount": "85.5", "purpose_text": "进货"}).status_code == 204
    assert client.post(keep, data={"amount": "-85", "purpose_text": "进货和运费"}).status_code == 204
    page = client.get(purpose).text
    assert "进货和运费" in page and "-85" not in page


@pytest.mark.parametrize(("amount", "sentence"), [
    ("", "需要多少：请填写金额。"),
    ("-300", "需要多少：金额应在 1 万元到 3,000 万元之间。".replace("3,000", "3000")),
    ("0", "需要多少：金额应在 1 万元到 3000 万元之间。"),
    ("99999999", "需要多少：金额应在 1 万元到 3000 万元之间。"),
    ("三百万", "需要多少：请填写数字，最多两位小数，例如 300 或 1,200.50。"),
])  # fmt: skip
def test_an_amount_that_cannot_be_is_answered_with_a_sentence(
    client: FlaskClient,
    firm: cast.Cast,
    amount: str,
    sentence: str,
) -> None:
    purpose = client.post("/needs/new").location
    page = client.post(purpose, data={**PURPOSE, "amount": amount})
    assert page.status_code == 200
    assert sentence in errors_of(page.text)
    assert "采购数控机床配件" in page.text


def test_a_targeted_need_must_name_its_banks(client: FlaskClient, firm: cast.Cast) -> None:
    bank = cast.bank()
    need = market_cast.draft_need(firm)
    address = f"/needs/{need.id}/edit/audience"
    page = client.post(address, data={"distribution": "targeted"})
    assert "定向需求请指定 1 到 5 家银行。" in errors_of(page.text)
    check = client.post(address, data={"distribution": "targeted", "invited": str(bank.id)}).location
    assert "珠岸银行" in client.get(check.replace("/papers", "/check")).text


def test_an_unfinished_need_says_what_is_missing_and_where(client: FlaskClient, firm: cast.Cast) -> None:
    need = service.start_need(firm[Role.FIRM_CLERK])
    page = client.get(f"/needs/{need.id}/check").text
    assert "请选择资金用途。" in page and f'href="/needs/{need.id}/edit/purpose"' in page
    sent = client.post(f"/needs/{need.id}/check", data={"idempotency_token": "a"})
    assert sent.status_code == 200 and "金额不在允许的范围内：最低 1 万元，最高 3,000 万元。" in sent.text


def test_no_page_of_the_firm_tells_of_bids_before_closing(client: FlaskClient, firm: cast.Cast) -> None:
    bank = cast.bank()
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(bank, need)
    for address in ("/", "/needs", f"/needs/{need.id}", "/notices", "/cases"):
        page = client.get(address)
        assert page.status_code == 200 and "珠岸银行" not in page.text and "3.92%" not in page.text, address
    assert client.get(f"/needs/{need.id}/offers").location == f"/needs/{need.id}"
    assert client.get(f"/offers/{bid.id}/sheet").status_code == 404
    assert client.post(f"/offers/{bid.id}/choose", data={"idempotency_token": "c"}).status_code == 404


def test_offers_stand_side_by_side_with_every_cost_counted_in(client: FlaskClient, firm: cast.Cast) -> None:
    need = market_cast.open_need(firm)
    first = market_cast.sealed_bid(cast.bank("珠岸银行"), need)
    guarantee = Fee(FeeKind.GUARANTEE, 18_000 * YUAN, Payee.GUARANTOR)
    market_cast.sealed_bid(
        cast.bank("云城银行"), need, market_cast.offer(300, "3.45", 12, (guarantee,), RepaymentMethod.EQUAL_INSTALMENT)
    )
    insurance = Fee(FeeKind.INSURANCE, 23_400 * YUAN, Payee.INSURER)
    market_cast.sealed_bid(cast.bank("岭海农商行"), need, market_cast.offer(260, "3.95", 12, (insurance,)))
    assert client.post(f"/needs/{need.id}/close", data={"idempotency_token": "d"}).location == f"/needs/{need.id}"
    html = client.get(f"/needs/{need.id}/offers").text
    page = text_of(html)
    assert page.index("3.92%") < page.index("4.57%") < page.index("4.87%")
    for words in (
        "综合成本最低",
        "实际年利率 3.99%",
        "比需求少 40 万元",
        "担保费 · 付给担保机构 · 放款时",
        "117,500 元",
        "怎么算的",
        "边还边减，平均占用 163 万元",
    ):
        assert words in page
    assert html.count("compare-card") >= 4
    sheet = text_of(client.get(f"/offers/{first.id}/sheet").text)
    assert "贷款明白纸" in sheet and "117,500.00" in sheet and "综合年化成本：使全部收支现值相等的月利率 × 12" in sheet
    chosen = client.post(f"/offers/{first.id}/choose", data={"idempotency_token": "e"})
    assert chosen.location == f"/needs/{need.id}"
    assert "已选定 珠岸银行" in text_of(client.get(chosen.location).text)
    again = client.post(f"/offers/{first.id}/choose", data={"idempotency_token": "f"}, follow_redirects=True)
    assert "该需求已经选定一家银行，不能再选第二家。" in again.text


def test_a_need_that_found_no_bank_can_be_started_again(client: FlaskClient, firm: cast.Cast) -> None:
    need = market_cast.open_need(firm)
    page = client.post(f"/needs/{need.id}/close", data={"idempotency_token": "g"}, follow_redirects=True).text
    assert "已失效" in page and "没有收到报价" in page
    check = client.post(f"/needs/{need.id}/again", data={"idempotency_token": "h"}).location
    assert check.endswith("/check") and "采购数控机床配件" in client.get(check).text


def test_withdrawing_needs_a_reason(client: FlaskClient, firm: cast.Cast) -> None:
    need = market_cast.open_need(firm)
    page = client.post(f"/needs/{need.id}/withdraw", data={"reason": " "}, follow_redirects=True)
    assert "请写明理由。" in page.text
    page = client.post(f"/needs/{need.id}/withdraw", data={"reason": "订单取消"}, follow_redirects=True)
    assert "已撤回融资需求。" in page.text and "订单取消" in page.text


def test_the_first_page_says_by_when_to_choose(client: FlaskClient, firm: cast.Cast) -> None:
    need = market_cast.open_need(firm)
    market_cast.sealed_bid(cast.bank(), need)
    service.close_need(firm[Role.FIRM_CLERK], need.id)
    page = text_of(client.get("/").text)
    assert "报价已开启，请选定一家银行" in page and "18:00 前" in page


def test_another_firm_finds_nothing(client: FlaskClient, firm: cast.Cast) -> None:
    stranger = cast.firm("别家企业")
    need, draft = market_cast.open_need(stranger), market_cast.draft_need(cast.firm("第三家企业"))
    for address in (f"/needs/{need.id}", f"/needs/{need.id}/offers", f"/needs/{draft.id}/check", f"/needs/{draft.id}/edit/terms"):
        assert client.get(address).status_code == 404, address
    assert client.post(f"/needs/{need.id}/close").status_code == 404
    assert client.get("/queue").status_code == 403
