"""The database itself cuts a profile down to what consent and the switch give a bank; similar firms are told in quarters.

Thresholds of warnings change by one person's proposal and another one's word.
"""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# Which sources a reason may rest on is told where the names of features are. Lists from before name none, so banks are told no
# reason of profiles that rest on them until those are computed again.
GROUNDS = """
alter table feature_list add column grounds text[],
  add constraint ck_feature_list_grounds check (
    cardinality(grounds) = cardinality(names) and array_position(grounds, '') is null);
"""
SHOWN = """
create function hq_score_visible() returns text
  language sql stable security definer set search_path = public as
  $$ select coalesce((select visible from credit_policy order by valid_from desc limit 1), 'rank') $$;

-- Whole per cent, rounded up: a finer rank would tell the score of a firm to whoever knows a few others.
create function hq_rank_percent(better bigint, scored bigint) returns int language sql immutable strict as
  $$ select greatest(1, ceil(100.0 * better / scored))::int $$;

-- Firms of whose standing profile the running identity may know something: its own; for a bank, those whose consent for invoices
-- names it, while the consent to the portal, on which the score rests, is in force too.
create or replace function hq_profile_firms() returns setof uuid
  language sql stable security definer set search_path = public as
  $$ select e.id from enterprise e where e.id = hq_org() and e.state = 'verified'
     union
     select e.id from consent c join enterprise e on e.id = c.firm_id
     where hq_kind() = 'bank' and c.receiver_org_id = hq_org() and c.item_code = 'invoices' and c.state = 'ACTIVE'
       and c.valid_until > now() and e.state = 'verified'
       and exists (select 1 from consent p where p.firm_id = e.id and p.receiver_org_id is null and p.state = 'ACTIVE'
                   and p.valid_until > now()) $$;

-- A firm's place among all scored firms. Others' scores are counted here and never returned.
drop function hq_profile_place(uuid[]);
create function hq_profile_place(wanted uuid[]) returns table (firm_id uuid, percent int, scored bigint)
  language sql stable security definer set search_path = public as
  $$ with heap as (
       select score, count(*) as firms from credit_profile where current and state = 'scored' group by score),
     place as (
       select score, coalesce(sum(heap.firms) over (order by score desc
                rows between unbounded preceding and 1 preceding), 0)::bigint as better,
              sum(heap.firms) over ()::bigint as scored from heap)
     select p.firm_id, hq_rank_percent(place.better, place.scored), place.scored from credit_profile p join place using (score)
     where p.current and p.state = 'scored' and p.firm_id = any(wanted)
       and (hq_kind() = 'system' or p.firm_id in (select hq_profile_firms())) $$;

-- What the card of a firm says. Before a consent names the bank: whether there is a profile, and whether data do not suffice. The
-- caller must already know the firm's id, which it learns only from a need.
drop function hq_profile_standing(uuid[]);
create function hq_profile_cards(wanted uuid[])
  returns table (firm_id uuid, state text, consented boolean, visible text, percent int, grade text, score bigint,
                 partial boolean, synthetic boolean)
  language sql stable security definer set search_path = public as
  $$ with known as (select hq_profile_firms() as id),
     standing as (
       select p.*, hq_kind() = 'system' or p.firm_id in (select id from known) as consented,
              (select hq_score_visible()) as visible
       from credit_profile p
       where p.current and p.state <> 'no_consent' and p.firm_id = any(wanted)
         and (hq_kind() in ('bank', 'system') or p.firm_id in (select id from known)))
     select s.firm_id, s.state, s.consented, s.visible, place.percent,
            case when s.consented and s.visible in ('grade', 'score') then s.grade end,
            case when s.consented and s.visible = 'score' then s.score end,
            s.consented and s.partial, s.consented and coalesce(m.trained_on = 'synthetic', false)
     from standing s left join hq_profile_place(wanted) place on place.firm_id = s.firm_id
       left join scoring_model m on m.id = s.model_id $$;

-- A profile as a bank that looks reads it, in the case it named (hq.case): of reasons and coverage what rests on sources that it
-- may read, of grade, score and the weight of reasons what the switch shows. Nothing else of the row leaves.
create function hq_profile_shown(firm uuid)
  returns table (id uuid, firm_id uuid, at timestamptz, as_of date, state text, partial boolean, months_covered bigint,
                 coverage jsonb, closed_sources bigint, visible text, grade text, score bigint, reasons jsonb, untold bigint,
                 model_id uuid)
  language sql stable security definer set search_path = public as
  $$ with readable as materialized (
       select i.code from data_item i, enterprise e
       where e.id = $1 and i.active and e.firm_no in (select hq_readable_firms(i.code))),
     open as (select coalesce(array_agg(r.code), '{}') as codes from readable r),
     standing as (
       select p.*, (select hq_score_visible()) as visible from credit_profile p
       where p.firm_id = $1 and p.current and p.state <> 'no_consent' and hq_kind() = 'bank'
         and p.firm_id in (select hq_profile_firms()) and exists (select 1 from readable r where r.code = 'invoices')),
     reason as (
       select r.told, r.place, coalesce(string_to_array(l.grounds[array_position(l.names, r.told ->> 'feature')], ' ') <@ o.codes,
                false) as open
       from standing s cross join open o cross join jsonb_array_elements(s.reasons) with ordinality r (told, place)
         left join feature_list l on l.sha = s.feature_list)
     select s.id, s.firm_id, s.at, s.as_of, s.state, s.partial, s.months_covered,
            (select coalesce(jsonb_object_agg(c.key, c.value), '{}') from jsonb_each(s.coverage) c where c.key = any(o.codes)),
            (select count(*) from jsonb_object_keys(s.coverage) c (code) where c.code <> all(o.codes)),
            s.visible, case when s.visible in ('grade', 'score') then s.grade end, case when s.visible = 'score' then s.score end,
            (select coalesce(jsonb_agg(jsonb_build_object(
               'feature', r.told -> 'feature', 'value', r.told -> 'value', 'up', (r.told ->> 'points')::numeric > 0,
               'points', case when s.visible = 'score' then r.told -> 'points' end) order by r.place), '[]')
             from reason r where r.open),
            (select count(*) from reason r where not r.open), s.model_id
     from standing s cross join open o $$;

drop policy see on credit_profile;
"""
PEERS = """
-- For the running firm alone, never among fewer than ten. Of each feature: the quarter of similar firms (0 to 4) that have less,
-- ties half, and a round number of firms that there are at least. Exact counts would tell, by the difference between any two
-- readings, on which side of its own value the firm stands that came or left; a quarter moves seldom, and does not say for whom.
drop function hq_profile_peers(text[], int, int);
create function hq_profile_peers(names text[], fewest int, most int) returns table (feature text, peers int, quarter int)
  language sql stable security definer set search_path = public as
  $$ with own as (
       select e.id, e.industry_code, e.size_class, p.snapshot, p.feature_list
       from enterprise e join credit_profile p on p.firm_id = e.id
       where e.id = hq_org() and hq_kind() = 'enterprise' and e.state = 'verified' and p.current and p.state = 'scored'),
     peer as (
       select p.snapshot, p.feature_list from own
       join enterprise e on e.industry_code = own.industry_code and e.size_class = own.size_class and e.id <> own.id
       join credit_profile p on p.firm_id = e.id and p.current and p.state = 'scored'
       order by md5(e.id::text) limit most),
     place as (
       select l.sha, n.name, array_position(l.names, n.name) as at from feature_list l, unnest($1) n(name)),
     pair as (
       select mine.name, own.snapshot[mine.at] as mine, peer.snapshot[theirs.at] as theirs
       from own join place mine on mine.sha = own.feature_list, peer join place theirs on theirs.sha = peer.feature_list
       where mine.name = theirs.name and own.snapshot[mine.at] <> 'NaN' and peer.snapshot[theirs.at] <> 'NaN'),
     counted as (
       select name, count(*) as firms, count(*) filter (where theirs < mine) + count(*) filter (where theirs = mine) / 2.0 as less
       from pair group by name having count(*) >= greatest(fewest, 10))
     select name, (select max(round_number) from unnest(array[10, 20, 50, 100, 200, 500, 1000]) round_number
                   where round_number <= firms), round(4 * less / firms)::int
     from counted $$;
"""
THRESHOLDS = """
create table warning_proposal (
  id uuid constraint pk_warning_proposal primary key,
  changes jsonb not null constraint ck_warning_proposal_changes check (jsonb_typeof(changes) = 'object' and changes <> '{}'),
  reason text not null constraint ck_warning_proposal_reason check (length(reason) between 1 and 1000),
  state text not null constraint ck_warning_proposal_state check (state in ('proposed', 'confirmed', 'refused', 'withdrawn')),
  proposed_at timestamptz not null,
  proposed_by uuid not null constraint fk_warning_proposal_proposed_by references person,
  decided_at timestamptz,
  decided_by uuid constraint fk_warning_proposal_decided_by references person,
  constraint ck_warning_proposal_decided check (
    (state = 'proposed') = (decided_at is null) and (state = 'proposed') = (decided_by is null)),
  constraint ck_warning_proposal_two_persons check (
    case state when 'withdrawn' then decided_by = proposed_by else decided_by is distinct from proposed_by end)
);
create unique index uq_warning_proposal_open on warning_proposal (state) where state = 'proposed';
alter table warning_policy add column proposal_id uuid constraint fk_warning_policy_proposal_id references warning_proposal
  constraint uq_warning_policy_proposal_id unique;

-- Whoever proposes or decides does it under the own name; what is decided stays as it was decided.
create function hq_warning_proposal_hands() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'proposed' or new.proposed_by is distinct from hq_actor() then
      raise exception 'a proposal names who makes it' using errcode = 'check_violation', constraint = 'ck_warning_proposal_hands';
    end if;
    return new;
  end if;
  if old.state <> 'proposed' or new.decided_by is distinct from hq_actor() then
    raise exception 'a decision names who takes it, once' using errcode = 'check_violation',
      constraint = 'ck_warning_proposal_hands';
  end if;
  return new;
end $$;
create trigger warning_proposal_hands before insert or update on warning_proposal
  for each row execute function hq_warning_proposal_hands();

-- No threshold comes into force without a second person's word.
create function hq_warning_policy_confirmed() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if not exists (select 1 from warning_proposal p where p.id = new.proposal_id and p.state = 'confirmed') then
    raise exception 'thresholds that nobody confirmed' using errcode = 'check_violation',
      constraint = 'ck_warning_policy_confirmed';
  end if;
  return new;
end $$;
create trigger warning_policy_confirmed before insert on warning_policy
  for each row execute function hq_warning_policy_confirmed();
"""


def upgrade() -> None:
    run(GROUNDS)
    run(SHOWN)
    # A bank reads no row of the table; the city sees no firm's profile, the desk the very one that a firm asked about.
    run(f"create policy see on credit_profile for select to huiqiao_app using ((select {SYSTEM}) "
        "or (firm_id = hq_org() and (select hq_kind() = 'enterprise') and (select hq_proved())) "
        "or ((select hq_kind() = 'platform') and hq_profile_asked_about(id)))")
    run(PEERS)
    run(THRESHOLDS)
    grant("warning_proposal", "select, insert, update (state, decided_at, decided_by)")
    guard("warning_proposal", see=f"hq_kind() in ('bureau', 'platform') or {SYSTEM}", write="hq_kind() in ('bureau', 'platform')",
          change="hq_kind() in ('bureau', 'platform')")
    run("create policy thresholds on transition for select to huiqiao_app "
        "using (subject_type = 'warning_proposal' and (select hq_kind() in ('bureau', 'platform')))")
