"""Two notes on one bridge as people meet them: ticked in the application, shown everywhere, confirmed one by one."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from app.bridge import bank_service
from app.core.money import WAN
from app.core.permissions import Role
from tests import bridge_cast as road
from tests.web.test_bridge_pages import day, newest, send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def test_a_firm_adds_a_second_note_and_the_branch_confirms_both(app: Flask) -> None:
    who = road.people()
    firm, officer = visit(app, who.boss), visit(app, who.old_bank[Role.BANK_OFFICER])
    first, second = road.ask(who, "JJ-1"), road.ask(who, "JJ-2")
    page = words(firm.get(f"/bridges/apply/{first}"))
    assert "JJ-2 · 300 万元" in page and "JJ-1 · 300" not in page
    facts = {"old_due": "300", "old_due_on": day(30), "own_money": "0", "new_bank": who.old_bank.id, "planned_days": "5",
             "consent": "y"}
    assert "超过上限 300 万元" in words(send(firm, f"/bridges/apply/{first}", requested="600", **facts))
    assert "转贷申请已提交" in words(send(firm, f"/bridges/apply/{first}", requested="600", more_notes=[second], **facts))
    key = newest()
    assert "两张借据" in words(firm.get(f"/bridges/{key}"))
    road.STEPS["PRECHECKED"](who, key)
    assert "JJ-2" in words(visit(app, who.new_bank[Role.BANK_APPROVER]).get(f"/bridges/{key}/commit")), "the letter is over both"
    bank_service.commit(who.new_bank[Role.BANK_APPROVER], key, road.promise(promised_fen=800 * WAN))
    road.walk(who, "FUNDED", bridge_id=key)
    assert "JJ-1、JJ-2" in words(officer.get("/branch"))
    form = officer.get(f"/branch/{key}").get_data(as_text=True)
    choices = [re.search(r'value="([^"]+)"', box)[1] for box in re.findall(r'<input[^>]*name="note"[^>]*>', form)]  # type: ignore[index]
    assert len(choices) == 2
    assert "请选择借据" in words(send(officer, f"/branch/{key}", reference="JQ-1", repaid_on=day(0)))
    send(officer, f"/branch/{key}", reference="JQ-2", repaid_on=day(0), note=choices[1])
    page = words(officer.get("/branch"))
    assert "JJ-1" in page and "JJ-2" not in page
    send(officer, f"/bridges/{key}/repaid", reference="JQ-1", repaid_on=day(0))
    page = words(firm.get(f"/bridges/{key}"))
    assert page.count("已结清") >= 2 and road.seen(key).state == "OLD_REPAID"
