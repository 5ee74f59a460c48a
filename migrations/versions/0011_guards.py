"""Guards of the ledger and of what an offline loan tells; a reset of a lost second factor needs two people."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Money moves between kinds of accounts along these ways only, each in the hands of one office: the bureau the pool's, the
# transfer-loan centre the bridge funds', and those never from one funder to another. The portal's own identity does the
# rest: it gives back a reservation when a firm or a bank ends a bridge.
LEDGER = """
create function hq_may_move(debit uuid, credit uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from ledger_account d, ledger_account c
       where d.id = $1 and c.id = $2 and case hq_kind()
         when 'bureau' then (d.kind, c.kind) in (
           ('treasury', 'pool_budget'), ('pool_budget', 'pool_budget'), ('pool_budget', 'pool_paid'),
           ('pool_paid', 'pool_budget'))
         when 'bridge_centre' then
           ((d.kind, c.kind) in (
             ('funder', 'bridge_fund'), ('bridge_fund', 'funder'), ('bridge_fund', 'bridge_receivable'),
             ('bridge_receivable', 'bridge_fund')) and d.org_id = c.org_id)
           or (d.kind, c.kind) = ('firm', 'bridge_fee')
         else false end) $$;
"""

# An account is what its code says: nobody takes the code of another office's account, or opens one without its bound.
OPENED_BY_BUREAU = (
    "(kind = 'treasury' and code = 'pool:treasury' and org_id is null and not bounded) "
    "or (kind = 'pool_budget' and code ~ '^pool:(budget|guarantee):[0-9]{4}$' and org_id is null and bounded) "
    "or (kind = 'pool_paid' and code = 'pool:paid:' || org_id and bounded)"
)
OPENED_BY_CENTRE = (
    "(kind = 'bridge_fund' and code ~ '^fund:[0-9a-f-]{36}$' and org_id is not null and bounded) "
    "or (kind = 'bridge_fee' and code ~ '^fund-fee:[0-9a-f-]{36}$' and org_id is not null and not bounded) "
    "or (kind = 'funder' and code = 'funder:' || org_id and not bounded) "
    "or (kind = 'bridge_receivable' and code ~ '^bridge:[0-9a-f-]{36}$' and org_id is not null and bounded) "
    "or (kind = 'firm' and code = 'firm:' || org_id and not bounded)"
)
POOL_KINDS = "('treasury', 'pool_budget', 'pool_paid')"
BRIDGE_KINDS = "('bridge_fund', 'bridge_fee', 'funder', 'bridge_receivable', 'firm')"


def upgrade() -> None:
    run(LEDGER)
    guard("ledger_account",
          see=f"{SYSTEM} or org_id = hq_org() or (hq_kind() = 'bureau' and kind in {POOL_KINDS}) "
              f"or (hq_kind() = 'bridge_centre' and kind in {BRIDGE_KINDS})",
          write=f"{SYSTEM} or (hq_kind() = 'bureau' and ({OPENED_BY_BUREAU})) "
                f"or (hq_kind() = 'bridge_centre' and ({OPENED_BY_CENTRE}))")
    # A movement is seen from either of its accounts.
    guard("ledger_transfer",
          see=f"{SYSTEM} or exists (select 1 from ledger_account a where a.id in (debit_account_id, credit_account_id))",
          write=f"{SYSTEM} or hq_may_move(debit_account_id, credit_account_id)")
    for table in ("ledger_account", "ledger_transfer"):
        run(f"create policy proved on {table} as restrictive for select to huiqiao_app using ((select hq_proved()))")
