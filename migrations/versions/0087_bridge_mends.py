"""Who reads the steps of a bridge is named by who may, not by who may not; the loop is that of the picked fund; renewal money of
bridges that were out before the loop had to hold its account can still be recorded.
"""

from migrations.tools import APP, once, run

revision = "0087"
down_revision = "0086"
branch_labels = None
depends_on = None

TABLES = ("bridge", "bridge_trouble", "bridge_claim", "bridge_collateral", "bridge_guarantee", "fund_hold")
# Each look at a table passes that table's own policies: a guarantor of the gap sees its bridge, one of the firm's loan does not.
SEEN = " ".join(f"when '{table}' then exists (select 1 from {table} one where one.id = subject_id)" for table in TABLES)
WHOLE = "hq_kind() in ('enterprise', 'bridge_centre', 'bureau', 'platform', 'system')"

LOOP = """
create or replace function hq_in_loop(bridge uuid, number bytea) returns boolean
  language sql stable security definer set search_path = public as $$
  select exists (select 1 from bridge_account a join bridge b on b.id = a.bridge_id where a.bridge_id = $1 and a.digest = $2
    and a.kind <> 'RENEWAL' and a.state <> 'REPLACED' and (a.fund_id is null or a.fund_id = b.fund_id)) $$;

-- Money that was out before 0079 comes back over the account that its letter names, though it is none of the three.
alter table bridge_account add column before_loop boolean not null default false;
alter table bridge_account disable trigger bridge_account_hands;
update bridge_account a set before_loop = true from bridge b
  where b.id = a.bridge_id and a.kind = 'RENEWAL' and a.state = 'CONFIRMED' and b.paid_on is not null
    and not hq_in_loop(b.id, a.digest);
alter table bridge_account enable trigger bridge_account_hands;

-- Nobody but this file says so of an account.
create function hq_bridge_account_before_loop() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if new.before_loop and (tg_op = 'INSERT' or not old.before_loop) then
    raise exception 'the renewal money would leave the loop'
      using errcode = 'check_violation', constraint = 'ck_bridge_account_receiving';
  end if;
  return new;
end $$;
create trigger bridge_account_before_loop before insert or update of before_loop on bridge_account
  for each row execute function hq_bridge_account_before_loop();

do $$ begin
  execute replace(pg_get_functiondef('hq_hop_in_loop()'::regprocedure),
    'and not hq_in_loop(b.id, f.digest))', 'and not f.before_loop and not hq_in_loop(b.id, f.digest))');
  if position('f.before_loop' in pg_get_functiondef('hq_hop_in_loop()'::regprocedure)) = 0 then
    raise exception 'the function of the hops is not as expected';
  end if;
end $$;
"""


def upgrade() -> None:
    kept = once(f"{WHOLE} or org_id = hq_org() or (case subject_type {SEEN} else true end "
                "and not (subject_type = 'bridge' and event = 'offer' and hq_kind() = 'funder'))")
    run("drop policy own_bridges on transition")
    run(f"create policy own_bridges on transition as restrictive for select to {APP} using ({kept})")
    run(LOOP)
