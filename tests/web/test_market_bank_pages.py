"""The bank's pages: the ranked queue, the bid editor, approval, its own bids, products."""

from __future__ import annotations

import re
from io import BytesIO
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

from app.core.money import WAN
from app.core.permissions import Role
from app.market import bid_service, service
from app.market.models import Need
from tests import cast, market_cast
from tests.market_cast import sign_in
from tests.web.test_market_firm_pages import errors_of, text_of


@pytest.fixture
def bank(client: FlaskClient) -> cast.Cast:
    """A bank with a product, whose officer is signed in."""
    made = cast.bank()
    market_cast.product(made)
    sign_in(client, made, Role.BANK_OFFICER)
    return made


@pytest.fixture
def firm(bank: cast.Cast) -> cast.Cast:
    """A firm that has given the bank no consent."""
    return cast.firm()


@pytest.fixture
def need(firm: cast.Cast) -> Need:
    """Its open need."""
    return market_cast.open_need(firm)


def form_of(bank: cast.Cast, **changes: str) -> dict[str, str]:
    """The bid form as an officer fills it in."""
    product = market_cast.product(bank, f"产品{uuid4().hex[:6]}")
    return {
        "product_id": str(product.id),
        "amount": "300",
        "annual_rate": "3.85",
        "term_months": "12",
        "method": "INTEREST_ONLY",
        "valid_until": "2027-03-01",
        "fees-0-kind": "APPRAISAL",
        "fees-0-amount": "2000",
        "fees-0-payee": "APPRAISER",
        "fees-0-at": "START",
        "ties_answer": "none",
        "idempotency_token": str(uuid4()),
        **changes,
    }


def test_the_queue_shows_a_card_and_keeps_the_name(client: FlaskClient, bank: cast.Cast, need: Need) -> None:
    page = text_of(client.get("/queue").text)
    assert "制造业 · 小型 · 黄埔区" in page and "名称未授权本行" in page and "岭南精工" not in page
    for words in ("300 万元", "首贷户", "未评级", "为什么排在这里", "金额在产品范围内"):
        assert words in page
    card = text_of(client.get(f"/queue/{need.id}").text)
    assert "岭南精工" not in card and "企业没有授权本行查看画像和数据" in card


def test_the_queue_is_filtered_and_remembers_it(client: FlaskClient, bank: cast.Cast, need: Need) -> None:
    market_cast.open_need(cast.firm("增城丰谷合作社", industry_code="01", district="440118", form="cooperative"), wan=80)
    assert "共 2 条" in text_of(client.get("/queue").text)
    for query in ("district=440118", "industry=A", "amount_max=100", "unanswered=1&district=440118", "profile=none&industry=A"):
        page = text_of(client.get(f"/queue?f=1&{query}").text)
        assert "共 1 条" in page and "增城区" in page, query
    assert "共 1 条" in text_of(client.get("/queue").text)
    assert "共 2 条" in text_of(client.get("/queue?reset=1").text)
    assert "没有符合条件的记录" in client.get("/queue?f=1&bookable=1").text


def test_the_mark_of_the_pool_stands_in_the_queue(client: FlaskClient, bank: cast.Cast, need: Need) -> None:
    service.mark_bookable(cast.SYSTEM, need.id, True, ["借款人属于小微企业"])
    assert "可入库" in text_of(client.get("/queue?f=1&bookable=1").text)
    assert "借款人属于小微企业" in client.get(f"/queue/{need.id}").text


def test_the_queue_leaves_as_a_workbook_without_names(client: FlaskClient, bank: cast.Cast, need: Need) -> None:
    sheet = load_workbook(BytesIO(client.get("/queue?format=xlsx").data)).active
    rows = list(sheet.values)
    assert rows[0][0] == "企业" and rows[1][0] == "制造业 · 小型 · 黄埔区" and rows[1][1] == 3_000_000


def test_the_cost_is_computed_before_anything_is_saved(client: FlaskClient, bank: cast.Cast, need: Need) -> None:
    page = text_of(client.post(f"/queue/{need.id}/bid", data=form_of(bank, compute="1")).text)
    assert "3.92%" in page and "实际年利率 3.99%" in page and "117,500 元" in page
    assert "本行还没有报价" in client.get("/bids").text


