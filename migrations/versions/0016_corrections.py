"""Corrections: disputes, repairs with their deadline, what retention leaves behind and when it last ran."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLES = """
create table evidence_dispute (
  id uuid constraint pk_evidence_dispute primary key,
  firm_id uuid not null constraint fk_evidence_dispute_firm_id references enterprise,
  firm_name text not null,
  firm_uscc text not null,
  item_code text not null constraint fk_evidence_dispute_item_code references data_item,
  provider_org_id uuid not null,
  provider_kind text not null constraint ck_evidence_dispute_provider_kind check (provider_kind = 'data_provider'),
  -- which fact: {"subject", "key", "version"}; null: the whole item, or something that is missing
  fact jsonb,
  -- the fact as it stood: whoever delivered it may not read facts
  shown jsonb not null,
  label text not null,
  claim text not null constraint ck_evidence_dispute_claim check (length(claim) between 1 and 2000),
  wanted text constraint ck_evidence_dispute_wanted check (length(wanted) between 1 and 500),
  state text not null constraint ck_evidence_dispute_state
    check (state in ('ASKED', 'ANSWERED_CORRECTED', 'ANSWERED_UPHELD', 'WITHDRAWN')),
  asked_at timestamptz not null,
  asked_by uuid constraint fk_evidence_dispute_asked_by references person,
  due_on date not null,
  answered_at timestamptz,
  answered_by uuid constraint fk_evidence_dispute_answered_by references person,
  answer text constraint ck_evidence_dispute_answer check (length(answer) between 1 and 4000),
  delivery_id uuid,
  deliver_by date,
  corrected_at timestamptz,
  withdrawn_at timestamptz,
  withdrawn_by uuid constraint fk_evidence_dispute_withdrawn_by references person,
  escalated_at timestamptz,
  next_check_at timestamptz,
  constraint fk_evidence_dispute_provider_org_id foreign key (provider_org_id, provider_kind) references organisation (id, kind),
  constraint fk_evidence_dispute_delivery_id foreign key (delivery_id, provider_org_id) references delivery (id, provider_org_id),
  constraint ck_evidence_dispute_answered check (
    (state in ('ANSWERED_CORRECTED', 'ANSWERED_UPHELD')) = (answered_at is not null and answer is not null)),
  constraint ck_evidence_dispute_corrected check (
    (state = 'ANSWERED_CORRECTED') = (delivery_id is not null or deliver_by is not null)),
  constraint ck_evidence_dispute_in_the_data check (corrected_at is null or state = 'ANSWERED_CORRECTED'),
  constraint ck_evidence_dispute_withdrawn check ((state = 'WITHDRAWN') = (withdrawn_at is not null))
);
-- One open dispute a fact; a whole item may be disputed with each office that delivers it.
create unique index uq_evidence_dispute_open on evidence_dispute (firm_id, item_code, provider_org_id, fact) nulls not distinct
  where state = 'ASKED';
create index ix_evidence_dispute_firm_id on evidence_dispute (firm_id, asked_at);
create index ix_evidence_dispute_provider_org_id on evidence_dispute (provider_org_id, due_on);
create index ix_evidence_dispute_next_check_at on evidence_dispute (next_check_at) where next_check_at is not null;

-- A repair or correction that has come into the data, and by when the score must know it.
create table evidence_correction (
  id uuid constraint pk_evidence_correction primary key,
  firm_id uuid not null constraint fk_evidence_correction_firm_id references enterprise,
  item_code text not null constraint fk_evidence_correction_item_code references data_item,
  cause text not null constraint ck_evidence_correction_cause check (cause in ('dispute', 'change', 'repair')),
  dispute_id uuid constraint fk_evidence_correction_dispute_id references evidence_dispute,
  delivery_id uuid constraint fk_evidence_correction_delivery_id references delivery,
  at timestamptz not null,
  recompute_by date not null,
  next_check_at timestamptz,
  recomputed_at timestamptz,
  constraint uq_evidence_correction_once unique nulls not distinct (firm_id, item_code, cause, dispute_id, delivery_id),
  constraint ck_evidence_correction_open check ((recomputed_at is null) = (next_check_at is not null))
);
create index ix_evidence_correction_next_check_at on evidence_correction (next_check_at) where next_check_at is not null;
create index ix_evidence_correction_dispute_id on evidence_correction (dispute_id);

-- What is left of rows past their time: one year of one firm or meter, enough for a trend.
create table evidence_year (
  subject text not null constraint ck_evidence_year_subject check (subject in ('firm', 'meter')),
  subject_no bigint not null,
  item_code text not null constraint fk_evidence_year_item_code references data_item,
  year bigint not null,
  category text not null,
  rows bigint not null constraint ck_evidence_year_rows check (rows > 0),
  month_bits bigint not null constraint ck_evidence_year_month_bits check (month_bits between 1 and 4095),
  first_month date not null,
  last_month date not null,
  sums jsonb not null,
  made_at timestamptz not null,
  constraint pk_evidence_year primary key (subject, subject_no, item_code, year, category)
);

-- Where each kind of retention stands. after_no: subjects up to this one are done in the running run.
create table evidence_retention (
  kind text constraint pk_evidence_retention primary key,
  next_check_at timestamptz not null,
  cutoff date,
  after_no bigint not null,
  started_at timestamptz,
  finished_at timestamptz,
  counts jsonb not null,
  last_counts jsonb not null,
  oldest date
);

