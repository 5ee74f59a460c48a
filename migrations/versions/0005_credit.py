"""Credit profiles: models, profiles with their history, the switch for banks, requests for a human look."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
create table scoring_model (
  id uuid constraint pk_scoring_model primary key,
  version text not null constraint uq_scoring_model_version unique,
  trained_on text not null constraint ck_scoring_model_trained_on check (trained_on in ('real', 'synthetic')),
  trained_at date not null,
  window_from date not null,
  window_to date not null,
  firms bigint not null,
  defaults bigint not null,
  content bytea not null,
  sha256 bytea not null,
  metrics jsonb not null,
  bands jsonb not null,
  registered_at timestamptz not null,
  active boolean not null,
  constraint ck_scoring_model_sha256 check (sha256 = sha256(content)),
  constraint ck_scoring_model_window check (window_from <= window_to),
  constraint ck_scoring_model_firms check (defaults between 0 and firms)
);
create unique index uq_scoring_model_active on scoring_model (active) where active;

create table credit_policy (
  id uuid constraint pk_credit_policy primary key,
  valid_from timestamptz not null constraint uq_credit_policy_valid_from unique,
  visible text not null constraint ck_credit_policy_visible check (visible in ('rank', 'grade', 'score'))
);

create table credit_profile (
  id uuid constraint pk_credit_profile primary key,
  firm_id uuid not null constraint fk_credit_profile_firm_id references enterprise,
  at timestamptz not null,
  as_of date,
  state text not null constraint ck_credit_profile_state check (state in ('scored', 'insufficient', 'no_consent')),
  score bigint constraint ck_credit_profile_score check (score between 0 and 1000),
  probability numeric(9, 6) constraint ck_credit_profile_probability check (probability between 0 and 1),
  grade text constraint ck_credit_profile_grade check (grade in ('A', 'B', 'C', 'D')),
  partial boolean not null,
  months_covered bigint not null constraint ck_credit_profile_months_covered check (months_covered >= 0),
  coverage jsonb not null,
  reasons jsonb not null,
  features jsonb not null,
  model_id uuid constraint fk_credit_profile_model_id references scoring_model,
  consent_ids jsonb not null,
  current boolean not null,
  constraint uq_credit_profile_id_firm_id unique (id, firm_id),
  constraint ck_credit_profile_scored check (
    (state = 'scored') = (score is not null)
    and num_nonnulls(score, probability, grade, model_id) in (0, 4)),
  -- without consent nothing about the firm is kept in the row: no feature, no reason, no month
  constraint ck_credit_profile_no_consent check (
    state <> 'no_consent' or (features = '{}' and reasons = '[]' and coverage = '{}' and consent_ids = '[]')),
  constraint ck_credit_profile_as_of check (state = 'no_consent' or as_of is not null)
);
create unique index uq_credit_profile_current on credit_profile (firm_id) where current;
create index ix_credit_profile_firm_id on credit_profile (firm_id, at);
create index ix_credit_profile_score on credit_profile (score) where current and state = 'scored';

-- How far a delivery tells: a month that nobody delivered yet must not look like a month without sales. Counted once.
create table credit_horizon (
  delivery_no bigint constraint pk_credit_horizon primary key
    constraint fk_credit_horizon_delivery_no references delivery (number),
  known_until date not null
);

create table profile_review (
  id uuid constraint pk_profile_review primary key,
  firm_id uuid not null constraint fk_profile_review_firm_id references enterprise,
  profile_id uuid not null,
  state text not null constraint ck_profile_review_state check (state in ('asked', 'answered')),
  asked_at timestamptz not null,
  asked_by uuid constraint fk_profile_review_asked_by references person,
  message text not null constraint ck_profile_review_message check (length(message) between 1 and 2000),
  due_on date not null,
  answered_at timestamptz,
  answered_by uuid constraint fk_profile_review_answered_by references person,
  answer text constraint ck_profile_review_answer check (length(answer) between 1 and 4000),
  constraint fk_profile_review_profile foreign key (profile_id, firm_id) references credit_profile (id, firm_id),
  constraint ck_profile_review_answered check (
    (state = 'answered') = (answered_at is not null and answer is not null))
);
create unique index uq_profile_review_open on profile_review (firm_id) where state = 'asked';
create index ix_profile_review_firm_id on profile_review (firm_id, asked_at);
create index ix_profile_review_profile_id on profile_review (profile_id);
create index ix_profile_review_due_on on profile_review (due_on) where state = 'asked';
"""

