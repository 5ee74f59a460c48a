"""The closed loop: whitelisted accounts on two people's word, hops between them alone, corrections as counter-hops."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None

KINDS = "('FUNDER', 'CUSTODY', 'REPAYMENT', 'RENEWAL')"

ACCOUNTS = f"""
alter table commitment add column receiving_digest bytea
  constraint ck_commitment_receiving_digest check (length(receiving_digest) = 32);

create table bridge_account (
  id uuid constraint pk_bridge_account primary key,
  bridge_id uuid not null constraint fk_bridge_account_bridge_id references bridge,
  kind text not null constraint ck_bridge_account_kind check (kind in {KINDS}),
  fund_id uuid constraint fk_bridge_account_fund_id references fund,
  holder text not null constraint ck_bridge_account_holder check (length(holder) between 1 and 120),
  bank_name text not null constraint ck_bridge_account_bank check (length(bank_name) between 1 and 120),
  number bytea not null,
  digest bytea not null constraint ck_bridge_account_digest check (length(digest) = 32),
  state text not null constraint ck_bridge_account_state check (state in ('ENTERED', 'CONFIRMED', 'REPLACED')),
  entered_by uuid not null constraint fk_bridge_account_entered_by references person,
  entered_at timestamptz not null,
  confirmed_by uuid constraint fk_bridge_account_confirmed_by references person,
  confirmed_at timestamptz,
  constraint ck_bridge_account_confirmed check ((confirmed_by is null) = (confirmed_at is null)
    and (state <> 'CONFIRMED' or confirmed_by is not null) and (state <> 'ENTERED' or confirmed_by is null)),
  constraint ck_bridge_account_two_people check (confirmed_by is distinct from entered_by),
  constraint ck_bridge_account_fund check ((kind in ('FUNDER', 'CUSTODY')) = (fund_id is not null)),
  constraint uq_bridge_account_kind unique (id, bridge_id, kind)
);
create unique index uq_bridge_account_live on bridge_account (bridge_id, kind) where state <> 'REPLACED';
-- The three are three. The renewal money may come straight onto the custody account, or onto the repayment account.
create unique index uq_bridge_account_apart on bridge_account (bridge_id, digest)
  where state <> 'REPLACED' and kind <> 'RENEWAL';
create index ix_bridge_account_digest on bridge_account (digest) where state = 'CONFIRMED';
create index ix_bridge_account_fund_id on bridge_account (fund_id, kind, confirmed_at) where state = 'CONFIRMED';

-- Entered under the own name and confirmed by another one's; the number never changes, and after the signature nothing does.
create function hq_bridge_account_hands() returns trigger
  language plpgsql security definer set search_path = public as $$
declare stands text;
begin
  if tg_op = 'INSERT' then
    if new.state <> 'ENTERED' or new.entered_by is distinct from hq_actor() then
      raise exception 'an account is entered under the own name' using errcode = 'check_violation',
        constraint = 'ck_bridge_account_hands';
    end if;
    return new;
  end if;
  select state into stands from bridge where id = old.bridge_id;
  if (old.bridge_id, old.kind, old.fund_id, old.holder, old.bank_name, old.digest, old.entered_by, old.entered_at)
       is distinct from (new.bridge_id, new.kind, new.fund_id, new.holder, new.bank_name, new.digest, new.entered_by,
       new.entered_at)
     or old.state = 'REPLACED' or (old.state = 'CONFIRMED' and new.state <> 'REPLACED')
     or (new.state = 'CONFIRMED' and old.state = 'ENTERED' and new.confirmed_by is distinct from hq_actor())
     or (old.state = 'CONFIRMED' and (old.confirmed_by, old.confirmed_at) is distinct from (new.confirmed_by, new.confirmed_at))
     or (old.state = 'CONFIRMED' and old.kind <> 'RENEWAL'
         and stands not in ('BANK_COMMITTED', 'PARTNER_OFFERED', 'APPROVED')) then
    raise exception 'an account is confirmed once, by another person, and stands from the signature on'
      using errcode = 'check_violation', constraint = 'ck_bridge_account_hands';
  end if;
  return new;
end $$;
create trigger bridge_account_hands before insert or update on bridge_account
  for each row execute function hq_bridge_account_hands();
