"""The model register: a model's life with its two persons, trainings, reports for the bureau, expectations of loans."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

GOVERNED = "hq_kind() in ('platform', 'bureau')"

MODEL = """
drop trigger model_kept on scoring_model;
drop function hq_model_kept();
drop index uq_scoring_model_active;
alter table scoring_model
  add column state text,
  add column origin text,
  add column note text,
  -- activated by the portal itself: there was no model yet, or the register did not exist
  add column first_start boolean not null default false,
  add column proposed_by uuid constraint fk_scoring_model_proposed_by references person,
  add column approved_by uuid constraint fk_scoring_model_approved_by references person,
  add column activated_by uuid constraint fk_scoring_model_activated_by references person,
  add column recalled_by uuid constraint fk_scoring_model_recalled_by references person,
  add column restored_by uuid constraint fk_scoring_model_restored_by references person,
  add column activated_at timestamptz,
  alter column window_from drop not null,
  alter column window_to drop not null;
update scoring_model set state = case when active then 'active' else 'retired' end, origin = 'trained', first_start = true,
  activated_at = registered_at;
alter table scoring_model
  drop column active,
  alter column state set not null,
  alter column origin set not null,
  alter column first_start drop default,
  add constraint ck_scoring_model_state
    check (state in ('candidate', 'approved', 'active', 'retired', 'recalled', 'refused')),
  add constraint ck_scoring_model_origin check (origin in ('trained', 'uploaded', 'file')),
  add constraint ck_scoring_model_approved check (
    state in ('candidate', 'refused') or first_start or approved_by is not null),
  add constraint ck_scoring_model_two_persons check (approved_by <> proposed_by),
  add constraint ck_scoring_model_activated_two_persons check (activated_by <> approved_by),
  add constraint ck_scoring_model_restored_two_persons check (restored_by <> recalled_by),
  add constraint ck_scoring_model_activated check (
    state not in ('active', 'retired', 'recalled') or (activated_at is not null and (first_start or activated_by is not null)));
create unique index uq_scoring_model_active on scoring_model (state) where state = 'active';

create table model_training (
  id uuid constraint pk_model_training primary key,
  data text not null constraint ck_model_training_data check (data in ('synthetic', 'real')),
  state text not null constraint ck_model_training_state check (state in ('asked', 'done', 'failed')),
  note text not null,
  asked_at timestamptz not null,
  asked_by uuid not null constraint fk_model_training_asked_by references person,
  ended_at timestamptz,
  model_id uuid constraint fk_model_training_model_id references scoring_model,
  output text,
  constraint ck_model_training_ended check ((state = 'asked') = (ended_at is null)),
  constraint ck_model_training_done check ((state = 'done') = (model_id is not null))
);
create unique index uq_model_training_open on model_training (state) where state = 'asked';
create index ix_model_training_asked_at on model_training (asked_at);

-- Aggregates alone: nothing in content speaks of fewer than ten firms.
create table model_report (
  id uuid constraint pk_model_report primary key,
  kind text not null constraint ck_model_report_kind check (kind in ('comparison', 'fairness', 'drift')),
  model_id uuid not null constraint fk_model_report_model_id references scoring_model,
  other_id uuid constraint fk_model_report_other_id references scoring_model,
  state text not null constraint ck_model_report_state check (state in ('asked', 'done', 'failed')),
  asked_at timestamptz not null,
  asked_by uuid constraint fk_model_report_asked_by references person,
  ended_at timestamptz,
  firms bigint,
  content jsonb not null,
  constraint ck_model_report_other check ((kind = 'comparison') = (other_id is not null) and other_id <> model_id),
  constraint ck_model_report_ended check ((state = 'asked') = (ended_at is null))
);
create unique index uq_model_report_open on model_report (kind, model_id, other_id) nulls not distinct where state = 'asked';
create index ix_model_report_kind on model_report (kind, asked_at);
create index ix_model_report_model_id on model_report (model_id);

