"""The brokerage for tests: settings on the session's real servers, and the API without a socket."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import msgspec
from litestar import Litestar
from litestar.types import ControllerRouterHandler

from bitcurrent.app import ROUTES, build_app
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.settings import Settings
from tests.support.sandbox import Sandbox

ORIGIN = "http://bitcurrent.test"
ENCRYPTION_KEYS = "test-1:" + base64.b64encode(bytes(range(32))).decode()
BLIND_INDEX_KEY = base64.b64encode(bytes(range(32, 64))).decode()


def settings_for(database: DatabaseUrls, redis_url: str, sandbox: Sandbox | None = None, **changes: Any) -> Settings:
    """Settings on these servers; without a sandbox the venue's addresses lead nowhere."""
    nowhere = "http://127.0.0.1:9"
    settings = Settings(
        env="demo",
        database_url=database.app,
        owner_database_url=database.owner,
        redis_url=redis_url,
        secret_key="test-secret-key-of-more-than-32-characters",
        password_pepper="test-pepper-of-more-than-32-characters",
        password_cost=4,
        encryption_keys=ENCRYPTION_KEYS,
        blind_index_key=BLIND_INDEX_KEY,
        alpaca_key_id=sandbox.key_id if sandbox else "NOBODY",
        alpaca_secret_key=sandbox.secret_key if sandbox else "nothing",
        alpaca_trading_url=sandbox.trading_url if sandbox else nowhere,
        alpaca_data_url=sandbox.data_url if sandbox else nowhere,
        alpaca_stream_url=sandbox.stream_url if sandbox else nowhere,
        alpaca_data_stream_url=sandbox.data_stream_url if sandbox else nowhere,
        twilio_account_sid="AC" + "0" * 32 if sandbox else "",
        twilio_auth_token=sandbox.secret_key if sandbox else "",
        twilio_from="+15005550006" if sandbox else "",
        twilio_url=f"{sandbox.url}/twilio" if sandbox else nowhere,
        stripe_api_key=sandbox.stripe_key if sandbox else "",
        stripe_webhook_secret=sandbox.stripe_webhook_secret if sandbox else "",
        stripe_url=sandbox.stripe_url if sandbox else nowhere,
        identity_url=f"{sandbox.url}/idcheck" if sandbox else "",
        identity_api_key=f"idcheck_{sandbox.secret_key}" if sandbox else "",
        identity_webhook_secret=f"idsec_{sandbox.secret_key}" if sandbox else "",
        reconcile_seconds=86_400,
        circuit_breaker=False,
        fx_url=f"{sandbox.url}/ecb/stats/eurofxref/eurofxref-daily.xml" if sandbox else "",
        smtp_url=sandbox.smtp_url if sandbox else "",
        bank_own_accounts="EUR=iban:DE89370400440532013000,GBP=gb:204514:12345678,USD=us:021000021:123456789",
        base_url=ORIGIN,
        # What stands before the first purchase has tests of its own.
        risk_acknowledgement="offered",
        # All of a test module's requests come from one address.
        rate_limit_factor=1_000,
        database_connections_min=2,
        database_connections_max=8,
        log_level="info",
    )
    return msgspec.structs.replace(settings, **changes)


@contextlib.asynccontextmanager
async def running_api(
    settings: Settings, routes: Sequence[ControllerRouterHandler] = ROUTES
) -> AsyncIterator[tuple[httpx.AsyncClient, Litestar]]:
    """The whole application with its services open, and a client that speaks to it without a socket."""
    app = build_app(settings, routes)
    opened, close = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        # In a task of its own: a fixture's two halves may run in different ones, which Litestar does not allow.
        async with app.lifespan():
            opened.set()
            await close.wait()

    life = asyncio.create_task(live())
    waiting = asyncio.create_task(opened.wait())
    await asyncio.wait({life, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if opened.is_set():
            async with client_of(app) as client:
                yield client, app
    finally:
        close.set()
        await life


def client_of(app: Litestar) -> httpx.AsyncClient:
    """One more client (one more browser) of a running application."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("203.0.113.7", 40000))  # type: ignore[arg-type]  # httpx types ASGI with plain dicts
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=30)
