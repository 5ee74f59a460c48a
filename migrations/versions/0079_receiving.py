"""The renewal money arrives on an account of the loop: what a letter names is one of the three, or nothing is signed over it."""

from migrations.tools import run

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None

# Letters and accounts from before this file stand; whatever is written from now on keeps the rule.
RECEIVING = """
create function hq_in_loop(bridge uuid, number bytea) returns boolean
  language sql stable security definer set search_path = public as $$
  select exists (select 1 from bridge_account a where a.bridge_id = $1 and a.digest = $2 and a.kind <> 'RENEWAL'
    and a.state <> 'REPLACED') $$;

create function hq_letter_in_loop() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if exists (select 1 from bridge_account a join bridge b on b.id = a.bridge_id where a.bridge_id = new.bridge_id
       and a.kind <> 'RENEWAL' and a.state <> 'REPLACED' and (a.fund_id is null or a.fund_id = b.fund_id))
     and not hq_in_loop(new.bridge_id, new.receiving_digest) then
    raise exception 'the renewal money would leave the loop'
      using errcode = 'check_violation', constraint = 'ck_commitment_receiving';
  end if;
  return new;
end $$;
create trigger commitment_receiving before insert on commitment for each row execute function hq_letter_in_loop();

create function hq_renewal_in_loop() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if not hq_in_loop(new.bridge_id, new.digest) then
    raise exception 'the renewal money would leave the loop'
      using errcode = 'check_violation', constraint = 'ck_bridge_account_receiving';
  end if;
  return null;
end $$;
create constraint trigger bridge_account_receiving after insert on bridge_account deferrable initially deferred
  for each row when (new.kind = 'RENEWAL') execute function hq_renewal_in_loop();

do $$ begin
  execute replace(pg_get_functiondef('hq_hop_in_loop()'::regprocedure),
    'or (new.corrects_id is null and f.kind = ''RENEWAL'' and exists (',
    'or (new.corrects_id is null and f.kind = ''RENEWAL'' and not hq_in_loop(b.id, f.digest))
     or (new.corrects_id is null and f.kind = ''RENEWAL'' and exists (');
  execute replace(pg_get_functiondef('hq_bridge_account_hands()'::regprocedure),
    'stands not in (''BANK_COMMITTED''', 'stands not in (''PRECHECKED'', ''BANK_COMMITTED''');
  if position('hq_in_loop' in pg_get_functiondef('hq_hop_in_loop()'::regprocedure)) = 0
     or position('PRECHECKED' in pg_get_functiondef('hq_bridge_account_hands()'::regprocedure)) = 0 then
    raise exception 'the functions of the loop are not as expected';
  end if;
end $$;
"""


def upgrade() -> None:
    run(RECEIVING)
