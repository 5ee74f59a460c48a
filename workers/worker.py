"""The worker: takes outbox rows from Redis and runs their handlers.

Each job runs in a forked child. A job that hangs can then be ended from outside, its memory is given back,
and a crash in native code (LightGBM, polars) takes the job with it and not the worker. Forking is safe here,
because this process never predicts and never opens a database connection of its own (design, decision 13).
"""

from __future__ import annotations

import os
import signal
from typing import Any

from rq import Worker
from rq.serializers import JSONSerializer

from app.core import database
from app.core.memory import keep_freed_memory
from app.core.settings import SettingsError, load_settings
from app.core.tether import die_with_parent
from app.factory import prepare
from workers.queues import QueueName, connect


class HuiqiaoWorker(Worker):
    """RQ's forking worker whose children own their connections and never outlive it."""

    def main_work_horse(self, job: Any, queue: Any) -> None:
        """In the child: follow the parent into death, and leave the parent's connections alone."""
        die_with_parent(signal.SIGKILL)
        database.dispose(close=False)
        super().main_work_horse(job, queue)


def main() -> None:
    """Work until SIGTERM or SIGINT; a job that runs is finished first, a second signal ends it."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    keep_freed_memory()
    settings = load_settings()
    if settings.redis_url is None:
        raise SettingsError("REDIS_URL is not set; a worker on its own needs it (huiqiao up starts its own).")
    prepare(settings)
    worker = HuiqiaoWorker(
        [queue.value for queue in QueueName],
        connection=connect(settings.redis_url),
        serializer=JSONSerializer,
    )
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    main()
