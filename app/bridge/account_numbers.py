"""Account numbers as they are compared: plain letters and digits, by keyed digest."""

from __future__ import annotations

import re
import unicodedata

from app.core.errors import ErrorCode, Refusal
from app.core.secrets import digest

_NUMBER = re.compile(r"[0-9A-Z]{8,40}")


def plain_number(text: str, field: str | None = None) -> str:
    """An account number without spaces and dashes. Raises ``Refusal(INVALID)`` at ``field`` for what is no account number."""
    number = re.sub(r"[\s\-]", "", unicodedata.normalize("NFKC", text)).upper()
    if not _NUMBER.fullmatch(number):
        raise Refusal(ErrorCode.INVALID, field=field)
    return number


def account_digest(number: str) -> bytes:
    """The keyed digest of a plain account number: equal for equal numbers, and nothing without the key."""
    return digest(f"account:{number}")
