"""A Redis of a test's own that may be killed and started again."""

import contextlib
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bitcurrent.launcher import addresses, spawn, wheels
from bitcurrent.launcher.account import account_for
from bitcurrent.launcher.redis import RedisServer

START_SECONDS = 10


@dataclass(slots=True)
class RedisAtRisk:
    """The server, and its process while it runs."""

    server: RedisServer
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it, empty; returns when it answers. From the main thread: it ends with the thread that started it."""
        with self.log.open("ab") as log:
            self.process = spawn.start(self.server.command(), log=log, account=self.server.account)
        assert addresses.wait_until(self.server.is_ready, seconds=START_SECONDS, pause=0.02), self.log.read_text()

    def kill(self) -> None:
        """End it as a crash would."""
        assert self.process is not None
        spawn.signal_group(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)

    def flush(self) -> None:
        """Everything in it is gone."""
        assert self.server.ask("FLUSHALL") == b"+OK"

    def freeze(self, milliseconds: int) -> None:
        """It takes connections and answers nobody."""
        assert self.server.ask(f"CLIENT PAUSE {milliseconds} ALL") == b"+OK"


@contextlib.contextmanager
def redis_at_risk() -> Iterator[RedisAtRisk]:
    """Run one until the block ends."""
    with tempfile.TemporaryDirectory(prefix="bitcurrent-redis-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        account = account_for([folder, wheels.redis_program().parent])
        server = RedisServer(folder / "redis", addresses.free_port(), secrets.token_urlsafe(24), account)
        server.configure()
        redis = RedisAtRisk(server, folder / "redis.log")
        redis.start()
        try:
            yield redis
        finally:
            if redis.process is not None and redis.process.poll() is None:
                redis.kill()
