"""A firm may have several needs at once; what it owes elsewhere is told with each of them."""

from migrations.tools import APP, OWN, grant, guard, run

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

MOST_LIVE = 5
MOST_FEN = 10_000_000_000_000

SEVERAL = f"""
drop index uq_need_live;
alter table need add column exposure jsonb constraint ck_need_exposure check (jsonb_typeof(exposure) = 'object');

-- Two needs sent at the same moment are counted one after the other.
create function hq_need_live_count() returns trigger language plpgsql security definer set search_path = public as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(new.org_id::text, 29));
  if (select count(*) from need n where n.org_id = new.org_id and n.id <> new.id and n.state in ('OPEN', 'CLOSED'))
      >= {MOST_LIVE} then
    raise exception 'as many needs as a firm has at once' using errcode = 'check_violation',
      constraint = 'ck_need_live_count';
  end if;
  return new;
end $$;
create trigger need_live_count before update of state on need for each row
  when (old.state not in ('OPEN', 'CLOSED') and new.state in ('OPEN', 'CLOSED')) execute function hq_need_live_count();

create function hq_need_exposure_frozen() returns trigger language plpgsql as $$
begin
  if old.exposure is distinct from new.exposure then
    raise exception 'a published need does not change' using errcode = 'check_violation', constraint = 'ck_need_frozen';
  end if;
  return new;
end $$;
create trigger need_exposure_frozen before update on need for each row
  when (old.state <> 'DRAFT') execute function hq_need_exposure_frozen();
"""

DEBT = f"""
create table declared_debt (
  id uuid constraint pk_declared_debt primary key,
  org_id uuid not null constraint fk_declared_debt_org_id references enterprise,
  lender text not null constraint ck_declared_debt_lender check (length(btrim(lender)) between 2 and 60),
  amount_fen bigint not null constraint ck_declared_debt_amount check (amount_fen between 1 and {MOST_FEN}),
  annual_rate numeric(9, 6) constraint ck_declared_debt_rate check (annual_rate > 0 and annual_rate <= 1),
  due_on date,
  secured boolean not null,
  as_of date not null,
  declared_at timestamptz not null,
  declared_by uuid,
  ended_at timestamptz
);
create index ix_declared_debt_org_id on declared_debt (org_id, declared_at);
create function hq_declared_debt_frozen() returns trigger language plpgsql as $$
begin
  if old.ended_at is not null or to_jsonb(old) - 'ended_at' is distinct from to_jsonb(new) - 'ended_at' then
    raise exception 'a debt is declared anew, not rewritten' using errcode = 'check_violation',
      constraint = 'ck_declared_debt_frozen';
  end if;
  return new;
end $$;
create trigger declared_debt_frozen before update on declared_debt for each row execute function hq_declared_debt_frozen();
"""


def upgrade() -> None:
    run(SEVERAL)
    run(DEBT)
    own_firm = f"{OWN} and hq_kind() = 'enterprise'"
    grant("declared_debt", "select, insert, update (ended_at)")
    guard("declared_debt", see=own_firm, write=own_firm, change=own_firm)
    run(f"create policy proved on declared_debt as restrictive for select to {APP} using ((select hq_proved()))")
