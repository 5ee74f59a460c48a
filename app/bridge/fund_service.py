"""Funds and quotes: money that funders commit, and what they offer to a bridge. Balances live in the ledger."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select, update

from app.bridge import ceilings
from app.bridge.fund_models import BridgeQuote, Fund, FundAgreement, FundProduct
from app.bridge.fund_states import AgreementState
from app.bridge.holding import exhausted_at
from app.bridge.models import Bridge
from app.bridge.parties import bring_in, move, take, tell
from app.bridge.rules import BridgeKind, BridgeTerms, FeeMethod, check_terms, max_bridge
from app.bridge.service import live_commitment, standing_commitment
from app.bridge.states import BridgeState, QuoteState
from app.bridge.terms import stored, terms_of
from app.core import ledger
from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import elevated, get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.formats import money_text
from app.core.ids import new_id
from app.core.permissions import OrgKind, Permission
from app.core.use_case import about, use_case
from app.identity.models import Organisation

constraint("uq_fund_org_id_name", ErrorCode.ALREADY_DONE, "name")
constraint("uq_fund_product_name", ErrorCode.NAME_TAKEN, "name")
for _name in ("fund_product_ceiling", "bridge_quote_ceiling", "bridge_quote_agreement"):
    constraint(f"ck_{_name}", ErrorCode.HOLD_REFUSED)

QUOTE_DAYS = 30
"""A quote stands no longer than this [P]."""


@use_case(Permission.FUND_EDIT, "fund.open", returns=Fund)
def open_fund(ctx: Context, funder_id: UUID, name: str, terms: BridgeTerms, product_name: str = "标准产品") -> Fund:
    """Opens an empty fund of a funder with its first product. Raises ``Refusal(INVALID)`` above the bureau's ceilings."""
    funder = get_or_404(Organisation, funder_id)
    if funder.kind != OrgKind.FUNDER.value:
        raise Refusal(ErrorCode.NOT_FOUND)
    _checked(terms)
    key = new_id()
    account = ledger.open_account(f"fund:{key}", "bridge_fund", org_id=funder.id)
    ledger.open_account(f"fund-fee:{key}", "bridge_fee", org_id=funder.id, bounded=False)
    fund = Fund(
        id=key, org_id=funder.id, name=name.strip(), state="OPEN", account_code=account.code, opened_at=now(),
        opened_by=ctx.actor_id,
    )
    session().add(fund)
    session().flush()
    open_product(ctx, fund.id, product_name, terms)
    about(fund, funder_id=funder.id, name=fund.name)
    return fund


def _checked(terms: BridgeTerms) -> BridgeTerms:
    """The terms under the ceilings in force. Raises ``Refusal(INVALID)`` above them."""
    under = ceilings.current().over(terms)
    problems = check_terms(under)
    if problems:
        raise Refusal(ErrorCode.INVALID, field=problems[0].field)
    return under


@use_case(Permission.FUND_EDIT, "fund.product", returns=FundProduct)
def open_product(ctx: Context, fund_id: UUID, name: str, terms: BridgeTerms) -> FundProduct:
    """Another charge of a fund, for one kind of bridge. Raises ``Refusal(INVALID)``, ``Refusal(NAME_TAKEN)``."""
    fund = get_or_404(Fund, fund_id)
    under = _checked(terms)
    product = FundProduct(
        fund_id=fund.id, org_id=fund.org_id, name=name.strip(), kind=terms.kind.value, terms=stored(under), state="OPEN",
        opened_at=now(), opened_by=ctx.actor_id,
    )
    session().add(product)
    session().flush()
    about(product, fund_id=fund.id, name=product.name, kind=product.kind, terms=product.terms)
    return product


