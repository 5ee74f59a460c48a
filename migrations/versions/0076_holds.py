"""Funds booked like seats: agreements, fee products under the bureau's ceiling, quotas by day, deal, bank and kind, and holds."""

from migrations.tools import OWN, grant, guard, run

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None

KINDS = "('SAME_BANK', 'CROSS_BANK')"
LIVE = "('HELD', 'CONFIRMED', 'OUT')"
CITY = "hq_kind() in ('bridge_centre', 'bureau', 'system')"
CENTRE = "hq_kind() in ('bridge_centre', 'system')"
BUREAU = "hq_kind() = 'bureau'"


def second_word(table: str, judged: str = "") -> str:
    """Columns and checks of what one person proposes and another one decides; ``judged``: states after the confirmation."""
    return f"""
  state text not null constraint ck_{table}_state check (state in ('PROPOSED', 'CONFIRMED', 'REFUSED', 'WITHDRAWN'{judged})),
  reason text not null constraint ck_{table}_reason check (length(reason) between 1 and 1000),
  proposed_by uuid not null constraint fk_{table}_proposed_by references person,
  proposed_at timestamptz not null,
  decided_by uuid constraint fk_{table}_decided_by references person,
  decided_at timestamptz,
  constraint ck_{table}_decided check (
    (state = 'PROPOSED') = (decided_at is null) and (state = 'PROPOSED') = (decided_by is null)),
  constraint ck_{table}_two_persons check (
    case state when 'WITHDRAWN' then decided_by = proposed_by else decided_by is distinct from proposed_by end)"""


CEILING = f"""
create table bridge_ceiling (
  id uuid constraint pk_bridge_ceiling primary key,
  daily_rate numeric(9, 6) not null constraint ck_bridge_ceiling_daily check (daily_rate > 0 and daily_rate <= 0.01),
  one_off_rate numeric(9, 6) not null constraint ck_bridge_ceiling_one_off check (one_off_rate > 0 and one_off_rate <= 0.2),
  hold_hours bigint not null constraint ck_bridge_ceiling_hold_hours check (hold_hours between 1 and 720),
  remind_days bigint not null constraint ck_bridge_ceiling_remind_days check (remind_days between 1 and 365),
  wide_days bigint not null constraint ck_bridge_ceiling_wide_days check (wide_days between 15 and 120),
  {second_word("bridge_ceiling")}
);
create unique index uq_bridge_ceiling_open on bridge_ceiling ((true)) where state = 'PROPOSED';
create index ix_bridge_ceiling_decided_at on bridge_ceiling (decided_at) where state = 'CONFIRMED';
create trigger bridge_ceiling_hands before insert or update on bridge_ceiling
  for each row execute function hq_second_word_hands();

-- A bill may charge what was allowed when its agreement was signed: the highest ceiling that ever held.
create function hq_ceiling_bills() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if new.state = 'CONFIRMED' and old.state <> 'CONFIRMED' then
    update bridge_fee_kind set ceiling = greatest(ceiling, new.daily_rate) where code = 'DAYS';
    update bridge_fee_kind set ceiling = greatest(ceiling, new.one_off_rate) where code = 'ONE_OFF';
  end if;
  return new;
end $$;
create trigger bridge_ceiling_bills after update on bridge_ceiling for each row execute function hq_ceiling_bills();

-- Whether a charge is inside the ceiling in force; before the bureau's first word the city's cost targets hold [C4][C6].
create function hq_charge_allowed(terms jsonb) returns boolean
  language sql stable security definer set search_path = public as $$
  select coalesce(case terms->>'fee_method'
      when 'ONE_OFF' then (terms->>'one_off_rate')::numeric between 0 and c.once
      when 'STEPS' then (
        select bool_and((step->>1)::numeric between 0 and c.daily) from jsonb_array_elements(terms->'steps') step)
      when 'DAILY' then (terms->>'daily_rate')::numeric between 0 and c.daily end, false)
  from (select coalesce(max(one.daily_rate), 0.00066) as daily, coalesce(max(one.one_off_rate), 0.006) as once from (
    select daily_rate, one_off_rate from bridge_ceiling where state = 'CONFIRMED' order by decided_at desc limit 1) one) c $$;
"""

