"""gunicorn's configuration, read with ``-c python:workers.web``; the numbers come from the environment."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any

from app.core.settings import load_settings
from app.core.tether import die_with_parent

_settings = load_settings()

_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
bind = f"{_host}:{_settings.port}"
workers = _settings.web_workers
threads = _settings.web_threads
worker_class = "gthread"
timeout = 120
graceful_timeout = 15
max_requests = 5000
max_requests_jitter = 500
chdir = str(Path(__file__).resolve().parents[1])
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
control_socket_disable = True
loglevel = "warning"
errorlog = "-"
# nginx writes the access log; here it would repeat personal data
accesslog = None


def post_worker_init(_worker: Any) -> None:
    """What lives as long as the worker is not looked through again and again for garbage. A thread that has waited for the
    database gets its turn after a millisecond, not five, while the other one draws a page."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    sys.setswitchinterval(0.001)


def post_fork(_server: Any, _worker: Any) -> None:
    """A worker whose master was killed ends by itself."""
    die_with_parent()
