"""The children of one copy: what they are, what they are told, how one sees that they are well.

Every child gets its settings from the environment, exactly as in a real deployment.
"""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from bitcurrent.launcher import probes, wheels
from bitcurrent.launcher.account import account_for
from bitcurrent.launcher.addresses import HERE
from bitcurrent.launcher.credentials import Credentials
from bitcurrent.launcher.layout import Copy
from bitcurrent.launcher.postgres import Cluster
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.supervisor import ChildSpec, Readiness

HEALTH = "/health/ready"
SANDBOX_HEALTH = "/sandbox/health"
# Lower stages stop first; those that share one stop together.
EDGE, WORK, OUTSIDE, CACHE, DATABASE = range(5)
APPLICATION = ("api", "live", "worker")


@dataclass(frozen=True, slots=True)
class Servers:
    """The database and the cache of one copy."""

    postgres: Cluster
    redis: RedisServer


def servers_of(copy: Copy, credentials: Credentials) -> Servers:
    """Describe the copy's PostgreSQL and Redis. Raises LaunchError when root cannot start them here."""
    account = account_for([copy.data, wheels.postgres_home(), wheels.redis_program().parent])
    return Servers(
        Cluster(copy.data / "postgres", copy.port_of("postgres"), credentials.postgres, account),
        RedisServer(copy.data / "redis", copy.port_of("redis"), credentials.redis, account),
    )


def settings_of(copy: Copy, credentials: Credentials, servers: Servers) -> dict[str, str]:
    """Give the BITCURRENT_ variables of this copy."""
    venue = f"{copy.sandbox_url}/alpaca"
    venue_stream = venue.replace("http", "ws", 1)
    return {
        "BITCURRENT_ENV": "demo",
        "BITCURRENT_DATABASE_URL": servers.postgres.app_url,
        "BITCURRENT_REDIS_URL": servers.redis.url,
        "BITCURRENT_HOST": HERE,
        "BITCURRENT_PORT": str(copy.port),
        "BITCURRENT_LIVE_PORT": str(copy.port_of("live")),
        "BITCURRENT_WORKER_PORT": str(copy.port_of("worker")),
        "BITCURRENT_BASE_URL": copy.base_url,
        "BITCURRENT_LIVE_URL": copy.live_url,
        "BITCURRENT_SECRET_KEY": credentials.secret_key,
        "BITCURRENT_PASSWORD_PEPPER": credentials.password_pepper,
        "BITCURRENT_ENCRYPTION_KEYS": credentials.encryption_keys,
        "BITCURRENT_BLIND_INDEX_KEY": credentials.blind_index_key,
        "BITCURRENT_AUDIT_SIGNING_KEY": credentials.audit_signing_key,
        "BITCURRENT_AUDIT_HEADS": str(copy.audit_heads),
        "BITCURRENT_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "BITCURRENT_TWILIO_AUTH_TOKEN": credentials.venue_secret_key,
        "BITCURRENT_TWILIO_FROM": "+15005550006",
        "BITCURRENT_TWILIO_URL": f"{copy.sandbox_url}/twilio",
        "BITCURRENT_STRIPE_API_KEY": f"sk_test_{credentials.venue_secret_key}",
        "BITCURRENT_STRIPE_WEBHOOK_SECRET": f"whsec_{credentials.venue_secret_key}",
        "BITCURRENT_STRIPE_URL": f"{copy.sandbox_url}/stripe",
        "BITCURRENT_IDENTITY_URL": f"{copy.sandbox_url}/idcheck",
        "BITCURRENT_IDENTITY_API_KEY": f"idcheck_{credentials.venue_secret_key}",
        "BITCURRENT_IDENTITY_WEBHOOK_SECRET": f"idsec_{credentials.venue_secret_key}",
        # Accounts that there are not, at a bank that pays nobody: withdrawals of the demo arrive by themselves.
        "BITCURRENT_DEMO_BANK": "true",
        "BITCURRENT_BANK_OWN_ACCOUNTS": (
            "EUR=iban:DE89370400440532013000,GBP=gb:204514:12345678,USD=us:021000021:123456789"
        ),
        "BITCURRENT_FX_URL": f"{copy.sandbox_url}/ecb/stats/eurofxref/eurofxref-daily.xml",
        "BITCURRENT_SMTP_URL": f"smtp://{HERE}:{copy.port_of('mail')}",
        "BITCURRENT_ALPACA_KEY_ID": credentials.venue_key_id,
        "BITCURRENT_ALPACA_SECRET_KEY": credentials.venue_secret_key,
        "BITCURRENT_ALPACA_TRADING_URL": venue,
        "BITCURRENT_ALPACA_DATA_URL": venue,
        "BITCURRENT_ALPACA_STREAM_URL": f"{venue_stream}/stream",
        "BITCURRENT_ALPACA_DATA_STREAM_URL": f"{venue_stream}/v1beta3/crypto/us",
    }


