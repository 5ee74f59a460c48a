"""A page of the queue reads less: places and what firms show from indexes alone, who asks once a statement instead of once a row,
and the places of scores from a table while no score has changed since they were worked out."""

from migrations.tools import run

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None

INDEXES = """
drop index ix_queue_rank_score;
create index ix_queue_rank_score on queue_rank (org_id, score desc, closes_at, need_id)
  include (amount_fen, district, division, kind, first_loan, bookable, reasons, product_id, points, margin_bp);
drop index uq_credit_profile_current;
create unique index uq_credit_profile_current on credit_profile (firm_id) include (state, score, grade, partial, model_id)
  where current;
create index ix_enterprise_verified on enterprise (id) where state = 'verified';
create index ix_organisation_name on organisation (id) include (kind, name);
"""

NEEDS = """
alter policy see on need using (org_id = (select hq_org()) or (select hq_kind()) in ('system', 'platform', 'bureau')
  or ((select hq_kind()) = 'bank'
    and ((state = 'OPEN' and (distribution = 'open' or hq_need_invited(id))) or hq_need_bid_on(id))));
"""

FIRMS = """
create or replace function hq_consented(wanted uuid[]) returns table (firm_id uuid, named boolean, profiled boolean)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ select c.firm_id, c.named, c.profiled from (
       select o.firm_id, coalesce(bool_or(o.receiver_org_id = (select hq_org())), false) as named,
              (select hq_kind()) = 'bank'
                and coalesce(bool_or(o.receiver_org_id = (select hq_org()) and o.item_code = 'invoices'), false)
                and bool_or(o.receiver_org_id is null) as profiled
       from consent o
       where o.firm_id = any(wanted) and o.state = 'ACTIVE' and o.valid_until > now()
         and (o.receiver_org_id is null or o.receiver_org_id = (select hq_org()))
       group by o.firm_id) c
     where exists (select 1 from enterprise e where e.id = c.firm_id and e.state = 'verified') $$;
create or replace function hq_queue_firms(wanted uuid[]) returns table (
    id uuid, name text, known boolean, percent integer, grade text, score bigint, state text, partial boolean, visible text,
    synthetic boolean, consented boolean)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ with consented as materialized (select * from hq_consented(wanted)),
     named as materialized (select firm_id from consented where named union all select hq_of_cases(wanted)),
     standing as (
       select p.firm_id, p.state, p.score, p.grade, p.partial, p.model_id, coalesce(c.profiled, false) as consented,
              (select hq_score_visible()) as visible
       from credit_profile p left join consented c using (firm_id)
       where p.current and p.state <> 'no_consent' and p.firm_id = any(wanted))
     select o.id, case when o.id in (select firm_id from named) then o.name else '' end, s.firm_id is not null, place.percent,
            case when s.consented and s.visible in ('grade', 'score') then s.grade end,
            case when s.consented and s.visible = 'score' then s.score end,
            s.state, s.consented and s.partial, s.visible, s.consented and coalesce(m.trained_on = 'synthetic', false),
            s.consented
     from organisation o left join standing s on s.firm_id = o.id
       left join hq_score_places() place on s.consented and s.state = 'scored' and place.score = s.score
       left join scoring_model m on m.id = s.model_id
     where (select hq_kind()) = 'bank' and o.kind = 'enterprise' and o.id = any(wanted) $$;
"""

# ``score_place`` holds the places of all that is summed. Where a row is not, everything is counted as it was before.
PLACES = """
alter table score_count add summed boolean not null default false;
create index ix_score_count_new on score_count (score) where not summed;
create table score_place (score bigint primary key, percent integer not null, scored bigint not null);
alter table score_place enable row level security;
create or replace function hq_score_places() returns table (score bigint, percent integer, scored bigint)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ with new as materialized (select exists (select from score_count c where not c.summed) as some),
     heap as (
       select c.score, sum(c.firms)::int as firms from score_count c where (select new.some from new)
       group by c.score having sum(c.firms) > 0),
     place as (
       select heap.score, sum(heap.firms) over (order by heap.score desc rows unbounded preceding) - heap.firms as better,
              sum(heap.firms) over () as scored from heap)
     select p.score, p.percent, p.scored from score_place p where not (select new.some from new)
     union all
     select place.score, greatest(1, (100 * place.better + place.scored - 1) / place.scored)::int, place.scored from place $$;
create or replace function hq_add_up_scores(most bigint) returns bigint
  language plpgsql security definer set search_path = public as $$
declare gone bigint;
begin
  if hq_kind() is distinct from 'system' or (select count(*) from score_count where not summed) <= most
     or not pg_try_advisory_xact_lock(hashtext('hq_add_up_scores')) then
    return 0;
  end if;
  with taken as (delete from score_count returning score, firms),
  kept as (
    insert into score_count (score, firms, summed)
      select score, sum(firms)::int, true from taken group by score having sum(firms) <> 0)
  select count(*) into gone from taken;
  delete from score_place;
  insert into score_place (score, percent, scored)
    select place.score, greatest(1, (100 * place.better + place.scored - 1) / place.scored)::int, place.scored
    from (select heap.score, sum(heap.firms) over (order by heap.score desc rows unbounded preceding) - heap.firms as better,
                 sum(heap.firms) over () as scored
          from (select c.score, c.firms from score_count c where c.summed and c.firms > 0) heap) place;
  return gone;
end $$;
"""


def upgrade() -> None:
    run(INDEXES)
    run(NEEDS)
    run(FIRMS)
    run(PLACES)
