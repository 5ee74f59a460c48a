"""What goes wrong with a bridge has an owner, a deadline and a page; money that does not come back has a named creditor."""

from __future__ import annotations

import dataclasses
import io
from datetime import UTC, datetime
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.bridge import bank_service, money_service, service, trouble_service
from app.bridge.claim_service import open_claim
from app.bridge.models import Bridge
from app.bridge.trouble_models import BridgeClaim, BridgeTrouble
from app.bridge.trouble_rules import TroubleKind
from app.core.calendar import SHANGHAI, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN
from app.core.permissions import Role
from tests import bridge_cast as road
from tests import cast

pytestmark = pytest.mark.usefixtures("database")

FRIDAY = datetime(2026, 9, 4, 2, 0, tzinfo=UTC)
"""10:00 in Guangzhou. Mid-Autumn is a holiday from 25 to 27 September 2026, the National Day week from 1 to 7 October."""


def troubles(bridge_id: UUID, ctx: Context = cast.SYSTEM) -> dict[str, BridgeTrouble]:
    """The latest trouble of each kind, as an identity sees them."""
    with transaction(ctx, read_only=True):
        rows = session().scalars(select(BridgeTrouble).where(BridgeTrouble.bridge_id == bridge_id))
        return {row.kind: row for row in sorted(rows, key=lambda row: row.opened_at)}


def claim(bridge_id: UUID) -> BridgeClaim | None:
    with transaction(cast.SYSTEM, read_only=True):
        return open_claim(bridge_id)


def notices(org_id: UUID, words: str) -> int:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalar(text("select count(*) from notice where org_id = :org and message like :words"),
                                {"org": org_id, "words": f"%{words}%"}) or 0


def timeline_of(ctx: Context, bridge_id: UUID) -> list[tuple[str, str]]:
    """The steps of a bridge's case as an identity reads them, oldest first."""
    case_id = road.seen(bridge_id).case_id
    with transaction(ctx, read_only=True):
        return [(row.subject_type, row.event) for row in session().execute(
            text("select subject_type, event from transition where case_id = :id order by at, id"), {"id": case_id})]


def refused(call: object, *args: object) -> ErrorCode:
    with pytest.raises(Refusal) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value.code


def in_guangzhou(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).strftime("%m-%d %H:%M")


def test_a_renewal_refused_after_the_payout_leaves_a_named_claim_until_the_money_is_back() -> None:
    who, bureau = road.people(), cast.bureau()
    officer, funder = who.new_bank[Role.BANK_OFFICER], who.funder[Role.FUNDER_CLERK]
    with time_machine.travel(FRIDAY, tick=False) as clock:
        key = road.walk(who, "OLD_REPAID")
        said = trouble_service.report(funder, key, TroubleKind.RENEWAL_REFUSED, "客户经理电话告知额度被收回")
        assert (said.state, said.owner_org_id, in_guangzhou(said.due_at)) == ("OPEN", who.new_bank.id, "09-07 18:00")
        assert claim(key) is None, "what a funder has heard is no refusal yet"
        assert refused(trouble_service.report, who.clerk, key, TroubleKind.RENEWAL_REFUSED, "又听说") is ErrorCode.TROUBLE_OPEN
        assert refused(trouble_service.report, officer, key, TroubleKind.RENEWAL_REFUSED, "本行") is ErrorCode.FORBIDDEN
        assert refused(trouble_service.answer, funder, said.id, "不是我答") is ErrorCode.NOT_FOUND
        assert trouble_service.find_troubles(cast.SYSTEM) == 0

        clock.move_to(datetime(2026, 9, 7, 11, 0, tzinfo=UTC))  # Monday, 19:00
        assert (trouble_service.find_troubles(cast.SYSTEM), trouble_service.find_troubles(cast.SYSTEM)) == (1, 0)
        assert notices(bureau.id, "已过处理期限") == notices(who.new_bank.id, "已过处理期限") == 1

        assert trouble_service.answer(officer, said.id, "抵押物被另案查封").state == "ANSWERED"
        assert road.seen(key).state == "RENEWAL_REFUSED"
        stands = claim(key)
        assert stands is not None
        assert (stands.creditor_org_id, stands.debtor_org_id, stands.opened_fen) == (who.funder.id, who.firm.id, 300 * WAN)
        with pytest.raises(DBAPIError, match="not claimed"), transaction(cast.SYSTEM):
            session().execute(text("update bridge_claim set closed_at = now(), outcome = 'RETURNED'"))
        road.give_back(who, key, 100 * WAN)
        assert claim(key) is not None and troubles(key)["RENEWAL_REFUSED"].state == "ANSWERED"
        road.give_back(who, key, 200 * WAN)
        money_service.settle(who.clerk, key, "FEE-1")
    assert claim(key) is None and road.receivable(key) == 0
    ended = troubles(key)["RENEWAL_REFUSED"]
    assert (ended.state, ended.outcome, ended.answer) == ("CLOSED", "RETURNED", "抵押物被另案查封")
    with transaction(bureau[Role.BUREAU_AUDITOR], read_only=True):
        steps = session().scalars(text("select event from transition where subject_type = 'bridge_trouble' order by at, id"))
        assert list(steps) == ["open", "answer", "resolve"]
    story = [("bridge_trouble", "open"), ("bridge", "refuse_renewal"), ("bridge_claim", "open"), ("bridge_trouble", "answer"),
             ("bridge", "return_part"), ("bridge", "returned"), ("bridge_trouble", "resolve"), ("bridge_claim", "close")]
    near = (who.boss, officer, funder, who.clerk, bureau[Role.BUREAU_AUDITOR])
    for ctx in near:
        assert [row for row in timeline_of(ctx, key) if row in story] == story, ctx.org_name
    assert not timeline_of(cast.bank("别的银行")[Role.BANK_OFFICER], key)