-- What the profile said of the firm when a loan was drawn, to be held against what became of it (loan_outcome).
create table loan_expectation (
  loan_id uuid constraint pk_loan_expectation primary key,
  firm_id uuid not null constraint fk_loan_expectation_firm_id references enterprise,
  drawn_on date not null,
  model_id uuid not null constraint fk_loan_expectation_model_id references scoring_model,
  grade text not null,
  probability numeric(9, 6) not null constraint ck_loan_expectation_probability check (probability between 0 and 1)
);
create index ix_loan_expectation_firm_id on loan_expectation (firm_id);
create index ix_loan_expectation_model_id on loan_expectation (model_id);
"""

FUNCTIONS = """
-- The life of a model, kept by the database whatever the portal's code says: only known moves, each stamped with the person
-- who makes it; everything else of the row stays as it was.
create function hq_model_life() returns trigger language plpgsql as $$
declare before scoring_model := old;
begin
  before.state := new.state;
  if new.state = old.state then
    raise exception 'a model is kept as it was' using errcode = 'check_violation', constraint = 'ck_scoring_model_kept';
  elsif old.state = 'candidate' and new.state = 'approved' then
    before.approved_by := hq_actor();
  elsif old.state in ('candidate', 'approved') and new.state = 'refused' then
    null;
  elsif old.state = 'approved' and new.state = 'active' then
    before.activated_by := hq_actor();
    before.activated_at := new.activated_at;
  elsif old.state = 'active' and new.state = 'retired' then
    null;
  elsif old.state = 'retired' and new.state = 'recalled' then
    before.recalled_by := hq_actor();
    before.restored_by := null;
  elsif old.state = 'recalled' and new.state = 'retired' then
    before.restored_by := new.restored_by;
    if new.restored_by is not null then
      raise exception 'nobody restored it' using errcode = 'check_violation', constraint = 'ck_scoring_model_kept';
    end if;
  elsif old.state = 'recalled' and new.state = 'active' then
    before.restored_by := hq_actor();
    before.activated_at := new.activated_at;
  else
    raise exception 'a model does not go from % to %', old.state, new.state
      using errcode = 'check_violation', constraint = 'ck_scoring_model_life';
  end if;
  if new.state in ('approved', 'active', 'recalled') and hq_actor() is null then
    raise exception 'a person decides about a model' using errcode = 'check_violation', constraint = 'ck_scoring_model_person';
  end if;
  if new is distinct from before then
    raise exception 'a model is kept as it was' using errcode = 'check_violation', constraint = 'ck_scoring_model_kept';
  end if;
  return new;
end $$;
create trigger model_life before update on scoring_model for each row execute function hq_model_life();

-- A model is born a candidate, of whoever brings it. Only where none scores may the portal make one score at once.
create function hq_model_birth() returns trigger language plpgsql as $$
begin
  if (new.proposed_by is distinct from hq_actor() and not (hq_kind() = 'system' and exists (
        select 1 from model_training t where t.state = 'asked' and t.asked_by = new.proposed_by)))
     or num_nonnulls(new.approved_by, new.activated_by, new.recalled_by, new.restored_by) > 0 then
    raise exception 'a model names who brought it, and nobody else' using errcode = 'check_violation',
      constraint = 'ck_scoring_model_birth';
  end if;
  if new.state = 'candidate' and not new.first_start and new.activated_at is null then
    return new;
  end if;
  if new.state = 'active' and new.first_start and hq_kind() = 'system'
     and not exists (select 1 from scoring_model where state = 'active') then
    return new;
  end if;
  raise exception 'a model is born a candidate' using errcode = 'check_violation', constraint = 'ck_scoring_model_birth';
end $$;
create trigger model_birth before insert on scoring_model for each row execute function hq_model_birth();

-- Once a model has scored, some model scores: nobody takes the last one away.
create function hq_model_succession() returns trigger language plpgsql as $$
begin
  if not exists (select 1 from scoring_model where state = 'active') then
    raise exception 'no model would score' using errcode = 'check_violation', constraint = 'ck_scoring_model_succession';
  end if;
  return null;
end $$;
create constraint trigger model_succession after update on scoring_model deferrable initially deferred
  for each row when (old.state = 'active') execute function hq_model_succession();

"""


def upgrade() -> None:
    run(MODEL)
    run(FUNCTIONS)
    run("revoke update on scoring_model from huiqiao_app")
    grant("scoring_model", "update (state, approved_by, activated_by, recalled_by, restored_by, activated_at)")
    run("drop policy write on scoring_model")
    run("drop policy change on scoring_model")
    run(f"create policy write on scoring_model for insert to huiqiao_app with check ({SYSTEM} or hq_kind() = 'platform')")
    run(f"create policy change on scoring_model for update to huiqiao_app using ({GOVERNED}) with check ({GOVERNED})")
    run("create policy governed on transition for select to huiqiao_app "
        f"using (subject_type = 'scoring_model' and {GOVERNED})")
    grant("model_training", "select, insert, update (state, ended_at, model_id, output)")
    guard("model_training", see=f"{SYSTEM} or {GOVERNED}", write="hq_kind() = 'platform' and asked_by = hq_actor()",
          change=SYSTEM)
    grant("model_report", "select, insert, update (state, ended_at, firms, content)")
    guard("model_report", see=f"{SYSTEM} or {GOVERNED} or (kind = 'fairness' and hq_kind() = 'bank')",
          write=f"{SYSTEM} or ({GOVERNED} and asked_by = hq_actor())", change=SYSTEM)
    append_only("loan_expectation")
    guard("loan_expectation", see=f"{SYSTEM} or firm_id = hq_org()", write=SYSTEM)