@use_case(Permission.FUND_EDIT, "fund.product_state", returns=FundProduct)
def set_product_open(ctx: Context, product_id: UUID, is_open: bool) -> FundProduct:
    """Offers a product again, or no more; what was quoted by it stands. Raises ``Refusal(INVALID)`` above today's ceiling."""
    product = get_or_404(FundProduct, product_id, lock=True)
    if is_open:
        _checked(terms_of(product.terms))
    product.state = "OPEN" if is_open else "CLOSED"
    session().flush()
    about(product, state=product.state)
    return product


def products_of(fund_id: UUID, kind: str | None = None) -> list[FundProduct]:
    """Products of a fund, the oldest first; with ``kind`` those on offer for it."""
    wanted = select(FundProduct).where(FundProduct.fund_id == fund_id)
    if kind is not None:
        wanted = wanted.where(FundProduct.kind == kind, FundProduct.state == "OPEN")
    return list(session().scalars(wanted.order_by(FundProduct.opened_at, FundProduct.id)))


def _outside(fund: Fund) -> ledger.Account:
    """The funder's own money, which the portal does not know the size of."""
    return ledger.open_account(f"funder:{fund.org_id}", "funder", org_id=fund.org_id, bounded=False)


def _positive(amount_fen: int) -> None:
    if amount_fen <= 0:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="amount", low=money_text(1), high=money_text(10**15))


@use_case(Permission.FUND_EDIT, "fund.top_up", returns=Fund)
def top_up(ctx: Context, fund_id: UUID, amount_fen: int, voucher_no: str) -> Fund:
    """Records money (分) that the funder committed. One voucher counts once."""
    fund = get_or_404(Fund, fund_id)
    _positive(amount_fen)
    ledger.transfer(_outside(fund), ledger.account(fund.account_code), amount_fen,
                    reference=f"fund:{fund.id}:in:{voucher_no.strip()}", memo=voucher_no.strip())
    about(fund, amount_fen=amount_fen, voucher_no=voucher_no.strip())
    return fund


@use_case(Permission.FUND_EDIT, "fund.withdraw", returns=Fund)
def withdraw(ctx: Context, fund_id: UUID, amount_fen: int, voucher_no: str) -> Fund:
    """Records money (分) that the funder took back; what is reserved or out stays. Raises ``Refusal(FUND_EXHAUSTED)``."""
    fund = get_or_404(Fund, fund_id)
    _positive(amount_fen)
    with exhausted_at("amount"):
        ledger.transfer(ledger.account(fund.account_code), _outside(fund), amount_fen,
                        reference=f"fund:{fund.id}:out:{voucher_no.strip()}", memo=voucher_no.strip())
    about(fund, amount_fen=amount_fen, voucher_no=voucher_no.strip())
    return fund


@use_case(Permission.FUND_EDIT, "fund.set_state", returns=Fund)
def set_open(ctx: Context, fund_id: UUID, is_open: bool) -> Fund:
    """Opens or closes a fund for new quotes; what runs goes on."""
    fund = get_or_404(Fund, fund_id, lock=True)
    fund.state = "OPEN" if is_open else "CLOSED"
    session().flush()
    about(fund, state=fund.state)
    return fund


# --- quotes ------------------------------------------------------------------------------------------------------------


def agreed(org_id: Any, kind: str) -> Any:
    """Whether a funder has an agreement in force today for a kind of bridge (SQL)."""
    day = today()
    return exists().where(
        FundAgreement.org_id == org_id, FundAgreement.state == AgreementState.CONFIRMED.value,
        FundAgreement.valid_from <= day, FundAgreement.valid_to >= day, FundAgreement.kinds.contains([kind]),
    )


