"""A corrected need is a new question, refusals and questions are answers, and the firm's time for a question runs, sealed."""

from migrations.tools import APP, OWN, SYSTEM, run

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

# What a bank refused is one wording of the need: once that is corrected, the bank may bid, or refuse again.
VERSIONS = """
alter table need_refusal disable trigger user;
alter table need_refusal add column version bigint;
update need_refusal r set version = case when r.refused_at < n.corrected_at then 1 else n.version end
  from need n where n.id = r.need_id;
alter table need_refusal alter column version set not null,
  drop constraint uq_need_refusal, add constraint uq_need_refusal unique (need_id, org_id, version);
alter table need_refusal enable trigger user;

create or replace function hq_refusal_gate() returns trigger language plpgsql security definer set search_path = public as $$
declare asked need;
begin
  select * into asked from need n where n.id = new.need_id for no key update;
  if asked.state is distinct from 'OPEN' or clock_timestamp() >= asked.closes_at or new.version <> asked.version then
    raise exception 'bidding has closed' using errcode = 'check_violation', constraint = 'ck_bid_before_close';
  end if;
  if exists (select 1 from bid b where b.need_id = new.need_id and b.org_id = new.org_id
             and b.state in ('DRAFT', 'PROPOSED', 'SUBMITTED')) then
    raise exception 'a bank that bids does not refuse' using errcode = 'check_violation', constraint = 'ck_need_refusal_bid';
  end if;
  return new;
end $$;

create or replace function hq_refused() returns trigger language plpgsql security definer set search_path = public as $$
begin
  update need_claim set ended_at = now(), end_reason = 'ANSWERED'
    where need_id = new.need_id and org_id = new.org_id and ended_at is null;
  update need n set next_check_at = now()
    where n.id = new.need_id and n.distribution = 'targeted' and n.state = 'OPEN'
      and not exists (select 1 from need_invitee i where i.need_id = n.id and not exists (
        select 1 from need_refusal r where r.need_id = n.id and r.org_id = i.org_id and r.version = n.version));
  return null;
end $$;

create or replace function hq_bid_after_refusal() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if exists (select 1 from need_refusal r join need n on n.id = r.need_id and n.version = r.version
             where r.need_id = new.need_id and r.org_id = new.org_id) then
    raise exception 'the bank has refused' using errcode = 'check_violation', constraint = 'ck_bid_refused';
  end if;
  return new;
end $$;
"""

# Of an opened need: which bank answered when, by a bid, a refusal or a question; not by which of them. The portal alone asks.
ANSWERS = """
create function hq_first_answers(need uuid) returns table (org_id uuid, at timestamptz)
  language sql stable security definer set search_path = public as
  $$ select first.org_id, min(first.at) from (
       select b.org_id, b.submitted_at as at from bid b where b.need_id = $1 and b.submitted_at is not null
       union all select r.org_id, r.refused_at from need_refusal r where r.need_id = $1
       union all select k.org_id, k.at from question q join question_asker k on k.question_id = q.id where q.need_id = $1) first
     where hq_kind() = 'system' and exists (
       select 1 from need n join seal s on s.id = n.seal_id where n.id = $1 and s.opened_at is not null)
     group by first.org_id $$;
"""

# That a need was asked about is told to its firm alone while bids are taken. So the database reminds the firm, once for all
# the questions of a need whose mark has come.
CLOCKS = """
alter table clock
  add column seal_id uuid constraint fk_clock_seal_id references seal,
  add column half_at timestamptz,
  add column most_at timestamptz,
  add constraint ck_clock_sealed check (
    seal_id is null or (next_check_at is null and half_at is not null and most_at is not null));
create index ix_clock_sealed on clock (half_at) where seal_id is not null and ended_at is null and told < 100;

create function hq_remind_questions() returns bigint language plpgsql security definer set search_path = public as $$
declare due record; looked bigint := 0;
begin
  if hq_kind() is distinct from 'system' or not pg_try_advisory_xact_lock(hashtext('question.remind')) then
    return 0;  -- one at a time, so that the questions of a need make one notice
  end if;
  for due in
    with ripe as (
      select c.id, case when c.limit_at <= now() then 100 when c.most_at <= now() then 80 else 50 end as mark
      from clock c where c.seal_id is not null and c.ended_at is null and c.told < 100
        and case when c.told < 50 then c.half_at when c.told < 80 then c.most_at else c.limit_at end <= now()
      for update),
    told as (
      update clock c set told = ripe.mark from ripe where ripe.id = c.id
      returning c.org_id, c.path, c.case_id, c.limit_at, c.told)
    select org_id, path, case_id, max(told) as told, min(limit_at) as limit_at, count(*) as n
      from told group by org_id, path, case_id
  loop
    looked := looked + due.n;
    insert into notice (id, org_id, message, params, path, case_id, at)
      values (gen_random_uuid(), due.org_id, '银行的提问等待答复：时限已用去 %(percent)s%%，最晚 %(limit)s。',
              jsonb_build_object('percent', due.told,
                'limit', to_char(due.limit_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI')),
              due.path, due.case_id, now());
  end loop;
  return looked;
end $$;
revoke execute on function hq_remind_questions() from public;

create function hq_question_clock() returns trigger language plpgsql security definer set search_path = public as $$
begin
  update clock set ended_at = now(), outcome = case
      when new.state = 'DROPPED' then 'CANCELLED' when new.state = 'ANSWERED' and now() <= limit_at then 'KEPT'
      when new.state = 'UNANSWERED' and now() < limit_at then 'CANCELLED' else 'LATE' end
    where step = 'QUESTION' and subject_id = new.id and ended_at is null;
  return null;
end $$;
create trigger question_clock after update of state on question for each row
  when (old.state = 'ASKED' and new.state <> 'ASKED') execute function hq_question_clock();
"""


def upgrade() -> None:
    run(VERSIONS)
    run(ANSWERS)
    run(CLOCKS)
    run(f"grant execute on function hq_remind_questions() to {APP}")
    others = f"hq_kind() in ('bureau', 'platform') or {SYSTEM}"
    run(f"alter policy see on clock using ({OWN} or ((seal_id is null or hq_seal_open(seal_id)) and ({others})))")