create table delivery_file_gone (
  delivery_id uuid constraint pk_delivery_file_gone primary key constraint fk_delivery_file_gone_delivery_id references delivery,
  at timestamptz not null
);
create index ix_quarantine_uscc on quarantine ((raw ->> 'uscc'));
"""

FUNCTIONS = """
-- That an item is disputed, for whoever may read it: which fact and since when, never the words of the claim. A correction
-- that was promised and has not come is still open: the wrong value still stands.
create function hq_open_disputes(firm uuid)
  returns table (item_code text, fact jsonb, asked_at timestamptz, due_on date, promised_by date)
  language sql stable security definer set search_path = public as
  $$ select d.item_code, d.fact, d.asked_at, d.due_on, d.deliver_by
     from evidence_dispute d join enterprise e on e.id = d.firm_id
     where d.firm_id = $1 and (d.state = 'ASKED' or (d.state = 'ANSWERED_CORRECTED' and d.corrected_at is null))
       and (hq_kind() = 'system' or e.firm_no in (select hq_readable_firms(d.item_code)))
     order by d.asked_at $$;

create function hq_dispute_party(dispute uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from evidence_dispute d where d.id = $1 and hq_proved()
         and (d.firm_id = hq_org() or d.provider_org_id = hq_org() or hq_kind() = 'platform')) $$;

-- Whose a year of the past is: the firm's own; of a meter, only where the firm held it for all the months in the sum.
create function hq_year_readable(subject text, subject_no bigint, first_month date, last_month date) returns boolean
  language sql stable security definer set search_path = public as
  $$ select exists (
       select 1 from enterprise e where e.id = hq_org() and e.state = 'verified' and (
         ($1 = 'firm' and e.firm_no = $2)
         or ($1 = 'meter' and exists (
           select 1 from meter_link l where l.meter_no = $2 and l.current and l.firm_no = e.firm_no
             and l.valid_from <= $3 and (l.valid_to is null or l.valid_to >= $4))))) $$;

-- Sums by name, each added to the one of the same name.
create function hq_add_sums(a jsonb, b jsonb) returns jsonb
  language sql immutable set search_path = public as
  $$ select coalesce(jsonb_object_agg(k, coalesce((a ->> k)::numeric, 0) + coalesce((b ->> k)::numeric, 0)), '{}')
     from (select jsonb_object_keys(a) as k union select jsonb_object_keys(b)) names $$;

-- Facts are never deleted but by retention, which says so in its transaction.
create function hq_only_retention() returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('hq.retention', true), '') <> 'on' then
    raise exception '% is append-only outside retention', tg_table_name using errcode = 'restrict_violation';
  end if;
  return null;
end $$;
create trigger only_retention before delete on invoice_line for each statement execute function hq_only_retention();

-- Records of passing data on are kept for three years at least (网络数据安全管理条例 art. 12); then they may go, and only then.
drop trigger evidence_look_append_only on evidence_look;
create trigger evidence_look_append_only before update or truncate on evidence_look
  for each statement execute function hq_refuse_change();
create function hq_look_is_old() returns trigger language plpgsql as $$
begin
  if old.at > now() - interval '3 years' then
    raise exception 'evidence_look is append-only for three years' using errcode = 'restrict_violation';
  end if;
  return old;
end $$;
create trigger evidence_look_old before delete on evidence_look for each row execute function hq_look_is_old();
create function hq_forget_looks(before timestamptz, most bigint) returns bigint
  language plpgsql security definer set search_path = public as $$
declare gone bigint;
begin
  if hq_kind() is distinct from 'system' then
    raise exception 'only the portal forgets looks' using errcode = 'insufficient_privilege';
  end if;
  delete from evidence_look where id in (select l.id from evidence_look l where l.at < $1 order by l.at limit $2);
  get diagnostics gone = row_count;
  return gone;
end $$;
"""


def upgrade() -> None:
    run(TABLES)
    run(FUNCTIONS)
    proved = "as restrictive for select to huiqiao_app using ((select hq_proved()))"
    grant("evidence_dispute", "select, insert, update (state, answered_at, answered_by, answer, delivery_id, deliver_by, "
                              "corrected_at, withdrawn_at, withdrawn_by, escalated_at, next_check_at)")
    guard("evidence_dispute",
          see=f"firm_id = hq_org() or provider_org_id = hq_org() or {SYSTEM} or hq_kind() = 'platform'",
          write="firm_id = hq_org()", change=f"firm_id = hq_org() or provider_org_id = hq_org() or {SYSTEM}")
    run(f"create policy proved on evidence_dispute {proved}")
    run("create policy disputed on paper for select to huiqiao_app "
        "using (subject_type = 'evidence_dispute' and hq_dispute_party(subject_id))")
    grant("evidence_correction", "select, insert, update (next_check_at, recomputed_at)")
    guard("evidence_correction", see=f"firm_id = hq_org() or {SYSTEM} or hq_kind() = 'platform'", write=SYSTEM, change=SYSTEM)
    run(f"create policy proved on evidence_correction {proved}")
    grant("evidence_year", "select, insert, update")
    guard("evidence_year", see=f"(select {SYSTEM}) or hq_year_readable(subject, subject_no, first_month, last_month)",
          write=SYSTEM, change=SYSTEM)
    grant("evidence_retention", "select, insert, update")
    guard("evidence_retention", see=f"{SYSTEM} or hq_kind() = 'platform'", write=SYSTEM, change=SYSTEM)
    append_only("delivery_file_gone")
    guard("delivery_file_gone", see=f"{SYSTEM} or hq_kind() = 'platform'", write=SYSTEM)
    grant("invoice_line", "delete")
    run(f"create policy remove on invoice_line for delete to huiqiao_app using ((select {SYSTEM}))")
    grant("consent", "delete")
    run(f"create policy remove on consent for delete to huiqiao_app using ({SYSTEM})")
    run("create index ix_evidence_look_at on evidence_look (at)")
