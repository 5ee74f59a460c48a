"""Requests to the market that somebody wrote by hand: foreign ids, the hour gone by, odd values, names that compute."""

from __future__ import annotations

import io
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openpyxl import load_workbook

from app.core import outbox
from app.core.permissions import Role
from app.market import answer_service, bid_service, claim_service, service
from tests import cast, market_cast
from tests.database import TestDatabase
from tests.seal_tools import owner_sql
from tests.web.test_market_bank_pages import form_of
from tests.web.visitors import visit

pytestmark = pytest.mark.service

OFFICER, APPROVER, BOSS = Role.BANK_OFFICER, Role.BANK_APPROVER, Role.FIRM_REPRESENTATIVE
EVERYTHING = """select md5(string_agg(t, '|' order by t)) from (
  select to_jsonb(x)::text as t from need x union all select to_jsonb(x)::text from bid x union all
  select to_jsonb(x)::text from question x union all select to_jsonb(x)::text from need_refusal x union all
  select to_jsonb(x)::text from need_claim x union all select to_jsonb(x)::text from award x union all
  select to_jsonb(x)::text from need_paper x) s"""
"""One digest of what an attacker would like to change."""


NEED_PAGES = (
    "", "/offers", "/compare", "/parts", "/award", "/questions", "/appeals", "/consultation", "/papers", "/check", "/correct",
    "/edit/purpose",
)  # fmt: skip
NEED_EVENTS = (
    "close", "extend", "withdraw", "settle", "again", "discard", "correct", "check", "keep/purpose", "edit/terms", "parts",
    "questions",
)  # fmt: skip


def closed(client: FlaskClient, method: str, address: str, **form: Any) -> None:
    """The address answers as if nothing stood there, or that its visitor has no business there."""
    answer = client.get(address) if method == "get" else client.post(address, data=form)
    assert answer.status_code in (403, 404), f"{method} {address}: {answer.status_code} {answer.headers.get('Location')}"


def test_no_foreign_address_answers_and_no_request_moves_what_is_another_s(app: Flask, database: TestDatabase) -> None:
    firm, stranger, bank, rival = cast.firm(), cast.firm("别家企业"), cast.bank("珠岸银行"), cast.bank("云城银行")
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(bank, need)
    claim = claim_service.claim_need(bank[OFFICER], need.id)
    asked = answer_service.ask(bank[OFFICER], need.id, "上年收入是多少？")
    own = market_cast.draft_need(stranger)
    debt = f"/needs/debts/{uuid4()}/end"
    foes = [visit(app, rival[OFFICER]), visit(app, rival[APPROVER]), visit(app, stranger[BOSS])]
    before = owner_sql(database, EVERYTHING)

    for foe in foes:
        for page in ("", "/edit", "/replace", "/receipt", "/receipt?format=json", "/sheet"):
            closed(foe, "get", f"/bids/{bid.id}{page}")
        for page in ("sheet", "early"):
            closed(foe, "get", f"/offers/{bid.id}/{page}")
        for event in ("propose", "discard", "return", "submit", "withdraw", "edit", "replace"):
            closed(foe, "post", f"/bids/{bid.id}/{event}", reason="x")
        closed(foe, "post", f"/offers/{bid.id}/choose")
        for page in NEED_PAGES:
            closed(foe, "get", f"/needs/{need.id}{page}")
        for event in NEED_EVENTS:
            closed(foe, "post", f"/needs/{need.id}/{event}", reason="x", amount="1", questions=str(asked.id), text="x")
        closed(foe, "post", f"/questions/{asked.id}/drop")
        closed(foe, "post", f"/claims/{claim.id}/release")
        closed(foe, "post", debt)
    officer, approver, boss = foes
    assert "上年收入" not in officer.get("/questions").text
    assert str(claim.id) not in approver.get("/queue/load").text
    for seen in ("sheet", "early"):
        closed(visit(app, firm[BOSS]), "get", f"/offers/{bid.id}/{seen}")  # the firm too waits for the hour
    closed(visit(app, firm[BOSS]), "post", f"/offers/{bid.id}/choose")
    boss.post(f"/needs/{own.id}/parts", data={f"amount-{bid.id}": "300", "choose": "1"})
    assert owner_sql(database, EVERYTHING) == before, "nothing has moved"

    late = market_cast.draft_bid(rival, need, mark="late")
    third = cast.bank("白鹅潭银行")
    market_cast.product(third)
    service.close_need(firm[BOSS], need.id)
    outbox.drain()
    before = owner_sql(database, EVERYTHING)
    for foe in (officer, approver):
        for event in ("propose", "discard", "return", "submit", "withdraw"):
            foe.post(f"/bids/{late.id}/{event}", data={"reason": "x"})
        foe.post(f"/bids/{late.id}/edit", data={**form_of(rival), "save": "1"})
    visit(app, bank[OFFICER]).post(f"/bids/{bid.id}/replace", data={**form_of(bank), "save": "1"})
    visit(app, bank[APPROVER]).post(f"/bids/{bid.id}/withdraw", data={"reason": "x"})
    newcomer = visit(app, third[OFFICER])
    newcomer.post(f"/queue/{need.id}/bid", data={**form_of(third), "save": "1"})
    for event in ("refuse", "ask", "claim", "object"):
        newcomer.post(f"/queue/{need.id}/{event}", data={"reasons": "DEBT_HIGH", "reason": "OTHER", "text": "x"})
    assert owner_sql(database, EVERYTHING) == before, "after the hour nothing of a bank's moves"


