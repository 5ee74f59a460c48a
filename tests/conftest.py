"""Fixtures every test may use. Servers are started once per run, see ``tests.database``."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy and LightGBM are imported: tests fork workers

import pytest
from argon2 import PasswordHasher
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from jinja2 import FileSystemBytecodeCache

from app.core import database as portal_database
from app.core import outbox
from app.core.secrets import configure_keys
from app.core.settings import Settings
from app.core.storage import configure_storage
from tests.database import (
    ROOT,
    Pool,
    Servers,
    TestDatabase,
    fresh_database,
    publish,
    published,
    redis_database,
    running_servers,
    template,
)
from tests.shared import folder, open_folder, place

QUIET = (
    "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)
"""A browser that draws for nobody and asks nobody but the portal."""
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The shell first: the same engine without the windows and menus that the others draw for each person's profile."""
QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
FIELD_KEY = Fernet.generate_key().decode()
# A shared machine may be slow for a moment; how long an example takes proves nothing.
hypothesis_settings.register_profile("huiqiao", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("huiqiao")
_built: list[tuple[Flask, dict[str, Any]]] = []
_clearing: list[Callable[[], None]] = []


def pytest_configure(config: pytest.Config) -> None:
    """Before xdist starts its workers, begin to start the servers they share; this process outlives them all."""
    _clearing.append(open_folder())
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", place())  # thousands of small folders are made and removed
    parallel = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if parallel and not config.option.collectonly:
        ended = threading.Event()
        keeper = threading.Thread(target=_keep_servers, args=(ended,), name="servers")
        keeper.start()
        _clearing.extend([keeper.join, ended.set])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test begins first, so that nobody waits for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_walk.py")


def _keep_servers(ended: threading.Event) -> None:
    """Starts the servers and migrates the template while the workers still import what they test.

    In a thread that lives as long as the servers: they end with the thread that started them.
    """
    with running_servers() as shared:
        publish(shared)
        template(shared)
        ended.wait()


def pytest_unconfigure() -> None:
    """Undo what ``pytest_configure`` did, last things first."""
    while _clearing:
        _clearing.pop()()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and Redis of this run."""
    shared = published()
    if shared is not None:
        yield shared
        return
    with running_servers() as own:
        yield own


@pytest.fixture(scope="session")
def migrated_template(servers: Servers) -> str:
    """The name of the migrated database that every test database is copied from."""
    return template(servers)


@pytest.fixture(scope="session")
def databases(servers: Servers, migrated_template: str) -> Iterator[Pool]:
    """The databases of this process."""
    pool = Pool(servers, migrated_template)
    yield pool
    pool.close()


@pytest.fixture
def database(databases: Pool, tmp_path: Path) -> Iterator[TestDatabase]:
    """A migrated database without any row of another test; the portal is connected to it with its own login role."""
    from app.identity.service import configure_hasher

    fresh = databases.take()
    configure_hasher(QUICK_HASHER)
    portal_database.configure(fresh.app_url)
    configure_keys([FIELD_KEY])
    configure_storage(tmp_path / "papers")
    outbox.configure_queue(None)
    yield fresh
    outbox.configure_queue(None)
    databases.give_back()


@pytest.fixture
def empty_database(servers: Servers) -> Iterator[TestDatabase]:
    """A database without any table."""
    with fresh_database(servers, None) as fresh:
        yield fresh


@pytest.fixture
def redis_url(servers: Servers, worker_id: str) -> str:
    """An empty Redis database that no other test process uses."""
    return redis_database(servers, int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0)


@pytest.fixture
def real_data() -> Path:
    """The folder with the real data sets; without it the test is skipped, and says so."""
    folder = Path(os.environ.get("HUIQIAO_REAL_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real data is absent ({folder}); point HUIQIAO_REAL_DATA at it")
    return folder


@pytest.fixture
def settings(database: TestDatabase, tmp_path: Path) -> Settings:
    """Settings of a demo portal on the test's own database, without Redis."""
    return Settings(
        database_url=database.app_url,
        migration_database_url=database.owner_url,
        redis_url=None,
        demo=True,
        instance=tmp_path,
        secret_key="a key for tests alone, thirty-two characters",
        field_keys=(FIELD_KEY,),
        host="127.0.0.1",
        port=8000,
        real_data=Path(os.environ.get("HUIQIAO_REAL_DATA") or ROOT.parent / "shared" / "data"),
        workers=1,
        web_workers=1,
        web_threads=2,
        upload_limit=200 * 1024 * 1024,
        model_path=tmp_path / "model",
        papers=tmp_path / "papers",
    )


@pytest.fixture
def app(settings: Settings) -> Flask:
    """The whole portal. Forms need no CSRF token here; the browser tests run with it.

    It is built once a process, since building it and compiling its templates takes longer than most tests; each test
    gets it with fresh settings, on the test's own database.
    """
    from app.factory import create_app, prepare

    if not _built:
        built = create_app(settings, TESTING=True, WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False)
        built.jinja_env.bytecode_cache = compiled_templates()
        _built.append((built, dict(built.config)))
    portal, as_built = _built[0]
    prepare(settings)
    portal.config.clear()
    portal.config.update(as_built | {"HUIQIAO": settings, "UPLOAD_LIMIT": settings.upload_limit})
    return portal


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without JavaScript and without a person signed in."""
    return app.test_client()


@dataclass(frozen=True)
class LiveServer:
    """The portal behind a real port."""

    url: str
    app: Flask


def compiled_templates() -> FileSystemBytecodeCache:
    """Templates compiled once a run, not once for every portal."""
    return FileSystemBytecodeCache(str(folder("templates")))


@pytest.fixture
def live_server(settings: Settings) -> Iterator[LiveServer]:
    """The portal as a browser meets it, with CSRF and all headers, on a port of its own.

    It runs in a thread of this process; a test hands outbox rows on with ``outbox.drain()``.
    """
    from werkzeug.serving import make_server

    from app.factory import create_app

    application = create_app(settings, RATELIMIT_ENABLED=False)
    application.jinja_env.bytecode_cache = compiled_templates()
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="live-server")
    thread.start()
    try:
        yield LiveServer(f"http://127.0.0.1:{server.server_port}", application)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium. A missing one skips the test visibly, or fails it where CI demands it."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        message = "no Chromium on this machine; install it with: apt-get install chromium-headless-shell"
        if os.environ.get("CI") == "true" or os.environ.get("HUIQIAO_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        arguments += QUIET
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, live_server: LiveServer) -> Iterator[Any]:
    """A page of a fresh Chinese browser profile; relative addresses lead to the live server."""
    context = browser.new_context(base_url=live_server.url, locale="zh-CN", timezone_id="Asia/Shanghai")
    yield context.new_page()
    context.close()
