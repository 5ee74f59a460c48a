"""Guarantors' files: contracts that are confirmed, and loans that are booked in 政担, by file."""

from migrations.tools import run

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None

FILES = """
alter table pool_batch drop constraint ck_pool_batch_org_kind, drop constraint ck_pool_batch_kind;
alter table pool_batch
  add constraint ck_pool_batch_org_kind check (org_kind in ('bank', 'guarantor')),
  add constraint ck_pool_batch_kind check (kind in ('booking', 'report', 'reconcile', 'guarantee')),
  -- Who sends what: guaranteed loans are booked by their guarantor alone.
  add constraint ck_pool_batch_sender check ((kind = 'guarantee') = (org_kind = 'guarantor'));
alter table provider_key drop constraint ck_provider_key_provider_kind;
alter table provider_key add constraint ck_provider_key_provider_kind
  check (provider_kind in ('data_provider', 'bank', 'guarantor'));
"""

# A contract is confirmed by a person of its guarantor, or by a file that two people of the guarantor stand behind.
CONTRACT = """
alter table guarantee_contract
  add column batch_id uuid,
  add constraint fk_guarantee_contract_batch_id foreign key (batch_id, guarantor_id) references pool_batch (id, org_id);
create or replace function hq_guarantee_hands() returns trigger language plpgsql as $$
begin
  if (old.loan_id, old.guarantor_id, old.contract_no, old.signed_on, old.liability_share, old.reguarantor,
      old.reguarantee_share, old.facts, old.evidence, old.stated_by, old.stated_at) is distinct from
     (new.loan_id, new.guarantor_id, new.contract_no, new.signed_on, new.liability_share, new.reguarantor,
      new.reguarantee_share, new.facts, new.evidence, new.stated_by, new.stated_at) then
    raise exception 'a guarantee is not rewritten' using errcode = 'check_violation', constraint = 'ck_guarantee_contract_hands';
  end if;
  if new.state in ('CONFIRMED', 'REFUSED') and old.state <> new.state
     and hq_org() is distinct from old.guarantor_id
     and not (new.state = 'CONFIRMED' and exists (
       select 1 from pool_batch b where b.id = new.batch_id and b.kind = 'guarantee' and b.state in ('RELEASED', 'DONE')
         and b.released_by = new.decided_by)) then
    raise exception 'a guarantee is confirmed by its guarantor' using errcode = 'check_violation',
      constraint = 'ck_guarantee_contract_hands';
  end if;
  return new;
end $$;
create index ix_guarantee_contract_numbers on guarantee_contract (guarantor_id, contract_no, (facts ->> 'note_no'))
  where state in ('STATED', 'CONFIRMED');
"""


def upgrade() -> None:
    run(FILES)
    run(CONTRACT)
