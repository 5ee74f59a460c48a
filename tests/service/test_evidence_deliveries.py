"""A delivery loses no row: repeats stay, a second reading changes nothing, a void supersedes, the rest waits with its reason."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zipfile

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.core import outbox
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import refusal
from app.core.permissions import Role
from app.evidence import delivery_service
from app.evidence.models import Delivery
from app.evidence.rules import DELIVERY, DeliveryState
from app.evidence.states import DELIVERY_LIFE
from tests import cast
from tests.cast import SYSTEM
from tests.service.evidence_tools import (
    HEADINGS,
    counts,
    csv_bytes,
    deliver,
    line,
    lines_of,
    parquet_bytes,
    quarantined,
    receive,
    stored,
    uscc_of,
    xlsx_bytes,
)

pytestmark = pytest.mark.service


@pytest.fixture
def clerk(database):
    return cast.provider()[Role.PROVIDER_CLERK]


@pytest.fixture
def firm(database):
    return cast.firm()


def test_a_second_reading_of_the_same_file_changes_nothing(clerk, firm):
    rows = [line(uscc_of(firm), str(number)) for number in range(30)]
    first, second = deliver(clerk, rows), deliver(clerk, rows)
    assert counts(first) == (30, 30, 0, 0, 0)
    assert counts(second) == (30, 0, 30, 0, 0)
    assert len(lines_of(firm)) == 30


def test_reading_a_delivery_twice_does_nothing_the_second_time(clerk, firm):
    delivery = deliver(clerk, [line(uscc_of(firm))])
    again = delivery_service.import_delivery(SYSTEM, delivery.id)
    assert (again.attempt, again.state) == (1, "TAKEN_IN")


def test_exact_repeats_inside_a_file_are_lines_of_their_own(clerk, firm):
    rows = [line(uscc_of(firm))] * 3
    assert counts(deliver(clerk, rows)) == (3, 3, 0, 0, 0)
    assert [row.k for row in lines_of(firm)] == [1, 2, 3]
    assert counts(deliver(clerk, rows)) == (3, 0, 3, 0, 0)


def test_the_order_of_rows_means_nothing(clerk, firm):
    code = uscc_of(firm)
    rows = [line(code, status="valid"), line(code, status="void"), line(code, "2")]
    deliver(clerk, rows)
    assert counts(deliver(clerk, rows[::-1])) == (3, 0, 3, 0, 0)


def test_a_later_void_supersedes_and_the_earlier_version_is_kept(clerk, firm):
    code = uscc_of(firm)
    deliver(clerk, [line(code), line(code, "2")])
    assert counts(deliver(clerk, [line(code, status="void")])) == (1, 0, 0, 1, 0)
    versions = [(row.version, row.void, row.current) for row in lines_of(firm) if row.invoice_no == "10000001"]
    assert versions == [(1, False, False), (2, True, True)]


def test_a_void_line_does_not_come_to_life_again(clerk, firm):
    code = uscc_of(firm)
    deliver(clerk, [line(code, status="void")])
    assert counts(deliver(clerk, [line(code, status="valid")])) == (1, 0, 1, 0, 0)
    assert [row.void for row in lines_of(firm)] == [True]


@pytest.mark.parametrize(("change", "reason", "params"), [
    ({"gross": "113.02"}, "gross_mismatch", {"field": "amount_gross", "value": "0.02"}),
    ({"gross": "112.50"}, "gross_mismatch", {"field": "amount_gross", "value": "-0.50"}),
    ({"day": "2026-02-30"}, "bad_date", {"field": "invoice_date", "value": "2026-02-30"}),
    ({"day": "2126-02-03"}, "bad_date", {"field": "invoice_date", "value": "2126-02-03"}),
    ({"net": "1OO"}, "bad_number", {"field": "amount_net", "value": "1OO"}),
    ({"tax": "13.005"}, "bad_number", {"field": "tax_amount", "value": "13.005"}),
    ({"net": "99999999999999999999"}, "bad_number", {"field": "amount_net", "value": "99999999999999999999"}),
    ({"status": "maybe"}, "unknown_status", {"field": "status", "value": "maybe"}),
    ({"side": "up"}, "unknown_side", {"field": "side", "value": "up"}),
    ({"number": ""}, "missing_field", {"field": "invoice_no"}),
    ({"net": " "}, "missing_field", {"field": "amount_net"}),
    ({"party": "x" * 201}, "too_long", {"field": "counterparty_id", "value": "x" * 60}),
])
def test_a_row_that_is_wrong_waits_with_its_reason_and_the_others_go_in(clerk, firm, change, reason, params):
    code = uscc_of(firm)
    delivery = deliver(clerk, [line(code, "1"), line(code, **change), line(code, "3")])
    assert counts(delivery) == (3, 2, 0, 0, 1)
    assert [row[:3] for row in quarantined(delivery)] == [(2, reason, params)]


def test_one_fen_of_rounding_is_no_mismatch(clerk, firm):
    assert counts(deliver(clerk, [line(uscc_of(firm), gross="113.01")])) == (1, 1, 0, 0, 0)


def test_a_row_of_an_unknown_firm_waits(clerk, firm):
    delivery = deliver(clerk, [line("E124"), line(uscc_of(firm))])
    assert counts(delivery) == (2, 1, 0, 0, 1)
    assert quarantined(delivery)[0][1:3] == ("unknown_firm", {"field": "uscc", "value": "E124"})


def test_a_broken_row_waits_and_keeps_what_it_held(clerk, firm):
    data = csv_bytes([line(uscc_of(firm))]) + b"\n" + uscc_of(firm).encode() + b",out,77\n"
    delivery = delivery_service.import_delivery(SYSTEM, receive(clerk, data).id)
    assert counts(delivery) == (2, 1, 0, 0, 1)
    row_no, reason, _, raw = quarantined(delivery)[0]
    assert (row_no, reason, raw["invoice_no"], raw["status"]) == (2, "field_count", "77", None)


def test_red_letter_lines_keep_their_sign_and_money_is_exact(clerk, firm):
    deliver(clerk, [line(uscc_of(firm), net="-1,234.5".replace(",", ""), tax="-160.49", gross="-1394.99")])
    row = lines_of(firm)[0]
    assert (row.net_fen, row.tax_fen, row.gross_fen) == (-123450, -16049, -139499)


@pytest.mark.parametrize(("name", "data"), [
    ("a.csv", csv_bytes), ("a.parquet", parquet_bytes), ("a.xlsx", xlsx_bytes),
    ("a.csv", lambda rows: csv_bytes(rows, encoding="utf-8-sig")), ("a.csv", lambda rows: csv_bytes(rows, encoding="gb18030")),
])
def test_the_same_line_is_the_same_fact_in_every_kind_of_file(clerk, firm, name, data):
    rows = [line(uscc_of(firm), party="广州珠江钢厂"), line(uscc_of(firm), "2", party="C1", net="0.07", tax="0", gross="0.07")]
    deliver(clerk, rows)
    delivery = delivery_service.import_delivery(SYSTEM, receive(clerk, data(rows), name).id)
    assert counts(delivery) == (2, 0, 2, 0, 0)


def test_chinese_headings_dates_and_status_are_understood(clerk, firm):
    headings = ("统一社会信用代码", "进销方向", "发票号码", "开票日期", "销方名称", "金额", "税额", "价税合计", "发票状态")
    row = line(uscc_of(firm), side="进项", day="2026年3月5日", net="￥100.00", status="作废发票")
    data = csv_bytes([row], headings, "gb18030")
    delivery = delivery_service.import_delivery(SYSTEM, receive(clerk, data).id)
    assert counts(delivery) == (1, 1, 0, 0, 0)
    row = lines_of(firm)[0]
    assert (row.side, row.void, row.day.isoformat(), row.net_fen) == (0, True, "2026-03-05", 10000)


def test_the_side_may_stand_in_the_file_name(clerk, firm):
    headings = tuple(name for name in HEADINGS if name != "side")
    data = csv_bytes([tuple(cell for cell in line(uscc_of(firm)) if cell != "out")], headings)
    delivery_service.import_delivery(SYSTEM, receive(clerk, data, "销项2026-03.csv").id)
    assert [row.side for row in lines_of(firm)] == [1]
    with pytest.raises(Refusal) as refused:
        receive(clerk, data, "march.csv")
    assert (refused.value.code, refused.value.params["missing"]) == (ErrorCode.FILE_HEADER, "side（进销方向）")


def test_a_wrong_heading_names_the_missing_columns(clerk):
    with pytest.raises(Refusal) as refused:
        receive(clerk, csv_bytes([], ("uscc", "side", "invoice_no", "amount_net")))
    assert refused.value.code is ErrorCode.FILE_HEADER
    assert refused.value.sentence == (
        "表头不对，缺少这些列：invoice_date（开票日期）、counterparty_id（对方单位）、tax_amount（税额）、amount_gross（价税合计）、"
        "status（发票状态）。请下载模板对照。"
    )


@pytest.mark.parametrize(("data", "name", "code"), [
    (b"%PDF-1.7 hello", "a.pdf", ErrorCode.FILE_TYPE),
    (b"%PDF-1.7 \x00\x01", "a.csv", ErrorCode.FILE_TYPE),
    (b"PK\x03\x04 no workbook", "a.xlsx", ErrorCode.FILE_BROKEN),
    (b"PAR1 broken", "a.parquet", ErrorCode.FILE_BROKEN),
    (b"uscc,side\n\xff\xff\xff\xff", "a.csv", ErrorCode.FILE_BROKEN),
    (b"MZ\x90\x00", "a.xlsx", ErrorCode.FILE_TYPE),
])
def test_a_file_of_the_wrong_kind_or_broken_is_refused_at_once(clerk, data, name, code):
    with pytest.raises(Refusal) as refused:
        receive(clerk, data, name)
    assert refused.value.code is code


def test_a_workbook_whose_table_of_texts_would_fill_the_memory_is_refused(clerk):
    bomb = io.BytesIO(xlsx_bytes([]))
    with zipfile.ZipFile(bomb, "a") as archive:
        archive.writestr("xl/more.xml", "x")
        archive.infolist()[-1].file_size = DELIVERY.shared_limit_bytes + 1
    with pytest.raises(Refusal) as refused:
        receive(clerk, bomb.getvalue(), "a.xlsx")
    assert refused.value.params["detail"] == "工作簿解压后过大"


def test_a_file_that_breaks_in_the_middle_fails_whole_and_may_be_tried_again(clerk, firm):
    data = csv_bytes([line(uscc_of(firm))]) + b'\nx,out,"' + b"1" * 200_000
    delivery = receive(clerk, data)
    failed = delivery_service.import_delivery(SYSTEM, delivery.id)
    assert (failed.state, failed.failure) == ("FAILED", "file_broken")
    assert lines_of(firm) == []
    assert delivery_service.retry_delivery(clerk, delivery.id).state == "RECEIVED"


def test_a_stored_file_that_got_lost_fails_with_a_sentence(clerk, firm):
    delivery = receive(clerk, csv_bytes([line(uscc_of(firm))]))
    stored_file = stored(csv_bytes([line(uscc_of(firm))]))
    stored_file.path.unlink()
    assert delivery_service.import_delivery(SYSTEM, delivery.id).failure == "file_broken"


def test_an_upload_is_read_by_a_worker_and_tells_the_profile(clerk, firm):
    heard = []
    outbox.handles("delivery.taken_in", "test.heard")(lambda ctx, payload: heard.append(payload))
    delivery = receive(clerk, csv_bytes([line(uscc_of(firm))]))
    outbox.drain()
    outbox._handlers.pop("test.heard")
    assert heard == [{"delivery_id": str(delivery.id), "firm_ids": [str(firm.id)]}]


def test_the_database_refuses_counts_that_do_not_add_up(database, clerk, firm):
    delivery = deliver(clerk, [line(uscc_of(firm))])
    with pytest.raises(Exception, match="ck_delivery_adds_up"), transaction(SYSTEM):
        session().execute(text("update delivery set rows_taken = 2 where id = :id"), {"id": delivery.id})


cells = st.sampled_from(["100.00", "113.00", "13.00", "0", "-5", "x", "", "1.234"])
rows_of = st.lists(st.tuples(
    st.sampled_from(["F1", "F2", "nobody", ""]), st.sampled_from(["in", "out", "?"]), st.sampled_from(["1", "2"]),
    st.sampled_from(["2026-01-02", "bad"]), st.sampled_from(["B", ""]), cells, cells, cells,
    st.sampled_from(["valid", "void", "?"]),
), max_size=25)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(rows_of, min_size=1, max_size=2))
def test_counts_always_add_up_and_a_second_reading_takes_nothing(database, clerk, files):
    with transaction(SYSTEM):
        known = session().scalar(text("select count(*) from enterprise"))
    for key in ("F1", "F2")[known or 0:]:
        cast.firm(external_key=key)
    for rows in files:
        data = csv_bytes(rows, ("firm_id", *HEADINGS[1:]))
        first = delivery_service.import_delivery(SYSTEM, receive(clerk, data).id)
        second = delivery_service.import_delivery(SYSTEM, receive(clerk, data).id)
        total, taken, identical, superseding, waiting = counts(first)
        assert taken + identical + superseding + waiting == total == len(rows)
        assert counts(second) == (total, 0, taken + identical + superseding, 0, waiting)


KILLED = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from app.core import database, storage
from app.core.context import Context
from app.evidence import delivery_service
database.configure(sys.argv[1]); storage.configure_storage(Path(sys.argv[2]))
def die(phase, rows):
    if phase == sys.argv[4]: os.kill(os.getpid(), signal.SIGKILL)
delivery_service.import_delivery(Context.of_system("worker"), UUID(sys.argv[3]), die)
"""


