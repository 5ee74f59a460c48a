"""The pages of the month-end comparison, as the bank's two people and the bureau meet them."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from app.core import outbox
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.permissions import Role
from app.loans.models import Loan
from app.pool import service as pool
from app.pool.batch_states import BatchKind
from app.pool.reconcile_models import Difference
from app.pool.reconcile_states import end_of, month_before
from tests import cast
from tests.batch_cast import csv_of, report_row
from tests.pool_cast import City, rule_set
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def text_of(client, url):
    answer = client.get(url)
    assert answer.status_code == 200, url
    return answer.get_data(as_text=True)


def test_a_bank_uploads_its_list_and_two_people_and_the_bureau_end_what_differs(app, database):
    city = City(budget=0)
    pool.load_rule_set(cast.SYSTEM, rule_set("对账", booking_deadline_days=90))
    month = month_before(today())
    bookings = [city.booked(days_ago=(today() - end_of(month)).days + 2) for _ in range(2)]
    officer, approver, bureau = (visit(app, one) for one in (city.officer, city.approver, city.reviewer))
    assert "没有要对账的月份" in text_of(officer, "/pool/reconciliations"), "booked this month: nothing is due yet"
    assert "没有差异" in text_of(bureau, "/pool/reconciliations/differences")

    rows = [{"note_no": one.note_no, "month": f"{month:%Y-%m}", "balance": 1, "five_class": "正常",
             "due_on": today() + timedelta(days=3000)} for one in bookings]
    (chosen,) = re.findall(r"<input[^>]*checked[^>]*>", text_of(officer, "/pool/batches/new?kind=reconcile"))
    assert "reconcile" in chosen
    file = (io.BytesIO(csv_of(rows, BatchKind.RECONCILE)), "月末.csv")
    page = officer.post("/pool/batches/new", data={"kind": "reconcile", "file": file}).headers["Location"]
    outbox.drain()
    assert bookings[0].note_no not in text_of(officer, "/pool/reconciliations/differences")
    approver.post(page + "/release")
    outbox.drain()
    told = text_of(officer, page)
    assert "看对账差异" in told and "余额不同；到期日不同" in told
    with transaction(cast.SYSTEM, read_only=True):
        balance, other = session().scalars(select(Difference.id).where(Difference.kind == "BALANCE"))
    assert "处理对账差异" in text_of(officer, "/")
    listed = text_of(bureau, "/pool/reconciliations/differences")
    assert bookings[0].note_no in listed and city.bank.name in listed
    officer.post(f"/pool/reconciliations/differences/{balance}/explain", data={"reason": "次日入账"})
    assert "复核对账差异的说明" in text_of(approver, "/")
    assert officer.post(f"/pool/reconciliations/differences/{balance}/agree").status_code == 403
    approver.post(f"/pool/reconciliations/differences/{balance}/agree")
    ended = text_of(approver, f"/pool/reconciliations/differences/{balance}")
    assert "次日入账" in ended and "已说明" in ended
    bureau.post(f"/pool/reconciliations/differences/{other}/dismiss", data={"reason": "另案处理"})
    english = bureau.get(f"/pool/reconciliations/differences/{other}", headers={"Accept-Language": "en"}).get_data(as_text=True)
    assert "Dismissed by the bureau" in english and "Found differing" in english
    sheet = load_workbook(io.BytesIO(bureau.get("/pool/reconciliations/differences?format=xlsx").data)).worksheets[0]
    assert sheet.max_row >= 5
    assert "已重新核对" in officer.post("/pool/reconciliations/differences/look", follow_redirects=True).get_data(as_text=True)
    assert load_workbook(io.BytesIO(bureau.get("/pool/reconciliations?format=xlsx").data)).worksheets
    stranger = visit(app, cast.bank("对面银行")[Role.BANK_OFFICER])
    assert stranger.get(f"/pool/reconciliations/differences/{other}").status_code == 404

    with transaction(cast.SYSTEM, read_only=True):
        loan = session().get_one(Loan, bookings[0].loan_id)
        session().expunge_all()
    report = (io.BytesIO(csv_of([report_row(loan, overdue_days=1, five_class="正常")], BatchKind.REPORT)), "月报.csv")
    page = officer.post("/pool/batches/new", data={"kind": "report", "file": report}).headers["Location"]
    outbox.drain()
    approver.post(page + "/release")
    outbox.drain()
    assert "按逾期天数至少为“关注”" in text_of(officer, page)
