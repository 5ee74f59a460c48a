"""The first ask becomes a real one: the firm asks, the bank answers within a clock, or the firm states an answer with a paper."""

from migrations.tools import APP, run

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None

REASONS = (
    "('MUST_REPAY', 'POLICY', 'OPERATION', 'RECORD', 'NEED', 'USE', 'SECURITY', 'SCOPE', 'OTHER', 'UNSTATED')"
)

ASKS = f"""
drop trigger renewal_ask_append_only on renewal_ask;
alter table renewal_ask
  add column firm_name text,
  add column firm_uscc text,
  add column due_on date,
  add column due_fen bigint constraint ck_renewal_ask_due check (due_fen > 0),
  add column working_capital boolean,
  add column source text,
  add column state text,
  add column reason text constraint ck_renewal_ask_reason check (reason in {REASONS}),
  add column bank_note text,
  add column answer_by timestamptz,
  add column answered_at timestamptz,
  add column answered_by uuid,
  add column next_check_at timestamptz;
update renewal_ask a set source = 'STATED', state = case when a.granted then 'GRANTED' else 'REFUSED' end,
  reason = case when a.granted then null else 'UNSTATED' end, bank_note = '', working_capital = true,
  firm_name = o.name, firm_uscc = e.uscc
  from organisation o join enterprise e on e.id = o.id where o.id = a.firm_id;
alter table renewal_ask
  drop column granted,
  alter column firm_name set not null,
  alter column firm_uscc set not null,
  alter column working_capital set not null,
  alter column source set not null,
  alter column state set not null,
  alter column bank_note set not null,
  add constraint ck_renewal_ask_source check (source in ('PORTAL', 'STATED', 'RULE')),
  add constraint ck_renewal_ask_state check (state in ('ASKED', 'GRANTED', 'REFUSED', 'UNANSWERED', 'WITHDRAWN')),
  -- Only the bank itself leaves an ask of the portal answered; what the firm states has its answer from the start.
  add constraint ck_renewal_ask_answered check ((source = 'PORTAL' and state in ('GRANTED', 'REFUSED'))
      = (answered_at is not null) and (answered_at is null) = (answered_by is null)),
  add constraint ck_renewal_ask_portal check (source <> 'PORTAL' or (answer_by is not null and due_on is not null
    and due_fen is not null)),
  add constraint ck_renewal_ask_stated check (source = 'PORTAL' or state in ('GRANTED', 'REFUSED')),
  add constraint ck_renewal_ask_why check ((state = 'REFUSED') = (reason is not null)),
  add constraint ck_renewal_ask_other check (reason is distinct from 'OTHER' or length(trim(bank_note || note)) > 0),
  add constraint ck_renewal_ask_clock check (state = 'ASKED' or next_check_at is null);
create unique index uq_renewal_ask_open on renewal_ask (bank_org_id, note_no) where state = 'ASKED';
create index ix_renewal_ask_bank_org_id on renewal_ask (bank_org_id, state);
create index ix_renewal_ask_old_loan_id on renewal_ask (old_loan_id) where old_loan_id is not null;
create index ix_renewal_ask_next_check_at on renewal_ask (next_check_at) where next_check_at is not null;

-- Each hand its own part: the bank answers (also after the clock), the firm takes back, the portal counts as unanswered.
create function hq_renewal_ask_hands() returns trigger language plpgsql as $$
begin
  if tg_op <> 'UPDATE' then
    raise exception 'an ask is never removed' using errcode = 'check_violation', constraint = 'ck_renewal_ask_hands';
  end if;
  if not coalesce(
       (hq_org() = old.bank_org_id and old.source = 'PORTAL' and old.state in ('ASKED', 'UNANSWERED')
         and new.state in ('GRANTED', 'REFUSED'))
       or (hq_org() = old.firm_id and old.state = 'ASKED' and new.state = 'WITHDRAWN')
       or (hq_kind() = 'system' and old.state = 'ASKED' and new.state = 'UNANSWERED'), false) then
    raise exception 'this hand may not change the ask' using errcode = 'check_violation', constraint = 'ck_renewal_ask_hands';
  end if;
  return new;
end $$;
create trigger renewal_ask_hands before update or delete on renewal_ask for each row execute function hq_renewal_ask_hands();

-- No bridge while the bank may still say yes, nor after it has (transfer-loan paper §6).
create function hq_bridge_asked() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if not exists (select 1 from renewal_ask a where a.id = new.ask_id and a.state in ('REFUSED', 'UNANSWERED')) then
    raise exception 'the bank was not asked, or has agreed' using errcode = 'check_violation', constraint = 'ck_bridge_asked';
  end if;
  return new;
end $$;
create trigger bridge_asked before insert on bridge for each row execute function hq_bridge_asked();

alter table clock drop constraint ck_clock_step, add constraint ck_clock_step check (step in (
  'DESK_CHECK', 'CHOICE', 'DECISION', 'DRAWDOWN_REPORT', 'QUESTION', 'CONSULTATION', 'COMPLAINT', 'RENEWAL_ASK'));
"""


def upgrade() -> None:
    run(ASKS)
    run(f"grant update (state, reason, bank_note, answered_at, answered_by, next_check_at) on renewal_ask to {APP}")
    hand = "firm_id = hq_org() or bank_org_id = hq_org() or hq_kind() = 'system'"
    run(f"create policy change on renewal_ask for update to {APP} using ({hand}) with check ({hand})")
    # What a bank outside the portal answered is looked at by the centre, which checks the bridge.
    run(f"create policy see_renewal_answer on paper for select to {APP} "
        "using (kind = 'renewal_answer' and hq_kind() in ('bridge_centre', 'bureau'))")
