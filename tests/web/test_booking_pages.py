"""Pages of agreements, quotas, ceilings and of the booking board, as people meet them."""

from __future__ import annotations

import io
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from openpyxl import load_workbook
from sqlalchemy import event, text

from app.bridge import hold_service, quota_service
from app.core.calendar import today
from app.core.context import Context
from app.core.database import engine, session, transaction
from app.core.money import WAN
from app.core.permissions import Role
from tests import bridge_cast as road
from tests import cast
from tests.web.test_bridge_pages import day, send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def only(table: str, ctx: Context = cast.SYSTEM) -> UUID:
    with transaction(ctx, read_only=True):
        return session().scalars(text(f"select id from {table} order by id desc limit 1")).one()


def test_the_form_shows_the_clash_before_the_seat_is_taken(app: Flask) -> None:
    who = road.people(5000 * WAN)
    quota_service.set_quotas(who.reviewer, who.fund_id, {("DAY", None, None): 500 * WAN})
    first, second = (road.walk(who, "PICKED") for _ in range(2))
    clerk = visit(app, who.clerk)
    url = f"/bridges/{second}/hold"
    assert "没有冲突" in words(clerk.get(url))
    assert "占用资金" in words(clerk.get(f"/bridges/{second}"))
    assert "资金已暂时占用" in words(send(clerk, f"/bridges/{first}/hold", starts_on=day(30), days="5", take="1"))
    seen = words(send(clerk, url, starts_on=day(32), days="5", check="1"))
    assert "每日额度" in seen and "超出 100 万元" in seen and "最近可从" in seen
    assert day(35) in clerk.get(url).get_data(as_text=True), "the nearest start is the day of return of the other"
    assert "超出 100 万元" in words(send(clerk, url, starts_on=day(32), days="5", take="1"))
    assert "资金已暂时占用" in words(send(clerk, url, starts_on=day(35), days="5", take="1"))
    assert "占用已释放" in words(send(clerk, f"/bridges/{second}/let-go"))
    assert "请填写天数" in words(send(clerk, url, starts_on=day(35), days="", take="1"))
    assert visit(app, who.funder[Role.FUNDER_CLERK]).get(url).status_code == 403


def test_the_board_shows_funds_by_days_within_its_statements_and_remembers_its_filters(app: Flask) -> None:
    who = road.people(5000 * WAN)
    other = cast.funder("名字很长很长的越秀区中小企业转贷与短期信用支持合作机构（第二家）")
    rival_fund = road.fund(who.centre, other, 900 * WAN, name="名字也很长很长的转贷专项资金二号")
    keys = [road.walk(who, "PICKED", old_due_on=today() + timedelta(days=3), urgent=True) for _ in range(2)]
    hold_service.hold(who.clerk, keys[0], today() + timedelta(days=3), 5)
    quota_service.set_days(who.reviewer, who.fund_id, quota_service.Stretch(
        today() + timedelta(days=1), today() + timedelta(days=1), closed=True))
    clerk, funder = visit(app, who.clerk), visit(app, who.funder[Role.FUNDER_CLERK])
    page = words(clerk.get("/funds/board"))
    for said in (who.firm.name, "300 万元", "名字也很长很长的转贷专项资金二号", "不放款", "4,700"):
        assert said in page, said
    mine = words(funder.get("/funds/board"))
    assert who.firm.name in mine and "名字也很长" not in mine
    assert visit(app, who.boss).get("/funds/board").status_code == 403
    # The filter stays for the next visit; the wide board has as many days as the bureau says.
    assert who.firm.name not in words(clerk.get(f"/funds/board?f=1&fund={rival_fund}"))
    assert who.firm.name not in words(clerk.get("/funds/board"))
    assert clerk.get("/funds/board?f=1&days=wide").get_data(as_text=True).count("<th scope=\"col\"") > 45
    book = load_workbook(io.BytesIO(clerk.get("/funds/board?f=1&format=xlsx").data))
    assert who.firm.name in [str(cell.value) for row in book.active.iter_rows() for cell in row]
    counted: list[str] = []

    def note(*args: object) -> None:
        counted.append(str(args[2]))

    def statements() -> int:
        counted.clear()
        event.listen(engine(), "before_cursor_execute", note)
        try:
            assert clerk.get("/funds/board?reset=1").status_code == 200
        finally:
            event.remove(engine(), "before_cursor_execute", note)
        return len(counted)

    few = statements()
    hold_service.hold(who.clerk, keys[1], today() + timedelta(days=9), 5)
    road.fund(who.centre, cast.funder("第三家"), 100 * WAN, name="三号")
    assert statements() == few <= 25, counted


