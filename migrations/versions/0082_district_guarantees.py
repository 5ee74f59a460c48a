"""What districts add to 政担: a share of its own in their rules, and a guarantor's top-up within what it paid out."""

from migrations.tools import run

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None

RULES = """
alter table district_pool alter column ratio drop not null,
  add column guarantee_ratio numeric(9, 6)
    constraint ck_district_pool_guarantee_ratio check (guarantee_ratio > 0 and guarantee_ratio <= 1),
  add constraint ck_district_pool_some_ratio check (num_nonnulls(ratio, guarantee_ratio) > 0);
"""

# A guarantor's own loss is what it paid out, and of that what is re-guaranteed has come to it already.
GUARD = """
create or replace function hq_top_up() returns trigger language plpgsql security definer set search_path = public as $$
begin
  perform 1 from claim c join booking b on b.id = c.booking_id where c.id = new.claim_id and c.paid_fen is not null
    and c.paid_fen + c.other_public_fen + new.paid_fen <= c.net_principal_loss_fen
    and (c.mode = 'BANK' or c.paid_fen + c.other_public_fen + new.paid_fen
      + floor(c.net_principal_loss_fen * (b.snapshot -> 'guarantee' ->> 'reguarantee_share')::numeric) <= c.paid_out_fen);
  if not found then
    raise exception 'a top-up beyond the loss' using errcode = 'check_violation', constraint = 'ck_top_up_within_loss';
  end if;
  return new;
end $$;
"""


def upgrade() -> None:
    run(RULES)
    run(GUARD)
