"""What banks report of their loans at the end of a month, by the file; a loan that was restructured."""

from migrations.tools import SYSTEM, append_only, guard, run

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

CLASSES = "('NORMAL', 'SPECIAL_MENTION', 'SUBSTANDARD', 'DOUBTFUL', 'LOSS')"
REPORTS = f"""
alter table loan add column restructured_on date,
  add constraint ck_loan_restructured check (restructured_on is null or restructured_on >= drawn_on);
alter table pool_batch drop constraint ck_pool_batch_kind;
alter table pool_batch add constraint ck_pool_batch_kind check (kind in ('booking', 'report'));

-- A row of a bank's monthly report as it was taken: what tells a row that comes again from one that says something else.
create table pool_report (
  batch_id uuid not null,
  row_no bigint not null,
  org_id uuid not null,
  loan_id uuid not null constraint fk_pool_report_loan_id references loan,
  as_of date not null,
  balance_fen bigint not null constraint ck_pool_report_balance check (balance_fen >= 0),
  five_class text not null constraint ck_pool_report_class check (five_class in {CLASSES}),
  overdue_days bigint not null constraint ck_pool_report_days check (overdue_days >= 0),
  paid_fen bigint not null constraint ck_pool_report_paid check (paid_fen >= 0),
  paid_on date not null,
  change text constraint ck_pool_report_change check (change in ('PREPAYMENT', 'RESTRUCTURE', 'RENEWAL')),
  due_on date,
  new_note_no text,
  reported_at timestamptz not null,
  constraint pk_pool_report primary key (batch_id, row_no),
  constraint fk_pool_report_batch_id foreign key (batch_id, org_id) references pool_batch (id, org_id),
  -- One file tells of a loan once.
  constraint uq_pool_report_loan unique (loan_id, as_of, batch_id),
  constraint ck_pool_report_restructure check ((change is not distinct from 'RESTRUCTURE') = (due_on is not null)),
  constraint ck_pool_report_renewal check ((change is not distinct from 'RENEWAL') = (new_note_no is not null)),
  constraint ck_pool_report_prepaid check (change is distinct from 'PREPAYMENT' or paid_fen > 0)
);
"""


def upgrade() -> None:
    run(REPORTS)
    append_only("pool_report")
    guard("pool_report", see=f"org_id = hq_org() or hq_kind() = 'bureau' or {SYSTEM}", write=SYSTEM)
