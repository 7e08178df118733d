"""Coins that leave through the venue's wallet: under way, settled, sent by somebody else; and the stop of a break."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import pytest_asyncio

from bitcurrent.compliance.stops.model import Stopped
from bitcurrent.funding.withdrawals.model import State
from bitcurrent.integrations.alpaca.adapter import AlpacaVenue
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.model import Journal, Move, house
from bitcurrent.ledger.service import post
from bitcurrent.reconciliation import reconciling
from bitcurrent.reconciliation.checks import coins_under_way, wallet_transfer
from bitcurrent.reconciliation.model import BreakFilter, BreakKind, Pace
from bitcurrent.reconciliation.reconciling import Result
from bitcurrent.reconciliation.venue import VenueCheck
from tests.support.laws import VENUE_CASH
from tests.support.sandbox import Sandbox
from tests.support.wallet_desk import WalletDesk, wallet_desk

QUICK = Pace(settle=0, skew=0.1, young=0, grace=0, looks=2)


@pytest_asyncio.fixture
async def desk(database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox) -> AsyncIterator[WalletDesk]:
    async with wallet_desk(database_urls, redis_server.url, sandbox) as found:
        move = Move(source=house("venue", "USD"), target=house("bank", "USD"), amount=VENUE_CASH)
        async with found.brokerage.database.transaction() as connection:
            await post(connection, Journal(kind="venue_funding", reference="test:venue", moves=(move,)))
        yield found


async def compare(desk: WalletDesk) -> Result:
    """Look twice, as the worker does."""
    database, breaks = desk.brokerage.database, desk.brokerage.breaks
    async with AlpacaVenue.connect(desk.brokerage.settings) as venue:
        check = VenueCheck(database, venue, QUICK, recognise=wallet_transfer, under_way=coins_under_way)
        await reconciling.run(database, breaks, [check])
        return await reconciling.run(database, breaks, [check])


async def test_a_transfer_is_explained_while_under_way_and_then_exact(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    saved = await desk.approved(ann)
    assert (await compare(desk)).findings == ()
    asked = await desk.ask(ann, saved, "0.5")
    await desk.work()
    assert (await desk.now(asked)).state is State.SENT
    under_way = await compare(desk)
    assert under_way.findings == ()
    assert any("under way" in reason.what for row in under_way.rows for reason in row.reasons)
    await desk.finish()
    # The venue has told of it, and we have not asked: its movement is known, and waits for our journal.
    waiting = await compare(desk)
    assert [row.difference for row in waiting.rows] == [0, 0]
    assert waiting.findings == ()
    await desk.work()
    settled = await compare(desk)
    assert settled.findings == ()
    assert [row.reasons for row in settled.rows] == [(), ()]


async def test_coins_that_somebody_else_sends_are_found_and_stop_withdrawals_of_that_coin(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2", BTC="1")
    saved = await desk.approved(ann)
    await desk.wallets.send(asset="ETH", amount=Decimal("0.25"), address=saved.address, chain="ETH")
    await desk.finish()
    found = await compare(desk)
    assert {finding.kind for finding in found.findings} == {BreakKind.MOVEMENT}
    with pytest.raises(Stopped) as stopped:
        await desk.ask(ann, saved, "0.5")
    assert stopped.value.details["asset"] == "ETH"
    assert "withdrawals of ETH wait" in stopped.value.message
    async with desk.brokerage.database.read() as connection:
        (opened,) = await desk.brokerage.breaks.search(connection, BreakFilter(asset="ETH"))
        await desk.brokerage.stops.require_running(connection, product="crypto_withdrawal", asset="BTC")
    assert opened.expected < Decimal("-0.25")
