"""Lifecycles of delivery and consent."""

from __future__ import annotations

from app.core.lifecycle import Lifecycle, Move
from app.core.permissions import Permission
from app.evidence.models import Consent, Delivery
from app.evidence.rules import ConsentState, DeliveryState

P = Permission
D = DeliveryState
C = ConsentState

DELIVERY_LIFE = Lifecycle(Delivery.__tablename__, DeliveryState, (
    Move(D.RECEIVED, "start", D.READING, (P.DELIVERY_IMPORT,)),
    # The reader was killed; nothing of it stayed, so it begins again.
    Move(D.READING, "start_again", D.READING, (P.DELIVERY_IMPORT,)),
    Move(D.READING, "take_in", D.TAKEN_IN, (P.DELIVERY_IMPORT,)),
    Move(D.READING, "fail", D.FAILED, (P.DELIVERY_IMPORT,)),
    Move(D.FAILED, "retry", D.RECEIVED, (P.DELIVERY_UPLOAD, P.DELIVERY_IMPORT)),
    Move(D.TAKEN_IN, "withdraw", D.WITHDRAWN, (P.DELIVERY_UPLOAD, P.DELIVERY_IMPORT), needs_reason=True),
    # An earlier delivery that had said the same was withdrawn: this one speaks for itself now.
    Move(D.TAKEN_IN, "read_anew", D.RECEIVED, (P.DELIVERY_IMPORT,)),
))

CONSENT_LIFE = Lifecycle(Consent.__tablename__, ConsentState, (
    Move(C.ACTIVE, "replace", C.REPLACED, (P.CONSENT_GIVE,), stamp="ended_by", shared=False),
    Move(C.ACTIVE, "revoke", C.REVOKED, (P.CONSENT_GIVE,), stamp="ended_by", shared=False),
    Move(C.ACTIVE, "expire", C.EXPIRED, (P.CONSENT_TICK,), shared=False),
))
