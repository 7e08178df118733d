"""Health: is this process alive, and is everything there that it needs?"""

from typing import Literal

import asyncpg
import structlog
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from redis.asyncio import Redis

from bitcurrent.kernel.database import Database
from bitcurrent.web import answers
from bitcurrent.web.problems import NOT_REACHED, REDIS_ERRORS
from bitcurrent.web.schemas import Answer

log = structlog.get_logger()

State = Literal["ok", "down"]


class Live(Answer, frozen=True, kw_only=True):
    """This process answers."""

    status: Literal["ok"] = "ok"


class Ready(Answer, frozen=True, kw_only=True):
    """What this process needs, and whether it is there."""

    status: State
    postgresql: State
    redis: State
    schema: State


@get("/health/live", summary="Is the process alive?", tags=["health"])
async def live() -> Live:
    """Answer at once, whatever else is down."""
    return Live()


@get(
    "/health/ready",
    summary="Can it serve?",
    tags=["health"],
    raises=[],
    responses={503: ResponseSpec(Ready, description="Something is missing.", generate_examples=False)},
)
async def ready(database: NamedDependency[Database], redis: NamedDependency[Redis]) -> Response[Ready]:
    """Ask PostgreSQL, its schema and Redis; 503 names what is missing."""
    postgresql, schema = await _ask_postgresql(database)
    answer = Ready(status="ok", postgresql=postgresql, schema=schema, redis=await _ask_redis(redis))
    missing = [name for name in ("postgresql", "schema", "redis") if getattr(answer, name) == "down"]
    if missing:
        log.warning("not_ready", missing=missing)
        answer = Ready(status="down", postgresql=postgresql, schema=schema, redis=answer.redis)
    return answers.Answer(answer, status_code=503 if missing else 200)


async def _ask_postgresql(database: Database) -> tuple[State, State]:
    try:
        async with database.read() as connection:
            # The newest thing that migrations make: without it they have not run to their end.
            found = await connection.fetchval("SELECT to_regprocedure('ensure_partitions(integer)') IS NOT NULL")
    except (*NOT_REACHED, asyncpg.PostgresError) as error:
        log.warning("postgresql_does_not_answer", cause=type(error).__name__)
        return "down", "down"
    return "ok", "ok" if found else "down"


async def _ask_redis(redis: Redis) -> State:
    try:
        await redis.ping()
    except REDIS_ERRORS as error:
        log.warning("redis_does_not_answer", cause=type(error).__name__)
        return "down"
    return "ok"


ROUTES = (live, ready)
