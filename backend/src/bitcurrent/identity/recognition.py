"""Recognising whoever asks, by token, cookie or API key: the check that runs before every request.

Usable anywhere: Litestar's guards, plain ASGI handlers, the live server.
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from bitcurrent.identity import keys_repository, repository
from bitcurrent.identity.key_limits import SignatureRequired
from bitcurrent.identity.key_signing import (
    PREFIX,
    Approach,
    BadSignature,
    Proof,
    check_signature,
    check_time,
    read_proof,
    spend_nonce,
)
from bitcurrent.identity.model import Actor, InvalidApiKey, NotLoggedIn, SessionEnded
from bitcurrent.identity.recent import Recent, RecentKey
from bitcurrent.identity.sessions import SessionCache
from bitcurrent.identity.tokens import Tokens
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import SessionId
from bitcurrent.kernel.tasks import stop
from bitcurrent.settings import Settings
from bitcurrent.web.csrf import session_cookie

SECRET_LENGTH_MAX = 200
_FOREVER = 10**9
NOWHERE = Approach(address=None)


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

    async def authenticate(self, headers: Iterable[tuple[bytes, bytes]], *, approach: Approach = NOWHERE) -> Actor:
        """Whoever sends these headers (ASGI's: lower-case names), by bearer token, API key, signature or cookie.

        `approach` says from where the request comes and what it is: keys may be bound to that. Raises a kind of
        Unauthenticated, or Forbidden for a key that may not come this way. Costs a look at a dictionary when the same
        credential came a moment ago.
        """
        key_id = secret = cookie = None
        signed = []
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
            elif name.startswith(PREFIX):
                signed.append((name, value))
        if signed and (proof := read_proof(signed)) is not None:
            return await self.authenticate_proof(proof, approach=approach)
        if key_id is not None and secret is not None:
            return await self.authenticate_key(key_id.decode("latin-1"), secret.decode("latin-1"), approach=approach)
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

    async def authenticate_key(self, key_id: str, secret: str, *, approach: Approach = NOWHERE) -> Actor:
        """The customer whose API key this is; raises InvalidApiKey, SignatureRequired, AddressNotAllowed."""
        if len(key_id) > SECRET_LENGTH_MAX or len(secret) > SECRET_LENGTH_MAX or "\x00" in key_id:
            raise InvalidApiKey
        presented = hash_secret(secret)
        found = self._recent.key(key_id) or await self._working_key(key_id)
        if found is None or not hmac.compare_digest(found.secret_hash, presented):
            raise InvalidApiKey
        limits = found.actor.limits
        if limits is not None:
            if limits.require_signature:
                raise SignatureRequired
            limits.check_address(approach.address)
        return await self._recognised(found, approach)

    async def authenticate_proof(self, proof: Proof, *, approach: Approach) -> Actor:
        """The customer whose key signed this request; it counts once. Raises a kind of Unauthenticated,
        AddressNotAllowed, and Unavailable for a write when Redis cannot say whether it came before.
        """
        if len(proof.key_id) > SECRET_LENGTH_MAX or "\x00" in proof.key_id:
            raise BadSignature
        check_time(proof)
        found = self._recent.key(proof.key_id) or await self._working_key(proof.key_id)
        if found is None:
            raise BadSignature
        await check_signature(proof, found.secret_hash, approach)
        if found.actor.limits is not None:
            found.actor.limits.check_address(approach.address)
        await spend_nonce(self._redis, proof, approach.method)
        return await self._recognised(found, approach)

    async def _working_key(self, key_id: str) -> RecentKey | None:
        """A key as PostgreSQL has it; nobody has shown its secret yet."""
        async with self._database.read() as connection:
            found = await keys_repository.working_key(connection, key_id)
        if found is None:
            return None
        seconds_left = (found.expires_at - now()).total_seconds() if found.expires_at else _FOREVER
        return RecentKey.fresh(found.secret_hash, found.actor, seconds_left)

    async def _recognised(self, found: RecentKey, approach: Approach) -> Actor:
        """Remember a key that was shown to be right, and note its use when it was looked up."""
        key_id = found.actor.key_id
        if key_id is not None and self._recent.keep_key(key_id, found):
            async with self._database.statement() as connection:
                await keys_repository.note_use(connection, key_id, approach.address)
        return found.actor

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


def hash_secret(secret: str) -> bytes:
    """How a key's secret is stored: it is random, so nothing slower than SHA-256 is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
