"""Places in a bank's queue: written when a need is published, as the bank itself would rank it, and gone when it closes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from sqlalchemy import text

from app.core import database as portal
from app.core import outbox
from app.core.money import WAN
from app.core.permissions import Permission, Role
from app.core.use_case import reading
from app.market import product_service, queue, rank_service, service
from app.market.queue_views import QUEUE
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.credit_cast import consent, firm_with_invoices, register_model, revoke
from tests.database import TestDatabase
from tests.market_cast import clerk
from tests.service.test_market_races import owner_sql

pytestmark = pytest.mark.service


def places(database: TestDatabase, bank: cast.Cast) -> dict[Any, tuple[int, list[str]]]:
    rows = owner_sql(database, "select need_id, score, reasons from queue_rank where org_id = %s", bank.id)
    return {row[0]: (row[1], row[2]) for row in rows}


def shown(bank: cast.Cast, **args: str) -> list[Any]:
    """The needs of a page of the queue, in its order."""
    return [queue.row_of(told).id for told in QUEUE.load_queue(bank[Role.BANK_OFFICER], args).page.rows]


def afresh(bank: cast.Cast) -> list[Any]:
    """The same by the rule alone."""
    officer = bank[Role.BANK_OFFICER]
    with reading(officer, Permission.QUEUE_READ):
        rows = queue.rank(officer, portal.session().execute(queue.open_needs()).all())
    rows.sort(key=lambda row: (row.closes_at, row.id))
    return [row.id for row in sorted(rows, key=lambda row: -row.score)]


def test_places_follow_the_need_from_publishing_to_closing(database: TestDatabase) -> None:
    near, far = cast.bank(), cast.bank("云城银行")
    made = market_cast.product(near, industries=("34",), districts=("440112",), max_amount_fen=400 * WAN,
                               min_rate=Decimal("0.035"), max_rate=Decimal("0.045"))  # fmt: skip
    maker, farm = cast.firm(), cast.firm("增城丰谷合作社", industry_code="01", district="440118")
    shop = cast.firm("广州番禺顺达电子有限公司", industry_code="39", district="440113")
    first, misfit = market_cast.open_need(maker), market_cast.open_need(farm, wan=900, months=60)
    named = market_cast.open_need(shop, banks=(near.id,))
    assert places(database, near) == {}
    outbox.drain()
    assert set(places(database, near)) == {first.id, misfit.id, named.id} and set(places(database, far)) == {first.id, misfit.id}
    assert shown(near) == afresh(near) == [first.id, named.id, misfit.id]
    assert shown(near, sort="amount_fen", dir="desc")[0] == misfit.id
    assert set(shown(near, district="440118,440113")) == {misfit.id, named.id}

    # Another shelf, another order; the pool's mark and a longer window follow the need.
    fields = product_service.ProductFields("农业贷", "CREDIT", 10 * WAN, 1_000 * WAN, 1, 60, ("01",), ("440118",))
    product_service.edit_product(near[Role.BANK_ADMIN], made.id, fields)
    for need in (first, misfit, named):  # whatever the pool, where it is there, made of them
        service.mark_bookable(SYSTEM, need.id, need is misfit, [])
    service.extend_need(clerk(farm), misfit.id)
    outbox.drain()
    for need in (first, named, misfit):
        service.mark_bookable(SYSTEM, need.id, need is misfit, [])
    assert shown(near)[0] == misfit.id and shown(near) == afresh(near) and shown(near, bookable="1") == [misfit.id]
    assert rank_service.rank_due(SYSTEM) > 0 and rank_service.rank_due(SYSTEM) == 0

    # Time passes: what closes soon moves up by its points, once; what closes is gone, whoever closes it.
    before = places(database, near)[first.id][0]
    with time_machine.travel(first.closes_at - timedelta(hours=3), tick=True):
        assert rank_service.mark_soon(SYSTEM) >= 2 and rank_service.mark_soon(SYSTEM) == 0
        score, reasons = places(database, near)[first.id]
        assert score == before + 10 and "CLOSES_SOON" in reasons
        assert shown(near) == afresh(near)
    service.close_need(clerk(maker), first.id)
    service.withdraw_need(clerk(shop), named.id, "不再需要")
    assert set(places(database, near)) == set(places(database, far)) == {misfit.id}


def test_a_bank_that_opens_its_queue_ranks_what_no_worker_ranked(database: TestDatabase) -> None:
    bank, other = cast.bank(), cast.bank("云城银行")
    officer = bank[Role.BANK_OFFICER]
    firm = cast.firm()
    need = market_cast.open_need(firm)
    with reading(officer, Permission.QUEUE_READ):
        waits = rank_service.missing()
    assert waits == [need.id] and rank_service.catch_up(officer, waits) == 1
    with reading(officer, Permission.QUEUE_READ):
        assert rank_service.missing() == []
    assert set(places(database, bank)) == {need.id} and places(database, other) == {}
    # Nobody reads or writes another bank's places, and a place says nothing of the firm's name.
    with portal.transaction(other[Role.BANK_OFFICER]) as unit:
        assert unit.session.execute(text("select count(*) from queue_rank")).scalar_one() == 0
        assert unit.session.execute(text("delete from queue_rank")).rowcount == 0
    with portal.transaction(clerk(firm)) as unit:
        assert unit.session.execute(text("select count(*) from queue_rank")).scalar_one() == 0
    assert rank_service.rank_bank(SYSTEM, other.id) == 1 and shown(other) == [need.id]


def test_a_queue_is_looked_at_now_and_then_so_that_its_pages_need_not_look_far_back(database: TestDatabase) -> None:
    bank, other = cast.bank(), cast.bank("云城银行")
    need = market_cast.open_need(cast.firm())
    assert rank_service.keep_seen(SYSTEM) == 2 and set(places(database, bank)) == set(places(database, other)) == {need.id}
    assert rank_service.keep_seen(SYSTEM) == 0
    owner_sql(database, "update rank_state set seen_until = now() - interval '1 day' where org_id = %s returning 1", bank.id)
    assert rank_service.keep_seen(SYSTEM) == 0
    assert owner_sql(database, "select count(*) from rank_state where seen_until > now() - interval '1 minute'") == [(2,)]


def test_a_consent_moves_a_place_and_its_revocation_moves_it_back(database: TestDatabase) -> None:
    register_model()
    firm, bank, stranger = firm_with_invoices(3), cast.bank(), cast.bank("云城银行")
    for each in (bank, stranger):
        market_cast.product(each, min_rate=Decimal("0.04"), max_rate=Decimal("0.05"))
    need = market_cast.open_need(firm)
    outbox.drain()
    plain = places(database, bank)[need.id]
    assert "PROFILE_ABSENT" in plain[1]
    consent(firm, None, bank)
    rank_service.rank_due(SYSTEM)
    told = places(database, bank)[need.id]
    assert told[1][0] in ("PROFILE_STRONG", "PROFILE_MIDDLE", "PROFILE_WEAK") and told[1][1].startswith("PRICE_")
    assert places(database, stranger)[need.id] == plain
    bands = owner_sql(database, "select bands, margin_bp from queue_rank where org_id = %s", bank.id)
    assert bands[0][0] != ["none"] and bands[0][1] is not None
    revoke(firm, bank)
    assert places(database, bank)[need.id] == plain
