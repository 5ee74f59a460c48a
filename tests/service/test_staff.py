"""Organisations and their people: invited, changed, reset, leaving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pyotp
import pytest
import time_machine
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.core import cases
from app.core.calendar import now
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import ROLES_OF_KIND, OrgKind, Role
from app.identity import queries, service, staff_service
from app.identity.models import CaseKeeper, Membership, Person, Ticket
from app.identity.rules import APPROVAL_ROLES, FIRST_ROLES
from app.identity.service import keep_case
from app.identity.staff_service import Invitation
from app.identity.visitors import context_for
from tests import cast
from tests.cast import PASSWORD, SYSTEM, Cast
from tests.database import TestDatabase

pytestmark = pytest.mark.service

NEW = "Zhu-2027-jiang"
LIMIT = 500_000_000


@pytest.fixture(autouse=True)
def fresh(database: TestDatabase) -> Iterator[None]:
    yield


def refused(call: object) -> tuple[ErrorCode, str | None]:
    with pytest.raises(Refusal) as caught:
        call()  # type: ignore[operator]
    return caught.value.code, caught.value.field


def who(ctx: Context) -> UUID:
    assert ctx.actor_id is not None
    return ctx.actor_id


def invited(bank: Cast, login: str = "ou.ying", roles: dict[Role, int | None] | None = None) -> Invitation:
    admin = bank[Role.BANK_ADMIN]
    return staff_service.invite(admin, org_id=bank.id, login=login, name="欧颖", roles=roles or {Role.BANK_OFFICER: None})


def test_an_invited_colleague_sets_a_password_once_and_signs_in() -> None:
    bank = cast.bank()
    invitation = invited(bank, "Ou.Ying", {Role.BANK_APPROVER: LIMIT})
    assert service.sign_in("ou.ying", NEW, "test").refusal is not None
    service.redeem_ticket(invitation.token, NEW)
    assert service.sign_in("ou.ying", NEW, "test").needs_code
    assert context_for("ou.ying").approval_limit_fen == LIMIT
    assert refused(lambda: service.redeem_ticket(invitation.token, PASSWORD))[0] is ErrorCode.INVITATION_INVALID


def test_an_invitation_lives_seventy_two_hours() -> None:
    with time_machine.travel(datetime(2026, 11, 22, 2, 0, tzinfo=UTC), tick=False) as clock:
        token = invited(cast.bank()).token
        clock.shift(timedelta(hours=72))
        assert service.person_of_ticket(token) is None
        assert refused(lambda: service.redeem_ticket(token, NEW))[0] is ErrorCode.INVITATION_INVALID


def test_a_fresh_invitation_voids_the_earlier_one() -> None:
    bank = cast.bank()
    first = invited(bank)
    again = staff_service.reissue_invitation(bank[Role.BANK_ADMIN], first.person.id)
    assert service.person_of_ticket(first.token) is None
    assert service.redeem_ticket(again.token, NEW).state == "active"
    assert refused(lambda: staff_service.reissue_invitation(bank[Role.BANK_ADMIN], first.person.id)) == (
        ErrorCode.STATE_CHANGED, None,
    )


def test_the_token_of_a_link_is_not_in_the_database() -> None:
    token = invited(cast.bank()).token
    with transaction(SYSTEM):
        assert all(token.encode() not in bytes(digest) for digest in session().scalars(select(Ticket.digest)))


def test_a_login_name_is_taken_whichever_organisation_took_it() -> None:
    invited(cast.bank("甲银行"))
    assert refused(lambda: invited(cast.bank("乙银行"), "OU.YING")) == (ErrorCode.LOGIN_TAKEN, "login")


def test_nobody_invites_into_another_organisation() -> None:
    one, two = cast.bank("甲银行"), cast.bank("乙银行")
    def call():
        return staff_service.invite(
            one[Role.BANK_ADMIN], org_id=two.id, login="spy", name="探子", roles={Role.BANK_OFFICER: None},
        )
    assert refused(call)[0] is ErrorCode.NOT_FOUND


def test_only_administrators_invite() -> None:
    bank = cast.bank()
    for role in (Role.BANK_OFFICER, Role.BANK_APPROVER):
        def call(role=role):
            return staff_service.invite(
                    bank[role], org_id=bank.id, login="x.y", name="某人", roles={Role.BANK_OFFICER: None},
                )
        assert refused(call)[0] is ErrorCode.FORBIDDEN


@pytest.mark.parametrize("roles", [
    {}, {Role.BUREAU_LEADER: LIMIT}, {Role.BANK_OFFICER: None, Role.DESK: None}, {Role.SYSTEM: None},
    {Role.BANK_APPROVER: None}, {Role.BANK_APPROVER: 0}, {Role.BANK_OFFICER: LIMIT},
])
def test_roles_belong_to_the_kind_and_limits_to_those_who_approve(roles: dict[Role, int | None]) -> None:
    bank = cast.bank()
    def call():
        return staff_service.invite(
            bank[Role.BANK_ADMIN], org_id=bank.id, login="x.y", name="某人", roles=roles,
        )
    assert refused(call)[0] is ErrorCode.INVALID


def test_system_security_and_audit_administrator_are_never_one_person() -> None:
    platform = cast.platform()
    security = platform[Role.SECURITY_ADMIN]
    both: dict[Role, int | None] = {Role.SYSTEM_ADMIN: None, Role.AUDIT_ADMIN: None}
    assert refused(lambda: staff_service.invite(
        security, org_id=platform.id, login="both", name="两员", roles=both,
    )) == (ErrorCode.THREE_ADMINISTRATORS, "roles")
    assert refused(lambda: staff_service.change_roles(security, who(platform[Role.SYSTEM_ADMIN]), both))[0] is (
        ErrorCode.THREE_ADMINISTRATORS
    )


def test_the_database_too_refuses_a_second_administrator_role() -> None:
    platform = cast.platform()
    with pytest.raises(Exception, match="uq_membership_one_administrator"), transaction(SYSTEM):
        session().add(Membership(
            person_id=who(platform[Role.SYSTEM_ADMIN]), role="audit_admin", org_id=platform.id, org_kind="platform",
        ))


def test_changed_roles_hold_from_the_next_page() -> None:
    bank = cast.bank()
    officer = bank[Role.BANK_OFFICER]
    staff_service.change_roles(bank[Role.BANK_ADMIN], who(officer), {Role.BANK_APPROVER: LIMIT})
    now = context_for(bank.logins[Role.BANK_OFFICER])
    assert now.roles == {Role.BANK_APPROVER} and now.approval_limit_fen == LIMIT
    staff_service.change_roles(bank[Role.BANK_ADMIN], who(officer), {Role.BANK_APPROVER: LIMIT * 2, Role.BANK_OFFICER: None})
    assert context_for(bank.logins[Role.BANK_OFFICER]).approval_limit_fen == LIMIT * 2


def test_nobody_changes_their_own_roles_or_resets_themselves() -> None:
    bank = cast.bank()
    admin = bank[Role.BANK_ADMIN]
    for call in (
        lambda: staff_service.change_roles(admin, who(admin), {Role.BANK_APPROVER: LIMIT}),
        lambda: staff_service.issue_reset(admin, who(admin)),
    ):
        assert refused(call)[0] is ErrorCode.SAME_PERSON


def test_another_organisations_person_is_not_found_even_for_the_platform_that_sees_all_people() -> None:
    officer = cast.bank()[Role.BANK_OFFICER]
    for admin in (cast.bank("乙银行")[Role.BANK_ADMIN], cast.platform()[Role.SECURITY_ADMIN]):
        for call in (
            lambda admin=admin: staff_service.issue_reset(admin, who(officer)),
            lambda admin=admin: staff_service.change_roles(admin, who(officer), {Role.BANK_OFFICER: None}),
            lambda admin=admin: staff_service.leave(admin, who(officer), None, "x"),
            lambda admin=admin: staff_service.end_sessions(admin, who(officer)),
            lambda admin=admin: staff_service.reissue_invitation(admin, who(officer)),
        ):
            assert refused(call)[0] is ErrorCode.NOT_FOUND


def bound(login: str) -> pyotp.TOTP:
    """The person binds a phone and signs in with it."""
    token = service.sign_in(login, PASSWORD, "test").token
    assert token is not None
    enrolled = service.enrolment_secret(service.DOOR, token)
    assert enrolled is not None
    totp = pyotp.TOTP(enrolled[1])
    assert service.verify_code(token, totp.at(int(now().timestamp())))
    return totp


def test_a_reset_link_sets_a_new_password_ends_sessions_and_lives_a_day() -> None:
    bank = cast.bank()
    officer, login = bank[Role.BANK_OFFICER], bank.logins[Role.BANK_OFFICER]
    with time_machine.travel(datetime(2026, 11, 22, 2, 0, tzinfo=UTC), tick=False) as clock:
        bound(login)
        token = staff_service.issue_reset(bank[Role.BANK_ADMIN], who(officer)).token
        clock.shift(timedelta(hours=24))
        assert refused(lambda: service.redeem_ticket(token, NEW))[0] is ErrorCode.INVITATION_INVALID
        token = staff_service.issue_reset(bank[Role.BANK_ADMIN], who(officer)).token
        half = service.sign_in(login, PASSWORD, "test").token
        assert half is not None
        service.redeem_ticket(token, NEW)
        assert not service.verify_code(half, "000000")  # that session is over
    assert service.sign_in(login, PASSWORD, "test").refusal is not None
    assert service.sign_in(login, NEW, "test").needs_code


def test_who_holds_a_reset_link_of_staff_still_needs_their_phone() -> None:
    bank = cast.bank()
    approver, login = bank[Role.BANK_APPROVER], bank.logins[Role.BANK_APPROVER]
    with time_machine.travel(datetime(2026, 11, 22, 2, 0, tzinfo=UTC), tick=False) as clock:
        totp = bound(login)
        made = staff_service.issue_reset(bank[Role.BANK_ADMIN], who(approver))
        assert not made.waits
        service.redeem_ticket(made.token, NEW)
        clock.shift(timedelta(minutes=2))
        half = service.sign_in(login, NEW, "test").token
        assert half is not None
        assert service.enrolment_secret(service.DOOR, half) is None  # no new phone is bound
        assert not service.verify_code(half, "000000")
        assert service.verify_code(half, totp.at(int(now().timestamp())))


@pytest.mark.parametrize("both", [True, False])
def test_a_lost_or_never_bound_phone_is_replaced_on_the_word_of_two(both: bool) -> None:
    bank, platform = cast.bank(), cast.platform()
    admin, approver, login = bank[Role.BANK_ADMIN], bank[Role.BANK_APPROVER], bank.logins[Role.BANK_APPROVER]
    if both:
        bound(login)
    made = staff_service.issue_reset(admin, who(approver), both=both)
    assert made.waits
    assert refused(lambda: service.redeem_ticket(made.token, NEW))[0] is ErrorCode.INVITATION_INVALID
    ticket = waiting(platform[Role.SECURITY_ADMIN])
    for ctx in (admin, replace(approver, permissions=admin.permissions)):
        assert refused(lambda ctx=ctx: staff_service.confirm_reset(ctx, ticket))[0] is ErrorCode.SAME_PERSON
    other = cast.bank("云山银行")[Role.BANK_ADMIN]
    assert refused(lambda: staff_service.confirm_reset(other, ticket))[0] is ErrorCode.NOT_FOUND
    assert refused(lambda: staff_service.confirm_reset(platform[Role.DESK], ticket))[0] is ErrorCode.FORBIDDEN
    staff_service.confirm_reset(platform[Role.SECURITY_ADMIN], ticket)
    service.redeem_ticket(made.token, NEW)
    half = service.sign_in(login, NEW, "test").token
    assert half is not None and service.enrolment_secret(service.DOOR, half) is not None


def test_a_second_administrator_of_the_same_bank_confirms_too_and_once() -> None:
    bank = cast.bank()
    admin = bank[Role.BANK_ADMIN]
    second = invited(bank, "zeng.qi", {Role.BANK_ADMIN: None})
    service.redeem_ticket(second.token, NEW)
    made = staff_service.issue_reset(admin, who(bank[Role.BANK_APPROVER]), both=True)
    ticket = waiting(context_for("zeng.qi"))
    staff_service.confirm_reset(context_for("zeng.qi"), ticket)
    assert refused(lambda: staff_service.confirm_reset(context_for("zeng.qi"), ticket))[0] is ErrorCode.ALREADY_DONE
    assert service.redeem_ticket(made.token, "Bei-2028-jiang").id == who(bank[Role.BANK_APPROVER])


def test_the_database_too_lets_nobody_confirm_a_reset_alone() -> None:
    bank = cast.bank()
    admin = bank[Role.BANK_ADMIN]
    staff_service.issue_reset(admin, who(bank[Role.BANK_APPROVER]), both=True)
    for ctx in (admin, SYSTEM):
        with pytest.raises(DBAPIError, match=r"ck_ticket|not changed"), transaction(ctx):
            session().execute(text("update ticket set confirmed_at = now(), confirmed_by = :me where purpose = 'reset_both'"),
                              {"me": who(admin)})
    with pytest.raises(DBAPIError, match="not changed"), transaction(admin):
        session().execute(text("update ticket set purpose = 'reset' where purpose = 'reset_both'"))


def waiting(ctx: Context) -> UUID:
    """The one reset that waits for this administrator's word."""
    with transaction(ctx, read_only=True):
        (row,) = queries.waiting_resets(ctx)
    return row.id


