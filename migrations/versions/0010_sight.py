"""Who may open an envelope; and that nobody reads a firm's cases before the desk knows that they are the firm."""

from migrations.tools import SYSTEM, guard, run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A social credit code is public: whoever signs up with it is not yet the firm. Until the desk has verified licence and
# representative, the claimant reads nothing that a bank or the city keeps about the firm under a case.
FUNCTION = """
create function hq_proved() returns boolean
  language sql stable security definer set search_path = public as
  $$ select hq_kind() is distinct from 'enterprise'
       or exists (select 1 from enterprise e where e.id = hq_org() and e.state = 'verified') $$;
"""


def upgrade() -> None:
    run(FUNCTION)
    for table in ("case_file", "case_party", "loan", "booking"):
        run(f"create policy proved on {table} as restrictive for select to huiqiao_app using ((select hq_proved()))")
    for table in ("transition", "notice", "paper"):
        run(f"create policy proved on {table} as restrictive for select to huiqiao_app "
            "using (case_id is null or (select hq_proved()))")
    # The envelope is opened by the firm whose need it belongs to, or by the portal when time is up: by no bank.
    own_need = "exists (select 1 from need n where n.seal_id = seal.id and n.org_id = hq_org())"
    guard("seal", see="true", write=f"{SYSTEM} or hq_kind() = 'enterprise'", change=f"{SYSTEM} or {own_need}")
