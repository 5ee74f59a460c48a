"""The pages of 政担: a guarantee is stated, confirmed and booked, paid out, and claimed with the four layers shown."""

from __future__ import annotations

import pytest
from flask import Flask

from app.core.calendar import today
from app.core.database import transaction
from app.core.permissions import Role
from app.pool.queries import booking_of_loan
from tests import cast
from tests.pool_cast import terms
from tests.service.test_guarantors import Guaranteed
from tests.web.test_loans_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def test_a_guarantee_is_stated_confirmed_booked_and_claimed_on_the_pages(app: Flask) -> None:
    city = Guaranteed()
    loan = city.drawn(terms(2600), days_ago=40)
    officer, clerk, leader = visit(app, city.officer), visit(app, city.clerk), visit(app, city.leader)
    assert "登记担保合同" in words(officer.get(f"/loans/{loan.id}/booking"))
    assert loan.number in words(officer.get("/guarantees")) and clerk.get(f"/loans/{loan.id}").status_code in (403, 404)
    given = {
        "guarantor": str(city.guarantor.id), "contract_no": "穗担字 2026-8", "signed_on": "2026-01-05", "liability_share": "80",
        "reguarantor": "", "reguarantee_share": "20", "use_of_funds": "WORKING_CAPITAL", "not_dishonest": "y",
    }
    assert "再担保机构" in words(send(officer, f"/loans/{loan.id}/guarantee", **given))
    stated = send(officer, f"/loans/{loan.id}/guarantee", **{**given, "reguarantor": "广东再担保"})
    url = stated.request.path
    assert "待担保机构确认" in words(stated) and url.startswith("/guarantees/")

    # The guarantor sees the firm and the loan as stated, the shares that add up, and is asked why it comes late.
    assert "确认担保合同并办理入库" in words(clerk.get("/"))
    page = words(clerk.get(url))
    assert all(one in page for one in ("100.00%", "40.00%", "广东再担保", "逾期报送的原因")) and city.firm.name in page
    assert clerk.post(f"{url}/withdraw").status_code == 403 and officer.post(f"{url}/book").status_code == 403
    assert "待担保机构确认" in words(send(clerk, f"{url}/book"))
    send(clerk, f"{url}/book", late_reason="合同补签")
    with transaction(cast.SYSTEM, read_only=True):
        booking = booking_of_loan(loan.id)
    assert booking is not None and booking.mode == "GUARANTEE"
    assert "已入库" in words(send(leader, f"/bookings/{booking.id}/accept-late", reason="同意"))
    seen = words(clerk.get(f"/bookings/{booking.id}"))
    assert "穗担字 2026-8" in seen and "广东再担保 20.00%" in seen
    assert clerk.get(f"/bookings/{booking.id}/correct").status_code == 403

    # Overdue, paid out, claimed: the sheet says who bears what.
    city.gone_bad(booking)
    assert "申请补偿" in words(clerk.get(f"/bookings/{booking.id}"))
    assert f"/bookings/{booking.id}/claim" not in officer.get(f"/bookings/{booking.id}").text
    form = words(clerk.get(f"/bookings/{booking.id}/claim"))
    assert "已代偿的本金" in form and "担保或保险已赔付" not in form
    made = send(clerk, f"/bookings/{booking.id}/claim", paid_out="2,400,000", paid_out_on=today().isoformat(), statement="已代偿")
    sheet = words(made)
    assert "分担：银行" in sheet and "四层" not in sheet and "各层合计等于净本金损失" in sheet
    assert "600,000.00" in sheet and "担保机构申报" in sheet
    assert "分档方式" not in sheet and "只取整一次" in sheet
    assert officer.get(made.request.path).status_code == 404  # between the guarantor and the city
    assert city.guarantor.name in words(leader.get("/pool/partners"))
    assert leader.get("/guarantees?f=1&format=xlsx").content_type.endswith("spreadsheetml.sheet")
    assert city.firm.name not in words(visit(app, cast.bank("别的银行")[Role.BANK_OFFICER]).get("/guarantees"))
