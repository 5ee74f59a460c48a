"""Decisions on claims with a reason for every deduction, their publicity and objections to them."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

DECISION = """
-- The sum of a decision's deductions in fen; null where one of them is not a positive amount with a kind and a reason.
create function hq_deducted(deductions jsonb) returns bigint language sql immutable set search_path = public as $$
  select case when bool_and((d ->> 'amount_fen')::bigint > 0 and length(trim(coalesce(d ->> 'reason', ''))) > 0
                            and d ? 'kind') is false then null
              else coalesce(sum((d ->> 'amount_fen')::bigint), 0)::bigint end
  from jsonb_array_elements(deductions) d
$$;
create table claim_decision (
  id uuid constraint pk_claim_decision primary key,
  claim_id uuid not null,
  case_id uuid not null,
  org_id uuid not null,
  year bigint not null,
  serial bigint not null constraint ck_claim_decision_serial check (serial > 0),
  verdict text not null constraint ck_claim_decision_verdict check (verdict in ('APPROVED', 'PARTLY_APPROVED', 'REFUSED')),
  computed_fen bigint not null constraint ck_claim_decision_computed check (computed_fen >= 0),
  approved_fen bigint not null constraint ck_claim_decision_approved check (approved_fen >= 0),
  deductions jsonb not null,
  reason text not null,
  decided_by uuid,
  decided_at timestamptz not null,
  constraint fk_claim_decision_claim_id foreign key (claim_id, case_id, org_id) references claim (id, case_id, org_id),
  constraint uq_claim_decision_serial unique (year, serial),
  constraint uq_claim_decision_amount unique (id, claim_id, approved_fen),
  -- What is not approved is deducted, each part with its reason: no silent drop.
  constraint ck_claim_decision_adds_up check (case verdict
    when 'APPROVED' then approved_fen = computed_fen and deductions = '[]'
    when 'PARTLY_APPROVED' then approved_fen > 0 and jsonb_array_length(deductions) > 0
      and coalesce(approved_fen + hq_deducted(deductions) = computed_fen, false)
    else approved_fen = 0 and deductions = '[]' and length(trim(reason)) > 0 end)
);
create index ix_claim_decision_claim_id on claim_decision (claim_id);
alter table claim add column decision_id uuid;
"""

EARLIER = """
insert into claim_decision (id, claim_id, case_id, org_id, year, serial, verdict, computed_fen, approved_fen, deductions, reason,
                            decided_by, decided_at)
select gen_random_uuid(), c.id, c.case_id, c.org_id, extract(year from t.at at time zone 'Asia/Shanghai')::bigint,
       row_number() over (partition by extract(year from t.at at time zone 'Asia/Shanghai') order by t.at, t.id),
       case when c.approved_fen is null then 'REFUSED' when c.approved_fen = c.compensation_fen then 'APPROVED'
            else 'PARTLY_APPROVED' end,
       c.compensation_fen, coalesce(c.approved_fen, 0),
       case when c.approved_fen < c.compensation_fen then jsonb_build_array(jsonb_build_object(
         'kind', 'OTHER', 'amount_fen', c.compensation_fen - c.approved_fen, 'reason', coalesce(t.reason, '—')))
         else '[]'::jsonb end,
       coalesce(t.reason, case when c.approved_fen is null then '—' else '' end), c.decider_id, t.at
from claim c
join lateral (select id, at, reason from transition
              where subject_type = 'claim' and subject_id = c.id and event in ('approve', 'approve_part', 'refuse')
              order by at desc, id desc limit 1) t on true
where c.approved_fen is not null or c.state = 'REFUSED';
update claim c set decision_id = d.id from claim_decision d where d.claim_id = c.id;
"""

TIED = """
alter table claim add constraint fk_claim_decision_id foreign key (decision_id) references claim_decision (id);
alter table claim add constraint fk_claim_decision_amount foreign key (decision_id, id, approved_fen)
  references claim_decision (id, claim_id, approved_fen);
alter table claim add constraint ck_claim_decision check (approved_fen is null or decision_id is not null);
create index ix_claim_decision_id on claim (decision_id);
"""

PUBLICITY = """
-- What everybody may read while it is published; nothing of a claim but this.
create table claim_publicity (
  id uuid constraint pk_claim_publicity primary key,
  claim_id uuid not null,
  case_id uuid not null,
  org_id uuid not null,
  decision_id uuid not null constraint uq_claim_publicity_decision_id unique
    constraint fk_claim_publicity_decision_id references claim_decision,
  number text not null,
  firm_name text not null,
  bank_name text not null,
  loan_number text not null,
  document text not null,
  principal_fen bigint not null,
  net_principal_loss_fen bigint not null,
  approved_fen bigint not null,
  from_on date not null,
  until_on date not null,
  ended_at timestamptz,
  outcome text constraint ck_claim_publicity_outcome check (outcome in ('PASSED', 'REOPENED')),
  constraint fk_claim_publicity_claim_id foreign key (claim_id, case_id, org_id) references claim (id, case_id, org_id),
  constraint fk_claim_publicity_amount foreign key (decision_id, claim_id, approved_fen)
    references claim_decision (id, claim_id, approved_fen),
  constraint ck_claim_publicity_dates check (until_on >= from_on),
  constraint ck_claim_publicity_ended check ((ended_at is null) = (outcome is null))
);
create index ix_claim_publicity_claim_id on claim_publicity (claim_id);
create index ix_claim_publicity_until_on on claim_publicity (until_on) where ended_at is null;