@pytest.mark.parametrize(("change", "sentence"), [
    ({"amount": "-1"}, "金额：报价金额应大于 0。"),
    ({"amount": "301"}, "金额：报价金额 3,010,000.00 元超过需求金额 3,000,000.00 元，请调低。"),
    ({"amount": "很多"}, "金额：请填写数字，最多两位小数，例如 300 或 1,200.50。"),
    ({"annual_rate": "-3"}, "名义年利率：年利率应大于 0。"),
    ({"annual_rate": "385"}, "名义年利率：年利率 385% 超过平台上限 24%，请核对小数点。"),
    ({"annual_rate": ""}, "名义年利率：请填写年利率。"),
    ({"term_months": "0"}, "期限：期限 0 个月不在 1 到 120 个月之间（需求为 12 个月）。"),
    ({"fees-0-kind": "COMMITMENT"}, "不得向小微企业收取“承诺费”，请删除这一项。"),
    ({"fees-0-amount": "-5"}, "“评估费”的金额应大于 0。"),
    ({"fees-0-amount": ""}, "请填写这项费用的金额。"),
    ({"fees-0-kind": "TEA_MONEY"}, "请从清单中选择收费名目。"),
    ({"fees-0-kind": "OTHER"}, "“其他费用”须写明名目。"),
    ({"valid_until": "2020-01-01"}, "企业须有时间选定。"),
    ({"ties_answer": ""}, "请说明贷款是否搭配其他产品或服务；没有也要说明。"),
    ({"ties_answer": "listed"}, "请至少列出一项；没有请选“没有”。"),
    ({"ties_answer": "listed", "ties-0-kind": "DEPOSIT", "ties-0-required": "y"}, "不得把“存款”作为贷款的条件"),
    ({"ties-0-kind": "CARD"}, "下面列出了搭配的产品或服务，请选“有”。"),
    ({"term_months": "60"}, "所选产品的期限在 1 到 36 个月之间，请换产品或改期限。"),
])  # fmt: skip
def test_bad_input_is_answered_with_a_sentence_and_kept(
    client: FlaskClient,
    bank: cast.Cast,
    need: Need,
    change: dict[str, str],
    sentence: str,
) -> None:
    page = client.post(f"/queue/{need.id}/bid", data=form_of(bank, conditions="法定代表人连带保证", propose="1", **change))
    assert page.status_code == 200
    assert sentence in errors_of(page.text)
    assert "法定代表人连带保证" in page.text


def test_an_officer_proposes_and_an_approver_submits(client: FlaskClient, bank: cast.Cast, need: Need) -> None:
    made = client.post(f"/queue/{need.id}/bid", data=form_of(bank, propose="1")).location
    assert "待审批" in client.get(made).text
    assert client.post(f"{made}/submit").status_code == 403
    sign_in(client, bank, Role.BANK_APPROVER)
    assert "审批报价" in client.get("/").text
    page = client.post(f"{made}/submit", data={"idempotency_token": "s"}, follow_redirects=True)
    assert "报价已密封提交，截止前本行以外任何人都看不到。" in page.text and "已提交" in page.text
    assert "密封提交报价" in page.text
    assert "本金之外全程多付" in client.get(f"{made}/sheet").text


def test_a_bid_above_the_limit_of_the_approver_says_who_may(client: FlaskClient) -> None:
    bank = cast.bank(limit_fen=100 * WAN)
    bid = market_cast.draft_bid(bank, market_cast.open_need(cast.firm()))
    sign_in(client, bank, Role.BANK_APPROVER)
    sentence = "金额超过您的审批权限 100 万元，请由权限更高的审批人办理。"
    assert sentence in client.get(f"/bids/{bid.id}").text
    assert sentence in client.post(f"/bids/{bid.id}/submit", data={"idempotency_token": "l"}, follow_redirects=True).text


def test_a_bid_after_closing_is_refused_with_a_sentence(
    client: FlaskClient,
    firm: cast.Cast,
    bank: cast.Cast,
    need: Need,
) -> None:
    bid = market_cast.draft_bid(bank, need, mark="迟")
    rival = market_cast.sealed_bid(cast.bank("云城银行"), need)
    service.close_need(firm[Role.FIRM_CLERK], need.id)
    sign_in(client, bank, Role.BANK_APPROVER)
    page = client.post(f"/bids/{bid.id}/submit", data={"idempotency_token": "x"}, follow_redirects=True)
    assert "您的提交在" in page.text and "没有计入。这次提交已留下记录。" in page.text
    assert client.get(f"/bids/{rival.id}").status_code == 404


def test_a_draft_is_changed_and_its_fees_with_it(client: FlaskClient, bank: cast.Cast, need: Need) -> None:
    made = client.post(f"/queue/{need.id}/bid", data=form_of(bank, save="1")).location
    assert 'value="2000"' in client.get(f"{made}/edit").text
    changed = form_of(bank, amount="260", **{"fees-0-kind": "", "fees-0-amount": "", "save": "1"})
    assert client.post(f"{made}/edit", data=changed).location == made
    page = text_of(client.get(made).text)
    assert "260 万元" in page and "评估费" not in page
    assert client.get(f"/queue/{need.id}/bid").location == made


