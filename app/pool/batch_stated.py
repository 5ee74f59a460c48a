"""Rows of a guarantor's file that wait for the bank: its statement of the contract books them as of the day the file came."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.calendar import now
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_
from app.core.notices import notify
from app.core.outbox import handles
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.evidence.rows import typed
from app.pool.batch_guarantee import GuaranteeTaker
from app.pool.batch_items import ITEMS
from app.pool.batch_models import PoolBatch, PoolBatchRow
from app.pool.batch_offline import as_read
from app.pool.batch_rules import BatchReason
from app.pool.batch_service import sender_of
from app.pool.batch_states import BatchKind
from app.pool.guarantee_models import Guarantee


@handles("guarantee.stated", "pool.batch_stated", queue="long")
def _on_stated(ctx: Context, payload: dict[str, Any]) -> None:
    settle_contract(ctx, UUID(payload["contract_id"]))


@use_case(Permission.CLAIM_TICK, "batch.settle_stated")
def settle_contract(ctx: Context, contract_id: UUID) -> int:
    """A bank has stated a contract: the rows that waited for it are judged and booked. Returns how many."""
    contract = get_or_404(Guarantee, contract_id)
    rows = list(session().scalars(select(PoolBatchRow).where(
        PoolBatchRow.org_id == contract.guarantor_id, PoolBatchRow.note_no == contract.facts["note_no"],
        PoolBatchRow.settled_at.is_(None), PoolBatchRow.reason == BatchReason.WAITS_BANK,
        PoolBatchRow.params["contract"].astext == contract.contract_no,
    ).order_by(PoolBatchRow.batch_id)))
    for row in rows:
        _settle(ctx, row)
    about(case_id=contract.case_id, rows=len(rows))
    return len(rows)


def _settle(ctx: Context, row: PoolBatchRow) -> None:
    batch, raw = get_or_404(PoolBatch, row.batch_id), as_read([row])
    taker = GuaranteeTaker(ctx, sender_of(batch), late=True)
    (ending,) = taker.take(typed(raw, ITEMS[BatchKind.GUARANTEE])[0], raw, released=True)
    taker.finish(released=True)
    if ending.ending in ("waiting", "refused"):
        row.reason, row.params = str(ending.reason), ending.params
    if ending.ending == "waiting":
        row.loan_id = ending.loan_id  # now it waits for the bureau
        return
    row.settled_at, row.outcome = now(), ending.ending
    if ending.ending == "refused":
        notify(batch.org_id, N_("借据 %(note)s 的担保合同银行已登记，但没有按文件入库，原因请看文件第 %(row)s 行。"),
               path=f"/pool/batches/{batch.id}", note=row.note_no or "", row=row.row_no)
