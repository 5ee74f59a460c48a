"""会诊: a need that ended without an offer is looked at again by banks together, with the firm's consent."""

from migrations.tools import APP, OWN, SYSTEM, grant, guard, run

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

REASONS = ("'OUT_OF_REGION', 'OUT_OF_INDUSTRY', 'AMOUNT', 'TERM', 'SALES_LOW', 'GRADE_WEAK', 'DEBT_HIGH', 'COLLATERAL', "
           "'BAD_RECORD', 'PAPERS', 'NO_ROOM', 'OTHER'")
CONDITIONS = "'LESS_AMOUNT', 'OTHER_TERM', 'GUARANTEE', 'COLLATERAL', 'POOL', 'DATA', 'DEBT', 'OTHER'"
KINDS = ("'CREDIT', 'RECEIVABLE_PLEDGE', 'IP_PLEDGE', 'ENVIRONMENT_PLEDGE', 'LOAN_INSURANCE', 'GUARANTEED', 'MORTGAGE', "
         "'EQUITY', 'TAX_LOAN', 'FIRST_LOAN', 'RENEWAL', 'SUPPLY_CHAIN', 'OTHER'")
STATES = "'PROPOSED', 'SITTING', 'ADVISED', 'DECLINED', 'CANCELLED', 'EXPIRED'"
FIXED = "{0}.need_id, {0}.case_id, {0}.org_id, {0}.reason, {0}.called_at, {0}.called_by, {0}.agree_by"

TABLES = f"""
create table consultation (
  id uuid constraint pk_consultation primary key,
  need_id uuid not null constraint fk_consultation_need_id references need,
  case_id uuid not null constraint fk_consultation_case_id references case_file,
  org_id uuid not null constraint fk_consultation_org_id references enterprise,
  state text not null constraint ck_consultation_state check (state in ({STATES})),
  reason text not null constraint ck_consultation_reason check (length(btrim(reason)) between 1 and 500),
  card jsonb not null constraint ck_consultation_card check (jsonb_typeof(card) = 'object'),
  called_at timestamptz not null,
  called_by uuid,
  agree_by timestamptz not null,
  agreed_at timestamptz,
  agreed_by uuid,
  due_at timestamptz,
  reply text not null constraint ck_consultation_reply check (length(reply) <= 1000),
  advice text[] not null constraint ck_consultation_advice check (advice <@ array['NEXT_ROUND', 'OTHER_PRODUCT', 'IMPROVE']),
  product_kinds text[] not null constraint ck_consultation_product_kinds check (product_kinds <@ array[{KINDS}]),
  advice_text text not null constraint ck_consultation_advice_text check (length(advice_text) <= 1000),
  ended_at timestamptz,
  next_check_at timestamptz,
  constraint ck_consultation_agreed check (state not in ('SITTING', 'ADVISED') or (agreed_at is not null and due_at is not null)),
  constraint ck_consultation_advised check ((state = 'ADVISED') = (cardinality(advice) > 0)),
  constraint ck_consultation_other_product check (('OTHER_PRODUCT' = any(advice)) = (cardinality(product_kinds) > 0)),
  constraint ck_consultation_improve check (not ('IMPROVE' = any(advice)) or btrim(advice_text) <> ''),
  constraint ck_consultation_ended check ((state in ('PROPOSED', 'SITTING')) = (ended_at is null)
    and (ended_at is null or next_check_at is null))
);
create unique index uq_consultation_live on consultation (need_id) where state in ('PROPOSED', 'SITTING', 'ADVISED');
create index ix_consultation_org_id on consultation (org_id, called_at);
create index ix_consultation_next_check_at on consultation (next_check_at) where next_check_at is not null;
create table consultation_seat (
  consultation_id uuid not null constraint fk_consultation_seat_consultation_id references consultation,
  org_id uuid not null constraint fk_consultation_seat_org_id references organisation,
  constraint pk_consultation_seat primary key (consultation_id, org_id)
);
create index ix_consultation_seat_org_id on consultation_seat (org_id);
create table consultation_opinion (
  consultation_id uuid not null,
  org_id uuid not null,
  outcome text not null constraint ck_consultation_opinion_outcome check (outcome in ('WOULD_IF', 'WOULD_NOT', 'ASKS')),
  conditions text[] not null constraint ck_consultation_opinion_conditions check (conditions <@ array[{CONDITIONS}]),
  reasons text[] not null constraint ck_consultation_opinion_reasons check (reasons <@ array[{REASONS}]),
  text text not null constraint ck_consultation_opinion_text check (length(text) <= 500),
  named boolean not null,
  said_at timestamptz not null,
  said_by uuid,
  constraint pk_consultation_opinion primary key (consultation_id, org_id),
  constraint fk_consultation_opinion_seat foreign key (consultation_id, org_id) references consultation_seat,
  constraint ck_consultation_opinion_said check (
    (outcome = 'WOULD_IF') = (cardinality(conditions) > 0) and (outcome = 'WOULD_NOT') = (cardinality(reasons) > 0)),
  constraint ck_consultation_opinion_words check (
    btrim(text) <> '' or not (outcome = 'ASKS' or 'OTHER' = any(conditions) or 'OTHER' = any(reasons)))
);
"""

