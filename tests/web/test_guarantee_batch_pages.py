"""A guarantor's files as its people and its machines meet them."""

from __future__ import annotations

import io

from flask import Flask
from flask.testing import FlaskClient
from openpyxl import load_workbook

from app.core import outbox
from app.core.permissions import Role
from app.pool.batch_items import ITEMS
from app.pool.batch_states import BatchKind
from tests.batch_cast import csv_of
from tests.service.test_guarantee_batches import KIND, newest, told
from tests.service.test_guarantors import Guaranteed
from tests.web.pusher import key_of
from tests.web.test_loans_pages import words
from tests.web.visitors import visit


def test_a_guarantor_sends_a_file_and_its_machine_another(app: Flask, client: FlaskClient) -> None:
    city = Guaranteed(budget=0)
    clerk, reviewer = visit(app, city.clerk), visit(app, city.guarantor[Role.GUARANTOR_REVIEWER])
    good, other, pushed = city.drawn(), city.drawn(), city.drawn()
    for loan in (good, other, pushed):
        city.stated(loan)
    assert "批量入库" in words(clerk.get("/guarantees")) and "上传文件" in words(clerk.get("/pool/batches"))
    form = clerk.get("/pool/batches/new").text
    assert "政担批量入库" in form and "贷款月报" not in form and 'value="booking"' not in form
    template = clerk.get("/pool/batches/template/guarantee.xlsx")
    headings = [cell.value for cell in load_workbook(io.BytesIO(template.data)).worksheets[0][1]]
    assert headings[:3] == ["担保合同编号", "借据编号", "贷款银行"]
    booking = {"kind": "booking", "file": (io.BytesIO(csv_of([told(city, good)], KIND)), "a.csv")}
    assert clerk.post("/pool/batches/new", data=booking).status_code == 200, "not a guarantor's kind"

    rows = [told(city, good), told(city, other, bank="别的银行")]
    sent = clerk.post("/pool/batches/new", data={"kind": "guarantee", "file": (io.BytesIO(csv_of(rows, KIND)), "十一月.csv")})
    page = sent.headers["Location"]
    outbox.drain()
    shown = words(clerk.get(page))
    assert "待复核" in shown and "“贷款银行”与平台登记的不一致" in shown and "同意办理" not in shown
    assert "复核批量文件" in words(reviewer.get("/")) and clerk.post(f"{page}/release").status_code == 403
    assert visit(app, city.officer).get(page).status_code == 404, "between the guarantor and the portal"
    reviewer.post(f"{page}/release")
    outbox.drain()
    booked = newest(good)[0]
    assert booked is not None and booked.mode == "GUARANTEE" and newest(other)[0] is None
    english = words(clerk.get(page, headers={"Accept-Language": "en"}))
    assert "Lending bank" in english and "Guaranteed loans booked by file" in english

    machine = key_of(city.guarantor[Role.GUARANTOR_ADMIN], client)
    assert "/api/v1/pool/batches/guarantee" in words(visit(app, city.guarantor[Role.GUARANTOR_ADMIN]).get("/deliveries/keys"))
    row = [{key: str(value) for key, value in told(city, pushed).items()}]
    assert machine.push(row, "/api/v1/pool/batches/booking").status_code == 403
    received = machine.push(row, "/api/v1/pool/batches/guarantee", repeat="nov-1")
    assert received.status_code == 202
    assert machine.push(row, "/api/v1/pool/batches/guarantee", repeat="nov-1").json["id"] == received.json["id"]
    outbox.drain()
    reviewer.post(f"/pool/batches/{received.json['id']}/release")
    outbox.drain()
    answer = machine.get(received.json["status_url"]).json
    assert (answer["state"], answer["kind"], answer["counts"]["done"]) == ("DONE", "guarantee", 1)
    assert newest(pushed)[0] is not None
    described = client.get("/api/v1/openapi.json").json["components"]["schemas"]["row_guarantee"]
    assert set(described["properties"]) == {field.code for field in ITEMS[BatchKind.GUARANTEE].fields}
