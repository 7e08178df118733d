"""A worker that dies by SIGKILL while coins leave: whoever comes next finds one transfer, or none and says so."""

import asyncio
import signal
from pathlib import Path

import msgspec
import pytest

from bitcurrent.funding.withdrawals.model import State, Withdrawal
from bitcurrent.launcher import addresses
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support.sandbox import Sandbox
from tests.support.wallet_desk import WalletDesk, wallet_desk
from tests.worker.test_crashes import environment, start_worker

DIES_WITHIN_SECONDS = 30


async def die_at(desk: WalletDesk, label: str, log: Path) -> None:
    """Run a worker as the process it really is until it is killed there."""
    settings = msgspec.structs.replace(desk.brokerage.settings, worker_port=addresses.free_port())
    process = start_worker(environment(settings, BITCURRENT_CRASH_AT=label), log)
    try:
        died = await asyncio.to_thread(process.wait, DIES_WITHIN_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(5)
    assert died == -signal.SIGKILL, await asyncio.to_thread(log.read_text)


async def cleared(desk: WalletDesk) -> Withdrawal:
    """A withdrawal that waits to be sent."""
    ann = await desk.customer(ETH="2")
    asked = await desk.ask(ann, await desk.approved(ann), "0.5")
    async with desk.brokerage.database.transaction() as connection:
        await connection.execute("UPDATE withdrawals SET screening = 'clear', state = 'approved'")
    return asked


@pytest.mark.parametrize(
    "label",
    ["wallet.intended", "wallet.sent", "wallet.bound", "wallet.found"],
)
async def test_a_withdrawal_leaves_once_wherever_the_worker_dies(
    database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox, tmp_path: Path, label: str
) -> None:
    async with wallet_desk(database_urls, redis_server.url, sandbox) as desk:
        asked = await cleared(desk)
        if label == "wallet.found":
            await desk.fault("drop_after", method="POST", path="/v2/wallets/transfers")
        await die_at(desk, label, tmp_path / "worker.log")
        await desk.work(4)
        sent = len((await desk.venue())["transfers"])
        if label == "wallet.intended":
            # Nobody can know that the request was never sent: it waits for people, and nothing is sent by itself.
            assert (sent, (await desk.now(asked)).state) == (0, State.SENDING)
            return
        assert sent == 1
        await desk.finish()
        await desk.work()
        assert (await desk.now(asked)).state is State.SETTLED
        await desk.assert_laws()


@pytest.mark.parametrize("label", ["address.telling", "address.told"])
async def test_an_address_is_told_once_wherever_the_worker_dies(
    database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox, tmp_path: Path, label: str
) -> None:
    async with wallet_desk(database_urls, redis_server.url, sandbox) as desk:
        await desk.save(await desk.customer())
        await die_at(desk, label, tmp_path / "worker.log")
        for _ in range(3):
            await desk.tell(again=True)
        assert await desk.count("SELECT state FROM venue_destinations") == "pending"
        assert len(await desk.wallets.allowed_addresses()) == 1
