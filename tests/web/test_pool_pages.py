"""The pages of the pool as people meet them: from a drawn loan to a paid claim, and what may not be done."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core.calendar import today
from app.core.database import session, transaction
from app.core.models import AuditEvent
from app.core.permissions import Role
from app.pool import service as pool
from app.pool.models import Booking, Claim
from tests import cast
from tests.pdf import streams_of
from tests.pool_cast import City, ballast, rule_set, terms
from tests.web.test_loans_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service

FORM = {"product": "CREDIT", "use_of_funds": "WORKING_CAPITAL", "not_dishonest": "y"}


@pytest.fixture
def city(app: Flask) -> City:
    made = City()
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-DEMO", stop_line=Decimal(1), publicity_days=0))
    return made


def newest(model: Any) -> Any:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalars(select(model).order_by(model.id.desc())).first()


def test_nine_people_walk_a_loss_from_booking_to_return_through_their_pages(app: Flask, city: City) -> None:
    who = {role: visit(app, person) for house in (city.bank, city.bureau) for role, person in house.people.items()}
    officer, approver = who[Role.BANK_OFFICER], who[Role.BANK_APPROVER]
    loan = city.drawn(terms(300))
    assert "办理入库" in words(officer.get("/"))
    assert "小型企业" in words(officer.get(f"/loans/{loan.id}/booking"))
    booked = words(send(officer, f"/loans/{loan.id}/booking", **FORM))
    assert "已入库" in booked and "未通过" not in booked
    booking = newest(Booking)
    city.gone_bad(booking)
    assert "可以申请补偿" in words(officer.get("/"))
    claimed = words(send(officer, f"/bookings/{booking.id}/claim", statement="已电话、上门催收三次", collateral="0"))
    assert "1,200,000.00" in claimed and "40.00%" in claimed
    claim = newest(Claim)
    uploaded = send(officer, f"/claims/{claim.id}/papers", kind="DEMAND_LETTER", file=(BytesIO(b"%PDF-1.4 x"), "催收函.pdf"))
    assert "催收函.pdf" in words(uploaded)
    assert "复核补偿申请" in words(approver.get("/"))
    assert "已提交金融局" in words(send(approver, f"/claims/{claim.id}/submit"))
    reviewer, auditor = who[Role.BUREAU_REVIEWER], who[Role.BUREAU_AUDITOR]
    leader, cashier = who[Role.BUREAU_LEADER], who[Role.BUREAU_CASHIER]
    assert "催收函.pdf" in words(reviewer.get(f"/claims/{claim.id}"))
    assert "形式审查通过" in words(send(reviewer, f"/claims/{claim.id}/accept"))
    assert "审核提示" in words(auditor.get(f"/claims/{claim.id}"))
    assert "等待审定" in words(send(auditor, f"/claims/{claim.id}/audit", reason="计算无误"))
    assert "审定补偿申请" in words(leader.get("/"))
    assert "资金已预留" in words(send(leader, f"/claims/{claim.id}/approve"))
    assert "公示期为 0 天" in words(leader.get(f"/claims/{claim.id}"))
    assert "支付补偿" in words(cashier.get("/"))
    assert "预算已扣减" in words(send(cashier, f"/claims/{claim.id}/pay", voucher_no="付-1", paid_on=today().isoformat()))
    ledger = words(leader.get("/pool/ledger"))
    assert "1,200,000.00" in ledger and "99,880 万元" in ledger
    back = words(send(officer, f"/claims/{claim.id}/recovery", recovered="1000000", cost="100000",
                      received_on=today().isoformat(), reference="执行款"))
    assert "360,000.00" in back
    assert "风险补偿申请单" in words(officer.get(f"/claims/{claim.id}/sheet"))
    timeline = words(auditor.get(f"/claims/{claim.id}"))
    _file_holds_everything(auditor, claim.id, city)
    assert officer.get(f"/claims/{claim.id}/file.json").status_code == 403
    assert all(step in timeline for step in ("准备补偿申请", "形式审查通过", "完成审核", "同意补偿", "支付补偿", "登记追偿回收"))


def _file_holds_everything(auditor: FlaskClient, claim_id: UUID, city: City) -> None:
    content = auditor.get(f"/claims/{claim_id}/file.json").data
    told = json.loads(content)
    assert told["claim"]["paid_fen"] == 1_200_000_00
    assert [one["sha256"] for one in told["papers"]] == [hashlib.sha256(b"%PDF-1.4 x").hexdigest()]
    assert [one["kind"] for one in told["money"]] == ["pending", "post"]
    assert len({person for person in told["hands"].values() if person}) == 6
    assert told["rule"]["rules"]["code"] == told["rule"]["code"] == "GZ-DEMO"
    assert {one["event"] for one in told["steps"]} >= {"submit", "accept", "audit", "approve", "pay", "recover"}
    with transaction(cast.SYSTEM, read_only=True):
        events = {one.digest.hex(): one for one in session().scalars(select(AuditEvent))}
        assert all(events[one["digest"]].action == one["action"] for one in told["events"])
        made = [one.facts for one in events.values() if one.action == "claim.file"]
    assert [one["sha256"] for one in made] == [hashlib.sha256(content).hexdigest()], "the log knows the file that was handed out"
    drawn = auditor.get(f"/claims/{claim_id}/file.pdf")
    if drawn.mimetype != "application/pdf":
        pytest.skip("this machine has no Chinese font to draw with")
    carried = [json.loads(part) for part in streams_of(drawn.data) if part.startswith(b"{") and b'"hands"' in part]
    assert [one["claim"] for one in carried] == [told["claim"]], "the paper carries its data"


def test_a_loan_the_rule_does_not_cover_shows_the_check_that_failed(app: Flask, city: City) -> None:
    loan = city.drawn()
    page = words(send(visit(app, city.officer), f"/loans/{loan.id}/booking", **{**FORM, "use_of_funds": "SECURITIES"}))
    assert "贷款用途为证券投资，不得用于购房或证券投资 ✕ 未通过" in page


@pytest.mark.parametrize(("days", "fields", "sentence"), [
    (40, {}, "已超过入库期限"), (1, {"on_key_list": "y"}, "请写明名录名称与版本"),
])
def test_a_wrong_booking_gets_its_sentence(
    app: Flask, city: City, days: int, fields: dict[str, str], sentence: str,
) -> None:
    loan = city.drawn(days_ago=days)
    assert sentence in words(send(visit(app, city.officer), f"/loans/{loan.id}/booking", **{**FORM, **fields}))


def test_a_claim_form_says_what_is_wrong(app: Flask, city: City) -> None:
    booking, officer = city.booked(), visit(app, city.officer)
    url = f"/bookings/{booking.id}/claim"
    assert "还不是不良贷款" in words(send(officer, url, statement="催收"))
    city.gone_bad(booking)
    assert "金额不能是负数" in words(send(officer, url, statement="催收", collateral="-1"))
    assert "请简要写明" in words(send(officer, url, statement=""))
    assert "金额不在允许的范围内" in words(send(officer, url, statement="催收", collateral="3000000"))


def test_the_board_shows_four_figures_and_how_near_each_bank_is(app: Flask, city: City) -> None:
    ballast(city)
    page = words(visit(app, city.leader).get("/pool"))
    for label in ("今年预算余额", "在办的补偿申请", "今年已支付补偿", "接近熔断线的银行"):
        assert label in page
    assert "珠岸银行" in page
    assert "今年预算余额" in words(visit(app, city.auditor).get("/"))


def test_what_a_role_may_not_do_is_refused(app: Flask, city: City) -> None:
    claim = city.claimed(city.booked())
    officer, auditor = visit(app, city.officer), visit(app, city.auditor)
    assert officer.post(f"/claims/{claim.id}/submit").status_code == 403
    assert officer.get("/pool").status_code == 403
    assert auditor.post(f"/claims/{claim.id}/accept").status_code == 403
    assert auditor.get("/pool/fund").status_code == 403
    assert visit(app, city.firm[Role.FIRM_CLERK]).get(f"/claims/{claim.id}").status_code == 403


def test_another_banks_booking_and_claim_are_not_found(app: Flask, city: City) -> None:
    claim = city.claimed(city.booked())
    stranger = cast.bank("别家银行")
    officer = visit(app, stranger[Role.BANK_OFFICER])
    for url in (f"/bookings/{claim.booking_id}", f"/claims/{claim.id}", f"/claims/{claim.id}/sheet",
                f"/claims/{claim.id}/amend", f"/loans/{claim.loan_id}/booking"):
        assert officer.get(url).status_code == 404, url
    assert visit(app, stranger[Role.BANK_APPROVER]).post(f"/claims/{claim.id}/submit").status_code == 404


def test_a_paper_of_the_wrong_type_is_refused_with_the_types_that_are_taken(app: Flask, city: City) -> None:
    claim = city.claimed(city.booked())
    page = send(visit(app, city.officer), f"/claims/{claim.id}/papers", kind="OTHER", file=(BytesIO(b"MZ"), "程序.exe"))
    assert "不支持这种文件" in words(page)


def test_one_person_drafts_an_agreement_and_the_leader_signs_it_off(app: Flask, city: City) -> None:
    bank, cashier, leader = cast.bank("新合作银行"), visit(app, city.cashier), visit(app, city.leader)
    given = {"partner": str(bank.id), "document_no": "协议-7", "valid_from": "2026-01-01", "partner_signer": "李行长",
             "city_signer": "王局长", "signed_on": "2025-12-20"}
    assert "请填写市方签署人" in words(send(cashier, "/pool/partners/new", **{**given, "city_signer": ""}))
    drafted = send(cashier, "/pool/partners/new", **given)
    assert "新合作银行" in words(drafted) and "待另一人签署" in words(drafted)
    url = drafted.request.path
    assert cashier.post(f"{url}/confirm").status_code == 403
    home, seen = words(leader.get("/")), visit(app, bank[Role.BANK_OFFICER])
    assert "签署合作协议" in home and seen.get(url).status_code == 404
    assert "已签署" in words(send(leader, f"{url}/confirm", reason="条款一致"))
    assert "王局长" in words(seen.get(url)) and seen.get("/pool/partners/new").status_code == 403
    stranger = visit(app, city.bank[Role.BANK_OFFICER])
    assert stranger.get(url).status_code == 404 and "新合作银行" not in words(stranger.get("/pool/partners"))
    assert leader.get("/pool/partners?f=1&format=xlsx").content_type.endswith("spreadsheetml.sheet")
    ended = send(leader, f"{url}/end", last_day=today().isoformat(), reason="该行退出")
    assert "提前终止" in words(ended) and "即将到期" in words(ended)


def test_lists_export_and_the_rule_is_explained(app: Flask, city: City) -> None:
    city.claimed(city.booked())
    officer = visit(app, city.officer)
    for url in ("/bookings", "/claims"):
        assert officer.get(url).status_code == 200
        assert officer.get(f"{url}?f=1&format=xlsx").content_type.endswith("spreadsheetml.sheet")
    page = words(officer.get("/pool/rules"))
    assert "穗金管规字〔2025〕1号" in page and "50.00%" in page
