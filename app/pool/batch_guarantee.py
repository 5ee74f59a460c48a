"""Rows of a guarantor's file: contracts that banks have stated, confirmed and booked in 政担 by the rules of the single one.

A row must say what the bank stated; what it says otherwise is refused with both words. A contract that no bank has stated yet
waits for the bank, whose statement then books the loan as of the day that the file came.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import select, text

from app.core import uscc
from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.core.errors import N_
from app.core.formats import money_text, rate_text
from app.core.notices import notify
from app.core.permissions import Role
from app.core.queries import organisation_names
from app.evidence.copying import copy_in
from app.loans.states import LoanState
from app.pool.batch_booking import Ending, raw_rows, same_cells
from app.pool.batch_rules import BatchReason as Why
from app.pool.batch_rules import late_reason
from app.pool.batch_write import Editions, Made, Sender, write
from app.pool.borrowers import Borrowed, booked_before
from app.pool.guarantee_models import STANDING, Guarantee
from app.pool.judging import LIVE, Evidence, facts_of, is_late, judged_on, snapshot_of
from app.pool.owner_models import FirmOwner
from app.pool.records import check_rows
from app.pool.rules import Mode, RuleSet, eligibility, is_eligible
from app.pool.service import owner_facts
from app.pool.states import BookingState

SHARE_STEP = Decimal("0.00001")
"""How exact a share of a file is: three decimals of a per cent."""
_NUMBERS = "create temp table if not exists batch_guarantees (row_no bigint, contract_no text, note_no text) on commit drop"
_FOUND = text("""
select n.row_no, g.id as contract_id, b.id as booking_id, b.mode as booked_mode, b.contract_id as booked_contract_id,
  l.id, l.case_id, l.org_id, l.firm_id, l.number, l.state, l.contract_no, l.note_no, l.principal_fen, l.drawn_on, l.due_on,
  l.annual_rate, l.term_months, l.method, l.purpose, l.origin, l.renewed_from_id, e.uscc, e.form, e.size_class, e.sized_at,
  e.industry_code, e.district, coalesce((select max(v.version) from booking v where v.loan_id = l.id), 0) as version
from batch_guarantees n
join guarantee_contract g on g.guarantor_id = :org and g.contract_no = n.contract_no and g.facts ->> 'note_no' = n.note_no
  and g.state in ('STATED', 'CONFIRMED')
