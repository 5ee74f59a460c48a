"""Papers go with a need, chosen before it is submitted, and are read by the banks that the firm lets know it."""

from migrations.tools import APP, OWN, grant, guard, run

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

PAPERS = ("'LICENCE', 'STATEMENTS', 'TAX_RETURN', 'CONTRACT', 'RECEIVABLE', 'IP_CERTIFICATE', 'PROPERTY_DEED', 'GUARANTOR_ID', "
          "'PAYROLL', 'OTHER'")
MOST = 20

TABLE = f"""
create table need_paper (
  paper_id uuid constraint pk_need_paper primary key constraint fk_need_paper_paper_id references paper,
  need_id uuid not null constraint fk_need_paper_need_id references need,
  org_id uuid not null constraint fk_need_paper_org_id references enterprise,
  kind text not null constraint ck_need_paper_kind check (kind in ({PAPERS})),
  added_at timestamptz not null
);
create index ix_need_paper_need_id on need_paper (need_id, kind);

-- What goes with a need is settled when it is submitted, and again when the desk has returned it.
create function hq_need_paper_gate() returns trigger language plpgsql security definer set search_path = public as $$
declare
  need_of uuid := coalesce(new.need_id, old.need_id);
begin
  if not exists (select 1 from need n where n.id = need_of and n.state in ('DRAFT', 'RETURNED')
                 and n.org_id = coalesce(new.org_id, old.org_id) for no key update) then
    raise exception 'papers are chosen before submitting' using errcode = 'check_violation', constraint = 'ck_need_paper_draft';
  end if;
  if tg_op = 'INSERT' and ((select count(*) from need_paper p where p.need_id = need_of) >= {MOST} or not exists (
       select 1 from paper f where f.id = new.paper_id and f.org_id = new.org_id and f.subject_type = 'need'
         and f.subject_id = need_of)) then
    raise exception 'as many papers as a need has' using errcode = 'check_violation', constraint = 'ck_need_paper_count';
  end if;
  return coalesce(new, old);
end $$;
create trigger need_paper_gate before insert or delete on need_paper for each row execute function hq_need_paper_gate();

-- Papers tell who the firm is. So a bank reads them where the firm named it for this need, or lets it know its name by a consent
-- in force, and the need lies before it; and a party of the case.
create function hq_need_papers(need uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select hq_kind() = 'bank' and exists (
       select 1 from need n where n.id = $1 and n.state not in ('DRAFT', 'CHECKING', 'RETURNED') and (
         hq_case_party(n.case_id)
         or (((n.state = 'OPEN' and (n.distribution = 'open' or hq_need_invited(n.id))) or hq_need_bid_on(n.id)) and (
           exists (select 1 from need_invitee i where i.need_id = n.id and i.org_id = hq_org() and i.via = 'named')
           or exists (select 1 from consent c where c.firm_id = n.org_id and c.receiver_org_id = hq_org() and c.state = 'ACTIVE'
                      and c.valid_until > now()))))) $$;
"""


def upgrade() -> None:
    run(TABLE)
    grant("need_paper", "select, insert, delete")
    own_firm = f"{OWN} and hq_kind() = 'enterprise'"
    guard("need_paper", see=f"({own_firm}) or hq_need_papers(need_id)", write=own_firm, remove=own_firm)
    run(f"create policy proved on need_paper as restrictive for select to {APP} using ((select hq_proved()))")
    run(f"create policy needed on paper for select to {APP} using (subject_type = 'need' and exists (select 1 from need_paper p "
        "where p.paper_id = paper.id))")
