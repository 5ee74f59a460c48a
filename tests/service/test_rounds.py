"""A matching round over a batch: the same input gives the same proposal, everyone reads its own part, and nobody is chosen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from app.core import outbox
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import Notice
from app.core.money import WAN
from app.core.permissions import Role
from app.market import batch_service, round_service, service
from app.market.models import Need
from app.market.round_models import MatchingNeed, MatchingPair, MatchingRound, MatchingSeat
from app.market.round_words import RoundState
from tests import cast, market_cast
from tests.cast import SYSTEM, Cast
from tests.database import TestDatabase
from tests.market_cast import clerk
from tests.service.test_market_races import owner_sql

pytestmark = pytest.mark.service


def filed(firm: Cast, wan: int, *, first: bool = False, banks: tuple[Any, ...] = ()) -> Need:
    """An open need of so many 万元."""
    need = market_cast.draft_need(firm, wan=wan, banks=banks)
    service.save_need(clerk(firm), need.id, service.TermsPart(12, "CREDIT", "ANY", first))
    return service.submit_need(clerk(firm), need.id)


def refused(call: Any, *values: Any) -> ErrorCode:
    with pytest.raises(Refusal) as caught:
        call(*values)
    return caught.value.code


def computed(desk: Any, batch_id: Any, quota: Decimal | None = None) -> MatchingRound:
    found = round_service.start_round(desk, batch_id, quota)
    outbox.drain()
    with transaction(desk, read_only=True):
        return session().get_one(MatchingRound, found.id)


def pairs(ctx: Any, round_id: Any) -> dict[Any, MatchingPair]:
    with transaction(ctx, read_only=True):
        return {pair.need_id: pair for pair in session().scalars(
            select(MatchingPair).where(MatchingPair.round_id == round_id)
        )}


def count(ctx: Any, model: Any) -> int:
    with transaction(ctx, read_only=True):
        return len(session().scalars(select(model)).all())


def test_a_fair_from_the_list_of_firms_to_the_proposal(database: TestDatabase) -> None:
    desk, auditor = cast.platform()[Role.DESK], cast.bureau()[Role.BUREAU_AUDITOR]
    cheap, dear, outside = cast.bank(), cast.bank("云城银行"), cast.bank("湾区银行")
    low, high = Decimal("0.03"), Decimal("0.05")
    # The cheap bank has two seats and 500 万元, the dear one five seats; a third bank does not take part in rounds.
    best = market_cast.product(cheap, min_rate=low, max_rate=low, seats=2, budget_fen=500 * WAN)
    second = market_cast.product(dear, min_rate=high, max_rate=high, seats=5, part_min_fen=50 * WAN, max_amount_fen=400 * WAN)
    market_cast.product(outside)
    firms = [cast.firm(f"广州第{number}精密仪器有限公司") for number in range(5)]
    needs = [filed(firm, wan) for firm, wan in zip(firms, (300, 400, 200, 2_000, 600), strict=True)]
    whole, part, third, huge, large = needs

    batch = batch_service.make_batch(desk, "黄埔专精特新对接会", "fair", 30)
    assert refused(batch_service.make_batch, desk, "黄埔专精特新对接会", "list", 30) is ErrorCode.NAME_TAKEN
    assert refused(round_service.start_round, desk, batch.id) is ErrorCode.BATCH_EMPTY
    codes = [cast.uscc_of(firm) for firm in firms[:4]]
    named = batch_service.add_firms(desk, batch.id, [*codes, codes[0].lower(), " ", "91440101MA59NOBODY"])
    assert (named.added, named.known, named.without) == (4, 0, ("91440101MA59NOBODY",))
    assert batch_service.add_needs(desk, batch.id, [whole.id, large.id]) == 1
    assert batch_service.set_banks(desk, batch.id, [cheap.id, dear.id, outside.id, firms[0].id]) == 3

    found = computed(desk, batch.id)
    assert found.state == RoundState.COMPUTED and found.computed_at and found.input_digest
    got = pairs(desk, found.id)
    # Everybody would rather have 3 %. Equal in points, those who filed first have it: 300 whole, then 200 of 400.
    assert [(got[need.id].product_id, got[need.id].granted_fen // WAN) for need in (whole, part, third)] == [
        (best.id, 300), (best.id, 200), (second.id, 200),
    ]  # fmt: skip
    # The cheap product lends only whole amounts: its bank is told that this one is for it to decide.
    assert (got[part.id].below_part, got[third.id].below_part, got[whole.id].below_part) == (True, False, False)
    # 600 fit the cheap product alone, whose 1,000 are its largest; the dear one lends 400 of it as a part.
    assert got[large.id].product_id == second.id and got[large.id].asked_fen == 400 * WAN
    assert huge.id in got and got[huge.id].granted_fen == 400 * WAN and "AMOUNT_ABOVE" in got[huge.id].reasons
    assert not any(reason.startswith(("PROFILE", "PRICE")) for pair in got.values() for reason in pair.reasons)
    with transaction(auditor, read_only=True):
        told = {row.need_id: row for row in session().scalars(select(MatchingNeed))}
        seat = {row.product_id: row for row in session().scalars(select(MatchingSeat))}
    assert told[third.id].passed == [{"product": str(best.id), "place": 3, "last": 2, "why": "SEATS"}]
    assert told[huge.id].listed == 1 and told[huge.id].passed == []
    assert (seat[best.id].taken, seat[best.id].granted_fen, seat[best.id].turned_away) == (2, 500 * WAN, 2)
    assert set(seat) == {best.id, second.id}

    # The same input and seed give the same proposal, digests included.
    before = {need: (pair.product_id, pair.place, pair.granted_fen) for need, pair in got.items()}
    round_service.compute_again(desk, found.id)
    outbox.drain()
    with transaction(desk, read_only=True):
        again = session().get_one(MatchingRound, found.id)
    assert (again.terms_digest, again.input_digest) == (found.terms_digest, found.input_digest)
    assert {need: (p.product_id, p.place, p.granted_fen) for need, p in pairs(desk, found.id).items()} == before

    # Until it is shown, neither banks nor firms read a word of it.
    officer, owner = dear[Role.BANK_OFFICER], clerk(firms[2])
    for model in (MatchingRound, MatchingPair, MatchingSeat, MatchingNeed):
        assert count(officer, model) == count(owner, model) == 0
    # A need that is withdrawn, or a bank that leaves, makes it stale.
    service.withdraw_need(clerk(firms[3]), huge.id, "改用自有资金")
    assert refused(round_service.show_round, desk, found.id) is ErrorCode.ROUND_STALE
    round_service.compute_again(desk, found.id)
    outbox.drain()
    round_service.show_round(desk, found.id)
    assert refused(round_service.show_round, desk, found.id) is ErrorCode.STATE_CHANGED
    assert refused(round_service.start_round, desk, batch.id) is ErrorCode.ROUND_EXISTS

    # Now each reads its own part: the bank its pairs and seats but not whom a firm would rather have had; the firm its own.
    assert set(pairs(officer, found.id)) == {third.id, large.id}
    assert (count(officer, MatchingSeat), count(officer, MatchingNeed)) == (1, 0)
    assert set(pairs(owner, found.id)) == {third.id}
    assert (count(owner, MatchingNeed), count(owner, MatchingSeat)) == (1, 0)
    assert count(outside[Role.BANK_OFFICER], MatchingRound) == count(clerk(firms[3]), MatchingRound) == 0
    with transaction(SYSTEM, read_only=True):
        notices = session().scalars(select(Notice).where(Notice.path == f"/rounds/{found.id}")).all()
        states = set(session().scalars(select(Need.state).where(Need.id.in_([whole.id, part.id, third.id, large.id]))))
    assert sorted(notice.org_id for notice in notices) == sorted(
        [cheap.id, dear.id, *(firm.id for firm in (firms[0], firms[1], firms[2], firms[4]))]
    )
    assert states == {"OPEN"}  # a proposal: bidding goes on, nobody is chosen
    # What was shown is not written over, not even by the owner of the tables.
    with pytest.raises(Exception, match="not computed anew"):
        owner_sql(database, "delete from matching_pair returning need_id")
    ended = round_service.end_round(desk, found.id)
    assert ended.state == RoundState.ENDED and set(pairs(owner, found.id)) == {third.id}


def test_first_time_borrowers_bank_rules_and_closed_doors(database: TestDatabase) -> None:
    desk = cast.platform()[Role.DESK]
    bank, picky = cast.bank(), cast.bank("云城银行")
    rate = Decimal("0.04")
    reserve = market_cast.product(bank, min_rate=rate, max_rate=rate, seats=5)
    # A bank that says of itself: no metal works (division 33). And one product without officers to handle it has no seats.
    market_cast.product(picky, min_rate=rate, max_rate=rate, seats=9, rule={
        "not": {"fact": "industry", "op": "prefix", "value": ["33"]},
    })  # fmt: skip
    firms = [cast.firm(f"广州第{number}五金有限公司", industry_code="33") for number in range(6)]
    needs = [filed(firm, 100, first=number == 5) for number, firm in enumerate(firms)]
    named_firm = cast.firm("广州定向包装有限公司")
    named_one = filed(named_firm, 100, banks=(picky.id,))
    batch = batch_service.make_batch(desk, "首贷户清单", "list", 30)
    batch_service.add_needs(desk, batch.id, [*(need.id for need in needs), named_one.id])
    batch_service.set_banks(desk, batch.id, [bank.id, picky.id])
    found = computed(desk, batch.id)
    got = pairs(desk, found.id)
    # Five seats, one of them kept: the last to file is the only first-time borrower and has it.
    assert [needs.index(need) for need in needs if need.id in got] == [0, 1, 2, 3, 5]
    assert got[needs[5].id].in_reserve and not got[needs[0].id].in_reserve
    # A need sent to named banks goes to no other, whatever the round would like.
    assert got[named_one.id].org_id == picky.id
    with transaction(desk, read_only=True):
        missed = session().get_one(MatchingNeed, (found.id, needs[4].id))
    assert (missed.missed, missed.listed) == ("ALL_FULL", 1)
    assert missed.passed == [{"product": str(reserve.id), "place": 5, "last": 4, "why": "SEATS"}]

    round_service.discard_round(desk, found.id)
    # Without the reserve the fifth to file has the seat; a product whose bank retires it is out.
    again = computed(desk, batch.id, Decimal(0))
    assert [needs.index(need) for need in needs if need.id in pairs(desk, again.id)] == [0, 1, 2, 3, 4]
    # A bank that is alone in the round and refuses the trade: nobody is proposed, and each is told why.
    round_service.discard_round(desk, again.id)
    batch_service.set_banks(desk, batch.id, [picky.id])
    assert batch_service.remove_firms(desk, batch.id, [cast.uscc_of(named_firm)]) == 1
    alone = computed(desk, batch.id)
    assert pairs(desk, alone.id) == {}
    with transaction(desk, read_only=True):
        assert {(row.missed, *row.obstacles) for row in session().scalars(
            select(MatchingNeed).where(MatchingNeed.round_id == alone.id)
        )} == {("NO_PRODUCT", "RULE")}  # fmt: skip
    # Discarded before the worker came: the worker leaves it alone.
    round_service.discard_round(desk, alone.id)
    late = round_service.start_round(desk, batch.id)
    round_service.discard_round(desk, late.id)
    outbox.drain()
    with transaction(desk, read_only=True):
        assert session().get_one(MatchingRound, late.id).computed_at is None
