"""What every page asks, asked at once: the visitor of a cookie in one statement without a transaction around it.

The places of scores are worked out in whole numbers (a numeric division for each score took longer than all the rest), and a
queue that is whole is told from the newest need alone.
"""

from migrations.tools import APP, run

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

# Whoever holds the token may know whose it is: the digest is keyed, and a session that ended is nobody's.
VISITOR = """
create function hq_visitor(digest bytea) returns table (
    session_id uuid, second_factor_at timestamptz, last_seen_at timestamptz, created_at timestamptz, person_id uuid, org_id uuid,
    name text, branch_id uuid, person_state text, password_changed_at timestamptz, kind text, org_name text, org_state text,
    roles text[], limit_fen bigint)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ select s.id, s.second_factor_at, s.last_seen_at, s.created_at, p.id, p.org_id, p.name, p.branch_id, p.state,
            p.password_changed_at, o.kind, o.name, o.state,
            array(select m.role from membership m where m.person_id = p.id),
            (select max(m.approval_limit_fen) from membership m where m.person_id = p.id)
     from user_session s join person p on p.id = s.person_id join organisation o on o.id = p.org_id
     where s.token_digest = digest and s.ended_at is null $$;
"""
PLACES = """
-- The place is the share of scored firms that stand higher, in hundredths and rounded up: as hq_rank_percent() has it.
create or replace function hq_score_places() returns table (score bigint, percent int, scored bigint)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ with heap as (
       select c.score, sum(c.firms)::int as firms from score_count c group by c.score having sum(c.firms) > 0),
     place as (
       select heap.score, sum(heap.firms) over (order by heap.score desc rows unbounded preceding) - heap.firms as better,
              sum(heap.firms) over () as scored from heap)
     select place.score, greatest(1, (100 * place.better + place.scored - 1) / place.scored)::int, place.scored from place $$;

create or replace function hq_profile_cards(wanted uuid[])
  returns table (firm_id uuid, state text, consented boolean, visible text, percent int, grade text, score bigint,
                 partial boolean, synthetic boolean)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ with known as materialized (select hq_profile_firms_of(wanted) as id),
     standing as (
       select p.firm_id, p.state, p.score, p.grade, p.partial, p.model_id,
              hq_kind() = 'system' or known.id is not null as consented,
              (select hq_score_visible()) as visible
       from credit_profile p left join known on known.id = p.firm_id
       where p.current and p.state <> 'no_consent' and p.firm_id = any(wanted)
         and (hq_kind() in ('bank', 'system') or known.id is not null))
     select s.firm_id, s.state, s.consented, s.visible, place.percent,
            case when s.consented and s.visible in ('grade', 'score') then s.grade end,
            case when s.consented and s.visible = 'score' then s.score end,
            s.consented and s.partial, s.consented and coalesce(m.trained_on = 'synthetic', false)
     from standing s left join hq_score_places() place on s.consented and s.state = 'scored' and place.score = s.score
       left join scoring_model m on m.id = s.model_id $$;
"""
MISSING = """
-- Open needs that have no place yet in the running bank's queue. A need may become visible a little after its moment of
-- publishing, when its transaction ends. Mostly nothing was published since: the newest need tells it, the end of an index.
-- Else the range is told to the planner as a value.
create or replace function hq_rank_missing(at timestamptz) returns setof uuid
  language plpgsql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as $$
declare since timestamptz := (select s.seen_until - interval '5 minutes' from rank_state s where s.org_id = hq_org());
begin
  if hq_kind() is distinct from 'bank'
     or (select max(n.published_at) from need n where n.state = 'OPEN') < coalesce(since, '-infinity') then
    return;
  end if;
  return query execute $missing$ select n.id from need n
    where n.state = 'OPEN' and n.published_at >= $1 and n.closes_at > $2
      and (n.distribution = 'open' or exists (select 1 from need_invitee i where i.need_id = n.id and i.org_id = hq_org()))
      and not exists (select 1 from queue_rank r where r.org_id = hq_org() and r.need_id = n.id)
    order by n.id $missing$ using coalesce(since, '-infinity'), at;
end $$;
"""
QUEUE = """
-- Cards of these needs, with what the running bank may know of their firms and its own work on them. It runs as whoever asks:
-- row-level security shows needs, bids, claims and colleagues. Planned once a connection: planning takes longer than asking.
-- A submitted bid counts before the draft that may replace it.
create function hq_queue_cards(wanted uuid[]) returns table (
    id uuid, org_id uuid, amount_fen bigint, term_months bigint, product_kind text, industry_code text, district text,
    size_class text, firm_form text, first_loan boolean, bookable boolean, distribution text, closes_at timestamptz, name text,
    claimed_by text, bid_state text, known boolean, percent int, grade text, score bigint, state text, partial boolean,
    visible text, synthetic boolean, consented boolean)
  language sql stable security invoker set search_path = public set plan_cache_mode = force_generic_plan as
  $$ with card as materialized (
       select n.id, n.org_id, n.amount_fen, n.term_months, n.product_kind, n.industry_code, n.district, n.size_class, n.firm_form,
              n.first_loan, n.bookable, n.distribution, n.closes_at
       from need n where n.id = any(wanted) and n.state = 'OPEN')
     select card.*, coalesce(o.name, ''), coalesce(person.name, ''),
            (select max(b.state) from bid b where b.need_id = card.id and b.org_id = hq_org()
               and b.state in ('DRAFT', 'PROPOSED', 'SUBMITTED')),
            p.firm_id is not null, p.percent, p.grade, p.score, p.state, p.partial, p.visible, p.synthetic, p.consented
     from card left join hq_names(array(select org_id from card)) o on o.id = card.org_id
       left join hq_profile_cards(array(select org_id from card)) p on p.firm_id = card.org_id
       left join need_claim c on c.need_id = card.id and c.org_id = hq_org() and c.ended_at is null
       left join person on person.id = c.person_id $$;
"""


def upgrade() -> None:
    run(VISITOR)
    run(PLACES)
    run(MISSING)
    run(QUEUE)
    run(f"revoke execute on function hq_visitor(bytea) from public; grant execute on function hq_visitor(bytea) to {APP}")
