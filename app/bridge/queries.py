"""What the pages of bridges read; row-level security has already left out what is not for the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, func, literal, or_, select, union
from sqlalchemy.orm import aliased

from app.bridge.fund_models import BridgeQuote, Fund, FundProduct
from app.bridge.models import Bridge, BridgeHop, Commitment, RenewalAsk
from app.bridge.rules import BridgeKind, BridgeTerms, Preview, bridge_limits, late_until, preview, terms_for
from app.bridge.states import LIFECYCLE, OUT, OVER, BridgeState, QuoteState
from app.bridge.terms import terms_of
from app.core.calendar import is_working_day, same_or_next_working_day, today
from app.core.context import Context
from app.core.database import session
from app.core.ledger import Account, Transfer
from app.core.lifecycle import can_fire
from app.core.permissions import OrgKind, Permission
from app.core.working import WorkingLine
from app.identity.models import Organisation
from app.loans.models import Loan
from app.loans.states import LoanState

MATURING_DAYS = 60
"""Loans due within so many days are shown to the firm [P]."""


def hide_rivals_terms(ctx: Context, bridge: Bridge) -> None:
    """A funder that is asked for a quote learns neither whom the firm has picked meanwhile, nor on which terms.

    Takes the bridge out of the session, so that what is left away here is never written.
    """
    if ctx.org_kind is OrgKind.FUNDER and bridge.funder_org_id not in (None, ctx.org_id):
        session().expunge(bridge)
        bridge.quote_id = bridge.fund_id = bridge.funder_org_id = bridge.amount_fen = bridge.terms = None


def bridges() -> Select[*tuple[Any, ...]]:
    """Bridges with the names of their banks; what a rival has offered is not told to the other funders."""
    old, new = aliased(Organisation), aliased(Organisation)
    told = or_(func.hq_kind() != OrgKind.FUNDER.value, Bridge.funder_org_id == func.hq_org())
    return (
        select(Bridge.id, Bridge.firm_name, Bridge.old_note_no, Bridge.kind, Bridge.state, Bridge.urgent,
               Bridge.requested_fen, case((told, Bridge.amount_fen)).label("amount_fen"), Bridge.returned_fen,
               Bridge.old_due_on, Bridge.expected_return_on, Bridge.paid_on, Bridge.applied_at, Bridge.fee_fen,
               old.name.label("old_bank"), new.name.label("new_bank"))
        .join(old, old.id == Bridge.old_bank_org_id).join(new, new.id == Bridge.new_bank_org_id)
    )


def of_case(case_id: UUID) -> list[Bridge]:
    """Bridges of a case, oldest first."""
    return list(session().scalars(select(Bridge).where(Bridge.case_id == case_id).order_by(Bridge.applied_at)))


def terms_in_force(bridge: Bridge) -> BridgeTerms:
    """The picked terms, or the ceilings of its kind before the pick."""
    return terms_of(bridge.terms) if bridge.terms is not None else terms_for(BridgeKind(bridge.kind))


def fee_preview(bridge: Bridge, quote: BridgeQuote | None = None) -> Preview | None:
    """What the bridge will cost if it comes back as planned; of a quote, or of what was picked."""
    terms = quote.terms if quote is not None else bridge.terms
    amount = quote.amount_fen if quote is not None else bridge.amount_fen
    if terms is None or amount is None:
        return None
    # A note that falls due on a holiday is paid after it.
    paid_on = bridge.paid_on or same_or_next_working_day(max(today(), bridge.old_due_on))
    back_on = bridge.expected_return_on or paid_on + timedelta(days=bridge.planned_days)
    return preview(amount, paid_on, back_on, terms_of(terms))


def limit_lines(bridge: Bridge, promise: Commitment | None) -> Sequence[WorkingLine]:
    """The three limits of the bridge; without a promise only what is known."""
    lines = bridge_limits(
        bridge.old_due_fen, bridge.own_money_fen, promise.promised_fen if promise is not None else 0, terms_in_force(bridge),
    )
    return [line for line in lines if promise is not None or line.code != "PROMISE"]


@dataclass(frozen=True)
class BridgePage:
    """Everything the page of a bridge shows."""

    bridge: Bridge
    names: dict[UUID, str]
    promise: Commitment | None
    quotes: list[BridgeQuote]
    hops: list[BridgeHop]
    fund_name: str
    new_loan_number: str | None


def page_of(bridge: Bridge) -> BridgePage:
    """The parts of a bridge's page, in a handful of statements."""
    ids = {bridge.old_bank_org_id, bridge.new_bank_org_id, bridge.funder_org_id} - {None}
    names = {
        row.id: row.name for row in session().execute(
            select(Organisation.id, Organisation.name).where(Organisation.id.in_(ids))
        )
    }
    promise = session().scalar(
        select(Commitment).where(Commitment.bridge_id == bridge.id).order_by(Commitment.signed_at.desc()).limit(1)
    )
    quotes = list(session().scalars(
        select(BridgeQuote).where(BridgeQuote.bridge_id == bridge.id).order_by(BridgeQuote.invited_at, BridgeQuote.id)
    ))
    hops = list(session().scalars(select(BridgeHop).where(BridgeHop.bridge_id == bridge.id).order_by(BridgeHop.no)))
    picked = next((quote.fund_name for quote in quotes if quote.id == bridge.quote_id), "")
    number = session().scalar(select(Loan.number).where(Loan.id == bridge.new_loan_id)) if bridge.new_loan_id else None
    return BridgePage(bridge, names, promise, quotes, hops, picked, number)