def invite_open_funds(ctx: Context, bridge: Bridge) -> int:
    """Asks every open fund that has a product for the bridge's kind and an agreement; returns how many were asked anew."""
    with elevated(ctx, "bridge"):
        asked = set(session().scalars(select(BridgeQuote.fund_id).where(BridgeQuote.bridge_id == bridge.id)))
        funds = session().scalars(select(Fund).where(
            Fund.state == "OPEN", agreed(Fund.org_id, bridge.kind),
            exists().where(FundProduct.fund_id == Fund.id, FundProduct.kind == bridge.kind, FundProduct.state == "OPEN"),
        ).order_by(Fund.id))
        fresh = [fund for fund in funds if fund.id not in asked]
        session().add_all(
            BridgeQuote(bridge_id=bridge.id, firm_id=bridge.firm_id, fund_id=fund.id, org_id=fund.org_id,
                        fund_name=fund.name, state=QuoteState.INVITED.value, invited_at=now())
            for fund in fresh
        )
        session().flush()
    tell(ctx, bridge, [fund.org_id for fund in fresh], N_("%(firm)s申请转贷，银行已承诺续贷，请报价。"))
    return len(fresh)


@use_case(Permission.BRIDGE_DESK, "bridge.invite")
def invite(ctx: Context, bridge_id: UUID) -> int:
    """The clerk asks funds that were opened since the promise. Returns how many were asked anew."""
    bridge = get_or_404(Bridge, bridge_id, lock=True)
    if bridge.state not in (BridgeState.BANK_COMMITTED, BridgeState.PARTNER_OFFERED):
        raise Refusal(ErrorCode.STATE_CHANGED)
    count = invite_open_funds(ctx, bridge)
    about(bridge, count=count)
    return count


@dataclass(frozen=True)
class Offer:
    """What a fund offers: 分, the last day on which it may be picked, a rate below the product's own where it is given, and the
    product; its first one where none is named."""

    amount_fen: int
    valid_until: date
    rate: Decimal | None = None
    product_id: UUID | None = None


def quote_limit(bridge: Bridge, terms: BridgeTerms) -> int:
    """The largest bridge (分) that a fund may offer: the three limits of §4, and what the firm asked for."""
    promise = live_commitment(bridge)
    promised = promise.promised_fen if promise is not None else 0
    return min(bridge.requested_fen, max_bridge(bridge.old_due_fen, bridge.own_money_fen, promised, terms))


def _product(fund: Fund, kind: str, product_id: UUID | None) -> FundProduct:
    on_offer = products_of(fund.id, kind)
    found = next((one for one in on_offer if product_id in (None, one.id)), None)
    if found is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    return found


def _terms(product: FundProduct, rate: Decimal | None) -> BridgeTerms:
    """What is quoted, under the ceilings of today: one that fell since the product was opened holds for it as well."""
    terms = terms_of(product.terms)
    if rate is not None and terms.fee_method is FeeMethod.ONE_OFF:
        terms = replace(terms, one_off_rate=rate)
    elif rate is not None and terms.fee_method is FeeMethod.DAILY:
        terms = replace(terms, daily_rate=rate)
    terms = ceilings.current().over(terms)
    if check_terms(terms):
        raise Refusal(ErrorCode.INVALID, field="rate")
    return terms


@use_case(Permission.BRIDGE_OFFER, "bridge.offer", returns=BridgeQuote)
def offer(ctx: Context, quote_id: UUID, quoted: Offer) -> BridgeQuote:
    """The funder quotes, or quotes anew until the firm's pick is approved.

    Raises ``Refusal``: BRIDGE_OVER_LIMIT with the limit, FUND_EXHAUSTED, DAYS_OUT_OF_RANGE where the firm needs longer
    than the fund lends, DATE_OUT_OF_RANGE, INVALID for a rate above the ceiling, FUND_UNAGREED outside the agreement.
    """
    quote = get_or_404(BridgeQuote, quote_id)
    bridge = take(ctx, quote.bridge_id, "offer")
    quote = get_or_404(BridgeQuote, quote_id, lock=True)
    if quote.org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    if quote.state not in (QuoteState.INVITED, QuoteState.OFFERED):
        raise Refusal(ErrorCode.STATE_CHANGED)
    fund = get_or_404(Fund, quote.fund_id)
    _ensure_agreed(fund, bridge.kind)
    product = _product(fund, bridge.kind, quoted.product_id)
    terms = _terms(product, quoted.rate)
    standing_commitment(bridge)
    _plausible(bridge, fund, terms, quoted)
    quote.amount_fen, quote.terms, quote.valid_until = quoted.amount_fen, stored(terms), quoted.valid_until
    quote.product_id = product.id
    quote.state, quote.offered_at, quote.offered_by = QuoteState.OFFERED.value, now(), ctx.actor_id
    session().flush()
    move(ctx, bridge, "offer")
    tell(ctx, bridge, [bridge.firm_id], N_("%(funder)s为借据 %(note)s 的转贷报了价，请选定一家。"), funder=quote.fund_name)
    about(quote, case_id=bridge.case_id, amount_fen=quote.amount_fen)
    return quote


