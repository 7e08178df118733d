"""`bitcurrent operators …`: the first operator, and a look at all of them, from where the house is run."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Role, User
from bitcurrent.identity.operators import Operators
from bitcurrent.identity.operators_model import Operator
from bitcurrent.identity.permissions import permissions_of
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Refusal
from bitcurrent.settings import Settings

EXIT_DONE, EXIT_REFUSED, EXIT_NOT_ASKED = 0, 1, 2
READ_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
LISTED_MAX = 500


def add(settings: Settings, email: str, role: Role, ask_password: Callable[[], str]) -> int:
    """Make somebody an operator; the exit code. The password is asked for only when nobody has this address yet."""
    return _run(_add(settings, email, role, ask_password))


def disable(settings: Settings, email: str) -> int:
    """Take an operator's role away and end their sessions; the exit code. A customer's account stays."""
    return _run(_disable(settings, email))


def show(settings: Settings) -> int:
    """Print every operator; the exit code."""
    return _run(_show(settings))


def _run(work: Coroutine[Any, Any, str | None]) -> int:
    console = Console()
    try:
        said = asyncio.run(work)
    except Refusal as refusal:
        console.print(refusal.message, style="red", markup=False)
        return EXIT_REFUSED
    except READ_ERRORS as error:
        console.print(f"The database cannot be asked: {type(error).__name__}: {error}", style="red", markup=False)
        return EXIT_NOT_ASKED
    if said:
        console.print(said, markup=False, highlight=False)
    return EXIT_DONE


async def _add(settings: Settings, email: str, role: Role, ask_password: Callable[[], str]) -> str:
    async with _house(settings) as (database, identity, operators):
        async with database.read() as connection:
            known = await operators.find(connection, email)
        if known is not None:
            return await _change(database, identity, operators, known, role)
        wish = await operators.registration(email=email, password=await asyncio.to_thread(ask_password), role=role)
        async with database.transaction() as connection:
            user = await operators.add(connection, wish)
    return (
        f"{user.email} is {role} now. Log in, and add a second factor before anything else: without one, no door opens."
    )


async def _disable(settings: Settings, email: str) -> str:
    async with _house(settings) as (database, identity, operators):
        async with database.read() as connection:
            known = await operators.find(connection, email)
        if known is None:
            return f"Nobody has the address {email}."
        return await _change(database, identity, operators, known, "customer")


async def _change(database: Database, identity: Identity, operators: Operators, user: User, role: Role) -> str:
    async with database.transaction() as connection:
        changed = await operators.change_from_command_line(connection, user.id, role)
    await identity.announce(sessions=changed.sessions, keys=changed.keys)
    was = f"{user.email} was {changed.before}"
    ended = f"{len(changed.sessions)} sessions ended"
    return f"{was} and is no operator any more; {ended}." if role == "customer" else f"{was}, is {role} now; {ended}."


async def _show(settings: Settings) -> None:
    async with _house(settings) as (database, _, operators), database.read() as connection:
        found = await operators.everybody(connection, before=None, limit=LISTED_MAX)
    table = Table(title="Operators", title_justify="left")
    for title in ("E-mail", "Role", "Status", "Also a customer", "Last seen", "May"):
        table.add_column(title)
    for operator in found:
        table.add_row(*_line(operator))
    Console().print(table)


def _line(operator: Operator) -> tuple[str, ...]:
    seen = f"{operator.last_seen_at:%Y-%m-%d %H:%M}" if operator.last_seen_at else "never"
    customer = "yes" if operator.is_customer else "no"
    return (
        operator.email,
        operator.role,
        operator.status,
        customer,
        seen,
        ", ".join(sorted(permissions_of(operator.role))),
    )


@asynccontextmanager
async def _house(settings: Settings) -> AsyncIterator[tuple[Database, Identity, Operators]]:
    """Just what these commands need. Redis may be absent: then what ended is seen within a minute."""
    database = await Database.connect(settings.database_url, connections_min=1, connections_max=2)
    redis = connect_redis(settings.redis_url)
    identity = Identity(database, redis, settings)
    try:
        yield database, identity, Operators(identity, Approvals())
    finally:
        identity.close()
        await redis.aclose()
        await database.close()
