"""Banks refuse with a reason or ask; nobody learns who did before closing, and who asked never."""

from migrations.tools import APP, OWN, SYSTEM, append_only, grant, guard, run

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

REFUSALS = ("'OUT_OF_REGION', 'OUT_OF_INDUSTRY', 'AMOUNT', 'TERM', 'SALES_LOW', 'GRADE_WEAK', 'DEBT_HIGH', 'COLLATERAL', "
            "'BAD_RECORD', 'PAPERS', 'NO_ROOM', 'OTHER'")
PAPERS = ("'LICENCE', 'STATEMENTS', 'CONTRACT', 'RECEIVABLE', 'IP_CERTIFICATE', 'PROPERTY_DEED', 'GUARANTOR_ID', "
          "'TAX_RETURN', 'PAYROLL', 'OTHER'")

REFUSAL = f"""
create table need_refusal (
  id uuid constraint pk_need_refusal primary key,
  need_id uuid not null,
  seal_id uuid not null,
  org_id uuid not null constraint fk_need_refusal_org_id references organisation,
  reasons text[] not null constraint ck_need_refusal_reasons check (cardinality(reasons) > 0 and reasons <@ array[{REFUSALS}]),
  text text not null constraint ck_need_refusal_text check (length(text) <= 500),
  refused_at timestamptz not null,
  refused_by uuid,
  constraint fk_need_refusal_need_id foreign key (need_id, seal_id) references need (id, seal_id),
  -- One bank's own rows alone are compared by this constraint, so its errors tell nothing about the others.
  constraint uq_need_refusal unique (need_id, org_id),
  constraint ck_need_refusal_other check (not ('OTHER' = any(reasons)) or btrim(text) <> '')
);
create function hq_refusal_gate() returns trigger language plpgsql security definer set search_path = public as $$
declare asked need;
begin
  select * into asked from need n where n.id = new.need_id for no key update;
  if asked.state is distinct from 'OPEN' or clock_timestamp() >= asked.closes_at then
    raise exception 'bidding has closed' using errcode = 'check_violation', constraint = 'ck_bid_before_close';
  end if;
  if exists (select 1 from bid b where b.need_id = new.need_id and b.org_id = new.org_id
             and b.state in ('DRAFT', 'PROPOSED', 'SUBMITTED')) then
    raise exception 'a bank that bids does not refuse' using errcode = 'check_violation', constraint = 'ck_need_refusal_bid';
  end if;
  return new;
end $$;
create trigger refusal_gate before insert on need_refusal for each row execute function hq_refusal_gate();

-- A refusal answers the claim. When all the banks that a firm named have refused, there is nobody left to wait for: the
-- next tick closes the need, as its hour would, and tells nobody who refused before it is closed.
create function hq_refused() returns trigger language plpgsql security definer set search_path = public as $$
begin
  update need_claim set ended_at = now(), end_reason = 'ANSWERED'
    where need_id = new.need_id and org_id = new.org_id and ended_at is null;
  update need n set next_check_at = now()
    where n.id = new.need_id and n.distribution = 'targeted' and n.state = 'OPEN'
      and not exists (select 1 from need_invitee i where i.need_id = n.id and not exists (
        select 1 from need_refusal r where r.need_id = n.id and r.org_id = i.org_id));
  return null;
end $$;
create trigger refused after insert on need_refusal for each row execute function hq_refused();

create function hq_bid_after_refusal() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if exists (select 1 from need_refusal r where r.need_id = new.need_id and r.org_id = new.org_id) then
    raise exception 'the bank has refused' using errcode = 'check_violation', constraint = 'ck_bid_refused';
  end if;
  return new;
end $$;
create trigger bid_after_refusal before insert on bid for each row execute function hq_bid_after_refusal();
"""

