"""申诉: a firm holds something against a bank's refusal, once, and somebody else of that bank answers in time."""

from migrations.tools import APP, OWN, SYSTEM, grant, guard, run

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None

ANSWERED = "'UPHELD', 'WITHDRAWN'"
BY_HAND = "array['state', 'answer', 'answered_at', 'answered_by', 'remedy', 'ended_at', 'next_check_at', 'escalated_at']"

TABLE = f"""
create table appeal (
  id uuid constraint pk_appeal primary key,
  need_id uuid not null constraint fk_appeal_need_id references need,
  org_id uuid not null constraint fk_appeal_org_id references enterprise,
  case_id uuid not null constraint fk_appeal_case_id references case_file,
  bank_id uuid not null constraint fk_appeal_bank_id references organisation,
  refusal_id uuid constraint fk_appeal_refusal_id references need_refusal constraint uq_appeal_refusal_id unique,
  choice_id uuid constraint fk_appeal_choice_id references choice_refusal constraint uq_appeal_choice_id unique,
  refused_by uuid,
  card jsonb not null constraint ck_appeal_card check (jsonb_typeof(card) = 'object'),
  text text not null constraint ck_appeal_text check (length(btrim(text)) between 1 and 500),
  state text not null constraint ck_appeal_state check (state in ('OPEN', {ANSWERED}, 'DROPPED')),
  at timestamptz not null,
  by uuid,
  target_at timestamptz not null,
  limit_at timestamptz not null,
  next_check_at timestamptz,
  escalated_at timestamptz,
  answer text constraint ck_appeal_answer check (length(btrim(answer)) between 1 and 500),
  answered_at timestamptz,
  answered_by uuid,
  remedy text constraint ck_appeal_remedy check (remedy in ('RECALLED', 'AGAIN')),
  ended_at timestamptz,
  constraint ck_appeal_one_refusal check (num_nonnulls(refusal_id, choice_id) = 1),
  constraint ck_appeal_times check (target_at <= limit_at),
  constraint ck_appeal_answered check ((state in ({ANSWERED})) = (answer is not null)
    and (answer is null) = (answered_at is null) and (answer is null) = (answered_by is null)),
  constraint ck_appeal_withdrawn check ((state = 'WITHDRAWN') = (remedy is not null)),
  constraint ck_appeal_ended check ((state = 'OPEN') = (ended_at is null) and (ended_at is null or next_check_at is null)),
  -- Whoever refused does not judge what is held against it.
  constraint ck_appeal_other_person check (answered_by <> refused_by)
);
create index ix_appeal_need_id on appeal (need_id);
create index ix_appeal_org_id on appeal (org_id, at);
create index ix_appeal_bank_id on appeal (bank_id, at);
create index ix_appeal_next_check_at on appeal (next_check_at) where next_check_at is not null;
"""

GATES = f"""
-- Whose refusal it is and who spoke it, the database writes down itself.
create function hq_appeal_filed() returns trigger language plpgsql security definer set search_path = public as $$
declare found record;
begin
  if new.refusal_id is not null then
    select r.org_id as bank, r.refused_by as person into found from need_refusal r join need n on n.id = r.need_id
      where r.id = new.refusal_id and (n.id, n.org_id, n.case_id) = (new.need_id, new.org_id, new.case_id)
        and hq_seal_open(r.seal_id);
  else
    select c.bank_org_id as bank, r.by as person into found from choice_refusal r join choice c on c.id = r.choice_id
      where r.choice_id = new.choice_id and (c.need_id, c.org_id, c.case_id) = (new.need_id, new.org_id, new.case_id);
  end if;
  if found.bank is null or new.state <> 'OPEN' then
    raise exception 'an appeal is filed against a refusal one has read' using errcode = 'check_violation',
      constraint = 'ck_appeal_filed';
  end if;
  new.bank_id := found.bank;
  new.refused_by := found.person;
  return new;
end $$;
create trigger appeal_filed before insert on appeal for each row execute function hq_appeal_filed();

-- Its bank answers, its firm takes it back, the hour brings it before the bureau; nothing else moves.
create function hq_appeal_gate() returns trigger language plpgsql as $$
declare
  who text := coalesce(hq_kind(), '');
begin
  if old.state <> 'OPEN' or to_jsonb(old) - {BY_HAND} is distinct from to_jsonb(new) - {BY_HAND}
     or (old.escalated_at is distinct from new.escalated_at and (old.escalated_at is not null or who <> 'system'))
     or (new.state in ({ANSWERED}) and who <> 'bank') or (new.state = 'DROPPED' and who <> 'enterprise')
     or (new.state = 'OPEN' and who <> 'system') then
    raise exception 'an appeal goes its way' using errcode = 'check_violation', constraint = 'ck_appeal_gate';
  end if;
  return new;
end $$;
create trigger appeal_gate before update on appeal for each row execute function hq_appeal_gate();
"""


def upgrade() -> None:
    run(TABLE)
    run(GATES)
    own_firm, own_bank = f"{OWN} and hq_kind() = 'enterprise'", "bank_id = hq_org() and hq_kind() = 'bank'"
    grant("appeal", "select, insert, update (state, answer, answered_at, answered_by, remedy, ended_at, next_check_at, "
                    "escalated_at)")
    hands = f"({own_firm}) or ({own_bank}) or {SYSTEM}"
    guard("appeal", write=own_firm, change=hands,
          see=f"{hands} or hq_kind() = 'platform' or (hq_kind() = 'bureau' and escalated_at is not null)")
    run(f"create policy proved on appeal as restrictive for select to {APP} using ((select hq_proved()))")