join loan l on l.id = g.loan_id join enterprise e on e.id = l.firm_id
left join booking b on b.loan_id = l.id and b.state = any(:live)
""")
_WAITING = text("""
select n.row_no, w.raw from batch_guarantees n
join pool_batch_row w on w.org_id = :org and w.note_no = n.note_no and w.ending = 'waiting' and w.settled_at is null
join pool_batch f on f.id = w.batch_id and f.kind = 'guarantee'
where w.batch_id <> :batch and w.params ->> 'contract' = n.contract_no
""")
_CONFIRM_STEPS = text("""
insert into transition (id, subject_type, subject_id, case_id, event, source, target, at, actor_id, actor_role, org_id, shared)
select gen_random_uuid(), 'guarantee_contract', g.id, g.case_id, 'confirm', 'STATED', 'CONFIRMED', :at, :actor, :role, :org, false
from booked_rows r join guarantee_contract g on g.id = r.contract_id::uuid where g.state = 'STATED'
""")
_CONFIRM = text("""
update guarantee_contract g set state = 'CONFIRMED', decided_by = :actor, decided_at = :at, batch_id = :batch
from booked_rows r where g.id = r.contract_id::uuid and g.state = 'STATED'
""")
_JOIN = text("""
insert into case_party (case_id, org_id, since) select distinct case_id::uuid, :org, :at from booked_rows on conflict do nothing
""")


@dataclass
class GuaranteeTaker:
    """Takes the rows of one guarantor's file, piece by piece."""

    ctx: Context
    sender: Sender
    seen: dict[tuple[str, str], int] = field(default_factory=dict)
    """Contract and note → the row of the file that had them first."""
    late: bool = False
    """Whether rows are taken that waited since the file was: what the file booked then stands beside them."""
    taken: Borrowed = field(default_factory=Borrowed)
    """What borrowers got booked from this file so far."""
    before: Borrowed = field(default_factory=Borrowed)
    """What the borrowers of the piece had before."""
    booked: Counter[UUID] = field(default_factory=Counter)
    """Bank → loans of it that the file booked."""
    editions: Editions = field(default_factory=Editions)

    def take(self, rows: pl.DataFrame, raw: pl.DataFrame, *, released: bool) -> list[Ending]:
        """Endings of all rows; with ``released`` the contracts are confirmed and the loans booked."""
        found, contracts, waits, owners = self._around(rows, released)
        self.before = self._booked_before(found, owners)
        raws = raw_rows(raw, waits) if waits else {}
        endings, made = [], []
        for row in rows.iter_rows(named=True):
            number = row["row_no"]
            first = self.seen.setdefault((row["contract_no"], row["note_no"]), number)
            if first != number:
                endings.append(Ending(number, "refused", Why.TWICE, {"value": str(first)}))
                continue
            stated = [one for one in found[number] if contracts[one.contract_id].state in STANDING]
            same = [one for one in stated if contracts[one.contract_id].facts["bank"] == row["bank"]]
            one = (same or stated or [None])[0]
            if one is None:
                endings.append(self._unstated(row, waits.get(number), raws.get(number)))
                continue
            ending, booking = self._known(row, one, contracts[one.contract_id], owners)
            endings.append(ending)
            if booking is not None:
                made.append(booking)
        if released and made:
            self._write(made)
        return endings

    def finish(self, *, released: bool) -> None:
        """Each bank is told once how many of its loans the file booked."""
        if released:
            guarantor = organisation_names({self.sender.org_id})[self.sender.org_id]
            for bank_id, count in self.booked.items():
                message = (N_("%(guarantor)s已确认一份按文件登记的担保合同并办理入库，结果请看担保合同。") if self.late else
                           N_("%(guarantor)s按文件为 %(count)s 笔贷款确认担保并办理入库，结果请看担保合同。"))
                notify(bank_id, message, path="/guarantees", guarantor=guarantor, count=count)

    def _around(
        self, rows: pl.DataFrame, lock: bool,
    ) -> tuple[dict[int, list[Any]], dict[UUID, Guarantee], dict[int, Any], dict[str, Any]]:
        """By row: contracts with their loans, and waiting rows; by id: contracts, and owners who borrowed for their firm."""
        session().execute(text(_NUMBERS))
        session().execute(text("truncate batch_guarantees"))
        copy_in("batch_guarantees", rows.select("row_no", "contract_no", "note_no"))
        session().execute(text("analyze batch_guarantees"))
        org, found = {"org": self.sender.org_id}, defaultdict(list)
        for one in session().execute(_FOUND, {**org, "live": list(LIVE)}):
            found[one.row_no].append(one)
        ids = [one.contract_id for many in found.values() for one in many]
        standing = select(Guarantee).where(Guarantee.id.in_(ids)).order_by(Guarantee.id)
        contracts = {one.id: one for one in session().scalars(standing.with_for_update() if lock else standing)} if ids else {}
        waits = {one.row_no: one.raw for one in session().execute(_WAITING, {**org, "batch": self.sender.batch_id})}
        named = {one.evidence["owner_id"] for one in contracts.values()} - {""}
        owners = {str(one.id): one for one in session().scalars(
            select(FirmOwner).where(FirmOwner.id.in_([UUID(owner) for owner in named])))} if named else {}
        return found, contracts, waits, owners

    def _unstated(self, row: dict[str, Any], waiting: Any, raw: Any) -> Ending:
        """A contract that no bank has stated: it waits for the bank."""
        number, problem = row["row_no"], uscc.validate(row["uscc"])
        if problem is not None:
            return Ending(number, "refused", Why.USCC,
                          {"value": row["uscc"][:60], "problem": problem.message, "details": problem.shown})
        if waiting is not None:
            return Ending(number, "known") if same_cells(waiting, raw) else Ending(number, "refused", Why.ALREADY_WAITING)
        return Ending(number, "waiting", Why.WAITS_BANK, {"contract": row["contract_no"]}, row["note_no"])

    def _known(
        self, row: dict[str, Any], loan: Any, contract: Guarantee, owners: dict[str, Any],
    ) -> tuple[Ending, Made | None]:
        """A contract that a bank has stated: compared, then judged as a single booking under it."""
        number = row["row_no"]
        difference = _differing(row, contract)
        if difference is not None:
            return Ending(number, "refused", Why.DIFFERS, difference), None
        if loan.booking_id is not None and loan.booked_contract_id == contract.id:
            return Ending(number, "known"), None
        if loan.state != LoanState.DRAWN:
            return Ending(number, "refused", Why.LOAN_STATE, {"state_label": LoanState(loan.state).label}), None
        chosen = self.editions.judging(loan.drawn_on)
        if chosen is None:
            return Ending(number, "refused", Why.NO_RULES), None
        return self._judged(row, loan, contract, owners.get(contract.evidence["owner_id"]), *chosen)

    def _judged(
        self, row: dict[str, Any], loan: Any, contract: Guarantee, owner: FirmOwner | None, set_id: UUID, rules: RuleSet,
    ) -> tuple[Ending, Made | None]:
        number, submitted = row["row_no"], self.sender.submitted_on
        evidence = Evidence(**{**contract.evidence, "late_reason": row["late_reason"] or ""})
        snapshot = {**snapshot_of(loan, loan, evidence, self.sender.branch_id), "guarantee": contract.terms, **owner_facts(owner)}
        late, judged = is_late(rules, loan.drawn_on, submitted), judged_on(rules, loan.drawn_on)
        if late and not evidence.late_reason.strip():
            return Ending(number, "refused", late_reason(rules), {"days": rules.booking_deadline_days}), None
        made = Made(
            loan, BookingState.SUBMITTED, evidence.product, set_id, snapshot, [], evidence.late_reason.strip() if late else None,
            submitted, judged, None, "", contract.id, owner.id if owner is not None else None)
        if late:
            return Ending(number, "waiting", Why.WAITS_BUREAU, {}, row["note_no"], loan.id), made
        made.checks = eligibility(facts_of(
            Mode.GUARANTEE, evidence.product, loan.principal_fen, snapshot, submitted, judged,
            self.editions.agreement(self.sender.org_id, loan.drawn_on), in_other_mode=loan.booking_id is not None,
            others_fen=self._others(loan, owner, rules)), rules)
        if not is_eligible(made.checks):
            failed = check_rows(one for one in made.checks if not one.passed)
            return Ending(number, "refused", Why.CHECKS, {"checks": failed}), None
        made.state = BookingState.BOOKED
        self.taken.add(loan.org_id, loan.firm_id, _person(owner), loan.principal_fen)
        return Ending(number, "done"), made

    def _booked_before(self, found: dict[int, list[Any]], owners: dict[str, Any]) -> Borrowed:
        """What the borrowers of a piece have booked; asked for only where an edition caps their sum."""
        loans = [one for many in found.values() for one in many if one.state == LoanState.DRAWN]
        editions = (self.editions.judging(day) for day in {one.drawn_on for one in loans})
        if all(edition is None or edition[1].borrower_cap_fen is None for edition in editions):
            return Borrowed()
        return booked_before({one.org_id for one in loans}, {one.firm_id for one in loans},
                             {owner.id_digest for owner in owners.values()}, None if self.late else self.sender.batch_id)

    def _others(self, loan: Any, owner: FirmOwner | None, rules: RuleSet) -> int:
        """The borrower's other live bookings at the bank (分), where the edition caps their sum."""
        if rules.borrower_cap_fen is None:
            return 0
        whose = loan.org_id, loan.firm_id, _person(owner)
        return self.before.of(*whose) + self.taken.of(*whose)

    def _write(self, made: list[Made]) -> None:
        """Contracts confirmed and loans booked set-wise; the guarantor becomes a party of their cases."""
        write(self.ctx, self.sender, made)
        values = {"at": now(), "actor": self.sender.released_by, "org": self.sender.org_id}
        session().execute(_CONFIRM_STEPS, {**values, "role": Role.GUARANTOR_REVIEWER.value})
        session().execute(_CONFIRM, {"at": values["at"], "actor": values["actor"], "batch": self.sender.batch_id})
        session().execute(_JOIN, {"at": values["at"], "org": values["org"]})
        session().expire_all()
        self.booked.update(one.loan.org_id for one in made if one.state is BookingState.BOOKED)


