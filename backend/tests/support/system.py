"""The whole brokerage as it runs in production: sandbox venue, API, worker and live server as processes.

Started once for a session on free ports, with a database and a Redis of its own. Tests make customers of their own in
it and speak to it from outside; whoever stops a process starts it again. Prices stand still until a test moves them.
"""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import UUID

import asyncpg
import httpx

from bitcurrent.identity.keys import new_key_id
from bitcurrent.identity.model import Actor, Scope
from bitcurrent.identity.service import Identity, Registration
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.crypto import new_key
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher import addresses, spawn
from bitcurrent.launcher.brokerage import own_command
from bitcurrent.launcher.scratch import DatabaseUrls, ScratchPostgres, scratch_redis
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.ledger.service import post
from bitcurrent.settings import Settings, read_settings
from tests.support import books
from tests.support.databases import fresh_database
from tests.support.sandbox import Sandbox, start_sandbox

if TYPE_CHECKING:
    from alpaca.trading.client import TradingClient

T = TypeVar("T")
ProcessName = Literal["api", "worker", "live"]
COMMANDS: dict[ProcessName, str] = {"api": "serve", "worker": "worker", "live": "live"}
REQUESTS_PER_MINUTE = "20000"
"""Between us and the sandbox: many customers of many tests share one minute here."""

OWN_ACCOUNTS = "EUR=iban:DE89370400440532013000,GBP=gb:204514:12345678,USD=us:021000021:123456789"
"""The house's accounts at the demo's bank: there are none like them."""

START_SECONDS = 30
STOP_SECONDS = 10
PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Customer:
    """A customer of a running system, with an API key."""

    system: "System"
    user_id: UserId
    email: str
    key_id: str
    secret_key: str

    @property
    def keys(self) -> dict[str, str]:
        """The headers that a program sends."""
        return {"APCA-API-KEY-ID": self.key_id, "APCA-API-SECRET-KEY": self.secret_key}

    def alpaca(self) -> "TradingClient":
        """The unmodified SDK, pointed at us."""
        from alpaca.trading.client import TradingClient

        return TradingClient(self.key_id, self.secret_key, url_override=self.system.url)

    def http(self) -> httpx.Client:
        """A plain client that sends this customer's key."""
        return httpx.Client(base_url=self.system.url, headers=self.keys, timeout=10)

    @cached_property
    def token(self) -> str:
        """A session's token: logs in at the first look."""
        answer = httpx.post(
            f"{self.system.url}/api/login", json={"email": self.email, "password": PASSWORD}, timeout=10
        )
        assert answer.is_success, answer.text
        token: str = answer.json()["token"]
        return token

    def balance(self, currency: str) -> tuple[Decimal, Decimal]:
        """Available and held, from the books themselves."""

        async def read() -> tuple[Decimal, Decimal]:
            async with self.system.connection() as connection:
                return await books.balance(connection, self.user_id, currency)

        return in_thread(read())


