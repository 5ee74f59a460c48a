"""The room's door: pages of its view modules hang on it."""

from __future__ import annotations

from app.core.web import Room

room = Room("evidence", __name__, template_folder="templates")