def _person(owner: FirmOwner | None) -> bytes | None:
    return owner.id_digest if owner is not None else None


def _differing(row: dict[str, Any], contract: Guarantee) -> dict[str, Any] | None:
    """The first cell that says otherwise than the contract as it was stated, both as they are shown."""
    facts, told = contract.facts, (row["reguarantor"] or "").strip()
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("bank", row["bank"], facts["bank"]), ("uscc", uscc.normalise(row["uscc"]), facts["uscc"]),
        ("principal", row["principal_fen"], facts["principal_fen"]),
        ("drawn_on", row["drawn_on"], date.fromisoformat(facts["drawn_on"])), ("signed_on", row["signed_on"], contract.signed_on),
        ("reguarantor", told, contract.reguarantor or ""),
    )
    for code, theirs, ours in pairs:
        if theirs != ours:
            shown = money_text if code == "principal" else str
            return {"field": code, "value": shown(theirs)[:60] or "—", "ours": shown(ours)[:60] or "—"}
    shares = (("liability_share", contract.liability_share), ("reguarantee_share", contract.reguarantee_share))
    for code, stated in shares:
        share = Decimal(row[f"{code}_milli"] or 0) / 100_000
        if abs(share - stated) >= SHARE_STEP:
            return {"field": code, "value": rate_text(share), "ours": rate_text(stated)}
    return None
