"""What the tests of the evidence room share: small invoice files and the people around them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import polars as pl

from app.core.context import Context
from app.core.database import transaction
from app.core.storage import Stored, take_in
from app.evidence import delivery_service
from app.evidence.models import Delivery
from app.evidence.rules import INVOICES
from tests.cast import SYSTEM, Cast

HEADINGS = ("uscc", "side", "invoice_no", "invoice_date", "counterparty_id", "amount_net", "tax_amount", "amount_gross", "status")
LIMIT = 200 * 1024 * 1024


def line(firm: str, number: str = "10000001", *, side: str = "out", day: str = "2026-03-05", party: str = "B001",
         net: str = "100.00", tax: str = "13.00", gross: str = "113.00", status: str = "valid") -> tuple[str, ...]:
    """One row of a file, sound unless told otherwise."""
    return firm, side, number, day, party, net, tax, gross, status


def csv_bytes(rows: Sequence[Sequence[str]], headings: Sequence[str] = HEADINGS, encoding: str = "utf-8") -> bytes:
    """A CSV file."""
    return "\n".join(",".join(row) for row in (headings, *rows)).encode(encoding)


def parquet_bytes(rows: Sequence[Sequence[str]]) -> bytes:
    """A Parquet file with dates as dates and amounts as floats, as the real ones have."""
    frame = pl.DataFrame([list(row) for row in rows], schema=list(HEADINGS), orient="row").with_columns(
        pl.col("invoice_date").str.to_date(), pl.col("amount_net", "tax_amount", "amount_gross").cast(pl.Float64),
    )
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def xlsx_bytes(rows: Sequence[Sequence[Any]], headings: Sequence[str] = HEADINGS) -> bytes:
    """A workbook."""
    from openpyxl import Workbook

    book = Workbook()
    for row in (headings, *rows):
        book.active.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def stored(data: bytes) -> Stored:
    """Bytes in storage."""
    return take_in(io.BytesIO(data), limit=LIMIT, limit_text="200 MB")


def receive(ctx: Context, data: bytes, filename: str = "invoices.csv", **options: Any) -> Delivery:
    """An upload of a provider, not read yet."""
    return delivery_service.receive_delivery(ctx, INVOICES, stored(data), filename, **options)


def deliver(ctx: Context, rows: Sequence[Sequence[str]], filename: str = "invoices.csv") -> Delivery:
    """An upload, read to its end."""
    delivery = receive(ctx, csv_bytes(rows), filename)
    return delivery_service.import_delivery(SYSTEM, delivery.id)


def uscc_of(firm: Cast) -> str:
    """The social credit code of a firm."""
    from app.identity.models import Organisation

    with transaction(SYSTEM, read_only=True) as unit:
        code = unit.session.get_one(Organisation, firm.id).uscc
    assert code is not None
    return code


def counts(delivery: Delivery) -> tuple[int | None, ...]:
    """Total, taken, identical, superseding, quarantined."""
    return (delivery.rows_total, delivery.rows_taken, delivery.rows_identical, delivery.rows_superseding,
            delivery.rows_quarantined)


def lines_of(firm: Cast) -> list[Any]:
    """All versions of a firm's lines, oldest first."""
    from sqlalchemy import text

    with transaction(SYSTEM, read_only=True) as unit:
        return list(unit.session.execute(text(
            "select l.* from invoice_line l join enterprise e using (firm_no) where e.id = :id order by content, k, version"
        ), {"id": firm.id}))


def quarantined(delivery: Delivery) -> list[tuple[Any, ...]]:
    """Rows of a delivery in quarantine: number, reason, parameters, what came."""
    from sqlalchemy import text

    with transaction(SYSTEM, read_only=True) as unit:
        rows = unit.session.execute(text(
            "select row_no, reason, params, raw from quarantine where delivery_id = :id order by row_no"), {"id": delivery.id})
        return [(row.row_no, row.reason, row.params, row.raw) for row in rows]
