"""Layer B for money: seeded histories where deposits, refunds, disputes, conversions and withdrawals race.

Every customer does several things with one card payment at once, while two workers' rounds run and the processor's
events come several times and in any order. Who wins is chance; at the end nothing is open, nobody has more than was
there, every law holds, and the processor's own books say what ours say.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.chaos.counting import SCALE, SEED, Layer
from tests.chaos.money_at_risk import Street
from tests.support.brokerage import running_api, settings_for
from tests.support.cards import Till, altered
from tests.support.customers import Person
from tests.support.sandbox import Sandbox

HISTORIES = 4 * SCALE
CUSTOMERS = 4
ACTS = ("refund", "refund again", "dispute", "refund elsewhere", "withdrawal", "withdrawal too", "conversion", "cancel")


@pytest.fixture
async def street(database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox) -> AsyncIterator[Street]:
    await asyncio.to_thread(lambda: sandbox.control("stripe/reset", state=True))
    settings = settings_for(database_urls, redis_server.url, sandbox, fx_url="", fx_rates="EUR/USD=1.25,GBP/USD=1.5")
    async with running_api(settings) as (http, app):
        yield Street(Till(app, http, sandbox))


@dataclass(slots=True)
class History:
    """Some customers, each with one payment and several wishes about it."""

    street: Street
    rng: random.Random
    done: Counter[str] = field(default_factory=Counter)

    async def live(self) -> None:
        """Everything at once; then until nothing is open."""
        lives = [self._customer(random.Random(self.rng.random())) for _ in range(CUSTOMERS)]
        await asyncio.gather(*lives, self._worker(), self._worker())
        await self.street.drain()

    async def _customer(self, rng: random.Random) -> None:
        ann = await self.street.customer()
        deposit = await self.street.till.opened(ann, "100")
        bodies = (await self.street.till.pay(deposit)) * rng.randint(1, 3)
        bodies += [altered(bodies[0], kind="checkout.session.expired", status="expired", payment_status="unpaid")]
        rng.shuffle(bodies)
        await self.street.till.deliver_all(bodies)
        self.done["webhooks"] += len(bodies)
        acts = rng.sample(ACTS, rng.randint(3, len(ACTS)))
        await asyncio.gather(*(self._act(act, ann, deposit, rng.uniform(0, 0.2)) for act in acts))

    async def _act(self, act: str, ann: Person, deposit: dict[str, Any], pause: float) -> None:
        await asyncio.sleep(pause)
        match act:
            case "refund" | "refund again":
                self._count(act, await self.street.post(ann, f"deposits/{deposit['id']}/refunds", {"amount": "60"}))
            case "withdrawal" | "withdrawal too":
                wish = {"asset": "USD", "amount": "45", "destination": "card"}
                answer = await self.street.post(ann, "withdrawals", wish)
                self._count(act, answer)
                if answer.is_success:
                    await self.street.approve(answer.json()["id"])
            case "conversion":
                quote = await self.street.post(ann, "conversions/quote", {"from": "USD", "to": "EUR", "give": "70"})
                self._count(act, await self.street.post(ann, "conversions", {"quote_id": quote.json()["id"]}))
            case "cancel":
                self._count(act, await self.street.post(ann, f"deposits/{deposit['id']}/cancel"))
            case _:
                await self._elsewhere(act, deposit)

    async def _elsewhere(self, act: str, deposit: dict[str, Any]) -> None:
        """At the card's bank, or at the processor's own pages; refused there when too little is left of the payment."""
        verb = "dispute" if act == "dispute" else "refund"
        how = {} if verb == "dispute" else {"amount": 3_000}
        try:
            told = await self.street.control(verb, payment_intent=await self.street.payment_of(deposit), **how)
        except AssertionError:
            self.done[f"{act} refused"] += 1
            return
        self.done[act] += 1
        if verb == "dispute":
            event = {"id": f"evt_{told['id']}", "type": "charge.dispute.created", "created": told["created"]}
            body = json.dumps({"object": "event", **event, "data": {"object": told}}).encode()
            await self.street.till.deliver_all([body] * 2)

    def _count(self, act: str, answer: httpx.Response) -> None:
        assert answer.status_code < 500, answer.text
        self.done[act if answer.is_success else f"{act} refused"] += 1

    async def _worker(self) -> None:
        for _ in range(4):
            await self.street.turn()
            await asyncio.sleep(0.03)


@pytest.mark.timeout(400)
async def test_whoever_wins_the_race_the_books_agree(street: Street) -> None:
    layer = Layer("B money races", floor=HISTORIES)
    for number in range(HISTORIES):
        history = History(street, random.Random(SEED + number))
        await history.live()
        await street.all_is_right()
        layer.ran += 1
        for what, count in history.done.items():
            layer.note(what, count)
    layer.finish()
