"""People hear by mail that something waits, as they wish, and letters tell no more than that. A real SMTP server listens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.policy import default
from socket import socket
from typing import Any, cast

import pytest
import sqlalchemy as sa
import time_machine
from aiosmtpd.controller import Controller

from app.core import mail, outbox
from app.core.calendar import SHANGHAI
from app.core.database import session, transaction
from app.core.errors import N_
from app.core.ids import new_id
from app.core.models import Outbox, Seal
from app.core.notices import mark_all_read, notify
from app.core.permissions import Role
from app.core.settings import Settings, SettingsError, load_settings
from app.identity import mail_service
from app.identity.mail_service import MailWay
from app.identity.models import Person
from tests import cast as people

pytestmark = pytest.mark.service

WORKDAY = datetime(2026, 11, 26, 9, 0, tzinfo=SHANGHAI)
SATURDAY = datetime(2026, 11, 28, 9, 0, tzinfo=SHANGHAI)


class Box:
    """A mail server that keeps what it is given, or refuses it."""

    def __init__(self) -> None:
        self.letters: list[Message] = []
        self.refuses = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuses:
            return "451 try again later"
        self.letters.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    def told(self) -> list[tuple[str, str]]:
        """Address and text of every letter."""
        return [(str(one["To"]), cast(Any, one).get_content()) for one in self.letters]


@pytest.fixture
def box(settings: Settings) -> Iterator[Box]:
    box = Box()
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    mail.configure_mail(replace(
        settings, smtp_url=f"smtp://127.0.0.1:{port}", mail_from="no-reply@huiqiao.example", public_url="https://huiqiao.example/",
    ))
    yield box
    server.stop()
    mail.configure_mail(replace(settings, demo=False))


def wish(org: people.Cast, role: Role, way: MailWay, address: str | None) -> None:
    with transaction(people.SYSTEM):
        session().execute(sa.update(Person).where(Person.id == org[role].actor_id).values(email=address))
    mail_service.wish_mail(org[role], way)


def tell(org: people.Cast, role: Role | None = None, **more: Any) -> None:
    with transaction(people.SYSTEM):
        notify(org.id, N_("数据批次 %(name)s 没有读成，请查看原因后重试。"), name="秘密企业 300 万元",
               person_id=org[role].actor_id if role else None, path="/deliveries", **more)


def tick() -> int:
    made = mail_service.mail_due(people.SYSTEM)
    outbox.drain()
    return made


def test_each_new_notice_is_told_to_whom_it_concerns_and_wishes_it_and_never_twice(box: Box) -> None:
    bank = people.bank()
    with time_machine.travel(WORKDAY, tick=True):
        tell(bank)
        wish(bank, Role.BANK_OFFICER, MailWay.EACH, "officer@bank.example")
        wish(bank, Role.BANK_APPROVER, MailWay.EACH, None)  # no address
        assert tick() == 0, "what waited before the wish is not told"
        tell(bank)
        tell(bank, Role.BANK_OFFICER)
        tell(bank, Role.BANK_APPROVER)
        tell(people.bank("别的银行"))
        assert (tick(), tick()) == (1, 0)
        tell(bank)
        assert tick() == 0, "letters keep their distance"
    with time_machine.travel(WORKDAY + timedelta(minutes=11), tick=True):
        assert (tick(), tick()) == (1, 0)
    (address, text), (_, again) = box.told()
    assert address == "officer@bank.example"
    assert "2 条未读消息" in text and "2 unread" in text and "https://huiqiao.example/notices" in text
    assert "1 条未读消息" in again
    assert "秘密企业" not in text and "300" not in text, "mail is open to whoever carries it"
    assert str(box.letters[0]["Subject"]).startswith("惠桥：您有 2 条未读消息 / ")
    assert box.letters[0]["Message-ID"] != box.letters[1]["Message-ID"]


def test_a_digest_comes_once_a_working_day_and_only_while_something_is_unread(box: Box) -> None:
    firm = people.firm()
    boss = firm[Role.FIRM_REPRESENTATIVE]
    with time_machine.travel(WORKDAY - timedelta(minutes=45), tick=True):
        wish(firm, Role.FIRM_REPRESENTATIVE, MailWay.DIGEST, "boss@firm.example")
        tell(firm)
        assert tick() == 0, "before half past eight"
    for day, expected in ((WORKDAY, 1), (WORKDAY + timedelta(hours=5), 0), (WORKDAY + timedelta(days=1), 1), (SATURDAY, 0)):
        with time_machine.travel(day, tick=True):
            assert tick() == expected, day
    with time_machine.travel(SATURDAY + timedelta(days=2), tick=True):
        mark_all_read(boss)
        assert tick() == 0
        mail_service.wish_mail(boss, MailWay.NONE)
        tell(firm)
        assert tick() == 0
    assert len(box.letters) == 2


def test_what_is_under_a_seal_is_told_by_no_letter(box: Box) -> None:
    bank = people.bank()
    with time_machine.travel(WORKDAY, tick=True):
        wish(bank, Role.BANK_OFFICER, MailWay.EACH, "officer@bank.example")
        with transaction(people.SYSTEM):
            seal = Seal(id=new_id())
            session().add(seal)
        with transaction(bank[Role.BANK_OFFICER]):
            notify(bank.id, N_("您的报价已提交。"), seal_id=seal.id)
        assert tick() == 0
    assert box.letters == []


def test_a_server_that_refuses_is_asked_again_and_the_letter_keeps_its_name(box: Box) -> None:
    bank = people.bank()
    with time_machine.travel(WORKDAY, tick=True):
        wish(bank, Role.BANK_OFFICER, MailWay.EACH, "officer@bank.example")
        tell(bank)
        box.refuses = True
        tick()
        assert box.letters == []
        with transaction(people.SYSTEM, read_only=True):
            [row] = session().scalars(sa.select(Outbox).where(Outbox.topic == "mail.made", Outbox.state == "pending"))
        box.refuses = False
        assert outbox.deliver(row.id) and not outbox.deliver(row.id)
    [letter] = box.letters
    assert letter["Message-ID"] == f"<{row.payload['mail_id']}@huiqiao.example>"


def test_a_portal_without_a_carrier_makes_no_letters(settings: Settings) -> None:
    mail.configure_mail(replace(settings, demo=False))
    bank = people.bank()
    wish(bank, Role.BANK_OFFICER, MailWay.EACH, "officer@bank.example")
    tell(bank)
    assert tick() == 0 and mail.transport() is None


@pytest.mark.parametrize(("more", "wrong"), [
    ({"HUIQIAO_SMTP_URL": "mail.example"}, "must begin with smtp://"),
    ({"HUIQIAO_SMTP_URL": "smtp://mail.example"}, "HUIQIAO_MAIL_FROM"),
    ({"HUIQIAO_SMTP_URL": "smtp://mail.example", "HUIQIAO_MAIL_FROM": "a@b.example"}, "HUIQIAO_PUBLIC_URL"),
])
def test_a_carrier_half_named_is_refused_in_words(more: dict[str, str], wrong: str, tmp_path: Any) -> None:
    with pytest.raises(SettingsError, match=wrong):
        load_settings({"HUIQIAO_INSTANCE": str(tmp_path), **more})
