"""A notice leads where its reader may go: every link under 消息 of every role opens, after a story in which much was told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from app.core import outbox
from app.core.money import WAN
from app.core.permissions import Role
from app.market import answer_service, consult_service, service
from app.market.consult_service import Words
from tests import cast, market_cast
from tests.web.visitors import visit

pytestmark = pytest.mark.service
LINK = re.compile(r'<a href="([^"]+)">去看看')


def test_every_notice_of_a_story_leads_whoever_reads_it_to_a_page_of_theirs(app: Flask) -> None:
    platform, firm, bank, other = cast.platform(), cast.firm(), cast.bank("珠岸银行"), cast.bank("云城银行")
    clerk, officer, desk = firm[Role.FIRM_CLERK], bank[Role.BANK_OFFICER], platform[Role.DESK]
    need = market_cast.open_need(firm, banks=(bank.id, other.id))
    asked = answer_service.ask(officer, need.id, "", "CONTRACT")
    answer_service.answer(clerk, need.id, [asked.id], "合同稍后补", [other.id])
    terms = service.TermsPart(12, "CREDIT", "ANY", True)
    service.correct_need(clerk, need.id, service.PurposePart(300 * WAN, "WAGES", "发工资"), terms, "用途写错")
    bids = [market_cast.sealed_bid(one, need) for one in (bank, other)]
    service.close_need(clerk, need.id)
    market_cast.choose(firm, bids[0])
    lonely = service.close_need(clerk, market_cast.open_need(firm, banks=(bank.id,)).id)
    found = consult_service.call(desk, lonely.id, [bank.id, other.id], "再看一次")
    consult_service.agree(clerk, found.id, show_name=False)
    consult_service.say(officer, found.id, Words("ASKS", text="订单？"))
    consult_service.advise(desk, found.id, ["NEXT_ROUND"])
    returned = service.submit_need(clerk, market_cast.draft_need(firm).id)
    service.return_need(desk, returned.id, ["USE_UNCLEAR"])
    outbox.drain()

    led: dict[str, int] = {}
    for one in (firm, bank, other, platform):
        for role, ctx in one.people.items():
            visitor = visit(app, ctx)
            links = sorted(set(LINK.findall(visitor.get("/notices").text)))
            led[f"{one.name} {role}"] = len(links)
            for link in links:
                answer: Any = visitor.get(link, follow_redirects=True)
                said = re.sub(r"<[^>]+>|\s+", " ", answer.text)
                closed = answer.status_code == 409 and "已经截止" in said
                assert answer.status_code == 200 or closed, (one.name, role, link, answer.status_code)
    assert led[f"珠岸银行 {Role.BANK_OFFICER}"] >= 5 and led[f"{firm.name} {Role.FIRM_CLERK}"] >= 4
    assert led[f"珠岸银行 {Role.BANK_ADMIN}"] == 0, "it reads what was told, and is led nowhere"
