"""One Redis of our own: a cache, limits and messages; never the truth, so nothing of it is kept on disk."""

import socket
from dataclasses import dataclass
from pathlib import Path

from bitcurrent.launcher import addresses, wheels
from bitcurrent.launcher.account import Account, hand_over

# `noeviction`: counters of limits live here beside caches. Throwing a counter out to make room for a cached
# price would loosen a limit in silence; a full Redis refuses instead, which reads survive and money writes
# answer with 503. Everything cached has a time to live, so room comes back by itself.
_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
protected-mode yes
daemonize no
dir "{folder}"
save ""
appendonly no
maxmemory 64mb
maxmemory-policy noeviction
client-output-buffer-limit pubsub 16mb 4mb 30
timeout 0
tcp-keepalive 60
loglevel notice
"""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis in `home`, listening on `port`."""

    home: Path
    port: int
    password: str
    account: Account | None

    @property
    def url(self) -> str:
        """Give its address."""
        return f"redis://:{self.password}@{addresses.HERE}:{self.port}/0"

    def configure(self) -> None:
        """Write its configuration: the password stands in a private file, not on a command line."""
        self.home.mkdir(parents=True, exist_ok=True)
        hand_over(self.home, self.account)
        quoted = str(self.home).replace("\\", "\\\\").replace('"', '\\"')
        self._file.touch(mode=0o600)
        self._file.write_text(
            _CONFIGURATION.format(host=addresses.HERE, port=self.port, password=self.password, folder=quoted)
        )
        hand_over(self._file, self.account, 0o600)

    @property
    def _file(self) -> Path:
        return self.home / "redis.conf"

    def command(self) -> list[str | Path]:
        """Give the command line of the server."""
        return [wheels.redis_program(), self._file]

    def is_ready(self) -> bool:
        """Tell whether it answers to our password."""
        try:
            return self.ask("PING") == b"+PONG"
        except OSError:
            return False

    def ask(self, command: str, *, timeout: float = 1) -> bytes:
        """Send one plain command and give the first line of its answer. Raises OSError.

        The supervisor needs no more of Redis than this, and so does not load a client.
        """
        with socket.create_connection((addresses.HERE, self.port), timeout=timeout) as connection:
            connection.sendall(f"AUTH {self.password}\r\n{command}\r\n".encode())
            with connection.makefile("rb") as answers:
                if answers.readline().strip() != b"+OK":
                    raise ConnectionRefusedError("Redis does not know our password")
                return bytes(answers.readline().strip())
