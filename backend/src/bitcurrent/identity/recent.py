"""What was checked a moment ago, so that a busy client costs one look at a dictionary.

An answer is kept for two seconds at most (keys: thirty, while we hear of every revocation), and dropped at once when
a session or key ends: here directly, in other processes by a message through Redis.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import structlog
from redis.asyncio import Redis

from bitcurrent.identity.model import Actor
from bitcurrent.kernel.ids import SessionId
from bitcurrent.web.problems import REDIS_ERRORS

log = structlog.get_logger()

CHANNEL = "bitcurrent:identity:ended"
SECONDS = 2.0
KEY_SECONDS_LISTENING = 30.0
ENTRIES_MAX = 20_000
RECONNECT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RecentKey:
    """A key that was right: the hash of its secret, whose it is, and when we asked."""

    secret_hash: bytes
    actor: Actor
    at: float
    ends_at: float
    """Monotonic seconds at which the key itself expires."""

    @classmethod
    def fresh(cls, secret_hash: bytes, actor: Actor, seconds_left: float) -> Self:
        """A key that was looked up just now."""
        now = time.monotonic()
        return cls(secret_hash, actor, now, now + seconds_left)


class Recent:
    """Who was recognised a moment ago, by token and by key id."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[Actor, float]] = {}
        self._keys: dict[str, RecentKey] = {}
        self._listening = False

    def session(self, token: str) -> Actor | None:
        """Whoever sent this token a moment ago."""
        found = self._tokens.get(token)
        return found[0] if found is not None and time.monotonic() < found[1] else None

    def keep_session(self, token: str, actor: Actor, seconds_left: float) -> None:
        """Remember a token for two seconds, or until it expires if that is sooner."""
        if len(self._tokens) >= ENTRIES_MAX:
            self._tokens.clear()
        self._tokens[token] = (actor, time.monotonic() + min(SECONDS, seconds_left))

    def key(self, key_id: str) -> RecentKey | None:
        """What was found a moment ago for this key."""
        found = self._keys.get(key_id)
        if found is None:
            return None
        now = time.monotonic()
        seconds = KEY_SECONDS_LISTENING if self._listening else SECONDS
        return found if now < found.at + seconds and now < found.ends_at else None

    def keep_key(self, key_id: str, found: RecentKey) -> bool:
        """Remember a key that was looked up; false when that is what is remembered already."""
        if self._keys.get(key_id) is found:
            return False
        if len(self._keys) >= ENTRIES_MAX:
            self._keys.clear()
        self._keys[key_id] = found
        return True

    def drop_session(self, session_id: SessionId) -> None:
        """Forget every token of a session."""
        ended = [token for token, (actor, _) in self._tokens.items() if actor.session_id == session_id]
        for token in ended:
            self._tokens.pop(token, None)

    def drop_key(self, key_id: str) -> None:
        """Forget a key."""
        self._keys.pop(key_id, None)

    def clear(self) -> None:
        """Forget everything."""
        self._tokens.clear()
        self._keys.clear()

    async def listen(self, redis: Redis) -> None:
        """Hear of what ends in other processes, for as long as this task runs."""
        while True:
            try:
                async with redis.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    await self._hear(channel)
            except REDIS_ERRORS as error:
                log.warning("identity_hears_nothing", cause=type(error).__name__)
            finally:
                self._listening = False
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _hear(self, channel: Any) -> None:
        while True:
            message = await channel.get_message(timeout=5.0)
            if message is None:
                continue
            if message["type"] == "subscribe":
                # Whatever ended while nobody listened was missed.
                self.clear()
                self._listening = True
            elif message["type"] == "message":
                self._drop(message["data"].decode())

    def _drop(self, what: str) -> None:
        kind, _, name = what.partition(" ")
        if kind == "key":
            self.drop_key(name)
        elif kind == "session":
            with contextlib.suppress(ValueError):
                self.drop_session(SessionId(UUID(name)))
