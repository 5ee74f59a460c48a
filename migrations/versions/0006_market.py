"""The market: products, needs, bids sealed by the database, choices."""

from migrations.tools import OWN, SYSTEM, append_only, grant, guard, run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KINDS = (
    "'CREDIT', 'RECEIVABLE_PLEDGE', 'IP_PLEDGE', 'ENVIRONMENT_PLEDGE', 'LOAN_INSURANCE', 'GUARANTEED', 'MORTGAGE', 'OTHER'"
)
METHODS = "'INTEREST_ONLY', 'EQUAL_INSTALMENT', 'EQUAL_PRINCIPAL', 'BULLET'"
MOST_FEN = 10_000_000_000_000

PRODUCT = f"""
create table product (
  id uuid constraint pk_product primary key,
  org_id uuid not null constraint fk_product_org_id references organisation,
  name text not null constraint ck_product_name check (length(name) between 2 and 60),
  kind text not null constraint ck_product_kind check (kind in ({KINDS})),
  min_amount_fen bigint not null constraint ck_product_min_amount check (min_amount_fen > 0),
  max_amount_fen bigint not null constraint ck_product_max_amount check (max_amount_fen <= {MOST_FEN}),
  min_term_months bigint not null constraint ck_product_min_term check (min_term_months >= 1),
  max_term_months bigint not null constraint ck_product_max_term check (max_term_months <= 360),
  eligibility jsonb not null,
  conventions jsonb not null,
  state text not null constraint ck_product_state check (state in ('ACTIVE', 'RETIRED')),
  version bigint not null constraint ck_product_version check (version >= 1),
  created_at timestamptz not null,
  changed_at timestamptz not null,
  changed_by uuid,
  constraint ck_product_amounts check (min_amount_fen <= max_amount_fen),
  constraint ck_product_terms check (min_term_months <= max_term_months),
  constraint uq_product_id_org_id unique (id, org_id)
);
create unique index uq_product_name on product (org_id, name) where state = 'ACTIVE';
create table product_version (
  product_id uuid not null,
  version bigint not null,
  org_id uuid not null,
  facts jsonb not null,
  at timestamptz not null,
  made_by uuid,
  constraint pk_product_version primary key (product_id, version),
  constraint fk_product_version_product_id foreign key (product_id, org_id) references product (id, org_id)
);
"""

NEED = f"""
create table need (
  id uuid constraint pk_need primary key,
  org_id uuid not null constraint fk_need_org_id references enterprise,
  case_id uuid constraint fk_need_case_id references case_file,
  seal_id uuid constraint fk_need_seal_id references seal,
  state text not null
    constraint ck_need_state check (state in ('DRAFT', 'OPEN', 'CLOSED', 'CHOSEN', 'WITHDRAWN', 'LAPSED')),
  amount_fen bigint constraint ck_need_amount check (amount_fen between 1 and {MOST_FEN}),
  term_months bigint constraint ck_need_term check (term_months between 1 and 360),
  purpose_kind text constraint ck_need_purpose_kind
    check (purpose_kind in ('PURCHASE', 'WAGES', 'EQUIPMENT', 'EXPANSION', 'RESEARCH', 'OTHER')),
  purpose_text text not null constraint ck_need_purpose_text check (length(purpose_text) <= 500),
  product_kind text constraint ck_need_product_kind check (product_kind in ('ANY', {KINDS})),
  repayment text constraint ck_need_repayment check (repayment in ('ANY', {METHODS})),
  first_loan boolean not null,
  distribution text constraint ck_need_distribution check (distribution in ('open', 'targeted')),
  industry_code text,
  district text,
  size_class text,
  firm_form text,
  profile_id uuid,
  bookable boolean,
  bookable_reasons jsonb not null,
  published_at timestamptz,
  closes_at timestamptz,
  extended_at timestamptz,
  closed_at timestamptz,
  choose_by timestamptz,
  ended_at timestamptz,
  next_check_at timestamptz,
  previous_id uuid constraint fk_need_previous_id references need,
  step bigint not null,
  created_at timestamptz not null,
  created_by uuid,
  constraint uq_need_id_seal_id unique (id, seal_id),
  constraint uq_need_seal_id unique (seal_id),
  constraint ck_need_published check (state in ('DRAFT', 'WITHDRAWN') or (
    case_id is not null and seal_id is not null and amount_fen is not null and term_months is not null
    and purpose_kind is not null and product_kind is not null and repayment is not null and distribution is not null
    and published_at is not null and closes_at is not null)),
  constraint ck_need_choose_by check (state <> 'CLOSED' or choose_by is not null)
);
create index ix_need_org_id on need (org_id, created_at);
create unique index uq_need_live on need (org_id) where state in ('OPEN', 'CLOSED');
create index ix_need_open on need (closes_at) where state = 'OPEN';
create index ix_need_next_check_at on need (next_check_at) where next_check_at is not null;
create unique index uq_need_case_id on need (case_id) where case_id is not null;
create table need_invitee (
  need_id uuid not null constraint fk_need_invitee_need_id references need,
  org_id uuid not null constraint fk_need_invitee_org_id references organisation,
  constraint pk_need_invitee primary key (need_id, org_id)
);
create index ix_need_invitee_org_id on need_invitee (org_id);
"""

