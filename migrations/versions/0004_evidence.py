"""Evidence: catalogue, deliveries, quarantine, invoice lines, consents, the log of looks."""

import hashlib
from datetime import date

import sqlalchemy as sa
from alembic import op

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = """
create table data_item (
  code text constraint pk_data_item primary key,
  category text not null,
  position bigint not null constraint uq_data_item_position unique,
  name_zh text not null,
  name_en text not null,
  owner text not null,
  mode text not null constraint ck_data_item_mode check (mode in ('pushed', 'query', 'model', 'self')),
  grain text not null constraint ck_data_item_grain check (grain in ('line', 'month', 'event')),
  consent_needed boolean not null,
  retention_months bigint constraint ck_data_item_retention check (retention_months > 0),
  active boolean not null
);

create sequence delivery_number_seq;
create table delivery (
  id uuid constraint pk_delivery primary key,
  number bigint not null constraint uq_delivery_number unique,
  provider_org_id uuid not null,
  provider_kind text not null constraint ck_delivery_provider_kind check (provider_kind = 'data_provider'),
  item_code text not null constraint fk_delivery_item_code references data_item,
  side smallint constraint ck_delivery_side check (side in (0, 1)),
  filename text not null,
  media_type text not null,
  size bigint not null constraint ck_delivery_size check (size > 0),
  sha256 bytea not null constraint ck_delivery_sha256 check (length(sha256) = 32),
  source_label text not null,
  synthetic boolean not null,
  state text not null constraint ck_delivery_state check (state in ('RECEIVED', 'READING', 'TAKEN_IN', 'FAILED')),
  phase text constraint ck_delivery_phase check (phase in ('reading', 'storing')),
  progress_rows bigint not null,
  rows_total bigint,
  rows_taken bigint,
  rows_identical bigint,
  rows_superseding bigint,
  rows_quarantined bigint,
  attempt bigint not null,
  failure text,
  failure_params jsonb not null,
  created_at timestamptz not null,
  created_by uuid,
  started_at timestamptz,
  finished_at timestamptz,
  constraint fk_delivery_provider_org_id foreign key (provider_org_id, provider_kind) references organisation (id, kind),
  constraint uq_delivery_id_provider_org_id unique (id, provider_org_id),
  -- no row of a file may get lost on the way: what came in is the sum of what became of it
  constraint ck_delivery_adds_up check (
    state <> 'TAKEN_IN' or coalesce(
      rows_taken >= 0 and rows_identical >= 0 and rows_superseding >= 0 and rows_quarantined >= 0
      and rows_taken + rows_identical + rows_superseding + rows_quarantined = rows_total, false)),
  constraint ck_delivery_failure check ((state = 'FAILED') = (failure is not null)),
  constraint ck_delivery_finished check ((state in ('TAKEN_IN', 'FAILED')) = (finished_at is not null))
);
create index ix_delivery_provider_org_id on delivery (provider_org_id, created_at);

create table quarantine (
  id uuid constraint pk_quarantine primary key,
  delivery_id uuid not null,
  provider_org_id uuid not null,
  row_no bigint not null constraint ck_quarantine_row_no check (row_no > 0),
  raw jsonb not null,
  reason text not null,
  params jsonb not null,
  constraint fk_quarantine_delivery_id foreign key (delivery_id, provider_org_id) references delivery (id, provider_org_id),
  constraint uq_quarantine_delivery_id_row_no unique (delivery_id, row_no)
);

-- A fact, not an object: no key of its own. A line is (firm, side, content, k-th such line of its delivery); a later void
-- is its second version.
create table invoice_line (
  firm_no bigint not null,
  side smallint not null constraint ck_invoice_line_side check (side in (0, 1)),
  content bigint not null,
  k bigint not null constraint ck_invoice_line_k check (k > 0),
  version smallint not null constraint ck_invoice_line_version check (version > 0),
  current boolean not null,
  void boolean not null,
  day date not null,
  net_fen bigint not null,
  tax_fen bigint not null,
  gross_fen bigint not null,
  delivery_no bigint not null,
  invoice_no text not null,
  counterparty text not null,
  constraint pk_invoice_line primary key (firm_no, side, content, k, version)
);

-- Foreign keys would ask once a row and cost three quarters of the import; these ask once a statement.
create function hq_invoice_lines_belong() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if exists (select firm_no from fresh except select firm_no from enterprise) then
    raise exception 'an invoice line of an unknown firm'
      using errcode = 'foreign_key_violation', constraint = 'fk_invoice_line_firm_no';
  end if;
  if exists (select delivery_no from fresh except select number from delivery) then
    raise exception 'an invoice line of an unknown delivery'
      using errcode = 'foreign_key_violation', constraint = 'fk_invoice_line_delivery_no';
  end if;
  return null;
end $$;
create trigger invoice_lines_belong after insert on invoice_line
  referencing new table as fresh for each statement execute function hq_invoice_lines_belong();
create function hq_keyed_by_evidence() returns trigger language plpgsql as $$
begin
  raise exception 'evidence is keyed by this number of %', tg_table_name using errcode = 'foreign_key_violation';
end $$;
create trigger firm_no_stays before update of firm_no or delete on enterprise
  for each statement execute function hq_keyed_by_evidence();
create trigger number_stays before update of number or delete on delivery
  for each statement execute function hq_keyed_by_evidence();

create table consent_text (
  version text constraint pk_consent_text primary key,
  body text not null,
  sha256 bytea not null constraint ck_consent_text_sha256 check (length(sha256) = 32),
  valid_from date not null
);
create table consent (
  id uuid constraint pk_consent primary key,
  firm_id uuid not null constraint fk_consent_firm_id references enterprise,
  item_code text not null constraint fk_consent_item_code references data_item,
  receiver_org_id uuid,
  receiver_kind text not null constraint ck_consent_receiver_kind check (receiver_kind = 'bank'),
  purpose text not null constraint ck_consent_purpose check (purpose in ('pre_approval', 'case')),
  case_id uuid constraint fk_consent_case_id references case_file,
  channel text not null,
  text_version text not null constraint fk_consent_text_version references consent_text,
  signed_text text not null,
  text_sha256 bytea not null constraint ck_consent_text_sha256 check (length(text_sha256) = 32),
  state text not null constraint ck_consent_state check (state in ('ACTIVE', 'REPLACED', 'REVOKED', 'EXPIRED')),
  given_at timestamptz not null,
  given_by uuid,
  valid_until timestamptz not null,
  ended_at timestamptz,
  ended_by uuid,
  end_reason text,
  constraint fk_consent_receiver_org_id foreign key (receiver_org_id, receiver_kind) references organisation (id, kind),
  constraint ck_consent_case_purpose check ((purpose = 'case') = (case_id is not null)),
  constraint ck_consent_term check (valid_until > given_at and valid_until <= given_at + interval '366 days'),
  constraint ck_consent_ended check ((state = 'ACTIVE') = (ended_at is null))
);
create unique index uq_consent_one_active on consent (firm_id, item_code, receiver_org_id) nulls not distinct
  where state = 'ACTIVE';
create index ix_consent_receiver on consent (receiver_org_id, item_code) where state = 'ACTIVE';
create index ix_consent_due on consent (valid_until) where state = 'ACTIVE';
create index ix_consent_firm_id on consent (firm_id, given_at);

create table evidence_look (
  id uuid constraint pk_evidence_look primary key,
  firm_id uuid not null constraint fk_evidence_look_firm_id references enterprise,
  org_id uuid not null constraint fk_evidence_look_org_id references organisation,
  actor_id uuid,
  actor_role text not null,
  at timestamptz not null,
  item_code text not null constraint fk_evidence_look_item_code references data_item,
  purpose text not null,
  case_id uuid,
  consent_id uuid constraint fk_evidence_look_consent_id references consent,
  result text not null constraint ck_evidence_look_result check (result in ('shown', 'refused')),
  constraint ck_evidence_look_consent check ((result = 'shown') = (consent_id is not null))
);
create index ix_evidence_look_firm_id on evidence_look (firm_id, at);
create index ix_evidence_look_org_id on evidence_look (org_id, at);
"""

