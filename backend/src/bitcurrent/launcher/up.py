"""`bitcurrent up`: bring one whole copy up, keep it alive, stop it in order."""

import asyncio
import json
import os
import signal
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from bitcurrent.launcher import brokerage, checks, credentials, lock, logs, wheels
from bitcurrent.launcher.errors import LaunchError
from bitcurrent.launcher.layout import Copy
from bitcurrent.launcher.screen import Screen
from bitcurrent.launcher.supervisor import ChildSpec, Supervisor

FOLLOW_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person asked for."""

    verbose: bool = False
    without: frozenset[str] = frozenset()


def up(copy: Copy, wishes: Wishes) -> int:
    """Run a copy until it is told to stop; gives the exit code."""
    screen = Screen()
    try:
        _prepare_folders(copy)
        with lock.held(copy.data, copy.base_url) as leftovers:
            return asyncio.run(_Up(copy, wishes, screen, leftovers).run())
    except LaunchError as error:
        screen.trouble(error.what, error.mend)
        return 1
    except OSError as error:
        screen.trouble(f"{error.strerror}: {error.filename}", "See `bitcurrent doctor`.")
        return 1


def _prepare_folders(copy: Copy) -> None:
    if os.environ.get("BITCURRENT_ENV") == "production":
        raise LaunchError(
            "`up` brings up a demonstration with known logins; BITCURRENT_ENV says production.",
            "Start `bitcurrent migrate`, `serve`, `live` and `worker` with your own BITCURRENT_ settings.",
        )
    if not copy.data.exists():
        copy.data.mkdir(parents=True)
        # The database's account passes through here; it can list nothing.
        copy.data.chmod(0o711)
    copy.logs.mkdir(mode=0o700, exist_ok=True)


class _Up:
    """One run, from the first check to the last goodbye."""

    def __init__(self, copy: Copy, wishes: Wishes, screen: Screen, leftovers: int) -> None:
        self._copy = copy
        self._wishes = wishes
        self._screen = screen
        self._supervisor = Supervisor(log_folder=copy.logs, say=screen.news, leftovers_lock=leftovers)
        self._enough = asyncio.Event()
        self._hurry = asyncio.Event()
        self._follower = logs.Follower(copy.logs)

    async def run(self) -> int:
        """Come up, wait for a signal, go down; a failure on the way up goes down as well."""
        self._listen_for_signals()
        self._supervisor.open()
        followed = asyncio.create_task(self._follow()) if self._wishes.verbose else None
        coming = asyncio.create_task(self._come_up())
        enough = asyncio.create_task(self._enough.wait())
        try:
            await asyncio.wait({coming, enough}, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                await coming
                await enough
            self._screen.plain("Stopping.")
            return 0
        finally:
            await self._go_down(coming, enough, followed)

    async def _go_down(self, coming: asyncio.Task[None], *others: asyncio.Task[Any] | None) -> None:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        began = asyncio.get_running_loop().time()
        await self._supervisor.stop(hurry=self._hurry)
        for task in others:
            if task is not None:
                task.cancel()
        seconds = asyncio.get_running_loop().time() - began
        self._screen.plain(f"Stopped everything in {seconds:.1f} s; the data stays in {self._copy.data}")

    def _listen_for_signals(self) -> None:
        def heard() -> None:
            if self._enough.is_set():
                self._hurry.set()
            self._enough.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, heard)

    async def _come_up(self) -> None:
        screen, copy = self._screen, self._copy
        with screen.step("machine") as step:
            step.detail = await asyncio.to_thread(checks.before_up, copy)
        with screen.step("secrets") as step:
            exists = (copy.data / "postgres" / str(wheels.POSTGRES_MAJOR) / "PG_VERSION").exists()
            secret, made = credentials.ensure(copy.secrets, cluster_exists=exists)
            step.detail = f"{made} made" if made else "kept from before"
        servers = brokerage.servers_of(copy, secret)
        settings = brokerage.settings_of(copy, secret, servers)
        await _together(
            self._bring_postgres(servers),
            self._bring_redis(servers),
            self._bring(brokerage.sandbox_child(copy, secret), f"the outside world on {copy.sandbox_url}"),
        )
        owner = {**settings, "BITCURRENT_OWNER_DATABASE_URL": servers.postgres.owner_url}
        with screen.step("migrations") as step:
            step.detail = (await self._run_to_end("migrate", owner)).strip() or "the newest schema"
        wanted = [
            child for child in brokerage.application_children(copy, settings) if child.name not in self._wishes.without
        ]
        logins: dict[str, dict[str, str]] = {}
        await _together(
            self._load_demo_data(settings, logins), *(self._bring(child, _told(child, copy)) for child in wanted)
        )
        demo = self._write_demo_file(settings, logins)
        screen.box("BitCurrent is up", _rows(demo), "Ctrl-C stops it; the data stays.")

    async def _bring_postgres(self, servers: brokerage.Servers) -> None:
        cluster = servers.postgres
        with self._screen.step("postgres") as step:
            made = "" if cluster.exists else ", made now"
            if not cluster.exists:
                await asyncio.to_thread(cluster.create)
            await self._supervisor.start(brokerage.postgres_child(cluster))
            await asyncio.to_thread(cluster.establish)
            account = f", as {cluster.account.name}" if cluster.account else ""
            step.detail = f"PostgreSQL {wheels.POSTGRES_MAJOR} on port {cluster.port}{account}{made}"

    async def _bring_redis(self, servers: brokerage.Servers) -> None:
        with self._screen.step("redis") as step:
            servers.redis.configure()
            await self._supervisor.start(brokerage.redis_child(servers.redis))
            step.detail = f"Redis on port {servers.redis.port}"

    async def _bring(self, child: ChildSpec, told: str) -> None:
        with self._screen.step(child.name) as step:
            await self._supervisor.start(child)
            step.detail = told

    async def _load_demo_data(self, settings: dict[str, str], logins: dict[str, dict[str, str]]) -> None:
        with self._screen.step("demo data") as step:
            logins.update(_logins(self._copy, await self._run_to_end("demo-data", settings)))
            step.detail = f"{len(logins)} logins"

    async def _run_to_end(self, command: str, settings: dict[str, str]) -> str:
        """Run one of our own commands; gives what it printed."""
        environment = brokerage.environment_of(settings)
        return await self._supervisor.run_once(command, brokerage.own_command(command), environment)

    def _write_demo_file(self, settings: dict[str, str], logins: dict[str, Any]) -> dict[str, Any]:
        """Write addresses and logins for scripts, whole or not at all."""
        demo = {
            "base_url": self._copy.base_url,
            "live_url": self._copy.live_url,
            "sandbox_url": self._copy.sandbox_url,
            "mailbox_url": self._copy.mailbox_url,
            "database_url": settings["BITCURRENT_DATABASE_URL"],
            "redis_url": settings["BITCURRENT_REDIS_URL"],
            **logins,
        }
        credentials.write_private(self._copy.demo_file, json.dumps(demo, indent=2) + "\n")
        return demo

    async def _follow(self) -> None:
        """Print what the children write."""
        self._follower.skip_old()
        while True:
            for name, line in self._follower.new_lines():
                self._screen.plain(f"{name:<9}| {line}")
            await asyncio.sleep(FOLLOW_SECONDS)


async def _together(*steps: Coroutine[Any, Any, None]) -> None:
    """Do steps side by side; the first failure ends the others and is told as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _logins(copy: Copy, printed: str) -> dict[str, dict[str, str]]:
    """Give the demo logins: those just made, printed as JSON in the last line, over those known from before.

    Only hashes of passwords and keys are kept in the database, so the file is where they are remembered.
    """
    known = json.loads(copy.demo_file.read_text()) if copy.demo_file.exists() else {}
    lines = printed.strip().splitlines()
    try:
        told = json.loads(lines[-1]) if lines else {}
    except ValueError as error:
        raise LaunchError(f"demo-data printed no logins: {lines[-1]}") from error
    return {name: value for name, value in {**known, **told}.items() if isinstance(value, dict)}


def _told(child: ChildSpec, copy: Copy) -> str:
    """Say what a child is for."""
    return {
        "api": f"HTTP on {copy.base_url}",
        "live": f"WebSocket on {copy.live_url}",
        "worker": "sends orders, settles fills",
    }.get(child.name, "")


def _rows(demo: dict[str, Any]) -> list[tuple[str, str]]:
    """Give the rows of the box: where things are, then who may log in."""
    rows = [
        ("API", demo["base_url"]),
        ("Live", demo["live_url"]),
        ("Sandbox", f"{demo['sandbox_url']}/sandbox"),
        ("Cards", f"{demo['sandbox_url']}/sandbox/stripe"),
        ("Mailbox", demo["mailbox_url"]),
        ("", ""),
    ]
    people = [name for name in ("customer", "operator") if name in demo]
    rows += [(name.capitalize(), f"{demo[name]['email']}  {demo[name]['password']}") for name in people]
    if "totp_secret" in demo.get("operator", {}):
        rows.append(("", f"authenticator secret {demo['operator']['totp_secret']}"))
    if "bot" in demo:
        rows.append(("Bot key", f"{demo['bot']['key_id']}  {demo['bot']['secret_key']}"))
    return rows
