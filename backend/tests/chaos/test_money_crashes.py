"""Layer C for money: workers and APIs killed at each labelled point of funding; whoever comes next ends it all.

Each worker starts among what the one before it left behind. An API that dies is asked again with the same key. At the
end nothing is open, every law holds, and the processor has each payment and refund exactly as our books do.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

import bitcurrent
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher import addresses
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.chaos.counting import SCALE, SEED, Layer
from tests.chaos.money_at_risk import Street
from tests.chaos.processes import start, until_ready
from tests.support.brokerage import running_api, settings_for
from tests.support.callers import OFFICE, client_from
from tests.support.cards import Till, altered, signature
from tests.support.customers import Person
from tests.support.operators import operator
from tests.support.sandbox import Sandbox
from tests.support.wallet_desk import ethereum_address

Play = Callable[[Street], Awaitable[None]]
Request = tuple[str, dict[str, Any]]
"""A path of the API, and what goes with it."""


@pytest.fixture
async def street(database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox) -> AsyncIterator[Street]:
    await asyncio.to_thread(lambda: sandbox.control("stripe/reset", state=True))
    settings = settings_for(database_urls, redis_server.url, sandbox, fx_url="", fx_rates="EUR/USD=1.25,GBP/USD=1.5")
    async with running_api(settings) as (http, app):
        yield Street(Till(app, http, sandbox))


# ---- what makes a worker come to a point


async def _deposit(street: Street) -> None:
    await street.paid(await street.customer())


async def _refund(street: Street) -> None:
    ann = await street.customer()
    deposit = await street.paid(ann)
    await street.did(ann, f"deposits/{deposit['id']}/refunds", {"amount": "40"})


async def _dispute(street: Street) -> None:
    ann = await street.customer()
    deposit = await street.paid(ann)
    await street.convert(ann, "60")
    await street.dispute(deposit)


async def _debt(street: Street) -> None:
    """What she had was spent, disputed and owed; now it comes back."""
    ann = await street.customer()
    deposit = await street.paid(ann)
    euros = await street.convert(ann, "90")
    await street.dispute(deposit)
    await street.turn()
    assert await street.till.books("SELECT count(*) FROM debts WHERE user_id = $1", UUID(ann.id)) == 1
    await street.convert(ann, euros, source="EUR", target="USD")


async def _bonus(street: Street) -> None:
    team = [await operator(street.till.app, "finance") for _ in range(2)]
    await street.campaign(team)
    await street.paid(await street.customer())
    await street.no_campaign()
    await street.hurry()


async def _withdrawal(street: Street) -> None:
    ann = await street.customer()
    await street.paid(ann)
    await street.back_to_card(ann, "25")


WORKER: dict[str, Play] = {
    "deposit.card_read": _deposit,
    "deposit.told": _deposit,
    "refund.claimed": _refund,
    "refund.sent": _refund,
    "refund.booked": _refund,
    "refund.recorded": _refund,
    "dispute.read": _dispute,
    "dispute.applied": _dispute,
    "provenance.debt_paid": _debt,
    "bonus.released": _bonus,
    "withdrawal.sending": _withdrawal,
    "withdrawal.answered": _withdrawal,
    "withdrawal.booked": _withdrawal,
    "withdrawal.recorded": _withdrawal,
}
"""Points that a worker comes to, and what must have happened before."""


@pytest.mark.timeout(300)
async def test_workers_die_while_card_money_moves_and_nothing_is_lost_or_doubled(
    street: Street, tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    labels = rng.sample(sorted(WORKER), 4 if SCALE == 1 else len(WORKER))
    layer = Layer("C workers killed while card money moves", floor=len(labels))
    for label in labels:
        await WORKER[label](street)
        worker = start("worker", street.till.brokerage.settings, tmp_path, crash_at=label)
        try:
            await worker.until_dead(label)
        finally:
            worker.end()
        await street.hurry()
        layer.ran += 1
    await street.drain()
    await street.all_is_right()
    layer.finish()


# ---- what an API dies of


async def _asks_refund(street: Street, ann: Person) -> Request:
    deposit = await street.paid(ann)
    return f"/api/deposits/{deposit['id']}/refunds", _by(ann, {"amount": "40"})


async def _asks_withdrawal(street: Street, ann: Person) -> Request:
    await street.paid(ann)
    return "/api/withdrawals", _by(ann, {"asset": "USD", "amount": "25", "destination": "card"})


async def _cancels_deposit(street: Street, ann: Person) -> Request:
    deposit = await street.till.opened(ann, "100")
    return f"/api/deposits/{deposit['id']}/cancel", _by(ann, None)


async def _saves_address(street: Street, ann: Person) -> Request:
    wish = {"asset": "ETH", "network": "ethereum", "address": ethereum_address(), "label": "cold"}
    return "/api/withdrawal-addresses", _by(ann, wish)


async def _earns_bonus(street: Street, ann: Person) -> Request:
    await street.campaign([await operator(street.till.app, "finance") for _ in range(2)])
    deposit = await street.till.opened(ann, "100")
    (body,) = (each for each in await street.till.pay(deposit) if b"checkout.session.completed" in each)
    proof = signature(body, street.till.sandbox.stripe_webhook_secret)
    return "/api/webhooks/stripe", {"content": body, "headers": {"Stripe-Signature": proof}}


async def _writes_off(street: Street, ann: Person) -> Request:
    deposit = await street.paid(ann)
    await street.convert(ann, "90")
    await street.dispute(deposit)
    await street.turn()
    debt = await street.till.books("SELECT id FROM debts WHERE user_id = $1", UUID(ann.id))
    clerk, boss = [await operator(street.till.app, "finance") for _ in range(2)]
    asked = await street.office(clerk, f"debts/{debt}/write-off", {"reason": "Nobody will ever pay it."})
    return f"/api/admin/approvals/{asked['id']}/grant", _by(boss, None)


async def _resolves_flagged(street: Street, ann: Person) -> Request:
    """A webhook says another amount than was asked for; the processor took what was asked."""
    deposit = await street.till.opened(ann, "100")
    (body,) = (each for each in await street.till.pay(deposit) if b"checkout.session.completed" in each)
    await street.till.deliver_all([altered(body, amount_total=9_000)])
    clerk, boss = [await operator(street.till.app, "finance") for _ in range(2)]
    wish = {"outcome": "credit", "reason": "Looked at it at the processor."}
    asked = await street.office(clerk, f"deposits/{deposit['id']}/resolve", wish)
    return f"/api/admin/approvals/{asked['id']}/grant", _by(boss, None)


def _by(who: Person, body: Any) -> dict[str, Any]:
    return {"json": body, "headers": who.bearer | {"Idempotency-Key": str(new_id())}}


API: dict[str, Callable[[Street, Person], Awaitable[Request]]] = {
    "refund.asked": _asks_refund,
    "withdrawal.held": _asks_withdrawal,
    "deposit.closed": _cancels_deposit,
    "address.saved": _saves_address,
    "bonus.earned": _earns_bonus,
    "debt.written_off": _writes_off,
    "deposit.resolved": _resolves_flagged,
}
"""Points that an API comes to, and the request that brings it there."""
HELD = {
    "refund.asked": Decimal(40),
    "withdrawal.held": Decimal(25),
    "bonus.earned": Decimal(10),
    "debt.written_off": Decimal("8.5"),
}
"""What is held of hers afterwards: by the refund, the withdrawal, the bonus, the dispute."""


@pytest.mark.timeout(300)
async def test_an_api_that_dies_over_money_has_done_it_wholly_or_not_at_all(street: Street, tmp_path: Path) -> None:
    labels = random.Random(SEED).sample(sorted(API), 2 if SCALE == 1 else len(API))
    layer = Layer("C APIs killed while card money moves", floor=len(labels))
    for label in labels:
        ann = await street.customer()
        path, request = await API[label](street, ann)
        api = start("serve", street.till.brokerage.settings, tmp_path, crash_at=label)
        try:
            await until_ready(api)
            async with httpx.AsyncClient(base_url=f"http://{addresses.HERE}:{api.port}", timeout=10) as http:
                with pytest.raises(httpx.TransportError):
                    await http.post(path, **request)
        finally:
            api.end()
        async with client_from(street.till.app, OFFICE) as living:
            answers = [await living.post(path, **request) for _ in range(2)]
        assert answers[0].is_success, f"{label}: {answers[0].status_code} {answers[0].text}"
        assert (await street.till.balance(ann))[1] == HELD.get(label, 0), label
        await street.no_campaign()
        layer.ran += 1
    await street.drain()
    await street.all_is_right()
    layer.finish()


def test_every_labelled_point_of_funding_is_died_at_somewhere() -> None:
    """Here, or in the tests of the room: a new point needs a death of its own."""
    rooms, tests = Path(bitcurrent.__file__).parent / "funding", Path(__file__).parents[1]
    labels = {
        label for path in rooms.rglob("*.py") for label in re.findall(r'crash_point\(f?"([^"{]+)', path.read_text())
    }
    told = "".join(path.read_text() for path in tests.rglob("test_*.py"))
    assert {label for label in labels if f'"{label}' not in told} == set()
