"""Rows of a bank's file do not wait for ever: for a firm or a bank that never answers, for a report that never
agrees, for the bureau.

After the days of the edition in force a row waits no longer and its sender is told; nothing of the loan is changed. A row that
waited for the bureau ends with the booking that it became. Differences of a month-end list have endings of their own.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, text, update

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_
from app.core.notices import notify
from app.core.outbox import settle_each, timed
from app.core.permissions import Permission
from app.core.use_case import about, reading, use_case
from app.pool.batch_models import PoolBatch, PoolBatchRow
from app.pool.batch_rules import DIFFERENCES, BatchReason
from app.pool.ruleset import RULE_2025, RuleSet
from app.pool.service import rule_set_on

LAPSING = (BatchReason.WAITS_FIRM, BatchReason.WAITS_BANK, *DIFFERENCES)
_DECIDED = text("""
update pool_batch_row w set settled_at = :at, outcome = case when b.state in ('BOOKED', 'CLAIMED') then 'done' else 'refused' end
from booking b where b.batch_id = w.batch_id and b.loan_id = w.loan_id and b.state <> 'SUBMITTED'
  and w.ending = 'waiting' and w.settled_at is null and w.reason = 'waits_bureau'
""")


def wait_days() -> int:
    """How long a row waits, by the edition in force today."""
    stored = rule_set_on(today())
    return (RuleSet.from_json(stored.rules) if stored else RULE_2025).batch_wait_days


@timed("pool.batch_waits")
def end_waits(ctx: Context) -> int:
    """Ends the waits whose days are over, file by file, and those that the bureau has decided; returns how many files."""
    with reading(ctx, Permission.CLAIM_TICK) as db:
        waits = select(PoolBatchRow.row_no).where(
            PoolBatchRow.batch_id == PoolBatch.id, PoolBatchRow.ending == "waiting", PoolBatchRow.settled_at.is_(None),
        )
        overdue = PoolBatch.finished_at < now() - timedelta(days=wait_days())
        due = list(db.scalars(select(PoolBatch.id).where(
            overdue & waits.where(PoolBatchRow.reason.in_(LAPSING)).exists()).order_by(PoolBatch.number)))
        decided = db.scalar(text("select exists (select 1 from pool_batch_row w join booking b on b.batch_id = w.batch_id "
                                 "and b.loan_id = w.loan_id and b.state <> 'SUBMITTED' where w.ending = 'waiting' "
                                 "and w.settled_at is null and w.reason = 'waits_bureau')"))
    if decided:
        settle_decided(ctx)
    return settle_each(due, lambda batch_id: lapse(ctx, batch_id), "waiting rows of file")


@use_case(Permission.CLAIM_TICK, "batch.settle_decided")
def settle_decided(ctx: Context) -> None:
    """Rows that waited for the bureau end as the booking ended that they became."""
    session().execute(_DECIDED, {"at": now()})
    about()


@use_case(Permission.CLAIM_TICK, "batch.lapse")
def lapse(ctx: Context, batch_id: UUID) -> int:
    """Rows of a file that have waited long enough wait no longer; the bank is told how many. Returns 1 where there were any."""
    batch = get_or_404(PoolBatch, batch_id, lock=True)
    gone = list(session().scalars(update(PoolBatchRow).where(
        PoolBatchRow.batch_id == batch_id, PoolBatchRow.ending == "waiting", PoolBatchRow.settled_at.is_(None),
        PoolBatchRow.reason.in_(LAPSING),
    ).values(settled_at=now(), outcome="lapsed").returning(PoolBatchRow.row_no)))
    about(batch, rows=len(gone))
    if not gone:
        return 0
    notify(batch.org_id, N_("文件 %(name)s 有 %(n)s 行等待超过 %(days)s 天，已不再等待；仍需办理的请重新报送。"),
           path=f"/pool/batches/{batch.id}", name=batch.filename, n=len(gone), days=wait_days())
    return 1
