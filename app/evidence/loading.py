"""What every kind of delivery leaves beside its facts: rows in quarantine, as they came, with their reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import polars as pl
from sqlalchemy import text

from app.core.database import session
from app.core.ids import new_id
from app.evidence import cells
from app.evidence.copying import copy_in
from app.evidence.models import Delivery
from app.evidence.rules import RowReason

QUARANTINED = {"row_no": pl.Int64, "raw": pl.String, "reason": pl.String, "params": pl.String}
"""Columns of rows that wait: their number in the file, the cells as they came and the reason's details as JSON text."""


@dataclass(frozen=True)
class Doubtful:
    """A sound row that cannot be stored, and why. ``other``: the row it contradicts, in the file."""

    row_no: int
    reason: RowReason
    other: int | None = None


def doubtful(batch: pl.DataFrame, doubts: Sequence[Doubtful]) -> pl.DataFrame:
    """Rows that contradict what is known, as quarantine keeps them: ``row_no``, ``raw``, ``reason``, ``params``."""
    told = {doubt.row_no: doubt for doubt in doubts}
    names = [name for name in batch.columns if name not in ("row_no", "misfit")]
    entries = []
    for row in batch.filter(pl.col("row_no").is_in(list(told))).iter_rows(named=True):
        doubt = told[row["row_no"]]
        raw = cells.as_json({name: cells.shown(row[name]) for name in names})
        other = cells.as_json({"value": str(doubt.other)} if doubt.other is not None else {})
        entries.append((doubt.row_no, raw, doubt.reason.value, other))
    return pl.DataFrame(entries, schema=QUARANTINED, orient="row")


def keep_quarantined(delivery: Delivery, rows: pl.DataFrame) -> None:
    """Stores rows that could not be taken in (``row_no``, ``raw`` and ``params`` as JSON text, ``reason``)."""
    if not rows.height:
        return
    full = rows.select(
        pl.Series("id", [str(new_id()) for _ in range(rows.height)]), pl.lit(str(delivery.id)).alias("delivery_id"),
        pl.lit(str(delivery.provider_org_id)).alias("provider_org_id"), "row_no", "raw", "reason", "params",
    )
    # Through a temporary table: PostgreSQL does not COPY FROM into a table under row-level security.
    session().execute(text(
        "create temp table if not exists troubled (id text, delivery_id text, provider_org_id text, row_no bigint, raw text, "
        "reason text, params text) on commit drop"
    ))
    copy_in("troubled", full)
    session().execute(text(
        "insert into quarantine (id, delivery_id, provider_org_id, row_no, raw, reason, params) select id::uuid, "
        "delivery_id::uuid, provider_org_id::uuid, row_no, raw::jsonb, reason, params::jsonb from troubled"
    ))
    session().execute(text("truncate troubled"))


def forget_quarantined(delivery_id: UUID) -> None:
    """Removes a delivery's rows from quarantine, when it is withdrawn."""
    session().execute(text("delete from quarantine where delivery_id = :id"), {"id": delivery_id})