create table claim_objection (
  id uuid constraint pk_claim_objection primary key,
  publicity_id uuid not null constraint fk_claim_objection_publicity_id references claim_publicity,
  claim_id uuid not null,
  case_id uuid not null,
  org_id uuid not null,
  code_sha256 bytea not null constraint uq_claim_objection_code unique,
  objector bytea not null,
  contact bytea not null,
  grounds text not null constraint ck_claim_objection_grounds check (length(trim(grounds)) > 0),
  made_at timestamptz not null,
  state text not null constraint ck_claim_objection_state check (state in ('OPEN', 'UPHELD', 'DISMISSED')),
  answer text,
  answered_by uuid,
  answered_at timestamptz,
  constraint fk_claim_objection_claim_id foreign key (claim_id, case_id, org_id) references claim (id, case_id, org_id),
  constraint ck_claim_objection_answered check ((state = 'OPEN') = (answered_at is null)
    and (state = 'OPEN') = (coalesce(trim(answer), '') = ''))
);
create index ix_claim_objection_claim_id on claim_objection (claim_id);
create index ix_claim_objection_publicity_id on claim_objection (publicity_id);

-- Objections come while the publicity runs, are answered once, and by somebody who did not decide.
create function hq_claim_objection() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if tg_op = 'INSERT' then
    perform 1 from claim_publicity p where p.id = new.publicity_id and p.claim_id = new.claim_id and p.ended_at is null
      and (new.made_at at time zone 'Asia/Shanghai')::date between p.from_on and p.until_on for share;
    if not found or new.state <> 'OPEN' then
      raise exception 'an objection outside the publicity'
        using errcode = 'check_violation', constraint = 'ck_claim_objection_in_time';
    end if;
    return new;
  end if;
  if old.state <> 'OPEN' or (old.publicity_id, old.claim_id, old.grounds, old.objector, old.contact, old.code_sha256, old.made_at)
     is distinct from
     (new.publicity_id, new.claim_id, new.grounds, new.objector, new.contact, new.code_sha256, new.made_at) then
    raise exception 'an objection is made once and answered once'
      using errcode = 'check_violation', constraint = 'ck_claim_objection_frozen';
  end if;
  if new.answered_by is null or exists (
      select 1 from claim_publicity p join claim_decision d on d.id = p.decision_id
      where p.id = new.publicity_id and d.decided_by = new.answered_by) then
    raise exception 'who decided does not answer' using errcode = 'check_violation', constraint = 'ck_claim_objection_two_people';
  end if;
  return new;
end $$;
create trigger claim_objection_guard before insert or update on claim_objection
  for each row execute function hq_claim_objection();

-- Nothing becomes payable while an objection waits for its answer, or once one was upheld.
create function hq_claim_publicised() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if new.state = 'PUBLICISED' and old.state <> 'PUBLICISED' and exists (
      select 1 from claim_publicity p where p.decision_id = new.decision_id
      and exists (select 1 from claim_objection o where o.publicity_id = p.id and o.state <> 'DISMISSED')) then
    raise exception 'an objection is open' using errcode = 'check_violation', constraint = 'ck_claim_objection_open';
  end if;
  return new;
end $$;
create trigger claim_publicised before update of state on claim for each row execute function hq_claim_publicised();

create function hq_claim_publicity_frozen() returns trigger language plpgsql as $$
begin
  if old.ended_at is not null or to_jsonb(old) - '{ended_at,outcome}'::text[] <> to_jsonb(new) - '{ended_at,outcome}'::text[] then
    raise exception 'what was published stays' using errcode = 'check_violation', constraint = 'ck_claim_publicity_frozen';
  end if;
  return new;
end $$;
create trigger claim_publicity_frozen before update on claim_publicity
  for each row execute function hq_claim_publicity_frozen();
"""


def upgrade() -> None:
    for part in (DECISION, EARLIER, TIED, PUBLICITY):
        run(part)
    city = f"hq_kind() = 'bureau' or {SYSTEM}"
    append_only("claim_decision")
    guard("claim_decision", see=f"org_id = hq_org() or {city}", write=city)
    grant("claim_publicity", "select, insert, update")
    guard("claim_publicity", see="true", write=city, change=city)
    # Who objects is known to the city alone: not to the bank, not to the firm.
    grant("claim_objection", "select, insert, update")
    guard("claim_objection", see=city, write=SYSTEM, change=city)
