"""What banks did, written after opening, and how each stands by it; whom a need is sent to, and who is asked next."""

from migrations.tools import APP, OWN, SYSTEM, append_only, grant, guard, run

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

RECORDS = """
create table bank_record (
  id uuid constraint pk_bank_record primary key,
  org_id uuid not null constraint fk_bank_record_org_id references organisation,
  need_id uuid not null constraint fk_bank_record_need_id references need,
  kind text not null constraint ck_bank_record_kind
    check (kind in ('INVITED', 'ANSWERED', 'BID', 'CHOSEN', 'KEPT', 'BROKEN', 'EXCUSED')),
  at timestamptz not null,
  minutes bigint constraint ck_bank_record_minutes check (minutes >= 0),
  amount_fen bigint,
  all_in_rate numeric(9, 6),
  constraint uq_bank_record unique (org_id, need_id, kind)
);
create index ix_bank_record_at on bank_record (at);
-- Nothing of a bank is counted while the envelope of the need is closed.
create function hq_bank_record_gate() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if not exists (select 1 from need n join seal s on s.id = n.seal_id where n.id = new.need_id and s.opened_at is not null) then
    raise exception 'counted after opening' using errcode = 'check_violation', constraint = 'ck_bank_record_opened';
  end if;
  return new;
end $$;
create trigger bank_record_gate before insert on bank_record for each row execute function hq_bank_record_gate();

-- A figure of too few cases is not kept, so nobody can read it here either.
create table bank_standing (
  org_id uuid not null constraint fk_bank_standing_org_id references organisation,
  as_of date not null,
  window_days bigint not null,
  invited bigint,
  answer_rate numeric(9, 6),
  offer_rate numeric(9, 6),
  answers bigint,
  median_minutes bigint,
  bids bigint,
  all_in_median numeric(9, 6),
  all_in_weighted numeric(9, 6),
  promises bigint,
  kept_rate numeric(9, 6),
  constraint pk_bank_standing primary key (org_id, as_of),
  constraint ck_bank_standing_rates
    check (answer_rate between 0 and 1 and offer_rate between 0 and 1 and kept_rate between 0 and 1)
);
"""

INVITED = """
alter table need drop constraint ck_need_distribution,
  add constraint ck_need_distribution check (distribution in ('open', 'targeted', 'assigned', 'list'));
alter table need_invitee
  add column via text not null default 'named'
    constraint ck_need_invitee_via check (via in ('named', 'assigned', 'list', 'next')),
  add column at timestamptz,
  add column target_at timestamptz,
  add column half_at timestamptz,
  add column most_at timestamptz,
  add column limit_at timestamptz,
  add column told bigint not null default 0 constraint ck_need_invitee_told check (told in (0, 50, 80, 100)),
  add constraint ck_need_invitee_times check (
    (at is null and limit_at is null)
    or (at <= half_at and half_at <= most_at and most_at <= limit_at and target_at <= limit_at));
create index ix_need_invitee_due on need_invitee (half_at) where told < 100 and at is not null;
create index ix_need_invitee_asked on need_invitee (at, org_id) where via <> 'named';

-- Who answered is sealed, from the portal too. So the database itself reminds those who did not, under the seal, and tells the
-- portal no more than which needs are to be sent on because somebody who was asked did not answer in time. Every invitation
-- is marked alike, whether it was answered or not.
create function hq_remind_invited() returns setof uuid language plpgsql security definer set search_path = public as $$
declare due record; answered boolean; mark bigint; late uuid[] := '{}';
begin
  if hq_kind() is distinct from 'system' then
    return;
  end if;
  for due in
    select i.need_id, i.org_id, i.via, i.told, i.half_at, i.most_at, i.limit_at, n.seal_id, n.case_id
    from need_invitee i join need n on n.id = i.need_id
    where n.state = 'OPEN' and i.told < 100 and i.at is not null
      and case i.told when 0 then i.half_at when 50 then i.most_at else i.limit_at end <= now()
    order by i.need_id, i.org_id for update of i
  loop
    mark := case when due.limit_at <= now() then 100 when due.most_at <= now() then 80 else 50 end;
    update need_invitee set told = mark where need_id = due.need_id and org_id = due.org_id;
    answered := exists (
      select 1 from bid b where b.need_id = due.need_id and b.org_id = due.org_id and b.submitted_at is not null);
    if not answered then
      insert into notice (id, org_id, message, params, path, case_id, seal_id, at)
        values (gen_random_uuid(), due.org_id,
                case mark when 100 then '发给贵行的需求已到首次答复的时限，仍可在报价截止前报价。'
                  when 80 then '发给贵行的需求，首次答复的时限已用去八成，请尽快报价。'
                  else '发给贵行的需求，首次答复的时限已用去一半，请及时报价。' end,
                '{}', '/queue/' || due.need_id, due.case_id, due.seal_id, now());
      if mark = 100 and due.via <> 'named' then
        late := late || due.need_id;
      end if;
    end if;
  end loop;
  return query select distinct unnest(late);
end $$;
revoke execute on function hq_remind_invited() from public;
"""


def upgrade() -> None:
    run(RECORDS)
    append_only("bank_record")
    guard("bank_record", see=f"{OWN} or hq_kind() = 'bureau' or {SYSTEM}", write=SYSTEM)
    append_only("bank_standing")
    guard("bank_standing", see="hq_kind() is not null", write=SYSTEM)
    run(INVITED)
    run(f"grant execute on function hq_remind_invited() to {APP}")
    run("drop policy write on need_invitee")
    run(f"create policy write on need_invitee for insert to {APP} "
        f"with check ({SYSTEM} or (via = 'named' and hq_need_is_ours(need_id)))")
    grant("need_invitee", "update (at, target_at, half_at, most_at, limit_at)")
    run(f"create policy change on need_invitee for update to {APP} using ({SYSTEM}) with check ({SYSTEM})")
