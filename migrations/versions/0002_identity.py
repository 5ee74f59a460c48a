"""Organisations, branches, people, roles, sessions, tickets, keepers of cases."""

from migrations.tools import OWN, SYSTEM, grant, guard, run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLES = {
    "enterprise": ("firm_representative", "firm_clerk"),
    "bank": ("bank_officer", "bank_approver", "bank_admin"),
    "bridge_centre": ("centre_clerk", "centre_reviewer", "centre_admin"),
    "funder": ("funder_clerk", "funder_admin"),
    "bureau": ("bureau_auditor", "bureau_reviewer", "bureau_cashier", "bureau_leader", "bureau_admin"),
    "data_provider": ("provider_clerk", "provider_admin"),
    "platform": ("desk", "system_admin", "security_admin", "audit_admin"),
}
KINDS = ", ".join(f"'{kind}'" for kind in ROLES)
ROLE_FITS = " or ".join(
    f"(org_kind = '{kind}' and role in ({', '.join(repr(role) for role in roles)}))" for kind, roles in ROLES.items()
)

TABLES = f"""
create table organisation (
  id uuid constraint pk_organisation primary key,
  kind text not null constraint ck_organisation_kind check (kind in ({KINDS})),
  name text not null constraint ck_organisation_name check (length(name) between 2 and 200),
  uscc text constraint uq_organisation_uscc unique constraint ck_organisation_uscc check (length(uscc) = 18),
  state text not null constraint ck_organisation_state check (state in ('active', 'disabled')),
  created_at timestamptz not null,
  constraint uq_organisation_id_kind unique (id, kind),
  constraint ck_organisation_enterprise_uscc check (kind <> 'enterprise' or uscc is not null)
);
create index ix_organisation_kind on organisation (kind);
create table branch (
  id uuid constraint pk_branch primary key,
  org_id uuid not null constraint fk_branch_org_id references organisation,
  name text not null,
  constraint uq_branch_org_id_name unique (org_id, name),
  constraint uq_branch_id_org_id unique (id, org_id)
);
create table person (
  id uuid constraint pk_person primary key,
  org_id uuid not null constraint fk_person_org_id references organisation,
  login text not null constraint uq_person_login unique constraint ck_person_login check (login = lower(login)),
  name text not null,
  phone bytea,
  email bytea,
  branch_id uuid,
  state text not null constraint ck_person_state check (state in ('invited', 'active', 'left')),
  password_hash text,
  password_changed_at timestamptz,
  totp_secret bytea,
  totp_confirmed_at timestamptz,
  totp_last_step bigint,
  failed_count bigint not null,
  locked_until timestamptz,
  created_at timestamptz not null,
  left_at timestamptz,
  constraint uq_person_id_org_id unique (id, org_id),
  constraint fk_person_branch_id foreign key (branch_id, org_id) references branch (id, org_id),
  constraint ck_person_active_password check (state <> 'active' or password_hash is not null)
);
create index ix_person_org_id on person (org_id);
create table membership (
  person_id uuid not null,
  role text not null,
  org_id uuid not null,
  org_kind text not null,
  approval_limit_fen bigint constraint ck_membership_approval_limit check (approval_limit_fen > 0),
  constraint pk_membership primary key (person_id, role),
  constraint fk_membership_person_id foreign key (person_id, org_id) references person (id, org_id),
  constraint fk_membership_org_id foreign key (org_id, org_kind) references organisation (id, kind),
  constraint ck_membership_role check ({ROLE_FITS}),
  constraint ck_membership_limit_role
    check (approval_limit_fen is null or role in ('bank_approver', 'centre_reviewer', 'bureau_leader'))
);
create unique index uq_membership_one_administrator on membership (person_id)
  where role in ('system_admin', 'security_admin', 'audit_admin');
create table password_history (
  id uuid constraint pk_password_history primary key,
  person_id uuid not null constraint fk_password_history_person_id references person,
  org_id uuid not null,
  password_hash text not null,
  at timestamptz not null
);
create index ix_password_history_person_id on password_history (person_id, at);
create table user_session (
  id uuid constraint pk_user_session primary key,
  person_id uuid not null constraint fk_user_session_person_id references person,
  org_id uuid not null,
  token_digest bytea not null constraint uq_user_session_token_digest unique,
  device text not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  second_factor_at timestamptz,
  second_factor_failures bigint not null,
  ended_at timestamptz
);
create index ix_user_session_person_id on user_session (person_id) where ended_at is null;
create table ticket (
  id uuid constraint pk_ticket primary key,
  person_id uuid not null constraint fk_ticket_person_id references person,
  org_id uuid not null,
  purpose text not null constraint ck_ticket_purpose check (purpose in ('invitation', 'reset')),
  digest bytea not null constraint uq_ticket_digest unique,
  created_at timestamptz not null,
  created_by uuid,
  expires_at timestamptz not null,
  used_at timestamptz
);
create table recovery_code (
  id uuid constraint pk_recovery_code primary key,
  person_id uuid not null constraint fk_recovery_code_person_id references person,
  org_id uuid not null,
  digest bytea not null,
  created_at timestamptz not null,
  used_at timestamptz,
  constraint uq_recovery_code_person_id_digest unique (person_id, digest)
);
create table case_keeper (
  case_id uuid not null constraint fk_case_keeper_case_id references case_file,
  org_id uuid not null,
  person_id uuid not null constraint fk_case_keeper_person_id references person,
  since timestamptz not null,
  constraint pk_case_keeper primary key (case_id, org_id)
);
create index ix_case_keeper_person_id on case_keeper (person_id);
"""


def upgrade() -> None:
    run(TABLES)
    grant("organisation", "select, insert, update")
    guard("organisation", see="true", write=f"{SYSTEM} or hq_kind() = 'platform'",
          change=f"{SYSTEM} or hq_kind() = 'platform' or id = hq_org()")
    grant("branch", "select, insert, update")
    guard("branch", see="true", write=f"{OWN} or {SYSTEM}", change=f"{OWN} or {SYSTEM}")
    grant("membership", "select, insert, update, delete")
    guard("membership", see=f"{OWN} or {SYSTEM} or hq_kind() = 'platform'", write=f"{OWN} or {SYSTEM}",
          change=f"{OWN} or {SYSTEM}", remove=f"{OWN} or {SYSTEM}")
    grant("person", "select, insert, update")
    guard("person", see=f"{OWN} or {SYSTEM} or hq_kind() = 'platform'", write=f"{OWN} or {SYSTEM}",
          change=f"{OWN} or {SYSTEM}")
    for table in ("password_history", "user_session", "ticket", "recovery_code", "case_keeper"):
        grant(table, "select, insert, update, delete" if table in ("recovery_code", "password_history") else
              "select, insert, update")
        guard(table, see=f"{OWN} or {SYSTEM}", change=f"{OWN} or {SYSTEM}", remove=f"{OWN} or {SYSTEM}")
