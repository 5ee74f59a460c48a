"""Bank statements: a file is taken in once, what is sure is matched, the rest waits for people, and every word has its trail."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from openpyxl import Workbook
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.bridge import bank_service
from app.bridge import statement_service as statements
from app.bridge.models import BridgeHop
from app.bridge.statement_models import StatementDecision, StatementRow
from app.bridge.states import HopAccount
from app.core.calendar import SHANGHAI
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role
from app.demo import bridge_loop
from app.demo.statements import CCB_HEADS, Movement, ccb_xlsx, icbc_csv
from tests import bridge_cast as road
from tests import cast

pytestmark = pytest.mark.usefixtures("database")

FUNDER, CUSTODY, REPAYMENT = "4400111122223333", "4400555566667777", "4400888899990000"
NUMBERS = {"FUNDER": FUNDER, "CUSTODY": CUSTODY, "REPAYMENT": REPAYMENT, "RENEWAL": REPAYMENT}


def refused(call: Any, *args: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*args)
    return caught.value


def custody_moves(*keys: UUID) -> list[Movement]:
    """What the custody account's bank tells of the hops of some bridges."""
    with transaction(cast.SYSTEM, read_only=True):
        wanted = select(BridgeHop).where(BridgeHop.bridge_id.in_(keys))
        hops = session().scalars(wanted.order_by(BridgeHop.moved_at, BridgeHop.no))
        return [
            Movement(CUSTODY, NUMBERS[hop.from_account if hop.to_account == "CUSTODY" else hop.to_account], "某某公司",
                     hop.to_account == "CUSTODY", hop.amount_fen, hop.moved_at.astimezone(SHANGHAI), hop.voucher_no)
            for hop in hops
        ]


def decisions(**only: str) -> list[StatementDecision]:
    with transaction(cast.SYSTEM, read_only=True):
        return list(session().scalars(select(StatementDecision).filter_by(**only).order_by(StatementDecision.made_at)))


def rows() -> list[StatementRow]:
    with transaction(cast.SYSTEM, read_only=True):
        return list(session().scalars(select(StatementRow).order_by(StatementRow.line)))


def test_both_banks_files_are_matched_to_the_hops_and_stored_once() -> None:
    who = road.people()
    key = road.walk(who, "BRIDGE_RETURNED")
    moves = custody_moves(key)
    fee = Movement(CUSTODY, "99990000111122", "某某银行", False, 5_00, moves[-1].at, "V-9", "账户管理费")
    file = statements.take_in(who.clerk, "明细.csv", icbc_csv([*moves, fee]))
    assert (file.layout, file.rows_total, file.rows_new, file.refused) == ("ICBC", 5, 5, [])
    made = decisions()
    assert {(one.kind, one.how) for one in made} == {("MATCH", "RULE")}
    assert sorted(str(one.side) for one in made) == ["FROM", "FROM", "TO", "TO"]
    assert all({line["message"] for line in one.working} >= {"本方账户相同", "金额相同", "凭证号相同"} for one in made)
    assert refused(statements.take_in, who.clerk, "again.csv", icbc_csv([*moves, fee])).code is ErrorCode.ALREADY_DONE
    longer = statements.take_in(who.clerk, "longer.csv", icbc_csv([*moves, fee, replace(fee, voucher_no="V-10")]))
    assert (longer.rows_new, longer.rows_known) == (1, 5)
    with transaction(cast.SYSTEM, read_only=True):
        told = "".join(str(row) for row in session().execute(text("select * from statement_row")))
    assert CUSTODY not in told and FUNDER not in told
    # The other side of the same hops, as the funder's bank tells it, in the other layout.
    with transaction(cast.SYSTEM, read_only=True):
        hops = session().scalars(select(BridgeHop).where(BridgeHop.bridge_id == key)).all()
    own = [Movement(FUNDER, CUSTODY, "托管户", hop.to_account == "FUNDER", hop.amount_fen, hop.moved_at.astimezone(SHANGHAI),
                    hop.voucher_no, "转贷") for hop in hops if "FUNDER" in (hop.from_account, hop.to_account)]
    other = statements.take_in(who.clerk, "ccb.xlsx", ccb_xlsx(own))
    assert (other.layout, other.rows_new) == ("CCB", 2)
    assert len(decisions(kind="MATCH")) == 6