def test_a_leaver_hands_the_open_cases_to_a_colleague() -> None:
    bank, firm = cast.bank(), cast.firm()
    officer, colleague, admin = bank[Role.BANK_OFFICER], bank[Role.BANK_APPROVER], bank[Role.BANK_ADMIN]
    with transaction(SYSTEM):
        case = cases.open_case("need", firm.id, "设备贷款")
        keep_case(officer, case)
    assert refused(lambda: staff_service.leave(admin, who(officer), None, "离职")) == (ErrorCode.CASES_OPEN, "successor")
    stranger = cast.bank("乙银行")[Role.BANK_OFFICER]
    assert refused(lambda: staff_service.leave(admin, who(officer), who(stranger), "离职"))[0] is ErrorCode.NOT_FOUND
    staff_service.leave(admin, who(officer), who(colleague), "离职")
    with transaction(SYSTEM):
        assert session().get_one(CaseKeeper, (case.id, bank.id)).person_id == colleague.actor_id
        assert session().get_one(Person, officer.actor_id).state == "left"


def test_a_leave_needs_a_reason_and_happens_once() -> None:
    bank = cast.bank()
    admin, officer = bank[Role.BANK_ADMIN], bank[Role.BANK_OFFICER]
    assert refused(lambda: staff_service.leave(admin, who(officer), None, "  ")) == (ErrorCode.REASON_NEEDED, "reason")
    staff_service.leave(admin, who(officer), None, "调离")
    assert refused(lambda: staff_service.leave(admin, who(officer), None, "调离"))[0] is ErrorCode.STATE_CHANGED