ACTIONS = (
    # event, endpoint, column of the organisation that alone may act, permission of the use case
    ("precheck", "precheck", None), ("commit", "commit", "new_bank_org_id"), ("approve", "approve", None),
    ("sign", "sign", "firm_id"), ("fund", "pay", None), ("old_repaid", "repaid", "old_bank_org_id"),
    ("new_drawn", "drawn", "new_bank_org_id"), ("return_part", "returned", None), ("settle", "settle", None),
    ("reject", "reject", None), ("decline", "decline", "new_bank_org_id"),
    ("refuse_renewal", "refuse_renewal", "new_bank_org_id"), ("cancel", "cancel", None),
)


def actions(ctx: Context, bridge: Bridge) -> set[str]:
    """Names of the buttons that the viewer may press now."""
    found = {
        name for event, name, column in ACTIONS
        if can_fire(ctx, LIFECYCLE, bridge, event) and (column is None or getattr(bridge, column) == ctx.org_id)
    }
    if bridge.fund_id is None:
        found.discard("approve")
    if bridge.old_repaid_on is not None:
        found.discard("repaid")
    if bridge.old_repaid_on is None or bridge.new_drawn_on is not None or bridge.refused_on is not None:
        found.discard("drawn")
    if bridge.new_drawn_on is not None or bridge.refused_on is not None:
        found.discard("refuse_renewal")
    if can_fire(ctx, LIFECYCLE, bridge, "pick"):
        found.add("pick")
    if can_fire(ctx, LIFECYCLE, bridge, "offer"):
        found.add("offer")
    if ctx.can(Permission.BRIDGE_DESK) and bridge.state in (BridgeState.BANK_COMMITTED, BridgeState.PARTNER_OFFERED):
        found.add("invite")
    return found


# --- homes and the board -----------------------------------------------------------------------------------------------



def waiting(ctx: Context, limit: int = 30) -> list[Bridge]:
    """Bridges in which the next step is the viewer's, oldest first."""
    org = ctx.org_id
    mine = {
        Permission.BRIDGE_DESK: Bridge.state == BridgeState.APPLIED,
        Permission.BRIDGE_COMMIT: and_(Bridge.state == BridgeState.PRECHECKED, Bridge.new_bank_org_id == org),
        Permission.BRIDGE_APPROVE: and_(Bridge.state == BridgeState.PARTNER_OFFERED, Bridge.fund_id.is_not(None)),
        Permission.BRIDGE_APPLY: or_(
            Bridge.state == BridgeState.APPROVED,
            and_(Bridge.state == BridgeState.PARTNER_OFFERED, Bridge.fund_id.is_(None)),
        ),
        Permission.BRIDGE_PAY: Bridge.state.in_((
            BridgeState.SIGNED, BridgeState.NEW_DRAWN, BridgeState.SHORT_DRAWN, BridgeState.RENEWAL_REFUSED,
            BridgeState.OVERDUE, BridgeState.BRIDGE_RETURNED,
        )),
        Permission.BRIDGE_CONFIRM: or_(
            and_(Bridge.state == BridgeState.FUNDED, Bridge.old_bank_org_id == org),
            and_(Bridge.state == BridgeState.OLD_REPAID, Bridge.new_bank_org_id == org),
        ),
        Permission.BRIDGE_OFFER: select(BridgeQuote.id).where(
            BridgeQuote.bridge_id == Bridge.id, BridgeQuote.org_id == org, BridgeQuote.state == QuoteState.INVITED,
            Bridge.state.in_((BridgeState.BANK_COMMITTED, BridgeState.PARTNER_OFFERED)),
        ).exists(),
    }
    wanted = [clause for permission, clause in mine.items() if ctx.can(permission)]
    if not wanted:
        return []
    return list(session().scalars(select(Bridge).where(or_(*wanted)).order_by(Bridge.state_since).limit(limit)))


@dataclass(frozen=True)
class Board:
    """The centre's day: counts, and the money that is out (分)."""

    payouts: int
    returns: int
    late: int
    waiting: int
    out_fen: int


