"""Steps that run against a limit are rows; reminders go out once each, and what is over is over at once."""

from migrations.tools import OWN, SYSTEM, grant, guard, run

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

CLOCK = """
create table clock (
  id uuid constraint pk_clock primary key,
  step text not null constraint ck_clock_step check (step in (
    'DESK_CHECK', 'CHOICE', 'DECISION', 'DRAWDOWN_REPORT', 'QUESTION', 'CONSULTATION', 'COMPLAINT')),
  subject_type text not null,
  subject_id uuid not null,
  org_id uuid not null constraint fk_clock_org_id references organisation,
  case_id uuid constraint fk_clock_case_id references case_file,
  path text,
  started_at timestamptz not null,
  target_at timestamptz not null,
  limit_at timestamptz not null,
  told bigint not null constraint ck_clock_told check (told between 0 and 100),
  next_check_at timestamptz,
  ended_at timestamptz,
  outcome text constraint ck_clock_outcome check (outcome in ('KEPT', 'LATE', 'CANCELLED')),
  constraint ck_clock_times check (started_at <= target_at and target_at <= limit_at),
  constraint ck_clock_ended check ((ended_at is null) = (outcome is null) and (ended_at is null or next_check_at is null))
);
create unique index uq_clock_live on clock (step, subject_id, org_id) where ended_at is null;
create index ix_clock_next_check_at on clock (next_check_at) where next_check_at is not null;
create index ix_clock_org_id on clock (org_id, limit_at);
create index ix_clock_subject_id on clock (subject_id);

-- A reminder that went out is not unsaid, and what ended stays as it ended.
create function hq_clock_gate() returns trigger language plpgsql as $$
begin
  if new.told < old.told or old.ended_at is not null
     or (old.step, old.subject_type, old.subject_id, old.org_id, old.started_at, old.target_at, old.limit_at)
        is distinct from
        (new.step, new.subject_type, new.subject_id, new.org_id, new.started_at, new.target_at, new.limit_at) then
    raise exception 'a clock only runs forward' using errcode = 'check_violation', constraint = 'ck_clock_forward';
  end if;
  return new;
end $$;
create trigger clock_gate before update on clock for each row execute function hq_clock_gate();

-- Whatever way a firm's choice ends (a bank chosen, taken back, lapsed), its clock ends with it.
create function hq_need_clock() returns trigger language plpgsql security definer set search_path = public as $$
begin
  update clock set ended_at = now(), next_check_at = null,
      outcome = case when new.state <> 'CHOSEN' then 'CANCELLED' when now() <= limit_at then 'KEPT' else 'LATE' end
    where subject_id = new.id and step = 'CHOICE' and ended_at is null;
  return null;
end $$;
create trigger need_clock after update of state on need for each row
  when (old.state = 'CLOSED' and new.state <> 'CLOSED') execute function hq_need_clock();
"""


def upgrade() -> None:
    run(CLOCK)
    grant("clock", "select, insert, update (told, next_check_at, ended_at, outcome)")
    guard("clock", see=f"{OWN} or hq_kind() in ('bureau', 'platform') or {SYSTEM}", write=SYSTEM, change=SYSTEM)
