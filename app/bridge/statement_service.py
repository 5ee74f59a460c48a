"""Statements: a file is taken in once, its rows are matched to recorded hops by rule, the rest by hand or set aside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from app.bridge.account_models import BridgeAccount
from app.bridge.account_numbers import account_digest, plain_number
from app.bridge.models import Bridge, BridgeHop
from app.bridge.statement_files import lines_of
from app.bridge.statement_models import StatementDecision, StatementFile, StatementRow
from app.bridge.statement_rules import (
    BadRow,
    Candidate,
    ExpectedSide,
    Layout,
    Row,
    SeenRow,
    Window,
    candidates,
    heading_of,
    match,
    read_row,
)
from app.core.calendar import SHANGHAI, now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import mask_id
from app.core.ids import new_id
from app.core.models import Case
from app.core.permissions import Permission
from app.core.secrets import digest
from app.core.use_case import about, use_case

constraint("uq_statement_file_sha256", ErrorCode.ALREADY_DONE, "file")
constraint("uq_statement_decision_row", ErrorCode.ALREADY_DONE)
constraint("uq_statement_decision_hop", ErrorCode.ALREADY_DONE)
constraint("ck_statement_decision_fits", ErrorCode.STATEMENT_UNLIKE)
constraint("ck_statement_decision_two_people", ErrorCode.SAME_PERSON)
constraint("ck_statement_decision_hands", ErrorCode.STATE_CHANGED)

REFUSED_SHOWN = 500
"""So many refused rows are told one by one; a file with more is refused whole."""


@use_case(Permission.STATEMENT_DESK, "statement.take_in", returns=StatementFile)
def take_in(ctx: Context, filename: str, content: bytes, own_account: str = "") -> StatementFile:
    """Takes in a statement and matches what is sure. ``own_account`` where the file does not name the account it is of.

    Raises ``Refusal``: FILE_TYPE, FILE_TOO_LARGE, FILE_BROKEN, FILE_HEADER for neither layout, ALREADY_DONE for the same file.
    """
    assert ctx.org_id is not None and ctx.actor_id is not None
    lines = lines_of(filename, content)
    found = heading_of(lines)
    if found is None:
        raise Refusal(ErrorCode.FILE_HEADER, field="file", missing="交易时间、对方账号、凭证号／账户明细编号-交易流水号")
    layout, place, names = found
    file = StatementFile(
        id=new_id(), org_id=ctx.org_id, layout=layout.value, filename=filename[:200], sha256=hashlib.sha256(content).digest(),
        rows_total=0, rows_new=0, rows_known=0, refused=[], uploaded_at=now(), uploaded_by=ctx.actor_id,
    )
    values, refused = _values(file, layout, names, lines[place + 1:], place + 2, own_account)
    if len(refused) > REFUSED_SHOWN:
        raise Refusal(ErrorCode.FILE_BROKEN, field="file", detail=(N_("不能识别的行太多"),))
    unique = {value["digest"]: value for value in values}
    known = {bytes(one) for one in session().scalars(select(StatementRow.digest).where(
        StatementRow.org_id == ctx.org_id, StatementRow.digest.in_(list(unique))))}
    fresh = [value for key, value in unique.items() if key not in known]
    file.rows_new, file.refused = len(fresh), refused
    file.rows_known = len(values) - len(fresh)
    file.rows_total = len(values) + len(refused)
    session().add(file)
    session().flush()
    if fresh:
        session().execute(insert(StatementRow), fresh)
    matched = match_open(ctx)
    about(file, sha256=file.sha256, layout=layout.value, rows=file.rows_total, fresh=file.rows_new, refused=len(refused),
          matched=matched)
    return file


def _values(
    file: StatementFile, layout: Layout, names: dict[str, int], lines: Sequence[Sequence[str]], first: int, own: str,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows as they are stored, and what was refused with its line and reason."""
    values, refused = [], []
    for number, line in enumerate(lines, start=first):
        if not any(text.strip() for text in line):
            continue
        try:
            values.append(_value(file, number, read_row(layout, names, line, own)))
        except BadRow as error:
            refused.append({"line": number, "reason": str(error)})
        except Refusal:
            refused.append({"line": number, "reason": N_("本方账号不是账号")})
    return values, refused