@dataclass
class System:
    """A running brokerage. `settings` are those that every process was started with."""

    folder: Path
    settings: Settings
    environment: dict[str, str]
    sandbox: Sandbox
    database: DatabaseUrls
    demo: dict[str, dict[str, str]] = field(default_factory=dict)
    processes: dict[ProcessName, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the API is."""
        return self.settings.base_url

    @property
    def live_url(self) -> str:
        """Where the live server is."""
        return self.settings.live_url

    @property
    def worker_url(self) -> str:
        """Where the worker tells how it is."""
        return f"http://{addresses.HERE}:{self.settings.worker_port}"

    # ---- processes

    def start(self, *names: ProcessName, **changes: str) -> None:
        """Start processes and wait until each is ready; `changes` are BITCURRENT_ variables for these alone."""
        for name in names:
            environment = {**self.environment, **{f"BITCURRENT_{key.upper()}": value for key, value in changes.items()}}
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = spawn.start(own_command(COMMANDS[name]), log=log, environment=environment)
        for name in names:
            self.await_ready(name)

    def await_ready(self, name: ProcessName) -> None:
        """Wait until a process is ready; raises with its last words when it does not come."""
        process = self.processes[name]
        address = {
            "api": f"{self.url}/health/ready",
            "worker": f"{self.worker_url}/health/ready",
            "live": f"http://{addresses.HERE}:{self.settings.live_port}/health/ready",
        }[name]
        came = addresses.wait_until(
            lambda: process.poll() is not None or answers(address), seconds=START_SECONDS, pause=0.05
        )
        if not came or process.poll() is not None:
            raise RuntimeError(f"{name} did not start: {self.log(name)[-3000:]}")

    def kill(self, name: ProcessName) -> None:
        """End a process as a crash would, and all it started."""
        process = self.processes.pop(name)
        spawn.signal_group(process.pid, signal.SIGKILL)
        process.wait(timeout=STOP_SECONDS)

    def stop(self, name: ProcessName) -> int:
        """End a process in order; gives its exit code."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            return process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            spawn.signal_group(process.pid, signal.SIGKILL)
            process.wait(timeout=STOP_SECONDS)
            raise

    def log(self, name: str) -> str:
        """Everything that a process has written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    # ---- people and books

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection to the system's database, as the app's role."""
        connection = await books.connect(self.database.app)
        try:
            yield connection
        finally:
            await connection.close()

    def customer(self, *, scopes: tuple[Scope, ...] = ("read", "trade"), **money: str) -> Customer:
        """A new customer with an API key and so much of each currency: `customer(USD="10000")`."""
        return in_thread(self._customer(scopes, money))

    async def _customer(self, scopes: tuple[Scope, ...], money: dict[str, str]) -> Customer:
        email, key_id = f"customer{next(_numbers)}@journeys.test", new_key_id()
        secret = os.urandom(20).hex()
        async with self._identity() as (database, identity):
            hashed = await self._password_hash(identity)
            async with database.transaction() as connection:
                wish = Registration(email, "A Customer", hashed)
                user = await identity.register(connection, wish, address="tests")
                await identity.ensure_key(
                    connection,
                    Actor(user.id, "customer", "active"),
                    key_id=key_id,
                    secret=secret,
                    label="journeys",
                    scopes=scopes,
                )
                for currency, amount in money.items():
                    await self._give(connection, user.id, currency, Decimal(amount))
        return Customer(self, user.id, email, key_id, secret)

    async def _give(self, connection: Connection, user_id: UserId, currency: str, amount: Decimal) -> None:
        """Money comes out of the bank; coins come to the venue first, as nobody may own what does not lie there."""
        if currency == "USD":
            await books.credit(connection, user_id, currency, amount)
            return
        self.sandbox.control("credit", symbol=f"{currency}/USD", amount=str(amount))
        move = Move(source=house("venue", currency), target=available(user_id, currency), amount=amount)
        await post(connection, Journal(kind="demo_credit", reference=f"test:{new_id()}", moves=(move,)))

    @contextlib.asynccontextmanager
    async def _identity(self) -> AsyncIterator[tuple[Database, Identity]]:
        database = await Database.connect(self.database.app, connections_min=1, connections_max=2)
        redis = connect_redis(self.settings.redis_url)
        identity = Identity(database, redis, self.settings)
        try:
            yield database, identity
        finally:
            identity.close()
            await redis.aclose()
            await database.close()

    async def _password_hash(self, identity: Identity) -> str:
        """Hashed once for all customers: it takes a quarter of a second on purpose."""
        kept = self.folder / "password-hash"
        if not kept.exists():
            wish = await identity.registration_of(
                email="a@b.test", display_name="A", password=PASSWORD, role="customer"
            )
            kept.write_text(wish.password_hash)
        return kept.read_text()

    def broken_laws(self) -> list[str]:
        """What is wrong with the books now; empty when every law is kept."""

        async def read() -> list[str]:
            async with self.connection() as connection:
                return await books.broken_laws(connection)

        return in_thread(read())

    def venue_order(self, order_id: UUID | str) -> dict[str, Any]:
        """The sandbox's own truth about one order, by our id for it."""
        address = f"{self.sandbox.url}/sandbox/control/state"
        answer = httpx.get(address, params={"client_order_id": str(order_id)}, timeout=10)
        found: dict[str, Any] = answer.json()["orders"][str(order_id)]
        return found


def answers(address: str) -> bool:
    """Whether something answers 200 there."""
    try:
        return httpx.get(address, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in tests with and without an event loop."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result(timeout=60)


def eventually(look: Callable[[], T], *, seconds: float = 10, pause: float = 0.02) -> T:
    """What `look()` gives once that is true; fails with the last thing seen when the time is over."""
    seen = look()
    last = [seen]

    def looked() -> bool:
        last[0] = look()
        return bool(last[0])

    assert addresses.wait_until(looked, seconds=seconds, pause=pause), f"still {last[0]!r} after {seconds} s"
    return last[0]


@contextlib.contextmanager
def start_system(
    postgres: ScratchPostgres,
    template: str,
    *,
    sandbox_arguments: tuple[str, ...] = ("--still",),
    keep: Callable[[Path], bool],
) -> Iterator[System]:
    """Run a system until the block ends. Its folder with every log stays behind when `keep(folder)` says so."""
    folder = Path(tempfile.mkdtemp(prefix="bitcurrent-system-"))
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: None if keep(folder) else shutil.rmtree(folder))
        database = stack.enter_context(fresh_database(postgres, template))
        redis = stack.enter_context(scratch_redis())
        sandbox = stack.enter_context(
            start_sandbox(*sandbox_arguments, "--requests-per-minute", REQUESTS_PER_MINUTE, data=folder / "venue")
        )
        environment = _environment(database, redis.url, sandbox)
        system = System(folder, read_settings(environment), environment, sandbox, database)
        sandbox.control("stripe/webhooks", url=f"{system.settings.base_url}/api/webhooks/stripe")
        stack.callback(_stop_all, system)
        # Side by side: the first logins take seconds of hashing, and the processes as long to come up.
        demo_data = _begin_demo_data(environment)
        system.start("worker", "api", "live")
        system.demo = _logins(demo_data)
        _await_prices(system)
        yield system


def _environment(database: DatabaseUrls, redis_url: str, sandbox: Sandbox) -> dict[str, str]:
    port, live_port, worker_port = (addresses.free_port() for _ in range(3))
    settings = {
        "ENV": "demo",
        "DATABASE_URL": database.app,
        "REDIS_URL": redis_url,
        "SECRET_KEY": os.urandom(24).hex(),
        "PASSWORD_PEPPER": os.urandom(24).hex(),
        "PASSWORD_COST": "4",
        "RATE_LIMIT_FACTOR": "1000",
        "ENCRYPTION_KEYS": f"test-1:{new_key()}",
        "BLIND_INDEX_KEY": new_key(),
        "ALPACA_KEY_ID": sandbox.key_id,
        "ALPACA_SECRET_KEY": sandbox.secret_key,
        "ALPACA_TRADING_URL": sandbox.trading_url,
        "ALPACA_DATA_URL": sandbox.data_url,
        "ALPACA_STREAM_URL": sandbox.stream_url,
        "ALPACA_DATA_STREAM_URL": sandbox.data_stream_url,
        "ALPACA_REQUESTS_PER_MINUTE": REQUESTS_PER_MINUTE,
        "STRIPE_API_KEY": sandbox.stripe_key,
        "STRIPE_WEBHOOK_SECRET": sandbox.stripe_webhook_secret,
        "STRIPE_URL": sandbox.stripe_url,
        "IDENTITY_URL": f"{sandbox.url}/idcheck",
        "IDENTITY_API_KEY": f"idcheck_{sandbox.secret_key}",
        "IDENTITY_WEBHOOK_SECRET": f"idsec_{sandbox.secret_key}",
        "SMTP_URL": sandbox.smtp_url,
        "RISK_ACKNOWLEDGEMENT": "offered",
        "FX_RATES": "EUR/USD=1.25,GBP/USD=1.5",
        "DEMO_BANK": "true",
        "CIRCUIT_BREAKER": "false",
        "BANK_OWN_ACCOUNTS": OWN_ACCOUNTS,
        "PORT": str(port),
        "LIVE_PORT": str(live_port),
        "WORKER_PORT": str(worker_port),
        "BASE_URL": f"http://{addresses.HERE}:{port}",
        "LIVE_URL": f"ws://{addresses.HERE}:{live_port}",
        "DATABASE_CONNECTIONS_MIN": "2",
        "DATABASE_CONNECTIONS_MAX": "10",
    }
    own = {name: value for name, value in os.environ.items() if not name.startswith("BITCURRENT_")}
    return {**own, "PYTHONUNBUFFERED": "1", **{f"BITCURRENT_{name}": value for name, value in settings.items()}}


def _begin_demo_data(environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Run `bitcurrent demo-data` as the launcher does."""
    return subprocess.Popen(
        own_command("demo-data"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _logins(demo_data: "subprocess.Popen[str]") -> dict[str, dict[str, str]]:
    """The logins that it prints in its last line."""
    said, _ = demo_data.communicate(timeout=START_SECONDS)
    assert demo_data.returncode == 0, said
    logins: dict[str, dict[str, str]] = json.loads(said.strip().splitlines()[-1])
    return logins


def _await_prices(system: System) -> None:
    """Trading can begin: the worker has listed the markets and the API has heard a price."""

    def priced() -> bool:
        answer = httpx.get(f"{system.url}/api/markets/BTC-USD", timeout=5)
        return answer.status_code == 200 and not answer.json()["stale"]

    if not addresses.wait_until(priced, seconds=START_SECONDS, pause=0.05):
        raise RuntimeError(f"no prices came: {system.log('worker')[-3000:]}")


def _stop_all(system: System) -> None:
    """End every process at once: in order first, hard when it does not obey."""
    for process in system.processes.values():
        process.terminate()
    for process in system.processes.values():
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            spawn.signal_group(process.pid, signal.SIGKILL)
            process.wait(timeout=STOP_SECONDS)
    system.processes.clear()
