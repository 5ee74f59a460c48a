"""Sources: every item of the catalogue with its table, meters and whose they are, firms that nobody signed up yet."""

import sqlalchemy as sa
from alembic import op

from migrations.tools import SYSTEM, grant, guard, run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Rows of a firm that the portal does not know wait under the number the firm will have when it appears.
WAITING = """
create table reserved_firm (
  firm_no bigint constraint pk_reserved_firm primary key,
  uscc text not null constraint uq_reserved_firm_uscc unique constraint ck_reserved_firm_uscc check (length(uscc) = 18),
  reserved_at timestamptz not null
);
create function hq_takes_reserved_number() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if exists (select 1 from reserved_firm r where r.uscc = new.uscc and r.firm_no <> new.firm_no)
     or exists (select 1 from reserved_firm r where r.firm_no = new.firm_no and r.uscc <> new.uscc) then
    raise exception 'another number is reserved for this firm'
      using errcode = 'check_violation', constraint = 'ck_enterprise_reserved_firm';
  end if;
  return new;
end $$;
create trigger takes_reserved_number before insert on enterprise
  for each row execute function hq_takes_reserved_number();
"""

METER = """
create sequence meter_no_seq as bigint;
create table meter (
  meter_no bigint constraint pk_meter primary key,
  provider_org_id uuid not null,
  account_no text not null constraint ck_meter_account_no check (length(account_no) between 1 and 40),
  first_seen_at timestamptz not null,
  constraint uq_meter_provider_org_id_account_no unique (provider_org_id, account_no)
);
-- A first delivery brings a hundred thousand meters: whose they are is asked once a statement, not once a meter.
create function hq_meters_belong() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if exists (select 1 from (select distinct provider_org_id from fresh) f where not exists (
      select 1 from organisation o where o.id = f.provider_org_id and o.kind = 'data_provider')) then
    raise exception 'a meter of no data provider'
      using errcode = 'foreign_key_violation', constraint = 'fk_meter_provider_org_id';
  end if;
  return null;
end $$;
create trigger meters_belong after insert on meter referencing new table as fresh
  for each statement execute function hq_meters_belong();
"""

PROVIDER = """
create table provider_item (
  provider_org_id uuid not null,
  provider_kind text not null constraint ck_provider_item_provider_kind check (provider_kind = 'data_provider'),
  item_code text not null constraint fk_provider_item_item_code references data_item,
  since timestamptz not null,
  constraint pk_provider_item primary key (provider_org_id, item_code),
  constraint fk_provider_item_provider_org_id foreign key (provider_org_id, provider_kind) references organisation (id, kind)
);
"""

MONEY = "bigint"
UTILITY = """
  period date not null,
  quantity_milli bigint,
  bill_fen bigint,
  due_on date,
  paid_on date,
  arrears_fen bigint,
  metering text not null,
  cut_days bigint,
  constraint ck_{table}_possible check (quantity_milli >= 0 and bill_fen >= 0 and arrears_fen >= 0 and cut_days between 0 and 31),
  constraint ck_{table}_not_zero check (
    case when quantity_milli is null then metering in ('landlord', 'not_metered') else metering in ('metered', 'estimated') end),
"""
"""A month nobody metered has no quantity, and a metered one has: absence is never zero."""

