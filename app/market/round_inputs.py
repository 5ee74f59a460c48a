"""What a matching round is computed from: open needs of a batch, products of its banks, and which need may go where."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from sqlalchemy import func, select

from app.core.audit import plain
from app.core.calendar import now
from app.core.context import Context
from app.core.database import session
from app.core.permissions import Role
from app.credit.queries import among, card_profiles
from app.identity.models import Membership, Person
from app.market import fit_facts, queue
from app.market.batch_models import BatchBank, BatchNeed
from app.market.fit_rules import Verdict, evaluate
from app.market.match_rules import MatchReason, NeedFacts, ProductFacts, match_score
from app.market.matching import NO_LIMIT, Doors, Wishes, places
from app.market.models import Need
from app.market.product_models import Product
from app.market.product_words import ProductState
from app.market.rank_service import BLOCK, acting_for
from app.market.round_rules import Entrant, Obstacle, Offered, Preference, RoundRules, obstacle, preference
from app.market.words import ANY, NeedState

T = TypeVar("T")
NO_HURRY = 99
"""Working days left as ranking is told: when bidding closes is no merit of a need here."""
UNTOLD = frozenset(reason.value for reason in MatchReason if reason.startswith(("PROFILE_", "PRICE_")))
"""Reasons that say something of a firm's profile: the bank reads those in its queue, under the firm's consent."""


@dataclass(frozen=True)
class Terms:
    """Needs in the order of their publishing and products by id, with the seats that each bank's officers can handle."""

    needs: Sequence[Any]
    products: Sequence[Product]
    seats: Sequence[int]
    banks: Sequence[UUID]

    def digest(self, params: dict[str, Any]) -> str:
        """SHA-256 of all that may change under a computed round."""
        return _digest([
            params, self.banks, self.seats,
            [[need.id, need.amount_fen, need.term_months, need.product_kind, need.repayment, need.first_loan, need.closes_at]
             for need in self.needs],
            [[product.id, product.version] for product in self.products],
        ])  # fmt: skip


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


_NEED = (
    Need.id, Need.org_id, Need.amount_fen, Need.term_months, Need.product_kind, Need.repayment, Need.industry_code, Need.district,
    Need.size_class, Need.firm_form, Need.purpose_kind, Need.first_loan, Need.published_at, Need.closes_at,
)  # fmt: skip


def load_terms(batch_id: UUID) -> Terms:
    """The batch as it is now. Only needs that take bids, and products of its banks that state seats for a round."""
    needs = session().execute(
        select(*_NEED).join(BatchNeed, BatchNeed.need_id == Need.id)
        .where(BatchNeed.batch_id == batch_id, Need.state == NeedState.OPEN.value, Need.closes_at > now())
        .order_by(Need.published_at, Need.id)
    ).all()  # fmt: skip
    banks = list(session().scalars(select(BatchBank.org_id).where(BatchBank.batch_id == batch_id).order_by(BatchBank.org_id)))
    products = list(session().scalars(
        select(Product).where(
            Product.org_id.in_(banks), Product.state == ProductState.ACTIVE.value, Product.seats.is_not(None)
        ).order_by(Product.id)
    ))  # fmt: skip
    officers = _officers(banks)
    seats = [min(product.seats or 0, product.officer_capacity * officers.get(product.org_id, 0)) for product in products]
    return Terms(needs, products, seats, banks)


def _officers(banks: Sequence[UUID]) -> dict[UUID, int]:
    """How many officers each bank has."""
    rows = session().execute(
        select(Membership.org_id, func.count().label("officers")).join(Person, Person.id == Membership.person_id)
        .where(Membership.role == Role.BANK_OFFICER.value, Membership.org_id.in_(banks), Person.state == "active")
        .group_by(Membership.org_id)
    )  # fmt: skip
    return {row.org_id: row.officers for row in rows}


@dataclass(frozen=True)
class Inputs:
    """What deferred acceptance gets, and what explains it: ``reasons`` a wish, ``obstacles`` a need that has no wish."""

    terms: Terms
    wishes: Wishes
    doors: Doors
    reasons: list[tuple[str, ...]]
    obstacles: dict[int, list[str]]
    digest: str


