"""Consents: bound to a case, a second text for sole traders, first use, and looks that name their ground."""

import hashlib
from datetime import date

import sqlalchemy as sa
from alembic import op

from migrations.tools import run

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TEXTS = """
alter table consent_text add column kind text not null default 'firm'
  constraint ck_consent_text_kind check (kind in ('firm', 'personal'));
alter table consent_text alter column kind drop default;
alter table consent_text add constraint uq_consent_text_kind_version unique (kind, version);
"""

# A newer consent replaces the older one of the same purpose: what was given for one case stays beside what was given for
# another one, and beside the pre-approval.
CONSENT = """
alter table consent
  add column used_at timestamptz,
  add column personal_text_version text constraint fk_consent_personal_text_version references consent_text,
  add column personal_signed_text text,
  add column personal_text_sha256 bytea,
  add constraint ck_consent_personal_whole check (
    (personal_text_version is null) = (personal_signed_text is null)
    and (personal_text_version is null) = (personal_text_sha256 is null)),
  add constraint ck_consent_signed_text check (text_sha256 = sha256(convert_to(signed_text, 'UTF8'))),
  add constraint ck_consent_personal_signed_text check (
    personal_text_sha256 = sha256(convert_to(personal_signed_text, 'UTF8')));
drop index uq_consent_one_active;
create unique index uq_consent_one_active on consent (firm_id, item_code, receiver_org_id, case_id) nulls not distinct
  where state = 'ACTIVE';
update consent c set used_at = (
  select min(l.at) from evidence_look l where l.consent_id = c.id and l.result = 'shown');
grant update (used_at) on consent to huiqiao_app;

create function hq_consent_is_sound() returns trigger
  language plpgsql security definer set search_path = public as $$
declare receiver text;
begin
  -- daily power goes with power; only what heads its consent is signed for
  if not exists (select 1 from data_item i where i.code = new.item_code and i.consent_needed and i.consent_item = i.code) then
    raise exception 'no consent is given for this item' using errcode = 'check_violation', constraint = 'ck_consent_item';
  end if;
  if new.case_id is not null
     and not exists (select 1 from case_file f where f.id = new.case_id and f.subject_org_id = new.firm_id) then
    raise exception 'a consent for a case of another firm'
      using errcode = 'check_violation', constraint = 'ck_consent_own_case';
  end if;
  if not exists (select 1 from consent_text t where t.version = new.text_version and t.kind = 'firm')
     or (new.personal_text_version is not null and not exists (
       select 1 from consent_text t where t.version = new.personal_text_version and t.kind = 'personal')) then
    raise exception 'a text of the wrong kind' using errcode = 'check_violation', constraint = 'ck_consent_text_kind';
  end if;
  -- 征信业管理条例 art. 14: the tax amounts of a sole trader are a person's; 个人信息保护法 art. 23, 29: separately, in writing
  if new.personal_text_version is null and exists (
       select 1 from enterprise e, data_item i
       where e.id = new.firm_id and e.form = 'sole_trader'
         and i.consent_item = new.item_code and i.personal_for_sole_trader) then
    raise exception 'the second text of a sole trader is missing'
      using errcode = 'check_violation', constraint = 'ck_consent_personal_text';
  end if;
  -- no "all partners": the texts name who receives
  select o.name into receiver from organisation o where o.id = new.receiver_org_id;
  if receiver is not null and (position(receiver in new.signed_text) = 0
       or position(receiver in coalesce(new.personal_signed_text, receiver)) = 0) then
    raise exception 'the text does not name the receiver'
      using errcode = 'check_violation', constraint = 'ck_consent_names_receiver';
  end if;
  return new;
end $$;
create trigger consent_is_sound before insert on consent for each row execute function hq_consent_is_sound();

create function hq_consent_ends_once() returns trigger language plpgsql as $$
begin
  if old.state <> 'ACTIVE' or (old.used_at is not null and new.used_at is distinct from old.used_at) then
    raise exception 'a consent that has ended stays as it was'
      using errcode = 'check_violation', constraint = 'ck_consent_kept';
  end if;
  return new;
end $$;
create trigger consent_ends_once before update on consent for each row execute function hq_consent_ends_once();
"""

