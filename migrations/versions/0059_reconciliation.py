"""Month-end reconciliation: which bank compared which month with its own file, every difference, and how it ended."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

RECONCILED = """
alter table pool_batch drop constraint ck_pool_batch_kind;
alter table pool_batch add constraint ck_pool_batch_kind check (kind in ('booking', 'report', 'reconcile'));
alter table pool_batch add column month date, add column notes_absent bigint,
  add constraint ck_pool_batch_month check (month is null or (kind = 'reconcile' and extract(day from month) = 1)),
  add constraint ck_pool_batch_absent check (notes_absent is null or (kind = 'reconcile' and notes_absent >= 0));

-- Append-only: a month may be compared again, and the newest file counts.
create table pool_reconciliation (
  batch_id uuid constraint pk_pool_reconciliation primary key,
  org_id uuid not null,
  month date not null constraint ck_pool_reconciliation_month check (extract(day from month) = 1),
  notes bigint not null,
  agreeing bigint not null,
  absent bigint not null,
  done_at timestamptz not null,
  done_by uuid not null,
  constraint fk_pool_reconciliation_batch_id foreign key (batch_id, org_id) references pool_batch (id, org_id),
  constraint ck_pool_reconciliation_counts check (agreeing between 0 and notes and absent >= 0)
);
create index ix_pool_reconciliation_org_id on pool_reconciliation (org_id, month, done_at);

create table pool_difference (
  id uuid constraint pk_pool_difference primary key,
  org_id uuid not null,
  month date not null constraint ck_pool_difference_month check (extract(day from month) = 1),
  note_no text not null,
  kind text not null constraint ck_pool_difference_kind
    check (kind in ('NOT_HERE', 'NOT_THERE', 'BALANCE', 'CLASS', 'DUE_ON')),
  batch_id uuid not null,
  row_no bigint,
  loan_id uuid constraint fk_pool_difference_loan_id references loan,
  theirs text,
  ours text,
  state text not null constraint ck_pool_difference_state check (state in ('OPEN', 'EXPLAINED', 'ENDED')),
  owner_id uuid,
  opened_on date not null,
  looked_on date not null,
  explained_by uuid,
  explanation text,
  ending text constraint ck_pool_difference_ending check (ending in ('CORRECTED', 'EXPLAINED', 'DISMISSED')),
  ended_by uuid,
  ended_on date,
  constraint fk_pool_difference_batch_id foreign key (batch_id, org_id) references pool_batch (id, org_id),
  -- One difference is one difference however often its file comes; who owns it and how old it is do not begin anew.
  constraint uq_pool_difference_note unique (org_id, month, note_no, kind),
  constraint ck_pool_difference_ended check ((state = 'ENDED') = (ending is not null and ended_on is not null)
    and (state = 'ENDED' or (ending is null and ended_on is null and ended_by is null))),
  constraint ck_pool_difference_explained check ((explained_by is null) = (explanation is null)
    and (state <> 'EXPLAINED' or explained_by is not null)),
  -- An explanation is two people's word; a dismissal is somebody's of the bureau.
  constraint ck_pool_difference_two_people check (ending is distinct from 'EXPLAINED'
    or (explained_by is not null and ended_by is not null and ended_by <> explained_by)),
  constraint ck_pool_difference_dismissed check (ending is distinct from 'DISMISSED' or ended_by is not null)
);
create index ix_pool_difference_open on pool_difference (org_id, month) where state <> 'ENDED';

create table pool_reconcile_reminder (
  org_id uuid not null constraint fk_pool_reconcile_reminder_org_id references organisation,
  month date not null,
  working_days bigint not null,
  at timestamptz not null,
  constraint pk_pool_reconcile_reminder primary key (org_id, month, working_days)
);
"""


def upgrade() -> None:
    run(RECONCILED)
    seen = f"org_id = hq_org() or hq_kind() = 'bureau' or {SYSTEM}"
    append_only("pool_reconciliation")
    guard("pool_reconciliation", see=seen, write=SYSTEM)
    grant("pool_difference", "select, insert, update")
    guard("pool_difference", see=seen, write=SYSTEM, change=seen)
    append_only("pool_reconcile_reminder")
    guard("pool_reconcile_reminder", see=seen, write=SYSTEM)