FUNCTIONS = """
-- Whose evidence of an item may the running identity read: its own, and that of firms whose consent names the bank and is
-- in force. A firm that the desk has not verified is nobody's yet, not even that of the person who claims it.
create function hq_readable_firms(item text) returns setof bigint
  language sql stable security definer set search_path = public as
  $$ select e.firm_no from enterprise e where e.id = hq_org() and e.state = 'verified'
     union all
     select e.firm_no from consent c join enterprise e on e.id = c.firm_id
     where hq_kind() = 'bank' and c.receiver_org_id = hq_org() and c.item_code = $1 and c.state = 'ACTIVE'
       and c.valid_until > now() and e.state = 'verified' $$;

-- Which deliveries a firm's evidence came from, for whoever may read that evidence.
create function hq_sources_of_firm(item text, firm bigint)
  returns table (number bigint, provider_org_id uuid, source_label text, synthetic boolean, finished_at timestamptz)
  language sql stable security definer set search_path = public as
  $$ select d.number, d.provider_org_id, d.source_label, d.synthetic, d.finished_at
     from delivery d
     where (hq_kind() = 'system' or $2 in (select hq_readable_firms($1)))
       and d.item_code = $1 and d.number in (select l.delivery_no from invoice_line l where l.firm_no = $2) $$;

create or replace function hq_knows_firm(firm uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from case_file c join case_party p on p.case_id = c.id
       where c.subject_org_id = $1 and p.org_id = hq_org())
     or exists (
       select 1 from consent c join enterprise e on e.id = c.firm_id
       where c.firm_id = $1 and c.receiver_org_id = hq_org() and c.state = 'ACTIVE' and c.valid_until > now()
         and e.state = 'verified') $$;
"""

