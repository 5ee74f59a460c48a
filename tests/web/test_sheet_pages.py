"""Two firms print their cost sheets, compare offers side by side, and ask what repaying early would cost."""

from __future__ import annotations

from flask.testing import FlaskClient

from app.core.calendar import today
from app.core.money import YUAN
from app.core.permissions import Role
from app.market import service
from app.market.bid_words import ConditionKind, TieKind
from app.market.offer_rules import Condition, Tie
from app.market.terms import Fee, FeeKind, FeeTime, Payee, RepaymentMethod
from tests import cast, market_cast
from tests.market_cast import sign_in
from tests.web.test_market_firm_pages import text_of


def test_a_firm_compares_prints_and_asks_what_if_it_repays_early(client: FlaskClient) -> None:
    firm, fair, dear = cast.firm(), cast.bank(), cast.bank("云城银行")
    need = market_cast.open_need(firm)
    yearly = Fee(FeeKind.INSURANCE, 900 * YUAN, Payee.INSURER, FeeTime.PERIODIC, 6)
    liable, account = Condition(ConditionKind.OWNER_LIABLE, "含配偶"), Tie(TieKind.SETTLEMENT, False, "主要结算")
    bid = market_cast.sealed_bid(fair, need, conditions=(liable,), ties=(account,))
    instalments = market_cast.offer(percent="3.45", fees=(yearly,), method=RepaymentMethod.EQUAL_INSTALMENT)
    other = market_cast.sealed_bid(dear, need, instalments)
    sign_in(client, firm, Role.FIRM_CLERK)
    assert client.get(f"/needs/{need.id}/compare").status_code == 302 and client.get(f"/offers/{bid.id}/early").status_code == 404
    service.close_need(market_cast.clerk(firm), need.id)

    compared = text_of(client.get(f"/needs/{need.id}/compare").text)
    for words in ("综合年化成本 不同 3.56% 3.92%", "名义年利率 不同 3.45% 3.85%", "评估费 不同 — 2,000.00",
                  "保险费 不同 1,800.00 —"):  # fmt: skip
        assert words in compared, words
    assert "期限 12 个月 12 个月" in compared
    assert "搭配的产品或服务 不同 银行声明没有搭配 在本行结算 · 可选 · 主要结算" in compared
    assert "报价的条件 不同 申报的资料真实" in compared and "法定代表人或实际控制人连带保证 · 含配偶 申报的资料真实" in compared
    assert "期限 12 个月" not in text_of(client.get(f"/needs/{need.id}/compare?only=1").text)

    sheet = text_of(client.get(f"/offers/{bid.id}/sheet").text)
    for words in ("放款时 0.00 0.00 2,000.00 2,000.00 3,000,000.00", "第 1 个月 0.00 9,625.00 0.00 9,625.00 3,000,000.00",
                  "第 12 个月 3,000,000.00 9,625.00 0.00 3,009,625.00 0.00",
                  "合计 3,000,000.00 115,500.00 2,000.00 3,117,500.00"):  # fmt: skip
        assert words in sheet, words
    for words in ("法定代表人或实际控制人连带保证 · 含配偶", "在本行结算 · 主要结算 可选"):
        assert words in sheet, "what binds is on the paper"
    assert f"报价提交 {today().year}-" in sheet, "paper outlives its year"
    early = text_of(client.get(f"/offers/{bid.id}/early").text)
    assert "3.98%（到期还清为 3.92%）" in early
    assert "少付利息 57,750 元" in early and "已付而用不上、不退的费用 1,000 元" in early
    third = text_of(client.get(f"/offers/{bid.id}/early?after=3&penalty=1").text)
    assert "违约金 3 万元" in third and "第 3 个月还清" in third
    for nonsense in ("after=0", "after=99", "after=x&penalty=nan", "penalty=-3", "penalty=1e9"):
        assert client.get(f"/offers/{bid.id}/early?{nonsense}").status_code == 200

    sign_in(client, fair, Role.BANK_OFFICER)
    assert "每月收支" in client.get(f"/bids/{bid.id}/sheet").text
    assert client.get(f"/bids/{other.id}/sheet").status_code == 404
