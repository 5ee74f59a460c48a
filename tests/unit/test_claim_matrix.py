"""The life of a claim as one table: in every state every event is allowed as it stands here, to nobody else, or refused."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.core.context import Context
from app.core.errors import ErrorCode
from app.core.lifecycle import refusal
from app.core.permissions import OrgKind, Role, permissions_of
from app.pool.models import Claim
from app.pool.states import CLAIM, ClaimState

OFFICER, APPROVER = Role.BANK_OFFICER, Role.BANK_APPROVER
REVIEWER, AUDITOR, LEADER, CASHIER = Role.BUREAU_REVIEWER, Role.BUREAU_AUDITOR, Role.BUREAU_LEADER, Role.BUREAU_CASHIER

TABLE: dict[str, dict[str, tuple[str, Role]]] = {
    "DRAFT": {"submit": ("SUBMITTED", APPROVER), "withdraw": ("WITHDRAWN", OFFICER)},
    "SUBMITTED": {"hold": ("HELD", Role.SYSTEM), "accept": ("AUDIT", REVIEWER), "return": ("RETURNED", REVIEWER)},
    "RETURNED": {
        "resubmit": ("SUBMITTED", APPROVER), "withdraw": ("WITHDRAWN", OFFICER), "lapse": ("LAPSED", Role.SYSTEM),
    },
    "AUDIT": {"suspend": ("HELD", AUDITOR), "audit": ("DECISION", AUDITOR)},
    "DECISION": {
        "hold": ("HELD", Role.SYSTEM), "reaudit": ("AUDIT", LEADER), "approve": ("APPROVED", LEADER),
        "approve_part": ("PARTLY_APPROVED", LEADER), "refuse": ("REFUSED", LEADER),
    },
    "HELD": {
        "lift_to_check": ("SUBMITTED", LEADER), "lift_to_audit": ("AUDIT", LEADER), "lift_to_decision": ("DECISION", LEADER),
        "refuse": ("REFUSED", LEADER),
    },
    "APPROVED": {"publicise": ("PUBLICISED", Role.SYSTEM), "reopen": ("DECISION", LEADER), "uphold": ("DECISION", REVIEWER)},
    "PARTLY_APPROVED": {
        "publicise": ("PUBLICISED", Role.SYSTEM), "reopen": ("DECISION", LEADER), "uphold": ("DECISION", REVIEWER),
    },
    "PUBLICISED": {"pay": ("PAID", CASHIER), "reopen": ("DECISION", LEADER)},
    "PAID": {"recover": ("RECOVERING", OFFICER), "close": ("CLOSED", REVIEWER), "claw_back": ("CLAWED_BACK", LEADER)},
    "RECOVERING": {"close": ("CLOSED", REVIEWER), "claw_back": ("CLAWED_BACK", LEADER)},
    "LAPSED": {}, "WITHDRAWN": {}, "REFUSED": {}, "CLOSED": {}, "CLAWED_BACK": {},
}
PARTS = ("preparer_id", "reviewer_id", "checker_id", "auditor_id", "decider_id", "cashier_id")
OTHERS = {
    "submit": {"preparer_id"}, "resubmit": {"preparer_id"}, "accept": {"preparer_id", "reviewer_id"},
    "return": {"preparer_id", "reviewer_id"}, "audit": {"preparer_id", "reviewer_id"},
    **{event: {"preparer_id", "reviewer_id", "auditor_id"} for event in ("approve", "approve_part", "refuse")},
    "pay": {"preparer_id", "reviewer_id", "auditor_id", "decider_id"}, "uphold": {"decider_id"},
}
"""Whose part the actor must not have taken before, where a state names it (a held claim is refused by anybody who may)."""


TWINS = {Role.GUARANTOR_CLERK: Role.BANK_OFFICER, Role.GUARANTOR_REVIEWER: Role.BANK_APPROVER}
"""A guarantor's people do with their claims what a bank's do with theirs."""


def person(role: Role, number: int = 1) -> Context:
    roles = frozenset({role})
    return Context(UUID(int=number), UUID(int=99), OrgKind.BUREAU, roles, permissions_of(roles))


def events() -> list[str]:
    return sorted({event for moves in TABLE.values() for event in moves})


def test_the_table_names_every_state_and_every_event() -> None:
    assert set(TABLE) == {state.value for state in ClaimState}
    assert events() == sorted(CLAIM.events())


@pytest.mark.parametrize("state", list(TABLE))
def test_every_event_in_a_state_is_allowed_as_the_table_says_to_nobody_else_or_refused(state: str) -> None:
    for event in events():
        told = TABLE[state].get(event)
        for role in Role:
            code = refusal(person(role), CLAIM, Claim(state=state), event)
            role = TWINS.get(role, role)
            expected = ErrorCode.STATE_CHANGED if told is None else None if role is told[1] else ErrorCode.FORBIDDEN
            assert code is expected, (state, event, role)
        if told is None:
            continue
        move = CLAIM.find(state, event)
        assert move is not None and move.target.value == told[0], (state, event)
        assert not move.shared, "no step of a claim is told to the whole case"
        for part in PARTS:
            code = refusal(person(told[1]), CLAIM, Claim(state=state, **{part: UUID(int=1)}), event)
            apart = part in OTHERS.get(event, set()) and state != "HELD"
            assert (code is ErrorCode.SAME_PERSON) == apart, (state, event, part)