# table: (subject, key, columns). Facts: no key of their own, (subject, key, version); `current` marks the version in force.
FACTS = {
    "registration": ("firm_no", (), """
  name text not null, type text, capital_fen bigint constraint ck_registration_capital check (capital_fen >= 0),
  established_on date, status text not null constraint ck_registration_status
    check (status in ('open', 'revoked', 'deregistered', 'moved', 'suspended')),
  scope text, as_of date not null,
"""),
    "registration_change": ("firm_no", ("changed_on", "kind"), """
  changed_on date not null, kind text not null,
"""),
    "annual_report": ("firm_no", ("report_year",), """
  report_year bigint not null constraint ck_annual_report_year check (report_year between 1990 and 2100),
  operating_state text, capital_fen bigint, n_employees bigint, published_on date, has_website boolean, has_investment boolean,
  has_equity_transfer boolean,
"""),
    "qualification": ("firm_no", ("kind", "certificate_no"), """
  kind text not null, certificate_no text not null, name text, issuer text, valid_from date not null, valid_to date,
  revoked_on date,
"""),
    "penalty": ("firm_no", ("document_no",), """
  document_no text not null, authority text not null, kind text not null,
  amount_fen bigint constraint ck_penalty_amount check (amount_fen >= 0), decided_on date not null, repaired_on date,
"""),
    "court_case": ("firm_no", ("case_no", "role"), """
  case_no text not null, role text not null, kind text not null, court text,
  amount_fen bigint constraint ck_court_case_amount check (amount_fen >= 0), filed_on date not null, closed_on date,
  unpaid_fen bigint constraint ck_court_case_unpaid check (unpaid_fen >= 0),
"""),
    "dishonesty_entry": ("firm_no", ("list_name", "listed_on"), """
  list_name text not null, listed_on date not null, authority text, removed_on date,
"""),
    "tax_filing": ("firm_no", ("tax_kind", "period"), """
  tax_kind text not null, period date not null,
  cycle text not null constraint ck_tax_filing_cycle check (cycle in ('month', 'quarter', 'year')),
  sales_fen bigint constraint ck_tax_filing_sales check (sales_fen >= 0), due_fen bigint, paid_fen bigint,
  arrears_fen bigint constraint ck_tax_filing_arrears check (arrears_fen >= 0), due_on date, filed_on date,
"""),
    "tax_grade": ("firm_no", ("year",), """
  year bigint not null, grade text not null constraint ck_tax_grade_grade check (grade in ('A', 'B', 'M', 'C', 'D')),
  published_on date,
"""),
    "social_insurance_month": ("firm_no", ("kind", "period"), """
  kind text not null, period date not null,
  heads bigint not null constraint ck_social_insurance_month_heads check (heads >= 0),
  dispatched bigint constraint ck_social_insurance_month_dispatched check (dispatched >= 0),
  base_fen bigint, due_fen bigint, paid_fen bigint, paid_on date,
"""),
    "housing_fund_month": ("firm_no", ("period",), """
  period date not null, heads bigint not null constraint ck_housing_fund_month_heads check (heads >= 0),
  base_fen bigint, due_fen bigint, paid_fen bigint, paid_on date,
"""),
    "customs_month": ("firm_no", ("direction", "period"), """
  direction text not null, period date not null, value_fen bigint not null, declarations bigint, aeo text,
"""),
    "cash_flow_month": ("firm_no", ("account_tail", "period"), """
  account_tail text not null constraint ck_cash_flow_month_account_tail check (length(account_tail) <= 4),
  period date not null, inflow_fen bigint not null, outflow_fen bigint not null, counterparties bigint, balance_fen bigint,
"""),
    "ip_right": ("firm_no", ("kind", "number"), """
  kind text not null, number text not null, title text, granted_on date not null, expires_on date, ended_on date,
  pledged boolean,
"""),
    "electricity_month": ("meter_no", ("period",), UTILITY.format(table="electricity_month")),
    "water_month": ("meter_no", ("period",), UTILITY.format(table="water_month")),
    "gas_month": ("meter_no", ("period",), UTILITY.format(table="gas_month")),
    "electricity_day": ("meter_no", ("day",), """
  day date not null, quantity_milli bigint not null constraint ck_electricity_day_quantity check (quantity_milli >= 0),
"""),
    # Dated, many to many: a meter may serve several firms at once and other ones later.
    "meter_link": ("meter_no", ("firm_no", "valid_from"), """
  firm_no bigint not null, valid_from date not null, valid_to date,
  basis text not null constraint ck_meter_link_basis check (basis in ('own', 'tenant', 'shared')),
  constraint ck_meter_link_term check (valid_to is null or valid_to >= valid_from),
"""),
}

# Tables that grow by millions of rows a month take them by COPY, which PostgreSQL does not do under row-level security. So the
# table everybody reads is guarded, and its one partition, which the portal may fill and nobody may read, takes the rows; a
# trigger lets only the portal itself fill it.
FILLED_BY_COPY = ("electricity_month", "water_month", "gas_month", "electricity_day")
FILL = """
create function hq_filled_by_the_portal() returns trigger language plpgsql as $$
begin
  if hq_kind() is distinct from 'system' then
    raise exception 'only the portal itself stores facts' using errcode = 'insufficient_privilege';
  end if;
  return null;
end $$;
"""

