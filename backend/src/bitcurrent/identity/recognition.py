"""Recognising whoever asks, by token, cookie or API key: the check that runs before every request.

Usable anywhere: Litestar's guards, plain ASGI handlers, the live server.
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from bitcurrent.identity import repository
from bitcurrent.identity.model import Actor, InvalidApiKey, NotLoggedIn, SessionEnded
from bitcurrent.identity.recent import Recent
from bitcurrent.identity.sessions import SessionCache
from bitcurrent.identity.tokens import Tokens
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import SessionId
from bitcurrent.kernel.tasks import stop
from bitcurrent.settings import Settings

SECRET_LENGTH_MAX = 200
_FOREVER = 10**9


class Recognition:
    """Knows who sends a request."""

    def __init__(self, database: Database, redis: Redis, settings: Settings) -> None:
        self._database = database
        self._redis = redis
        self._tokens = Tokens(settings.secret_key)
        self._sessions = SessionCache(redis)
        self._recent = Recent()
        self.cookie_name = session_cookie(settings)
        self._cookie_prefix = f"{self.cookie_name}=".encode()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hear of sessions and keys that end in other processes, until the block ends."""
        listener = asyncio.create_task(self._recent.listen(self._redis), name="identity-listener")
        try:
            yield
        finally:
            await stop(listener)

    async def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> Actor:
        """Whoever sends these headers (ASGI's: lower-case names), by bearer token, API key or session cookie.

        Raises a kind of Unauthenticated. Costs a look at a dictionary when the same credential came a moment ago.
        """
        key_id = secret = cookie = None
        for name, value in headers:
            if name == b"authorization":
                if value[:7].lower() == b"bearer ":
                    return await self.authenticate_token(value[7:].strip().decode("latin-1"))
            elif name == b"apca-api-key-id":
                key_id = value
            elif name == b"apca-api-secret-key":
                secret = value
            elif name == b"cookie":
                cookie = self._token_in(value) or cookie
        if key_id is not None and secret is not None:
            return await self.authenticate_key(key_id.decode("latin-1"), secret.decode("latin-1"))
        if cookie is not None:
            return await self.authenticate_token(cookie)
        raise NotLoggedIn

    async def authenticate_token(self, token: str) -> Actor:
        """The person in the session that a token names; raises InvalidToken, TokenExpired or SessionEnded."""
        known = self._recent.session(token)
        if known is not None:
            return known
        claims = self._tokens.read(token)
        actor = await self._sessions.find(claims.session_id)
        if actor is None:
            async with self._database.read() as connection:
                actor = await repository.session_actor(connection, claims.session_id, claims.user_id)
            if actor is not None:
                await self._sessions.keep(claims.session_id, actor)
        if not isinstance(actor, Actor) or actor.user_id != claims.user_id:
            raise SessionEnded
        self._recent.keep_session(token, actor, claims.expires_at - now().timestamp())
        return actor

    async def authenticate_key(self, key_id: str, secret: str) -> Actor:
        """The customer whose API key this is; raises InvalidApiKey."""
        if len(key_id) > SECRET_LENGTH_MAX or len(secret) > SECRET_LENGTH_MAX or "\x00" in key_id:
            raise InvalidApiKey
        presented = hash_secret(secret)
        known = self._recent.key(key_id)
        if known is not None:
            if hmac.compare_digest(known.secret_hash, presented):
                return known.actor
            raise InvalidApiKey
        async with self._database.read() as connection:
            found = await repository.key_actor(connection, key_id, presented)
        if found is None:
            raise InvalidApiKey
        stored, expires_at, actor = found
        if not hmac.compare_digest(stored, presented):
            raise InvalidApiKey
        seconds_left = (expires_at - now()).total_seconds() if expires_at else _FOREVER
        self._recent.keep_key(key_id, stored, actor, seconds_left)
        return actor

    def _token_in(self, cookies: bytes) -> str | None:
        for part in cookies.split(b";"):
            pair = part.strip()
            if pair.startswith(self._cookie_prefix):
                return pair[len(self._cookie_prefix) :].decode("latin-1")
        return None

    async def announce(self, sessions: Sequence[SessionId] = (), keys: Sequence[str] = ()) -> None:
        """After the commit: what has ended is refused here from now on, and everywhere in a moment."""
        for session_id in sessions:
            self._recent.drop_session(session_id)
        for key_id in keys:
            self._recent.drop_key(key_id)
        if sessions or keys:
            await self._sessions.end(sessions, keys)


def session_cookie(settings: Settings) -> str:
    """The cookie that holds the token: bound to this very host wherever https allows that."""
    return "__Host-session" if settings.secure_cookies else "session"


def hash_secret(secret: str) -> bytes:
    """How a key's secret is stored: it is random, so nothing slower than SHA-256 is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
