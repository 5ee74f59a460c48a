"""The pool's budget: money in on two people's word, a line for claims that wait for money, years that are closed for good."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

BUREAU = "hq_kind() = 'bureau'"


def second_word(table: str) -> str:
    """Columns and checks of what one person proposes and another one decides."""
    return f"""
  state text not null constraint ck_{table}_state check (state in ('PROPOSED', 'CONFIRMED', 'REFUSED', 'WITHDRAWN')),
  reason text not null constraint ck_{table}_reason check (length(reason) between 1 and 1000),
  proposed_by uuid not null constraint fk_{table}_proposed_by references person,
  proposed_at timestamptz not null,
  decided_by uuid constraint fk_{table}_decided_by references person,
  decided_at timestamptz,
  constraint ck_{table}_decided check (
    (state = 'PROPOSED') = (decided_at is null) and (state = 'PROPOSED') = (decided_by is null)),
  constraint ck_{table}_two_persons check (
    case state when 'WITHDRAWN' then decided_by = proposed_by else decided_by is distinct from proposed_by end)"""


FUNDING = f"""
create table budget_funding (
  id uuid constraint pk_budget_funding primary key,
  year bigint not null constraint ck_budget_funding_year check (year between 2020 and 2100),
  amount_fen bigint not null constraint ck_budget_funding_amount check (amount_fen > 0),
  guarantee_fen bigint not null constraint ck_budget_funding_guarantee check (guarantee_fen between 0 and amount_fen),
  document_no text not null constraint ck_budget_funding_document check (length(document_no) between 1 and 80),
  {second_word("budget_funding")}
);
create unique index uq_budget_funding_document_no on budget_funding (year, document_no)
  where state in ('PROPOSED', 'CONFIRMED');

create table budget_closing (
  id uuid constraint pk_budget_closing primary key,
  year bigint not null constraint ck_budget_closing_year check (year between 2020 and 2100),
  year_end text not null constraint ck_budget_closing_year_end check (year_end in ('CARRY', 'RELEASE')),
  result jsonb,
  {second_word("budget_closing")},
  constraint ck_budget_closing_result check ((state = 'CONFIRMED') <= (result is not null))
);
create unique index uq_budget_closing_year on budget_closing (year) where state in ('PROPOSED', 'CONFIRMED');

-- Whoever proposes or decides does it under the own name; what is decided stays as it was decided.
create function hq_second_word_hands() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'PROPOSED' or new.proposed_by is distinct from hq_actor() then
      raise exception 'a proposal names who makes it' using errcode = 'check_violation', constraint = 'ck_second_word_hands';
    end if;
    return new;
  end if;
  if old.state <> 'PROPOSED' or new.decided_by is distinct from hq_actor() then
    raise exception 'a decision names who takes it, once' using errcode = 'check_violation',
      constraint = 'ck_second_word_hands';
  end if;
  return new;
end $$;
create trigger budget_funding_hands before insert or update on budget_funding
  for each row execute function hq_second_word_hands();
create trigger budget_closing_hands before insert or update on budget_closing
  for each row execute function hq_second_word_hands();

-- Money comes into a budget by a confirmed funding and once, and goes back when a second person closes its year; nothing moves
-- in a closed year.
create function hq_budget_transfer() returns trigger
  language plpgsql security definer set search_path = public as $$
declare debit text; credit text;
begin
  select code into debit from ledger_account where id = new.debit_account_id;
  select code into credit from ledger_account where id = new.credit_account_id;
  if exists (select 1 from budget_closing c where c.state = 'CONFIRMED'
             and (debit in ('pool:budget:' || c.year, 'pool:guarantee:' || c.year)
               or credit in ('pool:budget:' || c.year, 'pool:guarantee:' || c.year))) then
    raise exception 'the year is closed' using errcode = 'check_violation', constraint = 'ck_budget_year_closed';
  end if;
  if debit = 'pool:treasury' and not exists (
      select 1 from budget_funding f where new.reference = 'pool:fund:' || f.id and f.state = 'CONFIRMED'
        and f.amount_fen = new.amount_fen and credit = 'pool:budget:' || f.year) then
    raise exception 'money that nobody confirmed' using errcode = 'check_violation', constraint = 'ck_budget_funding_confirmed';
  end if;
  if credit = 'pool:treasury' and not exists (
      select 1 from budget_closing c where c.state = 'PROPOSED' and c.proposed_by is distinct from hq_actor()
        and debit in ('pool:budget:' || c.year, 'pool:guarantee:' || c.year)) then
    raise exception 'money goes back by no closing' using errcode = 'check_violation', constraint = 'ck_budget_closing_confirmed';
  end if;
  return new;
