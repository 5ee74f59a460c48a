"""What was forgotten is kept: restructures from before they were recorded, corrections where a district tops up, and the file
that confirmed a contract."""

from migrations.tools import run

revision = "0086"
down_revision = "0085"
branch_labels = None
depends_on = None

# A second restructure overwrites loan.restructured_on; of the first there is no row where it came before 0078.
FIRST = "alter table loan add column first_restructured_on date"
FILL = """
update loan set first_restructured_on = restructured_on
where restructured_on is not null and not exists (select 1 from loan_restructure r where r.loan_id = loan.id)
"""

# The city's part and the loss as the corrections in force have them (0082 took the claim's own alone).
TOP_UP = """
create or replace function hq_top_up() returns trigger language plpgsql security definer set search_path = public as $$
begin
  perform 1 from claim c join booking b on b.id = c.booking_id
    left join lateral (
      select k.worth_fen, k.loss_fen, coalesce((k.facts ->> 'other_public_fen')::bigint, c.other_public_fen) as other_fen
      from claim_correction k
      where k.claim_id = c.id and (k.state = 'PAID' or (k.state = 'CONFIRMED' and k.change_fen <= 0))
      order by k.decided_at desc limit 1
    ) k on true
    cross join lateral (
      select coalesce(k.worth_fen, c.paid_fen) + coalesce(k.other_fen, c.other_public_fen) + new.paid_fen as public_fen,
        coalesce(k.loss_fen, c.net_principal_loss_fen) as loss_fen
    ) n
  where c.id = new.claim_id and c.paid_fen is not null and n.public_fen <= n.loss_fen
    and (c.mode = 'BANK' or n.public_fen
      + floor(n.loss_fen * (b.snapshot -> 'guarantee' ->> 'reguarantee_share')::numeric) <= c.paid_out_fen);
  if not found then
    raise exception 'a top-up beyond the loss' using errcode = 'check_violation', constraint = 'ck_top_up_within_loss';
  end if;
  return new;
end $$;
"""

# A contract's file is named with the confirmation, and neither without it nor afterwards.
FILE = """
create function hq_guarantee_file() returns trigger language plpgsql as $$
begin
  if new.batch_id is distinct from old.batch_id
     and not (old.batch_id is null and old.state = 'STATED' and new.state = 'CONFIRMED') then
    raise exception 'the file of a guarantee is not rewritten' using errcode = 'check_violation',
      constraint = 'ck_guarantee_contract_hands';
  end if;
  return new;
end $$;
create trigger guarantee_contract_file before update of batch_id on guarantee_contract
  for each row execute function hq_guarantee_file();
create index ix_guarantee_contract_batch_id on guarantee_contract (batch_id) where batch_id is not null;
"""


def upgrade() -> None:
    run(FIRST)
    run(FILL)
    run(TOP_UP)
    run(FILE)