LINES = """
create table tax_ledger_line (
  firm_no bigint not null,
  content bigint not null,
  k bigint not null constraint ck_tax_ledger_line_k check (k > 0),
  version smallint not null constraint ck_tax_ledger_line_version check (version > 0),
  current boolean not null,
  period_start date not null,
  period_end date not null,
  tax_category text not null,
  tax_item text,
  tax_base_fen bigint,
  tax_rate text,
  deduction_fen bigint,
  tax_amount_fen bigint not null,
  delivery_no bigint not null,
  constraint pk_tax_ledger_line primary key (firm_no, content, k, version)
);
"""

# Foreign keys would ask once a row and cost three quarters of an import; these ask once a statement (as in 0004).
BELONG = """
create function hq_firm_facts_belong() returns trigger
  language plpgsql security definer set search_path = public as $$
declare stray record;
begin
  select f.firm_no, f.delivery_no into stray from (select firm_no, delivery_no from fresh group by firm_no, delivery_no) f
  where not exists (select 1 from enterprise e where e.firm_no = f.firm_no)
     and not exists (select 1 from reserved_firm r where r.firm_no = f.firm_no)
     or not exists (select 1 from delivery d where d.number = f.delivery_no) limit 1;
  if found then
    raise exception 'a fact of an unknown firm (%) or delivery (%)', stray.firm_no, stray.delivery_no
      using errcode = 'foreign_key_violation', constraint = 'fk_fact_belongs';
  end if;
  return null;
end $$;
create function hq_meter_facts_belong() returns trigger
  language plpgsql security definer set search_path = public as $$
declare stray record;
begin
  select f.meter_no, f.delivery_no into stray from (select meter_no, delivery_no from fresh group by meter_no, delivery_no) f
  where not exists (select 1 from meter m where m.meter_no = f.meter_no)
     or not exists (select 1 from delivery d where d.number = f.delivery_no) limit 1;
  if found then
    raise exception 'a fact of an unknown meter (%) or delivery (%)', stray.meter_no, stray.delivery_no
      using errcode = 'foreign_key_violation', constraint = 'fk_fact_belongs';
  end if;
  return null;
end $$;
create trigger meter_no_stays before update of meter_no or delete on meter
  for each statement execute function hq_keyed_by_evidence();
-- Invoices of firms that are not known yet wait in the same way.
create or replace function hq_invoice_lines_belong() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if exists (select firm_no from fresh except
             (select firm_no from enterprise union all select firm_no from reserved_firm)) then
    raise exception 'an invoice line of an unknown firm'
      using errcode = 'foreign_key_violation', constraint = 'fk_invoice_line_firm_no';
  end if;
  if exists (select delivery_no from fresh except select number from delivery) then
    raise exception 'an invoice line of an unknown delivery'
      using errcode = 'foreign_key_violation', constraint = 'fk_invoice_line_delivery_no';
  end if;
  return null;
end $$;
"""

# `consent_item`: the item whose consent covers this one (daily power is read under the consent for electricity).
CATALOGUE = """
alter table data_item
  add column category_no bigint,
  add column consent_item text constraint fk_data_item_consent_item references data_item,
  add column refresh text constraint ck_data_item_refresh check (refresh in ('daily', 'monthly', 'yearly', 'event')),
  add column legal_basis text,
  add column personal_for_sole_trader boolean,
  add column pool_days bigint constraint ck_data_item_pool_days check (pool_days > 0);
alter table data_item drop constraint ck_data_item_grain;
alter table data_item add constraint ck_data_item_grain check (grain in ('line', 'day', 'month', 'year', 'event'));
alter table data_item drop constraint uq_data_item_position;
"""

