"""The sandbox venue as the process it really is, on a port of its own."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bitcurrent.launcher import addresses, spawn

KEY_ID = "SANDBOXKEY"
SECRET_KEY = "sandbox-secret-for-tests"
START_SECONDS = 15
HTTP = httpx.Client(timeout=10)
"""One client for all: making one reads every certificate of the machine, which takes longer than the request."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: where it is, its keys, and its control."""

    url: str
    key_id: str
    secret_key: str
    smtp_url: str
    process: subprocess.Popen[bytes]

    @property
    def trading_url(self) -> str:
        return f"{self.url}/alpaca"

    @property
    def data_url(self) -> str:
        return f"{self.url}/alpaca"

    @property
    def stream_url(self) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/alpaca/stream"

    @property
    def data_stream_url(self) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/alpaca/v1beta3/crypto/us"

    @property
    def stripe_url(self) -> str:
        return f"{self.url}/stripe"

    @property
    def stripe_key(self) -> str:
        return f"sk_test_{self.secret_key}"

    @property
    def stripe_webhook_secret(self) -> str:
        return f"whsec_{self.secret_key}"

    def pay(self, session: str, **how: Any) -> Any:
        """Pay a Checkout Session without its page: card="4242…", debit="succeeds" or "fails", authenticate=False."""
        return self.control("stripe/pay", session=session, **how)

    def stripe_state(self) -> Any:
        """GET /sandbox/control/stripe/state: the processor's own truth."""
        return self._answer(HTTP.get(f"{self.url}/sandbox/control/stripe/state"))

    def letters(self, to: str, *, count: int = 1, seconds: float = 10) -> list[dict[str, Any]]:
        """The letters that have come for an address, newest first, once there are so many."""
        found: list[dict[str, Any]] = []

        def came() -> bool:
            answer = HTTP.get(f"{self.url}/sandbox/mailbox/messages", params={"to": to})
            found[:] = self._answer(answer)["messages"]
            return len(found) >= count

        assert addresses.wait_until(came, seconds=seconds, pause=0.05), f"{len(found)} of {count} letters for {to}"
        return found

    def refuse_letters(self, answer: str, *, count: int = 1) -> None:
        """The mailbox answers the next letters so: "451 later"."""
        self._answer(HTTP.post(f"{self.url}/sandbox/mailbox/refuse", json={"answer": answer, "count": count}))

    def control(self, path: str, /, **body: Any) -> Any:
        """POST to /sandbox/control/{path}; give the JSON of the answer (None where there is none)."""
        return self._answer(HTTP.post(f"{self.url}/sandbox/control/{path}", json=body))

    def state(self) -> Any:
        """GET /sandbox/control/state: the venue's own truth."""
        return self._answer(HTTP.get(f"{self.url}/sandbox/control/state"))

    @staticmethod
    def _answer(response: httpx.Response) -> Any:
        assert response.is_success, f"{response.request.url} answered {response.status_code}: {response.text}"
        return response.json() if response.content else None


@contextlib.contextmanager
def start_sandbox(*arguments: str, data: Path | None = None) -> Iterator[Sandbox]:
    """Run a sandbox on a free port until the block ends; `data` keeps its state for the next one."""
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bitcurrent-sandbox-")))
        folder.mkdir(parents=True, exist_ok=True)
        port, smtp_port = addresses.free_port(), addresses.free_port()
        command = [
            sys.executable, "-m", "bitcurrent_sandbox", "--host", addresses.HERE, "--port", str(port),
            "--smtp-port", str(smtp_port), "--data", str(folder),
            "--key-id", KEY_ID, "--secret-key", SECRET_KEY, *arguments,
        ]  # fmt: skip
        log = stack.enter_context((folder / "sandbox.log").open("ab"))
        process = spawn.start(command, log=log)
        stack.callback(_stop, process)
        url = f"http://{addresses.HERE}:{port}"
        came = addresses.wait_until(
            lambda: process.poll() is not None or _healthy(url), seconds=START_SECONDS, pause=0.05
        )
        if not came or process.poll() is not None:
            words = (folder / "sandbox.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the sandbox did not start: {words}")
        yield Sandbox(url, KEY_ID, SECRET_KEY, f"smtp://{addresses.HERE}:{smtp_port}", process)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/sandbox/health", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=5)
