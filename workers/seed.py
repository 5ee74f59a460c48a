"""Loads the demo city on the first start of a demo portal, in a process of its own."""

from __future__ import annotations

from app import demo
from app.core.settings import load_settings


def main() -> None:
    """Load the city unless the database already holds one."""
    demo.seed_if_empty(load_settings())


if __name__ == "__main__":
    main()
