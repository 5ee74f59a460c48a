"""Products say rate, repayment, data they need, conditions and what a bank can handle; five more kinds.

Places in a bank's queue are rows, and so are the claims of its officers.
"""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

KINDS = (
    "'CREDIT', 'RECEIVABLE_PLEDGE', 'IP_PLEDGE', 'ENVIRONMENT_PLEDGE', 'LOAN_INSURANCE', 'GUARANTEED', 'MORTGAGE', 'EQUITY', "
    "'TAX_LOAN', 'FIRST_LOAN', 'RENEWAL', 'SUPPLY_CHAIN', 'OTHER'"
)
METHODS = "'INTEREST_ONLY', 'EQUAL_INSTALMENT', 'EQUAL_PRINCIPAL', 'BULLET'"

PRODUCT = f"""
alter table product drop constraint ck_product_kind, add constraint ck_product_kind check (kind in ({KINDS}));
alter table need drop constraint ck_need_product_kind,
  add constraint ck_need_product_kind check (product_kind in ('ANY', {KINDS}));
-- Products from before state no rate and take every repayment, as they were made.
alter table product
  add column min_rate numeric(9, 6), add column max_rate numeric(9, 6),
  add column repayments text[] not null default array[{METHODS}],
  add column required_sources text[] not null default '{{}}',
  add column officer_capacity bigint not null default 20,
  add column rule jsonb not null default '{{}}',
  add column seats bigint, add column budget_fen bigint, add column part_min_fen bigint,
  add constraint ck_product_rates check (
    (min_rate is null) = (max_rate is null) and (min_rate is null or (0 < min_rate and min_rate <= max_rate and max_rate <= 1))),
  add constraint ck_product_repayments check (cardinality(repayments) > 0 and repayments <@ array[{METHODS}, 'FREE']),
  add constraint ck_product_capacity check (officer_capacity between 1 and 200),
  add constraint ck_product_rule check (jsonb_typeof(rule) = 'object' and pg_column_size(rule) < 16384),
  add constraint ck_product_seats check (seats between 1 and 10000),
  add constraint ck_product_budget check (budget_fen >= min_amount_fen),
  add constraint ck_product_part check (part_min_fen between 1 and max_amount_fen);
alter table product alter repayments drop default, alter required_sources drop default, alter officer_capacity drop default,
  alter rule drop default;

create function hq_product_sources() returns trigger language plpgsql as $$
begin
  if exists (select 1 from unnest(new.required_sources) s(code) where s.code not in (select code from data_item)) then
    raise exception 'a source that the catalogue does not know' using errcode = 'check_violation',
      constraint = 'ck_product_sources';
  end if;
  return new;
end $$;
create trigger product_sources before insert or update of required_sources on product
  for each row execute function hq_product_sources();

-- A firm that a list or register does not name is told apart from a list that never came. Says nothing about any firm.
create function hq_item_delivered(item text) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from delivery d where d.item_code = $1 and d.state = 'TAKEN_IN') $$;
"""

