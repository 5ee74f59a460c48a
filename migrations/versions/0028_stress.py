"""Stress tests of the pool: what was assumed, and what a worker computed once."""

from migrations.tools import APP, grant, run

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

TABLES = """
create table stress_run (
  id uuid constraint pk_stress_run primary key,
  asked_by uuid not null constraint fk_stress_run_asked_by references person,
  asked_at timestamptz not null,
  rule_set_id uuid not null constraint fk_stress_run_rule_set_id references rule_set,
  other_id uuid constraint fk_stress_run_other_id references rule_set,
  other_method text constraint ck_stress_run_other_method check (other_method in ('BRACKET', 'MARGINAL')),
  years bigint not null constraint ck_stress_run_years check (years between 100 and 20000),
  seed bigint not null constraint ck_stress_run_seed check (seed >= 0),
  budget_fen bigint not null constraint ck_stress_run_budget_fen check (budget_fen >= 0),
  assumed jsonb not null,
  told jsonb,
  done_at timestamptz,
  constraint ck_stress_run_other check ((other_id is null) = (other_method is null)),
  constraint ck_stress_run_done check ((told is null) = (done_at is null) and done_at >= asked_at)
);
create index ix_stress_run_asked_at on stress_run (asked_at);
alter table stress_run enable row level security;
"""
SEEN = "hq_kind() in ('system', 'bureau')"


def upgrade() -> None:
    run(TABLES)
    grant("stress_run", "select, insert, update (told, done_at)")
    run(f"create policy see on stress_run for select to {APP} using ({SEEN})")
    run(f"create policy write on stress_run for insert to {APP} with check (hq_kind() = 'bureau' and told is null)")
    # An answer stands: only a test without one takes it, and only from the portal itself.
    run(f"""create policy change on stress_run for update to {APP} using (hq_kind() = 'system' and told is null)
            with check (hq_kind() = 'system' and told is not null)""")
