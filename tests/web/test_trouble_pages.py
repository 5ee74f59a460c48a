"""The pages of troubles as people meet them: reported, answered, lifted with a paper, listed in few statements."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text

from app.bridge import bank_service
from app.core.database import engine, session, transaction
from app.core.money import WAN
from app.core.permissions import Role
from tests import bridge_cast as road
from tests import cast
from tests.web.test_bridge_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def newest() -> str:
    with transaction(cast.SYSTEM, read_only=True):
        return f"/bridges/troubles/{session().scalars(text('select id from bridge_trouble order by id desc limit 1')).one()}"


def test_a_freeze_and_a_refusal_are_reported_answered_and_ended_on_their_pages(app: Flask) -> None:
    who = road.people()
    key = road.walk(who, "OLD_REPAID")
    funder, officer = visit(app, who.funder[Role.FUNDER_CLERK]), visit(app, who.new_bank[Role.BANK_OFFICER])
    bureau, firm = visit(app, cast.bureau()[Role.BUREAU_LEADER]), visit(app, who.boss)
    page = send(funder, f"/bridges/{key}/report", kind="COURT_FREEZE", amount="800000", note="")
    assert "请写明情况" in words(page) and 'value="800000"' in page.get_data(as_text=True)
    typed = {"kind": "COURT_FREEZE", "amount": "800000", "note": "<b>粤01</b>执保1号，50%"}
    assert "账户被冻结" in words(send(funder, f"/bridges/{key}/report", **typed))
    freeze = newest()
    assert "&lt;b&gt;粤01&lt;/b&gt;执保1号，50%" in funder.get(freeze).get_data(as_text=True), "what people typed is no markup"
    assert "账户被冻结" in words(visit(app, who.clerk).get("/")), "the centre's home says what waits"
    assert "请选择文件" in words(send(officer, f"{freeze}/lift", reason="已解除"))
    lifted: Any = {"reason": "已解除", "file": (io.BytesIO(b"%PDF-1.4 paper"), "解除.pdf")}
    page = send(officer, f"{freeze}/lift", **lifted)
    assert "冻结解除已登记" in words(page) and "解除.pdf" in words(page)

    send(funder, f"/bridges/{key}/report", kind="RENEWAL_REFUSED", note="额度被收回")
    refusal = newest()
    assert "轮到您了" in words(officer.get(refusal)) and "轮到您了" not in words(firm.get(refusal))
    assert "请写明理由" in words(send(officer, f"{refusal}/answer", reason=" "))
    assert "答复已登记" in words(send(officer, f"{refusal}/answer", reason="抵押物被查封"))
    seen = words(bureau.get(refusal))
    assert "抵押物被查封" in seen and "债权人 " + who.funder.name in seen and "300 万元" in seen
    assert "未清偿债权" in words(firm.get(f"/bridges/{key}"))
    assert visit(app, cast.firm("别的企业")[Role.FIRM_CLERK]).get(refusal).status_code == 404
    road.give_back(who, key, 300 * WAN)
    assert "转贷资金已全部归还" in words(bureau.get(refusal)) and "未清偿债权：" not in words(firm.get(f"/bridges/{key}"))


def test_the_list_of_troubles_is_filtered_remembered_and_exported_in_few_statements(app: Flask) -> None:
    who = road.people()
    for number in range(2):
        key = road.walk(who, "OLD_REPAID", note_no=f"JJ-{number}")
        bank_service.refuse_renewal(who.new_bank[Role.BANK_OFFICER], key, "查封")
    client = visit(app, who.clerk)
    assert words(client.get("/bridges/troubles")).count("JJ-") == 2
    counted: list[str] = []
    event.listen(engine(), "before_cursor_execute", lambda *args: counted.append(args[2]))
    client.get("/bridges/troubles")
    assert len([one for one in counted if "from bridge_trouble" in one.lower()]) <= 2
    assert words(client.get("/bridges/troubles?f=1&q=JJ-1")).count("JJ-1") == words(client.get("/bridges/troubles")).count("JJ-1")
    assert "JJ-0" not in words(client.get("/bridges/troubles"))
    assert "没有符合条件的记录" in words(client.get("/bridges/troubles?f=1&late=1"))
    assert client.get("/bridges/troubles?reset=1&format=xlsx").content_type.endswith("spreadsheetml.sheet")
