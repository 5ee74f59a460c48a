"""Policies ask who is there once a statement instead of once a row; what each of them lets through stays as it was.

The planner no longer knows the answer beforehand and counts on more rows than a firm or a bank sees, so that it is told what the
functions of policies that look into other tables cost: some 50 µs a row, not the 0.25 of a page that it assumes. Otherwise it
would rather read all organisations, and ask of each who may know it, than look up the few that it needs.

A restructure of a loan is kept: the days before it stay judged by the due dates of then, and its interest is told. The sums of a
schedule are looked at again where one of them changed, not whenever a class or a day did.
"""

from alembic import op
from sqlalchemy import text

from migrations.tools import append_only, guard, once, run

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None

POLICIES = text("""
select format('%I on %I.%I', policyname, schemaname, tablename) as policy, qual as using, with_check as "with check"
from pg_policies where schemaname = 'public'
""")

FUNCTIONS = text("""
select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace and proname like 'hq\\_%'
  and prosecdef and pronargs > 0 and prorettype = 'boolean'::regtype
""")
COST = 2000
CLASSES = "('NORMAL', 'SPECIAL_MENTION', 'SUBSTANDARD', 'DOUBTFUL', 'LOSS')"
RESTRUCTURES = f"""
create table loan_restructure (
  id uuid constraint pk_loan_restructure primary key,
  loan_id uuid not null constraint fk_loan_restructure_loan_id references loan,
  agreed_on date not null,
  due_before date not null,
  due_on date not null,
  class_before text not null constraint ck_loan_restructure_class check (class_before in {CLASSES}),
  interest_fen bigint not null constraint ck_loan_restructure_interest check (interest_fen >= 0),
  reported_by uuid,
  reported_at timestamptz not null,
  constraint ck_loan_restructure_later check (due_on > due_before and due_on > agreed_on)
);
create index ix_loan_restructure_loan_id on loan_restructure (loan_id, agreed_on);

-- What was agreed at the drawdown, where a restructure changed it.
alter table instalment add column first_due_on date, add column first_interest_fen bigint,
  add constraint ck_instalment_first check ((first_due_on is null) = (first_interest_fen is null)),
  add constraint ck_instalment_put_off check (first_due_on < due_on and first_interest_fen between 0 and interest_fen);
"""
ADDS_UP = """
drop trigger instalment_adds_up on instalment;
drop trigger loan_adds_up on loan;
create constraint trigger instalment_adds_up after insert or delete on instalment
  deferrable initially deferred for each row execute function hq_schedule_adds_up();
create constraint trigger loan_adds_up after insert on loan
  deferrable initially deferred for each row execute function hq_schedule_adds_up();
create constraint trigger instalment_still_adds_up after update on instalment
  deferrable initially deferred for each row
  when ((old.loan_id, old.principal_fen, old.principal_left_fen) is distinct from
        (new.loan_id, new.principal_fen, new.principal_left_fen))
  execute function hq_schedule_adds_up();
create constraint trigger loan_still_adds_up after update on loan
  deferrable initially deferred for each row
  when ((old.state, old.principal_fen, old.principal_repaid_fen) is distinct from
        (new.state, new.principal_fen, new.principal_repaid_fen))
  execute function hq_schedule_adds_up();
"""
SEEN = "exists (select 1 from loan l where l.id = loan_id)"
KEPT = "exists (select 1 from loan l where l.id = loan_id and (l.org_id = hq_org() or hq_kind() = 'system'))"


def upgrade() -> None:
    run(RESTRUCTURES)
    append_only("loan_restructure")
    guard("loan_restructure", see=SEEN, write=KEPT)
    run(ADDS_UP)
    for function in op.get_bind().execute(FUNCTIONS).scalars().all():
        run(f"alter function {function} cost {COST}")
    for found in op.get_bind().execute(POLICIES).mappings().all():
        parts = [f"{word} ({once(found[word])})" for word in ("using", "with check") if found[word] is not None]
        if any(once(found[word]) != found[word] for word in ("using", "with check") if found[word] is not None):
            run(f"alter policy {found['policy']} {' '.join(parts)}")
