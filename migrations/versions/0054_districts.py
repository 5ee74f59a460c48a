"""District pools that top up what the city pays (叠加补偿), and what each of them paid."""

from migrations.tools import SYSTEM, append_only, guard, run

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

TABLES = """
create table district_pool (
  id uuid constraint pk_district_pool primary key,
  district text not null constraint ck_district_pool_district check (district ~ '^4401[0-9]{2}$'),
  name text not null,
  document_no text not null,
  ratio numeric(9, 6) not null constraint ck_district_pool_ratio check (ratio > 0 and ratio <= 1),
  valid_from date not null,
  valid_to date not null,
  registered_by uuid,
  registered_at timestamptz not null,
  constraint ck_district_pool_dates check (valid_to >= valid_from),
  constraint uq_district_pool_document_no unique (district, document_no)
);
create table top_up (
  id uuid constraint pk_top_up primary key,
  claim_id uuid not null constraint uq_top_up_claim_id unique,
  case_id uuid not null,
  org_id uuid not null,
  pool_id uuid not null constraint fk_top_up_pool_id references district_pool,
  computed_fen bigint not null,
  paid_fen bigint not null constraint ck_top_up_paid check (paid_fen > 0),
  working jsonb not null,
  voucher_no text not null,
  paid_on date not null,
  recorded_by uuid,
  recorded_at timestamptz not null,
  constraint fk_top_up_claim_id foreign key (claim_id, case_id, org_id) references claim (id, case_id, org_id),
  constraint uq_top_up_voucher_no unique (pool_id, voucher_no),
  constraint ck_top_up_not_above check (paid_fen <= computed_fen)
);
create index ix_top_up_pool_id on top_up (pool_id);

-- A district tops up what the city has paid, and both together never pay more than the loss.
create function hq_top_up() returns trigger language plpgsql security definer set search_path = public as $$
begin
  perform 1 from claim c where c.id = new.claim_id and c.paid_fen is not null
    and c.paid_fen + c.other_public_fen + new.paid_fen <= c.net_principal_loss_fen;
  if not found then
    raise exception 'a top-up beyond the loss' using errcode = 'check_violation', constraint = 'ck_top_up_within_loss';
  end if;
  return new;
end $$;
create trigger top_up_guard before insert on top_up for each row execute function hq_top_up();
"""

# A district's money has accounts of its own and never meets the city's: it goes from the district to what it paid.
LEDGER = """
drop policy write on ledger_account;
create policy write on ledger_account for insert to huiqiao_app with check (hq_kind() = 'system'
  or (hq_kind() = 'bureau' and (
    (kind = 'treasury' and code = 'pool:treasury' and org_id is null and not bounded)
    or (kind = 'pool_budget' and code ~ '^pool:(budget|guarantee):[0-9]{4}$' and org_id is null and bounded)
    or (kind = 'pool_paid' and code = 'pool:paid:' || org_id and bounded)
    or (kind = 'treasury' and code ~ '^district:4401[0-9]{2}$' and org_id is null and not bounded)
    or (kind = 'pool_paid' and code = 'district:paid:' || org_id and bounded)))
  or (hq_kind() = 'bridge_centre' and (
    (kind = 'bridge_fund' and code ~ '^fund:[0-9a-f-]{36}$' and org_id is not null and bounded)
    or (kind = 'bridge_fee' and code ~ '^fund-fee:[0-9a-f-]{36}$' and org_id is not null and not bounded)
    or (kind = 'funder' and code = 'funder:' || org_id and not bounded)
    or (kind = 'bridge_receivable' and code ~ '^bridge:[0-9a-f-]{36}$' and org_id is not null and bounded)
    or (kind = 'firm' and code = 'firm:' || org_id and not bounded))));
create or replace function hq_may_move(debit uuid, credit uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from ledger_account d, ledger_account c
       where d.id = $1 and c.id = $2 and case hq_kind()
         when 'bureau' then
           (d.code !~ '^district:' and c.code !~ '^district:' and (d.kind, c.kind) in (
             ('treasury', 'pool_budget'), ('pool_budget', 'pool_budget'), ('pool_budget', 'pool_paid'),
             ('pool_paid', 'pool_budget')))
           or (d.code ~ '^district:[0-9]' and c.code ~ '^district:paid:')
         when 'bridge_centre' then
           ((d.kind, c.kind) in (
             ('funder', 'bridge_fund'), ('bridge_fund', 'funder'), ('bridge_fund', 'bridge_receivable'),
             ('bridge_receivable', 'bridge_fund')) and d.org_id = c.org_id)
           or (d.kind, c.kind) = ('firm', 'bridge_fee')
         else false end) $$;
"""


def upgrade() -> None:
    run(TABLES)
    run(LEDGER)
    city = f"hq_kind() = 'bureau' or {SYSTEM}"
    append_only("district_pool")
    guard("district_pool", see="true", write=city)
    append_only("top_up")
    guard("top_up", see=f"org_id = hq_org() or {city}", write=city)