AGREEMENT = f"""
create table fund_agreement (
  id uuid constraint pk_fund_agreement primary key,
  org_id uuid not null constraint fk_fund_agreement_org_id references organisation,
  number text not null constraint ck_fund_agreement_number check (length(number) between 1 and 80),
  kinds text[] not null constraint ck_fund_agreement_kinds
    check (cardinality(kinds) between 1 and 2 and kinds <@ array['SAME_BANK', 'CROSS_BANK']),
  valid_from date not null,
  valid_to date not null,
  funder_signer text not null constraint ck_fund_agreement_funder_signer check (length(funder_signer) between 1 and 60),
  centre_signer text not null constraint ck_fund_agreement_centre_signer check (length(centre_signer) between 1 and 60),
  ended_on date,
  ended_by uuid,
  reminded_at timestamptz,
  {second_word("fund_agreement", ", 'ENDED', 'EXPIRED'")},
  constraint ck_fund_agreement_dates check (valid_from <= valid_to),
  constraint ck_fund_agreement_ended check ((state = 'ENDED') = (ended_on is not null))
);
create unique index uq_fund_agreement_number on fund_agreement (org_id, number) where state not in ('REFUSED', 'WITHDRAWN');
create index ix_fund_agreement_org_id on fund_agreement (org_id, valid_from);

-- One person drafts, another one signs off; what is agreed stays as it was agreed until it ends.
create function hq_fund_agreement_hands() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'PROPOSED' or new.proposed_by is distinct from hq_actor() then
      raise exception 'an agreement begins as a draft' using errcode = 'check_violation', constraint = 'ck_second_word_hands';
    end if;
    return new;
  end if;
  if (old.id, old.org_id, old.number, old.kinds, old.valid_from, old.valid_to, old.funder_signer, old.centre_signer,
      old.proposed_by, old.proposed_at) is distinct from (new.id, new.org_id, new.number, new.kinds, new.valid_from,
      new.valid_to, new.funder_signer, new.centre_signer, new.proposed_by, new.proposed_at)
     or (old.state = 'PROPOSED' and new.decided_by is distinct from hq_actor())
     or (old.state <> 'PROPOSED' and (old.decided_by, old.decided_at) is distinct from (new.decided_by, new.decided_at))
     or (new.state <> old.state and (old.state, new.state) not in (('PROPOSED', 'CONFIRMED'), ('PROPOSED', 'REFUSED'),
       ('PROPOSED', 'WITHDRAWN'), ('CONFIRMED', 'ENDED'), ('CONFIRMED', 'EXPIRED'))) then
    raise exception 'an agreement stays as it was signed' using errcode = 'check_violation',
      constraint = 'ck_fund_agreement_hands';
  end if;
  return new;
end $$;
create trigger fund_agreement_hands before insert or update on fund_agreement
  for each row execute function hq_fund_agreement_hands();

create function hq_agreed(funder uuid, kind text, first date, last date) returns boolean
  language sql stable security definer set search_path = public as $$
  select exists (select 1 from fund_agreement a where a.org_id = $1 and a.state = 'CONFIRMED' and $2 = any(a.kinds)
    and a.valid_from <= $3 and $4 <= a.valid_to) $$;
"""

