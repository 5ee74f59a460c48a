"""The pages of several banks together: the firm ticks it, a bank offers a part, the firm sees the sum before it chooses."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.calendar import today
from app.core.database import session, transaction
from app.core.money import WAN
from app.core.permissions import Role
from app.market import bid_service, next_best, service
from app.market.bid_models import Bid, Choice
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.web.test_award_pages import read
from tests.web.test_loans_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service

CLERK, OFFICER, APPROVER = Role.FIRM_CLERK, Role.BANK_OFFICER, Role.BANK_APPROVER


def bid_form(product: Any, **changes: str) -> dict[str, str]:
    return {
        "product_id": str(product.id), "amount": "300", "annual_rate": "3.85", "term_months": "12", "method": "INTEREST_ONLY",
        "valid_until": (today() + timedelta(days=60)).isoformat(), "ties_answer": "none", "fees-0-kind": "APPRAISAL",
        "fees-0-amount": "2000", "fees-0-payee": "APPRAISER", "fees-0-at": "START", **changes,
    }  # fmt: skip


def test_a_bank_offers_a_part_and_the_firm_takes_several_after_seeing_their_sum(app: Flask) -> None:
    firm, large, small, third = (
        cast.firm("广州岭南精工机械有限公司"), cast.bank("珠岸银行"), cast.bank("云城银行"), cast.bank("岭海农商行"),
    )
    clerk, officer = visit(app, firm[CLERK]), visit(app, large[OFFICER])
    draft = market_cast.draft_need(firm)
    terms = {"term_months": "12", "product_kind": "CREDIT", "repayment": "ANY"}
    clerk.post(f"/needs/{draft.id}/edit/terms", data=terms)
    assert "几家银行联合 不可以" in read(clerk, f"/needs/{draft.id}/check")
    clerk.post(f"/needs/{draft.id}/edit/terms", data={**terms, "allows_parts": "y"})
    assert "几家银行联合 可以" in read(clerk, f"/needs/{draft.id}/check")
    need = market_cast.release(service.submit_need(firm[CLERK], draft.id))

    whole = market_cast.product(large, "只放整笔")
    shared = market_cast.product(large, "联合贷", part_min_fen=50 * WAN)
    door = f"/queue/{need.id}/bid"
    assert "只承担一部分时，最少" in read(officer, door) and "几家银行联合 可以" in read(officer, f"/queue/{need.id}")
    for change, sentence in (
        ({"min_part": "50", "part_fees": ""}, "请选择只承担一部分时费用怎么收"),
        ({"min_part": "40", "part_fees": "SAME"}, "最低份额应在产品规定的"),
        ({"min_part": "50", "part_fees": "SAME", "product_id": str(whole.id)}, "所选产品不参加联合贷款"),
    ):  # fmt: skip
        assert sentence in words(send(officer, door, **bid_form(shared, **change), compute="1")), sentence
    page = words(send(officer, door, **bid_form(shared, min_part="50", part_fees="SAME"), compute="1"))
    assert "3.92%" in page and "4.26%" in page.split("只承担 50 万元")[1], "the charge weighs on the part"
    made = send(officer, door, **bid_form(shared, min_part="50", part_fees="SCALED"), propose="1")
    assert "可只承担一部分，最少 50 万元" in words(made) and "按份额同比例减少" in words(made)
    bid_id = UUID(made.request.path.rsplit("/", 1)[1])
    bid_service.submit_bid(large[APPROVER], bid_id)
    little = market_cast.sealed_bid(small, need, market_cast.offer(100, "3.45", fees=()))
    market_cast.sealed_bid(third, need, market_cast.offer(260, "3.60"))
    for who in (visit(app, small[OFFICER]), clerk):
        assert who.get(f"/bids/{bid_id}").status_code in (403, 404), "sealed"
    assert clerk.get(f"/needs/{need.id}/parts").status_code == 302
    service.close_need(firm[CLERK], need.id)

    page = read(clerk, f"/needs/{need.id}/offers")
    assert "选几家凑足金额" in page and "只整笔放款" in page
    page = read(clerk, f"/needs/{need.id}/parts")
    assert "50 万元 到 300 万元".replace(" ", "") in page.replace(" ", "") and "只整笔 100 万元" in page
    assert "加权综合年化成本 3.76%" in page and "200 万元" in page, "the cheapest that reaches the amount is proposed"
    assert "看作一笔贷款的综合年化成本 3.76%" in page
    amounts = {f"amount-{bid_id}": "200", f"amount-{little.id}": "100"}
    page = words(send(clerk, f"/needs/{need.id}/parts", **{**amounts, f"amount-{little.id}": "50"}, compute="1"))
    assert "只整笔放款 1,000,000.00 元" in page
    page = words(send(clerk, f"/needs/{need.id}/parts", **{**amounts, f"amount-{bid_id}": "250"}, compute="1"))
    assert "合计 3,500,000.00 元，超过需要的 3,000,000.00 元" in page
    shown = send(clerk, f"/needs/{need.id}/parts", **amounts, seen="", choose="1")
    assert "金额有改动，请看过新的合计后再选定" in words(shown), "nothing is chosen unseen"
    seen = re.search(r'name="seen"[^>]*value="([^"]+)"', shown.get_data(as_text=True))
    assert seen is not None
    page = words(send(clerk, f"/needs/{need.id}/parts", **amounts, seen=seen.group(1), choose="1"))
    assert "已选定，正在公示" in page and "已选定 珠岸银行、云城银行" in page

    page = read(clerk, f"/needs/{need.id}/award")
    assert "珠岸银行 · 200 万元" in page and "云城银行 · 100 万元" in page and page.count("公示到") == 2
    assert "已有着落 300 万元" in page and "已经放款 0" in page
    page = read(clerk, f"/offers/{bid_id}/sheet?amount={200 * WAN}")
    assert "这是只承担 200 万元 时的成本".replace(" ", "") in page.replace(" ", "") and "1,333.33" in page and "78,333.37" in page
    assert "1,333.33" not in read(clerk, f"/offers/{bid_id}/sheet") and "117,500" in read(
        clerk, f"/offers/{bid_id}/sheet?amount={40 * WAN}"), "what the bank does not lend is the whole"
    assert "amount=200000000" in clerk.get(f"/offers/{bid_id}/early?after=6&amount={200 * WAN}").get_data(as_text=True)
    assert "联合贷款" in read(clerk, f"/needs/{need.id}/compare")

    with transaction(SYSTEM, read_only=True):
        parts = {bid.org_id: choice for choice, bid in session().execute(select(Choice, Bid).join(Bid, Bid.id == Choice.bid_id))}
    market_cast.let_stand(parts[large.id])
    undone = send(clerk, f"/awards/{parts[small.id].award_id}/undo", reason="再想想")
    assert "选定已取消" in words(undone) and "还差 100 万元 没有着落".replace(" ", "") in words(undone).replace(" ", "")
    page = read(clerk, f"/needs/{need.id}")
    assert "就此为止，不再补选" in page and "撤回需求" not in page and "有一部分没有着落" in page
    assert "已有银行承担 200 万元" in read(clerk, f"/needs/{need.id}/parts")
    assert "不再补选" in words(send(clerk, f"/needs/{need.id}/settle"))
    with transaction(SYSTEM, read_only=True):
        assert next_best.open_fen(session().get_one(type(need), need.id)) == 100 * WAN
    assert "珠岸银行" in read(clerk, f"/needs/{need.id}")


def test_a_need_without_parts_shows_none_of_it(app: Flask) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.open_need(firm)
    made = market_cast.product(bank, "联合贷", part_min_fen=50 * WAN)
    officer, clerk = visit(app, bank[OFFICER]), visit(app, firm[CLERK])
    assert "只承担一部分时，最少" not in read(officer, f"/queue/{need.id}/bid")
    page = words(send(officer, f"/queue/{need.id}/bid", **bid_form(made, min_part="50", part_fees="SAME"), save="1"))
    assert "只整笔放款" in page, "a field that is not asked for is not read"
    market_cast.sealed_bid(cast.bank("云城银行"), need)
    service.close_need(firm[CLERK], need.id)
    assert clerk.get(f"/needs/{need.id}/parts").status_code == 302
    assert "选几家凑足金额" not in read(clerk, f"/needs/{need.id}/offers")