end $$;
create trigger ledger_transfer_budget before insert on ledger_transfer for each row execute function hq_budget_transfer();

-- What is left of a closed year goes back where it came from.
create or replace function hq_may_move(debit uuid, credit uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from ledger_account d, ledger_account c
       where d.id = $1 and c.id = $2 and case hq_kind()
         when 'bureau' then
           (d.code !~ '^district:' and c.code !~ '^district:' and (d.kind, c.kind) in (
             ('treasury', 'pool_budget'), ('pool_budget', 'pool_budget'), ('pool_budget', 'pool_paid'),
             ('pool_paid', 'pool_budget'), ('pool_budget', 'treasury')))
           or (d.code ~ '^district:[0-9]' and c.code ~ '^district:paid:')
         when 'bridge_centre' then
           ((d.kind, c.kind) in (
             ('funder', 'bridge_fund'), ('bridge_fund', 'funder'), ('bridge_fund', 'bridge_receivable'),
             ('bridge_receivable', 'bridge_fund')) and d.org_id = c.org_id)
           or (d.kind, c.kind) = ('firm', 'bridge_fee')
         else false end) $$;
"""

LINE = """
create table claim_wait (
  id uuid constraint pk_claim_wait primary key,
  claim_id uuid not null,
  case_id uuid not null,
  org_id uuid not null,
  mode text not null constraint ck_claim_wait_mode check (mode in ('BANK', 'GUARANTEE')),
  kind text not null constraint ck_claim_wait_kind check (kind in ('claim', 'rest')),
  state text not null constraint ck_claim_wait_state check (state in ('WAITING', 'COVERED', 'PAID', 'RELEASED')),
  amount_fen bigint not null constraint ck_claim_wait_amount check (amount_fen > 0),
  since timestamptz not null,
  covered_fen bigint,
  covered_at timestamptz,
  reservation_id uuid constraint fk_claim_wait_reservation_id references ledger_transfer,
  voucher_no text constraint uq_claim_wait_voucher_no unique,
  paid_on date,
  paid_by uuid,
  constraint fk_claim_wait_claim_id foreign key (claim_id, case_id, org_id) references claim (id, case_id, org_id),
  constraint ck_claim_wait_covered check ((covered_fen is null) = (covered_at is null)
    and (state in ('COVERED', 'PAID')) <= (covered_fen is not null) and covered_fen between 1 and amount_fen),
  constraint ck_claim_wait_paid check ((state = 'PAID') = (voucher_no is not null and paid_on is not null and paid_by is not null)
    and (state <> 'PAID' or kind = 'rest'))
);
-- A claim stands in the line once.
create unique index uq_claim_wait_open on claim_wait (claim_id) where state = 'WAITING';
create index ix_claim_wait_line on claim_wait (mode, since) where state = 'WAITING';
create index ix_claim_wait_claim_id on claim_wait (claim_id);
create index ix_claim_wait_reservation_id on claim_wait (reservation_id);
-- Paid in parts: what was paid so far is never above what was approved.
alter table claim drop constraint ck_claim_paid;
alter table claim add constraint ck_claim_paid check (state not in ('PAID', 'RECOVERING', 'CLOSED', 'CLAWED_BACK')
  or (paid_fen between 1 and approved_fen and paid_on is not null and voucher_no is not null and reservation_id is not null));
create index ix_claim_reservation_id on claim (reservation_id);
"""


def upgrade() -> None:
    run(FUNDING)
    run(LINE)
    city = f"{BUREAU} or {SYSTEM}"
    for table in ("budget_funding", "budget_closing"):
        changed = "state, decided_at, decided_by" + (", result" if table == "budget_closing" else "")
        grant(table, f"select, insert, update ({changed})")
        guard(table, see=city, write=BUREAU, change=BUREAU)
        run(f"create policy see_{table} on transition for select to huiqiao_app "
            f"using (subject_type = '{table}' and (select {BUREAU}))")
    grant("claim_wait", "select, insert, update")
    guard("claim_wait", see=f"org_id = hq_org() or {city}", write=city, change=city)