# code, category number, category, Chinese, English, owner, mode, grain, consent, months kept, stored, consent item, refresh,
# personal for a sole trader. Sharing modes, owners and months are [U]/[P] of credit-data-catalogue.md §2–§3: rows, not code.
ITEMS = [
    ("registration", 1, "registration", "登记注册", "Registration", "市场监管局", "pushed", "event", False, None, True,
     None, "daily", False),
    ("registration_changes", 1, "registration", "登记变更", "Changes of registration", "市场监管局", "pushed", "event", False,
     None, True, "registration", "daily", False),
    ("annual_reports", 1, "registration", "年报", "Annual reports", "市场监管局", "pushed", "year", False, None, True,
     "registration", "yearly", False),
    ("qualifications", 2, "licences", "资质与行政许可", "Qualifications and permits", "发证部门", "pushed", "event", False, None,
     True, None, "event", False),
    ("penalties", 3, "penalties", "行政处罚", "Penalties", "市场监管局等部门", "pushed", "event", False, None, True, None,
     "daily", False),
    ("justice", 4, "justice", "司法", "Justice", "法院", "query", "event", True, None, True, None, "daily", True),
    ("dishonesty", 5, "dishonesty", "严重失信主体名单", "Serious-dishonesty lists", "发展改革委", "pushed", "event", False, None,
     True, None, "daily", False),
    ("tax", 6, "tax", "纳税申报", "Tax filings", "税务局", "query", "month", True, 36, True, None, "monthly", True),
    ("tax_grades", 6, "tax", "纳税信用级别", "Tax-payment credit grades", "税务局", "query", "year", True, None, True, "tax",
     "yearly", False),
    ("tax_ledger", 6, "tax", "税款明细", "Tax ledger", "税务局", "query", "line", True, 36, True, "tax", "monthly", True),
    ("invoices", 6, "tax", "增值税发票", "VAT invoices", "税务局", "query", "line", True, 36, True, None, "monthly", True),
    ("social_insurance", 7, "social_insurance", "社会保险", "Social insurance", "人社局", "query", "month", True, 36, True, None,
     "monthly", False),
    ("housing_fund", 8, "housing_fund", "住房公积金", "Housing fund", "公积金中心", "query", "month", True, 36, True, None,
     "monthly", False),
    ("customs", 9, "customs", "进出口", "Customs", "海关", "query", "month", True, 36, True, None, "monthly", False),
    ("electricity", 10, "utilities", "用电", "Electricity", "供电企业", "query", "month", True, 36, True, None, "monthly", True),
    ("electricity_daily", 10, "utilities", "每日用电", "Daily electricity", "供电企业", "query", "day", True, 36, True,
     "electricity", "daily", True),
    ("water", 10, "utilities", "用水", "Water", "供水企业", "query", "month", True, 36, True, None, "monthly", True),
    ("gas", 10, "utilities", "用气", "Gas", "供气企业", "query", "month", True, 36, True, None, "monthly", True),
    ("meter_links", 10, "utilities", "户号与企业", "Meters and firms", "水电气企业", "query", "event", True, None, True, None,
     "monthly", True),
    ("real_estate", 11, "real_estate", "不动产", "Real estate", "规划和自然资源局", "query", "event", True, None, False, None,
     "event", True),
    ("ip", 12, "ip", "知识产权", "Intellectual property", "知识产权局", "pushed", "event", False, None, True, None, "event",
     False),
    ("research", 13, "research", "科技研发", "Research", "科技局", "pushed", "event", False, None, False, None, "event", False),
    ("environment", 14, "environment", "生态环境、农业主体与安全", "Environment, farming, safety", "生态环境局等部门", "pushed",
     "event", False, None, False, None, "event", False),
    ("procurement", 15, "procurement", "政府采购与合同", "Public procurement", "财政局", "pushed", "event", False, None, False,
     None, "event", False),
    ("cash_flow", 16, "cash_flow", "银行资金流", "Bank cash flow", "开户银行", "query", "month", True, 36, True, None, "monthly",
     True),
    ("self_stated", 17, "self_stated", "企业自报", "Self-stated", "企业", "self", "event", False, 36, False, None, "event",
     False),
]

# Whose evidence of an item may the running identity read: its own, and that of firms whose consent names the bank and is in
# force; what is public (no consent needed), that of firms it shares a case or a consent with.
READABLE = """
create or replace function hq_readable_firms(item text) returns setof bigint
  language sql stable security definer set search_path = public as
  $$ select e.firm_no from enterprise e where e.id = hq_org() and e.state = 'verified'
     union
     select e.firm_no from data_item i join consent c on c.item_code = i.consent_item or not i.consent_needed
       join enterprise e on e.id = c.firm_id
     where i.code = $1 and hq_kind() = 'bank' and c.receiver_org_id = hq_org() and c.state = 'ACTIVE'
       and c.valid_until > now() and e.state = 'verified'
     union
     select e.firm_no from data_item i, case_party p join case_file f on f.id = p.case_id
       join enterprise e on e.id = f.subject_org_id
     where i.code = $1 and not i.consent_needed and hq_kind() = 'bank' and p.org_id = hq_org() and e.state = 'verified'
       and (f.kind <> 'offline' or exists (select 1 from loan_recognition r where r.case_id = f.id and r.recognised)) $$;
create function hq_readable_meters(item text) returns setof bigint
  language sql stable security definer set search_path = public as
  $$ select l.meter_no from meter_link l where l.current and l.firm_no in (select hq_readable_firms($1)) $$;
-- A firm's meter is the firm's for as long as the link says: what the tenant before it used is nobody's business. A month
-- belongs to whoever held the meter on its first day.
create function hq_meter_readable(item text, meter bigint, at date) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from meter_link l where l.meter_no = $2 and l.current
         and l.valid_from <= $3 and (l.valid_to is null or l.valid_to >= $3)
         and l.firm_no in (select hq_readable_firms($1))) $$;
"""

