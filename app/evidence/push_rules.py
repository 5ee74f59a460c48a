"""Policy of the push: what is signed and how, how far clocks may differ, how much one request may carry."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PushRules:
    """Limits of the push (all proposals). Seconds, bytes, rows."""

    skew_seconds: int = 300
    """How far the sender's clock may be from ours, either way."""
    body_limit_bytes: int = 32 * MEGABYTE
    memory_bytes: int = MEGABYTE
    """What of a body is held in memory before it goes to a temporary file."""
    row_limit: int = 100_000
    per_key: str = "60 per minute"
    per_address: str = "300 per minute"
    """Counted before anything is checked; an office may send from one address with several keys."""
    retry_after_seconds: int = 60
    quarantine_page: int = 1000
    label_length: int = 40
    source_length: int = 200
    use_noted_seconds: int = 60
    """The last use of a key is noted at most so often."""

    @property
    def nonce_seconds(self) -> int:
        """How long a nonce is kept: a time stamp is good for twice the skew, and a purge must never be early."""
        return 3 * self.skew_seconds

    @property
    def body_limit_text(self) -> str:
        """The limit of a body in words."""
        return f"{self.body_limit_bytes // MEGABYTE} MB"

    def in_time(self, timestamp: int, at: float) -> bool:
        """Whether a time stamp (Unix seconds) is near enough to ``at``."""
        return abs(timestamp - at) <= self.skew_seconds


PUSH = PushRules()

KEY_SHAPE = re.compile(r"hqk_[0-9a-f]{16}", re.ASCII)
TIMESTAMP_SHAPE = re.compile(r"[0-9]{1,11}", re.ASCII)
NONCE_SHAPE = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
SIGNATURE_SHAPE = re.compile(r"[0-9a-f]{64}", re.ASCII)
ANY_SHAPE = re.compile(r".{1,100}", re.ASCII)
REPEAT_SHAPE = re.compile(r"[\x21-\x7e]{1,100}", re.ASCII)
"""An Idempotency-Key."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a request says of itself. ``path`` with its query string; ``body_sha256`` in hexadecimal digits."""

    key_id: str
    timestamp: str
    nonce: str
    signature: str
    method: str
    path: str
    body_sha256: str = ""

    def text(self) -> bytes:
        """The text that is signed: five lines, none of which may be swapped for another's content."""
        return "\n".join((self.method, self.path, self.timestamp, self.nonce, self.body_sha256)).encode()

    def fits(self, secret: str) -> bool:
        """Whether the signature was made with ``secret``; takes the same time wherever it differs."""
        expected = hmac.new(secret.encode(), self.text(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, self.signature)


@dataclass(frozen=True, slots=True)
class KeyUsed:
    """Which key signed. Without a ``repr``: a push that is repeated with the provider's newer key is still the same push."""

    key_id: str = field(repr=False)
    label: str = field(repr=False)
