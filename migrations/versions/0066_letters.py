"""The commitment letter is whole: the old note on it, what is still open, how long it lasts, and whether it was kept."""

from migrations.tools import APP, OWN, SYSTEM, grant, guard, run

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None

KINDS = "('COLLATERAL', 'GUARANTOR', 'INSURANCE', 'INTEREST', 'PAPERS', 'RECORD', 'OTHER')"

LETTERS = f"""
alter table commitment
  add column borrower_uscc text,
  add column old_note_no text,
  add column old_due_fen bigint constraint ck_commitment_old_due check (old_due_fen > 0),
  add column old_due_on date,
  add column noticed_at timestamptz,
  add column expired_at timestamptz,
  add column next_check_at timestamptz;
update commitment c set borrower_uscc = e.uscc, old_note_no = b.old_note_no, old_due_fen = b.old_due_fen,
  old_due_on = b.old_due_on, next_check_at = case when c.state = 'LIVE' then now() end
  from bridge b join enterprise e on e.id = b.firm_id where b.id = c.bridge_id;
alter table commitment
  alter column borrower_uscc set not null,
  alter column old_note_no set not null,
  alter column old_due_fen set not null,
  alter column old_due_on set not null,
  drop constraint ck_commitment_state,
  add constraint ck_commitment_state check (state in ('LIVE', 'REPLACED', 'WITHDRAWN', 'EXPIRED')),
  add constraint ck_commitment_expired check ((state = 'EXPIRED') = (expired_at is not null));
create index ix_commitment_next_check_at on commitment (next_check_at) where next_check_at is not null;

-- A new letter names its branch and lasts until the old note falls due; letters from before this rule may not.
create function hq_commitment_whole() returns trigger language plpgsql as $$
begin
  if length(trim(new.branch)) = 0 then
    raise exception 'a letter names its branch' using errcode = 'check_violation', constraint = 'ck_commitment_branch';
  end if;
  if new.latest_drawdown_on < new.old_due_on or new.valid_until < new.old_due_on then
    raise exception 'a letter lasts until the old note is due' using errcode = 'check_violation',
      constraint = 'ck_commitment_dates';
  end if;
  return new;
end $$;
create trigger commitment_whole before insert on commitment for each row execute function hq_commitment_whole();

-- A signed letter is never rewritten: it ends, or another one takes its place.
create function hq_commitment_frozen() returns trigger language plpgsql as $$
begin
  if (to_jsonb(new) - array['state', 'noticed_at', 'expired_at', 'next_check_at'])
     is distinct from (to_jsonb(old) - array['state', 'noticed_at', 'expired_at', 'next_check_at'])
     or (old.state <> 'LIVE' and new.state <> old.state) then
    raise exception 'a signed letter is not changed' using errcode = 'check_violation', constraint = 'ck_commitment_frozen';
  end if;
  return new;
end $$;
create trigger commitment_frozen before update on commitment for each row execute function hq_commitment_frozen();

-- What had still to come about when the letter was signed. Only what is still open can excuse a promise that was not kept.
create table commitment_condition (
  id uuid constraint pk_commitment_condition primary key,
  commitment_id uuid not null constraint fk_commitment_condition_commitment_id references commitment,
  org_id uuid not null constraint fk_commitment_condition_org_id references organisation,
  kind text not null constraint ck_commitment_condition_kind check (kind in {KINDS}),
  met_on date,
  met_by uuid,
  constraint uq_commitment_condition_kind unique (commitment_id, kind),
  constraint ck_commitment_condition_met check ((met_on is null) = (met_by is null))
);
create table commitment_outcome (
  id uuid constraint pk_commitment_outcome primary key,
  bridge_id uuid not null constraint uq_commitment_outcome_bridge_id unique
    constraint fk_commitment_outcome_bridge_id references bridge,
  commitment_id uuid not null constraint fk_commitment_outcome_commitment_id references commitment,
  org_id uuid not null constraint fk_commitment_outcome_org_id references organisation,
  firm_id uuid not null constraint fk_commitment_outcome_firm_id references enterprise,
  outcome text not null constraint ck_commitment_outcome_outcome check (outcome in ('KEPT', 'BROKEN', 'EXCUSED')),
  breaches jsonb not null,
  excuse text constraint ck_commitment_outcome_excuse check (excuse in {KINDS}),
  after_payout boolean not null,
  judged_on date not null,
  judged_at timestamptz not null,
  constraint ck_commitment_outcome_kept check ((outcome = 'KEPT') = (jsonb_array_length(breaches) = 0)),
  constraint ck_commitment_outcome_excused check ((outcome = 'EXCUSED') = (excuse is not null))
);
create index ix_commitment_outcome_org_id on commitment_outcome (org_id, judged_on);

-- How a bank keeps its word is told to every firm and bank as counts, without a case.
create function hq_promise_counts(since date) returns table (org_id uuid, kept bigint, broken bigint, excused bigint)
  language sql stable security definer set search_path = public as
  $$ select o.org_id, count(*) filter (where o.outcome = 'KEPT'), count(*) filter (where o.outcome = 'BROKEN'),
       count(*) filter (where o.outcome = 'EXCUSED')
     from commitment_outcome o where hq_kind() is not null and o.judged_on >= $1 group by o.org_id $$;
revoke execute on function hq_promise_counts(date) from public;
"""


def upgrade() -> None:
    run(LETTERS)
    run(f"grant execute on function hq_promise_counts(date) to {APP}")
    grant("commitment_condition", "select, insert, update (met_on, met_by)")
    guard("commitment_condition", see="exists (select 1 from commitment c where c.id = commitment_id)",
          write=f"{OWN} or {SYSTEM}", change=f"{OWN} or {SYSTEM}")
    grant("commitment_outcome", "select, insert, update")
    guard("commitment_outcome",
          see=f"{OWN} or firm_id = hq_org() or hq_kind() in ('bridge_centre', 'bureau') or {SYSTEM}",
          write=SYSTEM, change=SYSTEM)
    run("create policy proved on commitment_outcome as restrictive for select to huiqiao_app using ((select hq_proved()))")
