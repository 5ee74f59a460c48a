"""Telling people by mail that something waits in the portal: at once, or once a working day.

What stands under a seal is not seen by the system, so no letter tells of it. Letters say how much waits and where, no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from babel.support import NullTranslations, Translations
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.core import mail
from app.core.calendar import SHANGHAI, is_working_day, now, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.errors import N_
from app.core.ids import new_id
from app.core.outbox import emit, handles, timed
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.identity.mail_models import Mail, MailWish
from app.identity.models import Person


class MailWay(StrEnum):
    """How somebody hears of notices."""

    NONE = "none"
    DIGEST = "digest"
    EACH = "each"


@dataclass(frozen=True)
class MailRules:
    """All [P]: a digest leaves at ``digest_at`` of a working day (Beijing time); two letters are ``apart`` of each other."""

    digest_at: time = time(8, 30)
    apart: timedelta = timedelta(minutes=10)


MAIL = MailRules()
TRANSLATIONS = Path(__file__).resolve().parents[1] / "translations"

# Whoever wishes a letter, has an address, and has unread notices: of their own, or of everybody in their organisation.
_WAITING = """
select p.id as person_id, count(*) as unread, min(n.at) as oldest_at
from mail_wish w join person p on p.id = w.person_id and p.state = 'active' and p.email is not null
join notice n on n.org_id = p.org_id and (n.person_id is null or n.person_id = p.id) and n.read_at is null
where w.way = :way and {since} group by p.id
"""
_DUE = {
    MailWay.EACH: _WAITING.format(since="""
        n.at > w.told_until and not exists (select 1 from mail m where m.person_id = p.id and m.made_at > :since)
    """),
    MailWay.DIGEST: _WAITING.format(since="""
        not exists (select 1 from mail m where m.person_id = p.id and m.way = 'digest' and m.day = :day)
    """),
}


def wish_of(person_id: UUID) -> MailWay:
    """How the person wishes to hear, in the running transaction."""
    found = session().get(MailWish, person_id)
    return MailWay(found.way) if found is not None else MailWay.NONE


@use_case(Permission.ACCOUNT_USE, "identity.mail_wish")
def wish_mail(ctx: Context, way: MailWay) -> None:
    """From now on the actor hears in this way; what waited before is not told again."""
    values = {"way": way.value, "told_until": now(), "changed_at": now()}
    session().execute(
        insert(MailWish).values(person_id=ctx.actor_id, **values).on_conflict_do_update(index_elements=["person_id"], set_=values)
    )
    about(way=way.value)


@timed("identity.mail")
def mail_due(ctx: Context, rules: MailRules = MAIL) -> int:
    """Makes the letters that are due. Without a carrier none is made: a heap of old ones would leave with the first."""
    if mail.transport() is None:
        return 0
    local = now().astimezone(SHANGHAI)
    digest = local.time() >= rules.digest_at and is_working_day(local.date())
    ways = (MailWay.EACH, MailWay.DIGEST) if digest else (MailWay.EACH,)
    with transaction(Context.of_system("ticker"), read_only=True):
        due = [way for way in ways if _due(way, rules)]
    return sum(_make(ctx, way, rules) for way in due)


def _due(way: MailWay, rules: MailRules) -> Sequence[Any]:
    return session().execute(text(_DUE[way]), {"way": way.value, "since": now() - rules.apart, "day": today()}).all()


@use_case(Permission.MAIL_TICK, "identity.mail_made")
def _make(ctx: Context, way: MailWay, rules: MailRules) -> int:
    at, made = now(), 0
    for row in _due(way, rules):
        letter = session().scalar(
            insert(Mail).values(
                id=new_id(), person_id=row.person_id, way=way.value, day=today(), unread=row.unread, oldest_at=row.oldest_at,
                made_at=at,
            ).on_conflict_do_nothing().returning(Mail.id)
        )
        if letter is not None:
            emit("mail.made", mail_id=letter)
            session().execute(update(MailWish).where(MailWish.person_id == row.person_id).values(told_until=at))
            made += 1
    about(way=way.value, letters=made)
    return made


@handles("mail.made", "identity.send_mail")
def _send(ctx: Context, payload: dict[str, Any]) -> None:
    """Sends a letter. A carrier that fails is tried again by the outbox, later each time."""
    found = session().scalar(select(Mail).where(Mail.id == UUID(payload["mail_id"])).with_for_update())
    carrier = mail.transport()
    if found is None or found.sent_at is not None or carrier is None:
        return
    address = session().scalar(select(Person.email).where(Person.id == found.person_id, Person.state == "active"))
    if address:
        carrier.send(mail.Letter(str(found.id), address, _subject(found), _text(found)))
        found.sent_at = now()


_SUBJECT = N_("惠桥：您有 %(count)s 条未读消息")
_TEXT = N_(
    "您在惠桥有 %(count)s 条未读消息，最早的一条来自 %(since)s。请登录查看：%(link)s\n"
    "邮件里不写企业名称和金额。不想再收到，请在“我的账号”里关闭。"
)


def _subject(letter: Mail) -> str:
    return " / ".join(words.gettext(_SUBJECT) % {"count": letter.unread} for words in _languages())


def _text(letter: Mail) -> str:
    """Chinese, then English: which language somebody reads is not stored."""
    since = f"{letter.oldest_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    told = {"count": letter.unread, "since": since, "link": mail.address("/notices")}
    return "\n\n".join(words.gettext(_TEXT) % told for words in _languages()) + "\n"


@cache
def _languages() -> tuple[NullTranslations, ...]:
    """A worker has no request that would tell a language."""
    return NullTranslations(), Translations.load(TRANSLATIONS, ["en"])