def test_a_bank_that_renews_after_all_says_so_and_no_claim_was_ever_named() -> None:
    who = road.people()
    key = road.walk(who, "FUNDED")
    said = trouble_service.report(who.boss, key, TroubleKind.RENEWAL_REFUSED, "银行说额度紧张")
    assert refused(trouble_service.deny, who.new_bank[Role.BANK_OFFICER], said.id, " ") is ErrorCode.REASON_NEEDED
    ended = trouble_service.deny(who.new_bank[Role.BANK_OFFICER], said.id, "下周一放款")
    assert (ended.state, ended.outcome) == ("CLOSED", "RENEWING")
    road.walk(who, "SETTLED", bridge_id=key)
    assert claim(key) is None


def test_a_short_drawdown_makes_the_firm_pay_the_gap_by_a_day_and_a_loan_that_covers_the_bridge_does_not() -> None:
    who = road.people()
    with time_machine.travel(FRIDAY, tick=False):
        key, enough = road.walk(who, "OLD_REPAID"), road.walk(who, "OLD_REPAID")
        road.drawn(who, key, 250 * WAN)
        road.drawn(who, enough, 300 * WAN)
        assert road.seen(enough).state == "SHORT_DRAWN" and troubles(enough) == {} and claim(enough) is None
        gap = troubles(key)["SHORT_DRAWN"]
        assert (gap.owner_org_id, gap.amount_fen, in_guangzhou(gap.due_at)) == (who.firm.id, 50 * WAN, "09-09 18:00")
        road.give_back(who, key, 250 * WAN)
        assert (road.seen(key).state, troubles(key)["SHORT_DRAWN"].state) == ("SHORT_DRAWN", "OPEN")
        told = trouble_service.answer(who.boss, gap.id, "周三前补足")
        assert (told.state, told.answer) == ("OPEN", "周三前补足"), "words do not pay the gap"
        road.give_back(who, key, 50 * WAN)
    assert (troubles(key)["SHORT_DRAWN"].outcome, claim(key)) == ("RETURNED", None)


def test_a_frozen_account_takes_no_new_loan_until_the_courts_paper_lifts_it() -> None:
    who = road.people()
    officer = who.new_bank[Role.BANK_OFFICER]
    key = road.walk(who, "OLD_REPAID")
    assert refused(trouble_service.report, who.boss, key, TroubleKind.COURT_FREEZE, "被冻") is ErrorCode.FORBIDDEN
    frozen = trouble_service.report(officer, key, TroubleKind.COURT_FREEZE, "（2026）粤01执保1号", 80 * WAN)
    assert (frozen.owner_org_id, frozen.amount_fen) == (who.centre.id, 80 * WAN)
    assert refused(road.drawn, who, key) is ErrorCode.BRIDGE_FROZEN
    paper = io.BytesIO(b"%PDF-1.4 unfreeze")
    assert refused(trouble_service.lift, officer, frozen.id, " ", "jd.pdf", paper) is ErrorCode.REASON_NEEDED
    assert refused(trouble_service.lift, officer, frozen.id, "解除", "jd.exe", io.BytesIO(b"MZ")) is ErrorCode.FILE_TYPE
    assert trouble_service.lift(officer, frozen.id, "法院已解除", "jd.pdf", io.BytesIO(b"%PDF-1.4 unfreeze")).state == "CLOSED"
    assert road.drawn(who, key).state == "NEW_DRAWN"
    with transaction(who.clerk, read_only=True):
        assert session().scalar(text("select count(*) from paper where kind = 'unfreeze'")) == 1


