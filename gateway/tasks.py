"""The one door to background work.

The event loop keeps only weak references to tasks, so a bare `asyncio.create_task` can be collected in mid-flight, and
the exception of one that nobody awaits is told to nobody (docs.python.org, `asyncio.create_task`, "Important").
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_alive: set[asyncio.Task[Any]] = set()
"""Nothing reads it: it is there to hold on. The one piece of module state, because its owner is the interpreter."""

_log = logging.getLogger("gateway.tasks")


def spawn(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Run `work` in the running loop until it ends. A crash is logged with its traceback; an end by cancelling is not.

    The task may be awaited as any other: then its exception is raised there, too.
    """
    task = asyncio.create_task(work, name=name)  # noqa: TID251 - this is the one place
    _alive.add(task)
    task.add_done_callback(_ended)
    return task


def is_cancelled() -> bool:
    """Whether this task was cancelled and did not hear of it: redis-py sends by asyncio.wait_for, which in Python 3.11
    swallows a cancellation that comes in the moment in which it is done (github.com/python/cpython/issues/86296).
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _ended(task: asyncio.Task[Any]) -> None:
    _alive.discard(task)
    if not task.cancelled() and (crash := task.exception()) is not None:
        _log.error("task %s crashed", task.get_name(), exc_info=crash)
