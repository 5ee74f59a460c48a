"""Runs of scoring: every firm, or those that something touched, in chunks that a worker settles one by one."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TABLES = """
create table scoring_run (
  id uuid constraint pk_scoring_run primary key,
  cause text not null constraint ck_scoring_run_cause check (cause in ('asked', 'model', 'delivery', 'take_back')),
  asked_at timestamptz not null,
  asked_by uuid constraint fk_scoring_run_asked_by references person,
  firms bigint not null constraint ck_scoring_run_firms check (firms > 0),
  constraint ck_scoring_run_asked check ((cause = 'asked') = (asked_by is not null))
);
create index ix_scoring_run_asked_at on scoring_run (asked_at);

create table scoring_chunk (
  run_id uuid not null constraint fk_scoring_chunk_run_id references scoring_run,
  no bigint not null,
  firm_ids uuid[] not null constraint ck_scoring_chunk_firm_ids check (cardinality(firm_ids) > 0),
  started_at timestamptz,
  done_at timestamptz,
  scored bigint,
  constraint pk_scoring_chunk primary key (run_id, no),
  constraint ck_scoring_chunk_done check (num_nonnulls(started_at, done_at, scored) in (0, 3) and started_at <= done_at)
);
create index ix_scoring_chunk_open on scoring_chunk (run_id) where done_at is null;
"""
SEEN = "hq_kind() in ('system', 'platform')"


def upgrade() -> None:
    run(TABLES)
    grant("scoring_run", "select, insert")
    guard("scoring_run", see=SEEN, write=SYSTEM)
    grant("scoring_chunk", "select, insert, update")
    guard("scoring_chunk", see=SEEN, write=SYSTEM, change=SYSTEM)
