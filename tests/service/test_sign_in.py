"""Signing in: what a stranger learns, what a thief can do, and how long a session lives (compliance.md §6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import time_machine
from sqlalchemy import select

from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import ErrorCode, Refusal
from app.core.permissions import Role
from app.identity import service, staff_service
from app.identity.models import Person, UserSession
from app.identity.rules import RULES, password_is_strong
from app.identity.service import DOOR
from app.identity.visitors import visitor
from tests import cast
from tests.cast import PASSWORD, SYSTEM, Cast
from tests.database import TestDatabase

pytestmark = pytest.mark.service

START = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
NEW = "Zhu-2027-jiang"


@pytest.fixture(autouse=True)
def clock(database: TestDatabase) -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


def login_of(organisation: Cast, role: Role) -> str:
    return organisation.logins[role]


def token_of(login: str, password: str = PASSWORD) -> str:
    token = service.sign_in(login, password, "Firefox").token
    assert token is not None
    return token


def refused(login: str, password: str) -> ErrorCode:
    refusal = service.sign_in(login, password, "Firefox").refusal
    assert refusal is not None
    return refusal.code


def enrolled(token: str) -> pyotp.TOTP:
    found = service.enrolment_secret(DOOR, token)
    assert found is not None
    return pyotp.TOTP(found[1])


def person_of(ctx: Context) -> Person:
    with transaction(SYSTEM):
        return session().get_one(Person, ctx.actor_id)


def test_wrong_name_and_wrong_password_get_the_same_answer() -> None:
    firm = cast.firm()
    assert refused(login_of(firm, Role.FIRM_CLERK), "Wrong-2026-word") is ErrorCode.BAD_LOGIN
    assert refused("nobody-at-all", PASSWORD) is ErrorCode.BAD_LOGIN


def test_five_failures_lock_for_fifteen_minutes_even_for_the_right_password(clock: time_machine.Traveller) -> None:
    login = login_of(cast.firm(), Role.FIRM_CLERK)
    assert [refused(login, "wrong") for _ in range(5)] == [ErrorCode.BAD_LOGIN] * 5
    assert refused(login, PASSWORD) is ErrorCode.LOCKED
    clock.shift(timedelta(minutes=14, seconds=59))
    assert refused(login, PASSWORD) is ErrorCode.LOCKED
    clock.shift(timedelta(seconds=1))
    assert token_of(login)


def test_four_failures_do_not_lock_and_a_success_forgets_them() -> None:
    login = login_of(cast.firm(), Role.FIRM_CLERK)
    for _ in range(2):
        for _ in range(4):
            assert refused(login, "wrong") is ErrorCode.BAD_LOGIN
        assert token_of(login)


def test_a_firm_is_in_after_its_password_and_a_bank_is_not() -> None:
    firm, bank = cast.firm(), cast.bank()
    assert visitor(token_of(login_of(firm, Role.FIRM_CLERK))) is not None
    half = service.sign_in(login_of(bank, Role.BANK_OFFICER), PASSWORD, "Firefox")
    assert half.needs_code and half.token
    assert visitor(half.token) is None


def test_a_code_opens_the_session_and_is_taken_once(clock: time_machine.Traveller) -> None:
    login = login_of(cast.bank(), Role.BANK_OFFICER)
    first = token_of(login)
    totp = enrolled(first)
    code = totp.at(START)
    assert service.verify_code(first, code)
    assert visitor(first) is not None
    second = token_of(login)
    assert not service.verify_code(second, code)
    clock.shift(timedelta(seconds=30))
    assert service.verify_code(second, totp.at(START + timedelta(seconds=30)))


def test_an_enrolled_phone_is_never_shown_its_secret_again() -> None:
    login = login_of(cast.bank(), Role.BANK_OFFICER)
    token = token_of(login)
    assert service.verify_code(token, enrolled(token).at(START))
    assert service.enrolment_secret(DOOR, token_of(login)) is None


def test_five_wrong_codes_end_the_half_open_session() -> None:
    token = token_of(login_of(cast.bank(), Role.BANK_OFFICER))
    totp = enrolled(token)
    wrong = f"{(int(totp.at(START)) + 1) % 1_000_000:06d}"
    assert not any(service.verify_code(token, wrong) for _ in range(RULES.failures))
    assert not service.verify_code(token, totp.at(START))


def test_wrong_codes_lock_the_account_however_often_the_password_is_given_anew() -> None:
    login = login_of(cast.bank(), Role.BANK_OFFICER)
    totp = enrolled(token_of(login))
    wrong = f"{(int(totp.at(START)) + 1) % 1_000_000:06d}"
    for _ in range(RULES.failures):
        token = token_of(login)
        assert not any(service.verify_code(token, wrong) for _ in range(RULES.failures))
    assert refused(login, PASSWORD) is ErrorCode.LOCKED


def test_a_locked_account_takes_no_code_in_a_session_that_was_begun_before(clock: time_machine.Traveller) -> None:
    login = login_of(cast.bank(), Role.BANK_OFFICER)
    half = token_of(login)
    totp = enrolled(half)
    for _ in range(RULES.failures):
        refused(login, "wrong")
    assert not service.verify_code(half, totp.at(START))
    clock.shift(timedelta(minutes=RULES.lock_minutes))
    assert service.verify_code(half, totp.at(START + timedelta(minutes=RULES.lock_minutes)))


def test_staff_have_one_session_and_a_firm_may_have_two() -> None:
    bank, firm = cast.bank(), cast.firm()
    login = login_of(bank, Role.BANK_OFFICER)
    first = token_of(login)
    assert service.verify_code(first, enrolled(first).at(START))
    token_of(login)
    assert visitor(first) is None
    one, two = (token_of(login_of(firm, Role.FIRM_CLERK)) for _ in range(2))
    assert visitor(one) is not None and visitor(two) is not None


@pytest.mark.parametrize(("role", "minutes"), [(Role.FIRM_CLERK, 30), (Role.DESK, 15)])
def test_a_session_that_rests_too_long_is_over(clock: time_machine.Traveller, role: Role, minutes: int) -> None:
    organisation = cast.firm() if role is Role.FIRM_CLERK else cast.platform()
    token = token_of(login_of(organisation, role))
    if role is Role.DESK:
        assert service.verify_code(token, enrolled(token).at(START))
    clock.shift(timedelta(minutes=minutes))
    assert visitor(token) is not None  # and it was seen just now
    clock.shift(timedelta(minutes=minutes, seconds=1))
    assert visitor(token) is None


def test_no_session_outlives_twelve_hours_however_busy(clock: time_machine.Traveller) -> None:
    token = token_of(login_of(cast.firm(), Role.FIRM_CLERK))
    for _ in range(36):
        clock.shift(timedelta(minutes=20))
        assert visitor(token) is not None
    clock.shift(timedelta(seconds=1))
    assert visitor(token) is None


def test_signing_out_and_being_signed_out_take_effect_at_once() -> None:
    firm = cast.firm()
    login, ctx = login_of(firm, Role.FIRM_CLERK), firm[Role.FIRM_CLERK]
    one, two = token_of(login), token_of(login)
    here = visitor(one)
    assert here is not None
    service.sign_out(ctx, here.session_id)
    assert visitor(one) is None and visitor(two) is not None
    staff_service.end_sessions(firm[Role.FIRM_REPRESENTATIVE], ctx.actor_id)  # type: ignore[arg-type]
    assert visitor(two) is None


def test_nobody_ends_a_colleagues_session_as_their_own() -> None:
    firm = cast.firm()
    here = visitor(token_of(login_of(firm, Role.FIRM_CLERK)))
    assert here is not None
    with pytest.raises(Refusal) as caught:
        service.sign_out(firm[Role.FIRM_REPRESENTATIVE], here.session_id)
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_the_cookie_is_not_in_the_database() -> None:
    token = token_of(login_of(cast.firm(), Role.FIRM_CLERK))
    with transaction(SYSTEM):
        digests = list(session().scalars(select(UserSession.token_digest)))
    assert all(token.encode() not in bytes(digest) for digest in digests)


@pytest.mark.parametrize("password", [
    "Ab1-Ab1-A", "alllowercase1", "ALLUPPER1234", "Password-2026", "Huiqiao-2026!", "Aa1Aa1Aa1Aa1", "Ling-nan-01x",
])
def test_short_simple_common_and_self_naming_passwords_are_weak(password: str) -> None:
    assert not password_is_strong(password, "ling-nan-01")


def test_a_password_of_three_kinds_and_ten_characters_is_strong() -> None:
    assert password_is_strong("Lotus7pond", "lingnan")


def test_the_last_five_passwords_do_not_return_and_the_sixth_last_does(clock: time_machine.Traveller) -> None:
    firm = cast.firm()
    ctx, login = firm[Role.FIRM_CLERK], login_of(firm, Role.FIRM_CLERK)
    here = visitor(token_of(login))
    assert here is not None
    passwords = [f"Zhu-2027-jiang-{letter}" for letter in "abcdef"]
    current = PASSWORD
    for password in passwords:
        clock.shift(timedelta(minutes=1))
        service.change_password(ctx, current, password, here.session_id)
        current = password
    for earlier in passwords[1:]:
        with pytest.raises(Refusal) as caught:
            service.change_password(ctx, current, earlier, here.session_id)
        assert caught.value.code is ErrorCode.PASSWORD_REUSED
    service.change_password(ctx, current, passwords[0], here.session_id)


def test_a_changed_password_ends_every_other_session() -> None:
    firm = cast.firm()
    login = login_of(firm, Role.FIRM_CLERK)
    here, there = token_of(login), token_of(login)
    found = visitor(here)
    assert found is not None
    service.change_password(firm[Role.FIRM_CLERK], PASSWORD, NEW, found.session_id)
    assert visitor(here) is not None and visitor(there) is None
    assert refused(login, PASSWORD) is ErrorCode.BAD_LOGIN
    assert token_of(login, NEW)


def test_a_password_is_not_changed_by_somebody_who_does_not_know_it() -> None:
    firm = cast.firm()
    found = visitor(token_of(login_of(firm, Role.FIRM_CLERK)))
    assert found is not None
    with pytest.raises(Refusal) as caught:
        service.change_password(firm[Role.FIRM_CLERK], "Guess-2026-it", NEW, found.session_id)
    assert (caught.value.code, caught.value.field) == (ErrorCode.BAD_LOGIN, "current")


def test_a_password_older_than_ninety_days_must_be_changed_first(clock: time_machine.Traveller) -> None:
    login = login_of(cast.firm(), Role.FIRM_CLERK)
    clock.shift(timedelta(days=90))
    fresh = visitor(token_of(login))
    assert fresh is not None and not fresh.must_change_password
    clock.shift(timedelta(seconds=1))
    old = visitor(token_of(login))
    assert old is not None and old.must_change_password


def test_a_recovery_code_works_once_and_enrols_the_phone_anew() -> None:
    bank = cast.bank()
    ctx, login = bank[Role.BANK_OFFICER], login_of(bank, Role.BANK_OFFICER)
    token = token_of(login)
    assert service.verify_code(token, enrolled(token).at(START))
    codes = service.new_recovery_codes(ctx)
    assert len(set(codes)) == RULES.recovery_codes
    assert service.recover(login, codes[0].upper(), NEW)
    assert visitor(token) is None
    assert service.enrolment_secret(DOOR, token_of(login, NEW)) is not None
    assert not service.recover(login, codes[0], "Bei-2028-jiang")
    assert service.recover(login, codes[1], "Bei-2028-jiang")


def test_fresh_recovery_codes_void_the_earlier_ones() -> None:
    firm = cast.firm()
    ctx, login = firm[Role.FIRM_CLERK], login_of(firm, Role.FIRM_CLERK)
    old, _ = service.new_recovery_codes(ctx), service.new_recovery_codes(ctx)
    assert not service.recover(login, old[0], NEW)


def test_guessed_recovery_codes_lock_the_account() -> None:
    firm = cast.firm()
    login = login_of(firm, Role.FIRM_CLERK)
    codes = service.new_recovery_codes(firm[Role.FIRM_CLERK])
    assert not any(service.recover(login, "aaaaaa-bbbbbb", NEW) for _ in range(5))
    assert not service.recover(login, codes[0], NEW)
    assert refused(login, PASSWORD) is ErrorCode.LOCKED


def test_somebody_who_left_is_a_stranger() -> None:
    firm = cast.firm()
    clerk = firm[Role.FIRM_CLERK]
    token = token_of(login_of(firm, Role.FIRM_CLERK))
    assert clerk.actor_id is not None
    staff_service.leave(firm[Role.FIRM_REPRESENTATIVE], clerk.actor_id, None, "离职")
    assert visitor(token) is None
    assert refused(login_of(firm, Role.FIRM_CLERK), PASSWORD) is ErrorCode.BAD_LOGIN


def test_phone_and_second_factor_are_unreadable_in_the_database() -> None:
    bank = cast.bank()
    token = token_of(login_of(bank, Role.BANK_OFFICER))
    secret = enrolled(token).secret
    with transaction(SYSTEM):
        raw = session().connection().exec_driver_sql("select totp_secret from person where totp_secret is not null").scalar()
    assert raw is not None and secret.encode() not in bytes(raw)
    assert person_of(bank[Role.BANK_OFFICER]).totp_secret == secret


def test_a_password_hashed_too_weakly_is_hashed_anew_by_the_next_sign_in() -> None:
    firm = cast.firm()
    weak = person_of(firm[Role.FIRM_CLERK]).password_hash
    service.configure_hasher(service.STRONG)
    assert token_of(login_of(firm, Role.FIRM_CLERK))
    strong = person_of(firm[Role.FIRM_CLERK]).password_hash
    assert strong != weak and strong.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), "what OWASP asks for"
    assert token_of(login_of(firm, Role.FIRM_CLERK)) and person_of(firm[Role.FIRM_CLERK]).password_hash == strong
