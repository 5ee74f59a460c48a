"""Partners: guarantors as a kind of organisation, and agreements signed on two people's word, that end and are reminded of."""

from migrations.tools import SYSTEM, run

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None

ROLES = {
    "enterprise": ("firm_representative", "firm_clerk"),
    "bank": ("bank_officer", "bank_approver", "bank_admin"),
    "guarantor": ("guarantor_clerk", "guarantor_reviewer", "guarantor_admin"),
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

GUARANTORS = f"""
alter table organisation drop constraint ck_organisation_kind;
alter table organisation add constraint ck_organisation_kind check (kind in ({KINDS}));
alter table membership drop constraint ck_membership_role;
alter table membership add constraint ck_membership_role check ({ROLE_FITS});

create or replace function hq_manages_staff() returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from membership m where m.person_id = hq_actor() and m.org_id = hq_org() and m.role in (
       'firm_representative', 'bank_admin', 'guarantor_admin', 'centre_admin', 'funder_admin', 'bureau_admin',
       'provider_admin', 'security_admin')) $$;
"""

# Agreements from before this file were one person's entry: they stay in force, and say that no signer was written down.
AGREEMENTS = """
drop trigger pool_agreement_append_only on pool_agreement;
alter table pool_agreement rename column registered_by to proposed_by;
alter table pool_agreement rename column registered_at to proposed_at;
alter table pool_agreement
  add column mode text not null default 'BANK' constraint ck_pool_agreement_mode check (mode in ('BANK', 'GUARANTEE')),
  add column own_share numeric(9, 6) constraint ck_pool_agreement_own_share check (own_share between 0 and 1),
  add column partner_signer text not null default '未登记'
    constraint ck_pool_agreement_partner_signer check (length(partner_signer) between 1 and 100),
  add column city_signer text not null default '未登记'
    constraint ck_pool_agreement_city_signer check (length(city_signer) between 1 and 100),
  add column signed_on date,
  add column state text not null default 'CONFIRMED' constraint ck_pool_agreement_state
    check (state in ('PROPOSED', 'CONFIRMED', 'REFUSED', 'WITHDRAWN', 'ENDED')),
  add column decided_by uuid,
  add column decided_at timestamptz,
  add column ended_on date,
  add column ended_by uuid,
  add column next_check_at timestamptz;
update pool_agreement set decided_at = proposed_at;
alter table pool_agreement
  alter column mode drop default, alter column partner_signer drop default, alter column city_signer drop default,
  alter column state drop default,
  add column org_kind text not null
    generated always as (case mode when 'GUARANTEE' then 'guarantor' else 'bank' end) stored,
  add constraint fk_pool_agreement_org_kind foreign key (org_id, org_kind) references organisation (id, kind),
  add constraint ck_pool_agreement_decided check ((state = 'PROPOSED') = (decided_at is null)),
  add constraint ck_pool_agreement_two_persons
    check (decided_by is null or state = 'WITHDRAWN' or decided_by is distinct from proposed_by),
  add constraint ck_pool_agreement_ended check ((state = 'ENDED') = (ended_on is not null)
    and (ended_on is null or ended_on >= valid_from)),
  drop constraint uq_pool_agreement_document_no;
create unique index uq_pool_agreement_document_no on pool_agreement (org_id, document_no)
  where state in ('PROPOSED', 'CONFIRMED', 'ENDED');
create index ix_pool_agreement_next_check_at on pool_agreement (next_check_at) where next_check_at is not null;

-- What was signed stays as it was signed; whoever decides does it under the own name, once.
create function hq_agreement_hands() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'PROPOSED' or new.proposed_by is distinct from hq_actor() then
      raise exception 'an agreement is drafted first' using errcode = 'check_violation',
        constraint = 'ck_pool_agreement_hands';
    end if;
    return new;
  end if;
  if (old.org_id, old.mode, old.document_no, old.valid_from, old.valid_to, old.own_share, old.partner_signer,
      old.city_signer, old.signed_on, old.proposed_by, old.proposed_at) is distinct from
     (new.org_id, new.mode, new.document_no, new.valid_from, new.valid_to, new.own_share, new.partner_signer,
      new.city_signer, new.signed_on, new.proposed_by, new.proposed_at)
     or (old.state <> 'PROPOSED' and (old.decided_by, old.decided_at) is distinct from (new.decided_by, new.decided_at))
     or (new.decided_by is distinct from old.decided_by and new.decided_by is distinct from hq_actor()) then
    raise exception 'a signed agreement is not rewritten' using errcode = 'check_violation',
      constraint = 'ck_pool_agreement_hands';
  end if;
  return new;
end $$;
create trigger pool_agreement_hands before insert or update on pool_agreement
  for each row execute function hq_agreement_hands();
"""


def upgrade() -> None:
    run(GUARANTORS)
    run(AGREEMENTS)
    run("grant update on pool_agreement to huiqiao_app")
    city = f"hq_kind() = 'bureau' or {SYSTEM}"
    run(f"create policy change on pool_agreement for update to huiqiao_app using ({city}) with check ({city})")
    # A draft is between the city's own people until it is signed.
    run(f"alter policy see on pool_agreement using ({city} or (org_id = hq_org() and state in ('CONFIRMED', 'ENDED')))")
    run("create policy see_agreement on transition for select to huiqiao_app using (subject_type = 'pool_agreement' and "
        "hq_kind() = 'bureau')")
