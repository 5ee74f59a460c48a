"""The pages around a bridge: radar, letters, the centre's desk, the branch's phone, the monthly report."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from app.bridge import radar_service
from app.core.calendar import today
from app.core.database import engine
from app.core.permissions import Role
from tests import bridge_cast as road
from tests import cast
from tests.service.test_bridge_radar import maturing
from tests.web.test_bridge_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def statements(client: Any, url: str) -> int:
    client.get(url)
    counted: list[str] = []

    def count(*args: Any) -> None:
        counted.append(args[2])

    event.listen(engine(), "before_cursor_execute", count)
    try:
        assert client.get(url).status_code == 200
    finally:
        event.remove(engine(), "before_cursor_execute", count)
    return len(counted)


def test_the_radar_leads_from_a_loan_to_the_ask_and_the_bank_says_what_it_intends(app: Flask) -> None:
    who = road.people(0)
    loan, other = maturing(who, 20), maturing(who, 45)
    radar_service.tell_due(cast.SYSTEM)
    firm, officer = visit(app, who.boss), visit(app, who.old_bank[Role.BANK_OFFICER])
    centre, bureau = visit(app, who.clerk), visit(app, cast.bureau()[Role.BUREAU_AUDITOR])
    page = firm.get("/bridges/radar")
    assert all(number in words(page) for number in (loan.number, other.number)) and "问银行续贷" in words(page)
    assert f"/bridges/start?loan={loan.id}" in page.get_data(as_text=True)
    assert loan.number in words(firm.get("/bridges/radar?f=1&days=30"))
    assert other.number not in words(firm.get("/bridges/radar"))  # the filter is remembered
    assert "近期没有到期的贷款" in words(centre.get("/bridges/radar"))
    assert "转贷中心可以看到" in words(send(firm, "/bridges/radar/share", agreed="1"))
    assert loan.number in words(centre.get("/bridges/radar")) and who.firm.name in words(centre.get("/bridges/radar"))
    assert "说明续贷意向" in words(officer.get("/"))
    assert "请选择续贷意向" in words(send(officer, f"/bridges/radar/{loan.id}"))
    assert "续贷意向已登记" in words(send(officer, f"/bridges/radar/{loan.id}", intent="LESS", note="材料待补"))
    said = words(firm.get(f"/bridges/radar/{loan.id}"))
    assert "拟减额续贷" in said and "材料待补" in said
    city = words(bureau.get("/bridges/radar"))
    assert who.old_bank.name in city and who.firm.name not in city and bureau.get(f"/bridges/radar/{loan.id}").status_code == 404
    page = send(firm, f"/bridges/start?loan={loan.id}", working_capital="y")
    assert "请等银行答复" in words(page) and "看申请" in words(officer.get("/bridges/radar?reset=1"))
    assert officer.get("/bridges/radar?format=xlsx").content_type.endswith("sheet")
    few = statements(firm, "/bridges/radar?reset=1")
    maturing(who, 30)
    assert statements(firm, "/bridges/radar?reset=1") == few
    assert visit(app, who.funder[Role.FUNDER_CLERK]).get("/bridges/radar").status_code == 403


def test_the_desk_shares_the_work_out_and_a_branch_confirms_with_two_fields(app: Flask) -> None:
    who = road.people()
    key, waiting = road.walk(who, "FUNDED"), road.walk(who, "PICKED")
    clerk, reviewer = visit(app, who.clerk), visit(app, who.reviewer)
    page = words(clerk.get("/bridges/desk"))
    assert "等待复核 1" in page and "认领" in page and "原银行" in page
    assert "已认领" in words(send(clerk, f"/bridges/{key}/take"))
    assert "已移交" in words(send(reviewer, f"/bridges/{key}/hand-over", person=str(who.reviewer.actor_id)))
    assert "没有正在办理的转贷" in words(clerk.get("/bridges/desk?whose=mine"))
    assert "没有正在办理的转贷" in words(clerk.get("/bridges/desk"))  # the choice is remembered
    assert "已放回" in words(send(reviewer, f"/bridges/{key}/hand-over", person=""))
    few = statements(clerk, "/bridges/desk?whose=")
    road.walk(who, "APPLIED")
    assert statements(clerk, "/bridges/desk?whose=") == few
    officer = visit(app, who.old_bank[Role.BANK_OFFICER])
    branch = words(officer.get("/branch"))
    assert who.firm.name in branch and "确认旧贷结清" in branch
    assert "请填写凭证号" in words(send(officer, f"/branch/{key}", repaid_on=today().isoformat()))
    told = words(send(officer, f"/branch/{key}", repaid_on=today().isoformat(), reference="JQ-9"))
    assert "已确认结清" in told and "今天已确认 1 笔" in told and "没有要确认的" in told
    assert "不用确认结清" in words(officer.get(f"/branch/{waiting}", follow_redirects=True))
    assert visit(app, who.boss).get("/bridges/desk").status_code == 403


def test_every_figure_of_the_report_opens_and_the_letters_are_counted(app: Flask) -> None:
    who = road.people()
    road.walk(who, "SETTLED")
    leader = visit(app, cast.bureau()[Role.BUREAU_LEADER])
    page = leader.get("/bridges/reports")
    links = [part.split('"')[0] for part in page.get_data(as_text=True).split('href="') if part.startswith("/bridges/reports/2")]
    assert len(links) == 24  # applied, first, approved, paid, returned, settled; whole, bank, funder, district
    assert all(who.firm.name in words(leader.get(link)) for link in set(links))
    month = f"{today():%Y-%m}"
    assert leader.get(f"/bridges/reports/{month}/applied/bank/nobody").status_code == 404
    assert leader.get(f"/bridges/reports/{month}/mood/all/").status_code == 404
    assert leader.get(f"/bridges/reports?month={month}&format=xlsx").content_type.endswith("sheet")
    earlier = (today().replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    assert "这个月没有转贷" in words(leader.get(f"/bridges/reports?month={earlier}"))
    assert "这个月没有转贷" in words(leader.get("/bridges/reports"))  # the month is remembered
    few = statements(leader, f"/bridges/reports?month={month}")
    road.walk(who, "PICKED")
    assert statements(leader, f"/bridges/reports?month={month}") == few
    for visitor in (who.boss, who.clerk, who.new_bank[Role.BANK_OFFICER]):
        told = words(visit(app, visitor).get("/bridges/promises"))
        assert "1 / 1" in told and who.firm.name in told
    assert visit(app, who.boss).get("/bridges/reports").status_code == 403