# credit-data-catalogue.md §2 and §3: code, category, Chinese, English, owner, mode, grain, consent, months kept.
ITEMS = [
    ("registration", "registration", "登记注册", "Registration", "市场监管局", "pushed", "event", False, None),
    ("licences", "licences", "行政许可与资质", "Licences and qualifications", "发证部门", "pushed", "event", False, None),
    ("penalties", "penalties", "行政处罚", "Penalties", "市场监管局等部门", "pushed", "event", False, None),
    ("justice", "justice", "司法", "Justice", "法院", "query", "event", True, None),
    ("dishonesty", "dishonesty", "严重失信主体名单", "Serious-dishonesty lists", "发展改革委", "pushed", "event", False, None),
    ("tax", "tax", "纳税", "Tax filing", "税务局", "query", "month", True, 36),
    ("invoices", "tax", "增值税发票", "VAT invoices", "税务局", "query", "line", True, 36),
    ("social_insurance", "social_insurance", "社会保险", "Social insurance", "人社局", "query", "month", True, 36),
    ("housing_fund", "housing_fund", "住房公积金", "Housing fund", "公积金中心", "query", "month", True, 36),
    ("customs", "customs", "进出口", "Customs", "海关", "query", "month", True, 36),
    ("utilities", "utilities", "水电气", "Water, electricity, gas", "水电气企业", "query", "month", True, 36),
    ("real_estate", "real_estate", "不动产", "Real estate", "规划和自然资源局", "query", "event", True, None),
    ("ip", "ip", "知识产权", "Intellectual property", "知识产权局", "pushed", "event", False, None),
    ("research", "research", "科技研发", "Research", "科技局", "pushed", "event", False, None),
    ("environment", "environment", "生态环境、农业主体与安全", "Environment, farming, safety", "生态环境局等部门", "pushed",
     "event", False, None),
    ("procurement", "procurement", "政府采购与合同", "Public procurement", "财政局", "pushed", "event", False, None),
    ("cash_flow", "cash_flow", "银行资金流", "Bank cash flow", "开户银行", "query", "month", True, 36),
    ("self_stated", "self_stated", "企业自报", "Self-stated", "企业", "self", "event", False, 36),
]

# compliance.md §1, "Consent text". The placeholders are filled in before the firm signs.
CONSENT_TEXT = (
    "我单位同意本平台为【%(purpose)s】向【%(items)s】的提供单位查询信息，并把结果提供给【%(receivers)s】，"
    "仅用于本次融资审核与匹配；有效期自签署起【%(days)s】日；可随时在“我的授权”中撤回，撤回前的查询不受影响。"
    "不同意时仍可自行提交材料。"
)


def upgrade() -> None:
    run(TABLES)
    run(FUNCTIONS)
    _seed()
    grant("data_item", "select")
    guard("data_item", see="true", write="false")
    grant("consent_text", "select")
    guard("consent_text", see="true", write="false")
    grant("delivery_number_seq", "usage")
    provider = f"provider_org_id = hq_org() or {SYSTEM}"
    grant("delivery", "select, insert, update")
    guard("delivery", see=f"{provider} or hq_kind() = 'platform'", write=provider, change=provider)
    grant("quarantine", "select, insert")
    guard("quarantine", see=f"{provider} or hq_kind() = 'platform'", write=SYSTEM)
    # A line is never edited; only the mark that a later version stands behind it.
    grant("invoice_line", "select, insert, update (current)")
    # Sub-selects are computed once a statement, not once a row; the index on firm_no does the rest.
    system = f"(select {SYSTEM})"
    guard("invoice_line", see=f"{system} or firm_no = any (array(select hq_readable_firms('invoices')))",
          write=system, change=system)
    grant("consent", "select, insert, update (state, ended_at, ended_by, end_reason)")
    guard("consent", see=f"firm_id = hq_org() or receiver_org_id = hq_org() or {SYSTEM}",
          write=f"firm_id = hq_org() or {SYSTEM}", change=f"firm_id = hq_org() or {SYSTEM}")
    append_only("evidence_look")
    guard("evidence_look", see=f"firm_id = hq_org() or org_id = hq_org() or {SYSTEM}", write=f"org_id = hq_org() or {SYSTEM}")


def _seed() -> None:
    names = ("code", "category", "name_zh", "name_en", "owner", "mode", "grain", "consent_needed", "retention_months")
    items = sa.table("data_item", *(sa.column(name) for name in (*names, "position", "active")))
    op.bulk_insert(items, [
        {**dict(zip(names, row, strict=True)), "position": position, "active": row[0] == "invoices"}
        for position, row in enumerate(ITEMS, start=1)
    ])
    texts = sa.table("consent_text", sa.column("version"), sa.column("body"), sa.column("sha256"),
                     sa.column("valid_from", sa.Date))
    op.bulk_insert(texts, [{
        "version": "2026-1", "body": CONSENT_TEXT, "sha256": hashlib.sha256(CONSENT_TEXT.encode()).digest(),
        "valid_from": date(2026, 1, 1),
    }])
