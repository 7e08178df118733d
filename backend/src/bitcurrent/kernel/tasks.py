"""Ending background tasks for sure."""

import asyncio
from typing import Any

PAUSE_SECONDS = 0.5


async def stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended; what they raise is theirs.

    Cancels again and again: a library that is connecting or subscribing in that very moment (the Redis client does)
    can take a cancellation for a timeout of its own, and the task would go on for ever.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=PAUSE_SECONDS)
