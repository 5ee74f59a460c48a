"""What benchmarks over HTTP share: an app behind gunicorn, the environment of its processes, signed-in cookies."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.core import database
from app.core.settings import Settings, load_settings
from app.identity import service as identity
from benchmarks.measure import Bench

ROOT = Path(__file__).resolve().parents[1]
OURS = ["-c", "python:workers.web"]


def portal_settings(bench: Bench, port: int) -> Settings:
    """Settings of a portal on the benchmark's database."""
    keys = load_settings({"HUIQIAO_INSTANCE": str(bench.folder / "instance"), "HUIQIAO_DEMO": "1"})
    url = str(database.engine().url.render_as_string(hide_password=False))
    return replace(keys, database_url=url, port=port, demo=True, redis_url=None)


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """What processes of the portal read: two workers with two threads each."""
    return {
        "DATABASE_URL": settings.database_url or "", "HUIQIAO_DEMO": "1", "HUIQIAO_SECRET_KEY": settings.secret_key,
        "HUIQIAO_FIELD_KEYS": ",".join(settings.field_keys), "HUIQIAO_INSTANCE": str(settings.instance),
        "PORT": str(settings.port), "HUIQIAO_WEB_WORKERS": "2", "HUIQIAO_WEB_THREADS": "2", "OMP_NUM_THREADS": "1", **more,
    }  # fmt: skip


@contextmanager
def process(values: dict[str, str], *command: str) -> Iterator[None]:
    """A Python process beside us, ended at the end."""
    running = subprocess.Popen([sys.executable, "-m", *command], env={**os.environ, **values}, cwd=ROOT)
    try:
        yield
    finally:
        running.terminate()
        running.wait(30)


@contextmanager
def served(module: str, port: int, values: dict[str, str], options: list[str]) -> Iterator[None]:
    """An app behind gunicorn, once it answers."""
    with process(values, "gunicorn", *options, module):
        for _ in range(300):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/queue")
                connection.getresponse().read()
                break
            except OSError:
                time.sleep(0.2)
        yield


def cookie(app: Any, login: str, password: str, **kept: Any) -> str:
    """The cookie of somebody who signed in; ``kept``: what else the session holds."""
    token = identity.sign_in(login, password, "bench").token
    assert token is not None and identity.skip_code(identity.DOOR, token)
    signed = app.session_interface.get_signing_serializer(app).dumps({"_user_id": token, "_fresh": True, **kept})
    return f"{app.config['SESSION_COOKIE_NAME']}={signed}"
