"""The firm, and who may know its name."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
create sequence firm_no_seq as bigint;
-- Serial of made-up codes (core.uscc.synthetic has room for 31^5): far from what demo and tests number by hand.
create sequence synthetic_uscc_seq as bigint start 1000000 maxvalue 28629150 no cycle;
create table enterprise (
  id uuid constraint pk_enterprise primary key constraint fk_enterprise_id references organisation,
  firm_no bigint not null constraint uq_enterprise_firm_no unique,
  uscc text not null constraint uq_enterprise_uscc unique constraint ck_enterprise_uscc check (length(uscc) = 18),
  form text not null constraint ck_enterprise_form check (form in ('company', 'sole_trader', 'cooperative')),
  district text not null constraint ck_enterprise_district check (district ~ '^[0-9]{6}$'),
  industry_code text constraint ck_enterprise_industry_code check (industry_code ~ '^[0-9]{2,4}$'),
  headcount bigint constraint ck_enterprise_headcount check (headcount between 0 and 10000000),
  revenue_fen bigint constraint ck_enterprise_revenue check (revenue_fen >= 0),
  assets_fen bigint constraint ck_enterprise_assets check (assets_fen >= 0),
  figures_year bigint,
  figures_source text,
  size_class text not null
    constraint ck_enterprise_size_class check (size_class in ('large', 'medium', 'small', 'micro', 'unknown')),
  size_rule text,
  size_working jsonb not null,
  sized_at timestamptz,
  state text not null constraint ck_enterprise_state check (state in ('known', 'unverified', 'verified', 'refused')),
  representative_name bytea,
  representative_id_no bytea,
  licence_sha256 text,
  refusal_reason text,
  verified_at timestamptz,
  verified_by uuid,
  synthetic boolean not null,
  external_key text constraint uq_enterprise_external_key unique,
  created_at timestamptz not null,
  constraint ck_enterprise_verified check ((state = 'verified') = (verified_at is not null)),
  constraint ck_enterprise_refusal check ((state = 'refused') = (refusal_reason is not null))
);
create index ix_enterprise_state on enterprise (state);

-- Every version of a firm's figures with the size class they gave: a loan keeps the class it was drawn under.
create table enterprise_figures (
  id uuid constraint pk_enterprise_figures primary key,
  enterprise_id uuid not null constraint fk_enterprise_figures_enterprise_id references enterprise,
  version bigint not null,
  industry_code text not null,
  headcount bigint,
  revenue_fen bigint,
  assets_fen bigint,
  year bigint not null,
  source text not null,
  size_class text not null,
  size_rule text not null,
  size_working jsonb not null,
  at timestamptz not null,
  actor_id uuid,
  constraint uq_enterprise_figures_enterprise_id_version unique (enterprise_id, version)
);

-- A firm's name and figures are for itself, the city, and whoever shares a case with it. Consents are added with the
-- evidence room.
create function hq_knows_firm(firm uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from case_file c join case_party p on p.case_id = c.id
       where c.subject_org_id = $1 and p.org_id = hq_org()) $$;
"""


def upgrade() -> None:
    run(TABLES)
    grant("firm_no_seq", "usage")
    grant("synthetic_uscc_seq", "usage")
    grant("enterprise", "select, insert, update")
    known = "hq_kind() in ('system', 'platform', 'bureau', 'bridge_centre') or hq_knows_firm(id)"
    guard("enterprise", see=f"id = hq_org() or {known}", write=f"{SYSTEM} or hq_kind() = 'platform'",
          change=f"id = hq_org() or {SYSTEM} or hq_kind() = 'platform'")
    run("drop policy see on organisation")
    run(f"create policy see on organisation for select to huiqiao_app "
        f"using (kind <> 'enterprise' or id = hq_org() or {known})")
    append_only("enterprise_figures")
    guard("enterprise_figures",
          see="enterprise_id = hq_org() or hq_kind() in ('system', 'platform', 'bureau', 'bridge_centre') "
              "or hq_knows_firm(enterprise_id)",
          write=f"enterprise_id = hq_org() or {SYSTEM}")
    # The desk compares the licence that a firm uploads.
    run("create policy see_licence on paper for select to huiqiao_app "
        "using (kind = 'licence' and hq_kind() = 'platform')")