def test_the_last_administrator_cannot_go() -> None:
    bank, platform = cast.bank(), cast.platform()
    admin = bank[Role.BANK_ADMIN]
    assert refused(lambda: staff_service.leave(admin, who(admin), None, "x"))[0] is ErrorCode.LAST_ADMINISTRATOR
    security = platform[Role.SECURITY_ADMIN]
    auditor = who(platform[Role.AUDIT_ADMIN])
    assert refused(lambda: staff_service.leave(security, auditor, None, "x"))[0] is ErrorCode.LAST_ADMINISTRATOR
    assert refused(lambda: staff_service.change_roles(security, auditor, {Role.DESK: None}))[0] is (
        ErrorCode.LAST_ADMINISTRATOR
    )


def test_an_administrator_may_go_once_another_is_there() -> None:
    bank = cast.bank()
    second = invited(bank, "second", {Role.BANK_ADMIN: None})
    admin = bank[Role.BANK_ADMIN]
    assert refused(lambda: staff_service.leave(admin, who(admin), None, "x"))[0] is ErrorCode.LAST_ADMINISTRATOR
    service.redeem_ticket(second.token, NEW)
    staff_service.leave(context_for("second"), who(admin), None, "退休")


def test_the_system_administrator_makes_an_organisation_and_its_first_administrator() -> None:
    system_admin = cast.platform()[Role.SYSTEM_ADMIN]
    bank = staff_service.create_organisation(system_admin, OrgKind.BANK, "新塘村镇银行")
    def first(login):
        return staff_service.invite_first_administrator(
            system_admin, org_id=bank.id, login=login, name="首位", roles={Role.BANK_ADMIN: None},
        )
    invitation = first("first.admin")
    service.redeem_ticket(invitation.token, NEW)
    admin = context_for("first.admin")
    assert admin.org_id == bank.id
    staff_service.invite(admin, org_id=bank.id, login="officer.one", name="经理", roles={Role.BANK_OFFICER: None})
    assert refused(lambda: first("another"))[0] is ErrorCode.ALREADY_DONE


