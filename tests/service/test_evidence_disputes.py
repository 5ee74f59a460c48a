"""A firm disputes what is held about it; who delivered it answers within 20 days; meanwhile the item is marked."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import text, update

from app.core import outbox
from app.core.database import get_or_404, session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import Outbox
from app.core.permissions import Role
from app.core.storage import take_in
from app.credit import correction_service as _recomputes  # noqa: F401 - its handler and check register on import
from app.evidence import dispute_queries, dispute_service, service
from app.evidence.correction_models import EvidenceCorrection, EvidenceDispute
from app.evidence.dispute_rules import DisputeState, Outcome, due_on, is_late, recompute_by
from tests import cast, credit_cast
from tests.cast import SYSTEM
from tests.correction_cast import (
    count,
    delivery,
    facts,
    link,
    meter,
    month,
    notices,
    penalty,
    provider,
    reference,
    supersede,
)

pytestmark = pytest.mark.service
NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)
"""Noon in Shanghai, a Tuesday."""


@pytest.fixture
def office(database):
    return provider("penalties")


@pytest.fixture
def firm(database, office):
    firm = cast.firm()
    facts("penalties", delivery(office, "penalties"), penalty(firm))
    return firm


def file(firm, fact=None, *, item="penalties", claim="这笔处罚不是我们的", **options):
    return dispute_service.file_dispute(
        firm[Role.FIRM_CLERK], item, claim, fact=reference(item) if fact is None else fact or None, **options)


def answer(office, dispute, outcome=Outcome.UPHELD, words="经核查无误", **options):
    return dispute_service.answer_dispute(office[Role.PROVIDER_CLERK], dispute.id, outcome, words, **options)


def refused(call):
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value.code


def marks(ctx, firm):
    with transaction(ctx, read_only=True):
        return dispute_queries.open_disputes(firm.id)


def again(dispute):
    with transaction(SYSTEM, read_only=True):
        return get_or_404(EvidenceDispute, dispute.id)


def corrections():
    with transaction(SYSTEM, read_only=True):
        return list(session().query(EvidenceCorrection).order_by(EvidenceCorrection.at))


def test_a_dispute_goes_to_who_delivered_the_fact_and_says_what_it_is_about(firm, office):
    dispute = file(firm, wanted="应删除")
    assert (dispute.provider_org_id, dispute.label) == (office.id, "行政处罚 · 穗市监罚〔2026〕1号")
    assert dispute.shown["amount_fen"] == 500_000 and dispute.fact["key"] == {"document_no": "穗市监罚〔2026〕1号"}
    assert f"{firm.name} 对“{dispute.label}”提出异议，请核查并在 {dispute.due_on.isoformat()} 前书面答复。" in notices(office)


def test_a_dispute_of_the_last_day_of_february_is_due_twenty_days_later():
    assert due_on(date(2027, 2, 28)) == date(2027, 3, 20)
    assert due_on(date(2028, 2, 29)) == date(2028, 3, 20)


def test_an_answer_on_the_twentieth_day_is_in_time_and_one_on_the_next_is_late():
    due = due_on(date(2026, 3, 10))
    assert not is_late(due, date(2026, 3, 30)) and is_late(due, date(2026, 3, 31))


def test_a_late_answer_is_taken_and_on_record_as_late(firm, office):
    with time_machine.travel(NOON, tick=False):
        dispute = file(firm)
    with time_machine.travel(NOON + timedelta(days=21), tick=False):
        assert answer(office, dispute).state == DisputeState.ANSWERED_UPHELD
    assert count("select facts ->> 'late' from audit_event where action = 'dispute.answer'") == "true"


def test_the_bank_that_may_read_the_item_sees_that_it_is_disputed_and_not_why(firm, office):
    bank, stranger = cast.bank(), cast.bank("南粤村镇银行")
    service.give_consent(firm[Role.FIRM_REPRESENTATIVE], ["invoices"], [bank.id])
    dispute = file(firm)
    officer = bank[Role.BANK_OFFICER]
    (mark,) = marks(officer, firm)["penalties"]
    assert mark.fact == dispute.fact and mark.asked_at == dispute.asked_at
    with transaction(officer, read_only=True):
        assert session().execute(text("select claim from evidence_dispute")).all() == []
    assert marks(stranger[Role.BANK_OFFICER], firm) == {}
    assert list(marks(firm[Role.FIRM_CLERK], firm)) == ["penalties"]
    assert marks(cast.firm("广州别家有限公司")[Role.FIRM_CLERK], firm) == {}


def test_the_mark_goes_with_the_answer_and_with_the_withdrawal(firm, office):
    answer(office, file(firm))
    assert marks(firm[Role.FIRM_CLERK], firm) == {}
    dispute_service.withdraw_dispute(firm[Role.FIRM_CLERK], file(firm).id)
    assert marks(firm[Role.FIRM_CLERK], firm) == {}


def test_a_promised_correction_leaves_the_mark_until_it_has_come(firm, office):
    dispute = file(firm)
    answer(office, dispute, Outcome.CORRECTED, "将于下周更正", deliver_by=dispute.asked_at.date() + timedelta(days=7))
    (mark,) = marks(firm[Role.FIRM_CLERK], firm)["penalties"]
    assert mark.promised_by == again(dispute).deliver_by and corrections() == []
    came = delivery(office, "penalties")
    supersede("penalties", came, amount_fen=50_000)
    tell(came, firm)
    assert marks(firm[Role.FIRM_CLERK], firm) == {} and again(dispute).corrected_at is not None
    assert [(row.cause, row.dispute_id) for row in corrections()] == [("change", dispute.id)]


def tell(came, *firms):
    """What the reader tells when a delivery was taken in."""
    with transaction(SYSTEM):
        outbox.emit("delivery.taken_in", delivery_id=came.id, firm_ids=[str(firm.id) for firm in firms])
    outbox.drain()


def test_one_fact_has_one_open_dispute_and_may_be_disputed_again_after_the_answer(firm, office):
    first = file(firm)
    assert refused(lambda: file(firm, claim="再说一遍")) is ErrorCode.DISPUTE_OPEN
    answer(office, first)
    assert file(firm).id != first.id


def test_a_form_sent_twice_is_one_dispute(firm, office):
    clerk = firm[Role.FIRM_CLERK].with_token("double")
    first, second = (dispute_service.file_dispute(clerk, "penalties", "不对", fact=reference("penalties")) for _ in range(2))
    assert first.id == second.id and count("select count(*) from evidence_dispute") == 1


def test_another_firms_fact_is_not_found(firm, office):
    other = cast.firm("广州别家有限公司")
    assert refused(lambda: file(other, reference("penalties"))) is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("nonsense", ["x", "[]", "[1,[],1]", '[1,["a"],"1"]', "[1,[1],1]", '{"a":1}', '[true,["a"],1]', "null"])
def test_a_made_up_reference_is_not_found(firm, office, nonsense):
    assert refused(lambda: file(firm, nonsense)) is ErrorCode.NOT_FOUND


def test_a_version_that_no_longer_stands_is_not_disputed(firm, office):
    old = reference("penalties")
    supersede("penalties", delivery(office, "penalties"), amount_fen=1)
    assert refused(lambda: file(firm, old)) is ErrorCode.STATE_CHANGED


def test_a_firm_that_the_desk_does_not_know_yet_disputes_nothing(office):
    stranger = cast.firm("广州冒名有限公司", verified=False)
    assert refused(lambda: file(stranger, "")) is ErrorCode.NOT_VERIFIED


def test_without_words_there_is_no_dispute_and_no_answer(firm, office):
    assert refused(lambda: file(firm, claim="  ")) is ErrorCode.REASON_NEEDED
    dispute = file(firm)
    assert refused(lambda: answer(office, dispute, words=" ")) is ErrorCode.REASON_NEEDED


def test_a_provider_of_another_item_neither_sees_nor_answers_it(firm, office):
    dispute = file(firm)
    other = provider("electricity", name="广州供电局")
    assert refused(lambda: answer(other, dispute)) is ErrorCode.NOT_FOUND
    with transaction(other[Role.PROVIDER_CLERK], read_only=True):
        assert session().execute(text("select count(*) from evidence_dispute")).scalar() == 0


def test_another_firm_cannot_withdraw_it_nor_the_firm_after_the_answer(firm, office):
    dispute = file(firm)
    other = cast.firm("广州别家有限公司")[Role.FIRM_CLERK]
    assert refused(lambda: dispute_service.withdraw_dispute(other, dispute.id)) is ErrorCode.NOT_FOUND
    answer(office, dispute)
    withdraw = lambda: dispute_service.withdraw_dispute(firm[Role.FIRM_CLERK], dispute.id)  # noqa: E731
    assert refused(withdraw) is ErrorCode.STATE_CHANGED


def test_what_is_missing_is_disputed_with_the_one_office_that_delivers_the_item(firm, office):
    dispute = file(firm, "", claim="缺少我单位的信用修复记录")
    assert (dispute.provider_org_id, dispute.fact, dispute.label) == (office.id, None, "行政处罚")


def test_where_several_offices_deliver_an_item_the_firm_names_one_and_where_none_does_it_is_told(firm, office):
    second = provider("penalties", name="广州市应急管理局")
    assert refused(lambda: file(firm, "")) is ErrorCode.INVALID
    assert file(firm, "", provider_org_id=second.id).provider_org_id == second.id
    assert file(firm, "", provider_org_id=office.id).provider_org_id == office.id
    assert refused(lambda: file(firm, "", item="justice")) is ErrorCode.DISPUTE_NO_PROVIDER


def test_a_month_of_the_firms_meter_is_disputed_and_one_of_the_tenant_before_is_not_found(database):
    power, firm = provider("electricity", "meter_links", name="广州供电局"), cast.firm()
    number = meter(power)
    facts("meter_links", delivery(power, "meter_links"), link(number, firm, date(2026, 1, 1)))
    facts("electricity", delivery(power, "electricity"), month(number, date(2025, 12, 1)), month(number, date(2026, 1, 1)))
    assert file(firm, reference("electricity", which=1), item="electricity").label == "用电 · 0300001 · 2026-01"
    assert refused(lambda: file(firm, reference("electricity", which=0), item="electricity")) is ErrorCode.NOT_FOUND


def test_the_correction_must_lie_in_a_delivery_that_came_after_the_dispute(firm, office):
    early = delivery(office, "penalties")
    dispute = file(firm)
    wrong_item = delivery(office, "dishonesty")
    foreign = delivery(provider("penalties", name="广州市应急管理局"), "penalties")
    for came in (early, wrong_item, foreign):
        assert refused(lambda came=came: answer(office, dispute, Outcome.CORRECTED, delivery_id=came.id)) is ErrorCode.INVALID
    assert refused(lambda: answer(office, dispute, Outcome.CORRECTED)) is ErrorCode.INVALID
    for day in (date(2020, 1, 1), dispute.asked_at.date() + timedelta(days=40)):
        code = refused(lambda day=day: answer(office, dispute, Outcome.CORRECTED, deliver_by=day))
        assert code is ErrorCode.DATE_OUT_OF_RANGE
    assert answer(office, dispute, Outcome.CORRECTED, delivery_id=delivery(office, "penalties").id).corrected_at is not None


def test_papers_of_both_sides_are_seen_by_both_and_by_nobody_else(firm, office):
    data = b"%PDF-1.7 proof"
    proof = lambda: (take_in(io.BytesIO(data), limit=1000, limit_text="1 KB"), "证明.pdf")  # noqa: E731
    dispute = file(firm, proof=proof())
    answer(office, dispute, proof=proof())
    for who in (firm[Role.FIRM_CLERK], office[Role.PROVIDER_CLERK], cast.platform()[Role.DESK]):
        with transaction(who, read_only=True):
            assert session().execute(text("select count(*) from paper")).scalar() == 2
    with transaction(cast.bank()[Role.BANK_OFFICER], read_only=True):
        assert session().execute(text("select count(*) from paper")).scalar() == 0


def test_the_desk_is_told_on_the_last_day_and_everybody_once_it_is_late(firm, office):
    desk = cast.platform()
    with time_machine.travel(NOON, tick=False) as clock:
        dispute = file(firm)
        clock.move_to(NOON + timedelta(days=19))
        outbox.run_due_checks()
        assert notices(desk) == []
        clock.move_to(NOON + timedelta(days=20))
        outbox.run_due_checks()
        outbox.run_due_checks()
        assert notices(desk) == [f"{firm.name} 对“{dispute.label}”的异议今天到期，{office.name} 还没有答复。"]
        clock.move_to(NOON + timedelta(days=21))
        outbox.run_due_checks()
        outbox.run_due_checks()
        late = f"{firm.name} 对“{dispute.label}”的异议已超过答复期限，{office.name} 仍未答复。"
        assert notices(desk)[1:] == [late] and notices(firm)[-1] == late and notices(office)[-1] == late
        with transaction(desk[Role.DESK], read_only=True):
            assert [row.id for row in dispute_queries.overdue()] == [dispute.id]


def test_a_promise_that_is_not_kept_is_told_to_the_desk(firm, office):
    desk = cast.platform()
    with time_machine.travel(NOON, tick=False) as clock:
        dispute = file(firm)
        answer(office, dispute, Outcome.CORRECTED, deliver_by=date(2026, 3, 17))
        clock.move_to(NOON + timedelta(days=8))
        outbox.run_due_checks()
        assert notices(desk) == [f"{office.name} 答应更正“{dispute.label}”（{firm.name}），到期还没有交来。"]


@pytest.fixture
def scored(database):
    """A firm with a score, and the office that delivers its penalties."""
    credit_cast.register_model()
    firm = credit_cast.firm_with_invoices()
    credit_cast.consent(firm)
    office = provider("penalties")
    facts("penalties", delivery(office, "penalties"), penalty(firm))
    return firm, office


def correct(firm, office):
    dispute = file(firm)
    return answer(office, dispute, Outcome.CORRECTED, delivery_id=delivery(office, "penalties").id)


def test_a_correction_is_computed_at_once(scored):
    firm, office = scored
    correct(firm, office)
    (waiting,) = corrections()
    assert waiting.recomputed_at is None
    outbox.drain()
    (done,) = corrections()
    assert done.recomputed_at is not None and done.next_check_at is None
    assert count("select count(*) from audit_event where action = 'credit.compute' and at > :at", at=done.at) == 1


def test_the_score_is_recomputed_within_three_working_days_also_when_the_job_died(scored):
    firm, office = scored
    desk = cast.platform()
    friday = datetime(2026, 3, 13, 9, tzinfo=UTC)
    with time_machine.travel(friday, tick=False) as clock:
        correct(firm, office)
        with transaction(SYSTEM):
            session().execute(update(Outbox).where(Outbox.state == "pending").values(state="dead"))
        clock.move_to(datetime(2026, 3, 17, 9, tzinfo=UTC))
        outbox.run_due_checks()
        assert corrections()[0].recomputed_at is None
        clock.move_to(datetime(2026, 3, 17, 16, 5, tzinfo=UTC))  # Wednesday begins in Shanghai
        outbox.run_due_checks()
        (done,) = corrections()
        assert done.recompute_by == date(2026, 3, 18) == recompute_by(date(2026, 3, 13))
        assert done.recomputed_at is not None
        assert notices(desk) == [f"{firm.name} 的资料更正后没有及时重算信用画像，已在期限内补算，请检查后台任务。"]
        outbox.run_due_checks()
        assert len(notices(desk)) == 1


def test_a_repair_nobody_disputed_has_the_same_deadline(scored):
    firm, office = scored
    came = delivery(office, "penalties")
    supersede("penalties", came, repaired_on=date(2026, 3, 1))
    tell(came, firm)
    tell(came, firm)
    (repair,) = corrections()
    assert (repair.cause, repair.firm_id, repair.delivery_id) == ("repair", firm.id, came.id)
    assert repair.recomputed_at is not None


def test_a_change_that_repairs_nothing_and_was_not_disputed_leaves_no_correction(scored):
    firm, office = scored
    came = delivery(office, "penalties")
    supersede("penalties", came, amount_fen=1)
    tell(came, firm)
    assert corrections() == []


def test_a_delivery_that_changes_a_fact_under_dispute_is_a_correction_and_the_answer_is_still_due(scored):
    firm, office = scored
    dispute = file(firm)
    came = delivery(office, "penalties")
    supersede("penalties", came, amount_fen=1)
    tell(came, firm)
    assert [row.cause for row in corrections()] == ["change"]
    assert again(dispute).state == DisputeState.ASKED


def test_without_consent_a_correction_computes_no_score(scored):
    firm, office = scored
    credit_cast.revoke(firm)
    correct(firm, office)
    outbox.drain()
    assert corrections()[0].recomputed_at is not None
    assert credit_cast.current(firm).score is None


def test_the_portal_may_not_rewrite_what_was_claimed(firm, office):
    file(firm)
    with pytest.raises(Exception, match="permission denied"), transaction(SYSTEM):
        session().execute(text("update evidence_dispute set claim = 'x'"))
