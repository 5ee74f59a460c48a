"""A firm may take several banks together: parts of its amount, each with its own standstill, contract and promise."""

from migrations.tools import APP, run

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

TERMS = ("{0}.amount_fen, {0}.term_months, {0}.purpose_kind, {0}.purpose_text, {0}.product_kind, {0}.repayment, {0}.first_loan, "
         "{0}.allows_parts")

COLUMNS = """
alter table need add column allows_parts boolean not null default false;
alter table bid
  add column min_part_fen bigint,
  add column part_fees text,
  add constraint ck_bid_part check (min_part_fen between 1 and amount_fen),
  add constraint ck_bid_part_fees check ((min_part_fen is null) = (part_fees is null) and part_fees in ('SAME', 'SCALED'));
alter table award add column part boolean not null default false;

-- One promise a decision and a bid; one decision a need, but where the firm takes parts.
drop index uq_award_live;
create unique index uq_award_live on award (need_id) where state <> 'FALLEN' and not part;
create index ix_award_need_id on award (need_id);
drop index uq_choice_live;
create unique index uq_choice_live on choice (award_id) where state <> 'CANCELLED';
create unique index uq_choice_bid on choice (bid_id) where state <> 'CANCELLED';
create index ix_choice_need_id on choice (need_id);
"""

NEEDS = f"""
-- As in 0042, and whether parts will do is a term like the others.
create or replace function hq_need_frozen() returns trigger language plpgsql security definer set search_path = public as $$
declare
  terms_changed boolean := ({TERMS.format("old")}) is distinct from ({TERMS.format("new")});
  corrected boolean := old.state = 'OPEN' and new.state = 'OPEN' and new.version = old.version + 1;
begin
  if (old.org_id, old.case_id, old.seal_id) is distinct from (new.org_id, new.case_id, new.seal_id)
     or (old.published_at is not null and old.published_at is distinct from new.published_at)
     or (old.state <> 'RETURNED' and old.distribution is distinct from new.distribution)
     or (old.state <> 'RETURNED' and not corrected and (terms_changed or old.exposure is distinct from new.exposure))
     or (old.version <> new.version and not (corrected and terms_changed)) then
    raise exception 'a published need does not change' using errcode = 'check_violation', constraint = 'ck_need_frozen';
  end if;
  if corrected then
    if btrim(new.corrected_reason) = '' or new.corrected_at is null then
      raise exception 'a correction tells why' using errcode = 'check_violation', constraint = 'ck_need_corrected';
    end if;
    insert into need_version (need_id, version, org_id, facts, reason, at, made_by)
      values (old.id, old.version, old.org_id,
              jsonb_build_object('amount_fen', old.amount_fen, 'term_months', old.term_months, 'purpose_kind', old.purpose_kind,
                'purpose_text', old.purpose_text, 'product_kind', old.product_kind, 'repayment', old.repayment,
                'first_loan', old.first_loan, 'allows_parts', old.allows_parts),
              new.corrected_reason, now(), hq_actor());
  end if;
  return new;
end $$;
drop trigger need_corrected on need;
create trigger need_corrected after update on need for each row
  when (old.state = 'OPEN' and new.state = 'OPEN'
        and (old.amount_fen, old.term_months, old.purpose_kind, old.purpose_text, old.product_kind, old.repayment,
             old.allows_parts)
            is distinct from
            (new.amount_fen, new.term_months, new.purpose_kind, new.purpose_text, new.product_kind, new.repayment,
             new.allows_parts))
  execute function hq_need_corrected();

-- A need does not end without a loan while a promise on it stands.
create function hq_need_parts_stand() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if exists (select 1 from choice c where c.need_id = new.id and c.state <> 'CANCELLED') then
    raise exception 'a promise stands' using errcode = 'check_violation', constraint = 'ck_need_parts_stand';
  end if;
  return new;
end $$;
create trigger need_parts_stand before update of state on need for each row
  when (old.state in ('CLOSED', 'CHOSEN') and new.state in ('LAPSED', 'WITHDRAWN')) execute function hq_need_parts_stand();
"""

BIDS = """
-- A bid offers a part only where the firm takes parts and its product is lent in parts, and none below what the product says.
create function hq_bid_parts() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if not exists (select 1 from need n join product_version v on (v.product_id, v.version) = (new.product_id, new.product_version)
                 where n.id = new.need_id and n.allows_parts and (v.facts->>'part_min_fen')::bigint <= new.min_part_fen) then
    raise exception 'no part is wanted or lent' using errcode = 'check_violation', constraint = 'ck_bid_parts_allowed';
  end if;
  return new;
end $$;
create trigger bid_parts before update of state on bid for each row
  when (old.state = 'DRAFT' and new.state in ('PROPOSED', 'SUBMITTED') and new.min_part_fen is not null)
  execute function hq_bid_parts();
"""

