"""What consents in force give of fifty firms is read from an index alone, and whether a firm is verified is asked once a firm."""

from migrations.tools import run

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

CONSENTED = """
create index ix_consent_in_force on consent (firm_id) include (receiver_org_id, item_code, valid_until) where state = 'ACTIVE';
create or replace function hq_consented(wanted uuid[]) returns table (firm_id uuid, named boolean, profiled boolean)
  language sql stable security definer set search_path = public set plan_cache_mode = force_generic_plan as
  $$ select c.firm_id, c.named, c.profiled from (
       select o.firm_id, coalesce(bool_or(o.receiver_org_id = hq_org()), false) as named,
              hq_kind() = 'bank' and coalesce(bool_or(o.receiver_org_id = hq_org() and o.item_code = 'invoices'), false)
                and bool_or(o.receiver_org_id is null) as profiled
       from consent o
       where o.firm_id = any(wanted) and o.state = 'ACTIVE' and o.valid_until > now()
         and (o.receiver_org_id is null or o.receiver_org_id = hq_org())
       group by o.firm_id) c
     where exists (select 1 from enterprise e where e.id = c.firm_id and e.state = 'verified') $$;
"""


def upgrade() -> None:
    run(CONSENTED)