DELIVERY = """
alter table delivery
  add column channel text not null default 'upload'
    constraint ck_delivery_channel check (channel in ('upload', 'command', 'push')),
  add column rows_waiting bigint,
  add column withdrawn_at timestamptz,
  add column withdraw_reason text;
alter table delivery alter column channel drop default;
alter table delivery drop constraint ck_delivery_state;
alter table delivery add constraint ck_delivery_state
  check (state in ('RECEIVED', 'READING', 'TAKEN_IN', 'FAILED', 'WITHDRAWN'));
alter table delivery drop constraint ck_delivery_finished;
alter table delivery add constraint ck_delivery_finished
  check ((state in ('TAKEN_IN', 'FAILED', 'WITHDRAWN')) = (finished_at is not null));
alter table delivery add constraint ck_delivery_withdrawn
  check ((state = 'WITHDRAWN') = (withdrawn_at is not null) and (state = 'WITHDRAWN') = (withdraw_reason is not null));
alter table delivery add constraint ck_delivery_waiting check (rows_waiting >= 0);
alter table delivery drop constraint ck_delivery_phase;
alter table delivery add constraint ck_delivery_phase check (phase in ('reading', 'storing', 'withdrawing'));
create index ix_delivery_item_code on delivery (item_code, finished_at);
"""


def upgrade() -> None:
    run(WAITING)
    run(METER)
    run(PROVIDER)
    run(DELIVERY)
    for table, (subject, key, columns) in FACTS.items():
        keys = ", ".join((subject, *key, "version"))
        run(f"create table {table} (\n  {subject} bigint not null,\n  version smallint not null "
            f"constraint ck_{table}_version check (version > 0),\n  current boolean not null,{columns}"
            f"  delivery_no bigint not null,\n  constraint pk_{table} primary key ({keys})\n)"
            + (f" partition by range ({subject})" if table in FILLED_BY_COPY else ""))
        if table in FILLED_BY_COPY:
            run(f"create table {table}_rows partition of {table} default")
    run(FILL)
    run("create index ix_meter_link_firm_no on meter_link (firm_no) where current")
    run(LINES)
    run(BELONG)
    _fill_catalogue()
    run(READABLE)
    _guard()