PRODUCT = f"""
create table fund_product (
  id uuid constraint pk_fund_product primary key,
  fund_id uuid not null,
  org_id uuid not null,
  name text not null constraint ck_fund_product_name check (length(name) between 1 and 60),
  kind text not null constraint ck_fund_product_kind check (kind in {KINDS}),
  terms jsonb not null,
  state text not null constraint ck_fund_product_state check (state in ('OPEN', 'CLOSED')),
  opened_at timestamptz not null,
  opened_by uuid,
  constraint fk_fund_product_fund foreign key (fund_id, org_id) references fund (id, org_id),
  constraint uq_fund_product_name unique (fund_id, name),
  constraint uq_fund_product_id_fund_id unique (id, fund_id),
  constraint ck_fund_product_terms check (terms->>'kind' = kind)
);
insert into fund_product select gen_random_uuid(), id, org_id, '标准产品', kind, terms, 'OPEN', opened_at, opened_by from fund;
alter table fund drop column kind, drop column terms;
alter table bridge_quote add column product_id uuid;
update bridge_quote q set product_id = p.id from fund_product p where p.fund_id = q.fund_id;
alter table bridge_quote add constraint fk_bridge_quote_product foreign key (product_id, fund_id)
  references fund_product (id, fund_id);

create function hq_fund_product_terms() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and (old.id, old.fund_id, old.org_id, old.kind, old.terms) is distinct from
     (new.id, new.fund_id, new.org_id, new.kind, new.terms) then
    raise exception 'a product keeps its terms' using errcode = 'check_violation', constraint = 'ck_fund_product_frozen';
  end if;
  if new.state = 'OPEN' and not hq_charge_allowed(new.terms) then
    raise exception 'above the ceiling' using errcode = 'check_violation', constraint = 'ck_fund_product_ceiling';
  end if;
  return new;
end $$;
create trigger fund_product_terms before insert or update on fund_product
  for each row execute function hq_fund_product_terms();

-- No offer above the ceiling, and none outside the funder's agreement.
create function hq_quote_allowed() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if new.state = 'OFFERED' and (old.terms, old.offered_at) is distinct from (new.terms, new.offered_at) then
    if not hq_charge_allowed(new.terms) then
      raise exception 'above the ceiling' using errcode = 'check_violation', constraint = 'ck_bridge_quote_ceiling';
    end if;
    if not hq_agreed(new.org_id, new.terms->>'kind', (new.offered_at at time zone 'Asia/Shanghai')::date,
                     (new.offered_at at time zone 'Asia/Shanghai')::date) then
      raise exception 'outside the agreement' using errcode = 'check_violation', constraint = 'ck_bridge_quote_agreement';
    end if;
  end if;
  return new;
end $$;
create trigger bridge_quote_allowed before update on bridge_quote for each row execute function hq_quote_allowed();
"""

QUOTA = f"""
create table fund_quota (
  id uuid constraint pk_fund_quota primary key,
  fund_id uuid not null,
  org_id uuid not null,
  scope text not null constraint ck_fund_quota_scope check (scope in ('DAY', 'DEAL', 'BANK', 'KIND')),
  bank_org_id uuid constraint fk_fund_quota_bank_org_id references organisation,
  kind text constraint ck_fund_quota_kind check (kind in {KINDS}),
  limit_fen bigint not null constraint ck_fund_quota_limit check (limit_fen >= 0),
  set_at timestamptz not null,
  set_by uuid,
  constraint fk_fund_quota_fund foreign key (fund_id, org_id) references fund (id, org_id),
  constraint uq_fund_quota_scope unique nulls not distinct (fund_id, scope, bank_org_id, kind),
  constraint ck_fund_quota_whom check ((scope = 'KIND') = (kind is not null) and (bank_org_id is null or scope = 'BANK'))
);
create table fund_day (
  id uuid constraint pk_fund_day primary key,
  fund_id uuid not null,
  org_id uuid not null,
  day date not null,
  limit_fen bigint constraint ck_fund_day_limit check (limit_fen >= 0),
  closed boolean not null,
  note text not null constraint ck_fund_day_note check (length(note) <= 200),
  set_at timestamptz not null,
  set_by uuid,
  constraint fk_fund_day_fund foreign key (fund_id, org_id) references fund (id, org_id),
  constraint uq_fund_day_day unique (fund_id, day),
  constraint ck_fund_day_says check (closed or limit_fen is not null)
);
"""

