"""Webhooks to credited balances: 10,000 events of payments, 30% of them told twice, in any order, over 64 connections.

Each is signed, proven, stored, and credited before it is answered, as in production. What was credited is counted in
the books afterwards, and must be each payment once.
"""

import asyncio
import hashlib
import hmac
import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from bench.brokerage import CUSTOMERS, WEBHOOK_SECRET, Measured, customer
from bitcurrent.kernel.ids import new_id

WEBHOOKS = 10_000
TWICE = 0.3
CONNECTIONS = 64
AMOUNT = Decimal(100)
FEE = Decimal("1.50")


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a run: credited deposits and answered webhooks a second, and the slowest in a hundred."""

    credited_a_second: float
    webhooks_a_second: float
    p99_ms: float


def measure(brokerage: Measured, seed: int) -> Taken:
    """One run; raises SystemExit when a webhook was refused, or a payment not credited exactly once."""
    unique = round(WEBHOOKS * (1 - TWICE))
    deposits = [new_id() for _ in range(unique)]
    asyncio.run(_wait_on_pages(brokerage.postgres.owner, deposits))
    bodies = [_event(deposit) for deposit in deposits]
    dice = random.Random(seed)  # noqa: S311  the order of a measurement
    bodies += dice.choices(bodies, k=WEBHOOKS - unique)
    dice.shuffle(bodies)
    prepared = [[_request(body) for body in bodies[number::CONNECTIONS]] for number in range(CONNECTIONS)]
    orders = json.dumps({"port": brokerage.port, "seconds": 0, "once": True, "connections": prepared})
    ran = subprocess.run(
        [sys.executable, "-m", "bench.load"], input=orders, capture_output=True, text=True, check=True, timeout=120
    )
    measured: dict[str, Any] = json.loads(ran.stdout)
    credited, journals = asyncio.run(_count(brokerage.postgres.owner, deposits))
    if measured["refused"] or (credited, journals) != (unique, unique):
        raise SystemExit(
            f"{measured['refused']} refused ({measured['sample']}), {credited} of {unique} credited, "
            f"{journals} journals"
        )
    seconds = measured["answers"] / measured["rate"]
    return Taken(unique / seconds, measured["rate"], measured["p99_ms"])


async def _wait_on_pages(owner_url: str, deposits: list[UUID]) -> None:
    """Deposits that wait for their payment."""
    connection = await asyncpg.connect(owner_url)
    await connection.executemany(
        "INSERT INTO deposits (id, user_id, currency, amount, fee, worth, limit_version, checkout_expires_at) "
        "VALUES ($1, $2, 'USD', $3, $4, $3, 0, now() + interval '1 hour')",
        [(deposit, customer(number % CUSTOMERS + 1), AMOUNT, FEE) for number, deposit in enumerate(deposits)],
    )
    await connection.execute(
        "UPDATE deposits SET state = 'pending', checkout_id = 'cs_test_' || id WHERE id = ANY ($1)", deposits
    )
    await connection.execute("ANALYZE deposits")
    await connection.close()


async def _count(owner_url: str, deposits: list[UUID]) -> tuple[int, int]:
    connection = await asyncpg.connect(owner_url)
    credited = await connection.fetchval(
        "SELECT count(*) FROM deposits WHERE id = ANY ($1) AND state = 'paid'", deposits
    )
    journals = await connection.fetchval(
        "SELECT count(*) FROM deposits d JOIN journals j ON j.reference = 'deposit:' || d.payment_intent "
        "WHERE d.id = ANY ($1) AND j.kind = 'deposit'",
        deposits,
    )
    await connection.close()
    return int(credited), int(journals)


def _event(deposit: UUID) -> bytes:
    """A paid page as the processor tells of it, with the fields that a real one has."""
    page = {
        "id": f"cs_test_{deposit}",
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": 10_000,
        "amount_total": 10_000,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": "https://bitcurrent.test/wallet/deposits",
        "client_reference_id": str(deposit),
        "created": 1_790_000_000,
        "currency": "usd",
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer_details": {"email": "somebody@example.test", "name": "Some Body", "phone": None, "tax_ids": []},
        "expires_at": 1_790_003_600,
        "livemode": False,
        "metadata": {"deposit_id": str(deposit)},
        "mode": "payment",
        "payment_intent": f"pi_{deposit.hex}",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "paid",
        "phone_number_collection": {"enabled": False},
        "status": "complete",
        "success_url": "https://bitcurrent.test/wallet/deposits",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": None,
    }
    event = {
        "id": f"evt_{deposit.hex}",
        "object": "event",
        "api_version": "2026-10-28",
        "created": 1_790_000_000,
        "data": {"object": page},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "checkout.session.completed",
    }
    return json.dumps(event).encode()


def _request(body: bytes) -> str:
    at = int(time.time())
    digest = hmac.new(WEBHOOK_SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return (
        f"POST /api/webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\nStripe-Signature: t={at},v1={digest}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body.decode()}"
    )
