"""``huiqiao up``: how it starts, how it says no, and that it leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from cryptography.fernet import Fernet

from tests.database import ROOT, TestDatabase
from tests.shared import place

PATIENCE = 120  # seconds until the portal must have answered or ended
KEYS = {"HUIQIAO_SECRET_KEY": "k" * 40, "HUIQIAO_FIELD_KEYS": Fernet.generate_key().decode()}
OUTSIDE = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "PORT")


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder that another account can reach, so that root keeps everything below it."""
    folder = Path(tempfile.mkdtemp(prefix="huiqiao-up-", dir=place()))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def instance() -> Iterator[Path]:
    """A portal's folder before its first start."""
    with new_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A portal's folder, whose first start whichever test comes first makes; the others start again where it stopped."""
    with new_folder() as folder:
        yield folder


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(instance: Path, **more: str) -> dict[str, str]:
    """A portal without the demo city, which these tests do not need."""
    clean = {key: value for key, value in os.environ.items() if key not in OUTSIDE and "HUIQIAO" not in key}
    own = {
        "HUIQIAO_INSTANCE": str(instance),
        "HUIQIAO_DEMO": "0",
        "HUIQIAO_WORKERS": "1",
        "HUIQIAO_WEB_WORKERS": "1",
        "PORT": str(free_port()),
    }
    return {**clean, **KEYS, **own, **more}


def refusal(env: dict[str, str]) -> str:
    """What stands on stderr when the portal does not start; it must be one sentence and no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "up"],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode != 0
    said = done.stderr.strip()
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1, said
    return said


def test_a_port_in_use_is_named(instance: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(environment(instance, PORT=str(port)))
    assert f"127.0.0.1:{port}" in said
    assert "something else listens there already" in said


def test_a_folder_that_cannot_be_written_is_named() -> None:
    said = refusal(environment(Path("/proc/huiqiao-instance")))
    assert "Cannot write to /proc/huiqiao-instance" in said


def test_a_database_that_cannot_be_reached_is_named_without_its_password(instance: Path) -> None:
    url = f"postgresql://huiqiao_app:hidden-word@127.0.0.1:{free_port()}/huiqiao"
    said = refusal(environment(instance, DATABASE_URL=url, REDIS_URL="redis://127.0.0.1:1"))
    assert "cannot be reached" in said
    assert "DATABASE_URL" in said
    assert "hidden-word" not in said


def test_a_redis_that_cannot_be_reached_is_named(instance: Path, database: TestDatabase) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    said = refusal(environment(instance, DATABASE_URL=database.app_url, REDIS_URL=url))
    assert "Redis cannot be reached" in said


def test_the_owner_of_the_tables_is_refused_as_the_portals_role(
    instance: Path, database: TestDatabase, redis_url: str
) -> None:
    said = refusal(environment(instance, DATABASE_URL=database.owner_url, REDIS_URL=redis_url))
    assert "must not connect as" in said


def test_a_portal_without_keys_is_refused(instance: Path) -> None:
    env = environment(instance)
    del env["HUIQIAO_SECRET_KEY"]
    assert "HUIQIAO_SECRET_KEY" in refusal(env)


@contextmanager
def running_portal(instance: Path, **more: str) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A started portal and every process that belongs to it."""
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", "up"],
        env=environment(instance, **more), cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as portal:  # fmt: skip
        assert portal.stdout is not None
        try:
            said = ""
            while "http://" not in said:
                line = portal.stdout.readline()
                assert line, f"the portal ended before it printed its address: {said}"
                said += line
            yield portal, psutil.Process(portal.pid).children(recursive=True)
        finally:
            portal.kill()


def roles(processes: list[psutil.Process]) -> set[str]:
    """Which of the portal's parts are among the processes."""
    lines = [" ".join(process.cmdline()) for process in processes if process.is_running()]
    parts = ("gunicorn", "workers.worker", "workers.ticker", "postgres", "redis-server")
    return {part for part in parts if any(part in line for line in lines)}


def workers_of(portal: subprocess.Popen[str]) -> list[psutil.Process]:
    """Those that the supervisor has at this moment."""
    return [child for child in psutil.Process(portal.pid).children() if "workers.worker" in child.cmdline()]


def test_who_dies_is_started_again_sigkill_leaves_nothing_and_the_next_start_stops_in_order(home: Path) -> None:
    with running_portal(home, HUIQIAO_WORKERS="2") as (portal, processes):
        assert len(roles(processes)) == 5
        killed, other = workers_of(portal)
        killed.kill()
        killed.wait(PATIENCE)
        for _ in range(PATIENCE * 10):
            now = workers_of(portal)
            if len(now) == 2:
                break
            psutil.wait_procs([other], timeout=0.1)
        assert len(now) == 2 and other in now and killed.pid not in [worker.pid for worker in now]
        portal.kill()
        portal.wait(PATIENCE)
        _, alive = psutil.wait_procs([*processes, *now], timeout=60)
        assert alive == []
    with running_portal(home) as (portal, processes):
        assert len(roles(processes)) == 5 and len(workers_of(portal)) == 1
        portal.terminate()
        portal.send_signal(signal.SIGINT)  # a second word does not cut the orderly stop short
        assert portal.wait(PATIENCE) == 0
        assert psutil.wait_procs(processes, timeout=0)[1] == []
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()
