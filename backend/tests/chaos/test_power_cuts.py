"""Layer D: kill -9 of PostgreSQL under eight writers; every acknowledged write is found again."""

import asyncio

import pytest

from bitcurrent.launcher.scratch import ScratchPostgres
from bitcurrent.migrate import upgrade
from bitcurrent.trading.placing import PlacingQueue
from tests.chaos.counting import SCALE, SEED, Layer
from tests.chaos.power_cuts import power_cut

CUTS = 3 * SCALE


@pytest.mark.durable
@pytest.mark.timeout(60 + 20 * CUTS)
async def test_whatever_was_acknowledged_is_there_after_a_power_cut(durable_postgres: ScratchPostgres) -> None:
    await asyncio.to_thread(upgrade, durable_postgres.owner)
    layer = Layer("D power cuts", floor=CUTS)
    for number in range(CUTS):
        told = await power_cut(durable_postgres, PlacingQueue, SEED + number)
        layer.ran += 1
        layer.note("orders acknowledged", len(told.orders))
        layer.note("fills acknowledged", len(told.fills))
        layer.note("in doubt", len(told.doubtful))
    # Slow machines acknowledge less before the cut; a cut that hit nobody in the middle proves little.
    assert layer.notes["in doubt"] > 0
    assert layer.notes["orders acknowledged"] > 10 * CUTS
    layer.finish()
