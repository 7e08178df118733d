"""One Idempotency-Key, one effect, the same answer.

The answer is saved in the transaction that has the effect, so that one cannot be without the other. The transaction
is opened here and committed before the answer leaves.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from litestar import Request, Response

from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Conflict, Invalid
from bitcurrent.web import json

T = TypeVar("T")

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT_HOURS = 24
PURGE_ROWS_MAX = 5_000
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class InvalidKey(Invalid):
    """The key cannot be one."""

    code = "invalid_idempotency_key"

    def __init__(self) -> None:
        super().__init__("An Idempotency-Key has 1 to 255 visible ASCII characters.", field=HEADER)


class KeyReused(Invalid):
    """The key belongs to another request."""

    code = "idempotency_key_reused"
    title = "Key used before"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used with another body. Nothing was done; take a new key for a new request.",
            field=HEADER,
        )


class KeyInUse(Conflict):
    """The first request with this key is still running."""

    code = "idempotency_key_in_use"
    title = "Still running"

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still running; ask again.", field=HEADER)


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody asks for, known by their key: repeating it must not do it twice."""

    user_id: UUID
    route: str
    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What came of it: the status and the encoded body, now or then."""

    status: int
    body: bytes
    replayed: bool = False


async def intent_of(request: Request[Any, Any, Any], user_id: UUID) -> Intent | None:
    """The intent of a request that carries an Idempotency-Key; raises InvalidKey."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    query = request.scope["query_string"]
    return intent(user_id, f"{request.method} {request.scope['path']}", key, query + b"\n" + await request.body())


def intent(user_id: UUID, route: str, key: str, content: bytes) -> Intent:
    """An intent from its parts (for raw handlers). `route` is the method and the very path; raises InvalidKey."""
    if not _KEY.fullmatch(key):
        raise InvalidKey
    return Intent(user_id, route, key, hashlib.sha256(content).digest())


async def do_once(
    database: Database,
    wish: Intent | None,
    effect: Callable[[Connection], Awaitable[T]],
    *,
    status: int = 200,
    remember: Callable[[T], object] | None = None,
) -> Done[T]:
    """Run `effect` in a transaction, once for each intent; without one it simply runs.

    `remember` gives what a replay shall answer when that may not be the whole answer (a secret shown once).
    Raises KeyReused and KeyInUse, and whatever the effect raises: then nothing was done and nothing is saved.
    """

    async def work(connection: Connection) -> Done[T]:
        if wish is None:
            return Done(status, json.encode(await effect(connection)))
        if saved := await _saved(connection, wish):
            return saved
        result = await effect(connection)
        await _save(connection, wish, status, json.encode(remember(result) if remember else result))
        crash_point("inside_idempotent_transaction")
        return Done(status, json.encode(result))

    done = await database.in_transaction(work)
    crash_point("after_idempotent_commit")
    return done


async def answer_once(
    request: Request[Any, Any, Any],
    database: Database,
    user_id: UUID,
    effect: Callable[[Connection], Awaitable[T]],
    *,
    status: int = 200,
    remember: Callable[[T], object] | None = None,
) -> Response[T]:
    """What a Litestar handler returns: the effect's result as the answer, made once for each Idempotency-Key."""
    done = await do_once(database, await intent_of(request, user_id), effect, status=status, remember=remember)
    return Response(
        # Already encoded, now or when it was first answered.
        content=cast("T", b"" if done.status == 204 else done.body),
        status_code=done.status,
        media_type="application/json",
        headers={REPLAYED: "true"} if done.replayed else None,
    )


async def purge_answers(connection: Connection) -> int:
    """Forget saved answers older than a day, some thousands at a time; returns how many went."""
    result = await connection.execute(
        """
        DELETE FROM idempotency_keys WHERE (user_id, route, key) IN (
            SELECT user_id, route, key FROM idempotency_keys
            WHERE created_at < now() - make_interval(hours => $1) ORDER BY created_at LIMIT $2)
        """,
        KEPT_HOURS,
        PURGE_ROWS_MAX,
    )
    return int(result.rpartition(" ")[2])


async def _saved(connection: Connection, wish: Intent) -> Done[Any] | None:
    """The answer given before. Takes the key's lock until the transaction ends."""
    name = f"{wish.user_id}\n{wish.route}\n{wish.key}"
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", name):
        raise KeyInUse
    # A statement of its own, after the lock: it sees what the lock's last holder committed.
    row = await connection.fetchrow(
        "SELECT request_hash, status, body FROM idempotency_keys WHERE user_id = $1 AND route = $2 AND key = $3",
        wish.user_id,
        wish.route,
        wish.key,
    )
    if row is None:
        return None
    if row["request_hash"] != wish.request_hash:
        raise KeyReused
    return Done(row["status"], row["body"], replayed=True)


async def _save(connection: Connection, wish: Intent, status: int, body: bytes) -> None:
    await connection.execute(
        """
        INSERT INTO idempotency_keys (user_id, route, key, request_hash, status, body)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        wish.user_id,
        wish.route,
        wish.key,
        wish.request_hash,
        status,
        body,
    )
