"""A refusal and a question answer an invitation as a bid does: whoever gave one is reminded no more."""

from migrations.tools import run

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

REMIND = """
create or replace function hq_remind_invited() returns setof uuid language plpgsql security definer set search_path = public as $$
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
        select 1 from bid b where b.need_id = due.need_id and b.org_id = due.org_id and b.submitted_at is not null)
      or exists (select 1 from need_refusal r where r.need_id = due.need_id and r.org_id = due.org_id)
      or exists (select 1 from question q join question_asker k on k.question_id = q.id
        where q.need_id = due.need_id and k.org_id = due.org_id);
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
"""


def upgrade() -> None:
    run(REMIND)
