"""The blueprint of the room."""

from __future__ import annotations

from app.core.web import Room

room = Room("credit", __name__, template_folder="templates")