def test_time_alone_finds_the_partner_that_pays_late_the_promise_that_ran_out_and_the_overdue_return() -> None:
    who = road.people()
    with time_machine.travel(FRIDAY, tick=False) as clock:
        # The old loan falls due on the holiday: its last day is Monday, 28 September.
        holiday = {"old_due_on": datetime(2026, 9, 25).date()}
        key = road.walk(who, "PRECHECKED", **holiday)
        short = road.promise(latest_drawdown_on=datetime(2026, 10, 9).date(), valid_until=datetime(2026, 10, 9).date())
        bank_service.commit(who.new_bank[Role.BANK_APPROVER], key, short)
        road.walk(who, "SIGNED", bridge_id=key)
        clock.move_to(datetime(2026, 9, 28, 8, 0, tzinfo=UTC))
        assert (trouble_service.find_troubles(cast.SYSTEM), troubles(key)) == (0, {})
        clock.move_to(datetime(2026, 9, 29, 2, 0, tzinfo=UTC))
        assert (trouble_service.find_troubles(cast.SYSTEM), trouble_service.find_troubles(cast.SYSTEM)) == (1, 0)
        assert troubles(key)["OLD_LOAN_LATE"].owner_org_id == who.funder.id
        road.walk(who, "OLD_REPAID", bridge_id=key)
        assert troubles(key)["OLD_LOAN_LATE"].outcome == "REPAID"

        clock.move_to(datetime(2026, 10, 10, 2, 0, tzinfo=UTC))
        assert money_service.mark_due(cast.SYSTEM) == 1
        assert trouble_service.find_troubles(cast.SYSTEM) == 1
        found = troubles(key)
        assert (found["PROMISE_EXPIRED"].owner_org_id, found["OVERDUE"].owner_org_id) == (who.new_bank.id, who.firm.id)
        assert claim(key).cause == "OVERDUE"  # type: ignore[union-attr]
        road.drawn(who, key)
        assert troubles(key)["PROMISE_EXPIRED"].outcome == "DRAWN"
        road.give_back(who, key, 300 * WAN)
    assert {row.state for row in troubles(key).values()} == {"CLOSED"} and claim(key) is None


def test_troubles_are_seen_by_the_parties_the_centre_and_the_bureau_alone() -> None:
    who, rival = road.people(), cast.funder("别的资金方")
    road.fund(who.centre, rival, 900 * WAN, name="二号")
    key = road.walk(who, "OLD_REPAID")
    bank_service.refuse_renewal(who.new_bank[Role.BANK_OFFICER], key, "查封")
    near = [who.boss, who.new_bank[Role.BANK_OFFICER], who.funder[Role.FUNDER_CLERK], who.clerk,
            cast.bureau()[Role.BUREAU_AUDITOR]]
    far = [rival[Role.FUNDER_CLERK], cast.bank("别的银行")[Role.BANK_OFFICER], cast.firm("别的企业")[Role.FIRM_CLERK],
           cast.provider()[Role.PROVIDER_CLERK], Context.anonymous()]
    for ctx, count in [*((one, 1) for one in near), *((one, 0) for one in far)]:
        with transaction(ctx, read_only=True):
            rows = [session().scalar(text(f"select count(*) from {table}")) for table in ("bridge_trouble", "bridge_claim")]
            assert rows == [count, count], ctx.org_name
    with transaction(who.boss):
        assert session().execute(text("update bridge_trouble set state = 'CLOSED'")).rowcount == 0
        assert session().execute(text("update bridge_claim set opened_fen = 1")).rowcount == 0
    with transaction(cast.SYSTEM, read_only=True):
        assert session().get_one(Bridge, key).refused_on == today()


def test_a_second_application_for_a_note_is_refused_and_the_centre_looks_into_it() -> None:
    who, rival = road.people(), cast.firm("别的企业")
    key = road.walk(who, "PRECHECKED", note_no="JJ-1")
    second = dataclasses.replace(who, firm=rival)
    for number, other in enumerate((who, who, second, second)):
        assert refused(trouble_service.apply, other.boss, road.ask(other, "JJ-1"), road.wish(other)) is ErrorCode.BRIDGE_EXISTS
        assert list(troubles(key)) == ([] if number < 2 else ["DOUBLED"]), "a second click of the firm itself is no trouble"
    assert notices(who.centre.id, "又提出了一次转贷申请") == 1
    told = troubles(key)
    assert list(told) == ["DOUBLED"] and told["DOUBLED"].owner_org_id == who.centre.id
    assert rival.name not in told["DOUBLED"].note
    assert not troubles(key, rival[Role.FIRM_REPRESENTATIVE])
    assert trouble_service.answer(who.clerk, told["DOUBLED"].id, "企业误以为第一份没有提交成功").state == "ANSWERED"
    service.cancel(who.boss, key, "不需要了")
    assert troubles(key)["DOUBLED"].outcome == "ENDED"
    again = trouble_service.apply(who.boss, road.ask(who, "JJ-1"), road.wish(who))
    assert again.state == "APPLIED", "the note is free again"
