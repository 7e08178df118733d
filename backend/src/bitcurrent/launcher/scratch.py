"""Servers for an hour: a PostgreSQL and a Redis in a folder of their own, gone when the block ends.

For tests, benchmarks and checks that need a real server. Nothing in them outlives the block.
"""

import contextlib
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from bitcurrent.launcher import addresses, spawn, wheels
from bitcurrent.launcher.account import Account, account_for
from bitcurrent.launcher.errors import LaunchError
from bitcurrent.launcher.postgres import DATABASE, OWNER, Cluster, Passwords
from bitcurrent.launcher.redis import RedisServer

START_SECONDS = 20


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """One database's two addresses: its owner's, for migrations, and the app's."""

    owner: str
    app: str


@dataclass(slots=True)
class ScratchPostgres:
    """A running PostgreSQL that may be killed and started again; `owner` and `app` are its URLs."""

    cluster: Cluster
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def owner(self) -> str:
        """The URL of the database for its owner (migrations)."""
        return self.cluster.owner_url

    @property
    def app(self) -> str:
        """The URL of the database for the app's role."""
        return self.cluster.app_url

    def urls(self, database: str = DATABASE) -> DatabaseUrls:
        """Give the addresses of any database of this server."""
        passwords = self.cluster.passwords
        return DatabaseUrls(
            owner=self.cluster.url("bitcurrent_owner", passwords.owner, database),
            app=self.cluster.url("bitcurrent_app", passwords.app, database),
        )

    def clone(self, name: str, *, template: str = "template0") -> DatabaseUrls:
        """Make a database as a copy of another one, to which nobody may be connected."""
        self.cluster.sql(
            f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER};\n"
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;\n"
            f"GRANT CONNECT ON DATABASE {name} TO bitcurrent_app;"
        )
        return self.urls(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.cluster.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")

    def kill(self) -> None:
        """Kill the server as a power cut would: no time to write anything."""
        # Its backends made sessions of their own, so a signal to the group would miss them.
        backends = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for backend in backends:
            with contextlib.suppress(psutil.NoSuchProcess):
                backend.kill()
        self.process.wait(timeout=10)
        psutil.wait_procs(backends, timeout=10)

    def start_again(self) -> None:
        """Start the server after `kill`; returns when it has recovered."""
        self.process = start_postgres(self.cluster, self.folder)


@contextlib.contextmanager
def scratch_postgres(*, durable: bool = False) -> Iterator[ScratchPostgres]:
    """Run a PostgreSQL with roles and an empty database; `durable` turns fsync on (to be killed on purpose).

    Raises LaunchError when it does not come up.
    """
    with _folder() as folder:
        account = account_for([folder, wheels.postgres_home()])
        cluster = Cluster(folder / "postgres", addresses.free_port(), Passwords.fresh(), account, durable)
        cluster.create()
        server = ScratchPostgres(cluster, folder, start_postgres(cluster, folder))
        try:
            cluster.establish()
            yield server
        finally:
            stop(server.process)


@contextlib.contextmanager
def scratch_redis() -> Iterator[RedisServer]:
    """Run a Redis. Raises LaunchError when it does not come up."""
    with _folder() as folder:
        account = account_for([folder, wheels.redis_program().parent])
        server = RedisServer(folder / "redis", addresses.free_port(), secrets.token_urlsafe(24), account)
        server.configure()
        process = _start("redis", server.command(), folder, account)
        try:
            _await_ready("redis", process, folder, server.is_ready)
            yield server
        finally:
            stop(process, signal.SIGKILL)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bitcurrent-"))
    # The servers' own account must be able to pass through; it cannot list what is there.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def start_postgres(cluster: Cluster, folder: Path) -> subprocess.Popen[bytes]:
    """Start a cluster that exists and wait until it is ready; its log lies in `folder`."""
    process = _start("postgres", cluster.command(), folder, cluster.account)
    _await_ready("postgres", process, folder, lambda: cluster.is_ready(process.pid))
    return process


def _start(name: str, command: list[str | Path], folder: Path, account: Account | None) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("ab") as log:
        return spawn.start(command, log=log, account=account)


def _await_ready(name: str, process: subprocess.Popen[bytes], folder: Path, ready: addresses.Question) -> None:
    """Wait for a server of ours; its last words go into the error when it does not come."""
    came = addresses.wait_until(lambda: process.poll() is not None or ready(), seconds=START_SECONDS)
    if came and process.poll() is None:
        return
    stop(process, signal.SIGKILL)
    words = (folder / f"{name}.log").read_text(errors="replace")[-2000:]
    raise LaunchError(f"{name} did not start: {words.strip()}")


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGQUIT) -> None:
    """Stop a server we do not need any more (SIGQUIT: it may forget), hard when it does not obey."""
    if process.poll() is None:
        # Only the server itself: it tells its own children (a signal to all of them would look like a crash).
        process.send_signal(number)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        spawn.signal_group(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
