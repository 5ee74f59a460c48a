"""The gate: permission, one transaction, one audit event, a form that comes twice, constraints as sentences."""

from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.core import cases
from app.core.audit import event_digest
from app.core.context import Context
from app.core.database import elevated, session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.models import AuditEvent, AuditPersonal, Case, Notice
from app.core.notices import notify
from app.core.permissions import Permission, Role
from app.core.use_case import about, reading, use_case
from app.identity import staff_service
from app.identity.models import Branch
from tests import cast
from tests.database import TestDatabase

pytestmark = pytest.mark.usefixtures("database")

assert staff_service, "the room whose constraint is tried here says which sentence it becomes"


@use_case(Permission.BRANCH_EDIT, "test.branch", returns=Branch)
def make_branch(ctx: Context, name: str, fail: bool = False) -> Branch:
    branch = Branch(org_id=ctx.org_id, name=name)
    session().add(branch)
    session().flush()
    about(branch, name=name, personal={"phone": "13800000000"})
    if fail:
        raise Refusal(ErrorCode.INVALID)
    return branch


def events(action: str) -> list[AuditEvent]:
    with transaction(cast.SYSTEM, read_only=True):
        return list(session().scalars(select(AuditEvent).where(AuditEvent.action == action)))


def branches() -> int:
    with transaction(cast.SYSTEM, read_only=True):
        return session().scalar(text("select count(*) from branch")) or 0


def test_a_use_case_writes_its_change_and_one_audit_event_that_proves_itself() -> None:
    ctx = cast.bank()[Role.BANK_ADMIN]
    branch = make_branch(ctx, "黄埔支行")
    (event,) = events("test.branch")
    assert (event.subject_id, event.actor_id, event.org_id) == (branch.id, ctx.actor_id, ctx.org_id)
    assert event.facts == {"name": "黄埔支行"}
    assert bytes(event.digest) == event_digest(event)


def test_personal_payload_lies_apart_and_encrypted() -> None:
    make_branch(cast.bank()[Role.BANK_ADMIN], "黄埔支行")
    (event,) = events("test.branch")
    with transaction(cast.SYSTEM, read_only=True):
        personal = session().get_one(AuditPersonal, event.id)
    assert event.personal_digest is not None
    assert b"13800000000" not in bytes(personal.payload)
    assert "13800000000" not in str(event.facts)


def test_without_the_permission_nothing_happens() -> None:
    with pytest.raises(Refusal) as refused:
        make_branch(cast.bank()[Role.BANK_OFFICER], "黄埔支行")
    assert refused.value.code is ErrorCode.FORBIDDEN
    assert branches() == 0


def test_a_refusal_takes_everything_back_the_event_too() -> None:
    with pytest.raises(Refusal):
        make_branch(cast.bank()[Role.BANK_ADMIN], "黄埔支行", fail=True)
    assert branches() == 0
    assert events("test.branch") == []


def test_a_violated_constraint_becomes_its_sentence_at_its_field() -> None:
    ctx = cast.bank()[Role.BANK_ADMIN]
    make_branch(ctx, "黄埔支行")
    with pytest.raises(Refusal) as refused:
        make_branch(ctx, "黄埔支行")
    assert (refused.value.code, refused.value.field) == (ErrorCode.NAME_TAKEN, "name")


def test_the_same_form_sent_twice_is_done_once_and_answers_the_same() -> None:
    ctx = cast.bank()[Role.BANK_ADMIN].with_token(str(uuid4()))
    first, second = make_branch(ctx, "黄埔支行"), make_branch(ctx, "黄埔支行")
    assert first.id == second.id
    assert branches() == 1


def test_the_same_token_with_other_content_is_refused() -> None:
    ctx = cast.bank()[Role.BANK_ADMIN].with_token(str(uuid4()))
    make_branch(ctx, "黄埔支行")
    with pytest.raises(Refusal) as refused:
        make_branch(ctx, "天河支行")
    assert refused.value.code is ErrorCode.IDEMPOTENCY
    assert branches() == 1


