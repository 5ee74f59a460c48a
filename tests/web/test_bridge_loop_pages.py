"""Pages of statements and papers: uploaded and matched by the clerk, decided by hand, downloaded by whom they are for."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.bridge.bill_models import BridgePaper
from app.bridge.statement_models import StatementRow
from app.core.database import session, transaction
from app.core.permissions import Role
from app.demo.statements import ccb_xlsx, icbc_csv
from tests import bridge_cast as road
from tests import cast
from tests.service.test_bridge_statements import custody_moves
from tests.web.test_bridge_pages import send, words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def rows() -> list[StatementRow]:
    with transaction(cast.SYSTEM, read_only=True):
        return list(session().scalars(select(StatementRow).order_by(StatementRow.line)))


def test_a_statement_is_uploaded_matched_and_decided_and_the_papers_go_to_their_readers(app: Flask) -> None:
    who = road.people()
    key = road.walk(who, "BRIDGE_RETURNED")
    clerk, reviewer, firm = visit(app, who.clerk), visit(app, who.reviewer), visit(app, who.boss)
    assert "还没有银行流水" in words(clerk.get("/bridges/statements"))
    moves = custody_moves(key)
    bad = icbc_csv([*moves, moves[0]]).decode("gbk").splitlines()
    bad[-1] = bad[-1].replace("3,000,000.00", "=1", 1)
    page = send(clerk, "/bridges/statements", file=(BytesIO("\n".join(bad).encode("gbk")), "明细.csv"))
    assert "已收下 5 行：新的 4 行，以前收过 0 行，退回 1 行" in words(page)
    assert "第 7 行：含有公式" in words(page) and "已对上" in words(page)
    assert "4400555566667777" not in page.get_data(as_text=True)
    one = moves[0]
    extra = ccb_xlsx([type(one)(one.own, "", "银行", False, 2_000, one.at, "V-1", "账户管理费")])
    send(clerk, "/bridges/statements", file=(BytesIO(extra), "b.xlsx"))
    fee = next(row for row in rows() if row.amount_fen == 2_000)
    assert "核对银行流水" in words(clerk.get("/")) and "1 行没有对上" in words(clerk.get("/"))
    url = f"/bridges/statements/{fee.id}"
    assert "没有账户、方向、金额都相同" in words(clerk.get(url))
    assert "已登记为不属于转贷" in words(send(clerk, f"{url}/aside", reason="账户管理费"))
    matched = next(row for row in rows() if row.amount_fen != 2_000)
    page = clerk.get(f"/bridges/statements/{matched.id}")
    assert "凭证号相同" in words(page) and "要撤销须由另一人办理" in words(page)
    page = reviewer.get(f"/bridges/statements/{matched.id}")
    decision = re.search(r'name="decision" value="([^"]+)"', page.get_data(as_text=True))
    assert decision is not None
    page = send(reviewer, f"/bridges/statements/{matched.id}/undo", decision=decision[1], reason="再看一次")
    assert "重新待对账" in words(page) and "就是这一笔" in words(page)
    assert firm.get("/bridges/statements").status_code == 403
    assert clerk.get("/bridges/statements?export=xlsx").status_code == 200

    with transaction(cast.SYSTEM, read_only=True):
        papers: dict[str, Any] = {paper.kind: paper.id for paper in session().scalars(select(BridgePaper))}
    assert set(papers) == {"AGREEMENT", "BILL"}
    for client, kind, status in (
        (firm, "AGREEMENT", 200), (firm, "BILL", 200), (visit(app, who.funder[Role.FUNDER_CLERK]), "AGREEMENT", 200),
        (visit(app, who.new_bank[Role.BANK_OFFICER]), "AGREEMENT", 200), (clerk, "AGREEMENT", 404), (clerk, "BILL", 200),
        (visit(app, who.new_bank[Role.BANK_OFFICER]), "BILL", 404),
    ):
        answer = client.get(f"/bridges/papers/{papers[kind]}.pdf")
        assert answer.status_code == status, kind
        assert status == 404 or answer.data.startswith(b"%PDF-")
    assert "转贷三方协议 XY" in words(firm.get(f"/bridges/{key}"))


def test_a_record_is_corrected_through_the_pages_of_two_people(app: Flask) -> None:
    who = road.people()
    key = road.walk(who, "FUNDED")
    clerk, reviewer = visit(app, who.clerk), visit(app, who.reviewer)
    assert "更正最近一次登记" in words(clerk.get(f"/bridges/{key}"))
    assert "要收回的登记" in words(clerk.get(f"/bridges/{key}/correct"))
    page = send(clerk, f"/bridges/{key}/correct", voucher_first="K-1", voucher_second="K-2", reason="没有放成")
    assert "更正已提出" in words(page)
    page = reviewer.get(f"/bridges/{key}")
    step = re.search(r'action="(/bridges/corrections/[^"]+/confirm)"', page.get_data(as_text=True))
    assert step is not None
    page = send(reviewer, step[1], reason="属实")
    assert "已更正，反向划转已登记" in words(page), words(page)[150:420]
    assert "反向更正" in words(page)
    assert road.seen(key).state == "SIGNED"
