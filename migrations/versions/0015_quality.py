"""Quality: what each delivery was like, measure by measure, and the values its provider should look at again."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLES = """
create table quality_report (
  delivery_id uuid constraint pk_quality_report primary key,
  provider_org_id uuid not null,
  item_code text not null constraint fk_quality_report_item_code references data_item,
  computed_at timestamptz not null,
  verdict text not null constraint ck_quality_report_verdict check (verdict in ('good', 'look', 'poor')),
  advice text not null,
  month date,
  to_check bigint not null constraint ck_quality_report_to_check check (to_check >= 0),
  one_in bigint not null constraint ck_quality_report_one_in check (one_in >= 1),
  known_one_in bigint not null constraint ck_quality_report_known_one_in check (known_one_in >= 1),
  constraint fk_quality_report_delivery_id foreign key (delivery_id, provider_org_id)
    references delivery (id, provider_org_id),
  constraint uq_quality_report_delivery_id_provider_org_id unique (delivery_id, provider_org_id)
);
create index ix_quality_report_provider_org_id on quality_report (provider_org_id, item_code, computed_at);

create table delivery_quality (
  delivery_id uuid not null,
  provider_org_id uuid not null,
  measure text not null,
  part bigint not null,
  whole bigint not null,
  params jsonb not null,
  constraint pk_delivery_quality primary key (delivery_id, measure),
  constraint fk_delivery_quality_delivery_id foreign key (delivery_id, provider_org_id)
    references quality_report (delivery_id, provider_org_id) on delete cascade,
  constraint ck_delivery_quality_share check (part >= 0 and part <= whole)
);

create table quality_finding (
  id uuid constraint pk_quality_finding primary key,
  delivery_id uuid not null,
  provider_org_id uuid not null,
  item_code text not null constraint fk_quality_finding_item_code references data_item,
  measure text not null,
  rule text not null,
  severity text not null constraint ck_quality_finding_severity check (severity in ('warn', 'bad')),
  subject_label text not null,
  at date,
  until date,
  field text not null,
  seen bigint,
  expected_low bigint,
  expected_high bigint,
  constraint fk_quality_finding_delivery_id foreign key (delivery_id, provider_org_id)
    references quality_report (delivery_id, provider_org_id) on delete cascade
);
create index ix_quality_finding_delivery_id on quality_finding (delivery_id, measure);
create index ix_quality_finding_provider_org_id on quality_finding (provider_org_id, item_code);
"""

# Facts are keyed by subject, so that the rows of one delivery lie all over the key; but they were written together, so that
# a block-range index finds them at the price of a few pages and no time on the way in.
FACTS = (
    "invoice_line", "registration", "registration_change", "annual_report", "qualification", "penalty", "court_case",
    "dishonesty_entry", "tax_filing", "tax_grade", "tax_ledger_line", "social_insurance_month", "housing_fund_month",
    "customs_month", "cash_flow_month", "ip_right", "electricity_month", "water_month", "gas_month", "electricity_day",
    "meter_link",
)


def upgrade() -> None:
    run(TABLES)
    for table in FACTS:
        run(f"create index ix_{table}_delivery_no on {table} using brin (delivery_no) with (autosummarize = on)")
    see = f"provider_org_id = hq_org() or hq_kind() = 'platform' or {SYSTEM}"
    for table in ("quality_report", "delivery_quality", "quality_finding"):
        grant(table, "select, insert, delete")
        guard(table, see=see, write=SYSTEM, remove=SYSTEM)