"""

HOPS = f"""
alter table bridge_hop
  add column from_account_id uuid,
  add column to_account_id uuid,
  add column from_digest bytea,
  add column moved_at timestamptz,
  add column corrects_id uuid constraint fk_bridge_hop_corrects_id references bridge_hop
    constraint uq_bridge_hop_corrects_id unique,
  add column correction_id uuid,
  drop constraint ck_bridge_hop_from, drop constraint ck_bridge_hop_to, drop constraint ck_bridge_hop_loop,
  add constraint ck_bridge_hop_from check (from_account in {KINDS}),
  add constraint ck_bridge_hop_to check (to_account in {KINDS}),
  -- From the funder over the custody account to the loan, and back from the repayment account or from where the renewal
  -- money arrives. A counter-hop goes the other way.
  add constraint ck_bridge_hop_loop check ((from_account, to_account) in (('FUNDER', 'CUSTODY'), ('CUSTODY', 'REPAYMENT'),
    ('REPAYMENT', 'CUSTODY'), ('RENEWAL', 'CUSTODY'), ('CUSTODY', 'FUNDER'))
    or (corrects_id is not null and (from_account, to_account) = ('CUSTODY', 'RENEWAL'))),
  add constraint ck_bridge_hop_correction check ((corrects_id is null) = (correction_id is null)),
  add constraint fk_bridge_hop_from_account foreign key (from_account_id, bridge_id, from_account)
    references bridge_account (id, bridge_id, kind),
  add constraint fk_bridge_hop_to_account foreign key (to_account_id, bridge_id, to_account)
    references bridge_account (id, bridge_id, kind);
-- A bank gives a voucher number to one movement of an account, whatever bridge it belongs to.
create unique index uq_bridge_hop_voucher_once on bridge_hop (from_digest, voucher_no) where from_digest is not null;

create table hop_correction (
  id uuid constraint pk_hop_correction primary key,
  bridge_id uuid not null constraint fk_hop_correction_bridge_id references bridge,
  case_id uuid not null constraint fk_hop_correction_case_id references case_file,
  first_hop_id uuid not null constraint fk_hop_correction_first_hop_id references bridge_hop,
  kind text not null constraint ck_hop_correction_kind check (kind in ('PAYOUT', 'RETURN')),
  voucher_first text not null constraint ck_hop_correction_voucher_first check (length(voucher_first) between 1 and 80),
  voucher_second text not null constraint ck_hop_correction_voucher_second check (length(voucher_second) between 1 and 80),
  state text not null constraint ck_hop_correction_state check (state in ('PROPOSED', 'CONFIRMED', 'REFUSED', 'WITHDRAWN')),
  reason text not null constraint ck_hop_correction_reason check (length(reason) between 1 and 1000),
  proposed_by uuid not null constraint fk_hop_correction_proposed_by references person,
  proposed_at timestamptz not null,
  decided_by uuid constraint fk_hop_correction_decided_by references person,
  decided_at timestamptz,
  constraint ck_hop_correction_decided check (
    (state = 'PROPOSED') = (decided_at is null) and (state = 'PROPOSED') = (decided_by is null)),
  constraint ck_hop_correction_two_people check (
    case state when 'WITHDRAWN' then decided_by = proposed_by else decided_by is distinct from proposed_by end)
);
create unique index uq_hop_correction_open on hop_correction (bridge_id) where state = 'PROPOSED';
create index ix_hop_correction_bridge_id on hop_correction (bridge_id);
create trigger hop_correction_hands before insert or update on hop_correction
  for each row execute function hq_second_word_hands();
alter table bridge_hop add constraint fk_bridge_hop_correction_id foreign key (correction_id) references hop_correction;

-- What of a bridge lies where, by its hops (分): out of the funder's account, on custody, beyond it.
create function hq_bridge_out(bridge uuid, out outside bigint, out custody bigint, out beyond bigint)
  language sql stable security definer set search_path = public as $$
  select coalesce(sum(case 'FUNDER' when from_account then amount_fen when to_account then -amount_fen else 0 end), 0)::bigint,
         coalesce(sum(case 'CUSTODY' when to_account then amount_fen when from_account then -amount_fen else 0 end), 0)::bigint,
         coalesce(sum(case when to_account in ('REPAYMENT', 'RENEWAL') then amount_fen
                           when from_account in ('REPAYMENT', 'RENEWAL') then -amount_fen else 0 end), 0)::bigint
  from bridge_hop h where h.bridge_id = $1 $$;

create function hq_hop_in_loop() returns trigger
  language plpgsql security definer set search_path = public as $$
