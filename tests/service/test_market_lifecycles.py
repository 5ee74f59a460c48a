"""Every state meets every event: what is not in the table is refused, what is in it needs the right person."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import Lifecycle, refusal
from app.core.permissions import Role
from app.market import bid_service, choice_service, product_service, service
from app.market.bid_words import AwardState, ObjectionState
from app.market.lifecycles import AWARD, BID, CHOICE, NEED, OBJECTION
from app.market.models import Bid, Need
from app.market.product_words import PRODUCT, ProductState
from app.market.words import BidState, ChoiceState, NeedState
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase

ALLOWED = {
    PRODUCT.subject: {(ProductState.ACTIVE, "edit"), (ProductState.ACTIVE, "retire")},
    NEED.subject: {
        (NeedState.DRAFT, "submit"),
        (NeedState.DRAFT, "discard"),
        (NeedState.DRAFT, "lapse"),
        (NeedState.CHECKING, "release"),
        (NeedState.CHECKING, "return"),
        (NeedState.CHECKING, "withdraw"),
        (NeedState.RETURNED, "submit"),
        (NeedState.RETURNED, "withdraw"),
        (NeedState.RETURNED, "lapse"),
        (NeedState.OPEN, "correct"),
        (NeedState.OPEN, "extend"),
        (NeedState.OPEN, "close"),
        (NeedState.OPEN, "withdraw"),
        (NeedState.CLOSED, "withdraw"),
        (NeedState.CLOSED, "choose"),
        (NeedState.CLOSED, "settle"),
        (NeedState.CLOSED, "lapse"),
        (NeedState.CHOSEN, "fall_back"),
        (NeedState.CHOSEN, "lapse"),
    },
    BID.subject: {
        (BidState.DRAFT, "edit"),
        (BidState.DRAFT, "propose"),
        (BidState.DRAFT, "discard"),
        (BidState.DRAFT, "submit"),
        (BidState.DRAFT, "lapse"),
        (BidState.PROPOSED, "return"),
        (BidState.PROPOSED, "submit"),
        (BidState.PROPOSED, "lapse"),
        (BidState.SUBMITTED, "withdraw"),
        (BidState.SUBMITTED, "replace"),
        (BidState.SUBMITTED, "open"),
        (BidState.SUBMITTED, "lapse"),
        (BidState.OPENED, "choose"),
        (BidState.OPENED, "lose"),
        (BidState.OPENED, "lapse"),
        (BidState.LOST, "recall"),
        (BidState.LAPSED, "reinstate"),
        (BidState.LOST, "lapse"),
        (BidState.CHOSEN, "undo"),
        (BidState.CHOSEN, "lapse"),
    },
    CHOICE.subject: {
        (ChoiceState.LIVE, "approve"),
        (ChoiceState.LIVE, "undo"),
        (ChoiceState.APPROVED, "sign"),
        (ChoiceState.APPROVED, "meet"),
        (ChoiceState.SIGNED, "meet"),
        (ChoiceState.SIGNED, "keep"),
        *((state, event) for state in ("LIVE", "APPROVED", "SIGNED") for event in ("refuse", "break")),
    },
    AWARD.subject: {
        (AwardState.STANDSTILL, "undo"),
        (AwardState.STANDSTILL, "uphold"),
        (AwardState.STANDSTILL, "stand"),
        (AwardState.FINAL, "done"),
        (AwardState.FINAL, "fall"),
    },
    OBJECTION.subject: {(ObjectionState.OPEN, "dismiss"), (ObjectionState.OPEN, "uphold")},
}
CASES = [
    (lifecycle, state, event)
    for lifecycle in (PRODUCT, NEED, BID, CHOICE, AWARD, OBJECTION)
    for state in lifecycle.states
    for event in lifecycle.events()
]


@pytest.mark.parametrize(("lifecycle", "state", "event"), CASES, ids=lambda value: getattr(value, "subject", str(value)))
def test_every_state_meets_every_event(lifecycle: Lifecycle, state: object, event: str) -> None:
    """For the portal itself and for nobody: an event outside the table finds a changed state, whoever asks."""
    subject = SimpleNamespace(state=state, drafted_by=None)
    allowed = (state, event) in ALLOWED[lifecycle.subject]
    assert (lifecycle.find(state, event) is not None) == allowed  # type: ignore[arg-type]
    nobody = SYSTEM.anonymous()
    assert refusal(nobody, lifecycle, subject, event) is (ErrorCode.FORBIDDEN if allowed else ErrorCode.STATE_CHANGED)


def refused(call: object) -> ErrorCode:
    """The code with which a use case says no."""
    with pytest.raises(Refusal) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def test_the_road_of_a_need_from_draft_to_choice(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    choice = market_cast.chosen(firm, bank)
    assert choice.state == ChoiceState.LIVE
    assert choice.cost_sheet["all_in_rate"] == "0.039181" and choice.cost_sheet["bank"] == "珠岸银行"
    clerk = firm[Role.FIRM_CLERK]
    for call in (service.close_need, service.extend_need, service.submit_need):
        assert refused(lambda call=call: call(clerk, choice.need_id)) is ErrorCode.STATE_CHANGED
    assert refused(lambda: service.withdraw_need(clerk, choice.need_id, "不需要了")) is ErrorCode.STATE_CHANGED


def test_a_bid_that_was_handed_in_binds_its_bank_after_closing(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(bank, need)
    service.close_need(firm[Role.FIRM_CLERK], need.id)
    assert refused(lambda: bid_service.withdraw_bid(bank[Role.BANK_APPROVER], bid.id, "后悔")) is ErrorCode.BID_AFTER_CLOSE


def test_a_withdrawn_bid_makes_room_for_another_before_closing(database: TestDatabase) -> None:
    bank = cast.bank()
    need = market_cast.open_need(cast.firm())
    bid = market_cast.sealed_bid(bank, need)
    assert refused(lambda: market_cast.draft_bid(bank, need, mark="乙")) is ErrorCode.BID_EXISTS
    bid_service.withdraw_bid(bank[Role.BANK_APPROVER], bid.id, "利率填错")
    assert market_cast.sealed_bid(bank, need, mark="丙").state == BidState.SUBMITTED


def test_whoever_drafted_a_bid_cannot_submit_it(database: TestDatabase) -> None:
    """A person with both roles still needs a second person."""
    from dataclasses import replace

    bank = cast.bank()
    need = market_cast.open_need(cast.firm())
    bid = market_cast.draft_bid(bank, need)
    officer, approver = bank[Role.BANK_OFFICER], bank[Role.BANK_APPROVER]
    both = replace(approver, actor_id=officer.actor_id)
    assert refused(lambda: bid_service.submit_bid(both, bid.id)) is ErrorCode.SAME_PERSON
    assert bid_service.submit_bid(approver, bid.id).submitted_by == approver.actor_id


def test_an_approver_cannot_submit_above_their_limit(database: TestDatabase) -> None:
    bank = cast.bank(limit_fen=200 * 1_000_000)
    bid = market_cast.draft_bid(bank, market_cast.open_need(cast.firm()))
    with pytest.raises(Refusal) as caught:
        bid_service.submit_bid(bank[Role.BANK_APPROVER], bid.id)
    assert caught.value.sentence == "金额超过您的审批权限 200 万元，请由权限更高的审批人办理。"


def test_a_returned_bid_needs_a_reason_and_tells_its_drafter(database: TestDatabase) -> None:
    bank = cast.bank()
    bid = market_cast.draft_bid(bank, market_cast.open_need(cast.firm()))
    bid_service.propose_bid(bank[Role.BANK_OFFICER], bid.id)
    approver = bank[Role.BANK_APPROVER]
    assert refused(lambda: bid_service.return_bid(approver, bid.id, "  ")) is ErrorCode.REASON_NEEDED
    back = bid_service.return_bid(approver, bid.id, "费用漏了担保费")
    assert (back.state, back.return_reason) == (BidState.DRAFT, "费用漏了担保费")


def test_a_firm_that_is_not_verified_cannot_publish(database: TestDatabase) -> None:
    firm = cast.firm(verified=False)
    need = market_cast.draft_need(firm)
    assert refused(lambda: service.submit_need(firm[Role.FIRM_CLERK], need.id)) is ErrorCode.NOT_VERIFIED


def test_bidding_is_extended_once(database: TestDatabase) -> None:
    firm = cast.firm()
    need = market_cast.open_need(firm)
    longer = service.extend_need(firm[Role.FIRM_CLERK], need.id)
    assert longer.closes_at is not None and need.closes_at is not None and longer.closes_at > need.closes_at
    assert refused(lambda: service.extend_need(firm[Role.FIRM_CLERK], need.id)) is ErrorCode.ALREADY_DONE


def test_a_need_without_bids_lapses_on_closing_and_can_be_started_again(database: TestDatabase) -> None:
    firm = cast.firm()
    clerk = firm[Role.FIRM_CLERK]
    ended = service.close_need(clerk, market_cast.open_need(firm).id)
    assert ended.state == NeedState.LAPSED
    again = service.second_round(clerk, ended.id)
    assert (again.state, again.previous_id, again.amount_fen) == (NeedState.DRAFT, ended.id, ended.amount_fen)
    assert service.submit_need(clerk, again.id).state == NeedState.CHECKING


def test_a_cancelled_choice_ends_the_need_so_that_the_firm_may_ask_again(database: TestDatabase) -> None:
    firm, bank = cast.firm(), cast.bank()
    choice = market_cast.chosen(firm, bank)
    choice_service.refuse(SYSTEM, choice.id, 1, "报表不实")
    assert service.second_round(firm[Role.FIRM_CLERK], choice.need_id).state == NeedState.DRAFT


def test_a_product_edit_is_a_new_version_and_bids_keep_theirs(database: TestDatabase) -> None:
    bank = cast.bank()
    need = market_cast.open_need(cast.firm())
    made = market_cast.product(bank)
    bid = bid_service.draft_bid(bank[Role.BANK_OFFICER], need.id, market_cast.terms(made))
    fields = product_service.ProductFields("信用快贷", "MORTGAGE", 1_000_000, 5_000_000, 1, 12)
    assert product_service.edit_product(bank[Role.BANK_ADMIN], made.id, fields).version == 2
    assert bid_service.submit_bid(bank[Role.BANK_APPROVER], bid.id).product_version == 1
    product_service.retire_product(bank[Role.BANK_ADMIN], made.id)
    other = market_cast.open_need(cast.firm("广州番禺顺达电子有限公司"))
    code = refused(lambda: bid_service.draft_bid(bank[Role.BANK_OFFICER], other.id, market_cast.terms(made)))
    assert code is ErrorCode.BID_INVALID


@pytest.mark.parametrize("model", [Need, Bid])
def test_what_belongs_to_another_organisation_is_not_found(database: TestDatabase, model: type) -> None:
    firm, bank = cast.firm(), cast.bank()
    need = market_cast.open_need(firm)
    bid = market_cast.sealed_bid(bank, need)
    stranger, rival = cast.firm("别家企业"), cast.bank("云城银行")
    calls = {
        Need: [
            lambda: service.close_need(stranger[Role.FIRM_CLERK], need.id),
            lambda: service.withdraw_need(stranger[Role.FIRM_CLERK], need.id, "x"),
            lambda: service.second_round(stranger[Role.FIRM_CLERK], need.id),
        ],
        Bid: [
            lambda: bid_service.withdraw_bid(rival[Role.BANK_APPROVER], bid.id, "x"),
            lambda: bid_service.submit_bid(rival[Role.BANK_APPROVER], bid.id),
            lambda: choice_service.choose_bid(firm[Role.FIRM_CLERK], bid.id),
        ],
    }
    assert [refused(call) for call in calls[model]] == [ErrorCode.NOT_FOUND] * 3
