"""Many loans at once: found by a few statements, changed by the functions of ``reporting``, stored set-wise.

What a loan is, what a report does to it and which rows that leaves stands in ``standing`` and ``reporting`` alone. Here are plain
copies of the rows instead of mapped ones, and one statement a table instead of some a loan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import Uuid, any_, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.core.database import Base, session
from app.core.ids import new_id
from app.core.models import Transition
from app.core.outbox import emit
from app.evidence.copying import columns_of, copy_in
from app.loans.models import ClassReport, Instalment, Loan, Repayment, Restructure
from app.loans.standing import Held, live_of, put_offs_of, to_right_of

_OF_ROW = ("due_on", "interest_fen", "principal_left_fen", "interest_left_fen", "first_due_on", "first_interest_fen")
"""What a report may change of a row of the schedule."""
_changing = attrgetter(*_OF_ROW)


@dataclass(slots=True)
class PlainRow:
    """A copy of an ``Instalment``; ``before``: what was read, by which a changed one is known."""

    no: int
    due_on: date
    principal_fen: int
    interest_fen: int
    balance_fen: int
    principal_left_fen: int
    interest_left_fen: int
    first_due_on: date | None
    first_interest_fen: int | None
    before: tuple[Any, ...] = ()

    def now(self) -> tuple[Any, ...]:
        """What may change of it."""
        return _changing(self)


_ROWS = select(
    Instalment.loan_id, Instalment.no, Instalment.due_on, Instalment.principal_fen, Instalment.interest_fen,
    Instalment.balance_fen, Instalment.principal_left_fen, Instalment.interest_left_fen, Instalment.first_due_on,
    Instalment.first_interest_fen,
).order_by(Instalment.loan_id, Instalment.no)
_PAID = select(Repayment.loan_id, Repayment.id, Repayment.reverses_id, Repayment.paid_on, Repayment.amount_fen,
               Repayment.reported_at).order_by(Repayment.reported_at, Repayment.id)


def held_many(ids: Sequence[UUID], *, lock: bool) -> dict[UUID, Held]:
    """Loans with schedules, standing repayments and restructures, in four statements. Locked in the order of their ids.

    The loans belong to no session: what changes is stored by ``store_many``. Schedules count as they are stored.
    """
    among = any_(literal(list(ids), ARRAY(Uuid)))  # one value; as many parameters as ids would be taken apart one by one
    asked = select(Loan).where(Loan.id == among).order_by(Loan.id)
    with Session(session().connection(), expire_on_commit=False) as apart:
        loans = list(apart.scalars(asked.with_for_update() if lock else asked))
    put_off: dict[UUID, list[Restructure]] = defaultdict(list)
    for one in session().scalars(select(Restructure).where(Restructure.loan_id == among).order_by(
        Restructure.agreed_on, Restructure.reported_at,
    )):
        put_off[one.loan_id].append(one)
    found = {loan.id: Held(loan, [], [], put_offs_of(loan, put_off[loan.id])) for loan in loans}
    rows: dict[UUID, list[PlainRow]] = defaultdict(list)
    for loan_id, *values in session().execute(_ROWS.where(Instalment.loan_id == among)):
        row = PlainRow(*values)
        row.before = row.now()
        rows[loan_id].append(row)
    entries: dict[UUID, list[Any]] = defaultdict(list)
    for entry in session().execute(_PAID.where(Repayment.loan_id == among)):
        entries[entry.loan_id].append(entry)
    for loan_id, reported in entries.items():
        found[loan_id].paid, found[loan_id].to_right = live_of(reported), to_right_of(reported, put_off[loan_id])
    for loan_id, held in found.items():
        held.rows = rows[loan_id]
        held.trust()
    return found


_OF_LOAN = ("state", "due_on", "principal_repaid_fen", "interest_paid_fen", "overdue_days", "reported_class",
            "reported_overdue_days", "reported_on", "restructured_on", "five_class", "classed_on", "next_check_at")
"""What a report may change of a loan."""
_KINDS: dict[type, tuple[Any, str]] = {
    int: (pl.Int64, ""), date: (pl.Date, ""), bool: (pl.Boolean, ""), str: (pl.String, ""), UUID: (pl.String, "::uuid"),
    datetime: (pl.String, "::timestamptz"),
}
"""Python's type → how it is copied, and what makes the column's type of it."""


def store_many(changed: Sequence[Held]) -> None:
    """Stores loans and what is new of them: loans, schedules, repayments, reports and steps by one statement each.

    The outbox gets its rows as ever, one by one: it is few loans whose class changes or which are settled.
    """
    session().flush()
    new: dict[type[Any], list[Any]] = defaultdict(list)
    moved: list[tuple[Any, ...]] = []
    for one in changed:
        for row in one.rows:
            assert isinstance(row, PlainRow)
            if row.now() != row.before:
                row.before = row.now()
                moved.append((one.loan.id, row.no, *row.before))
        for entry in one.new:
            new[type(entry)].append(entry)
        for topic in one.told:
            emit(topic, loan_id=one.loan.id)
        one.new, one.told = [], []
    _update(Loan, ("id",), _OF_LOAN, [(one.loan.id, *(getattr(one.loan, name) for name in _OF_LOAN)) for one in changed])
    _update(Instalment, ("loan_id", "no"), _OF_ROW, moved)
    for model in (Repayment, Restructure, ClassReport, Transition):
        insert_many(model, new[model])
    session().flush()


def _staged(model: type[Base], names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, str]:
    """Copies rows into the temporary table ``many_rows``. Returns each column as its table has it."""
    told, series = {}, []
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        plain, cast = _KINDS[model.__table__.c[name].type.python_type]
        if cast:
            values = tuple(None if value is None else str(value) for value in values)
        series.append(pl.Series(name, values, dtype=plain))
        told[name] = f"n.{name}{cast}"
    frame = pl.DataFrame(series)
    session().execute(text("drop table if exists many_rows"))
    session().execute(text(f"create temp table many_rows ({columns_of(frame)}) on commit drop"))
    copy_in("many_rows", frame)
    session().execute(text("analyze many_rows"))
    return told


def _update(model: type[Base], keys: tuple[str, ...], names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        told = _staged(model, keys + names, rows)
        changes = ", ".join(f"{name} = {told[name]}" for name in names)
        same = " and ".join(f"t.{key} = {told[key]}" for key in keys)
        session().execute(text(f"update {model.__tablename__} t set {changes} from many_rows n where {same}"))


def insert_many(model: type[Base], entries: Sequence[Any]) -> None:
    """Stores new objects of a table, which are in no session, by one statement; those with an id get one."""
    if entries:
        if "id" in model.__table__.c:
            for entry in entries:
                entry.id = entry.id or new_id()
        names = [column.name for column in model.__table__.columns]
        told = _staged(model, names, [tuple(getattr(entry, name) for name in names) for entry in entries])
        session().execute(text(
            f"insert into {model.__tablename__} ({', '.join(names)}) select {', '.join(told.values())} from many_rows n"))