QUESTION = f"""
create table answer (
  id uuid constraint pk_answer primary key,
  need_id uuid not null constraint fk_answer_need_id references need,
  org_id uuid not null constraint fk_answer_org_id references enterprise,
  case_id uuid not null constraint fk_answer_case_id references case_file,
  text text not null constraint ck_answer_text check (length(btrim(text)) between 1 and 1000),
  audience text not null constraint ck_answer_audience check (audience in ('all', 'named')),
  answered_at timestamptz not null,
  answered_by uuid,
  constraint uq_answer_id_need_id unique (id, need_id)
);
create table answer_bank (
  answer_id uuid not null constraint fk_answer_bank_answer_id references answer,
  org_id uuid not null constraint fk_answer_bank_org_id references organisation,
  constraint pk_answer_bank primary key (answer_id, org_id)
);
-- What is asked, without who asks and without the hour; equal questions of two banks are two rows.
create table question (
  id uuid constraint pk_question primary key,
  need_id uuid not null,
  seal_id uuid not null,
  case_id uuid not null constraint fk_question_case_id references case_file,
  kind text not null constraint ck_question_kind check (kind in ('TEXT', 'PAPER')),
  paper_kind text constraint ck_question_paper_kind check (paper_kind in ({PAPERS})),
  text text not null constraint ck_question_text check (length(text) <= 500),
  asked_on date not null,
  due_at timestamptz not null,
  state text not null constraint ck_question_state check (state in ('ASKED', 'ANSWERED', 'DROPPED', 'UNANSWERED')),
  answer_id uuid,
  constraint fk_question_need_id foreign key (need_id, seal_id) references need (id, seal_id),
  constraint fk_question_answer_id foreign key (answer_id, need_id) references answer (id, need_id),
  constraint ck_question_wanted check ((kind = 'PAPER') = (paper_kind is not null) and (kind = 'PAPER' or btrim(text) <> '')),
  constraint ck_question_answered check ((state = 'ANSWERED') = (answer_id is not null))
);
create index ix_question_need_id on question (need_id, asked_on);
create index ix_question_answer_id on question (answer_id) where answer_id is not null;
create table question_asker (
  question_id uuid constraint pk_question_asker primary key constraint fk_question_asker_question_id references question,
  org_id uuid not null constraint fk_question_asker_org_id references organisation,
  person_id uuid,
  at timestamptz not null
);
create index ix_question_asker_org_id on question_asker (org_id, at);

create function hq_asked(question uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (select 1 from question_asker k where k.question_id = $1 and k.org_id = hq_org()) $$;
-- A bank reads an answer to its own question, one that names it, and one for every bank that the need is for.
create function hq_answer_for_us(answer uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select hq_kind() = 'bank' and exists (
       select 1 from answer a join need n on n.id = a.need_id where a.id = $1 and (
         (a.audience = 'all' and (n.distribution = 'open' or hq_need_invited(n.id))
           and (n.state = 'OPEN' or hq_need_bid_on(n.id)))
         or exists (select 1 from answer_bank b where b.answer_id = a.id and b.org_id = hq_org())
         or exists (select 1 from question q join question_asker k on k.question_id = q.id
                    where q.answer_id = a.id and k.org_id = hq_org()))) $$;

create function hq_question_gate() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'ASKED' or not hq_need_takes_bids(new.need_id) or not exists (
         select 1 from need n where n.id = new.need_id and (n.distribution = 'open' or hq_need_invited(n.id))) then
      raise exception 'questions are asked while bids are taken' using errcode = 'check_violation',
        constraint = 'ck_bid_before_close';
    end if;
    return new;
  end if;
  if old.state <> 'ASKED'
     or to_jsonb(old) - array['state', 'answer_id'] is distinct from to_jsonb(new) - array['state', 'answer_id']
     or (new.state = 'DROPPED' and not hq_asked(new.id))
     or (new.state = 'ANSWERED' and not hq_need_is_ours(new.need_id))
     or (new.state = 'UNANSWERED' and hq_need_takes_bids(new.need_id)) then
    raise exception 'a question ends once' using errcode = 'check_violation', constraint = 'ck_question_once';
  end if;
  return new;
end $$;
create trigger question_gate before insert or update on question for each row execute function hq_question_gate();

-- Who asked is known to the database alone, so it tells them itself; sealed, so that nobody counts such notices.
create function hq_question_ended() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into notice (id, org_id, person_id, message, params, path, case_id, seal_id, at)
    select gen_random_uuid(), k.org_id, k.person_id,
           case new.state when 'ANSWERED' then '企业答复了本行的提问。' else '需求已截止，本行的提问没有得到答复。' end, '{{}}',
           '/questions', new.case_id, new.seal_id, now()
      from question_asker k where k.question_id = new.id;
  return null;
end $$;
create trigger question_ended after update of state on question for each row
  when (new.state in ('ANSWERED', 'UNANSWERED')) execute function hq_question_ended();

create function hq_questions_closed() returns trigger language plpgsql security definer set search_path = public as $$
declare open_one record;
begin
  for open_one in select q.id, q.case_id, q.seal_id from question q where q.need_id = new.id and q.state = 'ASKED' for update loop
    update question set state = 'UNANSWERED' where id = open_one.id;
    insert into transition (id, subject_type, subject_id, case_id, event, source, target, at, actor_role, org_id, shared)
      values (gen_random_uuid(), 'question', open_one.id, open_one.case_id, 'close', 'ASKED', 'UNANSWERED', now(), 'system',
              new.org_id, false);
  end loop;
  return null;
end $$;
create trigger questions_closed after update of state on need for each row
  when (old.state = 'OPEN' and new.state <> 'OPEN') execute function hq_questions_closed();
"""


def upgrade() -> None:
    run(REFUSAL)
    run(QUESTION)
    own_bank = f"{OWN} and hq_kind() = 'bank'"
    append_only("need_refusal")
    guard("need_refusal", write=own_bank, see=f"({own_bank}) or (hq_seal_open(seal_id) and (hq_need_is_ours(need_id) or "
                                              f"hq_kind() = 'bureau' or {SYSTEM}))")
    grant("question", "select, insert, update (state, answer_id)")
    mine = "hq_need_is_ours(need_id) or hq_asked(id)"
    guard("question", see=f"{mine} or (answer_id is not null and hq_answer_for_us(answer_id))", write="hq_kind() = 'bank'",
          change=mine)
    append_only("question_asker")
    guard("question_asker", see=own_bank)
    append_only("answer")
    own_firm = f"{OWN} and hq_kind() = 'enterprise' and hq_need_is_ours(need_id)"
    guard("answer", see=f"({own_firm}) or hq_answer_for_us(id)", write=own_firm)
    append_only("answer_bank")
    named = "exists (select 1 from answer a where a.id = answer_id and a.org_id = hq_org())"
    guard("answer_bank", see=f"({own_bank}) or {named}", write=named)
    for table in ("answer", "question"):
        run(f"create policy proved on {table} as restrictive for select to {APP} using ((select hq_proved()))")
    run(f"create policy answered on paper for select to {APP} using (subject_type = 'answer' and hq_answer_for_us(subject_id))")
