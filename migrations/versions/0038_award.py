"""A choice stands still before it binds; what a bank promised is kept, excused on a condition of its bid, or broken."""

from migrations.tools import APP, OWN, SYSTEM, append_only, grant, guard, run

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# Kinds that a small firm must not be charged (两禁) stop a bid at the door, whoever wrote the line.
FEES = """
create function hq_bid_fee_banned() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if exists (select 1 from bid_fee f join need n on n.id = new.need_id
             where f.bid_id = new.id and f.kind in ('COMMITMENT', 'FUND_MANAGEMENT')
               and coalesce(n.size_class, '') not in ('medium', 'large')) then
    raise exception 'banned for small and micro firms' using errcode = 'check_violation', constraint = 'ck_bid_fee_banned';
  end if;
  return new;
end $$;
create trigger bid_fee_banned before update of state on bid for each row
  when (old.state = 'DRAFT' and new.state in ('PROPOSED', 'SUBMITTED')) execute function hq_bid_fee_banned();
"""

TABLES = """
create table award (
  id uuid constraint pk_award primary key,
  need_id uuid not null constraint fk_award_need_id references need,
  org_id uuid not null constraint fk_award_org_id references enterprise,
  case_id uuid not null constraint fk_award_case_id references case_file,
  state text not null constraint ck_award_state check (state in ('STANDSTILL', 'FINAL', 'DONE', 'FALLEN')),
  amount_fen bigint not null constraint ck_award_amount check (amount_fen > 0),
  standstill_until timestamptz not null,
  next_check_at timestamptz,
  made_at timestamptz not null,
  made_by uuid,
  ended_at timestamptz,
  constraint uq_award_id_need_id unique (id, need_id)
);
create unique index uq_award_live on award (need_id) where state <> 'FALLEN';
create index ix_award_next_check_at on award (next_check_at) where next_check_at is not null;

alter table choice drop constraint ck_choice_state;
alter table choice
  add column award_id uuid,
  add column amount_fen bigint,
  add column decide_by timestamptz,
  add column decided_at timestamptz,
  add column contract_no text constraint ck_choice_contract_no check (length(contract_no) between 1 and 60),
  add column signed_at timestamptz,
  add column kept_at timestamptz,
  add column outcome text constraint ck_choice_outcome check (outcome in ('KEPT', 'EXCUSED', 'BROKEN')),
  add column next_check_at timestamptz,
  add constraint ck_choice_state check (state in ('LIVE', 'APPROVED', 'SIGNED', 'KEPT', 'CANCELLED')),
  add constraint ck_choice_amount check (amount_fen > 0);
-- Choices of before stood at once. They go on from where their loan is; no time was promised for them, so time breaks none.
update choice set award_id = choice.id, amount_fen = b.amount_fen, decide_by = choice.made_at + interval '7 days'
  from bid b where b.id = choice.bid_id;
update choice c set state = case when l.state = 'APPROVED' then 'APPROVED' else 'KEPT' end, decided_at = l.approved_at,
    kept_at = case when l.state <> 'APPROVED' then coalesce(l.drawn_on::timestamptz, now()) end,
    outcome = case when l.state <> 'APPROVED' then 'KEPT' end
  from loan l where l.choice_id = c.id and c.state = 'LIVE' and l.state in ('APPROVED', 'DRAWN', 'REPAID');
insert into award (id, need_id, org_id, case_id, state, amount_fen, standstill_until, made_at, made_by, ended_at)
  select id, need_id, org_id, case_id, case state when 'CANCELLED' then 'FALLEN' when 'KEPT' then 'DONE' else 'FINAL' end,
         amount_fen, made_at, made_at, made_by, coalesce(cancelled_at, kept_at) from choice;
alter table bid_condition disable trigger bid_condition_gate;
insert into bid_condition (bid_id, no, org_id, seal_id, kind, text)
  select b.id, 100 + u.no, b.org_id, b.seal_id, u.kind, ''
  from choice c join bid b on b.id = c.bid_id, (values (1, 'PAPERS_TRUE'), (2, 'NOTHING_WORSE')) u(no, kind)
  where c.state in ('LIVE', 'APPROVED')
    and not exists (select 1 from bid_condition k where k.bid_id = b.id and k.kind = u.kind);
alter table bid_condition enable trigger bid_condition_gate;
alter table choice
  alter column award_id set not null,
  alter column amount_fen set not null,
  add constraint fk_choice_award_id foreign key (award_id, need_id) references award (id, need_id),
  add constraint ck_choice_kept check ((outcome is not distinct from 'KEPT') = (state = 'KEPT')),
  add constraint ck_choice_cancelled check (outcome is null or outcome = 'KEPT' or state = 'CANCELLED'),
  add constraint uq_choice_id_bid_id unique (id, bid_id);
drop index uq_choice_live;
create unique index uq_choice_live on choice (need_id) where state <> 'CANCELLED';
create index ix_choice_next_check_at on choice (next_check_at) where next_check_at is not null;

create table choice_condition (
  choice_id uuid not null,
  no bigint not null,
  bid_id uuid not null,
  kind text not null,
  text text not null,
  met_at timestamptz,
  met_by uuid,
  note text not null constraint ck_choice_condition_note check (length(note) <= 200),
  constraint pk_choice_condition primary key (choice_id, no),
  constraint fk_choice_condition_choice_id foreign key (choice_id, bid_id) references choice (id, bid_id),
  constraint fk_choice_condition_bid_id foreign key (bid_id, no) references bid_condition (bid_id, no)
);
insert into choice_condition (choice_id, no, bid_id, kind, text, note)
  select c.id, k.no, k.bid_id, k.kind, k.text, '' from choice c join bid_condition k on k.bid_id = c.bid_id
  where c.state in ('LIVE', 'APPROVED');
-- The bid and the number name a condition that the bank wrote into its own bid: refusing on anything else is impossible.
create table choice_refusal (
  choice_id uuid constraint pk_choice_refusal primary key,
  bid_id uuid not null,
  condition_no bigint not null,
  text text not null constraint ck_choice_refusal_text check (length(btrim(text)) between 1 and 500),
  by uuid,
  at timestamptz not null,
  constraint fk_choice_refusal_choice_id foreign key (choice_id, bid_id) references choice (id, bid_id),
  constraint fk_choice_refusal_condition_no foreign key (bid_id, condition_no) references bid_condition (bid_id, no)
);
create table objection (
  id uuid constraint pk_objection primary key,
  award_id uuid not null constraint fk_objection_award_id references award,
  need_id uuid not null constraint fk_objection_need_id references need,
  org_id uuid not null constraint fk_objection_org_id references organisation,
  reason text not null constraint ck_objection_reason check (reason in ('BID_NOT_OPENED', 'BANNED_TERMS', 'CONFLICT', 'OTHER')),
  text text not null constraint ck_objection_text check (length(btrim(text)) between 1 and 500),
  state text not null constraint ck_objection_state check (state in ('OPEN', 'DISMISSED', 'UPHELD')),
  at timestamptz not null,
  by uuid,
  answer text constraint ck_objection_answer check (length(btrim(answer)) between 1 and 500),
  answered_at timestamptz,
  answered_by uuid,
  constraint uq_objection_award_id unique (award_id, org_id),
  constraint ck_objection_answered check ((state = 'OPEN') = (answered_at is null) and (state = 'OPEN') = (answer is null))
);
"""

