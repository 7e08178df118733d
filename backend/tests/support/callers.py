"""Clients of an application in this process that come from other addresses, and keys without ceremony."""

from typing import Any
from uuid import UUID

import httpx
from litestar import Litestar

from bitcurrent.identity.model import Actor, Scope
from bitcurrent.kernel.ids import UserId
from bitcurrent.wiring import Brokerage
from tests.support.brokerage import ORIGIN
from tests.support.customers import Person

OFFICE = "10.1.2.3"
"""A private network: where a demo's operators sit."""


def client_from(app: Litestar, address: str, **headers: str) -> httpx.AsyncClient:
    """Somebody at this address, as the socket sees it."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 40000))  # type: ignore[arg-type]  # httpx types ASGI with plain dicts
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=30, headers=headers)


async def give_key(app: Litestar, person: Person, *scopes: Scope, **limits: Any) -> tuple[str, str]:
    """An API key made by the service itself: nobody needs a second factor for the sake of another test."""
    brokerage: Brokerage = app.state.brokerage
    actor = Actor(UserId(UUID(person.id)), "customer", "active")
    async with brokerage.database.transaction() as connection:
        made = await brokerage.identity.create_key(
            connection, actor, label="bot", scopes=scopes, expires_at=None, address="tests", **limits
        )
    return made.key.key_id, made.secret
