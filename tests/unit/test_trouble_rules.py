"""The life of a trouble as one table, and its deadlines over weekends and holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import product

import pytest

from app.bridge.trouble_models import BridgeTrouble
from app.bridge.trouble_rules import TROUBLE, TroubleKind, TroubleState, due_at, hours_late, old_loan_late, short_gap
from app.core.calendar import SHANGHAI
from app.core.context import Context
from app.core.lifecycle import refusal
from app.core.permissions import Role, permissions_of

OWNERS = {Role.FIRM_CLERK, Role.FIRM_REPRESENTATIVE, Role.BANK_OFFICER, Role.FUNDER_CLERK, Role.CENTRE_CLERK,
          Role.GUARANTOR_CLERK}
TABLE: dict[str, dict[str, tuple[str, set[Role]]]] = {
    "OPEN": {
        "answer": ("ANSWERED", OWNERS), "reply": ("OPEN", OWNERS), "deny": ("CLOSED", OWNERS), "lift": ("CLOSED", OWNERS),
        "resolve": ("CLOSED", {Role.SYSTEM}),
    },
    "ANSWERED": {"resolve": ("CLOSED", {Role.SYSTEM})},
    "CLOSED": {},
}


@pytest.mark.parametrize("state", list(TroubleState))
def test_every_event_in_every_state_is_allowed_to_whom_the_table_names_or_refused(state: TroubleState) -> None:
    subject = BridgeTrouble(state=state.value)
    for event, role in product(TROUBLE.events(), Role):
        actor = Context(None, None, None, frozenset({role}), permissions_of(frozenset({role})))
        target, who = TABLE[state].get(event, ("", set()))
        assert (refusal(actor, TROUBLE, subject, event) is None) == (role in who), (state, event, role)
        move = TROUBLE.find(state, event)
        assert (move.target.value if move else "") == target


@pytest.mark.parametrize(
    ("kind", "opened", "due"),
    [
        pytest.param(TroubleKind.RENEWAL_REFUSED, "2026-09-04 10:00", "2026-09-07 18:00", id="Friday to Monday"),
        pytest.param(TroubleKind.RENEWAL_REFUSED, "2026-09-18 10:00", "2026-09-20 18:00", id="a Sunday worked in lieu"),
        pytest.param(TroubleKind.RENEWAL_REFUSED, "2026-09-26 10:00", "2026-09-29 18:00", id="opened on a holiday"),
        pytest.param(TroubleKind.OVERDUE, "2026-09-30 10:00", "2026-10-10 18:00", id="over the National Day week"),
        pytest.param(TroubleKind.COURT_FREEZE, "2026-09-24 23:30", "2026-09-29 18:00", id="late in the evening"),
    ],
)
def test_a_deadline_counts_working_days_and_falls_at_their_close(kind: TroubleKind, opened: str, due: str) -> None:
    moment = datetime.fromisoformat(opened).replace(tzinfo=SHANGHAI)
    assert due_at(kind, moment.astimezone(UTC)).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M") == due


def test_a_note_due_on_a_holiday_is_late_only_after_the_next_working_day() -> None:
    due = date(2026, 10, 1)
    assert [old_loan_late(due, date(2026, 10, day)) for day in (1, 7, 8, 9)] == [False, False, False, True]


def test_the_gap_is_what_the_new_loan_leaves_open_and_hours_are_whole() -> None:
    assert [short_gap(300, drawn) for drawn in (250, 300, 400)] == [50, 0, 0]
    at = datetime(2026, 9, 7, 10, 0, tzinfo=UTC)
    assert [hours_late(at, at.replace(hour=hour, minute=59)) for hour in (9, 10, 15)] == [0, 0, 5]
