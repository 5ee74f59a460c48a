"""The receipt of a sealed bid: a commitment to every word of it, which anybody can check with a hash and nothing else.

``commitment = sha256(salt || canonical)``, where ``canonical`` is the bid and the terms of its need as JSON with sorted keys
and rates as text. The salt (32 bytes) keeps others from guessing what a published commitment hides. What was opened together
has one digest: sha256 over the sorted commitments.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

FORM = 1
SALT_BYTES = 32


def canonical(facts: Mapping[str, Any]) -> str:
    """The one text of these facts: sorted keys, no spaces. Values are text, whole numbers, lists and mappings of them."""
    return json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def commitment(salt: bytes, text: str) -> bytes:
    """32 bytes that bind to ``text`` without telling it."""
    return hashlib.sha256(salt + text.encode()).digest()


def opened_digest(commitments: Iterable[bytes]) -> bytes:
    """One digest of all that was opened together, whatever the order."""
    return hashlib.sha256(b"".join(sorted(commitments))).digest()


def check(receipt: Mapping[str, Any]) -> list[str]:
    """What is wrong with a receipt as it was downloaded, in English sentences; an empty list means that it verifies.

    ``opened`` (from the day of opening on) must hold this receipt's commitment, and its digest must be that of its list.
    """
    try:
        if receipt["form"] != FORM:
            return ["This program does not know the form of the receipt."]
        own = bytes.fromhex(receipt["commitment"])
        wrong = []
        salt = bytes.fromhex(receipt["salt"])
        if len(salt) != SALT_BYTES or commitment(salt, receipt["canonical"]) != own:
            wrong.append("The text and the commitment do not fit.")
        opened = receipt.get("opened")
        if opened:
            listed = [bytes.fromhex(one) for one in opened["commitments"]]
            if own not in listed:
                wrong.append("The commitment is not among those opened.")
            if opened_digest(listed).hex() != opened["digest"]:
                wrong.append("The list of what was opened and its digest do not fit.")
        return wrong
    except (KeyError, TypeError, ValueError, AttributeError):
        return ["This is no complete receipt."]