GATES = f"""
-- Looked at again is what ended without an offer; nobody overrules a firm that had offers and took none.
create function hq_consultation_called() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if new.state <> 'PROPOSED' or not exists (
       select 1 from need n where n.id = new.need_id and n.org_id = new.org_id and n.case_id = new.case_id and n.state = 'LAPSED'
         and n.closed_at is not null and not exists (select 1 from bid b where b.need_id = n.id and b.opened_at is not null)) then
    raise exception 'a consultation is called on a need without an offer' using errcode = 'check_violation',
      constraint = 'ck_consultation_called';
  end if;
  return new;
end $$;
create trigger consultation_called before insert on consultation for each row execute function hq_consultation_called();

-- Each hand its own part: the firm agrees, declines and replies; the desk advises or calls off; the hour ends it.
create function hq_consultation_gate() returns trigger language plpgsql as $$
declare
  who text := coalesce(hq_kind(), '');
  move text := old.state || '-' || new.state;
begin
  if old.state in ('ADVISED', 'DECLINED', 'CANCELLED', 'EXPIRED')
     or ({FIXED.format("old")}) is distinct from ({FIXED.format("new")})
     or (move <> 'PROPOSED-SITTING'
         and (old.card, old.agreed_at, old.due_at) is distinct from (new.card, new.agreed_at, new.due_at))
     or (old.card is distinct from new.card and old.card is distinct from new.card - 'name')
     or (old.reply <> new.reply and (old.reply <> '' or move <> 'SITTING-SITTING' or who <> 'enterprise'))
     or (old.state <> new.state and not (
          (move in ('PROPOSED-SITTING', 'PROPOSED-DECLINED') and who = 'enterprise')
          or (move in ('PROPOSED-CANCELLED', 'SITTING-CANCELLED', 'SITTING-ADVISED') and who = 'platform')
          or (move in ('PROPOSED-EXPIRED', 'SITTING-EXPIRED') and who = 'system'))) then
    raise exception 'a consultation goes its way' using errcode = 'check_violation', constraint = 'ck_consultation_gate';
  end if;
  return new;
end $$;
create trigger consultation_gate before update on consultation for each row execute function hq_consultation_gate();

create function hq_seated(consultation uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select hq_kind() = 'bank' and exists (
       select 1 from consultation_seat s join consultation c on c.id = s.consultation_id
       where s.consultation_id = $1 and s.org_id = hq_org() and c.agreed_at is not null) $$;
create function hq_consulted(consultation uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select hq_kind() = 'enterprise' and exists (
       select 1 from consultation c where c.id = $1 and c.org_id = hq_org()) $$;
create function hq_advised(consultation uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from consultation c where c.id = $1 and c.state = 'ADVISED') $$;
-- Banks look at it together, but each of them first by itself.
create function hq_opined(consultation uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select hq_seated($1) and exists (
       select 1 from consultation_opinion o where o.consultation_id = $1 and o.org_id = hq_org()) $$;

create function hq_opinion_gate() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if not exists (select 1 from consultation c where c.id = new.consultation_id and c.state = 'SITTING' for key share)
     or (tg_op = 'UPDATE' and (old.consultation_id, old.org_id) is distinct from (new.consultation_id, new.org_id)) then
    raise exception 'said while the consultation sits' using errcode = 'check_violation', constraint = 'ck_consultation_sits';
  end if;
  return new;
end $$;
create trigger opinion_gate before insert or update on consultation_opinion for each row execute function hq_opinion_gate();
"""


def upgrade() -> None:
    run(TABLES)
    run(GATES)
    desk, own_firm, own_bank = "hq_kind() = 'platform'", f"{OWN} and hq_kind() = 'enterprise'", f"{OWN} and hq_kind() = 'bank'"
    grant("consultation", "select, insert, update (state, card, agreed_at, agreed_by, due_at, reply, advice, product_kinds, "
                          "advice_text, ended_at, next_check_at)")
    change = f"{desk} or ({own_firm}) or {SYSTEM}"
    guard("consultation", see=f"{change} or hq_seated(id)", write=desk, change=change)
    grant("consultation_seat", "select, insert")
    mine = "hq_consulted(consultation_id)"
    seated = "hq_seated(consultation_id)"
    guard("consultation_seat", see=f"{desk} or {SYSTEM} or {mine} or {seated}", write=desk)
    grant("consultation_opinion", "select, insert, update (outcome, conditions, reasons, text, named, said_at, said_by)")
    own_seat = f"{own_bank} and {seated}"
    guard("consultation_opinion", write=own_seat, change=own_seat,
          see=f"{desk} or {SYSTEM} or ({own_seat}) or hq_opined(consultation_id) "
              f"or (named and {mine} and hq_advised(consultation_id))")
    for table in ("consultation", "consultation_seat", "consultation_opinion"):
        run(f"create policy proved on {table} as restrictive for select to {APP} using ((select hq_proved()))")