def test_a_first_administrator_is_an_administrator_and_firms_are_not_made_by_hand() -> None:
    system_admin = cast.platform()[Role.SYSTEM_ADMIN]
    bank = staff_service.create_organisation(system_admin, OrgKind.BANK, "新塘村镇银行")
    assert refused(lambda: staff_service.invite_first_administrator(
        system_admin, org_id=bank.id, login="x", name="某人", roles={Role.BANK_OFFICER: None},
    ))[0] is ErrorCode.INVALID
    assert refused(lambda: staff_service.create_organisation(system_admin, OrgKind.ENTERPRISE, "企业"))[0] is (
        ErrorCode.INVALID
    )
    security = cast.platform()[Role.SECURITY_ADMIN]
    assert refused(lambda: staff_service.create_organisation(security, OrgKind.BANK, "银行"))[0] is ErrorCode.FORBIDDEN


def test_branches_carry_one_name_each_within_their_organisation() -> None:
    one, two = cast.bank("甲银行"), cast.bank("乙银行")
    branch = staff_service.create_branch(one[Role.BANK_ADMIN], "天河支行")
    staff_service.create_branch(two[Role.BANK_ADMIN], "天河支行")
    assert refused(lambda: staff_service.create_branch(one[Role.BANK_ADMIN], "天河支行")) == (ErrorCode.NAME_TAKEN, "name")
    assert refused(lambda: staff_service.rename_branch(two[Role.BANK_ADMIN], branch.id, "抢名"))[0] is ErrorCode.NOT_FOUND
    assert staff_service.rename_branch(one[Role.BANK_ADMIN], branch.id, "珠江新城支行").name == "珠江新城支行"
    staff_service.change_branch(one[Role.BANK_ADMIN], who(one[Role.BANK_OFFICER]), branch.id)
    assert context_for(one.logins[Role.BANK_OFFICER]).branch_id == branch.id
    assert refused(lambda: staff_service.change_branch(
        two[Role.BANK_ADMIN], who(two[Role.BANK_OFFICER]), branch.id,
    ))[0] is ErrorCode.NOT_FOUND


