"""小微企业主: a person behind a firm borrows for it; the loan is booked on the firm and counts there, the person stays masked."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role
from app.pool import owner_service
from app.pool import service as pool
from app.pool.owner_models import FirmOwner, OwnerRole
from app.pool.owner_service import OwnerTerms
from app.pool.records import checks_of
from app.pool.states import BookingState
from tests import cast
from tests.pool_cast import EVIDENCE, City, rule_set, terms
from tests.web.test_loans_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service

PERSON = OwnerTerms("欧阳建国", "11010519491231002X", OwnerRole.SHAREHOLDER, Decimal("0.6"), "公司章程，2026-11-20 查阅")


def failed(booking: object) -> set[str]:
    return {check.code for check in checks_of(booking.checks) if not check.passed}  # type: ignore[attr-defined]


def test_an_owner_s_loan_is_booked_on_the_firm_and_counts_there(app: Flask) -> None:
    city = City(budget=0)
    pool.load_rule_set(cast.SYSTEM, rule_set("GZ-CAPPED", borrower_cap_fen=500 * WAN))
    loan = city.drawn(terms(300))
    with pytest.raises(Refusal) as caught:
        owner_service.register_owner(city.officer, loan.id, replace(PERSON, share=None))
    assert caught.value.code is ErrorCode.OWNER_SHARE
    owner = owner_service.register_owner(city.officer, loan.id, PERSON)
    with pytest.raises(Refusal) as caught:
        owner_service.register_owner(city.officer, loan.id, PERSON)
    assert caught.value.code is ErrorCode.OWNER_KNOWN

    owned = replace(EVIDENCE, owner_id=str(owner.id))
    booking = pool.submit_booking(city.officer, loan.id, owned)
    assert (booking.state, booking.firm_id, booking.owner_id) == (BookingState.BOOKED, city.firm.id, owner.id)
    # The firm's own loan beside it passes the cap of 500 only where the two together do.
    assert failed(city.booked(terms(201))) == {"BORROWER_TOTAL"}
    assert city.booked(terms(200)).state == BookingState.BOOKED

    # The same person under another firm is one borrower; an owner is linked to the loan's own firm alone.
    city.firm = cast.firm("广州第二家小厂有限公司")
    other = city.drawn(terms(201))
    with pytest.raises(Refusal) as caught:
        pool.submit_booking(city.officer, other.id, owned)
    assert caught.value.code is ErrorCode.NOT_FOUND
    twin = owner_service.register_owner(city.officer, other.id, PERSON)
    assert failed(pool.submit_booking(city.officer, other.id, replace(EVIDENCE, owner_id=str(twin.id)))) == {"BORROWER_TOTAL"}

    # Owner of a firm that is not small: no 小微企业主.
    city.firm = cast.firm("广州中型制造有限公司", size_class="medium")
    third = city.drawn(terms(10))
    person = replace(PERSON, id_no="440524188001010014")
    boss = owner_service.register_owner(city.officer, third.id, person)
    assert failed(pool.submit_booking(city.officer, third.id, replace(EVIDENCE, owner_id=str(boss.id)))) == {"SIZE"}

    # At rest there is ciphertext, in the snapshot and on the pages a mask; other banks see nobody; nothing is rewritten.
    with transaction(cast.SYSTEM, read_only=True):
        raw = session().execute(text("select name, id_no from firm_owner limit 1")).one()
        assert "欧阳" not in bytes(raw.name).decode() and "110105" not in bytes(raw.id_no).decode()
        events = session().execute(text("select count(*) from audit_event where facts::text like '%欧阳%'")).scalar()
        assert events == 0
    assert booking.snapshot["owner"] == {"name": "欧***", "role": "SHAREHOLDER", "share": "0.6"}
    with transaction(cast.bank("别的银行")[Role.BANK_OFFICER], read_only=True):
        assert session().query(FirmOwner).count() == 0
    with pytest.raises(DBAPIError), transaction(city.officer):
        session().execute(text("update firm_owner set proof = '改'"))


def test_the_pages_show_the_owner_masked(app: Flask) -> None:
    city = City(budget=0)
    loan, officer = city.drawn(), visit(app, city.officer)
    given = {"name": "欧阳建国", "id_no": "110105194912310020", "role": "SHAREHOLDER", "share": "60", "proof": "公司章程"}
    assert "身份证号不正确" in words(send(officer, f"/loans/{loan.id}/owner", **given))
    form = send(officer, f"/loans/{loan.id}/owner", **{**given, "id_no": PERSON.id_no})
    assert "小微企业主 欧***（110***********002X）" in words(form) and "欧阳建国" not in form.text
    owner = form.request.args["owner"]
    page = words(send(officer, f"/loans/{loan.id}/booking", owner_id=owner, product="CREDIT", use_of_funds="WORKING_CAPITAL",
                      not_dishonest="y"))
    assert "已入库" in page and "小微企业主 欧***（股东 60.00%）" in page and "欧阳" not in page