def test_agreements_quotas_products_and_ceilings_are_kept_by_forms(app: Flask) -> None:
    who, bureau, fresh = road.people(), cast.bureau(), cast.funder("新资金方")
    clerk, reviewer = visit(app, who.clerk), visit(app, who.reviewer)
    fields = {"funder": str(fresh.id), "number": "XY-7", "valid_from": day(0), "valid_to": day(20),
              "funder_signer": "甲", "centre_signer": "乙", "reason": "遴选"}
    assert "请至少选一种" in words(send(clerk, "/funds/agreements/new", **fields))
    assert "请另一人签署" in words(send(clerk, "/funds/agreements/new", **fields, kinds=["SAME_BANK"]))
    assert "签署资金方协议" in words(reviewer.get("/"))
    url = f"/funds/agreements/{only('fund_agreement')}"
    assert send(clerk, f"{url}/confirm", reason="同意").status_code == 403
    assert "已确认" in words(send(reviewer, f"{url}/confirm", reason="同意"))
    assert "有效" in words(visit(app, fresh[Role.FUNDER_CLERK]).get("/funds/agreements"))
    assert "协议已终止" in words(send(reviewer, f"{url}/end", reason="对方停业"))
    # Quotas and calendar of a fund, another product.
    fund = f"/funds/{who.fund_id}"
    page = words(send(reviewer, f"{fund}/quotas", daily="800", any_bank="500", bank=who.new_bank.id, bank_limit="300"))
    assert "额度已登记" in page and who.new_bank.name in page and "800" in page
    assert "请填写额度" in words(send(reviewer, f"{fund}/days", first=day(1), last=day(2), way="limit"))
    assert "不放款" in words(send(reviewer, f"{fund}/days", first=day(1), last=day(9), way="closed", only_free_days="y",
                                  note="周末"))
    product = {"name": "跨行一次性", "kind": "CROSS_BANK", "fee_method": "ONE_OFF", "cap": "1000", "share": "95",
               "max_days": "45"}
    assert "上限 0.6%" in words(send(reviewer, f"{fund}/products/new", **product, one_off_rate="0.7"))
    assert "跨行一次性" in words(send(reviewer, f"{fund}/products/new", **product, one_off_rate="0.5"))
    assert "停售" in words(send(reviewer, f"{fund}/products/{only('fund_product')}/state", open="0"))
    # The bureau's ceiling, on two people's word.
    auditor, leader = visit(app, bureau[Role.BUREAU_AUDITOR]), visit(app, bureau[Role.BUREAU_LEADER])
    numbers = {"daily_rate": "0.05", "one_off_rate": "0.5", "hold_hours": "48", "remind_days": "30", "wide_days": "45",
               "reason": "降低成本"}
    assert "已提出" in words(send(auditor, "/funds/ceiling", **numbers))
    assert "决定转贷收费上限" in words(leader.get("/"))
    ceiling = f"/funds/ceiling/{only('bridge_ceiling', bureau[Role.BUREAU_AUDITOR])}"
    assert send(auditor, f"{ceiling}/confirm", reason="好").status_code == 403
    assert "已确认" in words(send(leader, f"{ceiling}/confirm", reason="好"))
    assert "0.050%" in words(clerk.get("/funds/ceiling"))
