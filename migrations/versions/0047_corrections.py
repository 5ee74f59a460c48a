"""Reminders of what is due back to the pool, and corrections of paid claims: a claw-back or a top-up on two people's word."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

BUREAU = "hq_kind() = 'bureau'"

RECOVERY = """
alter table recovery add column next_reminder_at timestamptz, add column reminders bigint not null default 0
  constraint ck_recovery_reminders check (reminders >= 0);
alter table recovery alter column reminders drop default;
alter table recovery drop constraint ck_recovery_kind;
alter table recovery add constraint ck_recovery_kind check (kind in ('recovery', 'claw_back', 'correction'));
create index ix_recovery_next_reminder_at on recovery (next_reminder_at) where next_reminder_at is not null;
create index ix_recovery_open on recovery (due_on) where returned_on is null and due_fen > 0;
-- What was due before anybody was reminded: the next tick looks at it.
update recovery set next_reminder_at = now() where returned_on is null and due_fen > 0;
"""

CORRECTION = """
create table claim_correction (
  id uuid constraint pk_claim_correction primary key,
  claim_id uuid not null,
  case_id uuid not null,
  org_id uuid not null,
  state text not null constraint ck_claim_correction_state
    check (state in ('PROPOSED', 'CONFIRMED', 'PAID', 'REFUSED', 'WITHDRAWN')),
  reason text not null constraint ck_claim_correction_reason check (length(reason) between 1 and 1000),
  facts jsonb not null,
  loss_fen bigint not null constraint ck_claim_correction_loss check (loss_fen >= 0),
  worth_fen bigint not null,
  working jsonb not null,
  change_fen bigint,
  proposed_by uuid not null constraint fk_claim_correction_proposed_by references person,
  proposed_at timestamptz not null,
  decided_by uuid constraint fk_claim_correction_decided_by references person,
  decided_at timestamptz,
  reservation_id uuid constraint fk_claim_correction_reservation_id references ledger_transfer,
  voucher_no text constraint uq_claim_correction_voucher_no unique,
  paid_on date,
  paid_by uuid,
  constraint fk_claim_correction_claim_id foreign key (claim_id, case_id, org_id) references claim (id, case_id, org_id),
  constraint ck_claim_correction_worth check (worth_fen between 0 and loss_fen),
  constraint ck_claim_correction_decided check ((state = 'PROPOSED') = (decided_at is null)
    and (state = 'PROPOSED') = (decided_by is null) and (state in ('CONFIRMED', 'PAID')) = (change_fen is not null)),
  constraint ck_claim_correction_people check (
    case state when 'WITHDRAWN' then decided_by = proposed_by else decided_by is distinct from proposed_by end
    and (paid_by is null or (paid_by <> proposed_by and paid_by <> decided_by))),
  constraint ck_claim_correction_paid check ((state = 'PAID') = (paid_on is not null)
    and (state = 'PAID') = (voucher_no is not null)
    and (state <> 'PAID' or (change_fen > 0 and reservation_id is not null and paid_by is not null)))
);
-- One at a time: each is reckoned on what the one before it left.
create unique index uq_claim_correction_open on claim_correction (claim_id)
  where state = 'PROPOSED' or (state = 'CONFIRMED' and change_fen > 0);
create index ix_claim_correction_claim_id on claim_correction (claim_id);

create function hq_claim_correction_hands() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'PROPOSED' or new.proposed_by is distinct from hq_actor() then
      raise exception 'a correction names who proposes it' using errcode = 'check_violation',
        constraint = 'ck_claim_correction_hands';
    end if;
    return new;
  end if;
  if old.state in ('PAID', 'REFUSED', 'WITHDRAWN')
     or (old.claim_id, old.reason, old.facts, old.loss_fen, old.worth_fen, old.proposed_by)
        is distinct from (new.claim_id, new.reason, new.facts, new.loss_fen, new.worth_fen, new.proposed_by)
     or (old.change_fen is not null and old.change_fen is distinct from new.change_fen)
     or (new.decided_by is distinct from old.decided_by and (old.decided_by is not null
         or new.decided_by is distinct from hq_actor())) then
    raise exception 'a correction is decided once, in the own name' using errcode = 'check_violation',
      constraint = 'ck_claim_correction_hands';
  end if;
  return new;
end $$;
create trigger claim_correction_hands before insert or update on claim_correction
  for each row execute function hq_claim_correction_hands();
"""


def upgrade() -> None:
    run(RECOVERY)
    run(CORRECTION)
    grant("claim_correction", "select, insert, update")
    guard("claim_correction", see=f"org_id = hq_org() or {BUREAU} or {SYSTEM}", write=BUREAU, change=f"{BUREAU} or {SYSTEM}")
    run("create policy see_correction on transition for select to huiqiao_app using (subject_type = 'claim_correction' "
        "and exists (select 1 from claim_correction c where c.id = subject_id))")
