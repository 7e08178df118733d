"""The door of the back office: operators only, from their own networks, with a second factor, and a permission."""

from collections.abc import Callable
from typing import Any

from litestar.handlers import BaseRouteHandler

from bitcurrent.identity.factors.service import Factors
from bitcurrent.identity.guards import Connection, actor_of
from bitcurrent.identity.permissions import Permission, check_permission
from bitcurrent.kernel.errors import Forbidden
from bitcurrent.kernel.networks import Networks
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import stands_for

AdminGuard = Callable[[Connection, BaseRouteHandler], Any]


class AdminNetworkRequired(Forbidden):
    """The back office is not open to the world."""

    code = "admin_network_required"

    def __init__(self) -> None:
        super().__init__("This part of the house is open from the operators' networks only.")


def requires_permission(permission: Permission) -> AdminGuard:
    """Let in active operators whose role holds the permission, logged in, from BITCURRENT_ADMIN_NETWORKS.

    The address is the peer's, or what trusted proxies say of it: a forged X-Forwarded-For changes nothing. Who is
    elsewhere learns nothing else, not even whether a session is good. The session must have seen a second factor.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        addresses: Addresses = connection.app.state["addresses"]
        networks: Networks = connection.app.state["admin_networks"]
        if not networks.contains(addresses.of(connection.scope)):
            raise AdminNetworkRequired
        actor = await actor_of(connection)
        actor.require_operator()
        check_permission(actor.role, permission)
        factors: Factors = connection.app.state["factors"]
        await factors.require_second_factor(actor)

    asks = f"From the operators' networks, a session opened with a second factor, and the permission `{permission}`."
    return stands_for(guard, "authentication", asks)
