"""The queues between the portal and its workers, and how an outbox row enters one."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from uuid import UUID

import redis
from rq import Queue
from rq.serializers import JSONSerializer

JOB_TIME_LIMIT = 3600  # seconds; enforced by the worker from outside of the job
FAILURE_KEPT = 7 * 24 * 3600  # seconds a failed job can be looked at; the outbox holds the truth anyway


class QueueName(StrEnum):
    """Every queue a handler may name; workers listen to all of them, in this order."""

    DEFAULT = "default"
    LONG = "long"


def connect(redis_url: str) -> redis.Redis:
    """A connection to Redis; it is opened on first use and again after a restart of the server."""
    return redis.Redis.from_url(redis_url, health_check_interval=30, socket_connect_timeout=5)


def enqueuer(redis_url: str) -> Callable[[UUID, str], None]:
    """What ``app.core.outbox.configure_queue`` takes: hands one outbox row to the named queue.

    Only the id travels, as JSON (design, decision 3). Raises ``redis.RedisError`` where Redis is away, and
    ``ValueError`` for a queue nobody listens to.
    """
    connection = connect(redis_url)

    def enqueue(outbox_id: UUID, queue: str) -> None:
        Queue(QueueName(queue).value, connection=connection, serializer=JSONSerializer).enqueue(
            "workers.jobs.deliver",
            args=(str(outbox_id),),
            job_timeout=JOB_TIME_LIMIT,
            result_ttl=0,
            failure_ttl=FAILURE_KEPT,
        )

    return enqueue
