"""Rows of a bank's file that waited too long, and the largest loan of a file, for which its releaser answers."""

from migrations.tools import run

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("""
alter table pool_batch_row drop constraint ck_pool_batch_row_outcome;
alter table pool_batch_row add constraint ck_pool_batch_row_outcome
  check (outcome in ('done', 'known', 'waiting', 'refused', 'lapsed'));
alter table pool_batch add column largest_fen bigint,
  add constraint ck_pool_batch_largest check (largest_fen is null or largest_fen between 0 and amount_fen);
create index ix_pool_batch_row_unsettled on pool_batch_row (batch_id) where ending = 'waiting' and settled_at is null;
""")
