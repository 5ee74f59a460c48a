"""The centre's desk and its monthly report on a real database: who has what, what is late, and figures that open to cases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import event

from app.bridge import bank_service, desk_queries, desk_service, money_service, report_queries
from app.bridge.queries import board
from app.bridge.report_rules import FIGURES, Line, month_after, month_of, months_back
from app.core.calendar import today
from app.core.context import Context
from app.core.database import engine, session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.money import WAN, YUAN
from app.core.permissions import Role
from app.market import policy_service
from tests import bridge_cast as road
from tests import cast

pytestmark = pytest.mark.usefixtures("database")

MORNING = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
"""Monday, 10:00 in Guangzhou."""
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


def refused(call: object, *args: object) -> ErrorCode:
    with pytest.raises(Refusal) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value.code


def desk(ctx: Context, whose: str = "") -> desk_queries.Desk:
    with transaction(ctx, read_only=True):
        return desk_queries.desk(ctx, whose)


def keys(tasks: list[desk_queries.Task]) -> list[UUID]:
    return [task.bridge.id for task in tasks]


def test_a_bridge_is_taken_once_given_on_and_put_back_and_the_load_is_seen() -> None:
    who = road.people(0)
    first, second = road.walk(who, "APPLIED"), road.walk(who, "APPLIED")
    desk_service.take(who.clerk, first)
    assert refused(desk_service.take, who.reviewer, first) is ErrorCode.ALREADY_DONE
    assert refused(desk_service.hand_over, who.reviewer, first, who.boss.actor_id) is ErrorCode.NOT_FOUND
    desk_service.take(who.reviewer, second)
    assert refused(desk_service.put_back, who.clerk, second) is ErrorCode.FORBIDDEN  # a reviewer's, not the clerk's own
    desk_service.hand_over(who.reviewer, second, who.clerk.actor_id)
    assert keys(desk(who.clerk, "mine").steps) == [first, second] and keys(desk(who.reviewer, "mine").steps) == []
    assert {load.person_id: load.tasks for load in desk(who.clerk).loads} == {who.clerk.actor_id: 2, who.reviewer.actor_id: 0}
    desk_service.put_back(who.clerk, first)
    assert keys(desk(who.reviewer, "free").steps) == [first]
    assert refused(desk_service.put_back, who.clerk, first) is ErrorCode.STATE_CHANGED
    stranger = cast.bank("别的银行")[Role.BANK_OFFICER]
    assert refused(desk_service.take, stranger, first) is ErrorCode.FORBIDDEN


def test_the_day_shows_payouts_returns_late_ones_with_their_hours_and_deadlines_by_the_numbers_in_force() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people(5000 * WAN)
        applied = road.walk(who, "APPLIED")
        picked, signed = road.walk(who, "PICKED"), road.walk(who, "SIGNED", old_due_on=today() + timedelta(days=16))
        out, weekend = road.walk(who, "FUNDED", planned_days=1), road.walk(who, "FUNDED", planned_days=5)
        early = desk(who.clerk)
        assert (keys(early.payouts), keys(early.returns), keys(early.late)) == ([], [], [])
        assert keys(early.approvals) == [picked]
        due = {task.bridge.id: task.due for task in early.steps}
        assert due[applied] == datetime(2026, 11, 24, 10, 0, tzinfo=UTC)  # one working day, 18:00 in Guangzhou
        clock.shift(timedelta(days=1))
        assert keys(desk(who.clerk).returns) == [out]
        clock.shift(timedelta(days=1, hours=1))
        (late,) = desk(who.clerk).late
        assert (late.bridge.id, late.late_hours) == (out, 17)  # since Tuesday 18:00; it is Wednesday 11:00
        assert out not in keys(desk(who.clerk).steps)
        # Sunday, Monday, Tuesday: what falls on a Saturday is due on Monday.
        for days, due_today, overdue in ((4, [], [out]), (1, [weekend], [out]), (1, [], [out, weekend])):
            clock.shift(timedelta(days=days))
            found = desk(who.clerk)
            assert (keys(found.returns), keys(found.late)) == (due_today, overdue)
            with transaction(who.clerk, read_only=True):
                figures = board()
            assert (figures.returns, figures.late) == (len(due_today), len(overdue))
        clock.shift(timedelta(days=8))
        assert keys(desk(who.clerk).payouts) == [signed]
        clock.shift(timedelta(days=-16, hours=-1))
        set_by = policy_service.propose(cast.platform()[Role.SYSTEM_ADMIN], {"transfer.precheck_wd": 3}, "人手不足")
        policy_service.judge(cast.bureau()[Role.BUREAU_LEADER], set_by.id, "confirm", "同意")
        clock.shift(timedelta(minutes=1))
        slower = {task.bridge.id: task.due for task in desk(who.clerk).steps}
        assert slower[applied] == datetime(2026, 11, 26, 10, 0, tzinfo=UTC)


def test_the_branch_sees_what_it_has_to_confirm_and_nothing_of_another_bank() -> None:
    who = road.people()
    key = road.walk(who, "FUNDED")
    officer, stranger = who.old_bank[Role.BANK_OFFICER], cast.bank("别的银行")[Role.BANK_OFFICER]
    with transaction(officer, read_only=True):
        assert [bridge.id for bridge in desk_queries.payoffs(officer)] == [key]
    with transaction(stranger, read_only=True):
        assert desk_queries.payoffs(stranger) == []
    bank_service.confirm_repaid(officer, key, today(), "JQ-1")
    with transaction(officer, read_only=True):
        assert (desk_queries.payoffs(officer), desk_queries.confirmed_today(officer)) == ([], 1)


# --- the report --------------------------------------------------------------------------------------------------------


def test_months_follow_each_other_and_what_is_no_month_is_this_one() -> None:
    assert month_after(DECEMBER) == date(2027, 1, 1) and months_back(date(2027, 1, 1), 3)[-1] == NOVEMBER
    assert [month_of(text, date(2026, 12, 9)) for text in ("2026-11", "2027-01", "x", "")] == [NOVEMBER, *[DECEMBER] * 3]


def lines(ctx: Context, month: date) -> dict[tuple[str, str], Line]:
    with transaction(ctx, read_only=True):
        return {(line.by, line.name): line for line in report_queries.report(month)}


def test_the_month_counts_what_happened_in_it_and_every_figure_opens_to_its_cases() -> None:
    with time_machine.travel(MORNING, tick=False) as clock:
        who = road.people(5000 * WAN)
        leader, statements = cast.bureau()[Role.BUREAU_LEADER], []
        settled = road.walk(who, "NEW_DRAWN")
        refused_one, open_one = road.walk(who, "OLD_REPAID"), road.walk(who, "APPLIED")
        bank_service.refuse_renewal(who.new_bank[Role.BANK_OFFICER], refused_one, "法院冻结")
        clock.shift(timedelta(days=2))
        road.give_back(who, settled, 100 * WAN)
        clock.shift(timedelta(days=2))
        road.give_back(who, settled, 200 * WAN)
        money_service.settle(who.clerk, settled, "FEE-1")
        clock.shift(timedelta(days=5))  # 2 December
        money_service.mark_due(cast.SYSTEM)
        event.listen(engine(), "before_cursor_execute", lambda *args: statements.append(args[2]))
        november, december = lines(leader, NOVEMBER), lines(who.clerk, DECEMBER)
        assert sum("facts" in statement for statement in statements) == 2
        whole = november["all", ""]
        assert (whole.applied, whole.first, whole.approved, whole.paid, whole.paid_fen) == (3, 1, 2, 2, 600 * WAN)
        assert (whole.returned, whole.average_days, whole.longest_days, whole.settled) == (1, Decimal("4.0"), 4, 1)
        # 100万 × 2 + 200万 × 4 = 1000万 × days; at 0.066 % it cost 6,600, at the market's 0.2 % it would have cost 20,000.
        assert (whole.fen_days, whole.fee_fen, whole.saving_fen) == (1000 * WAN, 6_600 * YUAN, 13_400 * YUAN)
        assert whole.daily_rate == Decimal("0.00066") and (whole.refused, whole.overdue) == (1, 0)
        assert (december["all", ""].overdue, december["all", ""].applied) == (1, 0)
        assert november["bank", who.new_bank.name].applied == 3
        assert november["partner", who.funder.name].paid == 2 and november["partner", ""].applied == 1
        assert november["district", "440112"].settled == 1
        for line in (*november.values(), *december.values()):
            month = NOVEMBER if line in november.values() else DECEMBER
            for figure in FIGURES:
                with transaction(leader, read_only=True):
                    found = session().execute(report_queries.cases(month, figure, line.by, line.key)).all()
                assert len(found) == getattr(line, figure), (line.by, figure)
        with transaction(leader, read_only=True):
            assert [row.id for row in session().execute(report_queries.cases(NOVEMBER, "applied", "partner", "-"))] == [open_one]
