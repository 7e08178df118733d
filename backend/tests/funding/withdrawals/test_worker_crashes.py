"""Workers that die by SIGKILL between any two steps of a bank day; the next one ends it, and each is paid once."""

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.chaos.counting import SCALE
from tests.chaos.processes import start
from tests.funding.withdrawals.conftest import Desk

pytestmark = pytest.mark.asyncio(loop_scope="module")

POINTS = (
    "withdrawal.booked",
    "payouts.taken",
    "demo_bank.ordered",
    "payouts.file_taken",
    "payouts.file_taken:2",
)


@pytest.mark.timeout(180)
async def test_whoever_comes_next_ends_the_bank_day(desk: Desk, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(desk.brokerage.settings, demo_bank=True, database_connections_max=4)
    ann = await desk.customer(EUR="1000")
    account = await desk.account(ann)
    everything = []
    points = POINTS if SCALE > 1 else POINTS[::2]
    for label in points:
        everything.append(await desk.approved(ann, destination=account))
        worker = start("worker", settings, tmp_path, crash_at=label)
        try:
            await worker.until_dead(label)
        finally:
            worker.end()
    worker = start("worker", settings, tmp_path)

    async def settled() -> bool:
        states = [(await desk.read(ann, withdrawal))["state"] for withdrawal in everything]
        assert set(states) <= {"approved", "sending", "sent", "settled"}, states
        return set(states) == {"settled"}

    try:
        for _ in range(300):
            if await settled():
                break
            await asyncio.sleep(0.2)
    finally:
        worker.end()
    assert await settled()
    available, held = await desk.balance(ann, "EUR")
    assert (available, held) == (Decimal(1000 - 51 * len(points)), Decimal(0))
    print(f"withdrawals: {len(points)} workers killed in bank days, {len(everything)} paid once each")
