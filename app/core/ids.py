"""Identifiers: UUIDv7, time-ordered so that an index stays compact, unguessable so that an address gives nothing away."""

from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["UUID", "new_id"]


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562 §5.7)."""
    return uuid7()
