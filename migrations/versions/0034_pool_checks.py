"""Nightly checks of the pool: what was looked at and what did not add up."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

TABLES = """
create table pool_check (
  id uuid constraint pk_pool_check primary key,
  day date not null constraint uq_pool_check_day unique,
  asked_at timestamptz not null,
  done_at timestamptz,
  told jsonb,
  found bigint constraint ck_pool_check_found check (found >= 0),
  constraint ck_pool_check_done check (num_nonnulls(done_at, told, found) in (0, 3) and done_at >= asked_at)
);

-- What a night found stays as it was found.
create function hq_pool_check_once() returns trigger language plpgsql as $$
begin
  if old.done_at is not null then
    raise exception 'a check that is done is not changed' using errcode = 'check_violation', constraint = 'ck_pool_check_once';
  end if;
  return new;
end $$;
create trigger pool_check_once before update on pool_check for each row execute function hq_pool_check_once();
"""


def upgrade() -> None:
    run(TABLES)
    grant("pool_check", "select, insert, update (done_at, told, found)")
    guard("pool_check", see=f"hq_kind() in ('bureau', 'platform') or {SYSTEM}", write=SYSTEM, change=SYSTEM)
