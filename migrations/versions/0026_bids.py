"""Bids bind from the moment they are handed in, and the database keeps the hour."""

from migrations.tools import APP, OWN, SYSTEM, append_only, grant, guard, run

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

STATES = """
alter table bid drop constraint ck_bid_state, drop constraint ck_bid_submitted;
alter table bid
  add column replaces_id uuid constraint fk_bid_replaces_id references bid,
  add column opened_at timestamptz,
  add constraint ck_bid_state check (state in (
    'DRAFT', 'PROPOSED', 'SUBMITTED', 'REPLACED', 'WITHDRAWN', 'OPENED', 'CHOSEN', 'LOST', 'LAPSED')),
  add constraint ck_bid_submitted
    check (state not in ('SUBMITTED', 'REPLACED', 'OPENED', 'CHOSEN', 'LOST') or submitted_at is not null);
alter table bid disable trigger bid_gate;
update bid b set opened_at = n.closed_at,
    state = case when b.state = 'SUBMITTED' then 'OPENED' else b.state end
  from need n, seal s where n.id = b.need_id and s.id = b.seal_id and s.opened_at is not null and n.closed_at is not null
    and b.submitted_at is not null and b.state <> 'WITHDRAWN';
alter table bid enable trigger bid_gate;
alter table bid add constraint ck_bid_opened check (state not in ('OPENED', 'CHOSEN', 'LOST') or opened_at is not null);
-- One bank's own bids alone are compared by these indexes, so their errors tell nothing about the others.
drop index uq_bid_live;
create unique index uq_bid_sent on bid (need_id, org_id) where state in ('SUBMITTED', 'OPENED', 'CHOSEN');
create unique index uq_bid_draft on bid (need_id, org_id) where state in ('DRAFT', 'PROPOSED');

create or replace function hq_bid_shown(bid uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from bid b join need n on n.id = b.need_id join seal s on s.id = b.seal_id
       where b.id = $1 and s.opened_at is not null and b.opened_at is not null
         and (n.org_id = hq_org() or hq_kind() = 'bureau')) $$;
"""

RECEIPT = """
create table bid_receipt (
  bid_id uuid constraint pk_bid_receipt primary key constraint fk_bid_receipt_bid_id references bid,
  need_id uuid not null,
  org_id uuid not null,
  seal_id uuid not null constraint fk_bid_receipt_seal_id references seal,
  form bigint not null constraint ck_bid_receipt_form check (form = 1),
  salt bytea not null constraint ck_bid_receipt_salt check (length(salt) = 32),
  canonical text not null,
  commitment bytea not null,
  at timestamptz not null,
  constraint ck_bid_receipt_commitment check (commitment = sha256(salt || convert_to(canonical, 'UTF8')))
);
create index ix_bid_receipt_need_id on bid_receipt (need_id);
create function hq_bid_receipt_gate() returns trigger language plpgsql security definer set search_path = public as $$
declare parent bid;
begin
  select * into parent from bid where id = new.bid_id;
  if parent.state is distinct from 'SUBMITTED'
     or (new.need_id, new.org_id, new.seal_id, new.at)
        is distinct from (parent.need_id, parent.org_id, parent.seal_id, parent.submitted_at) then
    raise exception 'a receipt is written with the submission' using errcode = 'check_violation', constraint = 'ck_bid_receipt';
  end if;
  return new;
end $$;
create trigger bid_receipt_gate before insert on bid_receipt for each row execute function hq_bid_receipt_gate();
create function hq_bid_has_receipt() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if not exists (select 1 from bid_receipt r where r.bid_id = new.id) then
    raise exception 'a bid is handed in with its receipt' using errcode = 'check_violation', constraint = 'ck_bid_receipt';
  end if;
  return null;
end $$;
create constraint trigger bid_has_receipt after update of state on bid deferrable initially deferred
  for each row when (new.state = 'SUBMITTED' and old.state <> 'SUBMITTED') execute function hq_bid_has_receipt();

-- After opening, those who bid, the firm, the bureau and the portal read what was opened together, and nothing of whose it is.
create function hq_commitments(need uuid) returns setof bytea
  language sql stable security definer set search_path = public as
  $$ select r.commitment from bid_receipt r join bid b on b.id = r.bid_id join need n on n.id = r.need_id
     where r.need_id = $1 and b.opened_at is not null and hq_seal_open(n.seal_id)
       and (n.org_id = hq_org() or coalesce(hq_kind(), '') in ('system', 'bureau')
            or exists (select 1 from bid own where own.need_id = $1 and own.org_id = hq_org() and own.opened_at is not null))
     order by r.commitment $$;
"""

