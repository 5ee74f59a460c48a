"""A story around an open need: banks ask, the firm answers once; one refuses, and the firm's next round goes without it."""

from __future__ import annotations

import io

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.database import session, transaction
from app.core.permissions import Role
from app.market import service
from app.market.answer_models import Question
from app.market.models import Need
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.web.test_loans_pages import words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def test_banks_ask_and_refuse_and_the_firm_answers_once_and_begins_again_without_who_refused(app: Flask) -> None:
    firm, near, far = cast.firm("广州岭南精工机械有限公司"), cast.bank("珠岸银行"), cast.bank("云城银行")
    need = market_cast.open_need(firm, banks=(near.id, far.id))
    clerk, asker, other = (visit(app, who) for who in (firm[Role.FIRM_CLERK], near[Role.BANK_OFFICER], far[Role.BANK_OFFICER]))
    page, questions = f"/queue/{need.id}", f"/needs/{need.id}/questions"
    assert "没有待答复的提问" in words(clerk.get(questions))
    assert "还没有提问" in words(asker.get("/questions"))

    def ask(text: str, paper: str = "") -> str:
        data = {"text": text, "paper_kind": paper, "idempotency_token": f"{text}{paper}"}
        return words(asker.post(f"{page}/ask", data=data, follow_redirects=True))

    assert "请写明理由" in ask("")
    assert "已提问；企业不知道是哪家银行问的。" in ask("", "CONTRACT") and "待答复" in ask("付款对方是谁？")
    assert "付款对方是谁" not in words(other.get(page)) and "银行的提问等您答复" in words(clerk.get("/"))
    form = words(clerk.get(questions))
    assert "付款对方是谁" in form and form.count("珠岸银行") == form.count("云城银行") > 0, "both can be named alike"

    with transaction(firm[Role.FIRM_CLERK], read_only=True):
        waiting = [str(key) for key in session().scalars(select(Question.id).where(Question.need_id == need.id))]
    given = {"questions": waiting, "text": "合同见附件，对方是佛山机床厂", "audience": "all"}
    wrong = {**given, "file": (io.BytesIO(b"MZ"), "合同.exe"), "idempotency_token": "a1"}
    assert "PDF / PNG / JPG" in words(clerk.post(questions, data=wrong))
    paper = {**given, "file": (io.BytesIO(b"%PDF-1.7 contract"), "采购合同.pdf"), "idempotency_token": "a2"}
    assert clerk.post(questions, data=paper).location == questions
    for reader in (asker, other):
        seen = words(reader.get(page))
        assert "对方是佛山机床厂" in seen and "采购合同.pdf" in seen
    assert "珠岸银行" not in words(other.get(page)) and "已答复" in words(asker.get("/questions"))
    assert "没有待答复的提问" in words(clerk.get(questions)) and "给所有银行" in words(clerk.get(questions))

    assert "请写明理由" in words(other.post(f"{page}/refuse", data={"idempotency_token": "r0"}, follow_redirects=True))
    refusal = {"reasons": ["DEBT_HIGH", "OUT_OF_REGION"], "text": "请先还清一笔", "idempotency_token": "r1"}
    seen = words(other.post(f"{page}/refuse", data=refusal, follow_redirects=True))
    assert "本行已婉拒" in seen and "已有负债偏高" in seen and "向企业提问" not in seen
    assert "银行婉拒的原因" not in words(clerk.get(f"/needs/{need.id}")), "before closing nobody reads it"

    service.close_need(firm[Role.FIRM_CLERK], need.id)
    seen = words(clerk.get(f"/needs/{need.id}"))
    assert "银行婉拒的原因 云城银行 不在服务地区" in seen and "请先还清一笔" in seen
    assert "请先还清一笔" not in words(asker.get("/questions")), "no bank reads another's reasons"
    clerk.post(f"/needs/{need.id}/again", data={"idempotency_token": "n"})
    with transaction(SYSTEM, read_only=True):
        second = session().scalars(select(Need.id).where(Need.id != need.id)).one()
    with transaction(firm[Role.FIRM_CLERK], read_only=True):
        assert service.invited_banks(second) == [near.id]
