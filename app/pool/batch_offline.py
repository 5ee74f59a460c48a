"""Rows of a booking file that wait for their firm: firm, case and loan are made for them, and the firm's word books them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import select

from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_
from app.core.notices import notify
from app.core.outbox import emit, handles
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.evidence.rows import typed
from app.loans.models import Loan
from app.loans.offline_service import TakenOver, take_over
from app.loans.queries import awaits_firm
from app.loans.service import Drawdown, LoanTerms
from app.pool.batch_booking import Ending, Judge, rate_of
from app.pool.batch_items import ITEMS
from app.pool.batch_models import PoolBatch, PoolBatchRow
from app.pool.batch_rules import BatchReason
from app.pool.batch_service import sender_of
from app.pool.batch_states import BatchKind
from app.pool.batch_write import write
from app.pool.rules import UseOfFunds

AT_ONCE = 200
"""Rows of one outbox entry: each makes a case, a loan and its schedule, so that a large file is done piece by piece."""


@handles("pool.batch_offline", "pool.batch_take_over", queue="long")
def _on_offline(ctx: Context, payload: dict[str, Any]) -> None:
    make_loans(ctx, UUID(payload["batch_id"]), int(payload.get("after", 0)))


@use_case(Permission.CLAIM_TICK, "batch.take_over")
def make_loans(ctx: Context, batch_id: UUID, after: int = 0) -> int:
    """Makes firm, case and loan for the next rows of a file that have none; returns how many rows were looked at."""
    batch = get_or_404(PoolBatch, batch_id)
    rows = list(session().scalars(
        select(PoolBatchRow).where(
            PoolBatchRow.batch_id == batch_id, PoolBatchRow.row_no > after, PoolBatchRow.settled_at.is_(None),
            PoolBatchRow.reason == BatchReason.WAITS_FIRM, PoolBatchRow.loan_id.is_(None),
        ).order_by(PoolBatchRow.row_no).limit(AT_ONCE)
    ))
    told = {row["row_no"]: row for row in typed_rows(rows).iter_rows(named=True)}
    known = []
    for row in rows:
        loan = take_over(ctx, _stated(batch, told[row.row_no]))
        row.loan_id = loan.id
        if not awaits_firm(loan):
            known.append(row)
    session().flush()
    settle(ctx, known)
    if len(rows) == AT_ONCE:
        emit("pool.batch_offline", batch_id=batch_id, after=rows[-1].row_no)
    about(batch, rows=len(rows))
    return len(rows)


def typed_rows(rows: list[PoolBatchRow]) -> pl.DataFrame:
    """Rows as they were kept, read again as the file's reader reads them."""
    return typed(as_read(rows), ITEMS[BatchKind.BOOKING])[0]


def as_read(rows: list[PoolBatchRow]) -> pl.DataFrame:
    """Rows as they were kept, in the shape of a piece of a file."""
    codes = dict.fromkeys(code for row in rows for code in row.raw)
    columns = {code: pl.Series(code, [row.raw.get(code) for row in rows], dtype=pl.String) for code in codes}
    return pl.DataFrame({
        "row_no": pl.Series([row.row_no for row in rows], dtype=pl.Int64),
        "misfit": pl.Series([False] * len(rows), dtype=pl.Boolean), **columns,
    })


def _stated(batch: PoolBatch, row: dict[str, Any]) -> TakenOver:
    assert batch.released_by is not None
    terms = LoanTerms(
        row["principal_fen"], rate_of(row), row["term_months"], row["method"], row["product"],
        UseOfFunds(row["use_of_funds"]).label,
    )
    drawdown = Drawdown(row["principal_fen"], row["drawn_on"], row["contract_no"], row["note_no"])
    return TakenOver(
        batch.org_id, row["uscc"], row["firm_name"], terms, drawdown, batch.prepared_by, batch.released_by, row["renewed_from"],
    )


@handles("loan.recognised", "pool.batch_recognised", queue="long")
def _on_recognised(ctx: Context, payload: dict[str, Any]) -> None:
    settle_case(ctx, UUID(payload["case_id"]))


@use_case(Permission.CLAIM_TICK, "batch.settle")
def settle_case(ctx: Context, case_id: UUID) -> int:
    """The firm has called the loans of a case its own: the rows that waited for it are judged and booked. Returns how many."""
    rows = list(session().scalars(
        select(PoolBatchRow).join(Loan, Loan.id == PoolBatchRow.loan_id).where(
            Loan.case_id == case_id, PoolBatchRow.settled_at.is_(None), PoolBatchRow.reason == BatchReason.WAITS_FIRM,
        ).order_by(PoolBatchRow.batch_id, PoolBatchRow.row_no)
    ))
    settle(ctx, rows)
    about(case_id=case_id, rows=len(rows))
    return len(rows)


def settle(ctx: Context, rows: list[PoolBatchRow]) -> None:
    """Judges rows whose firm is known now, as of the day their file came, and writes what they become."""
    by_batch: dict[UUID, list[PoolBatchRow]] = defaultdict(list)
    for row in rows:
        by_batch[row.batch_id].append(row)
    for batch_id, waiting in by_batch.items():
        batch, raw = get_or_404(PoolBatch, batch_id), as_read(waiting)
        sender = sender_of(batch)
        endings, made = Judge(ctx, sender, late=True).judge(typed(raw, ITEMS[BatchKind.BOOKING])[0], raw)
        write(ctx, sender, made)
        told = {one.row_no: one for one in endings}
        for row in waiting:
            _settled(batch, row, told[row.row_no])


def _settled(batch: PoolBatch, row: PoolBatchRow, ending: Ending) -> None:
    if ending.ending in ("waiting", "refused"):
        row.reason, row.params = str(ending.reason), ending.params
    if ending.ending == "waiting":
        return  # now it waits for the bureau
    row.settled_at, row.outcome = now(), ending.ending
    if ending.ending == "refused":
        notify(batch.org_id, N_("借据 %(note)s 的借款企业已确认，但没有通过入库检查，原因请看文件第 %(row)s 行。"),
               path=f"/pool/batches/{batch.id}", note=row.note_no or "", row=row.row_no)