CLAIM = """
create table need_claim (
  id uuid constraint pk_need_claim primary key,
  need_id uuid not null,
  seal_id uuid not null,
  org_id uuid not null constraint fk_need_claim_org_id references organisation,
  person_id uuid not null constraint fk_need_claim_person_id references person,
  claimed_at timestamptz not null,
  due_at timestamptz not null,
  ended_at timestamptz,
  end_reason text constraint ck_need_claim_end_reason
    check (end_reason in ('ANSWERED', 'RELEASED', 'HANDED', 'LATE', 'CLOSED')),
  constraint fk_need_claim_need_id foreign key (need_id, seal_id) references need (id, seal_id),
  constraint ck_need_claim_ended check ((ended_at is null) = (end_reason is null))
);
-- One bank's own claims alone are compared by this index, so its errors tell nothing about the others.
create unique index uq_need_claim_live on need_claim (need_id, org_id) where ended_at is null;
create index ix_need_claim_person_id on need_claim (person_id) where ended_at is null;
create index ix_need_claim_due_at on need_claim (due_at) where ended_at is null;

create function hq_claim_capacity(bank uuid) returns bigint
  language sql stable security definer set search_path = public as
  $$ select coalesce(min(p.officer_capacity), 20) from product p where p.org_id = $1 and p.state = 'ACTIVE' $$;

create function hq_claim_gate() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if not exists (select 1 from person p where p.id = new.person_id and p.org_id = new.org_id and p.state = 'active') then
    raise exception 'a claim is held by one of the bank''s own people' using errcode = 'check_violation',
      constraint = 'ck_need_claim_person';
  end if;
  if hq_need_hold(new.need_id) is distinct from 'OPEN' then
    raise exception 'bidding has closed' using errcode = 'check_violation', constraint = 'ck_bid_before_close';
  end if;
  -- Two claims of one person at the same moment are counted one after the other.
  perform pg_advisory_xact_lock(hashtextextended(new.person_id::text, 24));
  if (select count(*) from need_claim c where c.person_id = new.person_id and c.ended_at is null)
      >= hq_claim_capacity(new.org_id) then
    raise exception 'as many claims as one officer holds' using errcode = 'check_violation',
      constraint = 'ck_need_claim_capacity';
  end if;
  return new;
end $$;
create trigger claim_gate before insert on need_claim for each row execute function hq_claim_gate();

create function hq_claim_once() returns trigger language plpgsql as $$
begin
  if old.ended_at is not null then
    raise exception 'a claim ends once' using errcode = 'check_violation', constraint = 'ck_need_claim_once';
  end if;
  return new;
end $$;
create trigger claim_once before update on need_claim for each row execute function hq_claim_once();

-- A bid handed in answers the claim.
create function hq_claim_answered() returns trigger language plpgsql security definer set search_path = public as $$
begin
  update need_claim set ended_at = now(), end_reason = 'ANSWERED'
    where need_id = new.need_id and org_id = new.org_id and ended_at is null;
  return null;
end $$;
create trigger claim_answered after update of state on bid for each row
  when (old.state <> 'SUBMITTED' and new.state = 'SUBMITTED') execute function hq_claim_answered();

-- The portal may not read who claimed what; so the database itself frees what was left lying, and says nothing about it to
-- whoever calls.
create function hq_free_late_claims() returns void language plpgsql security definer set search_path = public as $$
begin
  with late as (
    update need_claim c set ended_at = now(), end_reason = 'LATE' where c.ended_at is null and c.due_at <= now()
    returning c.need_id, c.seal_id, c.org_id, c.person_id)
  insert into notice (id, org_id, person_id, message, params, path, case_id, seal_id, at)
    select gen_random_uuid(), l.org_id, l.person_id, '您认领的需求已过时限仍未报价，认领已释放，同事可以接手。', '{}',
           '/queue/' || l.need_id, n.case_id, l.seal_id, now()
    from late l join need n on n.id = l.need_id;
end $$;
"""
RANK = """
create table queue_rank (
  org_id uuid not null constraint fk_queue_rank_org_id references organisation,
  need_id uuid not null constraint fk_queue_rank_need_id references need,
  product_id uuid constraint fk_queue_rank_product_id references product,
  score smallint not null constraint ck_queue_rank_score check (score between 0 and 100),
  points smallint[] not null,
  reasons text[] not null,
  margin_bp bigint,
  bands text[] not null,
  soon_at timestamptz not null,
  soon boolean not null,
  amount_fen bigint not null,
  district text not null,
  division text not null,
  kind text not null,
  first_loan boolean not null,
  bookable boolean not null,
  closes_at timestamptz not null,
  constraint pk_queue_rank primary key (org_id, need_id)
);
-- One for each order of the page, read forwards or backwards; filters are answered from the first without touching the rows.
create index ix_queue_rank_score on queue_rank (org_id, score desc, closes_at, need_id)
  include (amount_fen, district, division, kind, first_loan, bookable);
create index ix_queue_rank_closes_at on queue_rank (org_id, closes_at, need_id);
create index ix_queue_rank_amount on queue_rank (org_id, amount_fen, need_id);
create index ix_queue_rank_need_id on queue_rank (need_id);
create index ix_queue_rank_soon on queue_rank (soon_at) where not soon;
create table rank_state (
  org_id uuid constraint pk_rank_state primary key constraint fk_rank_state_org_id references organisation,
  seen_until timestamptz not null
);
create table rank_due (
  need_id uuid constraint pk_rank_due primary key constraint fk_rank_due_need_id references need,
  since timestamptz not null
);
create index ix_need_open_published on need (published_at) where state = 'OPEN';

-- A need that takes no bids stands in no queue; what a queue filters by follows the need.
create function hq_need_ranked() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if new.state <> 'OPEN' then
    delete from queue_rank where need_id = new.id;
    delete from rank_due where need_id = new.id;
    update need_claim set ended_at = now(), end_reason = 'CLOSED' where need_id = new.id and ended_at is null;
    return null;
  end if;
  if (old.closes_at, coalesce(old.bookable, false)) is distinct from (new.closes_at, coalesce(new.bookable, false)) then
    update queue_rank set closes_at = new.closes_at, bookable = coalesce(new.bookable, false) where need_id = new.id;
  end if;
  if old.closes_at is distinct from new.closes_at then
    insert into rank_due (need_id, since) values (new.id, now()) on conflict do nothing;
  end if;
  return null;
end $$;
create trigger need_ranked after update on need for each row when (old.state = 'OPEN') execute function hq_need_ranked();

-- Open needs that have no place yet in the running bank's queue. A need may become visible a little after its moment of
-- publishing, when its transaction ends. The range is told to the planner as a value: mostly nothing lies in it.
create function hq_rank_missing(at timestamptz) returns setof uuid
  language plpgsql stable security definer set search_path = public set plan_cache_mode = force_custom_plan as $$
declare since timestamptz := (select s.seen_until - interval '5 minutes' from rank_state s where s.org_id = hq_org());
begin
  if hq_kind() is distinct from 'bank' then
    return;
  end if;
  since := coalesce(since, '-infinity');
  return query select n.id from need n
    where n.state = 'OPEN' and n.published_at >= since and n.closes_at > at
      and (n.distribution = 'open' or exists (select 1 from need_invitee i where i.need_id = n.id and i.org_id = hq_org()))
      and not exists (select 1 from queue_rank r where r.org_id = hq_org() and r.need_id = n.id)
    order by n.id;
end $$;

create function hq_profiles_ranked() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into rank_due (need_id, since)
    select n.id, now() from fresh f join need n on n.org_id = f.firm_id and n.state = 'OPEN' on conflict do nothing;
  return null;
end $$;
create trigger profiles_ranked after insert on credit_profile referencing new table as fresh
  for each statement execute function hq_profiles_ranked();
"""


def upgrade() -> None:
    run(PRODUCT)
    run(CLAIM)
    run(RANK)
    # Asked once a statement, not once a row: a page may pass over thousands of rows.
    own = "org_id = (select hq_org()) and (select hq_kind()) = 'bank'"
    system = f"(select {SYSTEM})"
    grant("need_claim", "select, insert, update (ended_at, end_reason)")
    guard("need_claim", see=own, write=own, change=own)
    grant("queue_rank", "select, insert, update, delete")
    guard("queue_rank", see=f"({own}) or {system}", write=f"({own}) or {system}", change=f"({own}) or {system}",
          remove=f"({own}) or {system}")
    grant("rank_state", "select, insert, update")
    guard("rank_state", see=f"({own}) or {system}", write=f"({own}) or {system}", change=f"({own}) or {system}")
    grant("rank_due", "select, delete")
    guard("rank_due", see=system, write="false", remove=system)