def _ensure_agreed(fund: Fund, kind: str) -> None:
    if not session().scalar(select(agreed(fund.org_id, kind))):
        day = today().isoformat()
        raise Refusal(ErrorCode.FUND_UNAGREED, low=day, high=day, kind=(BridgeKind(kind).label,))


def _plausible(bridge: Bridge, fund: Fund, terms: BridgeTerms, quoted: Offer) -> None:
    limit = quote_limit(bridge, terms)
    if quoted.amount_fen <= 0:
        raise Refusal(ErrorCode.AMOUNT_OUT_OF_RANGE, field="amount", low=money_text(1), high=money_text(limit))
    if quoted.amount_fen > limit:
        raise Refusal(ErrorCode.BRIDGE_OVER_LIMIT, field="amount", limit=money_text(limit))
    if bridge.planned_days > terms.max_days:
        raise Refusal(ErrorCode.DAYS_OUT_OF_RANGE, high=terms.max_days)
    if quoted.amount_fen > ledger.account(fund.account_code).available_fen:
        raise Refusal(ErrorCode.FUND_EXHAUSTED, field="amount")
    last = today() + timedelta(days=QUOTE_DAYS)
    if not today() <= quoted.valid_until <= last:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="valid_until", low=today().isoformat(), high=last.isoformat())


@use_case(Permission.BRIDGE_OFFER, "bridge.pass", returns=BridgeQuote)
def decline_to_quote(ctx: Context, quote_id: UUID) -> BridgeQuote:
    """The funder does not want this bridge; it no longer sees it."""
    quote = get_or_404(BridgeQuote, quote_id, lock=True)
    if quote.org_id != ctx.org_id:
        raise Refusal(ErrorCode.NOT_FOUND)
    if quote.state not in (QuoteState.INVITED, QuoteState.OFFERED):
        raise Refusal(ErrorCode.STATE_CHANGED)
    quote.state = QuoteState.PASSED.value
    session().flush()
    about(quote)
    return quote


def stand_again(bridge: Bridge) -> None:
    """Quotes that lapsed when another one was approved stand again, as long as they are good."""
    session().execute(
        update(BridgeQuote).where(
            BridgeQuote.bridge_id == bridge.id, BridgeQuote.state == QuoteState.LAPSED.value,
            BridgeQuote.amount_fen.is_not(None), BridgeQuote.valid_until >= today(),
        ).values(state=QuoteState.OFFERED.value)
    )


def seat_funder(ctx: Context, bridge: Bridge) -> None:
    """The picked funder joins the case; the quotes of the others lapse and they no longer see the bridge."""
    others = session().scalars(select(BridgeQuote).where(
        BridgeQuote.bridge_id == bridge.id, BridgeQuote.id != bridge.quote_id,
        BridgeQuote.state.in_((QuoteState.INVITED.value, QuoteState.OFFERED.value)),
    ))
    for quote in others:
        quote.state = QuoteState.LAPSED.value
    session().flush()
    bring_in(ctx, bridge, bridge.funder_org_id)


