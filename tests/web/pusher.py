"""A provider's machine as the portal meets it: it signs every request with its key."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.calendar import now
from app.core.context import Context
from app.core.database import session, transaction
from app.core.permissions import Role
from app.evidence import push_service
from app.evidence.models import ProviderItem
from app.evidence.rules import INVOICES
from tests.cast import SYSTEM, Cast

ROUTE = "/api/v1/deliveries/invoices"


@dataclass
class Pusher:
    """A key in use."""

    client: FlaskClient
    key_id: str
    secret: str

    def headers(self, method: str, path: str, body: bytes, **other: str) -> dict[str, str]:
        """What goes with a request; ``other`` replaces: ``timestamp``, ``nonce``, ``key``, ``secret``."""
        stamp, nonce = other.get("timestamp", str(int(time.time()))), other.get("nonce", secrets.token_hex(16))
        text = "\n".join((method, path, stamp, nonce, hashlib.sha256(body).hexdigest()))
        return {
            "X-Huiqiao-Key": other.get("key", self.key_id), "X-Huiqiao-Timestamp": stamp, "X-Huiqiao-Nonce": nonce,
            "X-Huiqiao-Signature": hmac.new(other.get("secret", self.secret).encode(), text.encode(), hashlib.sha256).hexdigest(),
        }

    def push(self, body: bytes | list[Any], path: str = ROUTE, *, kind: str = "application/json", repeat: str | None = None,
             language: str = "zh-CN", **other: str) -> TestResponse:
        """A signed push; a list is the rows."""
        data = body if isinstance(body, bytes) else json.dumps({"rows": body}).encode()
        headers = self.headers("POST", path, data, **other) | {"Content-Type": kind, "Accept-Language": language}
        if repeat is not None:
            headers["Idempotency-Key"] = repeat
        return self.client.post(path, data=data, headers=headers)

    def get(self, path: str, **other: str) -> TestResponse:
        """A signed question."""
        return self.client.get(path, headers=self.headers("GET", path, b"", **other))


def grant(provider: Cast, *items: str) -> None:
    """Registers a provider for items, as the platform does."""
    with transaction(SYSTEM):
        for item in items or (INVOICES,):
            if session().get(ProviderItem, (provider.id, item)) is None:
                session().add(ProviderItem(provider_org_id=provider.id, item_code=item, since=now()))


def key_of(admin: Context, client: FlaskClient, label: str = "营销系统") -> Pusher:
    """A fresh key in a machine's hands."""
    made = push_service.create_key(admin, label)
    return Pusher(client, made.key_id, made.secret)


def machine(provider: Cast, client: FlaskClient, label: str = "营销系统") -> Pusher:
    """A key of a provider that is registered for invoices."""
    grant(provider)
    return key_of(provider[Role.PROVIDER_ADMIN], client, label)


def row(firm: str, number: str = "10000001", **cells: Any) -> dict[str, Any]:
    """One invoice, sound unless told otherwise."""
    return {
        "uscc": firm, "side": "out", "invoice_no": number, "invoice_date": "2026-03-05", "counterparty_id": "B001",
        "amount_net": "100.00", "tax_amount": "13.00", "amount_gross": "113.00", "status": "valid", **cells,
    }