def _value(file: StatementFile, line: int, row: Row) -> dict[str, Any]:
    own = plain_number(row.own)
    try:
        counter = plain_number(row.counter_number) if row.counter_number else ""
    except Refusal:
        counter = ""  # banks write marks of their own there, such as an internal account's short code
    told = [own, counter, row.counter_name, row.into, row.amount_fen, row.balance_fen, row.at.isoformat(), row.voucher_no,
            row.serial_no, row.notes]
    return {
        "id": new_id(), "file_id": file.id, "org_id": file.org_id, "line": line,
        "digest": digest("statement:" + json.dumps(told, ensure_ascii=False)), "own_digest": account_digest(own),
        "own_shown": mask_id(own), "counter_digest": account_digest(counter) if counter else None,
        "counter_shown": mask_id(counter) if counter else "", "counter_name": row.counter_name[:120], "incoming": row.into,
        "amount_fen": row.amount_fen, "balance_fen": row.balance_fen, "moved_at": row.at.replace(tzinfo=SHANGHAI),
        "voucher_no": row.voucher_no[:80], "serial_no": row.serial_no[:120], "notes": row.notes,
    }


# --- matching ----------------------------------------------------------------------------------------------------------


DECIDED = select(StatementDecision.id).where(
    StatementDecision.row_id == StatementRow.id, StatementDecision.undone_at.is_(None)).exists()


def open_rows() -> list[StatementRow]:
    """Rows about which nothing is decided, oldest first."""
    return list(session().scalars(select(StatementRow).where(~DECIDED).order_by(StatementRow.moved_at, StatementRow.id)))


def open_count() -> int:
    """How many rows wait."""
    return session().scalar(select(func.count()).select_from(StatementRow).where(~DECIDED)) or 0


def expected_sides(hop_id: UUID | None = None) -> list[ExpectedSide]:
    """Sides of recorded hops, of one where it is named, that no row is matched to. What is matched on both sides stays unread."""
    matched = select(StatementDecision.hop_id, StatementDecision.side).where(
        StatementDecision.undone_at.is_(None), StatementDecision.hop_id.is_not(None))
    done = matched.with_only_columns(StatementDecision.hop_id).group_by(StatementDecision.hop_id).having(func.count() > 1)
    source, target = aliased(BridgeAccount), aliased(BridgeAccount)
    rows = session().execute(
        select(BridgeHop, source.digest.label("source"), target.digest.label("target"), Bridge.old_note_no, Bridge.agreement_no,
               Case.number)
        .join(source, source.id == BridgeHop.from_account_id).join(target, target.id == BridgeHop.to_account_id)
        .join(Bridge, Bridge.id == BridgeHop.bridge_id).outerjoin(Case, Case.id == Bridge.case_id)
        .where(BridgeHop.id.not_in(done), *([BridgeHop.id == hop_id] if hop_id is not None else []))
    ).all()
    taken = {tuple(row) for row in session().execute(matched.where(StatementDecision.hop_id.not_in(done)))}
    found = []
    for hop, out_of, into, note, agreement, number in rows:
        assert hop.moved_at is not None  # every hop between accounts has its moment
        at = hop.moved_at.astimezone(SHANGHAI).replace(tzinfo=None)
        words = tuple(word for word in (note, agreement, number) if word)
        for side, own, counter in (("FROM", out_of, into), ("TO", into, out_of)):
            if (hop.id, side) not in taken:
                found.append(ExpectedSide(hop.id, side, bytes(own), bytes(counter), hop.amount_fen, at, hop.voucher_no, words))
    return found


def seen(row: StatementRow) -> SeenRow:
    """A stored row as the rules see it."""
    return SeenRow(
        row.id, bytes(row.own_digest), bytes(row.counter_digest) if row.counter_digest is not None else None, row.incoming,
        row.amount_fen, row.moved_at.astimezone(SHANGHAI).replace(tzinfo=None), row.voucher_no, row.notes,
    )