BID = f"""
create table bid (
  id uuid constraint pk_bid primary key,
  need_id uuid not null,
  org_id uuid not null constraint fk_bid_org_id references organisation,
  seal_id uuid not null,
  case_id uuid not null constraint fk_bid_case_id references case_file,
  product_id uuid not null,
  product_version bigint not null,
  state text not null
    constraint ck_bid_state check (state in ('DRAFT', 'PROPOSED', 'SUBMITTED', 'WITHDRAWN', 'CHOSEN', 'LAPSED')),
  amount_fen bigint not null constraint ck_bid_amount check (amount_fen between 1 and {MOST_FEN}),
  annual_rate numeric(9, 6) not null constraint ck_bid_annual_rate check (annual_rate > 0 and annual_rate <= 1),
  term_months bigint not null constraint ck_bid_term check (term_months between 1 and 360),
  method text not null constraint ck_bid_method check (method in ({METHODS})),
  conventions jsonb not null,
  conditions text not null constraint ck_bid_conditions check (length(conditions) <= 1000),
  valid_until date not null,
  all_in_rate numeric(9, 6) not null,
  effective_rate numeric(9, 6) not null,
  simple_rate numeric(9, 6) not null,
  interest_fen bigint not null,
  fees_fen bigint not null,
  total_extra_fen bigint not null,
  working jsonb not null,
  drafted_by uuid,
  drafted_at timestamptz not null,
  submitted_by uuid,
  submitted_at timestamptz,
  ended_at timestamptz,
  return_reason text,
  constraint uq_bid_id_need_id unique (id, need_id),
  constraint fk_bid_need_id foreign key (need_id, seal_id) references need (id, seal_id),
  constraint fk_bid_product_id foreign key (product_id, product_version) references product_version (product_id, version),
  constraint fk_bid_product_org foreign key (product_id, org_id) references product (id, org_id),
  constraint ck_bid_submitted check (state not in ('SUBMITTED', 'CHOSEN') or submitted_at is not null),
  constraint ck_bid_two_people check (submitted_by is null or submitted_by <> drafted_by)
);
-- One bank's own bids alone are compared by this index, so its errors tell nothing about the others.
create unique index uq_bid_live on bid (need_id, org_id) where state in ('DRAFT', 'PROPOSED', 'SUBMITTED', 'CHOSEN');
create index ix_bid_org_id on bid (org_id, drafted_at);
create table bid_fee (
  bid_id uuid not null constraint fk_bid_fee_bid_id references bid,
  no bigint not null,
  org_id uuid not null,
  seal_id uuid not null constraint fk_bid_fee_seal_id references seal,
  kind text not null constraint ck_bid_fee_kind check (kind in (
    'GUARANTEE', 'INSURANCE', 'APPRAISAL', 'REGISTRATION', 'NOTARY', 'OTHER', 'COMMITMENT', 'FUND_MANAGEMENT')),
  amount_fen bigint not null constraint ck_bid_fee_amount check (amount_fen > 0),
  payee text not null,
  at text not null constraint ck_bid_fee_at check (at in ('START', 'PERIODIC', 'END')),
  every_months bigint not null constraint ck_bid_fee_every check (every_months between 1 and 360),
  text text not null,
  constraint pk_bid_fee primary key (bid_id, no)
);
create table choice (
  id uuid constraint pk_choice primary key,
  need_id uuid not null,
  bid_id uuid not null,
  org_id uuid not null constraint fk_choice_org_id references enterprise,
  bank_org_id uuid not null constraint fk_choice_bank_org_id references organisation,
  case_id uuid not null constraint fk_choice_case_id references case_file,
  state text not null constraint ck_choice_state check (state in ('LIVE', 'CANCELLED')),
  cost_sheet jsonb not null,
  made_at timestamptz not null,
  made_by uuid,
  cancelled_at timestamptz,
  constraint fk_choice_bid_id foreign key (bid_id, need_id) references bid (id, need_id)
);
create unique index uq_choice_live on choice (need_id) where state = 'LIVE';
create index ix_choice_bank_org_id on choice (bank_org_id);
create index ix_choice_org_id on choice (org_id);
"""

