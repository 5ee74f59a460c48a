"""Pages of the pool. They stand in ``booking_views``, ``claim_views`` and ``board_views``."""

from __future__ import annotations

from app.pool import board_views, booking_views, claim_views, registers
from app.pool.door import room

__all__ = ["board_views", "booking_views", "claim_views", "registers", "room"]
