"""Service levels are data: set by one person, in force on another one's word."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

POLICY = """
create table market_policy (
  id uuid constraint pk_market_policy primary key,
  changes jsonb not null constraint ck_market_policy_changes
    check (jsonb_typeof(changes) = 'object' and changes <> '{}' and pg_column_size(changes) < 8192),
  reason text not null constraint ck_market_policy_reason check (length(btrim(reason)) between 1 and 1000),
  valid_from timestamptz not null,
  state text not null constraint ck_market_policy_state check (state in ('PROPOSED', 'CONFIRMED', 'REFUSED', 'WITHDRAWN')),
  set_at timestamptz not null,
  set_by uuid not null constraint fk_market_policy_set_by references person,
  decided_at timestamptz,
  approved_by uuid constraint fk_market_policy_approved_by references person,
  constraint ck_market_policy_decided
    check ((state = 'PROPOSED') = (decided_at is null) and (state = 'PROPOSED') = (approved_by is null)),
  constraint ck_market_policy_two_people
    check (state = 'PROPOSED' or (state = 'WITHDRAWN') = (approved_by = set_by))
);
create unique index uq_market_policy_open on market_policy ((true)) where state = 'PROPOSED';
create index ix_market_policy_valid_from on market_policy (valid_from) where state = 'CONFIRMED';

-- Each hand is the hand of whoever is there; a number never holds for a time before it was confirmed.
create function hq_market_policy_gate() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'PROPOSED' or new.set_by is distinct from hq_actor() then
      raise exception 'a change begins as a proposal' using errcode = 'check_violation', constraint = 'ck_market_policy_hands';
    end if;
    return new;
  end if;
  if old.state <> 'PROPOSED' or new.approved_by is distinct from hq_actor()
     or (old.id, old.changes, old.reason, old.set_at, old.set_by)
        is distinct from (new.id, new.changes, new.reason, new.set_at, new.set_by)
     or (new.state = 'CONFIRMED' and (new.valid_from < old.valid_from or new.valid_from < new.decided_at)) then
    raise exception 'a change is judged once, as it stands' using errcode = 'check_violation',
      constraint = 'ck_market_policy_hands';
  end if;
  return new;
end $$;
create trigger market_policy_gate before insert or update on market_policy
  for each row execute function hq_market_policy_gate();
"""


def upgrade() -> None:
    run(POLICY)
    grant("market_policy", "select, insert, update (state, valid_from, decided_at, approved_by)")
    judges = "hq_kind() in ('bureau', 'platform')"
    guard("market_policy", see=f"hq_kind() is not null or {SYSTEM}", write="hq_kind() = 'platform'", change=judges)
