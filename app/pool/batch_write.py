"""Bookings of a file, written set-wise: the rows, one step each, the bureau as a party of the cases that are booked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import text

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import Refusal
from app.core.ids import new_id
from app.core.lifecycle import fire
from app.core.permissions import Permission, Role
from app.evidence.copying import copy_in
from app.pool.judging import agreement_on, judging_set
from app.pool.models import Agreement, Booking
from app.pool.records import check_rows
from app.pool.rules import Check, Mode, Product, RuleSet
from app.pool.states import BOOKING, BookingState

_STAGED = """
create temp table if not exists booked_rows (id text, case_id text, loan_id text, org_id text, firm_id text, version bigint,
  replaces_id text, state text, product text, note_no text, principal_fen bigint, rule_set_id text, snapshot text, checks text,
  late_reason text, submitted_on date, judged_on date, booked_on date, contract_id text, owner_id text) on commit drop
"""
_INSERT = text("""
insert into booking (id, case_id, loan_id, org_id, firm_id, version, replaces_id, state, mode, product, note_no, principal_fen,
  rule_set_id, snapshot, checks, late_reason, submitted_by, submitted_on, judged_on, booked_on, created_at, batch_id,
  guarantor_id, contract_id, owner_id)
select id::uuid, case_id::uuid, loan_id::uuid, org_id::uuid, firm_id::uuid, version, replaces_id::uuid, state, :mode, product,
  note_no, principal_fen, rule_set_id::uuid, snapshot::jsonb, checks::jsonb, late_reason, :by, submitted_on, judged_on,
  booked_on, :at, :batch, :guarantor, contract_id::uuid, owner_id::uuid
from booked_rows
""")
_STEPS = text("""
insert into transition (id, subject_type, subject_id, case_id, event, source, target, at, actor_id, actor_role, org_id, shared)
select gen_random_uuid(), 'booking', id::uuid, case_id::uuid, case state when 'BOOKED' then 'book' else 'submit' end, '', state,
  :at, :actor, :role, :org, state = 'BOOKED' from booked_rows
""")
_BUREAU = text("""
insert into case_party (case_id, org_id, since) select r.case_id::uuid, o.id, :at from booked_rows r, organisation o
where r.state = 'BOOKED' and o.kind = 'bureau' on conflict do nothing
""")


@dataclass(frozen=True)
class Sender:
    """Whose file it is, who prepared and released it, and the day it came: what is common to all of its rows."""

    batch_id: UUID
    org_id: UUID
    prepared_by: UUID | None
    released_by: UUID | None
    branch_id: UUID | None
    submitted_on: date
    mode: Mode = Mode.BANK

    @property
    def releasing(self) -> Role:
        """As whom the second person released it."""
        return Role.GUARANTOR_REVIEWER if self.mode is Mode.GUARANTEE else Role.BANK_APPROVER


@dataclass(slots=True)
class Made:
    """A booking to be written: a bank's, or under ``contract_id`` its guarantor's."""

    loan: Any
    state: BookingState
    product: str
    rule_set_id: UUID
    snapshot: dict[str, Any]
    checks: list[Check]
    late_reason: str | None
    submitted_on: date
    judged_on: date
    replaces_id: UUID | None
    correction: str
    contract_id: UUID | None = None
    owner_id: UUID | None = None


@dataclass
class Editions:
    """Rule sets and agreements by day of drawdown, asked for once a file."""

    sets: dict[date, tuple[UUID, RuleSet] | None] = field(default_factory=dict)
    agreements: dict[tuple[UUID, date], Agreement | None] = field(default_factory=dict)

    def judging(self, drawn_on: date) -> tuple[UUID, RuleSet] | None:
        """The edition that judges a loan booked today, or None where none is in force."""
        if drawn_on not in self.sets:
            try:
                stored = judging_set(drawn_on)
                self.sets[drawn_on] = (stored.id, RuleSet.from_json(stored.rules))
            except Refusal:
                self.sets[drawn_on] = None
        return self.sets[drawn_on]

    def agreement(self, partner_id: UUID, drawn_on: date) -> Agreement | None:
        """The partner's agreement on a day."""
        key = partner_id, drawn_on
        if key not in self.agreements:
            self.agreements[key] = agreement_on(partner_id, drawn_on)
        return self.agreements[key]


def write(ctx: Context, sender: Sender, made: Iterable[Made]) -> None:
    """Writes bookings set-wise: the rows, one step each, the bureau as a party of the case of those that are booked.

    Runs with the portal's identity; the steps name the person who released the file.
    """
    bookings = list(made)
    if not bookings:
        return
    _withdraw_replaced(ctx, sender, bookings)
    session().execute(text(_STAGED))
    session().execute(text("truncate booked_rows"))
    copy_in("booked_rows", _frame(bookings))
    values: dict[str, Any] = {
        "by": sender.prepared_by, "at": now(), "batch": sender.batch_id, "mode": sender.mode.value,
        "guarantor": sender.org_id if sender.mode is Mode.GUARANTEE else None,
    }
    session().execute(_INSERT, values)
    role = sender.releasing if sender.released_by else Role.SYSTEM
    session().execute(_STEPS, {"at": now(), "actor": sender.released_by, "org": sender.org_id, "role": role.value})
    session().execute(_BUREAU, {"at": now()})


def _withdraw_replaced(ctx: Context, sender: Sender, bookings: list[Made]) -> None:
    """A correction is a new version: the old one is withdrawn with the reason, never overwritten."""
    for one in bookings:
        if one.replaces_id is not None:
            acting = Context(
                sender.released_by, sender.org_id, ctx.org_kind, ctx.roles, ctx.permissions | {Permission.BOOKING_SUBMIT},
                system="pool.batch",
            )
            fire(acting, BOOKING, get_or_404(Booking, one.replaces_id, lock=True), "withdraw", reason=one.correction)
    session().flush()


def _frame(bookings: list[Made]) -> pl.DataFrame:
    columns = list(zip(*_cells(bookings), strict=True))
    schema: dict[str, Any] = {
        "id": pl.String, "case_id": pl.String, "loan_id": pl.String, "org_id": pl.String, "firm_id": pl.String,
        "version": pl.Int64, "replaces_id": pl.String, "state": pl.String, "product": pl.String, "note_no": pl.String,
        "principal_fen": pl.Int64, "rule_set_id": pl.String, "snapshot": pl.String, "checks": pl.String, "late_reason": pl.String,
        "submitted_on": pl.Date, "judged_on": pl.Date, "booked_on": pl.Date, "contract_id": pl.String, "owner_id": pl.String,
    }
    return pl.DataFrame([
        pl.Series(name, values, dtype=kind) for (name, kind), values in zip(schema.items(), columns, strict=True)
    ])


def _cells(bookings: list[Made]) -> Iterator[tuple[Any, ...]]:
    day = today()
    for one in bookings:
        loan = one.loan
        yield (
            str(new_id()), str(loan.case_id), str(loan.id), str(loan.org_id), str(loan.firm_id), loan.version + 1,
            str(one.replaces_id) if one.replaces_id else None, one.state.value, Product(one.product).value, loan.note_no,
            loan.principal_fen, str(one.rule_set_id), json.dumps(one.snapshot, ensure_ascii=False),
            json.dumps(check_rows(one.checks), ensure_ascii=False), one.late_reason, one.submitted_on, one.judged_on,
            day if one.state is BookingState.BOOKED else None, str(one.contract_id) if one.contract_id else None,
            str(one.owner_id) if one.owner_id else None,
        )