FUNCTIONS = """
-- Whose profile may the running identity read: what its invoices allow (own and verified; a bank that a consent in force
-- names). The rule itself stands once, in the evidence room.
create function hq_profile_firms() returns setof uuid
  language sql stable security definer set search_path = public as
  $$ select e.id from enterprise e where e.firm_no in (select hq_readable_firms('invoices')) $$;

-- History is kept: of a profile only `current` may go from true to false, of a model only `active`.
create function hq_profile_kept() returns trigger language plpgsql as $$
declare before credit_profile := old;
begin
  before.current := false;
  if not old.current or new is distinct from before then
    raise exception 'a profile is kept as it was' using errcode = 'check_violation', constraint = 'ck_credit_profile_kept';
  end if;
  return new;
end $$;
create trigger profile_kept before update on credit_profile for each row execute function hq_profile_kept();

create function hq_model_kept() returns trigger language plpgsql as $$
declare before scoring_model := old;
begin
  before.active := new.active;
  if new is distinct from before then
    raise exception 'a model is kept as it was' using errcode = 'check_violation', constraint = 'ck_scoring_model_kept';
  end if;
  return new;
end $$;
create trigger model_kept before update on scoring_model for each row execute function hq_model_kept();

-- What a lender's card may say before any consent names that lender: whether there is a profile at all. Neither rank
-- nor grade nor score leaves by this door. The caller must already know the firm's id, which it learns only from a need.
create function hq_profile_standing(wanted uuid[]) returns table (firm_id uuid, state text)
  language sql stable security definer set search_path = public as
  $$ select p.firm_id, p.state from credit_profile p
     where p.current and p.state <> 'no_consent' and p.firm_id = any(wanted)
       and (hq_kind() in ('bank', 'system') or p.firm_id in (select hq_profile_firms())) $$;

-- A firm's place among all scored firms. Others' scores are counted here and never returned; the place is told to the
-- firm itself, to the portal, and to a bank exactly while a consent of that firm names it.
create function hq_profile_place(wanted uuid[]) returns table (firm_id uuid, better bigint, scored bigint)
  language sql stable security definer set search_path = public as
  $$ with heap as (
       select score, count(*) as firms from credit_profile where current and state = 'scored' group by score),
     place as (
       select score, coalesce(sum(heap.firms) over (order by score desc
                rows between unbounded preceding and 1 preceding), 0)::bigint as better,
              sum(heap.firms) over ()::bigint as scored from heap)
     select p.firm_id, place.better, place.scored from credit_profile p join place using (score)
     where p.current and p.state = 'scored' and p.firm_id = any(wanted)
       and (hq_kind() = 'system' or p.firm_id in (select hq_profile_firms())) $$;

-- Since when a firm has had a profile: the station 画像 of a case's line, for whoever may know the firm. A moment, no more.
create function hq_profile_since(firm uuid) returns timestamptz
  language sql stable security definer set search_path = public as
  $$ select min(p.at) from credit_profile p
     where p.firm_id = $1 and p.state <> 'no_consent'
       and (p.firm_id = hq_org() or hq_kind() in ('system', 'platform', 'bureau', 'bridge_centre') or hq_knows_firm($1)) $$;

-- The desk answers requests; it sees the very profile a firm asked about, no other.
create function hq_profile_asked_about(profile uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from profile_review r where r.profile_id = $1) $$;
"""


def upgrade() -> None:
    run(TABLES)
    run(FUNCTIONS)
    grant("scoring_model", "select, insert, update")
    guard("scoring_model", see="hq_kind() is not null", write=SYSTEM, change=SYSTEM)
    append_only("credit_policy")
    guard("credit_policy", see="hq_kind() is not null", write=SYSTEM)
    grant("credit_profile", "select, insert, update")
    # A bank sees what stands now, never what stood before its consent; the city sees no firm's profile.
    guard("credit_profile",
          see=f"(select {SYSTEM}) or (firm_id in (select hq_profile_firms()) and (current or firm_id = hq_org())) "
              "or ((select hq_kind() = 'platform') and hq_profile_asked_about(id))",
          write=SYSTEM, change=SYSTEM)
    append_only("credit_horizon")
    guard("credit_horizon", see=SYSTEM)
    grant("profile_review", "select, insert, update")
    guard("profile_review", see=f"firm_id = hq_org() or {SYSTEM} or hq_kind() = 'platform'", write="firm_id = hq_org()",
          change="hq_kind() = 'platform'")
