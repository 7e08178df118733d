"""What stands before handlers that matter most: a second factor, used in this session just now."""

from litestar.handlers import BaseRouteHandler

from bitcurrent.identity.factors.service import Factors
from bitcurrent.identity.guards import Connection, actor_of
from bitcurrent.web.chain import stands_for


async def requires_fresh_factor(connection: Connection, _: BaseRouteHandler) -> None:
    """Let in sessions in which a second factor was used within five minutes.

    403 `second_factor_missing` when the account has none and says where to add one; 403 `second_factor_required` when
    it was not used lately and says how.
    """
    factors: Factors = connection.app.state["factors"]
    await factors.require_fresh(await actor_of(connection))


async def requires_second_factor(connection: Connection, _: BaseRouteHandler) -> None:
    """Let in sessions in which a second factor was used at some time: those that were opened with one."""
    factors: Factors = connection.app.state["factors"]
    await factors.require_second_factor(await actor_of(connection))


async def requires_fresh_factor_if_any(connection: Connection, _: BaseRouteHandler) -> None:
    """The same, but accounts without a second factor get in: the handler asks them for their password."""
    factors: Factors = connection.app.state["factors"]
    await factors.require_fresh(await actor_of(connection), unless_none=True)


stands_for(requires_fresh_factor, "second_factor", "A second factor used in this session within five minutes.")
stands_for(requires_second_factor, "second_factor", "A session that was opened with a second factor.")
stands_for(
    requires_fresh_factor_if_any,
    "second_factor",
    "A second factor used in this session within five minutes, where the account has one.",
)
