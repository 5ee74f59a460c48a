"""Files of loans of a test: rows as a bank writes them, sent, released and worked off."""

from __future__ import annotations

import csv
import io
import itertools
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core import outbox
from app.core.calendar import today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.storage import take_in
from app.loans.models import Loan
from app.pool import batch_offline, batch_stated
from app.pool import batch_service as batches
from app.pool.batch_items import labels_of
from app.pool.batch_models import PoolBatch, PoolBatchRow
from app.pool.batch_states import BatchKind
from tests import cast
from tests.pool_cast import City

HANDLERS = (batch_offline, batch_stated)
"""Modules whose handlers a drained outbox needs."""
_offline = itertools.count(1)


def row_of(city: City, loan: Loan, **changes: Any) -> dict[str, Any]:
    """A drawn loan of the city's firm as its bank writes it into a booking file."""
    assert loan.principal_fen is not None
    return {
        "note_no": loan.note_no, "contract_no": loan.contract_no, "uscc": cast.uscc_of(city.firm), "firm_name": city.firm.name,
        "drawn_on": loan.drawn_on, "principal": f"{loan.principal_fen / 100:.2f}", "annual_rate": "4",
        "term_months": loan.term_months, "method": "按月付息，到期还本", "product": "信用贷款", "use_of_funds": "日常经营周转",
        "not_dishonest": "是", **changes,
    }


def offline_row(uscc: str, name: str, drawn_on: date | None = None, **changes: Any) -> dict[str, Any]:
    """A loan that the portal does not know."""
    number = next(_offline)
    return {
        "note_no": f"线下-{number}", "contract_no": f"合同-{number}", "uscc": uscc, "firm_name": name,
        "drawn_on": drawn_on or today(),
        "principal": "1000000", "annual_rate": "3.85", "term_months": "12", "method": "等额本息", "product": "信用贷款",
        "use_of_funds": "购置设备", "not_dishonest": "是", **changes,
    }


def report_row(loan: Loan, **changes: Any) -> dict[str, Any]:
    """A drawn loan as its bank reports it at the end of today: healthy, and nothing came in."""
    balance = changes.pop("balance", loan.principal_left_fen / 100)
    row = {"note_no": loan.note_no, "as_of": today(), "balance": f"{balance:.2f}", "five_class": "正常", "overdue_days": 0}
    return {**row, **changes}


def csv_of(rows: list[dict[str, Any]], kind: BatchKind = BatchKind.BOOKING) -> bytes:
    """Rows under the Chinese headings of the template."""
    labels, out = labels_of(kind), io.StringIO()
    codes = [code for code in labels if any(code in row for row in rows)]
    writer = csv.writer(out)
    writer.writerow([labels[code] for code in codes])
    writer.writerows([["" if row.get(code) is None else str(row[code]) for code in codes] for row in rows])
    return out.getvalue().encode()


def sent(ctx: Context, content: bytes, name: str = "入库.csv", kind: BatchKind = BatchKind.BOOKING) -> PoolBatch:
    """A file received and judged."""
    stored = take_in(io.BytesIO(content), limit=10**9, limit_text="1 GB")
    batch = batches.receive_batch(ctx, kind, stored, name)
    outbox.drain()
    return again(batch)


def again(batch: PoolBatch) -> PoolBatch:
    """The file as it stands now."""
    with transaction(cast.SYSTEM, read_only=True):
        found = session().get_one(PoolBatch, batch.id)
        session().expunge_all()
    return found


def taken_in(city: City, rows: list[dict[str, Any]], kind: BatchKind = BatchKind.BOOKING) -> PoolBatch:
    """A file prepared by the officer, released by the approver, taken in."""
    batch = sent(city.officer, csv_of(rows, kind), kind=kind)
    batches.release_batch(city.approver, batch.id)
    outbox.drain()
    return again(batch)


def counts(batch: PoolBatch) -> tuple[int | None, ...]:
    """Booked, known, waiting, refused."""
    return batch.rows_done, batch.rows_known, batch.rows_waiting, batch.rows_refused


def kept(batch_id: UUID) -> dict[int, PoolBatchRow]:
    """Rows of a file that wait or were refused, by number."""
    with transaction(cast.SYSTEM, read_only=True):
        rows = session().scalars(select(PoolBatchRow).where(PoolBatchRow.batch_id == batch_id)).all()
        session().expunge_all()
    return {row.row_no: row for row in rows}
