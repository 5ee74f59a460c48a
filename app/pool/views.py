"""Pages of the pool, which stand in the modules named here."""

from __future__ import annotations

from app.pool import (
    audit_views,
    batch_api,
    batch_views,
    board_views,
    booking_views,
    budget_views,
    check_views,
    claim_views,
    cockpit_views,
    file_views,
    guarantee_views,
    partner_views,
    publicity_views,
    reconcile_views,
    recovery_views,
    registers,
    rule_views,
    stress_views,
    top_up_views,
)
from app.pool.door import room

__all__ = [
    "audit_views", "batch_api", "batch_views", "board_views", "booking_views", "budget_views", "check_views", "claim_views",
    "cockpit_views", "file_views", "guarantee_views", "partner_views", "publicity_views", "reconcile_views", "recovery_views",
    "registers", "room", "rule_views", "stress_views", "top_up_views",
]
