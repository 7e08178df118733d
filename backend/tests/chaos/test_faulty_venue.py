"""Layer E: the venue drops, delays, doubles, reorders, refuses and falls silent, through its own control."""

import random

import pytest

from bitcurrent.launcher.scratch import DatabaseUrls
from tests.chaos.counting import SCALE, SEED, Layer
from tests.chaos.faulty_venue import FAULTS, Round
from tests.support.desk import trading_floor
from tests.support.sandbox import Sandbox

AT_ONCE = 4


@pytest.mark.timeout(240)
@pytest.mark.parametrize("turn", range(SCALE))
async def test_every_fault_of_the_venue_ends_with_the_right_money(
    database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox, turn: int
) -> None:
    layer = Layer(f"E faulty venue, turn {turn + 1} of {SCALE}", floor=len(FAULTS))
    order = random.Random(SEED + turn).sample(FAULTS, len(FAULTS))
    async with trading_floor(database_urls, redis_url, sandbox) as floor:
        for start in range(0, len(order), AT_ONCE):
            faults = order[start : start + AT_ONCE]
            print("faults:", "; ".join(map(str, faults)))
            layer.note("orders", await Round(floor, SEED + turn + start, faults).run())
            layer.note("rounds")
            layer.ran += len(faults)
    layer.finish()
