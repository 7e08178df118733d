"""What happens to programs when something they depend on is used up, slow or gone."""

from decimal import Decimal

from bitcurrent.botapi.refusals import error_of
from bitcurrent.botapi.service import BotApi
from bitcurrent.kernel.cache import connect_redis
from tests.botapi.conftest import House, refused


async def test_the_budget_is_told_in_every_answer_and_ends_in_429(fragile_house: House) -> None:
    state = fragile_house.app.state
    state["bot_api"] = BotApi(
        conduct=state["conduct"],
        database=fragile_house.database,
        redis=state["redis"],
        identity=state["identity"],
        trading=state["trading"],
        market_data=state["market_data"],
        portfolio=state["portfolio"],
        requests_per_minute=3,
    )
    ann, ben = await fragile_house.bot(), await fragile_house.bot()
    left = [(await ann.http.get("/v2/clock")).headers["x-ratelimit-remaining"] for _ in range(2)]
    left.append((await ann.http.get("/v2/orders/none")).headers["x-ratelimit-remaining"])
    assert left == ["2", "1", "0"]
    answer = await ann.http.get("/v2/clock")
    assert refused(answer, 429, 42910000) == "rate limit exceeded"
    assert answer.headers["x-ratelimit-limit"] == "3"
    # The window slides: what was asked at its end still counts in the next one.
    assert 1 <= int(answer.headers["retry-after"]) <= 120
    assert (await ben.http.get("/v2/clock")).status_code == 200


async def test_without_redis_reads_and_cancels_go_on_and_orders_wait(fragile_house: House) -> None:
    bot = await fragile_house.bot(USD="1000")
    order = await bot.submit()
    state = fragile_house.app.state
    state["bot_api"] = BotApi(
        conduct=state["conduct"],
        database=fragile_house.database,
        redis=connect_redis("redis://127.0.0.1:9"),
        identity=state["identity"],
        trading=state["trading"],
        market_data=state["market_data"],
        portfolio=state["portfolio"],
    )
    answer = await bot.http.get(f"/v2/orders/{order['id']}")
    assert answer.status_code == 200
    assert "x-ratelimit-limit" not in answer.headers
    wish = {"symbol": "BTC/USD", "side": "buy", "type": "market", "time_in_force": "gtc", "notional": "10"}
    refused(await bot.http.post("/v2/orders", json=wish), 503, 50310000)
    assert (await bot.http.delete(f"/v2/orders/{order['id']}")).status_code == 204
    assert await fragile_house.balance(bot, "USD") == (Decimal(1000), Decimal(0))


async def test_without_postgresql_the_answer_is_503_and_never_504(fragile_house: House) -> None:
    bot = await fragile_house.bot(USD="1000")
    await bot.get("/v2/account")
    await fragile_house.database.close()
    wish = {"symbol": "BTC/USD", "side": "buy", "type": "market", "time_in_force": "gtc", "notional": "10"}
    # The SDK repeats a POST after 504 by itself; without a client_order_id that would be a second order.
    assert "not known" in refused(await bot.http.post("/v2/orders", json=wish), 503, 50310000)
    refused(await bot.http.get("/v2/account"), 503, 50310000)


def test_an_accident_says_nothing_of_the_inside() -> None:
    error = error_of(RuntimeError("password=hunter2"), reference="abc")
    assert (error.status, error.body.code) == (500, 50010000)
    assert "hunter2" not in error.body.message
    assert "abc" in error.body.message


async def test_who_tries_keys_spends_the_budget_of_the_address(fragile_house: House) -> None:
    ann = await fragile_house.bot()
    left = []
    for secret in ("wrong", "wrong again"):
        answer = await ann.http.get("/v2/account", headers={"APCA-API-SECRET-KEY": secret})
        assert answer.status_code in {401, 403}
        left.append(int(answer.headers["x-ratelimit-remaining"]))
    assert left[1] == left[0] - 1
