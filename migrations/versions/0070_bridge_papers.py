"""Papers of a bridge with frozen data and numbers without gaps; a fee list that no bill and no booking leaves."""

from migrations.tools import SYSTEM, append_only, grant, guard, run

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None

LIST = """
create table bridge_fee_kind (
  code text constraint pk_bridge_fee_kind primary key,
  ceiling numeric(9, 6) not null,
  basis text not null
);
insert into bridge_fee_kind (code, ceiling, basis) values
  ('DAYS', 0.000660, '原行转贷综合成本每天约 0.066%'),
  ('ONE_OFF', 0.006000, '跨行转贷一次性 0.6%'),
  ('SAME_DAY', 0, '放款当日归还按 0 天计');
"""

PAPERS = """
create table bridge_paper (
  id uuid constraint pk_bridge_paper primary key,
  bridge_id uuid not null constraint fk_bridge_paper_bridge_id references bridge,
  case_id uuid not null constraint fk_bridge_paper_case_id references case_file,
  kind text not null constraint ck_bridge_paper_kind
    check (kind in ('AGREEMENT', 'BILL', 'CANCELLATION', 'INVOICE', 'RECEIPT')),
  org_id uuid not null constraint fk_bridge_paper_org_id references organisation,
  firm_id uuid not null constraint fk_bridge_paper_firm_id references enterprise,
  bank_org_id uuid not null constraint fk_bridge_paper_bank_org_id references organisation,
  year bigint not null,
  serial bigint not null,
  total_fen bigint,
  data jsonb not null,
  digest bytea not null constraint ck_bridge_paper_digest check (length(digest) = 32),
  voucher_no text,
  cancels_id uuid constraint fk_bridge_paper_cancels_id references bridge_paper constraint uq_bridge_paper_cancels_id unique,
  issued_at timestamptz not null,
  issued_by uuid constraint fk_bridge_paper_issued_by references person,
  constraint uq_bridge_paper_serial unique (org_id, kind, year, serial),
  constraint ck_bridge_paper_total check ((kind in ('AGREEMENT', 'CANCELLATION')) = (total_fen is null) and total_fen >= 0),
  constraint ck_bridge_paper_cancels check ((kind = 'CANCELLATION') = (cancels_id is not null)),
  constraint ck_bridge_paper_voucher check ((kind = 'RECEIPT') = (voucher_no is not null) and length(voucher_no) between 1 and 80)
);
create unique index uq_bridge_paper_once on bridge_paper (bridge_id, kind) where kind in ('AGREEMENT', 'INVOICE', 'RECEIPT');
create unique index uq_bridge_paper_voucher on bridge_paper (org_id, voucher_no) where kind = 'RECEIPT';
create index ix_bridge_paper_bridge_id on bridge_paper (bridge_id);

create table bridge_bill_line (
  id uuid constraint pk_bridge_bill_line primary key,
  paper_id uuid not null constraint fk_bridge_bill_line_paper_id references bridge_paper,
  part bigint not null constraint ck_bridge_bill_line_part check (part > 0),
  hop_id uuid not null constraint fk_bridge_bill_line_hop_id references bridge_hop,
  fee_kind text not null constraint fk_bridge_bill_line_fee_kind references bridge_fee_kind,
  principal_fen bigint not null constraint ck_bridge_bill_line_principal check (principal_fen > 0),
  days bigint not null constraint ck_bridge_bill_line_days check (days >= 0 and (days = 0) = (fee_kind = 'SAME_DAY')),
  rate numeric(9, 6) not null constraint ck_bridge_bill_line_rate check (rate >= 0),
  exact_fen numeric generated always as
    (case fee_kind when 'DAYS' then principal_fen * rate * days when 'ONE_OFF' then principal_fen * rate else 0 end) stored
);
create index ix_bridge_bill_line_paper_id on bridge_bill_line (paper_id, part);

create function hq_live_bill(bridge uuid) returns bridge_paper
  language sql stable security definer set search_path = public as
  $$ select p from bridge_paper p where p.bridge_id = $1 and p.kind = 'BILL'
     and not exists (select 1 from bridge_paper c where c.cancels_id = p.id) $$;

-- A paper is of its bridge's parties, under the own name, with the next number of its funder, kind and year.
create function hq_bridge_paper_number() returns trigger
  language plpgsql security definer set search_path = public as $$
declare b bridge; bill bridge_paper;
begin
  select * into b from bridge where id = new.bridge_id;
  bill := hq_live_bill(new.bridge_id);
  if (new.case_id, new.org_id, new.firm_id, new.bank_org_id)
       is distinct from (b.case_id, b.funder_org_id, b.firm_id, b.new_bank_org_id)
     or new.issued_by is distinct from hq_actor()
     or (new.kind = 'BILL' and bill.id is not null)
     or (new.kind = 'CANCELLATION' and new.cancels_id is distinct from bill.id)
     or (new.kind = 'CANCELLATION' and b.state = 'SETTLED')
     or (new.kind in ('INVOICE', 'RECEIPT') and new.total_fen is distinct from bill.total_fen) then
    raise exception 'a paper of a bridge names its own parties and its own bill'
      using errcode = 'check_violation', constraint = 'ck_bridge_paper_parties';
  end if;
  new.year := extract(year from new.issued_at at time zone 'Asia/Shanghai');
  perform pg_advisory_xact_lock(hashtext('bridge_paper:' || new.org_id || new.kind), new.year::int);
  select coalesce(max(serial), 0) + 1 into new.serial from bridge_paper p
    where p.org_id = new.org_id and p.kind = new.kind and p.year = new.year;
  return new;
end $$;
create trigger bridge_paper_number before insert on bridge_paper for each row execute function hq_bridge_paper_number();

create function hq_bill_line_listed() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if new.rate > (select ceiling from bridge_fee_kind where code = new.fee_kind)
     or not exists (select 1 from bridge_paper p where p.id = new.paper_id and p.kind = 'BILL') then
    raise exception 'a fee above its ceiling' using errcode = 'check_violation', constraint = 'ck_bridge_bill_line_ceiling';
  end if;
  return new;
end $$;
create trigger bridge_bill_line_listed before insert on bridge_bill_line for each row execute function hq_bill_line_listed();

-- A bill charges every return that stands for its days, once, and adds up.
create function hq_bill_adds_up() returns trigger
  language plpgsql security definer set search_path = public as $$
declare bill bridge_paper; wrong boolean; total bigint;
begin
  select * into bill from bridge_paper where id = (to_jsonb(new) ->> tg_argv[0])::uuid;
  if bill.kind <> 'BILL' then
    return null;
  end if;
  select exists (
    select 1 from (
      select h.id, h.amount_fen, h.on_day - b.paid_on as used from bridge_hop h join bridge b on b.id = h.bridge_id
      where h.bridge_id = bill.bridge_id and h.from_account in ('REPAYMENT', 'RENEWAL') and h.corrects_id is null
        and not exists (select 1 from bridge_hop c where c.corrects_id = h.id)) back
    full join (
      select hop_id, count(distinct part) as parts, min(principal_fen) as least, max(principal_fen) as most, sum(days) as days
      from bridge_bill_line where paper_id = bill.id group by hop_id) charged on charged.hop_id = back.id
    where back.id is null or charged.hop_id is null or charged.parts <> 1 or charged.least <> back.amount_fen
      or charged.most <> back.amount_fen or charged.days <> back.used) into wrong;
  select coalesce(sum(part_fen), 0) into total from (
    select round(sum(exact_fen)) as part_fen from bridge_bill_line where paper_id = bill.id group by part) parts;
  if wrong or total <> bill.total_fen then
    raise exception 'a bill charges each return for its days and adds up'
      using errcode = 'check_violation', constraint = 'ck_bridge_bill_adds_up';
  end if;
  return null;
end $$;
create constraint trigger bridge_paper_adds_up after insert on bridge_paper deferrable initially deferred
  for each row execute function hq_bill_adds_up('id');
create constraint trigger bridge_bill_line_adds_up after insert on bridge_bill_line deferrable initially deferred
  for each row execute function hq_bill_adds_up('paper_id');

create function hq_fee_billed() returns trigger
  language plpgsql security definer set search_path = public as $$
begin
  if new.state = 'SETTLED' and old.state <> 'SETTLED'
     and new.fee_fen is distinct from (hq_live_bill(new.id)).total_fen then
    raise exception 'the fee is what the bill says' using errcode = 'check_violation', constraint = 'ck_bridge_fee_billed';
  end if;
  return new;
end $$;
-- Named to fire after bridge_settles_empty.
create trigger bridge_settles_fee before update on bridge for each row execute function hq_fee_billed();

-- No fee is booked but the one that was billed.
create function hq_fee_transfer() returns trigger
  language plpgsql security definer set search_path = public as $$
declare code text; bill bridge_paper;
begin
  select a.code into code from ledger_account a where a.id = new.credit_account_id and a.kind = 'bridge_fee';
  if code is null then
    return new;
  end if;
  if new.reference ~ '^bridge:[0-9a-f-]{36}[:]fee$' then
    bill := hq_live_bill(substr(new.reference, 8, 36)::uuid);
  end if;
  if bill.id is null or bill.total_fen <> new.amount_fen
     or code is distinct from (select 'fund-fee:' || b.fund_id from bridge b where b.id = bill.bridge_id) then
    raise exception 'a fee that nobody billed' using errcode = 'check_violation', constraint = 'ck_bridge_fee_billed';
  end if;
  return new;
end $$;
create trigger ledger_transfer_fee before insert on ledger_transfer for each row execute function hq_fee_transfer();
"""

CITY = f"hq_kind() in ('bridge_centre', 'bureau') or {SYSTEM}"


def upgrade() -> None:
    run(LIST)
    grant("bridge_fee_kind", "select")
    guard("bridge_fee_kind", see=f"{SYSTEM} or hq_org() is not null", write="false")
    run(PAPERS)
    append_only("bridge_paper")
    # The agreement is for its three parties alone; what it costs is for the payer, the payee and who watches over it.
    guard("bridge_paper", see=f"{SYSTEM} or firm_id = hq_org() or org_id = hq_org() or (kind = 'AGREEMENT' and "
                              f"bank_org_id = hq_org()) or (kind <> 'AGREEMENT' and ({CITY}))",
          write=f"{SYSTEM} or (kind = 'AGREEMENT' and firm_id = hq_org()) "
                "or (kind <> 'AGREEMENT' and hq_kind() = 'bridge_centre')")
    append_only("bridge_bill_line")
    guard("bridge_bill_line", see="exists (select 1 from bridge_paper p where p.id = paper_id)",
          write=f"{SYSTEM} or hq_kind() = 'bridge_centre'")
