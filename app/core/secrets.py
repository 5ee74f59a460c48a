"""Personal fields are encrypted at rest (compliance.md §6, field encryption of IDs, phones, accounts)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import LargeBinary
from sqlalchemy.types import TypeDecorator

_keyring: list[MultiFernet] = []
_pepper: list[bytes] = []


def configure_keys(field_keys: Sequence[str]) -> None:
    """Takes Fernet keys, the newest first; older ones still decrypt. Raises ``ValueError`` on a malformed key."""
    if not field_keys:
        raise ValueError("no field key")
    _keyring[:] = [MultiFernet([Fernet(key) for key in field_keys])]
    _pepper[:] = [hashlib.sha256(b"huiqiao digest" + field_keys[-1].encode()).digest()]


def encrypt(text: str) -> bytes:
    """Ciphertext of a personal field."""
    return _keyring[0].encrypt(text.encode())


def decrypt(data: bytes) -> str:
    """Plain text of a personal field."""
    return _keyring[0].decrypt(data).decode()


def digest(text: str) -> bytes:
    """Keyed digest, to look up an encrypted field or a one-time secret without storing it."""
    return hmac.new(_pepper[0], text.encode(), hashlib.sha256).digest()


class Encrypted(TypeDecorator[str]):
    """A text column whose bytes in the database are ciphertext."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> bytes | None:
        return None if value is None else encrypt(value)

    def process_result_value(self, value: bytes | None, dialect: object) -> str | None:
        return None if value is None else decrypt(bytes(value))