def board() -> Board:
    """Payouts and returns due today, late ones, what waits for the centre, and what is out: one statement."""
    day, out = today(), Bridge.state.in_(OUT)
    late = late_until(day)
    due = and_(out, Bridge.expected_return_on > late, literal(is_working_day(day)))
    row = session().execute(select(
        func.count(case((and_(Bridge.state == BridgeState.SIGNED, Bridge.old_due_on <= day), 1))).label("payouts"),
        func.count(case((and_(due, Bridge.expected_return_on <= day), 1))).label("returns"),
        func.count(case((and_(out, Bridge.expected_return_on <= late), 1))).label("late"),
        func.count(case((Bridge.state.in_((BridgeState.APPLIED, BridgeState.PARTNER_OFFERED)), 1))).label("waiting"),
        func.coalesce(func.sum(case((out, Bridge.amount_fen - Bridge.returned_fen))), 0).label("out_fen"),
    )).one()
    return Board(row.payouts, row.returns, row.late, row.waiting, int(row.out_fen))


def maturing(ctx: Context) -> list[Loan]:
    """The firm's drawn loans that fall due soon, about which the bank was not asked and no bridge is under way."""
    busy = union(
        select(Bridge.old_loan_id).where(Bridge.old_loan_id.is_not(None), Bridge.state.not_in(OVER)),
        select(RenewalAsk.old_loan_id).where(RenewalAsk.old_loan_id.is_not(None), RenewalAsk.state != "WITHDRAWN"),
    )
    return list(session().scalars(
        select(Loan).where(
            Loan.firm_id == ctx.org_id, Loan.state == LoanState.DRAWN.value,
            Loan.due_on <= today() + timedelta(days=MATURING_DAYS), Loan.id.not_in(busy),
        ).order_by(Loan.due_on).limit(20)
    ))


def organisations_of(kind: OrgKind) -> list[tuple[str, str]]:
    """Active organisations of a kind as choices."""
    rows = session().execute(
        select(Organisation.id, Organisation.name).where(Organisation.kind == kind.value, Organisation.state == "active")
        .order_by(Organisation.name)
    )
    return [(str(row.id), row.name) for row in rows]


def banks() -> list[tuple[str, str]]:
    """Active banks as choices."""
    return organisations_of(OrgKind.BANK)


def funders() -> list[tuple[str, str]]:
    """Active funders as choices."""
    return organisations_of(OrgKind.FUNDER)


# --- funds -------------------------------------------------------------------------------------------------------------


def funds() -> Select[*tuple[Any, ...]]:
    """Funds with their balances (分): in the account, reserved, free, and out in bridges."""
    out = (
        select(func.coalesce(func.sum(Bridge.amount_fen - Bridge.returned_fen), 0))
        .where(Bridge.fund_id == Fund.id, Bridge.state.in_(OUT)).correlate(Fund).scalar_subquery()
    )
    free = Account.credits_posted_fen - Account.debits_posted_fen - Account.debits_pending_fen
    kinds = (
        select(func.array_agg(FundProduct.kind.distinct())).where(FundProduct.fund_id == Fund.id, FundProduct.state == "OPEN")
        .correlate(Fund).scalar_subquery()
    )
    return (
        select(Fund.id, Fund.name, Fund.state, kinds.label("kinds"), Organisation.name.label("funder"),
               (Account.credits_posted_fen - Account.debits_posted_fen).label("balance_fen"),
               Account.debits_pending_fen.label("reserved_fen"), free.label("free_fen"), out.label("out_fen"))
        .join(Account, Account.code == Fund.account_code).join(Organisation, Organisation.id == Fund.org_id)
    )


@dataclass(frozen=True)
class Entry:
    """A line of a fund's ledger: what came in or went out (分, out is negative), or was reserved."""

    at: Any
    kind: str
    amount_fen: int
    memo: str
    counterpart: str


def fund_ledger(fund: Fund, limit: int = 200) -> list[Entry]:
    """The newest movements of a fund's account."""
    own, other = aliased(Account), aliased(Account)
    key = session().scalar(select(own.id).where(own.code == fund.account_code))
    rows = session().execute(
        select(Transfer.at, Transfer.kind, Transfer.amount_fen, Transfer.memo, Transfer.debit_account_id, other.code)
        .join(other, other.id == case((Transfer.debit_account_id == key, Transfer.credit_account_id),
                                      else_=Transfer.debit_account_id))
        .where(or_(Transfer.debit_account_id == key, Transfer.credit_account_id == key))
        .order_by(Transfer.at.desc(), Transfer.id.desc()).limit(limit)
    ).all()
    return [
        Entry(row.at, row.kind, -row.amount_fen if row.debit_account_id == key else row.amount_fen, row.memo,
              row.code.partition(":")[0])
        for row in rows
    ]