FUNCTIONS = """
create function hq_need_is_ours(need uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from need n where n.id = $1 and n.org_id = hq_org()) $$;
create function hq_need_invited(need uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from need_invitee i where i.need_id = $1 and i.org_id = hq_org()) $$;
create function hq_need_bid_on(need uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from bid b where b.need_id = $1 and b.org_id = hq_org()) $$;
create function hq_bid_shown(bid uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from bid b join need n on n.id = b.need_id join seal s on s.id = b.seal_id
       where b.id = $1 and s.opened_at is not null and b.submitted_at is not null and b.state <> 'WITHDRAWN'
         and (n.org_id = hq_org() or hq_kind() = 'bureau')) $$;

-- A bank may not lock the firm's row itself. Held for share, so that a closing and a submission meet one after the other.
create function hq_need_hold(need uuid) returns text
  language plpgsql security definer set search_path = public as $$
declare found text;
begin
  select n.state into found from need n where n.id = $1 for share;
  return found;
end $$;
"""

GATE = """
create function hq_bid_gate() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if tg_op = 'UPDATE' and ((old.need_id, old.org_id, old.seal_id, old.case_id)
       is distinct from (new.need_id, new.org_id, new.seal_id, new.case_id)
     or (old.state <> 'DRAFT' and (old.product_id, old.product_version, old.amount_fen, old.annual_rate, old.term_months,
           old.method, old.conventions, old.conditions, old.valid_until, old.all_in_rate, old.effective_rate,
           old.total_extra_fen)
         is distinct from (new.product_id, new.product_version, new.amount_fen, new.annual_rate, new.term_months,
           new.method, new.conventions, new.conditions, new.valid_until, new.all_in_rate, new.effective_rate,
           new.total_extra_fen))) then
    raise exception 'a bid that left its drafter is binding' using errcode = 'check_violation', constraint = 'ck_bid_frozen';
  end if;
  if new.state in ('DRAFT', 'PROPOSED', 'SUBMITTED', 'WITHDRAWN') then
    if hq_need_hold(new.need_id) is distinct from 'OPEN' or hq_seal_open(new.seal_id) then
      raise exception 'bidding has closed' using errcode = 'check_violation', constraint = 'ck_bid_before_close';
    end if;
  end if;
  return new;
end $$;
create trigger bid_gate before insert or update on bid for each row execute function hq_bid_gate();

create function hq_bid_fee_gate() returns trigger language plpgsql security definer set search_path = public as $$
declare parent bid;
begin
  select * into parent from bid where id = coalesce(new.bid_id, old.bid_id);
  if parent.state is distinct from 'DRAFT' or (tg_op <> 'DELETE' and
       (new.org_id, new.seal_id) is distinct from (parent.org_id, parent.seal_id)) then
    raise exception 'a bid that left its drafter is binding' using errcode = 'check_violation', constraint = 'ck_bid_frozen';
  end if;
  return coalesce(new, old);
end $$;
create trigger bid_fee_gate before insert or update or delete on bid_fee for each row execute function hq_bid_fee_gate();

-- A need withdrawn while bids are sealed: neither the firm nor the portal may read them, so the database itself ends them
-- and leaves their banks the step and a notice.
create function hq_need_withdrawn() returns trigger language plpgsql security definer set search_path = public as $$
declare ended record;
begin
  for ended in select id, org_id, state from bid
      where need_id = new.id and state in ('DRAFT', 'PROPOSED', 'SUBMITTED') for update loop
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
create trigger need_withdrawn after update of state on need for each row
  when (old.state in ('OPEN', 'CLOSED') and new.state = 'WITHDRAWN') execute function hq_need_withdrawn();

-- Money, term, seal and case of a published need stay as the banks have read them.
create function hq_need_frozen() returns trigger language plpgsql as $$
begin
  if (old.org_id, old.case_id, old.seal_id, old.amount_fen, old.term_months, old.purpose_kind, old.purpose_text,
      old.product_kind, old.repayment, old.first_loan, old.distribution, old.published_at)
     is distinct from
     (new.org_id, new.case_id, new.seal_id, new.amount_fen, new.term_months, new.purpose_kind, new.purpose_text,
      new.product_kind, new.repayment, new.first_loan, new.distribution, new.published_at) then
    raise exception 'a published need does not change' using errcode = 'check_violation', constraint = 'ck_need_frozen';
  end if;
  return new;
end $$;
create trigger need_frozen before update on need for each row when (old.state <> 'DRAFT') execute function hq_need_frozen();
"""