def test_a_bank_reads_no_person_session_or_link_of_another_organisation() -> None:
    one, two = cast.bank("甲银行"), cast.bank("乙银行")
    invited(one)
    service.sign_in(one.logins[Role.BANK_OFFICER], PASSWORD, "test")
    tables = ("person", "membership", "user_session", "ticket", "recovery_code", "password_history", "case_keeper")
    for viewer in (two[Role.BANK_ADMIN], Context.anonymous()):
        with transaction(viewer, read_only=True):
            for table in tables:
                count = session().connection().exec_driver_sql(
                    f"select count(*) from {table} where org_id = %(org)s", {"org": one.id}
                ).scalar()
                assert count == 0, table


def test_every_kind_of_staff_has_a_first_role_and_every_approving_role_belongs_to_a_kind() -> None:
    assert set(FIRST_ROLES) == set(OrgKind) - {OrgKind.SYSTEM, OrgKind.ENTERPRISE}
    assert all(FIRST_ROLES.values())
    assert set().union(*ROLES_OF_KIND.values()) >= APPROVAL_ROLES


def test_an_unknown_person_is_not_found() -> None:
    admin = cast.bank()[Role.BANK_ADMIN]
    assert refused(lambda: staff_service.issue_reset(admin, uuid4()))[0] is ErrorCode.NOT_FOUND
    with transaction(SYSTEM):
        assert session().scalar(select(func.count()).select_from(Ticket)) == 0
