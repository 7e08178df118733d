"""Layer C: API and worker killed at labelled points, one after the other; whoever comes next ends what was begun.

Each worker starts among what the one before it left behind, and dies while it takes that up. At the end everything
must have ended, with the very orders and fills that the venue has, and each answer of 201 must be found.
"""

import asyncio
import contextlib
import random
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import bitcurrent
from bitcurrent.kernel.errors import Conflict
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.launcher import addresses
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.chaos.counting import SCALE, SEED, Layer
from tests.chaos.faulty_venue import SUBMIT, Round
from tests.chaos.processes import Process, customer_with_key, start, until_ready
from tests.support.desk import Floor, price_known, trading_floor
from tests.support.sandbox import Sandbox

WORKER_POINTS = (
    "inside_claim_transaction",
    "after_claim",
    "before_submit",
    "after_submit_before_record",
    "inside_record_transaction",
    "after_record",
    "before_find",
    "after_find_before_record",
    "before_healing_transaction",
    "inside_healing_transaction",
    "after_healing_transaction",
    "before_update_transaction",
    "inside_update_transaction",
    "before_update_commit",
    "after_update_transaction",
    "before_cancel",
    "after_cancel_before_record",
    "before_fills_cursor",
    "inside_fee_transaction",
)
API_POINTS = (
    "before_place_commit",
    "after_place_commit",
    "inside_idempotent_transaction",
    "after_idempotent_commit",
    "after_replace_commit",
)
IN_A_TEST = 7
"""Of the worker's points in `make test`, others each time; `make chaos` takes them all, several times."""
TURNS = max(1, SCALE // 3)


def points(turn: int) -> list[str]:
    """The points of one chain, in an order of its own, some at a later passing."""
    rng = random.Random(SEED + turn)
    chosen = rng.sample(WORKER_POINTS, IN_A_TEST if SCALE == 1 else len(WORKER_POINTS))
    return [f"{label}:{rng.randint(1, 2)}" for label in chosen]


def test_every_labelled_point_of_trading_is_in_the_list() -> None:
    rooms = Path(bitcurrent.__file__).parent
    texts = [path.read_text() for room in ("trading", "web") for path in (rooms / room).rglob("*.py")]
    labels = {label for text in texts for label in re.findall(r'crash_point\("([^"]+)"\)', text)}
    assert labels == {*WORKER_POINTS, *API_POINTS}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("turn", range(TURNS))
async def test_workers_die_one_after_the_other_and_nothing_is_lost_or_doubled(
    database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox, tmp_path: Path, turn: int
) -> None:
    labels = points(turn)
    layer = Layer(f"C workers killed, turn {turn + 1} of {TURNS}", floor=len(labels))
    async with trading_floor(
        database_urls, redis_url, sandbox, worker=False, venue_missing_seconds=2, venue_heal_seconds=1
    ) as floor:
        customers: list[tuple[UserId, OrderId]] = []
        for label in labels:
            worker = start("worker", floor.brokerage.settings, tmp_path, crash_at=label)
            try:
                if not customers:
                    await price_known(floor.brokerage)
                await _trade_until_dead(floor, worker, label, customers)
            finally:
                worker.end()
            layer.ran += 1
        floor.start_worker()
        end = Round(floor, SEED, [], customers)
        await end._drain()
        await end._same_as_there()
        await floor.laws()
        layer.note("orders", len(customers))
    layer.finish()


async def _trade_until_dead(floor: Floor, worker: Process, label: str, placed: list[tuple[UserId, OrderId]]) -> None:
    """Buy, rest, cancel, lose an answer and post fees, again and again until the worker has died of it."""
    dying = asyncio.create_task(worker.until_dead(label))
    while not dying.done():
        who = await floor.customer(USD="5000")
        await floor.fault("drop_after", **SUBMIT)
        # Without a worker prices grow old: a market order is refused then, and that is right.
        with contextlib.suppress(Conflict):
            placed.append((who, await floor.order(who, notional="60")))
            placed.append((who, await floor.order(who, notional="70")))
        placed.append((who, await floor.order(who, quantity="0.01", limit="40000")))
        await asyncio.wait({dying}, timeout=0.3)
        for customer in {user for user, _ in placed[-6:]}:
            await floor.brokerage.trading.cancel_all(customer)
        await floor.control("fees")
        await asyncio.wait({dying}, timeout=0.3)
    await dying


@pytest.mark.timeout(240)
async def test_an_api_that_dies_has_done_what_it_answered_and_once_what_is_asked_again(
    database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    labels = [label for label in API_POINTS for _ in range(TURNS)]
    layer = Layer("C APIs killed", floor=len(labels))
    async with trading_floor(database_urls, redis_url, sandbox) as floor:
        steady = start("serve", floor.brokerage.settings, tmp_path)
        try:
            await until_ready(steady)
            user_id, keys = await customer_with_key(floor, steady, USD="10000")
            for number, label in enumerate(labels):
                api = start("serve", floor.brokerage.settings, tmp_path, crash_at=label)
                try:
                    await until_ready(api)
                    answered = await _ask_until_dead(floor, api, keys, number, layer)
                finally:
                    api.end()
                await _ask_again(floor, steady, keys, number, answered, layer)
                layer.ran += 1
        finally:
            steady.end()
        orders = await floor.count("SELECT count(*) FROM orders WHERE user_id = $1", user_id)
        assert orders == 3 * len(labels), "one key, one order"
        end = Round(floor, SEED, [], [(user_id, OrderId(user_id))])
        await end._drain()
        await end._same_as_there()
        await floor.laws()
    layer.finish()


Answers = dict[str, httpx.Response]


def _wishes(number: int) -> list[tuple[str, str, Any]]:
    """What a program asks of the API in turn: method, key and body."""
    order = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "0.001", "limit_price": "40000"}
    return [
        ("POST", f"place-{number}", {**order, "client_order_id": f"first-{number}"}),
        ("POST", f"again-{number}", order),
        ("PATCH", f"change-{number}", {"limit_price": "40500"}),
        ("DELETE", f"cancel-{number}", None),
    ]


async def _ask(
    floor: Floor, http: httpx.AsyncClient, number: int, wish: tuple[str, str, Any], answers: Answers
) -> httpx.Response:
    """One request: the change and the cancel are of the first order, and of what took its place."""
    method, key, body = wish
    path = "/api/orders"
    if method != "POST":
        order_id = answers[f"place-{number}" if method == "PATCH" else f"change-{number}"].json()["id"]
        if method == "PATCH":
            await floor.until_true(
                lambda: floor.count("SELECT state IN ('submitted', 'replaced') FROM orders WHERE id = $1", order_id),
                seconds=20,
            )
        path = f"{path}/{order_id}"
    return await http.request(method, path, json=body, headers={"Idempotency-Key": key})


async def _ask_until_dead(floor: Floor, api: Process, keys: dict[str, str], number: int, layer: Layer) -> Answers:
    answers: Answers = {}
    address = f"http://{addresses.HERE}:{api.port}"
    async with httpx.AsyncClient(base_url=address, timeout=10, headers=keys) as http:
        for wish in _wishes(number):
            try:
                answers[wish[1]] = await _ask(floor, http, number, wish, answers)
            except httpx.TransportError:
                layer.note("answers lost")
                return answers
            assert answers[wish[1]].is_success, answers[wish[1]].text
            layer.note("answers given")
    raise AssertionError(f"the API never died: {api.words()}")


async def _ask_again(
    floor: Floor, api: Process, keys: dict[str, str], number: int, answered: Answers, layer: Layer
) -> None:
    """The same requests with the same keys: what was answered is answered the same, what was lost is done once."""
    again: Answers = {}
    address = f"http://{addresses.HERE}:{api.port}"
    async with httpx.AsyncClient(base_url=address, timeout=10, headers=keys) as http:
        for wish in _wishes(number):
            answer = again[wish[1]] = await _ask(floor, http, number, wish, again)
            assert answer.is_success, answer.text
            if wish[1] in answered:
                layer.note("answers found again")
                assert answer.json()["id"] == answered[wish[1]].json()["id"]
                assert answer.headers.get("Idempotent-Replayed") == "true"
