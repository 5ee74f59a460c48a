"""Files of loans that a bank sends to the pool: batches with the ending of each row, rows that wait or were refused."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

BATCH = """
create sequence pool_batch_number_seq;
grant usage on sequence pool_batch_number_seq to huiqiao_app;
create table pool_batch (
  id uuid constraint pk_pool_batch primary key,
  number bigint not null constraint uq_pool_batch_number unique,
  org_id uuid not null,
  org_kind text not null constraint ck_pool_batch_org_kind check (org_kind = 'bank'),
  kind text not null constraint ck_pool_batch_kind check (kind in ('booking')),
  filename text not null,
  media_type text not null,
  size bigint not null constraint ck_pool_batch_size check (size > 0),
  sha256 bytea not null constraint ck_pool_batch_sha256 check (length(sha256) = 32),
  channel text not null constraint ck_pool_batch_channel check (channel in ('upload', 'push')),
  state text not null constraint ck_pool_batch_state
    check (state in ('RECEIVED', 'READY', 'RELEASED', 'DONE', 'FAILED', 'REFUSED', 'WITHDRAWN')),
  phase text constraint ck_pool_batch_phase check (phase in ('reading', 'storing')),
  progress_rows bigint not null,
  rows_total bigint,
  rows_done bigint,
  rows_known bigint,
  rows_waiting bigint,
  rows_refused bigint,
  amount_fen bigint,
  failure text,
  failure_params jsonb not null,
  submitted_on date not null,
  prepared_at timestamptz not null,
  prepared_by uuid,
  branch_id uuid,
  released_at timestamptz,
  released_by uuid,
  started_at timestamptz,
  finished_at timestamptz,
  constraint fk_pool_batch_org_id foreign key (org_id, org_kind) references organisation (id, kind),
  constraint uq_pool_batch_id_org_id unique (id, org_id),
  -- No row of a file gets lost on the way: what came in is the sum of what became of it.
  constraint ck_pool_batch_adds_up check (state not in ('READY', 'RELEASED', 'DONE') or coalesce(
    rows_done >= 0 and rows_known >= 0 and rows_waiting >= 0 and rows_refused >= 0
    and rows_done + rows_known + rows_waiting + rows_refused = rows_total, false)),
  constraint ck_pool_batch_failure check ((state = 'FAILED') = (failure is not null)),
  constraint ck_pool_batch_released check ((released_by is null) = (released_at is null)),
  -- Who prepared a file does not release it; a machine prepares for nobody.
  constraint ck_pool_batch_two_people check (released_by is null or released_by is distinct from prepared_by),
  constraint ck_pool_batch_second check (state not in ('RELEASED', 'DONE') or released_by is not null)
);
create index ix_pool_batch_org_id on pool_batch (org_id, prepared_at);

-- What was sent stays as it was sent, and what one person released is not released again by another.
create function hq_pool_batch_frozen() returns trigger language plpgsql as $$
begin
  if (old.org_id, old.kind, old.sha256, old.prepared_by, old.submitted_on)
     is distinct from (new.org_id, new.kind, new.sha256, new.prepared_by, new.submitted_on)
     or (old.released_by is not null and (new.released_by, new.released_at)
         is distinct from (old.released_by, old.released_at) and new.state <> 'RECEIVED') then
    raise exception 'a batch is not edited' using errcode = 'check_violation', constraint = 'ck_pool_batch_frozen';
  end if;
  return new;
end $$;
create trigger pool_batch_frozen before update on pool_batch for each row execute function hq_pool_batch_frozen();

create table pool_batch_row (
  batch_id uuid not null,
  org_id uuid not null,
  row_no bigint not null,
  ending text not null constraint ck_pool_batch_row_ending check (ending in ('waiting', 'refused')),
  reason text not null,
  params jsonb not null,
  raw jsonb not null,
  note_no text,
  loan_id uuid constraint fk_pool_batch_row_loan_id references loan,
  settled_at timestamptz,
  outcome text constraint ck_pool_batch_row_outcome check (outcome in ('done', 'known', 'waiting', 'refused')),
  constraint pk_pool_batch_row primary key (batch_id, row_no),
  constraint fk_pool_batch_row_batch_id foreign key (batch_id, org_id) references pool_batch (id, org_id),
  constraint ck_pool_batch_row_settled check ((settled_at is null) = (outcome is null)
    and (outcome is null or ending = 'waiting')),
  constraint ck_pool_batch_row_waiting check (ending = 'refused' or note_no is not null)
);
create index ix_pool_batch_row_waiting on pool_batch_row (org_id, note_no) where ending = 'waiting' and settled_at is null;
create index ix_pool_batch_row_loan_id on pool_batch_row (loan_id) where loan_id is not null;

-- Banks push files of loans with keys of the same kind.
alter table provider_key drop constraint ck_provider_key_provider_kind;
alter table provider_key add constraint ck_provider_key_provider_kind check (provider_kind in ('data_provider', 'bank'));

alter table booking add column batch_id uuid constraint fk_booking_batch_id references pool_batch;
"""


def upgrade() -> None:
    run(BATCH)
    own = f"org_id = hq_org() or {SYSTEM}"
    grant("pool_batch", "select, insert, update")
    guard("pool_batch", see=own, write=own, change=own)
    grant("pool_batch_row", "select, insert, update, delete")
    guard("pool_batch_row", see=own, write=SYSTEM, change=SYSTEM, remove=SYSTEM)
