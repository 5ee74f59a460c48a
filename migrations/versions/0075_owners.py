"""小微企业主: who owns or controls a small firm and borrows for it, with the proof; a booking may name them as the borrower."""

from migrations.tools import SYSTEM, append_only, guard, run

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None

# Name and identity number are ciphertext; the keyed digest tells the same person under two firms without reading either.
OWNER = """
create table firm_owner (
  id uuid constraint pk_firm_owner primary key,
  firm_id uuid not null constraint fk_firm_owner_firm_id references enterprise,
  org_id uuid not null constraint fk_firm_owner_org_id references organisation,
  name bytea not null,
  id_no bytea not null,
  id_digest bytea not null constraint ck_firm_owner_digest check (length(id_digest) = 32),
  role text not null constraint ck_firm_owner_role check (role in ('SHAREHOLDER', 'CONTROLLER', 'OPERATOR')),
  share numeric(9, 6) constraint ck_firm_owner_share check (share > 0 and share <= 1),
  proof text not null constraint ck_firm_owner_proof check (length(proof) between 1 and 500),
  registered_by uuid,
  registered_at timestamptz not null,
  constraint uq_firm_owner_person unique (org_id, firm_id, id_digest),
  constraint uq_firm_owner_parties unique (id, firm_id, org_id),
  constraint ck_firm_owner_holds check (role <> 'SHAREHOLDER' or share is not null)
);
create index ix_firm_owner_firm_id on firm_owner (firm_id);
create index ix_firm_owner_id_digest on firm_owner (id_digest);
alter table booking add column owner_id uuid,
  add constraint fk_booking_owner_id foreign key (owner_id, firm_id, org_id) references firm_owner (id, firm_id, org_id);
create index ix_booking_owner_id on booking (owner_id) where owner_id is not null;

create or replace function hq_booking_frozen() returns trigger language plpgsql as $$
begin
  if (old.loan_id, old.snapshot, old.principal_fen, old.note_no, old.product, old.mode, old.version, old.contract_id,
      old.owner_id)
     is distinct from
     (new.loan_id, new.snapshot, new.principal_fen, new.note_no, new.product, new.mode, new.version, new.contract_id,
      new.owner_id) then
    raise exception 'a booking is not edited' using errcode = 'check_violation', constraint = 'ck_booking_frozen';
  end if;
  return new;
end $$;
"""


def upgrade() -> None:
    run(OWNER)
    append_only("firm_owner")
    guard("firm_owner", see=f"org_id = hq_org() or firm_id = hq_org() or hq_kind() = 'bureau' or {SYSTEM}",
          write=f"org_id = hq_org() or {SYSTEM}")
    run("create policy proved on firm_owner as restrictive for select to huiqiao_app using ((select hq_proved()))")