LOOK = """
alter table evidence_look add column basis text;
alter table evidence_look disable trigger evidence_look_append_only;
update evidence_look set basis = case when consent_id is null then 'none' else 'consent' end;
alter table evidence_look enable trigger evidence_look_append_only;
alter table evidence_look alter column basis set not null;
alter table evidence_look drop constraint ck_evidence_look_consent;
alter table evidence_look
  add constraint ck_evidence_look_basis check (basis in ('consent', 'public_record', 'none')),
  add constraint ck_evidence_look_shown check ((result = 'shown') = (basis <> 'none')),
  add constraint ck_evidence_look_consent check ((basis = 'consent') = (consent_id is not null)),
  add constraint ck_evidence_look_case check (purpose <> 'pre_approval' or case_id is null);
create index ix_evidence_look_consent_id on evidence_look (consent_id) where consent_id is not null;

-- 征信业管理条例 art. 18, 20: only within the purpose that was agreed. No look goes on record as shown without its ground.
create function hq_look_has_its_ground() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if new.basis = 'consent' and not exists (
       select 1 from consent c join data_item i on i.consent_item = c.item_code
       where c.id = new.consent_id and i.code = new.item_code and c.firm_id = new.firm_id and c.receiver_org_id = new.org_id
         and c.state = 'ACTIVE' and c.valid_until > new.at and (c.purpose <> 'case' or c.case_id = new.case_id)) then
    raise exception 'a look that its consent does not cover'
      using errcode = 'check_violation', constraint = 'ck_evidence_look_covered';
  end if;
  if new.basis = 'public_record' and exists (select 1 from data_item i where i.code = new.item_code and i.consent_needed) then
    raise exception 'a look at what needs a consent' using errcode = 'check_violation', constraint = 'ck_evidence_look_public';
  end if;
  return new;
end $$;
create trigger look_has_its_ground before insert on evidence_look for each row execute function hq_look_has_its_ground();
"""

READABLE = """
-- The case in which the running identity looks, named by the look itself; a consent for a case is worth nothing elsewhere.
create function hq_case() returns uuid language sql stable parallel safe as
  $$ select nullif(current_setting('hq.case', true), '')::uuid $$;

create or replace function hq_readable_firms(item text) returns setof bigint
  language sql stable security definer set search_path = public as
  $$ select e.firm_no from enterprise e where e.id = hq_org() and e.state = 'verified'
     union
     select e.firm_no
     from data_item i
       join consent c on not i.consent_needed
         or (c.item_code = i.consent_item and (c.purpose <> 'case' or c.case_id = hq_case()))
       join enterprise e on e.id = c.firm_id
     where i.code = $1 and hq_kind() = 'bank' and c.receiver_org_id = hq_org() and c.state = 'ACTIVE'
       and c.valid_until > now() and e.state = 'verified'
     union
     select e.firm_no from data_item i, case_party p join case_file f on f.id = p.case_id
       join enterprise e on e.id = f.subject_org_id
     where i.code = $1 and not i.consent_needed and hq_kind() = 'bank' and p.org_id = hq_org() and e.state = 'verified'
       and (f.kind <> 'offline' or exists (select 1 from loan_recognition r where r.case_id = f.id and r.recognised)) $$;

-- A profile stands beside the need it was consented for, in a list of many needs: here a consent for any purpose counts;
-- opening the profile is a look, and that asks for the purpose.
create or replace function hq_profile_firms() returns setof uuid
  language sql stable security definer set search_path = public as
  $$ select e.id from enterprise e where e.id = hq_org() and e.state = 'verified'
     union
     select e.id from consent c join enterprise e on e.id = c.firm_id
     where hq_kind() = 'bank' and c.receiver_org_id = hq_org() and c.item_code = 'invoices' and c.state = 'ACTIVE'
       and c.valid_until > now() and e.state = 'verified' $$;

-- A firm's meters and since when, for whoever may read what they counted: a bank needs no consent of its own for the links.
create function hq_meters_of_firm(item text, firm bigint)
  returns table (meter_no bigint, account_no text, valid_from date, valid_to date)
  language sql stable security definer set search_path = public as
  $$ select l.meter_no, m.account_no, l.valid_from, l.valid_to
     from meter_link l join meter m on m.meter_no = l.meter_no
     where l.current and l.firm_no = $2 and (hq_kind() = 'system' or $2 in (select hq_readable_firms($1))) $$;

-- The number of a case, for its firm and for a bank that a consent let in for it.
create function hq_consent_case_number(case_id uuid) returns text
  language sql stable security definer set search_path = public as
  $$ select f.number from case_file f where f.id = $1 and (f.subject_org_id = hq_org() or exists (
       select 1 from consent c where c.case_id = $1 and c.receiver_org_id = hq_org())
       or exists (select 1 from evidence_look l where l.case_id = $1 and l.org_id = hq_org() and l.result = 'shown')) $$;
"""

