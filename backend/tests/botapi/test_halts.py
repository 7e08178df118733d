"""Everything stopped: bots read why in Alpaca's shape at once, cancels go on, and nothing was held."""

from decimal import Decimal

import pytest

from bitcurrent.wiring import Brokerage
from tests.botapi.conftest import House, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_bot_meets_a_stop_in_its_own_words_and_may_still_cancel(house: House) -> None:
    brokerage: Brokerage = house.app.state["brokerage"]
    bot = await house.bot(USD="1000")
    resting = await bot.submit()
    async with house.database.transaction() as connection:
        made = await brokerage.stops.stop(
            connection, product=None, asset=None, reason="A rehearsal", words="All trading rests until noon."
        )
    order = {"symbol": "BTC/USD", "side": "buy", "type": "limit", "time_in_force": "gtc", "qty": "0.001",
             "limit_price": "50000"}  # fmt: skip
    answer = await bot.http.post("/v2/orders", json=order)
    assert refused(answer, 422, 42210000) == "All trading rests until noon. Nothing was done."
    canceled = await bot.http.delete(f"/v2/orders/{resting['id']}")
    assert canceled.status_code == 204
    assert await house.balance(bot, "USD") == (Decimal(1_000), Decimal(0))
    async with house.database.transaction() as connection:
        await brokerage.stops.resume_by_house(connection, made.id, reason="Over")