NEEDS = """
-- A need that comes back to the choice is none more than the firm already had.
drop trigger need_live_count on need;
create trigger need_live_count before update of state on need for each row
  when (old.state not in ('OPEN', 'CLOSED', 'CHOSEN') and new.state in ('OPEN', 'CLOSED'))
  execute function hq_need_live_count();
"""

GATES = """
create function hq_award_gate() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'STANDSTILL' or not exists (
         select 1 from need n where (n.id, n.org_id, n.case_id) = (new.need_id, new.org_id, new.case_id)) then
      raise exception 'an award stands still first' using errcode = 'check_violation', constraint = 'ck_award_standstill';
    end if;
    return new;
  end if;
  if (old.need_id, old.org_id, old.case_id, old.amount_fen, old.made_at, old.made_by)
     is distinct from (new.need_id, new.org_id, new.case_id, new.amount_fen, new.made_at, new.made_by) then
    raise exception 'a decision is not rewritten' using errcode = 'check_violation', constraint = 'ck_award_frozen';
  end if;
  if coalesce(hq_kind(), '') <> 'system' and (new.standstill_until is distinct from old.standstill_until
       or (new.state <> old.state and not (
             old.state = 'STANDSTILL' and new.state = 'FALLEN' and clock_timestamp() < old.standstill_until))) then
    raise exception 'time alone makes an award final' using errcode = 'check_violation', constraint = 'ck_award_standstill';
  end if;
  if new.state = 'FINAL' and old.state = 'STANDSTILL' then
    if clock_timestamp() < new.standstill_until then
      raise exception 'it stands still' using errcode = 'check_violation', constraint = 'ck_award_standstill';
    end if;
    if exists (select 1 from objection o where o.award_id = new.id and o.state = 'OPEN') then
      raise exception 'an objection is open' using errcode = 'check_violation', constraint = 'ck_award_objection';
    end if;
  end if;
  return new;
end $$;
create trigger award_gate before insert or update on award for each row execute function hq_award_gate();

create function hq_choice_gate() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if tg_op = 'INSERT' then
    if (new.state, new.outcome, new.decide_by) is distinct from ('LIVE', null::text, null::timestamptz) or not exists (
         select 1 from bid b where (b.id, b.org_id) = (new.bid_id, new.bank_org_id) and b.state in ('OPENED', 'CHOSEN')
           and b.amount_fen >= new.amount_fen) then
      raise exception 'a choice takes an opened bid' using errcode = 'check_violation', constraint = 'ck_choice_bid';
    end if;
    return new;
  end if;
  if (old.award_id, old.bid_id, old.org_id, old.bank_org_id, old.case_id, old.amount_fen, old.cost_sheet, old.made_at)
     is distinct from
     (new.award_id, new.bid_id, new.org_id, new.bank_org_id, new.case_id, new.amount_fen, new.cost_sheet, new.made_at)
     or (old.state in ('KEPT', 'CANCELLED') and to_jsonb(old) is distinct from to_jsonb(new)) then
    raise exception 'a promise is not rewritten' using errcode = 'check_violation', constraint = 'ck_choice_frozen';
  end if;
  if new.state in ('APPROVED', 'SIGNED', 'KEPT') and new.state <> old.state and not exists (
       select 1 from award a where a.id = new.award_id and a.state in ('FINAL', 'DONE')) then
    raise exception 'it stands still' using errcode = 'check_violation', constraint = 'ck_award_standstill';
  end if;
  if new.state = 'KEPT' and old.state <> 'KEPT' and exists (
       select 1 from choice_condition c where c.choice_id = new.id and c.met_at is null
         and c.kind not in ('PAPERS_TRUE', 'NOTHING_WORSE')) then
    raise exception 'conditions are open' using errcode = 'check_violation', constraint = 'ck_choice_conditions_open';
  end if;
  -- A promise ends without a loan in three ways: it never became binding, a condition of the bid failed, or its time is over.
  if new.state = 'CANCELLED' and old.state <> 'CANCELLED' and not coalesce(case new.outcome
       when 'EXCUSED' then exists (select 1 from choice_refusal r where r.choice_id = new.id)
       when 'BROKEN' then old.next_check_at <= clock_timestamp()
       else old.decide_by is null and exists (select 1 from award a where a.id = new.award_id and a.state = 'FALLEN') end,
       false) then
    raise exception 'a bank refuses on a condition of its bid' using errcode = 'check_violation',
      constraint = 'ck_choice_refusal';
  end if;
  return new;
end $$;
create trigger choice_gate before insert or update on choice for each row execute function hq_choice_gate();

-- At the end of the transaction decision and promises say the same.
create function hq_award_holds() returns trigger language plpgsql security definer set search_path = public as $$
declare held bigint; wanted award;
begin
  select * into wanted from award where id = coalesce(to_jsonb(new)->>'award_id', to_jsonb(new)->>'id')::uuid;
  select coalesce(sum(c.amount_fen), 0) into held from choice c where c.award_id = wanted.id and c.state <> 'CANCELLED';
  if held <> (case wanted.state when 'FALLEN' then 0 else wanted.amount_fen end) then
    raise exception 'a decision holds what was chosen' using errcode = 'check_violation', constraint = 'ck_award_amount';
  end if;
  return null;
end $$;
create constraint trigger award_holds after insert or update of state on award deferrable initially deferred
  for each row execute function hq_award_holds();
create constraint trigger choice_held after insert or update of state on choice deferrable initially deferred
  for each row execute function hq_award_holds();

create function hq_answered_once() returns trigger language plpgsql as $$
begin
  if tg_table_name = 'objection' then
    if old.state <> 'OPEN' or (to_jsonb(old) - array['state', 'answer', 'answered_at', 'answered_by'])
         is distinct from (to_jsonb(new) - array['state', 'answer', 'answered_at', 'answered_by']) then
      raise exception 'an objection is answered once' using errcode = 'check_violation', constraint = 'ck_objection_frozen';
    end if;
  elsif (to_jsonb(old)->>'met_at') is not null
      or (to_jsonb(old) - array['met_at', 'met_by', 'note']) is distinct from (to_jsonb(new) - array['met_at', 'met_by', 'note'])
  then
    raise exception 'a condition is met once' using errcode = 'check_violation', constraint = 'ck_choice_condition_frozen';
  end if;
  return new;
end $$;
create trigger objection_frozen before update on objection for each row execute function hq_answered_once();
create trigger choice_condition_frozen before update on choice_condition for each row execute function hq_answered_once();

-- A bank that was not chosen knows until when it may object, and nothing of the award itself.
create function hq_standstill(need uuid) returns table (award_id uuid, until timestamptz)
  language sql stable security definer set search_path = public as
  $$ select a.id, a.standstill_until from award a
     where a.need_id = $1 and a.state = 'STANDSTILL'
       and exists (select 1 from bid b where b.need_id = $1 and b.org_id = hq_org() and b.state = 'OPENED') $$;
create function hq_award_is_ours(award uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from choice c where c.award_id = $1 and c.bank_org_id = hq_org()) $$;
create function hq_choice_is_ours(choice uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from choice c where c.id = $1 and (c.bank_org_id = hq_org() or c.org_id = hq_org())) $$;
create function hq_award_objected(award uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from objection o where o.award_id = $1) $$;
"""


