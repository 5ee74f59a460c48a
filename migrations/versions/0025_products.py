"""Products say rate, repayment, data they need and what a bank can handle; five more kinds."""

from migrations.tools import run

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

KINDS = (
    "'CREDIT', 'RECEIVABLE_PLEDGE', 'IP_PLEDGE', 'ENVIRONMENT_PLEDGE', 'LOAN_INSURANCE', 'GUARANTEED', 'MORTGAGE', 'EQUITY', "
    "'TAX_LOAN', 'FIRST_LOAN', 'RENEWAL', 'SUPPLY_CHAIN', 'OTHER'"
)
METHODS = "'INTEREST_ONLY', 'EQUAL_INSTALMENT', 'EQUAL_PRINCIPAL', 'BULLET'"

PRODUCT = f"""
alter table product drop constraint ck_product_kind, add constraint ck_product_kind check (kind in ({KINDS}));
alter table need drop constraint ck_need_product_kind,
  add constraint ck_need_product_kind check (product_kind in ('ANY', {KINDS}));
-- Products from before state no rate and take every repayment, as they were made.
alter table product
  add column min_rate numeric(9, 6), add column max_rate numeric(9, 6),
  add column repayments text[] not null default array[{METHODS}],
  add column required_sources text[] not null default '{{}}',
  add column officer_capacity bigint not null default 20,
  add column rule jsonb not null default '{{}}',
  add column seats bigint, add column budget_fen bigint, add column part_min_fen bigint,
  add constraint ck_product_rates check (
    (min_rate is null) = (max_rate is null) and (min_rate is null or (0 < min_rate and min_rate <= max_rate and max_rate <= 1))),
  add constraint ck_product_repayments check (cardinality(repayments) > 0 and repayments <@ array[{METHODS}, 'FREE']),
  add constraint ck_product_capacity check (officer_capacity between 1 and 200),
  add constraint ck_product_rule check (jsonb_typeof(rule) = 'object' and pg_column_size(rule) < 16384),
  add constraint ck_product_seats check (seats between 1 and 10000),
  add constraint ck_product_budget check (budget_fen >= min_amount_fen),
  add constraint ck_product_part check (part_min_fen between 1 and max_amount_fen);
alter table product alter repayments drop default, alter required_sources drop default, alter officer_capacity drop default,
  alter rule drop default;

create function hq_product_sources() returns trigger language plpgsql as $$
begin
  if exists (select 1 from unnest(new.required_sources) s(code) where s.code not in (select code from data_item)) then
    raise exception 'a source that the catalogue does not know' using errcode = 'check_violation',
      constraint = 'ck_product_sources';
  end if;
  return new;
end $$;
create trigger product_sources before insert or update of required_sources on product
  for each row execute function hq_product_sources();

-- A firm that a list or register does not name is told apart from a list that never came. Says nothing about any firm.
create function hq_item_delivered(item text) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from delivery d where d.item_code = $1 and d.state = 'TAKEN_IN') $$;
"""


def upgrade() -> None:
    run(PRODUCT)
