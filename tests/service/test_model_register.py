"""The model register: nobody alone decides which model scores, in the portal's code and in the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.core import outbox
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.lifecycle import can_fire
from app.core.models import AuditEvent, Outbox, Transition
from app.core.permissions import Role
from app.credit import model_service
from app.credit.model_states import MODEL_LIFE, ModelState
from app.credit.models import ScoringModel
from tests import cast
from tests.credit_cast import consent, current, firm_with_invoices, model_file
from tests.model_cast import WHY, Governors, content

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]

S = ModelState
ALLOWED = {
    (S.CANDIDATE, "approve"): S.APPROVED, (S.CANDIDATE, "refuse"): S.REFUSED, (S.APPROVED, "refuse"): S.REFUSED,
    (S.APPROVED, "activate"): S.ACTIVE, (S.RETIRED, "recall"): S.RECALLED, (S.RECALLED, "restore"): S.ACTIVE,
    (S.RECALLED, "drop"): S.RETIRED,
}
"""What a person may bring about. All else is refused; ``retire`` only happens to the one whose place is taken."""


@pytest.mark.parametrize("state", list(ModelState))
def test_each_state_meets_each_event(state: ModelState) -> None:
    people = Governors()
    model = people.model_in(state)
    for event in MODEL_LIFE.events():
        refused = _refused(people.security, model, event)
        if (state, event) in ALLOWED:
            assert refused is ErrorCode.REASON_NEEDED, event  # the state allows it; only the reason was left away
        else:
            assert refused is ErrorCode.STATE_CHANGED, event
    assert _now(model).state == state
    for (source, event), target in ALLOWED.items():
        if source is state:
            assert model_service.decide(people.security, model.id, event, WHY).state == target
            return


@pytest.mark.parametrize("state", list(ModelState))
def test_who_has_no_say_changes_nothing_in_any_state(state: ModelState) -> None:
    people = Governors()
    model = people.model_in(state)
    strangers = [people.audit, people.bureau[Role.BUREAU_AUDITOR], people.platform[Role.DESK], cast.bank()[Role.BANK_APPROVER]]
    for who in strangers:
        for source, event in ALLOWED:
            if source is state:
                assert _refused(who, model, event, WHY) is ErrorCode.FORBIDDEN
                assert not can_fire(who, MODEL_LIFE, model, event)


def test_the_first_model_scores_at_once_and_says_that_nobody_decided() -> None:
    first = model_service.register_model(cast.SYSTEM, model_file())
    assert first.active and first.first_start and first.proposed_by is None
    with transaction(cast.SYSTEM, read_only=True):
        step = session().scalars(sa.select(Transition).where(Transition.subject_id == first.id)).one()
        event = session().scalars(sa.select(AuditEvent).where(AuditEvent.action == "credit.register_model")).one()
        assert (step.event, step.target, step.actor_role) == ("first_start", "active", "system")
        assert event.facts["first_start"] is True
    again = model_service.register_model(cast.SYSTEM, model_file())
    assert again.id == first.id


def test_a_later_model_waits_for_two_people_and_the_first_scores_on() -> None:
    first = model_service.register_model(cast.SYSTEM, model_file(11))
    later = model_service.register_model(cast.SYSTEM, model_file(12))
    assert later.state == S.CANDIDATE and not later.first_start
    assert _active() == [first.id]


def test_two_people_activate_a_model_and_every_firm_is_scored_again() -> None:
    people = Governors()
    model = people.candidate()
    firm = firm_with_invoices()
    consent(firm)
    before = current(firm)
    assert _refused(people.system, model, "approve", WHY) is ErrorCode.FORBIDDEN  # who brings models never approves
    model_service.decide(people.leader, model.id, "approve", WHY)
    assert _refused(people.leader, model, "activate", WHY) is ErrorCode.SAME_PERSON
    model_service.decide(people.system, model.id, "activate", WHY)
    assert _active() == [model.id]
    outbox.drain()
    after = current(firm)
    assert before is not None and after is not None and after.model_id == model.id != before.model_id


def test_two_people_go_back_to_an_earlier_model() -> None:
    people = Governors()
    first = people.model_in(S.RETIRED)
    model_service.decide(people.security, first.id, "recall", "新模型对小店偏低")
    assert len(_active()) == 1 and first.id not in _active()
    assert _refused(people.security, first, "restore", WHY) is ErrorCode.SAME_PERSON
    model_service.decide(people.leader, first.id, "restore", "同意")
    assert _active() == [first.id]
    with transaction(cast.SYSTEM, read_only=True):
        steps = session().scalars(
            sa.select(Transition.event).where(Transition.subject_id == first.id).order_by(Transition.at, Transition.id)).all()
        emitted = session().scalars(sa.select(Outbox.topic).where(Outbox.topic == "credit.model_changed")).all()
    assert steps == ["first_start", "retire", "recall", "restore"]
    assert len(emitted) == 3


def test_a_recall_that_is_dropped_can_be_asked_for_again_by_another() -> None:
    people = Governors()
    first = people.model_in(S.RECALLED)
    model_service.decide(people.leader, first.id, "drop", "先观察一个月")
    again = model_service.decide(people.security, first.id, "recall", WHY)
    assert again.recalled_by == people.security.actor_id


def test_a_refused_move_leaves_the_scoring_model_in_its_place() -> None:
    people = Governors()
    model = people.model_in(S.APPROVED)
    before = _active()
    assert _refused(people.leader, model, "activate", WHY) is ErrorCode.SAME_PERSON
    assert _refused(people.system, model, "activate", "  ") is ErrorCode.REASON_NEEDED
    assert _active() == before and len(before) == 1


ATTEMPTS: dict[str, tuple[ModelState, str, str]] = {
    "approves what it brought": (S.CANDIDATE, "state = 'approved', approved_by = :me", "ck_scoring_model_two_persons"),
    "approves in another's name": (S.CANDIDATE, "state = 'approved', approved_by = :other", "ck_scoring_model_kept"),
    "approves without a name": (S.CANDIDATE, "state = 'approved'", "ck_scoring_model_kept"),
    "skips the approval": (S.CANDIDATE, "state = 'active', activated_by = :me, activated_at = now()",
                           "ck_scoring_model_life"),
    "renames who brought it": (S.CANDIDATE, "state = 'refused', proposed_by = :other", "permission denied"),
    "puts in another file": (S.CANDIDATE, "content = 'x'", "permission denied"),
    "has two models score": (S.APPROVED, "state = 'active', activated_by = :me, activated_at = now()",
                             "uq_scoring_model_active"),
    "takes the last model away": (S.ACTIVE, "state = 'retired'", "ck_scoring_model_succession"),
    "brings back a refused one": (S.REFUSED, "state = 'candidate'", "ck_scoring_model_life"),
    "restores what it recalled": (S.RECALLED, "state = 'active', restored_by = :me, activated_at = now()",
                                  "ck_scoring_model_restored_two_persons"),
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_the_database_keeps_the_rules_against_our_own_code(name: str) -> None:
    state, change, constraint = ATTEMPTS[name]
    people = Governors()
    model = people.model_in(state)
    with told_by_the_database(constraint), transaction(people.system):
        session().execute(
            sa.text(f"update scoring_model set {change} where id = :id"),
            {"id": model.id, "me": people.system.actor_id, "other": people.leader.actor_id},
        )


def test_the_database_lets_the_approver_not_activate() -> None:
    people = Governors()
    model = people.model_in(S.APPROVED)
    with told_by_the_database("ck_scoring_model_activated_two_persons"), transaction(people.leader):
        session().execute(sa.text("update scoring_model set state = 'retired' where state = 'active'"))
        session().execute(sa.text(
            "update scoring_model set state = 'active', activated_by = :me, activated_at = now() where id = :id"),
            {"id": model.id, "me": people.leader.actor_id})


def test_no_door_of_the_system_approves_a_model() -> None:
    people = Governors()
    model = people.candidate()
    for change in ("state = 'approved'", "state = 'refused'"):
        with transaction(cast.SYSTEM):
            assert session().execute(
                sa.text(f"update scoring_model set {change} where id = :id"), {"id": model.id}).rowcount == 0  # type: ignore[attr-defined]


def test_a_model_is_born_a_candidate_whoever_inserts_it() -> None:
    people = Governors()
    first = model_service.register_model(cast.SYSTEM, model_file(11))
    values = {column.name: getattr(first, column.name) for column in ScoringModel.__table__.columns if column.name != "content"}
    values |= {"id": people.bureau.id, "version": "2026-01-01-aaaaaaaaaaaa", "content": b"{}"}
    values["sha256"] = sha256(b"{}").digest()
    for ctx, more in (
        (cast.SYSTEM, {"state": "active", "first_start": True}),
        (cast.SYSTEM, {"state": "candidate", "first_start": False, "activated_at": None, "proposed_by": people.system.actor_id}),
        (people.system, {"state": "candidate", "first_start": False, "activated_at": None, "proposed_by": None}),
    ):
        with told_by_the_database("ck_scoring_model_birth"), transaction(ctx):
            session().execute(sa.insert(ScoringModel).values(**{**values, **more}))


@pytest.mark.parametrize(("damage", "sentence"), [
    (lambda file: b"\x80\x04\x95pickle", "损坏"),
    (lambda file: b'{"format": 7}', "模型格式"),
    (lambda file: file.replace(b'"firms": ', b'"firms": 1'), "改动过"),
])
def test_a_file_that_is_no_model_is_refused_at_the_field(damage: Any, sentence: str) -> None:
    people = Governors()
    with pytest.raises(Refusal) as refused:
        model_service.upload_model(people.system, damage(content(11)), "")
    assert (refused.value.code, refused.value.field) == (ErrorCode.MODEL_FILE, "file")
    assert sentence in refused.value.sentence


def test_a_version_enters_the_register_once() -> None:
    people = Governors()
    model_service.register_model(cast.SYSTEM, model_file(11))
    assert model_service.upload_model(people.system, content(12), "季度重训").proposed_by == people.system.actor_id
    with pytest.raises(Refusal) as refused:
        model_service.upload_model(people.system, content(12), "")
    assert refused.value.code is ErrorCode.MODEL_KNOWN


def _refused(who: Context, model: ScoringModel, event: str, reason: str = "") -> ErrorCode | None:
    try:
        model_service.decide(who, model.id, event, reason)
    except Refusal as refusal:
        return refusal.code
    return None


@contextmanager
def told_by_the_database(constraint: str) -> Iterator[None]:
    """The database refuses, by this constraint or in these words."""
    with pytest.raises(DBAPIError) as refused:
        yield
    diag = refused.value.orig.diag  # type: ignore[union-attr]
    assert constraint in (diag.constraint_name or diag.message_primary)


def _now(model: ScoringModel) -> ScoringModel:
    with transaction(cast.SYSTEM, read_only=True):
        return session().get_one(ScoringModel, model.id)


def _active() -> list[Any]:
    with transaction(cast.SYSTEM, read_only=True):
        return list(session().scalars(sa.select(ScoringModel.id).where(ScoringModel.active)))


def test_nobody_takes_a_model_file_out_of_the_database_and_candidates_are_the_register_s_business() -> None:
    people = Governors()
    model = people.candidate()
    firm, bank = cast.firm(), cast.bank()
    validators = [bank[Role.BANK_OFFICER], bank[Role.BANK_ADMIN], firm[Role.FIRM_REPRESENTATIVE]]
    for who in (*validators, people.system, people.leader, cast.SYSTEM):
        with pytest.raises(DBAPIError, match="permission denied"), transaction(who, read_only=True):
            session().execute(sa.text("select content from scoring_model"))
        with transaction(who, read_only=True):
            file = session().scalar(sa.text("select hq_model_file(:id)"), {"id": model.id})
            known = set(session().scalars(sa.select(ScoringModel.state)))
        assert (file is not None) == (who is cast.SYSTEM)
        assert known == ({"active"} if who in validators else {"active", "candidate"})
    with transaction(cast.SYSTEM, read_only=True):
        assert sha256(session().scalar(sa.text("select hq_model_file(:id)"), {"id": model.id})).digest() == model.sha256  # type: ignore[arg-type]
