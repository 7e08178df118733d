"""Live sessions in Redis for a minute, in PostgreSQL for good.

Redis is never the truth: what is missing there is looked up, so a FLUSHALL logs nobody in or out. A session that ends
leaves a mark that outlives every copy made before it ended.
"""

import time
from collections.abc import Sequence

import msgspec
import structlog
from redis.asyncio import Redis

from bitcurrent.identity.model import Actor, Role, Status
from bitcurrent.identity.recent import CHANNEL
from bitcurrent.kernel.ids import SessionId, UserId
from bitcurrent.web.problems import REDIS_ERRORS

log = structlog.get_logger()

SECONDS = 60
ENDED_SECONDS = 120
ENDED = b"ended"
REST_SECONDS = 2.0
"""How long Redis is left alone after it did not answer, so that requests do not all wait for it."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    user_id: UserId
    role: Role
    status: Status
    is_customer: bool


class SessionCache:
    """What Redis knows of sessions; every method goes on when Redis is gone."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._rests_until = 0.0

    async def find(self, session_id: SessionId) -> Actor | bool | None:
        """The actor; False when the session has ended; None when Redis does not know."""
        if time.monotonic() < self._rests_until:
            return None
        try:
            value = await self._redis.get(_key(session_id))
        except REDIS_ERRORS as error:
            self._rest(error)
            return None
        if value is None:
            return None
        if value == ENDED:
            return False
        try:
            kept = msgspec.json.decode(value, type=_Kept)
        except msgspec.MsgspecError:
            return None  # written by another version: PostgreSQL knows
        return Actor(kept.user_id, kept.role, kept.status, session_id=session_id, is_customer=kept.is_customer)

    async def keep(self, session_id: SessionId, actor: Actor) -> None:
        """Keep a session that PostgreSQL has just confirmed, unless it has ended in the meantime."""
        if time.monotonic() < self._rests_until:
            return
        value = msgspec.json.encode(_Kept(actor.user_id, actor.role, actor.status, actor.is_customer))
        try:
            await self._redis.set(_key(session_id), value, ex=SECONDS, nx=True)
        except REDIS_ERRORS as error:
            self._rest(error)

    async def end(self, sessions: Sequence[SessionId], keys: Sequence[str] = ()) -> None:
        """Tell every process that these have ended. Without Redis their own short memories run out instead."""
        try:
            for session_id in sessions:
                await self._redis.set(_key(session_id), ENDED, ex=ENDED_SECONDS)
                await self._redis.publish(CHANNEL, f"session {session_id}")
            for key_id in keys:
                await self._redis.publish(CHANNEL, f"key {key_id}")
        except REDIS_ERRORS as error:
            self._rest(error)

    def _rest(self, error: Exception) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS
        log.warning("sessions_without_redis", cause=type(error).__name__)


def _key(session_id: SessionId) -> str:
    return f"session:{session_id}"