NEEDS = """
-- A need withdrawn while bids are sealed: neither the firm nor the portal may read them, so the database itself ends them
-- and leaves their banks the step and a notice.
create or replace function hq_need_withdrawn() returns trigger language plpgsql security definer set search_path = public as $$
declare ended record;
begin
  for ended in select id, org_id, state from bid
      where need_id = new.id and state in ('DRAFT', 'PROPOSED', 'SUBMITTED', 'OPENED', 'LOST') for update loop
    update bid set state = 'LAPSED', ended_at = now() where id = ended.id;
    insert into transition (id, subject_type, subject_id, case_id, seal_id, event, source, target, at, actor_role, org_id,
                            shared)
      values (gen_random_uuid(), 'bid', ended.id, new.case_id, new.seal_id, 'lapse', ended.state, 'LAPSED', now(), 'system',
              ended.org_id, false);
    insert into notice (id, org_id, message, params, path, case_id, seal_id, at)
      values (gen_random_uuid(), ended.org_id, case when old.state = 'OPEN'
                then '企业已撤回融资需求，本行的报价随之失效，内容未向任何人开启。'
                else '企业已撤回融资需求，本行的报价随之失效。' end, '{}',
              '/bids/' || ended.id, new.case_id, new.seal_id, now());
  end loop;
  return null;
end $$;

-- A need corrected while bids are sealed is another need: what was handed in for the old one ends unopened, what waits for
-- the approver goes back to its drafter.
create function hq_need_corrected() returns trigger language plpgsql security definer set search_path = public as $$
declare sent record;
begin
  for sent in select id, org_id, state from bid where need_id = new.id and state in ('PROPOSED', 'SUBMITTED') for update loop
    if sent.state = 'SUBMITTED' then
      update bid set state = 'LAPSED', ended_at = now() where id = sent.id;
      insert into notice (id, org_id, message, params, path, case_id, seal_id, at)
        values (gen_random_uuid(), sent.org_id,
                '企业更正了融资需求，本行已提交的报价随之失效，内容未向任何人开启。请按新的需求重新报价。', '{}',
                '/bids/' || sent.id, new.case_id, new.seal_id, now());
    else
      update bid set state = 'DRAFT', return_reason = '企业更正了融资需求' where id = sent.id;
    end if;
    insert into transition (id, subject_type, subject_id, case_id, seal_id, event, source, target, at, actor_role, org_id,
                            shared, reason)
      select gen_random_uuid(), 'bid', b.id, new.case_id, new.seal_id,
             case when sent.state = 'SUBMITTED' then 'lapse' else 'return' end, sent.state, b.state, now(), 'system', b.org_id,
             false, '企业更正了融资需求'
        from bid b where b.id = sent.id;
  end loop;
  return null;
end $$;
create trigger need_corrected after update on need for each row
  when (old.state = 'OPEN' and new.state = 'OPEN'
        and (old.amount_fen, old.term_months, old.purpose_kind, old.purpose_text, old.product_kind, old.repayment)
            is distinct from
            (new.amount_fen, new.term_months, new.purpose_kind, new.purpose_text, new.product_kind, new.repayment))
  execute function hq_need_corrected();
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
    if (old.opened_at is distinct from new.opened_at and (old.opened_at is not null or new.state <> 'OPENED'))
       or new.replaces_id is distinct from old.replaces_id then
      raise exception 'a bid that left its drafter is binding' using errcode = 'check_violation', constraint = 'ck_bid_frozen';
    end if;
    if new.state in ('OPENED', 'CHOSEN', 'LOST') and new.state <> old.state and coalesce(hq_kind(), '') <> 'system' then
      raise exception 'only the portal opens and settles bids' using errcode = 'check_violation', constraint = 'ck_bid_settled';
    end if;
  end if;
  if new.replaces_id is not null and not exists (
       select 1 from bid b where b.id = new.replaces_id and (b.need_id, b.org_id) = (new.need_id, new.org_id)) then
    raise exception 'a bid replaces one of its own bank' using errcode = 'check_violation', constraint = 'ck_bid_replaces';
  end if;
  if new.state in ('DRAFT', 'PROPOSED', 'SUBMITTED', 'REPLACED', 'WITHDRAWN')
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
    for part in (LINES, STATES, GATE, RECEIPT, NEEDS):
        run(part)
    run("drop policy see on bid")
    run(f"create policy see on bid for select to {APP} using ({OWN} or (hq_seal_open(seal_id) and ({SYSTEM} or "
        "(opened_at is not null and (hq_kind() = 'bureau' or hq_need_is_ours(need_id))))))")
    append_only("bid_receipt")
    guard("bid_receipt", see=f"{OWN} and hq_kind() = 'bank'")
    own_bank = f"{OWN} and hq_kind() = 'bank'"
    for table in ("bid_tie", "bid_condition"):
        grant(table, "select, insert, update, delete")
        guard(table, see=f"{OWN} or (hq_seal_open(seal_id) and ({SYSTEM} or hq_bid_shown(bid_id)))", write=own_bank,
              change=own_bank, remove=own_bank)