def upgrade() -> None:
    for part in (PRODUCT, NEED, BID, FUNCTIONS, GATE):
        run(part)
    own_bank = f"{OWN} and hq_kind() = 'bank'"
    grant("product", "select, insert, update")
    guard("product", see="hq_kind() is not null", write=f"({own_bank}) or {SYSTEM}", change=f"({own_bank}) or {SYSTEM}")
    append_only("product_version")
    guard("product_version", see="hq_kind() is not null", write=f"({own_bank}) or {SYSTEM}")
    grant("need", "select, insert, update")
    guard(
        "need",
        see=f"{OWN} or hq_kind() in ('system', 'platform', 'bureau') or (hq_kind() = 'bank' and ("
            "(state = 'OPEN' and (distribution = 'open' or hq_need_invited(id))) or hq_need_bid_on(id)))",
        write=OWN, change=f"{OWN} or {SYSTEM}",
    )
    grant("need_invitee", "select, insert, delete")
    guard("need_invitee", see=f"{OWN} or {SYSTEM} or hq_need_is_ours(need_id)", write="hq_need_is_ours(need_id)",
          remove="hq_need_is_ours(need_id)")
    opened = f"hq_seal_open(seal_id) and {SYSTEM}"
    grant("bid", "select, insert, update")
    guard(
        "bid",
        see=f"{OWN} or (hq_seal_open(seal_id) and ({SYSTEM} or (submitted_at is not null and state <> 'WITHDRAWN' "
            "and (hq_kind() = 'bureau' or hq_need_is_ours(need_id)))))",
        write=own_bank, change=f"({own_bank}) or ({opened})",
    )
    grant("bid_fee", "select, insert, update, delete")
    guard("bid_fee", see=f"{OWN} or (hq_seal_open(seal_id) and ({SYSTEM} or hq_bid_shown(bid_id)))", write=own_bank,
          change=own_bank, remove=own_bank)
    grant("choice", "select, insert, update")
    guard("choice", see=f"{OWN} or bank_org_id = hq_org() or hq_kind() in ('system', 'bureau')",
          write=f"{OWN} or {SYSTEM}", change=SYSTEM)