def environment_of(settings: dict[str, str]) -> dict[str, str]:
    """Give a child's whole environment: this one's, where the copy's own settings win."""
    return {
        **os.environ,
        **settings,
        "PYTHONUNBUFFERED": "1",
        # Threads (bcrypt, drivers) would each keep an arena of freed memory.
        "MALLOC_ARENA_MAX": "2",
    }


def postgres_child(cluster: Cluster) -> ChildSpec:
    """Describe PostgreSQL: SIGINT is its fast shutdown, SIGQUIT its immediate one."""

    async def ready(pid: int) -> bool:
        return cluster.is_ready(pid)

    return ChildSpec(
        name="postgres",
        command=cluster.command(),
        environment=_plain_environment(),
        ready=ready,
        stage=DATABASE,
        ready_seconds=120,  # recovery after a crash reads back what was written last
        stop=signal.SIGINT,
        hard=signal.SIGQUIT,
        parting=signal.SIGINT,
        stop_seconds=0.6,  # and whatever the others left of the five seconds
        account=cluster.account,
        before=cluster.forget_stale_lock,
    )


def redis_child(server: RedisServer) -> ChildSpec:
    """Describe Redis."""

    async def ready(pid: int) -> bool:
        return await asyncio.to_thread(server.is_ready)

    return ChildSpec(
        name="redis",
        command=server.command(),
        environment=_plain_environment(),
        ready=ready,
        stage=CACHE,
        stop_seconds=0.3,
        account=server.account,
    )


def sandbox_child(copy: Copy, credentials: Credentials) -> ChildSpec:
    """Describe the outside world: a program of its own that shares nothing with the brokerage but the wire."""
    port = copy.port_of("sandbox")
    return ChildSpec(
        name="sandbox",
        command=[
            sys.executable, "-m", "bitcurrent_sandbox",
            "--host", HERE, "--port", str(port), "--smtp-port", str(copy.port_of("mail")),
            "--data", str(copy.data / "sandbox"), "--stripe-webhooks", f"{copy.base_url}/api/webhooks/stripe",
        ],
        environment={
            **environment_of({}),
            "BITCURRENT_SANDBOX_KEY_ID": credentials.venue_key_id,
            "BITCURRENT_SANDBOX_SECRET_KEY": credentials.venue_secret_key,
        },
        ready=_http_ready(port, SANDBOX_HEALTH),
        stage=OUTSIDE,
        stop_seconds=0.4,
    )  # fmt: skip


def application_children(copy: Copy, settings: dict[str, str]) -> list[ChildSpec]:
    """Describe the brokerage itself: what `bitcurrent serve`, `live` and `worker` start."""
    commands = {"api": "serve", "live": "live", "worker": "worker"}
    return [
        ChildSpec(
            name=name,
            command=own_command(commands[name]),
            environment=environment_of(settings),
            ready=_http_ready(copy.port_of(name), HEALTH),
            stage=WORK if name == "worker" else EDGE,
            # A worker may still be writing down what the venue answered.
            stop_seconds=2.0 if name == "worker" else 1.0,
        )
        for name in APPLICATION
    ]


def own_command(*words: str) -> list[str | Path]:
    """Give the command line of one of our own commands, run by this very Python."""
    return [sys.executable, "-m", "bitcurrent.cli", *words]


def _http_ready(port: int, path: str) -> Readiness:
    async def ready(pid: int) -> bool:
        return await probes.http_ok(port, path)

    return ready


def _plain_environment() -> dict[str, str]:
    """Give what a server from a wheel needs: nothing of ours, and a locale that every machine has."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "TZ") if name in os.environ}
    return {**kept, "LC_ALL": "C"}
