"""Samples of claims for a full audit, drawn by a recorded seed, and what an audit found."""

from migrations.tools import SYSTEM, append_only, guard, run

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

SAMPLES = """
create table audit_sample (
  id uuid constraint pk_audit_sample primary key,
  method text not null constraint ck_audit_sample_method check (method in ('RANDOM', 'RISK')),
  seed bigint not null,
  flag_weight bigint not null constraint ck_audit_sample_weight check (flag_weight >= 0),
  population bigint not null,
  size bigint not null,
  reason text not null,
  drawn_by uuid,
  drawn_at timestamptz not null,
  constraint ck_audit_sample_size check (size > 0 and size <= population)
);
create table audit_sample_entry (
  sample_id uuid not null constraint fk_audit_sample_entry_sample_id references audit_sample,
  claim_id uuid not null constraint fk_audit_sample_entry_claim_id references claim,
  flags jsonb not null,
  weight bigint not null constraint ck_audit_sample_entry_weight check (weight > 0),
  key numeric(40, 20) not null,
  chosen boolean not null,
  constraint pk_audit_sample_entry primary key (sample_id, claim_id)
);
create index ix_audit_sample_entry_claim_id on audit_sample_entry (claim_id);
"""

AUDITS = """
create table claim_audit (
  id uuid constraint pk_claim_audit primary key,
  claim_id uuid not null constraint fk_claim_audit_claim_id references claim,
  case_id uuid not null,
  scope text not null constraint ck_claim_audit_scope check (scope in ('DESK', 'FULL')),
  flags jsonb not null,
  answers jsonb not null,
  flag_notes jsonb not null,
  opinion text not null constraint ck_claim_audit_opinion check (length(trim(opinion)) > 0),
  audited_by uuid,
  audited_at timestamptz not null,
  constraint uq_claim_audit_scope unique (id, claim_id, scope),
  constraint ck_claim_audit_full check (scope = 'DESK' or (answers <> '{}' and not jsonb_path_exists(
    answers, '$.* ? (!(@.answer == "YES" || @.answer == "NO" || @.answer == "NA") || (@.answer == "NO" && @.note == ""))')))
);
create index ix_claim_audit_claim_id on claim_audit (claim_id);
alter table claim add column audit_scope text not null default 'DESK'
  constraint ck_claim_audit_scope check (audit_scope in ('DESK', 'FULL'));
alter table claim add column audit_id uuid constraint fk_claim_audit_id references claim_audit;
-- What was drawn for a full audit has one before it is decided: the audit that stands is of the claim's own scope.
alter table claim add constraint fk_claim_audit_scope foreign key (audit_id, id, audit_scope)
  references claim_audit (id, claim_id, scope);
alter table claim add constraint ck_claim_audited check (audit_scope = 'DESK' or audit_id is not null
  or state in ('DRAFT', 'SUBMITTED', 'RETURNED', 'LAPSED', 'WITHDRAWN', 'HELD', 'AUDIT', 'REFUSED'));
create index ix_claim_audit_id on claim (audit_id);
create index ix_booking_firm_id on booking (firm_id);
"""


def upgrade() -> None:
    run(SAMPLES)
    run(AUDITS)
    # Which claims are drawn, and what was found, is the city's own knowledge.
    for table in ("audit_sample", "audit_sample_entry", "claim_audit"):
        append_only(table)
        guard(table, see=f"hq_kind() = 'bureau' or {SYSTEM}")
