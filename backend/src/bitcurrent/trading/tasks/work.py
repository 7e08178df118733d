"""All loops of the trading desk, run while this worker leads."""

import asyncio

import structlog

from bitcurrent.kernel.database import Database
from bitcurrent.kernel.tasks import stop
from bitcurrent.trading import inbox_repository, venue_repository
from bitcurrent.trading.tasks.canceling import send_cancels
from bitcurrent.trading.tasks.desk import Desk, keep_doing, listen_for_orders, tell_of_news
from bitcurrent.trading.tasks.healing import Healer
from bitcurrent.trading.tasks.sending import resolve_unknown, send_waiting
from bitcurrent.trading.tasks.updates import hear_venue

log = structlog.get_logger(__name__)

LAST_ANSWERS_SECONDS = 2.5
"""After stopping, so long an answer that is on its way is waited for; later it is found as unknown by the next."""


async def run_desk(desk: Desk) -> None:
    """Take up what an earlier leader left, then do everything until stopping; what is in flight records its answer."""
    async with desk.database.transaction() as connection:
        inherited = await venue_repository.mark_all_submitting_unknown(connection)
    if inherited:
        log.warning("orders_inherited_unknown", orders=inherited)
    hints = [asyncio.create_task(listen_for_orders(desk)), asyncio.create_task(tell_of_news(desk))]
    try:
        async with asyncio.TaskGroup() as loops:
            loops.create_task(keep_doing(desk, "sending", send_waiting))
            loops.create_task(keep_doing(desk, "unknown", resolve_unknown))
            loops.create_task(keep_doing(desk, "canceling", send_cancels))
            loops.create_task(keep_doing(desk, "healing", Healer().heal))
            loops.create_task(hear_venue(desk))
        if desk.in_flight:
            await asyncio.wait(list(desk.in_flight.values()), timeout=LAST_ANSWERS_SECONDS)
    finally:
        # On losing the lead nothing more may be sent or recorded by this process.
        await stop(*hints, *desk.in_flight.values())


async def count_backlog(database: Database) -> dict[str, int]:
    """How many orders are accepted, unknown and canceling, and how many messages are flagged."""
    async with database.read() as connection:
        return await inbox_repository.read_backlog(connection)
