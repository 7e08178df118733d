"""What stands before a handler: a live session, a scope, a role; and the `actor` that handlers receive."""

from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection, Request
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler

from bitcurrent.identity.key_signing import Approach, no_body, target_of
from bitcurrent.identity.model import Actor, Role, Scope
from bitcurrent.identity.recognition import Recognition
from bitcurrent.kernel.errors import Unauthenticated
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import stands_for
from bitcurrent.web.rates import count_caller

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Any]

_SCOPE_KEY = "bitcurrent.actor"
CurrentActor = NamedDependency[Actor]
"""Type of a handler's parameter `actor`: having one means that nobody unknown gets in."""


async def actor_of(connection: Connection) -> Actor:
    """Whoever sends this request, recognised once; raises a kind of Unauthenticated."""
    known = connection.scope.get(_SCOPE_KEY)
    if isinstance(known, Actor):
        return known
    identity: Recognition = connection.app.state["identity"]
    try:
        actor = await identity.authenticate(connection.scope["headers"], approach=_approach(connection))
    except Unauthenticated:
        await count_caller(connection.scope)
        raise
    await count_caller(connection.scope, account=str(actor.user_id), key=actor.key_id)
    connection.scope[_SCOPE_KEY] = actor  # type: ignore[literal-required]  # ASGI lets layers add keys of their own
    return actor


def _approach(connection: Connection) -> Approach:
    """From where a request comes and what it says: what an API key may be bound to."""
    scope = connection.scope
    addresses: Addresses = connection.app.state["addresses"]
    method = scope["method"] if scope["type"] == ScopeType.HTTP else "GET"
    # Guards of HTTP routes are given the request itself; the body that is read here is kept for the handler.
    body = connection.body if isinstance(connection, Request) else no_body
    return Approach(addresses.of(scope), method, target_of(scope), body)


async def provide_actor(request: Request[Any, Any, Any]) -> Actor:
    """Litestar's dependency `actor`."""
    return await actor_of(request)


async def requires_actor(connection: Connection, _: BaseRouteHandler) -> None:
    """Let in whoever we recognise: a session, or an API key of any scope."""
    await actor_of(connection)


async def requires_session(connection: Connection, _: BaseRouteHandler) -> None:
    """Let in people who have logged in, not API keys."""
    (await actor_of(connection)).require_session()


def requires_scope(scope: Scope) -> Guard:
    """Let in sessions, and API keys that have the scope; not frozen accounts, where it is about more than reading."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        (await actor_of(connection)).require_scope(scope)

    return stands_for(guard, "authentication", f"A session, or an API key with the scope `{scope}`.")


def requires_role(*roles: Role) -> Guard:
    """Let in active operators of these roles, in a session."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        (await actor_of(connection)).require_role(*roles)

    return stands_for(guard, "authentication", f"A session of an operator: {' or '.join(roles)}.")


stands_for(requires_actor, "authentication", "A session, or an API key of any scope.")
stands_for(requires_session, "authentication", "A session; an API key is not enough.")
