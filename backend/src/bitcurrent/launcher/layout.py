"""One copy of the brokerage on this machine: its ports, and where its data lies.

Every port is derived from one and every folder from another, so that two copies side by side differ in PORT
and DATA only.
"""

from dataclasses import dataclass
from pathlib import Path

from bitcurrent.launcher.addresses import HERE

PORTS = ("api", "live", "sandbox", "mail", "postgres", "redis", "worker")
HIGHEST_PORT = 65535 - len(PORTS) + 1


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy is known by its first port and its (absolute) data folder."""

    port: int
    data: Path

    def port_of(self, name: str) -> int:
        """Give the port of one part, a name of PORTS."""
        return self.port + PORTS.index(name)

    @property
    def base_url(self) -> str:
        """Where people and programs reach the brokerage."""
        return f"http://{HERE}:{self.port}"

    @property
    def live_url(self) -> str:
        """Where the live server speaks WebSocket."""
        return f"ws://{HERE}:{self.port_of('live')}"

    @property
    def sandbox_url(self) -> str:
        """Where the sandbox plays the outside world."""
        return f"http://{HERE}:{self.port_of('sandbox')}"

    @property
    def mailbox_url(self) -> str:
        """Where the sandbox shows the mails and texts that were sent."""
        return f"{self.sandbox_url}/sandbox/mailbox"

    @property
    def secrets(self) -> Path:
        """Private files, one secret each."""
        return self.data / "secrets"

    @property
    def audit_heads(self) -> Path:
        """Signed heads of the audit log, outside its database."""
        return self.data / "audit" / "heads.jsonl"

    @property
    def logs(self) -> Path:
        """What the children say."""
        return self.data / "logs"

    @property
    def demo_file(self) -> Path:
        """Addresses and logins, for scripts."""
        return self.data / "demo.json"