FIRM_TABLES = {
    "registration": "registration", "registration_changes": "registration_change", "annual_reports": "annual_report",
    "qualifications": "qualification", "penalties": "penalty", "justice": "court_case", "dishonesty": "dishonesty_entry",
    "tax": "tax_filing", "tax_grades": "tax_grade", "tax_ledger": "tax_ledger_line", "invoices": "invoice_line",
    "social_insurance": "social_insurance_month", "housing_fund": "housing_fund_month", "customs": "customs_month",
    "cash_flow": "cash_flow_month", "ip": "ip_right", "meter_links": "meter_link",
}
METER_TABLES = {
    "electricity": ("electricity_month", "period"), "electricity_daily": ("electricity_day", "day"),
    "water": ("water_month", "period"), "gas": ("gas_month", "period"),
}

PERSONAL_TEXT = (
    "本人系个体工商户经营者，已单独阅读并同意：为【%(purpose)s】，本平台可查询本人经营户名下属于个人信息的【%(items)s】，"
    "并提供给【%(receivers)s】（接收方联系方式见其在本平台的机构页），用于融资审核与匹配，有效期自签署起【%(days)s】日。"
    "特别提示：其中可能包括纳税数额、水电气用量与缴费、司法与资金往来等信息。提供后，接收方可能据此降低授信额度、提高利率或拒绝贷款，"
    "也可能由此了解您的收入、作息和经营困难；如果您不愿意承担这些后果，请不要签署。"
    "本人可随时在“我的授权”中撤回，撤回后接收方即刻不能再查询；不签署这一份，不影响其他资料的授权，也不影响使用平台的其他服务。"
)
"""征信业管理条例 art. 14 (possible harm is told, consent in writing); 个人信息保护法 art. 23 (each receiver), 29 (sensitive)."""


def upgrade() -> None:
    run(TEXTS)
    run(CONSENT)
    run(LOOK)
    run(READABLE)
    run(_sources())
    texts = sa.table("consent_text", sa.column("version"), sa.column("body"), sa.column("sha256"),
                     sa.column("valid_from", sa.Date), sa.column("kind"))
    op.bulk_insert(texts, [{
        "version": "2026-P1", "body": PERSONAL_TEXT, "sha256": hashlib.sha256(PERSONAL_TEXT.encode()).digest(),
        "valid_from": date(2026, 1, 1), "kind": "personal",
    }])


def _sources() -> str:
    """Which deliveries a firm's evidence came from, for whoever may read it: now for every item, each in its own table."""
    branches = [
        f"when '{item}' then (select array_agg(distinct f.delivery_no) from {table} f where f.firm_no = $2)"
        for item, table in FIRM_TABLES.items()
    ] + [
        f"when '{item}' then (select array_agg(distinct f.delivery_no) from {table} f join meter_link l "
        f"on l.meter_no = f.meter_no and l.current and l.valid_from <= f.{at} and (l.valid_to is null or l.valid_to >= f.{at}) "
        "where l.firm_no = $2)"
        for item, (table, at) in METER_TABLES.items()
    ]
    return (
        "create or replace function hq_sources_of_firm(item text, firm bigint)\n"
        "  returns table (number bigint, provider_org_id uuid, source_label text, synthetic boolean, finished_at timestamptz)\n"
        "  language sql stable security definer set search_path = public as\n"
        "  $$ select d.number, d.provider_org_id, d.source_label, d.synthetic, d.finished_at from delivery d\n"
        "     where (hq_kind() = 'system' or $2 in (select hq_readable_firms($1)))\n"
        "       and d.number = any (case $1 " + "\n       ".join(branches) + " end) $$;"
    )
