"""A need is looked at by the desk before banks see it, may be corrected once, and drafts do not lie for ever."""

from migrations.tools import APP, OWN, SYSTEM, append_only, guard, run

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

REASONS = "'USE_UNCLEAR', 'AMOUNT_ODD', 'DATA_MISSING', 'DUPLICATE', 'USE_BANNED', 'FIRM_WRONG'"
MOST_LIVE = 5
MOST_VERSIONS = 2
MOST_ROUNDS = 3
LIVE = "'CHECKING', 'OPEN', 'CLOSED'"
TERMS = "{0}.amount_fen, {0}.term_months, {0}.purpose_kind, {0}.purpose_text, {0}.product_kind, {0}.repayment, {0}.first_loan"

COLUMNS = f"""
alter table need
  add column submitted_at timestamptz,
  add column check_due_at timestamptz,
  add column released_at timestamptz,
  add column released_by uuid,
  add column release_kind text constraint ck_need_release_kind check (release_kind in ('desk', 'auto')),
  add column returned_reasons text[] not null default '{{}}'
    constraint ck_need_returned_reasons check (returned_reasons <@ array[{REASONS}]),
  add column returned_note text not null default '' constraint ck_need_returned_note check (length(returned_note) <= 500),
  add column version bigint not null default 1 constraint ck_need_version check (version between 1 and {MOST_VERSIONS}),
  add column corrected_at timestamptz,
  add column corrected_reason text not null default '',
  add column round bigint not null default 1 constraint ck_need_round check (round between 1 and {MOST_ROUNDS});
alter table need disable trigger user;
update need set submitted_at = published_at, released_at = published_at, release_kind = 'auto' where published_at is not null;
alter table need enable trigger user;
alter table need
  drop constraint ck_need_state,
  drop constraint ck_need_published,
  add constraint ck_need_state check (state in (
    'DRAFT', 'CHECKING', 'RETURNED', 'OPEN', 'CLOSED', 'CHOSEN', 'WITHDRAWN', 'LAPSED')),
  add constraint ck_need_submitted check (
    state = 'DRAFT' or (state in ('WITHDRAWN', 'LAPSED') and submitted_at is null) or (
      case_id is not null and seal_id is not null and submitted_at is not null and amount_fen is not null
      and term_months is not null and purpose_kind is not null and product_kind is not null and repayment is not null
      and distribution is not null)),
  add constraint ck_need_published check (state not in ('OPEN', 'CLOSED', 'CHOSEN') or (
    published_at is not null and closes_at is not null and released_at is not null and release_kind is not null)),
  add constraint ck_need_checking check (state <> 'CHECKING' or check_due_at is not null),
  add constraint ck_need_returned check (state <> 'RETURNED' or cardinality(returned_reasons) > 0);
create index ix_need_checking on need (check_due_at) where state = 'CHECKING';

create table need_version (
  need_id uuid not null constraint fk_need_version_need_id references need,
  version bigint not null,
  org_id uuid not null,
  facts jsonb not null,
  reason text not null,
  at timestamptz not null,
  made_by uuid,
  constraint pk_need_version primary key (need_id, version)
);
"""

LIVE_COUNT = f"""
create or replace function hq_need_live_count() returns trigger language plpgsql security definer set search_path = public as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(new.org_id::text, 29));
  if (select count(*) from need n where n.org_id = new.org_id and n.id <> new.id and n.state in ({LIVE})) >= {MOST_LIVE} then
    raise exception 'as many needs as a firm has at once' using errcode = 'check_violation',
      constraint = 'ck_need_live_count';
  end if;
  return new;
end $$;
drop trigger need_live_count on need;
create trigger need_live_count before update of state on need for each row
  when (old.state <> 'CHECKING' and new.state = 'CHECKING') execute function hq_need_live_count();
"""

SCREEN = """
-- Banks see a need only after the desk, or the hour, has released it; and the desk moves nothing else.
create function hq_need_screened() returns trigger language plpgsql as $$
begin
  if new.state <> old.state and (
       (new.state = 'OPEN' and old.state <> 'CHECKING')
       or (old.state = 'CHECKING' and new.state in ('OPEN', 'RETURNED')
           and coalesce(hq_kind(), '') not in ('platform', 'system'))) then
    raise exception 'a need is released by the desk' using errcode = 'check_violation', constraint = 'ck_need_screened';
  end if;
  if hq_kind() = 'platform' and (old.state <> 'CHECKING' or new.state not in ('OPEN', 'RETURNED')
      or (to_jsonb(old) - array['state', 'released_at', 'released_by', 'release_kind', 'published_at', 'closes_at',
            'next_check_at', 'returned_reasons', 'returned_note'])
         is distinct from
         (to_jsonb(new) - array['state', 'released_at', 'released_by', 'release_kind', 'published_at', 'closes_at',
            'next_check_at', 'returned_reasons', 'returned_note'])) then
    raise exception 'the desk releases or returns' using errcode = 'check_violation', constraint = 'ck_need_screened';
  end if;
  return new;
end $$;
create trigger need_screened before update on need for each row execute function hq_need_screened();
"""

FROZEN = f"""
drop trigger need_exposure_frozen on need;
drop function hq_need_exposure_frozen();
-- What banks have read stays: but for one correction of the terms while bids are sealed, which keeps what stood before.
create or replace function hq_need_frozen() returns trigger language plpgsql security definer set search_path = public as $$
declare
  terms_changed boolean := ({TERMS.format("old")}) is distinct from ({TERMS.format("new")});
  corrected boolean := old.state = 'OPEN' and new.state = 'OPEN' and new.version = old.version + 1;
begin
  if (old.org_id, old.case_id, old.seal_id) is distinct from (new.org_id, new.case_id, new.seal_id)
     or (old.published_at is not null and old.published_at is distinct from new.published_at)
     or (old.state <> 'RETURNED' and old.distribution is distinct from new.distribution)
     or (old.state <> 'RETURNED' and not corrected and (terms_changed or old.exposure is distinct from new.exposure))
     or (old.version <> new.version and not (corrected and terms_changed)) then
    raise exception 'a published need does not change' using errcode = 'check_violation', constraint = 'ck_need_frozen';
  end if;
  if corrected then
    if btrim(new.corrected_reason) = '' or new.corrected_at is null then
      raise exception 'a correction tells why' using errcode = 'check_violation', constraint = 'ck_need_corrected';
    end if;
    insert into need_version (need_id, version, org_id, facts, reason, at, made_by)
      values (old.id, old.version, old.org_id,
              jsonb_build_object('amount_fen', old.amount_fen, 'term_months', old.term_months, 'purpose_kind', old.purpose_kind,
                'purpose_text', old.purpose_text, 'product_kind', old.product_kind, 'repayment', old.repayment,
                'first_loan', old.first_loan),
              new.corrected_reason, now(), hq_actor());
  end if;
  return new;
end $$;
"""


def upgrade() -> None:
    for part in (COLUMNS, LIVE_COUNT, SCREEN, FROZEN):
        run(part)
    run("drop policy change on need")
    change = f"{OWN} or {SYSTEM} or (hq_kind() = 'platform' and state in ('CHECKING', 'OPEN', 'RETURNED'))"
    run(f"create policy change on need for update to {APP} using ({change}) with check ({change})")
    append_only("need_version")
    guard("need_version", see=f"{OWN} or hq_kind() in ('system', 'platform', 'bureau') or (hq_kind() = 'bank' and "
                              "exists (select 1 from need n where n.id = need_id))", write="false")
