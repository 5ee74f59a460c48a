"""Pages of the pool. They stand in ``booking_views``, ``claim_views``, ``board_views``, ``rule_views`` and ``stress_views``."""

from __future__ import annotations

from app.pool import board_views, booking_views, claim_views, file_views, registers, rule_views, stress_views
from app.pool.door import room

__all__ = ["board_views", "booking_views", "claim_views", "file_views", "registers", "room", "rule_views", "stress_views"]
