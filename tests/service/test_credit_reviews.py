"""A firm may ask that a person looks at its profile, and gets a written answer (个人信息保护法 art. 24)."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.core.calendar import today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import refusal
from app.core.models import Notice, Transition
from app.core.permissions import ROLES_OF_KIND, OrgKind, Permission, Role, permissions_of
from app.core.use_case import reading
from app.credit import queries, review_service
from app.credit.models import CreditProfile, ProfileReview
from app.credit.rules import ReviewState
from app.credit.states import REVIEW_LIFE
from tests import cast
from tests.credit_cast import consent, firm_with_invoices, register_model

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]


def scored_firm(number: int = 0) -> cast.Cast:
    firm = firm_with_invoices(number)
    consent(firm)
    return firm


@pytest.fixture(autouse=True)
def _model(database: object) -> None:
    register_model()


def test_a_firm_asks_and_gets_an_answer_within_twenty_days() -> None:
    firm, desk = scored_firm(), cast.platform()[Role.DESK]
    asked = review_service.ask_review(firm[Role.FIRM_CLERK], "  2026 年 3 月的发票漏了一批。 ")
    assert asked.message == "2026 年 3 月的发票漏了一批。" and asked.due_on == today() + timedelta(days=20)
    review, profile = review_service.look_at_review(desk, asked.id)
    assert profile.firm_id == firm.id and review.id == asked.id
    answered = review_service.answer_review(desk, asked.id, "已请税务局补送，下个月的画像会包括这批发票。")
    assert answered.state == ReviewState.ANSWERED.value and answered.answered_by == desk.actor_id
    with reading(firm[Role.FIRM_REPRESENTATIVE], Permission.PROFILE_READ) as db:
        assert [one.answer for one in queries.reviews_of(firm.id)] == [answered.answer]
        notices = db.scalars(sa.select(Notice.message).where(Notice.path == "/profile#review")).all()
    assert len(notices) == 1


def test_a_second_request_waits_until_the_first_is_answered() -> None:
    firm, desk = scored_firm(), cast.platform()[Role.DESK]
    first = review_service.ask_review(firm[Role.FIRM_CLERK], "请解释客户集中的原因。")
    with pytest.raises(Refusal) as refused:
        review_service.ask_review(firm[Role.FIRM_REPRESENTATIVE], "再问一次。")
    assert (refused.value.code, refused.value.field) == (ErrorCode.ALREADY_DONE, "message")
    review_service.answer_review(desk, first.id, "前五大客户占销售额的比例见明细。")
    assert review_service.ask_review(firm[Role.FIRM_CLERK], "还想问一件事。").state == ReviewState.ASKED.value


@pytest.mark.parametrize("words", ["", "   \n"])
def test_a_request_and_an_answer_need_words(words: str) -> None:
    firm, desk = scored_firm(), cast.platform()[Role.DESK]
    with pytest.raises(Refusal) as refused:
        review_service.ask_review(firm[Role.FIRM_CLERK], words)
    assert (refused.value.code, refused.value.field) == (ErrorCode.REASON_NEEDED, "message")
    asked = review_service.ask_review(firm[Role.FIRM_CLERK], "请解释。")
    with pytest.raises(Refusal) as refused:
        review_service.answer_review(desk, asked.id, words)
    assert (refused.value.code, refused.value.field) == (ErrorCode.REASON_NEEDED, "answer")


def test_a_firm_without_a_profile_has_nothing_to_ask_about() -> None:
    with pytest.raises(Refusal) as refused:
        review_service.ask_review(cast.firm()[Role.FIRM_CLERK], "为什么没有评分？")
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_the_same_form_sent_twice_makes_one_request() -> None:
    firm = scored_firm()
    clerk = firm[Role.FIRM_CLERK].with_token("one-form")
    assert review_service.ask_review(clerk, "请解释。").id == review_service.ask_review(clerk, "请解释。").id


def test_the_desk_sees_the_profile_that_was_asked_about_and_no_other() -> None:
    asking, silent, desk = scored_firm(0), scored_firm(1), cast.platform()[Role.DESK]
    review_service.ask_review(asking[Role.FIRM_CLERK], "请解释。")
    with transaction(desk, read_only=True):
        assert set(session().scalars(sa.select(CreditProfile.firm_id))) == {asking.id}
        assert queries.current_profile(silent.id) is None


def test_a_request_is_seen_by_its_firm_and_the_desk_alone() -> None:
    firm, other, bank = scored_firm(0), scored_firm(1), cast.bank()
    consent(firm, None, bank)
    asked = review_service.ask_review(firm[Role.FIRM_CLERK], "请解释。")
    for ctx in (other[Role.FIRM_CLERK], bank[Role.BANK_OFFICER], cast.bureau()[Role.BUREAU_LEADER], Context.anonymous()):
        with transaction(ctx, read_only=True):
            assert session().scalars(sa.select(ProfileReview.id)).all() == []
    with transaction(cast.platform()[Role.DESK], read_only=True):
        assert session().scalars(sa.select(ProfileReview.id)).all() == [asked.id]


EVERYBODY = [(kind, role) for kind, roles in ROLES_OF_KIND.items() if kind is not OrgKind.SYSTEM for role in roles]


@pytest.mark.parametrize("state", list(ReviewState))
@pytest.mark.parametrize("event", REVIEW_LIFE.events())
def test_every_state_meets_every_event_for_every_role(state: ReviewState, event: str) -> None:
    review = ProfileReview(state=state.value)
    for kind, role in EVERYBODY:
        person = Context(None, None, kind, frozenset({role}), permissions_of(frozenset({role})))
        code = refusal(person, REVIEW_LIFE, review, event)
        if state is ReviewState.ANSWERED:
            assert code is ErrorCode.STATE_CHANGED
        else:
            assert code is (None if role is Role.DESK else ErrorCode.FORBIDDEN)


def test_an_answer_is_given_once() -> None:
    firm, desk = scored_firm(), cast.platform()[Role.DESK]
    asked = review_service.ask_review(firm[Role.FIRM_CLERK], "请解释。")
    review_service.answer_review(desk, asked.id, "解释如下。")
    with pytest.raises(Refusal) as refused:
        review_service.answer_review(desk, asked.id, "换一个说法。")
    assert refused.value.code is ErrorCode.STATE_CHANGED
    with transaction(cast.SYSTEM, read_only=True):
        assert session().get_one(ProfileReview, asked.id).answer == "解释如下。"
        events = session().scalars(
            sa.select(Transition.event).where(Transition.subject_id == asked.id, Transition.org_id == desk.org_id)
        ).all()
    assert events == ["answer"]