ODD_BIDS: tuple[dict[str, str], ...] = (
    {"amount": "9" * 40}, {"amount": "1e400"}, {"amount": "NaN"}, {"amount": "-5"}, {"term_months": "9" * 20},
    {"term_months": "1000000"}, {"annual_rate": "1e-9"}, {"annual_rate": "Infinity"}, {"fees-0-every_months": "-1"},
    {"fees-0-every_months": "9" * 17, "fees-0-at": "PERIODIC"}, {"fees-0-every_months": "0", "fees-0-at": "PERIODIC"},
    {"fees-0-amount": "9" * 30}, {"fees-0-kind": "NOPE"}, {"valid_until": "0001-01-01"}, {"product_id": "x"},
    {"product_id": str(UUID(int=1))}, {"method": "NOPE"}, {"method": "FREE", "plan": "999 99999999999999999999"},
    {"method": "FREE", "plan": "x"}, {"conditions": "x" * 5000}, {"demands-0-wanted": "y", "demands-0-text": "x" * 5000},
    {"ties_answer": "listed", "ties-0-kind": "NOPE"}, {"min_part": "1"},
)  # fmt: skip
ODD_PAGES = (
    "/queue?f=1&page=-1&sort=closes_at'", f"/queue?f=1&page={'9' * 30}", f"/queue?f=1&amount_min={'9' * 30}",
    "/queue?f=1&amount_min=1e999", "/bids?f=1&state=' or 1=1 --", f"/banks?page={'9' * 30}", "/bids?f=1&format=xlsx&sort=x",
)  # fmt: skip


def test_values_that_no_form_sends_are_answered_in_words(app: Flask, database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.open_need(firm)
    officer, clerk = visit(app, bank[OFFICER]), visit(app, firm[BOSS])
    fields = form_of(bank)
    for odd in ODD_BIDS:
        for button in ("compute", "save"):
            answer = officer.post(f"/queue/{need.id}/bid", data={**fields, **odd, button: "1", "idempotency_token": str(uuid4())})
            assert answer.status_code in (200, 302), odd
            for (draft,) in owner_sql(database, "select id from bid where state = 'DRAFT'"):
                bid_service.discard_bid(bank[OFFICER], draft)
    for page in ODD_PAGES:
        assert officer.get(page).status_code in (200, 302, 404), page
    mine = service.start_need(firm[BOSS]).id
    papers = f"/needs/{mine}/papers"

    def send(name: str, data: bytes = b"%PDF-1.7 x", **more: str) -> str:
        form = {"kind": "OTHER", "file": (io.BytesIO(data), name), "idempotency_token": str(uuid4()), **more}
        answer = clerk.post(papers, data=form, follow_redirects=True)
        assert answer.status_code == 200, name
        return answer.text

    assert "材料已上传" in send("a.pdf", replaces="nonsense")
    foreign = {"kind": "OTHER", "file": (io.BytesIO(b"%PDF-1.7"), "b.pdf"), "replaces": str(uuid4())}
    assert clerk.post(papers, data=foreign).status_code == 404
    nul = {"amount": "300", "purpose_kind": "PURCHASE", "purpose_text": "a\x00b"}
    assert clerk.post(f"/needs/{mine}/edit/purpose", data=nul).status_code == 400
    assert clerk.post(f"/needs/{need.id}/withdraw", data={"reason": "x", "idempotency_token": "a\x00"}).status_code == 400
    assert "20 MB" in send("big.pdf", b"%PDF-1.7" + bytes(21 << 20))
    send("../../../etc/x.pdf")
    names = [row[0] for row in owner_sql(database, "select filename from paper order by 1")]
    assert names == ["a.pdf", "x.pdf"], "a path is no name, and what was refused has left nothing"
    desk = visit(app, cast.platform()[Role.DESK])
    assert desk.post(f"/desk/needs/{need.id}/consult", data={"banks": "-" * 36, "reason": "x"}).status_code == 302


def test_a_name_that_a_spreadsheet_would_compute_leaves_as_text(app: Flask, database: TestDatabase) -> None:
    firm, bank = cast.firm("=HYPERLINK(\"http://x\")有限公司"), cast.bank("@SUM(1+1)银行")
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(bank, need)
    service.close_need(firm[BOSS], need.id)
    market_cast.choose(firm, bid)
    seen = []
    for who, address in ((bank[OFFICER], "/queue"), (bank[OFFICER], "/bids"), (firm[BOSS], "/needs"), (firm[BOSS], "/banks")):
        answer = visit(app, who).get(f"{address}?f=1&format=xlsx")
        assert answer.status_code == 200, address
        cells = [c for row in load_workbook(BytesIO(answer.data)).worksheets[0].iter_rows() for c in row]
        assert not [cell.value for cell in cells if cell.data_type == "f"], address
        seen += [str(cell.value) for cell in cells]
    assert any("HYPERLINK" in value for value in seen), "the name did leave"
