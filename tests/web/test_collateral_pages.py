"""Collateral and guarantor on their pages: entered, asked, confirmed, released, registered; claimed from the guarantor."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from app.bridge import bank_service, money_service
from app.bridge.rules import CROSS_BANK
from app.core.calendar import now, today
from app.core.money import WAN
from app.core.permissions import OrgKind, Role
from tests import bridge_cast as road
from tests import cast
from tests.web.test_bridge_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def test_two_banks_and_a_guarantor_move_collateral_through_their_pages(app: Flask) -> None:
    who, guarantor = road.people(terms=CROSS_BANK, cross=True), cast.organisation(OrgKind.GUARANTOR, "穗安融资担保公司")
    key = road.walk(who, "SIGNED")
    clerk, stands = visit(app, who.clerk), visit(app, guarantor[Role.GUARANTOR_CLERK])
    old, new = visit(app, who.old_bank[Role.BANK_OFFICER]), visit(app, who.new_bank[Role.BANK_OFFICER])
    url = f"/bridges/{key}/collateral"
    assert "没有登记担保物" in words(clerk.get(url)) and stands.get(url).status_code == 404
    page = send(clerk, url, kind="REAL_ESTATE", what="天河区某路 1 号", registration_no="粤2024-1")
    assert "担保物已登记" in words(page) and "在原银行，待解除" in words(page)
    assert "这个登记证明号已经登记" in words(send(clerk, url, kind="OTHER", what="重复", registration_no="粤2024-1"))
    assert "担保机构确认担保" in words(send(clerk, f"/bridges/{key}/pay", own_money_seen="0", voucher_out="O", voucher_on="P"))
    page = send(clerk, f"/bridges/{key}/guarantor", guarantor=guarantor.id, cover="299")
    assert "300 万元" in words(page), "the least is told at the field"
    assert "已请担保机构确认" in words(send(clerk, f"/bridges/{key}/guarantor", guarantor=guarantor.id, cover="300"))
    assert "跨行转贷：确认担保" in words(stands.get("/"))
    ask = re.search(r'href="(/bridges/guarantees/[0-9a-f-]+)"', stands.get(url).get_data(as_text=True))
    assert ask is not None and "天河区某路 1 号" in words(stands.get(ask[1]))
    assert "请填写合同号" in words(send(stands, ask[1], contract_no=""))
    assert "担保已确认" in words(send(stands, ask[1], contract_no="BZ-1"))
    road.walk(who, "OLD_REPAID", bridge_id=key)
    step = re.search(r'href="(/bridges/collateral/[0-9a-f-]+/release)"', old.get(url).get_data(as_text=True))
    assert step is not None and "/release" not in new.get(url).get_data(as_text=True)
    assert "解除担保物登记" in words(old.get("/"))
    assert "请填写文号" in words(send(old, step[1], released_on=today().isoformat(), release_reference=""))
    assert "已登记解除" in words(send(old, step[1], released_on=today().isoformat(), release_reference="ZX-1"))
    bank_service.refuse_renewal(who.new_bank[Role.BANK_OFFICER], key, "评估不足")
    with time_machine.travel(now() + timedelta(days=20), tick=False):
        money_service.mark_due(cast.SYSTEM)
    page = visit(app, who.funder[Role.FUNDER_CLERK]).get(f"/bridges/{key}")
    assert f"对{guarantor.name}尚有 300 万元" in words(page)
    assert "转贷异常：逾期，由担保机构代偿" in words(stands.get("/"))
    road.give_back(who, key, 300 * WAN)
    register = step[1].replace("release", "register")
    page = send(new, register, registered_on=today().isoformat(), new_registration_no="粤2026-9")
    assert "新登记已办妥" in words(page) and "已在续贷银行登记" in words(page)
    assert "粤2026-9" in words(visit(app, cast.bureau()[Role.BUREAU_LEADER]).get(url))