def _fill_catalogue() -> None:
    """Rows that deliveries and consents already name stay; the one item 水电气 becomes three, and is only dropped unused."""
    run(CATALOGUE)
    connection = op.get_bind()
    for position, row in enumerate(ITEMS, start=1):
        (code, number, category, zh, en, owner, mode, grain, consent, months, stored, covered, refresh, personal) = row
        connection.execute(sa.text(
            "insert into data_item (code, category_no, category, position, name_zh, name_en, owner, mode, grain, consent_needed, "
            "retention_months, active, consent_item, refresh, legal_basis, personal_for_sole_trader, pool_days) values "
            "(:code, :number, :category, :position, :zh, :en, :owner, :mode, :grain, :consent, :months, :stored, :covered, "
            ":refresh, :basis, :personal, 180) on conflict (code) do update set category_no = excluded.category_no, "
            "category = excluded.category, position = excluded.position, name_zh = excluded.name_zh, name_en = excluded.name_en, "
            "owner = excluded.owner, mode = excluded.mode, grain = excluded.grain, consent_needed = excluded.consent_needed, "
            "retention_months = excluded.retention_months, active = excluded.active, consent_item = excluded.consent_item, "
            "refresh = excluded.refresh, legal_basis = excluded.legal_basis, "
            "personal_for_sole_trader = excluded.personal_for_sole_trader, pool_days = excluded.pool_days"
        ), {
            "code": code, "number": number, "category": category, "position": position, "zh": zh, "en": en, "owner": owner,
            "mode": mode, "grain": grain, "consent": consent, "months": months, "stored": stored, "covered": covered or code,
            "refresh": refresh, "personal": personal,
            # 征信业管理条例 art. 21: published government data; 18: query with the firm's written consent.
            "basis": "consent" if consent else ("self_stated" if mode == "self" else "public_record"),
        })
    run("""
    update data_item d set active = false, position = 1000 + position, category_no = case code when 'licences' then 2 else 10 end,
      consent_item = code, refresh = 'monthly',
      legal_basis = 'consent', personal_for_sole_trader = false, pool_days = 180 where category_no is null;
    delete from data_item d where code = 'utilities'
      and not exists (select 1 from consent c where c.item_code = d.code)
      and not exists (select 1 from evidence_look l where l.item_code = d.code)
      and not exists (select 1 from delivery v where v.item_code = d.code);
    delete from data_item d where code = 'licences'
      and not exists (select 1 from consent c where c.item_code = d.code)
      and not exists (select 1 from evidence_look l where l.item_code = d.code)
      and not exists (select 1 from delivery v where v.item_code = d.code);
    alter table data_item alter column category_no set not null, alter column consent_item set not null,
      alter column refresh set not null, alter column legal_basis set not null,
      alter column personal_for_sole_trader set not null, alter column pool_days set not null;
    alter table data_item add constraint uq_data_item_position unique (position);
    insert into provider_item (provider_org_id, provider_kind, item_code, since)
      select id, 'data_provider', 'invoices', now() from organisation where kind = 'data_provider'
    """)


def _guard() -> None:
    system = f"(select {SYSTEM})"
    items = {
        "registration": "registration", "registration_change": "registration_changes", "annual_report": "annual_reports",
        "qualification": "qualifications", "penalty": "penalties", "court_case": "justice", "dishonesty_entry": "dishonesty",
        "tax_filing": "tax", "tax_grade": "tax_grades", "social_insurance_month": "social_insurance",
        "housing_fund_month": "housing_fund", "customs_month": "customs", "cash_flow_month": "cash_flow", "ip_right": "ip",
        "electricity_month": "electricity", "water_month": "water", "gas_month": "gas",
        "electricity_day": "electricity_daily", "meter_link": "meter_links", "tax_ledger_line": "tax_ledger",
    }
    for table, item in items.items():
        by_meter = table in FACTS and FACTS[table][0] == "meter_no" and table != "meter_link"
        if by_meter:
            at = "day" if table == "electricity_day" else "period"
            see = (f"{system} or (meter_no = any (array(select hq_readable_meters('{item}'))) "
                   f"and hq_meter_readable('{item}', meter_no, {at}))")
        else:
            see = f"{system} or firm_no = any (array(select hq_readable_firms('{item}')))"
        # A fact is never edited, only the mark that a later version stands behind it; retention deletes whole facts.
        grant(table, "select, insert, update (current), delete")
        guard(table, see=see, write=system, change=system, remove=system)
        kind = "meter" if table in FACTS and FACTS[table][0] == "meter_no" else "firm"
        filled = [table]
        if table in FILLED_BY_COPY:
            filled.append(f"{table}_rows")
            grant(f"{table}_rows", "insert")
            run(f"create trigger filled_by_the_portal before insert on {table}_rows "
                "for each statement execute function hq_filled_by_the_portal()")
        for one in filled:  # a statement fires the triggers of the table it names
            run(f"create trigger facts_belong after insert on {one} referencing new table as fresh "
                f"for each statement execute function hq_{kind}_facts_belong()")
    grant("meter_no_seq", "usage")
    grant("meter", "select, insert")
    guard("meter", see=f"{SYSTEM} or provider_org_id = hq_org()", write=SYSTEM)
    grant("reserved_firm", "select, insert, delete")
    guard("reserved_firm", see=SYSTEM, write=SYSTEM, remove=SYSTEM)
    grant("provider_item", "select, insert, delete")
    guard("provider_item", see="provider_org_id = hq_org() or hq_kind() in ('system', 'platform')",
          write="hq_kind() in ('system', 'platform')", remove="hq_kind() in ('system', 'platform')")
    grant("quarantine", "delete")
    run(f"create policy remove on quarantine for delete to huiqiao_app using ({SYSTEM})")