@dataclass
class _Desk:
    """A bank at work: its products by their index in the round, and the needs that it may see."""

    bank: UUID
    products: list[tuple[int, Offered, ProductFacts, dict[str, Any]]] = field(default_factory=list)
    visible: set[UUID] = field(default_factory=set)


Wish = tuple[Preference, int, int]
"""How a need likes a product, the product's index, what it would ask of it."""


def gather(terms: Terms, rules: RoundRules, params: dict[str, Any]) -> Inputs:
    """Which need may go where, in its order; where each product ranks it. Call it as the portal: it looks as every bank does."""
    entrants = [_entrant(need) for need in terms.needs]
    desks = _desks(terms)
    listed: list[list[Wish]] = [[] for _ in terms.needs]
    against: list[Counter[str]] = [Counter() for _ in terms.needs]
    for desk in desks:
        with acting_for(desk.bank) as acting:
            _visit(acting, desk, terms, entrants, params["seed"], listed, against)
    chosen = [sorted(wishes)[: rules.longest] for wishes in listed]
    scores, reasons = _scores(terms, desks, chosen)
    wishes, flat = _wishes(terms, chosen, scores)
    money = [NO_LIMIT if product.budget_fen is None else product.budget_fen for product in terms.products]
    seats = np.array(terms.seats, dtype=np.int64)
    reserved = np.array([rules.reserved(seat) for seat in terms.seats], dtype=np.int64)
    return Inputs(
        terms, wishes, Doors.sharing(seats, reserved, np.array(money, dtype=np.int64)),
        [reasons[key] for key in flat],
        {index: [code for code, _ in counted.most_common()] for index, counted in enumerate(against) if not chosen[index]},
        _digest([terms.digest(params), [[need, product, scores[need, product]] for need, product in flat]]),
    )  # fmt: skip


def _entrant(need: Any) -> Entrant:
    return Entrant(
        need.amount_fen, need.term_months, need.product_kind, need.repayment or ANY, need.industry_code or "",
        need.district or "", need.size_class or "",
    )  # fmt: skip


def _desks(terms: Terms) -> list[_Desk]:
    desks = {bank: _Desk(bank) for bank in terms.banks}
    for index, product in enumerate(terms.products):
        facts, lists = queue.product_facts(product), product.eligibility
        offered = Offered(
            product.kind, product.min_amount_fen, product.max_amount_fen, product.min_term_months, product.max_term_months,
            frozenset(product.repayments), tuple(lists["industries"]), frozenset(lists["districts"]), frozenset(lists["sizes"]),
            facts.rate, product.part_min_fen is not None,
        )  # fmt: skip
        desks[product.org_id].products.append((index, offered, facts, product.rule))
    return [desk for desk in desks.values() if desk.products]