def test_a_bid_sent_twice_is_one_bid(client: FlaskClient, bank: cast.Cast, need: Need) -> None:
    form = form_of(bank, save="1")
    first, second = (client.post(f"/queue/{need.id}/bid", data=form) for _ in range(2))
    assert first.location == second.location
    other = client.post(f"/queue/{need.id}/bid", data={**form, "amount": "200"})
    assert "这张表单已经提交过，而内容与上次不同。请重新打开页面再提交。" in errors_of(other.text)


def test_another_bank_finds_nothing(client: FlaskClient, bank: cast.Cast, need: Need) -> None:
    rival = cast.bank("云城银行")
    bid = market_cast.sealed_bid(rival, need)
    for address in (f"/bids/{bid.id}", f"/bids/{bid.id}/sheet", f"/bids/{bid.id}/edit", f"/needs/{need.id}"):
        assert client.get(address).status_code in (403, 404), address
    targeted = market_cast.open_need(cast.firm("广州番禺顺达电子有限公司"), banks=(rival.id,))
    assert client.get(f"/queue/{targeted.id}").status_code == 404
    assert client.get(f"/queue/{targeted.id}/bid").status_code == 404


def test_the_chosen_bank_learns_the_name_and_joins_the_case(client: FlaskClient) -> None:
    bank, firm = cast.bank(), cast.firm()
    choice = market_cast.chosen(firm, bank)
    sign_in(client, bank, Role.BANK_OFFICER)
    page = client.get(f"/bids/{choice.bid_id}").text
    assert "广州岭南精工机械有限公司" in page and "被选定" in page
    assert "企业选定了本行的报价" in client.get("/notices").text
    assert client.get("/cases/HQ-2026-000001").status_code == 200


def test_an_administrator_keeps_the_products(client: FlaskClient, bank: cast.Cast) -> None:
    sign_in(client, bank, Role.BANK_ADMIN)
    form = {
        "name": "科创快贷",
        "kind": "IP_PLEDGE",
        "min_amount": "10",
        "max_amount": "500",
        "min_term_months": "3",
        "max_term_months": "24",
        "min_rate": "3.45",
        "max_rate": "4.35",
        "repayments": ["EQUAL_INSTALMENT", "INTEREST_ONLY"],
        "required_sources": ["invoices", "tax"],
        "officer_capacity": "15",
        "part_min": "20",
        "industries": "C",
        "districts": "440112",
        "day_count": "30/360",
        "interest_day": "21",
        "holiday": "NONE",
        "first_period": "SHORT",
        "idempotency_token": str(uuid4()),
    }
    wrong = client.post("/products/new", data={
        **form, "min_amount": "600", "max_term_months": "1", "max_rate": "3", "officer_capacity": "0", "part_min": "900",
        "repayments": [],
    })
    for sentence in ("最高年利率不能低于最低年利率。", "件数应在 1 到 200 之间。", "最低份额应大于 0，且不超过最高金额。",
                     "请至少勾选一种还款方式。"):
        assert sentence in errors_of(wrong.text)
    assert "最高金额不能低于最低金额。" in errors_of(wrong.text) and "最长期限不能短于最短期限。" in errors_of(wrong.text)
    assert client.post("/products/new", data=form).location == "/products"
    shelf = text_of(client.get("/products").text)
    assert "科创快贷" in shelf and "3.45% – 4.35%" in shelf
    made = re.search(r'href="(/products/[0-9a-f-]{36})"[^>]*>\s*科创快贷', client.get("/products").text)[1]
    changed = {**form, "idempotency_token": str(uuid4()), "max_rate": "4.2", "required_sources": ["invoices"], "seats": "30"}
    assert client.post(made, data=changed).location == "/products"
    page = text_of(client.get(made).text)
    assert "最高年利率：4.35% → 4.20%" in page and "一轮撮合最多接受：— → 30" in page and "首次建立" in page
    taken = client.post("/products/new", data={**form, "idempotency_token": str(uuid4())})
    assert "提交的内容与已有记录冲突" in errors_of(taken.text)
    rival = market_cast.product(cast.bank("云城银行"))
    assert client.get(f"/products/{rival.id}").status_code == 404
    assert client.post(f"/products/{rival.id}/retire").status_code == 404


def test_a_returned_draft_shows_why(client: FlaskClient, bank: cast.Cast, need: Need) -> None:
    bid = market_cast.draft_bid(bank, need, mark="退")
    bid_service.propose_bid(bank[Role.BANK_OFFICER], bid.id)
    bid_service.return_bid(bank[Role.BANK_APPROVER], bid.id, "费用漏了担保费")
    assert "审批人退回：费用漏了担保费" in client.get(f"/bids/{bid.id}/edit").text
    assert "完成报价草稿" in client.get("/").text
