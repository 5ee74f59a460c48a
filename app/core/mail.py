"""Letters leave the portal through one door: an SMTP server, or the console of a demo.

A letter holds no figures and no names beside its reader's: mail is open to whoever carries it. What is new stands in the portal.
"""

from __future__ import annotations

import logging
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Protocol
from urllib.parse import unquote, urlsplit

from app.core.formats import mask_email
from app.core.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT = 20.0
"""Seconds until a server that says nothing is given up; the outbox tries again later."""


@dataclass(frozen=True)
class Letter:
    """``id`` names the letter for ever: a second copy of it can be told by any mail program."""

    id: str
    to: str
    subject: str
    text: str


class Transport(Protocol):
    """What carries letters."""

    def send(self, letter: Letter) -> None:
        """Hands a letter over. Raises what the carrier raises."""


class ConsoleTransport:
    """Prints letters, for a demo: who is meant stands there masked, since logs hold no personal data."""

    def send(self, letter: Letter) -> None:
        """Prints the letter."""
        log.warning("mail to %s: %s\n%s", mask_email(letter.to), letter.subject, letter.text)


class SmtpTransport:
    """An SMTP server: ``smtp://`` asks for STARTTLS where it is offered and demands it before a password, ``smtps://`` is TLS."""

    def __init__(self, url: str, sender: str) -> None:
        self.at, self.sender = urlsplit(url), sender

    def send(self, letter: Letter) -> None:
        """Hands the letter to the server. Raises ``OSError`` or ``smtplib.SMTPException``."""
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = letter.subject, self.sender, letter.to
        message["Date"], message["Message-ID"] = formatdate(localtime=True), f"<{letter.id}@{self.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        with self._server() as server:
            server.send_message(message)

    def _server(self) -> smtplib.SMTP:
        host, tls = self.at.hostname or "", ssl.create_default_context()
        if self.at.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self.at.port or 465, timeout=TIMEOUT, context=tls)
        else:
            server = smtplib.SMTP(host, self.at.port or 587, timeout=TIMEOUT)
            server.ehlo()
            if server.has_extn("starttls") or self.at.username:
                server.starttls(context=tls)
        if self.at.username:
            server.login(unquote(self.at.username), unquote(self.at.password or ""))
        return server


_transport: list[Transport] = []
_address: list[str] = []


def configure_mail(settings: Settings) -> None:
    """Takes the carrier of the settings; a demo without one prints, another portal without one sends nothing."""
    if settings.smtp_url:
        _transport[:] = [SmtpTransport(settings.smtp_url, settings.mail_from)]
    else:
        _transport[:] = [ConsoleTransport()] if settings.demo else []
    _address[:] = [settings.public_url or f"http://{settings.host}:{settings.port}"]


def transport() -> Transport | None:
    """What carries letters; ``None`` where the portal has no way to send any."""
    return _transport[0] if _transport else None


def address(path: str = "/") -> str:
    """The portal's address as its people know it, with a path."""
    return _address[0].rstrip("/") + path if _address else path
