"""What may never be charged to a small firm (两禁) is refused by the database, for drafts too."""

from migrations.tools import run

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("""
    create function hq_fee_allowed() returns trigger language plpgsql security definer set search_path = public as $$
    begin
      if not exists (
          select 1 from bid b join need n on n.id = b.need_id
          where b.id = new.bid_id and n.size_class in ('medium', 'large')) then
        raise exception 'a fee that small firms are never charged' using errcode = 'check_violation',
          constraint = 'ck_bid_fee_small_firm';
      end if;
      return new;
    end $$;
    create trigger fee_allowed before insert or update on bid_fee for each row
      when (new.kind in ('COMMITMENT', 'FUND_MANAGEMENT')) execute function hq_fee_allowed();
    """)