GATES = """
create or replace function hq_award_gate() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'STANDSTILL' or not exists (
         select 1 from need n where (n.id, n.org_id, n.case_id, n.allows_parts)
                                    = (new.need_id, new.org_id, new.case_id, new.part)) then
      raise exception 'an award stands still first' using errcode = 'check_violation', constraint = 'ck_award_standstill';
    end if;
    return new;
  end if;
  if (old.need_id, old.org_id, old.case_id, old.amount_fen, old.part, old.made_at, old.made_by)
     is distinct from (new.need_id, new.org_id, new.case_id, new.amount_fen, new.part, new.made_at, new.made_by) then
    raise exception 'a decision is not rewritten' using errcode = 'check_violation', constraint = 'ck_award_frozen';
  end if;
  if coalesce(hq_kind(), '') <> 'system' and (new.standstill_until is distinct from old.standstill_until
       or (new.state <> old.state and not (
             old.state = 'STANDSTILL' and new.state = 'FALLEN' and clock_timestamp() < old.standstill_until))) then
    raise exception 'time alone makes an award final' using errcode = 'check_violation', constraint = 'ck_award_standstill';
  end if;
  if new.state = 'FINAL' and old.state = 'STANDSTILL' then
    if clock_timestamp() < new.standstill_until then
      raise exception 'it stands still' using errcode = 'check_violation', constraint = 'ck_award_standstill';
    end if;
    if exists (select 1 from objection o where o.award_id = new.id and o.state = 'OPEN') then
      raise exception 'an objection is open' using errcode = 'check_violation', constraint = 'ck_award_objection';
    end if;
  end if;
  return new;
end $$;

-- A whole bid, or a part of one that is offered in parts.
create function hq_choice_part() returns trigger language plpgsql security definer set search_path = public as $$
begin
  if not exists (select 1 from bid b join award a on a.id = new.award_id
                 where b.id = new.bid_id and (b.amount_fen = new.amount_fen
                       or (a.part and new.amount_fen between b.min_part_fen and b.amount_fen))) then
    raise exception 'the bid is not offered so' using errcode = 'check_violation', constraint = 'ck_choice_part';
  end if;
  return new;
end $$;
create trigger choice_part before insert on choice for each row execute function hq_choice_part();

-- Together the promises never exceed what the firm asked for. The need is locked first, so that two decisions at once are
-- counted one after the other.
create function hq_choice_sum() returns trigger language plpgsql security definer set search_path = public as $$
declare wanted bigint; held bigint;
begin
  select n.amount_fen into wanted from need n where n.id = new.need_id for update;
  select sum(c.amount_fen) into held from choice c where c.need_id = new.need_id and c.state <> 'CANCELLED';
  if held > wanted then
    raise exception 'more than the firm asked for' using errcode = 'check_violation', constraint = 'ck_choice_sum';
  end if;
  return null;
end $$;
create trigger choice_sum after insert on choice for each row execute function hq_choice_sum();
"""

SIGHT = """
-- Banks that lend to one firm together share its case, not the steps of each other's loans nor the papers of their claims.
create function hq_other_banks_own(kind text, subject uuid) returns boolean
  language sql stable security definer set search_path = public as
  $$ select case kind
       when 'loan' then exists (select 1 from loan l where l.id = $2 and l.org_id is distinct from hq_org())
       when 'choice' then exists (select 1 from choice c where c.id = $2 and c.bank_org_id is distinct from hq_org())
       when 'award' then exists (select 1 from choice c where c.award_id = $2 and c.bank_org_id is distinct from hq_org())
       when 'booking' then exists (select 1 from booking b where b.id = $2 and b.org_id is distinct from hq_org())
       when 'claim' then exists (select 1 from claim c where c.id = $2 and c.org_id is distinct from hq_org())
       else false end $$;
"""


def upgrade() -> None:
    for part in (COLUMNS, NEEDS, BIDS, GATES, SIGHT):
        run(part)
    for table in ("transition", "paper"):
        run(f"create policy co_lenders on {table} as restrictive for select to {APP} using ((select hq_kind()) is distinct from "
            "'bank' or subject_type not in ('loan', 'choice', 'award', 'booking', 'claim') "
            "or not hq_other_banks_own(subject_type, subject_id))")
