"""The maturity radar: who lets the centre look, what was told when, and what banks intend."""

from migrations.tools import APP, OWN, SYSTEM, grant, guard, run

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

RADAR = """
-- The firm lets the transfer-loan centre see its loans that fall due, until it ends that.
create table radar_share (
  id uuid constraint pk_radar_share primary key,
  firm_id uuid not null constraint fk_radar_share_firm_id references enterprise,
  agreed_at timestamptz not null,
  agreed_by uuid,
  ended_at timestamptz,
  ended_by uuid,
  constraint ck_radar_share_times check (ended_at >= agreed_at)
);
create unique index uq_radar_share_live on radar_share (firm_id) where ended_at is null;

-- Each notice once: a loan, and the days before maturity at which it was told of.
create table radar_mark (
  loan_id uuid not null constraint fk_radar_mark_loan_id references loan,
  days bigint not null constraint ck_radar_mark_days check (days > 0),
  told_at timestamptz not null,
  constraint pk_radar_mark primary key (loan_id, days)
);
create index ix_loan_maturing on loan (due_on) where state = 'DRAWN';

create table renewal_intent (
  id uuid constraint pk_renewal_intent primary key,
  loan_id uuid not null constraint uq_renewal_intent_loan_id unique constraint fk_renewal_intent_loan_id references loan,
  firm_id uuid not null constraint fk_renewal_intent_firm_id references enterprise,
  org_id uuid not null constraint fk_renewal_intent_org_id references organisation,
  asked_at timestamptz not null,
  asked_by uuid,
  asker_org_id uuid,
  intent text constraint ck_renewal_intent_intent check (intent in ('RENEW', 'LESS', 'NO_REPAY', 'NOT', 'UNDECIDED')),
  note text not null,
  answered_at timestamptz,
  answered_by uuid,
  constraint ck_renewal_intent_answered check ((intent is null) = (answered_at is null))
);
create index ix_renewal_intent_org_id on renewal_intent (org_id) where intent is null;
"""

SHARED = "exists (select 1 from radar_share s where s.firm_id = {0}.firm_id and s.ended_at is null)"


def upgrade() -> None:
    run(RADAR)
    grant("radar_share", "select, insert, update (ended_at, ended_by)")
    guard("radar_share", see=f"firm_id = hq_org() or hq_kind() in ('bridge_centre', 'bureau') or {SYSTEM}",
          write=f"firm_id = hq_org() or {SYSTEM}", change=f"firm_id = hq_org() or {SYSTEM}")
    run(f"create policy radar on loan for select to {APP} "
        f"using (hq_kind() = 'bridge_centre' and state = 'DRAWN' and {SHARED.format('loan')})")
    grant("radar_mark", "select, insert")
    guard("radar_mark", see=SYSTEM)
    grant("renewal_intent", "select, insert, update (intent, note, answered_at, answered_by)")
    guard("renewal_intent",
          see=f"{OWN} or firm_id = hq_org() or hq_kind() = 'bureau' or {SYSTEM} "
              f"or (hq_kind() = 'bridge_centre' and {SHARED.format('renewal_intent')})",
          write=SYSTEM, change=f"{OWN} or {SYSTEM}")
    run("create policy proved on renewal_intent as restrictive for select to huiqiao_app using ((select hq_proved()))")
