"""Loads the demo city on the first start of a demo portal, in a process of its own."""

from __future__ import annotations

from app import demo
from app.core.settings import load_settings
from app.factory import prepare


def main() -> None:
    """Load the city unless the database already holds one."""
    settings = load_settings()
    prepare(settings)
    demo.seed_if_empty(settings)


if __name__ == "__main__":
    main()