declare b bridge; f bridge_account; t bridge_account; o bridge_hop; c hop_correction; net record;
begin
  select * into b from bridge where id = new.bridge_id for update;
  select * into f from bridge_account where id = new.from_account_id;
  select * into t from bridge_account where id = new.to_account_id;
  if f.id is null or t.id is null
     or (new.corrects_id is null and (f.state <> 'CONFIRMED' or t.state <> 'CONFIRMED'))
     or (f.kind in ('FUNDER', 'CUSTODY') and f.fund_id is distinct from b.fund_id)
     or (t.kind in ('FUNDER', 'CUSTODY') and t.fund_id is distinct from b.fund_id)
     or (new.corrects_id is null and f.kind = 'RENEWAL' and exists (
       select 1 from commitment p where p.bridge_id = b.id and p.state = 'LIVE' and p.receiving_digest <> f.digest)) then
    raise exception 'bridge money moves between the confirmed accounts of its bridge alone'
      using errcode = 'check_violation', constraint = 'ck_bridge_hop_account';
  end if;
  new.from_digest := f.digest;
  if new.moved_at is null or (new.moved_at at time zone 'Asia/Shanghai')::date <> new.on_day or new.moved_at > new.at then
    raise exception 'a hop has its day and time, and they have passed'
      using errcode = 'check_violation', constraint = 'ck_bridge_hop_moved';
  end if;
  if new.corrects_id is not null then
    select * into o from bridge_hop where id = new.corrects_id;
    select * into c from hop_correction where id = new.correction_id;
    if o.id is null or o.bridge_id <> new.bridge_id or o.corrects_id is not null or o.amount_fen <> new.amount_fen
       or (o.from_account_id, o.to_account_id) is distinct from (new.to_account_id, new.from_account_id)
       or c.id is null or c.bridge_id <> new.bridge_id or c.state <> 'CONFIRMED'
       or new.actor_id is distinct from c.decided_by or c.decided_by = c.proposed_by then
      raise exception 'a correction is the same money on its way back, on two people''s word'
        using errcode = 'check_violation', constraint = 'ck_bridge_hop_correction';
    end if;
  end if;
  return new;
end $$;
create trigger bridge_hop_in_loop before insert on bridge_hop for each row execute function hq_hop_in_loop();

create function hq_hop_not_negative() returns trigger
  language plpgsql security definer set search_path = public as $$
declare net record; lent bigint;
begin
  select * into net from hq_bridge_out(new.bridge_id);
  select amount_fen into lent from bridge where id = new.bridge_id;
  if net.custody < 0 or net.beyond < 0 or net.outside < 0 or net.outside > coalesce(lent, 0) then
    raise exception 'no account of a bridge gives more than it got'
      using errcode = 'check_violation', constraint = 'ck_bridge_hop_negative';
  end if;
  return new;
end $$;
create trigger bridge_hop_not_negative after insert on bridge_hop for each row execute function hq_hop_not_negative();

-- At the end of every transaction hops, ledger and bridge say the same.
create function hq_hop_books() returns trigger
  language plpgsql security definer set search_path = public as $$
declare net record; held bigint; b bridge;
begin
  select * into net from hq_bridge_out(new.bridge_id);
  select * into b from bridge where id = new.bridge_id;
  select credits_posted_fen - debits_posted_fen into held from ledger_account where code = 'bridge:' || new.bridge_id;
  if net.custody <> 0 or net.outside is distinct from coalesce(held, 0)
     or net.outside <> (case when b.paid_on is null then 0 else b.amount_fen - b.returned_fen end) then
    raise exception 'hops, ledger and bridge disagree' using errcode = 'check_violation', constraint = 'ck_bridge_hop_books';
  end if;
  return null;
end $$;
create constraint trigger bridge_hop_books after insert on bridge_hop deferrable initially deferred
  for each row execute function hq_hop_books();

create or replace function hq_bridge_settles_empty() returns trigger
  language plpgsql security definer set search_path = public as $$
declare held ledger_account; net record;
begin
  if new.state = 'SETTLED' and old.state <> 'SETTLED' then
    select * into held from ledger_account where code = 'bridge:' || new.id;
    select * into net from hq_bridge_out(new.id);
    if held.id is null or held.credits_posted_fen <> held.debits_posted_fen or held.credits_posted_fen < new.amount_fen
       or held.credits_pending_fen + held.debits_pending_fen <> 0
       or net.outside <> 0 or net.custody <> 0 or net.beyond <> 0
       or exists (select 1 from hop_correction c where c.bridge_id = new.id and c.state = 'PROPOSED') then
      raise exception 'the receivable of the bridge is not zero'
        using errcode = 'check_violation', constraint = 'ck_bridge_receivable';
    end if;
  end if;
  return new;
end $$;
"""

CENTRE = f"hq_kind() = 'bridge_centre' or {SYSTEM}"
CITY = f"hq_kind() in ('bridge_centre', 'bureau') or {SYSTEM}"
PARTY = "b.firm_id = hq_org() or b.funder_org_id = hq_org() or b.new_bank_org_id = hq_org()"
# The old bank of a transfer to another one does not read where its competitor pays the renewal money.
OLD_BANK = "(b.old_bank_org_id = hq_org() and bridge_account.kind <> 'RENEWAL')"


def upgrade() -> None:
    run(ACCOUNTS)
    grant("bridge_account", "select, insert, update")
    guard("bridge_account", write=CENTRE, change=CENTRE,
          see=f"{CITY} or exists (select 1 from bridge b where b.id = bridge_id and ({PARTY} or {OLD_BANK}))")
    run(HOPS)
    grant("hop_correction", "select, insert, update")
    guard("hop_correction", write=CENTRE, change=CENTRE,
          see=f"{CITY} or exists (select 1 from bridge b where b.id = bridge_id and ({PARTY} or b.old_bank_org_id = hq_org()))")
