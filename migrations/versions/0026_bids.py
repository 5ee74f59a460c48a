"""Bids bind from the moment they are handed in, and the database keeps the hour."""

from migrations.tools import OWN, SYSTEM, grant, guard, run

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

LINES = """
alter table bid add column ties_declared boolean not null default false;
create table bid_tie (
  bid_id uuid not null constraint fk_bid_tie_bid_id references bid,
  no bigint not null,
  org_id uuid not null,
  seal_id uuid not null constraint fk_bid_tie_seal_id references seal,
  kind text not null constraint ck_bid_tie_kind check (kind in (
    'DEPOSIT', 'SETTLEMENT', 'PAYROLL', 'INSURANCE', 'CARD', 'WEALTH', 'MARGIN', 'OTHER')),
  required boolean not null,
  text text not null constraint ck_bid_tie_text check (length(text) <= 200),
  constraint pk_bid_tie primary key (bid_id, no),
  constraint ck_bid_tie_banned check (not (required and kind in ('DEPOSIT', 'CARD', 'WEALTH'))),
  constraint ck_bid_tie_named check (kind not in ('MARGIN', 'OTHER') or btrim(text) <> '')
);
create table bid_condition (
  bid_id uuid not null constraint fk_bid_condition_bid_id references bid,
  no bigint not null,
  org_id uuid not null,
  seal_id uuid not null constraint fk_bid_condition_seal_id references seal,
  kind text not null constraint ck_bid_condition_kind check (kind in (
    'GUARANTEE_SIGNED', 'COLLATERAL_REGISTERED', 'RECEIVABLE_CONFIRMED', 'INSURANCE_ISSUED', 'OWNER_LIABLE', 'USE_PROVED',
    'ON_SITE_CHECK', 'PAPERS_TRUE', 'NOTHING_WORSE')),
  text text not null constraint ck_bid_condition_text check (length(text) <= 200),
  constraint pk_bid_condition primary key (bid_id, no),
  constraint uq_bid_condition_kind unique (bid_id, kind)
);
create trigger bid_tie_gate before insert or update or delete on bid_tie
  for each row execute function hq_bid_fee_gate();
create trigger bid_condition_gate before insert or update or delete on bid_condition
  for each row execute function hq_bid_fee_gate();
"""

GATE = """
-- What a bid says is everything but where it stands and who handed it in; a column added later is frozen with the rest.
create function hq_bid_says(bid bid) returns jsonb language sql immutable as
  $$ select to_jsonb(bid) - array['state', 'submitted_by', 'submitted_at', 'opened_at', 'ended_at', 'return_reason'] $$;

-- Held for share, so that a closing and a submission meet one after the other; the hour is asked after the wait.
create function hq_need_takes_bids(need uuid) returns boolean
  language plpgsql security definer set search_path = public as $$
declare found record;
begin
  select n.state, n.closes_at into found from need n where n.id = $1 for share;
  return coalesce(found.state = 'OPEN' and clock_timestamp() < found.closes_at, false);
end $$;

create or replace function hq_bid_gate() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'DRAFT' or new.submitted_at is not null then
      raise exception 'a bid begins as a draft' using errcode = 'check_violation', constraint = 'ck_bid_begins_as_draft';
    end if;
  else
    if (old.need_id, old.org_id, old.seal_id, old.case_id) is distinct from (new.need_id, new.org_id, new.seal_id, new.case_id)
       or (old.state <> 'DRAFT' and hq_bid_says(old) is distinct from hq_bid_says(new))
       or (old.submitted_at is not null
           and (old.submitted_by, old.submitted_at) is distinct from (new.submitted_by, new.submitted_at))
       or (old.submitted_at is not null and new.state in ('DRAFT', 'PROPOSED')) then
      raise exception 'a bid that left its drafter is binding' using errcode = 'check_violation', constraint = 'ck_bid_frozen';
    end if;
    if old.state = 'DRAFT' and new.state in ('PROPOSED', 'SUBMITTED') then
      if not new.ties_declared then
        raise exception 'nothing tied is an answer too' using errcode = 'check_violation', constraint = 'ck_bid_ties_declared';
      end if;
      if (select count(*) from bid_condition c where c.bid_id = new.id and c.kind in ('PAPERS_TRUE', 'NOTHING_WORSE')) < 2 then
        raise exception 'two conditions every bid has' using errcode = 'check_violation', constraint = 'ck_bid_conditions_usual';
      end if;
    end if;
    if new.state in ('CHOSEN') and new.state <> old.state and coalesce(hq_kind(), '') <> 'system' then
      raise exception 'only the portal opens and settles bids' using errcode = 'check_violation', constraint = 'ck_bid_settled';
    end if;
  end if;
  if new.state in ('DRAFT', 'PROPOSED', 'SUBMITTED', 'WITHDRAWN')
     and (not hq_need_takes_bids(new.need_id) or hq_seal_open(new.seal_id)) then
    raise exception 'bidding has closed' using errcode = 'check_violation', constraint = 'ck_bid_before_close';
  end if;
  if new.state = 'SUBMITTED' and (tg_op = 'INSERT' or old.state <> 'SUBMITTED') then
    new.submitted_at := clock_timestamp();  -- the moment that was judged, not one that somebody tells
  end if;
  return new;
end $$;
"""


def upgrade() -> None:
    run(LINES)
    run(GATE)
    own_bank = f"{OWN} and hq_kind() = 'bank'"
    for table in ("bid_tie", "bid_condition"):
        grant(table, "select, insert, update, delete")
        guard(table, see=f"{OWN} or (hq_seal_open(seal_id) and ({SYSTEM} or hq_bid_shown(bid_id)))", write=own_bank,
              change=own_bank, remove=own_bank)
