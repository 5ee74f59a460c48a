"""Fixtures of the browser tests. What failed is photographed into the test's own folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from tests.conftest import LiveServer
from tests.e2e.visitors import Visitors


@pytest.fixture
def visitors(browser: Any, live_server: LiveServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Visitors]:
    """Everybody's browser profiles; the test fails where a page stumbled in any of them."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for every style sheet would bury the reason of a failure
    live_server.app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600  # each browser asks for a style sheet once, not on every page
    everybody = Visitors(browser, live_server.url, live_server.app)
    failed = request.session.testsfailed
    yield everybody
    try:
        if request.session.testsfailed > failed:
            _photograph(browser, tmp_path)
        assert not everybody.troubles, "\n".join(everybody.troubles)
    finally:
        everybody.close()


def _photograph(browser: Any, folder: Path) -> None:
    pages = [page for context in browser.contexts for page in context.pages]
    for number, page in enumerate(pages):
        page.screenshot(path=folder / f"page-{number}.png", full_page=True)


@dataclass
class Clock:
    """The calendar of a test, which can be turned forward; sessions end on the way, as they would."""

    _journeys: ExitStack = field(default_factory=ExitStack)

    def at(self, moment: datetime) -> None:
        """A day of the calendar that the story needs; time runs on from there."""
        self._journeys.enter_context(time_machine.travel(moment, tick=True))

    def forward(self, days: int) -> None:
        """Some days later at the same hour."""
        self._journeys.enter_context(time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=True))


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A calendar that is put right again at the end."""
    clock = Clock()
    with clock._journeys:
        yield clock
