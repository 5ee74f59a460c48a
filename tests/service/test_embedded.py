"""The PostgreSQL and the Redis that the portal brings along."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from sqlalchemy import create_engine

from app.core.database import check_role
from app.core.embedded import EmbeddedPostgres, EmbeddedRedis, servers
from app.core.server import AlreadyRunning, ServerError
from app.core.settings import load_settings
from tests.database import ROOT, SPEED
from tests.shared import place

HOLD = """
import os, signal, sys
from pathlib import Path
from app.core.embedded import EmbeddedPostgres, EmbeddedRedis
postgres, redis = EmbeddedPostgres(Path(sys.argv[1]), {"fsync": "off"}), EmbeddedRedis(Path(sys.argv[1]))
postgres.start(), redis.start()
print(postgres.process.pid, redis.process.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def instance() -> Iterator[Path]:
    """A folder that another account can reach, so that root keeps everything below it."""
    folder = Path(tempfile.mkdtemp(prefix="huiqiao-embedded-", dir=place()))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def plain(url: str) -> str:
    """A SQLAlchemy URL as psycopg reads it."""
    return url.replace("postgresql+psycopg://", "postgresql://")


def test_the_portal_logs_in_with_a_role_that_is_held_by_row_level_security(instance: Path) -> None:
    with EmbeddedPostgres(instance, SPEED) as urls:
        engine = create_engine(urls.app_url)
        check_role(engine)
        engine.dispose()
        owner = create_engine(urls.owner_url)
        with pytest.raises(RuntimeError, match="must not connect"):
            check_role(owner)
        owner.dispose()


def test_a_restart_keeps_every_row_and_both_passwords(instance: Path) -> None:
    with EmbeddedPostgres(instance, SPEED) as urls, psycopg.connect(plain(urls.owner_url)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT '惠桥' AS word")
    with EmbeddedPostgres(instance, SPEED) as again:
        assert again == urls
        with psycopg.connect(plain(again.owner_url)) as connection:
            assert connection.execute("SELECT word FROM kept").fetchone() == ("惠桥",)


def test_nobody_logs_in_with_a_wrong_password(instance: Path) -> None:
    server = EmbeddedPostgres(instance, SPEED)
    server.start()
    try:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"host={server.socket} user=postgres password=guess dbname=postgres")
    finally:
        server.stop()


def test_a_second_portal_on_the_same_folder_is_refused_in_one_sentence(instance: Path) -> None:
    with EmbeddedPostgres(instance, SPEED) as urls:
        with pytest.raises(AlreadyRunning, match="already used by another huiqiao process"):
            EmbeddedPostgres(instance).start()
        assert EmbeddedPostgres(instance).attach() == urls


def test_a_command_borrows_the_servers_of_a_running_portal(instance: Path) -> None:
    settings = load_settings({"HUIQIAO_INSTANCE": str(instance)})
    with (
        EmbeddedPostgres(instance, SPEED) as urls,
        EmbeddedRedis(instance) as redis_url,
        servers(settings) as ready,
    ):
        assert ready.database_url == urls.app_url
        assert ready.migration_database_url == urls.owner_url
        assert ready.redis_url == redis_url


def test_redis_keeps_what_was_queued_over_a_restart(instance: Path) -> None:
    with EmbeddedRedis(instance) as url:
        client = redis.Redis.from_url(url)
        client.rpush("queue", "job")
        client.close()
    with EmbeddedRedis(instance) as url:
        client = redis.Redis.from_url(url)
        assert client.lrange("queue", 0, -1) == [b"job"]
        client.close()


def test_a_damaged_redis_file_is_set_aside_since_the_outbox_holds_the_truth(instance: Path) -> None:
    with EmbeddedRedis(instance):
        pass
    home = (instance / "redis").resolve()
    (home / "appendonly.aof").write_bytes(b"*2\r\n$6\r\nnonsense that is no command\r\n" * 20)
    with EmbeddedRedis(instance) as url:
        client = redis.Redis.from_url(url)
        assert client.ping()
        client.close()
    assert (home / "appendonly.damaged").exists()


def test_a_path_too_long_for_a_socket_still_works(instance: Path) -> None:
    deep = instance / ("惠桥" * 20)
    deep.mkdir()
    deep.chmod(0o711)
    with EmbeddedPostgres(deep, SPEED) as urls, psycopg.connect(plain(urls.app_url)) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("huiqiao_app",)


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(instance: Path) -> None:
    with EmbeddedPostgres(instance, SPEED):
        pass
    data = (instance / "postgres").resolve() / "data"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n5432\n/tmp\n\n 1 1\nready\n")
    if os.geteuid() == 0:
        shutil.chown(data / "postmaster.pid", data.stat().st_uid)
    with EmbeddedPostgres(instance, SPEED) as urls, psycopg.connect(plain(urls.app_url)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_servers_do_not_outlive_a_parent_that_was_killed_and_start_again_after_it(instance: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(instance)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        left = [psutil.Process(int(pid)) for pid in holder.stdout.readline().split()]
        holder.send_signal(signal.SIGKILL)
    assert len(left) == 2
    _, alive = psutil.wait_procs(left, timeout=30)
    assert alive == []
    with EmbeddedPostgres(instance, SPEED), EmbeddedRedis(instance):
        pass


def test_a_lost_password_file_is_named_instead_of_making_a_new_database(instance: Path) -> None:
    with EmbeddedPostgres(instance, SPEED):
        pass
    (instance / "postgres.secrets.json").unlink()
    with pytest.raises(ServerError, match=r"postgres\.secrets\.json is missing"):
        EmbeddedPostgres(instance, SPEED).start()


@pytest.fixture
def tiny_disk() -> Iterator[Path]:
    """A file system of 12 MB, which only root may mount."""
    folder = Path(tempfile.mkdtemp(prefix="huiqiao-tiny-", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m,mode=0711", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        folder.rmdir()
        pytest.skip("a small file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_is_named_in_one_sentence(tiny_disk: Path) -> None:
    with pytest.raises(ServerError, match=r"the disk that holds .* is full"):
        EmbeddedPostgres(tiny_disk / "instance").start()
