"""Alembic: one file a room, one head. Run by the owner of the tables, never by the portal's login role."""