HOLD = f"""
create table fund_hold (
  id uuid constraint pk_fund_hold primary key,
  bridge_id uuid not null,
  firm_id uuid not null,
  fund_id uuid not null,
  org_id uuid not null,
  bank_org_id uuid not null constraint fk_fund_hold_bank_org_id references organisation,
  kind text not null constraint ck_fund_hold_kind_known check (kind in {KINDS}),
  amount_fen bigint not null constraint ck_fund_hold_amount check (amount_fen > 0),
  back_fen bigint not null constraint ck_fund_hold_back check (back_fen between 0 and amount_fen),
  starts_on date not null,
  ends_on date not null,
  checked_on date not null,
  state text not null constraint ck_fund_hold_state
    check (state in ('HELD', 'CONFIRMED', 'OUT', 'RETURNED', 'RELEASED', 'EXPIRED')),
  transfer_id uuid not null constraint fk_fund_hold_transfer_id references ledger_transfer
    constraint uq_fund_hold_transfer_id unique,
  expires_at timestamptz not null,
  made_at timestamptz not null,
  made_by uuid,
  confirmed_at timestamptz,
  ended_on date,
  constraint fk_fund_hold_fund foreign key (fund_id, org_id) references fund (id, org_id),
  constraint fk_fund_hold_bridge foreign key (bridge_id, firm_id) references bridge (id, firm_id),
  constraint ck_fund_hold_days check (ends_on > starts_on and ends_on - starts_on <= 400),
  constraint ck_fund_hold_ended check ((state in {LIVE}) = (ended_on is null)),
  constraint ck_fund_hold_returned check (state <> 'RETURNED' or back_fen = amount_fen)
);
-- A bridge sits on one seat.
create unique index uq_fund_hold_live on fund_hold (bridge_id) where state in {LIVE};
create index ix_fund_hold_days on fund_hold (fund_id, starts_on) where state in {LIVE};
create index ix_fund_hold_expires_at on fund_hold (expires_at) where state = 'HELD';
create index ix_fund_hold_bridge_id on fund_hold (bridge_id);

insert into fund_hold
  select gen_random_uuid(), b.id, b.firm_id, b.fund_id, b.funder_org_id, b.new_bank_org_id, b.kind, b.amount_fen,
    b.returned_fen, coalesce(b.paid_on, b.old_due_on),
    coalesce(greatest(b.expected_return_on, b.paid_on + 1), b.old_due_on + b.planned_days::integer),
    coalesce(b.paid_on, b.old_due_on), case b.state when 'APPROVED' then 'HELD' when 'SIGNED' then 'CONFIRMED' else 'OUT' end,
    b.pending_transfer_id, now() + interval '72 hours', b.state_since, b.reviewer_id, b.signed_at, null
  from bridge b where b.pending_transfer_id is not null and b.state in ('APPROVED', 'SIGNED', 'FUNDED', 'OLD_REPAID', 'NEW_DRAWN',
    'SHORT_DRAWN', 'RENEWAL_REFUSED', 'OVERDUE');

-- A hold is a reservation of the fund's ledger account, and takes part of its quotas for each of its days (the day of payout
-- counts, the day of return does not). The account's row is the one lock under which money and quotas are judged.
create function hq_fund_hold_fits() returns trigger
  language plpgsql security definer set search_path = public as $$
declare held ledger_transfer; phase text; tight record; moved boolean := tg_op = 'INSERT';
begin
  if tg_op = 'UPDATE' then
    if (old.id, old.bridge_id, old.firm_id, old.fund_id, old.org_id, old.bank_org_id, old.kind, old.amount_fen,
        old.made_at, old.made_by) is distinct from (new.id, new.bridge_id, new.firm_id,
        new.fund_id, new.org_id, new.bank_org_id, new.kind, new.amount_fen, new.made_at, new.made_by)
       or (new.state <> old.state and (old.state, new.state) not in (('HELD', 'CONFIRMED'), ('HELD', 'RELEASED'),
         ('HELD', 'EXPIRED'), ('CONFIRMED', 'RELEASED'), ('CONFIRMED', 'OUT'), ('OUT', 'RETURNED'), ('OUT', 'CONFIRMED'),
         ('RETURNED', 'OUT')))
       or (new.transfer_id <> old.transfer_id and (old.state, new.state) <> ('OUT', 'CONFIRMED')) then
      raise exception 'a hold goes one way' using errcode = 'check_violation', constraint = 'ck_fund_hold_life';
    end if;
    moved := (old.starts_on, old.ends_on) is distinct from (new.starts_on, new.ends_on);
  elsif new.state <> 'HELD' then
    raise exception 'a hold begins as one' using errcode = 'check_violation', constraint = 'ck_fund_hold_life';
  end if;
  select kind into phase from ledger_transfer where pending_id = new.transfer_id;
  if phase is distinct from (case when new.state in ('HELD', 'CONFIRMED') then null
                                  when new.state in ('OUT', 'RETURNED') then 'post' else 'void' end) then
    raise exception 'the ledger says otherwise' using errcode = 'check_violation', constraint = 'ck_fund_hold_transfer';
  end if;
  if (moved or (new.state = 'CONFIRMED' and old.state = 'HELD'))
     and not hq_agreed(new.org_id, new.kind, new.starts_on, new.ends_on) then
    raise exception 'outside the agreement' using errcode = 'check_violation', constraint = 'ck_fund_hold_agreement';
  end if;
  if not moved and new.transfer_id = old.transfer_id then
    return new;
  end if;
  select t.* into held from ledger_transfer t join ledger_account a on a.id = t.debit_account_id
    where t.id = new.transfer_id and t.kind = 'pending' and a.code = 'fund:' || new.fund_id;
  if held.amount_fen is distinct from new.amount_fen then
    raise exception 'no such reservation' using errcode = 'check_violation', constraint = 'ck_fund_hold_transfer';
  end if;
  if not moved then
    return new;
  end if;
  perform 1 from ledger_account where code = 'fund:' || new.fund_id for no key update;
  if exists (select 1 from fund_day d where d.fund_id = new.fund_id and d.day = new.starts_on and d.closed) then
    raise exception 'the fund pays nothing on this day' using errcode = 'check_violation', constraint = 'ck_fund_hold_closed';
  end if;
  if exists (select 1 from fund_quota q where q.fund_id = new.fund_id and q.scope = 'DEAL' and q.limit_fen < new.amount_fen) then
    raise exception 'above the quota of a deal' using errcode = 'check_violation', constraint = 'ck_fund_hold_deal';
  end if;
  select coalesce(bool_or(used.whole + new.amount_fen > coalesce(d.limit_fen, q.daily)), false) as daily,
         coalesce(bool_or(used.bank + new.amount_fen > q.bank), false) as bank,
         coalesce(bool_or(used.kind + new.amount_fen > q.kind), false) as kind
    into tight
  from (select max(limit_fen) filter (where scope = 'DAY') as daily, max(limit_fen) filter (where scope = 'KIND'
          and kind = new.kind) as kind, coalesce(max(limit_fen) filter (where scope = 'BANK' and bank_org_id = new.bank_org_id),
          max(limit_fen) filter (where scope = 'BANK' and bank_org_id is null)) as bank
        from fund_quota where fund_id = new.fund_id) q
  cross join (select day::date as day from generate_series(new.starts_on, new.ends_on - 1, interval '1 day') day) days
  left join fund_day d on d.fund_id = new.fund_id and d.day = days.day
  cross join lateral (
    select coalesce(sum(h.amount_fen - h.back_fen), 0) as whole,
           coalesce(sum(h.amount_fen - h.back_fen) filter (where h.bank_org_id = new.bank_org_id), 0) as bank,
           coalesce(sum(h.amount_fen - h.back_fen) filter (where h.kind = new.kind), 0) as kind
    from fund_hold h where h.fund_id = new.fund_id and h.id <> new.id and h.state in {LIVE} and h.starts_on <= days.day
      -- money that is late is still out
      and days.day < case when h.state = 'OUT' then greatest(h.ends_on, new.checked_on + 1) else h.ends_on end) used;
  if tight.daily then
    raise exception 'above the quota of a day' using errcode = 'check_violation', constraint = 'ck_fund_hold_day';
  elsif tight.bank then
    raise exception 'above the quota of a bank' using errcode = 'check_violation', constraint = 'ck_fund_hold_bank';
  elsif tight.kind then
    raise exception 'above the quota of a kind' using errcode = 'check_violation', constraint = 'ck_fund_hold_kind';
  end if;
  return new;
end $$;
create trigger fund_hold_fits before insert or update on fund_hold for each row execute function hq_fund_hold_fits();

-- A bridge waits for its signature and its money on a seat, and gives it back before it is over.
create function hq_bridge_sits() returns trigger
  language plpgsql security definer set search_path = public as $$
declare seat text;
begin
  if new.state = old.state then
    return new;
  end if;
  select state into seat from fund_hold where bridge_id = new.id and state in {LIVE};
  if (new.state in ('APPROVED', 'SIGNED', 'FUNDED') and seat is distinct from
        (case new.state when 'APPROVED' then 'HELD' when 'SIGNED' then 'CONFIRMED' else 'OUT' end))
     or (new.state in ('BRIDGE_RETURNED', 'SETTLED', 'REJECTED', 'DECLINED', 'CANCELLED') and seat is not null) then
    raise exception 'the seat of the bridge does not fit' using errcode = 'check_violation', constraint = 'ck_bridge_seat';
  end if;
  return new;
end $$;
-- A bridge that moves to another funder has another receivable there; at the end they are empty together.
create policy write_moved on ledger_account for insert to huiqiao_app with check (hq_kind() = 'bridge_centre'
  and kind = 'bridge_receivable' and code ~ ('^bridge:[0-9a-f-]{{36}}:' || org_id || '$') and bounded);
do $$ begin
  execute replace(pg_get_functiondef('hq_hop_books()'::regprocedure),
    'select credits_posted_fen - debits_posted_fen into held from ledger_account where code = ''bridge:'' || new.bridge_id;',
    'select sum(credits_posted_fen - debits_posted_fen) into held from ledger_account where kind = ''bridge_receivable''
     and (code = ''bridge:'' || new.bridge_id or code like ''bridge:'' || new.bridge_id || '':%'');');
  if position('bridge_receivable' in pg_get_functiondef('hq_hop_books()'::regprocedure)) = 0 then
    raise exception 'hq_hop_books is not as expected';
  end if;
end $$;
create or replace function hq_bridge_settles_empty() returns trigger
  language plpgsql security definer set search_path = public as $$
declare held record; net record;
begin
  if new.state = 'SETTLED' and old.state <> 'SETTLED' then
    select sum(credits_posted_fen) as came, sum(debits_posted_fen) as went, sum(credits_pending_fen + debits_pending_fen) as waits
      into held from ledger_account where kind = 'bridge_receivable'
        and (code = 'bridge:' || new.id or code like 'bridge:' || new.id || ':%');
    select * into net from hq_bridge_out(new.id);
    if held.came is null or held.came <> held.went or held.came < new.amount_fen or held.waits <> 0
       or net.outside <> 0 or net.custody <> 0 or net.beyond <> 0
       or exists (select 1 from hop_correction c where c.bridge_id = new.id and c.state = 'PROPOSED') then
      raise exception 'the receivable of the bridge is not zero'
        using errcode = 'check_violation', constraint = 'ck_bridge_receivable';
    end if;
  end if;
  return new;
end $$;
create trigger bridge_sits before update of state on bridge for each row execute function hq_bridge_sits();
"""


