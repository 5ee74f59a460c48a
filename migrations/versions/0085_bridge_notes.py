"""Two notes on one bridge: each note of a bridge is a row, once per bank and number while its bridge is not over."""

from migrations.tools import SYSTEM, grant, guard, run

revision = "0085"
down_revision = "0084"
branch_labels = None
depends_on = None

OVER = "('SETTLED', 'REJECTED', 'DECLINED', 'CANCELLED')"

NOTES = """
create table bridge_note (
  id uuid constraint pk_bridge_note primary key,
  bridge_id uuid not null,
  firm_id uuid not null,
  no bigint not null constraint ck_bridge_note_no check (no between 1 and 2),
  bank_org_id uuid not null constraint fk_bridge_note_bank_org_id references organisation,
  note_no text not null constraint ck_bridge_note_note_no check (length(note_no) between 1 and 80),
  ask_id uuid not null,
  old_loan_id uuid constraint fk_bridge_note_old_loan_id references loan,
  due_fen bigint not null constraint ck_bridge_note_due check (due_fen > 0),
  due_on date not null,
  repaid_on date,
  repaid_reference text constraint ck_bridge_note_reference check (length(repaid_reference) <= 200),
  repaid_by uuid constraint fk_bridge_note_repaid_by references person,
  live boolean not null,
  constraint fk_bridge_note_bridge foreign key (bridge_id, firm_id) references bridge (id, firm_id),
  constraint fk_bridge_note_ask foreign key (ask_id, firm_id, bank_org_id, note_no)
    references renewal_ask (id, firm_id, bank_org_id, note_no),
  constraint uq_bridge_note_no unique (bridge_id, no),
  constraint ck_bridge_note_repaid check (repaid_on is not null or (repaid_reference is null and repaid_by is null))
);
"""

COPY = f"""
-- What stands today: one note a bridge. A reference without a day (a payoff that was never confirmed) is not taken over, an
-- overlong one is cut.
insert into bridge_note (id, bridge_id, firm_id, no, bank_org_id, note_no, ask_id, old_loan_id, due_fen, due_on, repaid_on,
    repaid_reference, live)
  select gen_random_uuid(), b.id, b.firm_id, 1, b.old_bank_org_id, b.old_note_no, b.ask_id, b.old_loan_id, b.old_due_fen,
    b.old_due_on, b.old_repaid_on, case when b.old_repaid_on is not null then left(b.old_repaid_reference, 200) end,
    b.state not in {OVER}
  from bridge b;
"""

RULES = f"""
-- One note, one bridge, while it is not over (transfer-loan paper §5: two centres for one note).
create unique index uq_bridge_note_live on bridge_note (bank_org_id, note_no) where live;
create index ix_bridge_note_old_loan_id on bridge_note (old_loan_id) where old_loan_id is not null;
create index ix_bridge_note_ask_id on bridge_note (ask_id);
drop index uq_bridge_old_note;

create function hq_bridge_note_hands() returns trigger
  language plpgsql security definer set search_path = public as $$
declare b bridge; stands text;
begin
  select * into b from bridge where id = new.bridge_id;
  if tg_op = 'INSERT' then
    select state into stands from renewal_ask where id = new.ask_id;
    if b.old_bank_org_id <> new.bank_org_id or b.state not in ('APPLIED', 'PARTNER_OFFERED') or not new.live
       or new.repaid_on is not null or stands not in ('REFUSED', 'UNANSWERED') then
      raise exception 'a note is that of the bridge''s old bank, which was asked and did not renew it'
        using errcode = 'check_violation', constraint = 'ck_bridge_note_hands';
    end if;
    return new;
  end if;
  if (to_jsonb(old) - array['repaid_on', 'repaid_reference', 'repaid_by', 'live'])
       is distinct from (to_jsonb(new) - array['repaid_on', 'repaid_reference', 'repaid_by', 'live'])
     or (old.repaid_on is not null and (old.repaid_on, old.repaid_reference, old.repaid_by)
         is distinct from (new.repaid_on, new.repaid_reference, new.repaid_by))
     or (old.repaid_on is null and new.repaid_on is not null and (b.paid_on is null or new.repaid_on < b.paid_on)) then
    raise exception 'a note is paid off once, after the payout'
      using errcode = 'check_violation', constraint = 'ck_bridge_note_hands';
  end if;
  return new;
end $$;
create trigger bridge_note_hands before insert or update on bridge_note
  for each row execute function hq_bridge_note_hands();

create function hq_bridge_note_lives() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  update bridge_note set live = false where bridge_id = new.id and live;
  return null;
end $$;
create trigger bridge_note_lives after update of state on bridge for each row when (new.state in {OVER})
  execute function hq_bridge_note_lives();

-- The bridge says of its notes what they say: the first one's number, the sum, the earliest day, and paid off when both are.
create function hq_bridge_notes_whole() returns trigger
  language plpgsql security definer set search_path = public as $$
declare one bridge; told record;
begin
  select * into one from bridge where id = coalesce((to_jsonb(new) ->> 'bridge_id')::uuid, new.id);
  select count(*) as notes, sum(due_fen) as due_fen, min(due_on) as due_on, max(note_no) filter (where no = 1) as first,
      count(repaid_on) as repaid, max(repaid_on) as repaid_on
    into told from bridge_note where bridge_id = one.id;
  if (told.first, told.due_fen, told.due_on) is distinct from (one.old_note_no, one.old_due_fen::numeric, one.old_due_on)
     or (one.old_repaid_on is not null) <> (told.notes = told.repaid) or one.old_repaid_on > told.repaid_on then
    raise exception 'the bridge and its notes disagree' using errcode = 'check_violation', constraint = 'ck_bridge_notes_whole';
  end if;
  return null;
end $$;
create constraint trigger bridge_notes_whole
  after insert or update of old_note_no, old_due_fen, old_due_on, old_repaid_on on bridge
  deferrable initially deferred for each row execute function hq_bridge_notes_whole();
create constraint trigger bridge_notes_whole after insert or update on bridge_note
  deferrable initially deferred for each row execute function hq_bridge_notes_whole();
"""


def upgrade() -> None:
    for part in (NOTES, COPY, RULES):
        run(part)
    grant("bridge_note", "select, insert, update (repaid_on, repaid_reference, repaid_by)")
    guard("bridge_note", see="exists (select 1 from bridge b where b.id = bridge_id)", write=f"firm_id = hq_org() or {SYSTEM}",
          change=f"bank_org_id = hq_org() or {SYSTEM}")
