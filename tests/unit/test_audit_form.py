"""Form 1 of an audit event is frozen: these samples must hash to the same bytes for ever (examples.md §7.3)."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from app.core.audit import canonical, event_digest, event_form, plain
from app.core.models import AuditEvent
from app.core.permissions import Role

SAMPLE = AuditEvent(
    id=UUID("01929c9e-6f00-7000-8000-000000000001"), form=1, at=datetime(2026, 11, 22, 3, 4, 5, 678, tzinfo=UTC),
    action="market.bid_submitted", actor_id=UUID("01929c9e-6f00-7000-8000-000000000002"), actor_kind="person",
    org_id=UUID("01929c9e-6f00-7000-8000-000000000003"), subject_type="bid",
    subject_id=UUID("01929c9e-6f00-7000-8000-000000000004"), case_id=None, seal_id=None,
    facts={"amount_fen": 300_000_000, "rate": "0.0385", "note": "先息后本"}, personal_digest=None,
    salt=bytes(range(16)), digest=b"",
)


def test_the_canonical_form_of_an_event_never_changes() -> None:
    assert event_form(SAMPLE).decode() == (
        '{"action":"market.bid_submitted","actor_id":"01929c9e-6f00-7000-8000-000000000002","actor_kind":"person",'
        '"at":"2026-11-22T03:04:05.000678Z","case_id":null,"facts":{"amount_fen":300000000,"note":"先息后本",'
        '"rate":"0.0385"},"form":1,"id":"01929c9e-6f00-7000-8000-000000000001",'
        '"org_id":"01929c9e-6f00-7000-8000-000000000003","personal_digest":null,"seal_id":null,'
        '"subject_id":"01929c9e-6f00-7000-8000-000000000004","subject_type":"bid"}'
    )


def test_the_digest_of_an_event_never_changes() -> None:
    assert event_digest(SAMPLE).hex() == "18db6d66f625ec1033b690cfb0fe7955d62cb01a470fde57f00c0f0c2daa955f"


def test_every_value_has_one_spelling() -> None:
    shanghai = timezone(timedelta(hours=8))
    assert canonical({"b": [Decimal("0.10"), date(2026, 1, 5)], "a": datetime(2026, 1, 5, 8, tzinfo=shanghai)}) == (
        b'{"a":"2026-01-05T00:00:00.000000Z","b":["0.10","2026-01-05"]}'
    )
    assert canonical({"set": {"b", "a"}, "bytes": b"\x01\xff", "role": Role.DESK, "yes": True, "none": None}) == (
        b'{"bytes":"01ff","none":null,"role":"desk","set":["a","b"],"yes":true}'
    )


def test_a_float_has_no_canonical_form() -> None:
    with pytest.raises(TypeError, match="float"):
        plain({"rate": 0.1})
