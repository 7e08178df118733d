"""The gate before money goes in, declared at the route. Selling passes it; withdrawing never comes to it."""

from typing import Any

import msgspec
from litestar.connection import Request
from litestar.handlers import BaseRouteHandler

from bitcurrent.compliance.conduct.packs import Gate
from bitcurrent.compliance.conduct.service import Conduct
from bitcurrent.identity.guards import Connection, Guard, actor_of
from bitcurrent.web.chain import stands_for

_ASKS: dict[Gate, str] = {
    "deposit": "The steps that the rules of the customer's country put before paying in (GET /api/conduct).",
    "buy": "For a purchase the steps that the rules of the customer's country put before it (GET /api/conduct).",
}


class _Side(msgspec.Struct):
    side: str | None = None


def requires_conduct(gate: Gate) -> Guard:
    """Let in customers who have taken the steps of their country's rules; stands after those that recognise them."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        actor = await actor_of(connection)
        conduct: Conduct = connection.app.state["conduct"]
        if conduct.remembers(actor.user_id, gate) or (gate == "buy" and await _sells(connection)):
            return
        await conduct.require(actor.user_id, gate)

    return stands_for(guard, "conduct", _ASKS[gate])


async def _sells(connection: Connection) -> bool:
    """Whether the body is an order to sell; read by the rules that the handler reads it by, which has it again."""
    if not isinstance(connection, Request):
        return False
    request: Request[Any, Any, Any] = connection
    try:
        return msgspec.json.decode(await request.body(), type=_Side).side == "sell"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
