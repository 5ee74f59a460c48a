"""The pages and the machine's door of a bank's files, as its people and its machines meet them."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from app.core import outbox
from app.core.calendar import today
from app.core.database import session, transaction
from app.core.permissions import Role
from app.pool.batch_items import ITEMS
from app.pool.batch_models import PoolBatch
from app.pool.batch_states import BatchKind
from app.pool.models import Booking
from tests import cast
from tests.batch_cast import csv_of, row_of
from tests.database import ROOT
from tests.pool_cast import City
from tests.web.pusher import key_of
from tests.web.visitors import visit

pytestmark = pytest.mark.service


@pytest.fixture
def city(database):
    return City(budget=0)


def newest():
    with transaction(cast.SYSTEM, read_only=True):
        found = session().scalar(select(PoolBatch).order_by(PoolBatch.number.desc()).limit(1))
        session().expunge_all()
    return found


def bookings():
    with transaction(cast.SYSTEM, read_only=True):
        return [row.note_no for row in session().scalars(select(Booking))]


def text_of(client, url):
    answer = client.get(url)
    assert answer.status_code == 200, url
    return answer.get_data(as_text=True)


def test_an_officer_sends_a_file_an_approver_releases_it_and_the_refused_row_is_mended(app, city):
    officer, approver = visit(app, city.officer), visit(app, city.approver)
    good, other = city.drawn(), city.drawn()
    assert "还没有批量文件" in text_of(officer, "/pool/batches")
    assert "借据编号" in text_of(officer, "/pool/batches/new")
    template = officer.get("/pool/batches/template/booking.xlsx")
    assert [cell.value for cell in load_workbook(io.BytesIO(template.data)).worksheets[0][1]][:2] == ["借据编号", "合同编号"]
    assert officer.get("/pool/batches/template/rubbish.csv").status_code == 404

    wrong = officer.post("/pool/batches/new", data={"kind": "booking", "file": (io.BytesIO("借据编号\n1\n".encode()), "a.csv")})
    assert "统一社会信用代码" in wrong.get_data(as_text=True), "a heading that lacks columns is told at once"
    rows = [row_of(city, good), row_of(city, other, not_dishonest="否")]
    sent = officer.post("/pool/batches/new", data={"kind": "booking", "file": (io.BytesIO(csv_of(rows)), "十一月.csv")})
    page = sent.headers["Location"]
    assert "正在检查" in text_of(officer, page)
    outbox.drain()
    told = text_of(officer, page)
    assert "待复核" in told and "借款人不得在严重失信主体名单上" in told
    assert "同意办理" not in told
    assert "复核批量文件" in text_of(approver, "/") and "十一月.csv" in text_of(approver, "/pool/batches")
    assert officer.post(page + "/release").status_code == 403
    approver.post(page + "/release")
    outbox.drain()
    assert bookings() == [good.note_no]
    english = officer.get(page, headers={"Accept-Language": "en"}).get_data(as_text=True)
    assert "list of the seriously dishonest" in english or "dishonest" in english

    book = load_workbook(io.BytesIO(officer.get(page + "?format=xlsx").data))
    sheet = book.worksheets[0]
    headings = [cell.value for cell in sheet[1]]
    sheet.cell(2, headings.index("已查严重失信名单") + 1).value = "是"
    mended = io.BytesIO()
    book.save(mended)
    mended.seek(0)
    again = officer.post("/pool/batches/new", data={"kind": "booking", "file": (mended, "改好.xlsx")}).headers["Location"]
    outbox.drain()
    approver.post(again + "/release")
    outbox.drain()
    assert sorted(bookings()) == sorted([good.note_no, other.note_no])

    for stranger in (cast.bank("对面银行")[Role.BANK_OFFICER], city.leader):
        assert visit(app, stranger).get(page).status_code in (403, 404)


def test_the_python_of_the_guide_pushes_a_loan_that_a_person_then_releases(live_server, city):
    loan = city.drawn()
    machine = key_of(city.bank[Role.BANK_ADMIN], None)
    guide = (ROOT / "docs" / "pool-api.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    environment = {
        "HUIQIAO_URL": live_server.url, "HUIQIAO_KEY": machine.key_id, "HUIQIAO_SECRET": machine.secret,
        "PATH": os.environ["PATH"], "NOTE": str(loan.note_no), "CONTRACT": str(loan.contract_no),
        "FIRM": cast.uscc_of(city.firm), "DRAWN_ON": today().isoformat(),
    }
    command = [sys.executable, "-c", snippet]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "RECEIVED"
    outbox.drain()
    batch = newest()
    assert (batch.state, batch.channel, batch.prepared_by, batch.rows_done) == ("READY", "push", None, 1)
    assert bookings() == []


def test_a_banks_machine_is_known_by_its_key_and_does_no_more_than_prepare(app, client, city):
    loan = city.drawn()
    machine, rows = key_of(city.bank[Role.BANK_ADMIN], client), [row_of(city, loan, drawn_on=loan.drawn_on.isoformat())]
    assert machine.push(rows).status_code == 403, "no bank delivers evidence"
    provider = key_of(cast.provider()[Role.PROVIDER_ADMIN], client)
    assert provider.push(rows, "/api/v1/pool/batches/booking").status_code == 403
    assert machine.push(rows, "/api/v1/pool/batches/rubbish").status_code == 404
    received = machine.push(rows, "/api/v1/pool/batches/booking", repeat="nov-1")
    assert received.status_code == 202
    assert machine.push(rows, "/api/v1/pool/batches/booking", repeat="nov-1").json["id"] == received.json["id"]
    assert machine.push([*rows, *rows], "/api/v1/pool/batches/booking", repeat="nov-1").json["error"]["code"] == "push_repeat"
    outbox.drain()
    assert machine.get(received.json["status_url"]).json["counts"]["done"] == 1
    strange = key_of(cast.bank("对面银行")[Role.BANK_ADMIN], client)
    assert strange.get(received.json["status_url"]).status_code == 404
    visit(app, city.approver).post(f"/pool/batches/{received.json['id']}/release")
    outbox.drain()
    answer = machine.get(received.json["status_url"]).json
    assert (answer["state"], answer["counts"]["done"], bookings()) == ("DONE", 1, [loan.note_no])
    changed = {**rows[0], "product": "OTHER", "correction": "改"}
    refused = machine.push([changed], "/api/v1/pool/batches/booking").json["status_url"]
    outbox.drain()
    (row,) = machine.get(refused + "/rows").json["rows"]
    assert (row["ending"], row["reason"]) == ("refused", "checks")
    found = client.get("/api/v1/openapi.json").json
    answers = {"Received": received.json, "File": answer, "FileRows": machine.get(refused + "/rows").json}
    for name, real in answers.items():
        assert set(found["components"]["schemas"][name]["properties"]) == set(real)
    kinds = {kind.value for kind in ITEMS}
    assert {f"/pool/batches/{kind}" for kind in kinds} <= set(found["paths"])
    described = found["components"]["schemas"]["row_booking"]["properties"]
    assert set(described) == {field.code for field in ITEMS[BatchKind.BOOKING].fields}
    assert "/api/v1/pool/batches/booking" in text_of(visit(app, city.bank[Role.BANK_ADMIN]), "/deliveries/keys")