def test_a_form_sent_twice_at_the_same_instant_is_done_once() -> None:
    ctx = cast.bank()[Role.BANK_ADMIN].with_token(str(uuid4()))
    made: list[UUID] = []
    start = threading.Barrier(2)

    def press() -> None:
        start.wait()
        made.append(make_branch(ctx, "黄埔支行").id)

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2 and len(set(made)) == 1
    assert branches() == 1


def test_reading_cannot_write() -> None:
    ctx = cast.bank()[Role.BANK_ADMIN]
    with pytest.raises(RuntimeError, match="reading"), reading(ctx, Permission.BRANCH_EDIT):
        make_branch(ctx, "黄埔支行")
    with pytest.raises(DBAPIError), reading(ctx, Permission.BRANCH_EDIT) as db:
        db.execute(text("insert into seal (id) values (gen_random_uuid())"))


def test_the_log_refuses_update_and_delete_from_the_portals_role_and_even_from_the_owner(database: TestDatabase) -> None:
    from sqlalchemy import create_engine

    make_branch(cast.bank()[Role.BANK_ADMIN], "黄埔支行")
    for statement in ("update audit_event set action = 'x'", "delete from audit_event", "truncate audit_event cascade",
                      "update transition set reason = 'x'", "delete from ledger_transfer"):
        with pytest.raises(DBAPIError), transaction(cast.SYSTEM):
            session().execute(text(statement))
        owner = create_engine(database.owner_url)
        with pytest.raises(DBAPIError, match="append-only"), owner.begin() as connection:
            connection.execute(text(statement))
        owner.dispose()


def test_a_case_is_seen_by_its_parties_and_by_nobody_else() -> None:
    firm, bank, other = cast.firm(), cast.bank(), cast.bank("云城银行")
    with transaction(cast.SYSTEM):
        case = cases.open_case("need", firm.id, "流动资金 300 万元")
        cases.join_case(case.id, bank.id)

    def seen(ctx: Context) -> int:
        with transaction(ctx, read_only=True):
            return len(list(session().scalars(select(Case))))

    assert seen(firm[Role.FIRM_CLERK]) == 1
    assert seen(bank[Role.BANK_OFFICER]) == 1
    assert seen(other[Role.BANK_OFFICER]) == 0
    assert seen(Context.anonymous()) == 0
    assert case.number.startswith("HQ-")


def test_what_lies_under_a_seal_is_read_by_its_own_organisation_alone_until_it_opens() -> None:
    firm, bank = cast.firm(), cast.bank()
    with transaction(cast.SYSTEM):
        seal = cases.new_seal()
    with transaction(bank[Role.BANK_OFFICER]):
        notify(bank.id, "草稿", seal_id=seal.id)

    def seen(ctx: Context) -> int:
        with transaction(ctx, read_only=True):
            return len(list(session().scalars(select(Notice))))

    assert seen(bank[Role.BANK_OFFICER]) == 1
    assert seen(cast.SYSTEM) == 0
    assert seen(firm[Role.FIRM_CLERK]) == 0
    with transaction(cast.SYSTEM):
        cases.open_seal(seal.id)
    assert seen(cast.SYSTEM) == 1


def test_a_seal_cannot_be_closed_again() -> None:
    with transaction(cast.SYSTEM):
        seal = cases.new_seal()
        cases.open_seal(seal.id)
    with pytest.raises(DBAPIError, match="opened once"), transaction(cast.SYSTEM):
        session().execute(text("update seal set opened_at = null where id = :id"), {"id": seal.id})


def test_elevation_ends_with_its_block_and_keeps_the_person_in_the_audit() -> None:
    bank, other = cast.bank(), cast.bank("云城银行")
    ctx = bank[Role.BANK_ADMIN]
    with transaction(ctx):
        with elevated(ctx, "test") as system:
            notify(other.id, "见系统")
            assert system.actor_id == ctx.actor_id
            assert len(list(session().scalars(select(Notice)))) == 1
        assert list(session().scalars(select(Notice))) == []
