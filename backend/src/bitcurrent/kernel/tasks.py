"""Ending background tasks for sure."""

import asyncio
from typing import Any

import structlog

PAUSE_SECONDS = 0.5
CANCELS_MAX = 10

log = structlog.get_logger(__name__)


async def stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended; what they raise is theirs.

    Cancels again and again: a library that is connecting or subscribing in that very moment (the Redis client does)
    can take a cancellation for a timeout of its own, and the task would go on for ever. A task that has not ended
    after five seconds of this is named in the log and left to the end of the process: nobody waits for ever.
    """
    running = set(tasks)
    for _ in range(CANCELS_MAX):
        if not running:
            return
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=PAUSE_SECONDS)
    if running:
        log.error("tasks_do_not_end", tasks=sorted(task.get_name() for task in running))
