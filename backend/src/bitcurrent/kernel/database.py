"""PostgreSQL: one pool, transactions opened at the edge, and the description of the schema.

SQLAlchemy Core tables describe the schema for migrations; every statement runs through asyncpg.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

import asyncpg
import msgspec
from sqlalchemy import MetaData

from bitcurrent.kernel.errors import Unavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

T = TypeVar("T")

RETRIES_MAX = 5
RETRYABLE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


class StatementNotCommitted(Exception):
    """A statement ran inside a transaction that was never meant to be there, and was undone with it."""


class Database:
    """A pool of connections to PostgreSQL.

    Reads take a connection by `read()`; everything that changes something runs in `transaction()` or, when it can be
    repeated after a deadlock, in `in_transaction(work)`. Services receive the connection and never commit.
    """

    def __init__(self, pool: Pool, *, wait_seconds: float) -> None:
        self._pool = pool
        self._wait_seconds = wait_seconds

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        connections_min: int = 2,
        connections_max: int = 20,
        timeout_seconds: float = 10,
        wait_seconds: float = 5,
        application_name: str = "bitcurrent",
    ) -> Self:
        """Open a pool on `url`: a statement takes at most `timeout_seconds`, a free connection `wait_seconds`."""
        pool = await asyncpg.create_pool(
            url,
            min_size=connections_min,
            max_size=connections_max,
            command_timeout=timeout_seconds,
            timeout=timeout_seconds,
            server_settings={"application_name": application_name},
            init=_prepare_connection,
            reset=_keep_as_it_is,
        )
        return cls(pool, wait_seconds=wait_seconds)

    async def close(self) -> None:
        """Give every connection back, waiting a little for those in use."""
        try:
            await asyncio.wait_for(self._pool.close(), 3)
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection for reading, each statement by itself."""
        async with self._connection() as connection:
            yield connection

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """A connection for one statement that is its own transaction: committed when the block ends well.

        Raises `StatementNotCommitted` when the connection turns out to have been inside a transaction that a canceled
        task left behind: then nothing was committed, and the statement may be sent again.
        """
        async with self._connection() as connection:
            yield connection
            if connection.is_in_transaction():
                connection.terminate()
                raise StatementNotCommitted

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends well, undone otherwise."""
        async with self._connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            connection = await self._pool.acquire(timeout=self._wait_seconds)
        except TimeoutError as error:
            raise Unavailable("Every database connection is busy. Nothing was done; try again in a moment.") from error
        try:
            yield connection
        except asyncpg.InternalClientError as error:
            # What the driver says of a connection whose server died between two statements, before it has noticed.
            connection.terminate()
            raise asyncpg.ConnectionDoesNotExistError("the connection died") from error
        finally:
            await self._pool.release(connection)

    async def in_transaction(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` in a transaction, again after a deadlock or serialization failure (at most 5 times)."""
        for attempt in range(RETRIES_MAX):
            try:
                async with self.transaction() as connection:
                    return await work(connection)
            except RETRYABLE:
                if attempt == RETRIES_MAX - 1:
                    raise
                await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311  jitter, not a secret
        raise AssertionError("unreachable")


async def _prepare_connection(connection: Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_encode_json, decoder=msgspec.json.decode)


def _encode_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def _keep_as_it_is(connection: Connection) -> None:
    """Nothing to reset: no session state is ever set, and the default reset costs a round trip."""
