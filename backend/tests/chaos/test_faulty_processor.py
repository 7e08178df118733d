"""Layer E: the card processor drops, delays, answers 5xx after doing it, and tells twice, late, wrongly or never."""

import asyncio
import random

import pytest

from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.chaos.counting import SCALE, SEED, Layer
from tests.chaos.faulty_processor import FAULTS, Round
from tests.support.brokerage import running_api, settings_for
from tests.support.cards import Till
from tests.support.sandbox import Sandbox

AT_ONCE = 4


@pytest.mark.timeout(240)
@pytest.mark.parametrize("turn", range(SCALE))
async def test_every_fault_of_the_processor_ends_with_the_right_money(
    database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox, turn: int
) -> None:
    layer = Layer(f"E faulty processor, turn {turn + 1} of {SCALE}", floor=len(FAULTS))
    order = random.Random(SEED + turn).sample(FAULTS, len(FAULTS))
    await asyncio.to_thread(lambda: sandbox.control("stripe/reset", state=True))
    async with running_api(settings_for(database_urls, redis_server.url, sandbox)) as (http, app):
        till = Till(app, http, sandbox)
        for start in range(0, len(order), AT_ONCE):
            faults = order[start : start + AT_ONCE]
            print("faults:", "; ".join(map(str, faults)))
            played = Round(till, SEED + turn + start, faults)
            await played.run()
            layer.note("payments", played.payments)
            layer.note("webhooks", played.deliveries)
            layer.note("webhooks refused", played.refused)
            layer.note("rounds")
            layer.ran += len(faults)
    layer.finish()
