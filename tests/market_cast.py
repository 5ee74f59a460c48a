"""Needs, bids and choices for tests, each made through the use cases in as few words as a sentence has."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.money import WAN, YUAN
from app.core.permissions import OrgKind, Role, permissions_of
from app.market import award_service, bid_service, choice_service, product_service, service
from app.market.bid_models import Award
from app.market.models import Bid, Choice, Need
from app.market.product_models import Product
from app.market.terms import Fee, FeeKind, Offer, Payee, RepaymentMethod
from tests.cast import PASSWORD, SYSTEM, Cast

APPRAISAL = Fee(FeeKind.APPRAISAL, 2_000 * YUAN, Payee.APPRAISER)


def clerk(firm: Cast) -> Any:
    """Who files for the firm."""
    return firm[Role.FIRM_CLERK]


def product(bank: Cast, name: str = "信用快贷", **changes: Any) -> Product:
    """A product that takes nearly everything."""
    fields = {
        "kind": "CREDIT",
        "min_amount_fen": 10 * WAN,
        "max_amount_fen": 1_000 * WAN,
        "min_term_months": 1,
        "max_term_months": 36,
        **changes,
    }
    return product_service.create_product(bank[Role.BANK_ADMIN], product_service.ProductFields(name, **fields))


def draft_need(
    firm: Cast, *, wan: int = 300, months: int = 12, banks: tuple[UUID, ...] = (), parts: bool = False,
) -> Need:
    """A need filled in and not yet published; 定向 where banks are named."""
    need = service.start_need(clerk(firm))
    return service.save_need(
        clerk(firm),
        need.id,
        service.PurposePart(wan * WAN, "PURCHASE", "采购数控机床配件"),
        service.TermsPart(months, "CREDIT", "ANY", True, parts),
        service.AudiencePart("targeted" if banks else "open", banks),
    )


def open_need(firm: Cast, **options: Any) -> Need:
    """A published need that takes bids."""
    return release(service.submit_need(clerk(firm), draft_need(firm, **options).id))


DESK = Context(
    None, None, OrgKind.PLATFORM, frozenset({Role.DESK}), permissions_of(frozenset({Role.DESK})), system="desk of the tests"
)
"""A desk without a person: for stories in which it only has to let a need through."""


def release(need: Need) -> Need:
    """The desk lets banks see a submitted need."""
    return service.release_need(DESK, need.id)


def offer(
    wan: int = 300,
    percent: str = "3.85",
    months: int = 12,
    fees: tuple[Fee, ...] = (APPRAISAL,),
    method: RepaymentMethod = RepaymentMethod.INTEREST_ONLY,
) -> Offer:
    """Money terms: 万元, per cent a year, months."""
    return Offer(wan * WAN, Decimal(percent) / 100, months, method, fees)


def terms(product: Product, money: Offer | None = None, valid_until: date | None = None, **options: Any) -> bid_service.BidTerms:
    """A bid's terms, valid for sixty days and with nothing tied unless told."""
    options.setdefault("ties", ())
    return bid_service.BidTerms(product.id, money or offer(), valid_until or today() + timedelta(days=60), **options)


def draft_bid(bank: Cast, need: Need, money: Offer | None = None, **options: Any) -> Bid:
    """A bid drafted by the officer, with a product made for it, which is lent in parts from 10 万元."""
    found = product(bank, f"产品{need.id.hex[-6:]}{options.pop('mark', '')}", part_min_fen=10 * WAN)
    return bid_service.draft_bid(bank[Role.BANK_OFFICER], need.id, terms(found, money, **options))


def sealed_bid(bank: Cast, need: Need, money: Offer | None = None, **options: Any) -> Bid:
    """A bid handed in by the approver."""
    bid = draft_bid(bank, need, money, **options)
    bid_service.propose_bid(bank[Role.BANK_OFFICER], bid.id)
    return bid_service.submit_bid(bank[Role.BANK_APPROVER], bid.id)


def chosen(firm: Cast, bank: Cast, *, stands: bool = True, **options: Any) -> Choice:
    """A need with one bid, closed and chosen; the standstill is over unless ``stands`` says no."""
    need = open_need(firm)
    bid = sealed_bid(bank, need, **options)
    service.close_need(clerk(firm), need.id)
    return choose(firm, bid, stands=stands)


def choose(firm: Cast, bid: Bid, *, stands: bool = True) -> Choice:
    """The firm takes an opened bid."""
    choice = choice_service.choose_bid(clerk(firm), bid.id)
    if stands:
        let_stand(choice)
    return choice


def end_standstill(choice: Choice) -> None:
    """The days of the standstill go by; what follows from it is still to come."""
    with transaction(SYSTEM):
        award = session().get_one(Award, choice.award_id)
        award.standstill_until = award.next_check_at = now()


def let_stand(choice: Choice) -> None:
    """The standstill goes by without an objection, and the choice binds."""
    end_standstill(choice)
    assert award_service.settle_award(SYSTEM, choice.award_id)


def sign_in(client: FlaskClient, cast: Cast, role: Role) -> FlaskClient:
    """Signs a person in, skipping the code as the demo allows."""
    client.post("/sign-out")
    client.post("/sign-in", data={"login": cast.logins[role], "password": PASSWORD})
    if cast.kind is not OrgKind.ENTERPRISE:
        client.post("/sign-in/code", data={"skip": "1"})
    return client