def test_what_is_ambiguous_waits_and_a_person_decides_with_a_trail() -> None:
    who = road.people()
    first, second = road.walk(who, "FUNDED"), road.walk(who, "FUNDED")
    moves = [replace(move, voucher_no="") for move in custody_moves(first, second) if move.into]
    later = replace(moves[0], amount_fen=1, at=moves[0].at)
    statements.take_in(who.clerk, "a.csv", icbc_csv([moves[0], later]))
    assert decisions() == [], "two bridges got 300 万元 that day: nothing says which"
    named = replace(moves[1], remark=f"转贷 {road.seen(second).old_note_no}")
    statements.take_in(who.clerk, "b.csv", icbc_csv([named]))
    one = decisions()
    assert len(one) == 1, "the remark names its note"
    statements.match_again(who.clerk)
    assert len(decisions()) == 2, "and now only one is left for the other row"
    small = next(row for row in rows() if row.amount_fen == 1)
    with transaction(cast.SYSTEM, read_only=True):
        sides = statements.expected_sides()
    out = next(side for side in sides if side.side == "FROM" and side.amount_fen == 300 * WAN)
    said = refused(statements.match_by_hand, who.clerk, small.id, statements.Choice(out.key, "FROM"), "看着像")
    assert said.code is ErrorCode.STATEMENT_UNLIKE, "not even by hand where account, direction or amount differ"
    assert refused(statements.set_aside, who.clerk, small.id, " ").code is ErrorCode.REASON_NEEDED
    aside = statements.set_aside(who.clerk, small.id, "银行结息")
    assert refused(statements.undo, who.clerk, aside.id, "看错了").code is ErrorCode.SAME_PERSON
    statements.undo(who.reviewer, aside.id, "看错了")
    assert refused(statements.undo, who.reviewer, aside.id, "再来").code is ErrorCode.STATE_CHANGED
    statements.undo(who.reviewer, one[0].id, "重新核对")
    row = next(row for row in rows() if row.id == one[0].row_id)
    statements.match_by_hand(who.reviewer, row.id, statements.Choice(one[0].hop_id, "TO"), "与银行回单核对")
    trail = [(made.how, made.undone_by is not None) for made in decisions(row_id=row.id)]
    assert trail == [("RULE", True), ("HAND", False)]
    for forged in ("update statement_decision set reason = 'x'", "update statement_row set amount_fen = 1"):
        with pytest.raises(DBAPIError, match=r"not changed|permission denied|append-only"), transaction(who.clerk):
            session().execute(text(forged))
    for stranger in (who.boss, who.funder[next(iter(who.funder.people))]):
        with transaction(stranger, read_only=True):
            assert session().scalars(select(StatementRow)).all() == []


def test_a_file_is_checked_before_a_cell_of_it_is_believed() -> None:
    who = road.people(0)
    move = Movement(CUSTODY, FUNDER, "资金方", True, 100 * WAN, road.seen(road.walk(who, "APPLIED")).applied_at, "V-1")
    good = icbc_csv([move])
    for name, content, code in (
        ("a.xls", good, ErrorCode.FILE_TYPE), ("a.xlsx", good, ErrorCode.FILE_TYPE),
        ("a.csv", ccb_xlsx([move]), ErrorCode.FILE_TYPE),
        ("a.csv", b"\0" + good, ErrorCode.FILE_TYPE), ("a.csv", b"x" * (5 * 1024 * 1024 + 1), ErrorCode.FILE_TOO_LARGE),
        ("a.csv", "日期,金额\n1,2\n".encode(), ErrorCode.FILE_HEADER), ("a.csv", b"\xff\xfe\xff", ErrorCode.FILE_BROKEN),
        ("a.xlsx", b"PK\x03\x04rest", ErrorCode.FILE_BROKEN),
    ):
        assert refused(statements.take_in, who.clerk, name, content).code is code, name
    assert refused(statements.take_in, who.boss, "a.csv", good).code is ErrorCode.FORBIDDEN
    bad = good.decode("gbk").splitlines()
    bad += [*(bad[2].replace("1,000,000.00", wrong) for wrong in ("=1+1", "很多", "-5.00")),
            bad[2].replace(f"{move.at:%Y-%m-%d %H:%M:%S}", "昨天"), bad[2].replace(CUSTODY, ""), bad[2].replace(CUSTODY, "12")]
    file = statements.take_in(who.clerk, "utf8.csv", ("\ufeff" + "\n".join(bad)).encode())
    assert (file.rows_new, file.rows_total) == (1, 7)
    assert [(one["line"], one["reason"]) for one in file.refused] == [
        (4, "含有公式"), (5, "金额不是数字"), (6, "金额为负（冲正），请手工处理"), (7, "时间读不懂"),
        (8, "文件中没有本方账号，请在上传时填写"), (9, "本方账号不是账号"),
    ]
    book = Workbook()
    book.active.append(list(CCB_HEADS))
    book.active.append([CUSTODY, "户名", "20261123 10:00:00", "0", "=SUM(1,2)", "1", "人民币元", "甲", FUNDER, *[""] * 4, "1-1"])
    held = io.BytesIO()
    book.save(held)
    assert statements.take_in(who.clerk, "f.xlsx", held.getvalue()).refused == [{"line": 2, "reason": "含有公式"}]
    shifted = replace(move, at=move.at + timedelta(minutes=1), voucher_no="V-2")
    without = icbc_csv([shifted]).decode("gbk").replace("本方账号", "备用列").replace(f"\t{CUSTODY}\t", "\t\t")
    assert statements.take_in(who.clerk, "own.csv", without.encode(), "4400 5555 6666 7777").rows_new == 1


def test_the_demo_leaves_one_row_for_a_person_to_decide() -> None:
    who = road.people()
    key = road.walk(who, "PRECHECKED")
    letter = road.promise(receiving_account=bridge_loop.NUMBERS[HopAccount.REPAYMENT])
    bank_service.commit(who.new_bank[Role.BANK_APPROVER], key, letter)
    road.walk(who, "PARTNER_OFFERED", bridge_id=key)
    bridge_loop.run_loop({"centre.clerk": who.clerk, "centre.reviewer": who.reviewer}, who.boss, key)
    assert (road.seen(key).state, road.seen(key).outstanding_fen) == ("FUNDED", 225 * WAN)
    with transaction(cast.SYSTEM, read_only=True):
        waiting = [(row.amount_fen, row.notes) for row in statements.open_rows()]
    assert waiting == [(20_00, "转账 账户管理费")] and len(decisions()) == 6
