"""A brokerage to measure: durable PostgreSQL, Redis, the real API process, customers with money and sessions."""

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from bitcurrent import migrate
from bitcurrent.identity.tokens import Tokens
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crypto import new_key
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import SessionId, UserId, new_id
from bitcurrent.launcher.addresses import free_port
from bitcurrent.launcher.scratch import ScratchPostgres, scratch_postgres, scratch_redis
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.settings import Settings, read_settings

CUSTOMERS = 1_000
MONEY = Decimal(10) ** 9
WEBHOOK_SECRET = "whsec_bench"  # noqa: S105  of a processor that there is not
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Measured:
    """What the measurements need of a running brokerage."""

    postgres: ScratchPostgres
    port: int
    tokens: list[str]
    settings: Settings


@contextlib.contextmanager
def running() -> Iterator[Measured]:
    """Start everything, fill it, and take it down after."""
    secret = secrets.token_urlsafe(32)
    with scratch_postgres(durable=True) as postgres, scratch_redis() as redis:
        migrate.upgrade(postgres.owner)
        port = free_port()
        environment = {
            **os.environ,
            "BITCURRENT_ENV": "demo",
            # Its customers were asked nothing; the gate is passed all the same, and remembers them.
            "BITCURRENT_RISK_ACKNOWLEDGEMENT": "offered",
            "BITCURRENT_DATABASE_URL": postgres.app,
            "BITCURRENT_REDIS_URL": redis.url,
            "BITCURRENT_SECRET_KEY": secret,
            "BITCURRENT_PASSWORD_PEPPER": secrets.token_urlsafe(32),
            "BITCURRENT_ENCRYPTION_KEYS": f"bench:{new_key()}",
            "BITCURRENT_BLIND_INDEX_KEY": new_key(),
            "BITCURRENT_PORT": str(port),
            "BITCURRENT_METRICS_PORT": str(free_port()),
            "BITCURRENT_BASE_URL": f"http://127.0.0.1:{port}",
            "BITCURRENT_LOG_LEVEL": "error",
            # Every request is counted as ever, against budgets that one machine does not reach.
            "BITCURRENT_RATE_LIMIT_FACTOR": "100000",
            # No venue: accepted orders wait, which is what is measured.
            # No processor either: its webhooks are made here.
            "BITCURRENT_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "BITCURRENT_ALPACA_KEY_ID": "none",
            "BITCURRENT_ALPACA_SECRET_KEY": "none",
            "BITCURRENT_ALPACA_TRADING_URL": "http://127.0.0.1:9",
            "BITCURRENT_ALPACA_DATA_URL": "http://127.0.0.1:9",
            "BITCURRENT_ALPACA_STREAM_URL": "ws://127.0.0.1:9",
            "BITCURRENT_ALPACA_DATA_STREAM_URL": "ws://127.0.0.1:9",
        }
        tokens = asyncio.run(_fill(postgres.owner, Tokens(secret)))
        command = [sys.executable, "-m", "bitcurrent.cli", "serve"]
        process = subprocess.Popen(command, env=environment, cwd=ROOT)
        try:
            _wait(process, port)
            yield Measured(postgres, port, tokens, read_settings(environment))
        finally:
            process.terminate()
            process.wait(10)


def customer(number: int) -> UserId:
    """The id of a customer by number; pgbench makes the same one."""
    return UserId(UUID(f"00000000-0000-7000-8000-{number:012x}"))


async def _fill(owner_url: str, tokens: Tokens) -> list[str]:
    database = await Database.connect(owner_url, connections_max=2)
    signed = []
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO assets VALUES ('USD', 'US dollar', 'fiat', 2), ('BTC', 'Bitcoin', 'crypto', 9)"
        )
        await connection.execute(
            "INSERT INTO markets (symbol, venue_asset_id, name, base, quote, min_order_size, min_trade_increment, "
            "price_increment, tradable) "
            "VALUES ('BTC/USD', $1, 'Bitcoin', 'BTC', 'USD', 0.00001, 0.000000001, 0.01, true)",
            new_id(),
        )
        for number in range(1, CUSTOMERS + 1):
            user_id, session_id = customer(number), SessionId(new_id())
            ends = now() + timedelta(hours=12)
            await connection.execute(
                "INSERT INTO users (id, password_hash) VALUES ($1, 'none')",
                user_id,
            )
            await connection.execute(
                "INSERT INTO user_sessions (id, user_id, expires_at, address, device) "
                "VALUES ($1, $2, $3, '::1', 'bench')",
                session_id,
                user_id,
                ends,
            )
            await connection.execute("INSERT INTO verified_emails (user_id) VALUES ($1)", user_id)
            await connection.execute("INSERT INTO customer_sequences (user_id) VALUES ($1)", user_id)
            move = Move(
                source=house("bank", "USD"),
                target=available(user_id, "USD"),
                amount=MONEY,
            )
            await ledger.post(
                connection,
                Journal(kind="demo_credit", reference=f"bench:{number}", moves=(move,)),
            )
            signed.append(tokens.sign(user_id, session_id, now(), ends))
    await database.close()
    return signed


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    ends = time.monotonic() + 20
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("The API did not come up.")
