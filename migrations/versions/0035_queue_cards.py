"""A page of the queue asks the database for fifty cards: what it is told of them is worked out for these fifty alone.

How many firms have which score is kept as it changes, so that no page counts all of them. The functions are planned once a
connection: planning took longer than answering, and indexes are right however many firms are asked for.
"""

from migrations.tools import run

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# Rows are only added, so that scoring runs never wait for each other; now and then they are added up.
COUNTS = """
create table score_count (
  score bigint not null,
  firms integer not null
);
create index ix_score_count_score on score_count (score) include (firms);
alter table score_count enable row level security;
insert into score_count (score, firms)
  select score, count(*) from credit_profile where current and state = 'scored' group by score;

create function hq_score_counted() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if tg_op in ('INSERT', 'UPDATE') then
    insert into score_count (score, firms)
      select score, count(*) from fresh where current and state = 'scored' group by score;
  end if;
  if tg_op in ('UPDATE', 'DELETE') then
    insert into score_count (score, firms)
      select score, -count(*) from stale where current and state = 'scored' group by score;
  end if;
  return null;
end $$;
create trigger scores_added after insert on credit_profile referencing new table as fresh
  for each statement execute function hq_score_counted();
create trigger scores_changed after update on credit_profile referencing old table as stale new table as fresh
  for each statement execute function hq_score_counted();
create trigger scores_removed after delete on credit_profile referencing old table as stale
  for each statement execute function hq_score_counted();

-- Adds the rows up. A second one that comes at the same time takes what the first has not.
create function hq_add_up_scores() returns void language sql security definer set search_path = public as $$
  with taken as (
    delete from score_count c using (select ctid from score_count for update skip locked) held where c.ctid = held.ctid
    returning c.score, c.firms)
  insert into score_count (score, firms) select score, sum(firms)::int from taken group by score having sum(firms) <> 0 $$;
"""
CARDS = """
-- Of these firms, those of whose standing profile the running identity may know something: as hq_profile_firms() says, without
-- looking at any other firm.
create function hq_profile_firms_of(wanted uuid[]) returns setof uuid
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ select e.id from enterprise e where e.id = hq_org() and e.state = 'verified' and e.id = any(wanted)
     union
     select e.id from consent c join enterprise e on e.id = c.firm_id
     where hq_kind() = 'bank' and c.firm_id = any(wanted) and c.receiver_org_id = hq_org() and c.item_code = 'invoices'
       and c.state = 'ACTIVE' and c.valid_until > now() and e.state = 'verified'
       and exists (select 1 from consent p where p.firm_id = e.id and p.receiver_org_id is null and p.state = 'ACTIVE'
                   and p.valid_until > now()) $$;

-- Of each score that firms have, the place of those that have it. Nobody but the functions of the owner may ask.
create function hq_score_places() returns table (score bigint, percent int, scored bigint)
  language sql stable security definer set search_path = public as
  $$ with heap as (
       select c.score, sum(c.firms) as firms from score_count c group by c.score having sum(c.firms) > 0),
     place as (
       select heap.score, coalesce(sum(heap.firms) over (order by heap.score desc
                rows between unbounded preceding and 1 preceding), 0)::bigint as better,
              (sum(heap.firms) over ())::bigint as scored from heap)
     select place.score, hq_rank_percent(place.better, place.scored), place.scored from place $$;
revoke execute on function hq_score_places() from public;

create or replace function hq_profile_place(wanted uuid[]) returns table (firm_id uuid, percent int, scored bigint)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ select p.firm_id, place.percent, place.scored from credit_profile p join hq_score_places() place using (score)
     where p.current and p.state = 'scored' and p.firm_id = any(wanted)
       and (hq_kind() = 'system' or p.firm_id in (select hq_profile_firms_of(wanted))) $$;

create or replace function hq_profile_cards(wanted uuid[])
  returns table (firm_id uuid, state text, consented boolean, visible text, percent int, grade text, score bigint,
                 partial boolean, synthetic boolean)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ with known as (select hq_profile_firms_of(wanted) as id),
     standing as (
       select p.firm_id, p.state, p.score, p.grade, p.partial, p.model_id,
              hq_kind() = 'system' or p.firm_id in (select id from known) as consented,
              (select hq_score_visible()) as visible
       from credit_profile p
       where p.current and p.state <> 'no_consent' and p.firm_id = any(wanted)
         and (hq_kind() in ('bank', 'system') or p.firm_id in (select id from known)))
     select s.firm_id, s.state, s.consented, s.visible, place.percent,
            case when s.consented and s.visible in ('grade', 'score') then s.grade end,
            case when s.consented and s.visible = 'score' then s.score end,
            s.consented and s.partial, s.consented and coalesce(m.trained_on = 'synthetic', false)
     from standing s left join hq_score_places() place on s.consented and s.state = 'scored' and place.score = s.score
       left join scoring_model m on m.id = s.model_id $$;
"""
NAMES = """
-- Names of these organisations as far as the policy of organisation shows them, worked out for all of them at once.
create function hq_names(wanted uuid[]) returns table (id uuid, name text)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ select o.id, o.name from organisation o
     where o.id = any(wanted) and (o.kind <> 'enterprise' or o.id = hq_org()
       or hq_kind() in ('system', 'platform', 'bureau', 'bridge_centre')
       or o.id in (
         select c.subject_org_id from case_file c join case_party p on p.case_id = c.id
         where c.subject_org_id = any(wanted) and p.org_id = hq_org() and (c.kind <> 'offline'
           or exists (select 1 from loan_recognition r where r.case_id = c.id and r.recognised))
         union
         select c.firm_id from consent c join enterprise e on e.id = c.firm_id
         where c.firm_id = any(wanted) and c.receiver_org_id = hq_org() and c.state = 'ACTIVE' and c.valid_until > now()
           and e.state = 'verified')) $$;
"""


def upgrade() -> None:
    run(COUNTS)
    run(CARDS)
    run(NAMES)
