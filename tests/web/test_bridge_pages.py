"""The pages of a bridge as people meet them: the whole road by forms, bad input with its sentence, other people's bridges."""

from __future__ import annotations

import re
from datetime import date, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient
from sqlalchemy import event, text

from app.bridge import fund_service
from app.bridge.models import Bridge
from app.bridge.rules import moved_to
from app.core.calendar import today
from app.core.context import Context
from app.core.database import engine, session, transaction
from app.core.money import WAN
from app.core.permissions import OrgKind, Role
from tests import bridge_cast as road
from tests import cast
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def words(page: Any) -> str:
    """What stands on a page, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.get_data(as_text=True)))


def send(client: FlaskClient, url: str, **fields: Any) -> Any:
    """A form with its token, and the page that follows."""
    return client.post(url, data={"idempotency_token": str(uuid4()), **fields}, follow_redirects=True)


def newest() -> UUID:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalars(text("select id from bridge order by id desc limit 1")).one()


def day(days: int) -> str:
    return (today() + timedelta(days=days)).isoformat()


def test_a_funder_that_may_still_quote_reads_nothing_of_the_quote_that_was_picked(app: Flask) -> None:
    who, rival = road.people(), cast.funder("别的资金方")
    road.fund(who.centre, rival, 900 * WAN, name="转贷二号")
    key = road.walk(who, "PARTNER_OFFERED", own_money_fen=20 * WAN, requested_fen=280 * WAN)
    road.offer(who, key, 271 * WAN)
    road.walk(who, "PICKED", bridge_id=key)
    page, listed = (visit(app, rival[Role.FUNDER_CLERK]).get(url) for url in (f"/bridges/{key}", "/bridges"))
    assert page.status_code == 200 and "280" in words(page)
    for shown in (words(page), words(listed)):
        assert "271" not in shown and who.funder.name not in shown
    assert "费用预览" not in words(page)
    assert "271" in words(visit(app, who.funder[Role.FUNDER_CLERK]).get(f"/bridges/{key}"))


def test_seven_people_walk_a_bridge_through_their_pages(app: Flask) -> None:
    who = road.people()
    firm, centre = visit(app, who.boss), visit(app, who.clerk)
    reviewer, funder = visit(app, who.reviewer), visit(app, who.funder[Role.FUNDER_CLERK])
    officer, approver = visit(app, who.old_bank[Role.BANK_OFFICER]), visit(app, who.old_bank[Role.BANK_APPROVER])
    page = send(firm, "/bridges/start", bank=who.old_bank.id, note_no="JJ-7", due="300", due_on=day(30), working_capital="y")
    assert "请等银行答复" in words(page)
    asked = page.request.path
    assert "答复无还本续贷申请" in words(officer.get("/"))
    assert "答复已发给企业" in words(send(officer, asked, granted="no", reason="MUST_REPAY"))
    assert "可以申请转贷" in words(firm.get("/"))
    apply = re.search(r'href="(/bridges/apply/[^"]+)"', firm.get(asked).get_data(as_text=True))
    assert apply is not None and 'value="300"' in firm.get(apply[1]).get_data(as_text=True)
    page = send(firm, apply[1], old_due="300", old_due_on=day(30), own_money="0", requested="300",
                new_bank=who.old_bank.id, planned_days="5", consent="y")
    assert "转贷申请已提交" in words(page)
    url = f"/bridges/{newest()}"
    assert "预审" in words(centre.get("/"))
    page = send(centre, f"{url}/precheck", ticks=["NO_BAD_RECORD", "NO_ENFORCEMENT", "NOTE_CHECKED", "PAPERS", "BUSINESS_USE"])
    assert "预审通过" in words(page)
    assert "出具承诺" in words(approver.get("/"))
    page = send(approver, f"{url}/commit", promised="400", rate_low="3.9", term_months="12", method="INTEREST_ONLY",
                latest_drawdown_on=day(60), valid_until=day(60), receiving_account="4400888899990000", branch="天河支行",
                open_kinds=["COLLATERAL"])
    assert "续贷承诺已出具" in words(page)
    assert "4400888899990000" not in page.get_data(as_text=True)
    quote = road.quote_of(who, newest())
    assert "报价" in words(funder.get("/"))
    page = send(funder, f"{url}/quotes/{quote}", amount="300", valid_until=day(10), product=road.product_of(who))
    assert "报价已提交" in words(page)
    page = firm.get(url)
    assert "9,900" in words(page) and "选定这家" in words(page)
    assert "已选定资金方" in words(send(firm, f"{url}/pick/{quote}"))
    page = send(centre, f"{url}/accounts", **{f"{kind}_{part}": text for kind, number in (
        ("funder", "44001111 22223333"), ("custody", "4400555566667777"), ("repayment", "4400888899990000"))
        for part, text in (("holder", "示例户名"), ("bank", "示例支行"), ("number", number))})
    assert "账户已录入" in words(page) and "440*********3333" in words(page)
    numbers = {"funder_number": "4400111122223333", "custody_number": "4400555566667777"}
    assert "与录入的不一致" in words(send(reviewer, f"{url}/accounts/confirm", **numbers, repayment_number="4400888899990001"))
    page = send(reviewer, f"{url}/accounts/confirm", **numbers, repayment_number="4400888899990000")
    assert "账户已核对" in words(page) and "4400888899990000" not in page.get_data(as_text=True)
    assert "已批准，资金已预留" in words(send(reviewer, f"{url}/approve"))
    page = firm.get(f"{url}/sign")
    for said in ("9,900", "19,800", "1,980", "24.09%", "不收手续费", "怎么算的"):
        assert said in words(page), said
    seen = re.search(r'name="seen_fee"[^>]*value="(\d+)"', page.get_data(as_text=True))
    assert seen is not None
    page = send(firm, f"{url}/sign", agreement_no="XY-1", read="y", seen_fee=seen[1])
    assert "三方协议已登记" in words(page)
    assert "放款已登记" in words(send(centre, f"{url}/pay", own_money_seen="0", voucher_out="A1", voucher_on="A2"))
    assert "旧贷款已确认结清" in words(send(officer, f"{url}/repaid", repaid_on=day(0), reference="JQ-7"))
    page = send(officer, f"{url}/drawn", note_no="JJ-8", contract_no="HT-8", amount="400", drawn_on=day(0), rate="3.9")
    assert "新贷款放款已登记" in words(page)
    page = send(centre, f"{url}/return", amount="1000000", on_day=day(0), voucher_in="B1", voucher_out="B2")
    assert "200 万元 在途" in words(page)
    page = send(centre, f"{url}/return", amount="2000000", on_day=day(0), voucher_in="B3", voucher_out="B4")
    assert "归还已登记" in words(page)
    assert "0 天" in words(centre.get(f"{url}/settle"))
    page = send(centre, f"{url}/settle", fee_voucher_no="")
    assert "已结清" in words(page)
    with transaction(cast.SYSTEM, read_only=True):
        assert session().get_one(Bridge, newest()).state == "SETTLED"
    case = firm.get(re.search(r'href="(/cases/[^"]+)"', firm.get(url).get_data(as_text=True))[1])  # type: ignore[index]
    assert all(label in words(case) for label in ("申请转贷", "银行承诺", "转贷审批", "转贷放款", "归还", "转贷结清"))
    fund = words(visit(app, who.funder[Role.FUNDER_CLERK]).get(f"/funds/{who.fund_id}"))
    assert "转贷归还" in fund and "转贷放款" in fund


def test_a_bank_that_renews_without_repayment_spares_the_firm_the_bridge(app: Flask) -> None:
    who = road.people(0)
    key = road.ask(who, granted=True)
    page = words(visit(app, who.boss).get(f"/bridges/asks/{key}"))
    assert "不需要转贷" in page and "签订续贷合同" in page and "申请转贷，资料已带入" not in page
    typed = {"old_due": "300", "old_due_on": day(30), "own_money": "0", "requested": "300", "planned_days": "5", "consent": "y"}
    page = send(visit(app, who.boss), f"/bridges/apply/{key}", new_bank=str(who.old_bank.id), **typed)
    assert "不需要转贷" in words(page)


def test_an_answer_of_no_needs_its_reason_and_a_bank_outside_its_paper(app: Flask) -> None:
    who, outside = road.people(0), cast.organisation(OrgKind.BANK, "云外村镇银行")
    with transaction(cast.SYSTEM):
        session().execute(text("update person set state = 'left' where org_id = :org"), {"org": outside.id})
    firm, officer = visit(app, who.boss), visit(app, who.old_bank[Role.BANK_OFFICER])
    typed = {"note_no": "JJ-1", "due": "300", "due_on": day(30), "working_capital": "y"}
    asked = send(firm, "/bridges/start", bank=who.old_bank.id, **typed).request.path
    assert "请写明理由" in words(send(officer, asked, granted="no"))
    assert "请写明理由" in words(send(officer, asked, granted="no", reason="OTHER"))
    assert "书面答复" in words(firm.get("/bridges/start"))
    stated = {"bank": str(outside.id), "granted": "no", "reason": "POLICY", "asked_on": day(-3), **typed}
    assert "请上传银行的书面答复" in words(send(firm, "/bridges/start/outside", **stated))
    page = send(firm, "/bridges/start/outside", **stated, file=(BytesIO(b"%PDF-1.4 no"), "答复.pdf"))
    assert "申请转贷，资料已带入" in words(page) and "答复.pdf" in words(page)
    assert "答复.pdf" in words(visit(app, who.clerk).get(page.request.path))
    for visitor in (who.clerk, cast.bureau()[Role.BUREAU_AUDITOR], who.old_bank[Role.BANK_OFFICER]):
        listed = words(visit(app, visitor).get("/bridges/asks"))
        assert "银行怎么答复" in listed and "JJ-1" in listed
    assert visit(app, who.clerk).get("/bridges/asks?format=xlsx").content_type.endswith("sheet")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"requested": "301"}, "转贷金额超过上限 300 万元，请降低金额。"),
        ({"requested": "-5"}, "金额不在允许的范围内"),
        ({"requested": "很多"}, "请填写数字"),
        ({"requested": ""}, "请填写金额。"),
        ({"planned_days": "11"}, "天数应在 0 至 10 之间，请核对。"),
        ({"old_due_on": ""}, "请选择日期。"),
        ({"consent": ""}, "办理转贷需要您的同意。"),
    ],
)
def test_bad_input_is_answered_at_its_field_and_what_was_typed_stays(app: Flask, fields: dict[str, str], sentence: str) -> None:
    who = road.people(0)
    good = {"old_due": "300", "old_due_on": day(30), "own_money": "0", "requested": "300", "new_bank": str(who.old_bank.id),
            "planned_days": "5", "consent": "y"}
    sent = {key: value for key, value in {**good, **fields}.items() if value}
    page = send(visit(app, who.boss), f"/bridges/apply/{road.ask(who)}", **sent)
    assert "请先改正下面几处" in words(page) and sentence in words(page)
    assert 'value="300"' in page.get_data(as_text=True)
    with transaction(cast.SYSTEM, read_only=True):
        assert session().scalar(text("select count(*) from bridge")) == 0


def test_a_short_deadline_asks_for_the_urgent_tick_and_a_second_bridge_for_patience(app: Flask) -> None:
    who = road.people(0)
    client = visit(app, who.boss)
    fields = {"old_due": "300", "old_due_on": day(3), "own_money": "0", "requested": "300", "new_bank": str(who.old_bank.id),
              "planned_days": "5", "consent": "y"}
    url = f"/bridges/apply/{road.ask(who, 'JJ-9')}"
    assert "不足 10 个工作日，请勾选加急办理" in words(send(client, url, **fields))
    assert "转贷申请已提交" in words(send(client, url, **fields, urgent="y"))
    assert "已有一笔未结清的转贷" in words(send(client, url, **fields, urgent="y"))


def test_the_same_form_sent_twice_makes_one_bridge(app: Flask) -> None:
    who = road.people(0)
    client, token = visit(app, who.boss), str(uuid4())
    fields = {"old_due": "300", "old_due_on": day(30), "own_money": "0", "requested": "300", "new_bank": str(who.old_bank.id),
              "planned_days": "5", "consent": "y", "idempotency_token": token}
    url = f"/bridges/apply/{road.ask(who)}"
    places = [client.post(url, data=fields).location for _ in range(2)]
    assert places[0] == places[1]
    assert "内容与上次不同" in words(client.post(url, data={**fields, "requested": "200"}))


def test_money_that_is_not_there_is_refused_in_words(app: Flask) -> None:
    who = road.people(500 * WAN)
    first, second = road.walk(who, "PICKED"), road.walk(who, "PICKED")
    reviewer = visit(app, who.reviewer)
    assert "资金已预留" in words(send(reviewer, f"/bridges/{first}/approve"))
    assert "资金方可用额度不足" in words(send(reviewer, f"/bridges/{second}/approve"))
    assert "资金方可用额度不足" in words(send(reviewer, f"/funds/{who.fund_id}/move", amount="201", voucher_no="W", way="out"))
    assert "已登记" in words(send(reviewer, f"/funds/{who.fund_id}/move", amount="200", voucher_no="W", way="out"))


def test_a_due_day_on_which_banks_are_closed_says_when_the_money_moves(app: Flask) -> None:
    who = road.people()
    key = road.walk(who, "APPLIED")
    with transaction(cast.SYSTEM, read_only=True):
        due = session().get_one(Bridge, key).old_due_on
    assert ("银行不营业" in words(visit(app, who.boss).get(f"/bridges/{key}"))) == (moved_to(due) is not None)
    piece = '{% import "bridge/macros.html" as parts with context %}{{ parts.due_on_holiday(day) }}'
    with app.test_request_context():
        assert "10-08 扣收" in render_template_string(piece, day=date(2026, 10, 1))
        assert not render_template_string(piece, day=date(2026, 10, 9)).strip()


def test_a_refusal_needs_its_reason(app: Flask) -> None:
    who = road.people()
    key = road.walk(who, "OLD_REPAID")
    officer = visit(app, who.new_bank[Role.BANK_OFFICER])
    assert "请写明理由" in words(send(officer, f"/bridges/{key}/refuse-renewal", reason=" "))
    assert "金融局和各方会看到理由" in words(send(officer, f"/bridges/{key}/refuse-renewal", reason="法院冻结"))
    assert "法院冻结" in words(visit(app, who.boss).get(f"/bridges/{key}"))


def test_another_organisations_bridge_is_not_found_and_another_role_is_forbidden(app: Flask) -> None:
    who = road.people()
    key = road.walk(who, "FUNDED")
    strangers: list[Context] = [cast.firm("别的企业")[Role.FIRM_CLERK], cast.bank("别的银行")[Role.BANK_OFFICER],
                                cast.funder("别的资金方")[Role.FUNDER_CLERK]]
    for stranger in strangers:
        client = visit(app, stranger)
        assert client.get(f"/bridges/{key}").status_code == 404
        assert who.firm.name not in words(client.get("/bridges"))
    assert visit(app, strangers[2]).get(f"/funds/{who.fund_id}").status_code == 404
    assert visit(app, strangers[1]).get(f"/bridges/{key}/repaid").status_code == 404
    assert visit(app, who.boss).get(f"/bridges/{key}/repaid").status_code == 403
    assert visit(app, cast.provider()[Role.PROVIDER_CLERK]).get("/bridges").status_code == 403
    assert visit(app, cast.bureau()[Role.BUREAU_AUDITOR]).get(f"/bridges/{key}").status_code == 200


def test_every_page_opens_for_every_party_at_every_stop(app: Flask) -> None:
    who = road.people(cross=True, terms=road_terms())
    visitors = {
        "firm": visit(app, who.boss), "old": visit(app, who.old_bank[Role.BANK_OFFICER]),
        "new": visit(app, who.new_bank[Role.BANK_APPROVER]), "centre": visit(app, who.clerk),
        "reviewer": visit(app, who.reviewer), "bureau": visit(app, cast.bureau()[Role.BUREAU_LEADER]),
        "funder": visit(app, who.funder[Role.FUNDER_CLERK]),
    }
    key = road.walk(who, "APPLIED")
    for stop in road.ROAD:
        road.walk(who, stop, bridge_id=key)
        for name, client in visitors.items():
            seen = client.get(f"/bridges/{key}")
            early = name == "funder" and stop in ("APPLIED", "PRECHECKED")
            assert seen.status_code == (404 if early else 200), (name, stop)
            assert client.get("/").status_code == client.get("/bridges").status_code == 200


def road_terms():
    from app.bridge.rules import CROSS_BANK

    return CROSS_BANK


def test_the_list_is_filtered_sorted_and_exported_in_few_statements(app: Flask) -> None:
    who = road.people()
    keys = [road.walk(who, "APPLIED", note_no=f"JJ-{n}") for n in range(3)]
    client = visit(app, who.clerk)
    client.get("/bridges")
    counted: list[str] = []
    event.listen(engine(), "before_cursor_execute", lambda *args: counted.append(args[2]))
    page = client.get("/bridges")
    assert len([statement for statement in counted if "from bridge" in statement.lower()]) <= 3
    assert words(page).count("JJ-") == 3
    assert words(client.get("/bridges?f=1&q=JJ-2")).count("JJ-") == 1
    assert "没有符合条件的记录" in words(client.get("/bridges?f=1&late=1"))
    assert client.get("/bridges?reset=1&format=xlsx").content_type.endswith("spreadsheetml.sheet")
    assert len(keys) == 3


def test_a_fund_above_the_ceiling_is_refused_and_a_good_one_opens_empty(app: Flask) -> None:
    centre, funder = cast.centre(), cast.funder()
    client = visit(app, centre[Role.CENTRE_REVIEWER])
    fields = {"funder": str(funder.id), "name": "二号资金", "product_name": "按天", "kind": "SAME_BANK", "fee_method": "DAILY",
              "daily_rate": "0.2",
              "cap": "1000", "share": "95", "max_days": "10"}
    assert "也不得高于上限 0.066%" in words(send(client, "/funds/new", **fields))
    steps = {**fields, "fee_method": "STEPS", "daily_rate": "0.02"}
    assert "请填写第一段天数" in words(send(client, "/funds/new", **steps))
    page = send(client, "/funds/new", **steps, first_days="5", later_rate="0.04")
    assert "前 5 天每天 0.02%，以后每天 0.04%" in words(page)
    assert "还没有账目" in words(page)


def test_the_homes_say_what_waits(app: Flask) -> None:
    who = road.people()
    key = road.walk(who, "SIGNED")
    assert "登记放款" in words(visit(app, who.clerk).get("/"))
    road.walk(who, "FUNDED", bridge_id=key)
    home = words(visit(app, who.clerk).get("/"))
    assert "在途资金" in home and "300" in home
    assert "确认旧贷结清" in words(visit(app, who.old_bank[Role.BANK_OFFICER]).get("/"))
    fund_service.set_open(who.reviewer, who.fund_id, False)
    assert "关闭" in words(visit(app, who.funder[Role.FUNDER_CLERK]).get("/funds"))
