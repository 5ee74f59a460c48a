"""Officers take up needs: one of a bank at a time, as many as a product allows, sealed from everybody else until the end."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest

from app.core.calendar import now
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.ids import new_id
from app.core.outbox import run_due_checks
from app.core.permissions import Role
from app.identity.models import Membership, Organisation, Person
from app.identity.visitors import context_of
from app.market import bid_service, claim_service, service
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.market_cast import clerk
from tests.service.test_market_races import owner_sql
from tests.service.test_market_seal import rows

pytestmark = pytest.mark.service


def second_officer(bank: cast.Cast) -> Any:
    """Another officer of the bank."""
    with transaction(SYSTEM):
        org = session().get_one(Organisation, bank.id)
        person = Person(
            id=new_id(), org_id=org.id, login=f"second-{org.id.hex[-8:]}", name="李经理", state="active",
            password_hash=cast.password_hash(), password_changed_at=now(), created_at=now(), organisation=org,
            memberships=[Membership(role=Role.BANK_OFFICER.value, org_id=org.id, org_kind=org.kind, approval_limit_fen=None)],
        )  # fmt: skip
        session().add(person)
        session().flush()
        return context_of(person)


def ends(database: TestDatabase) -> dict[UUID, str | None]:
    return dict(owner_sql(database, "select id, end_reason from need_claim"))


def refused(call: Any, *values: Any) -> ErrorCode:
    with pytest.raises(Refusal) as caught:
        call(*values)
    return caught.value.code


def test_claims_of_one_bank_from_taking_up_to_every_end(database: TestDatabase) -> None:
    bank, rival = cast.bank(), cast.bank("云城银行")
    wang, li, approver = bank[Role.BANK_OFFICER], second_officer(bank), bank[Role.BANK_APPROVER]
    offered = market_cast.product(bank, officer_capacity=2)
    firms = [cast.firm(f"广州第{number}电子有限公司") for number in range(4)]
    needs = [market_cast.open_need(firm) for firm in firms]

    # Two officers at the same moment: one has it, the other is told. Another bank has its own claim on the same need.
    both, told = Barrier(2), []

    def take(officer: Any) -> None:
        both.wait()
        try:
            claim_service.claim_need(officer, needs[0].id)
            told.append("has it")
        except Refusal as refusal:
            told.append(refusal.code)

    threads = [Thread(target=take, args=(officer,)) for officer in (wang, li)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, told)) == sorted(map(str, ["has it", ErrorCode.CLAIM_TAKEN]))
    claim_service.claim_need(rival[Role.BANK_OFFICER], needs[0].id)
    with transaction(wang, read_only=True):
        holder = claim_service.claim_on(wang, needs[0].id)
    owner, other = (wang, li) if holder.person_id == wang.actor_id else (li, wang)

    # As many as the smallest product on offer allows, also past Python.
    second = claim_service.claim_need(owner, needs[1].id)
    assert refused(claim_service.claim_need, owner, needs[2].id) is ErrorCode.CLAIM_FULL
    with transaction(approver, read_only=True):
        assert [(one.person_id, one.claims) for one in claim_service.load(approver)] == [(owner.actor_id, 2), (other.actor_id, 0)]
        assert claim_service.capacity(approver) == 2 and len(claim_service.live_claims(approver)) == 2

    # Given back, handed over with a word to both, answered by a bid.
    assert refused(claim_service.release_claim, other, second.id) is ErrorCode.NOT_FOUND
    assert refused(claim_service.release_claim, rival[Role.BANK_OFFICER], second.id) is ErrorCode.NOT_FOUND
    handed = claim_service.hand_over(approver, second.id, other.actor_id)
    assert refused(claim_service.hand_over, approver, handed.id, approver.actor_id) is ErrorCode.INVALID
    assert refused(claim_service.hand_over, owner, handed.id, owner.actor_id) is ErrorCode.FORBIDDEN
    third = claim_service.claim_need(owner, needs[2].id)
    claim_service.release_claim(owner, third.id)
    assert refused(claim_service.release_claim, owner, third.id) is ErrorCode.STATE_CHANGED
    bid = bid_service.draft_bid(wang, needs[0].id, market_cast.terms(offered))
    bid_service.propose_bid(wang, bid.id)
    bid_service.submit_bid(approver, bid.id)
    found = ends(database)
    assert (found[holder.id], found[second.id], found[handed.id], found[third.id]) == ("ANSWERED", "HANDED", None, "RELEASED")

    # Left lying: freed at its hour by the database, once, with a sealed word to the officer alone.
    owner_sql(database, "update need_claim set due_at = now() - interval '1 minute' where id = %s", handed.id)
    assert run_due_checks()["market.claims"] == 0 == run_due_checks()["market.claims"]
    assert ends(database)[handed.id] == "LATE"
    words = owner_sql(database, "select person_id, seal_id from notice where message = %s", claim_service.LATE_NOTICE)
    assert words == [(other.actor_id, needs[1].seal_id)]

    # Closing ends what is left, and nothing begins after it.
    last = claim_service.claim_need(other, needs[3].id)
    service.close_need(clerk(firms[3]), needs[3].id)
    assert ends(database)[last.id] == "CLOSED"
    assert refused(claim_service.claim_need, owner, needs[3].id) is ErrorCode.BID_AFTER_CLOSE
    assert claim_service.due_at(now(), now() + timedelta(minutes=5)) <= now() + timedelta(minutes=5)


def test_nobody_else_learns_that_a_bank_works_on_a_need(database: TestDatabase) -> None:
    bank, rival, firm = cast.bank(), cast.bank("云城银行"), cast.firm()
    need = market_cast.open_need(firm)
    officer = bank[Role.BANK_OFFICER]
    claim = claim_service.claim_need(officer, need.id)
    claim_service.hand_over(bank[Role.BANK_APPROVER], claim.id, second_officer(bank).actor_id)
    others = [
        (None, rival.id, "bank"), (None, firm.id, "enterprise"), (None, cast.bureau().id, "bureau"),
        (None, cast.platform().id, "platform"), (None, None, "system"), (None, None, None),
    ]  # fmt: skip
    for identity in others:
        for sql in (
            "select id from need_claim", "update need_claim set ended_at = now(), end_reason = 'RELEASED' returning id",
            "select id from audit_event where action in ('need.claim', 'need.hand_over')",
            "select id from notice where path like '/queue/%%'",
        ):  # fmt: skip
            assert rows(database, identity, sql) == [], (identity, sql)
    assert len(rows(database, (officer.actor_id, bank.id, "bank"), "select id from need_claim")) == 2
    assert owner_sql(database, "select count(*) from outbox where topic like 'claim%%'") == [(0,)]