@pytest.mark.parametrize("phase", ["reading", "storing"])
def test_a_reader_killed_in_the_middle_leaves_nothing_and_the_next_one_completes(database, tmp_path, clerk, firm, phase):
    rows = [line(uscc_of(firm), str(number)) for number in range(200)]
    rows[7] = line("nobody")
    delivery = receive(clerk, csv_bytes(rows))
    dead = subprocess.run([sys.executable, "-c", KILLED, database.app_url, str(tmp_path / "papers"), str(delivery.id), phase],
                          env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert dead.returncode == -signal.SIGKILL
    assert lines_of(firm) == [] and quarantined(delivery) == []
    with transaction(clerk, read_only=True):
        left = session().get_one(Delivery, delivery.id)
    assert (left.state, left.phase, left.progress_rows > 0) == ("READING", phase, True)
    done = delivery_service.import_delivery(SYSTEM, delivery.id)
    assert (counts(done), done.attempt) == ((200, 199, 0, 0, 1), 2)


def test_something_unexpected_is_left_as_interrupted_and_tried_again(clerk, firm):
    delivery = receive(clerk, csv_bytes([line(uscc_of(firm))]))

    def trip(phase, rows):
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        delivery_service.import_delivery(SYSTEM, delivery.id, trip)
    with transaction(SYSTEM, read_only=True):
        left = session().get_one(Delivery, delivery.id)
    assert (left.state, left.failure) == ("FAILED", "interrupted")
    assert counts(delivery_service.import_delivery(SYSTEM, delivery.id)) == (1, 1, 0, 0, 0)


def test_two_readers_never_read_one_delivery_at_once(clerk, firm):
    delivery = receive(clerk, csv_bytes([line(uscc_of(firm))]))

    def second_reader(phase, rows):
        if phase == "reading":
            from contextvars import Context as Empty

            with pytest.raises(delivery_service.Busy):
                Empty().run(delivery_service.import_delivery, SYSTEM, delivery.id)

    assert counts(delivery_service.import_delivery(SYSTEM, delivery.id, second_reader)) == (1, 1, 0, 0, 0)


@pytest.mark.parametrize("state", list(DeliveryState))
@pytest.mark.parametrize("event", DELIVERY_LIFE.events())
def test_every_state_of_a_delivery_meets_every_event(state, event):
    allowed = {
        ("RECEIVED", "start"), ("READING", "start_again"), ("READING", "take_in"), ("READING", "fail"), ("FAILED", "retry"),
        ("TAKEN_IN", "withdraw"), ("TAKEN_IN", "read_anew"),
    }
    code = refusal(SYSTEM, DELIVERY_LIFE, Delivery(state=state.value), event)
    assert code is (None if (state.value, event) in allowed else ErrorCode.STATE_CHANGED)


def test_another_provider_neither_sees_nor_retries_a_delivery(clerk, firm):
    delivery = deliver(clerk, [line(uscc_of(firm)), line("nobody")])
    other = cast.provider("广州供电局")[Role.PROVIDER_CLERK]
    with transaction(other, read_only=True):
        assert session().scalar(text("select count(*) from delivery")) == 0
        assert session().scalar(text("select count(*) from quarantine")) == 0
    with pytest.raises(Refusal) as refused:
        delivery_service.retry_delivery(other, delivery.id)
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_a_bank_cannot_deliver(database):
    bank = cast.bank()[Role.BANK_OFFICER]
    with pytest.raises(Refusal) as refused:
        delivery_service.receive_delivery(bank, "invoices", stored(io.BytesIO(b"x").getvalue()), "a.csv")
    assert refused.value.code is ErrorCode.FORBIDDEN


def test_a_code_with_a_wrong_check_digit_says_which_digit_would_be_right(clerk, firm):
    code = uscc_of(firm)
    delivery = deliver(clerk, [line(code[:-1] + ("1" if code[-1] != "1" else "2"))])
    [(_, reason, params, _)] = quarantined(delivery)
    assert (reason, params["details"]["expected"]) == ("bad_uscc", code[-1])