def upgrade() -> None:
    for part in (CEILING, AGREEMENT, PRODUCT, QUOTA, HOLD):
        run(part)
    grant("bridge_ceiling", "select, insert, update (state, decided_at, decided_by)")
    guard("bridge_ceiling", see=f"{BUREAU} or (state = 'CONFIRMED' and hq_kind() is not null)", write=BUREAU, change=BUREAU)
    grant("fund_agreement", "select, insert, update (state, decided_at, decided_by, ended_on, ended_by, reminded_at)")
    guard("fund_agreement", see=f"({OWN} and state <> 'PROPOSED') or {CITY}", write="hq_kind() = 'bridge_centre'", change=CENTRE)
    for table, who in (("bridge_ceiling", BUREAU), ("fund_agreement", "hq_kind() = 'bridge_centre'")):
        run(f"create policy see_{table} on transition for select to huiqiao_app "
            f"using (subject_type = '{table}' and (select {who}))")
    grant("fund_product", "select, insert, update (name, state)")
    guard("fund_product", see=f"{OWN} or {CITY}", write=CENTRE, change=CENTRE)
    grant("fund_quota", "select, insert, update (limit_fen, set_at, set_by), delete")
    grant("fund_day", "select, insert, update (limit_fen, closed, note, set_at, set_by), delete")
    for table in ("fund_quota", "fund_day"):
        guard(table, see=f"{OWN} or {CITY}", write=CENTRE, change=CENTRE, remove=CENTRE)
    grant("fund_hold",
          "select, insert, "
          "update (state, starts_on, ends_on, checked_on, expires_at, confirmed_at, ended_on, back_fen, transfer_id)")
    guard("fund_hold", see=f"{OWN} or firm_id = hq_org() or {CITY}", write=CENTRE, change=CENTRE)
