"""A page of the queue asks the consents of its firms once: names and profiles each went through them.

What consents give is said once, and names, profiles and the queue read it there.
"""

from migrations.tools import run

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

FIRMS = """
-- What consents in force give the running organisation of these firms: their name, and as a bank their profile.
create function hq_consented(wanted uuid[]) returns table (firm_id uuid, named boolean, profiled boolean)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ select c.firm_id, coalesce(bool_or(c.receiver_org_id = hq_org()), false),
            hq_kind() = 'bank' and coalesce(bool_or(c.receiver_org_id = hq_org() and c.item_code = 'invoices'), false)
              and bool_or(c.receiver_org_id is null)
     from consent c join enterprise e on e.id = c.firm_id
     where c.firm_id = any(wanted) and c.state = 'ACTIVE' and c.valid_until > now() and e.state = 'verified'
       and (c.receiver_org_id is null or c.receiver_org_id = hq_org())
     group by c.firm_id $$;

-- Those of these firms in whose cases the running organisation takes part.
create function hq_of_cases(wanted uuid[]) returns setof uuid
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ select c.subject_org_id from case_file c join case_party p on p.case_id = c.id
     where c.subject_org_id = any(wanted) and p.org_id = hq_org() and (c.kind <> 'offline'
       or exists (select 1 from loan_recognition r where r.case_id = c.id and r.recognised)) $$;

create or replace function hq_profile_firms_of(wanted uuid[]) returns setof uuid
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ select e.id from enterprise e where e.id = hq_org() and e.state = 'verified' and e.id = any(wanted)
     union select c.firm_id from hq_consented(wanted) c where c.profiled $$;

create or replace function hq_names(wanted uuid[]) returns table (id uuid, name text)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ select o.id, o.name from organisation o
     where o.id = any(wanted) and (o.kind <> 'enterprise' or o.id = hq_org()
       or hq_kind() in ('system', 'platform', 'bureau', 'bridge_centre')
       or o.id in (select hq_of_cases(wanted) union all select c.firm_id from hq_consented(wanted) c where c.named)) $$;

-- Of these firms what a bank's queue shows: names as hq_names() has them, profiles as hq_profile_cards(), consents asked once.
create function hq_queue_firms(wanted uuid[]) returns table (
    id uuid, name text, known boolean, percent int, grade text, score bigint, state text, partial boolean, visible text,
    synthetic boolean, consented boolean)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ with consented as materialized (select * from hq_consented(wanted)),
     named as (select firm_id from consented where named union all select hq_of_cases(wanted)),
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
     where hq_kind() = 'bank' and o.kind = 'enterprise' and o.id = any(wanted) $$;
"""
QUEUE = """
-- Cards of these needs, with what the running bank may know of their firms and its own work on them. It runs as whoever asks:
-- row-level security shows needs, bids, claims and colleagues. Planned once a connection: planning takes longer than asking.
-- A submitted bid counts before the draft that may replace it.
create or replace function hq_queue_cards(wanted uuid[]) returns table (
    id uuid, org_id uuid, amount_fen bigint, term_months bigint, product_kind text, industry_code text, district text,
    size_class text, firm_form text, first_loan boolean, bookable boolean, distribution text, closes_at timestamptz, name text,
    claimed_by text, bid_state text, known boolean, percent int, grade text, score bigint, state text, partial boolean,
    visible text, synthetic boolean, consented boolean)
  language sql stable security invoker set search_path = public set plan_cache_mode = force_generic_plan as
  $$ with card as materialized (
       select n.id, n.org_id, n.amount_fen, n.term_months, n.product_kind, n.industry_code, n.district, n.size_class, n.firm_form,
              n.first_loan, n.bookable, n.distribution, n.closes_at
       from need n where n.id = any(wanted) and n.state = 'OPEN')
     select card.*, coalesce(f.name, ''), coalesce(person.name, ''),
            (select max(b.state) from bid b where b.need_id = card.id and b.org_id = hq_org()
               and b.state in ('DRAFT', 'PROPOSED', 'SUBMITTED')),
            coalesce(f.known, false), f.percent, f.grade, f.score, f.state, f.partial, f.visible, f.synthetic, f.consented
     from card left join hq_queue_firms(array(select org_id from card)) f on f.id = card.org_id
       left join need_claim c on c.need_id = card.id and c.org_id = hq_org() and c.ended_at is null
       left join person on person.id = c.person_id $$;
"""


def upgrade() -> None:
    run(FIRMS)
    run(QUEUE)