def upgrade() -> None:
    for part in (FEES, TABLES, NEEDS, GATES):
        run(part)
    staff = "hq_kind() in ('system', 'bureau', 'platform')"
    grant("award", "select, insert, update")
    guard("award", see=f"{OWN} or {staff} or hq_award_is_ours(id)", write=f"({OWN}) or {SYSTEM}", change=f"{OWN} or {SYSTEM}")
    grant("choice_condition", "select, insert, update")
    sees_choice = "hq_kind() in ('system', 'bureau') or hq_choice_is_ours(choice_id)"
    guard("choice_condition", see=sees_choice, write=SYSTEM, change=SYSTEM)
    append_only("choice_refusal")
    guard("choice_refusal", see=sees_choice, write=SYSTEM)
    grant("objection", "select, insert, update")
    may_object = (f"{OWN} and hq_kind() = 'bank' and state = 'OPEN' "
                  "and award_id in (select s.award_id from hq_standstill(need_id) s where clock_timestamp() < s.until)")
    guard("objection", see=f"{OWN} or {staff} or hq_need_is_ours(need_id)", write=may_object,
          change=f"{SYSTEM} or hq_kind() = 'platform'")
    run("drop policy see on choice")
    run(f"create policy see on choice for select to {APP} using ({OWN} or bank_org_id = hq_org() or hq_kind() in ('system', "
        "'bureau') or (hq_kind() = 'platform' and hq_award_objected(award_id)))")
    for table in ("award", "choice_condition", "choice_refusal", "objection"):
        run(f"create policy proved on {table} as restrictive for select to {APP} using ((select hq_proved()))")
