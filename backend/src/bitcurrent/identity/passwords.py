"""Passwords: bcrypt, at cost 12 unless the settings say more, behind a pepper, off the event loop, a few at a time."""

import asyncio
import base64
import hashlib
import hmac
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from bitcurrent.kernel.errors import Unavailable

T = TypeVar("T")

THREADS = max(1, min(4, os.cpu_count() or 1))
NOBODY = "WPTZOAQu0tltsZjE9TkGeebqwX.3oWA8qq.xPpsBhqq4Y2k/T9bAq"
"""Salt and hash that no password has: what unknown people are checked against, at the same cost."""

WAITING_MAX = 64
"""A quarter of a second each: whoever comes after these would wait too long to be worth it."""


class Passwords:
    """Hashes and checks passwords. Close it to end its threads."""

    def __init__(self, pepper: str, cost: int) -> None:
        self._pepper = pepper.encode()
        self._cost = cost
        self._nobody = f"$2b${cost:02}${NOBODY}".encode()
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="bcrypt")
        self._waiting = 0

    def close(self) -> None:
        """End the threads without waiting for what is queued."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The hash to store; raises Unavailable when too many wait."""
        prepared = self._prepare(password)
        return await self._run(lambda: bcrypt.hashpw(prepared, bcrypt.gensalt(self._cost)).decode())

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password is right; against nobody's hash (None) it takes as long and says no."""
        prepared = self._prepare(password)
        known = stored.encode() if stored is not None else self._nobody
        right = await self._run(lambda: bcrypt.checkpw(prepared, known))
        return right and stored is not None

    def _prepare(self, password: str) -> bytes:
        # bcrypt reads 72 bytes at most and stops at a zero byte; 44 characters of a keyed hash always fit.
        normal = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.digest(self._pepper, normal, hashlib.sha256))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise Unavailable("Too many people are logging in at this moment. Nothing was done; try again shortly.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