def _blocks(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    for begin in range(0, len(ids), BLOCK):
        yield ids[begin : begin + BLOCK]


def _visit(
    acting: Context, desk: _Desk, terms: Terms, entrants: Sequence[Entrant], seed: str, listed: list[list[Wish]],
    against: list[Counter[str]],
) -> None:
    """Fills in one bank's doors, as that bank. Its own rule is judged by what it may know of the firm; the rest refuses none."""
    for block in _blocks([need.id for need in terms.needs]):
        desk.visible.update(session().scalars(select(Need.id).where(among(Need.id, block), Need.state == NeedState.OPEN.value)))
    ruled: dict[int, list[tuple[int, Offered, dict[str, Any]]]] = {}
    for index, (need, entrant) in enumerate(zip(terms.needs, entrants, strict=True)):
        if need.id not in desk.visible:
            against[index][Obstacle.HIDDEN.value] += 1
            continue
        for number, offered, _, rule in desk.products:
            code = obstacle(entrant, offered)
            if code is not None:
                against[index][code.value] += 1
            elif rule:
                ruled.setdefault(index, []).append((number, offered, rule))
            else:
                _list(terms, index, number, entrant, offered, seed, listed)
    for index, number, offered in _passed(terms, entrants, ruled, against):
        _list(terms, index, number, entrants[index], offered, seed, listed)


def _list(
    terms: Terms, index: int, number: int, entrant: Entrant, offered: Offered, seed: str, listed: list[list[Wish]]
) -> None:
    liking = preference(entrant, offered, seed, terms.needs[index].id, terms.products[number].id)
    listed[index].append((liking, number, offered.asked(entrant)))


def _passed(
    terms: Terms, entrants: Sequence[Entrant], ruled: dict[int, list[tuple[int, Offered, dict[str, Any]]]],
    against: list[Counter[str]],
) -> Iterator[tuple[int, int, Offered]]:
    """Needs and products whose rule does not say no, with the facts of their firms asked for in blocks.

    Firm by firm the database would work out each time whom the bank may read: that grew with the square of the firms.
    """
    for block in _blocks(list(ruled)):
        known = fit_facts.load_many(list({terms.needs[index].org_id for index in block}))
        for index in block:
            need = terms.needs[index]
            for number, offered, rule in ruled[index]:
                facts = {**known.get(need.org_id, {}), **_card(need, offered.asked(entrants[index]))}
                if evaluate(rule, facts) is Verdict.NO:
                    against[index][Obstacle.RULE.value] += 1
                else:
                    yield index, number, offered


def _card(need: Any, asked: int) -> dict[str, Any]:
    """What every bank reads on the card of a need, consent or not."""
    said = {
        "term_months": need.term_months, "first_loan": need.first_loan, "amount_fen": asked, "industry": need.industry_code,
        "district": need.district, "size": need.size_class if need.size_class != "unknown" else None, "form": need.firm_form,
        "purpose": need.purpose_kind,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


Scores = dict[tuple[int, int], int]


def _scores(
    terms: Terms, desks: Sequence[_Desk], chosen: Sequence[Sequence[Wish]]
) -> tuple[Scores, dict[tuple[int, int], tuple[str, ...]]]:
    """Where every need stands with every product on its list, by the points of the bank's queue without the hurry."""
    scores: Scores = {}
    reasons: dict[tuple[int, int], tuple[str, ...]] = {}
    listing: dict[UUID, list[tuple[int, int]]] = {desk.bank: [] for desk in desks}
    for index, wishes in enumerate(chosen):
        for _, number, _ in wishes:
            listing[terms.products[number].org_id].append((index, number))
    for desk in desks:
        facts = {number: facts for number, _, facts, _ in desk.products}
        waiting = listing[desk.bank]
        with acting_for(desk.bank):
            firms = list({terms.needs[index].org_id for index, _ in waiting})
            profiles: dict[UUID, Any] = {}
            for block in _blocks(firms):
                profiles.update(card_profiles(block))
        for index, number in waiting:
            need = terms.needs[index]
            profile = profiles.get(need.org_id)
            judged = match_score(NeedFacts(
                need.amount_fen, need.term_months, need.industry_code or "", need.district or "", NO_HURRY,
                queue.rank_of(profile), profile.grade if profile is not None else None,
            ), facts[number])  # fmt: skip
            scores[index, number] = judged.score
            reasons[index, number] = tuple(code for code in judged.reasons if code not in UNTOLD)
    return scores, reasons


def _wishes(
    terms: Terms, chosen: Sequence[Sequence[Wish]], scores: Scores
) -> tuple[Wishes, list[tuple[int, int]]]:
    """The lists as arrays, and the (need, product) of each row. Equal points go to who filed first, then by id."""
    flat = [(index, number) for index, wishes in enumerate(chosen) for _, number, _ in wishes]
    product = np.array([number for _, number in flat], dtype=np.int64)
    tie = np.array([index for index, _ in flat], dtype=np.int64)
    score = np.array([scores[key] for key in flat], dtype=np.int64)
    return Wishes(
        np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum([len(wishes) for wishes in chosen], dtype=np.int64))),
        product, places(product, score, tie),
        np.array([asked for wishes in chosen for _, _, asked in wishes], dtype=np.int64),
        np.array([need.first_loan for need in terms.needs], dtype=np.bool_),
    ), flat  # fmt: skip