def match_open(ctx: Context) -> int:
    """Matches what is sure among the open rows; returns how many."""
    sure = match([seen(row) for row in open_rows()], expected_sides())
    for key, one in sure.items():
        assert isinstance(key, UUID)
        _decide(ctx, key, "MATCH", "RULE", "", one)
    session().flush()
    return len(sure)


def _decide(ctx: Context, row_id: UUID, kind: str, how: str, reason: str, one: Candidate | None = None) -> StatementDecision:
    assert ctx.actor_id is not None
    made = StatementDecision(
        row_id=row_id, kind=kind, how=how, reason=reason.strip(), made_at=now(), made_by=ctx.actor_id,
        hop_id=one.expected.key if one is not None else None, side=one.expected.side if one is not None else None,
        working=[{"message": line.message, "shown": line.shown, "amount_fen": line.amount_fen} for line in one.lines()]
        if one is not None else [],
    )
    session().add(made)
    return made


@use_case(Permission.STATEMENT_DESK, "statement.match_again")
def match_again(ctx: Context) -> int:
    """Tries the rule on everything that is open, since hops were recorded meanwhile. Returns how many rows were matched."""
    count = match_open(ctx)
    about(matched=count)
    return count


@dataclass(frozen=True)
class Choice:
    """Which side of which hop a person says a row is."""

    hop_id: UUID
    side: str


@use_case(Permission.STATEMENT_DESK, "statement.match", returns=StatementDecision)
def match_by_hand(ctx: Context, row_id: UUID, choice: Choice, reason: str) -> StatementDecision:
    """A person says which hop a row is; account, direction and amount must fit all the same.

    Raises ``Refusal``: REASON_NEEDED, STATEMENT_UNLIKE, ALREADY_DONE.
    """
    row = get_or_404(StatementRow, row_id)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    side = next((one for one in expected_sides(choice.hop_id) if one.side == choice.side), None)
    if side is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    seen_row = seen(row)
    days = abs((seen_row.at.date() - side.at.date()).days)
    one = Candidate(side, bool(row.voucher_no) and row.voucher_no == side.voucher_no,
                    any(word in row.notes for word in side.words), seen_row.counter == side.counter, days)
    made = _decide(ctx, row.id, "MATCH", "HAND", reason, one)
    session().flush()
    about(made, row_id=row.id, hop_id=choice.hop_id, side=choice.side)
    return made


@use_case(Permission.STATEMENT_DESK, "statement.set_aside", returns=StatementDecision)
def set_aside(ctx: Context, row_id: UUID, reason: str) -> StatementDecision:
    """A row that is no bridge money, with the reason. Raises ``Refusal(REASON_NEEDED)``."""
    row = get_or_404(StatementRow, row_id)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    made = _decide(ctx, row.id, "ASIDE", "HAND", reason)
    session().flush()
    about(made, row_id=row.id)
    return made


@use_case(Permission.STATEMENT_DESK, "statement.undo", returns=StatementDecision)
def undo(ctx: Context, decision_id: UUID, reason: str) -> StatementDecision:
    """Another person takes a decision back; it stays on record. Raises ``Refusal``: SAME_PERSON, REASON_NEEDED, STATE_CHANGED."""
    made = get_or_404(StatementDecision, decision_id, lock=True)
    if made.undone_at is not None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    if made.made_by == ctx.actor_id:
        raise Refusal(ErrorCode.SAME_PERSON)
    if not reason.strip():
        raise Refusal(ErrorCode.REASON_NEEDED, field="reason")
    made.undone_at, made.undone_by, made.undone_reason = now(), ctx.actor_id, reason.strip()
    session().flush()
    about(made, row_id=made.row_id, hop_id=made.hop_id)
    return made


def choices_for(row: StatementRow) -> list[Candidate]:
    """Sides that a row may be by the rules of the hand: like the rule's, however far the day."""
    return candidates(seen(row), expected_sides(), Window(days=3650))
