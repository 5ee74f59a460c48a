"""What the register keeps to itself: the file of a model leaves it to the portal alone, candidates are nobody else's business.

A firm's power stops once; a firm reads what became of its loans.
"""

from migrations.tools import SYSTEM, run

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# Who reads the trees can work out what moves a score by how much, and take the model along. Cards tell what a validator needs.
MODEL_FILE = """
create function hq_model_file(model uuid) returns bytea
  language sql stable security definer set search_path = public as
  $$ select content from scoring_model where id = $1 and hq_kind() = 'system' $$;

drop policy see on scoring_model;
"""
ONE_STOP = """
-- Where months and days told of the same stop, days stay.
with told as (
  update early_warning m set state = 'CLOSED', closed_at = now(), close_reason = 'gone'
  where m.kind = 'power_stop' and m.state = 'OPEN' and m.item_code = 'electricity' and exists (
    select 1 from early_warning d where d.firm_id = m.firm_id and d.kind = 'power_stop' and d.state = 'OPEN'
      and d.item_code = 'electricity_daily') returning m.id)
update warning_concern set state = 'CLOSED' where warning_id in (select id from told) and state <> 'CLOSED';
create unique index uq_early_warning_power_stop on early_warning (firm_id) where kind = 'power_stop' and state = 'OPEN';

drop policy see on loan_outcome;
"""
READ = (
    "id, version, trained_on, trained_at, window_from, window_to, firms, defaults, sha256, metrics, bands, registered_at, state, "
    "origin, note, first_start, proposed_by, approved_by, activated_by, recalled_by, restored_by, activated_at"
)


def upgrade() -> None:
    run(MODEL_FILE)
    run("revoke select on scoring_model from huiqiao_app")
    run(f"grant select ({READ}) on scoring_model to huiqiao_app")
    run("create policy see on scoring_model for select to huiqiao_app "
        f"using ({SYSTEM} or hq_kind() in ('platform', 'bureau') or (hq_kind() is not null and activated_at is not null))")
    run(ONE_STOP)
    run("create policy see on loan_outcome for select to huiqiao_app "
        f"using ({SYSTEM} or (firm_id = hq_org() and (select hq_kind() = 'enterprise') and (select hq_proved())))")
